"""Modules as people write them, and what a counter of PyTorch's functions says of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode


class Residual(nn.Module):
    def __init__(self, channels: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, x: Tensor) -> Any:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 7, 2, 3, bias=False)
        self.layer1 = nn.Sequential(Residual(16, 16), Residual(16, 16), Residual(16, 16))
        self.layer2 = nn.Sequential(Residual(16, 32, 2), Residual(32, 32))
        self.layer3 = nn.Sequential(Residual(32, 64, 2), Residual(64, 64))
        self.fc = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Any:
        x = self.layer3(self.layer2(self.layer1(self.conv1(x))))
        return self.fc(torch.flatten(functional.adaptive_avg_pool2d(x, 1), 1))


class Encoder(nn.Module):
    """A vision transformer: a class token, positions, ``nn.MultiheadAttention``."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 32, 8, 8)
        self.token = nn.Parameter(torch.zeros(1, 1, 32))
        self.positions = nn.Parameter(torch.zeros(1, 17, 32))
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
        self.head = nn.Linear(32, 5)

    def forward(self, x: Tensor) -> Any:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        return self.head(self.encoder(x)[:, 0])


class HandMade(nn.Module):
    """Attention by hand, in windows that join the batch, with a learned bias."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(24, 72)
        self.table = nn.Parameter(torch.zeros(49, 3))
        self.places: Tensor
        self.register_buffer("places", torch.zeros(16 * 16, dtype=torch.int64))
        self.proj = nn.Linear(24, 24)

    def forward(self, x: Tensor) -> Any:
        n, h, w, c = x.shape
        x = x.view(n, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
        q, k, v = self.qkv(x).reshape(-1, 16, 3, 3, 8).permute(2, 0, 3, 1, 4).unbind(0)
        scores = (q * 8**-0.5) @ k.transpose(-2, -1)
        bias = self.table[self.places].view(16, 16, 3).permute(2, 0, 1).contiguous()
        x = (scores + bias.unsqueeze(0)).softmax(-1) @ v
        x = self.proj(x.transpose(1, 2).reshape(-1, 16, c))
        x = x.view(n, h // 4, w // 4, 4, 4, c).permute(0, 1, 3, 2, 4, 5)
        return x.reshape(n, h, w, c)


class Language(nn.Module):
    """Tied embeddings, a recurrent layer, a tensor that nothing uses, one module called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(100, 16)
        self.lstm = nn.LSTM(16, 16, 2, batch_first=True)
        self.mix = nn.Linear(16, 16)
        self.head = nn.Linear(16, 100, bias=False)
        self.head.weight = self.embedding.weight
        self.idle = nn.Linear(3, 3)

    def forward(self, ids: Tensor) -> Any:
        x, _ = self.lstm(self.embedding(ids))
        return self.head(self.mix(torch.tanh(self.mix(x))))


class Normed(nn.Module):
    """A weight that is made when it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.utils.parametrizations.weight_norm(nn.Conv1d(4, 8, 3))

    def forward(self, x: Tensor) -> Any:
        return functional.leaky_relu(self.conv(x), 0.2)


class Dynamic(nn.Module):
    """A convolution whose kernels the input makes: no layer, and work all the same."""

    def __init__(self) -> None:
        super().__init__()
        self.make = nn.Linear(4, 4 * 9)

    def forward(self, x: Tensor) -> Any:
        kernels = self.make(x.mean((2, 3))).view(4, 1, 3, 3)
        return functional.conv2d(x, kernels, padding=1, groups=4)


class Blurred(nn.Module):
    """A filter that is not trained, and a bias that is put together of parts."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel: Tensor
        self.register_buffer("kernel", torch.ones(4, 1, 3, 3))
        self.qkv = nn.Linear(4, 12, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(4))
        self.v_bias = nn.Parameter(torch.zeros(4))

    def forward(self, x: Tensor) -> Any:
        x = functional.conv2d(x, self.kernel, stride=2, padding=1, groups=4).flatten(2)
        bias = torch.cat([self.q_bias, torch.zeros_like(self.v_bias), self.v_bias])
        return functional.linear(x.transpose(1, 2), self.qkv.weight, bias)


class Deciding(nn.Module):
    """It looks at a number, which only a module that runs has."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Any:
        for _ in range(int(x.sum().item()) + 2):
            x = self.fc(x)
        return x


class Transposed(nn.Module):
    """The way back has the weight of the way there, turned."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(20, 6)
        self.bias = nn.Parameter(torch.zeros(20))

    def forward(self, x: Tensor) -> Any:
        hidden = torch.relu(self.encoder(x))
        return functional.linear(hidden, self.encoder.weight.t(), self.bias)


