from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from archcalc.errors import ShapeError
from archcalc.operators.base import Work
from archcalc.operators.roll import Roll
from archcalc.operators.taps import HERE
from archcalc.pytorch import module


def test_elements_are_moved_and_not_computed() -> None:
    roll = Roll(shifts=(-3, -3), dims=(1, 2))
    x = (2, 14, 14, 96)

    assert roll.infer(x) == x
    assert roll.work(x, x) == Work()


def test_what_leaves_at_one_end_comes_in_at_the_other() -> None:
    rolled = module(Roll(shifts=1, dims=-1), (1, 4))(torch.tensor([[1, 2, 3, 4]]))

    assert rolled.tolist() == [[4, 1, 2, 3]]


def test_a_position_that_moves_is_computed_from_another() -> None:
    x = (2, 3, 8, 8)

    assert Roll(shifts=1, dims=1).taps(x, x) == ((HERE, HERE),)
    assert Roll(shifts=(1, 1), dims=(1, -1)).taps(x, x) == ("anywhere",)


@pytest.mark.parametrize(
    "fields",
    [
        {"shifts": [1, 2], "dims": 1},
        {"shifts": 1, "dims": [1, 2]},
        {"shifts": [], "dims": []},
        {"shifts": 0.5, "dims": 1},
        {"shifts": 1},
    ],
)
def test_every_axis_has_its_shift(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Roll.model_validate(fields)


def test_an_axis_that_is_not_there_is_refused() -> None:
    with pytest.raises(ShapeError, match="dim=4 is no axis"):
        Roll(shifts=1, dims=4).infer((2, 14, 14, 96))
