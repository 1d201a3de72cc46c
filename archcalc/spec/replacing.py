"""A convolution's place in a spec, written anew."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

from archcalc.operators.conv import Conv2d
from archcalc.spec.expressions import is_expression
from archcalc.spec.graph import Node
from archcalc.spec.rewrites import FIELDS, Clause, Rewrite

_DEFAULTS: dict[str, Any] = {
    "stride": 1,
    "padding": 0,
    "dilation": 1,
    "groups": 1,
    "bias": True,
    "padding_mode": "zeros",
}


class Place(NamedTuple):
    """Where a convolution is written: in which layers, and under which name."""

    layers: dict[str, Any]
    name: str

    @property
    def layer(self) -> dict[str, Any]:
        layer: dict[str, Any] = self.layers[self.name]
        return layer


def call_of(
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


def replaced_in(
    data: dict[str, Any],
    how: Rewrite,
    places: Sequence[Place],
    calls: Mapping[int, dict[str, Any]],
    asked: Sequence[Clause],
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
