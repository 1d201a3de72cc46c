"""Totals of configurations of a space, many at once, and the rows that a search keeps of them.

Which way is taken is a matter of the space: layer by layer (``layered.py``) where structures have
much in common, as a grid of what goes together (``chunks.py``) where it is numbers that differ, and
one by one where nothing else is left. Every way gives the numbers of ``analyze``.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from archcalc.algebra.program import Program
from archcalc.analysis.analyze import answer
from archcalc.errors import ArchcalcError, SpecError
from archcalc.space.chunks import Refused, chunks
from archcalc.space.design import Space
from archcalc.space.grid import Axis, Grid
from archcalc.space.layered import Layered
from archcalc.space.parts import parts
from archcalc.space.pieces import COLUMNS
from archcalc.space.points import Codes
from archcalc.space.seen import NotByLayers
from archcalc.space.select import Columns, Selection, condition, selection
from archcalc.space.states import ABSENT, LENGTH
from archcalc.space.trace import ALONE, asked, total
from archcalc.space.tree import TooVarious, different
from archcalc.spec.bits import BYTES
from archcalc.spec.machines import Hardware
from archcalc.values import as_lists

MOST_PIECES = 2_000
"""Layers and blocks of one chunk that may be new; with more, structures have little in common."""

MOST_KEPT = 50_000
"""Layers and blocks that are worked out in all, where what else there is takes longer."""

MOST_TRACED = 1_000
"""Kinds of graphs whose programs are kept."""

MOST_PARTS = 128
"""Parts of a chunk, each with a program, that do not take longer than its layers."""

ROW = "archcalc row"
"""The column of the numbers of rows, so that it is known which are left."""

CODE = "choice "
"""What columns of choices are called, before they are written out."""


@dataclass(frozen=True)
class Wanted:
    """What is computed of each configuration, and which are kept."""

    quantities: tuple[str, ...]
    where: str | None = None
    top: int | None = None
    by: str | None = None
    pareto: tuple[str, ...] = ()
    dtype: str = "float32"
    on: Hardware | None = None

    @property
    def first(self) -> list[str]:
        """The quantities that are computed of many configurations at once."""
        return [name for name in self.quantities if name not in ALONE]

    @property
    def conditions(self) -> tuple[str | None, str | None]:
        """The part of the condition that many are asked at once, and the rest."""
        if self.where is None:
            return None, None
        parts = conjunction(self.where)
        later = [p for p in parts if condition(p).names & {*ALONE}]
        early = [p for p in parts if p not in later]
        return _joined(early), _joined(later)

    def selection(self, where: str | None = None) -> Selection:
        pareto = ",".join(self.pareto) or None
        return selection(self.quantities[0], where, self.top, self.by, pareto)


def conjunction(where: str) -> list[str]:
    """The conditions that ``and`` joins."""
    import ast

    tree = ast.parse(condition(where).text, mode="eval").body
    if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And):
        return [ast.unparse(part) for part in tree.values]
    return [where]


def _joined(parts: Sequence[str]) -> str | None:
    return " and ".join(f"({part})" for part in parts) or None


@dataclass
class Counted:
    """What came of some configurations."""

    columns: Columns
    """Of those that are kept: the choices, and the quantities."""
    refused: int = 0
    example: Mapping[str, Any] = field(default_factory=dict)
    error: ArchcalcError | None = None
    done: int = 0


class Counter:
    """Counts the configurations of one space; it remembers what it has worked out."""

    def __init__(self, space: Space, wanted: Wanted) -> None:
        self.space, self.wanted = space, wanted
        self.layered: Layered | None = None
        self.together = False
        self.traced: dict[Hashable, list[Program]] = {}
        try:
            self.layered = Layered(space.network, space.states)
        except NotByLayers:
            self.together = True

    def count(self, codes: Codes) -> Counted:
        """The rows that are kept of some configurations."""
        import numpy as np

        wanted = self.wanted
        found = Counted({}, done=len(codes[0]))
        early, later = wanted.conditions
        columns, there = self.totals(codes, found)
        columns.update({f"{CODE}{k}": column[there] for k, column in enumerate(codes)})
        if early is not None:
            self.name(columns, early)
            columns = wanted_rows(columns, Selection(condition(early), None, [], []))
        alone = [name for name in wanted.quantities if name in ALONE]
        if alone and len(_any(columns)):
            rows = self.space.rows(chosen(columns))
            analyses = [self.analysis(point) for point in rows]
            for name in alone:
                made = [total(each, name, wanted.dtype, wanted.on) for each in analyses]
                columns[name] = np.array(made, np.int64)
        if later is not None:
            self.name(columns, later)
            columns = wanted_rows(columns, Selection(condition(later), None, [], []))
        if (wanted.top is not None or wanted.pareto) and len(_any(columns)):
            for key in (wanted.by or "", *wanted.pareto):
                self.name(columns, key.removeprefix("-"))
            kept = wanted.selection()
            kept.add(columns)
            columns = kept.finish([])
        found.columns = {
            name: values
            for name, values in columns.items()
            if name.startswith(CODE) or name in wanted.quantities
        }
        return found

    def name(self, columns: Columns, text: str) -> None:
        """Write out the variables that an expression asks for."""
        if text:
            for name in condition(text).names:
                if name in self.space.variables and name not in columns:
                    columns[name] = written(self.space, chosen(columns), name)

    def analysis(self, point: Mapping[str, Any]) -> Any:
        return answer(self.space.network, asked(self.space.network, point))

    def totals(self, codes: Codes, found: Counted) -> tuple[Columns, Any]:
        """The quantities of those that are networks, and which these are."""
        import numpy as np

        if self.layered is not None and not self.together:
            pieces = self.layered.pieces
            try:
                # The first chunk may be all new, if that is not much.
                pieces.most_made = pieces.made + MOST_PIECES
                try:
                    return self.by_layers(codes, found)
                except TooVarious:
                    if parts(self.grid(codes), self.traced, MOST_PARTS) is not None:
                        raise
                # Else programs, or analyses of each, would take longer than the pieces.
                pieces.most_made = MOST_KEPT
                return self.by_layers(codes, found)
            except (NotByLayers, TooVarious):
                self.together, self.layered = True, None
        return self.by_sweep(codes, found, np.arange(len(codes[0])))

    def by_layers(self, codes: Codes, found: Counted) -> tuple[Columns, Any]:
        import numpy as np

        assert self.layered is not None
        first = self.wanted.first
        names = dict.fromkeys("params" if name == "weight_bytes" else name for name in first)
        made = self.layered.totals(codes, list(names))
        columns: Columns = {
            name: made.sums[COLUMNS.index("params")] * BYTES[self.wanted.dtype]
            if name == "weight_bytes"
            else made.sums[COLUMNS.index(name)]
            for name in first
        }
        refused = made.refused & ~made.apart
        apart = np.flatnonzero(made.apart)
        if len(apart):
            others, there = self.by_sweep([column[apart] for column in codes], found, apart)
            refused[apart] = True
            refused[there] = False
            for name, values in others.items():
                if values.dtype == object:
                    columns[name] = columns[name].astype(object)
                else:
                    columns[name] = columns[name].copy()
                columns[name][there] = values
        elsewhere = np.flatnonzero(made.refused & ~made.apart)
        if len(elsewhere):
            self.refuse(found, codes, int(elsewhere[0]), len(elsewhere))
        there = np.flatnonzero(~refused)
        return {name: values[there] for name, values in columns.items()}, there

    def refuse(self, found: Counted, codes: Codes, at: int, count: int) -> None:
        """Note configurations that are no networks, the first being at a place."""
        found.refused += count
        if found.error is None:
            point = self.space.at([int(column[at]) for column in codes])
            try:
                self.analysis(point)
            except SpecError as error:
                found.example, found.error = point, error

    def grid(self, codes: Codes) -> Grid:
        """Some configurations as a grid of one axis."""
        import numpy as np

        count = len(codes[0])
        spec = self.space.network
        values = {name: _array(written(self.space, codes, name)) for name in self.space.variables}
        axis = Axis({**values, ROW: np.arange(count)}, count)
        quantities = tuple(self.wanted.first) or ("params",)
        return _Numbered(spec, (axis,), quantities, {}, self.wanted.dtype, self.wanted.on)

    def by_sweep(self, codes: Codes, found: Counted, places: Any) -> tuple[Columns, Any]:
        """The same as a sweep in which all variables go together; ``places`` are theirs."""
        import numpy as np

        grid = self.grid(codes)
        refused = Refused()
        if len(self.traced) > MOST_TRACED:
            self.traced.clear()
        rows: list[Columns] = list(chunks(grid, refused, traced=self.traced))
        found.refused += refused.count
        if found.error is None and refused.error is not None:
            example = {n: v for n, v in refused.example.items() if n != ROW}
            found.example, found.error = example, refused.error
        if not rows:
            return {name: np.zeros(0, np.int64) for name in self.wanted.first}, places[:0]
        made = {name: np.concatenate([part[name] for part in rows]) for name in rows[0]}
        return {name: made[name] for name in self.wanted.first}, places[made[ROW]]


class _Numbered(Grid):
    """A grid of which one variable is the number of a row, and none of the network's."""

    def at(self, place: Sequence[int]) -> dict[str, Any]:
        found = super().at(place)
        del found[ROW]
        return found


