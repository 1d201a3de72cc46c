"""A space looked through: all of it or a sample, in chunks, on one machine or many."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from functools import cached_property
from itertools import chain
from typing import Any

from archcalc.errors import ArchcalcError
from archcalc.space.bounds import quantities
from archcalc.space.chunks import Refused
from archcalc.space.count import Counted, Counter, Wanted, rows_of
from archcalc.space.design import BLOCK, CHUNK, Space
from archcalc.space.grid import computed
from archcalc.space.points import Codes
from archcalc.space.ranges import AnyBounds, bounds_of
from archcalc.space.seen import NotByLayers
from archcalc.space.select import Columns, condition, impossible
from archcalc.space.states import Box
from archcalc.space.trace import ALONE, listed
from archcalc.space.tree import TooVarious
from archcalc.space.workers import mapped
from archcalc.spec.machines import Hardware
from archcalc.spec.model import Spec

WORTH = 4 * CHUNK
"""Configurations from which on it is worth to look for parts that can't meet a condition."""


def wanted(
    space: Space,
    quantities: Sequence[str] | str | None,
    where: str | None,
    top: int | None,
    by: str | None,
    pareto: Sequence[str] | str | None,
    dtype: str,
    on: Hardware | None,
) -> Wanted:
    """What a search computes and keeps, checked. Raises :class:`ArchcalcError`."""
    names = computed(quantities, space.variables, where, by, pareto, dtype, on)
    found = Wanted(names, where, top, by, tuple(listed(pareto or ())), dtype, on)
    found.selection()
    return found


BEGINNING = 1.0
"""Seconds that a process takes to begin."""

EARLY = 2**20
"""The size of a sample from which on others are worth it whatever the space."""


