"""Operators that move elements about. None does arithmetic but an interpolating ``Upsample``."""

from __future__ import annotations

import math
from fractions import Fraction
from math import prod
from typing import Annotated, Any, ClassVar, Literal, final

from pydantic import AfterValidator, Field, FiniteFloat, StrictInt, field_validator, model_validator

from archcalc.dims import (
    Shape,
    Size,
    ceil_div,
    divides,
    holds,
    is_array,
    is_symbolic,
    maximum,
    minimum,
    same,
)
from archcalc.errors import ShapeError
from archcalc.operators.autograd import Differentiable, OrderedView, Saved, SavesNothing, View
from archcalc.operators.base import (
    LARGEST,
    Call,
    Count,
    Example,
    Integer,
    Natural,
    Weightless,
    Work,
    axis_of,
    describe,
    elements,
    require,
    require_rank,
)
from archcalc.operators.taps import (
    HERE,
    MOST_PHASES,
    Pointwise,
    Scattering,
    Sources,
    Taps,
    Traced,
    moved,
    unless_unknown,
)
from archcalc.operators.window import require_source

SPATIAL = "(N, C, L), (N, C, H, W) or (N, C, D, H, W)"


class _Moving(Weightless):
    def work(self, output: Shape, *inputs: Shape) -> Work:
        """Nothing: elements are moved, not computed."""
        return Work()


