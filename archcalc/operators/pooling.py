"""Pooling: the maximum or the average of a window, sliding, adaptive, or over all of an image."""

from __future__ import annotations

from abc import abstractmethod
from math import prod
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, final

from pydantic import ValidationInfo, WithJsonSchema, field_validator

from archcalc.dims import Shape, Size, ceil_div, gcd, holds, maximum, same
from archcalc.errors import ShapeError
from archcalc.operators.autograd import Differentiable, Saved, SavesInputs, SavesNothing
from archcalc.operators.base import (
    Call,
    Count,
    Example,
    Operator,
    PerAxis,
    PerAxisNatural,
    Trained,
    Weightless,
    Work,
    describe,
    elements,
    per_axis,
    per_axis_natural,
    require,
    require_rank,
    require_rank_from,
)
from archcalc.operators.conv import AXES
from archcalc.operators.taps import (
    MOST_PHASES,
    Gathering,
    Sources,
    Taps,
    Traced,
    Window,
    Windowed,
    unless_unknown,
)
from archcalc.operators.window import (
    Padding,
    Pads,
    Rounding,
    has_padding,
    parse_padding,
    resolve_padding,
    slide,
)

CeilMode: TypeAlias = bool | Literal["caffe"]
"""Whether a window that does not fit whole is kept: false, true as in PyTorch, or as in Caffe."""


Stride = Annotated[
    Any,  # stored as a tuple of sizes; a default may be written as null
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {
                    "type": "array",
                    "items": {"type": "integer", "minimum": 1},
                    "minItems": 1,
                    "maxItems": 3,
                },
                {"type": "null"},
            ]
        }
    ),
]
"""Stride of a window; null for the size of the kernel."""


