"""Spec -> many configurations of it at once: the same totals, as arrays.

The network is traced (``algebra/record.py``) at one configuration, and what was recorded is done
again on arrays, wherever its guards hold. Where they don't, another graph is meant: it is traced
in turn. So nobody says which variables are structural.

Configurations are a grid: an axis for every variable, or for several that go together. What
depends on one axis only is computed along that axis, and only the rest for every configuration,
in chunks that fit the processor's caches.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

from archcalc.algebra.arrays import execute, import_numpy
from archcalc.algebra.condense import condensed, difference, polynomials
from archcalc.algebra.intervals import EXACT, Interval, decided, fits, intervals
from archcalc.algebra.program import Program, dependencies, holds_at, needed
from archcalc.algebra.terms import Terms
from archcalc.analysis.analyze import BYTES, analyze
from archcalc.document.shown import shown
from archcalc.errors import ArchcalcError, SpecError, did_you_mean
from archcalc.space.trace import (
    QUANTITIES,
    USUAL,
    free,
    is_listed,
    is_number,
    listed,
    numbers,
    require_free,
    require_quantities,
    settings,
    total,
    trace,
)
from archcalc.spec.expressions import LARGEST
from archcalc.spec.model import Spec
from archcalc.values import Remembering

if TYPE_CHECKING:
    import numpy as np

Columns: TypeAlias = "dict[str, np.ndarray[Any, Any]]"
"""Arrays of one length by name: the variables', then the quantities'."""

CHUNK = 2**15
"""Configurations that are computed at once: a dozen arrays of them fit the processor's caches."""

ALONE = 2**10
"""Configurations of a chunk where each is analyzed for itself."""

SHORT = 2**17
"""An axis up to this length is computed whole and kept; a longer one chunk by chunk."""

WORTH = 4
"""Configurations of one graph from which on it is worth a record, which costs several analyses."""

FEW = 64
"""Graphs that are recorded before it is looked whether they are worth it."""

_Index: TypeAlias = "np.ndarray[Any, Any] | None"
"""Which places of an axis, in order; None for all of them."""


@dataclass(frozen=True)
class Axis(Remembering):
    """Variables that change together, and their values."""

    values: Mapping[str, Any]
    """By variable, arrays of one length: int64, float64, or objects where they are no numbers."""
    length: int

    @cached_property
    def numbers(self) -> Mapping[str, Any]:
        """What programs take of them: arrays of numbers, of lists one for every place in them.

        What a list has no place for is 0, and never asked for.
        """
        import numpy as np

        found: dict[str, Any] = {}
        for name, values in self.values.items():
            if values.dtype != object:
                found[name] = values
                continue
            listed = self._lists[name]
            rows = [v if is_list else [] for v, is_list in zip(values, listed, strict=True)]
            most = max(map(len, rows))
            padded = [row if len(row) == most else [*row, *[0] * (most - len(row))] for row in rows]
            columns = np.array(padded, np.int64).T
            found.update((f"{name}[{k}]", np.array(column)) for k, column in enumerate(columns))
        return found

    @cached_property
    def _lists(self) -> dict[str, list[bool]]:
        """Of variables that are no numbers: which of their values are lists of them."""
        objects = {name: v for name, v in self.values.items() if v.dtype == object}
        return {name: [is_listed(value) for value in values] for name, values in objects.items()}

    @cached_property
    def kinds(self) -> list[Any]:
        """At each place, what is no number: each such makes graphs of its own."""
        kinds = [
            [
                len(v) if is_list else repr(v)
                for v, is_list in zip(self.values[n], lists, strict=True)
            ]
            for n, lists in self._lists.items()
        ]
        return list(zip(*kinds, strict=True))


@dataclass(frozen=True)
class Grid:
    """What is to be swept: every combination of the places of some axes, the last one fastest."""

    spec: Spec
    axes: tuple[Axis, ...]
    quantities: tuple[str, ...]
    fixed: Mapping[str, Any]
    dtype: str = "float32"

    def __len__(self) -> int:
        return prod(axis.length for axis in self.axes)

    @property
    def names(self) -> list[str]:
        """The variables in the order of their columns."""
        return [name for axis in self.axes for name in axis.values]

    def at(self, place: Sequence[int]) -> dict[str, Any]:
        """The configuration at a place on every axis, in Python's own values."""
        return {
            name: _plain(values[k])
            for axis, k in zip(self.axes, place, strict=True)
            for name, values in axis.values.items()
        }


