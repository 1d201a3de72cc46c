"""Tree -> tree: what is written in full in the short forms of the language, which say the same.

A layer of which only the operator or the block is said is that; a block has its arguments behind
its name, and without other keys is its layers; a row stands where it is used.
"""

from __future__ import annotations

import json
from typing import Any

from archcalc.spec.expressions import is_expression
from archcalc.spec.form.tree import LIST, MAPPING, SCALAR, Entry, Node, commented, plain
from archcalc.spec.sugar import ANY, BLOCK_KEYS, arguments, in_full, row_name, signature

MOST = 97
"""Characters of a block's name with its arguments, which have an indent and a colon."""


def in_short(root: Node) -> Node:
    """The tree in short forms. What has comments of its own keeps the form that holds them."""
    blocks, layers = root.get("blocks"), root.get("layers")
    scopes = [each for each in (layers,) if each is not None]
    for entry in blocks.entries if blocks is not None else ():
        inner = entry.node.get("layers") if _in_full(entry.node) else entry.node
        scopes += [inner] if inner is not None else []
    for scope in scopes:
        _words(scope)
    if blocks is not None:
        _rows(blocks, scopes)
        for entry in blocks.entries:
            _block(entry)
        root.entries = [each for each in root.entries if each.node is not blocks or blocks.entries]
    return root


def _in_full(block: Node) -> bool:
    return block.kind == MAPPING and any(entry.key in BLOCK_KEYS for entry in block.entries)


def _words(layers: Node) -> None:
    """Have layers be the name of their operator or block where nothing else is said."""
    for layer in layers.entries:
        node = layer.node
        if node.kind == LIST:
            _words(node)
        elif (row := node.get("layers")) is not None and row.kind != SCALAR:
            _words(row)
        elif len(node.entries) == 1 and not commented(node) and not node.anchor:
            said = plain(node)
            word = next(iter(said.values())) if isinstance(said, dict) else None
            if isinstance(word, str) and not is_expression(word) and in_full(word) == said:
                layer.node = Node.of(word)


def _rows(blocks: Node, scopes: list[Node]) -> None:
    """Put rows that were written out as blocks of their own back where they are used."""
    rows = {entry.key: entry.node for entry in blocks.entries if "." in str(entry.key)}
    calls: dict[str, list[Entry]] = {name: [] for name in rows if name}
    for layer in (layer for scope in scopes for layer in scope.entries):
        block = layer.node.get("block")
        name = block.scalar if block is not None else layer.node.scalar
        if isinstance(name, str) and name in calls:
            calls[name].append(layer)
    for name, found in calls.items():
        if len(found) == 1 and (row := _row(rows[name], found[0].node)) is not None:
            found[0].node = row
            blocks.entries = [each for each in blocks.entries if each.key != name]


def _row(block: Node, call: Node) -> Node | None:
    layers, inputs, args = block.get("layers"), block.get("inputs"), block.get("args")
    if layers is None or inputs is None or plain(inputs) != [ANY]:
        return None
    handed = {str(entry.key) for entry in (args or Node(MAPPING)).entries}
    own = [each for each in call.entries if each.key != "block" and each.key not in handed]
    if any(call.get(name) is None or plain(call.entry(name).node) != f"={name}" for name in handed):
        return None
    if handed & {"i"} and not {"repeat", "parallel"} & {each.key for each in own}:
        return None
    layers = _unnamed(layers)
    further = [each for each in block.entries if each.key in ("output", "outputs")]
    if not own and not further and layers.kind == LIST:
        return layers
    return Node(MAPPING, entries=[*own, *further, Entry("layers", layers)])


def _unnamed(layers: Node) -> Node:
    """Layers without their names, where they would be called so anyway."""
    names: dict[str, None] = {}
    for each in layers.entries:
        names[row_name(plain(each.node), names)] = None
    if layers.kind == LIST or [*names] != [each.key for each in layers.entries]:
        return layers
    entries = [Entry(None, each.node, each.before, each.beside) for each in layers.entries]
    return Node(LIST, entries=entries, after=layers.after)


def _block(entry: Entry) -> None:
    """Have a block's arguments stand behind its name, and its layers under it."""
    block = entry.node
    if not _in_full(block):
        return
    for each in block.entries:
        if each.key == "layers" and not each.node.anchor:
            each.node = _unnamed(each.node)
    key = _signature(str(entry.key), block)
    if key is not None:
        entry.key = key
        block.entries = [each for each in block.entries if each.key != "args"]
    only = block.entries[0] if len(block.entries) == 1 else None
    if only is None or only.key != "layers" or only.beside or block.after or block.anchor:
        return
    inner = only.node
    names = {each.key for each in inner.entries}
    if inner.entries and not inner.anchor and not names & set(BLOCK_KEYS):
        inner.entries[0].before[:0] = only.before
        entry.node = inner


def _signature(name: str, block: Node) -> str | None:
    """A block's name with its arguments behind it, where that is one line and says the same."""
    args = next((each for each in block.entries if each.key == "args"), None)
    if args is None or args.beside or any(args.before) or args.node.anchor:
        return None
    if commented(args.node) or any(each.node.anchor for each in args.node.entries):
        return None
    said = plain(args.node)
    if isinstance(said, dict):
        text = ", ".join(_argument(key, value) for key, value in said.items())
    else:
        text = str(said)
        said = arguments(text)
    key = f"{name}({text})"
    return key if len(key) <= MOST and signature(key) == (name, said) else None


def _argument(name: str, default: Any) -> str:
    if default is None:
        return name
    if is_expression(default):
        return f"{name}={default[1:]}"
    return f"{name}='{default}'" if isinstance(default, str) else f"{name}={json.dumps(default)}"
