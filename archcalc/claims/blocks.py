"""Rows that are modules as blocks of a spec: patterns of widths, and convolutions repeated.

What is between their convolutions no table prints: normalizations follow from the parameters, and
activations are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, NamedTuple

from archcalc.claims.spelled import Fields, plain
from archcalc.claims.tables.evidence import State, known
from archcalc.claims.tables.modules import WIDTHS, Conv, Pattern, Width
from archcalc.claims.tables.sheet import Entry, Stack
from archcalc.claims.tables.stacks import ways
from archcalc.claims.tables.work import Layer

SAID = "how convolutions are joined is not in the table, nor are activations"


class Module(NamedTuple):
    """A row as a use of a block."""

    head: str
    """The block's name with its arguments."""
    body: Mapping[str, Any]
    fields: Fields
    """Of the layer that uses it."""


def module(entry: Entry, layer: Layer, before: State, after: State) -> Module:
    """A row that prints the widths of a module, or a block that is repeated."""
    if entry.pattern is not None:
        return _of_pattern(entry, entry.pattern, layer, before, after)
    assert entry.stack is not None
    return _of_stack(entry.stack, layer, before, after)


def _of_pattern(
    entry: Entry, pattern: Pattern, layer: Layer, before: State, after: State
) -> Module:
    """A row whose columns are the widths of a module."""
    widths = entry.widths or {r: int(entry.values[r]) for r in WIDTHS if r in entry.values}
    name = re.sub(r"\W+", "_", pattern.name).strip("_").lower()
    own = [_word(width) for width in pattern.columns if width != pattern.times]
    strided = _moves(before, after)
    parts = list(_convolutions(pattern, layer.bias, strided > 1))
    body = dict(each for _, layers in parts for each in layers)
    ends = [
        last
        for width, last in ((c.cout, list(layers)[-1][0]) for c, layers in parts)
        if width in pattern.out
    ]
    if len(ends) > 1:
        body["concat"] = {"op": "Concat", "from": ends}
    fields: Fields = {_word(role): n for role, n in widths.items() if role != pattern.times}
    times = widths.get(pattern.times, 1)
    if strided > 1:
        own.append("stride=1")
        fields["stride"] = f"={strided} if i == 0 else 1" if times > 1 else strided
    fields |= {"repeat": times} if times > 1 else {}
    return Module(f"{name}({', '.join(own)})", body, {"block": name, **fields})


def _convolutions(
    pattern: Pattern, bias: int, strided: bool
) -> Iterator[tuple[Conv, list[tuple[str, Fields]]]]:
    """The layers of each convolution of a module, by name."""
    made: dict[Width, str] = {}
    names: set[str] = set()
    moved = not strided
    for k, conv in enumerate(pattern.layers):
        stem = f"conv_{re.sub(r'[^a-z0-9]+', '_', str(conv.cout).lower())}"
        name = stem if stem not in names else f"{stem}_{k + 1}"
        names.add(name)
        layers: list[tuple[str, Fields]] = []
        source = made.get(conv.cin, "input")
        if conv.pooled:
            pool = {"op": "MaxPool2d", "from": source, "kernel_size": 3, "stride": 1, "padding": 1}
            layers.append(("pool", pool))
            source = "pool"
        stride = "=stride" if not moved and conv.side > 1 else None
        moved = moved or stride is not None
        fields = plain(
            out_channels=_size(conv.cout),
            kernel_size=conv.side,
            stride=stride,
            padding=conv.side // 2 or None,
            groups=None if conv.groups == 1 else _size(conv.groups),
            bias=None if bias in (1, 3) else False,
        )
        layers.append((name, {"op": "Conv2d", "from": source, **fields}))
        if bias > 1:
            layers.append((f"{name}_bn", {"op": "BatchNorm2d"}))
        made[conv.cout] = layers[-1][0]
        yield conv, layers


def _word(role: str) -> str:
    """A width's name as an argument."""
    word = re.sub(r"\W+", "_", role).strip("_").lower()
    return word if word[:1].isalpha() else f"n{word}"


def _size(width: Width) -> int | str:
    """A width as a number or an expression."""
    if isinstance(width, int):
        return width
    parts = [part.strip() for part in width.split("*")]
    return "=" + " * ".join(
        "channels(input)" if part == "in" else part if part.isdecimal() else _word(part)
        for part in parts
    )


def _moves(before: State, after: State) -> int:
    """The stride of a module."""
    sizes, left = known(before.ext), known(after.ext)
    if not sizes or not left or len(sizes) != len(left):
        return 1
    return max(1, round(sizes[0] / left[0])) if left[0] else 1


def _of_stack(stack: Stack, layer: Layer, before: State, after: State) -> Module:
    """A row that is a block of convolutions, repeated."""
    way = next(ways(stack, layer, before, after))
    stride = _moves(before, after)
    kinds = "_".join("x".join(map(str, part.sides)) for part in stack.parts)
    axes = len(stack.parts[0].sides)
    same = len({part.groups for part in stack.parts}) == 1
    name = f"unit_{kinds}" + ("" if same else "_grouped") + ("" if way.projected else "_plain")
    body: dict[str, Any] = {}
    moved = False
    for k, part in enumerate(stack.parts):
        window = prod(part.sides) > 1
        moves = not moved and (not way.late or window)
        moved = moved or moves
        sides = part.sides
        body[f"conv{k + 1}"] = {
            "op": f"Conv{axes}d",
            **plain(
                out_channels=f"=widths[{k}]",
                kernel_size=sides[0] if len(set(sides)) == 1 else list(sides),
                stride="=stride" if moves else None,
                padding=(sides[0] // 2 or None)
                if len(set(sides)) == 1
                else [side // 2 for side in sides],
                groups=part.groups if part.groups > 1 else None,
                bias=None if way.bias in (1, 3) else False,
            ),
        }
        if way.bias > 1:
            body[f"bn{k + 1}"] = {"op": f"BatchNorm{axes}d"}
    last = list(body)[-1]
    if way.projected:
        last_width = f"widths[{len(stack.parts) - 1}]"
        when = f"=stride != 1 or channels(input) != {last_width}"
        bias = None if way.bias in (1, 3) else False
        conv = plain(op=f"Conv{axes}d", kernel_size=1, stride="=stride", bias=bias)
        body["projection"] = {
            "op": conv.pop("op"),
            "from": "input",
            "out_channels": f"={last_width}",
            **conv,
            "when": when,
        }
        end = "projection"
        if way.bias > 1:
            body["projection_bn"] = {"op": f"BatchNorm{axes}d", "when": when}
            end = "projection_bn"
        body["add"] = {"op": "Add", "from": [last, end]}
    fields: Fields = {"widths": [part.width for part in stack.parts]}
    if stride > 1:
        fields["stride"] = f"={stride} if i == 0 else 1" if stack.times > 1 else stride
    fields |= {"repeat": stack.times} if stack.times > 1 else {}
    return Module(f"{name}(widths, stride=1)", body, {"block": name, **fields})
