"""Calls as people write them, with arguments that are seldom told: source says them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import archcalc
from tests.frontends.torch.test_promise import exported, require_same

INFINITE = float("inf")


class Does(nn.Module):
    """A layer, and what is called of it."""

    def __init__(self, call: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 8)
        self.call = call

    def forward(self, x: Tensor) -> Any:
        return self.call(self.fc(x))


def whole(x: Tensor) -> Tensor:
    return (x * 10).long()


def grid(x: Tensor) -> Tensor:
    return torch.stack([x * 2, x.flip(2) * 2], -1)


def indices() -> Tensor:
    return torch.tensor([0, 1, 1, 0, 2, 3])


def written(x: Tensor) -> Tensor:
    y = x.clone()
    y[y > 0] = 0.5
    y[:, 1:3] *= 2
    y[..., 0] = x[..., 1]
    return y


CALLS: Mapping[str, Callable[[Tensor], Any]] = {
    # An operand that is taken several times.
    "sub": lambda x: torch.sub(x, x.flip(1), alpha=2),
    "add": lambda x: torch.add(x, x.sin(), alpha=0.5),
    "rsub": lambda x: torch.rsub(x, x.sin(), alpha=2),
    "rsub of a number": lambda x: torch.rsub(x, 3, alpha=2),
    "addcmul": lambda x: torch.addcmul(x, x.sin(), x.cos(), value=0.3),
    "addcdiv": lambda x: torch.addcdiv(x, x.sin(), x.cos() + 3, value=0.3),
    "baddbmm": lambda x: torch.baddbmm(x @ x.mT, x, x.mT, beta=0.5, alpha=0.3),
    "addmm": lambda x: torch.addmm(x[0] @ x[0].t(), x[0], x[0].t(), beta=0, alpha=0.3),
    "addbmm": lambda x: torch.addbmm(x[0] @ x[0].t(), x, x.mT),
    # What no field of ours says.
    "a scale of attention": lambda x: functional.scaled_dot_product_attention(x, x, x, scale=0.1),
    "decimals": lambda x: torch.round(x, decimals=1),
    "the border of a grid": lambda x: functional.grid_sample(
        x[:, None], grid(x), padding_mode="border", align_corners=True
    ),
    "rows that lie by a factor": lambda x: functional.interpolate(
        x[:, None], scale_factor=1.3, mode="bilinear"
    ),
    # Infinite numbers, and those that a tensor has.
    "filled": lambda x: x.masked_fill(x > 0.1, -INFINITE).softmax(-1),
    "filled with a tensor": lambda x: x.masked_fill(x > 0.1, x.max().detach()),
    "where": lambda x: torch.where(x > 0.1, x, -INFINITE).exp(),
    "padded": lambda x: functional.pad(x, (1, 1), value=-INFINITE).softmax(-1),
    # Bits, and truth of what is none.
    "and": lambda x: whole(x) & 6,
    "or": lambda x: whole(x) | whole(x.flip(1)),
    "not": lambda x: ~whole(x),
    "any": lambda x: (x * 4).long().any(-1),
    "all": lambda x: (x > -9).all(1),
    # Functions of Python that have other arguments than PyTorch's operators.
    "stft": lambda x: torch.view_as_real(
        torch.stft(x.reshape(1, 48), 16, 4, window=torch.hann_window(16), return_complex=True)
    ),
    "a smooth loss": lambda x: functional.smooth_l1_loss(x, x.sin(), beta=0.3, reduction="none"),
    # Where a maximum was.
    "places": lambda x: functional.max_pool1d(x, 2, return_indices=True)[1],
    "places of any size": lambda x: functional.adaptive_max_pool1d(x, 3, return_indices=True)[1],
    "unpooled": lambda x: functional.max_unpool1d(
        *functional.max_pool1d(x, 2, return_indices=True), [2]
    ),
    # Numbers that are computed, along axes of their own.
    "meshgrid": lambda x: torch.meshgrid(x[0, :, 0], x[0, 0], indexing="xy")[0] * 2,
    "indices from the end": lambda x: x[:, torch.tensor([0, -1, 3])],
    "a copy that is written into": lambda x: written(x) + x,
    # Triangles, writes, sums and products so far.
    "triu": lambda x: x.triu(1),
    "tril": lambda x: torch.tril(x @ x.mT, -1),
    "scatter": lambda x: torch.zeros_like(x).scatter(1, x.argsort(1), x),
    "scatter_add": lambda x: torch.zeros_like(x).scatter_add_(1, x.argsort(1) // 2, x),
    "index_add": lambda x: x.index_add(1, indices(), x, alpha=2),
    "cumprod": lambda x: x.cumprod(1),
    "cummax": lambda x: x.cummax(1)[0],
    "cummin": lambda x: x.cummin(1)[1],
    "logcumsumexp": lambda x: x.logcumsumexp(1),
    "prod": lambda x: x.prod(1),
    "argmin": lambda x: x.argmin(),
    "roll": lambda x: x.roll(3),
    "diff": lambda x: x.diff(n=2),
    "norm": lambda x: functional.normalize(x, p=3, dim=1),
    "repeats": lambda x: x.repeat_interleave(torch.tensor([1, 2, 1, 1, 1, 2]), 1),
    "complex": lambda x: torch.view_as_real(torch.complex(x, x.sin()) * torch.polar(x, x)),
    "fft": lambda x: torch.fft.irfft(torch.fft.rfft(x, dim=1), n=6, dim=1),
}


@pytest.mark.parametrize("said", CALLS)
def test_source_and_what_is_built_do_what_is_called_with_all_arguments(said: str) -> None:
    module = Does(CALLS[said]).eval()
    x = torch.randn(1, 6, 8, generator=torch.Generator().manual_seed(0))
    graph = archcalc.from_torch(module, x)
    require_same(module, exported(graph, module), x)
    found = archcalc.crosscheck(graph, device="cpu")
    assert not found.differences


def test_what_is_taken_several_times_is_multiplied() -> None:
    module = Does(lambda x: torch.sub(x, x.flip(1), alpha=2))
    found = archcalc.analyze(archcalc.from_torch(module, (1, 6, 8)))
    assert (found.work.multiplies, found.work.adds) == (48, 48 + 48)
    # 2 y, and x less that; and the biases


def test_what_archcalc_does_not_know_is_run_and_named_and_in_no_count() -> None:
    module = Does(lambda x: torch.fft.rfft(x).abs())
    graph = archcalc.from_torch(module, (1, 6, 8))
    found = archcalc.crosscheck(graph, device="cpu")
    assert found.ok
    assert found.counts.unknown == ("fft_rfft (fft_rfft)",)
    assert found.counts.macs == 6 * 8 * 8
    with pytest.raises(archcalc.ArchcalcError, match=r"(?s)'fft_rfft'.*allow-unknown"):
        archcalc.analyze(graph)


def test_what_can_t_be_built_is_named_with_its_place_and_what_to_do() -> None:
    layers = {"odd": {"op": "Odd", "shape": [4], "params": 0, "macs": 8}, "fc": "ReLU"}
    spec = archcalc.load({"name": "net", "input": [4], "layers": layers})
    said = r"(?s)'odd' is of an unknown operator, 'Odd'.*not what it computes.*archcalc ops"
    for does in (archcalc.build, archcalc.export, archcalc.crosscheck):
        with pytest.raises(archcalc.ArchcalcError, match=said):
            does(spec)


class Strange(nn.Module):
    """Names that no spec has, which are keys all the same."""

    def __init__(self) -> None:
        super().__init__()
        self.add_module("conv1/norm", nn.Linear(4, 4))
        self.add_module("class", nn.Linear(4, 4))
        self.self = nn.Sequential(nn.Linear(4, 4))
        self.__own = nn.Linear(4, 4)
        self.register_parameter("a-b", nn.Parameter(torch.randn(4)))
        self.inner = nn.ModuleDict({"1x1": nn.Linear(4, 4), "graph": nn.Linear(4, 4)})

    def forward(self, x: Tensor) -> Tensor:
        x = getattr(self, "class")(getattr(self, "conv1/norm")(x)) + getattr(self, "a-b")
        x = self.__own(self.self(x))
        found: Tensor = self.inner["graph"](self.inner["1x1"](x))
        return found


def test_source_has_an_author_s_names_whatever_they_are() -> None:
    module = Strange().eval()
    graph = archcalc.from_torch(module, (1, 4))
    for each in (graph, archcalc.to_spec(graph)):
        require_same(module, exported(each, module), torch.randn(3, 4))


class Fills(nn.Module):
    """Makes numbers as a tensor is, of a number that another one has."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.steps = torch.tensor([8.0, 16.0])

    def forward(self, x: Tensor) -> Any:
        y = self.fc(x)
        return y * y.new_full((4,), self.steps[1]), y + torch.full_like(y, self.steps[0].item())


