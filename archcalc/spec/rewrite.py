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
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

from archcalc.errors import ArchcalcError, did_you_mean
from archcalc.operators.base import LARGEST
from archcalc.operators.conv import Conv2d
from archcalc.spec.expand import settled
from archcalc.spec.expressions import is_expression
from archcalc.spec.fold import CONVOLUTIONS
from archcalc.spec.graph import Graph, Node
from archcalc.spec.layer import LAYER_KEYS
from archcalc.spec.model import OVERRIDABLE, Spec
from archcalc.spec.question import AS_IT_IS, Input, Question
from archcalc.spec.zoo import load

REWRITES: dict[str, tuple[int | None, str]] = {
    "bottleneck": (2, "a 1x1 convolution to 1/N of the channels, then the convolution"),
    "separable": (None, "a convolution of each channel on its own, then a 1x1 convolution"),
    "stack3x3": (None, "3x3 convolutions in a row that see as much as the large kernel"),
    "groups": (2, "the convolution with its channels shared out to N groups"),
    "lowrank": (1, "a k x 1 convolution to N channels, then a 1 x k convolution"),
}
"""Rewrite -> the least number after its colon, None if it takes none, and what it does.

``bottleneck``: Szegedy et al., arXiv:1409.4842, section 4, after Lin et al., arXiv:1312.4400.
``separable``: Howard et al., arXiv:1704.04861, section 3.1. ``stack3x3``: Simonyan and Zisserman,
arXiv:1409.1556, section 2.3. ``groups``: Krizhevsky et al. 2012, section 3.5. ``lowrank``:
Jaderberg, Vedaldi and Zisserman, arXiv:1405.3866, section 2.2 (scheme 2).
"""

FIELDS = tuple(Conv2d.__pydantic_fields__)
"""The fields of a convolution, in their order."""

_DEFAULTS: dict[str, Any] = {
    "stride": 1,
    "padding": 0,
    "dilation": 1,
    "groups": 1,
    "bias": True,
    "padding_mode": "zeros",
}
_BOTH_AXES: dict[str, tuple[str, ...]] = {
    "stack3x3": ("kernel_size", "padding"),
    "lowrank": ("kernel_size", "stride", "padding", "dilation"),
}
"""Fields that a block takes axis by axis, because it splits them."""


class Rewrite(NamedTuple):
    """What is done to convolutions: ``bottleneck:4``."""

    name: str
    number: int | None = None

    @classmethod
    def parse(cls, text: str) -> Rewrite:
        """The rewrite that a text names. Raises :class:`ArchcalcError` for what is none."""
        name, colon, digits = text.strip().partition(":")
        if name not in REWRITES:
            hint = did_you_mean(name, REWRITES) or f"known: {', '.join(REWRITES)}"
            raise ArchcalcError(f"no rewrite '{name}'\n  {hint}")
        least, _ = REWRITES[name]
        if least is None:
            if colon:
                raise ArchcalcError(f"'{name}' takes no number: write {name}")
            return cls(name)
        if not re.fullmatch(r"[0-9]{1,13}", digits) or not least <= int(digits) <= LARGEST:
            given = f", not '{digits}'" if colon else ""
            raise ArchcalcError(f"'{name}' takes a whole number from {least}{given}: {name}:8")
        return cls(name, int(digits))

    def __str__(self) -> str:
        return self.name if self.number is None else f"{self.name}:{self.number}"

    @property
    def slug(self) -> str:
        """As part of a name: ``bottleneck4``."""
        return str(self).replace(":", "")


class _Clause(NamedTuple):
    """Something that must hold of a convolution that is to be rewritten."""

    holds: Callable[[Conv2d, int], bool]
    """Of the operator and how many channels it takes."""
    written: str
    """The same in the language of specs, in a block that has the fields as arguments."""
    reason: Callable[[Conv2d, int], str]
    """What to say where it does not hold."""
    asks: tuple[str, ...]
    """The fields in ``written``."""
    numbered: bool = False
    """Whether another number might make it hold."""


