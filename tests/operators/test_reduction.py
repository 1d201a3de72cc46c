"""Reductions over axes, and searches along one."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from archcalc.dims import Shape
from archcalc.errors import ShapeError
from archcalc.operators import operator
from archcalc.operators.base import Work
from archcalc.operators.reduction import Mean
from archcalc.operators.taps import HERE
from archcalc.pytorch import module


@pytest.mark.parametrize(
    ("name", "fields", "output", "work"),
    [
        # 2 x 6 x 5: over the last axis 12 results of 5 elements each, over both 2 of 30.
        ("Sum", {"dim": -1}, (2, 6), Work(adds=48)),
        ("Sum", {"dim": [1, 2]}, (2,), Work(adds=58)),
        ("Mean", {"dim": -1, "keepdim": True}, (2, 6, 1), Work(adds=48, divisions=12)),
        ("Mean", {}, (2,), Work(adds=58, divisions=2)),
        ("Max", {"dim": 1}, (2, 5), Work(comparisons=50)),
        ("Min", {"dim": 1}, (2, 5), Work(comparisons=50)),
        ("LogSumExp", {"dim": -1}, (2, 6), Work(comparisons=48, adds=120, transcendentals=72)),
        ("Norm", {"dim": -1}, (2, 6), Work(multiplies=60, adds=48, transcendentals=12)),
        ("Norm", {"dim": -1, "p": 1}, (2, 6), Work(comparisons=60, adds=48)),
        ("Norm", {"dim": -1, "p": "inf"}, (2, 6), Work(comparisons=108)),
        # 12 times a mean (4 adds, 1 division), 5 differences and squares, 4 adds, 1 division.
        ("Var", {"dim": -1}, (2, 6), Work(adds=156, multiplies=60, divisions=24)),
        (
            "Std",
            {"dim": -1},
            (2, 6),
            Work(adds=156, multiplies=60, divisions=24, transcendentals=12),
        ),
        ("ArgMax", {}, (2, 6), Work(comparisons=48)),
        ("ArgMin", {"dim": 1, "keepdim": True}, (2, 1, 5), Work(comparisons=50)),
        ("CumSum", {}, (2, 6, 5), Work(adds=48)),
        ("CumProd", {"dim": 1}, (2, 6, 5), Work(multiplies=50)),
        ("CumMax", {}, (2, 6, 5), Work(comparisons=48)),
        ("CumMin", {"dim": 1, "returns": "indices"}, (2, 6, 5), Work(comparisons=50)),
        # 48 elements join those before them, of which the larger and the smaller are told.
        ("LogCumSumExp", {}, (2, 6, 5), Work(comparisons=96, adds=96, transcendentals=96)),
        ("Prod", {"dim": 1}, (2, 5), Work(multiplies=50)),
        ("Prod", {"keepdim": True}, (2, 6, 1), Work(multiplies=48)),
        # The largest of 5, then of 4: 4 + 3 comparisons.
        ("TopK", {"k": 2}, (2, 6, 2), Work(comparisons=84)),
        # 5 * 4 / 2 pairs.
        ("Sort", {}, (2, 6, 5), Work(comparisons=120)),
    ],
)
def test_shape_and_work(name: str, fields: dict[str, Any], output: Shape, work: Work) -> None:
    x = (2, 6, 5)
    op = operator(name)(**fields)

    assert op.infer(x) == output
    assert op.work(output, x) == work


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("Mean", {"dim": 0}, "dim=0 is the batch, whose samples do not meet"),
        ("Sum", {"dim": [1, -3]}, "dim=-3 is the batch"),
        ("Sum", {"dim": [1, -2]}, "names an axis twice"),
        ("Max", {"dim": 3}, "dim=3 is no axis"),
        ("TopK", {"k": 6}, "k=6 is more than the 5 of axis 2"),
        ("Var", {"dim": 1, "correction": 6}, "correction=6 leaves nothing of 6 elements"),
        ("Sort", {"dim": 0}, "is the batch"),
    ],
)
def test_refuses(name: str, fields: dict[str, Any], message: str) -> None:
    op = operator(name)(**fields)
    with pytest.raises(ShapeError, match=message):
        op.work(op.infer((2, 6, 5)), (2, 6, 5))


def test_a_single_number_has_nothing_to_reduce() -> None:
    with pytest.raises(ShapeError, match="no axis to reduce"):
        operator("Mean")().infer((2,))


@pytest.mark.parametrize(
    ("name", "fields", "output"),
    [
        ("Sum", {}, [6.0]),
        ("Mean", {}, [2.0]),
        ("Max", {}, [3.0]),
        ("Norm", {"p": 1}, [6.0]),
        ("Norm", {"p": "inf"}, [3.0]),
        ("Var", {}, [1.0]),
        ("ArgMax", {}, [0]),
        ("CumSum", {}, [[3.0, 4.0, 6.0]]),
        ("CumProd", {}, [[3.0, 3.0, 6.0]]),
        ("CumMax", {}, [[3.0, 3.0, 3.0]]),
        ("CumMin", {"returns": "indices"}, [[0, 1, 1]]),
        ("Prod", {}, [6.0]),
        ("TopK", {"k": 2}, [[3.0, 2.0]]),
        ("TopK", {"k": 2, "returns": "indices"}, [[0, 2]]),
        ("Sort", {}, [[1.0, 2.0, 3.0]]),
        ("Sort", {"returns": "indices", "descending": True}, [[0, 2, 1]]),
    ],
)
def test_what_is_computed(name: str, fields: dict[str, Any], output: list[Any]) -> None:
    made = module(operator(name)(**fields), (1, 3))

    assert made(torch.tensor([[3.0, 1.0, 2.0]])).tolist() == output


def test_a_reduction_of_all_positions_sees_them_all() -> None:
    assert Mean(dim=(2, 3)).taps((2, 6), (2, 6, 5, 4)) == ("everywhere",)
    assert Mean(dim=1, keepdim=True).taps((2, 1, 5), (2, 6, 5)) == ((HERE,),)
