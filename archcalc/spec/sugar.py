"""The short forms of a spec, written out: nothing that comes after meets them.

==============================  ====================================================================
``a: [Conv, ReLU]``             a row: a block without a name, used here
``a: {layers: ..., repeat: 2}`` the same in full, with the keys of a layer and ``inputs``
``blocks: {a: {conv: ...}}``    a block without arguments is its layers
``blocks: {a: [Conv, ReLU]}``   a row is a block's layers, wherever layers stand
``blocks: {a: {op: Conv2d}}``    one layer is a block's layers, too
``args: out, kernel=3``         arguments in one line
``blocks: {a(out, k=3): ...}``  a block's arguments behind its name
==============================  ====================================================================

A row becomes a block that is called by the way to it, ``unit.conv1``. What its expressions need
of the arguments around it are its arguments, and what it needs of the layers around it are further
inputs (``Document.around``). Problems are told where they are written.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from archcalc.errors import ExpressionError
from archcalc.spec import expressions
from archcalc.spec.expressions import Expression, is_expression
from archcalc.spec.scope import is_like, root
from archcalc.spec.text import literal
from archcalc.spec.tree import Document, TreePath

BLOCK_KEYS = ("args", "inputs", "output", "outputs", "layers")
"""The keys of a block in full."""

OWN_KEYS = BLOCK_KEYS[1:]
"""Those that a row in full has beside the keys of a layer."""

SIGNATURE = r"^([A-Za-z_][A-Za-z0-9_-]*) ?\((.*)\)$"
"""A block's name with its arguments behind it."""

AROUND = "around"
"""The step of a path to what a row takes of the layers around it."""

ANY = "input.*"
"""The inputs of a row: any number."""


def written_out(document: Document) -> Document:
    """The document without short forms; the same one where it has none."""
    data = document.data
    if not isinstance(data.get("layers"), (dict, list)):
        return document
    return _Writing(document).document()


def in_full(layer: Any) -> Any:
    """``relu: ReLU`` as ``relu: {op: ReLU}``, and a block's name likewise."""
    if isinstance(layer, str):
        return {"op" if layer[:1].isupper() else "block": layer}
    return layer


