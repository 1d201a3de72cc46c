"""Python code as text, broken into lines as ruff and Black break it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import isinf, isnan
from typing import Any, NamedTuple

WIDTH = 100
"""The longest line: that of this project, from which some modules are copied."""


class Bracket(NamedTuple):
    """Something in brackets, which may be broken into a line for each item."""

    head: str
    """What is before the items, the opening bracket included: ``nn.Linear(``."""
    items: Sequence[Code]
    tail: str = ")"
    separator: str = ","
    """Between items; without one, no comma follows the last item either."""


class Choice(NamedTuple):
    """``yes if condition else no``, in brackets only where it takes several lines."""

    yes: Code
    condition: str
    no: Code


class Joined(NamedTuple):
    """``a + b + c``, in brackets only where it takes several lines."""

    parts: Sequence[str]
    symbol: str


Code = str | Bracket | Choice | Joined


def flat(code: Code) -> str:
    """Code on one line."""
    match code:
        case Bracket(head, items, tail, separator):
            return f"{head}{f'{separator} '.join(map(flat, items))}{tail}"
        case Choice(yes, condition, no):
            return f"{flat(yes)} if {condition} else {flat(no)}"
        case Joined(parts, symbol):
            return f" {symbol} ".join(parts)
        case _:
            return code


def broken(code: Code, indent: int, before: str = "", after: str = "") -> list[str]:
    """Code on as few lines as it takes for each to fit, with text before and after it."""
    line = f"{' ' * indent}{before}{flat(code)}{after}"
    if len(line) <= WIDTH:
        return [line]
    if isinstance(code, str):
        opened = _opened(code, WIDTH - indent - len(before))
        return [line] if opened is None else broken(opened, indent, before, after)
    if isinstance(code, Choice):
        inside = f"{' ' * (indent + 4)}{flat(code)}"
        body = [inside]
        if len(inside) > WIDTH:
            body = [
                *broken(code.yes, indent + 4),
                f"{' ' * (indent + 4)}if {code.condition}",
                *broken(code.no, indent + 4, "else "),
            ]
        return [f"{' ' * indent}{before}(", *body, f"{' ' * indent}){after}"]
    if isinstance(code, Joined):
        first, *others = code.parts
        head, inside = _call(others[-1])
        start = f"{' ' * indent}{before}{first} {code.symbol} {head}"
        # One operator before a call: the call is broken, if what is before it fits.
        if len(others) == 1 and inside and len(start) <= WIDTH >= indent + 4 + len(inside):
            return [start, f"{' ' * (indent + 4)}{inside}", f"{' ' * indent}){after}"]
        lines = [first, *(f"{code.symbol} {part}" for part in others)]
        body = [f"{' ' * (indent + 4)}{line}" for line in lines]
        return [f"{' ' * indent}{before}(", *body, f"{' ' * indent}){after}"]
    inside = f"{f'{code.separator} '.join(map(flat, code.items))}"
    if len(inside) + indent + 4 <= WIDTH and code.separator:
        body = [f"{' ' * (indent + 4)}{inside}"]
    else:
        comma = code.separator if len(code.items) > 1 else ""
        body = [part for item in code.items for part in broken(item, indent + 4, after=comma)]
    return [f"{' ' * indent}{before}{code.head}", *body, f"{' ' * indent}{code.tail}{after}"]


def _opened(text: str, room: int) -> Bracket | None:
    """The last call in a text, or what is in brackets, that begins within so much room."""
    found = None
    for start, end, commas in _brackets(text):
        if start < room and end > start + 1:
            cuts = [start, *commas, end]
            items = [text[a + 1 : b].strip() for a, b in pairwise(cuts)]
            found = Bracket(text[: start + 1], [item for item in items if item], text[end:])
    return found


def _brackets(text: str) -> Iterator[tuple[int, int, list[int]]]:
    """Where round brackets stand that are in no others: their ends, and the commas in them."""
    depth, quote, start = 0, "", -1
    commas: list[int] = []
    for k, mark in enumerate(text):
        if quote:
            quote = "" if mark == quote and text[k - 1] != "\\" else quote
        elif mark in "\"'":
            quote = mark
        elif mark in "([{":
            depth += 1
            if depth == 1:
                start, commas = k, []
        elif mark in ")]}":
            depth -= 1
            if depth == 0 and mark == ")":
                yield start, k, commas
        elif mark == "," and depth == 1:
            commas.append(k)


def _call(text: str) -> tuple[str, str]:
    """A call up to its opening bracket, and what stands in it; empty for anything else."""
    found = re.match(r"[\w.]+\(", text)
    if not found or not text.endswith(")"):
        return "", ""
    depth = 0
    for k, mark in enumerate(text):
        depth += (mark in "([{") - (mark in ")]}")
        if not depth and k >= found.end() and k < len(text) - 1:
            return "", ""
    return found[0], text[found.end() : -1]


def literal(value: Any) -> str:
    """A value as Python writes it, with the quotes that ruff and Black prefer."""
    if isinstance(value, str):
        text = repr(value)
        return f'"{text[1:-1]}"' if text[0] == "'" and '"' not in text else text
    if isinstance(value, float) and (isinf(value) or isnan(value)):
        return f'float("{value}")'
    if isinstance(value, (tuple, list)):
        items = ", ".join(map(literal, value))
        return f"({items},)" if len(value) == 1 else f"({items})"
    return repr(value)
