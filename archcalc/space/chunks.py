"""A grid's totals in chunks: programs on arrays, and what depends on one axis along that only."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from archcalc.algebra.arrays import execute
from archcalc.algebra.intervals import fits, intervals
from archcalc.algebra.program import Program, dependencies, needed
from archcalc.analysis.analyze import answer
from archcalc.errors import ArchcalcError, SpecError
from archcalc.space.grid import Grid
from archcalc.space.parts import SHORT, Index, Part, length_of, parts, ranges, shaped, taken
from archcalc.space.select import Columns
from archcalc.space.trace import ALONE as ONE_BY_ONE
from archcalc.space.trace import asked, total

CHUNK = 2**15
"""Configurations that are computed at once: a dozen arrays of them fit the processor's caches."""

ALONE = 2**10
"""Configurations of a chunk where each is analyzed for itself."""


@dataclass
class Refused:
    """Configurations that are no networks: they have no row."""

    count: int = 0
    example: Mapping[str, Any] = field(default_factory=dict)
    """The first of them."""
    error: ArchcalcError | None = None
    """What is wrong with it."""


class _Runner:
    """A part made ready: what is computed once for a whole axis, and what for every chunk."""

    def __init__(self, grid: Grid, part: Part, np: Any) -> None:
        self.grid, self.part, self.np = grid, part, np
        program = part.program
        self.outputs = {name: program.outputs[name] for name in grid.quantities}
        self.steps = needed(program, self.outputs.values(), {})
        known = intervals(program, ranges(grid, part.places), self.steps, held=True)
        self.safe = fits(program, known, self.steps)
        depends = dependencies(program)
        home = {name: k for k, axis in enumerate(grid.axes) for name in axis.numbers}
        self.axes = {k: frozenset(home[name] for name in depends[k]) for k in self.steps}
        self.kept: dict[int, Any] = {}
        """Along whole axes."""
        short = [k for k, axis in enumerate(grid.axes) if length_of(axis, part.places[k]) <= SHORT]
        along = {k for k in self.steps if len(self.axes[k]) == 1 and self.axes[k] <= set(short)}
        along |= {k for k in self.steps if not self.axes[k]}
        if self.safe and len(grid.axes) > 1:
            env = self._variables(along, part.places)
            execute(program, [k for k in self.steps if k in along], env, False, np)
            self.rest = [k for k in self.steps if k not in along]
            ends = set(self.outputs.values())
            for k in self.rest:
                if program.steps[k].op != "var":
                    ends.update(program.steps[k].args)
            self.kept = {k: env[k] for k in along & ends}
        else:
            self.rest = self.steps
        uses: dict[int, int] = {}
        for k in self.rest:
            if program.steps[k].op not in ("const", "var"):
                uses.update(dict.fromkeys(program.steps[k].args, k))
        self.last: dict[int, list[int]] = {}
        for k, at in uses.items():
            if k not in self.outputs.values():
                self.last.setdefault(at, []).append(k)

    def _variables(self, steps: Any, places: Sequence[Any]) -> dict[int, Any]:
        env = {}
        for step in steps:
            op, args = self.part.program.steps[step]
            if op == "var":
                (k,) = self.axes[step]
                values = taken(self.grid.axes[k].numbers[args[0]], places[k])
                env[step] = shaped(values, k, len(self.grid.axes))
        return env

    def run(self, cut: Sequence[slice]) -> Columns:
        """The quantities at some of the part's places on every axis, as flat columns."""
        np, grid, part = self.np, self.grid, self.part
        places = [
            span if index is None else index[span]
            for index, span in zip(part.places, cut, strict=True)
        ]
        rank = len(grid.axes)
        env: dict[int, Any] = {}
        for k, values in self.kept.items():
            if self.axes[k]:
                (axis,) = self.axes[k]
                env[k] = values[(slice(None),) * axis + (cut[axis],)]
            else:
                env[k] = values
        exact = False
        if not self.safe:
            ranges = {
                name: (low.item(), high.item())
                for axis, place in zip(grid.axes, places, strict=True)
                for name, values in axis.numbers.items()
                for low, high in [(values[place].min(), values[place].max())]
            }
            known = intervals(part.program, ranges, self.steps, held=True)
            exact = not fits(part.program, known, self.steps)
        env.update(self._variables(self.rest, places))
        last = dict(self.last)
        execute(part.program, self.rest, env, exact, np, last)
        shape = tuple(span.stop - span.start for span in cut)
        assert len(shape) == rank
        columns: Columns = {}
        for name, step in self.outputs.items():
            values = np.asarray(env[step])
            if values.dtype == object:
                values = _narrowed(values, np)
            elif values.dtype.kind == "i":
                values = values.astype(np.int64, copy=False)
            columns[name] = np.broadcast_to(values, shape)
        return columns


def _narrowed(values: Any, np: Any) -> Any:
    """Whole numbers as int64 where it holds all of them."""
    try:
        return values.astype(np.int64)
    except OverflowError:
        return values


