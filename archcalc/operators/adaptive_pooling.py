"""Pooling whose windows follow from the output asked for, and pooling over whole axes."""

from math import prod
from typing import Annotated, Any, ClassVar, final

from pydantic import field_validator

from archcalc.dims import Shape, Size, ceil_div, gcd, holds, is_whole
from archcalc.operators.autograd import Differentiable, Saved, SavesNothing
from archcalc.operators.base import (
    FROM_1,
    NULL,
    Call,
    Example,
    Spelled,
    Weightless,
    Work,
    elements,
    one_or_several,
    per_axis,
    require_rank,
    require_rank_from,
)
from archcalc.operators.taps import MOST_PHASES, Gathering, Sources, Taps, Traced, unless_unknown
from archcalc.operators.window import AXES

# Stored as a tuple of sizes and None.
OutputSize = Annotated[Any, one_or_several(FROM_1, NULL, each={"anyOf": [FROM_1, NULL]})]
"""Extents of an output, one for every axis or one for all; null keeps the input's."""


def adaptive_total(n: Size, o: Size | None) -> Size:
    """The extents of the ``o`` windows of adaptive pooling on an axis of ``n``, summed.

    Window ``i`` is ``[floor(i n / o), ceil((i + 1) n / o))``. All ends summed and all starts
    subtracted, the last end leaves ``n``, and where window ``i - 1`` ends and window ``i`` starts,
    for ``i`` from 1 to ``o - 1``, they share one element unless ``i n / o`` is whole, which it is
    for ``gcd(n, o) - 1`` of them: ``n + (o - 1) - (gcd(n, o) - 1)``.
    """
    if o is None:
        return n
    return n + o - (gcd(n, o) if type(o) is int else gcd(o, n))


