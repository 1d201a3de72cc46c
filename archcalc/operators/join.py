"""Operators that make one tensor of several."""

import math
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, final

from pydantic import PlainValidator, StrictInt, WithJsonSchema

from archcalc.dims import Shape, holds, is_array, is_recorded, is_symbolic, same
from archcalc.errors import ShapeError
from archcalc.operators.autograd import Multiplying, Product, SavesNothing, Stepwise
from archcalc.operators.base import (
    Call,
    Example,
    Moving,
    PerElement,
    Spelled,
    Weightless,
    Work,
    axis_of,
    describe,
    elements,
)
from archcalc.operators.taps import HERE, Pointwise, Scattering, Sources, Traced

if TYPE_CHECKING:
    from archcalc.operators.saving import Autograd, Tensor


def broadcast(a: Shape, b: Shape) -> Shape:
    """The shape in which ``a`` and ``b`` meet, sample by sample: batch meets batch, and the other
    axes are aligned at the last, where 1 stretches to fit.

    That is PyTorch's broadcasting of what one sample holds, so a scale of (8) serves samples of
    (16, 8) whatever the batch. Raises :class:`ShapeError` where two extents fit neither way.
    """
    if not same(a[0], b[0]):
        raise ShapeError(f"{describe(a)} and {describe(b)} do not fit: batches {a[0]} and {b[0]}")
    rank = max(len(a), len(b))
    met = [a[0]]
    for m, n in zip(
        (1,) * (rank - len(a)) + tuple(a[1:]), (1,) * (rank - len(b)) + tuple(b[1:]), strict=True
    ):
        # sympy's == compares how numbers are written: a symbol is taken for no 1. An axis that both
        # share is not asked whether it is 1, so that a record at 1 is one for all extents.
        if m is n:
            met.append(m)
        elif holds(m == 1):
            met.append(n)
        elif holds(n == 1) or same(m, n):
            met.append(m)
        else:
            raise ShapeError(f"{describe(a)} and {describe(b)} do not fit: {m} and {n}")
    return tuple(met)


def _number(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"should be finite, not {value}")
    if type(value) in (int, float) or is_recorded(value) or is_array(value) or is_symbolic(value):
        return value
    raise ValueError(f"should be a number, not {value!r}")


Number = Annotated[Any, PlainValidator(_number), WithJsonSchema({"type": "number"})]
"""Any number: what elements are computed with, which changes no shape and no count."""


class Meeting(Weightless, Pointwise):
    """Computes elements of inputs that broadcast sample by sample."""

    arity = (2, 2)
    takes: ClassVar[tuple[str, ...]] = ("input", "other")

    def infer(self, *inputs: Shape) -> Shape:
        return reduce(broadcast, inputs)


class Combining(Weightless, Pointwise):
    """Computes elements of inputs that broadcast sample by sample, or of one and a number."""

    arity: ClassVar[tuple[int, int | None]] = (1, 2)
    takes: ClassVar[tuple[str, ...]] = ("input", "other")

    by: Number | None = None
    """A number in the place of a second input."""

    def infer(self, *inputs: Shape) -> Shape:
        given = [name for name in ("of", "by") if getattr(self, name, None) is not None]
        if len(given) > 1:
            raise ShapeError("takes one number, as 'of' or as 'by'")
        if len(inputs) == 1 and not given:
            raise ShapeError("takes two inputs, or one and a number as 'by'")
        if len(inputs) > 1 and given:
            raise ShapeError(f"takes either '{given[0]}' or a second input")
        return reduce(broadcast, inputs)

    def times(self, inputs: Sequence[Shape]) -> int:
        """How often it is computed for an output element: once less than there are operands."""
        return max(len(inputs) - 1, 1)


def spelled(function: str, inputs: Sequence[Shape]) -> Call:
    """A function of two tensors in PyTorch, on any number of inputs of these shapes."""
    if len({len(x) for x in inputs}) > 1:
        return Call("archcalc.Aligned", {"function": function})
    return Call(f"torch.{function}" if len(inputs) < 3 else f"archcalc.{function.capitalize()}")


@final
class Add(Combining, SavesNothing):
    """The sum of two or more inputs, broadcast sample by sample: n - 1 adds an output element.

    With ``by`` a number is added to every element of one input.
    """

    arity = (1, None)
    takes = ()

    examples = (
        Example({}, ((2, 64, 7, 7), (2, 64, 7, 7))),
        Example({}, ((2, 8, 5), (2, 8, 1), (2, 1, 5))),
        Example({"by": 1e-6}, ((2, 8, 5),)),
    )

    def work(self, output: Shape, *inputs: Shape) -> Work:
        return Work(adds=self.times(inputs) * elements(output))

    def torch(self, *inputs: Shape) -> Call:
        return spelled("add", inputs) if self.by is None else Call("torch.add", {"other": self.by})


@final
class Sub(Combining, PerElement, SavesNothing):
    """The difference of two inputs, broadcast sample by sample; a subtraction counts as an add.

    With ``by`` a number is subtracted from the only input, with ``of`` the input from a number.
    """

    of: Number | None = None
    """A number in the place of the first input: ``of: 1`` is ``1 - x``."""

    per_element = Work(adds=1)
    examples = (
        Example({}, ((2, 64, 7, 7), (2, 64, 1, 1))),
        Example({"by": 0.5}, ((2, 8),)),
        Example({"of": 1}, ((2, 8),)),
    )

    def torch(self, *inputs: Shape) -> Call:
        if self.of is not None:
            return Call("torch.rsub", {"other": self.of})
        return spelled("sub", inputs) if self.by is None else Call("torch.sub", {"other": self.by})


