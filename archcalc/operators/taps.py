"""Which positions of its inputs an operator's output is computed from, axis by axis.

Positions are those of the axes after the batch and the channels, counted from 0. They are exact
away from the borders; what lies before position 0 or beyond the last is padding. An operator
that can't say derives from none of the classes here.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from archcalc.dims import Shape, Size, ceil_div, is_whole, same
from archcalc.operators.base import Operator

Span: TypeAlias = tuple[Size, Size]
"""The first and the last of consecutive positions."""

MOST_PHASES = 4096
"""The longest period that is listed; an operator with a longer one does not say its taps."""


class Taps(NamedTuple):
    """What each output position on an axis is computed from: spans that repeat, moved on."""

    spans: tuple[Span, ...]
    """Those of one period of output positions, from position 0."""
    advance: Size | None = 1
    """How far they have moved after a period; None where the spans are those of all positions."""

    def at(self, position: Size) -> Span:
        """The span of an output position; beyond a list of all, that of the nearest one."""
        if self.advance is None:
            return self.spans[min(max(position, 0), len(self.spans) - 1)]
        if len(self.spans) == 1:
            ((first, last),) = self.spans
            return first + position * self.advance, last + position * self.advance
        periods, phase = divmod(position, len(self.spans))
        first, last = self.spans[phase]
        return first + periods * self.advance, last + periods * self.advance


HERE = Taps(((0, 0),))
"""Each output position is computed from the same position of the input."""


def everything(extent: Size) -> Taps:
    """Each output position is computed from all of an axis of this extent."""
    return Taps(((0, extent - 1),), 0)


def moved(by: Size, step: Size = 1) -> Taps:
    """Output position ``o`` is input position ``by + step * o``."""
    return Taps(((by, by),), step)


def on_axis(taps: Taps, axis: int, rank: int) -> tuple[Taps, ...]:
    """These on one axis of an input of so many, and on the others the same position."""
    return tuple(taps if i == axis else HERE for i in range(2, rank))


Sources: TypeAlias = tuple[Taps, ...] | Literal["everywhere", "anywhere"]
"""Taps on every axis of an input after the first two. ``everywhere``: each output is computed
from all of them. ``anywhere``: from some of them, it is not said which."""


def unless_unknown(axes: Sequence[Taps | None]) -> Sources:
    """The taps of all axes, or ``anywhere`` if those of one are not known."""
    known = tuple(taps for taps in axes if taps is not None)
    return known if len(known) == len(axes) else "anywhere"


class Traced(Operator):
    """An operator that says from where in its inputs it computes."""

    @abstractmethod
    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        """For each input; one that gives nothing but its shape is left out at the end."""


class Pointwise(Traced):
    """Computes a position from the same position, whatever the channel; extents of 1 stretch."""

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        def of(x: Shape) -> Sources:
            if len(x) != len(output):
                return "anywhere"  # broadcasting shifts its axes
            return tuple(
                HERE if same(n, m) else everything(n)
                for n, m in zip(x[2:], output[2:], strict=True)
            )

        return tuple(map(of, inputs))


class Gathering(Traced):
    """Computes every output from all positions of its inputs."""

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        return tuple("everywhere" for _ in inputs)


class Scattering(Traced):
    """Moves elements about in a way that positions do not follow."""

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        return tuple("anywhere" for _ in inputs)


class Sourceless(Traced):
    """Computes nothing of its inputs, which give it no more than sizes."""

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        return ()


class Window(NamedTuple):
    """A window that slides over an input, axis by axis."""

    kernel: tuple[Size, ...]
    stride: tuple[Size, ...]
    dilation: tuple[Size, ...]
    pads: tuple[tuple[Size, Size], ...]
    """Padding before and after."""

    def taps(self) -> tuple[Taps, ...]:
        """A dilated kernel spans ``d (k - 1) + 1`` positions, the first of them in the padding."""
        return tuple(
            Taps(((-before, d * (k - 1) - before),), s)
            for k, s, d, (before, _) in zip(*self, strict=True)
        )


class Windowed(Traced):
    """Computes an output from a window that slides over its only input."""

    @abstractmethod
    def window(self, *inputs: Shape) -> Window:
        """The window on inputs of these shapes."""

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        return (self.window(*inputs).taps(),)


def transposed(kernel: Size, stride: Size, padding: Size) -> Taps | None:
    """What an output position of a transposed convolution without dilation is computed from.

    Input position ``i`` is spread over the outputs ``i s - p`` to ``i s - p + k - 1``, so output
    ``o`` is computed from the ``i`` between ``(o + p - k + 1) / s`` and ``(o + p) / s``: at most
    ``ceil(k / s)`` of them. None if a kernel smaller than the stride leaves holes, or the period
    can't be listed.
    """
    if not all(is_whole(n) for n in (kernel, stride, padding)):
        return None
    if kernel < stride or stride > MOST_PHASES:
        return None
    starts = (padding + phase for phase in range(stride))
    return Taps(tuple((ceil_div(o - kernel + 1, stride), o // stride) for o in starts))
