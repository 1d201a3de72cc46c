"""Transposed convolutions in one, two and three dimensions."""

from math import prod
from typing import Any, ClassVar, final

from pydantic import field_validator

from archcalc.dims import Shape, Size, holds
from archcalc.errors import ShapeError
from archcalc.operators.autograd import SavesInputs
from archcalc.operators.base import (
    Call,
    Count,
    Example,
    PerAxis,
    PerAxisNatural,
    Trained,
    Work,
    elements,
    per_axis,
    per_axis_natural,
    require_rank,
)
from archcalc.operators.conv import AXES, require_groups
from archcalc.operators.taps import Sources, Traced, transposed, unless_unknown


class _ConvTranspose(Trained, Traced, SavesInputs):
    axes: ClassVar[int]

    out_channels: Count
    """How many kernels there are, and so channels of the output."""
    kernel_size: PerAxis
    """Extent of the kernel."""
    stride: PerAxis = 1
    """Distance in the output from one position of the kernel to the next."""
    padding: PerAxisNatural = 0
    """What is cut off at both ends of the output."""
    output_padding: PerAxisNatural = 0
    """What is added at the end of the output."""
    groups: Count = 1
    """How many groups the channels are shared out to; a kernel sees those of its group only."""
    bias: bool = True
    """Whether a trained number is added to every channel."""
    dilation: PerAxis = 1
    """Distance between the elements of the kernel."""

    @field_validator("kernel_size", "stride", "dilation", mode="plain")
    @classmethod
    def _per_axis(cls, value: Any) -> tuple[Size, ...]:
        return per_axis(value, cls.axes)

    @field_validator("padding", "output_padding", mode="plain")
    @classmethod
    def _per_axis_natural(cls, value: Any) -> tuple[Size, ...]:
        return per_axis_natural(value, cls.axes)

    def infer(self, *inputs: Shape) -> Shape:
        """``(n - 1) s - 2 p + d (k - 1) + output_padding + 1`` on every axis, as PyTorch."""
        (x,) = inputs
        require_rank(x, self.axes + 2, AXES[self.axes])
        require_groups(self.groups, in_channels=x[1], out_channels=self.out_channels)
        extents = []
        for n, k, s, p, o, d in zip(
            x[2:],
            self.kernel_size,
            self.stride,
            self.padding,
            self.output_padding,
            self.dilation,
            strict=True,
        ):
            if not (holds(o < s) or holds(o < d)):
                raise ShapeError(f"output_padding={o} is not below stride={s} or dilation={d}")
            extent = (n - 1) * s - 2 * p + d * (k - 1) + o + 1
            if not holds(extent >= 1):
                raise ShapeError(f"padding={p} leaves {extent} of an output of {extent + 2 * p}")
            extents.append(extent)
        return (x[0], self.out_channels, *extents)

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        """By :func:`transposed`; a dilated kernel leaves holes, of which nothing is said."""
        found = [
            transposed(k, s, p) if holds(d == 1) else None
            for k, s, p, d in zip(
                self.kernel_size, self.stride, self.padding, self.dilation, strict=True
            )
        ]
        return (unless_unknown(found),)

    def weights(self, *inputs: Shape) -> dict[str, Shape]:
        tensors = {"weight": (inputs[0][1], self.out_channels // self.groups, *self.kernel_size)}
        return {**tensors, "bias": (self.out_channels,)} if self.bias else tensors

    def work(self, output: Shape, *inputs: Shape) -> Work:
        """Every *input* element meets the whole kernel once; the bias is added to every output."""
        taps = self.out_channels // self.groups * prod(self.kernel_size)
        out = elements(output)
        return Work(macs=elements(inputs[0]) * taps, adds=out if self.bias else 0, dots=out)

    def torch(self, *inputs: Shape) -> Call:
        return Call(
            f"nn.{type(self).__name__}",
            {
                "in_channels": inputs[0][1],
                "out_channels": self.out_channels,
                "kernel_size": self.kernel_size,
                "stride": self.stride,
                "padding": self.padding,
                "output_padding": self.output_padding,
                "groups": self.groups,
                "bias": self.bias,
                "dilation": self.dilation,
            },
        )


@final
class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution over a sequence (N, C, L), as ``torch.nn.ConvTranspose1d``."""

    axes = 1
    examples = (
        Example({"out_channels": 6, "kernel_size": 4, "stride": 2, "padding": 1}, ((2, 4, 10),)),
    )


@final
class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution over an image (N, C, H, W), as ``torch.nn.ConvTranspose2d``."""

    axes = 2
    examples = (
        Example(
            {"out_channels": 16, "kernel_size": 4, "stride": 2, "padding": 1}, ((1, 8, 10, 10),)
        ),
        Example(
            {"out_channels": 4, "kernel_size": 3, "stride": 2, "output_padding": 1, "groups": 2},
            ((2, 8, 5, 7),),
        ),
    )


@final
class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution over a volume (N, C, D, H, W), as ``torch.nn.ConvTranspose3d``."""

    axes = 3
    examples = (
        Example(
            {"out_channels": 4, "kernel_size": 2, "stride": 2, "bias": False}, ((1, 2, 3, 4, 5),)
        ),
    )
