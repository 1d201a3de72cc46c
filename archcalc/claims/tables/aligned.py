"""Readers of tables that are drawn in text: boxes, and columns aligned by blanks."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

from archcalc.claims.tables.blanks import in_columns, respaced
from archcalc.claims.tables.lines import FOOTER, MOST_IN_A_CELL, Line, Rows, footers
from archcalc.errors import ArchcalcError


def read_box(text: str, name: str) -> Rows:
    """Boxes drawn with lines: a row lasts to the next rule, so that a cell may take several."""
    groups: list[tuple[int, list[list[str]]]] = []
    footer: list[str] = []
    open_ = False
    lines = text.splitlines()
    ruled = sum(bool(re.match(r"\s*[├╞]", line)) for line in lines) > 1
    for number, line in enumerate(lines, 1):
        bare = line.strip()
        if bare[:1] in "│┃" and bare:
            cells = [cell.strip() for cell in re.split("[│┃]", bare[1:].rstrip("│┃"))]
            if not open_ or (not ruled and cells[0]):
                groups.append((number, []))
                open_ = True
            groups[-1][1].append(cells)
        elif bare[:1] in "┏┡├╞└┌╒╘┗┣┠" and bare:
            open_ = False
        elif bare and groups:
            footer.append(bare)
            open_ = False
    merged = [Line(number, _stacked(rows)) for number, rows in groups]
    if len(merged) < 2:
        raise ArchcalcError(f"{name}: has a header but no rows")
    headers, rows = merged[0].cells, merged[1:]
    return headers, rows + footers(footer, headers, len(lines))


def _stacked(rows: list[list[str]]) -> tuple[str, ...]:
    """The cells of a row that takes several lines."""
    width = max(map(len, rows))
    columns = [[row[k] for row in rows if k < len(row) and row[k]] for k in range(width)]
    return tuple(" ".join(column) for column in columns)


# Columns aligned by blanks ---------------------------------------------------------------------

_HEADWORDS = re.compile(
    r"layer|type|output|param|input|shape|kernel|filter|size|module|name|stride|connected|mult|"
    r"flops|macs|madd|\bop|pad\b|channels|units|trainable",
    re.IGNORECASE,
)


def read_text(text: str, name: str) -> Rows:
    """Columns aligned by blanks, under the line that heads them."""
    lines = [line.expandtabs() for line in text.splitlines()]
    lines = respaced(lines) or lines
    at = header(lines)
    told = [part(line) for line in lines] if at is None else []
    if sum(map(bool, told)) > 2:
        # A part of what a program prints, without what heads it.
        first = next(k for k, one in enumerate(told) if one)
        ends = next((k for k, line in enumerate(lines) if k > first and FOOTER.match(line)), None)
        above = [in_columns("Layer (type)", "Output Shape", "Param #", "")]
        made = [in_columns(*one, "") if one else "" for one in told[first:ends]]
        lines, at = [*lines[:first], *above, *made, *(lines[ends:] if ends else ())], first
    if at is None:
        raise ArchcalcError(f"{name}: has no header with two columns or more")
    lines = [*lines[: at + 1], *("" if _COMMENT.fullmatch(x) else x for x in lines[at + 1 :])]
    lines[at + 1 :] = [re.sub(r"(?<=[\d=_])\s{2,}# .*", "", line) for line in lines[at + 1 :]]
    lines = _sized(lines, at)
    body: list[tuple[int, str]] = []
    footer: list[str] = []
    for number, line in enumerate(lines[at + 1 :], at + 2):
        if re.fullmatch(r"[-_=─━—+#\s]*", line):
            continue
        if FOOTER.match(line) and not re.match(r"\s*(input|total)\S*\s*[:(].*[\])]", line):
            footer.append(line)
        elif footer and not re.match(r"\s*total\b", line, re.IGNORECASE):
            break
        else:
            body.append((number, line))
    if body and (index := re.fullmatch(r"(\w+)\s*", body[0][1])) and _indented(lines[at], index[1]):
        # What heads the first column stands in a line of its own, as pandas prints it.
        lines[at] = index[1] + lines[at][len(index[1]) :]
        del body[0]
    if not body:
        raise ArchcalcError(f"{name}: has a header but no rows")
    heads, apart = _apart(lines[at], [line for _, line in body])
    cut = _cuts(lines[at], [line for _, line in body])
    headers = tuple(heads or (lines[at][a:b].strip() for a, b in cut))
    rows: list[Line] = []
    for k, (number, line) in enumerate(body):
        edges = apart[k] if heads and apart[k] else _shifted(line, cut)
        cells = tuple(
            line[a:b].rstrip() if k == 0 else line[a:b].strip() for k, (a, b) in enumerate(edges)
        )
        cells = (re.sub(r"^\d+\s{2,}(?=\S)", "", cells[0]), *cells[1:])
        if rows and _goes_on(rows[-1].cells[0], cells):
            before = rows[-1]
            rows[-1] = Line(before.number, (before.cells[0] + cells[0].strip(), *before.cells[1:]))
        elif rows and any(cells) and (not cells[0].strip() or _wrapped(rows[-1].cells, cells)):
            before = rows[-1]
            joined = tuple(map(_joined, before.cells, cells))
            rows[-1] = Line(before.number, joined)
        else:
            rows.append(Line(number, cells))
    return headers, rows + footers(footer, headers, len(lines))


_COMMENT = re.compile(r"\s*#+ ?\S+(?: \S+)*\s*")
"""A line that somebody wrote between rows: ``# down sample``."""
_NUMBERED = re.compile(
    r"\s*(?P<name>[A-Z]\w*-\d+)\s+(?P<shape>\[-?\d+(?:, -?\d+)*\])\s+(?P<params>\d[\d,]*)\s*"
)
"""A line of torchsummary's."""
_TREED = re.compile(
    r"(?P<name>[│├└─|\s]*\w+(?: \(\w+\))?: \d+-\d+)\s+(?P<shape>--|\[-?\d+(?:, -?\d+)*\])\s+"
    r"(?P<params>--|\(recursive\)|\(?\d[\d,]*\)?)\s*"
)
"""A line of torchinfo's tree."""


