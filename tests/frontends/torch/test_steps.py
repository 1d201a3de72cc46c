"""Functions that archcalc has no operator for are taken in by the steps that they consist of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archcalc


class Called(nn.Module):
    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


FUNCTIONS: dict[str, Callable[[Tensor], Any]] = {
    "another name": lambda x: x.greater(x.flip(1)),
    "joined": lambda x: torch.hstack([x, torch.dstack([x, x])[..., ::2]]),
    "turned": lambda x: torch.moveaxis(x, 2, 1).swapdims(1, 2).fliplr(),
    "not a number": lambda x: torch.nan_to_num(x.log(), nan=2.0),
    "exponentials": lambda x: x.expm1() + x.exp2() + x.sinh() * x.cosh() - x.erfc(),
    "lengths": lambda x: (
        torch.hypot(x, x.flip(2)) + torch.linalg.norm(x, dim=(1, 2))[:, None, None]
    ),
    "extremes": lambda x: torch.aminmax(x, dim=1).max - torch.aminmax(x, dim=1).min,
    "in the middle": lambda x: x.median(1).values + x.kthvalue(2, 1).values,
    "thresholds": lambda x: nn.functional.hardshrink(nn.functional.softshrink(x - 0.5, 0.1), 0.2),
    "areas": lambda x: x.atanh() + x.asinh() + (x + 1).acosh(),
    "angles": lambda x: x.arcsin() - x.acos(),
    "special": lambda x: torch.special.expit(x) + torch.special.softmax(x, -1) + torch.logit(x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_steps_compute_what_the_function_does(name: str) -> None:
    module, x = Called(FUNCTIONS[name]), torch.rand(2, 4, 3) * 0.8 + 0.1
    x[0, 0, 0] = -1 if name == "not a number" else x[0, 0, 0]
    graph = archcalc.from_torch(module, x)
    assert not archcalc.analyze(graph).macs
    made = archcalc.build(archcalc.to_spec(graph))(x)
    torch.testing.assert_close(made.to(torch.float32), module(x).to(torch.float32))


def test_a_product_of_any_axes_has_its_work() -> None:
    def product(x: Tensor) -> Any:
        return torch.tensordot(x, torch.ones(4, 3, 5), dims=([1, 2], [0, 1]))

    analysis = archcalc.analyze(archcalc.from_torch(Called(product), (1, 4, 3)))
    assert analysis.macs == 4 * 3 * 5


def test_what_has_no_steps_keeps_its_name() -> None:
    graph = archcalc.from_torch(Called(lambda x: torch.linalg.svd(x)[1]), (1, 4, 3))
    with pytest.raises(archcalc.ArchcalcError, match="linalg_svd"):
        archcalc.analyze(graph)
