"""Axes that become one number: sums, means, extremes, norms; and what is found along an axis.

The batch is never reduced: samples do not meet. ``d`` is how many elements become one.
"""

import math
from math import prod
from typing import Annotated, ClassVar, Literal, final

from pydantic import Field, StrictInt

from archcalc.dims import Shape, Size
from archcalc.errors import ShapeError
from archcalc.operators.autograd import Differentiable, Saved, SavesNothing, Untrained
from archcalc.operators.base import (
    Call,
    Count,
    Example,
    Natural,
    Spelled,
    Weightless,
    Work,
    axis_of,
    elements,
    require,
)
from archcalc.operators.taps import HERE, Scattering, Sources, Traced, everything, on_axis

KEPT = Example({"dim": -1, "keepdim": True}, ((2, 6, 5),))


def sample_axis(dim: int, x: Shape) -> int:
    """``dim`` as an index from 1; raises where ``x`` has no such axis, and for the batch."""
    axis = axis_of(dim, x)
    if axis == 0:
        raise ShapeError(f"dim={dim} is the batch, whose samples do not meet")
    return axis


class _Reducing(Weightless, Traced):
    dim: StrictInt | Annotated[tuple[StrictInt, ...], Field(min_length=1)] | None = None
    """The axis or the axes that are reduced; all but the batch if left out."""
    keepdim: bool = False
    """Whether they stay, with extent 1."""

    def reduced(self, x: Shape) -> tuple[int, ...]:
        """The axes of ``x`` that are reduced, in order."""
        dims = range(1, len(x)) if self.dim is None else self.dim
        axes = [sample_axis(dim, x) for dim in ((dims,) if isinstance(dims, int) else dims)]
        if not axes:
            raise ShapeError("a sample of one number has no axis to reduce")
        if len(set(axes)) < len(axes):
            raise ShapeError(f"dim={self.dim} names an axis twice")
        return tuple(sorted(axes))

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        axes = self.reduced(x)
        if self.keepdim:
            return tuple(1 if axis in axes else n for axis, n in enumerate(x))
        return tuple(n for axis, n in enumerate(x) if axis not in axes)

    def extent(self, *inputs: Shape) -> Size:
        """How many elements become one."""
        (x,) = inputs
        return prod(x[axis] for axis in self.reduced(x))

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        (x,) = inputs
        axes = self.reduced(x)
        if self.keepdim:
            return (tuple(everything(x[i]) if i in axes else HERE for i in range(2, len(x))),)
        return ("everywhere" if {*range(2, len(x))} <= {*axes} else "anywhere",)


class _Reduction(_Reducing, Differentiable):
    function: ClassVar[str]
    keeps: ClassVar[tuple[bool, bool]]
    """Whether its derivative depends on its input, and on its output."""

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        given, found = self.keeps
        return Saved(inputs=(0,) if given else (), output=found)


class _Plain(_Reduction):
    def torch(self, *inputs: Shape) -> Call:
        axes = self.reduced(*inputs)
        return Call(f"torch.{self.function}", {"dim": axes, "keepdim": self.keepdim})


@final
class Sum(_Plain):
    """The sum over axes: d - 1 adds. As ``torch.sum``."""

    function, keeps = "sum", (False, False)
    examples = (Example({}, ((2, 6, 5),)), Example({"dim": [2, 3]}, ((2, 6, 5, 4),)), KEPT)

    def work(self, output: Shape, *inputs: Shape) -> Work:
        return Work(adds=(self.extent(*inputs) - 1) * elements(output))


@final
class Mean(_Plain):
    """The mean over axes: d - 1 adds and 1 division. As ``torch.mean``."""

    function, keeps = "mean", (False, False)
    examples = (Example({}, ((2, 6, 5),)), Example({"dim": [2, 3]}, ((2, 6, 5, 4),)), KEPT)

    def work(self, output: Shape, *inputs: Shape) -> Work:
        out = elements(output)
        return Work(adds=(self.extent(*inputs) - 1) * out, divisions=out)