class Later(nn.Module):
    """Writes into a mask, and takes what it was before and after."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Any:
        y = self.fc(x)
        mask = y.new_ones(4, 4)
        first = mask.tril()
        mask[1:3, 0] = -5.0
        mask = mask.to(torch.device("cpu"), torch.float32)
        return y @ first, y @ mask.triu()


class Tables(nn.Module):
    """Buffers that no state_dict has: a mask, a table of relative positions, numbers by chance."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.table = nn.Embedding(90, 3)
        self.place: Tensor
        places = torch.arange(9)
        places = places // 3 * 5 + places % 3
        for name, numbers in {
            "mask": torch.full((9, 9), -INFINITE).triu(1),
            "relative": places[:, None] - places + 40,
            "place": torch.randn(30, 4),
        }.items():
            self.register_buffer(name, numbers, persistent=False)

    def forward(self, x: Tensor) -> Any:
        y = self.fc(x) @ self.place.t()
        y = y[:, :, :9].softmax(-1) @ self.get_buffer("mask").exp()
        return y, self.table(self.get_buffer("relative"))


class Separate(nn.Module):
    """Attention whose weights are three and whose biases are joined."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(4, 4) for _ in range(4))
        for layer in (self.q, self.k, self.v):
            nn.init.normal_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = x[None].transpose(0, 1)
        return functional.multi_head_attention_forward(
            x,
            x,
            x,
            4,
            2,
            None,
            torch.cat([self.q.bias, self.k.bias, self.v.bias]),
            None,
            None,
            False,
            0.0,
            self.o.weight,
            self.o.bias,
            use_separate_proj_weight=True,
            q_proj_weight=self.q.weight,
            k_proj_weight=self.k.weight,
            v_proj_weight=self.v.weight,
            training=False,
            need_weights=False,
        )[0][0]


class Waves(nn.Module):
    """Frequencies that are weighed with complex numbers, and numbers that lie in another order."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, dtype=torch.cfloat))

    def forward(self, x: Tensor) -> Any:
        waves = torch.fft.rfft(x) * self.weight
        pairs = torch.view_as_real(waves).permute(0, 2, 1)
        again = torch.view_as_complex(pairs.sin().permute(0, 2, 1).contiguous())
        return torch.fft.irfft(waves, n=4), again.abs()


