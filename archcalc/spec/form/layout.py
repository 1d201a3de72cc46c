"""Tree -> text: what fits is one line, quotes only where something else would be read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from io import StringIO
from typing import Any

from archcalc.spec.form.tree import LIST, MAPPING, SCALAR, Entry, Node, commented
from archcalc.spec.sugar import BLOCK_KEYS
from archcalc.spec.text import literal

WIDTH = 100
"""Columns of a line, comments beside it not counted."""

DEEPEST = 3
"""Mappings within one another on one line."""

PACKED = 3
"""Lines that a row of layers may take, as many of them on a line as fit."""

_SPREAD = ("variants", "blocks", "layers")
"""Keys of a spec below which each name begins a line."""

ALIGNED = 40
"""Comments beside lines in a row begin in one column, where these have at most so many signs."""


def text(root: Node) -> str:
    """The text of a tree."""
    _anchor(root)
    lines = [(line, "") for line in root.head]
    lines += _mapping(root, "", top=True)
    body = "\n".join(_aligned(lines))
    return re.sub(r"\n{3,}", "\n\n", body).strip("\n") + "\n"


def _anchor(root: Node) -> None:
    """Have the first place of what aliases repeat be the one that has its anchor."""
    written: dict[int, str] = {}
    names: set[str] = set()

    def visit(node: Node) -> None:
        for entry in node.entries:
            known = written.get(id(entry.node))
            if known:
                entry.node = Node(SCALAR, spelling=f"*{known}")
                continue
            if entry.node.anchor:
                name = entry.node.anchor
                while name in names:
                    name += "_"
                names.add(name)
                entry.node.anchor = written[id(entry.node)] = name
            visit(entry.node)

    visit(root)


# Lines: what is written, and the comment beside it


Line = tuple[str, str]

Part = tuple[str, str, bool]
"""What stands on one line, the indent that it has beyond its value's if it begins it, and whether
it does in any case."""


def _mapping(node: Node, indent: str, top: bool = False) -> Iterator[Line]:
    for number, entry in enumerate(node.entries):
        yield from _above(entry, indent, number == 0 and not top)
        key = f"{indent}{_text(str(entry.key), False)}:"
        yield from _entry(entry, key, indent, top)
    yield from _comments(node.after, indent)


def _list(node: Node, indent: str, records: bool = False) -> Iterator[Line]:
    for number, entry in enumerate(node.entries):
        _lift(entry)
        yield from _above(entry, indent, number == 0)
        yield from _entry(entry, f"{indent}-", indent, record=records)
    yield from _comments(node.after, indent)


def _lift(entry: Entry) -> None:
    """Put what stands above an item's first key or item above its dash, where it is read again."""
    if entry.node.kind != SCALAR and not entry.node.anchor and entry.node.entries:
        first = entry.node.entries[0]
        if first.key is None:
            _lift(first)
        entry.before = [*entry.before, *first.before]
        first.before = []


def _above(entry: Entry, indent: str, first: bool) -> Iterator[Line]:
    before = list(entry.before)
    while first and before and not before[0]:
        del before[0]
    yield from _comments(before, indent)


def _comments(lines: list[str], indent: str) -> Iterator[Line]:
    for line in lines:
        yield (f"{indent}{line}" if line else ""), ""