@final
class Max(_Plain):
    """The maximum over axes: d - 1 comparisons. As ``torch.amax``."""

    function, keeps = "amax", (True, True)
    examples = (Example({"dim": 1}, ((2, 6, 5),)), KEPT)

    def work(self, output: Shape, *inputs: Shape) -> Work:
        return Work(comparisons=(self.extent(*inputs) - 1) * elements(output))


@final
class Min(_Plain):
    """The minimum over axes: d - 1 comparisons. As ``torch.amin``."""

    function, keeps = "amin", (True, True)
    examples = (Example({"dim": 1}, ((2, 6, 5),)), KEPT)

    def work(self, output: Shape, *inputs: Shape) -> Work:
        return Work(comparisons=(self.extent(*inputs) - 1) * elements(output))


@final
class LogSumExp(_Plain):
    """``m + log(sum(exp(x - m)))`` over axes, of their maximum m. As ``torch.logsumexp``.

    d - 1 comparisons, d subtractions, d + 1 transcendentals and d adds.
    """

    function, keeps = "logsumexp", (True, True)
    examples = (Example({"dim": 1}, ((2, 6, 5),)), KEPT)

    def work(self, output: Shape, *inputs: Shape) -> Work:
        d, out = self.extent(*inputs), elements(output)
        return Work(comparisons=(d - 1) * out, adds=2 * d * out, transcendentals=(d + 1) * out)


@final
class Norm(_Reduction):
    """The norm of vectors over axes, as ``torch.linalg.vector_norm``.

    ``p`` 2: d multiplies, d - 1 adds and 1 transcendental, the square root. 1: d comparisons, for
    the absolute values, and d - 1 adds. ``inf``: d comparisons and d - 1 more.
    """

    function, keeps = "norm", (True, True)
    p: Literal[1, 2, "inf"] = 2
    """Which norm."""

    examples = (
        Example({"dim": 1}, ((2, 6, 5),)),
        Example({"p": 1, "dim": -1, "keepdim": True}, ((2, 6, 5),)),
        Example({"p": "inf"}, ((2, 6, 5),)),
    )

    def work(self, output: Shape, *inputs: Shape) -> Work:
        d, out = self.extent(*inputs), elements(output)
        if self.p == 2:
            return Work(multiplies=d * out, adds=(d - 1) * out, transcendentals=out)
        if self.p == 1:
            return Work(comparisons=d * out, adds=(d - 1) * out)
        return Work(comparisons=(2 * d - 1) * out)

    def torch(self, *inputs: Shape) -> Call:
        p = math.inf if self.p == "inf" else self.p
        axes = self.reduced(*inputs)
        return Call("torch.norm", {"p": p, "dim": axes, "keepdim": self.keepdim})


class _Spread(_Reduction):
    correction: Natural = 1
    """By how much less than d the squares are divided."""

    def variance(self, *inputs: Shape) -> Work:
        """Work of one variance: a mean, d differences and squares, and their mean."""
        d = self.extent(*inputs)
        require(d > self.correction, f"correction={self.correction} leaves nothing of {d} elements")
        return Work(adds=(d - 1) + d + (d - 1), multiplies=d, divisions=2)

    def torch(self, *inputs: Shape) -> Call:
        fields = {"dim": self.reduced(*inputs), "correction": self.correction}
        return Call(f"torch.{self.function}", {**fields, "keepdim": self.keepdim})


@final
class Var(_Spread):
    """The variance over axes, as ``torch.var``: the mean of squared differences from the mean.

    d multiplies, 3 d - 2 adds and 2 divisions.
    """

    function, keeps = "var", (True, False)
    examples = (Example({"dim": 1}, ((2, 6, 5),)), Example({"correction": 0}, ((2, 6, 5),)))

    def work(self, output: Shape, *inputs: Shape) -> Work:
        work: Work = self.variance(*inputs) * elements(output)
        return work


@final
class Std(_Spread):
    """The standard deviation over axes, as ``torch.std``: a variance and 1 transcendental."""

    function, keeps = "std", (True, True)
    examples = (Example({"dim": 1}, ((2, 6, 5),)), Example({"correction": 0}, ((2, 6, 5),)))

    def work(self, output: Shape, *inputs: Shape) -> Work:
        work: Work = (self.variance(*inputs) + Work(transcendentals=1)) * elements(output)
        return work


