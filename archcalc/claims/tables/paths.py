"""Ways through a printed table: what its rows are read as, up to one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from archcalc.claims.tables.evidence import UNKNOWN, Manner, Option, State
from archcalc.claims.tables.flow import Link

DEARER = 1e9
"""More than any way costs."""
PUZZLED = 4.0
"""What a row may cost before things that are not printed are thought of."""
BRANCHING = (1, 2)
"""Places in :attr:`Path.counts` of what begins and ends a branch."""


@dataclass(slots=True)
class Path:
    """Readings of the rows up to one."""

    cost: float
    option: Option | None = None
    row: int = -1
    before: Path | None = None
    state: State = UNKNOWN
    known: dict[int, State] = field(default_factory=dict)
    """What the rows give that later rows name."""
    recent: tuple[tuple[int, State], ...] = ()
    """Rows and what they give, where it differs from what the row before gives."""
    counts: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Poolings, jumps, joins and changes that were assumed."""
    accused: int = 0
    """Tells which cells are wrong: the same for the same rows and columns."""
    unsummed: bool = False
    """Whether the rows as they should be can't add up to the total, which they do as printed."""

    @property
    def strained(self) -> bool:
        """Whether cells are wrong on it, or sizes are changed by what nobody knows."""
        return bool(self.accused or self.counts[3])

    @property
    def versed(self) -> set[int]:
        """Whether branches begin, and end, on it that no row prints: more of them cost less."""
        return {sort for sort in BRANCHING if self.counts[sort]}

    def outs(self, row: int) -> State | None:
        """What a row gives on a path."""
        at: Path | None = self
        while at is not None and at.row > row:
            at = at.before
        return at.option.out if at is not None and at.row == row and at.option else None

    def rows(self) -> dict[int, Option]:
        """The readings of a path by row."""
        found: dict[int, Option] = {}
        at: Path | None = self
        while at is not None:
            if at.option is not None:
                found[at.row] = at.option
            at = at.before
        return found


class Reading(NamedTuple):
    """What every cell of a table should be, under its cheapest reading."""

    options: tuple[Option | None, ...]
    """For each row; None for totals and rows that others are made of."""
    manner: Manner
    cost: float
    others: tuple[Mapping[int, Option], ...]
    """Readings that cost no more: for each, the rows that it reads otherwise."""
    links: tuple[Link, ...]
    sums: bool
    """Whether the rows, as they should be, add up to the printed total."""
    doubted: bool
    """Whether the total may be wrong in place of a row."""
