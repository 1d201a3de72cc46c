"""In what layers of a quantized network have their weights: the rules of its graph."""

from __future__ import annotations

from collections.abc import Mapping

from archcalc.spec.bits import Format, Rule
from archcalc.spec.graph import Graph, Node

_FORMATS = {
    "qint8": "int8",
    "quint8": "int8",
    "int8": "int8",
    "quint4x2": "int4",
    "quint2x4": "int2",
    "float16": "float16",
    "bfloat16": "bfloat16",
    "float8_e4m3fn": "float8",
    "float8_e5m2": "float8",
}
"""PyTorch's dtypes of which each number is one of ours; scales are not counted."""


def rules(graph: Graph, dtypes: Mapping[str, str]) -> tuple[Rule, ...]:
    """What is known of how weights are stored, by the ways to the modules that have them.

    Operators stand for their layers where all of them are stored so.
    """
    multiplying = [node for node in graph.nodes if _multiplies(node)]
    found: dict[str, list[Node]] = {}
    for node in multiplying:
        name = _FORMATS.get(_dtype(node, dtypes))
        if name is not None:
            found.setdefault(name, []).append(node)
    made = []
    for name, nodes in found.items():
        kinds = {type(node.op).__name__ for node in nodes}
        others = [node for node in multiplying if node not in nodes]
        if not others:
            layers: list[str] = []
        elif kinds.isdisjoint(type(node.op).__name__ for node in others):
            layers = sorted(kinds)
        else:
            layers = [node.name for node in nodes]
        made.append(Rule(tuple(layers), weights=Format.of(name)))
    return tuple(made)


def _multiplies(node: Node) -> bool:
    cost = node.applied.cost
    return (node.op.counted and bool(cost.weights) and cost.work.macs != 0) or _is_table(node)


def _is_table(node: Node) -> bool:
    return type(node.op).__name__ in ("Embedding", "EmbeddingBag")


def _dtype(node: Node, dtypes: Mapping[str, str]) -> str:
    """Of the module that a layer is, or that is made of it and an activation."""
    way = node.name if node.origin is None else node.origin.name or node.name
    while way not in dtypes and "." in way:
        way = way.rpartition(".")[0]
    return dtypes.get(way, dtypes.get("", ""))
