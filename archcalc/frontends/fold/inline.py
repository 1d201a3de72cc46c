"""A block that is used in one place stands there, as a row: a reader need not look it up."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping
from typing import Any

from archcalc.errors import ExpressionError
from archcalc.spec.expressions import is_expression, parse

Layers = dict[str, dict[str, Any]]

DEEPEST = 3
"""Rows within one another: deeper ones are hard to read."""


def inlined(data: dict[str, Any]) -> dict[str, Any]:
    """The data of a spec whose blocks that are used once are rows, if nothing speaks against it."""
    blocks: dict[str, Any] = {
        name: {**block, "layers": dict(block["layers"])}
        for name, block in data.get("blocks", {}).items()
    }
    layers: Layers = dict(data["layers"])
    uses = Counter(
        layer["block"]
        for each in (layers, *(block["layers"] for block in blocks.values()))
        for layer in each.values()
        if "block" in layer
    )
    for each in (*(block["layers"] for block in blocks.values()), layers):
        for name, layer in each.items():
            found = layer.get("block")
            if found is None or uses[found] != 1 or found not in blocks:
                continue
            if "repeat" in layer or "parallel" in layer:
                continue
            row = _row(layer, blocks[found])
            if row is not None:
                each[name] = row
                del blocks[found]
    changed = _renamed({**data, "layers": layers, "blocks": blocks})
    if not blocks:
        del changed["blocks"]
    return changed


def _renamed(data: dict[str, Any]) -> dict[str, Any]:
    """The data with blocks by their first names where these are free again: not ``unit_2``."""
    taken = set(data["blocks"])
    names = {}
    for name in data["blocks"]:
        first, _, number = name.rpartition("_")
        if not first or not number.isdigit():
            continue
        for free in (first, *(f"{first}_{k}" for k in range(2, int(number)))):
            if free not in taken:
                names[name] = free
                taken.add(free)
                break

    def renamed(layers: Layers) -> Layers:
        found = {}
        for key, layer in layers.items():
            block, row = layer.get("block"), layer.get("layers")
            named = {"block": names.get(block, block)} if block is not None else {}
            inner = {"layers": renamed(row)} if row is not None else {}
            found[key] = {**layer, **named, **inner}
        return found

    blocks = {
        names.get(name, name): {**block, "layers": renamed(block["layers"])}
        for name, block in data["blocks"].items()
    }
    return {**data, "blocks": blocks, "layers": renamed(data["layers"])}


def _row(layer: Mapping[str, Any], block: Mapping[str, Any]) -> dict[str, Any] | None:
    """The layer with the layers of its block in the place of its name; None if that can't be."""
    if block.keys() - {"args", "layers"} or isinstance(layer.get("from"), list):
        return None
    if _depth(block["layers"]) >= DEEPEST:
        return None
    args = block.get("args", {})
    given = {name: layer.get(name, default) for name, default in args.items()}
    if any(_asks(value) for value in given.values()):
        return None  # what it asks for would be looked for inside
    try:
        layers = {name: _filled(each, given) for name, each in block["layers"].items()}
    except _Open:
        return None
    return {"layers": layers, **{key: layer[key] for key in ("from", "when") if key in layer}}


def _depth(layers: Mapping[str, Any]) -> int:
    inner = [_depth(layer["layers"]) for layer in layers.values() if "layers" in layer]
    return 1 + max(inner, default=0)


def _asks(value: Any) -> bool:
    """Whether a value asks for shapes."""
    if isinstance(value, list):
        return any(map(_asks, value))
    if not is_expression(value):
        return False
    return bool(parse(value[1:]).references)


class _Open(Exception):
    """A value can't be put in the place of an argument."""


def _filled(value: Any, given: Mapping[str, Any]) -> Any:
    """A value with what is given in the place of arguments."""
    if isinstance(value, dict):
        return {key: _filled(each, given) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, given) for each in value]
    if not is_expression(value):
        return value
    try:
        names = parse(value[1:]).names & given.keys()
        tree = ast.parse(value[1:], mode="eval")
    except (ExpressionError, SyntaxError):
        raise _Open from None
    if not names:
        return value
    if isinstance(tree.body, ast.Name):
        return given[tree.body.id]
    filled = _Filling(given).visit(tree)
    return f"={ast.unparse(filled)}"


class _Filling(ast.NodeTransformer):
    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = given

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """The expression or the literal that stands for an argument."""
        if node.id not in self.given:
            return node
        value = self.given[node.id]
        text = value[1:] if is_expression(value) else repr(value)
        return ast.parse(text, mode="eval").body
