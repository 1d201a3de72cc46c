"""Which tensors of an author's calls have the batch joined to another axis.

What is captured of one sample as (64, 12) is a sample of ours, (1, 64, 12). If it rests on the
network's input, its author has the rows of all samples there, one behind another; what rests on
none, such as a mask, is the same for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from archcalc.dims import Shape
from archcalc.operators.parameter import Constant
from archcalc.spec.graph import Graph, Node, Taken

_CONVOLUTIONS = tuple(f"torch.conv{turned}{n}d" for turned in ("", "_transpose") for n in (1, 2, 3))


class Joins:
    """What of a graph has the batch joined to another axis."""

    def __init__(self, graph: Graph) -> None:
        self.within = graph.sampled()
        self.filled = {node.name for node in graph.nodes if _is_filled(node)}
        """Constants of one number: they have as many rows as what they meet."""

    def rows(self, node: Node) -> Mapping[int, int]:
        """Of an author's call: which tensors that it takes are joined, and the rows of a sample."""
        assert node.spelled is not None
        taken = {each.number: each.shape for each in node.spelled.taken}
        samples = {
            number: shape[0]
            for number, shape in taken.items()
            if number < len(node.inputs) and _is_sample(node.input_shapes[number], shape)
        }
        found = {k: rows for k, rows in samples.items() if node.inputs[k] in self.within}
        met = {*found.values()}
        return found | {
            k: rows for k, rows in samples.items() if rows in met and node.inputs[k] in self.filled
        }


def keeps(node: Node, rows: Mapping[int, int]) -> bool:
    """Whether what an author's call gives has as many rows a sample as what it takes."""
    assert node.spelled is not None
    given = node.spelled.shape
    return _is_sample(node.shape, given) and given[0] in rows.values()


def has_own_weights(node: Node, rows: Mapping[int, int]) -> bool:
    """Whether an author's call is a convolution in which each sample has weights of its own.

    Its author has samples for groups.
    """
    assert node.spelled is not None
    target, args = node.spelled.target, node.spelled.args
    if target not in _CONVOLUTIONS or len(args) < 2:
        return False
    x, weight = args[:2]
    return isinstance(x, Taken) and isinstance(weight, Taken) and {weight.number} == {*rows}


def _is_sample(ours: Shape, author: Shape) -> bool:
    return len(author) > 0 and len(ours) == len(author) + 1 and ours[1:] == author


def _is_filled(node: Node) -> bool:
    return isinstance(node.op, Constant) and not isinstance(node.op.fill, str)
