"""Layers that lists describe: a heading names each, labelled numbers stand below it.

``Convolution Layer 1:`` over ``Input Size: 224x224x3``, ``Number of Kernels (K): 20`` and so on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from archcalc.claims.tables.headers import HEADERS, plain_header
from archcalc.claims.tables.kinds import kind_of
from archcalc.claims.tables.labels import pairs, role_of
from archcalc.claims.tables.lines import MOST_IN_A_CELL, Line, Rows
from archcalc.claims.tables.words import said
from archcalc.errors import ArchcalcError

AGAIN = {"height": "out_h", "width": "out_w", "depth": "out_c"}
"""What a list says once more of an output's size, and how it comes about."""
WORKING = "how it comes about"
"""What is above sums that no label stands before."""
SIDE = "how its side comes about"
_SENTENCE = re.compile(r"\b(is|are|as an?|and|generates?|used?|gives?|takes?)\b", re.IGNORECASE)
_MARKS = re.compile(r"^[\s>*•◦▪●·○–#-]*(?:\(?\d{1,2}[.)](?:\d+\.?)*\s+|[a-z][.)]\s+)?[\s*_`]*")
_NUMBERED = re.compile(r"\s*(\d{1,2})([.)]?)\s+(?=[A-Z])")
_ITEM = re.compile(r"\s*(?:[*•◦▪●·○–-]|\(?\d{1,2}[.)])\s+[^\W\d]")
_LABEL = re.compile(r"[\s>*•◦▪●·○–#_`-]*[A-Za-z][^:=|]{0,40}(?::|=)(?:\s|$)")
"""Lines of a list, and lines with a label."""
_VALUE = r"[\[(]|[~≈]?\d|same\b|valid\b|none\b"
_LABELLED = re.compile(
    rf"([A-Za-z#][^:=\d]{{0,40}}?)[*_`]*\s*[:=]\s*[*_`]*\s*((?:{_VALUE}).*)", re.IGNORECASE
)
_SUM = re.compile(r"[\d(][\d\s()*×x+/^.,-]*[*×x+/-][\d\s()*×x+/^.,-]*=.*\d")
_SIDE = re.compile(r"((\d+)(?: ?[x×*] ?\d+)+) *\((\d[\d\s/+*x×-]*[-/+*x×][\d\s]+)\)(?: *= *(\d+))?")
"""A size and how its side comes about: ``14 * 14 (28/2)``."""
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
    return [k for k, head in enumerate(headers) if head.lower() in AGAIN or head in (WORKING, SIDE)]


def describes(lines: list[str]) -> bool:
    """Whether headings of layers stand over labelled numbers."""
    plain = [line for line in lines if line.strip() and "|" not in line]
    marked = [line for line in plain if _ITEM.match(line) or _LABEL.match(line)]
    told = sum(bool(cells) for _, _, cells in _blocks(plain))
    return told >= FEWEST and 2 * len(marked) >= len(plain)


def read_described(text: str, name: str) -> Rows:
    """Lists of what each layer takes, has and gives."""
    found: list[tuple[int, dict[str, str]]] = []
    heads: dict[str, str] = {}
    for number, title, told in _blocks(text.splitlines()):
        cells = {"layer": title}
        for label, role, value in told:
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
    at, title, told = 0, "", list[Said]()
    sized = ""
    counted = 0
    for number, line in enumerate(lines, 1):
        if numbered := _NUMBERED.match(line):
            # Of one item the dot may be left out.
            follows = int(numbered[1]) == counted + 1
            counted = int(numbered[1]) if numbered[2] or follows else counted
            line = line[numbered.end() :] if follows else line
        bare = _MARKS.sub("", line[:MOST_IN_A_CELL]).strip()
        if one := _in_a_line(bare):
            if title and told:
                yield at, title, told
            at, title, told, sized = number, one[0], one[1], ""
        elif heading := _heading(bare):
            if title:
                yield at, title, told
            at, title, told, sized = number, heading, [], ""
        elif title and bare:
            sized = "out" if re.match(r"output\b", bare, re.IGNORECASE) else sized
            sized = "" if re.match(r"input\b", bare, re.IGNORECASE) else sized
            told += _said(bare, sized)
    if title:
        yield at, title, told


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
    if plain.endswith(".") or _SENTENCE.search(plain) or (not colon and _worded(plain)):
        return ""
    known = kind_of(plain).kind not in ("", "total")
    return plain if known and not role and not role_of(plain) else ""


