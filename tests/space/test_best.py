"""What fits a budget best is the best there is, or it is said that this is not proven."""

from __future__ import annotations

from math import prod
from typing import Any

import pytest

import archcalc
from archcalc import ArchcalcError
from archcalc.report.families import fit as report
from archcalc.space import best as searching
from tests.space.spaces import space


@pytest.mark.parametrize(
    "budget",
    [{"macs": 60_000}, {"params": 4_000}, {"macs": 2_000_000, "params": 9_000}],
)
def test_it_is_what_trying_all_finds(
    budget: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = space()
    rows = archcalc.sweep(small, quantities=tuple(budget))
    inside = [
        prod(row[name] for name in budget)
        for row in rows
        if all(row[name] <= limit for name, limit in budget.items())
    ]
    monkeypatch.setattr(searching, "SMALL", 16)
    found = archcalc.fit(small, budget)
    assert found.proven
    assert prod(found.totals[name] for name in budget) == max(inside)
    assert found.looked_at < small.size
    assert archcalc.analyze(small.network, **found.values).macs == found.totals["macs"]
    assert "space" not in found.spec


def test_what_is_not_proven_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "SMALL", 16)
    monkeypatch.setattr(searching, "MOST_PARTS", 1)
    found = archcalc.fit(space(), {"macs": 70_000})
    assert not found.proven
    assert found.at_most_more >= 1
    assert found.totals["macs"] <= 70_000
    assert "best that was found" in report.render(found)
    assert '"proven": false' in report.render(found, "json")


def test_none_is_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    small = space()
    monkeypatch.setattr(searching, "SMALL", small.size - 1)  # all but one are drawn, and some again
    assert archcalc.fit(small, {"macs": 70_000}).looked_at == small.size


def test_where_nothing_fits() -> None:
    with pytest.raises(ArchcalcError, match="nothing fits"):
        archcalc.fit(space(), {"macs": 10})
    with pytest.raises(ArchcalcError, match="nothing fits"):
        archcalc.fit(space(), {"memory": 10})
    with pytest.raises(ArchcalcError, match="on a machine"):
        archcalc.fit(space(), {"time": 10})


@pytest.mark.parametrize(
    "budget",
    [
        {"memory": 30_000},
        {"time": 50},
        {"time": 60, "params": 5_000},
        {"macs": 90_000, "memory": 40_000},
    ],
)
def test_a_time_and_a_memory_are_fitted(
    budget: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = space(side=[16], width=[8, 16])
    rows = archcalc.sweep(small, quantities=tuple(budget), on="h100")
    inside = [
        prod(row[name] for name in budget)
        for row in rows
        if all(row[name] <= limit for name, limit in budget.items())
    ]
    monkeypatch.setattr(searching, "CLOSELY", 10)
    found = archcalc.fit(small, budget, on="h100")
    assert found.proven
    assert prod(found.totals[name] for name in budget) == max(inside)
    monkeypatch.setattr(searching, "MOST_ALONE", 20)
    found = archcalc.fit(small, budget, on="h100")
    assert all(found.totals[name] <= limit for name, limit in budget.items())
    value = prod(found.totals[name] for name in budget)
    assert value == max(inside) or (not found.proven and found.at_most_more * value >= max(inside))


def test_a_search_ends_when_its_time_is_up() -> None:
    """Of 15,625 cells some are looked at, and nothing is said of the others."""
    found = archcalc.fit("nasbench201", {"macs": 50_000_000, "params": 300_000}, seconds=0)
    assert found.looked_at < 15_625
    assert not found.proven
    assert found.totals["macs"] <= 50_000_000
    assert found.totals["params"] <= 300_000
    made = found.totals["macs"] * found.totals["params"]
    assert found.at_most_more == pytest.approx(50_000_000 * 300_000 / made)
    assert "found until the time was over" in " ".join(report.render(found).split())


def test_what_is_interrupted_has_the_best_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(searching._Best, "search", interrupted)
    monkeypatch.setattr(searching, "SMALL", 100)
    found = archcalc.fit(space(), {"params": 10_000})
    assert not found.proven
    assert found.totals["params"] <= 10_000
    assert "found until it was interrupted" in " ".join(report.render(found).split())
