"""Graph -> a spec that one would have written: blocks, repetitions, and what differs as arguments.

A network that was imported is a list of layers whose names are ways into it: ``layer1.0.conv1``.
What stands under one name, ``layer1.0``, is an instance of a block (``regions``). Instances with
the same layers, connected alike, are one block (``blocks``), and what differs between them is an
argument of it (``arguments``); instances of one block in a row are a repetition, and a block that
is used in one place stands there (``inline``). Whatever is written is expanded again and held
against the graph.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from archcalc.errors import SpecError
from archcalc.frontends.fold.blocks import Folder
from archcalc.frontends.fold.loops import Loop, looped
from archcalc.frontends.fold.turns import SPARED
from archcalc.frontends.fold.words import parted
from archcalc.spec.expand import attempt
from archcalc.spec.form import as_yaml
from archcalc.spec.graph import Graph, Node
from archcalc.spec.model import Spec
from archcalc.spec.question import Question
from archcalc.spec.zoo import load


def to_spec(graph: Graph, *, rename: bool = False, allow_unknown: bool = False) -> Spec:
    """A spec that expands to the layers of a graph: :func:`archcalc.to_spec`."""
    data, same = readable(graph) if rename else folded(graph)
    spec = load(data, allow_unknown=allow_unknown or _has_unknown(graph))
    spec._origins = {
        node.name: origin if node.name == before.name else origin.called(before.name)
        for node, before in zip(same.nodes, graph.nodes, strict=True)
        if (origin := node.origin) is not None
    }
    spec._aliases = graph.aliases
    return spec


def written(graph: Graph) -> dict[str, Any]:
    """The data of a spec that reads well: :func:`readable`."""
    return readable(graph)[0]


def readable(graph: Graph) -> tuple[dict[str, Any], Graph]:
    """The data of a spec, and the graph with the names that its layers have there.

    Where names have no dots, ``block1_conv`` is the ``conv`` of ``block1`` if a quarter of the
    lines are spared by that.
    """
    found = folded(graph)
    for listed in (False, True):
        around, loops = looped(graph, listed)
        if loops:
            other = folded(around, loops)
            kept = {node.name for node in around.nodes} == {node.name for node in other[1].nodes}
            if (kept or not listed) and _lines(other) + SPARED <= _lines(found):
                found = other
    ways = parted(graph)
    if ways is None:
        return found
    other = folded(ways)
    return other if 4 * _lines(other) <= 3 * _lines(found) else found


def _lines(found: tuple[dict[str, Any], Graph]) -> int:
    return as_yaml(found[0]).count("\n")


def folded(graph: Graph, loops: Sequence[Loop] = ()) -> tuple[dict[str, Any], Graph]:
    """The data of the spec, and the graph with the names that its layers have there.

    They are the graph's own, but where a part could be no block and gave way.
    """
    for folder in (Folder(graph, loops=loops), Folder(graph, plain=True, loops=loops)):
        data = folder.data()
        same = graph.renamed(folder.paths)
        with contextlib.suppress(SpecError):
            spec = load(data, allow_unknown=True)
            question = Question(batch=batch_of(graph), allow_unknown=True)
            found = attempt(spec, question).graph
            if found is not None and same_layers(found, same):
                return data, same
    flat = _flat(graph)
    return Folder(flat).data(), flat


def batch_of(graph: Graph) -> int:
    """How many samples a graph is of."""
    return next(iter(graph.inputs.values()))[0]


def same_layers(one: Graph, other: Graph) -> bool:
    """Whether two graphs have the same layers by name, on the same inputs, and the same outputs."""
    first, second = (
        {n.name: (n.op, n.shape, n.inputs, _share(n), n.frozen) for n in graph.nodes}
        for graph in (one, other)
    )
    ends = [(graph.outputs, graph.training_outputs) for graph in (one, other)]
    return first == second and ends[0] == ends[1]


def _share(node: Node) -> str | None:
    """The layer whose tensors one uses, if it has any."""
    cost = node.applied.cost
    return node.share if cost.weights or cost.buffers else None


def _has_unknown(graph: Graph) -> bool:
    return not all(node.op.counted for node in graph.nodes)


def _flat(graph: Graph) -> Graph:
    """A graph whose layers stand in no blocks."""
    names = {name: name for name in graph.inputs}
    taken = set(names)
    for node in graph.nodes:
        name = node.name.replace(".", "_")
        while name in taken:
            name += "_"
        names[node.name] = name
        taken.add(name)
    return graph.renamed(names)