@final
class Mul(Combining, Stepwise):
    """The product of two or more inputs, element by element and broadcast sample by sample.

    n - 1 multiplies an output element. With ``by`` one input is multiplied by a number.
    """

    arity = (1, None)
    takes = ()

    examples = (
        Example({}, ((2, 64, 7, 7), (2, 64, 1, 1))),
        Example({}, ((2, 8, 5), (2, 8, 5), (2, 8, 5))),
        Example({"by": 0.2}, ((2, 8, 5),)),
    )

    def work(self, output: Shape, *inputs: Shape) -> Work:
        return Work(multiplies=self.times(inputs) * elements(output))

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        product, *others = inputs
        if not others:
            return autograd.elementwise(product)
        for x in others:
            autograd.product(product, x)
            product = autograd.elementwise(product, x)
        return product

    def torch(self, *inputs: Shape) -> Call:
        return spelled("mul", inputs) if self.by is None else Call("torch.mul", {"other": self.by})


@final
class Concat(Moving, Traced, SavesNothing, Spelled):
    """Joins the inputs on the axis ``dim``, as ``torch.cat``; the channels, unless said."""

    arity = (1, None)

    dim: StrictInt = 1
    """The axis on which the inputs are joined."""

    target = "torch.cat"
    gather = True
    examples = (
        Example({}, ((2, 64, 28, 28), (2, 128, 28, 28), (2, 32, 28, 28))),
        Example({"dim": -1}, ((2, 8, 3), (2, 8, 4))),
    )

    def infer(self, *inputs: Shape) -> Shape:
        first = inputs[0]
        axis = axis_of(self.dim, first)
        for x in inputs[1:]:
            if len(x) != len(first) or not all(
                same(m, n) for i, (m, n) in enumerate(zip(first, x, strict=True)) if i != axis
            ):
                raise ShapeError(
                    f"{describe(first)} and {describe(x)} differ beside dim={self.dim}"
                )
        return (*first[:axis], sum(x[axis] for x in inputs), *first[axis + 1 :])

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        joined = axis_of(self.dim, output)
        each: Sources = "anywhere" if joined >= 2 else (HERE,) * (len(output) - 2)
        return (each,) * len(inputs)


@final
class Stack(Moving, Scattering, SavesNothing, Spelled):
    """Joins inputs of one shape on a new axis ``dim``, as ``torch.stack``."""

    arity = (1, None)

    dim: StrictInt = 1
    """Where in the output the new axis is."""

    target = "torch.stack"
    gather = True
    examples = (Example({"dim": -1}, ((2, 8, 4), (2, 8, 4), (2, 8, 4))),)

    def infer(self, *inputs: Shape) -> Shape:
        first = inputs[0]
        for x in inputs[1:]:
            if len(x) != len(first) or not all(map(same, first, x)):
                raise ShapeError(f"{describe(first)} and {describe(x)} differ")
        axis = axis_of(self.dim, (*first, len(inputs)))
        return (*first[:axis], len(inputs), *first[axis:])


@final
class MatMul(Weightless, Stepwise, Multiplying):
    """The matrix product (N, ..., M, K) x (N, ..., K, P) -> (N, ..., M, P), as ``torch.matmul``.

    Samples are multiplied one by one, and axes between the batch and the last two broadcast. A
    sample of one axis is a row on the left and a column on the right, and that axis falls away.
    ``K`` multiply-accumulates an output element.
    """

    arity = (2, 2)
    takes: ClassVar[tuple[str, ...]] = ("input", "other")

    examples = (
        Example({}, ((2, 4, 10, 16), (2, 4, 16, 7))),
        Example({}, ((2, 4, 10, 16), (2, 16, 7))),
        Example({}, ((2, 16), (2, 16, 7))),
    )

    def infer(self, *inputs: Shape) -> Shape:
        a, b = inputs
        if min(len(a), len(b)) < 2:
            raise ShapeError(f"takes samples of matrices, not {describe(a)} and {describe(b)}")
        rows, columns = a[-2:-1] * (len(a) > 2), b[-1:] * (len(b) > 2)
        summed = b[-2] if columns else b[-1]
        if not same(a[-1], summed):
            raise ShapeError(
                f"{describe(a)} and {describe(b)} do not fit: {a[-1]} columns and {summed} rows"
            )
        outer = broadcast(a[: len(a) - 1 - len(rows)], b[: len(b) - 1 - len(columns)])
        return (*outer, *rows, *columns)

    def work(self, output: Shape, *inputs: Shape) -> Work:
        out = elements(output)
        return Work(macs=out * inputs[0][-1], dots=out)

    def products(self, output: Shape, *inputs: Shape) -> tuple[Product, ...]:
        return (Product(self.work(output, *inputs).macs, ((0,), (1,))),)

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        a, b = inputs
        row, column = len(a.shape) == 2, len(b.shape) == 2
        a = autograd.unsqueeze(a, 1) if row else a
        b = autograd.unsqueeze(b, 2) if column else b
        product = autograd.matmul(*autograd.aligned(a, b))
        return autograd.reshape(product, self.infer(*(x.shape for x in inputs)))

    def torch(self, *inputs: Shape) -> Call:
        a, b = inputs
        return Call("torch.matmul" if len(a) == len(b) > 2 else "archcalc.MatMul")
