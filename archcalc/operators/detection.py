"""What finding objects takes: regions cut from maps, and statistics that no longer change."""

from typing import Any, final

from pydantic import field_validator

from archcalc.dims import Shape, Size, holds, minimum, same
from archcalc.errors import ShapeError
from archcalc.operators.adaptive_pooling import adaptive_total
from archcalc.operators.autograd import Differentiable, Saved
from archcalc.operators.base import (
    Call,
    Count,
    Example,
    OfImage,
    PerAxisOrNone,
    Spelled,
    Weightless,
    Work,
    describe,
    elements,
    per_axis,
    require_rank,
)
from archcalc.operators.normalization import Epsilon, rescale
from archcalc.operators.taps import Pointwise


class _Regions(Weightless):
    output_size: OfImage
    """Extents of what is cut out."""
    rois: Count
    """How many regions of every image: the proposals that are looked at."""

    def infer(self, *inputs: Shape) -> Shape:
        first = inputs[0]
        for x in inputs:
            require_rank(x, 4, "(N, C, H, W)")
            if not all(map(same, x[:2], first[:2])):
                raise ShapeError(
                    f"maps {describe(first)} and {describe(x)} differ in more than their extents"
                )
        return (first[0] * self.rois, first[1], *self.output_size)


@final
class RoIAlign(_Regions, Spelled):
    """Regions of one map, or of the levels of a pyramid, sampled to one size: (N rois, C, h, w).

    As ``torchvision.ops.RoIAlign`` and ``MultiScaleRoIAlign``. Where the regions lie depends on the
    image, how many there are is what a detector is set to. An output element is the mean of
    ``sampling_ratio^2`` points, each the weighted sum of the four elements around it: 4 multiplies
    and 3 adds. The weights are those of all channels and are not counted.
    """

    arity = (1, None)
    target = "archcalc.RoIAlign"
    gather = True
    examples = (
        Example({"output_size": 7, "rois": 10}, ((2, 8, 25, 34),)),
        Example({"output_size": [7, 5], "rois": 3, "sampling_ratio": 1}, ((2, 8, 20, 16),)),
        Example({"output_size": 7, "rois": 10}, ((2, 8, 50, 68), (2, 8, 25, 34))),
    )

    sampling_ratio: Count = 2
    """How many points on an axis of every output element."""

    def work(self, output: Shape, *inputs: Shape) -> Work:
        count, points = elements(output), self.sampling_ratio * self.sampling_ratio
        mean = 0 if holds(points == 1) else 1
        return Work(
            multiplies=4 * points * count,
            adds=(3 * points + points - 1) * count,
            divisions=mean * count,
        )


@final
class RoIPool(_Regions):
    """The maxima of ``output_size`` windows over every region of a map: (N rois, C, h, w).

    As ``torchvision.ops.RoIPool``. How many comparisons that takes depends on how large the regions
    are, so a spec says for which extents they are counted; without, for regions that cover the
    map, the most there can be.
    """

    examples = (
        Example({"output_size": 7, "rois": 4}, ((2, 8, 38, 50),)),
        Example({"output_size": 2, "rois": 3, "region": [5, 4]}, ((2, 8, 10, 12),)),
    )

    region: PerAxisOrNone = None
    """Extents of a region on the map, for which comparisons are counted."""

    @field_validator("region", mode="plain")
    @classmethod
    def _region(cls, value: Any) -> tuple[Size, ...] | None:
        return None if value is None else per_axis(value, 2)

    def extents(self, x: Shape) -> Shape:
        """Extents of the regions on the map ``x``, which they do not leave."""
        if self.region is None:
            return x[2:]
        return tuple(minimum(r, n) for r, n in zip(self.region, x[2:], strict=True))

    def work(self, output: Shape, *inputs: Shape) -> Work:
        (x,) = inputs
        windows: Size = 1
        for n, o in zip(self.extents(x), self.output_size, strict=True):
            windows = windows * adaptive_total(n, o)
        return Work(comparisons=output[0] * output[1] * windows - elements(output))

    def torch(self, *inputs: Shape) -> Call:
        return Call("archcalc.RoIPool", {**dict(self), "region": self.extents(inputs[0])})


@final
class FrozenBatchNorm2d(Pointwise, Differentiable):
    """Batch normalization of (N, C, H, W) with nothing trained, as ``torchvision.ops`` has it.

    Scale, shift and statistics are buffers. An element costs 1 multiply and 1 add, and a channel
    2 adds, 1 transcendental, 1 division and 1 multiply to make its scale and shift.
    """

    examples = (Example({}, ((2, 6, 5, 5),)), Example({"eps": 1e-3}, ((2, 6, 5, 5),)))

    eps: Epsilon = 1e-5
    """Added to the variance, so that nothing is divided by zero."""

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        require_rank(x, 4, "(N, C, H, W)")
        return x

    def weights(self, *inputs: Shape) -> dict[str, Shape]:
        return {}

    def buffers(self, *inputs: Shape) -> dict[str, Shape]:
        channels = inputs[0][1]
        return dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (channels,))

    def work(self, output: Shape, *inputs: Shape) -> Work:
        return rescale(output[1], elements(output), affine=True)

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        """The scale of every channel."""
        return Saved(elements=output[1])

    def torch(self, *inputs: Shape) -> Call:
        return Call("archcalc.FrozenBatchNorm2d", {"num_features": inputs[0][1], "eps": self.eps})
