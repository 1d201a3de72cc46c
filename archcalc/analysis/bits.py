"""Analysis -> what each layer's numbers are stored in, and what follows: bytes, and operations on
bits.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from archcalc.dims import Shape, Size, holds
from archcalc.operators.autograd import WEIGHTS, Multiplying, Product, Untrained
from archcalc.operators.base import elements
from archcalc.operators.join import Concat
from archcalc.operators.parameter import Cache
from archcalc.spec.bits import BITS, ENDS, Density, Format
from archcalc.spec.patterns import matching

if TYPE_CHECKING:
    from archcalc.analysis.counted import Analysis, Row

K = TypeVar("K", bound=Hashable)


class Stored(NamedTuple):
    """What the numbers of a layer are stored in; None is the dtype that is asked for."""

    weights: Format | None = None
    activations: Format | None = None
    """The format in which it takes its inputs."""
    density: Density | None = None

    def bytes(self, row: Row, name: str, shape: Shape, width: int) -> Size:
        """Bytes of a tensor that a layer stores, ``width`` a number where no format is named.

        A format and a density are those of matrices and kernels: biases, what scales channels, and
        buffers stay as they are.
        """
        if len(shape) < 2 or name not in row.weights or not (self.weights or self.density):
            return elements(shape) * width
        rows = (shape[0], elements(shape[1:]))  # groups run along what a channel of the output sums
        return (self.weights or Format("", 8 * width)).bytes(rows, self.density)


AS_IT_IS = Stored()
"""All in the dtype."""

ALL = Fraction(1)
"""Of the weights."""


def stored(analysis: Analysis) -> Mapping[str, Stored]:
    """What is said of the layers of a network by the rules of its graph, by their names.

    A rule about all layers gives formats and densities of weights to those that multiply, whose
    tensors others may share, and formats of activations to every layer. Of tensors that are shared
    it is their owner's that counts.
    """
    rows, graph = analysis.rows, analysis.graph
    multiplying = [k for k, row in enumerate(rows) if not holds(row.macs == 0)]
    weighing = [k for k in multiplying if rows[k].weights]
    owners = {rows[k].node.share or rows[k].name for k in weighing}
    ends = {weighing[0], weighing[-1]} if weighing else set()
    names = [row.name for row in rows]

    def meant(patterns: Sequence[str]) -> set[int]:
        found: set[int] = set()
        for pattern in patterns:
            found |= ends if pattern == ENDS else {*matching(names, pattern)}
            found |= {k for k, row in enumerate(rows) if row.op == pattern}
        return found

    found = dict.fromkeys(names, AS_IT_IS)
    for rule in graph.bits:
        chosen = meant(rule.layers) if rule.layers else set(range(len(rows)))
        for k in sorted(chosen - meant(rule.exclude)):
            name = names[k]
            said = found[name]
            if rule.layers or name in owners:
                said = said._replace(
                    weights=rule.weights or said.weights, density=rule.density or said.density
                )
            found[name] = said._replace(activations=rule.activations or said.activations)
    return {
        row.name: said
        if (share := row.node.share) is None
        else said._replace(weights=found[share].weights, density=found[share].density)
        for row, said in zip(rows, found.values(), strict=True)
    }


def between(
    analysis: Analysis, tensors: Mapping[str, K], view: Callable[[str], bool]
) -> Mapping[K, Format]:
    """What tensors between layers are stored in, where all who take one say so: the widest of it.

    ``tensors`` says which one an input or a layer's output is, and ``view`` whether a layer only
    shows its input in another way. What the network gives is in the dtype.
    """
    formats = analysis.stored
    wide = {tensors[name] for name in analysis.graph.outputs}
    found: dict[K, Format] = {}
    for row in analysis.rows:
        if not row.executed or view(row.name):
            continue
        format = formats[row.name].activations
        for name in row.node.inputs:
            tensor = tensors[name]
            if format is None:
                wide.add(tensor)
            elif tensor not in found or found[tensor].bits < format.bits:
                found[tensor] = format
    return {tensor: format for tensor, format in found.items() if tensor not in wide}


def output_format(row: Row, formats: Mapping[str, Format]) -> Format | None:
    """The format of a layer's output; None of one in the dtype. Whole numbers have none."""
    return None if isinstance(row.node.op, Untrained) else formats.get(row.name)


def executed(row: Row, said: Stored) -> Size:
    """Multiply-accumulates without those with zeros that hardware skips: of a 2:4 pattern."""
    skipped = said.density.executed if said.density else ALL
    return row.macs if skipped == ALL else _share(row, skipped, ALL)


def bit_operations(row: Row, said: Stored, dtype: str) -> Size:
    """Multiply-accumulates times the bits of one factor times those of the other one.

    Of a product with weights these are the bits of a weight and of an activation, of one of two
    activations twice the latter. Zeros of a 2:4 pattern are not multiplied.
    """
    usual = BITS[dtype]
    active = said.activations.bits if said.activations else usual
    weight = said.weights.bits if said.weights else usual
    skipped = said.density.executed if said.density else ALL
    return _share(row, skipped * weight * active, Fraction(active * active))


def _share(row: Row, weighed: Fraction, other: Fraction) -> Size:
    """The sum over a layer's products, those with weights times one factor, others times one."""
    found: Size = 0
    for product in _products(row):
        times = weighed if (WEIGHTS,) in product.factors else other
        found += product.macs * times.numerator // times.denominator
    return found


def _products(row: Row) -> tuple[Product, ...]:
    op = row.node.op
    if isinstance(op, Multiplying) and not holds(row.macs == 0):
        return op.products(row.shape, *row.node.input_shapes)
    return (Product(row.macs, ((WEIGHTS,) if row.weights else (0,), (0,))),)


def joined(rows: Sequence[Row]) -> list[Row]:
    """The layers that join what was kept of steps before with what is new: in place, at best."""
    kept = {row.name for row in rows if isinstance(row.node.op, Cache)}
    return [row for row in rows if isinstance(row.node.op, Concat) and row.node.inputs[0] in kept]
