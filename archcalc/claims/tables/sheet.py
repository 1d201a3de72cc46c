"""A printed table as rows of evidence: what each cell says, by role, and what can't be read.

Nothing is corrected here. Sizes stand as ``in_h``, ``out_c`` and so on: ``c`` are channels or
features, ``d``, ``h`` and ``w`` the axes that a window slides over (one axis is ``h``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import takewhile
from typing import NamedTuple

from archcalc.claims.printed import Printed
from archcalc.claims.tables.kinds import WEIGHTED, Kind
from archcalc.claims.tables.lines import Whole
from archcalc.claims.tables.modules import Pattern
from archcalc.values import Remembering

Number = int | Fraction
TREES = frozenset(("modules", "fvcore", "lightning"))
"""Formats whose rows may be made of the rows below them."""
AXES = {0: "", 1: "h", 2: "hw", 3: "dhw"}
"""Names of the axes of a shape with so many beside its channels."""


class Part(NamedTuple):
    """A convolution of a block."""

    sides: tuple[int, ...]
    """Of its kernel."""
    width: int
    """Channels that it gives."""
    groups: int = 1


class Stack(NamedTuple):
    """A block that is repeated."""

    parts: tuple[Part, ...]
    times: int


@dataclass(frozen=True)
class Entry:
    """A row of a printed table."""

    index: int
    """From 0, totals included, as the network runs."""
    line: int
    """Of the text, from 1."""
    cells: tuple[str, ...]
    """As printed."""
    what: Kind
    name: str
    stage: str
    sources: tuple[str, ...]
    values: Mapping[str, Number]
    """What is printed, by role: ``in_h``, ``channels_out``, ``params``... Nothing for no cell."""
    printed: Mapping[str, Printed]
    """Counts with their precision."""
    flat: frozenset[str] = frozenset()
    """``in`` or ``out`` where a whole shape is printed that has no axes beside its features."""
    depth: int = 0
    container: bool = False
    """Whether the rows below it are what it is made of."""
    pattern: Pattern | None = None
    widths: Mapping[str, int] = field(default_factory=dict)
    """The widths of a pattern that a user added."""
    several: bool = False
    """Whether more than one output is printed."""
    same_pad: bool = False
    strides: tuple[int, ...] = ()
    """Strides that are not the same for all axes."""
    columns: Mapping[str, int] = field(default_factory=dict)
    """The place of each role's cell."""
    exact: frozenset[str] = frozenset()
    """Counts that are printed to the last digit."""
    stack: Stack | None = None
    powers: Mapping[str, int] = field(default_factory=dict)
    """Of each number of memory, the power of K that it is in: 0 for bytes, 2 for MB."""
    beyond: tuple[bool, ...] = ()
    """Of each source, whether not its first output is taken; empty where all first ones are."""
    windows: int = 1
    """How many times the table's batch its first axis is: of windows that stand there."""
    joins: int = 0
    """Channels that are joined to what it gives, in its own row: ``[B, 512+512, 10, 54]``."""
    place: int | None = None
    """From 0, as printed, where that is from the output to the input."""

    @property
    def number(self) -> int:
        """Of the row as printed, from 1."""
        return (self.index if self.place is None else self.place) + 1

    @property
    def kind(self) -> str:
        """What the row is, by :data:`archcalc.claims.tables.kinds.WORDS`; ``layer`` for what has
        weights but no name that says more, or ``""``.
        """
        return self.what.kind

    @property
    def weighted(self) -> bool:
        """Whether it multiplies weights."""
        return self.kind in WEIGHTED or self.kind == "layer"


@dataclass(frozen=True)
class Unreadable:
    """A cell that holds no number where one belongs, or nothing where something does."""

    row: int
    column: int
    message: str


