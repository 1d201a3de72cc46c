"""More or fewer positions for the same picture, and channels in another order."""

import math
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal, Self, final

from pydantic import AfterValidator, model_validator

from archcalc.dims import AnySize, Shape, Size, ceil_div, divides, is_array, is_symbolic, maximum
from archcalc.errors import ShapeError
from archcalc.operators.autograd import SavesNothing
from archcalc.operators.base import (
    LARGEST,
    Call,
    Count,
    Example,
    Moving,
    Spelled,
    Weightless,
    Work,
    describe,
    elements,
    require,
    require_rank,
)
from archcalc.operators.shape import SPATIAL
from archcalc.operators.taps import MOST_PHASES, Pointwise, Sources, Taps, Traced, unless_unknown


def _factor(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"should be a number, not {value!r}")
    if not 0 < value <= LARGEST:
        raise ValueError(f"should be above 0 and at most {LARGEST:,}, not {value}")
    return value


Factor = Annotated[float, AfterValidator(_factor)]

_SUPPORT = {"bilinear": 1, "bicubic": 2}
"""How far to each side a mode's filter reaches that antialiases, before it is widened."""


@final
class Upsample(Weightless, Traced, SavesNothing):
    """Resamples the spatial axes to ``size`` or by ``scale_factor``, as ``torch.nn.Upsample``.

    An output element of a linear mode is the weighted sum of the ``2^d`` input elements around
    it, on ``d`` axes: ``2^d`` multiplies and ``2^d - 1`` adds; of ``bicubic``, of 16. The weights
    depend on the position alone and are not counted. ``nearest`` copies.
    """

    ranks: ClassVar[dict[str, tuple[int, ...]]] = {
        "nearest": (3, 4, 5),
        "linear": (3,),
        "bilinear": (4,),
        "bicubic": (4,),
        "trilinear": (5,),
    }

    size: Count | tuple[Count, ...] | None = None
    """Extents of the output."""
    scale_factor: Factor | tuple[Factor, ...] | None = None
    """How many times larger the output is."""
    mode: Literal["nearest", "linear", "bilinear", "bicubic", "trilinear"] = "nearest"
    """How elements between those of the input are found."""
    align_corners: bool | None = None
    """Whether the corners of input and output coincide; it changes no count."""
    antialias: bool = False
    """Whether a smaller output is filtered, in modes ``bilinear`` and ``bicubic``."""

    examples = (
        Example({"scale_factor": 2}, ((2, 8, 10, 10),)),
        Example({"scale_factor": 1.5, "mode": "bilinear"}, ((2, 8, 10, 7),)),
        Example({"size": [28, 20], "mode": "bicubic", "align_corners": True}, ((2, 8, 14, 10),)),
        Example({"size": [7, 7], "mode": "bicubic", "antialias": True}, ((2, 8, 14, 10),)),
    )

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.size is None) == (self.scale_factor is None):
            raise ValueError("takes either size or scale_factor")
        if self.mode == "nearest" and self.align_corners is not None:
            raise ValueError("mode 'nearest' takes no align_corners")
        if self.antialias and self.mode not in _SUPPORT:
            raise ValueError(f"antialias is for modes {' and '.join(_SUPPORT)}, not {self.mode}")
        return self

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        require_rank(x, self.ranks[self.mode], SPATIAL)
        target: Any = self.scale_factor if self.size is None else self.size
        targets = target if isinstance(target, tuple) else (target,) * (len(x) - 2)
        if len(targets) != len(x) - 2:
            raise ShapeError(f"names {len(targets)} axes, but {describe(x)} has {len(x) - 2}")
        if self.size is not None:
            return (*x[:2], *targets)
        extents = [_scaled(n, factor) for n, factor in zip(x[2:], targets, strict=True)]
        for n, extent, factor in zip(x[2:], extents, targets, strict=True):
            require(extent >= 1, f"scale_factor={factor} leaves nothing of {n}")
        return (*x[:2], *extents)

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        """Output ``o`` is made of the elements around ``r (o + 1/2) - 1/2``; nearest of ``r o``.

        ``r`` is ``1 / scale_factor``, or the input's extent over the output's. With
        ``align_corners`` ``o`` is at ``r o``, and ``r`` the ratio of the extents less one.
        """
        if self.antialias:
            return ("anywhere",)
        factor = self.scale_factor
        factors = factor if isinstance(factor, tuple) else (factor,) * len(output[2:])
        axes = zip(inputs[0][2:], output[2:], factors, strict=True)
        return (unless_unknown([self._axis_taps(n, o, factor) for n, o, factor in axes]),)

    def _axis_taps(self, n: Size, o: Size, factor: float | None) -> Taps | None:
        if factor is not None and not self.align_corners:
            ratio = 1 / Fraction(factor)
        elif type(n) is not int or type(o) is not int:
            return None
        else:
            ratio = Fraction(n - 1, max(o - 1, 1)) if self.align_corners else Fraction(n, o)
        if ratio.denominator > MOST_PHASES:
            return None
        corner = self.mode == "nearest" or self.align_corners
        places = [ratio * i + (0 if corner else (ratio - 1) / 2) for i in range(ratio.denominator)]
        beyond = 1 if self.mode == "bicubic" else 0
        last = math.floor if self.mode == "nearest" else math.ceil
        spans = ((math.floor(at) - beyond, last(at) + beyond) for at in places)
        return Taps(tuple(spans), ratio.numerator)

    def work(self, output: Shape, *inputs: Shape) -> Work:
        if self.mode == "nearest":
            return Work()
        out = elements(output)
        if self.antialias:
            (*_, height, width), (rows, columns) = inputs[0], output[2:]
            across, down = self._filter(width, columns), self._filter(height, rows)
            first = elements((*output[:2], height, columns))
            return Work(
                multiplies=first * across + out * down,
                adds=first * (across - 1) + out * (down - 1),
            )
        taps = 16 if self.mode == "bicubic" else 2 ** (len(output) - 2)
        return Work(multiplies=out * taps, adds=out * (taps - 1))

    def _filter(self, n: Size, o: Size) -> Size:
        """How many elements an antialiasing filter takes from n to o."""
        width = 2 * _SUPPORT[self.mode]
        return maximum(width, ceil_div(width * n, o))

    def torch(self, *inputs: Shape) -> Call:
        fields = {"size": self.size, "scale_factor": self.scale_factor}
        if self.antialias:
            more = {"mode": self.mode, "align_corners": self.align_corners, "antialias": True}
            return Call("F.interpolate", {**fields, **more})
        return Call(
            "nn.Upsample", {**fields, "mode": self.mode, "align_corners": self.align_corners}
        )


