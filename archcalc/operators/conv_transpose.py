"""Transposed convolutions in one, two and three dimensions."""

from math import prod
from typing import TYPE_CHECKING, Any, final

from pydantic import field_validator

from archcalc.dims import Shape, Size, holds, maximum
from archcalc.errors import ShapeError
from archcalc.operators.autograd import Stepwise, Weighing
from archcalc.operators.base import (
    Call,
    Count,
    Example,
    PerAxis,
    PerAxisNatural,
    Work,
    elements,
    per_axis_natural,
    require_rank,
)
from archcalc.operators.conv import Convolving, require_groups
from archcalc.operators.parametrization import Parametrization
from archcalc.operators.taps import Sources, Traced, transposed, unless_unknown
from archcalc.operators.window import AXES, Cutting, Pads, parse_padding

if TYPE_CHECKING:
    from archcalc.operators.saving import Autograd, Tensor


class _ConvTranspose(Convolving, Traced, Stepwise, Weighing):
    matrix_dim = 1

    out_channels: Count
    """How many kernels there are, and so channels of the output."""
    kernel_size: PerAxis
    """Extent of the kernel."""
    stride: PerAxis = 1
    """Distance in the output from one position of the kernel to the next."""
    padding: Cutting = 0
    """What is cut off at the ends of the output: ``[0, 1]`` is a number for each axis, ``[[0, 1]]``
    before and after, ``same_upper`` and ``same_lower`` as much as makes it ``n * stride``."""
    output_padding: PerAxisNatural = 0
    """What is added at the end of the output."""
    groups: Count = 1
    """How many groups the channels are shared out to; a kernel sees those of its group only."""
    bias: bool = True
    """Whether a trained number is added to every channel."""
    dilation: PerAxis = 1
    """Distance between the elements of the kernel."""
    parametrization: Parametrization = None
    """What the weight is computed by, of other tensors that are stored instead: ``weight_norm`` or
    ``spectral_norm``. It is done once for all samples, and no work is counted for it."""

    @field_validator("output_padding", mode="plain")
    @classmethod
    def _per_axis_natural(cls, value: Any) -> tuple[Size, ...]:
        return per_axis_natural(value, cls.axes)

    @field_validator("padding", mode="plain")
    @classmethod
    def _padding(cls, value: Any) -> str | Pads:
        if value == "same":
            raise ValueError("should be same_upper or same_lower: PyTorch has no 'same' here")
        return parse_padding(value, cls.axes)

    def pads(self, *inputs: Shape) -> Pads:
        """What is cut off before and after on every axis; below 0 it is added, as zeros.

        ``same_upper`` and ``same_lower`` cut what is more than ``n s``, in all
        ``output_padding + d (k - 1) + 1 - s``, the odd element after or before (ONNX,
        ConvTranspose). Where the kernel is smaller than the stride that is below 0, and no element
        of the input meets the last outputs: this is the gradient of the SAME convolution from
        ``n s`` to ``n``, whose windows never meet them either (``tf.nn.conv2d_transpose``).
        """
        if not isinstance(self.padding, str):
            pads: Pads = self.padding
            return pads
        if self.padding == "valid":
            return ((0, 0),) * self.axes
        found = []
        for k, s, o, d in zip(*self._sizes(), strict=True):
            total = o + d * (k - 1) + 1 - s
            cut = maximum(0, total)
            before = cut // 2 if self.padding == "same_upper" else cut - cut // 2
            found.append((before, total - before))
        return tuple(found)

    def _sizes(self) -> tuple[tuple[Size, ...], ...]:
        return self.kernel_size, self.stride, self.output_padding, self.dilation

    def infer(self, *inputs: Shape) -> Shape:
        """``(n - 1) s - before - after + d (k - 1) + output_padding + 1`` on every axis."""
        (x,) = inputs
        require_rank(x, self.axes + 2, AXES[self.axes])
        require_groups(self.groups, in_channels=x[1], out_channels=self.out_channels)
        extents = []
        for n, k, s, o, d, (before, after) in zip(x[2:], *self._sizes(), self.pads(x), strict=True):
            if not (holds(o < s) or holds(o < d)):
                raise ShapeError(f"output_padding={o} is not below stride={s} or dilation={d}")
            cut = before + after
            extent = (n - 1) * s - cut + d * (k - 1) + o + 1
            if not holds(extent >= 1):
                p = before if holds(before == after) else f"{before}+{after}"
                raise ShapeError(f"padding={p} leaves {extent} of an output of {extent + cut}")
            extents.append(extent)
        return (x[0], self.out_channels, *extents)

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        """By :func:`transposed`; a dilated kernel leaves holes, of which nothing is said."""
        found = [
            transposed(k, s, before) if holds(d == 1) else None
            for k, s, _, d, (before, _) in zip(*self._sizes(), self.pads(*inputs), strict=True)
        ]
        return (unless_unknown(found),)

    def tensors(self, *inputs: Shape) -> dict[str, Shape]:
        weight = (inputs[0][1], self.out_channels // self.groups, *self.kernel_size)
        bias = {"bias": (self.out_channels,)} if self.bias else {}
        return {"weight": weight, **bias}

    def work(self, output: Shape, *inputs: Shape) -> Work:
        """Every *input* element meets the whole kernel once; the bias is added to every output."""
        taps = self.out_channels // self.groups * prod(self.kernel_size)
        out = elements(output)
        return Work(macs=elements(inputs[0]) * taps, adds=out if self.bias else 0, dots=out)

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        """What is cropped is in the memory of the output nevertheless."""
        (x,) = inputs
        output, cropping = self.infer(x.shape), self.torch(x.shape).kwargs.get("cropping")
        autograd.keep(x)
        autograd.keep_weights(self, x.shape)
        if cropping is None:
            return autograd.weighted(output, x)
        whole = (*output[:2], *(n + a + b for n, (a, b) in zip(output[2:], cropping, strict=True)))
        return autograd.weighted(whole, x)._replace(shape=output)

    def torch(self, *inputs: Shape) -> Call:
        """PyTorch's ``padding`` cuts off both ends alike, and ``output_padding`` less of the end.

        What can't be said so, more being cut off after than before, is cropped.
        """
        pads = self.pads(*inputs)
        added = tuple(
            o + before - after for o, (before, after) in zip(self.output_padding, pads, strict=True)
        )
        alike = all(
            holds(before >= after) and (holds(more < s) or holds(more < d))
            for more, s, d, (before, after) in zip(
                added, self.stride, self.dilation, pads, strict=True
            )
        )
        fields = {"in_channels": inputs[0][1], **self.told}
        if alike:
            fields.update(padding=tuple(before for before, _ in pads), output_padding=added)
            target = f"nn.{type(self).__name__}"
            return Call(target, fields, parametrization=self.parametrization)
        # An end at which something is added has nothing to be cropped.
        ends = tuple((before, maximum(0, after)) for before, after in pads)
        added = tuple(
            o + maximum(0, -after) for o, (_, after) in zip(self.output_padding, pads, strict=True)
        )
        fields.update(padding=(0,) * self.axes, output_padding=added, cropping=ends)
        target = f"archcalc.Cropped{type(self).__name__}"
        return Call(target, fields, parametrization=self.parametrization)


@final
class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution over a sequence (N, C, L), as ``torch.nn.ConvTranspose1d``.

    ``padding`` is a number, ``[[before, after]]``, or ``same_upper`` (TensorFlow's SAME, by which
    the output is ``n * stride``) and ``same_lower``.
    """

    axes = 1
    examples = (
        Example({"out_channels": 6, "kernel_size": 4, "stride": 2, "padding": 1}, ((2, 4, 10),)),
        Example(
            {"out_channels": 6, "kernel_size": 2, "stride": 3, "padding": "same_upper"},
            ((2, 4, 10),),
        ),
        Example(
            {"out_channels": 6, "kernel_size": 4, "parametrization": "spectral_norm"},
            ((2, 4, 10),),
        ),
        Example(
            {"out_channels": 6, "kernel_size": 4, "parametrization": "weight_norm"}, ((2, 4, 10),)
        ),
    )


@final
class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution over an image (N, C, H, W), as ``torch.nn.ConvTranspose2d``.

    ``padding`` is a number, one for each axis, ``[[before, after]]``, or ``same_upper``
    (TensorFlow's SAME, by which the output is ``n * stride``) and ``same_lower``.
    """

    axes = 2
    examples = (
        Example(
            {"out_channels": 16, "kernel_size": 4, "stride": 2, "padding": 1}, ((1, 8, 10, 10),)
        ),
        Example(
            {"out_channels": 4, "kernel_size": 3, "stride": 2, "output_padding": 1, "groups": 2},
            ((2, 8, 5, 7),),
        ),
        Example(
            {"out_channels": 4, "kernel_size": [3, 5], "stride": 2, "padding": "same_upper"},
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
