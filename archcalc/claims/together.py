"""The audits of several tables of one text as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from archcalc.claims.finding import Audit, Finding
from archcalc.claims.tables.read import Table
from archcalc.claims.wholes import accused, held


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


def side_by_side(found: Sequence[Audit], table: Table) -> Audit:
    """What is found in all networks of a table, at its own cells, or the only network's audit.

    Where it is compared with a network, it is the column that differs least.
    """
    if not table.networks:
        return found[0]
    findings: dict[tuple[int, int], Finding] = {}
    unreadable: dict[tuple[int, int], str] = {}
    checked: dict[str, int] = {}
    for each, place in zip(found, table.networks, strict=True):
        for one in each.findings:
            at = place.rows[one.row], place.columns[one.column]
            layer = f"{place.title}, {one.layer}"
            findings.setdefault(at, one._replace(row=at[0], column=at[1], layer=layer))
        for row, column, why in each.unreadable:
            unreadable.setdefault((place.rows[row], place.columns[column]), why)
        for what, count in each.checked.items():
            checked[what] = checked.get(what, 0) + count
    wholes: list[str] = []
    for k, (each, place) in enumerate(zip(found, table.networks, strict=True)):
        for whole in held(each, place):
            what = {"ops": "operations"}.get(whole.whole.role, whole.whole.role)
            checked[what] = checked.get(what, 0) + whole.known
            if not whole.known:
                wholes.append(
                    f"{place.title}: {whole.whole.name} is not checked, its rows say too little"
                )
            for one in () if whole.holds else accused(found, table.networks, k, whole):
                findings.setdefault((one.row, one.column), one)
    nearest = min(range(len(found)), key=lambda k: len(found[k].differences))
    rows = table.networks[nearest].rows
    common = set.intersection(*(set(each.notes) for each in found))
    spanned = sorted({row + 1 for place in table.networks for row in place.spanned})
    return Audit(
        name=table.name,
        headers=table.grid.headers,
        rows=tuple(line.cells for line in table.grid.rows),
        findings=tuple(findings[at] for at in sorted(findings)),
        unreadable=tuple((*at, unreadable[at]) for at in sorted(unreadable)),
        totals=None,
        checked=checked,
        notes=(
            f"a network each: {', '.join(place.title for place in table.networks)}",
            *([f"what stands once in {_rows(spanned)} is taken to be of each"] if spanned else []),
            *(note for note in found[0].notes if note in common),
            *(
                f"{place.title}: {note}"
                for each, place in zip(found, table.networks, strict=True)
                for note in each.notes
                if note not in common
            ),
            *wholes,
        ),
        unmapped=_everywhere([each.unmapped for each in found]),
        remarks=_everywhere([each.remarks for each in found]),
        against=found[nearest].against,
        differences=tuple(
            one if one.row is None else one._replace(row=rows[one.row])
            for one in found[nearest].differences
        ),
        networks=tuple(found),
    )


def _rows(rows: Sequence[int]) -> str:
    return f"row{'s' * (len(rows) > 1)} {', '.join(map(str, rows))}"


def _everywhere(heads: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Headers that are among those of any network."""
    return tuple(dict.fromkeys(head for each in heads for head in each))


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
