"""Numbers that leave a record, and what is made of it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archcalc
from archcalc.algebra.condense import condensed
from archcalc.algebra.intervals import ANY, intervals
from archcalc.algebra.program import Program, holds_at, needed, run
from archcalc.algebra.record import Record
from archcalc.dims import holds, same
from archcalc.space.trace import trace


def recorded(compute: Any, **values: Any) -> Program:
    record = Record()
    result = compute(**{name: record.variable(name, value) for name, value in values.items()})
    return record.finish({"result": result}, None)


def test_arithmetic_is_done_again_at_other_points() -> None:
    program = recorded(lambda a, b: -(-(3 * a + 1) // b) + a % 5, a=10, b=4)

    # ceil(31 / 4) + 0; and at (11, 3) ceil(34 / 3) + 1.
    assert run(program, {"a": 10, "b": 4}) == {"result": 8}
    assert run(program, {"a": 11, "b": 3}) == {"result": 13}


def test_a_question_is_a_guard() -> None:
    program = recorded(lambda a: 2 * a if a > 7 else a, a=10)

    assert holds_at(program, {"a": 8})
    assert not holds_at(program, {"a": 7})


@pytest.mark.parametrize(
    "use", [int, range, lambda a: a == [0] * 20 or [0][a * 0], lambda a: 2**a, hash, math.log]
)
def test_what_leaves_no_record_never_gives_another_point_s_answer(use: Any) -> None:
    program = recorded(lambda a: (use(a), a)[1] * 1, a=10)

    # Either nothing depends on the value, or the record holds at that value only.
    assert run(program, {"a": 10}) == {"result": 10}
    if use != hash and program.guards:
        assert not holds_at(program, {"a": 11})


def test_an_index_settles_the_number() -> None:
    program = recorded(lambda a: [5, 6, 7][a], a=1)

    assert run(program, {"a": 1}) == {"result": 6}
    assert not holds_at(program, {"a": 2})


def test_extents_that_are_reached_in_different_ways_are_one_step() -> None:
    record = Record()
    n = record.variable("n", 20)

    assert (n + 1 + 1 - 3) is (n - 1)
    assert (n + 1 - 1) is n
    assert 8 * n // 4 is n * 2
    assert n // n == 1
    assert record.guards == {(("eq"), record.node(n), record.node(0)): False}


def test_questions_are_answered_by_value() -> None:
    n = Record().variable("n", 4)
    assert n == 4
    assert holds(n >= 4)
    assert not holds(n > 4)
    assert same(n, 4)
    assert [0, 1, 2, 3, 4][n] == 4
    assert list(range(n)) == [0, 1, 2, 3]


def test_what_is_no_number_is_refused() -> None:
    assert Record().variable("a", 5) * 1.5 == 7.5
    with pytest.raises(TypeError):
        Record().variable("a", 5) + "b"


def test_numbers_that_are_equal_by_chance_are_no_guard_of_a_lookup() -> None:
    record = Record()
    a, b = record.variable("a", 64), record.variable("b", 64)
    found = {(a, "block"): 1}

    assert (b, "block") not in found
    assert record.guards == {}


@given(st.integers(1, 10**6), st.integers(1, 10**4), st.integers(1, 500), st.integers(0, 3))
def test_normal_forms_change_no_number(a: int, b: int, c: int, d: int) -> None:
    def compute(x: Any, y: Any, z: Any) -> Any:
        return (x + y) * (x - y) + 7 * x * (y // z) - (y // z) * d * x + abs(z) - 3

    program = recorded(compute, x=a, y=b, z=c)

    assert run(condensed(program), {"x": a, "y": b, "z": c}) == {"result": compute(a, b, c)}


@given(st.lists(st.integers(-50, 50), min_size=4, max_size=4), st.integers(1, 9))
def test_intervals_contain_every_value(ends: list[int], by: int) -> None:
    low_a, high_a, low_b, high_b = (*sorted(ends[:2]), *sorted(ends[2:]))

    def compute(a: Any, b: Any) -> Any:
        return (a * b - a // by + b % by).least(a.most(b)) - abs(a - b) + (0.3 * b).__floor__()

    program = recorded(compute, a=low_a, b=high_b)
    steps = needed(program, program.outputs.values(), {})
    known = intervals(program, {"a": (low_a, high_a), "b": (low_b, high_b)}, steps, held=True)
    low, high = known[program.outputs["result"]]
    for a in (low_a, (low_a + high_a) // 2, high_a):
        for b in (low_b, (low_b + high_b) // 2, high_b):
            if holds_at(program, {"a": a, "b": b}):
                assert low <= run(program, {"a": a, "b": b})["result"] <= high


def test_a_trace_of_what_is_no_network_has_its_error() -> None:
    program = trace(archcalc.load("alexnet"), {"side": 5})

    assert "kernel 11 is larger than its input 5" in str(program.error)
    assert program.outputs == {}
    assert holds_at(program, {"side": 4})
    assert not holds_at(program, {"side": 227})


def test_where_guards_hold_no_divisor_is_zero() -> None:
    """Groups of 8 in 16 to 64 are 2 to 8; of 8 to 48 they are 0 to 8, but for the guard."""
    record = Record()
    width, group = record.variable("width", 16), record.variable("group", 8)
    assert width // group >= 1
    program = record.finish({"each": width // (width // group)})
    between = {"width": (16, 64), "group": (8, 48)}
    assert intervals(program, between, range(len(program.steps)))[program.outputs["each"]] == ANY
    held = intervals(program, between, range(len(program.steps)), held=True)
    assert held[program.outputs["each"]] == (2, 64)