class _Along(Weightless):
    dim: StrictInt = -1
    """The axis that is gone along; not the batch."""

    def along(self, x: Shape) -> tuple[Size, Size]:
        """How many slices there are along ``dim``, and the elements of each."""
        axis = sample_axis(self.dim, x)
        return elements((*x[:axis], *x[axis + 1 :])), x[axis]


class _OfAxis(_Along, Scattering):
    keepdim: bool = False
    """Whether the axis stays, with extent 1."""

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        axis = sample_axis(self.dim, x)
        return (*x[:axis], *((1,) if self.keepdim else ()), *x[axis + 1 :])


@final
class Prod(_OfAxis, Differentiable, Spelled):
    """The product of all elements along an axis, as ``torch.prod``: d - 1 multiplies."""

    target = "torch.prod"
    examples = (Example({"dim": 1}, ((2, 6, 5),)), KEPT)

    def work(self, output: Shape, *inputs: Shape) -> Work:
        slices, d = self.along(*inputs)
        return Work(multiplies=slices * (d - 1))

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        return Saved(inputs=(0,), output=True)


class _Position(_OfAxis, Untrained):
    function: ClassVar[str]

    def work(self, output: Shape, *inputs: Shape) -> Work:
        slices, d = self.along(*inputs)
        return Work(comparisons=slices * (d - 1))

    def torch(self, *inputs: Shape) -> Call:
        return Call(f"torch.{self.function}", {"dim": self.dim, "keepdim": self.keepdim})


@final
class ArgMax(_Position):
    """Where along an axis the maximum is, as ``torch.argmax``: d - 1 comparisons."""

    function = "argmax"
    examples = (Example({}, ((2, 6, 5),)), Example({"dim": 1, "keepdim": True}, ((2, 6, 5),)))


@final
class ArgMin(_Position):
    """Where along an axis the minimum is, as ``torch.argmin``: d - 1 comparisons."""

    function = "argmin"
    examples = (Example({}, ((2, 6, 5),)), Example({"dim": 1, "keepdim": True}, ((2, 6, 5),)))


class _SoFar(_Along, Traced):
    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        sample_axis(self.dim, x)  # which has to be there
        return x

    def steps(self, *inputs: Shape) -> Size:
        """How often an element joins those before it."""
        slices, d = self.along(*inputs)
        return slices * (d - 1)

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        (x,) = inputs
        summed = sample_axis(self.dim, x)
        return (on_axis(everything(x[summed]), summed, len(x)),)


@final
class CumSum(_SoFar, SavesNothing, Spelled):
    """The sums of all elements so far along an axis, as ``torch.cumsum``: d - 1 adds."""

    target = "torch.cumsum"
    examples = (Example({}, ((2, 6, 5),)), Example({"dim": 1}, ((2, 6, 5),)))

    def work(self, output: Shape, *inputs: Shape) -> Work:
        return Work(adds=self.steps(*inputs))


@final
class CumProd(_SoFar, Differentiable, Spelled):
    """The products of all elements so far, as ``torch.cumprod``: d - 1 multiplies."""

    target = "torch.cumprod"
    examples = (Example({}, ((2, 6, 5),)), Example({"dim": 1}, ((2, 6, 5),)))

    def work(self, output: Shape, *inputs: Shape) -> Work:
        return Work(multiplies=self.steps(*inputs))

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        return Saved(inputs=(0,), output=True)


@final
class LogCumSumExp(_SoFar, Differentiable, Spelled):
    """``log(cumsum(exp(x)))`` along an axis, as ``torch.logcumsumexp``.

    Each element after the first joins those before it, a and b, as ``m + log1p(exp(n - m))`` of the
    larger and the smaller one: 2 comparisons, 2 adds and 2 transcendentals.
    """

    target = "torch.logcumsumexp"
    examples = (Example({}, ((2, 6, 5),)), Example({"dim": 1}, ((2, 6, 5),)))

    def work(self, output: Shape, *inputs: Shape) -> Work:
        steps = self.steps(*inputs)
        return Work(comparisons=2 * steps, adds=2 * steps, transcendentals=2 * steps)

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        return Saved(inputs=(0,), output=True)