def _clauses(how: Rewrite) -> list[_Clause]:
    n = how.number or 1
    wide = _Clause(
        lambda op, _: max(op.kernel_size) > 1,
        "max(kernel_size) > 1",
        lambda op, _: "is 1x1",
        ("kernel_size",),
    )
    divided = _Clause(
        lambda op, channels: channels % n == 0,
        f"channels(input) % {n} == 0",
        lambda op, channels: f"{n} does not divide its {channels} input channels",
        (),
        True,
    )
    if how.name == "bottleneck":
        shared = _Clause(
            lambda op, channels: channels // n % op.groups == 0,
            f"channels(input) // {n} % groups == 0",
            lambda op, channels: (
                f"its {op.groups} groups do not divide {channels} / {n} = {channels // n} channels"
            ),
            ("groups",),
            True,
        )
        return [wide, divided, shared]
    if how.name == "separable":
        mixed = _Clause(
            lambda op, channels: op.groups == 1 or op.groups < channels,
            "groups == 1 or groups < channels(input)",
            lambda op, _: "is one of each channel on its own",
            ("groups",),
        )
        return [wide, mixed]
    if how.name == "groups":
        finer = _Clause(
            lambda op, _: op.groups < n and n % op.groups == 0,
            f"groups < {n} and {n} % groups == 0",
            lambda op, _: f"has {op.groups} groups",
            ("groups",),
            True,
        )
        filled = _Clause(
            lambda op, _: op.out_channels % n == 0,
            f"out_channels % {n} == 0",
            lambda op, _: f"{n} does not divide its {op.out_channels} output channels",
            ("out_channels",),
            True,
        )
        return [finer, divided, filled]
    if how.name == "stack3x3":
        large = _Clause(
            lambda op, _: max(op.kernel_size) > 3,
            "max(kernel_size) > 3",
            lambda op, _: f"is {_x(op.kernel_size)}",
            ("kernel_size",),
        )
        square = _Clause(
            lambda op, _: op.kernel_size[0] == op.kernel_size[1] and op.kernel_size[0] % 2 == 1,
            "kernel_size[0] == kernel_size[1] and kernel_size[0] % 2 == 1",
            lambda op, _: f"no stack of 3x3 sees {_x(op.kernel_size)}",
            ("kernel_size",),
        )
        return [large, square]
    broad = _Clause(
        lambda op, _: min(op.kernel_size) > 1,
        "min(kernel_size) > 1",
        lambda op, _: f"is {_x(op.kernel_size)}",
        ("kernel_size",),
    )
    ranked = _Clause(
        lambda op, _: n % op.groups == 0,
        f"{n} % groups == 0",
        lambda op, _: f"its {op.groups} groups do not divide {n} channels",
        ("groups",),
        True,
    )
    return [broad, ranked]


def _x(sizes: Sequence[int]) -> str:
    return "x".join(map(str, sizes))


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
    clauses = _clauses(how)
    reasons = {
        node.name: _reason(node, at, clauses)
        for node in before.nodes
        if isinstance(node.op, CONVOLUTIONS)
    }
    calls: dict[int, dict[str, Any]] = {}
    instances: dict[int, list[Node]] = {}
    for name, place in at.items():
        instances.setdefault(place, []).append(by_name[name])
    asked = _asked(instances, reasons, clauses)
    both = {*_BOTH_AXES.get(how.name, ()), *({"kernel_size"} & {f for c in asked for f in c.asks})}
    for place, nodes in instances.items():
        if any(not reasons[node.name] for node in nodes):
            call, wrong = _call(places[place].layer, nodes, both)
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
    if calls:
        asked = _asked({place: instances[place] for place in calls}, reasons, clauses)
        _replace(data, how, places, calls, asked, both)
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
        {
            key: value
            for key, value in each.model_dump(exclude_none=True).items()
            if key != "variant"
        }
        for each in spec.budget
        if each.variant in (None, spec.variant)
    ]
    head = ("name", "title", "edition", "year", "feature", "source", "input", "vars")
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
    how: Rewrite, graph: Graph, nodes: Sequence[Node], clauses: Sequence[_Clause]
) -> None:
    """Raise where nothing is rewritten because of the number that was given."""
    failed = [(node, _first_failed(node, clauses)) for node in nodes]
    unfit = [
        f"{node.name}: {clause.reason(node.op, node.input_shapes[0][1])}"
        for node, clause in failed
        if isinstance(node.op, Conv2d) and clause is not None and clause.numbered
    ]
    if unfit:
        lines = [f"{how} fits no convolution of '{graph.name}'", *unfit[:3]]
        raise ArchcalcError("\n  ".join(lines))


