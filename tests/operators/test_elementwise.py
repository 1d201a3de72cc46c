"""Functions of elements: what each costs, and what it computes."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
import torch
from pydantic import ValidationError

import archcalc
from archcalc.dims import Shape
from archcalc.errors import ShapeError
from archcalc.operators import FAMILIES, function, operator
from archcalc.operators.base import Work
from archcalc.pytorch import module


def run(name: str, fields: dict[str, Any], *inputs: Any) -> Any:
    """What PyTorch makes of numbers, the first axis of which is the batch."""
    tensors = [torch.tensor(x) for x in inputs]
    made = module(operator(name)(**fields), *(tuple(x.shape) for x in tensors))
    return made(*tensors).tolist()


# A sample of 20 elements, twice.
@pytest.mark.parametrize(
    ("name", "fields", "work"),
    [
        ("Neg", {}, Work()),
        ("Abs", {}, Work(comparisons=40)),
        ("Sign", {}, Work(comparisons=80)),
        ("Exp", {}, Work(transcendentals=40)),
        ("Log1p", {}, Work(transcendentals=40, adds=40)),
        ("Rsqrt", {}, Work(transcendentals=40, divisions=40)),
        ("Square", {}, Work(multiplies=40)),
        ("Reciprocal", {}, Work(divisions=40)),
        ("Floor", {}, Work(comparisons=40)),
        ("Minimum", {"by": 6}, Work(comparisons=40)),
        ("Ge", {"by": 0}, Work(comparisons=40)),
        ("Div", {"by": 8}, Work(divisions=40)),
        ("Div", {"of": 1}, Work(divisions=40)),
        ("Pow", {"by": 2}, Work(multiplies=40)),
        ("Pow", {"by": 3}, Work(multiplies=80)),
        ("Pow", {"by": 2.5}, Work(transcendentals=40)),
        ("Pow", {"of": 2}, Work(transcendentals=40)),
        ("Clamp", {"min": 0}, Work(comparisons=40)),
        ("Clamp", {"min": 0, "max": 6}, Work(comparisons=80)),
    ],
)
def test_work_of_one_input(name: str, fields: dict[str, Any], work: Work) -> None:
    x = (2, 4, 5)
    op = operator(name)(**fields)

    assert op.infer(x) == x
    assert op.work(x, x) == work


@pytest.mark.parametrize(
    ("name", "inputs", "output", "work"),
    [
        ("Div", [(2, 4, 5), (2, 4, 1)], (2, 4, 5), Work(divisions=40)),
        ("Pow", [(2, 4, 5), (2, 5)], (2, 4, 5), Work(transcendentals=40)),
        ("Maximum", [(2, 4, 1), (2, 1, 5)], (2, 4, 5), Work(comparisons=40)),
        ("Lt", [(2, 5), (2, 4, 1)], (2, 4, 5), Work(comparisons=40)),
        ("LogicalAnd", [(2, 4), (2, 4)], (2, 4), Work(comparisons=8)),
        ("Where", [(2, 4, 1), (2, 4, 5), (2, 5)], (2, 4, 5), Work(comparisons=40)),
        ("MaskedFill", [(2, 4, 5), (2, 1, 5)], (2, 4, 5), Work(comparisons=40)),
    ],
)
def test_inputs_broadcast_sample_by_sample(
    name: str, inputs: list[Shape], output: Shape, work: Work
) -> None:
    op = operator(name)(**({"value": 0} if name == "MaskedFill" else {}))

    assert op.infer(*inputs) == output
    assert op.work(output, *inputs) == work


@pytest.mark.parametrize(
    ("name", "fields", "inputs", "output"),
    [
        ("Neg", {}, [[[1.0, -2.0]]], [[-1.0, 2.0]]),
        ("Rsqrt", {}, [[[4.0, 16.0]]], [[0.5, 0.25]]),
        ("Log2", {}, [[[8.0]]], [[3.0]]),
        ("Minimum", {"by": 2}, [[[1.0, 3.0]]], [[1.0, 2.0]]),
        ("Maximum", {"by": 2}, [[[1.0, 3.0]]], [[2.0, 3.0]]),
        ("Gt", {"by": 1}, [[[1.0, 3.0]]], [[False, True]]),
        ("LogicalNot", {}, [[[0.0, 3.0]]], [[True, False]]),
        ("Sub", {"of": 1}, [[[1.0, 3.0]]], [[0.0, -2.0]]),
        ("Sub", {"by": 1}, [[[1.0, 3.0]]], [[0.0, 2.0]]),
        ("Mul", {"by": 0.5}, [[[1.0, 3.0]]], [[0.5, 1.5]]),
        ("Div", {"of": 6}, [[[1.0, 3.0]]], [[6.0, 2.0]]),
        ("Div", {"by": 2}, [[[1.0, 3.0]]], [[0.5, 1.5]]),
        ("Pow", {"of": 2}, [[[1.0, 3.0]]], [[2.0, 8.0]]),
        ("Pow", {"by": 2}, [[[1.0, 3.0]]], [[1.0, 9.0]]),
        ("Clamp", {"max": 2}, [[[1.0, 3.0]]], [[1.0, 2.0]]),
        ("Where", {}, [[[1.0, 0.0]], [[5.0, 6.0]], [[7.0, 8.0]]], [[5.0, 8.0]]),
        ("MaskedFill", {"value": -inf}, [[[5.0, 6.0]], [[0.0, 1.0]]], [[5.0, -inf]]),
        # Of two samples (2, 2) and two samples (2), each row is of its own sample.
        (
            "Sub",
            {},
            [[[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]], [[1.0, 0.0], [0.0, 5.0]]],
            [[[0.0, 2.0], [2.0, 4.0]], [[5.0, 1.0], [7.0, 3.0]]],
        ),
    ],
)
def test_what_is_computed(
    name: str, fields: dict[str, Any], inputs: list[Any], output: list[Any]
) -> None:
    assert run(name, fields, *inputs) == output


@pytest.mark.parametrize(
    ("name", "fields"),
    [("Clamp", {}), ("MaskedFill", {}), ("Mul", {"by": inf}), ("Mul", {"by": "two"})],
)
def test_refuses_fields(name: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        operator(name)(**fields)


def test_only_what_takes_a_number_takes_one() -> None:
    with pytest.raises(ShapeError, match="one and a number as 'by'"):
        operator("Gt")().infer((2, 4))
    with pytest.raises(ValidationError):
        operator("LogicalAnd").model_validate({"by": 1})


def test_a_function_is_known_by_name_everywhere() -> None:
    assert "torch.rsqrt" in archcalc.ops("Rsqrt").text
    assert {"Exp", "Div", "Where"} <= set(FAMILIES["elementwise"])
    with pytest.raises(AttributeError, match="Sinus"):
        _ = function.Sinus
