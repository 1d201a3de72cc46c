"""What is known of a whole table while its rows are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from archcalc.claims.tables.cells import nothing
from archcalc.claims.tables.grid import Grid
from archcalc.claims.tables.sheet import Unreadable

PARTS = {"in": "dhwc", "out": "dhwc"}
WINDOW = ("kernel_d", "kernel_h", "kernel_w")


@dataclass
class Draft:
    """What is known of a whole table while its rows are read."""

    grid: Grid
    roles: Mapping[str, list[int]]
    columns: dict[str, int] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)
    first: bool = False
    batch: int = 1
    batched: bool = False
    units: Mapping[int, str] = field(default_factory=dict)
    dotted: bool = False
    """Whether dots separate thousands."""
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
    worded: set[str] = field(default_factory=set)
    """Roles that no column is for, said in the words of another."""


class Row(tuple[str, ...]):
    """A row's cells, and what the words in them say by role."""

    said: Mapping[str, str] = {}


def cell_of(cells: Row, role: str, read: Draft) -> str:
    """What a row's cell says of a role; ``""`` for nothing."""
    if role in read.worded:
        return cells.said.get(role, "")
    found = cells[read.columns[role]] if role in read.columns else ""
    # A list cut short says too little to check anything by.
    return "" if nothing(found) or "..." in found else found
