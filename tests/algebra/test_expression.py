"""Numbers that remember how they were computed."""

from __future__ import annotations

import operator
from collections.abc import Callable
from math import prod
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archcalc.algebra.expression import Quotient, Recorded, Symbol, atom, constant, expression
from archcalc.dims import ceil_div, gcd, holds, maximum, minimum, same


def symbol(name: str, value: int) -> Recorded:
    return Recorded(atom(Symbol(name, value)))


OPERATIONS: list[Callable[[Any, Any], Any]] = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.floordiv,
    operator.mod,
    lambda a, b: divmod(a, b)[0],
    lambda a, b: divmod(a, b)[1],
    ceil_div,
    minimum,
    maximum,
    lambda a, b: (a + 1) * (b - 1),
    lambda a, b: -a + 3 * b**2,
    lambda a, b: sum([a, b, a]) * prod([b, 2]),
]

small = st.integers(-20, 20)


@given(small, small.filter(bool), small, small.filter(bool), st.sampled_from(OPERATIONS))
def test_the_formula_holds_for_other_numbers_too(
    a: int, b: int, c: int, d: int, operation: Callable[[Any, Any], Any]
) -> None:
    for left, right in ((symbol("a", a), symbol("b", b)), (symbol("a", a), b), (a, symbol("b", b))):
        found = operation(left, right)
        assert found == operation(a, b)
        others = operation(
            c if isinstance(left, Recorded) else a, d if isinstance(right, Recorded) else b
        )
        recorded = expression(found)
        assert recorded.value == operation(a, b)
        assert recorded.substituted({"a": c, "b": d}).value == others


@given(st.integers(1, 60), st.integers(1, 60))
def test_a_divisor_is_recorded(a: int, b: int) -> None:
    found = gcd(symbol("a", 12), 18)
    assert found == 6
    assert expression(gcd(symbol("a", 12), b)).substituted({"a": a}).value == gcd(a, b)


def test_questions_are_answered_by_value() -> None:
    n = symbol("n", 4)
    assert n == 4
    assert holds(n >= 4)
    assert not holds(n > 4)
    assert same(n, 4)
    assert hash(n) == hash(4)
    assert [0, 1, 2, 3, 4][n] == 4
    assert list(range(n)) == [0, 1, 2, 3]


def test_what_says_nothing_is_left_out() -> None:
    a = symbol("a", 5)
    assert (a + 0) * 1 == a
    assert expression((a + 0) * 1 - 0).symbol is not None
    assert expression(a - a) == constant(0)
    assert expression(2 * a + 3 * a - 5 * a) == constant(0)


def test_equal_formulas_are_equal_however_they_were_computed() -> None:
    a, b = symbol("a", 5), symbol("b", 7)
    assert expression(a * (b + 1)) == expression(b * a + a)
    assert expression(a + b) != expression(a * b)


def test_a_quotient_with_two_minuses_is_one_rounded_up() -> None:
    found = next(expression(-(-symbol("a", 5) // symbol("b", 2))).atoms())
    assert isinstance(found, Quotient)
    assert found.up
    assert found.value == 3


def test_what_divides_all_of_a_sum_is_divided_out() -> None:
    a = symbol("a", 5)
    assert expression((4 * a + 8) // 4) == expression(a + 2)


def test_a_number_that_is_no_int_is_not_recorded() -> None:
    assert symbol("a", 5) * 1.5 == 7.5
    with pytest.raises(TypeError):
        symbol("a", 5) + "b"
