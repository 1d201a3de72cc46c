"""An input that a network does not take: why, and what it would take instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from archcalc.dims import Shape
from archcalc.errors import ArchcalcError, Problem, SpecError, listed
from archcalc.spec.graph import Graph
from archcalc.spec.question import of_side

REACH = 128
"""How much smaller or larger an extent may be that is offered instead."""

MOST_LAYERS = 200_000
"""How many layers are expanded at most to find one."""

MOST_REASONS = 3
"""Of more problems than this the first ones only are told."""


def misread(shape: Shape) -> str:
    """What an input, batch first, looks like if it is written as elsewhere; else ``""``."""
    own = shape[1:]
    if not all(type(size) is int for size in own):
        return ""
    if len(own) > 3 and own[0] == 1:
        return f"the batch is not written: if the 1 is meant so, write {list(own[1:])}"
    if len(own) == 3 and own[0] == own[1] > 4 and own[2] in (1, 3, 4):
        return f"channels come first: if {own[2]} is their number, write {[own[2], *own[:2]]}"
    return ""


Expanded = Callable[[Mapping[str, Sequence[int]] | None], Graph | None]
"""The graph for inputs without the batch, None for the spec's own; None where there is none."""


class Refused(SpecError):
    """An input that was given and does not fit, where the spec's own does.

    The spec is not to blame then, so none of its lines is: the problem is the input's. What fits
    is looked for when the problems are read, because sweeps and searches throw most of them away.
    """

    def __init__(
        self,
        network: str,
        given: Mapping[str, Any],
        found: Sequence[Problem],
        expanded: Expanded,
    ) -> None:
        ArchcalcError.__init__(self)
        self.network, self.found, self.expanded = network, found, expanded
        self.given = given
        """Of an input its sizes, of which some may be as written, or one number."""

    @cached_property
    def problems(self) -> tuple[Problem, ...]:  # type: ignore[override]
        """The one problem that the input is; those that were found where the spec has its own."""
        own = self.expanded(None)
        if own is None:
            return tuple(sorted(set(self.found)))
        self.given = {name: _sizes(own.inputs[name][1:], of) for name, of in self.given.items()}
        shapes = ", ".join(self._named(own, self.given))
        reasons = list(dict.fromkeys(map(_reason, self.found)))
        if len(reasons) > MOST_REASONS:
            reasons[MOST_REASONS:] = [f"and {len(reasons) - MOST_REASONS} more"]
        hint = "\n".join([*reasons, self._instead(own)])
        return (Problem(self.network, 0, 0, (), f"takes no input {shapes}", hint),)

    def __str__(self) -> str:
        return listed(self.problems)

    def __reduce__(self) -> tuple[Any, ...]:
        # What expands the network stays at home.
        return SpecError, (self.problems,)

    def _named(self, own: Graph, shapes: Mapping[str, Sequence[object]]) -> list[str]:
        """Shapes as they are written on the command line, with names where there are several."""
        if len(own.inputs) == 1:
            return [*map(unbatched, shapes.values())]
        return [f"{name}={unbatched(shape)}" if shape else name for name, shape in shapes.items()]

    def _instead(self, own: Graph) -> str:
        shapes = {name: shape[1:] for name, shape in own.inputs.items()}
        verb = "are" if len(shapes) > 1 else "is"
        usual = f"its own {verb} {', '.join(self._named(own, shapes))}"
        if len(self.given) > 1:
            return usual
        ((name, given),) = self.given.items()
        shape = shapes[name]
        if len(given) != len(shape):
            whole = (*shape[:1], *given)
            lacking = len(whole) == len(shape) and given[0] != shape[0]
            if lacking and self.expanded({name: whole}) is not None:
                side = f" or {given[0]}" if len(set(given)) == 1 and len(shapes) == 1 else ""
                return f"channels come first: write {unbatched(whole)}{side}"
            return f"{usual}, without the batch"
        alike = {other: given for other, own_shape in shapes.items() if own_shape == shape}
        if len(alike) > 1 and self.expanded(alike) is not None:
            del alike[name]
            return f"it fits with {', '.join(self._named(own, alike))}"
        if len(shape) > 1 and given[0] != shape[0]:
            return usual
        reach = min(REACH, MOST_LAYERS // len(own.nodes) // 2)

        def fits(axes: Sequence[int]) -> bool:
            return self.expanded({name: axes}) is not None

        found = nearest(given, shape, fits, reach)
        near = [each for axes in found for each in self._named(own, {name: axes})]
        if not near:
            return usual
        return f"the nearest that {'fit are' if len(near) > 1 else 'fits is'} {' and '.join(near)}"


def _sizes(own: Shape, given: Any) -> list[Any]:
    if type(given) is int:
        return of_side(given, own)
    return [size if type(size) is int else own[k] for k, size in enumerate(given)]


def nearest(
    given: Sequence[int], own: Shape, fits: Callable[[Sequence[int]], bool], reach: int
) -> list[tuple[int, ...]]:
    """Inputs that fit and are nearest to one that does not: smaller, larger, or both.

    What is square is kept so, and the channels are left alone. Axes of different extents are
    looked at one by one, the others as the network has them.
    """
    first = min(1, len(given) - 1)
    extents = given[first:]
    if len(set(extents)) == 1:
        (side,) = set(extents)

        def square(n: int) -> bool:
            return fits((*given[:first], *[n] * len(extents)))

        sides = [found for found in _around(side, square, reach) if found != side]
        return [(*given[:first], *[n] * len(extents)) for n in sorted(sides)]
    axes = list(given)
    for k in range(first, len(given)):

        def alone(n: int, k: int = k) -> bool:
            return fits((*own[:k], n, *own[k + 1 :]))

        found = [given[k]] if alone(given[k]) else list(_around(given[k], alone, reach))
        if not found:
            return []
        axes[k] = found[0]
    return [tuple(axes)] if fits(axes) else []


def _around(n: int, fits: Callable[[int], bool], reach: int) -> Iterator[int]:
    """The nearest numbers above and below that fit, the nearer one first."""
    wanted = {1, -1}
    for distance in range(1, reach + 1):
        for sign in sorted(wanted, reverse=True):
            if n + sign * distance >= 1 and fits(n + sign * distance):
                wanted.discard(sign)
                yield n + sign * distance


def _reason(problem: Problem) -> str:
    kind, *path = problem.path
    where = f"{'.'.join(path)}: " if kind == "layers" else ""
    return f"{where}{problem.message}"


def unbatched(shape: Sequence[object]) -> str:
    """A shape without the batch as it is written on the command line: ``3x224x224``."""
    return "x".join(map(str, shape))
