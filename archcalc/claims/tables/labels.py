"""Cells that carry their own label: ``filter size: [1, 9]``, ``neurons=500, stride=2``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from archcalc.claims.tables.headers import HEADERS, plain_header
from archcalc.claims.tables.lines import Line, Rows
from archcalc.claims.tables.words import said

ROLES = frozenset(
    (
        *("in", "out", "kernel", "stride", "pad", "dilation", "groups", "params"),
        *("channels_in", "channels_out", "in_h", "in_w", "out_h", "out_w", "kernel_h", "kernel_w"),
    )
)
"""What a label in a cell may say."""
_LETTERS = frozenset("kfsp")
"""Single letters that are labels."""
_UNSURE = frozenset(("rate", "size", "width", "shape", "features", "d", "of weights"))
"""Headers that say other things where they are labels."""
_VALUE = r"\([^()]*\)|\[[^\[\]]*\]|\d+(?:\s*[x×]\s*\d+)*|['\"]?(?:same|valid)['\"]?"
_PAIR = re.compile(
    rf"(?<![\w.])(?P<label>[A-Za-z#][A-Za-z_# -]{{0,30}}?(?: ?\([A-Za-z]\))?)\s*[:=]\s*"
    rf"(?P<value>{_VALUE})(?=\s*(?:[,;)/|]|$|\s[A-Za-z]|and\b))",
    re.IGNORECASE,
)
_BESIDE = 40
"""Characters beside its labels that make a cell one of words."""
_MOST = 300
"""Characters of a cell that are looked through."""


class Pair(NamedTuple):
    """A label that says what stands behind it."""

    role: str
    label: str
    value: str
    span: tuple[int, int]


@lru_cache(4096)
def role_of(label: str) -> str:
    """What a label says; ``""`` for what is no label of a number or a size."""
    plain = plain_header(re.sub(r"\([A-Za-z]\)", "", label).replace("_", " "))
    if plain in _UNSURE or (len(plain) == 1 and plain not in _LETTERS):
        return ""
    for role, pattern in HEADERS.items():
        if re.fullmatch(pattern, plain):
            return role if role in ROLES else ""
    return ""


def pairs(cell: str) -> list[Pair]:
    """The labels of a cell that are known, and what each says."""
    if not re.search("[:=]", cell):
        return []
    found = []
    for match in _PAIR.finditer(cell[:_MOST]):
        label = match["label"].strip()
        role = role_of(label)
        if not role and " " in label:
            label = label.split(" ")[-1]  # what stands before it is no part of it
            role = role_of(label)
        if role:
            start = match.start("label") + match["label"].rstrip().rfind(label)
            found.append(Pair(role, label, match["value"].strip("'\""), (start, match.end())))
    said = sum(end - start for start, end in (pair.span for pair in found))
    return found if len(cell) - said < _BESIDE else []


def unlabelled(headers: tuple[str, ...], lines: list[Line]) -> Rows:
    """A table whose labelled numbers stand under their labels, and what is left under its header.

    Where words say as much as labels do, cells are left as they are printed.
    """
    found = [[pairs(cell) for cell in line.cells] for line in lines]
    told = [k for k, row in enumerate(found) if any(row)]
    if len(told) < 2 or not any(_unsaid(lines[k].cells, found[k], headers) for k in told):
        return headers, lines
    heads = {role_of(head): k for k, head in reversed(list(enumerate(headers))) if role_of(head)}
    more: dict[str, str] = {}
    for row in found:
        for pair in (pair for cell in row for pair in cell):
            if pair.role not in heads:
                more.setdefault(pair.role, pair.label)
    places = {**heads, **{role: len(headers) + k for k, role in enumerate(more)}}
    rows = []
    for line, row in zip(lines, found, strict=True):
        cells = [*line.cells, *[""] * (len(headers) + len(more) - len(line.cells))]
        for k, own in enumerate(row):
            for pair in reversed(own):
                cells[k] = cells[k][: pair.span[0]] + cells[k][pair.span[1] :]
            if own:
                cells[k] = re.sub(r"(?:^|(?<=[,;]))[\s,;]+|[\s,;:]+$|\(\s*\)", "", cells[k]).strip()
        for pair in (pair for own in row for pair in own):
            at = places[pair.role]
            cells[at] = cells[at] or pair.value
        rows.append(Line(line.number, tuple(cells)))
    return (*headers, *more.values()), rows


def _unsaid(cells: Sequence[str], found: Sequence[Sequence[Pair]], headers: Sequence[str]) -> bool:
    """Whether labels of a row say what neither its words nor its columns' headers do."""
    for k, (cell, own) in enumerate(zip(cells, found, strict=True)):
        words = said(cell) if own else {}
        head = role_of(headers[k]) if k < len(headers) else ""
        if any(pair.role not in words and pair.role != head for pair in own):
            return True
    return False