def _any(columns: Columns) -> Any:
    return next(iter(columns.values()))


def chosen(columns: Columns) -> Codes:
    """The choices in columns."""
    return [values for name, values in columns.items() if name.startswith(CODE)]


def wanted_rows(columns: Columns, kept: Selection) -> Columns:
    """The rows that fulfil a condition."""
    found = kept.add(columns)
    return columns if found is None else found


def written(space: Space, codes: Codes, name: str) -> Any:
    """A variable's values as a column: numbers, or Python's objects, lists being lists."""
    import numpy as np

    states = space.states
    mine = [k for k, step in enumerate(states.steps) if step.variable == name]
    places = [k for k in mine if states.steps[k].place != LENGTH]
    tables = {k: _objects([*states.values[k], None]) for k in places}  # ABSENT is the last
    if len(places) == 1 and states.steps[places[0]].place is None:
        (k,) = places
        return _array(tables[k][codes[k]])
    count = len(codes[0])
    found = np.empty(count, object)
    lengths = np.zeros(count, np.int64)
    for k in places:
        lengths += codes[k] != ABSENT
    for length in different(lengths):
        where = np.flatnonzero(lengths == length)
        cells = [tables[k][codes[k].take(where)].tolist() for k in places[:length]]
        rows = zip(*cells, strict=True) if cells else itertools.repeat(())
        for row, own in zip(where.tolist(), rows, strict=False):
            found[row] = list(own)
    return found


def _objects(values: Sequence[Any]) -> Any:
    import numpy as np

    found = np.empty(len(values), object)
    for k, value in enumerate(values):
        found[k] = as_lists(value)
    return found


def _array(values: Any) -> Any:
    """A column of objects as numbers where all of them are."""
    import numpy as np

    if values.dtype != object or not len(values):
        return values
    kinds = {*map(type, values.tolist())}
    if kinds == {int}:
        return values.astype(np.int64)
    return values.astype(np.float64) if kinds <= {int, float} else values


def rows_of(space: Space, columns: Columns) -> Columns:
    """Columns with the variables in the place of the choices."""
    codes = chosen(columns)
    found = {name: written(space, codes, name) for name in space.variables}
    found.update({n: values for n, values in columns.items() if not n.startswith(CODE)})
    return found
