"""What is known of a whole table while its rows are read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from archcalc.claims.printed import Printed
from archcalc.claims.tables.cells import count, nothing, outcome
from archcalc.claims.tables.grid import Grid
from archcalc.claims.tables.modules import Pattern
from archcalc.claims.tables.sheet import Unreadable

PARTS = {"in": "dhwc", "out": "dhwc"}
WINDOW = ("kernel_d", "kernel_h", "kernel_w")


CALL = re.compile(r"([A-Za-z_]\w{2,30}) ?\(.{0,40}\)")
"""What is called in a cell: ``MaxPool()``."""


@dataclass
class Draft:
    """What is known of a whole table while its rows are read."""

    grid: Grid
    roles: dict[str, list[int]]
    columns: dict[str, int] = field(default_factory=dict)
    others: dict[str, list[int]] = field(default_factory=dict)
    """Further columns of a role, of rows of which the first says nothing."""
    unreadable: list[Unreadable] = field(default_factory=list)
    first: bool = False
    batch: int = 1
    batched: bool = False
    single: frozenset[tuple[int, ...]] = frozenset()
    """Sizes of one sample, without the batch that others have."""
    units: Mapping[int, str] = field(default_factory=dict)
    dotted: bool = False
    """Whether dots separate thousands."""
    vectors: bool = False
    """Whether numbers that stand alone are features, of points, say."""
    squeezed: frozenset[int] = frozenset()
    """Channels of sizes whose sides are 1: what stands alone and is one of them has sides of 1."""
    plane: bool = False
    """Whether two numbers are extents without channels."""
    mixed: bool = False
    """Whether some rows have channels first and some last, each kind as PyTorch has it."""
    axes: int | None = None
    """Over how many axes all windows slide, where all sizes have as many."""
    kernel_last: bool = False
    """Whether channels stand behind the kernel: ``1x1x64x128``."""
    kernel_turned: bool = False
    """Whether channels in stand before channels out: ``[in, out, 3, 3]``."""
    filters: int = 0
    """More than 0 where ``3x3x64`` is of 64 filters."""
    tokens: bool = False
    """Whether positions stand in one row, features last, though images have channels first."""
    tree: bool = False
    """Whether rows are numbered by their depth, as in torchinfo's tree."""
    wholes: Mapping[int, Printed] = field(default_factory=dict)
    """Totals of columns whose other cells are shares of them."""
    rounded: frozenset[int] = frozenset()
    """Columns whose counts are rounded to thousands: ``885,000``."""
    spaced: frozenset[int] = frozenset()
    """Columns whose sizes have a blank behind each comma: ``(161,312)`` is one number there."""
    mapped: frozenset[int] = frozenset()
    """Columns of sizes that say how many maps there are of a size: ``32 × [1, 7710]``."""
    flow: int = -1
    """The column that says what each row takes and gives: ``(64, 64, 32) → (32, 32, 64)``."""
    patterns: tuple[tuple[Pattern, Mapping[str, int]], ...] = ()
    """Modules that a user added, with the columns of their widths."""
    tensors: bool = False
    """Whether the column that says how parameters come about holds the sides of weights."""
    worded: set[str] = field(default_factory=set)
    """Roles that no column is for, said in the words of another."""


FLOW = re.compile(r"\s*(?:→|->|=>|⇒)\s*")
"""What stands between what a layer takes and what it gives."""
SHARE = re.compile(r"\s*([\d.]+) ?%\s*")


def mapped(rows: Sequence[Row]) -> frozenset[int]:
    """Columns that say of two cells or more how many maps there are of a size."""
    width = len(rows[0]) if rows else 0
    return frozenset(
        k for k in range(width) if sum(bool(_MAPS.fullmatch(row[k].strip())) for row in rows) > 1
    )


_MAPS = re.compile(r"\d+\s*[x×]\s*[\[(][\d ,x×]+[\])]")
_ONE_NUMBER = re.compile(r"(?<=[(\[])\d{1,3}(?:,\d{3})+(?=,?[)\]])")


def spaced(rows: Sequence[Row]) -> frozenset[int]:
    """Columns of sizes in brackets, all but single numbers with a blank behind each comma."""
    found = set()
    for k in range(len(rows[0]) if rows else 0):
        sizes = [row[k] for row in rows if re.search(r"[(\[].*\d,.*\d.*[)\]]", row[k])]
        single = [each for each in sizes if _ONE_NUMBER.search(each)]
        if 0 < len(single) < len(sizes):
            others = [each for each in sizes if each not in single]
            if not any(re.search(r",\S*\d", each) for each in others):
                found.add(k)
    return frozenset(found)


def shared(rows: Sequence[Row], totals: Sequence[bool]) -> dict[int, Printed]:
    """The totals of columns in which all other rows print shares: ``9.84 %`` over ``61.10 M``."""
    found = {}
    for k in range(len(rows[0]) if rows else 0):
        parts = [row[k] for row, total in zip(rows, totals, strict=True) if not total and row[k]]
        wholes = [
            count(row[k]) for row, total in zip(rows, totals, strict=True) if total and row[k]
        ]
        if len(wholes) == 1 and wholes[0] and parts and all(map(SHARE.fullmatch, parts)):
            found[k] = wholes[0]
    return found


def thousands(rows: Sequence[Row]) -> frozenset[int]:
    """Columns of four counts or more that all end in three zeros."""
    found = set()
    for k in range(len(rows[0]) if rows else 0):
        cells = [row[k].strip() for row in rows if re.search(r"[1-9]", row[k])]
        if len(cells) > 3 and all(re.fullmatch(r"\d[\d,]*,?000", cell) for cell in cells):
            found.add(k)
    return frozenset(found)


class Row(tuple[str, ...]):
    """A row's cells, and what the words in them say by role."""

    said: Mapping[str, str] = {}


def place_of(cells: Row, role: str, read: Draft) -> int:
    """The column in which a row says something of a role."""
    first = read.columns[role]
    others = read.others.get(role, ()) if nothing(cells[first]) else ()
    return next((k for k in others if not nothing(cells[k])), first)


_IN_ALL = re.compile(r"\d+(?: ?[x×*] ?\d+){1,3} ?= ?\d[\d,]*")
"""A size and how many numbers it is: ``2 × 180 × 240 = 86,400``."""


def cell_of(cells: Row, role: str, read: Draft) -> str:
    """What a row's cell says of a role; ``""`` for nothing."""
    if role in read.worded:
        return cells.said.get(role, "")
    found = cells[place_of(cells, role, read)] if role in read.columns else ""
    if role in ("in", "out") and read.columns.get(role, -2) == read.flow:
        sides = FLOW.split(found, 1)
        found = sides[role == "out"].strip() if len(sides) == 2 else found
    if role in ("in", "out") and read.columns.get(role) in read.spaced:
        found = _ONE_NUMBER.sub(lambda number: number[0].replace(",", ""), found)
    # A list cut short says too little to check anything by.
    if nothing(found) or ("..." in found and role != "layer"):
        return ""
    return found if role in PARTS and _IN_ALL.fullmatch(found) else outcome(found)
