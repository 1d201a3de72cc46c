"""What a module does with several samples, by what it does with one.

A size of a captured call that is the batch, ``torch.zeros(len(x), 8)``, is a number like any other.
With one sample no number is the batch that could be taken for something else, so a graph of one
holds for any batch; whether it is the same network is seen by what is captured of several.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from archcalc.errors import ArchcalcError, ShapeError
from archcalc.frontends.torch.assemble import assemble
from archcalc.frontends.torch.capture import as_it_was, at_inference, capture, plainly, quiet
from archcalc.frontends.torch.captured import Capture, shape_of
from archcalc.frontends.torch.follow import PLAIN
from archcalc.operators.axes import View
from archcalc.spec.graph import Graph, Node


def of_samples(
    module: nn.Module, args: Any, kwargs: Mapping[str, Any], found: Capture, name: str
) -> Graph:
    """The graph of what was captured of some samples."""
    graph = assemble(found, name)
    batch = _batch(args, kwargs)
    if batch == 1 or not found.how.startswith(PLAIN):
        return with_axes(graph, module, args, kwargs)
    first, named = tree_map(_first, (args, dict(kwargs)))
    try:
        one = with_axes(assemble(capture(module, first, named), name), module, first, named)
        other = one.on(batch)
    except (ArchcalcError, ShapeError):  # it takes no single one
        return assemble(found, name, whole=True) if any(map(_mixes, graph.nodes)) else graph
    return other if _does(other, graph, found) else graph


def with_axes(graph: Graph, module: nn.Module, args: Any, kwargs: Mapping[str, Any]) -> Graph:
    """The graph of one sample with the axes of its outputs that are the batch.

    Any axis of 1 may be: two samples tell, of which only shapes are asked.
    """
    nodes = {node.name: node for node in graph.nodes}
    sampled = graph.sampled()
    unsure = {
        name
        for name in sampled.intersection(graph.outputs).intersection(nodes)
        if (origin := nodes[name].origin) is not None
        and origin.gives is not None
        and nodes[name].shape == (1, *origin.gives)
    }
    if not unsure:
        return graph
    shapes = _of_two(module, args, kwargs)
    if shapes is None:
        return graph
    for name, shape in zip(graph.outputs, shapes, strict=False):
        origin = nodes[name].origin if name in unsure else None
        if origin is None or origin.gives is None:
            continue
        if shape == (2, *origin.gives):  # where one sample has no axis for it, as after a squeeze
            nodes[name] = nodes[name]._replace(origin=origin._replace(axis=-1))
        axes = [
            k for k, pair in enumerate(zip(origin.gives, shape, strict=False)) if pair == (1, 2)
        ]
        if len(axes) == 1 and len(shape) == len(origin.gives):
            nodes[name] = nodes[name]._replace(origin=origin._replace(axis=axes[0]))
    return replace(graph, nodes=tuple(nodes.values()))


def _of_two(
    module: nn.Module, args: Any, kwargs: Mapping[str, Any]
) -> list[tuple[int, ...]] | None:
    """The shapes of what a module gives of two samples; None where it can't be asked."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    def two(value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.dim():
            return value
        return torch.empty((2, *value.shape[1:]), dtype=value.dtype, device=value.device)

    try:
        with quiet(), as_it_was(module), torch.no_grad(), torch.random.fork_rng(devices=[]):
            at_inference(module)
            with FakeTensorMode(allow_non_fake_inputs=True):
                given, named = tree_map(two, (args, dict(kwargs)))
                made = module(*given, **named)
    except Exception:  # whatever a stranger's code raises
        return None
    shapes = [tuple(leaf.shape) for leaf in tree_leaves(plainly(made)) if isinstance(leaf, Tensor)]
    return [shape for shape in shapes if 0 not in shape]


def _mixes(node: Node) -> bool:
    """Whether a layer takes a batch for one sample."""
    return isinstance(node.op, View) and node.shape[0] == 1 < node.input_shapes[0][0]


def _does(graph: Graph, other: Graph, found: Capture) -> bool:
    """Whether a graph does what another one does, and gives what was captured."""
    shapes = {node.name: node.shape for node in graph.nodes}
    sampled = graph.sampled()
    given = [prod(shapes[name]) for name in graph.outputs if name in sampled and name in shapes]
    wanted = [prod(shape_of(node)) for node in found.outputs]
    return (
        set(given) <= set(wanted)
        and _stored(graph) == _stored(other)
        and any(a == b for a, b in zip(_works(graph), _works(other), strict=True))
        and len(graph.outputs) == len(other.outputs)
    )


def _stored(graph: Graph) -> tuple[int, int]:
    """How many numbers a graph's layers store, trained and not."""
    own = [n.applied.cost for n in graph.nodes if n.op.counted and n.share is None]
    return (
        sum(prod(shape) for cost in own for shape in cost.weights.values()),
        sum(prod(shape) for cost in own for shape in cost.buffers.values()),
    )


def _works(graph: Graph) -> tuple[int, int]:
    """The multiply-accumulates of a graph, and those with what no sample is in done once."""
    batch = next(iter(graph.inputs.values()))[0]
    sampled = graph.sampled()
    each = [(n.applied.cost.work.macs, n.name in sampled) for n in graph.nodes if n.op.counted]
    return sum(macs for macs, _ in each), sum(m if within else m // batch for m, within in each)


def _batch(args: Any, kwargs: Mapping[str, Any]) -> int:
    """How many samples are given; 1 where inputs say different numbers."""
    extents = {
        leaf.shape[0] if leaf.dim() else 1
        for leaf in tree_leaves((args, dict(kwargs)))
        if isinstance(leaf, Tensor)
    }
    return extents.pop() if len(extents) == 1 else 1


def _first(value: Any) -> Any:
    return value[:1] if isinstance(value, Tensor) else value
