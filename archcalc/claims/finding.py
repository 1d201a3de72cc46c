"""What an audit finds, as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from archcalc.claims.causes import Cause, label
from archcalc.document.shown import shown

if TYPE_CHECKING:
    from archcalc.claims.readings import Reading
    from archcalc.claims.tables.sheet import Entry, Sheet


class Finding(NamedTuple):
    """A printed cell that contradicts other cells."""

    row: int
    """From 0, as in ``Audit.rows``."""
    column: int
    role: str
    """What the cell says: ``in_c``, ``params``..."""
    layer: str
    printed: str
    right: str
    """What follows from the other cells, as the table would print it; ``""`` if nothing does."""
    rule: str
    """How that follows."""
    causes: tuple[Cause, ...]
    """What may have led to the printed number, the likeliest first; empty if nothing was found."""
    effect: int = 0
    """What the right number adds to the total of parameters."""
    table: int = 0
    """Which table of a text it stands in, from 1; 0 where there is but one."""

    @classmethod
    def of(
        cls,
        sheet: Sheet,
        entry: Entry,
        role: str,
        right: str,
        rule: str,
        causes: Iterable[Cause] = (),
        effect: int = 0,
    ) -> Finding:
        """What is found in the cell in which a row says something; a total is named without it."""
        column = entry.columns.get(role, sheet.columns[role])
        name = entry.name or "total" if entry.kind == "total" else label(entry)
        cell = entry.cells[column]
        return cls(entry.index, column, role, name, cell, right, rule, tuple(causes), effect)


class Difference(NamedTuple):
    """Where a table and a network differ."""

    row: int | None
    """The table's row; None for a layer that it does not have."""
    layer: str
    """The network's layer, or the table's where the network has none."""
    column: str
    """The header of the cell; ``""`` for a whole row."""
    printed: str
    computed: str
    effect: int = 0
    """Computed minus printed parameters."""


class Totals(NamedTuple):
    """What becomes of a table's total of parameters."""

    printed: int | None
    """None where no total is printed."""
    summed: int
    """The printed rows added up."""
    right: int
    """The rows added up as they should be: ``summed`` and all effects."""
    rows: int
    """How many rows are wrong."""

    @property
    def effects(self) -> int:
        """The effects of all wrong rows together."""
        return self.right - self.summed

    @property
    def gap(self) -> int:
        """What the printed total is more than its own rows add up to."""
        return 0 if self.printed is None else self.printed - self.summed


@shown
@dataclass(frozen=True)
class Audit:
    """What is wrong with a printed table.

    ::

        >>> import archcalc
        >>> archcalc.audit("vgg16_structure").ok
        False
    """

    name: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """All cells as printed."""
    findings: tuple[Finding, ...]
    """By row; a row's in the order of its columns."""
    unreadable: tuple[tuple[int, int, str], ...]
    """Row, column and what is wrong with cells that can't be read."""
    totals: Totals | None
    """None for a table without a column of parameters."""
    checked: Mapping[str, int]
    """How many cells of each kind were checked."""
    notes: tuple[str, ...]
    """How the table was read, and what was assumed."""
    unmapped: tuple[str, ...] = ()
    """Headers of columns that were not understood, and so not checked."""
    remarks: tuple[str, ...] = ()
    """Headers of columns that are known to say nothing that can be checked."""
    against: str = ""
    """The network it was compared with."""
    differences: tuple[Difference, ...] = ()
    sheet: Sheet | None = field(default=None, repr=False, compare=False)
    """The table as it was read."""
    reading: Reading | None = field(default=None, repr=False, compare=False)
    """The network that was found in it; None where none was searched."""
    networks: tuple[Audit, ...] = ()
    """The audits of each network of a table that prints several, a column each, whose findings
    stand here at their cells; empty where there is but one.
    """
    tables: tuple[Audit, ...] = ()
    """The audits of each table of a text of several, whose rows, headers and findings stand here
    together; empty where there is but one.
    """

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong, and everything was read."""
        return not (self.findings or self.unreadable or self.differences or self.unmapped)

    @property
    def wrong(self) -> tuple[tuple[int, str], ...]:
        """The places of the findings: row from 0, and role."""
        return tuple((finding.row, finding.role) for finding in self.findings)
