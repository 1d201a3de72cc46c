"""Graph -> Graph without the batch normalizations that inference can do without."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from archcalc.operators.base import Applied
from archcalc.operators.channel_norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from archcalc.operators.conv import Conv1d, Conv2d, Conv3d
from archcalc.operators.conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from archcalc.operators.linear import Linear
from archcalc.spec.graph import Graph, Node

FOLDED = "batch normalization folded"
"""What is added to the edition of a graph."""

CONVOLUTIONS = (Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)
BATCH_NORMS = (BatchNorm1d, BatchNorm2d, BatchNorm3d)


def fold_batch_norm(graph: Graph) -> Graph:
    """The graph without them: :func:`archcalc.fold_batch_norm`."""
    nodes = {node.name: node for node in graph.nodes}
    uses = Counter(source for node in graph.nodes for source in set(node.inputs))
    uses.update((*graph.outputs, *graph.training_outputs))
    sharing = {node.name for node in graph.nodes if node.share is not None}
    sharing |= {node.share for node in graph.nodes if node.share is not None}
    renamed: dict[str, str] = {}
    for norm in graph.nodes:
        source = nodes.get(norm.inputs[0])
        if (
            source is not None
            and _folds(norm, source)
            and uses[source.name] == 1
            and not sharing.intersection((norm.name, source.name))
        ):
            renamed[norm.name] = source.name
    if not renamed:
        return graph
    folded = frozenset(renamed.values())
    biased: dict[int, Applied] = {}
    kept = []
    for node in graph.nodes:
        if node.name in renamed:
            continue
        applied = node.applied
        if node.name in folded:
            # Once for all equal layers: what is one object is counted once.
            key = id(applied)
            if key not in biased:
                op = node.op.model_copy(update={"bias": True})
                biased[key] = Applied(op, node.input_shapes, node.shape)
            applied = biased[key]
        kept.append(node._replace(applied=applied, inputs=_renamed(node.inputs, renamed)))
    return replace(
        graph,
        edition=", ".join(filter(None, (graph.edition, FOLDED))),
        nodes=tuple(kept),
        outputs=_renamed(graph.outputs, renamed),
        training_outputs=_renamed(graph.training_outputs, renamed),
    )


def _folds(norm: Node, source: Node) -> bool:
    """Whether ``norm`` scales and shifts the channels that ``source`` computes."""
    if not (isinstance(norm.op, BATCH_NORMS) and norm.op.track_running_stats):
        return False
    if getattr(source.op, "parametrization", None) is not None:
        return False  # its weight is computed of tensors that a scale of channels would not stay in
    if isinstance(source.op, Linear):
        return len(source.shape) == 2  # with more axes, features are not what is normalized
    return isinstance(source.op, CONVOLUTIONS)


def _renamed(names: tuple[str, ...], renamed: dict[str, str]) -> tuple[str, ...]:
    return tuple(renamed.get(name, name) for name in names)
