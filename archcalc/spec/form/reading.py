"""Text -> tree, with the comments and the blank lines that stand between the values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from archcalc.spec.form.tree import LIST, MAPPING, SCALAR, Entry, Node
from archcalc.spec.text import literal

_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
_HEADER = re.compile(r"[|>][-+0-9]*[ \t]+(#.*)")
_LINE_END = re.compile(r"\r\n|[\n\r]")


@dataclass(slots=True)
class _Open:
    """A list or mapping that is being read, and where."""

    node: Node
    holder: Entry | None
    column: int
    """Comments of the same column or further in, below its last entry, are its own."""
    flow: bool
    key: str | None = None


def tree_of(text: str) -> Node:
    """The tree of a YAML text that :func:`archcalc.spec.text.parse` has accepted."""
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.root: Node | None = None
        self.head: list[str] = []
        self.stack: list[_Open] = []
        self.anchors: dict[str, Node] = {}
        self.pending: list[tuple[int, str]] = []
        """Comments with their columns, and blank lines, above what comes next."""
        self.last: Entry | None = None
        """The entry that the text before belongs to."""

    def read(self) -> Node:
        import yaml

        end = 0
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        for event in yaml.parse(self.text, Loader=loader):
            at: Any = event
            self.between(end, at.start_mark.index)
            end = max(end, at.end_mark.index)
            self.take(at, yaml)
        assert self.root is not None
        self.root.after += self.lines(self.pending)
        self.root.head = self.head
        return self.root

    def between(self, start: int, end: int) -> None:
        """Find comments where there are no values."""
        column = start - (self.text.rfind("\n", 0, start) + 1)
        lines = _LINE_END.split(self.text[start:end])
        for number, line in enumerate(lines):
            found = _COMMENT.search(line)
            behind = number == 0 and start > 0 and self.text[start - 1] not in "\n\r"
            if found and behind and self.last is not None:
                if self.last.beside:
                    self.last.before.append(self.last.beside)
                self.last.beside = found[0].rstrip()
            elif found:
                at = found.start() + (column if number == 0 else 0)
                self.pending.append((at, found[0].rstrip()))
            elif not line.strip() and not behind and number < len(lines) - 1:
                self.pending.append((-1, ""))

    def take(self, event: Any, yaml: Any) -> None:
        if isinstance(event, yaml.AliasEvent):
            self.add(self.anchors[event.anchor])
        elif isinstance(event, yaml.ScalarEvent):
            self.scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self.open(event, MAPPING if isinstance(event, yaml.MappingStartEvent) else LIST)
        elif isinstance(event, yaml.CollectionEndEvent):
            self.close()

    def scalar(self, event: Any) -> None:
        inner = self.stack[-1] if self.stack else None
        if inner is not None and inner.node.kind == MAPPING and inner.key is None:
            inner.key = event.value
            entry = Entry(event.value, Node(SCALAR))
            self.begin(inner, entry)
            return
        value = literal(event.value) if event.implicit[0] else event.value
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        self.add(self.anchored(event, Node(SCALAR, value, event.value if number else "")))
        header = _HEADER.match(self.text, event.start_mark.index)
        if event.style in ("|", ">") and header and self.last is not None:
            self.last.beside = header[1].rstrip()

    def open(self, event: Any, kind: str) -> None:
        node = self.anchored(event, Node(kind))
        self.add(node)
        column = event.start_mark.column
        if kind == LIST and self.stack and column <= self.stack[-1].column:
            column = self.stack[-1].column + 1  # dashes below their key, not further in
        self.stack.append(_Open(node, self.last, column, event.flow_style))

    def close(self) -> None:
        inner = self.stack.pop()
        own = 0
        while own < len(self.pending) and (
            inner.flow or self.pending[own][0] >= inner.column or self.blank_within(own, inner)
        ):
            own += 1
        if self.stack or inner.flow:
            found = self.lines(self.pending[:own])
            if inner.node.entries or inner.holder is None:
                inner.node.after += found
            else:  # nothing stands in it that a comment could stand below
                inner.holder.before += filter(None, found)
            del self.pending[:own]
        self.last = inner.holder

    def blank_within(self, at: int, inner: _Open) -> bool:
        """Whether a blank line stands above a comment that is the collection's own."""
        column, _ = next((each for each in self.pending[at:] if each[1]), (-1, ""))
        return not self.pending[at][1] and column >= inner.column

    def anchored(self, event: Any, node: Node) -> Node:
        if event.anchor:
            node.anchor = event.anchor
            self.anchors[event.anchor] = node
        return node

    def add(self, node: Node) -> None:
        """Put a value in its place."""
        if not self.stack:
            self.root = node
            return
        inner = self.stack[-1]
        if inner.node.kind == LIST:
            entry = Entry(None, node)
            self.begin(inner, entry)
        else:
            entry = inner.node.entries[-1]
            entry.node, inner.key = node, None
            # A comment between a key and its value, which stands on a line of its own.
            if node.kind == SCALAR:
                entry.before += self.lines(self.pending)
                self.pending = []
        self.last = entry

    def begin(self, inner: _Open, entry: Entry) -> None:
        lines = self.lines(self.pending)
        if inner.node is self.root and not inner.node.entries:
            self.head = lines
        else:
            entry.before = lines
        self.pending = []
        inner.node.entries.append(entry)
        self.last = entry

    @staticmethod
    def lines(pending: list[tuple[int, str]]) -> list[str]:
        """Comments, with at most one blank line between them."""
        found: list[str] = []
        for _, line in pending:
            if line or not found or found[-1]:
                found.append(line)
        return found