_CALLED = re.compile(
    r"\s*(?P<name>[\w.:/-]+ \(\w+\)?)\s+"
    r"(?P<shape>\[?\((?:None|\?)(?:, (?:None|\?|\d+))*,?\)?\]?)\s+(?P<params>\d[\d,]*)\s*"
)
"""A line of Keras', of a model that says no connections."""


def part(line: str) -> tuple[str, str, str] | None:
    """Name, size and parameters of a line of a summary that nothing heads."""
    for pattern in (_NUMBERED, _TREED, _CALLED):
        if found := pattern.fullmatch(line):
            return found["name"], found["shape"], found["params"]
    return None


_SIZE = re.compile(r"\s+(\d+(?: x \d+)+|\[.*)\s*")
_CUT = 19
"""Characters that fastai leaves of a size."""


def _sized(lines: list[str], at: int) -> list[str]:
    """Fastai's lines with their sizes in them: one stands above all rows that give it.

    A size whose end is cut off, and one of several tensors, is none.
    """
    columns = re.search(r"Output Shape\s+(?=Param #\s+Trainable)", lines[at])
    if columns is None or not any(_SIZE.fullmatch(line) for line in lines[at + 1 :]):
        return lines
    start, end = columns.span()
    size, found = "", lines[: at + 1]
    for line in lines[at + 1 :]:
        said = _SIZE.fullmatch(line)
        if said:
            sides = said[1].split(" x ")
            cut = len(said[1]) == _CUT and sides[-1] != sides[-2] and len(sides) > 2
            size = "" if cut or said[1][0] == "[" else "x".join(sides)
        elif re.match(r"\w", line) and not FOOTER.match(line) and not line[start:end].strip():
            line = line.ljust(end)
            line = f"{line[:start]}{size:<{end - start}}{line[end:]}"
        found.append("" if said else line)
    return found


def _indented(header: str, word: str) -> bool:
    return not header[: len(word) + 1].strip()


def _apart(header: str, rows: list[str]) -> tuple[list[str], list[list[tuple[int, int]]]]:
    """Headers and each row's columns where two blanks and more separate them in most rows.

    Rows of which a cell is empty have none; nothing where the table is not such a one, or where
    its columns are flush with the header's words, so that those say better where they are.
    """
    heads = [m.span() for m in re.finditer(r"\S+(?: \S+)*", header)]
    found: list[list[tuple[int, int]]] = []
    for row in rows:
        spans = [m.span() for m in re.finditer(r"\S+(?: \S+)*", _solid(row))]
        if len(spans) == len(heads) and len(heads) > 1:
            edges = [0, *(a for a, _ in spans[1:]), len(row) + 1]
            found.append(list(pairwise(edges)))
        else:
            found.append([])
    if sum(map(bool, found)) < 0.6 * len(rows):
        return [], []
    cuts = _cuts(header, rows)
    if len(cuts) == len(heads) and all(
        any(a <= x < b for a, b in cuts[k : k + 1]) for k, (x, _) in enumerate(heads)
    ):
        # The same columns; rows with empty cells can be told by them.
        return [header[a:b] for a, b in heads], found
    starts = [a for a, _ in heads]
    flush = [edges for edges in found if edges]
    if any(not each for each in found):
        if any([a for a, _ in edges[1:]] != starts[1:] for edges in flush):
            return [], []
        # Rows with empty cells are as flush with the header as all others are.
        widest = max(map(len, rows), default=0) + 1
        plain = list(pairwise([0, *starts[1:], widest]))
        found = [each or plain for each in found]
    return [header[a:b] for a, b in heads], found


def _joined(old: str, new: str) -> str:
    """A cell and what the next line has of it: a name or a size goes on where it was cut."""
    new = new.strip()
    if old and new and "[" in new:
        return f"{old}; {new}"
    return f"{old}{new}" if _unended(old) else f"{old} {new}".strip()