@dataclass
class Refused:
    """Configurations that are no networks: they have no row."""

    count: int = 0
    example: Mapping[str, Any] = field(default_factory=dict)
    """The first of them."""
    error: ArchcalcError | None = None
    """What is wrong with it."""


@shown
@dataclass(frozen=True)
class Sweep(Remembering):
    """Totals of many configurations, a row each.

    ``columns`` holds an array for every variable and quantity: int64, float64 for variables that
    are fractions, and Python's objects for text, lists, and numbers that 64 bits can't hold.
    """

    network: str
    columns: Columns
    variables: tuple[str, ...]
    quantities: tuple[str, ...]
    configurations: int
    """How many were computed, of which the rows are what a filter left."""
    refused: Refused
    beyond: int = 0
    """Rows that there are beside those in ``columns``: a table needs the first few only."""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, row: int) -> dict[str, Any]:
        """A row in Python's own values. Raises ``IndexError``."""
        return {name: _plain(values[row]) for name, values in self.columns.items()}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(self.__getitem__, range(len(self)))

    @cached_property
    def frame(self) -> Any:
        """A ``DataFrame`` of pandas, or of polars where there is no pandas.

        Raises :class:`ArchcalcError` where neither is installed.
        """
        try:
            from pandas import DataFrame
        except ImportError:
            try:
                from polars import DataFrame
            except ImportError:
                raise ArchcalcError(
                    "a DataFrame needs pandas or polars: pip install pandas"
                ) from None
        return DataFrame(dict(self.columns))


def sweep(
    network: Spec,
    *,
    quantities: Sequence[str] | str | None = None,
    zip: Sequence[Sequence[str]] | str = (),
    where: str | None = None,
    top: int | None = None,
    by: str | None = None,
    pareto: Sequence[str] | str | None = None,
    dtype: str = "float32",
    **variables: Any,
) -> Sweep:
    """Totals of every combination of some variables' values.

    ``variables`` are those of the spec, ``batch`` (or ``N``), and of images ``side``, ``H`` and
    ``W``. A range, a list or an array of values is an axis of the grid, a single value is fixed;
    a list in a list is one value. Variables named together in ``zip`` change together.

    ``quantities`` are out of ``QUANTITIES``, whole numbers that equal those of :func:`analyze`.
    ``where`` is an expression on variables and quantities that a row must fulfil; ``top`` keeps
    so many rows with the largest ``by`` (the smallest for ``-by``); ``pareto`` keeps those rows
    that no other row is at least as small as in all keys named (large, for ``-key``), and smaller
    in one. Configurations that are no networks have no row and are ``refused``; where none is one,
    and for what can't be varied, :class:`ArchcalcError` is raised.
    """
    from archcalc.space.select import selection

    np = import_numpy()
    grid = plan(network, variables, quantities, zip, where, by, pareto, dtype)
    refused = Refused()
    kept = selection(grid, where, top, by, pareto)
    rows: list[Columns] = []
    whole: Columns | None = None
    if where is None and top is None and pareto is None:
        # One array a column from the beginning: to join chunks would take twice the memory.
        whole, start = {}, 0
        for chunk in chunks(grid, refused):
            count = len(next(iter(chunk.values())))
            for name, values in chunk.items():
                if name not in whole:
                    whole[name] = np.empty(len(grid), values.dtype)
                elif values.dtype == object != whole[name].dtype:
                    whole[name] = whole[name].astype(object)
                whole[name][start : start + count] = values
            start += count
        columns = {name: values[:start] for name, values in whole.items()}
    else:
        for chunk in chunks(grid, refused):
            found = kept.add(chunk)
            if found is not None and len(next(iter(found.values()))):
                rows.append(found)
        columns = kept.finish(rows)
    if refused.error is not None and refused.count == len(grid):
        raise refused.error
    shown = tuple(name for name in grid.quantities)
    return Sweep(network.label, columns, tuple(grid.names), shown, len(grid), refused)


