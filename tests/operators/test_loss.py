from __future__ import annotations

from typing import Any

import numpy
import pytest
import sympy
from pydantic import ValidationError

from archcalc.dims import Shape
from archcalc.errors import ShapeError
from archcalc.operators.base import Operator, Work
from archcalc.operators.loss import CrossEntropyLoss, HingeLoss, HuberLoss, L1Loss, MSELoss


def work(op: Operator, *inputs: tuple[Any, ...]) -> Work:
    return op.work(op.infer(*inputs), *inputs)


@pytest.mark.parametrize("loss", [L1Loss, MSELoss, HuberLoss, HingeLoss])
@pytest.mark.parametrize(("reduction", "output"), [("mean", ()), ("sum", ()), ("none", (2, 3, 4))])
def test_a_loss_is_a_scalar_unless_not_reduced(
    loss: type[Operator], reduction: str, output: Shape
) -> None:
    assert loss.model_validate({"reduction": reduction}).infer((2, 3, 4), (2, 3, 4)) == output


@pytest.mark.parametrize(
    ("loss", "each"),
    [
        (L1Loss, Work(adds=1, comparisons=1)),
        (MSELoss, Work(adds=1, multiplies=1)),
        (HuberLoss, Work(adds=1, comparisons=2, multiplies=2)),
        (HingeLoss, Work(adds=1, comparisons=1, multiplies=1)),
    ],
)
def test_work_is_that_of_each_element_and_the_reduction(loss: type[Operator], each: Work) -> None:
    def counted(reduction: str) -> Work:
        return work(loss.model_validate({"reduction": reduction}), (2, 5), (2, 5))

    assert counted("none") == each * 10
    assert counted("sum") == each * 10 + Work(adds=9)
    assert counted("mean") == each * 10 + Work(adds=9, divisions=1)


@pytest.mark.parametrize(
    ("fields", "inputs", "output", "counted"),
    [
        # Log-softmax of 10: 9 comparisons, 10 + 9 + 10 adds, 10 + 1 transcendentals.
        ({"reduction": "sum"}, ((1, 10), (1,)), (), Work(0, 29, 0, 9, 0, 11)),
        ({}, ((4, 10), (4,)), (), Work(0, 4 * 29 + 3, 0, 36, 1, 44)),
        (
            {"reduction": "none"},
            ((2, 10, 3, 3), (2, 3, 3)),
            (2, 3, 3),
            Work(0, 18 * 29, 0, 18 * 9, 0, 18 * 11),
        ),
        # Smoothing sums 10 (9 adds), weighs both parts (2 multiplies) and adds them.
        (
            {"reduction": "sum", "label_smoothing": 0.1},
            ((1, 10), (1,)),
            (),
            Work(0, 39, 2, 9, 0, 11),
        ),
    ],
)
def test_cross_entropy_is_a_log_softmax_over_the_classes(
    fields: dict[str, Any], inputs: tuple[Shape, Shape], output: Shape, counted: Work
) -> None:
    op = CrossEntropyLoss(**fields)

    assert op.infer(*inputs) == output
    assert work(op, *inputs) == counted


@pytest.mark.parametrize(
    ("op", "inputs", "message"),
    [
        (L1Loss(), ((2, 5), (2, 4)), r"\(2, 5\) .*\(2, 4\)"),
        (HingeLoss(), ((2, 5), (2,)), r"\(2, 5\) .*\(2\)"),
        (CrossEntropyLoss(), ((2, 10), (2, 10)), r"takes target indices \(2\), not \(2, 10\)"),
        (CrossEntropyLoss(), ((2, 10, 4), (2, 5)), r"takes target indices \(2, 4\), not \(2, 5\)"),
        (CrossEntropyLoss(), ((10,), ()), r"at least 2 axes, not one of 1 \(10\)"),
    ],
)
def test_a_target_that_does_not_fit_is_refused_with_both_shapes(
    op: Operator, inputs: tuple[Shape, Shape], message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        op.infer(*inputs)


@pytest.mark.parametrize(
    ("op", "fields"),
    [
        (MSELoss, {"reduction": "max"}),
        (HuberLoss, {"delta": 0}),
        (CrossEntropyLoss, {"label_smoothing": 1.5}),
    ],
)
def test_fields_that_mean_nothing_are_refused(op: type[Operator], fields: dict[str, Any]) -> None:
    (name,) = fields
    with pytest.raises(ValidationError, match=name):
        op.model_validate(fields)


def test_arrays_and_symbols_give_the_numbers_of_ints() -> None:
    op = CrossEntropyLoss(reduction="sum")
    n, c = sympy.symbols("n c", integer=True, positive=True)
    batches, classes = [1, 4, 2], [10, 10, 3]
    # n (3 c - 1) adds in the log-softmax, and n - 1 between samples.
    adds = [29, 119, 17]

    swept: Any = work(op, (numpy.array(batches), numpy.array(classes)), (numpy.array(batches),))
    closed: Any = work(op, (n, c), (n,))

    assert swept.adds.tolist() == adds
    assert [closed.adds.subs({n: a, c: b}) for a, b in zip(batches, classes, strict=True)] == adds
