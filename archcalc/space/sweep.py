"""Spec -> many configurations of it at once: the same totals, as arrays.

The network is traced (``algebra/record.py``) at one configuration, and what was recorded is done
again on arrays, wherever its guards hold. Where they don't, another graph is meant: it is traced
in turn. So nobody says which variables are structural.

Configurations are a grid: an axis for every variable, or for several that go together. What
depends on one axis only is computed along that axis, and only the rest for every configuration,
in chunks that fit the processor's caches.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

from archcalc.algebra.arrays import import_numpy
from archcalc.document.shown import shown
from archcalc.errors import ArchcalcError, unknown
from archcalc.frontends.network import NetworkLike, load
from archcalc.space.chunks import Refused, chunks
from archcalc.space.design import Space
from archcalc.space.grid import Grid, plan
from archcalc.space.search import Search, wanted
from archcalc.space.select import Columns, Selection, selection, timed, unwrapped
from archcalc.spec.machines import Hardware, find
from archcalc.spec.model import Spec
from archcalc.spec.question import with_options
from archcalc.values import Remembering


@shown
@dataclass(frozen=True)
class Sweep(Remembering):
    """Totals of many configurations, a row each.

    ``columns`` holds an array for every variable and quantity: int64, float64 for variables that
    are fractions, and Python's objects for text, lists, and numbers that 64 bits can't hold.

    ::

        >>> import archcalc
        >>> archcalc.sweep("resnet18", classes=[10, 1000], quantities="params").variables
        ('classes',)
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
    skipped: int = 0
    """How many lie in parts of a space that bounds say can't fulfil the condition."""
    space: int = 0
    """How many configurations the space has of which these are; 0 for what was no space."""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    @overload
    def __getitem__(self, place: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, place: str) -> Any: ...
    def __getitem__(self, place: int | str) -> Any:
        """A row by its number, in Python's own values; or an array of ``columns`` by its name.

        Raises ``IndexError`` for no row, :class:`ArchcalcError` for no column.
        """
        if not isinstance(place, str):
            return {name: unwrapped(values[place]) for name, values in self.columns.items()}
        if place not in self.columns:
            raise unknown("column", place, self.columns)
        return self.columns[place]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[row] for row in range(len(self)))

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


@with_options
def sweep(
    network: NetworkLike | Space,
    *,
    quantities: Sequence[str] | str | None = None,
    zip: Sequence[Sequence[str]] | str = (),
    where: str | None = None,
    top: int | None = None,
    by: str | None = None,
    pareto: Sequence[str] | str | None = None,
    dtype: str = "float32",
    on: str | Hardware | None = None,
    sample: int | None = None,
    seed: int = 0,
    replace: bool = False,
    executor: Executor | Callable[[], Executor] | None = None,
    **variables: Any,
) -> Sweep:
    """Totals of every combination of some variables' values, or of a network's space.

    ``variables`` are those of the spec, ``batch`` (or ``N``), and of images ``side``, ``H`` and
    ``W``. A range, a list or an array of values is an axis of the grid, a single value is fixed;
    a list in a list is one value. Variables named together in ``zip`` change together.

    ``quantities`` are out of ``QUANTITIES``, whole numbers that equal those of :func:`analyze`; or
    ``memory``, bytes that inference needs, and ``time``, the least on a machine in nanoseconds
    (:func:`archcalc.roofline`), which is named with ``on``: these take an analysis each.
    ``where`` is an expression on variables and quantities that a row must fulfil, such as
    ``macs < 300M and time(h100) < 2ms``; ``top`` keeps
    so many rows with the largest ``by`` (the smallest for ``-by``); ``pareto`` keeps those rows
    that no other row is at least as small as in all keys named (large, for ``-key``), and smaller
    in one. Configurations that are no networks have no row and are ``refused``; where none is one,
    and for what can't be varied, :class:`ArchcalcError` is raised.

    Of a :class:`archcalc.Space`, and of a spec that declares one where no variables are given, it
    is the configurations of that: all of them, or a ``sample`` of so many, drawn by ``seed``, with
    ``replace`` so that one may come again. Parts that can't fulfil ``where`` are ``skipped``. It is
    looked through in chunks, which ``executor``, any of ``concurrent.futures``, does in its
    workers; the result is the same with any and with none. A function that makes an executor is
    called where it is worth it, and again where one breaks.

    ::

        >>> import archcalc
        >>> found = archcalc.sweep("resnet18", classes=[10, 1000], quantities="params")
        >>> found.columns["params"].tolist()
        [11181642, 11689512]
    """
    import_numpy()
    if on is None or isinstance(on, str):
        where, on = timed(where, on)
    if not isinstance(network, Space):
        network = load(network)
    space = _space(network, variables, sample, zip)
    if space is not None:
        looked = wanted(space, quantities, where, top, by, pareto, dtype, _machine(on))
        search = Search(space, looked, sample, seed, replace, executor)
        return gathered(search, looked.selection(where))
    assert not isinstance(network, Space)
    if executor is not None:
        raise ArchcalcError("an executor looks through a space: a grid is as fast as the memory")
    grid = plan(network, variables, quantities, zip, where, by, pareto, dtype, _machine(on))
    if where is None and top is None and pareto is None and by is None:
        return _whole(grid)
    return gathered(grid, selection(grid.quantities[0], where, top, by, pareto))


