"""Elements picked by numbers that are computed, sample by sample."""

from typing import final

from pydantic import StrictInt

from archcalc.dims import Shape, same
from archcalc.errors import ShapeError
from archcalc.operators.autograd import Differentiable, Saved, Untrained
from archcalc.operators.base import Count, Example, Moving, Spelled, describe, elements, require
from archcalc.operators.reduction import sample_axis
from archcalc.operators.taps import Scattering


class _Picking(Moving, Scattering, Differentiable):
    arity = (2, 2)
    takes = ("input", "index")
    indices = (1,)

    dim: StrictInt = 1
    """The axis that is picked from; not the batch."""

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        """What is picked from, whose shape the gradient has, and the indices."""
        return Saved(inputs=(0,), indices=elements(inputs[1]))


@final
class Gather(_Picking, Spelled):
    """Of the first input, along ``dim``, the element that the second says for each of its own.

    As ``torch.gather``: the indices have as many axes, and none is longer but ``dim``.
    """

    target = "archcalc.Gather"
    examples = (
        Example({}, ((2, 6, 5), (2, 3, 5))),
        Example({"dim": -1}, ((2, 6, 5), (2, 6, 8))),
    )

    def infer(self, *inputs: Shape) -> Shape:
        x, index = inputs
        axis = sample_axis(self.dim, x)
        if len(x) != len(index) or not same(x[0], index[0]):
            raise ShapeError(f"indices {describe(index)} do not fit {describe(x)}")
        for i, (n, m) in enumerate(zip(x, index, strict=True)):
            if i != axis:
                require(m <= n, f"indices {describe(index)} are longer than {describe(x)}")
        return index


@final
class Index(_Picking, Spelled):
    """Of the first input the slices along ``dim`` whose numbers the second holds.

    Each sample has its own numbers: (N, T, C) and (N, K) give (N, K, C); the axes of the numbers
    stand where ``dim`` was. It is what ``x[torch.arange(N)[:, None], index]`` is in PyTorch: the
    tokens that a router chooses, the last step of a sequence.
    """

    target = "archcalc.Index"
    examples = (
        Example({}, ((2, 20, 16), (2, 5))),
        Example({"dim": 2}, ((2, 8, 20), (2, 3, 4))),
        Example({}, ((2, 20, 16), (2,))),
    )

    def infer(self, *inputs: Shape) -> Shape:
        x, index = inputs
        axis = sample_axis(self.dim, x)
        if not same(x[0], index[0]):
            raise ShapeError(f"batches differ: {x[0]} and {index[0]}")
        return (*x[:axis], *index[1:], *x[axis + 1 :])


@final
class OneHot(Moving, Scattering, Untrained, Spelled):
    """A vector for every number of the input, 1 at the number and 0 elsewhere: (N, *) -> (N, *, n).

    As ``torch.nn.functional.one_hot``.
    """

    num_classes: Count
    """How long the vectors are."""

    target = "archcalc.OneHot"
    examples = (Example({"num_classes": 10}, ((2,),)), Example({"num_classes": 16}, ((2, 7),)))

    def infer(self, *inputs: Shape) -> Shape:
        return (*inputs[0], self.num_classes)
