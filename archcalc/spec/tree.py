"""The plain data of a spec under construction, with the place of every value.

A spec may come from a stranger: what its tree may cost is bounded before it is spent, and it is
built on a stack of our own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

from archcalc.errors import Problem, SpecError

DEEPEST = 32
"""Mappings and lists within one another, what aliases repeat included."""

MOST_VALUES = 100_000
"""Values in a document, those that aliases repeat included."""

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
NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")

_MEANT = "a spec is a mapping with 'name' and 'layers'"


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


@dataclass(slots=True)
class Value:
    """A value while the tree is being built. An alias puts the same node in a second place."""

    value: Any
    place: Place
    key: str | None = None  # of the entry being read
    keys: dict[str, Place] = field(default_factory=dict)
    children: list[tuple[Key, Value]] = field(default_factory=list)
    size: int = 1
    height: int = 0
    open: bool = False
    flow: bool = False
    cut: list[str] = field(default_factory=list)
    """Of one in brackets, what its last value, which opens some, is made of so far."""
    cut_at: Place = (0, 0)


class Tree:
    """The tree under construction, from events in the order of the text."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.root: Value | None = None
        self._stack: list[Value] = []
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

    def scalar(self, value: Any, place: Place) -> Value:
        """A value with nothing inside."""
        node = Value(value, place)
        if isinstance(value, str):
            self._check_text(value, place)
        self._add(node, place)
        return node

    def open(self, value: dict[str, Any] | list[Any], place: Place, flow: bool = False) -> Value:
        """The beginning of a mapping or a list, which ``flow`` says to be in brackets."""
        if self.wants_key:
            self.stop(place, "a key should be text, not a mapping or a list")
        if not self._stack and isinstance(value, list):
            self.stop(place, f"{_MEANT}; this is a list")
        node = Value(value, place, height=1, open=True, flow=flow)
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

    def alias(self, node: Value, place: Place) -> None:
        """A value that stands in another place already."""
        if node.open:
            self.stop(place, "an alias can't stand inside the value that it repeats")
        self._add(node, place)

    def _check_text(self, text: str, place: Place) -> None:
        # An escape such as "\u0000" or half a surrogate pair brings in what the file can't hold.
        wrong = NOT_TEXT.search(text)
        if wrong:
            self.report(place, f"is not text: it holds the character U+{ord(wrong[0]):04X}")

    def _add(self, node: Value, place: Place) -> None:
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
        pending: list[tuple[TreePath, Value]] = [((), root)]
        while pending:
            path, node = pending.pop()
            marks[path] = node.place
            keys |= {(*path, key): place for key, place in node.keys.items()}
            pending += [((*path, key), child) for key, child in node.children]
        return Document(self.file, root.value, marks, keys)
