"""The audits of several tables of one text as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from archcalc.claims.finding import Audit


def together(found: Sequence[Audit], said: Sequence[str], name: str) -> Audit:
    """All rows, headers and findings of some tables, or the only one's audit.

    ``said`` is what is to be told of tables that are none of layers.
    """
    if len(found) == 1:
        return replace(found[0], notes=(*found[0].notes, *said))
    headers: list[str] = []
    places = [_placed(headers, each.headers) for each in found]
    starts = [sum(len(each.rows) for each in found[:k]) for k in range(len(found))]
    rows: list[tuple[str, ...]] = []
    checked: dict[str, int] = {}
    for each, at in zip(found, places, strict=True):
        for cells in each.rows:
            filled = [""] * len(headers)
            for k, cell in zip(at, cells, strict=True):
                filled[k] = cell
            rows.append(tuple(filled))
        for what, count in each.checked.items():
            checked[what] = checked.get(what, 0) + count
    parts = list(zip(found, places, starts, strict=True))
    return Audit(
        name=name,
        headers=tuple(headers),
        rows=tuple(rows),
        findings=tuple(
            one._replace(row=one.row + start, column=at[one.column], table=k)
            for k, (each, at, start) in enumerate(parts, 1)
            for one in each.findings
        ),
        unreadable=tuple(
            (row + start, at[k], why)
            for each, at, start in parts
            for row, k, why in each.unreadable
        ),
        totals=None,
        checked=checked,
        notes=(*(f"{each.name}: {note}" for each in found for note in each.notes), *said),
        unmapped=tuple(dict.fromkeys(head for each in found for head in each.unmapped)),
        remarks=tuple(dict.fromkeys(head for each in found for head in each.remarks)),
        against=found[0].against,
        differences=tuple(
            one if one.row is None else one._replace(row=one.row + start)
            for each, _, start in parts
            for one in each.differences
        ),
        tables=(*found[:-1], replace(found[-1], notes=(*found[-1].notes, *said))),
    )


def _placed(headers: list[str], own: Sequence[str]) -> list[int]:
    """Where a table's columns stand among all: under the same header, or behind those so far."""
    places: list[int] = []
    for head in own:
        free = [k for k, each in enumerate(headers) if each == head and k not in places]
        if not free:
            free = [len(headers)]
            headers.append(head)
        places.append(free[0])
    return places