def plan(
    spec: Spec,
    variables: Mapping[str, Any],
    quantities: Sequence[str] | str | None = None,
    zip: Sequence[Sequence[str]] | str = (),
    where: str | None = None,
    by: str | None = None,
    pareto: Sequence[str] | str | None = None,
    dtype: str = "float32",
) -> Grid:
    """The grid that some values of variables span, checked. Raises :class:`ArchcalcError`."""
    import_numpy()
    require_free(spec, variables)
    if dtype not in BYTES:
        raise ArchcalcError(f"no dtype '{dtype}'\n  {did_you_mean(dtype, BYTES)}")
    swept: dict[str, Any] = {}
    fixed: dict[str, Any] = {}
    for name, value in variables.items():
        if isinstance(value, (list, tuple, range)) or hasattr(value, "__array__"):
            swept[name] = _values(name, value)
        else:
            fixed[name] = value
    if not swept:
        raise ArchcalcError(
            "nothing is swept: give a variable several values, such as N=1,8,64\n"
            f"  variables: {', '.join(free(spec))}"
        )
    groups = [listed(group) for group in ([zip] if isinstance(zip, str) else zip)]
    together = {name: tuple(group) for group in groups for name in group}
    for name in together:
        if name not in swept:
            raise ArchcalcError(f"'{name}' can't go with others: it has no several values")
    axes, seen = [], set[str]()
    for name in swept:
        if name in seen:
            continue
        group = together.get(name, (name,))
        seen.update(group)
        lengths = {len(swept[other]) for other in group}
        if len(lengths) > 1:
            counted = ", ".join(f"{other} has {len(swept[other])} values" for other in group)
            raise ArchcalcError(f"variables that go together need as many values each: {counted}")
        axes.append(Axis({other: swept[other] for other in group}, lengths.pop()))
    asked = listed(quantities) if quantities is not None else list(USUAL)
    require_quantities(asked)
    from archcalc.space.select import asked_for

    others = [n for n in asked_for(where, by, pareto, [*swept, *QUANTITIES]) if n in QUANTITIES]
    wanted = tuple(dict.fromkeys([*asked, *others]))
    return Grid(spec, tuple(axes), wanted, fixed, dtype)


def _values(name: str, given: Any) -> Any:
    """An axis' values as an array: of int64, of doubles where any is a fraction, or of objects."""
    import numpy as np

    if isinstance(given, range):
        listed: Any = np.arange(given.start, given.stop, given.step, dtype=np.int64)
    elif hasattr(given, "dtype") and given.dtype.kind in "iuf" and given.ndim == 1:
        listed = given.astype(np.float64 if given.dtype.kind == "f" else np.int64)
    else:
        items = [_plain(item) for item in given]
        if items and all(is_number(item) for item in items):
            if any(abs(item) > LARGEST for item in items):
                raise ArchcalcError(f"'{name}': a number may not exceed 2^62")
            whole = all(type(item) is int for item in items)
            listed = np.array(items, np.int64 if whole else np.float64)
        else:
            listed = np.empty(len(items), object)
            for k, item in enumerate(items):
                listed[k] = list(item) if isinstance(item, tuple) else item
    if not len(listed):
        raise ArchcalcError(f"'{name}': no value is given")
    if listed.dtype.kind == "f" and not np.isfinite(listed).all():
        raise ArchcalcError(f"'{name}': a value should be a number")
    return listed


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


# The parts of a grid that one program holds for.


@dataclass(frozen=True)
class _Part:
    program: Program
    places: tuple[_Index, ...]


