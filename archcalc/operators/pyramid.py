"""A map of any size as a vector of one size."""

from typing import Annotated, Literal, final

from pydantic import Field

from archcalc.dims import Shape
from archcalc.operators.adaptive_pooling import AdaptiveAvgPool2d, AdaptiveMaxPool2d
from archcalc.operators.base import Count, Example, Spelled, Weightless, Work, require_rank
from archcalc.operators.taps import Gathering


@final
class SpatialPyramidPooling(Weightless, Gathering, Spelled):
    """Pools (N, C, H, W) to several sizes and joins them: (N, C * positions of all).

    Each size is an adaptive pooling, counted as that is. He et al., Spatial pyramid pooling in deep
    convolutional networks, 2014.
    """

    output_sizes: Annotated[tuple[Count, ...], Field(min_length=1, max_length=16)]
    """Extents of the maps, each as high as wide: ``[1, 2, 4]`` gives 21 positions."""
    mode: Literal["max", "avg"] = "max"
    """What is taken of a window."""

    target = "archcalc.SpatialPyramidPooling"
    examples = (
        Example({"output_sizes": [1, 2, 4]}, ((2, 8, 13, 11),)),
        Example({"output_sizes": [1, 3], "mode": "avg"}, ((2, 8, 7, 7),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        require_rank(x, 4, "(N, C, H, W)")
        return (x[0], x[1] * sum(size * size for size in self.output_sizes))

    def work(self, output: Shape, *inputs: Shape) -> Work:
        total = Work()
        for size in self.output_sizes:
            pool = (AdaptiveMaxPool2d if self.mode == "max" else AdaptiveAvgPool2d)(
                output_size=size
            )
            total += pool.work(pool.infer(*inputs), *inputs)
        return total
