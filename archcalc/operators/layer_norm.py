"""Normalization within each sample over groups of channels or trailing axes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, final

from pydantic import WithJsonSchema, field_validator

from archcalc.dims import Shape, Size, divides, same
from archcalc.errors import ShapeError
from archcalc.operators.autograd import Differentiable, Saved, Stepwise
from archcalc.operators.base import (
    FROM_1,
    NULL,
    Call,
    Count,
    Example,
    Trained,
    Work,
    describe,
    elements,
    per_axis,
    require_rank_from,
)
from archcalc.operators.normalization import Epsilon, affinity, standardize
from archcalc.operators.taps import HERE, Gathering, Sources, Traced, everything

if TYPE_CHECKING:
    from archcalc.operators.saving import Autograd, Tensor


@final
class GroupNorm(Trained, Gathering, Differentiable):
    """Normalization of groups of channels of every item of (N, C, *), as ``torch.nn.GroupNorm``."""

    examples = (
        Example({"num_groups": 3}, ((2, 6, 5, 5),)),
        Example({"num_groups": 1, "affine": False}, ((2, 6, 9),)),
    )

    num_groups: Count
    """How many groups the channels are shared out to."""
    eps: Epsilon = 1e-5
    """Added to the variance, so that nothing is divided by zero."""
    affine: bool = True
    """Whether every channel has a trained scale and shift."""

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        require_rank_from(x, 2, "(N, C, *)")
        if not divides(self.num_groups, x[1]):
            raise ShapeError(f"num_groups={self.num_groups} does not divide num_channels={x[1]}")
        return x

    def weights(self, *inputs: Shape) -> dict[str, Shape]:
        channels = inputs[0][1]
        return {"weight": (channels,), "bias": (channels,)} if self.affine else {}

    def work(self, output: Shape, *inputs: Shape) -> Work:
        n, channels, *spatial = output
        group = elements((channels // self.num_groups, *spatial))
        work = standardize(n * self.num_groups, group)
        return work + affinity(elements(output)) if self.affine else work

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        """The input, and the mean and deviation of every group."""
        return Saved(inputs=(0,), elements=2 * output[0] * self.num_groups)

    def torch(self, *inputs: Shape) -> Call:
        return Call(
            "nn.GroupNorm",
            {
                "num_groups": self.num_groups,
                "num_channels": inputs[0][1],
                "eps": self.eps,
                "affine": self.affine,
            },
        )


NormalizedShape = Annotated[
    Any,  # stored as a tuple of sizes, or None for the last axis
    WithJsonSchema({"anyOf": [FROM_1, {"type": "array", "items": FROM_1, "minItems": 1}, NULL]}),
]
"""Sizes of the trailing axes that share statistics, one number for one axis; null for the last."""


class _TrailingNorm(Trained, Traced):
    normalized_shape: NormalizedShape = None
    """Sizes of the last axes, which share statistics; the last axis alone by default."""

    @field_validator("normalized_shape", mode="plain")
    @classmethod
    def _sizes(cls, value: Any) -> tuple[Size, ...] | None:
        if value is None:
            return None
        many = isinstance(value, Sequence) and not isinstance(value, str)
        if many and not value:
            raise ValueError("should have at least one size")
        return per_axis(value, len(value) if many else 1)

    def normalized(self, x: Shape) -> Shape:
        """The trailing axes of ``x`` that share statistics."""
        sizes: Shape = x[-1:] if self.normalized_shape is None else self.normalized_shape
        return sizes

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        require_rank_from(x, 2, "(N, *)")
        sizes = self.normalized(x)
        if len(sizes) >= len(x) or not all(map(same, sizes, x[-len(sizes) :])):
            raise ShapeError(
                f"normalized_shape={describe(sizes)} are not the last axes of {describe(x)}"
            )
        return x

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        (x,) = inputs
        first = len(x) - len(self.normalized(x))
        return (tuple(HERE if i < first else everything(x[i]) for i in range(2, len(x))),)


@final
class LayerNorm(_TrailingNorm, Differentiable):
    """Normalization over the last axes, as ``torch.nn.LayerNorm``.

    ``normalized_shape`` may be left out: it is then the last axis.
    """

    examples = (
        Example({}, ((2, 7, 16),)),
        Example({"normalized_shape": [5, 5], "bias": False}, ((2, 6, 5, 5),)),
        Example({"normalized_shape": 16, "elementwise_affine": False}, ((2, 16),)),
    )

    eps: Epsilon = 1e-5
    """Added to the variance, so that nothing is divided by zero."""
    elementwise_affine: bool = True
    """Whether every element of ``normalized_shape`` has a trained scale."""
    bias: bool = True
    """Whether it has a trained shift too."""

    def weights(self, *inputs: Shape) -> dict[str, Shape]:
        if not self.elementwise_affine:
            return {}
        sizes = self.normalized(inputs[0])
        return {"weight": sizes, "bias": sizes} if self.bias else {"weight": sizes}

    def work(self, output: Shape, *inputs: Shape) -> Work:
        sizes = self.normalized(output)
        work = standardize(elements(output[: -len(sizes)]), elements(sizes))
        return work + affinity(elements(output), self.bias) if self.elementwise_affine else work

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        """The input, and the mean and deviation of every group."""
        groups = elements(output[: -len(self.normalized(output))])
        return Saved(inputs=(0,), elements=2 * groups)

    def torch(self, *inputs: Shape) -> Call:
        return Call("nn.LayerNorm", {**dict(self), "normalized_shape": self.normalized(inputs[0])})


@final
class RMSNorm(_TrailingNorm, Stepwise):
    """Division by the root mean square over the last axes, as ``torch.nn.RMSNorm``.

    ``normalized_shape`` may be left out: it is then the last axis. ``eps`` null is the smallest
    number that can be added to 1.
    """

    examples = (
        Example({}, ((2, 7, 16),)),
        Example({"normalized_shape": [7, 16], "eps": 1e-6}, ((2, 7, 16),)),
        Example({"elementwise_affine": False}, ((2, 16),)),
    )

    eps: Epsilon | None = None
    """Added to the mean square, so that nothing is divided by zero."""
    elementwise_affine: bool = True
    """Whether every element of ``normalized_shape`` has a trained scale."""

    def weights(self, *inputs: Shape) -> dict[str, Shape]:
        return {"weight": self.normalized(inputs[0])} if self.elementwise_affine else {}

    def work(self, output: Shape, *inputs: Shape) -> Work:
        sizes = self.normalized(output)
        work = standardize(elements(output[: -len(sizes)]), elements(sizes), centred=False)
        return work + affinity(elements(output), bias=False) if self.elementwise_affine else work

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        """The input is kept, a deviation for each group, and what is scaled by the weights."""
        (x,) = inputs
        if x.trained:
            autograd.keep(x)
            autograd.keep_more(elements(x.shape[: -len(self.normalized(x.shape))]))
        output = autograd.new(x.shape, x)
        if not self.elementwise_affine:
            return output
        weight = autograd.weight(self.normalized(x.shape))
        autograd.product(output, weight)
        return autograd.new(x.shape, output)._replace(trained=x.trained or weight.trained)

    def torch(self, *inputs: Shape) -> Call:
        return Call("nn.RMSNorm", {**dict(self), "normalized_shape": self.normalized(inputs[0])})