def _entry(
    entry: Entry, start: str, indent: str, top: bool = False, record: bool = False
) -> Iterator[Line]:
    """The lines of a value behind its key or its dash."""
    node = entry.node
    anchored = f"{start} &{node.anchor}" if node.anchor else start
    further = f"{indent}   " if start.endswith("-") else f"{indent}  "
    if node.kind == SCALAR:
        written = _scalar(node, flow=False, empty=entry.key is not None and not node.anchor)
        line = f"{anchored} {written}".rstrip()
        if len(line) <= WIDTH or not isinstance(node.scalar, str):
            yield line, entry.beside
        else:
            yield from _filled(_words(node.scalar, "", ""), anchored, further, entry.beside)
        return
    spread = top and (
        (node.kind == MAPPING and entry.key in _SPREAD)
        or (node.kind == MAPPING and entry.key == "vars" and any(map(_open, node.entries)))
        or (node.kind == LIST and any(_holds_mappings(each.node) for each in node.entries))
    )
    spread = (spread and bool(node.entries)) or _is_matrix(node)
    if not commented(node) and not spread:
        line = f"{anchored} {_flow(node)}"
        if not node.entries or (len(line) <= WIDTH and _depth(node) <= DEEPEST):
            yield line, entry.beside
            return
        if record or not any(_holds_mappings(each.node) for each in node.entries):
            parts = _parts(node, WIDTH - len(further))
            yield from _filled(parts, anchored, further, entry.beside)
            return
        packed = [] if entry.beside else _packed(node, anchored, further)
        if packed:
            yield from packed
            return
    inner = f"{indent}  "
    if start.endswith("-") and not node.anchor and node.kind == MAPPING:
        yield from _comments([entry.beside] if entry.beside else [], indent)
        lines = list(_mapping(node, inner))
        if lines[0][0].lstrip().startswith("#"):
            yield start, ""
            yield from lines
        else:
            yield f"{start} {lines[0][0].lstrip()}", lines[0][1]
            yield from lines[1:]
        return
    yield anchored, entry.beside
    yield from _mapping(node, inner) if node.kind == MAPPING else _list(node, inner, top)


def _packed(node: Node, start: str, further: str) -> list[Line]:
    """The lines of a row, as many layers on each as fit; none where a layer would be broken."""
    layers = node if node.kind == LIST else node.get("layers")
    if layers is None or layers.kind != LIST or not layers.entries or _depth(node) > DEEPEST:
        return []
    if any(entry.key in BLOCK_KEYS[:-1] for entry in node.entries):
        return []
    room = WIDTH - len(further) - len("]},")
    if any(len(_item(each)) > room for each in (*layers.entries, *node.entries[:-1])):
        return []
    parts = [(part, "", False) for part in _members(node)]
    lines = list(_filled(parts, start, further, ""))
    return lines if len(lines) <= PACKED and all(len(line) <= WIDTH for line, _ in lines) else []


def _members(node: Node) -> Iterator[str]:
    """What of a row stands on one line: its keys and its layers."""
    left, right = "{}" if node.kind == MAPPING else "[]"
    for entry in node.entries:
        inner = [_item(entry)]
        if node.kind == MAPPING and entry.key == "layers":
            inner = list(_members(entry.node))
            inner[0] = f"layers: {inner[0]}"
        if entry is node.entries[0]:
            inner[0] = f"{left}{inner[0]}"
        inner[-1] += right if entry is node.entries[-1] else ","
        yield from inner


def _filled(parts: Iterable[Part], start: str, further: str, beside: str) -> Iterator[Line]:
    """A value on as many lines as it takes."""
    line, empty = f"{start} ", True
    for part, inner, fresh in parts:
        if not empty and (fresh or len(line) + 1 + len(part) > WIDTH):
            yield line, ""
            line = f"{further}{inner}{part}"
        else:
            line = f"{line}{'' if empty else ' '}{part}"
        empty = False
    yield line, beside


def _parts(node: Node, room: int, inner: str = "") -> Iterator[Part]:
    """What of a list or mapping stands on one line, and how far in if it begins it."""
    left, right = "{}" if node.kind == MAPPING else "[]"
    for number, entry in enumerate(node.entries):
        before = left if number == 0 else ""
        behind = right if entry is node.entries[-1] else ","
        whole = f"{before}{_item(entry)}{behind}"
        value = entry.node.scalar
        if len(whole) + len(inner) <= room or not (entry.node.entries or isinstance(value, str)):
            yield whole, inner, False
            continue
        before += f"{_text(entry.key, True)}: " if entry.key is not None else ""
        before += f"&{entry.node.anchor} " if entry.node.anchor else ""
        if isinstance(value, str):
            yield from _words(value, before, behind, inner)
            continue
        parts = list(_parts(entry.node, room, f"{inner}  "))
        last = parts.pop()
        if parts:
            yield f"{before}{parts[0][0]}", inner, True
            yield from parts[1:]
            yield f"{last[0]}{behind}", *last[1:]
        else:
            yield f"{before}{last[0]}{behind}", inner, True


def _words(value: str, before: str, behind: str, inner: str = "") -> Iterator[Part]:
    """The words of a long text in quotes, between which a line may end."""
    words = re.split(r"(?<=\S) (?=\S)", f"{before}{_quoted(value)}{behind}")
    opened = next((n for n, word in enumerate(words) if word[0] in "\"'"), 0)
    yield " ".join(words[: opened + 1]), inner, True
    for word in words[opened + 1 :]:
        yield word, f"{inner}  " if before else inner, False


