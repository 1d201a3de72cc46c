"""Spec -> Spec whose convolutions are replaced by cheaper ones of the same output shape.

A layer that is a convolution becomes a call of a block with the fields it had as arguments, so the
rewritten spec reads like the one it was made from. Which convolutions can be replaced is known of
the expanded network only: a block may hold one that is 1x1 at one place and 5x5 at another. Where
one line of a spec is both, the block decides by an expression.

Every convolution of a replacement has a bias if the replaced one has, and nothing is put between
them: what a design adds there, normalization and activations, is no part of the rewriting.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from archcalc.errors import ArchcalcError
from archcalc.operators.conv import Conv2d
from archcalc.spec.expand import settled
from archcalc.spec.fold import CONVOLUTIONS
from archcalc.spec.graph import Graph, Node
from archcalc.spec.layer import LAYER_KEYS
from archcalc.spec.model import OVERRIDABLE, Spec
from archcalc.spec.question import AS_IT_IS, Input, Question
from archcalc.spec.replacing import Place, call_of, replaced_in
from archcalc.spec.rewrites import BOTH_AXES, Clause, Rewrite, clauses_of, first_failed, reason
from archcalc.spec.zoo import load


@dataclass(frozen=True)
class Rewritten:
    """A network before and after, and what became of its convolutions."""

    spec: Spec
    """The rewritten spec, of one network: the variant that was chosen, with what was set."""
    before: Graph
    after: Graph
    reasons: Mapping[str, str]
    """Convolution of ``before`` -> why it is unchanged; ``""`` for one that is rewritten."""
    replaced: Mapping[str, tuple[str, ...]]
    """Layer of ``before`` -> those that stand for it in ``after``, in order; one that is not
    rewritten may have another name."""


def rewrite(spec: Spec, how: Rewrite, *, input: Input = None, **variables: Any) -> Rewritten:
    """The spec with every convolution rewritten that can be, for an input and variables.

    Output shapes are unchanged, and so is what the spec calls its layers; what is documented of
    the original, its variants and its comments are left out. Raises :class:`SpecError` for a spec
    that can't be expanded, and :class:`ArchcalcError` for a number that fits no convolution.
    """
    question = Question(input, variables=variables)
    before = settled(spec, question)
    data = _one_network(spec, how, before, question)
    places = _places(data)
    at = _instances(data, places)
    by_name = {node.name: node for node in before.nodes}
    clauses = clauses_of(how)
    reasons = {
        node.name: reason(node, at, clauses)
        for node in before.nodes
        if isinstance(node.op, CONVOLUTIONS)
    }
    calls: dict[int, dict[str, Any]] = {}
    instances: dict[int, list[Node]] = {}
    for name, place in at.items():
        instances.setdefault(place, []).append(by_name[name])
    asked = _asked(instances, reasons, clauses)
    both = {*BOTH_AXES.get(how.name, ()), *({"kernel_size"} & {f for c in asked for f in c.asks})}
    for place, nodes in instances.items():
        if any(not reasons[node.name] for node in nodes):
            call, wrong = call_of(places[place].layer, nodes, both)
            calls[place] = call
            if wrong:
                _refuse(nodes, reasons, wrong)
    _refuse_unequal_sharing(before, instances, at, reasons)
    calls = {
        place: call
        for place, call in calls.items()
        if any(not reasons[node.name] for node in instances[place])
    }
    if not calls:
        _require_fit(how, before, [by_name[name] for name in at], clauses)
    else:
        asked = _asked({place: instances[place] for place in calls}, reasons, clauses)
        replaced_in(data, how, places, calls, asked, both)
    rewritten = load(data)
    after = settled(rewritten, AS_IT_IS)
    return Rewritten(rewritten, before, after, reasons, _replaced(before, after))


def _one_network(spec: Spec, how: Rewrite, graph: Graph, question: Question) -> dict[str, Any]:
    """The data of a spec that is of one network, and of which nothing is documented."""
    data = copy.deepcopy(spec.document.data)
    for key in ("documented", "facts", "variants", "budget"):
        data.pop(key, None)
    data["name"] = f"{graph.name}-{how.slug}"
    for key in OVERRIDABLE:
        value = getattr(spec, key)
        if value:
            data[key] = value
    data["edition"] = ", ".join(filter(None, (spec.edition, f"rewritten by {how}")))
    if question.input is not None:
        shapes = {name: list(shape[1:]) for name, shape in graph.inputs.items()}
        data["input"] = shapes if isinstance(spec.input, dict) else next(iter(shapes.values()))
    if spec.vars:
        data["vars"] = {**spec.vars, **question.variables}
    budget = [
        each.model_dump(exclude_none=True, exclude={"variant"})
        for each in spec.budget
        if each.variant in (None, spec.variant)
    ]
    head = ("name", "title", "edition", "year", "feature", "source", "input", "batched", "vars")
    keys = [*(key for key in head if key in data), *(key for key in data if key not in head)]
    ordered = {key: data[key] for key in keys}
    if budget:
        ordered["budget"] = budget
    try:
        # What aliases repeat is one object: as text it is written out, and each can be changed.
        copied: dict[str, Any] = json.loads(json.dumps(ordered))
    except TypeError:
        raise ArchcalcError("a spec is rewritten for numbers: neither arrays nor symbols") from None
    return copied


def _require_fit(
    how: Rewrite, graph: Graph, nodes: Sequence[Node], clauses: Sequence[Clause]
) -> None:
    """Raise where nothing is rewritten because of the number that was given."""
    failed = [(node, first_failed(node, clauses)) for node in nodes]
    unfit = [
        f"{node.name}: {clause.reason(node.op, node.input_shapes[0][1])}"
        for node, clause in failed
        if isinstance(node.op, Conv2d) and clause is not None and clause.numbered
    ]
    if unfit:
        lines = [f"{how} fits no convolution of '{graph.name}'", *unfit[:3]]
        raise ArchcalcError("\n  ".join(lines))


def _places(data: Mapping[str, Any]) -> list[Place]:
    scopes = [*(block["layers"] for block in (data.get("blocks") or {}).values()), data["layers"]]
    return [
        Place(layers, name)
        for layers in scopes
        for name, layer in layers.items()
        if isinstance(layer, dict) and layer.get("op") == "Conv2d"
    ]


def _instances(data: Mapping[str, Any], places: Sequence[Place]) -> dict[str, int]:
    """Node -> the place where it is written.

    A block may be chosen by an expression, so an expansion must tell: of a spec in which each
    convolution stands alone in a block of its own, under a name that says which it is.
    """
    marked = copy.deepcopy(dict(data))
    marked.pop("budget", None)
    mark = _unused("place", "".join([*(place.name for place in places), *marked.get("blocks", {})]))
    blocks = {}
    for number, place in enumerate(_places(marked)):
        given = [key for key in place.layer if key not in LAYER_KEYS]
        blocks[f"{mark}{number}"] = {
            "args": dict.fromkeys(given),
            "layers": {f"{mark}{number}": {"op": "Conv2d", **{key: f"={key}" for key in given}}},
        }
        place.layer.pop("op")
        place.layer["block"] = f"{mark}{number}"
    marked["blocks"] = {**(marked.get("blocks") or {}), **blocks}
    found = {}
    for node in settled(load(marked), AS_IT_IS).nodes:
        name, _, last = node.name.rpartition(".")
        if last.startswith(mark):
            found[name] = int(last.removeprefix(mark))
    return found


def _unused(name: str, among: str) -> str:
    return next(found for k in count() if (found := name + "_" * k) not in among)


def _asked(
    instances: Mapping[int, Sequence[Node]], reasons: Mapping[str, str], clauses: Sequence[Clause]
) -> list[Clause]:
    """What a block must ask: where a line of the spec is rewritten at one place, not at another."""
    asked = [
        first_failed(node, clauses)
        for nodes in instances.values()
        if any(not reasons[node.name] for node in nodes)
        for node in nodes
    ]
    return [clause for clause in clauses if clause in asked]


def _refuse(nodes: Sequence[Node], reasons: dict[str, str], why: str) -> None:
    for node in nodes:
        reasons[node.name] = reasons[node.name] or why


def _refuse_unequal_sharing(
    graph: Graph,
    instances: Mapping[int, Sequence[Node]],
    at: Mapping[str, int],
    reasons: dict[str, str],
) -> None:
    """Leave alone what shares tensors with what is not rewritten, and what is one line with it."""
    shared: dict[str, list[str]] = {}
    for node in graph.nodes:
        if node.share is not None:
            shared.setdefault(node.share, [node.share]).append(node.name)
    unequal = True
    while unequal:
        unequal = False
        for names in shared.values():
            kept = next((name for name in names if reasons.get(name, "it")), None)
            for name in names:
                if kept is not None and not reasons.get(name, "it"):
                    why = f"shares its tensors with {kept}, which is not rewritten"
                    _refuse(instances[at[name]], reasons, why)
                    unequal = True


def _replaced(before: Graph, after: Graph) -> dict[str, tuple[str, ...]]:
    replaced: dict[str, list[str]] = {node.name: [] for node in before.nodes}
    for node in after.nodes:
        name = node.name
        while name not in replaced:
            name = name.rpartition(".")[0]
        replaced[name].append(node.name)
    return {name: tuple(names) for name, names in replaced.items()}