_HEADS = {
    "in": "input size",
    "out": "output size",
    "kernel": "kernel size",
    "channels_out": "filters",
    "stride": "stride",
    "pad": "padding",
    "dilation": "dilation",
    "channels_in": "channels in",
}
"""What is above what words say."""
_OUT = re.compile(r"\bout(?:put)?s?\b\W{0,3}([(\[]\d+(?:\s*[x×,]\s*\d+)*[)\]])", re.IGNORECASE)
_OF_SIZE = re.compile(r"\bmaps? of size\s+(\d+\s*[x×]\s*\d+)\b", re.IGNORECASE)


def _worded(line: str) -> list[Said]:
    """What the words of a line say of a layer: ``6 feature maps of size 28x28``."""
    found = []
    line = re.sub(r"(?<=\d) features\b", " filters", line)
    if out := _OUT.search(line):
        found.append(Said(_HEADS["out"], "out", out[1]))
        line = line[: out.start()] + line[out.end() :]
    if taken := re.search(r"\binputs?\s+(\d+(?:\s*[x×]\s*\d+)*)\b(?! \w+s\b)", line, re.IGNORECASE):
        found.append(Said(_HEADS["in"], "in", taken[1]))
        line = line[: taken.start()] + line[taken.end() :]
    if size := _OF_SIZE.search(line):
        found.append(Said(_HEADS["out"], "out", size[1]))
        line = line.replace(size[0], "maps")
    return found + [
        Said(_HEADS[role], role, value)
        for role, value in said(line).items()
        if role in _HEADS and all(role != each.role for each in found)
    ]


def _in_a_line(line: str) -> tuple[str, list[Said]] | None:
    """A layer with all that is said of it: ``Convolution Layer: filters = 64, kernel_size = 3``."""
    left, colon, right = line.partition(":")
    left, right = re.sub(r"[*_`#]+", "", left).strip(), right.strip()
    if given := re.fullmatch(r"(\S.*?)\s+out(?:put)?", left, re.IGNORECASE):
        left, right = given[1], f"Out {right}"
    if not colon or not right or not 0 < len(left) <= 40 or _any_role(left) not in ("", "in"):
        return None
    if kind_of(left).kind in ("", "total"):
        return None
    found = [Said(pair.label, pair.role, pair.value) for pair in pairs(right)]
    known = {each.role for each in found}
    found += [each for each in _worded(right) if each.role not in known]
    if _any_role(left) == "in" and not re.match("[A-Za-z]", right):
        return None
    told = len(found) > 1 or given or (found and re.match(r"[A-Za-z]", right))
    return (left, found) if told else None


def _any_role(label: str) -> str:
    """What a label is of, be it a number or not."""
    plain = plain_header(label)
    return next((role for role, words in HEADERS.items() if re.fullmatch(words, plain)), "")


def _said(line: str, sized: str) -> Iterator[Said]:
    """What a line says: its label's number, or a sum that comes to one."""
    match = _LABELLED.match(line)
    if match is None:
        if not re.match(r"[^:]{0,40}:|.*=", line):
            yield from _worded(line)
            return
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
    if role.startswith("channels") and not re.match(r"\d[\d,]*(?![\d,]*\s*[x×*\d])", value):
        return  # of all maps together
    if re.match(r"[\[(]", value) and re.search(r"[^\W\d_]{3}", re.sub(_BATCH, "", value)):
        return  # a formula in words
    if role in ("out", "in", "params"):
        value = re.sub(r"(?<=[\d)\]])\s*[(,;]?\s*[A-Za-z]{3}.*$", "", value)
        if role != "params" and (worked := _SIDE.fullmatch(value)):
            yield Said(SIDE, "side", f"{worked[3]} = {worked[4] or worked[2]}")
            value = worked[1]
    if role:
        yield Said(label, role, value)