def _scaled(n: AnySize, factor: float) -> AnySize:
    """``floor(n * factor)``, rounded to a double first, as PyTorch does."""
    if factor == int(factor):
        return n * int(factor)
    if is_symbolic(n):
        import sympy

        return sympy.floor(n * sympy.Rational(factor))
    if is_array(n):
        return (n * factor).astype(int)
    return math.floor(n * factor)


@final
class PixelShuffle(Moving, Traced, SavesNothing, Spelled):
    """(N, C r^2, H, W) -> (N, C, H r, W r), as ``torch.nn.PixelShuffle``.

    r = ``upscale_factor``.
    """

    upscale_factor: Count
    """How many times larger the output is on both axes."""

    examples = (Example({"upscale_factor": 3}, ((2, 27, 4, 5),)),)

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        require_rank(x, 4, "(N, C, H, W)")
        n, c, h, w = x
        r = self.upscale_factor
        if not divides(r * r, c):
            raise ShapeError(f"upscale_factor={r} needs a multiple of {r * r} channels, not {c}")
        return (n, c // (r * r), h * r, w * r)

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        r = self.upscale_factor
        listed = type(r) is int and r <= MOST_PHASES
        return ((Taps(((0, 0),) * r),) * 2 if listed else "anywhere",)


@final
class PixelUnshuffle(Moving, Traced, SavesNothing, Spelled):
    """(N, C, H r, W r) -> (N, C r^2, H, W), as ``torch.nn.PixelUnshuffle``.

    r = ``downscale_factor``.
    """

    downscale_factor: Count
    """How many times smaller the output is on both axes."""

    examples = (Example({"downscale_factor": 3}, ((2, 3, 12, 15),)),)

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        require_rank(x, 4, "(N, C, H, W)")
        n, c, h, w = x
        r = self.downscale_factor
        for name, extent in (("height", h), ("width", w)):
            if not divides(r, extent):
                raise ShapeError(f"downscale_factor={r} does not divide {name}={extent}")
        return (n, c * r * r, h // r, w // r)

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        r = self.downscale_factor
        return ((Taps(((0, r - 1),), r),) * 2,)


@final
class ChannelShuffle(Moving, Pointwise, SavesNothing, Spelled):
    """Interleaves the channels of ``groups`` groups, as ``torch.nn.ChannelShuffle``."""

    groups: Count
    """How many groups are interleaved."""

    examples = (Example({"groups": 3}, ((2, 12, 4, 5),)),)

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        require_rank(x, (3, 4, 5), SPATIAL)
        if not divides(self.groups, x[1]):
            raise ShapeError(f"groups={self.groups} does not divide channels={x[1]}")
        return x