def parts(grid: Grid) -> list[_Part] | None:
    """The grid cut into products of places, each with the program that holds at all of them; None
    where there are almost as many graphs as configurations.
    """
    import numpy as np

    programs: list[Program] = []
    found: list[_Part] = []
    covered = 0
    kinds = [_kinds(axis) for axis in grid.axes]
    if prod(map(len, kinds)) * WORTH > max(len(grid), WORTH):
        return None
    pending = [tuple(places) for places in itertools.product(*kinds)][::-1]
    traced: dict[Any, list[Program]] = {}
    while pending:
        places = pending.pop()
        first = [0 if p is None else int(p[0]) for p in places]
        point = grid.at(first)
        kind = [axis.kinds[k] for axis, k in zip(grid.axes, first, strict=True) if axis.kinds]
        known = traced.setdefault(tuple(kind), [])
        at = numbers(point)
        program = next((p for p in reversed(known) if holds_at(p, at)), None)
        if program is None:
            if len(programs) >= FEW and covered < WORTH * len(programs):
                return None
            made = trace(grid.spec, point, grid.quantities, fixed=grid.fixed, dtype=grid.dtype)
            program = made if made.error else condensed(made)
            programs.append(program)
            known.append(program)
        cut = _cut(grid, program, places, np)
        if cut is None:
            found.append(_Part(program, places))
            covered += prod(map(_length, grid.axes, places))
        else:
            pending += cut[::-1]
    return found


def _kinds(axis: Axis) -> list[_Index]:
    """The places of an axis, by the values that are no numbers: each makes graphs of its own."""
    import numpy as np

    if not axis.kinds:
        return [None]
    groups: dict[Any, list[int]] = {}
    for k, kind in enumerate(axis.kinds):
        groups.setdefault(kind, []).append(k)
    return [np.array(group, np.int64) for group in groups.values()]


def _taken(values: Any, index: _Index) -> Any:
    return values if index is None else values[index]


def _length(axis: Axis, index: _Index) -> int:
    return axis.length if index is None else len(index)


def _ranges(grid: Grid, places: Sequence[_Index]) -> dict[str, Interval]:
    """Between which values the variables are at some places."""
    found = {}
    for axis, index in zip(grid.axes, places, strict=True):
        for name, values in axis.numbers.items():
            some = _taken(values, index)
            found[name] = (some.min().item(), some.max().item())
    return found


def _cut(
    grid: Grid, program: Program, places: tuple[_Index, ...], np: Any
) -> list[tuple[_Index, ...]] | None:
    """None if the guards hold at all of the places, else places cut in such a way that they
    come to hold in one of the pieces, the first of which has the first place.
    """
    asked = [step for guard in program.guards for step in (guard.a, guard.b)]
    known = intervals(program, _ranges(grid, places), needed(program, asked, {}))
    depends = dependencies(program)
    forms: dict[int, Terms] | None = None
    for op, a, b, answer in program.guards:
        if decided(op, known[a], known[b]) is answer:
            continue
        if not program.floats[a] and not program.floats[b]:
            # Both may rise with the same variable: their difference says more.
            forms = polynomials(program, asked) if forms is None else forms
            gap = difference(forms[a], forms[b], known)
            if decided(op, gap, (0, 0)) is answer:
                continue
        names = depends[a] | depends[b]
        involved = [
            k
            for k, axis in enumerate(grid.axes)
            if names & axis.numbers.keys() and _length(axis, places[k]) > 1
        ]
        size = prod(_length(grid.axes[k], places[k]) for k in involved)
        if not involved:
            continue  # a single point, at which it holds
        if len(involved) > 1 and size > 2**22:
            longest = max(involved, key=lambda k: _length(grid.axes[k], places[k]))
            return _halved(grid, places, longest, np)
        question = (op, a, b)
        if len(involved) > 1:
            holds = _ask(grid, program, places, involved, question, known, np) == answer
        else:
            (k,) = involved
            length = _length(grid.axes[k], places[k])
            whole = _listed(grid, places, k, np)
            holds = np.empty(length, bool)
            for start in range(0, length, SHORT):  # an axis may be as long as the sweep
                span = slice(start, min(start + SHORT, length))
                cut = _with(places, k, whole[span])
                holds[span] = _ask(grid, program, cut, involved, question, known, np) == answer
        if holds.all():
            continue
        if len(involved) == 1:
            (k,) = involved
            index = _listed(grid, places, k, np)
            return [_with(places, k, index[holds]), _with(places, k, index[~holds])]
        shortest = min(involved, key=lambda k: _length(grid.axes[k], places[k]))
        return _halved(grid, places, shortest, np)
    return None


def _listed(grid: Grid, places: Sequence[_Index], k: int, np: Any) -> Any:
    return np.arange(grid.axes[k].length) if places[k] is None else places[k]


