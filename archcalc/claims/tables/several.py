"""Several tables in one text: where each begins and ends, and what stands above it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from archcalc.claims.tables.blanks import heads_summary
from archcalc.claims.tables.grid import bare
from archcalc.claims.tables.listings import MODULE, ROOT
from archcalc.claims.tables.sheet import Sheet

MOST_TABLES = 40
"""Of one text: more are none that somebody wrote."""
_RULE = re.compile(r"\s*\|[-: |+]*-[-: |+]*")
_DRAWN = re.compile(r"[\s|=_─━—+*-]*(?:None|```\w*)?\s*")
"""A line that says nothing: a rule, what ``print(model.summary())`` leaves, a fence."""
_SUMS = re.compile(r"\b(sub)?total|小计|合计|总计|합계|合計", re.IGNORECASE)
"""What calls a row one of sums: the convolutions of a network together."""
_BELOW = re.compile(
    r"[\W_]*(?:total|(?:non-)?trainable|params size|estimated|forward|optimizer|input size \(mb\))",
    re.IGNORECASE,
)
"""What stands below a table."""


class Part(NamedTuple):
    """A table in a text of several."""

    title: str
    """What stands above it, if that is short."""
    text: str
    """Its lines and those that belong to it, all others left blank, so that lines keep their
    numbers.
    """
    follows: bool
    """Whether nothing stands between the table before and it."""


def tables_of(text: str) -> list[Part]:
    """The tables of a text, or nothing where there is but one that is told by what begins it."""
    lines = bare(text).splitlines()
    spans = list(_spans(lines))
    if not 1 < len(spans) <= MOST_TABLES:
        return []
    found = []
    begin = 0
    for k, (start, end) in enumerate(spans):
        following = spans[k + 1][0] if k + 1 < len(spans) else len(lines)
        stop = len(lines) if k + 1 == len(spans) else _border(lines, start, end, following)
        above = [line for line in lines[begin:start] if not _DRAWN.fullmatch(line)]
        kept = [line if begin <= n < stop else "" for n, line in enumerate(lines)]
        found.append(Part(_title(above), "\n".join(kept), bool(k) and not above))
        begin = stop
    return found


def _spans(lines: list[str]) -> Iterator[tuple[int, int]]:
    """Where tables begin, and where they end if a mark says so (else where they begin)."""
    at = 0
    while at < len(lines):
        start = end = at
        line = lines[at]
        mark = line.lstrip()[:1]
        if mark in ("|", "+") and mark:
            end = _block(lines, at, "|+")
            rules = [k for k in range(at, end) if _RULE.fullmatch(lines[k])]
            if rules and end - at > 2:
                yield start, end
        elif mark in ("┏", "┌", "╔", "╒") and mark:
            end = _block(lines, at, "┏┌╔╒│┃├╞┡┠┣└╘┗╚║╠")
            yield start, end
        elif heads_summary(line):
            yield start, start
        elif ROOT.match(line.rstrip()) and any(map(MODULE.match, lines[at + 1 : at + 4])):
            depth = len(line) - len(line.lstrip())
            ends = re.compile(rf"\s{{{depth}}}[)}}]\s*")
            end = next((k for k in range(at + 1, len(lines)) if ends.fullmatch(lines[k])), at)
            yield start, end + 1
        elif opened := re.search(r"<(table)\b|\\begin\{(tabular|longtable)", line):
            close = "</table" if opened[1] else f"\\end{{{opened[2]}"
            end = next((k for k in range(at, len(lines)) if close in lines[k]), at)
            yield start, end + 1
        at = max(at + 1, end)


def _block(lines: list[str], at: int, marks: str) -> int:
    """The first line from one on that does not begin with any of some marks."""
    while at < len(lines) and lines[at].lstrip()[:1] in marks and lines[at].strip():
        at += 1
    return at


def _border(lines: list[str], start: int, end: int, following: int) -> int:
    """Where what belongs to one table ends and what belongs to the next begins."""
    below = [k for k in range(max(end, start + 1), following) if _BELOW.match(lines[k])]
    if below:
        return below[-1] + 1
    if end > start:
        return end
    border = following
    while border > start + 1 and re.match(r"[\W_]*$|\W*(Model|None)\b|#|.*:$", lines[border - 1]):
        border -= 1
    return border


def _title(above: list[str]) -> str:
    """What the last line above a table calls it."""
    last = above[-1] if above else ""
    named = re.search(r"[Mm]odel: *[\"']?([\w.-]+)", last)
    title = named[1] if named else re.sub(r"^[\s#*_>=-]+|[\s*_:=-]+$", "", last)
    return title if re.search(r"[^\W\d_]", title) and len(title) <= 60 else ""


def of_layers(sheet: Sheet) -> bool:
    """Whether half of a table's rows are known as layers, one of them as no module."""
    rows = [entry for entry in sheet.entries if entry.kind not in ("total", "gap")]
    known = [e.kind for e in rows if e.kind not in ("", "layer") and not _SUMS.search(e.name)]
    return 2 * len(known) >= len(rows) and any(kind != "module" for kind in known)
