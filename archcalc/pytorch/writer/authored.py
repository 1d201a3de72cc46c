"""The names that a captured module's author has for its layers, which need not be ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from archcalc.spec.graph import Graph, Node


def authored(graph: Graph) -> Graph:
    """A graph whose layers that store tensors are called as in the module that it is of.

    So its source has the module's ``state_dict``. What stores nothing gives way, where it has the
    name of what others stand in.
    """
    graph = _owned(graph)
    names = {node.name: node.name for node in graph.nodes}
    wanted = {node.name: _said(node) for node in graph.nodes if _said(node)}
    if all(names[name] == said for name, said in wanted.items()):
        return graph
    counts = Counter(wanted.values())
    around = set(_around(wanted.values()))
    fixed = {name: said for name, said in wanted.items() if counts[said] == 1}
    fixed = {name: said for name, said in fixed.items() if said not in around}
    names.update(fixed)
    taken = {*graph.inputs, *fixed.values()}
    around = set(_around(name for each, name in names.items() if each not in fixed)) | around
    for node in graph.nodes:
        name = names[node.name]
        if node.name in fixed:
            continue
        if name in taken or name in around or not taken.isdisjoint(_around([name])):
            name = name.replace(".", "_")
            while name in taken or name in around:
                name += "_"
        names[node.name] = name
        taken.add(name)
    return graph.renamed(names)


def _owned(graph: Graph) -> Graph:
    """A graph where a module's tensor is its own, though something else took it before."""
    nodes = {node.name: node for node in graph.nodes}
    owners: dict[str, str] = {}
    for node in graph.nodes:
        first = None if node.share is None else nodes[node.share]
        if first is None or first.origin is None or first.origin.tensor is None:
            continue
        if node.origin is None or node.origin.tensor is not None or node.origin.again:
            continue
        if first.origin.name.rpartition(".")[0] == node.origin.name != "":
            owners.setdefault(first.name, node.name)
    if not owners:
        return graph
    shares = {name: owners.get(node.share or name) for name, node in nodes.items()}
    return replace(
        graph,
        nodes=tuple(
            node._replace(share=None if shares[node.name] == node.name else shares[node.name])
            if shares[node.name] is not None
            else node
            for node in graph.nodes
        ),
    )


def _said(node: Node) -> str:
    """What its author calls a layer that has tensors of its own, if that is known."""
    cost = node.applied.cost
    own = node.share is None and (cost.weights or cost.buffers)
    return node.origin.name if own and node.origin is not None else ""


def _around(names: Iterable[str]) -> Iterable[str]:
    """What layers of these names stand in."""
    for name in names:
        parts = name.split(".")
        yield from (".".join(parts[:k]) for k in range(1, len(parts)))