def _halved(grid: Grid, places: tuple[_Index, ...], k: int, np: Any) -> list[tuple[_Index, ...]]:
    index = _listed(grid, places, k, np)
    half = (len(index) + 1) // 2
    return [_with(places, k, index[:half]), _with(places, k, index[half:])]


def _with(places: tuple[_Index, ...], k: int, index: _Index) -> tuple[_Index, ...]:
    return (*places[:k], index, *places[k + 1 :])


def _ask(
    grid: Grid,
    program: Program,
    places: Sequence[_Index],
    involved: Sequence[int],
    question: tuple[str, int, int],
    known: Mapping[int, Interval],
    np: Any,
) -> Any:
    """The answers along the axes involved, which are one or several, flattened to one if one."""
    op, a, b = question
    steps = needed(program, (a, b), {})
    mixed = program.floats[a] is not program.floats[b]
    exact = not fits(program, known, steps) or (
        mixed and not all(-EXACT <= end <= EXACT for step in (a, b) for end in known[step])
    )
    shape = [1] * len(grid.axes)
    env: dict[int, Any] = {}
    for step in steps:
        name = program.steps[step].args[0] if program.steps[step].op == "var" else None
        if name is not None:
            k = next(k for k, axis in enumerate(grid.axes) if name in axis.numbers)
            index = places[k]
            values = _taken(grid.axes[k].numbers[name], index)[: None if k in involved else 1]
            env[step] = _shaped(values, k, len(shape))
    execute(program, steps, env, exact, np)
    with np.errstate(all="ignore"):
        answers = {"eq": np.equal, "lt": np.less, "le": np.less_equal}[op](env[a], env[b])
    answers = np.asarray(answers, bool)
    return answers.reshape(-1) if len(involved) == 1 else answers


def _shaped(values: Any, k: int, rank: int) -> Any:
    return values.reshape((1,) * k + (-1,) + (1,) * (rank - k - 1))


class _Runner:
    """A part made ready: what is computed once for a whole axis, and what for every chunk."""

    def __init__(self, grid: Grid, part: _Part, np: Any) -> None:
        self.grid, self.part, self.np = grid, part, np
        program = part.program
        self.outputs = {name: program.outputs[name] for name in grid.quantities}
        self.steps = needed(program, self.outputs.values(), {})
        known = intervals(program, _ranges(grid, part.places), self.steps)
        self.safe = fits(program, known, self.steps)
        depends = dependencies(program)
        home = {name: k for k, axis in enumerate(grid.axes) for name in axis.numbers}
        self.axes = {k: frozenset(home[name] for name in depends[k]) for k in self.steps}
        self.kept: dict[int, Any] = {}
        """Along whole axes."""
        short = [k for k, axis in enumerate(grid.axes) if _length(axis, part.places[k]) <= SHORT]
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
                values = _taken(self.grid.axes[k].numbers[args[0]], places[k])
                env[step] = _shaped(values, k, len(self.grid.axes))
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
            known = intervals(part.program, ranges, self.steps)
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
    grid: Grid, refused: Refused, progress: Callable[[int], None] | None = None, size: int = CHUNK
) -> Iterator[Columns]:
    """The rows of a grid in their order, about ``size`` at a time: variables and quantities.

    What is no network is left out and added to ``refused``. ``progress`` is told after every
    chunk how many configurations are done.
    """
    import numpy as np

    pieces = parts(grid)
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
                analysis = analyze(grid.spec, **settings(grid.spec, {**grid.fixed, **point}))
            except SpecError as error:
                there[k] = False
                refused.count += 1
                if refused.error is None:
                    refused.example, refused.error = point, error
                continue
            rows.append([total(analysis, name, grid.dtype) for name in grid.quantities])
        shape = tuple(span.stop - span.start for span in box)
        columns = {n: values[there] for n, values in _variable_columns(grid, box, shape, np)}
        for name, numbers_ in zip(grid.quantities, zip(*rows, strict=True), strict=bool(rows)):
            columns[name] = _narrowed(np.array(numbers_, object), np)
        done += len(places)
        if rows:
            yield columns
        if progress is not None:
            progress(done)


def _within(index: _Index, span: slice) -> slice:
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
            along = _shaped(values[box[k]], k, len(shape))
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