def _unended(cell: str) -> bool:
    """Whether a bracket that a cell opens is closed nowhere in it."""
    return cell.count("(") > cell.count(")") or cell.count("[") > cell.count("]")


def _wrapped(above: tuple[str, ...], cells: tuple[str, ...]) -> bool:
    """Whether every cell of a line ends one above it whose bracket is open."""
    return all(
        _unended(old) and re.fullmatch(r"[\w, ]*[\])]+", new.strip())
        for old, new in zip(above, cells, strict=True)
        if new.strip()
    )


def _goes_on(name: str, cells: tuple[str, ...]) -> bool:
    """Whether a line only ends the name of the row above, which its column was too narrow for."""
    return _unended(name) and not any(cells[1:]) and cells[0].strip().endswith(")")


def header(lines: list[str]) -> int | None:
    """The line that heads the columns: the one with most words that head columns."""
    best, at = 1, None
    for k, line in enumerate(lines):
        if len(line) > MOST_IN_A_CELL or re.search(r":\s*[\d\[]|->", line):
            continue
        pieces = [p for p in re.split(r"\s{2,}|\s(?=\w+ shape)", line.strip()) if p]
        words = sum(bool(_HEADWORDS.search(piece)) for piece in pieces)
        if words > best and len(pieces) <= 3 * words:
            best, at = words, k
    return at


def _cuts(header: str, rows: list[str]) -> list[tuple[int, int]]:
    """Where columns begin and end: at words of the header that most rows are flush with."""
    ragged = max([len(header), *map(len, rows)])
    sample = [_solid(row).ljust(ragged + 1) for row in rows[:400]]
    head = header.ljust(ragged + 1)

    def agree(position: int, edge: Callable[[str, int], bool]) -> float:
        return sum(edge(row, position) for row in sample) / len(sample)

    def starts(row: str, x: int) -> bool:
        return row[x] != " " and (x == 0 or row[x - 1] == " ")

    def ends(row: str, x: int) -> bool:
        return row[x] != " " and row[x + 1] == " "

    def crossed(x: int) -> float:
        """How many rows have a word across the place just before x."""
        return sum(x > 0 and row[x - 1] != " " and row[x] != " " for row in sample) / len(sample)

    words = [m.span() for m in re.finditer(r"\S+", header)]
    apart = [m.span() for m in re.finditer(r"\S+(?: \S+)*", header)]
    left = [a for a, _ in words if agree(a, starts) >= 0.5]
    left += [a for a, _ in apart if a not in left and crossed(a) < 0.1]
    right = [b - 1 for _, b in words if agree(b - 1, ends) >= 0.4]
    firm_left = sum(agree(a, starts) for a in left)
    firm_right = sum(agree(b, ends) for b in right)
    if firm_right > firm_left and len(right) > 1:
        # A word of the header that rows are not flush with belongs to the column it ends in.
        edges = [0, *(b + 1 for b in sorted(right))]
        return list(zip(edges, [*edges[1:-1], ragged + 1], strict=False))
    edges = sorted({0, *left})
    if len(edges) > 1 and not head[: edges[1]].strip():
        edges.remove(edges[1])
    return list(zip(edges, [*edges[1:], ragged + 1], strict=True))


def _shifted(row: str, cuts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Where a row's columns begin and end, if a word of it is longer than its column."""
    solid = _solid(row)
    edges = [cuts[0][0]]
    for at, _ in cuts[1:]:
        edge = at
        if at < len(solid) and solid[at - 1] != " " != solid[at]:
            start = solid.rfind(" ", 0, at) + 1
            end = solid.find(" ", at)
            end = len(solid) if end < 0 else end
            opens = solid.rfind("(", start, at + 1)
            if opens > start and re.match(r"\((None|-1|\d+),", solid[opens:]):
                edge = opens
            elif start > edges[-1] and at - start < end - at:
                edge = start
            else:
                edge = min(end, len(solid))
        edges.append(max(edge, edges[-1]))
    return list(zip(edges, [*edges[1:], max(len(row), edges[-1]) + 1], strict=True))


def _solid(row: str) -> str:
    """A row whose brackets hold no blanks: a shape is one word, and so is a place in a tree."""
    row = re.sub(r"^[│├└─\s]*[├└]─", lambda found: found[0].replace(" ", "_"), row)
    closed = re.sub(r"[\[(][^\[\]()]*[\])]", lambda found: found[0].replace(" ", "_"), row)
    return _OPEN.sub(lambda found: found[0].replace(" ", "_"), closed)


_OPEN = re.compile(
    r"[\[(](?:None|-1|\d+)(?:, (?:None|-1|\d+)(?![^,\s])(?!\s{2,}[^\d\s]|\s*$))*,?(?=\s|$)"
)
"""A shape whose end is cut off. A number before a name, or at the end, is the next column's."""
