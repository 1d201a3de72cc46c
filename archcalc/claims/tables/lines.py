"""What every reader of tables gives: rows of cells with their lines, and the limits of all."""

from __future__ import annotations

import re
from typing import NamedTuple

from archcalc.claims.tables.abroad import translated

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
    r"[^:=]{0,40})[:=]\s*(\d{1,3}(?:[ '\u00a0\u202f]\d{3})+\b|[\d.,]+(?:\s?[KMGBT]\b)?)",
    re.IGNORECASE,
)
MEMORY = re.compile(
    r"(input|forward/backward pass|params|estimated total) size \(mb\)", re.IGNORECASE
)
"""What torchsummary and torchinfo say of memory below a table."""
SUMMING = re.compile(
    r"\w+?[-_]?\d+ \([A-Z]\w*\)$|[\w.]+[._]\w+ \([A-Z]\w*\)$|[A-Z]\w*(-\d+|: \d+-\d+)$"
)
"""How programs call a layer; one that sums is no total."""
TRAINED = re.compile(r"(?:total )?(non-?)?trainable param(?:eter)?s", re.IGNORECASE)
"""What begins a row that says of the total how much of it trains."""
MULT_ADDS = re.compile(r"total mult-adds \(([KMGT]|units\.\w+)\)", re.IGNORECASE)
"""What torchinfo says below a table of the work that no column has."""


def mult_adds_unit(name: str) -> int:
    """What torchinfo's total of work is counted in: ``Total mult-adds (M)``, ``(Units.GIGABYTES)``.

    1 for a row that is none.
    """
    said = MULT_ADDS.fullmatch(name)
    letter = said[1].lower().removeprefix("units.")[0] if said else ""
    return {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}.get(letter, 1)


def footers(lines: list[str], headers: tuple[str, ...], number: int) -> list[Line]:
    """Totals that stand below a table, as a row under the columns that they add up."""
    plain = [translated(header).lower() for header in headers]
    params = next((k for k, header in enumerate(plain) if "param" in header), None)
    work = [k for k, head in enumerate(plain) if re.search(r"mult|flop|mac|madd", head)]
    cells = [""] * len(headers)
    sizes, more, trained = [], [], []
    for line in lines:
        found = FOOTER.match(line)
        if not found:
            continue
        if TRAINED.fullmatch(found[1].strip()) and params:
            part = [""] * len(headers)
            part[0], part[params] = found[1].strip(), found[2].strip()
            trained.append(Line(number, tuple(part)))
            continue
        if MEMORY.fullmatch(found[1].strip()) and params is not None:
            size = [""] * len(headers)
            size[0], size[params] = found[1].strip(), found[2].strip()
            sizes.append(Line(number, tuple(size)))
            continue
        what = found[1].strip().lower()
        unit = re.search(r"\(([KMGBT])\)", found[1], re.IGNORECASE)
        value = found[2].strip() + (unit[1].upper() if unit else "")
        if re.fullmatch(r"total (number of )?param(eter)?s", what) and params is not None:
            cells[0], cells[params] = "Total params", value
        elif what.startswith("total mult-adds") and work:
            cells[0], cells[work[0]] = cells[0] or "Total", value
        elif MULT_ADDS.fullmatch(found[1].strip()) and params:
            worked = [""] * len(headers)
            worked[0], worked[params] = found[1].strip(), found[2].strip()
            more.append(Line(number, tuple(worked)))
    return [
        *([Line(number, tuple(cells))] if any(cells) else []),
        *more,
        *(sizes if len(sizes) == 4 and params else []),
        *(trained if len(trained) == 1 + any(cells) else []),
    ]


_GIVEN = re.compile(
    r"^[\s*#>-]*(?:input|eingabe|entr[ée]e|entrada)(?:[ _.](?:size|shape|image))?[*` ]*"
    r"[:=]\s*(?:torch\.size)?[*`\[(]*"
    r"(?:(?:none|-1|n|b|batch)\s*,\s*)?(\d{1,5}(?:\s*[x×,]\s*\d{1,5}){1,3})(?!\s*[x×,.]?\d)",
    re.IGNORECASE | re.MULTILINE,
)


def given(text: str) -> tuple[int, ...]:
    """The input's size where a line beside the table says it: ``Input: (92, 13) MFCCs``."""
    found = _GIVEN.findall(text)
    sizes = {tuple(map(int, re.findall(r"\d+", each))) for each in found}
    return sizes.pop() if len(sizes) == 1 else ()


class Whole(NamedTuple):
    """Parameters in all, as said below a table."""

    trained: int
    frozen: int
    optimizer: int = 0
    """Numbers that the optimizer keeps, which Keras 3 counts in its total."""


def whole(text: str) -> Whole | None:
    """Parameters that train and that do not, where a program says so below its table."""
    found = {
        said[1].lower(): int(said[2].replace(",", ""))
        for said in re.finditer(
            r"(?:^\W*|\d )(?:total )?((?:non-)?trainable|optimizer) param(?:eter)?s: *"
            r"(\d{1,3}(?:,\d{3})+|\d{1,15})(?![^\s`<*])",
            text,
            re.IGNORECASE | re.MULTILINE,
        )
    }
    if not found.keys() >= {"trainable", "non-trainable"}:
        return None
    return Whole(found["trainable"], found["non-trainable"], found.get("optimizer", 0))
