"""Normalization of each channel, over the batch or within each sample."""

from typing import ClassVar, final

from pydantic import FiniteFloat

from archcalc.dims import Shape, Size
from archcalc.operators.autograd import Differentiable, Saved
from archcalc.operators.base import Call, Example, Work, elements, require, require_rank
from archcalc.operators.normalization import Epsilon, affinity, rescale, standardize
from archcalc.operators.taps import HERE, Sources, Traced


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