def chunks(
    grid: Grid,
    refused: Refused,
    progress: Callable[[int], None] | None = None,
    size: int = CHUNK,
    traced: dict[Hashable, list[Program]] | None = None,
) -> Iterator[Columns]:
    """The rows of a grid in their order, about ``size`` at a time: variables and quantities.

    What is no network is left out and added to ``refused``. ``progress`` is told after every
    chunk how many configurations are done. ``traced`` has programs of other grids of the network.
    """
    import numpy as np

    pieces = None if set(grid.quantities) & {*ONE_BY_ONE} else parts(grid, traced)
    if pieces is None:
        yield from _one_by_one(grid, refused, progress, size)
        return
    runners = [None if part.program.error else _Runner(grid, part, np) for part in pieces]
    done = 0
    for box in _boxes([axis.length for axis in grid.axes], size):
        shape = tuple(span.stop - span.start for span in box)
        count = prod(shape)
        columns: Columns = {}
        for name, values in _variable_columns(grid, box, shape, np):
            columns[name] = values
        results: Columns | None = None
        there = None
        for part, runner in zip(pieces, runners, strict=True):
            cut = [_within(index, span) for index, span in zip(part.places, box, strict=True)]
            if any(span.start >= span.stop for span in cut):
                continue
            sizes = tuple(span.stop - span.start for span in cut)
            where = None
            if sizes != shape:
                where = np.ix_(
                    *[
                        np.arange(span.start - side.start, span.stop - side.start)
                        if index is None
                        else index[span] - side.start
                        for index, span, side in zip(part.places, cut, box, strict=True)
                    ]
                )
            if runner is None:
                there = np.ones(shape, bool) if there is None else there
                there[... if where is None else where] = False
                refused.count += prod(sizes)
                if refused.error is None:
                    first = [
                        span.start if index is None else int(index[span.start])
                        for index, span in zip(part.places, cut, strict=True)
                    ]
                    refused.example, refused.error = grid.at(first), part.program.error
                continue
            values_by_name = runner.run(cut)
            if where is None:
                results = dict(values_by_name)
                continue
            if results is None:
                results = {name: np.zeros(shape, np.int64) for name in grid.quantities}
            for name, values in values_by_name.items():
                if values.dtype == object != results[name].dtype:
                    results[name] = results[name].astype(object)
                results[name][where] = values
        done += count
        if results is not None:
            for name in grid.quantities:
                columns[name] = results[name].reshape(-1)
            if there is not None:
                kept = there.reshape(-1)
                columns = {name: values[kept] for name, values in columns.items()}
            yield columns
        if progress is not None:
            progress(done)


def _one_by_one(
    grid: Grid, refused: Refused, progress: Callable[[int], None] | None, size: int
) -> Iterator[Columns]:
    """The same where no two configurations, or few, are of one graph."""
    import numpy as np

    done = 0
    for box in _boxes([axis.length for axis in grid.axes], min(size, ALONE)):
        places = list(itertools.product(*[range(span.start, span.stop) for span in box]))
        there = np.ones(len(places), bool)
        rows: list[list[Any]] = []
        for k, place in enumerate(places):
            point = grid.at(place)
            try:
                analysis = answer(grid.spec, asked(grid.spec, {**grid.fixed, **point}))
            except SpecError as error:
                there[k] = False
                refused.count += 1
                if refused.error is None:
                    refused.example, refused.error = point, error
                continue
            rows.append([total(analysis, name, grid.dtype, grid.on) for name in grid.quantities])
        shape = tuple(span.stop - span.start for span in box)
        columns = {n: values[there] for n, values in _variable_columns(grid, box, shape, np)}
        for name, numbers_ in zip(grid.quantities, zip(*rows, strict=True), strict=bool(rows)):
            columns[name] = _narrowed(np.array(numbers_, object), np)
        done += len(places)
        if rows:
            yield columns
        if progress is not None:
            progress(done)


def _within(index: Index, span: slice) -> slice:
    """Which of an axis' places, counted in ``index``, lie in a span of the axis."""
    if index is None:
        return span
    low, high = index.searchsorted([span.start, span.stop])
    return slice(int(low), int(high))


def _variable_columns(
    grid: Grid, box: Sequence[slice], shape: tuple[int, ...], np: Any
) -> Iterator[tuple[str, Any]]:
    for k, axis in enumerate(grid.axes):
        for name, values in axis.values.items():
            along = shaped(values[box[k]], k, len(shape))
            yield name, np.broadcast_to(along, shape).reshape(-1)


def _boxes(lengths: Sequence[int], size: int) -> Iterator[tuple[slice, ...]]:
    """A grid in its order, cut into boxes of about ``size`` places."""
    whole = len(lengths)
    inner = 1
    while whole and inner * lengths[whole - 1] <= size:
        whole -= 1
        inner *= lengths[whole]
    tail = tuple(slice(0, length) for length in lengths[whole:])
    if not whole:
        yield tail
        return
    step = max(1, size // inner)
    for lead in itertools.product(*[range(length) for length in lengths[: whole - 1]]):
        singles = tuple(slice(k, k + 1) for k in lead)
        for start in range(0, lengths[whole - 1], step):
            stop = min(start + step, lengths[whole - 1])
            yield (*singles, slice(start, stop), *tail)
