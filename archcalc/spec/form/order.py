"""Tree -> tree: keys in the order in which they are read, whoever wrote them.

Names that are chosen, of layers, blocks, variables, variants and arguments, stay as they are: their
order says something, or is the author's.
"""

from __future__ import annotations

from collections.abc import Sequence

from archcalc.spec.documented import Documented, Erratum, Fact, Requirement
from archcalc.spec.form.tree import LIST, MAPPING, Node
from archcalc.spec.model import Bits
from archcalc.spec.sugar import BLOCK_KEYS, OWN_KEYS, arguments, signature

ABOUT = (
    *("network", "name", "title", "edition", "year", "feature", "source", "input", "batched"),
    *("vars", "variants", "bits", "space"),
    *("blocks", "layers", "outputs", "training_outputs", "requires"),
    *("documented", "facts", "budget"),
)
"""The keys of a spec, of a file of records, and of what is said of a network elsewhere."""

FIRST = ("op", "block", "from", "repeat", "parallel", "active", "when")
"""The keys of a row in full before what it has of a block."""

LAST = ("share", "when")
"""The keys of a layer behind its fields or arguments, which stand behind ``active``."""

_RECORDS = {
    "bits": tuple(Bits.__pydantic_fields__),
    "requires": tuple(Requirement.__pydantic_fields__),
    "documented": tuple(Documented.__pydantic_fields__),
    "facts": tuple(Fact.__pydantic_fields__),
    "budget": ("variant", "layer", "quantity", "at_most", "at_least"),
}
_SECTIONS = {*ABOUT[ABOUT.index("vars") :]} - {"outputs", "training_outputs"}


def ordered(root: Node) -> Node:
    """The tree with its keys in order."""
    _sort(root, ABOUT)
    blocks = root.get("blocks")
    arguments = _arguments(blocks) if blocks is not None else {}
    for entry in blocks.entries if blocks is not None else ():
        _block(entry.node, arguments)
    layers = root.get("layers")
    if layers is not None:
        _layers(layers, arguments)
    for key, order in _RECORDS.items():
        found = root.get(key) or Node(LIST)
        if found.kind == MAPPING:
            _sort(found, order)
            continue
        for entry in found.entries:
            _sort(entry.node, order)
            erratum = entry.node.get("erratum")
            if erratum is not None:
                _sort(erratum, tuple(Erratum.__pydantic_fields__))
    return root


def spaced(root: Node) -> Node:
    """What was made from data, with blank lines around its parts and between its blocks."""
    apart = False
    for entry in root.entries:
        section = entry.key in _SECTIONS and entry.node.kind != "scalar"
        if section or apart:
            entry.before[:0] = [""]
        apart = section
        if entry.key == "blocks":
            for block in entry.node.entries[1:]:
                block.before[:0] = [""]
    return root


def _block(node: Node, arguments: dict[str, Sequence[str]]) -> None:
    if node.kind == MAPPING and any(entry.key in BLOCK_KEYS for entry in node.entries):
        _sort(node, BLOCK_KEYS)
        layers = node.get("layers")
        if layers is not None:
            _layers(layers, arguments)
    else:
        _layers(node, arguments)


def _layers(node: Node, arguments: dict[str, Sequence[str]]) -> None:
    for entry in node.entries if node.kind != "scalar" else ():
        _layer(entry.node, arguments)


def _layer(node: Node, arguments: dict[str, Sequence[str]]) -> None:
    if node.kind == LIST:
        _layers(node, arguments)
    if node.kind != MAPPING:
        return
    row = node.get("layers")
    if row is not None and row.kind != "scalar":
        _sort(node, (*FIRST, *OWN_KEYS))
        _layers(row, arguments)
        return
    op, block = node.get("op"), node.get("block")
    if op is not None:
        fields: Sequence[str] = _fields(op.scalar)
    else:
        fields = arguments.get(block.scalar, ()) if block is not None else ()
    head = [key for key in FIRST if key not in LAST]
    others = [entry.key for entry in node.entries if entry.key not in {*head, *fields, *LAST}]
    _sort(node, (*head, *fields, *map(str, others), *LAST))


def _fields(name: object) -> Sequence[str]:
    """The fields of an operator in its own order, which is PyTorch's."""
    from archcalc.operators import NAMES, operator

    if not isinstance(name, str) or name not in NAMES:
        return ()
    return tuple(operator(name).__pydantic_fields__)


def _arguments(blocks: Node) -> dict[str, Sequence[str]]:
    """The arguments of each block in the order in which it declares them."""
    found: dict[str, Sequence[str]] = {}
    for entry in blocks.entries:
        args = entry.node.get("args")
        name, behind = signature(str(entry.key))
        if behind is not None:
            found[name] = list(behind)
        elif args is not None and args.kind == MAPPING:
            found[str(entry.key)] = [str(each.key) for each in args.entries]
        elif args is not None and isinstance(args.scalar, str):
            found[str(entry.key)] = list(arguments(args.scalar))
    return found


def _sort(node: Node, order: Sequence[str]) -> None:
    place = {key: number for number, key in enumerate(order)}
    if node.kind == MAPPING:
        node.entries.sort(key=lambda entry: place.get(str(entry.key), len(place)))
