"""The reading that is chosen of the cheapest ways through a table, its total held against each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from archcalc.claims.printed import Printed
from archcalc.claims.tables.evidence import MISPRINT, UNKNOWN, Manner, Option, State
from archcalc.claims.tables.layers import options
from archcalc.claims.tables.paths import DEARER, PUZZLED, Path, Reading
from archcalc.claims.tables.sheet import Entry
from archcalc.claims.tables.totals import adds_up, damaged, summed, total_row

if TYPE_CHECKING:
    from archcalc.claims.tables.search import Search

UNSUMMED = MISPRINT + 0.5
"""The price of a total that is not what the rows add up to."""
DOUBTED = 4.0
"""How much more a wrong total may cost than a row that only some kernel makes right."""
TIE = 0.75
"""Readings that cost so little more than the cheapest may be meant as well."""


def chosen(search: Search, manner: Manner, paths: list[Path]) -> Reading:
    """The cheapest of the last paths, the total held against each."""
    rated = []
    meant: list[Path] = []
    for path in paths:
        sums = _sums(search, path)
        if not sums and _summing(search, path):
            sums = True
            meant.append(path)
        rated.append((path.cost + UNSUMMED * (not sums and not path.unsummed), sums, path))
    rated.sort(key=lambda each: each[0])
    cost, sums, best = rated[0]
    readings = best.rows()
    others: list[dict[int, Option]] = []
    # A row that only some kernel makes right may be right, and the total wrong.
    other = min((p.cost for p in paths if not p.accused), default=DEARER) + UNSUMMED
    doubted = best in meant and other < cost + DOUBTED and not _twice(search)
    # Where nothing has to be wrong, nothing is.
    for price, adds, path in rated[1:] if best.accused or not sums else ():
        if price > cost + TIE or path.accused == best.accused:
            continue
        if sums and not adds:
            doubted = True
        rows = path.rows()
        others.append({r: o for r, o in rows.items() if o.wrong and o is not readings.get(r)})
    return Reading(
        tuple(readings.get(row) for row in range(len(search.sheet.entries))),
        manner,
        cost,
        tuple(others),
        tuple(search.links),
        sums,
        doubted,
    )


def _twice(search: Search) -> bool:
    """Whether the total is what trains and what does not together, as is said below it."""
    whole, total = search.sheet.whole, total_row(search.sheet)
    return bool(whole and total and whole.trained + whole.frozen == total.values["params"])


def _summing(search: Search, path: Path) -> bool:
    """Whether one wrong number may be what makes the rows add up to the total.

    Where a row's parameters are wrong its kernel is not known by them: then the total says
    what they should be, if some kernel gives that.
    """
    total, rows = total_row(search.sheet), path.rows()
    wrong = [row for row, option in rows.items() if "params" in option.wrong]
    if total is None or len(wrong) != 1 or "params" not in total.exact:
        return False
    entry, option = search.sheet.entries[wrong[0]], rows[wrong[0]]
    found = summed(search.sheet, rows, right=False)
    if found is None or found[1]:
        return False
    right = int(total.values["params"]) - found[0] + int(entry.values["params"])
    if right <= 0:
        return False
    meant = replace(
        entry,
        values={**entry.values, "params": right},
        printed={**entry.printed, "params": Printed.parse(right)},
    )
    at: Path | None = path
    while at is not None and at.row != wrong[0]:
        at = at.before
    for state in _taken(search, at, entry) if at is not None else ():
        for other in options(meant, state, search.manner, search.hints[entry.index])[0]:
            if other.cost < PUZZLED and other.out == option.out and not other.wrong:
                option.expected["params"] = right
                option.layer = option.layer._replace(params=right, kernel=other.layer.kernel)
                return True
    return False


def _taken(search: Search, path: Path, entry: Entry) -> Iterator[State]:
    """What the last row of a path may take."""
    link, option = search.links[entry.index], path.option
    rows = (option.given if option else None) or link.rows or ()
    given = [path.outs(row) or UNKNOWN for row in rows]
    yield search.joined(entry, given, link, path.before or path)
    if option is not None and option.layer.cin is not None and path.before is not None:
        yield State(option.layer.cin, path.before.state.ext)
    if path.before is not None and not link.named:
        yield from (state for _, state in reversed(path.before.recent))


def _sums(search: Search, path: Path) -> bool:
    """Whether the rows add up to the printed total under a path."""
    total = total_row(search.sheet)
    if total is None or search.sheet.elided:
        return True
    found = summed(search.sheet, path.rows())
    if found is None or any(damaged(search.sheet, entry) for entry in search.sheet.layers):
        return True
    value, slack = found
    exact = total.printed["params"]
    slack += int(exact.step) if exact.step > 1 else 0
    return adds_up(search.sheet, value, slack) or abs(value - exact.value) <= slack
