"""The normal forms of what was recorded."""

from __future__ import annotations

import operator
from collections.abc import Callable
from math import prod
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archcalc.algebra.forms import AsItReads, Form, Forms, Letter, MultipliedOut, letter
from archcalc.algebra.record import Record, Recorded
from archcalc.dims import ceil_div, gcd, maximum, minimum


def form(of: Callable[..., Any], rule: Any = None, **values: int) -> tuple[Any, Form]:
    """What a function of some letters comes to, and its form in them."""
    record = Record()
    result = of(**{name: record.variable(name, value) for name, value in values.items()})
    program = record.finish({"result": result})
    letters = {name: letter(Letter(name, value)) for name, value in values.items()}
    found = Forms(program, letters, rule or AsItReads()).form(program.outputs["result"])
    return result.value if isinstance(result, Recorded) else result, found


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


@pytest.mark.parametrize("rule", [AsItReads, MultipliedOut])
@given(small, small.filter(bool), small, small.filter(bool), st.sampled_from(OPERATIONS))
def test_the_formula_holds_for_other_numbers_too(
    rule: Any, a: int, b: int, c: int, d: int, operation: Callable[[Any, Any], Any]
) -> None:
    if rule is MultipliedOut:  # polynomials are in positive numbers
        a, b, c, d = (abs(n) + 1 for n in (a, b, c, d))
    for of, others in (
        (lambda **both: operation(*both.values()), {"a": c, "b": d}),
        (lambda a, **_: operation(a, b), {"a": c, "b": b}),
        (lambda b, **_: operation(a, b), {"a": a, "b": d}),
    ):
        value, found = form(of, rule(), a=a, b=b)
        assert value == found.value == operation(a, b)
        assert found.at(others) == operation(others["a"], others["b"])


@given(st.integers(1, 60), st.integers(1, 60))
def test_a_divisor_is_recorded(a: int, b: int) -> None:
    assert form(lambda a: gcd(a, 18), a=12)[0] == 6
    assert form(lambda a: gcd(a, b), a=12)[1].at({"a": a}) == gcd(a, b)


def test_what_says_nothing_is_left_out() -> None:
    assert form(lambda a: (a + 0) * 1 - 0, a=5)[1].letter == Letter("a")
    assert form(lambda a: a - a, a=5)[1].constant == 0
    assert form(lambda a: 2 * a + 3 * a - 5 * a, a=5)[1].constant == 0


def test_equal_formulas_are_equal_however_they_were_computed() -> None:
    def of(compute: Callable[..., Any]) -> Form:
        return form(compute, a=5, b=7)[1]

    assert of(lambda a, b: a * (b + 1)) == of(lambda a, b: b * a + a)
    assert of(lambda a, b: a + b) != of(lambda a, b: a * b)


def test_sums_are_multiplied_out_where_a_polynomial_is_wanted() -> None:
    def square(a: Any, b: Any) -> Any:
        return (a + b) * (a + b)

    assert [atom.op for atom in form(square, a=5, b=7)[1].atoms()].count("group") == 2
    # a^2 + 2 a b + b^2
    assert [n for _, n in form(square, MultipliedOut(), a=5, b=7)[1]] == [1, 2, 1]


def test_a_quotient_with_two_minuses_is_one_rounded_up() -> None:
    value, found = form(lambda a, b: -(-a // b), a=5, b=2)
    assert next(found.atoms()).op == "ceildiv"
    assert value == found.value == 3


def test_what_divides_all_of_a_sum_is_divided_out() -> None:
    assert form(lambda a: (4 * a + 8) // 4, a=5)[1] == form(lambda a: a + 2, a=5)[1]


def test_floors_of_floors_are_one_in_a_polynomial() -> None:
    # floor((floor(a / 2) + 3) / 4) = floor((a + 6) / 8)
    atom = next(form(lambda a: (a // 2 + 3) // 4, MultipliedOut(), a=9)[1].atoms())
    assert (atom.op, [arg.constant for arg in atom.args]) == ("floordiv", [None, 8])