@dataclass(frozen=True)
class Sheet(Remembering):
    """A printed table that was read."""

    name: str
    form: str
    headers: tuple[str, ...]
    columns: Mapping[str, int]
    """The place of each role's column; roles that share a cell share a place. Work columns are
    ``ops``, ``ops2``, ``ops3``..."""
    entries: tuple[Entry, ...]
    unreadable: tuple[Unreadable, ...]
    unmapped: tuple[str, ...]
    """Headers of columns that nothing is known of."""
    remarks: tuple[str, ...] = ()
    """Headers of columns that hold words and numbers that nothing is checked by."""
    channels_first: bool = False
    """Whether sizes are printed 64x56x56."""
    batch: int = 1
    """The batch that the printed sizes have; 1 where they have none."""
    batched: bool = False
    """Whether they begin with a batch, be it of 1."""
    whole: Whole | None = None
    """Parameters that train and that do not, as said below the table."""
    given: tuple[int, ...] = ()
    """The input's size, as said beside the table, or as its memory says below."""
    tokens: bool = False
    """Whether features stand last where positions are one row, though channels stand first."""
    upwards: bool = False
    """Whether the last row is the input, so that it is read from there."""
    chain: bool = False
    """Whether it is said that each row takes what the row before gives, of a tree's rows those
    right below its root."""

    @cached_property
    def layers(self) -> tuple[Entry, ...]:
        """All rows that are no totals and are not made of other rows."""
        return tuple(e for e in self.entries if e.kind != "total" and not e.container)

    @cached_property
    def addends(self) -> tuple[Entry, ...]:
        """The rows whose parameters the total is the sum of.

        Torchinfo prints of a module what none of its rows has, so these are added as well, and so
        is a module that alone prints what its rows have.
        """
        own = any(re.search(r": \d+-\d+$", entry.name) for entry in self.entries)
        rows = [e for e in self.entries if e.kind != "total"]
        return tuple(e for e in rows if own or not e.container or self._alone(e))

    def _alone(self, module: Entry) -> bool:
        """Whether a module prints parameters of which its rows print none."""
        below = takewhile(lambda e: e.depth > module.depth, self.entries[module.index + 1 :])
        return "params" in module.values and not any("params" in e.values for e in below)

    @cached_property
    def elided(self) -> bool:
        """Whether dots stand for rows that are not printed: what is printed is no whole."""
        return any(entry.kind == "gap" for entry in self.entries)

    def has(self, *roles: str) -> bool:
        """Whether the table has a column for every one of these."""
        return all(role in self.columns for role in roles)

    def has_any(self, *roles: str) -> bool:
        """Whether the table has a column for one of these."""
        return any(role in self.columns for role in roles)

    @cached_property
    def program(self) -> str:
        """``keras`` or ``pytorch`` where one of their summaries is printed; ``""`` elsewhere."""
        if not re.match(r"layer \(type", self.headers[0].lower()):
            return ""
        names = [entry.name for entry in self.layers[:200]]
        keras = sum(bool(re.match(r"[\w./]+ ?\([A-Z]\w*\)?$", name)) for name in names)
        pytorch = sum(
            bool(re.match(r"[A-Z]\w*(-\d+|( \([\w.-]+\))?: \d+-\d+)$", name)) for name in names
        )
        if 2 * max(keras, pytorch) <= len(names):
            return ""
        return "keras" if keras > pytorch else "pytorch"

    @cached_property
    def by_hand(self) -> bool:
        """Whether somebody wrote it, kernels and all, and no program printed it."""
        printed = self.form in ("modules", "ultralytics") or any(
            re.search(r": \d+-\d+$", entry.name) for entry in self.entries
        )
        logged = self.form in ("darknet", "caffe", "matlab")
        written = self.has_any("kernel_h", "stride") and not logged
        written = written or (self.form in ("markdown", "latex") and not self.program)
        return written and not printed

    @cached_property
    def memory(self) -> tuple[str, ...]:
        """The roles of its columns of memory."""
        return tuple(role for role in self.columns if role.startswith("mem"))

    @cached_property
    def work(self) -> tuple[str, ...]:
        """The roles of its columns of work."""
        return tuple(role for role in self.columns if role.startswith("ops"))
