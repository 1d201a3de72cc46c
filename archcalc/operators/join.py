"""Operators that make one tensor of several."""

from functools import reduce
from typing import final

from pydantic import StrictInt

from archcalc.dims import Shape, holds, same
from archcalc.errors import ShapeError
from archcalc.operators.autograd import (
    Differentiable,
    Multiplying,
    Product,
    Saved,
    SavesInputs,
    SavesNothing,
)
from archcalc.operators.base import (
    Call,
    Example,
    Weightless,
    Work,
    axis_of,
    describe,
    elements,
)
from archcalc.operators.taps import HERE, Pointwise, Scattering, Sources, Traced


def broadcast(a: Shape, b: Shape) -> Shape:
    """The shape in which ``a`` and ``b`` meet: aligned at the last axis, 1 stretches to fit.

    Raises :class:`ShapeError` where two extents are neither equal nor 1. Source: PyTorch's
    broadcasting semantics.
    """
    rank = max(len(a), len(b))
    met = []
    for m, n in zip(
        (1,) * (rank - len(a)) + tuple(a), (1,) * (rank - len(b)) + tuple(b), strict=True
    ):
        # sympy's == compares how numbers are written: a symbol is taken for no 1.
        if holds(m == 1):
            met.append(n)
        elif holds(n == 1) or same(m, n):
            met.append(m)
        else:
            raise ShapeError(f"{describe(a)} and {describe(b)} do not fit: {m} and {n}")
    return tuple(met)


class _Elementwise(Weightless, Pointwise):
    def infer(self, *inputs: Shape) -> Shape:
        return reduce(broadcast, inputs)


@final
class Add(_Elementwise, SavesNothing):
    """The sum of two or more inputs, broadcast as in PyTorch: n - 1 adds an output element."""

    arity = (2, None)

    examples = (
        Example({}, ((2, 64, 7, 7), (2, 64, 7, 7))),
        Example({}, ((2, 8, 5), (2, 8, 1), (2, 1, 5))),
    )

    def work(self, output: Shape, *inputs: Shape) -> Work:
        return Work(adds=(len(inputs) - 1) * elements(output))

    def torch(self, *inputs: Shape) -> Call:
        return Call("torch.add" if len(inputs) == 2 else "archcalc.Add")


@final
class Sub(_Elementwise, SavesNothing):
    """The difference of two inputs, broadcast as in PyTorch; a subtraction counts as an add."""

    arity = (2, 2)

    examples = (Example({}, ((2, 64, 7, 7), (2, 64, 1, 1))),)

    def work(self, output: Shape, *inputs: Shape) -> Work:
        return Work(adds=elements(output))

    def torch(self, *inputs: Shape) -> Call:
        return Call("torch.sub")


@final
class Mul(_Elementwise, Differentiable):
    """The product of two or more inputs, element by element and broadcast as in PyTorch.

    n - 1 multiplies an output element.
    """

    arity = (2, None)

    examples = (
        Example({}, ((2, 64, 7, 7), (2, 64, 1, 1))),
        Example({}, ((2, 8, 5), (2, 8, 5), (2, 8, 5))),
    )

    def work(self, output: Shape, *inputs: Shape) -> Work:
        return Work(multiplies=(len(inputs) - 1) * elements(output))

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        """All factors, and the products of all but the last."""
        products = [reduce(broadcast, inputs[:n]) for n in range(2, len(inputs))]
        return Saved(tuple(range(len(inputs))), elements=sum(map(elements, products)))

    def torch(self, *inputs: Shape) -> Call:
        return Call("torch.mul" if len(inputs) == 2 else "archcalc.Mul")


@final
class Concat(Weightless, Traced, SavesNothing):
    """Joins the inputs on the axis ``dim``, as ``torch.cat``; the channels, unless said."""

    arity = (1, None)

    dim: StrictInt = 1
    """The axis on which the inputs are joined."""

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

    def work(self, output: Shape, *inputs: Shape) -> Work:
        """Nothing: elements are moved, not computed."""
        return Work()

    def torch(self, *inputs: Shape) -> Call:
        return Call("torch.cat", {"dim": self.dim}, gather=True)


@final
class Stack(Weightless, Scattering, SavesNothing):
    """Joins inputs of one shape on a new axis ``dim``, as ``torch.stack``."""

    arity = (1, None)

    dim: StrictInt = 1
    """Where in the output the new axis is."""

    examples = (Example({"dim": -1}, ((2, 8, 4), (2, 8, 4), (2, 8, 4))),)

    def infer(self, *inputs: Shape) -> Shape:
        first = inputs[0]
        for x in inputs[1:]:
            if len(x) != len(first) or not all(map(same, first, x)):
                raise ShapeError(f"{describe(first)} and {describe(x)} differ")
        axis = axis_of(self.dim, (*first, len(inputs)))
        return (*first[:axis], len(inputs), *first[axis:])

    def work(self, output: Shape, *inputs: Shape) -> Work:
        """Nothing: elements are moved, not computed."""
        return Work()

    def torch(self, *inputs: Shape) -> Call:
        return Call("torch.stack", {"dim": self.dim}, gather=True)


@final
class MatMul(Weightless, SavesInputs, Multiplying):
    """The matrix product (..., M, K) x (..., K, P) -> (..., M, P), as ``torch.matmul``.

    The axes before the last two broadcast. ``K`` multiply-accumulates an output element.
    """

    arity = (2, 2)

    examples = (Example({}, ((2, 4, 10, 16), (2, 4, 16, 7))),)

    def infer(self, *inputs: Shape) -> Shape:
        a, b = inputs
        if min(len(a), len(b)) < 2:
            raise ShapeError(f"takes matrices, not {describe(a)} and {describe(b)}")
        if not same(a[-1], b[-2]):
            raise ShapeError(
                f"{describe(a)} and {describe(b)} do not fit: {a[-1]} columns and {b[-2]} rows"
            )
        return (*broadcast(a[:-2], b[:-2]), a[-2], b[-1])

    def work(self, output: Shape, *inputs: Shape) -> Work:
        out = elements(output)
        return Work(macs=out * inputs[0][-1], dots=out)

    def products(self, output: Shape, *inputs: Shape) -> tuple[Product, ...]:
        return (Product(self.work(output, *inputs).macs, ((0,), (1,))),)

    def torch(self, *inputs: Shape) -> Call:
        return Call("torch.matmul")
