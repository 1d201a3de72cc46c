"""What every reader of tables gives: rows of cells with their lines, and the limits of all."""

from __future__ import annotations

import re
from typing import NamedTuple

MOST_CHARACTERS = 2_000_000
MOST_ROWS = 5_000
MOST_COLUMNS = 200
MOST_IN_A_CELL = 2_000
"""Tables come from strangers: one that is larger is refused."""


class Line(NamedTuple):
    """A row of cells, and where it stands."""

    number: int
    """Of the text, from 1."""
    cells: tuple[str, ...]


Rows = tuple[tuple[str, ...], list[Line]]
"""Headers, and the rows below them."""


# Totals that stand below a table ----------------------------------------------------------------

FOOTER = re.compile(
    r"\s*((?:total|trainable|non-trainable|estimated|params|input|forward|optimizer)"
    r"[^:]{0,40}):\s*([\d.,]+(?:\s?[KMGBT])?)",
    re.IGNORECASE,
)


def footers(lines: list[str], headers: tuple[str, ...], number: int) -> list[Line]:
    """Totals that stand below a table, as a row under the columns that they add up."""
    plain = [header.lower() for header in headers]
    params = next((k for k, header in enumerate(plain) if "param" in header), None)
    work = [k for k, head in enumerate(plain) if re.search(r"mult|flop|mac|madd", head)]
    cells = [""] * len(headers)
    for line in lines:
        found = FOOTER.match(line)
        if not found:
            continue
        what = found[1].strip().lower()
        unit = re.search(r"\(([KMGBT])\)", found[1], re.IGNORECASE)
        value = found[2].strip() + (unit[1].upper() if unit else "")
        if what in ("total params", "total parameters") and params is not None:
            cells[0], cells[params] = "Total params", value
        elif what.startswith("total mult-adds") and work:
            cells[0], cells[work[0]] = cells[0] or "Total", value
    return [Line(number, tuple(cells))] if any(cells) else []


def whole(text: str) -> tuple[int, int] | None:
    """Parameters that train and that do not, where a program says so below its table."""
    found = {
        said[1].lower(): int(said[2].replace(",", ""))
        for said in re.finditer(
            r"^\W*((?:non-)?trainable) params: *(\d{1,3}(?:,\d{3})+|\d{1,15})(?!\S)",
            text,
            re.IGNORECASE | re.MULTILINE,
        )
    }
    if len(found) < 2:
        return None
    return found["trainable"], found["non-trainable"]