def _aligned(lines: list[Line]) -> Iterator[str]:
    """Lines with the comments beside them, those of one mapping or list in one column."""
    run: list[Line] = []
    for line, comment in [*lines, ("", "")]:
        if run and _depth_of(line) != _depth_of(run[0][0]):
            column = max((len(a) for a, b in run if b and len(a) <= ALIGNED), default=0)
            yield from (f"{a:<{column}}  {b}" if b else a for a, b in run)
            run = []
        if line and not line.lstrip().startswith("#"):
            run.append((line, comment))
        else:
            yield line


def _depth_of(line: str) -> int:
    """The indent of a line; of one that is blank or a comment, none that others have."""
    found = line.lstrip()
    return len(line) - len(found) if found and found[0] != "#" else -1


# One line


def _flow(node: Node) -> str:
    if node.kind == SCALAR:
        return _scalar(node, flow=True, empty=False)
    left, right = "{}" if node.kind == MAPPING else "[]"
    return f"{left}{', '.join(map(_item, node.entries))}{right}"


def _item(entry: Entry) -> str:
    node = entry.node
    anchor = f"&{node.anchor} " if node.anchor else ""
    if entry.key is None:
        return f"{anchor}{_flow(node)}"
    empty = _open(entry) and not anchor
    return f"{_text(entry.key, True)}: {anchor}{'' if empty else _flow(node)}"


def _depth(node: Node) -> int:
    return (node.kind == MAPPING) + max((_depth(each.node) for each in node.entries), default=0)


def _holds_mappings(node: Node) -> bool:
    return node.kind == MAPPING or any(_holds_mappings(each.node) for each in node.entries)


def _open(entry: Entry) -> bool:
    return entry.node.kind == SCALAR and entry.node.scalar is None and not entry.node.spelling


def _is_matrix(node: Node) -> bool:
    """Whether it has rows enough to be read as such, each on a line."""
    return (
        node.kind == LIST
        and len(node.entries) > 2
        and len(_flow(node)) > WIDTH // 2
        and all(each.node.kind == LIST and each.node.entries for each in node.entries)
        and not any(_holds_mappings(each.node) for each in node.entries)
    )


def _scalar(node: Node, flow: bool, empty: bool) -> str:
    value: Any = node.scalar
    if node.spelling:
        return node.spelling
    if value is None:
        return "" if empty else "null"
    return _text(value, flow) if isinstance(value, str) else json.dumps(value)


# Text

_WORD = re.compile(r"=?[A-Za-z_][\w.]*", re.ASCII)
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff]")


@cache
def _yaml() -> tuple[Any, Any, Any]:
    import yaml
    from yaml.emitter import Emitter
    from yaml.resolver import Resolver

    return Emitter(StringIO(), allow_unicode=True), Resolver(), yaml.ScalarNode


@cache
def _is_text(value: str) -> bool:
    """Whether other readers of YAML 1.1, of which ``yes`` is true, and ours take it for text."""
    _, resolver, scalar = _yaml()
    try:
        ours = isinstance(literal(value), str)
    except ValueError:
        return False
    return ours and resolver.resolve(scalar, value, (True, False)) in (
        "tag:yaml.org,2002:str",
        "tag:yaml.org,2002:value",
    )


def _text(value: str, flow: bool) -> str:
    """A text as it stands in a line, in quotes where something else would be read without."""
    if not value or not _is_text(value):
        return _quoted(value)
    if _WORD.fullmatch(value):
        return value
    if flow and value.count("(") > value.count(")"):
        return _quoted(value)  # it is read as what a comma behind it has cut
    # A colon means something only before a space or what ends a value.
    found = _yaml()[0].analyze_scalar(re.sub(r"(?<=[\w/]):(?=[\w/])", ".", value))
    if found.multiline or not (found.allow_flow_plain if flow else found.allow_block_plain):
        return _quoted(value)
    return value


def _quoted(value: str) -> str:
    if '"' in value and "'" not in value and value.isprintable():
        return f"'{value}'"
    written = json.dumps(value, ensure_ascii=False)
    return _ESCAPED.sub(lambda sign: f"\\u{ord(sign[0]):04x}", written)
