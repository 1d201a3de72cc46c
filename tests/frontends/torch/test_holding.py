"""The tensors that a layer has are its module's, whoever else has some of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

import archcalc
from archcalc.frontends.fold import readable, same_layers
from archcalc.pytorch.source import source


class Pair(nn.Module):
    """Two normalizations, some tensors of which are the same."""

    def __init__(self, kind: Callable[[int], nn.Module], *shared: str) -> None:
        super().__init__()
        self.first, self.second = kind(8), kind(8)
        for name in shared:
            setattr(self.second, name, getattr(self.first, name))

    def forward(self, x: Tensor) -> Any:
        return self.second(self.first(x).relu())


class Called(nn.Module):
    """A normalization that is called as a function, with tensors of the author's own."""

    def __init__(self, norm: Callable[..., Tensor]) -> None:
        super().__init__()
        self.norm = norm
        self.scale, self.shift = nn.Parameter(torch.ones(8)), nn.Parameter(torch.zeros(8))
        self.mean: Tensor
        self.var: Tensor
        self.register_buffer("mean", torch.zeros(8))
        self.register_buffer("var", torch.ones(8))

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self, x)


NORMS: dict[str, Callable[[], nn.Module]] = {
    "layer scale": partial(Pair, nn.LayerNorm, "weight"),
    "layer bias": partial(Pair, nn.LayerNorm, "bias"),
    "layer both": partial(Pair, nn.LayerNorm, "weight", "bias"),
    "rms": partial(Pair, nn.RMSNorm, "weight"),
    "group": partial(Pair, partial(nn.GroupNorm, 2), "weight"),
    "batch scale": partial(Pair, nn.BatchNorm2d, "weight"),
    "batch both": partial(Pair, nn.BatchNorm2d, "weight", "bias"),
    "no bias": lambda: Called(lambda m, x: F.batch_norm(x, m.mean, m.var, m.scale)),
    "frozen": lambda: Called(lambda m, x: F.batch_norm(x, m.mean, m.var, m.var, m.mean)),
    "no counter": lambda: Called(lambda m, x: F.batch_norm(x, m.mean, m.var, m.scale, m.shift)),
    "stored scale": lambda: Called(lambda m, x: F.layer_norm(x, (8,), m.var, m.shift)),
    "no scale": lambda: Called(lambda m, x: F.layer_norm(x, (8,), None, m.shift)),
    "groups' scale": lambda: Called(lambda m, x: F.group_norm(x, 2, m.scale)),
    "moved scale": lambda: Called(lambda m, x: F.group_norm(x, 2, 1 + m.scale, m.shift)),
}


@pytest.mark.parametrize("case", NORMS)
def test_a_normalization_has_the_tensors_that_its_author_gives_it(case: str) -> None:
    torch.manual_seed(0)
    module = NORMS[case]().eval()
    maps = "batch" in case
    x = torch.randn(2, 8, 3, 3) if maps else torch.randn(2, 8)
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            tensor.data = torch.rand_like(tensor) + 0.5
    graph = archcalc.from_torch(module, x)
    made = archcalc.analyze(graph)
    assert made.params == sum(p.numel() for p in module.parameters())
    assert made.buffers == sum(b.numel() for b in module.buffers())
    assert not {node.name for node in graph.nodes if node.idle} & {"second.weight", "second.bias"}
    data, named = readable(graph)
    assert same_layers(archcalc.expand(archcalc.load(data), batch=2), named)
    space: dict[str, Any] = {"__name__": "made"}
    exec(source(graph), space)
    again = space[type(module).__name__]().eval()
    again.load_state_dict(module.state_dict())
    assert torch.allclose(again(x), module(x), atol=1e-5)
