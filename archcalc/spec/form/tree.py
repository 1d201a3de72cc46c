"""What is to be written: values, and the comments that belong to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SCALAR, LIST, MAPPING = "scalar", "list", "mapping"


@dataclass(eq=False, slots=True)
class Node:
    """A value. What aliases repeat is one node in several places."""

    kind: str
    scalar: Any = None
    """Of a scalar its value: text, a number, a truth value or None."""
    spelling: str = ""
    """How a number is written."""
    entries: list[Entry] = field(default_factory=list)
    """What a list or a mapping holds."""
    anchor: str = ""
    head: list[str] = field(default_factory=list)
    """Of a document, the lines above its first entry: comments, and "" for a blank line."""
    after: list[str] = field(default_factory=list)
    """The lines below the last entry."""

    @classmethod
    def of(cls, data: Any) -> Node:
        """Plain data as a tree."""
        if isinstance(data, Mapping):
            entries = [Entry(str(key), cls.of(value)) for key, value in data.items()]
            return cls(MAPPING, entries=entries)
        if isinstance(data, (list, tuple)):
            return cls(LIST, entries=[Entry(None, cls.of(value)) for value in data])
        return cls(SCALAR, data)

    def get(self, key: str) -> Node | None:
        """The value under a key of a mapping."""
        return next((entry.node for entry in self.entries if entry.key == key), None)

    def entry(self, *path: str) -> Entry:
        """The entry that a way of keys leads to. Raises ``KeyError`` where there is none."""
        entry = next((each for each in self.entries if each.key == path[0]), None)
        if entry is None:
            raise KeyError(path[0])
        return entry.node.entry(*path[1:]) if path[1:] else entry


@dataclass(eq=False, slots=True)
class Entry:
    """A value in its place, under a key or in a list."""

    key: str | None
    node: Node
    before: list[str] = field(default_factory=list)
    """The lines above it: comments, and "" for a blank line."""
    beside: str = ""
    """The comment on its line."""


def plain(node: Node) -> Any:
    """The data of a tree."""
    if node.kind == MAPPING:
        return {str(entry.key): plain(entry.node) for entry in node.entries}
    if node.kind == LIST:
        return [plain(entry.node) for entry in node.entries]
    return node.scalar


def commented(node: Node) -> bool:
    """Whether comments stand in a value, which one line can't hold."""
    return any(node.after) or any(
        entry.beside or any(entry.before) or commented(entry.node) for entry in node.entries
    )