class Rounded(nn.Embedding):
    """A table beside which its rounded numbers are kept, that nothing takes."""

    def __init__(self) -> None:
        super().__init__(9, 4)
        self.register_buffer("whole", torch.zeros_like(self.weight))


class Kept(nn.Module):
    """Such a table, and a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.table = Rounded()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.table(self.fc(x).argmax(-1))
        return found


class Likely(nn.Module):
    """How likely numbers are, of a distribution that looks whether they can be."""

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.spread = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Any:
        found: Any = torch.distributions.Normal(self.mean(x), self.spread(x).exp())
        return found.log_prob(x).sum(-1)


class Turns(nn.Module):
    """Layers of two kinds in a loop, each of which takes more than what the last gave."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.ModuleList([Part(1), Part(2)])

    def forward(self, x: Tensor) -> Tensor:
        y = x.sin()
        for layer in self.layer:
            x = layer(x, y)
        return x


class Part(nn.Module):
    """One turn."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.act = nn.Sequential(*[nn.ReLU()] * times)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        found: Tensor = self.act(self.fc(x) + y)
        return found


@pytest.mark.parametrize("kind", [Fills, Later, Separate, Waves, Kept, Likely, Turns])
def test_numbers_that_are_made_in_a_call_are_those_of_its_author(
    kind: Callable[[], nn.Module],
) -> None:
    module = kind().eval()
    graph = archcalc.from_torch(module, (1, 4))
    require_same(module, exported(graph, module), torch.randn(1, 4))
    assert archcalc.crosscheck(graph, device="cpu").ok


def test_numbers_that_no_state_dict_has_are_part_of_the_source() -> None:
    module = Tables().eval()
    graph = archcalc.from_torch(module, (1, 5, 4))
    source = str(archcalc.export(graph))
    assert 'torch.triu(torch.full((9, 9), float("-inf")' in source
    assert "unpacked(" in source
    assert "Made up" not in source
    require_same(module, exported(graph, module), torch.randn(1, 5, 4))
