"""Between which numbers the totals of a part of a space are, whose choices are numbers in ranges.

A range of widths makes too many layers to go through (``bounds.py``). But one program computes many
widths and depths (``parts.py``), and between which values it is follows from those of what goes in.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import inf
from typing import Any, TypeAlias

from archcalc.algebra.intervals import intervals
from archcalc.algebra.program import Program, needed
from archcalc.space.bounds import Bounds
from archcalc.space.design import Space
from archcalc.space.grid import Axis, Grid
from archcalc.space.layered import Layered
from archcalc.space.parts import parts, ranges
from archcalc.space.pieces import COLUMNS
from archcalc.space.seen import NotByLayers
from archcalc.space.states import ABSENT, LENGTH, Box
from archcalc.space.trace import QUANTITIES
from archcalc.space.tree import TooVarious

WIDE = 30
"""Values of a step from which on it is a range of numbers, and layers differ with each."""

MOST_PIECES = 16
"""The most pieces of a part that programs compute; one of more has to be smaller."""

BOUNDED = tuple(name for name in COLUMNS if name in QUANTITIES)


class Ranges:
    """Bounds of parts of a space, as :class:`archcalc.space.bounds.Bounds`."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.traced: dict[Hashable, list[Program]] = {}
        self.until: float | None = None

    def of(self, box: Box) -> tuple[Sequence[float], Sequence[float]]:
        """The least and the most of ``COLUMNS``; what is no network is left out.

        Raises :class:`NotByLayers` and :class:`TooVarious` where they can't be said.
        """
        import numpy as np

        axes: list[Axis] = []
        fixed: dict[str, Any] = {}
        states = self.space.states
        for step, values, codes in zip(states.steps, states.values, box, strict=True):
            if step.place == LENGTH and (len(codes) > 1 or not values[codes[0]]):
                raise NotByLayers
            if step.place == LENGTH or codes == (ABSENT,):
                continue
            if step.variable not in self.space.variables:
                continue
            some = [values[code] for code in codes]
            if step.place is None and len(some) == 1:
                fixed[step.variable] = some[0]
            elif ABSENT in codes or {*map(type, some)} != {int}:
                raise NotByLayers
            else:
                axes.append(Axis({step.name: np.array(some)}, len(some)))
        grid = _Box(self.space.network, tuple(axes), BOUNDED, fixed)
        pieces = parts(grid, self.traced, MOST_PIECES, condense=False)
        if pieces is None:
            raise TooVarious
        least, most = [inf] * len(COLUMNS), [0.0] * len(COLUMNS)
        for piece in pieces:
            program = piece.program
            if program.error is None:
                steps = needed(program, program.outputs.values(), {})
                known = intervals(program, ranges(grid, piece.places), steps, held=True)
                for k, name in enumerate(COLUMNS):
                    low, high = known[program.outputs[name]] if name in BOUNDED else (0, inf)
                    least[k], most[k] = min(least[k], max(low, 0)), max(most[k], high)
        return [0 if low == inf else low for low in least], most


AnyBounds: TypeAlias = "Bounds | Ranges"


def bounds_of(space: Space, layered: Layered | None) -> AnyBounds | None:
    """What knows bounds of parts of a space; None where nothing does."""
    if any(len(values) > WIDE for values in space.states.values):
        return Ranges(space)
    return Bounds(layered.pieces, space.states) if layered is not None else None


class _Box(Grid):
    """A grid of which each item of a list is an axis."""

    def at(self, place: Sequence[int]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in super().at(place).items():
            variable, listed, _ = name.partition("[")
            found[variable] = [*found.get(variable, ()), value] if listed else value
        return found
