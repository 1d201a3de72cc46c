"""A module that was followed is as it was before."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archcalc


class Keeping(nn.Module):
    """Keeps what it makes in a call, in all places that a module has."""

    def __init__(self, branches: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.register_buffer("calls", torch.zeros(1))
        self.branches = branches
        self.cache: dict[Any, Tensor] = {}
        self.seen: list[Tensor] = []
        self.last: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """The layer, and what was made in the first call."""
        if not hasattr(self, "places"):
            self.register_buffer("places", torch.arange(4.0), persistent=False)
        if self.branches:
            self.get_buffer("calls").add_(1)
            self.last = x
            if x.numpy().sum() > 0:  # which only a module that runs can tell
                x = x * 2
        self.seen.append(x)
        added = self.cache.setdefault(x.shape, torch.ones(x.shape))
        y: Tensor = self.layer(x)
        return y + added + self.get_buffer("places")


@pytest.mark.parametrize("branches", [False, True])
def test_a_module_keeps_nothing_of_a_call_that_it_was_followed_in(branches: bool) -> None:
    module = Keeping(branches)
    own = dict(vars(module))
    tables = {name: dict(table) for name, table in own.items() if isinstance(table, dict)}
    graph = archcalc.from_torch(module, torch.ones(2, 4))
    assert ("CPU" in graph.edition) == branches
    assert vars(module).keys() == own.keys()
    assert all(vars(module)[name] is value for name, value in own.items())
    assert {name: vars(module)[name] for name in tables} == tables
    assert module.training
    assert not module.seen
    assert module.get_buffer("calls").item() == 0
    assert archcalc.analyze(graph).params == 4 * 4 + 4
    assert type(module(torch.ones(2, 4))) is Tensor


def test_a_lazy_layer_becomes_one_of_the_inputs_that_it_met() -> None:
    module = nn.Sequential(nn.LazyLinear(4), nn.Dropout())
    assert archcalc.analyze(archcalc.from_torch(module, (1, 8))).params == 8 * 4 + 4
    assert module.training
    assert module[1].training
    assert module(torch.ones(1, 8)).shape == (1, 4)


class Skips(nn.Module):
    """A part that stands under its own name, and in what calls it."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        self.chain = nn.ModuleDict({"inner": self.first, "outer": nn.Linear(4, 2)})

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.chain["outer"](self.chain["inner"](x))
        return y


def test_a_call_by_another_way_has_the_names_of_the_state_dict() -> None:
    graph = archcalc.from_torch(Skips(), (1, 4))
    assert [node.name for node in graph.nodes] == ["first.0", "first.1", "chain.outer"]


class Careful(nn.Module):
    """Makes sure of its input's numbers, in the ways in which people do."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        """One layer."""
        assert (x == x.clone()).all()
        assert x.min() >= -1, f"{x.shape}"
        assert x.max() <= 1
        if torch.isnan(x).any().item():
            raise ValueError("not a number" if x.dim() else "nothing")
        y: Tensor = self.layer(x)
        return y


def test_what_is_made_sure_of_is_no_branch() -> None:
    graph = archcalc.from_torch(Careful().to("meta"), (1, 4))
    assert "CPU" not in graph.edition
    assert archcalc.analyze(graph).params == 4 * 2 + 2


class Corrected(Careful):
    """Goes on in either case."""

    def forward(self, x: Tensor) -> Tensor:
        """The layer, and more where that is needed."""
        if torch.isnan(x).any():
            x = torch.nan_to_num(x)
        y: Tensor = self.layer(x)
        return y


def test_where_both_ways_go_on_numbers_have_to_say() -> None:
    with pytest.raises(archcalc.ArchcalcError, match="looks at numbers"):
        archcalc.from_torch(Corrected().to("meta"), (1, 4))


def _small() -> nn.Sequential:
    layers = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 9, 2)
    return nn.Sequential(*layers).eval()


class Around(nn.Module):
    """TorchScript within a module."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.jit.script(_small())

    def forward(self, x: Tensor) -> Any:
        return self.inner(x).relu()


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("how", ["scripted", "traced", "within"])
def test_torchscript_is_run(how: str) -> None:
    given = torch.zeros(1, 3, 5, 5)
    jit: Any = torch.jit
    made = {
        "scripted": lambda: jit.script(_small()),
        "traced": lambda: jit.trace(_small(), given),
        "within": Around,
    }[how]()
    graph = archcalc.from_torch(made, given)
    analysis = archcalc.analyze(graph)
    # A convolution on 3 x 3 places, a normalization and a linear layer.
    assert analysis.params == (3 * 9 * 4 + 4) + 2 * 4 + (36 * 2 + 2)
    assert analysis.macs == 9 * 3 * 9 * 4 + 36 * 2
    with pytest.raises(archcalc.ArchcalcError, match="captured"):
        archcalc.from_torch(made, (1, 3, 7, 7))


def test_an_axis_that_vmap_hides_is_counted() -> None:
    class Mapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Any:
            return torch.vmap(lambda row: self.layer(row).tanh(), in_dims=1, out_dims=1)(x)

    analysis = archcalc.analyze(archcalc.from_torch(Mapped(), (1, 5, 8)))
    assert (analysis.params, analysis.macs) == (8 * 4 + 4, 5 * 8 * 4)


def test_modules_whose_names_begin_with_a_digit_are_layers_of_a_spec() -> None:
    module = nn.Sequential()
    module.add_module("1x1", nn.Linear(4, 3))
    module.add_module("2", nn.Linear(3, 2))
    graph = archcalc.from_torch(module, (1, 4))
    assert [node.name for node in graph.nodes] == ["_1x1", "2"]
    assert archcalc.analyze(archcalc.to_spec(graph)).params == (4 * 3 + 3) + (3 * 2 + 2)
