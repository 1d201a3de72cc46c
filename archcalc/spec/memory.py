"""What expansions of a spec leave for later ones of the same family.

A spec never changes, so neither does what its layers and blocks mean, and a search over one spec
meets the same blocks again and again. What is kept is found by value: by the place of a layer in
its spec, by fields and arguments with their types, by shapes. So it can't be another's.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, NamedTuple

from archcalc.dims import Shape
from archcalc.operators.base import Applied, Operator

if TYPE_CHECKING:
    from archcalc.spec.graph import Graph
    from archcalc.spec.scope import Path, Template

MOST_KEPT = 100_000
"""Nodes of blocks and operators that a memory may hold; a larger one is dropped as a whole."""


class Made(NamedTuple):
    """An operator, and the same on inputs of the shapes that it has met: an object for each."""

    op: Operator
    applied: dict[tuple[Shape, ...], Applied]


class Piece(NamedTuple):
    """What a layer of the network, or a block with all that is in it, is wherever it meets the
    same shapes with the same arguments.
    """

    applied: tuple[Applied, ...]
    shape: Shape
    """The output's."""
    steps: int
    """How many it took to expand where it was met first, with those of its rows."""
    kept: dict[str, Any]
    """What was worked out from it."""
    executed: frozenset[int] | None = None
    """Which of the layers its output is computed from, None for all: experts may be left aside."""
    edges: int = 0
    """How many inputs they take together."""

    @property
    def size(self) -> int:
        """How many layers it is."""
        return len(self.applied)


class Memory:
    """What is known of a family: it belongs to one expansion at a time."""

    def __init__(self) -> None:
        self.operators: dict[Hashable, Made] = {}
        """Operators by name and fields."""
        self.literal: dict[Path, Made] = {}
        """Those of layers without expressions, by the layer's place in the spec."""
        self.blocks: dict[Hashable, dict[Hashable, Template]] = {}
        """Blocks expanded without a problem, by the variables that they name, then by arguments and
        shapes.
        """
        self.named: dict[str, frozenset[str]] = {}
        """The variables that a block names."""
        self.pieces: dict[Hashable, Piece] = {}
        """The layers and blocks of the network itself, by their place, arguments and shapes."""
        self.graph: tuple[Hashable, Graph] | None = None
        """The last graph, and what it was expanded for: it is often asked for again."""
        self.size = 0
        """Nodes of blocks and operators in it."""


class Home:
    """Where a family keeps its memory while nobody uses it.

    An expansion takes the memory out and brings it back when it has ended well. One that finds
    none, because another thread has it, begins with an empty one: so none is ever used by two, and
    nothing waits. A pickle or a copy is an empty home.
    """

    def __init__(self) -> None:
        self._kept: list[Memory] = []
        self.records: dict[Hashable, Any] = {}
        """What new shapes are computed by, by what was asked: ``analysis/recall.py``. All use
        them at once, since a record never changes.
        """

    def take(self) -> Memory:
        """The memory, which is the caller's alone from here on."""
        try:
            return self._kept.pop()
        except IndexError:
            return Memory()

    def bring_back(self, memory: Memory) -> None:
        """Keep a memory for the next, in the place of any that another has brought back."""
        if memory.size <= MOST_KEPT:
            self._kept[:] = [memory]

    def __reduce__(self) -> tuple[type[Home], tuple[()]]:
        return Home, ()
