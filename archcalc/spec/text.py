"""Text of a spec, YAML or JSON, to plain data with the place of every value.

Nothing here knows what a spec means. Scalars follow YAML 1.2's core schema in decimal: ``null``,
``~`` and nothing are None, ``true`` and ``false`` are bools, ``007`` and ``-7`` ints, ``1e-5`` and
``.5`` floats; everything else is a string, ``yes``, ``on``, ``0o7``, ``0x1F`` and dates included.

A spec may come from a stranger, so the tree is built from a stream of events on a stack of our
own, and what it may cost is bounded before it is spent.
"""

from __future__ import annotations

import math
import os
import re
import sys
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from archcalc.errors import Problem, SpecError, did_you_mean

if TYPE_CHECKING:
    from json import JSONDecodeError

LARGEST_FILE = 2**20
"""Bytes of a file, and characters of a text."""

DEEPEST = 32
"""Mappings and lists within one another, what aliases repeat included."""

MOST_VALUES = 100_000
"""Values in a document, those that aliases repeat included."""

MOST_DIGITS = 18
"""Digits of a number: the most that always fit in 64 bits."""

LONGEST_KEY = 200
"""Characters of a key: it stands in messages and in the names of layers."""

LONGEST_MESSAGE = 1000
"""Characters of what is said of a problem, which may repeat what is written."""

MOST_PROBLEMS = 50
"""Reading stops after so many: the rest would tell nobody anything."""

Key: TypeAlias = str | int
TreePath: TypeAlias = tuple[Key, ...]
"""The way to a value, outermost first: keys of mappings, and indices from 0 of lists."""

Place: TypeAlias = tuple[int, int]
"""A line and a column, both from 1."""

