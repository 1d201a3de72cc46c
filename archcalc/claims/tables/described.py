"""Layers that lists describe: a heading names each, labelled numbers stand below it.

``Convolution Layer 1:`` over ``Input Size: 224x224x3``, ``Number of Kernels (K): 20`` and so on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from archcalc.claims.tables.columns import HEADERS, plain_header
from archcalc.claims.tables.kinds import kind_of
from archcalc.claims.tables.labels import role_of
from archcalc.claims.tables.lines import MOST_IN_A_CELL, Line, Rows
from archcalc.errors import ArchcalcError

AGAIN = {"height": "out_h", "width": "out_w", "depth": "out_c"}
"""What a list says once more of an output's size, and how it comes about."""
WORKING = "how it comes about"
"""What is above sums that no label stands before."""
_MARKS = re.compile(r"^[\s>*•◦▪●·○–#-]*(?:\(?\d{1,2}[.)](?:\d+\.?)*\s+|[a-z][.)]\s+)?[\s*_`]*")
_VALUE = r"[\[(]|[~≈]?\d|same\b|valid\b|none\b"
_LABELLED = re.compile(
    rf"([A-Za-z#][^:=\d]{{0,40}}?)[*_`]*\s*[:=]\s*[*_`]*\s*((?:{_VALUE}).*)", re.IGNORECASE
)
_SUM = re.compile(r"[\d(][\d\s()*×x+/^.,-]*[*×x+/-][\d\s()*×x+/^.,-]*=.*\d")
_FLOORED = re.compile(r"=\s*[\d.]+\s*(?:,|which is|≈|~|→|->|rounded (?:down |up )?to)\s*(\d+)\b.*")
_BATCH = re.compile(r"none|same|batch(?:[ _]?size)?", re.IGNORECASE)
FEWEST = 2
"""Layers of which a list says something."""


class Said(NamedTuple):
    """What a line says of a layer."""

    label: str
    role: str
    value: str


def apart(headers: Sequence[str]) -> list[int]:
    """The columns that say once more what others say, or how it comes about."""
    return [k for k, head in enumerate(headers) if head.lower() in AGAIN or head == WORKING]


def describes(lines: list[str]) -> bool:
    """Whether headings of layers stand over labelled numbers."""
    return sum(bool(cells) for _, _, cells in _blocks(lines)) >= FEWEST


def read_described(text: str, name: str) -> Rows:
    """Lists of what each layer takes, has and gives."""
    found: list[tuple[int, dict[str, str]]] = []
    heads: dict[str, str] = {}
    for number, title, said in _blocks(text.splitlines()):
        cells = {"layer": title}
        for label, role, value in said:
            heads.setdefault(role, label)
            cells.setdefault(role, value)
        sides = [re.findall(r"\d+", cells.get(role, "")) for role in AGAIN]
        if "out" not in cells and all(sides):
            heads.setdefault("out", "output size")
            cells["out"] = "x".join(each[-1] for each in sides)
        found.append((number, cells))
    if len(found) < FEWEST or not heads:
        raise ArchcalcError(f"{name}: has no list of what layers have")
    roles = ("layer", *heads)
    headers = ("layer", *heads.values())
    return headers, [Line(at, tuple(cells.get(role, "") for role in roles)) for at, cells in found]


def _blocks(lines: list[str]) -> Iterator[tuple[int, str, list[Said]]]:
    """Headings with their lines, and what is said below each."""
    at, title, said = 0, "", list[Said]()
    sized = ""
    for number, line in enumerate(lines, 1):
        bare = _MARKS.sub("", line[:MOST_IN_A_CELL]).strip()
        if heading := _heading(bare):
            if title:
                yield at, title, said
            at, title, said, sized = number, heading, [], ""
        elif title and bare:
            sized = "out" if re.match(r"output\b", bare, re.IGNORECASE) else sized
            sized = "" if re.match(r"input\b", bare, re.IGNORECASE) else sized
            said += _said(bare, sized)
    if title:
        yield at, title, said


def _heading(line: str) -> str:
    """What a line names, if it names a layer."""
    plain = re.sub(r"[*_`]+|:\s*$", "", line).strip()
    left, colon, right = plain.partition(":")
    if not plain or len(plain) > 60 or len(plain.split()) > 7 or "=" in plain:
        return ""
    if colon and (re.match(_VALUE, right.strip(), re.IGNORECASE) or not right.strip()):
        return ""
    role = _any_role(left) if colon else ""
    if role == "layer":
        plain, role = right.strip(), ""
    known = kind_of(plain).kind not in ("", "total")
    return plain if known and not role and not role_of(plain) else ""


def _any_role(label: str) -> str:
    """What a label is of, be it a number or not."""
    plain = plain_header(label)
    return next((role for role, words in HEADERS.items() if re.fullmatch(words, plain)), "")


def _said(line: str, sized: str) -> Iterator[Said]:
    """What a line says: its label's number, or a sum that comes to one."""
    match = _LABELLED.match(line)
    if match is None:
        if _SUM.match(line):
            yield Said(WORKING, "worked", line)
        return
    label, value = re.sub(r"[*_`]+", "", match[1]).strip(), re.sub(r"[*`]+$", "", match[2]).strip()
    word = label.lower()
    if word in AGAIN:
        if sized or "=" in value:
            value = _FLOORED.sub(r"= \1", value)
            yield Said(label, word, re.sub(r"(?<=\d)\s*\([^()\d]*\)$", "", value))
        return
    role = role_of(label)
    if re.match(r"[\[(]", value) and re.search(r"[^\W\d_]{3}", re.sub(_BATCH, "", value)):
        return  # a formula in words
    if role in ("out", "in", "params"):
        value = re.sub(r"(?<=[\d)\]])\s*[(,;]?\s*[A-Za-z]{3}.*$", "", value)
    if role:
        yield Said(label, role, value)
