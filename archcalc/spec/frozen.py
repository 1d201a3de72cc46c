"""Which layers are not trained, said from outside of the network: by name or by pattern."""

from __future__ import annotations

from dataclasses import replace

from archcalc.errors import ArchcalcError, did_you_mean
from archcalc.spec.graph import Graph
from archcalc.spec.patterns import matching, named, ways


def freeze(network: Graph, *patterns: str) -> Graph:
    """The graph with layers that are not trained: :func:`archcalc.freeze`."""
    frozen = {node.name: node.frozen for node in network.nodes}
    names = list(frozen)
    for pattern in map(named, patterns):
        wanted = pattern.removeprefix("!")
        chosen = matching(names, wanted)
        if not chosen:
            hint = did_you_mean(wanted, {way for name in names for way in ways(name)})
            raise ArchcalcError("\n  ".join(filter(None, (f"no layer is called '{wanted}'", hint))))
        frozen.update((names[k], not pattern.startswith("!")) for k in chosen)
    nodes = (node._replace(frozen=frozen[node.share or node.name]) for node in network.nodes)
    return replace(network, nodes=tuple(nodes))


def frozen_names(graph: Graph) -> list[str]:
    """The layers with tensors that are not trained, as few names of blocks and layers as say it."""
    weighted = [node for node in graph.nodes if node.op.counted and node.applied.cost.weights]
    trained = {way for node in weighted if not node.frozen for way in ways(node.name)}
    found = (next(w for w in ways(n.name) if w not in trained) for n in weighted if n.frozen)
    return list(dict.fromkeys(found))
