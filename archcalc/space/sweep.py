"""Spec -> many configurations of it at once: the same totals, as arrays.

The network is traced (``algebra/record.py``) at one configuration, and what was recorded is done
again on arrays, wherever its guards hold. Where they don't, another graph is meant: it is traced
in turn. So nobody says which variables are structural.

Configurations are a grid: an axis for every variable, or for several that go together. What
depends on one axis only is computed along that axis, and only the rest for every configuration,
in chunks that fit the processor's caches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from archcalc.algebra.arrays import import_numpy
from archcalc.document.shown import shown
from archcalc.errors import ArchcalcError
from archcalc.frontends.network import NetworkLike, load
from archcalc.space.chunks import Refused, chunks
from archcalc.space.design import Space
from archcalc.space.grid import plan, unwrapped
from archcalc.space.search import Search, wanted
from archcalc.space.select import Columns, selection, timed
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

    def __getitem__(self, row: int) -> dict[str, Any]:
        """A row in Python's own values. Raises ``IndexError``."""
        return {name: unwrapped(values[row]) for name, values in self.columns.items()}

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
    called again where one breaks.

    ::

        >>> import archcalc
        >>> found = archcalc.sweep("resnet18", classes=[10, 1000], quantities="params")
        >>> found.columns["params"].tolist()
        [11181642, 11689512]
    """
    np = import_numpy()
    if on is None or isinstance(on, str):
        where, on = timed(where, on)
    if not isinstance(network, Space):
        network = load(network)
    space = _space(network, variables, sample, zip)
    if space is not None:
        looked = wanted(space, quantities, where, top, by, pareto, dtype, _machine(on))
        return gathered(Search(space, looked, sample, seed, replace, executor))
    assert not isinstance(network, Space)
    if executor is not None:
        raise ArchcalcError("an executor looks through a space: a grid is as fast as the memory")
    grid = plan(network, variables, quantities, zip, where, by, pareto, dtype, _machine(on))
    refused = Refused()
    kept = selection(grid.quantities[0], where, top, by, pareto)
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


def gathered(search: Search) -> Sweep:
    """All rows of a space that a search keeps."""
    kept = search.wanted.selection(search.wanted.where)
    refused = Refused()
    rows: list[Columns] = []
    for chunk in search.chunks(refused):
        found = kept.add(chunk)
        if found is not None and (len(next(iter(found.values()))) or not rows):
            rows.append(found)
    columns = kept.finish(rows)
    if refused.error is not None and refused.count == search.size:
        raise refused.error
    return Sweep(
        search.space.network.label,
        columns,
        search.names,
        search.quantities,
        search.size,
        refused,
        skipped=search.skipped,
        space=search.space.size,
    )


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
