"""Arithmetic that ints, arrays and symbols share."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from archcalc import dims

k = sympy.Symbol("k", integer=True, positive=True)
small = st.integers(1, 500)


@given(a=small, b=st.integers(1, 60))
def test_ints_arrays_and_symbols_agree(a: int, b: int) -> None:
    functions: list[Callable[..., Any]] = [dims.ceil_div, dims.minimum, dims.maximum, dims.gcd]
    for function in functions:
        expected = function(a, b)
        swept, closed = function(numpy.array([a, a]), b), function(k, b)
        assert swept.tolist() == [expected] * 2
        assert closed.subs(k, a) == expected


@given(a=st.integers(-500, 500), b=small)
def test_ceil_div_is_the_quotient_rounded_up(a: int, b: int) -> None:
    assert dims.ceil_div(a, b) == math.ceil(a / b)


@given(x=st.floats(-1e6, 1e6))
def test_floor_and_ceil_are_those_of_the_standard_library(x: float) -> None:
    assert (dims.floor(x), dims.ceil(x)) == (math.floor(x), math.ceil(x))
    swept: Any = dims.floor(numpy.array([x]))
    assert swept.tolist() == [math.floor(x)]


def test_the_gcd_of_a_symbol_is_not_that_of_polynomials() -> None:
    # sympy.gcd(32 * k, 7) is 1 for every k; at k = 7 it should be 7.
    closed: Any = dims.gcd(32 * k, 7)
    assert closed.subs(k, 7) == 7
    assert closed.subs(k, 5) == 1


HOLDS: list[tuple[Any, bool]] = [
    (True, True),
    (False, False),
    (numpy.array([True, True]), True),
    (numpy.array([True, False]), False),
    (numpy.bool_(False), False),
    (sympy.true, True),
    (sympy.false, False),
    (k > 3, True),  # open: not known to be false
    (k > 0, True),
    (k < 0, False),
]


@pytest.mark.parametrize(("answer", "expected"), HOLDS)
def test_an_answer_holds_unless_it_is_known_to_be_false_somewhere(
    answer: Any, expected: bool
) -> None:
    assert dims.holds(answer) is expected


def test_symbols_are_the_same_by_value_not_by_spelling() -> None:
    assert dims.same(k * (k + 1), k**2 + k)
    assert not dims.same(k, k + 1)
    assert dims.same(k, 3)  # may be
    assert not dims.same(0, k)  # k is positive


def test_divisibility() -> None:
    assert dims.divides(4, 8)
    assert not dims.divides(3, 8)
    assert not dims.divides(3, numpy.array([3, 4]))
    assert dims.divides(32, 32 * k)
    assert dims.divides(7, k)  # may be
    assert not dims.divides(2, 2 * k + 1)


def test_what_is_a_size() -> None:
    assert all(map(dims.is_size, (1, numpy.array([1]), numpy.int64(1), k, sympy.Integer(3))))
    assert not any(map(dims.is_size, (True, 1.0, "1", None, (1,))))


@pytest.mark.parametrize(
    ("x", "keep", "rounded"),
    # 4.2 eights; one and a half, up; none, but one at least; 8 is less than 0.9 * 11.2 = 10.08.
    [(33.6, 0, 32), (12, 0, 16), (1, 0, 8), (11.2, 0, 8), (11.2, 0.9, 16)],
)
def test_channels_are_rounded_to_a_multiple(x: float, keep: float, rounded: int) -> None:
    assert dims.round_to(x, 8, keep) == rounded
    swept: Any = dims.round_to(numpy.array([x]), 8, keep)
    assert swept.tolist() == [rounded]
