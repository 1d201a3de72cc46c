"""The configuration of a space that makes the most of a budget, and whether that is proven.

Parts are looked at in the order of what they may come to at most, of equals the smallest first. A
part that may come to no more than what is found is left, so that the answer is the best there is
where all parts are; a small part is counted whole, a large one is cut where its bounds differ most.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from archcalc.errors import ArchcalcError
from archcalc.space.bounds import quantities
from archcalc.space.count import Counted, Counter, Wanted
from archcalc.space.design import Space, indices
from archcalc.space.grid import require_machine
from archcalc.space.points import Codes, numbered
from archcalc.space.ranges import AnyBounds, bounds_of
from archcalc.space.seen import NotByLayers
from archcalc.space.states import Box, narrowed, whole, within
from archcalc.space.trace import ALONE, total
from archcalc.space.tree import TooVarious
from archcalc.spec.machines import Hardware

SMALL = 2**15
"""Configurations of a part that is counted whole."""

MOST = 4_000_000
"""The most configurations that are counted; a tenth where layers have too little in common."""

MOST_PARTS = 5_000
"""The most parts of which bounds are asked."""

MOST_ALONE = 1_000
"""The most configurations of which an analysis is made, where a budget takes one."""


PROXY = {"time": "macs", "memory": "weight_bytes"}
"""What a quantity that takes an analysis goes with, more or less."""

PROXIES = tuple(PROXY.values())

CLOSELY = 100
"""Configurations that are analyzed before it is looked again which are promising."""


class Best(NamedTuple):
    """What was found."""

    values: Mapping[str, Any]
    proven: bool
    """Whether nothing in the space makes more of the budget."""
    at_most: float
    """How much more something could: 1 where it is proven."""
    looked_at: int
    """Configurations that were counted, at most."""
    ended: str
    """What ended the search before it was done: ``time``, ``interrupted``, or nothing."""


FIRST = 2**12
"""Configurations that are drawn at once in the beginning."""


def best(
    space: Space,
    at_most: Mapping[str, int],
    dtype: str,
    on: Hardware | None = None,
    seconds: float | None = None,
) -> Best:
    """The configuration inside a budget with the largest product of the quantities it names.

    After so many ``seconds``, and where it is interrupted, it is the best that was found so far.
    Raises :class:`ArchcalcError` where nothing is found inside it.
    """
    require_machine(tuple(at_most), dtype, on)
    return _Best(space, dict(at_most), dtype, on, seconds).found()


class _Best:
    def __init__(
        self,
        space: Space,
        at_most: dict[str, int],
        dtype: str,
        on: Hardware | None,
        seconds: float | None,
    ) -> None:
        self.space, self.at_most, self.dtype, self.on = space, at_most, dtype, on
        self.until = None if seconds is None else time.monotonic() + seconds
        self.most_made = prod(at_most.values())
        """What nothing inside the budget exceeds."""
        self.alone = [name for name in at_most if name in ALONE]
        """What takes an analysis of each configuration."""
        self.early = [name for name in at_most if name not in ALONE]
        self.counter = Counter(space, Wanted((*self.early, *PROXIES), dtype=dtype))
        self.value, self.codes, self.looked_at = 0, list[int](), 0
        self.analyses, self.passed = 0, 0.0
        self.share = {"time": 1.0, "memory": 1.0}
        """How many times its proxy a quantity was."""

    def found(self) -> Best:
        ended = ""
        try:
            proven, upper = self.searched()
        except KeyboardInterrupt:
            if not self.codes:
                raise
            proven, upper, ended = False, self.most_made, "interrupted"
        if not proven and not ended and self.is_late():
            ended = "time"
        if self.passed > self.value:
            proven, upper = False, max(upper, self.passed)
        if not self.codes:
            raise ArchcalcError(
                "nothing fits" if proven else f"nothing that fits was found in {self.looked_at:,}"
            )
        more = 1.0 if proven else max(1.0, upper / self.value)
        # Of parts that are looked at whole some were drawn before.
        looked_at = min(self.looked_at, self.space.size)
        return Best(self.space.at(self.codes), proven, more, looked_at, ended)

    def searched(self) -> tuple[bool, float]:
        """Whether nothing makes more than what is found, and what something may make at most."""
        space = self.space
        small = space.size <= SMALL
        drawn = next(space.drawn(min(space.size, SMALL), 0, not small))
        for first in range(0, len(drawn[0]), FIRST):
            if first and self.is_late():
                return False, self.most_made
            self.look([column[first : first + FIRST] for column in drawn])
        if small:
            return True, float(self.value)
        bounds = bounds_of(space, self.counter.layered)
        if bounds is not None:
            bounds.until = self.until
            return self.search(bounds)
        if space.size > MOST:
            raise ArchcalcError(
                f"{space.size:,} configurations are too many to be looked at one by one, "
                "and this network has no bounds: fix some variables"
            )
        for codes in space.between(0, space.size):
            if self.is_late():
                return False, self.most_made
            self.look(codes)
        return True, float(self.value)

    def is_late(self) -> bool:
        return self.until is not None and time.monotonic() > self.until

    def look(self, codes: Codes) -> None:
        """Count some configurations, and keep the best of them."""
        import numpy as np

        self.looked_at += len(codes[0])
        columns, there = self.counter.totals(codes, Counted({}))
        fits: Any = np.ones(len(there), bool)
        made: Any = np.ones(len(there))
        for name in self.early:
            fits &= (columns[name] <= self.at_most[name]).astype(bool)
            made = made * columns[name].astype(float)
        if not self.space.network.bits:  # what is certainly too much is not analyzed
            if "memory" in self.alone:
                fits &= columns["weight_bytes"].astype(float) <= self.at_most["memory"]
            if "time" in self.alone and self.on is not None:
                least = 2e9 * columns["macs"].astype(float) / self.on.peak(self.dtype).value
                fits &= least * (1 - 1e-9) <= self.at_most["time"] + 1
        if not fits.any():
            return
        if self.alone:
            self.look_closely(codes, columns, there, fits, made)
            return
        near = np.flatnonzero(fits & (made >= made[fits].max() * (1 - 1e-9)))
        for k in near.tolist():
            self.keep(prod(int(columns[name][k]) for name in self.early), codes, int(there[k]))

    def keep(self, value: int, codes: Codes, row: int) -> None:
        if value > self.value:
            self.value, self.codes = value, [int(column[row]) for column in codes]

    def look_closely(self, codes: Codes, columns: Any, there: Any, fits: Any, made: Any) -> None:
        """Analyze the most promising of those that keep the rest of the budget."""
        import numpy as np

        most = float(prod(self.at_most[name] for name in self.alone))
        left = np.flatnonzero(fits)
        while len(left):
            # As far as is known, which come nearest to their limits, and which exceed them.
            guessed, over = made[left] * 1.0, np.zeros(len(left), bool)
            for name in self.alone:
                near = columns[PROXY[name]][left].astype(float) * self.share[name]
                guessed *= np.minimum(near, self.at_most[name])
                over |= near > self.at_most[name]
            order = np.lexsort((np.where(over, guessed, -guessed), over))
            hopeful = made[left] * most > self.value
            order = order[hopeful[order]]
            if not len(order):
                return
            if not self.analyses:  # nothing is known yet: some from all of the range
                order = order[np.unique(np.linspace(0, len(order) - 1, CLOSELY).astype(int))]
            chosen = left[order[:CLOSELY]]
            if self.analyses >= MOST_ALONE or self.is_late():
                self.passed = max(self.passed, float(made[left].max()) * most)
                return
            met: dict[str, list[float]] = {name: [] for name in self.alone}
            for k in chosen.tolist():
                self.analyses += 1
                row = int(there[k])
                point = self.space.at([int(column[row]) for column in codes])
                analysis = self.counter.analysis(point)
                value = prod(int(columns[name][k]) for name in self.early)
                inside = True
                for name in self.alone:
                    number = total(analysis, name, self.dtype, self.on)
                    met[name].append(number / max(1, int(columns[PROXY[name]][k])))
                    inside = inside and number <= self.at_most[name]
                    value *= number
                if inside:
                    self.keep(value, codes, row)
            for name, shares in met.items():
                self.share[name] = sorted(shares)[len(shares) // 2]
            left = np.setdiff1d(left, chosen, assume_unique=True)

    def search(self, bounds: AnyBounds) -> tuple[bool, float]:
        """Whether all parts were looked at, or left as none of them can be better; and what the
        others may come to at most.
        """
        states = self.space.states
        everything = whole(states)
        order = self.order(bounds, everything)
        waiting = [(-self.most(bounds, everything), states.size, 0, states, everything)]
        asked = 0
        while waiting:
            upper, _, _, part, box = heapq.heappop(waiting)
            if -upper <= self.value:
                return True, float(self.value)
            if self.is_late():
                return False, float(-upper)
            if part.size <= SMALL:
                enough = MOST if self.counter.layered is not None else MOST // 10
                if self.looked_at > enough or self.analyses >= MOST_ALONE:
                    return False, float(-upper)
                codes = numbered(part, indices(list(range(part.size)), part.size))
                self.look(self.space.kept(codes))
                continue
            step = next(step for step in order if len(box[step]) > 1)
            for codes_ in _cut(box[step]):
                asked += 1
                smaller, inner = within(part, narrowed(box, step, codes_))
                most = self.most(bounds, inner) if smaller.size else 0
                if most > self.value:
                    heapq.heappush(waiting, (-most, smaller.size, asked, smaller, inner))
                if self.is_late():
                    return False, float(-upper)
            if asked > MOST_PARTS:
                return False, float(-min(waiting)[0]) if waiting else float(self.value)
        return True, float(self.value)

    def most(self, bounds: AnyBounds, box: Box) -> int:
        """What a part may come to at most; 0 where nothing in it fits."""
        try:
            known = self.quantities(bounds, box)
        except (NotByLayers, TooVarious):
            return self.most_made
        if any(known.get(name, (0, 0))[0] > limit for name, limit in self.at_most.items()):
            return 0
        return prod(
            int(min(known.get(name, (0, limit))[1], limit)) for name, limit in self.at_most.items()
        )

    def quantities(self, bounds: AnyBounds, box: Box) -> dict[str, tuple[float, float]]:
        least, most = bounds.of(box)
        return quantities(least, most, self.space.network, self.dtype, self.on)

    def order(self, bounds: AnyBounds, box: Box) -> list[int]:
        """The steps, those first whose choices differ most in what they make of a part."""
        spread: list[tuple[float, int]] = []
        for step, codes in enumerate(box):
            ends = [codes[0], codes[len(codes) // 2], codes[-1]]
            made = []
            for code in () if self.is_late() else dict.fromkeys(ends):
                _, inner = within(self.space.states, narrowed(box, step, [code]))
                try:
                    known = self.quantities(bounds, inner)
                    made.append(prod(known[PROXY.get(name, name)][1] for name in self.at_most))
                except (NotByLayers, TooVarious):
                    made.append(0.0)
            spread.append((min(made, default=0) - max(made, default=0), step))
        return [step for _, step in sorted(spread)]


def _cut(codes: Sequence[int]) -> list[Sequence[int]]:
    if len(codes) <= 8:
        return [[code] for code in codes]
    half = len(codes) // 2
    return [codes[:half], codes[half:]]
