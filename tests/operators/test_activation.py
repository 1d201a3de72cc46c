from __future__ import annotations

from typing import Any

import numpy
import pytest
import sympy
from pydantic import ValidationError

from archcalc.dims import Shape
from archcalc.errors import ShapeError
from archcalc.operators import FAMILIES, operator
from archcalc.operators.activation import PReLU, ReLU
from archcalc.operators.base import Operator, Work
from archcalc.operators.softmax import LogSoftmax, Softmax


def work(op: Operator, *inputs: tuple[Any, ...]) -> Work:
    return op.work(op.infer(*inputs), *inputs)


FORMULAS: list[tuple[str, dict[str, Any], Work]] = [
    ("Identity", {}, Work()),
    # max(0, x)
    ("ReLU", {}, Work(comparisons=1)),
    # min(max(0, x), 6)
    ("ReLU6", {}, Work(comparisons=2)),
    ("Hardtanh", {"min_val": 0, "max_val": 1}, Work(comparisons=2)),
    # x > 0 or slope * x
    ("LeakyReLU", {"negative_slope": 0.1}, Work(comparisons=1, multiplies=1)),
    ("PReLU", {}, Work(comparisons=1, multiplies=1)),
    # x > 0 or alpha * (exp(x) - 1)
    ("ELU", {}, Work(comparisons=1, transcendentals=1, adds=1, multiplies=1)),
    # scale * (x > 0 or alpha * (exp(x) - 1))
    ("SELU", {}, Work(comparisons=1, transcendentals=1, adds=1, multiplies=2)),
    # x > 0 or alpha * (exp(x / alpha) - 1)
    ("CELU", {}, Work(comparisons=1, divisions=1, transcendentals=1, adds=1, multiplies=1)),
    # 0.5 * x * (1 + erf(x * 0.7071))
    ("GELU", {}, Work(multiplies=3, adds=1, transcendentals=1)),
    # 0.5 * x * (1 + tanh(0.7979 * (x + 0.044715 * x * x * x)))
    ("GELU", {"approximate": "tanh"}, Work(multiplies=6, adds=2, transcendentals=1)),
    # 1 / (1 + exp(-x))
    ("Sigmoid", {}, Work(transcendentals=1, adds=1, divisions=1)),
    # x / (1 + exp(-x)), the sigmoid first
    ("SiLU", {}, Work(transcendentals=1, adds=1, divisions=1, multiplies=1)),
    # x * tanh(log(1 + exp(x)))
    ("Mish", {}, Work(transcendentals=3, adds=1, multiplies=1)),
    ("Tanh", {}, Work(transcendentals=1)),
    # -log(1 + exp(-x))
    ("LogSigmoid", {}, Work(transcendentals=2, adds=1)),
    # beta * x > threshold, or log(1 + exp(beta * x)) / beta
    ("Softplus", {}, Work(multiplies=1, comparisons=1, transcendentals=2, adds=1, divisions=1)),
    # x * min(max(0, x + 3), 6) / 6
    ("Hardswish", {}, Work(adds=1, comparisons=2, multiplies=1, divisions=1)),
    # min(max(0, x + 3), 6) / 6
    ("Hardsigmoid", {}, Work(adds=1, comparisons=2, divisions=1)),
]


@pytest.mark.parametrize(("name", "fields", "each"), FORMULAS)
def test_work_of_each_element_is_that_of_the_formula(
    name: str, fields: dict[str, Any], each: Work
) -> None:
    op = operator(name)(**fields)
    x = (2, 3, 5, 5)

    assert op.infer(x) == x
    assert work(op, x) == each * 150


def test_every_activation_has_its_formula_tested() -> None:
    of_more_than_an_element = {"Softmax", "LogSoftmax", "GLU"}
    assert {name for name, _, _ in FORMULAS} | of_more_than_an_element == set(
        FAMILIES["activation"]
    )


@pytest.mark.parametrize(
    ("op", "x", "counted"),
    [
        # 10 classes: 9 comparisons, 10 subtractions and 9 adds, 10 exponentials, 10 divisions.
        (Softmax(dim=1), (1, 10), Work(0, 19, 0, 9, 10, 10)),
        (Softmax(dim=-1), (3, 10), Work(0, 57, 0, 27, 30, 30)),
        # 2 * 4 slices of 3 elements.
        (Softmax(dim=1), (2, 3, 4), Work(0, 8 * 5, 0, 8 * 2, 8 * 3, 8 * 3)),
        # 10 classes: 9 comparisons, 2 * 10 subtractions and 9 adds, 10 exponentials and a log.
        (LogSoftmax(dim=1), (1, 10), Work(0, 29, 0, 9, 0, 11)),
        (LogSoftmax(dim=0), (10, 2, 4), Work(0, 8 * 29, 0, 8 * 9, 0, 8 * 11)),
    ],
)
def test_work_of_a_softmax_is_that_of_its_slices(op: Operator, x: Shape, counted: Work) -> None:
    assert op.infer(x) == x
    assert work(op, x) == counted


@pytest.mark.parametrize("num_parameters", [1, 6])
def test_prelu_trains_one_weight_or_one_a_channel(num_parameters: int) -> None:
    op = PReLU(num_parameters=num_parameters)

    assert op.infer((2, 6, 5, 5)) == (2, 6, 5, 5)
    assert op.weights((2, 6, 5, 5)) == {"weight": (num_parameters,)}


def test_prelu_with_another_number_of_weights_is_refused() -> None:
    with pytest.raises(ShapeError, match="num_parameters=5 is neither 1 nor the 6 channels"):
        PReLU(num_parameters=5).infer((2, 6, 5, 5))


@pytest.mark.parametrize("dim", [2, -3])
def test_a_softmax_along_no_axis_is_refused(dim: int) -> None:
    op = Softmax(dim=dim)

    # Not only when it is counted, but when its shape is asked for: a spec can't have it.
    with pytest.raises(ShapeError, match=rf"dim={dim} is no axis of a tensor of 2 axes \(2, 10\)"):
        op.infer((2, 10))


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("Softmax", {}, "dim"),
        ("GELU", {"approximate": "sigmoid"}, "approximate"),
        ("Softplus", {"beta": 0}, "beta"),
        ("CELU", {"alpha": 0}, "alpha"),
        ("PReLU", {"num_parameters": 0}, "at least 1, not 0"),
        ("LeakyReLU", {"negative_slope": float("nan")}, "negative_slope"),
        ("Hardtanh", {"min_val": 2}, "min_val=2.0 is not below max_val=1.0"),
        ("Tanh", {"inplace": True}, "inplace"),
    ],
)
def test_fields_that_mean_nothing_are_refused(
    name: str, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        operator(name)(**fields)


def test_inplace_changes_no_count() -> None:
    assert work(ReLU(inplace=True), (2, 3)) == work(ReLU(), (2, 3))


def test_arrays_and_symbols_give_the_numbers_of_ints() -> None:
    op = Softmax(dim=1)
    sizes = [1, 10, 1_000]
    n = sympy.Symbol("n", integer=True, positive=True)

    swept: Any = work(op, (2, numpy.array(sizes)))
    closed: Any = work(op, (2, n))

    # 2 (2 n - 1) adds, 2 (n - 1) comparisons.
    assert swept.adds.tolist() == [2, 38, 3_998]
    assert [closed.adds.subs(n, size) for size in sizes] == [2, 38, 3_998]
    assert swept.comparisons.tolist() == [0, 18, 1_998]
    assert [closed.comparisons.subs(n, size) for size in sizes] == [0, 18, 1_998]
