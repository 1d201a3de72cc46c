"""A graph as a spec: flat, with nothing left to expand, and one line a layer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from archcalc.errors import ArchcalcError
from archcalc.spec.bits import ENDS, Rule
from archcalc.spec.graph import Graph
from archcalc.spec.model import Bits, Spec
from archcalc.spec.patterns import matching
from archcalc.spec.written import fields_of, name_of


def expanded(graph: Graph, spec: Spec | None = None) -> dict[str, Any]:
    """The data of a flat spec that expands to the same layers.

    Names have underscores for dots, since a name can't have one: ``layer1_0_conv1``. The batch is
    no part of a spec. ``spec`` adds where the network was published. Raises
    :class:`ArchcalcError` for a graph with an operator that no spec can name, and for one with
    layers that lead to no output, which among the layers of a spec are taken for mistakes.
    """
    data: dict[str, Any] = {"name": graph.name}
    about = {
        "title": graph.title,
        "edition": graph.edition,
        "year": graph.year,
        "feature": spec.feature if spec is not None else "",
        "source": list(spec.source) if spec is not None else [],
    }
    data.update({key: value for key, value in about.items() if value})
    inputs = {name: list(shape[1:]) for name, shape in graph.inputs.items()}
    data["input"] = inputs["input"] if list(inputs) == ["input"] else inputs
    if not graph.batched:
        data["batched"] = False
    names = _names(graph)
    fields: dict[int, dict[str, Any]] = {}
    layers: dict[str, Any] = {}
    previous = next(iter(graph.inputs))
    for node in graph.nodes:
        if id(node.op) not in fields:
            fields[id(node.op)] = fields_of(node.op)
        layer: dict[str, Any] = {"op": name_of(node.op)}
        if node.inputs != (previous,):
            taken = [names[name] for name in node.inputs]
            layer["from"] = taken[0] if len(taken) == 1 else taken
        layer.update(fields[id(node.op)])
        if node.share is not None:
            layer["share"] = names[node.share]
        elif node.frozen and node.applied.cost.weights:
            layer["trainable"] = False
        layers[names[node.name]] = layer
        previous = node.name
    for name in (*graph.outputs, *graph.training_outputs):
        if name in graph.inputs and names[name] == name:
            # An output is a layer; one that is left out stands for what it takes.
            names[name] = _unused("identity", names.values())
            layers[names[name]] = {"op": "Identity", "from": name, "when": False}
    data["layers"] = layers
    outputs = [names[name] for name in graph.outputs]
    if outputs != [next(reversed(layers))]:
        data["outputs"] = outputs[0] if len(outputs) == 1 else outputs
    if graph.bits:
        data["bits"] = [_rule(rule, graph, names) for rule in graph.bits]
    if graph.training_outputs:
        data["training_outputs"] = [names[name] for name in graph.training_outputs]
    return data


def _rule(rule: Rule, graph: Graph, names: Mapping[str, str]) -> dict[str, Any]:
    """A rule about the same layers, by their names in a flat spec."""
    kinds = {type(node.op).__name__ for node in graph.nodes}
    known = [node.name for node in graph.nodes]

    def flat(patterns: Iterable[str]) -> list[str]:
        found: dict[str, None] = {}
        for pattern in patterns:
            if pattern == ENDS or pattern in kinds:
                found[pattern] = None
            found.update((names[known[k]], None) for k in matching(known, pattern))
        return list(found)

    written = {**Bits.of(rule).model_dump(), "layers": flat(rule.layers)}
    written["exclude"] = flat(rule.exclude)
    return {key: value for key, value in written.items() if value}


def _names(graph: Graph) -> dict[str, str]:
    """What layers and inputs are called in a flat spec."""
    used = graph.leading_to(*graph.outputs, *graph.training_outputs)
    idle = [node.name for node in graph.nodes if node.name not in used and not node.idle]
    if any(node.spare for node in graph.nodes):
        raise ArchcalcError(f"a flat spec can't say which experts of {graph.name} are not taken")
    if idle:
        raise ArchcalcError(
            f"a flat spec of {graph.name} would be refused: '{idle[-1]}' leads to no output"
        )
    names = {name: name for name in graph.inputs}
    taken = set(names)
    for node in graph.nodes:
        names[node.name] = _unused(node.name.replace(".", "_"), taken)
        taken.add(names[node.name])
    return names


def _unused(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name
