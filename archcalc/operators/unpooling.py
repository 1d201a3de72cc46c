"""Undoing a pooling, and the trained subsampling of LeNet-5."""

from math import prod
from typing import Any, final

from pydantic import field_validator

from archcalc.dims import Shape, Size, same
from archcalc.errors import ShapeError
from archcalc.operators.autograd import SavesInputs, Weighing
from archcalc.operators.base import (
    Call,
    Example,
    PerAxis,
    PerAxisNatural,
    Spelled,
    Trained,
    Weightless,
    Work,
    describe,
    elements,
    per_axis_natural,
    require_rank,
)
from archcalc.operators.pooling import Kernel
from archcalc.operators.taps import Window, Windowed
from archcalc.operators.window import AXES, Rounding, slide


@final
class MaxUnpool2d(Kernel, Weightless, Spelled):
    """Values put back where the maxima of a pooling were, zero elsewhere: (N, C, H, W).

    The second input is the *input* of the max pooling that is undone, which says where its maxima
    are and how large the output is; the fields are those of that pooling. (``torch.nn.MaxUnpool2d``
    takes the places as indices, a second output of the pooling.) As in SegNet, Badrinarayanan et
    al., 2015.
    """

    axes = 2
    arity = (2, 2)
    takes = ("input", "input of the pooling")
    target = "archcalc.MaxUnpool2d"
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


@final
class SubSampling2d(Kernel, Trained, Windowed, SavesInputs, Weighing):
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