class _Place(NamedTuple):
    """Where a convolution is written: in which layers, and under which name."""

    layers: dict[str, Any]
    name: str

    @property
    def layer(self) -> dict[str, Any]:
        layer: dict[str, Any] = self.layers[self.name]
        return layer


def _places(data: Mapping[str, Any]) -> list[_Place]:
    scopes = [*(block["layers"] for block in (data.get("blocks") or {}).values()), data["layers"]]
    return [
        _Place(layers, name)
        for layers in scopes
        for name, layer in layers.items()
        if isinstance(layer, dict) and layer.get("op") == "Conv2d"
    ]


def _instances(data: Mapping[str, Any], places: Sequence[_Place]) -> dict[str, int]:
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


def _reason(node: Node, at: Mapping[str, int], clauses: Sequence[_Clause]) -> str:
    """Why a convolution can't be rewritten; ``""`` if it can."""
    if not isinstance(node.op, Conv2d):
        return f"is a {type(node.op).__name__}, and only Conv2d is rewritten"
    if node.name not in at:
        return "its operator is an expression"
    failed = _first_failed(node, clauses)
    return failed.reason(node.op, node.input_shapes[0][1]) if failed else ""


def _first_failed(node: Node, clauses: Sequence[_Clause]) -> _Clause | None:
    assert isinstance(node.op, Conv2d)
    channels = node.input_shapes[0][1]
    return next((clause for clause in clauses if not clause.holds(node.op, channels)), None)


