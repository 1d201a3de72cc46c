"""What an expansion may cost, counted in steps and not in seconds: it is the same everywhere.

A step is about what it takes to look at one item of a list. What takes longer counts more, so that
a million steps take about as long whatever they are.
"""

from __future__ import annotations

from typing import Any

MOST_STEPS = 5_000_000
"""The most steps of one expansion."""

MADE = 50
"""Of an operator with fields, of its use on shapes, or of a block with arguments, met anew."""

LOOKED_AT = 10
"""Of a layer looked at, for each repetition, whether it is left out or not."""

COPIED = 2
"""Of a layer copied from a block into another."""

ROW = 35
"""Of a layer of the network: it is analyzed, and has a row in a table."""

WRITTEN = 20
"""Of a value in the file: it is read, and checked."""

VARIABLE = 2
"""Of a variable, each time that the network is expanded."""

VARIANT = 200
"""Of a variant, where all of them are looked at."""

TAKEN = 3
"""Of an input of a layer."""

TIED = 20
"""Of a layer that shares its tensors."""


class Spent(Exception):
    """The budget is used up."""


class Budget:
    """The steps that an expansion has taken."""

    def __init__(self, most: int = MOST_STEPS) -> None:
        self.most = most
        self.steps = 0

    def spend(self, steps: int) -> None:
        """Count steps before they are taken. Raises :class:`Spent` where they are too many."""
        self.steps += steps
        if self.steps > self.most:
            raise Spent

    def look_at(self, value: Any) -> None:
        """Count the items of a list, those of lists in it included. Raises :class:`Spent`."""
        pending = [value]
        while pending:
            items = pending.pop()
            self.spend(len(items))
            pending += [item for item in items if type(item) is tuple or type(item) is list]
