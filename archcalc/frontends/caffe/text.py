"""The text format of protocol buffers: groups of fields, each of which may stand several times."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from archcalc.errors import ArchcalcError
from archcalc.frontends.text import text_of
from archcalc.operators.base import LARGEST

DEEPEST = 50

_TOKEN = re.compile(
    r"""\s+|#[^\n]*|(?P<token>[{}:;,\[\]<>]|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'"""
    r"""|[^\s{}:;,\[\]<>"'#]+)"""
)


@dataclass
class Message:
    """A group of fields."""

    line: int
    fields: dict[str, list[Any]] = field(default_factory=dict)

    def all(self, name: str) -> list[Any]:
        return self.fields.get(name, [])

    def one(self, name: str, default: Any = None) -> Any:
        return self.fields[name][-1] if name in self.fields else default

    def group(self, *names: str) -> Message:
        """A group in it; itself where there is none, as in the first spelling."""
        for name in names:
            if isinstance(found := self.one(name), Message):
                return found
        return self

    def groups(self, name: str) -> list[Message]:
        return [found for found in self.all(name) if isinstance(found, Message)]

    def whole(self, name: str, default: int | None = None, least: int = 0) -> int:
        """A whole number. Raises :class:`ValueError`."""
        value = self.one(name, default)
        if value is None:
            raise ValueError(f"lacks '{name}'")
        return _whole(name, value, least)

    def wholes(self, name: str, least: int = 0) -> list[int]:
        """Whole numbers. Raises :class:`ValueError`."""
        return [_whole(name, value, least) for value in self.all(name)]

    def number(self, name: str, default: float) -> float:
        """A number. Raises :class:`ValueError`."""
        value = self.one(name, default)
        try:
            found = float(value)
        except (TypeError, ValueError):
            raise ValueError(f"{name}: {value!s:.40} should be a number") from None
        if abs(found) > LARGEST or found != found:
            raise ValueError(f"{name}: {value!s:.40} should be a finite number")
        return found

    def word(self, name: str, default: str = "") -> str:
        """A word, in capitals."""
        return str(self.one(name, default)).upper()

    def true(self, name: str, default: bool) -> bool:
        return str(self.one(name, default)).lower() in ("true", "1")


def _whole(name: str, value: Any, least: int) -> int:
    if not re.fullmatch(r"-?[0-9]{1,13}", str(value)) or not least <= int(value) <= LARGEST:
        raise ValueError(f"{name}: {value!s:.40} should be a whole number from {least}")
    return int(value)


def parsed(path: str) -> Message:
    """The fields of a file. Raises :class:`ArchcalcError` with file and line."""
    root = Message(1)
    stack: list[tuple[Message, str]] = [(root, "")]
    """Groups, and the name of the list that each stands in."""
    key, listed, quoted = "", "", False
    for token, line in _tokens(path, text_of(path)):
        top = stack[-1][0]
        name = key or listed
        if token in ("{", "<"):
            if not name or len(stack) > DEEPEST:
                raise ArchcalcError(
                    f"{path}:{line}  a '{token}' without a name, or nested too deeply"
                )
            inner = Message(line)
            top.fields.setdefault(name, []).append(inner)
            stack.append((inner, listed))
            key = listed = ""
        elif token in ("}", ">"):
            if len(stack) == 1 or key or listed:
                raise ArchcalcError(f"{path}:{line}  '{token}' ends nothing")
            _, listed = stack.pop()
        elif token == "[":
            if not key:
                raise ArchcalcError(f"{path}:{line}  a '[' without a name")
            key, listed = "", key
        elif token == "]":
            listed = ""
        elif token in ":;,":
            continue
        elif name:
            top.fields.setdefault(name, []).append(_unquoted(token))
            key = ""
        elif quoted and token[0] in "\"'":
            continue  # a text in several parts, none of which we need whole
        elif not re.fullmatch(r"[A-Za-z_]\w*", token):
            raise ArchcalcError(f"{path}:{line}  '{token:.40}' is no name of a field")
        else:
            key = token
        quoted = token[0] in "\"'"
    if len(stack) > 1:
        raise ArchcalcError(f"{path}:{stack[-1][0].line}  a '{{' without its '}}'")
    return root


def _unquoted(token: str) -> str:
    return token[1:-1] if token[0] in "\"'" else token


def _tokens(path: str, text: str) -> Iterator[tuple[str, int]]:
    line, place = 1, 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise ArchcalcError(f"{path}:{line}  a quote without an end")
        if found["token"]:
            yield found["token"], line
        line += found[0].count("\n")
        place = found.end()
