"""The configuration of a space that makes the most of a budget, and whether that is proven.

Parts are looked at in the order of what they may come to at most. A part that may come to no more
than what is found is left, so that the answer is the best there is where all parts are; a small
part is counted whole, a large one is cut where its bounds differ most.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from archcalc.errors import ArchcalcError
from archcalc.space.bounds import Bounds
from archcalc.space.count import Counted, Counter, Wanted
from archcalc.space.design import Space, indices
from archcalc.space.pieces import COLUMNS
from archcalc.space.points import Codes, numbered
from archcalc.space.seen import NotByLayers
from archcalc.space.states import Box, narrowed, whole, within
from archcalc.space.trace import ALONE
from archcalc.space.tree import TooVarious
from archcalc.spec.bits import BYTES

SMALL = 2**15
"""Configurations of a part that is counted whole."""

MOST = 4_000_000
"""The most configurations that are counted."""

MOST_PARTS = 5_000
"""The most parts of which bounds are asked."""


class Best(NamedTuple):
    """What was found."""

    values: Mapping[str, Any]
    proven: bool
    """Whether nothing in the space makes more of the budget."""
    at_most: float
    """How much more something could: 1 where it is proven."""
    looked_at: int


def best(space: Space, at_most: Mapping[str, int], dtype: str) -> Best:
    """The configuration inside a budget with the largest product of the quantities it names.

    Raises :class:`ArchcalcError` where nothing is found inside it, and for what takes an analysis
    of each configuration.
    """
    for name in at_most:
        if name in ALONE:
            raise ArchcalcError(
                f"a space can't be fitted to a {name}, which has no bounds: sweep it with --where"
            )
    return _Best(space, dict(at_most), dtype).found()


class _Best:
    def __init__(self, space: Space, at_most: dict[str, int], dtype: str) -> None:
        self.space, self.at_most, self.dtype = space, at_most, dtype
        self.counter = Counter(space, Wanted(tuple(at_most), dtype=dtype))
        self.value, self.codes, self.looked_at = 0, list[int](), 0

    def found(self) -> Best:
        space = self.space
        some = min(space.size, SMALL)
        self.look(next(space.drawn(some, 0, space.size > SMALL)))
        proven, upper = space.size <= SMALL, float(self.value)
        if not proven:
            bounds = None
            if self.counter.layered is not None:
                bounds = Bounds(self.counter.layered.pieces, space.states)
            if bounds is None:
                if space.size > MOST:
                    raise ArchcalcError(
                        f"{space.size:,} configurations are too many to be looked at one by one, "
                        "and this network has no bounds: fix some variables"
                    )
                for codes in space.between(0, space.size):
                    self.look(codes)
                proven = True
            else:
                proven, upper = self.search(bounds)
        if not self.codes:
            raise ArchcalcError(
                "nothing fits" if proven else f"nothing that fits was found in {self.looked_at:,}"
            )
        more = 1.0 if proven else max(1.0, upper / self.value)
        return Best(space.at(self.codes), proven, more, self.looked_at)

    def look(self, codes: Codes) -> None:
        """Count some configurations, and keep the best of them."""
        import numpy as np

        self.looked_at += len(codes[0])
        columns, there = self.counter.totals(codes, Counted({}))
        fits: Any = np.ones(len(there), bool)
        made: Any = np.ones(len(there))
        for name, limit in self.at_most.items():
            fits &= (columns[name] <= limit).astype(bool)
            made = made * columns[name].astype(float)
        if not fits.any():
            return
        near = np.flatnonzero(fits & (made >= made[fits].max() * (1 - 1e-9)))
        for k in near.tolist():
            value = prod(int(columns[name][k]) for name in self.at_most)
            if value > self.value:
                row = int(there[k])
                self.value, self.codes = value, [int(column[row]) for column in codes]

    def search(self, bounds: Bounds) -> tuple[bool, float]:
        """Whether all parts were looked at, or left as none of them can be better; and what the
        others may come to at most.
        """
        states = self.space.states
        everything = whole(states)
        order = self.order(bounds, everything)
        waiting: list[tuple[int, int, Box]] = [(-self.most(bounds, everything), 0, everything)]
        asked = 0
        while waiting:
            upper, _, box = heapq.heappop(waiting)
            if -upper <= self.value:
                return True, float(self.value)
            part, box = within(states, box)
            if not part.size:
                continue
            if part.size <= SMALL:
                if self.looked_at > MOST:
                    return False, float(-upper)
                codes = numbered(part, indices(list(range(part.size)), part.size))
                self.look(self.space.kept(codes))
                continue
            step = next(step for step in order if len(box[step]) > 1)
            for codes_ in _cut(box[step]):
                asked += 1
                inner = narrowed(box, step, codes_)
                most = self.most(bounds, inner)
                if most > self.value:
                    heapq.heappush(waiting, (-most, asked, inner))
            if asked > MOST_PARTS:
                return False, float(-min(waiting)[0]) if waiting else float(self.value)
        return True, float(self.value)

    def most(self, bounds: Bounds, box: Box) -> int:
        """What a part may come to at most; 0 where nothing in it fits."""
        try:
            least, most = (self.quantities(each) for each in bounds.of(box))
        except (NotByLayers, TooVarious):
            return prod(self.at_most.values())
        if any(least[name] > limit for name, limit in self.at_most.items()):
            return 0
        return prod(min(most[name], limit) for name, limit in self.at_most.items())

    def quantities(self, sums: Sequence[int]) -> dict[str, int]:
        found = dict(zip(COLUMNS, sums, strict=True))
        return {**found, "weight_bytes": found["params"] * BYTES[self.dtype]}

    def order(self, bounds: Bounds, box: Box) -> list[int]:
        """The steps, those first whose choices differ most in what they make of a part."""
        spread: list[tuple[float, int]] = []
        for step, codes in enumerate(box):
            ends = [codes[0], codes[len(codes) // 2], codes[-1]]
            made = []
            for code in dict.fromkeys(ends):
                try:
                    sums = self.quantities(bounds.of(narrowed(box, step, [code]))[1])
                    made.append(prod(float(sums[name]) for name in self.at_most))
                except (NotByLayers, TooVarious):
                    made.append(0.0)
            spread.append((min(made) - max(made), step))
        return [step for _, step in sorted(spread)]


def _cut(codes: Sequence[int]) -> list[Sequence[int]]:
    if len(codes) <= 8:
        return [[code] for code in codes]
    half = len(codes) // 2
    return [codes[:half], codes[half:]]