class _Writing:
    def __init__(self, document: Document) -> None:
        self.written = document
        self.origins: dict[TreePath, TreePath] = dict(document.origins)
        written = document.data.get("blocks")
        self.keys = set(written) if isinstance(written, dict) else set()
        self.taken = {signature(key)[0] for key in self.keys}
        self.rows: dict[str, Any] = {}
        """Blocks made of rows, by name."""
        self.around: dict[str, tuple[str, ...]] = {}
        """What they take of the layers around them."""
        self.doubtful: dict[str, str] = {}
        """Those whose first layer says ``input``, and what is around each."""

    def document(self) -> Document:
        data = self.written.data
        blocks: Any = data.get("blocks")
        if isinstance(blocks, dict):
            blocks = dict(self.named(key, block) for key, block in blocks.items())
        layers = self.layers(data["layers"], ("layers",), ("layers",), "", frozenset())
        if self.rows and (blocks is None or isinstance(blocks, dict)):
            blocks = {**(blocks or {}), **self.rows}
        changed = {**data, "layers": layers}
        if blocks is not None:
            changed["blocks"] = blocks
        if changed == data:
            return self.written
        return replace(
            self.written,
            data=changed,
            origins=self.origins,
            around=self.around,
            doubtful=frozenset(k for k, around in self.doubtful.items() if self.has_input(around)),
            short=data,
        )

    def named(self, key: str, block: Any) -> tuple[str, Any]:
        """A block by its name, with the arguments that stand behind it."""
        name, args = signature(key)
        full = _in_full(block)
        if args is None or name in self.keys or (full and "args" in block):
            return key, self.block(key, block)
        self.keys.add(name)
        at: TreePath = ("blocks", key)
        self.origins["blocks", name] = self.origins["blocks", name, "args"] = at
        if not full:
            self.origins["blocks", name, "layers"] = at
        place = (*at, "layers") if full else at
        inner = block if full else {"layers": block}
        return name, {
            "args": args,
            **inner,
            "layers": self.layers(
                inner.get("layers"), place, ("blocks", name, "layers"), name, frozenset(args)
            ),
        }

    def block(self, name: str, block: Any) -> Any:
        at = ("blocks", name)
        if isinstance(block, list) or (isinstance(block, dict) and block and not _in_full(block)):
            self.origins[*at, "layers"] = at
            return {"layers": self.layers(block, at, (*at, "layers"), name, frozenset())}
        if not isinstance(block, dict) or not isinstance(block.get("layers"), (dict, list)):
            return block
        args = block.get("args")
        if isinstance(args, str):
            args = arguments(args)
            block = {**block, "args": args}
        names = frozenset(args) if isinstance(args, dict) else frozenset()
        where = (*at, "layers")
        return {**block, "layers": self.layers(block["layers"], where, where, name, names)}

    def layers(
        self, layers: Any, written: TreePath, place: TreePath, around: str, names: Collection[str]
    ) -> Any:
        """Layers by name, of those at ``written``; ``names`` are the arguments they see."""
        if not isinstance(layers, (dict, list)):
            return layers
        if _is_layer(layers) and place[0] == "blocks":
            name = row_name(layers, ())
            self.origins[*place, name] = written
            return {name: self.layer(layers, written, (*place, name), around, name, names)}
        if isinstance(layers, list):
            if not layers:
                return layers
            found: dict[str, Any] = {}
            for number, layer in enumerate(layers):
                name = row_name(layer, found)
                self.origins[*place, name] = (*written, number)
                at = (*written, number)
                found[name] = self.layer(layer, at, (*place, name), around, name, names)
            return found
        if written != place:
            self.origins.update({(*place, name): (*written, name) for name in layers})
        return {
            name: self.layer(layer, (*written, name), (*place, name), around, name, names)
            for name, layer in layers.items()
        }

    def layer(
        self,
        layer: Any,
        at: TreePath,
        used_at: TreePath,
        around: str,
        name: str,
        names: Collection[str],
    ) -> Any:
        if isinstance(layer, list) and layer:
            row, keys, place = {"layers": layer}, {}, at
        elif (
            isinstance(layer, dict)
            and isinstance(layer.get("layers"), (dict, list))
            and layer["layers"]
            and "op" not in layer
            and "block" not in layer
        ):
            row = {key: layer[key] for key in OWN_KEYS if key in layer}
            keys = {key: value for key, value in layer.items() if key not in OWN_KEYS}
            place = (*at, "layers")
        else:
            return layer
        kind = f"{around or 'layers'}.{name}"
        while kind in self.taken:
            kind += "_"
        self.taken.add(kind)
        seen = {*names, "i"} if {"repeat", "parallel"} & keys.keys() else names
        used = [each for each in sorted(seen) if each in set(_names(row["layers"]))]
        self.origins["blocks", kind] = at
        self.origins["blocks", kind, "layers"] = place
        layers = self.layers(
            row["layers"], place, ("blocks", kind, "layers"), kind, frozenset(used)
        )
        self.rows[kind] = {
            **({"args": dict.fromkeys(used)} if used else {}),
            "inputs": [ANY],
            **row,
            "layers": layers,
        }
        if "from" not in keys and not self.takes_input(row, layers):
            keys["from"] = []
        self.capture(kind, row, layers, used_at)
        first = next(iter(layers.values()))
        taken = first.get("from") if isinstance(first, dict) else None
        named = "input" in (taken if isinstance(taken, list) else [taken])
        if named and isinstance(layer, list):
            self.doubtful[kind] = around
        return {"block": kind, **keys, **{each: f"={each}" for each in used}}

    def has_input(self, around: str) -> bool:
        """Whether the layers around a row call what they take ``input``."""
        data = self.written.data
        if not around:
            return not isinstance(data.get("input"), dict) or "input" in data["input"]
        if around in self.rows:
            return bool(self.rows[around]["inputs"] == [ANY])
        written = data.get("blocks")
        blocks = {signature(key)[0]: block for key, block in written.items()} if written else {}
        block = blocks.get(around)
        return not (isinstance(block, dict) and "inputs" in block)

    def takes_input(self, row: Mapping[str, Any], layers: Mapping[str, Any]) -> bool:
        """Whether a row takes what comes before it, and not only what its layers name."""
        first = next(iter(layers.values()))
        if "inputs" in row or not isinstance(first, dict) or "from" not in first:
            return True
        return any(root(each) in ("input", "") for each, _ in self.references(layers))

    def capture(
        self, kind: str, row: Mapping[str, Any], layers: Mapping[str, Any], used_at: TreePath
    ) -> None:
        """Note what the layers of a row name and it has not."""
        given = row.get("inputs", ["input"])
        if not isinstance(given, list):
            return
        above: set[str] = {"input", *(str(each).removesuffix(".*") for each in given)}
        found: dict[str, None] = {}
        for layer in layers:
            for reference, place in self.references({layer: layers[layer]}):
                name = _meant(reference, above)
                starred = name.endswith("*") and any(is_like(each, name) for each in above)
                if name and name not in above and not starred and reference not in found:
                    place = ("blocks", kind, "layers", *place)
                    self.origins[*used_at, AROUND, len(found)] = self.place(place)
                    found[reference] = None
            above.add(layer)
        if found:
            self.around[kind] = tuple(found)

    def place(self, path: TreePath) -> TreePath:
        """Where something is written that has this path in full."""
        return replace(self.written, origins=self.origins).written(path)

    def references(self, layers: Mapping[str, Any]) -> Iterator[tuple[str, TreePath]]:
        """What layers take, and whose shapes they ask for, with the places of it."""
        for name, layer in layers.items():
            if not isinstance(layer, dict):
                continue
            counts = bool({"repeat", "parallel"} & layer.keys())
            for key, value in layer.items():
                if key == "from":
                    several = value if isinstance(value, list) else [value]
                    for k, each in enumerate(several):
                        if isinstance(each, str) and not (counts and "i" in _names(each)):
                            yield each, (name, key, k)
                for each in _asked(value) if key != "share" else ():
                    yield each, (name, key)
            block = layer.get("block")
            for k, each in enumerate(self.around.get(block, ()) if isinstance(block, str) else ()):
                if not (counts and "i" in _names(each)):
                    yield each, (name, AROUND, k)


