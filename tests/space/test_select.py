"""Conditions, first rows and Pareto fronts."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import archcalc
from archcalc import ArchcalcError
from archcalc.space.select import _front, condition, keys, timed
from archcalc.space.sweep import sweep
from tests.space.test_sweep import line


def macs(**options: Any) -> list[int]:
    found = sweep(line(), width=[1, 2, 3, 4], quantities="macs", depth=0, **options)
    return [int(n) for n in found.columns["macs"]]


# 27 weights a channel at 36 positions: 972 for every channel.


def test_a_condition_is_asked_of_every_row() -> None:
    assert macs(where="macs > 972 and width != 3") == [2 * 972, 4 * 972]
    assert macs(where="not macs > 972 or width == 4") == [972, 4 * 972]
    assert macs(where="2 <= width <= 3") == [2 * 972, 3 * 972]
    assert macs(where="width > 9") == []
    assert macs(where="True") == [972, 2 * 972, 3 * 972, 4 * 972]


def test_a_condition_may_ask_for_what_is_not_shown() -> None:
    assert macs(where="params > 81") == [4 * 972]


def test_a_condition_on_text_is_asked_row_by_row() -> None:
    found = sweep(line(), act=["ReLU", "Tanh"], width=[1, 2], where="act == 'Tanh' and width > 1")

    assert [(row["act"], row["width"]) for row in found] == [("Tanh", 2)]


def test_a_condition_takes_numbers_up_to_2_to_the_62_and_refuses_larger_ones() -> None:
    found = sweep(line(), N=[1, 2**40], quantities="macs", where="macs > 2 ** 40")

    assert [row["N"] for row in found] == [2**40]
    with pytest.raises(archcalc.ArchcalcError, match="overflows: macs > 1"):
        sweep(line(), N=[1, 2**60], quantities="macs", where="macs > 1")


def test_the_top_rows_are_the_largest_unless_the_smallest_are_asked_for() -> None:
    assert macs(top=2, by="macs") == [4 * 972, 3 * 972]
    assert macs(top=2, by="-macs") == [972, 2 * 972]
    assert macs(top=9, by="width", where="width < 3") == [2 * 972, 972]


def test_a_front_is_what_no_other_row_beats() -> None:
    # Wider is better, less work is better: of every width the smaller side.
    found = sweep(line(), width=[1, 2], side=[8, 10], pareto="-width,macs", quantities="macs")

    assert [(row["width"], row["side"]) for row in found] == [(1, 8), (2, 8)]


COSTS = st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=30)


@given(COSTS, st.sampled_from(["a,b", "a,-b", "a,b,c", "-a,b,-c"]))
def test_a_front_is_right_whatever_the_costs(rows: list[tuple[int, ...]], by: str) -> None:
    columns = {name: np.array([row[k] for row in rows]) for k, name in enumerate("abc")}
    order = keys(by)
    costs = [[sign * row["abc".index(name)] for name, sign in order] for row in rows]
    best = [
        row
        for row, cost in zip(rows, costs, strict=True)
        if not any(
            all(x <= y for x, y in zip(other, cost, strict=True)) and other != cost
            for other in costs
        )
    ]
    found = _front(columns, order)

    assert list(zip(*[found[name].tolist() for name in "abc"], strict=True)) == best


def test_parts_of_a_sweep_agree_with_the_whole() -> None:
    spec = archcalc.load("resnet18")
    axes: dict[str, Any] = {"width": range(8, 72, 8), "side": range(32, 225, 32)}
    rows = list(sweep(spec, **axes))
    kept = list(sweep(spec, **axes, where="macs < 300e6 and params < 4e6"))

    assert kept == [row for row in rows if row["macs"] < 300e6 and row["params"] < 4e6]
    assert 0 < len(kept) < len(rows)


def test_every_row_of_a_front_is_a_row_of_the_sweep() -> None:
    spec = archcalc.load("resnet18")
    axes: dict[str, Any] = {"width": [16, 32], "side": [64, 96], "depths": [[1] * 4, [2] * 4]}
    rows = list(sweep(spec, **axes))
    front = list(sweep(spec, **axes, pareto="-params,macs"))

    assert all(row in rows for row in front)
    for a, b in itertools.pairwise(front):
        assert a["macs"] < b["macs"]
        assert a["params"] < b["params"]


@pytest.mark.parametrize("where", ["channels(conv) > 1", "__import__('os')", "macs.real > 1"])
def test_a_condition_is_no_program(where: str) -> None:
    with pytest.raises(archcalc.ArchcalcError):
        macs(where=where)


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("macs < 300M", "macs < 300000000"),
        ("macs < 1.5G and params > 20k", "macs < 1500000000 and params > 20000"),
        ("memory < 4GiB", "memory < 4294967296"),
        ("time < 2ms", "time < 2000000"),
    ],
)
def test_numbers_may_have_units(written: str, plain: str) -> None:
    assert condition(written).text == plain
    with pytest.raises(ArchcalcError):
        condition("macs < 3X")


def test_a_time_names_its_machine() -> None:
    assert timed("macs < 3 and time(h100) < 2ms", None) == ("macs < 3 and time < 2ms", "h100")
    assert timed("time('orin') < 2 or time(orin) > 9", "orin") == ("time < 2 or time > 9", "orin")
    assert timed("macs < 3", "a100") == ("macs < 3", "a100")
    with pytest.raises(ArchcalcError, match="h100, orin"):
        timed("time(h100) < 2 and time(orin) < 2", None)
