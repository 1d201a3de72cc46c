"""The source of a module that was captured has the module's ``state_dict``, and its outputs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import archcalc


class Ladder(nn.Module):
    """Lists that a loop goes through, with functions of the loop's own between their members."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, 2 * c, 3, padding=1), nn.BatchNorm2d(2 * c), nn.ReLU())
            for c in (4, 8, 16)
        )
        self.up = nn.ModuleList(
            nn.ModuleList([nn.ConvTranspose2d(2 * c, c, 2, 2), nn.Conv2d(2 * c, c, 3, padding=1)])
            for c in (16, 8)
        )

    def forward(self, x: Tensor) -> Any:
        kept = []
        for k, part in enumerate(self.down):
            x = part(x if k == 0 else functional.max_pool2d(x, 2))
            kept.append(x)
        up: Any = self.up
        for (widen, fuse), beside in zip(up, kept[-2::-1], strict=True):
            x = functional.relu(fuse(torch.cat([widen(x), beside], 1)))
        return x


class Residual(nn.Module):
    """Equal parts, each of which is added to what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            nn.Sequential(nn.Linear(6, 12), nn.SiLU(), nn.Linear(12, 6)) for _ in range(3)
        )

    def forward(self, x: Tensor) -> Any:
        for part in self.parts:
            x = x + part(x)
        return x


class Holder(nn.Module):
    """Modules that stand in others, whose ``forward`` is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.ModuleDict(
            {
                "first": nn.Linear(6, 4),
                "rest": nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 6)}),
            }
        )
        self.steps = nn.ModuleList([nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 4)])

    def forward(self, x: Tensor) -> Any:
        inner: Any = self.inner
        y = torch.tanh(inner["first"](x))
        y = self.steps[2](y) + inner["rest"]["a"](self.steps[0](y))
        return inner["rest"]["b"](self.steps[1](y))


class Tokens(nn.Module):
    """Tensors that stand in modules by themselves: with an axis for the batch, without, a scalar,
    a buffer, and a weight that is taken by itself before its layer and after.
    """

    mean: Tensor
    passing: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(11, 6)
        self.token = nn.Parameter(torch.randn(1, 1, 6))
        self.scale = nn.Parameter(torch.randn(6))
        self.log_gain = nn.Parameter(torch.tensor(0.5))
        self.gains = nn.ParameterList([nn.Parameter(torch.randn(6)) for _ in range(2)])
        self.register_buffer("mean", torch.randn(1, 6))
        self.register_buffer("passing", torch.zeros(6), persistent=False)

    def forward(self, x: Tensor) -> Any:
        near = (x @ self.words.weight.T).argmax(-1)
        x = torch.cat([self.token.expand(len(x), -1, -1), x + self.words(near)], 1)
        x = (x - self.mean + self.passing) * self.scale * self.log_gain
        return x * self.gains[0] * self.gains[1] @ self.words.weight.T


class Again(nn.Module):
    """Modules that are called twice, a layer and a block, which have one state."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)
        self.part = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 6))

    def forward(self, x: Tensor) -> Any:
        y = self.part(self.fc(x))
        return self.part(self.fc(torch.sigmoid(y)) * 2)


MODULES: dict[str, tuple[type[nn.Module], tuple[int, ...]]] = {
    "ladder": (Ladder, (2, 4, 16, 16)),
    "residual": (Residual, (2, 5, 6)),
    "holder": (Holder, (2, 6)),
    "tokens": (Tokens, (1, 5, 6)),
    "again": (Again, (2, 6)),
}


def made(text: str, name: str) -> nn.Module:
    """A network by its source."""
    known: dict[str, Any] = {}
    exec(text, known)
    network = known[name]()
    assert isinstance(network, nn.Module)
    return network.eval()


@pytest.mark.parametrize("case", MODULES)
@pytest.mark.parametrize("written", [False, True], ids=["as it is", "as a spec"])
def test_a_module_written_again_takes_its_state_and_gives_its_output(
    case: str, written: bool
) -> None:
    kind, shape = MODULES[case]
    torch.manual_seed(0)
    module = kind().eval()
    graph = archcalc.from_torch(module, shape)
    text = archcalc.export(archcalc.to_spec(graph) if written else graph)
    assert isinstance(text, str)
    again = made(text, kind.__name__)
    assert {k: v.shape for k, v in again.state_dict().items()} == {
        k: v.shape for k, v in module.state_dict().items()
    }
    again.load_state_dict(module.state_dict())
    for name, buffer in module.named_buffers():
        again.get_buffer(name).copy_(buffer)  # what no state has, too
    x = torch.randn(shape)
    torch.testing.assert_close(again(x), module(x))