class _ExtremeSoFar(_SoFar, Differentiable):
    function: ClassVar[str]
    returns: Literal["values", "indices"] = "values"
    """Which of PyTorch's two results it gives."""

    def work(self, output: Shape, *inputs: Shape) -> Work:
        return Work(comparisons=self.steps(*inputs))

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        """What it takes and where the elements were, which the gradient of the elements needs."""
        if self.returns == "indices":
            return Saved()
        return Saved(inputs=(0,), indices=elements(output))

    def torch(self, *inputs: Shape) -> Call:
        item = 0 if self.returns == "values" else 1
        return Call(f"torch.{self.function}", {"dim": self.dim}, unpack=item)


@final
class CumMax(_ExtremeSoFar):
    """The largest element so far along an axis, or where it is, as ``torch.cummax``.

    d - 1 comparisons.
    """

    function = "cummax"
    examples = (Example({}, ((2, 6, 5),)), Example({"dim": 1, "returns": "indices"}, ((2, 6, 5),)))


@final
class CumMin(_ExtremeSoFar):
    """The smallest element so far along an axis, or where it is, as ``torch.cummin``.

    d - 1 comparisons.
    """

    function = "cummin"
    examples = (Example({}, ((2, 6, 5),)), Example({"dim": 1, "returns": "indices"}, ((2, 6, 5),)))


class _Ordering(_Along, Scattering, Differentiable):
    returns: Literal["values", "indices"] = "values"
    """Which of PyTorch's two results it gives."""

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        """Where the elements were, which the gradient of the elements needs."""
        return Saved(indices=elements(output) if self.returns == "values" else 0)


@final
class TopK(_Ordering):
    """The ``k`` largest elements along an axis, in order, or where they are, as ``torch.topk``.

    With ``largest: false`` the ``k`` smallest. Counted as k searches for the largest of what is
    left: ``k d - k (k + 1) / 2`` comparisons.
    """

    k: Count
    """How many."""
    largest: bool = True
    """Whether the largest are wanted; the smallest otherwise."""

    examples = (
        Example({"k": 2}, ((2, 6, 5),)),
        Example({"k": 3, "dim": 1, "returns": "indices"}, ((2, 6, 5),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        axis = sample_axis(self.dim, x)
        require(self.k <= x[axis], f"k={self.k} is more than the {x[axis]} of axis {axis}")
        return (*x[:axis], self.k, *x[axis + 1 :])

    def work(self, output: Shape, *inputs: Shape) -> Work:
        slices, d = self.along(*inputs)
        return Work(comparisons=slices * (self.k * d - self.k * (self.k + 1) // 2))

    def torch(self, *inputs: Shape) -> Call:
        item = 0 if self.returns == "values" else 1
        least = {} if self.largest else {"largest": False}
        return Call("torch.topk", {"k": self.k, "dim": self.dim, **least}, unpack=item)


@final
class Sort(_Ordering):
    """The elements along an axis in order, or where they are, as ``torch.sort``.

    Counted as a comparison of every element with every other: ``d (d - 1) / 2``. A library's
    sorting takes fewer.
    """

    descending: bool = False
    """Whether the largest comes first."""

    examples = (
        Example({}, ((2, 6, 5),)),
        Example({"dim": 1, "descending": True, "returns": "indices"}, ((2, 6, 5),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        sample_axis(self.dim, x)  # which has to be there
        return x

    def work(self, output: Shape, *inputs: Shape) -> Work:
        slices, d = self.along(*inputs)
        return Work(comparisons=slices * (d * (d - 1) // 2))

    def torch(self, *inputs: Shape) -> Call:
        item = 0 if self.returns == "values" else 1
        return Call("torch.sort", {"dim": self.dim, "descending": self.descending}, unpack=item)