def _whole(grid: Grid) -> Sweep:
    """All rows, in one array a column from the beginning: to join chunks takes twice the memory."""
    import numpy as np

    refused = Refused()
    columns: Columns = {}
    start = 0
    for chunk in chunks(grid, refused):
        count = len(next(iter(chunk.values())))
        for name, values in chunk.items():
            if name not in columns:
                columns[name] = np.empty(grid.size, values.dtype)
            elif values.dtype == object != columns[name].dtype:
                columns[name] = columns[name].astype(object)
            columns[name][start : start + count] = values
        start += count
    return _swept(grid, {name: values[:start] for name, values in columns.items()}, refused)


def rows(
    looked: Grid | Search, refused: Refused, progress: Callable[[int], None] | None = None
) -> Iterator[Columns]:
    """The configurations of a grid or a space in chunks: variables and quantities.

    What is no network is left out and added to ``refused``. ``progress`` is told after every
    chunk how many are done.
    """
    if isinstance(looked, Grid):
        return chunks(looked, refused, progress)
    return looked.chunks(refused, progress)


def gathered(
    looked: Grid | Search, kept: Selection, progress: Callable[[int], None] | None = None
) -> Sweep:
    """All rows that a selection keeps. Raises :class:`ArchcalcError` where none is a network."""
    refused = Refused()
    parts: list[Columns] = []
    for chunk in rows(looked, refused, progress):
        part = kept.add(chunk)
        if part is not None and (len(next(iter(part.values()))) or not parts):
            parts.append(part)
    there = sum(len(next(iter(part.values()))) for part in parts)
    return _swept(looked, kept.finish(parts), refused, max(0, kept.count - there))


def _swept(looked: Grid | Search, columns: Columns, refused: Refused, beyond: int = 0) -> Sweep:
    if refused.error is not None and refused.count == looked.size:
        raise refused.error
    found = Sweep(
        looked.spec.label,
        columns,
        tuple(looked.names),
        tuple(looked.quantities),
        looked.size,
        refused,
        beyond,
    )
    if isinstance(looked, Search):
        return dataclasses.replace(found, skipped=looked.skipped, space=looked.space.size)
    return found


def _space(
    network: Spec | Space, variables: Mapping[str, Any], sample: int | None, zip: Any
) -> Space | None:
    """The space that is swept; None for a grid of variables."""
    if isinstance(network, Space):
        if variables or zip:
            raise ArchcalcError("a space has its variables: give them to Space")
        return network
    if sample is not None or (network.space is not None and not variables):
        return Space(network, **variables)
    return None


def _machine(on: str | Hardware | None) -> Hardware | None:
    return find(on) if isinstance(on, str) else on