class Messages(nn.Module):
    """A graph's nodes and edges, neither of which are a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, nodes: Tensor, edges: Tensor) -> Any:
        x = self.fc(nodes)
        gathered = x[edges[0]] * torch.sigmoid(x[edges[1]])
        return torch.zeros_like(x).index_add(0, edges[1], gathered)


class Joined(nn.Module):
    """Positions are joined to the batch, and normalized as samples."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 8, bias=False)
        self.norm = nn.BatchNorm1d(8)

    def forward(self, x: Tensor) -> Any:
        y = self.fc(x)
        return self.norm(y.flatten(0, 1)).view_as(y)


class TimeFirst(nn.Module):
    """A recurrent layer without the batch in front, of which all that it gives is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(6, 5)
        self.fc = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Any:
        y, (h, _) = self.lstm(x.transpose(0, 1))
        return self.fc(h[0]), y


class Masked(nn.Module):
    """Infinite numbers, which no spec has."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        y = self.fc(x)
        mask = torch.ones(5, 5, device=x.device).triu(1).bool()
        return (y @ y.transpose(1, 2)).masked_fill(mask, float("-inf")).softmax(-1) @ y


class Twice(nn.Module):
    """Parts that have numbers for names, each called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6))

    def forward(self, x: Tensor) -> Any:
        return self.net(self.net(x))


class Distances(nn.Module):
    """The nearest of some vectors, and a loss."""

    def __init__(self) -> None:
        super().__init__()
        self.codes = nn.Embedding(7, 4)

    def forward(self, x: Tensor) -> Any:
        found = self.codes(torch.cdist(x, self.codes.weight[None]).argmin(-1))
        return found, functional.mse_loss(found, x)


class Shifted(nn.Module):
    """A padding that takes away at one end what it gives at the other."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)

    def forward(self, x: Tensor) -> Any:
        return self.conv(functional.pad(functional.pad(x, (-1, 1, 2, -2)), (-1, -1)))


class Written(nn.Module):
    """Writes into parts of tensors, looks at them before and after, and joins nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(8, 8)
        self.b = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Any:
        x = self.a(x)
        y = torch.zeros_like(x)
        before = x[:, 1]
        y[:, 0] = x[:, 2]
        y[:, 1:] = 2 * x[:, 1:]
        x[..., :4] += 1
        x[:, :, 4:].copy_(self.b(x[:, :, :4]))
        y.transpose(1, 2)[:, 0] = before[:, :4]
        x.view(x.shape[0], -1)[:, 3] = 0
        return self.a(y) + x


class Again(nn.Module):
    """One network for two inputs, with a row in a row in it, and a row that comes again."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 6, 3),
            nn.BatchNorm2d(6),
            nn.Sequential(nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Identity(), nn.Conv2d(8, 8, 1)),
            nn.Flatten(),
        )
        self.head = nn.Sequential(nn.Linear(32, 32), nn.GELU())

    def forward(self, a: Tensor, b: Tensor) -> Any:
        x = self.backbone(a) - self.backbone(b)
        return self.head(self.head(x))


MODELS: dict[str, tuple[type[nn.Module], tuple[Any, ...]]] = {
    "resnet": (ResNet, ((1, 3, 64, 64),)),
    "encoder": (Encoder, ((1, 3, 32, 32),)),
    "windows": (HandMade, ((1, 8, 8, 24),)),
    "language": (Language, (torch.zeros(1, 7, dtype=torch.int64),)),
    "normed": (Normed, ((1, 4, 20),)),
    "blurred": (Blurred, ((1, 4, 8, 8),)),
    "transposed": (Transposed, ((1, 20),)),
    "messages": (Messages, ((9, 4), torch.zeros(2, 14, dtype=torch.int64))),
    "joined": (Joined, ((1, 5, 6),)),
    "time first": (TimeFirst, ((2, 3, 6),)),
    "masked": (Masked, ((1, 5, 6),)),
    "called twice": (Twice, ((1, 3, 6),)),
    "distances": (Distances, ((1, 5, 4),)),
    "shifted": (Shifted, ((1, 2, 8, 8),)),
    "dynamic": (Dynamic, ((1, 4, 10, 10),)),
    "written": (Written, ((1, 4, 8),)),
    "called again": (Again, ((1, 3, 6, 6), (1, 3, 6, 6))),
}


def counted(module: nn.Module, *inputs: Any) -> int:
    """Multiply-accumulates as PyTorch counts them, on the meta device, where nothing is fused."""
    given = [torch.empty(x) if isinstance(x, tuple) else x for x in inputs]
    with FlopCounterMode(display=False) as counter:
        module.to("meta").eval()(*[tensor.to("meta") for tensor in given])
    macs: int = counter.get_total_flops() // 2
    return macs