class Search:
    """The rows of a space that are wanted; ``sample`` of its configurations, or all of them."""

    def __init__(
        self,
        space: Space,
        wanted: Wanted,
        sample: int | None = None,
        seed: int = 0,
        replace: bool = False,
        executor: Executor | Callable[[], Executor] | None = None,
    ) -> None:
        if sample is not None and sample < 1:
            raise ArchcalcError(f"a sample of {sample}: say at least 1")
        self.space, self.wanted = space, wanted
        self.sample, self.seed, self.replace = sample, seed, replace
        self.executor = executor
        self.left = 0.0
        """Seconds of one processor that the rest takes, at the rate of what was done last."""
        self.others = False
        """Whether an executor was given something to do."""
        self.skipped = 0
        """Configurations in parts that can't meet the condition, which were not looked at."""
        self.chunk = BLOCK if {*wanted.quantities} & {*ALONE} else CHUNK
        """Configurations that are looked at together: fewer where each takes an analysis."""

    @property
    def spec(self) -> Spec:
        return self.space.network

    @property
    def names(self) -> tuple[str, ...]:
        """The variables in the order of their columns."""
        return self.space.variables

    @property
    def quantities(self) -> tuple[str, ...]:
        return self.wanted.quantities

    @property
    def size(self) -> int:
        """How many configurations are looked at, or passed over."""
        return self.space.size if self.sample is None else self.sample

    @cached_property
    def counter(self) -> Counter:
        return Counter(self.space, self.wanted)

    def chunks(
        self, refused: Refused, progress: Callable[[int], None] | None = None
    ) -> Iterator[Columns]:
        """The rows that are kept of each chunk, in order: variables and quantities."""
        done = 0
        for found in self.counted():
            done += found.done
            refused.count += found.refused
            if refused.error is None and found.error is not None:
                refused.example, refused.error = found.example, found.error
            if progress is not None:
                progress(done + self.skipped)
            yield rows_of(self.space, found.columns)
        if self.skipped == self.size:  # no part can meet the condition
            import numpy as np

            yield {name: np.zeros(0, np.int64) for name in (*self.names, *self.quantities)}

    def counted(self) -> Iterator[Counted]:
        tasks = self.tasks()
        yield from self.here(tasks)
        if self.executor is not None:
            self.others = True
            shared = (self.counter, self.seed, self.replace)
            yield from mapped(_work, shared, tasks, self.executor)

    def here(self, tasks: Iterator[Any]) -> Iterator[Counted]:
        """What is looked through in this process: all, or what shows that others are worth it.

        What the first tasks take is learned once so, and goes along to the others.
        """
        if callable(self.executor) and self.sample is not None and self.sample >= EARLY:
            # Processes begin meanwhile; where they break, others are made.
            executor = self.executor()
            executor.submit(_begun)
            self.executor = chain([executor], iter(self.executor, None)).__next__
        work = _work((self.counter, self.seed, self.replace))
        done, took = 0, list[float]()
        for task in tasks:
            began = time.process_time()
            found = work(task)
            took.append(time.process_time() - began)
            done += found.done
            if len(took) > 1 and found.done:
                self.left = (self.size - self.skipped - done) / found.done * took[-1]
            yield found
            worth = not callable(self.executor) or self.left > 2 * BEGINNING
            if self.executor is not None and worth:
                return
        self.executor = None

    def tasks(self) -> Iterator[Any]:
        """What is looked at together: a range of numbers, a part of a sample, or choices."""
        if self.sample is None:
            yield from self.ranges()
        elif not self.space.exact:
            yield from self.space.drawn(self.sample, self.seed, self.replace)
        else:
            self.space.require(self.sample, self.replace)
            for first in range(0, self.sample, self.chunk):
                yield first, min(first + self.chunk, self.sample)

    def ranges(self) -> Iterator[range]:
        """All numbers but those of parts that can't meet the condition."""
        size = self.space.size
        start = stop = 0
        for first, last in self.parts() if size > WORTH else [(0, size)]:
            if first != stop:
                yield from self.cut(start, stop)
                start = first
            stop = last
            while stop - start > self.chunk:
                yield range(start, start + self.chunk)
                start += self.chunk
        yield from self.cut(start, stop)

    def cut(self, start: int, stop: int) -> Iterator[range]:
        for first in range(start, stop, self.chunk):
            yield range(first, min(first + self.chunk, stop))

    def parts(self) -> Iterator[tuple[int, int]]:
        states = self.space.states
        where = self.wanted.where
        bounds = bounds_of(self.space, self.counter.layered)
        if bounds is None or where is None:
            yield 0, self.space.size
            return
        pending: list[tuple[int, int, Box]] = [(0, 0, ())]
        beyond: dict[tuple[int, int], Box] = {}
        first = 0
        while pending:
            layer, at, chosen = pending.pop()
            count = states.counts[layer][at]
            if not count:
                continue
            if (layer, at) not in beyond:
                beyond[layer, at] = states.beyond(layer, at)
            if self.hopeless(bounds, where, (*chosen, *beyond[layer, at])):
                self.skipped += count
                first += count
                continue
            if count <= CHUNK:
                yield first, first + count
                first += count
                continue
            state = states.states[layer][at]
            steps = list(zip(state.codes, state.after, strict=True))
            pending += [(layer + 1, after, (*chosen, (code,))) for code, after in reversed(steps)]

    def hopeless(self, bounds: AnyBounds, where: str, box: Box) -> bool:
        """Whether no configuration of a part meets the condition, for certain."""
        try:
            least, most = bounds.of(box)
        except (NotByLayers, TooVarious):
            return False
        how = self.space.network, self.wanted.dtype, self.wanted.on
        return impossible(condition(where), quantities(least, most, *how))


def _begun() -> None:
    """What a worker does first: it imports all this."""


def _work(shared: tuple[Counter, int, bool]) -> Callable[[Any], Counted]:
    """What does a task; a worker begins with all that the counter had worked out where it was."""
    counter, seed, replace = shared

    def work(task: Any) -> Counted:
        return counter.count(_codes(counter.space, task, seed, replace))

    return work


def _codes(space: Space, task: Any, seed: int, replace: bool) -> Codes:
    if isinstance(task, range):
        return space.part(task)
    if isinstance(task, tuple):
        first, last = task
        return space.draw(first, last, seed, replace)
    return task  # type: ignore[no-any-return]