def _asked(
    instances: Mapping[int, Sequence[Node]], reasons: Mapping[str, str], clauses: Sequence[_Clause]
) -> list[_Clause]:
    """What a block must ask: where a line of the spec is rewritten at one place, not at another."""
    asked = [
        _first_failed(node, clauses)
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


def _call(
    layer: Mapping[str, Any], nodes: Sequence[Node], both: set[str]
) -> tuple[dict[str, Any], str]:
    """The layer as the call of a block, and why it can't be one if it can't.

    The fields in ``both`` are given axis by axis, in whatever form they are written.
    """
    call: dict[str, Any] = {}
    for key, written in layer.items():
        if key == "op":
            call["block"] = None
        elif key in both:
            call[key] = _axis_by_axis(key, written, nodes)
            if call[key] is None:
                return call, f"its {key} is an expression that gives lists"
        else:
            call[key] = written
    return call, ""


def _axis_by_axis(field: str, written: Any, nodes: Sequence[Node]) -> Any:
    """A field as a list with an item for each axis, pairs for padding; None if it can't be said."""
    if isinstance(written, list):
        return _spread(field, written)
    if not isinstance(written, str):
        return _pair(field, written)
    values = {_resolved(field, node) for node in nodes}
    if len(values) == 1:
        return json.loads(json.dumps(values.pop()))
    if is_expression(written) and all(len(set(_flat(value))) == 1 for value in values):
        within = _pair(field, written[1:].strip())
        return "=" + json.dumps(within).replace('"', "")
    return None


def _pair(field: str, item: Any) -> list[Any]:
    return [[item, item], [item, item]] if field == "padding" else [item, item]


def _spread(field: str, written: list[Any]) -> list[Any]:
    items = written * 2 if len(written) == 1 else written
    if field == "padding":
        return [item if isinstance(item, list) else [item, item] for item in items]
    return items


def _resolved(field: str, node: Node) -> tuple[Any, ...]:
    assert isinstance(node.op, Conv2d)
    found: tuple[Any, ...] = (
        node.op.pads(*node.input_shapes) if field == "padding" else getattr(node.op, field)
    )
    return found


def _flat(value: Any) -> Iterator[int]:
    if isinstance(value, tuple):
        for item in value:
            yield from _flat(item)
    else:
        yield value


def _replace(
    data: dict[str, Any],
    how: Rewrite,
    places: Sequence[_Place],
    calls: Mapping[int, dict[str, Any]],
    asked: Sequence[_Clause],
    both: set[str],
) -> None:
    """Put calls in the places of convolutions, and the block that is called before all others."""
    given = {"out_channels", "kernel_size", *(f for clause in asked for f in clause.asks)}
    given |= {key for call in calls.values() for key in call}
    fields = [field for field in FIELDS if field in given]
    name = next(
        found for k in count() if (found := how.slug + "_" * k) not in (data.get("blocks") or {})
    )
    defaults = {
        key: _pair(key, value) if key in both else value for key, value in _DEFAULTS.items()
    }
    block = {
        "args": {field: defaults.get(field) for field in fields},
        "layers": _layers(how, fields, " and ".join(_bracketed(c.written) for c in asked)),
    }
    for number, call in calls.items():
        places[number].layers[places[number].name] = {**call, "block": name}
    data["blocks"] = {name: block, **(data.get("blocks") or {})}
    for key in ("layers", "outputs", "training_outputs", "budget"):
        if key in data:  # behind the blocks, as specs are written
            data[key] = data.pop(key)


def _bracketed(condition: str) -> str:
    return f"({condition})" if " or " in condition else condition


def _layers(how: Rewrite, fields: Sequence[str], condition: str) -> dict[str, Any]:
    """The layers of a block that stands for a convolution, or is one where ``condition`` fails."""
    n = how.number
    when = {"when": f"={condition}"} if condition else {}

    def conv(*same: str, **other: Any) -> dict[str, Any]:
        """A convolution with some of the arguments as they are."""
        kept = {key: f"={key}" for key in fields if key in same and key not in other}
        ordered = {key: {**kept, **other}[key] for key in FIELDS if key in kept or key in other}
        return {"op": "Conv2d", **ordered}

    unchanged = {"unchanged": {**conv(*fields), "when": f"=not ({condition})"}} if when else {}
    each = ("bias", "padding_mode")
    if how.name == "groups":
        groups: Any = n
        if condition:
            groups = f"={n} if {condition} else {'groups' if 'groups' in fields else 1}"
        return {"conv": conv(*fields, groups=groups)}
    if how.name == "bottleneck":
        reduced = f"=channels(input) // {n}"
        return {
            "reduce": {
                **conv("groups", "bias", out_channels=reduced, kernel_size=1),
                **when,
            },
            "conv": conv(*fields),
        }
    if how.name == "separable":
        return {
            "depthwise": {
                **conv(*fields, out_channels="=channels(input)", groups="=channels(input)"),
                **when,
            },
            "pointwise": {**conv("out_channels", "groups", "bias", kernel_size=1), **when},
            **unchanged,
        }
    if how.name == "stack3x3":
        # What all before the last leave of the padding is its share: the total is the same.
        ends = [
            f"(padding[{axis}][{end}] + (kernel_size[0] - 3) // 2 - i) // (kernel_size[0] // 2)"
            for axis in (0, 1)
            for end in (0, 1)
        ]
        last = [
            f"padding[{axis}][{end}] // (kernel_size[0] // 2)" for axis in (0, 1) for end in (0, 1)
        ]
        padded = "padding" in fields
        most: dict[str, Any] = {"kernel_size": 3}
        least: dict[str, Any] = {"kernel_size": 3}
        if padded:
            most["padding"] = f"=[[{ends[0]}, {ends[1]}], [{ends[2]}, {ends[3]}]]"
            least["padding"] = f"=[[{last[0]}, {last[1]}], [{last[2]}, {last[3]}]]"
        kept = ("out_channels", "dilation", "groups", *each)
        return {
            "conv": {**conv(*kept, **most), "repeat": "=(kernel_size[0] - 3) // 2", **when},
            "last": {**conv(*kept, "stride", **least), **when},
            **unchanged,
        }
    rows: dict[str, Any] = {"kernel_size": "=[kernel_size[0], 1]"}
    columns: dict[str, Any] = {"kernel_size": "=[1, kernel_size[1]]"}
    for field in ("stride", "dilation"):
        if field in fields:
            rows[field], columns[field] = f"=[{field}[0], 1]", f"=[1, {field}[1]]"
    if "padding" in fields:
        rows["padding"], columns["padding"] = "=[padding[0], [0, 0]]", "=[[0, 0], padding[1]]"
    return {
        "rows": {**conv("groups", *each, out_channels=n, **rows), **when},
        "columns": {**conv("out_channels", "groups", *each, **columns), **when},
        **unchanged,
    }


def _replaced(before: Graph, after: Graph) -> dict[str, tuple[str, ...]]:
    replaced: dict[str, list[str]] = {node.name: [] for node in before.nodes}
    for node in after.nodes:
        name = node.name
        while name not in replaced:
            name = name.rpartition(".")[0]
        replaced[name].append(node.name)
    return {name: tuple(names) for name, names in replaced.items()}