class _Kernel(Operator):
    axes: ClassVar[int]

    kernel_size: PerAxis
    """Extent of the window."""
    stride: Stride = None
    """Distance from one position of the window to the next; the kernel's size by default."""

    @field_validator("kernel_size", mode="plain")
    @classmethod
    def _kernel_size(cls, value: Any) -> tuple[Size, ...]:
        return per_axis(value, cls.axes)

    @field_validator("stride", mode="plain")
    @classmethod
    def _stride(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None:
            return info.data.get("kernel_size")  # absent when it is at fault itself
        return per_axis(value, cls.axes)


def require_input_in_window(pad: tuple[Size, Size], window: Size) -> None:
    """Raise where ``pad`` is so large that a window could hold nothing of the input.

    Equal ends have the limit of PyTorch's documentation, half the (dilated) window.
    """
    before, after = pad
    if holds(before == after):
        require(2 * before <= window, f"padding={before} is more than half the kernel {window}")
    else:
        for end in pad:
            require(end < window, f"padding={end} is not smaller than the kernel {window}")


class _Pool(_Kernel, Weightless, Windowed):
    padding: Padding = 0
    """What is added at the ends of every axis: ``[0, 1]`` is a number for each axis, ``[[0, 1]]``
    before and after."""
    ceil_mode: CeilMode = False
    """Whether a last window that does not fit whole is kept: as PyTorch does, or as ``caffe``."""

    @field_validator("padding", mode="plain")
    @classmethod
    def _padding(cls, value: Any) -> str | Pads:
        return parse_padding(value, cls.axes)

    @property
    @abstractmethod
    def dilations(self) -> tuple[Size, ...]:
        """Dilation of every axis."""

    def pads(self, *inputs: Shape) -> Pads:
        """Padding before and after on every axis, for these inputs."""
        return resolve_padding(
            self.padding, inputs[0][2:], self.kernel_size, self.stride, self.dilations
        )

    def window(self, *inputs: Shape) -> Window:
        return Window(self.kernel_size, self.stride, self.dilations, self.pads(*inputs))

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        require_rank(x, self.axes + 2, AXES[self.axes])
        pads = self.pads(x)
        for pad, k, d in zip(pads, self.kernel_size, self.dilations, strict=True):
            require_input_in_window(pad, d * (k - 1) + 1)
        rounding: Rounding = "ceil" if self.ceil_mode else "floor"
        clip = self.ceil_mode != "caffe" or has_padding(pads)
        extents = zip(x[2:], self.kernel_size, self.stride, self.dilations, pads, strict=True)
        return (*x[:2], *(slide(n, k, s, d, p, rounding, clip) for n, k, s, d, p in extents))

    def torch(self, *inputs: Shape) -> Call:
        (x,) = inputs
        name = type(self).__name__
        pads = self.pads(x)
        # PyTorch's limit of the padding is half the kernel, however far that is dilated.
        plain = (
            holds(a == b) and holds(2 * a <= k)
            for (a, b), k in zip(pads, self.kernel_size, strict=True)
        )
        if self.ceil_mode != "caffe" and all(plain):
            padding = tuple(before for before, _ in pads)
            return Call(f"nn.{name}", {**dict(self), "padding": padding})
        extents = zip(
            self.infer(x)[2:],
            x[2:],
            self.kernel_size,
            self.stride,
            self.dilations,
            pads,
            strict=True,
        )
        # Where the last windows end, so that the module needs no rule of its own for rounding.
        overhang = tuple(
            maximum(0, (o - 1) * s + d * (k - 1) + 1 - (n + before + after))
            for o, n, k, s, d, (before, after) in extents
        )
        fields = {name: value for name, value in self if name not in ("padding", "ceil_mode")}
        return Call(f"archcalc.Padded{name}", {**fields, "pads": pads, "overhang": overhang})


class _MaxPool(_Pool, Differentiable):
    dilation: PerAxis = 1
    """Distance between the elements of the window."""

    @field_validator("dilation", mode="plain")
    @classmethod
    def _dilation(cls, value: Any) -> tuple[Size, ...]:
        return per_axis(value, cls.axes)

    @property
    def dilations(self) -> tuple[Size, ...]:
        sizes: tuple[Size, ...] = self.dilation
        return sizes

    def work(self, output: Shape, *inputs: Shape) -> Work:
        """A comparison less an output element than the window has elements, padding counted."""
        return Work(comparisons=elements(output) * (prod(self.kernel_size) - 1))

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        """The input, and where the maxima are."""
        return Saved(inputs=(0,), indices=elements(output))


@final
class MaxPool1d(_MaxPool):
    """Maximum of a window over (N, C, L), as ``torch.nn.MaxPool1d``; see ``MaxPool2d``."""

    axes = 1
    examples = (
        Example({"kernel_size": 3, "stride": 2, "padding": 1}, ((2, 4, 10),)),
        Example({"kernel_size": 2, "stride": 1, "padding": [[1, 0]]}, ((2, 4, 10),)),
    )


@final
class MaxPool2d(_MaxPool):
    """Maximum of a window over (N, C, H, W), as ``torch.nn.MaxPool2d``.

    ``stride`` is the kernel's size unless told. ``padding`` is written as a convolution's, in
    ``same_upper`` (TensorFlow's SAME) too. ``ceil_mode`` true keeps a last window that does not
    fit whole unless it would start in the padding, as PyTorch and ONNX do; ``caffe`` drops such a
    window only where some padding is not zero.
    """

    axes = 2
    examples = (
        Example({"kernel_size": 3, "stride": 2, "ceil_mode": True}, ((1, 64, 112, 112),)),
        Example({"kernel_size": 2, "padding": "same_upper", "dilation": 2}, ((2, 4, 9, 7),)),
        Example({"kernel_size": 1, "stride": 2, "ceil_mode": "caffe"}, ((1, 3, 2, 2),)),
    )


@final
class MaxPool3d(_MaxPool):
    """Maximum of a window over (N, C, D, H, W), as ``torch.nn.MaxPool3d``; see ``MaxPool2d``."""

    axes = 3
    examples = (
        Example({"kernel_size": [1, 2, 2]}, ((2, 4, 3, 8, 8),)),
        Example({"kernel_size": 2, "padding": [[0, 1]]}, ((2, 4, 3, 9, 8),)),
    )


class _AvgPool(_Pool, SavesInputs):
    count_include_pad: bool = True
    """Whether padding is averaged too; it changes no count."""

    @property
    def dilations(self) -> tuple[Size, ...]:
        return (1,) * self.axes

    def work(self, output: Shape, *inputs: Shape) -> Work:
        """An add less than the window has elements and 1 division an output, padding counted."""
        out = elements(output)
        return Work(adds=out * (prod(self.kernel_size) - 1), divisions=out)


@final
class AvgPool1d(_AvgPool):
    """Average of a window over (N, C, L), as ``torch.nn.AvgPool1d``; see ``AvgPool2d``."""

    axes = 1
    examples = (
        Example({"kernel_size": 3, "stride": 2, "padding": 1}, ((2, 4, 10),)),
        Example({"kernel_size": 4, "stride": 1, "padding": [[3, 0]]}, ((2, 4, 10),)),
    )


@final
class AvgPool2d(_AvgPool):
    """Average of a window over (N, C, H, W), as ``torch.nn.AvgPool2d``.

    ``stride``, ``padding`` and ``ceil_mode`` are those of ``MaxPool2d``. ``count_include_pad``
    and ``divisor_override`` change what is divided by, and no count.
    """

    axes = 2
    examples = (
        Example({"kernel_size": 7}, ((1, 8, 7, 7),)),
        Example(
            {"kernel_size": 3, "stride": 2, "padding": "same_upper", "count_include_pad": False},
            ((2, 4, 10, 9),),
        ),
        Example(
            {"kernel_size": 3, "stride": 2, "ceil_mode": True, "divisor_override": 5},
            ((2, 4, 10, 10),),
        ),
    )

    divisor_override: Count | None = None
    """What a window's sum is divided by; the number of its elements by default."""


@final
class AvgPool3d(_AvgPool):
    """Average of a window over (N, C, D, H, W), as ``torch.nn.AvgPool3d``; see ``AvgPool2d``."""

    axes = 3
    examples = (Example({"kernel_size": [1, 2, 2], "stride": 2}, ((2, 4, 3, 8, 8),)),)

    divisor_override: Count | None = None
    """What a window's sum is divided by; the number of its elements by default."""


OutputSize = Annotated[
    Any,  # stored as a tuple of sizes and None
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {
                    "type": "array",
                    "items": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
                    "minItems": 1,
                    "maxItems": 3,
                },
                {"type": "null"},
            ]
        }
    ),
]
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
    if type(n) is not int or type(o) is not int:
        return None
    period, advance = o // gcd(n, o), n // gcd(n, o)
    if period > MOST_PHASES:
        return None
    spans = ((i * n // o, ceil_div((i + 1) * n, o) - 1) for i in range(period))
    return Taps(tuple(spans), advance)


def _count_or_none(value: Any) -> Size | None:
    return None if value is None else per_axis(value, 1)[0]


class _AdaptivePool(Weightless, Traced):
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

    def torch(self, *inputs: Shape) -> Call:
        return Call(f"nn.{type(self).__name__}", dict(self))


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


@final
class MaxUnpool2d(_Kernel, Weightless):
    """Values put back where the maxima of a pooling were, zero elsewhere: (N, C, H, W).

    The second input is the *input* of the max pooling that is undone, which says where its maxima
    are and how large the output is; the fields are those of that pooling. (``torch.nn.MaxUnpool2d``
    takes the places as indices, a second output of the pooling.) As in SegNet, Badrinarayanan et
    al., 2015.
    """

    axes = 2
    arity = (2, 2)
    examples = (
        Example({"kernel_size": 2}, ((2, 4, 3, 4), (2, 4, 6, 8))),
        Example({"kernel_size": 2, "ceil_mode": True}, ((1, 3, 23, 30), (1, 3, 45, 60))),
        Example({"kernel_size": 3, "stride": 2, "padding": 1}, ((2, 4, 4, 5), (2, 4, 7, 9))),
    )

    padding: PerAxisNatural = 0
    """Padding of the pooling that is undone."""
    ceil_mode: bool = False
    """Rounding of the pooling that is undone."""

    @field_validator("padding", mode="plain")
    @classmethod
    def _padding(cls, value: Any) -> tuple[Size, ...]:
        return per_axis_natural(value, cls.axes)

    def infer(self, *inputs: Shape) -> Shape:
        x, pooled = inputs
        for shape in inputs:
            require_rank(shape, 4, AXES[2])
        rounding: Rounding = "ceil" if self.ceil_mode else "floor"
        extents = zip(pooled[2:], self.kernel_size, self.stride, self.padding, strict=True)
        expected = (*pooled[:2], *(slide(n, k, s, 1, (p, p), rounding) for n, k, s, p in extents))
        if not all(map(same, x, expected)):
            raise ShapeError(
                f"values {describe(x)} are not of the shape {describe(expected)} "
                f"that pooling {describe(pooled)} gives"
            )
        return pooled

    def work(self, output: Shape, *inputs: Shape) -> Work:
        """None: values are placed, not computed; the maxima were found by the pooling."""
        return Work()

    def torch(self, *inputs: Shape) -> Call:
        return Call("archcalc.MaxUnpool2d", dict(self))


@final
class SubSampling2d(_Kernel, Trained, Windowed, SavesInputs):
    """The sum of a window, times one coefficient and plus one bias a channel: (N, C, H, W).

    The subsampling of LeNet-5 (LeCun et al., Gradient-based learning applied to document
    recognition, 1998) and Torch7's ``SpatialSubSampling``. It is counted as what it is: a depthwise
    convolution whose taps share one coefficient.
    """

    axes = 2
    examples = (
        Example({}, ((2, 6, 28, 28),)),
        Example({"kernel_size": 3, "stride": 2}, ((1, 4, 10, 9),)),
    )

    kernel_size: PerAxis = 2
    """Extent of the window."""

    def window(self, *inputs: Shape) -> Window:
        return Window(self.kernel_size, self.stride, (1, 1), ((0, 0), (0, 0)))

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        require_rank(x, 4, AXES[2])
        extents = zip(x[2:], self.kernel_size, self.stride, strict=True)
        return (*x[:2], *(slide(n, k, s, 1, (0, 0)) for n, k, s in extents))

    def weights(self, *inputs: Shape) -> dict[str, Shape]:
        channels = inputs[0][1]
        return {"weight": (channels,), "bias": (channels,)}

    def work(self, output: Shape, *inputs: Shape) -> Work:
        """A multiply-accumulate for every element of the window, and 1 add of the bias."""
        out = elements(output)
        return Work(macs=out * prod(self.kernel_size), adds=out, dots=out)

    def torch(self, *inputs: Shape) -> Call:
        return Call("archcalc.SubSampling2d", {"channels": inputs[0][1], **dict(self)})
