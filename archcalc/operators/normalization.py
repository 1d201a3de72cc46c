"""Normalization by statistics: of the training set, of the batch, or of a group of elements.

Statistics taken from the input are counted by :func:`standardize`; running ones by
:func:`rescale`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, final

from pydantic import Field, FiniteFloat, WithJsonSchema, field_validator

from archcalc.dims import Shape, Size, divides, same
from archcalc.errors import ShapeError
from archcalc.operators.autograd import Differentiable, Saved
from archcalc.operators.base import (
    Call,
    Count,
    Example,
    Trained,
    Weightless,
    Work,
    describe,
    elements,
    per_axis,
    require,
    require_rank,
    require_rank_from,
)
from archcalc.operators.taps import HERE, Gathering, Pointwise, Sources, Traced, everything

Epsilon = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def standardize(groups: Size, m: Size, centred: bool = True) -> Work:
    """Work of ``(x - mean) / sqrt(variance + eps)`` on groups of ``m`` elements each.

    The mean is ``m - 1`` adds and 1 division; centring ``m`` adds; the variance ``m`` multiplies,
    ``m - 1`` adds and 1 division; then 1 add (eps), 1 transcendental (the square root),
    1 division (its reciprocal) and ``m`` multiplies by that. Without centring the mean is taken
    as 0 and the variance is the mean square.
    """
    mean = Work(adds=(m - 1) + m, divisions=1) if centred else Work()
    variance = Work(multiplies=m, adds=m - 1, divisions=1)
    scale = Work(adds=1, transcendentals=1, divisions=1, multiplies=m)
    work: Work = (mean + variance + scale) * groups
    return work


def rescale(channels: Size, count: Size, affine: bool) -> Work:
    """Work of ``x * scale + shift`` on ``count`` elements, with scale and shift of each channel.

    ``scale = weight / sqrt(running_var + eps)`` is 1 add, 1 transcendental and 1 division;
    ``shift = bias - running_mean * scale`` 1 multiply and 1 add, which falls away without affine.
    """
    constants = Work(adds=2 if affine else 1, transcendentals=1, divisions=1, multiplies=1)
    work: Work = constants * channels + Work(multiplies=count, adds=count)
    return work


def affinity(count: Size, bias: bool = True) -> Work:
    """Work of ``x * weight + bias`` on ``count`` elements."""
    return Work(multiplies=count, adds=count if bias else 0)


class _ChannelNorm(Traced, Differentiable):
    """Batch and instance normalization, which differ in the elements that share statistics."""

    ranks: ClassVar[tuple[int, ...]]
    layout: ClassVar[str]
    per_instance: ClassVar[bool]

    eps: Epsilon = 1e-5
    """Added to the variance, so that nothing is divided by zero."""
    momentum: FiniteFloat | None = 0.1
    """How fast running statistics follow the batches in training; it changes no count."""
    affine: bool
    """Whether every channel has a trained scale and shift."""
    track_running_stats: bool
    """Whether statistics of the training set are stored, and used at inference."""

    def groups(self, x: Shape) -> tuple[Size, Size]:
        """How many groups share statistics, and the elements of each."""
        n, channels, *spatial = x
        if self.per_instance:
            return n * channels, elements(tuple(spatial))
        return channels, elements((n, *spatial))

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        require_rank(x, self.ranks, self.layout)
        if not self.track_running_stats:
            # One element has variance 0; PyTorch refuses it, at inference too.
            _, m = self.groups(x)
            require(m > 1, f"statistics of {m} element a channel, where 2 are needed")
        return x

    def weights(self, *inputs: Shape) -> dict[str, Shape]:
        channels = inputs[0][1]
        return {"weight": (channels,), "bias": (channels,)} if self.affine else {}

    def buffers(self, *inputs: Shape) -> dict[str, Shape]:
        if not self.track_running_stats:
            return {}
        channels = inputs[0][1]
        return {
            "running_mean": (channels,),
            "running_var": (channels,),
            "num_batches_tracked": (),
        }

    def work(self, output: Shape, *inputs: Shape) -> Work:
        """With running statistics :func:`rescale`, else :func:`standardize` and the affine map."""
        count = elements(output)
        if self.track_running_stats:
            return rescale(output[1], count, self.affine)
        work = standardize(*self.groups(output))
        return work + affinity(count) if self.affine else work

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        """Statistics of the input make every position depend on all."""
        return ((HERE,) * len(output[2:]) if self.track_running_stats else "everywhere",)

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        """The input, and the mean and deviation of every group.

        Instance normalization repeats what it stores of a channel for every item of the batch.
        """
        groups, _ = self.groups(output)
        repeated = 0
        if self.per_instance:
            repeated = (1 if self.affine else 0) + (2 if self.track_running_stats else 0)
        return Saved(inputs=(0,), elements=(2 + repeated) * groups)

    def torch(self, *inputs: Shape) -> Call:
        return Call(f"nn.{type(self).__name__}", {"num_features": inputs[0][1], **dict(self)})


class _BatchNorm(_ChannelNorm):
    per_instance = False

    affine: bool = True
    """Whether every channel has a trained scale and shift."""
    track_running_stats: bool = True
    """Whether statistics of the training set are stored, and used at inference."""


class _InstanceNorm(_ChannelNorm):
    per_instance = True

    affine: bool = False
    """Whether every channel has a trained scale and shift."""
    track_running_stats: bool = False
    """Whether statistics of the training set are stored, and used at inference."""


@final
class BatchNorm1d(_BatchNorm):
    """Batch normalization over (N, C) or (N, C, L), as ``torch.nn.BatchNorm1d``.

    At inference with running statistics an element costs 1 multiply and 1 add, and a channel
    2 adds, 1 transcendental, 1 division and 1 multiply to make its scale and shift.
    """

    ranks = (2, 3)
    layout = "(N, C) or (N, C, L)"
    examples = (
        Example({}, ((4, 6),)),
        Example({"track_running_stats": False}, ((4, 6, 9),)),
    )


@final
class BatchNorm2d(_BatchNorm):
    """Batch normalization over (N, C, H, W), as ``torch.nn.BatchNorm2d``.

    At inference with running statistics an element costs 1 multiply and 1 add, and a channel
    2 adds, 1 transcendental, 1 division and 1 multiply to make its scale and shift.
    """

    ranks = (4,)
    layout = "(N, C, H, W)"
    examples = (
        Example({}, ((2, 6, 5, 5),)),
        Example({"affine": False, "eps": 1e-3}, ((2, 6, 5, 5),)),
        Example({"track_running_stats": False, "momentum": None}, ((2, 6, 5, 5),)),
    )


@final
class BatchNorm3d(_BatchNorm):
    """Batch normalization over (N, C, D, H, W), as ``torch.nn.BatchNorm3d``.

    At inference with running statistics an element costs 1 multiply and 1 add, and a channel
    2 adds, 1 transcendental, 1 division and 1 multiply to make its scale and shift.
    """

    ranks = (5,)
    layout = "(N, C, D, H, W)"
    examples = (Example({}, ((2, 6, 3, 5, 5),)),)


@final
class InstanceNorm1d(_InstanceNorm):
    """Normalization of every channel of every item of (N, C, L), as ``torch.nn.InstanceNorm1d``."""

    ranks = (3,)
    layout = "(N, C, L)"
    examples = (Example({}, ((2, 6, 9),)), Example({"affine": True}, ((2, 6, 9),)))


@final
class InstanceNorm2d(_InstanceNorm):
    """Normalization of every channel of every item of (N, C, H, W).

    As ``torch.nn.InstanceNorm2d``.
    """

    ranks = (4,)
    layout = "(N, C, H, W)"
    examples = (
        Example({"affine": True}, ((2, 6, 5, 5),)),
        Example({"track_running_stats": True}, ((2, 6, 5, 5),)),
    )


@final
class InstanceNorm3d(_InstanceNorm):
    """Normalization of every channel of every item of (N, C, D, H, W).

    As ``torch.nn.InstanceNorm3d``.
    """

    ranks = (5,)
    layout = "(N, C, D, H, W)"
    examples = (Example({}, ((2, 6, 3, 5, 5),)),)


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
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1},
                {"type": "null"},
            ]
        }
    ),
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
class RMSNorm(_TrailingNorm):
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

    def torch(self, *inputs: Shape) -> Call:
        return Call("nn.RMSNorm", {**dict(self), "normalized_shape": self.normalized(inputs[0])})


@final
class LocalResponseNorm(Weightless, Pointwise, Differentiable):
    """``x / (k + alpha / size * (sum of squares over size channels)) ** beta`` on (N, C, *).

    As ``torch.nn.LocalResponseNorm``. An element costs 1 multiply (its square), ``size - 1`` adds,
    1 multiply by ``alpha / size``, 1 add of ``k``, 1 transcendental (the power) and 1 division;
    windows over the first and last channels count their padding. AlexNet's printed alpha is not
    divided by ``size``: Krizhevsky et al., ImageNet classification with deep convolutional neural
    networks, 2012, section 3.3.
    """

    examples = (Example({"size": 5, "alpha": 5e-4, "k": 2.0}, ((2, 12, 7, 7),)),)

    size: Count
    """How many neighbouring channels are summed."""
    alpha: FiniteFloat = 1e-4
    """Factor of the mean square."""
    beta: FiniteFloat = 0.75
    """The exponent."""
    k: FiniteFloat = 1.0
    """Added before the power is taken."""

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        require_rank_from(x, 3, "(N, C, *)")
        return x

    def work(self, output: Shape, *inputs: Shape) -> Work:
        out = elements(output)
        # The adds are size - 1 for the window and 1 for k.
        return Work(multiplies=2 * out, adds=self.size * out, transcendentals=out, divisions=out)

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        """The input, its squares padded by channels, the base of the power and the power."""
        n, channels, *spatial = output
        padded = elements((n, channels + self.size - 1, *spatial))
        return Saved(inputs=(0,), elements=padded + 2 * elements(output))

    def torch(self, *inputs: Shape) -> Call:
        return Call("nn.LocalResponseNorm", dict(self))