@final
class Flatten(_Moving, Traced, OrderedView):
    """Joins the axes ``start_dim`` to ``end_dim`` into one, as ``torch.nn.Flatten``."""

    start_dim: StrictInt = 1
    """The first axis that is joined."""
    end_dim: StrictInt = -1
    """The last axis that is joined."""

    examples = (
        Example({}, ((2, 256, 6, 6),)),
        Example({"start_dim": 2}, ((2, 768, 14, 14),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        start, end = axis_of(self.start_dim, x), axis_of(self.end_dim, x)
        if start > end:
            raise ShapeError(f"start_dim={self.start_dim} comes after end_dim={self.end_dim}")
        return (*x[:start], prod(x[start : end + 1]), *x[end + 1 :])

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        """Positions that are joined with the channels are features, and seen all at once."""
        (x,) = inputs
        start, end = axis_of(self.start_dim, x), axis_of(self.end_dim, x)
        if start == end:
            return ((HERE,) * len(x[2:]),)
        return ("everywhere" if start == 1 and end == len(x) - 1 else "anywhere",)

    def torch(self, *inputs: Shape) -> Call:
        return Call("nn.Flatten", {"start_dim": self.start_dim, "end_dim": self.end_dim})


def _extent_or_rest(item: Any) -> Size:
    if not (type(item) is int and item == -1) and not holds(item >= 1):
        raise ValueError(f"should be at least 1, or -1 for what is left, not {item}")
    return item


@final
class Reshape(_Moving, Scattering, OrderedView):
    """Gives every sample another ``shape``, as ``torch.reshape``.

    ``shape`` leaves out the batch axis; one of its items may be -1, which takes what is left.
    """

    shape: Annotated[
        tuple[Annotated[Integer, AfterValidator(_extent_or_rest)], ...], Field(min_length=1)
    ]
    """The new sizes without the batch; -1 for what is left."""

    examples = (
        Example({"shape": [16, 5, 5]}, ((2, 400),)),
        Example({"shape": [8, -1, 7]}, ((2, 64, 7),)),
    )

    @field_validator("shape")
    @classmethod
    def _one_rest(cls, value: tuple[Size, ...]) -> tuple[Size, ...]:
        if sum(map(_is_rest, value)) > 1:
            raise ValueError(f"only one item can be -1, not several of {describe(value)}")
        return value

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        have = elements(x[1:])
        known = prod(item for item in self.shape if not _is_rest(item))
        if any(map(_is_rest, self.shape)):
            if not divides(known, have):
                raise ShapeError(
                    f"shape {describe(self.shape)} needs a multiple of {known} elements, "
                    f"but a sample of {describe(x)} has {have}"
                )
        elif not same(known, have):
            raise ShapeError(
                f"shape {describe(self.shape)} has {known} elements, "
                f"but a sample of {describe(x)} has {have}"
            )
        return (x[0], *(have // known if _is_rest(item) else item for item in self.shape))

    def torch(self, *inputs: Shape) -> Call:
        return Call("torch.reshape", {"shape": (-1, *self.infer(*inputs)[1:])})


def _is_rest(item: Size) -> bool:
    return type(item) is int and item == -1


@final
class Permute(_Moving, Traced, View):
    """Reorders the axes, as ``torch.permute``; ``dims`` names all of them, the batch axis too."""

    dims: tuple[StrictInt, ...]
    """The input's axes in the new order."""

    in_order = False
    examples = (
        Example({"dims": [0, 2, 3, 1]}, ((2, 3, 8, 6),)),
        Example({"dims": [0, 2, 1]}, ((2, 768, 196),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        axes = [axis_of(dim, x) for dim in self.dims]
        if sorted(axes) != list(range(len(x))):
            raise ShapeError(
                f"dims {describe(self.dims)} is no order of the {len(x)} axes of {describe(x)}"
            )
        return tuple(x[axis] for axis in axes)

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        (x,) = inputs
        kept = all(axis_of(dim, x) == i for i, dim in enumerate(self.dims) if i >= 2)
        return ((HERE,) * len(x[2:]) if kept else "anywhere",)

    def torch(self, *inputs: Shape) -> Call:
        return Call("torch.permute", {"dims": self.dims})


@final
class Pad(_Moving, Traced, Differentiable):
    """Pads a tensor, as ``torch.nn.functional.pad``.

    ``pad`` is in PyTorch's order: (before, after) of the last axis, then of the one before it,
    and so on. Modes other than ``constant`` pad the last one to three axes of an input with one
    or two axes more than that.
    """

    pad: Annotated[tuple[Natural, ...], Field(min_length=2)]
    """Before and after, of the last axis first."""
    mode: Literal["constant", "reflect", "replicate", "circular"] = "constant"
    """What the padding holds."""
    value: FiniteFloat = 0.0
    """The number that constant padding holds."""

    examples = (
        Example({"pad": [1, 2, 3, 4]}, ((2, 3, 8, 6),)),
        Example({"pad": [2, 0], "mode": "reflect"}, ((2, 3, 8),)),
    )

    @model_validator(mode="after")
    def _whole(self) -> Pad:
        if len(self.pad) % 2:
            raise ValueError(f"pad should be pairs (before, after), not {len(self.pad)} numbers")
        if self.value and self.mode != "constant":
            raise ValueError(f"value={self.value} needs mode 'constant', not {self.mode!r}")
        return self

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        pairs = list(zip(self.pad[::2], self.pad[1::2], strict=True))
        if len(pairs) > len(x):
            raise ShapeError(f"pads {len(pairs)} axes, but {describe(x)} has {len(x)}")
        if self.mode != "constant" and (len(pairs) > 3 or len(x) - len(pairs) not in (1, 2)):
            raise ShapeError(
                f"mode {self.mode!r} can't pad {len(pairs)} axes of {describe(x)}: "
                "it pads the last one to three, and all but one or two"
            )
        extents = []
        for n, (before, after) in zip(reversed(x), pairs, strict=False):
            require_source(self.mode, n, (before, after))
            extents.append(n + before + after)
        return (*x[: len(x) - len(pairs)], *reversed(extents))

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        """The input, where it is mirrored or repeated at an end."""
        return Saved(inputs=(0,) if self.mode in ("reflect", "replicate") else ())

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        last_first = (*self.pad[::2], *(0 for _ in output))
        return (tuple(moved(-before) for before in reversed(last_first[: len(output) - 2])),)

    def torch(self, *inputs: Shape) -> Call:
        value = {"value": self.value} if self.mode == "constant" else {}
        return Call("F.pad", {"pad": self.pad, "mode": self.mode, **value})


@final
class Crop(_Moving, Traced, View):
    """Drops elements at the ends of the spatial axes.

    With one input ``cropping`` says how many: a number for every end, or ``[before, after]`` for
    each spatial axis. With two inputs the first is cropped to the spatial extents of the second,
    centred, as U-Net crops a skip connection; ``before`` is the smaller half of an odd surplus.
    """

    arity = (1, 2)

    cropping: Natural | tuple[tuple[Natural, Natural], ...] | None = None
    """What is dropped at the ends; left out where a second input says it."""

    in_order = False
    examples = (
        Example({"cropping": [[4, 4], [3, 5]]}, ((2, 64, 64, 72),)),
        Example({"cropping": 1}, ((2, 64, 10),)),
        Example({}, ((2, 64, 64, 64), (2, 128, 56, 56))),
    )

    def infer(self, *inputs: Shape) -> Shape:
        x = inputs[0]
        require_rank(x, (3, 4, 5), SPATIAL)
        return (*x[:2], *(n - a - b for n, (a, b) in zip(x[2:], self._ends(*inputs), strict=True)))

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        return (tuple(moved(before) for before, _ in self._ends(*inputs)),)

    def _ends(self, *inputs: Shape) -> tuple[tuple[Size, Size], ...]:
        x, *like = inputs
        if like:
            if self.cropping is not None:
                raise ShapeError("a second input says how much to crop: leave out 'cropping'")
            if len(like[0]) != len(x):
                raise ShapeError(f"{describe(x)} can't be cropped to {describe(like[0])}")
            surplus = [n - m for n, m in zip(x[2:], like[0][2:], strict=True)]
            _require_natural(surplus, f"{describe(x)} is smaller than {describe(like[0])}")
            return tuple((extra // 2, extra - extra // 2) for extra in surplus)
        if self.cropping is None:
            raise ShapeError("one input alone needs 'cropping'")
        ends = self.cropping
        if not isinstance(ends, tuple):
            ends = ((ends, ends),) * (len(x) - 2)
        if len(ends) != len(x) - 2:
            raise ShapeError(f"crops {len(ends)} axes, but {describe(x)} has {len(x) - 2}")
        left = [n - before - after - 1 for n, (before, after) in zip(x[2:], ends, strict=True)]
        _require_natural(left, f"cropping {self.cropping} leaves nothing of {describe(x)}")
        return ends

    def torch(self, *inputs: Shape) -> Call:
        return Call("archcalc.Crop", {} if len(inputs) == 2 else {"cropping": self._ends(*inputs)})


def _require_natural(numbers: list[Size], message: str) -> None:
    """Raise :class:`ShapeError` with ``message`` if any of ``numbers`` is negative."""
    for number in numbers:
        require(number >= 0, message)


@final
class Slice(_Moving, Traced, View):
    """``x[start:end:step]`` on the axis ``dim``, as Python slices: negative numbers count from
    the end, and numbers beyond an end stop there.
    """

    dim: StrictInt = 1
    """The axis that is cut."""
    start: Integer | None = None
    """The first index that is kept."""
    end: Integer | None = None
    """The index before which it ends."""
    step: Count = 1
    """Every how many elements one is kept."""

    in_order = False
    examples = (
        Example({"start": 1}, ((2, 197, 768),)),
        Example({"dim": -1, "start": -5, "end": 100, "step": 2}, ((2, 3, 8, 8),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        axis = axis_of(self.dim, x)
        n = x[axis]
        start = 0 if self.start is None else _position(self.start, n)
        end = n if self.end is None else _position(self.end, n)
        written = ":".join("" if end is None else str(end) for end in (self.start, self.end))
        require(
            end > start, f"slice {written} takes nothing of {n} on axis {axis} of {describe(x)}"
        )
        return (*x[:axis], ceil_div(end - start, self.step), *x[axis + 1 :])

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        (x,) = inputs
        start = 0 if self.start is None else _position(self.start, x[axis_of(self.dim, x)])
        return (_cut(x, self.dim, moved(start, self.step)),)

    def torch(self, *inputs: Shape) -> Call:
        fields = {"dim": self.dim, "start": self.start, "end": self.end, "step": self.step}
        return Call("archcalc.Slice", fields)


def _cut(x: Shape, dim: int, taps: Taps) -> Sources:
    axis = axis_of(dim, x)
    return tuple(taps if i == axis else HERE for i in range(2, len(x)))


def _position(at: Size, n: Size) -> Size:
    if holds(at >= 0):
        return minimum(at, n)
    if holds(at < 0):
        return maximum(n + at, 0)
    raise ShapeError(f"a slice can't count from the start and from the end at once: {at}")


@final
class Split(_Moving, Traced, View):
    """The piece number ``index`` (from 0) of ``torch.split`` on the axis ``dim``.

    ``split_size_or_sections`` is the extent of every piece, of which the last may be smaller, or
    a list of all their extents.
    """

    split_size_or_sections: Count | Annotated[tuple[Count, ...], Field(min_length=1)]
    """The extent of every piece, or a list of them all."""
    index: Natural
    """Which piece, from 0."""
    dim: StrictInt = 1
    """The axis that is cut."""

    in_order = False
    examples = (
        Example({"split_size_or_sections": 29, "index": 1}, ((2, 58, 28, 28),)),
        Example({"split_size_or_sections": 4, "index": 2}, ((2, 10, 8),)),
        Example({"split_size_or_sections": [3, 7], "index": 0, "dim": -1}, ((2, 8, 10),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        axis = axis_of(self.dim, x)
        n, sections = x[axis], self.split_size_or_sections
        if isinstance(sections, tuple):
            if not same(sum(sections), n):
                raise ShapeError(
                    f"sections {describe(sections)} add up to {sum(sections)}, "
                    f"but axis {axis} of {describe(x)} has {n}"
                )
            if not 0 <= self.index < len(sections):
                raise ShapeError(f"index={self.index} is none of {len(sections)} pieces")
            piece = sections[self.index]
        else:
            piece = minimum(sections, n - self.index * sections)
            pieces = ceil_div(n, sections)
            require(piece >= 1, f"index={self.index} is none of {pieces} pieces of {describe(x)}")
        return (*x[:axis], piece, *x[axis + 1 :])

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        sections = self.split_size_or_sections
        many = isinstance(sections, tuple)
        start = sum(sections[: self.index]) if many else self.index * sections
        return (_cut(inputs[0], self.dim, moved(start)),)

    def torch(self, *inputs: Shape) -> Call:
        fields = {"split_size_or_sections": self.split_size_or_sections, "dim": self.dim}
        return Call("torch.split", fields, unpack=self.index)


@final
class Select(_Moving, Traced, Differentiable):
    """The elements at the indices ``index`` of the axis ``dim``, as ``torch.index_select``.

    LeNet-5's table of connections picks the maps that a feature sees this way.
    """

    index: Annotated[tuple[Natural, ...], Field(min_length=1)]
    """The indices that are kept, from 0, in this order."""
    dim: StrictInt = 1
    """The axis they are on."""

    examples = (
        Example({"index": [0, 4, 5]}, ((2, 6, 14, 14),)),
        Example({"index": [1, 1], "dim": -1}, ((2, 8, 10),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        axis = axis_of(self.dim, x)
        for i in self.index:
            require(i < x[axis], f"index {i} is beyond the {x[axis]} of axis {axis} {describe(x)}")
        return (*x[:axis], len(self.index), *x[axis + 1 :])

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        (x,) = inputs
        return ((HERE,) * len(x[2:]) if axis_of(self.dim, x) < 2 else "anywhere",)

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        return Saved(indices=len(self.index))

    def torch(self, *inputs: Shape) -> Call:
        return Call("archcalc.Select", {"dim": self.dim, "index": self.index})


def _factor(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"should be a number, not {value!r}")
    if not 0 < value <= LARGEST:
        raise ValueError(f"should be above 0 and at most {LARGEST:,}, not {value}")
    return value


Factor = Annotated[float, AfterValidator(_factor)]


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

    examples = (
        Example({"scale_factor": 2}, ((2, 8, 10, 10),)),
        Example({"scale_factor": 1.5, "mode": "bilinear"}, ((2, 8, 10, 7),)),
        Example({"size": [28, 20], "mode": "bicubic", "align_corners": True}, ((2, 8, 14, 10),)),
    )

    @model_validator(mode="after")
    def _one_target(self) -> Upsample:
        if (self.size is None) == (self.scale_factor is None):
            raise ValueError("takes either size or scale_factor")
        if self.mode == "nearest" and self.align_corners is not None:
            raise ValueError("mode 'nearest' takes no align_corners")
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
        taps = 16 if self.mode == "bicubic" else 2 ** (len(output) - 2)
        out = elements(output)
        return Work(multiplies=out * taps, adds=out * (taps - 1))

    def torch(self, *inputs: Shape) -> Call:
        fields = {"size": self.size, "scale_factor": self.scale_factor}
        return Call(
            "nn.Upsample", {**fields, "mode": self.mode, "align_corners": self.align_corners}
        )


def _scaled(n: Size, factor: float) -> Size:
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
class PixelShuffle(_Moving, Traced, SavesNothing):
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

    def torch(self, *inputs: Shape) -> Call:
        return Call("nn.PixelShuffle", {"upscale_factor": self.upscale_factor})


@final
class PixelUnshuffle(_Moving, Traced, SavesNothing):
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

    def torch(self, *inputs: Shape) -> Call:
        return Call("nn.PixelUnshuffle", {"downscale_factor": self.downscale_factor})


@final
class ChannelShuffle(_Moving, Pointwise, SavesNothing):
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

    def torch(self, *inputs: Shape) -> Call:
        return Call("nn.ChannelShuffle", {"groups": self.groups})
