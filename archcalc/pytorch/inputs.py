"""Tensors that a network can be run on."""

from __future__ import annotations

import torch
from torch import Tensor

from archcalc.operators import FAMILIES
from archcalc.operators.arithmetic import Clamp, MaskedFill, Where
from archcalc.operators.bag import EmbeddingBag
from archcalc.operators.indexing import Gather, Index, OneHot
from archcalc.operators.join import Add
from archcalc.operators.linear import Embedding
from archcalc.operators.loss import CrossEntropyLoss
from archcalc.spec.graph import AuthorCall, Graph, Node, Taken


def draw(
    graph: Graph,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, ...]:
    """A tensor for every input of the graph: normal numbers, or indices where those are looked up.

    The numbers are drawn on the CPU, so that a ``generator`` draws the same ones for any device.
    """
    limits = looked_up(graph)
    tensors = []
    for name, shape in graph.inputs.items():
        if torch.device(device or "cpu").type == "meta":
            kind = torch.long if name in limits else dtype
            tensors.append(torch.empty(shape, device=device, dtype=kind))
        elif name in limits:
            drawn = torch.randint(limits[name], shape, generator=generator)
            tensors.append(drawn.to(device))
        else:
            tensors.append(torch.randn(shape, generator=generator).to(device, dtype))
    return tuple(tensors)


def looked_up(graph: Graph) -> dict[str, int]:
    """What holds indices, inputs and all between, and below which number they are."""
    limits: dict[str, int] = {}
    within = graph.sampled()
    for node in reversed(graph.nodes):
        for name, limit in _looking_up(node):
            limits[name] = min(limit, limits.get(name, limit))
        if node.name in limits and type(node.op).__name__ in FAMILIES["shape"]:
            for name in node.inputs:
                limits[name] = min(limits[node.name], limits.get(name, limits[node.name]))
        if node.name in limits and node.spelled and node.spelled.target.startswith("operator."):
            for name in node.inputs[:1]:  # of which an author picks some
                limits[name] = min(limits[node.name], limits.get(name, limits[node.name]))
        if node.name in limits and isinstance(node.op, (Where, MaskedFill, Clamp)):
            for name in node.inputs[1:] if isinstance(node.op, Where) else node.inputs[:1]:
                limits[name] = min(limits[node.name], limits.get(name, limits[node.name]))
        if node.name in limits and isinstance(node.op, Add):
            # Where the indices of a field begin in a table of all: only the first of each is sure.
            for name in within.intersection(node.inputs):
                limits[name] = 1
    return limits


_PICKING = ("index_add", "index_copy", "index_fill", "index_select", "scatter", "scatter_add")
"""An author's calls that take indices of an axis: the tensor, the axis and the indices."""


def _looking_up(node: Node) -> list[tuple[str, int]]:
    call = node.spelled
    if call is not None and call.target.rpartition(".")[2] in _PICKING and len(call.args) > 2:
        picked, dim, index = call.args[:3]
        shape = getattr(picked, "shape", ())
        if isinstance(index, AuthorCall) and len(index.taken) == 1:  # brought to other axes
            index = index.taken[0]
        if isinstance(index, Taken) and index.number < len(node.inputs) and type(dim) is int:
            return [(node.inputs[index.number], shape[dim])] if shape else []
    match node.op:
        case Embedding() | EmbeddingBag():
            return [(node.inputs[0], node.op.num_embeddings)]
        case CrossEntropyLoss():
            return [(node.inputs[1], node.input_shapes[0][1])]
        case Gather() | Index():
            picked = node.input_shapes[0]
            return [(node.inputs[1], picked[node.op.dim % len(picked)])]
        case OneHot():
            return [(node.inputs[0], node.op.num_classes)]
        case _:
            return []
