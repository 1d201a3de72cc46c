"""An audited table: its wrong cells marked, and what is wrong with them as footnotes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from archcalc.claims.finding import Audit, Difference, Finding
from archcalc.document import Document
from archcalc.document.model import (
    Block,
    Cell,
    Head,
    Heading,
    Item,
    Items,
    Pairs,
    Prose,
    Styled,
    many,
    table,
)
from archcalc.report.rendering import renderer

MOST_ALTERNATIVES = 2
"""Causes that people are shown beside the likeliest one."""

FAR_FETCHED = 2.5
"""Causes farther than this are not called likely."""


class Note(NamedTuple):
    """A footnote: cells that are wrong in the same way."""

    head: str
    rule: str
    causes: tuple[str, ...]
    """The likeliest first, each headed by how likely it is."""
    effect: int
    cells: tuple[tuple[int, int], ...]
    """Row and column, from 0."""

    @property
    def below(self) -> tuple[str, ...]:
        """What the footnote says below its head."""
        effect = f"effect on the total: {self.effect:+,}" if self.effect else ""
        return tuple(filter(None, (self.rule, *self.causes, effect)))


def document(audit: Audit | Sequence[Audit], brief: bool = False) -> Document:
    """The table with its wrong cells marked, what is wrong with them, and the totals; or tables."""
    if not isinstance(audit, Audit):
        several = [document(each, brief) for each in audit]
        return Document.of(*(block for each in several for block in each.blocks), name="tables")
    if audit.tables:
        each_ = [replace(each, name=f"{audit.name}, {each.name}") for each in audit.tables]
        return document(each_, brief)
    found = notes(audit)
    marks = {cell: k for k, note in enumerate(found, 1) for cell in note.cells}
    wrong = {row for row, _ in marks}
    rows = [row for row in range(len(audit.rows)) if row in wrong or not brief]
    columns = _columns(audit)

    def cell(row: int, k: int) -> Cell:
        text = audit.rows[row][k]
        return Styled(text, "bad", marks[row, k]) if (row, k) in marks else text

    printed = [(str(row + 1), *(cell(row, k) for k in columns)) for row in rows]
    heads = [Head("row", "row", True)]
    heads += [Head(audit.headers[k], audit.headers[k], _numeric(audit, k)) for k in columns]
    return Document.of(
        Heading(audit.name),
        Prose("; ".join([checked(audit), *audit.notes]), "about"),
        table(heads, printed) if printed else None,
        Items(tuple(Item(note.head, note.below) for note in found), numbered=True),
        Prose(verdict(audit)),
        Pairs(tuple(_totals(audit))),
        *_against(audit),
    )


def _numeric(audit: Audit, k: int) -> bool:
    cells = [row[k] for row in audit.rows if row[k]]
    return all(cell[0].isdigit() or cell[0] in "-." for cell in cells)


def notes(audit: Audit) -> list[Note]:
    """The footnotes, one for all cells of a column that are wrong in the same way."""
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for finding in audit.findings:
        key = finding.column, finding.printed, finding.right, finding.rule
        groups.setdefault(key, []).append(finding)
    found = [_note(audit, group) for group in groups.values()]
    for row, column, message in audit.unreadable:
        head = f"row {row + 1}, {audit.headers[column]}: {message}"
        found.append(Note(head, "", (), 0, ((row, column),)))
    return found


def _note(audit: Audit, group: list[Finding]) -> Note:
    first = group[0]
    where = ", ".join(finding.layer for finding in group)
    header = audit.headers[first.column]
    right = f", should be {first.right}" if first.right else ""
    texts = {cause.text: cause.distance for cause in reversed(first.causes)}
    ranked = sorted(texts.items(), key=lambda item: item[1])[: 1 + MOST_ALTERNATIVES]
    shown = [
        f"{'or' if k else 'likely' if distance < FAR_FETCHED else 'far-fetched'}: {text}"
        for k, (text, distance) in enumerate(ranked)
    ] or ["no single change that was tried explains it"]
    cells = tuple((finding.row, finding.column) for finding in group)
    effect = sum(finding.effect for finding in group)
    head = f"{where}, {header}: {first.printed}{right}"
    return Note(head, first.rule, tuple(shown), effect, cells)


def checked(audit: Audit) -> str:
    """``checked: 84 inputs, 84 outputs, 21 params, 1 total``."""
    parts = [
        f"{count} {what if count != 1 else what.removesuffix('s')}"
        for what, count in audit.checked.items()
        if count
    ]
    return f"checked: {', '.join(parts)}" if parts else "nothing could be checked"


def verdict(audit: Audit) -> str:
    """What is wrong in all."""
    count, damaged = len(audit.findings), len(audit.unreadable)
    if not count and not damaged:
        return "nothing contradicts" if any(audit.checked.values()) else "nothing could be checked"
    cells = f"{many(count, 'cell')} contradict{'s' * (count == 1)} others"
    return "; ".join([cells] * bool(count) + [f"{damaged} can't be read"] * bool(damaged))


def _totals(audit: Audit) -> Iterator[tuple[str, str]]:
    """What becomes of the total."""
    totals = audit.totals
    if totals is None:
        return
    if totals.printed is not None:
        yield "printed total", f"{totals.printed:,}"
    if totals.printed is None or totals.gap:
        off = f"  (total off by {totals.gap:+,})" if totals.printed is not None else ""
        yield "rows add up to", f"{totals.summed:,}{off}"
    if totals.effects or totals.rows:
        yield f"effect of {many(totals.rows, 'row')}", f"{totals.effects:+,}"
        yield "right total", f"{totals.right:,}"


def _columns(audit: Audit) -> list[int]:
    """The columns that people are shown: those that were understood and hold something."""
    return [
        k
        for k, header in enumerate(audit.headers)
        if header not in (*audit.unmapped, *audit.remarks) and any(cells[k] for cells in audit.rows)
    ]


def _against(audit: Audit) -> Iterator[Block]:
    if not audit.against:
        return
    if not audit.differences:
        yield Prose(f"no cell differs from {audit.against}")
        return
    yield Prose(f"{many(len(audit.differences), 'difference')} from {audit.against}:")
    yield table(DIFFERENCES, map(_difference, audit.differences))
    effect = sum(each.effect for each in audit.differences)
    yield Prose(f"params: {effect:+,} in all" if effect else "")


DIFFERENCES = (
    Head("row", "row", True),
    Head("layer", "layer"),
    Head("column", "column"),
    Head("printed", "printed", True),
    Head("computed", "computed", True),
)


def _difference(each: Difference) -> tuple[str, str, str, str, str]:
    row = "" if each.row is None else str(each.row + 1)
    return row, each.layer, each.column, each.printed, each.computed


def as_data(audit: Audit | Sequence[Audit], brief: bool = False) -> dict[str, Any]:
    """An audit, or several, as JSON holds them: all of it, ``brief`` or not."""
    if not isinstance(audit, Audit):
        return {"tables": list(map(as_data, audit))}

    def cause(each: Any) -> dict[str, Any]:
        cell = None if each.cell is None else {"row": each.cell[0] + 1, "role": each.cell[1]}
        return {"text": each.text, "distance": round(each.distance, 3), "cell": cell}

    totals = audit.totals
    return {
        "table": audit.name,
        "ok": audit.ok,
        "checked": dict(audit.checked),
        "notes": list(audit.notes),
        "headers": list(audit.headers),
        "unread_columns": list(audit.unmapped),
        "unchecked_columns": list(audit.remarks),
        "rows": list(map(list, audit.rows)),
        "findings": [
            {
                "row": each.row + 1,
                "column": audit.headers[each.column],
                "role": each.role,
                "layer": each.layer,
                "printed": each.printed,
                "right": each.right or None,
                "rule": each.rule,
                "effect": each.effect,
                "causes": [cause(one) for one in each.causes],
                **({"table": each.table} if audit.tables else {}),
            }
            for each in audit.findings
        ],
        "unreadable": [
            {"row": row + 1, "column": audit.headers[column], "message": message}
            for row, column, message in audit.unreadable
        ],
        "totals": totals
        and {
            "printed": totals.printed,
            "rows_sum": totals.summed,
            "effects": totals.effects,
            "right": totals.right,
            "wrong_rows": totals.rows,
        },
        "against": audit.against or None,
        "differences": [
            {**each._asdict(), "row": None if each.row is None else each.row + 1}
            for each in audit.differences
        ],
        **({"tables": list(map(as_data, audit.tables))} if audit.tables else {}),
    }


FORMATS = ("table", "markdown", "html", "json")
"""The forms an audit takes."""


render = renderer(document, FORMATS, json=as_data)
"""An audit, or several, in one of ``FORMATS``; with ``brief`` people see only rows with something
wrong.
"""
