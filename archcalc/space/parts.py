"""A grid cut into parts, each with the program that computes it.

The network is traced at one configuration, and its program holds wherever its guards do. Where they
don't, another graph is meant: it is traced in turn. So nobody says which variables are structural.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

from archcalc.algebra.arrays import execute
from archcalc.algebra.condense import condensed, difference, polynomials
from archcalc.algebra.intervals import EXACT, Interval, decided, fits, intervals
from archcalc.algebra.program import Program, dependencies, holds_at, needed
from archcalc.algebra.terms import Terms
from archcalc.space.grid import Axis, Grid
from archcalc.space.trace import numbers, trace
from archcalc.values import exact

if TYPE_CHECKING:
    import numpy as np

SHORT = 2**17
"""An axis up to this length is computed whole and kept; a longer one chunk by chunk."""

WORTH = 4
"""Configurations of one graph from which on it is worth a record, which costs several analyses."""

FEW = 64
"""Graphs that are recorded before it is looked whether they are worth it."""

Index: TypeAlias = "np.ndarray[Any, Any] | None"
"""Which places of an axis, in order; None for all of them."""


@dataclass(frozen=True)
class Part:
    """Some places on every axis, and the program that holds at all of them."""

    program: Program
    places: tuple[Index, ...]


def parts(
    grid: Grid,
    traced: dict[Hashable, list[Program]] | None = None,
    most: int | None = None,
    condense: bool = True,
) -> list[Part] | None:
    """The grid cut into products of places, each with the program that holds at all of them; None
    where there are almost as many graphs as configurations, or more parts than ``most``.

    ``traced`` has programs of other grids of the network, which hold here, too. Without
    ``condense`` they are as they were recorded: their steps say more closely between which values
    they are.
    """
    import numpy as np

    programs: list[Program] = []
    found: list[Part] = []
    covered = 0
    kinds = [_kinds(axis) for axis in grid.axes]
    if prod(map(len, kinds)) * WORTH > max(grid.size, WORTH):
        return None
    pending = [tuple(places) for places in itertools.product(*kinds)][::-1]
    traced = {} if traced is None else traced
    while pending:
        if most is not None and len(found) + len(pending) > most:
            return None
        places = pending.pop()
        first = [0 if p is None else int(p[0]) for p in places]
        point = grid.at(first)
        kind = [axis.kinds[k] for axis, k in zip(grid.axes, first, strict=True) if axis.kinds]
        known = traced.setdefault((*kind, *map(exact, grid.fixed.items())), [])
        at = numbers(point)
        program = next((p for p in reversed(known) if holds_at(p, at)), None)
        if program is None:
            if len(programs) >= FEW and covered < WORTH * len(programs):
                return None
            made = trace(grid.spec, point, grid.quantities, fixed=grid.fixed, dtype=grid.dtype)
            program = made if made.error or not condense else condensed(made)
            programs.append(program)
            known.append(program)
        cut = _cut(grid, program, places, np)
        if cut is None:
            found.append(Part(program, places))
            covered += prod(map(length_of, grid.axes, places))
        else:
            pending += cut[::-1]
    return found


def _kinds(axis: Axis) -> list[Index]:
    """The places of an axis, by the values that are no numbers: each makes graphs of its own."""
    import numpy as np

    if not axis.kinds:
        return [None]
    groups: dict[Any, list[int]] = {}
    for k, kind in enumerate(axis.kinds):
        groups.setdefault(kind, []).append(k)
    return [np.array(group, np.int64) for group in groups.values()]


def taken(values: Any, index: Index) -> Any:
    """The values of an axis at some places."""
    return values if index is None else values[index]


def length_of(axis: Axis, index: Index) -> int:
    """How many places that are."""
    return axis.length if index is None else len(index)


def ranges(grid: Grid, places: Sequence[Index]) -> dict[str, Interval]:
    """Between which values the variables are at some places."""
    found = {}
    for axis, index in zip(grid.axes, places, strict=True):
        for name, values in axis.numbers.items():
            some = taken(values, index)
            found[name] = (some.min().item(), some.max().item())
    return found


def _cut(
    grid: Grid, program: Program, places: tuple[Index, ...], np: Any
) -> list[tuple[Index, ...]] | None:
    """None if the guards hold at all of the places, else places cut in such a way that they
    come to hold in one of the pieces, the first of which has the first place.
    """
    asked = [step for guard in program.guards for step in (guard.a, guard.b)]
    known = intervals(program, ranges(grid, places), needed(program, asked, {}))
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
            if names & axis.numbers.keys() and length_of(axis, places[k]) > 1
        ]
        size = prod(length_of(grid.axes[k], places[k]) for k in involved)
        if not involved:
            continue  # a single point, at which it holds
        if len(involved) > 1 and size > 2**22:
            longest = max(involved, key=lambda k: length_of(grid.axes[k], places[k]))
            return _halved(grid, places, longest, np)
        question = (op, a, b)
        if len(involved) > 1:
            holds = _ask(grid, program, places, involved, question, known, np) == answer
        else:
            (k,) = involved
            length = length_of(grid.axes[k], places[k])
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
        shortest = min(involved, key=lambda k: length_of(grid.axes[k], places[k]))
        return _halved(grid, places, shortest, np)
    return None


def _listed(grid: Grid, places: Sequence[Index], k: int, np: Any) -> Any:
    return np.arange(grid.axes[k].length) if places[k] is None else places[k]


def _halved(grid: Grid, places: tuple[Index, ...], k: int, np: Any) -> list[tuple[Index, ...]]:
    index = _listed(grid, places, k, np)
    half = (len(index) + 1) // 2
    return [_with(places, k, index[:half]), _with(places, k, index[half:])]


def _with(places: tuple[Index, ...], k: int, index: Index) -> tuple[Index, ...]:
    return (*places[:k], index, *places[k + 1 :])


def _ask(
    grid: Grid,
    program: Program,
    places: Sequence[Index],
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
            values = taken(grid.axes[k].numbers[name], index)[: None if k in involved else 1]
            env[step] = shaped(values, k, len(shape))
    execute(program, steps, env, exact, np)
    with np.errstate(all="ignore"):
        answers = {"eq": np.equal, "lt": np.less, "le": np.less_equal}[op](env[a], env[b])
    answers = np.asarray(answers, bool)
    return answers.reshape(-1) if len(involved) == 1 else answers


def shaped(values: Any, k: int, rank: int) -> Any:
    """Values along the axis ``k`` of a grid of so many axes."""
    return values.reshape((1,) * k + (-1,) + (1,) * (rank - k - 1))
