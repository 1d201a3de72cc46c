"""Rows whose cells stand too far left, since what spans several rows or columns was lost.

Where each row's size is its last cell, in whichever column that is, the sizes are one column.
"""

from __future__ import annotations

import re

from archcalc.claims.tables.cells import shapes
from archcalc.claims.tables.headers import HEADERS, plain_header
from archcalc.claims.tables.kinds import kind_of
from archcalc.claims.tables.labels import pairs
from archcalc.claims.tables.lines import Line, Rows

FEWEST = 4
"""Rows by which it is told that cells stand too far left."""
LONGEST = 100
"""Characters of a size."""
LONG = 40
"""Characters of a line of its own that is a title and no layer."""


def straightened(headers: tuple[str, ...], lines: list[Line]) -> Rows:
    """A table of which every row that has a size ends in it, with all sizes in one column."""
    if headers and _is_row(headers):
        number = max(1, lines[0].number - 1) if lines else 1
        headers, lines = ("",) * len(headers), [Line(number, headers), *lines]
    filled = [
        [k for k, cell in enumerate(line.cells) if cell and not pairs(cell)] for line in lines
    ]
    ends = [
        row[-1] if row and _sized(line.cells[row[-1]]) else None
        for line, row in zip(lines, filled, strict=True)
    ]
    told = [end for end in ends if end is not None]
    sizes = sum(_sized(cell) for line in lines for cell in line.cells)
    places = {end for end in told if told.count(end) > 1}
    if len(told) < max(FEWEST, len(lines) / 2) or len(places) < 2 or sizes > len(told):
        return headers, lines
    if any(head and _role(head) in ("out", "in") for head in headers):
        return headers, lines  # which says where sizes stand
    out, rows = "Output", list[Line]()
    for line, row, end in zip(lines, filled, ends, strict=True):
        cells = list(line.cells)
        if end is None:
            said = [cells[k] for k in row if _role(cells[k]) == "out"]
            if said and len(row) > 1 and not any(re.search(r"\d", cells[k]) for k in row):
                out = said[-1]  # it heads the columns
                continue
            if len(row) == 1 and len(cells[row[0]]) > LONG:
                continue  # a title across all columns
            rows.append(Line(line.number, (*cells, "")))
            continue
        size, cells[end] = cells[end], ""
        kinds = {k: kind_of(cells[k]).kind for k in row if k != end}
        if kinds.get(0, "module") in ("", "module") and (named := [k for k in kinds if kinds[k]]):
            cells[0], cells[named[-1]] = cells[named[-1]], cells[0]
        rows.append(Line(line.number, (*cells, size)))
    return (headers[0] or "Layer", *headers[1:], out), rows


def _is_row(headers: tuple[str, ...]) -> bool:
    """Whether what seems to head columns is a layer with its size."""
    return bool(kind_of(headers[0]).kind) and any(_sized(cell) for cell in headers[1:])


def _sized(cell: str) -> bool:
    """Whether a cell is a size, and no number alone."""
    found = shapes(cell) if len(cell) <= LONGEST else None
    return bool(found and (len(found[0].dims) > 1 or found[0].bracketed))


def _role(cell: str) -> str:
    plain = plain_header(cell)
    return next((role for role, words in HEADERS.items() if re.fullmatch(words, plain)), "")
