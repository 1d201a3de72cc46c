"""What optimizers keep, as they keep it after a step."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from archcalc.analysis.optimizers import OPTIMIZERS, states

SHAPES = [(), (5,), (1, 7), (4, 3), (6, 4, 3, 3), (2, 3, 4)]

MADE: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "adagrad": ("Adagrad", {}),
    "rmsprop": ("RMSprop", {}),
    "rmsprop-momentum": ("RMSprop", {"momentum": 0.9}),
    "adadelta": ("Adadelta", {}),
    "adam": ("Adam", {}),
    "adamw": ("AdamW", {}),
    "amsgrad": ("Adam", {"amsgrad": True}),
    "adamax": ("Adamax", {}),
    "nadam": ("NAdam", {}),
    "radam": ("RAdam", {}),
    "asgd": ("ASGD", {}),
    "rprop": ("Rprop", {}),
    "adafactor": ("Adafactor", {}),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", MADE)
def test_what_is_kept_is_what_pytorch_keeps(name: str, dtype: torch.dtype) -> None:
    made, options = MADE[name]
    parameters = [torch.nn.Parameter(torch.randn(shape).to(dtype)) for shape in SHAPES]
    optimizer = getattr(torch.optim, made)(parameters, lr=0.1, **options)
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()

    seen: dict[str, int] = {}
    for state in optimizer.state.values():
        for key, value in state.items():
            if isinstance(value, torch.Tensor):
                seen[key] = seen.get(key, 0) + value.numel() * value.element_size()
    assert states(name, SHAPES, dtype.itemsize) == seen


def test_lion_keeps_one_average() -> None:
    assert states("lion", [(4, 3), (5,)], 4) == {"exp_avg": 17 * 4}
    assert {*OPTIMIZERS} == {*MADE, "lion"}
