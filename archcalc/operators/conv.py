"""Convolutions and transposed convolutions in one, two and three dimensions."""

from math import prod
from typing import TYPE_CHECKING, Any, Literal, final

from pydantic import field_validator

from archcalc.dims import Shape, Size, divides, holds
from archcalc.errors import ShapeError
from archcalc.operators.autograd import Stepwise, Weighing
from archcalc.operators.base import (
    Call,
    Count,
    Example,
    PerAxis,
    Work,
    elements,
    per_axis,
    require_rank,
)
from archcalc.operators.parametrization import ConvParametrization, Parametrized
from archcalc.operators.window import (
    AXES,
    Dilated,
    Padding,
    Sized,
    require_source,
)

if TYPE_CHECKING:
    from archcalc.operators.saving import Autograd, Tensor


def require_groups(groups: Size, **channels: Size) -> None:
    """Raise :class:`ShapeError` where ``groups`` does not divide one of the named numbers."""
    for name, number in channels.items():
        if not divides(groups, number):
            raise ShapeError(f"groups={groups} does not divide {name}={number}")


class Convolving(Parametrized, Sized):
    """A convolution, or one transposed."""

    @field_validator("stride", mode="plain", check_fields=False)
    @classmethod
    def _stride(cls, value: Any) -> tuple[Size, ...]:
        return per_axis(value, cls.axes)


class _Conv(Convolving, Dilated, Stepwise, Weighing):
    out_channels: Count
    """How many kernels there are, and so channels of the output."""
    kernel_size: PerAxis
    """Extent of the kernel."""
    stride: PerAxis = 1
    """Distance from one position of the kernel to the next."""
    padding: Padding = 0
    """What is added at the ends of every axis: ``[0, 1]`` is a number for each axis, ``[[0, 1]]``
    before and after."""
    dilation: PerAxis = 1
    """Distance between the elements of the kernel."""
    groups: Count = 1
    """How many groups the channels are shared out to; a kernel sees those of its group only."""
    bias: bool = True
    """Whether a trained number is added to every channel."""
    padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros"
    """What the padding holds; it changes no count."""
    parametrization: ConvParametrization = None
    """What the weight is computed by, of other tensors that are stored instead: ``weight_norm``,
    ``spectral_norm``, ``weight_standardization`` or ``scaled_weight_standardization``, which has a
    gain for each kernel. It is done once for all samples, and no work is counted for it."""

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        require_rank(x, self.axes + 2, AXES[self.axes])
        require_groups(self.groups, in_channels=x[1], out_channels=self.out_channels)
        pads = self.pads(x)
        for n, pad in zip(x[2:], pads, strict=True):
            require_source(self.padding_mode, n, pad)
        return (x[0], self.out_channels, *self.slid(x, pads))

    def tensors(self, *inputs: Shape) -> dict[str, Shape]:
        weight = (self.out_channels, inputs[0][1] // self.groups, *self.kernel_size)
        bias = {"bias": (self.out_channels,)} if self.bias else {}
        return {"weight": weight, **bias}

    def work(self, output: Shape, *inputs: Shape) -> Work:
        """Padding zeros are multiplied too; a bias is one add an output element."""
        taps = inputs[0][1] // self.groups * prod(self.kernel_size)
        out = elements(output)
        return Work(macs=out * taps, adds=out if self.bias else 0, dots=out)

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        """The input is kept, or its padded copy where PyTorch pads apart.

        It does so with other numbers than zeros, and where the ends are unequal: there ``same``
        adds their difference first, and what is in a table the whole.
        """
        (x,) = inputs
        pads, output = self.pads(x.shape), self.infer(x.shape)
        if self.padding_mode != "zeros":
            if self.padding_mode in ("reflect", "replicate") and x.trained:
                autograd.keep(x)
            x = autograd.padded(x, pads)
        elif any(before != after for before, after in pads):
            if self.padding == "same":
                pads = tuple((0, after - before) for before, after in pads)
            x = autograd.padded(x, pads)
        autograd.keep(x)
        autograd.keep_weights(self, inputs[0].shape)
        return autograd.weighted(output, x)

    def torch(self, *inputs: Shape) -> Call:
        fields = {"in_channels": inputs[0][1], **self.told}
        pads = self.pads(*inputs)
        target = f"nn.{type(self).__name__}"
        if fields.pop("padding") == "same":
            fields["padding"] = "same"
        elif all(holds(before == after) for before, after in pads):
            fields["padding"] = tuple(before for before, _ in pads)
        else:
            fields["pads"] = pads
            target = f"archcalc.Padded{type(self).__name__}"
        return Call(target, fields, parametrization=self.parametrization)


@final
class Conv1d(_Conv):
    """Convolution over a sequence (N, C, L), as ``torch.nn.Conv1d``.

    ``padding`` is a number, ``[[before, after]]``, ``same`` (PyTorch's), or ``same_upper``
    (TensorFlow's SAME) and ``same_lower``.
    """

    axes = 1
    examples = (
        Example({"out_channels": 8, "kernel_size": 3}, ((2, 4, 10),)),
        Example(
            {"out_channels": 8, "kernel_size": 2, "dilation": 2, "padding": [[2, 0]]}, ((2, 4, 10),)
        ),
    )


@final
class Conv2d(_Conv):
    """Convolution over an image (N, C, H, W), as ``torch.nn.Conv2d``.

    ``padding`` is a number, one for each axis, ``[[before, after]]`` (half a pixel in the tables
    that print 0.5), ``same`` (PyTorch's), or ``same_upper`` (TensorFlow's SAME) and ``same_lower``.
    """

    axes = 2
    examples = (
        Example({"out_channels": 96, "kernel_size": 11, "stride": 4}, ((1, 3, 227, 227),)),
        Example(
            {"out_channels": 8, "kernel_size": 3, "groups": 8, "padding": "same", "bias": False},
            ((2, 8, 10, 10),),
        ),
        Example(
            {"out_channels": 6, "kernel_size": [7, 3], "stride": 2, "padding": "same_upper"},
            ((1, 3, 224, 64),),
        ),
        Example(
            {"out_channels": 6, "kernel_size": 3, "parametrization": "weight_norm"},
            ((2, 4, 9, 9),),
        ),
        Example(
            {"out_channels": 6, "kernel_size": 3, "parametrization": "spectral_norm"},
            ((2, 4, 9, 9),),
        ),
        Example(
            {"out_channels": 6, "kernel_size": 3, "parametrization": "weight_standardization"},
            ((2, 4, 9, 9),),
        ),
        Example(
            {
                "out_channels": 6,
                "kernel_size": 3,
                "padding": [[0, 1]],
                "groups": 2,
                "parametrization": "scaled_weight_standardization",
            },
            ((2, 4, 9, 9),),
        ),
    )


@final
class Conv3d(_Conv):
    """Convolution over a volume (N, C, D, H, W), as ``torch.nn.Conv3d``."""

    axes = 3
    examples = (
        Example({"out_channels": 4, "kernel_size": 3, "padding": 1}, ((1, 2, 4, 8, 8),)),
        Example(
            {"out_channels": 4, "kernel_size": [1, 3, 3], "stride": [1, 2, 2], "groups": 2},
            ((2, 2, 4, 9, 9),),
        ),
    )
