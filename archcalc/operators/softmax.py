"""Softmax and its logarithm."""

from typing import final

from archcalc.dims import Shape, Size
from archcalc.operators.autograd import SavesOutput
from archcalc.operators.base import Example, Integer, Spelled, Weightless, Work, axis_of, elements
from archcalc.operators.taps import Sources, Traced, everything, on_axis


def log_softmax(d: Size) -> Work:
    """Work of ``x - max(x) - log(sum(exp(x - max(x))))`` on one slice of ``d`` elements."""
    return Work(comparisons=d - 1, adds=d + (d - 1) + d, transcendentals=d + 1)


class _Softmax(Weightless, Traced, SavesOutput, Spelled):
    dim: Integer
    """The axis whose elements add up to 1."""

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        axis_of(self.dim, x)  # which has to be there
        return x

    def slices(self, x: Shape) -> tuple[Size, Size]:
        """How many slices there are along ``dim``, and the elements of each."""
        axis = axis_of(self.dim, x)
        return elements((*x[:axis], *x[axis + 1 :])), x[axis]

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        (x,) = inputs
        summed = axis_of(self.dim, x)
        return (on_axis(everything(x[summed]), summed, len(x)),)


@final
class Softmax(_Softmax):
    """``exp(x - max(x)) / sum(exp(x - max(x)))`` along ``dim``. As ``torch.nn.Softmax``.

    A slice of ``d`` elements costs ``d - 1`` comparisons, ``d`` subtractions, ``d``
    transcendentals, ``d - 1`` adds and ``d`` divisions.
    """

    examples = (Example({"dim": 1}, ((2, 10),)), Example({"dim": -1}, ((2, 4, 7, 7),)))

    def work(self, output: Shape, *inputs: Shape) -> Work:
        slices, d = self.slices(output)
        each = Work(comparisons=d - 1, adds=d + (d - 1), transcendentals=d, divisions=d)
        work: Work = each * slices
        return work


@final
class LogSoftmax(_Softmax):
    """``x - max(x) - log(sum(exp(x - max(x))))`` along ``dim``. As ``torch.nn.LogSoftmax``.

    A slice of ``d`` elements costs ``d - 1`` comparisons, ``2 d`` subtractions, ``d - 1`` adds
    and ``d + 1`` transcendentals.
    """

    examples = (Example({"dim": 1}, ((2, 10),)), Example({"dim": 1}, ((2, 4, 7, 7),)))

    def work(self, output: Shape, *inputs: Shape) -> Work:
        slices, d = self.slices(output)
        work: Work = log_softmax(d) * slices
        return work