def adaptive_taps(n: Size, o: Size) -> Taps | None:
    """The windows of adaptive pooling from ``n`` positions to ``o``.

    Window ``i`` is ``[floor(i n / o), ceil((i + 1) n / o))``, and the windows repeat after
    ``o / gcd(n, o)``. None where that can't be listed.
    """
    if not (is_whole(n) and is_whole(o)):
        return None
    period, advance = o // gcd(n, o), n // gcd(n, o)
    if period > MOST_PHASES:
        return None
    spans = ((i * n // o, ceil_div((i + 1) * n, o) - 1) for i in range(period))
    return Taps(tuple(spans), advance)


def _count_or_none(value: Any) -> Size | None:
    return None if value is None else per_axis(value, 1)[0]


class _AdaptivePool(Weightless, Traced, Spelled):
    axes: ClassVar[int]

    output_size: OutputSize
    """Extents of the output; null keeps that of the input."""

    @field_validator("output_size", mode="plain")
    @classmethod
    def _output_size(cls, value: Any) -> tuple[Size | None, ...]:
        sizes = per_axis(value, cls.axes, _count_or_none)
        if cls.axes == 1 and sizes[0] is None:
            raise ValueError("should be a number: on one axis, null would pool nothing")
        return sizes

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        require_rank(x, self.axes + 2, AXES[self.axes])
        sizes = zip(x[2:], self.output_size, strict=True)
        return (*x[:2], *(n if o is None else o for n, o in sizes))

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        extents = zip(inputs[0][2:], output[2:], strict=True)
        return (unless_unknown([adaptive_taps(n, o) for n, o in extents]),)

    def merges(self, output: Shape, x: Shape) -> Size:
        """How many elements the windows hold beyond their first, all summed."""
        totals = map(adaptive_total, x[2:], self.output_size)
        return x[0] * x[1] * prod(totals) - elements(output)


class _AdaptiveAvgPool(_AdaptivePool, Differentiable):
    def work(self, output: Shape, *inputs: Shape) -> Work:
        """The adds that every window really takes, and 1 division an output."""
        return Work(adds=self.merges(output, *inputs), divisions=elements(output))

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        """The input, but for one window over everything, which PyTorch takes as a mean."""
        return Saved() if all(holds(n == 1) for n in output[2:]) else Saved(inputs=(0,))


class _AdaptiveMaxPool(_AdaptivePool, Differentiable):
    def work(self, output: Shape, *inputs: Shape) -> Work:
        """The comparisons that every window really takes."""
        return Work(comparisons=self.merges(output, *inputs))

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        """The input, and where the maxima are."""
        return Saved(inputs=(0,), indices=elements(output))


@final
class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Average of ``output_size`` windows over (N, C, L), as ``torch.nn.AdaptiveAvgPool1d``."""

    axes = 1
    examples = (
        Example({"output_size": 5}, ((2, 4, 7),)),
        Example({"output_size": 7}, ((2, 4, 5),)),
    )


@final
class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Average of ``output_size`` windows over (N, C, H, W), as ``torch.nn.AdaptiveAvgPool2d``.

    Windows may differ in extent and overlap. ``null`` keeps an axis as it is.
    """

    axes = 2
    examples = (
        Example({"output_size": 1}, ((2, 8, 7, 7),)),
        Example({"output_size": [5, None]}, ((2, 4, 7, 9),)),
    )


@final
class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Average of ``output_size`` windows over a volume, as ``torch.nn.AdaptiveAvgPool3d``."""

    axes = 3
    examples = (Example({"output_size": [None, 2, 3]}, ((2, 4, 3, 5, 7),)),)


@final
class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Maximum of ``output_size`` windows over (N, C, L), as ``torch.nn.AdaptiveMaxPool1d``."""

    axes = 1
    examples = (Example({"output_size": 5}, ((2, 4, 7),)),)


@final
class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Maximum of ``output_size`` windows over (N, C, H, W), as ``torch.nn.AdaptiveMaxPool2d``.

    Windows may differ in extent and overlap. ``null`` keeps an axis as it is.
    """

    axes = 2
    examples = (
        Example({"output_size": 1}, ((2, 8, 7, 7),)),
        Example({"output_size": [None, 7]}, ((2, 4, 7, 5),)),
    )


@final
class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """Maximum of ``output_size`` windows over a volume, as ``torch.nn.AdaptiveMaxPool3d``."""

    axes = 3
    examples = (Example({"output_size": 2}, ((2, 4, 3, 5, 7),)),)


class _GlobalPool(Weightless, Gathering):
    keepdim: bool = True
    """Whether the axes that are pooled stay, with extent 1."""

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        require_rank_from(x, 3, "(N, C, *)")
        return (*x[:2], *((1,) * len(x[2:]) if self.keepdim else ()))

    def reduction(self, x: Shape) -> dict[str, Any]:
        """The arguments of PyTorch's reductions that pool ``x``."""
        return {"dim": tuple(range(2, len(x))), "keepdim": self.keepdim}


@final
class GlobalAvgPool(_GlobalPool, SavesNothing):
    """Average of each channel of (N, C, *): (N, C, 1, ...), or (N, C) with ``keepdim`` false.

    Lin et al., Network in network, 2013. ``torch.mean`` over the axes after the channels.
    """

    examples = (
        Example({}, ((2, 8, 7, 7),)),
        Example({"keepdim": False}, ((2, 8, 7),)),
    )

    def work(self, output: Shape, *inputs: Shape) -> Work:
        """An add for every element but a channel's first, and 1 division a channel."""
        out = elements(output)
        return Work(adds=elements(inputs[0]) - out, divisions=out)

    def torch(self, *inputs: Shape) -> Call:
        return Call("torch.mean", self.reduction(*inputs))


@final
class GlobalMaxPool(_GlobalPool, Differentiable):
    """Maximum of each channel of (N, C, *): (N, C, 1, ...), or (N, C) with ``keepdim`` false.

    ``torch.amax`` over the axes after the channels.
    """

    examples = (
        Example({}, ((2, 8, 7, 7),)),
        Example({"keepdim": False}, ((2, 8, 3, 5, 5),)),
    )

    def work(self, output: Shape, *inputs: Shape) -> Work:
        """A comparison for every element but a channel's first."""
        return Work(comparisons=elements(inputs[0]) - elements(output))

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        """Both ends, which say where the maxima are."""
        return Saved(inputs=(0,), output=True)

    def torch(self, *inputs: Shape) -> Call:
        return Call("torch.amax", self.reduction(*inputs))
