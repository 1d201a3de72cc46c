"""The work of the backward pass: the products by which gradients are computed.

Counted are multiply-accumulates, as of the forward pass those of convolutions, linear layers and
matrix products. Each factor of a product that needs a gradient takes as many of them as the
product itself; what a forward pass does besides (biases, activations, normalization) has a
backward pass too, which takes no such product and depends on how it is written.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archcalc.dims import Size, holds
from archcalc.document.shown import shown
from archcalc.operators.autograd import WEIGHTS, Multiplying

if TYPE_CHECKING:
    from archcalc.analysis.counted import Analysis, Row


@shown
@dataclass(frozen=True)
class Backward:
    """The multiply-accumulates of one backward pass over the whole batch, by layer.

    ::

        >>> import archcalc
        >>> archcalc.backward("resnet18").layers["fc"] == 2 * 512 * 1000
        True
    """

    layers: Mapping[str, Size | None]
    """0 for what multiplies nothing or reaches no output; None where it can't be said."""

    @property
    def macs(self) -> Size:
        """Of the whole network; a lower bound if there is something ``not_counted``."""
        return sum(macs for macs in self.layers.values() if macs is not None)

    @property
    def not_counted(self) -> tuple[str, ...]:
        """The layers of which it can't be said."""
        return tuple(name for name, macs in self.layers.items() if macs is None)


def gradients(analysis: Analysis, input_grad: bool = False) -> Backward:
    """The work of the gradients: :func:`archcalc.backward`."""
    leading = reached(analysis)
    needing = needed(analysis, input_grad)
    return Backward(
        {row.name: _macs(row, needing) if row.name in leading else 0 for row in analysis.rows}
    )


def reached(analysis: Analysis) -> Collection[str]:
    """The layers that lead to an output."""
    graph = analysis.graph
    ends = (*graph.outputs, *graph.training_outputs) if analysis.training else graph.outputs
    return graph.leading_to(*ends)


def needed(analysis: Analysis, input_grad: bool = False) -> set[str]:
    """The layers, and inputs, a gradient of whose output is needed."""
    needing = set(analysis.graph.inputs) if input_grad else set()
    for row in analysis.rows:
        if trains(row) or needing.intersection(row.node.inputs):
            needing.add(row.name)
    return needing


def trains(row: Row) -> bool:
    """Whether a layer has tensors that are trained, its own or another's."""
    return bool(row.weights) and not row.node.frozen


def _macs(row: Row, needing: set[str]) -> Size | None:
    op, node = row.node.op, row.node
    if not row.counted:
        return None
    if not isinstance(op, Multiplying):
        return 0 if holds(row.macs == 0) else None

    def asked(origin: int) -> bool:
        return trains(row) if origin == WEIGHTS else node.inputs[origin] in needing

    total: Size = 0
    for product in op.products(node.shape, *node.input_shapes):
        total = total + product.macs * sum(any(map(asked, by)) for by in product.factors)
    return total
