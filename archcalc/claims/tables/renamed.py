"""Rows that a row takes in place of one that it names, where that is a misprint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from archcalc.claims.tables.assumed import FAR
from archcalc.claims.tables.evidence import MISPRINT, UNKNOWN, State, printed_state, slip
from archcalc.claims.tables.flow import Link
from archcalc.claims.tables.paths import Path
from archcalc.claims.tables.sheet import Entry

if TYPE_CHECKING:
    from archcalc.claims.tables.search import Search

CUT_OFF = 0.1
"""The price of another row than the latest, of those that a name may be whose end is cut off."""


def renamed(search: Search, path: Path, entry: Entry, link: Link, least: float) -> Iterator[Path]:
    """Ways in which a row names the wrong producer."""
    assert link.rows is not None
    place = entry.index, entry.columns["source"]
    dear = MISPRINT
    if unsized(entry):
        # Only what follows tells what it joins, which prints more than it does.
        least, dear = least + MISPRINT, MISPRINT - 1
    tried = 0
    used = {r for each in search.links for r in each.rows or ()}
    for k, named in enumerate(link.rows):
        seen: set[State] = set()
        may = link.meant.get(named, ())
        near = range(entry.index - 1, max(-1, entry.index - FAR), -1)
        for at in (*may, *_slipped(entry.sources[k : k + 1], named, near)):
            other = path.outs(at)
            now = path.known.get(named, UNKNOWN)
            if at in link.rows or other is None or other == now or other in seen:
                continue
            seen.add(other)
            given = [
                other if j == k else path.known.get(r, UNKNOWN) for j, r in enumerate(link.rows)
            ]
            rows = tuple(at if j == k else r for j, r in enumerate(link.rows))
            state = search.joined(entry, given, link, path)
            price = dear - (3.0 if at not in used else 0.0)
            wrong = None if at in may else place
            price = price if wrong else CUT_OFF
            tried += 1
            for option in search.read(entry, state)[:2]:
                if not option.wrong and option.cost + price < least + 2:
                    yield search.extend(path, entry, option, price, path.counts, (), wrong, rows)
            if tried > 40:
                return


def _slipped(names: Sequence[str], named: int, rows: Sequence[int]) -> Sequence[int]:
    """Rows that may be meant by a number, first those that a slip of digits makes of it."""
    number = names[0] if names else ""
    if not number.isdecimal():
        return rows
    return sorted(rows, key=lambda at: not slip(int(number), int(number) + at - named))


def unsized(entry: Entry) -> bool:
    """Whether a row joins what it names, and nothing is printed of how much that is."""
    return entry.kind == "concat" and printed_state(entry, "out") == UNKNOWN
