"""A table as lines of text, for terminals and files alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from archcalc.report.layers.layout import Table, number

DROPPED_FIRST = ("from", "stride", "padding", "kernel", "in", "input", "out", "stage")
"""The columns that a narrow terminal goes without, in this order; then what else is no number,
then numbers, each from the right. The layer's name and the first number are never dropped."""

GAP = "  "

PROSE = frozenset(("title", "about", "totals", "note"))
"""Parts of a table that may be wrapped between words."""


class Grid(NamedTuple):
    """A table's cells as they are printed to people, and where a label of sums may stand."""

    headers: tuple[str, ...]
    right: tuple[bool, ...]
    body: tuple[tuple[str, ...], ...]
    hidden: tuple[str, ...] | None
    sums: tuple[str, ...]
    label: int
    """The column in which a label begins."""
    span: int
    """How many columns it may stretch over: all that nothing is summed in."""


def grid(table: Table) -> Grid:
    """Numbers with separators, and room for labels."""
    headers = [column.header for column in table.columns]
    right = [column.right for column in table.columns]
    words = [column.text is not None and not column.right for column in table.columns]
    body = [list(map(number, cells)) for cells in table.cells]
    summed = [[number(cell) for cell in table.sums]]
    if table.hidden is not None:
        summed.append(["" if text in ("0", "0.0") else text for text in map(number, table.hidden)])
    if not any(words):
        for row in (headers, *body, *summed):
            row.append("")
        right.append(False)
        words.append(True)
    label = words.index(True)
    span = 1
    while label + span < len(table.columns) and table.columns[label + span].text is not None:
        span += 1
    return Grid(
        tuple(headers),
        tuple(right),
        tuple(map(tuple, body)),
        tuple(summed[1]) if len(summed) > 1 else None,
        tuple(summed[0]),
        label,
        span,
    )


def hidden_label(table: Table, room: int | None = None) -> str:
    """``3 layers not shown: 2 ReLU, Flatten``, shortened to ``room`` characters if it can be."""
    count, ops = table.hidden_count, list(table.hidden_ops)
    head = f"{count} layer{'s' if count > 1 else ''} not shown"
    text = f"{head}: {', '.join(ops)}"
    while room is not None and len(text) > room and ops:
        ops.pop()
        text = f"{head}: {', '.join([*ops, '...'])}" if ops else head
    return text


class Text(NamedTuple):
    """A line of text and the part it plays: a terminal gives each its own look."""

    text: str
    part: str


def plain(table: Table) -> list[Text]:
    """The lines of a table, as wide as it takes."""
    cells = grid(table)
    printed = [cells.headers, *cells.body, cells.sums, *([cells.hidden] if cells.hidden else [])]
    widths = [max(map(len, column)) for column in zip(*printed, strict=True)]
    least = max(len("total"), len(hidden_label(table, 0)) if cells.hidden else 0)
    room = _room(widths, cells.label, cells.span)
    widths[cells.label] += max(0, least - room)
    rule = "-" * _room(widths, 0, len(widths))

    def row(texts: Sequence[str]) -> list[str]:
        return [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(texts, widths, cells.right, strict=True)
        ]

    def labelled(texts: Sequence[str], label: str, span: int) -> str:
        padded = row(texts)
        padded[cells.label : cells.label + span] = [label.ljust(_room(widths, cells.label, span))]
        return joined(padded)

    def joined(padded: Sequence[str]) -> str:
        return GAP.join(padded).rstrip()

    found = [Text(table.title, "title"), Text(table.about, "about"), Text("", "")]
    found += [Text(joined(row(cells.headers)), "header"), Text(rule, "rule")]
    found += [Text(joined(row(texts)), "row") for texts in cells.body]
    if cells.hidden is not None:
        span = cells.span
        while cells.label + span < len(widths) and not cells.hidden[cells.label + span]:
            span += 1  # where nothing is summed there is room for words
        label = hidden_label(table, _room(widths, cells.label, span))
        found.append(Text(labelled(cells.hidden, label, span), "hidden"))
    found += [
        Text(rule, "rule"),
        Text(labelled(cells.sums, "total", cells.span), "sums"),
        Text("", ""),
    ]
    longest = max(len(name) for name, _ in table.totals)
    found += [Text(f"{name.ljust(longest)}{GAP}{text}", "totals") for name, text in table.totals]
    return found


def _room(widths: Sequence[int], start: int, count: int) -> int:
    """Characters that some columns take side by side."""
    return sum(widths[start : start + count]) + len(GAP) * (count - 1)


def width(texts: Sequence[Text]) -> int:
    """Characters in the longest line of a table's grid: the rule's, which is as wide as all."""
    return max(len(text.text) for text in texts if text.part not in PROSE)


def fit(table: Table, columns: int) -> list[Text]:
    """The lines of a table, without as many of its columns as ``columns`` characters ask for."""
    texts, dropped = plain(table), list[str]()
    while width(texts) > columns:
        words = [column.name for column in table.columns if column.text is not None]
        numbers = [column.name for column in table.columns if column.text is None]
        rest = [name for name in reversed(words) if name not in DROPPED_FIRST]
        going = [n for n in (*DROPPED_FIRST, *rest) if n in words and n != "layer"]
        going += reversed(numbers[1:])
        if not going:
            break
        headers = {column.name: column.header for column in table.columns}
        dropped.append(headers[going[0]])
        table = table.drop(going[0])
        texts = plain(table)
    if dropped:
        left_out = f"columns left out to fit {columns} characters: {', '.join(dropped)}"
        texts.append(Text(left_out, "note"))
    return texts
