"""Pooling: the maximum or the average of a window, sliding, adaptive, or over all of an image."""

from math import prod
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, final

from pydantic import ValidationInfo, field_validator

from archcalc.dims import Shape, Size, holds, maximum
from archcalc.operators.autograd import INTEGER, Stepwise
from archcalc.operators.base import (
    Call,
    Count,
    Example,
    PerAxis,
    PerAxisOrNone,
    Weightless,
    Work,
    elements,
    per_axis,
    require,
    require_rank,
)
from archcalc.operators.window import (
    AXES,
    Dilated,
    Padding,
    Rounding,
    Sized,
    Sliding,
    has_padding,
)

if TYPE_CHECKING:
    from archcalc.operators.saving import Autograd, Tensor

CeilMode: TypeAlias = bool | Literal["caffe"]
"""Whether a window that does not fit whole is kept: false, true as in PyTorch, or as in Caffe."""


class Kernel(Sized):
    """The fields of a window that slides."""

    kernel_size: PerAxis
    """Extent of the window."""
    stride: PerAxisOrNone = None
    """Distance from one position of the window to the next; the kernel's size by default."""

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


class _Pool(Kernel, Weightless, Sliding, Stepwise):
    padding: Padding = 0
    """What is added at the ends of every axis: ``[0, 1]`` is a number for each axis, ``[[0, 1]]``
    before and after."""
    ceil_mode: CeilMode = False
    """Whether a last window that does not fit whole is kept: as PyTorch does, or as ``caffe``."""

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        require_rank(x, self.axes + 2, AXES[self.axes])
        pads = self.pads(x)
        for pad, k, d in zip(pads, self.kernel_size, self.dilations, strict=True):
            require_input_in_window(pad, d * (k - 1) + 1)
        rounding: Rounding = "ceil" if self.ceil_mode else "floor"
        clip = self.ceil_mode != "caffe" or has_padding(pads)
        return (*x[:2], *self.slid(x, pads, rounding, clip))

    def pooled(self, autograd: "Autograd", x: "Tensor") -> "Tensor":
        """What PyTorch's pooling is given: the input, or a padded copy."""
        call = self.torch(x.shape)
        if "overhang" not in call.kwargs:
            return x
        ends = zip(call.kwargs["pads"], call.kwargs["overhang"], strict=True)
        return autograd.padded(x, tuple((before, after + over) for (before, after), over in ends))

    def torch(self, *inputs: Shape) -> Call:
        (x,) = inputs
        name = type(self).__name__
        pads = self.pads(x)
        # PyTorch's limit of the padding is half the kernel, however far that is dilated.
        plain = (
            holds(a == b) and holds(2 * a <= k)
            for (a, b), k in zip(pads, self.kernel_size, strict=True)
        )
        if self.ceil_mode != "caffe" and all(plain) and not name.startswith("Min"):
            padding = tuple(before for before, _ in pads)
            return Call(f"nn.{name}", {**dict(self), "padding": padding})
        extents = zip(self.infer(x)[2:], x[2:], *self.window(x), strict=True)
        # Where the last windows end, so that the module needs no rule of its own for rounding.
        overhang = tuple(
            maximum(0, (o - 1) * s + d * (k - 1) + 1 - (n + before + after))
            for o, n, k, s, d, (before, after) in extents
        )
        fields = {name: value for name, value in self if name not in ("padding", "ceil_mode")}
        target = name if name.startswith("Min") else f"Padded{name}"
        return Call(f"archcalc.{target}", {**fields, "pads": pads, "overhang": overhang})


class _MaxPool(_Pool, Dilated):
    dilation: PerAxis = 1
    """Distance between the elements of the window."""

    def work(self, output: Shape, *inputs: Shape) -> Work:
        """A comparison less an output element than the window has elements, padding counted."""
        return Work(comparisons=elements(output) * (prod(self.kernel_size) - 1))

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        """The input or its padded copy is kept, and where the maxima are."""
        (x,) = inputs
        output = autograd.image(self.infer(x.shape), x)
        if x.trained:
            autograd.keep(self.pooled(autograd, x))
            autograd.keep_more(elements(output.shape), INTEGER)
        return output


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


@final
class MinPool2d(_MaxPool):
    """Minimum of a window over (N, C, H, W); PyTorch has none. Its fields are ``MaxPool2d``'s."""

    axes = 2
    examples = (
        Example({"kernel_size": 2}, ((2, 4, 8, 8),)),
        Example({"kernel_size": 3, "stride": 2, "padding": [[0, 1]]}, ((2, 4, 8, 8),)),
    )


class _AvgPool(_Pool):
    count_include_pad: bool = True
    """Whether padding is averaged too; it changes no count."""

    @property
    def dilations(self) -> tuple[Size, ...]:
        return (1,) * self.axes

    def work(self, output: Shape, *inputs: Shape) -> Work:
        """An add less than the window has elements and 1 division an output, padding counted."""
        out = elements(output)
        return Work(adds=out * (prod(self.kernel_size) - 1), divisions=out)

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        """The input or its padded copy is kept, of which the windows' shares are, too."""
        (x,) = inputs
        output = autograd.image(self.infer(x.shape), x)
        if x.trained:
            source = self.pooled(autograd, x)
            autograd.keep(source)
            if source is not x and getattr(self, "divisor_override", None) is None:
                autograd.keep_more(elements(output.shape[2:]))
        return output


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