_TEXT = re.compile(r"'([^']*)'|\"([^\"]*)\"")


def _meant(reference: str, above: set[str]) -> str:
    """The layer that a reference names: of one that is worked out, a layer that is not above.

    ``""`` where all that may come out is above, or can't be told.
    """
    if not is_expression(reference):
        return root(reference)
    names = [root(a or b) for a, b in _TEXT.findall(reference)]
    return names[0] if names and above.isdisjoint(names) else ""


def _in_full(block: Any) -> bool:
    long = isinstance(block, dict) and any(key in block for key in BLOCK_KEYS)
    return long and not _is_layer(block)


def _is_layer(block: Any) -> bool:
    """Whether what stands in a block's place is a layer, and not layers by name."""
    if not isinstance(block, dict):
        return False
    kind = block.get("op", block.get("block"))
    return isinstance(kind, str) and "layers" not in block


def signature(key: str) -> tuple[str, dict[str, Any] | None]:
    """A block's name and the arguments that stand behind it; None if none do."""
    found = re.match(SIGNATURE, key)
    return (found[1], arguments(found[2])) if found else (key, None)


def row_name(layer: Any, taken: Collection[str]) -> str:
    """What a layer of a row is called: as its operator or its block."""
    kind = (layer.get("op") or layer.get("block")) if isinstance(layer, dict) else layer
    named = isinstance(kind, str) and not is_expression(kind)
    name = str(kind) if named else "row" if isinstance(kind, list) else "layer"
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found


def _names(written: Any) -> Iterator[str]:
    """The names in the expressions of a value."""
    for expression in _expressions(written):
        yield from expression.names


def _asked(written: Any) -> Iterator[str]:
    """The layers whose shapes the expressions of a value ask for."""
    for expression in _expressions(written):
        yield from sorted(expression.references)


def _expressions(written: Any) -> Iterator[Expression]:
    for _, text in expressions.texts(written):
        for each in expressions.braced(text):
            with suppress(ExpressionError):  # which is told where it is checked
                yield expressions.parse(each)


def arguments(text: str) -> dict[str, Any]:
    """Arguments in one line, ``out, kernel=3``; what is no number, word or text is computed."""
    found: dict[str, Any] = {}
    for part in _parts(text):
        name, equals, value = (each.strip() for each in part.partition("="))
        if not equals:
            found[name] = None
        else:
            known = literal(value)
            quoted = re.fullmatch(r"'([^'\\=][^'\\]*)'", value)
            computed = f"={value}" if isinstance(known, str) else known
            found[name] = quoted[1] if quoted else computed
    return found


def _parts(text: str) -> Iterator[str]:
    """What commas outside brackets and quotes separate."""
    depth, part, quote = 0, "", ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        else:
            depth += (sign in "([") - (sign in ")]")
        if sign == "," and not depth and not quote:
            yield part
            part = ""
        else:
            part += sign
    if part.strip():
        yield part