# All but YAML 1.2's c-printable and the byte order mark; said of what is refused, because the
# regular expression for what is allowed takes longer to compile than a spec to read.
_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)|-?Infinity|NaN")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_MEANT = "a spec is a mapping with 'name' and 'layers'"
# libyaml compares every %TAG directive with all before it: a megabyte of them takes seconds.
_TAG_DIRECTIVE = re.compile("(?:\\A|[\n\r\x85\u2028\u2029])(%TAG)")
_JSON_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},:]|[^\s\[\]{},:"]+')
_UNQUOTED = re.compile(r"[:,\[{]\s*(=[^\"',}]*[\[{]|[\w.]+\.\{)")
"""An expression, or a reference with one, that YAML takes for the beginning of a list."""

_LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Document:
    """The plain data of one file, and where in the file each part of it stands.

    ``marks`` holds the place of every value, and ``keys`` that of the key of every entry of a
    mapping, by the path of the value. What an alias repeats has the places of its anchor.
    """

    file: str
    data: dict[str, Any]
    marks: Mapping[TreePath, Place]
    keys: Mapping[TreePath, Place]
    origins: Mapping[TreePath, TreePath] = field(default_factory=dict)
    """Where something that was written in short is written, by the path that it has in full."""
    around: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What rows take of the layers around them, by the names of their blocks."""
    doubtful: frozenset[str] = frozenset()
    """Rows, by the names of their blocks, whose first layer may mean either of two inputs."""
    short: dict[str, Any] | None = None
    """The data as they are written, where they are written in short."""

    def written(self, path: TreePath) -> TreePath:
        """The path in the file of what has this path in full."""
        for end in range(len(path), 0, -1) if self.origins else ():
            if path[:end] in self.origins:
                return (*self.origins[path[:end]], *path[end:])
        return path

    def problem(self, path: TreePath, message: str, hint: str = "", key: bool = False) -> Problem:
        """A :class:`Problem` at the value, or at the key, that ``path`` leads to.

        Where the document has no such value, the place is that of the innermost one around it.
        """
        path = self.written(path)
        known = path
        while known not in self.marks:
            known = known[:-1]
        line, column = self.marks[known]
        if key:
            line, column = self.keys.get(path, (line, column))
        texts = _cut(message), _cut(hint)
        return Problem(self.file, line, column, tuple(map(str, path)), *texts)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]}..."


def read(path: str | Path) -> Document:
    """The document in a file, or on standard input for ``-``. Raises :class:`SpecError`."""
    return parse(*contents(path))


def contents(path: str | Path) -> tuple[str, str]:
    """The text of a file, or of standard input for ``-``, and its name in messages.

    Raises :class:`SpecError` for what can't be read, is no text or too large.
    """
    if str(path) == "-":
        try:
            data = sys.stdin.buffer.read(LARGEST_FILE + 1)
        except OSError as error:
            _refuse("<stdin>", f"can't be read: {error.strerror}")
        return _decode(data, "<stdin>"), "<stdin>"
    file = str(path)
    if os.path.isdir(file):
        _refuse(file, "is a directory, not a spec")
    try:
        with open(file, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            data = stream.read(LARGEST_FILE + 1) if size <= LARGEST_FILE else b""
    except FileNotFoundError:
        _refuse(file, "no such file", _neighbours(Path(path)))
    except PermissionError:
        _refuse(file, "permission denied")
    except (OSError, ValueError) as error:
        _refuse(file, f"can't be read: {getattr(error, 'strerror', None) or error}")
    if size > LARGEST_FILE:
        _refuse(file, f"spec is {_mebibytes(size)} MiB; the limit is 1 MiB")
    return _decode(data, file), file


def parse(text: str, file: str) -> Document:
    """The document in a text, JSON or YAML; ``file`` is its name in messages.

    A text is JSON when ``file`` ends in ``.json`` or when it begins with ``{`` and is valid JSON.
    Raises :class:`SpecError` with every problem that reading on did not hide.
    """
    text = text.removeprefix("\ufeff")
    if len(text) > LARGEST_FILE:
        _refuse(file, "spec is more than 1 MiB; the limit is 1 MiB")
    wrong = _NOT_TEXT.search(text)
    if wrong:
        place = _Lines(text).place(wrong.start())
        _refuse(file, f"is not text: it holds the character U+{ord(wrong[0]):04X}", "", place)
    if is_json(text, file):
        return _parse_json(text, file, _json_error(text))
    return _parse_yaml(text, file)


def is_json(text: str, file: str) -> bool:
    """Whether a text is read as JSON: by its file's name, or because it is."""
    named = file.lower().endswith(".json")
    return named or (text.lstrip().startswith("{") and _json_error(text) is None)


def _refuse(file: str, message: str, hint: str = "", place: Place = (0, 0)) -> NoReturn:
    raise SpecError([Problem(file, *place, (), message, hint)]) from None


def _mebibytes(size: int) -> str:
    # Rounded up, so that a file just above the limit is not said to be at it.
    return f"{math.ceil(size / LARGEST_FILE * 10) / 10:.1f}"


def _neighbours(path: Path) -> str:
    try:
        with os.scandir(path.parent) as entries:
            names = [entry.name for entry in islice(entries, 1000)]
    except (OSError, ValueError):
        return ""
    return did_you_mean(path.name, (n for n in names if n.endswith((".yaml", ".yml", ".json"))))


def _decode(data: bytes, file: str) -> str:
    if len(data) > LARGEST_FILE:
        _refuse(file, "spec is more than 1 MiB; the limit is 1 MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Of `object`, not of `data`: the codec counts from after a byte order mark.
        before = error.object[: error.start].decode()
        message = f"is not text: byte 0x{error.object[error.start]:02X} is not UTF-8"
        utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        hint = "it looks like UTF-16: save it as UTF-8" if utf16 else ""
        _refuse(file, message, hint, _Lines(before).place(len(before)))


class _Lines:
    """Places in a text by offset."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(end.end() for end in _LINE_END.finditer(text))]

    def place(self, offset: int) -> Place:
        line = bisect_left(self._starts, offset + 1)
        return line, offset - self._starts[line - 1] + 1


@dataclass(slots=True)
class _Node:
    """A value while the tree is being built. An alias puts the same node in a second place."""

    value: Any
    place: Place
    key: str | None = None  # of the entry being read
    keys: dict[str, Place] = field(default_factory=dict)
    children: list[tuple[Key, _Node]] = field(default_factory=list)
    size: int = 1
    height: int = 0
    open: bool = False
    flow: bool = False
    cut: list[str] = field(default_factory=list)
    """Of one in brackets, what its last value, which opens some, is made of so far."""
    cut_at: Place = (0, 0)


class _Tree:
    """The tree under construction, from events in the order of the text."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.root: _Node | None = None
        self._stack: list[_Node] = []
        self._values = 0

    def report(self, place: Place, message: str, hint: str = "") -> None:
        """Note a problem at the current path and read on."""
        path: list[Key | None] = [node.children[-1][0] for node in self._stack[:-1]]
        for innermost in self._stack[-1:]:
            is_mapping = isinstance(innermost.value, dict)
            path.append(innermost.key if is_mapping else len(innermost.value))
        known = tuple(str(key) for key in path if key is not None)
        self.problems.append(Problem(self.file, *place, known, message, hint))
        if len(self.problems) >= MOST_PROBLEMS:
            raise SpecError(self.problems) from None

    def stop(self, place: Place, message: str, hint: str = "") -> NoReturn:
        """Note a problem and give up."""
        self.report(place, message, hint)
        raise SpecError(self.problems) from None

    @property
    def wants_key(self) -> bool:
        """Whether a scalar that comes now is the key of an entry."""
        return (
            bool(self._stack)
            and isinstance(self._stack[-1].value, dict)
            and self._stack[-1].key is None
        )

    def cut(self, text: str, place: Place) -> bool:
        """Whether a text without quotes is the rest of what YAML cut at a comma: ``max(w, 2)``."""
        if not self._stack:
            return False
        around = self._stack[-1]
        if not around.cut:
            if around.flow and text.count("(") > text.count(")") and not self.wants_key:
                around.cut, around.cut_at = [text], place
            return False
        if not text and isinstance(around.value, dict):
            return True  # the value of what was taken for a key
        around.cut.append(text)
        whole = ", ".join(around.cut)
        if whole.count("(") <= whole.count(")"):
            around.cut = []
            hint = f'quote it: in {{ }} and [ ] a comma ends what is not quoted: "{whole}"'
            if whole[0] == "(" and whole[-1] == ")":
                hint = f"a list has brackets: [{whole[1:-1]}]"
            self.report(around.cut_at, f"{whole!r} is cut at a comma", hint)
        return True

    def key(self, name: str, place: Place, rest: bool = False) -> None:
        """The key of an entry, whose value comes next; or the ``rest`` of the value before."""
        mapping = self._stack[-1]
        if len(name) > LONGEST_KEY:
            self.stop(place, f"a key should have at most {LONGEST_KEY} characters")
        mapping.key = name
        self._check_text(name, place)
        if name in mapping.keys and not rest:
            first = mapping.keys[name][0]
            self.report(place, f"key '{name}' is already on line {first}")
        mapping.keys[name] = place

    def scalar(self, value: Any, place: Place) -> _Node:
        """A value with nothing inside."""
        node = _Node(value, place)
        if isinstance(value, str):
            self._check_text(value, place)
        self._add(node, place)
        return node

    def open(self, value: dict[str, Any] | list[Any], place: Place, flow: bool = False) -> _Node:
        """The beginning of a mapping or a list, which ``flow`` says to be in brackets."""
        if self.wants_key:
            self.stop(place, "a key should be text, not a mapping or a list")
        if not self._stack and isinstance(value, list):
            self.stop(place, f"{_MEANT}; this is a list")
        node = _Node(value, place, height=1, open=True, flow=flow)
        self._add(node, place)
        self._stack.append(node)
        return node

    def close(self) -> None:
        """The end of the innermost mapping or list."""
        node = self._stack.pop()
        node.open = False
        for _, child in node.children:
            node.size += child.size
            node.height = max(node.height, child.height + 1)

    def alias(self, node: _Node, place: Place) -> None:
        """A value that stands in another place already."""
        if node.open:
            self.stop(place, "an alias can't stand inside the value that it repeats")
        self._add(node, place)

    def _check_text(self, text: str, place: Place) -> None:
        # An escape such as "\u0000" or half a surrogate pair brings in what the file can't hold.
        wrong = _NOT_TEXT.search(text)
        if wrong:
            self.report(place, f"is not text: it holds the character U+{ord(wrong[0]):04X}")

    def _add(self, node: _Node, place: Place) -> None:
        if len(self._stack) + node.height > DEEPEST:
            self.stop(place, f"is nested more than {DEEPEST} deep")
        self._values += node.size
        if self._values > MOST_VALUES:
            self.stop(place, f"spec has more than {MOST_VALUES:,} values, aliases counted in full")
        if not self._stack:
            self.root = node
            return
        parent = self._stack[-1]
        if isinstance(parent.value, dict):
            assert parent.key is not None
            key: Key = parent.key
            parent.value[key], parent.key = node.value, None
        else:
            key = len(parent.value)
            parent.value.append(node.value)
        parent.children.append((key, node))

    def document(self) -> Document:
        """What was built. Raises :class:`SpecError` with all that was reported."""
        root = self.root
        if root is None or root.value is None:
            self.stop((1, 1), "spec is empty", _MEANT)
        if not isinstance(root.value, dict):
            self.stop(root.place, f"{_MEANT}; this is {root.value!r:.40}")
        if self.problems:
            raise SpecError(self.problems)
        marks: dict[TreePath, Place] = {}
        keys: dict[TreePath, Place] = {}
        pending: list[tuple[TreePath, _Node]] = [((), root)]
        while pending:
            path, node = pending.pop()
            marks[path] = node.place
            keys |= {(*path, key): place for key, place in node.keys.items()}
            pending += [((*path, key), child) for key, child in node.children]
        return Document(self.file, root.value, marks, keys)


def _number(text: str) -> int | float | None:
    """The number that ``text`` spells, or None. Raises ``ValueError`` for one that is refused."""
    if not _NUMBER.fullmatch(text):
        if _NOT_FINITE.fullmatch(text):
            raise ValueError(f"should be a finite number, not {text}")
        return None
    if text.lstrip("+-").isdigit():
        if len(text.lstrip("+-")) > MOST_DIGITS:
            raise ValueError(f"number too large: {MOST_DIGITS} digits are the most")
        return int(text)
    number = float(text)
    if abs(number) >= 10**MOST_DIGITS:
        raise ValueError(f"number too large: {MOST_DIGITS} digits are the most")
    return number


def literal(text: str) -> Any:
    """What a scalar without quotes means: null, a truth value, a number, or the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    number = _number(text)
    return text if number is None else number


def _plain(tree: _Tree, text: str, place: Place) -> _Node:
    """A scalar without quotes."""
    try:
        value = literal(text)
    except ValueError as error:
        tree.report(place, str(error))
        value = 0
    return tree.scalar(value, place)


def _parse_yaml(text: str, file: str) -> Document:
    import yaml

    directive = _TAG_DIRECTIVE.search(text)
    if directive:
        place = _Lines(text).place(directive.start(1))
        _refuse(file, "a %TAG directive is not allowed", "a spec is plain data", place)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    tree = _Tree(file)
    anchors: dict[str, _Node] = {}
    documents = 0
    try:
        for event in yaml.parse(text, Loader=loader):
            start: Any = event.start_mark
            place = start.line + 1, start.column + 1
            if isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)):
                if event.tag is not None:
                    tag = event.tag.replace("tag:yaml.org,2002:", "!!")
                    message = f"a tag is not allowed: {tag:.60}"
                    tree.report(place, message, "a spec is plain data")
                if isinstance(event, yaml.ScalarEvent):
                    node = _add_scalar(tree, event.value, event.implicit[0], place)
                else:
                    empty: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
                    node = tree.open(empty, place, bool(event.flow_style))
                if event.anchor is not None:
                    anchors[event.anchor] = node
            elif isinstance(event, yaml.CollectionEndEvent):
                tree.close()
            elif isinstance(event, yaml.AliasEvent):
                _add_alias(tree, anchors, event.anchor, place)
            elif isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    tree.stop(place, "a second document begins here", "one file holds one spec")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        lines = text.splitlines() or [""]
        if place[0] > len(lines):  # libyaml's end is a line after the last
            place = len(lines), len(lines[-1]) + 1
        line = lines[place[0] - 1]
        tabs = "\t" in line[: len(line) - len(line.lstrip())]
        message = "; ".join(filter(None, (error.problem, error.context)))
        hint = "indent with spaces: YAML allows no tabs there" if tabs else ""
        unquoted = _UNQUOTED.search(line)
        if unquoted and not tabs:
            whole = _whole(line[unquoted.start(1) :])
            hint = f'in {{ }} quote an expression with brackets or commas: "{whole}"'
        tree.stop(place, f"is not valid YAML: {message}", hint)
    except yaml.YAMLError as error:
        tree.stop((0, 0), f"is not valid YAML: {error}")
    return tree.document()


def _whole(text: str) -> str:
    """The expression that a text begins with: up to a comma or bracket that is not its own."""
    depth = 0
    for at, sign in enumerate(text):
        depth += (sign in "([{") - (sign in ")]}")
        if depth < 0 or (sign == "," and not depth):
            return text[:at].rstrip()
    return text.rstrip()


def _add_alias(tree: _Tree, anchors: dict[str, _Node], anchor: Any, place: Place) -> None:
    if tree.wants_key:
        tree.stop(place, "a key should be text, not an alias")
    if anchor not in anchors:
        hint = did_you_mean(anchor, anchors)
        tree.stop(place, f"no anchor '&{anchor:.40}' before this alias", hint)
    tree.alias(anchors[anchor], place)


def _add_scalar(tree: _Tree, text: str, plain: bool, place: Place) -> _Node:
    rest = plain and tree.cut(text, place)
    if not tree.wants_key:
        return _plain(tree, text, place) if plain else tree.scalar(text, place)
    if plain and not rest:
        _check_plain_key(tree, text, place)
    tree.key(text, place, rest)
    return _Node(text, place)


def _check_plain_key(tree: _Tree, text: str, place: Place) -> None:
    if text == "<<":
        tree.report(place, "merge keys are not supported", "write the entries out")
    elif text == "":
        tree.report(place, "a key is missing")
    elif text in _WORDS or _NUMBER.fullmatch(text):
        tree.report(
            place,
            f"a key should be text, not {text:.40}",
            f'quote it: "{text:.40}"; a value stands behind a name',
        )


def _json_error(text: str) -> JSONDecodeError | None:
    import json

    try:
        json.loads(text, parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        return error
    except RecursionError:
        return None  # far deeper than allowed, which the tree will say
    return None


def _parse_json(text: str, file: str, error: JSONDecodeError | None) -> Document:
    """The document in a JSON text that has this ``error``, found by the standard library."""
    import json

    tree = _Tree(file)
    lines = _Lines(text)
    if error is not None and text.strip():
        tree.stop(lines.place(error.pos), f"is not valid JSON: {error.msg}")
    for token in _JSON_TOKEN.finditer(text):
        word, place = token[0], lines.place(token.start())
        if word == "{":
            tree.open({}, place)
        elif word == "[":
            tree.open([], place)
        elif word in "}]":
            tree.close()
        elif word in ",:":
            continue
        elif tree.wants_key:
            tree.key(json.loads(word), place)
        elif word[0] == '"':
            tree.scalar(json.loads(word), place)
        else:
            _plain(tree, word, place)
    return tree.document()
