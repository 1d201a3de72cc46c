"""The cells of a printed table, whatever it is written in.

A table is recognised by what it looks like: CSV and its kin, Markdown, HTML, LaTeX, boxes drawn
with lines, columns aligned by blanks. Nothing is dropped: a line that is part of no table stands
before or after it, everything between header and footer becomes a row.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from io import StringIO
from itertools import pairwise
from typing import NamedTuple

from archcalc.errors import ArchcalcError

MOST_CHARACTERS = 2_000_000
MOST_ROWS = 5_000
MOST_COLUMNS = 200
MOST_IN_A_CELL = 2_000
"""Tables come from strangers: one that is larger is refused."""


class Line(NamedTuple):
    """A row of cells, and where it stands."""

    number: int
    """Of the text, from 1."""
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """A table as cells of text."""

    form: str
    """The format that it was read as."""
    headers: tuple[str, ...]
    rows: tuple[Line, ...]
    depths: tuple[int, ...] = ()
    """How deep each row stands in a tree of modules; empty where there is none."""
    whole: tuple[int, int] | None = None
    """Parameters that train and that do not, if both are said below the table."""


def read_grid(text: str, name: str, form: str = "") -> Grid:
    """The table in a text, read as ``form`` or as what it looks like.

    Raises :class:`ArchcalcError` with the line for what can't be read as a table.
    """
    if len(text) > MOST_CHARACTERS or "\0" in text:
        raise ArchcalcError(f"{name}: is no table of at most {MOST_CHARACTERS:,} characters")
    text = _uncommented(text)
    form = form or _form(text)
    headers, lines = FORMS[form](text, name)
    if not headers or not lines:
        raise ArchcalcError(f"{name}: has {'a header but no rows' if headers else 'no header'}")
    return replace(_checked(form, headers, lines, name), whole=whole(text))


def _checked(form: str, headers: tuple[str, ...], lines: list[Line], name: str) -> Grid:
    headers, lines = _headed(headers, lines)
    width = len(headers)
    if width > MOST_COLUMNS or len(lines) > MOST_ROWS:
        raise ArchcalcError(f"{name}: has more than {MOST_COLUMNS} columns or {MOST_ROWS:,} rows")
    even, depths = [], []
    for number, cells in lines:
        if any(cells[width:]):
            raise ArchcalcError(f"{name}:{number}: has {len(cells)} cells under {width} headers")
        if any(len(cell) > MOST_IN_A_CELL for cell in cells):
            raise ArchcalcError(
                f"{name}:{number}: has a cell of over {MOST_IN_A_CELL:,} characters"
            )
        depth, first = _depth(cells[0])
        depths.append(depth)
        even.append(Line(number, (first, *cells[1:width], *[""] * (width - len(cells)))))
    tree = depths if any(depths) else []
    return Grid(form, headers, tuple(even), tuple(tree))


def _headed(headers: tuple[str, ...], lines: list[Line]) -> tuple[tuple[str, ...], list[Line]]:
    """Headers in two rows as one: ``Input`` over ``H``, ``W`` and ``C``."""
    below = lines[0].cells + ("",) * (len(headers) - len(lines[0].cells))
    words = all(re.fullmatch(r"[A-Za-z# ().]{0,14}", cell) for cell in below)
    gaps = [k for k, head in enumerate(headers) if k and not head and below[k : k + 1] != ("",)]
    if not words or not gaps or not any(below) or len(lines) < 2 or below[0]:
        return headers, lines
    joined: list[str] = []
    above = ""
    for k, head in enumerate(headers):
        above = head or above
        joined.append(f"{above} {below[k]}".strip() if below[k] else head)
    return tuple(joined), lines[1:]


def _depth(cell: str) -> tuple[int, str]:
    """How deep a name stands in a tree (``│    └─Conv2d: 2-1``, ``| conv``), and the name."""
    marks = re.match(r"[│├└─|¦\s]*", cell)
    prefix = marks[0] if marks else ""
    bare = cell[len(prefix) :].strip()
    numbered = re.search(r":\s*(\d{1,3})-\d+$", bare)
    if numbered:
        return int(numbered[1]), bare
    return sum(prefix.count(mark) for mark in "├└│|¦"), bare or cell.strip()


def _uncommented(text: str) -> str:
    """A text without the marks in front of each line that quote it or comment it out."""
    lines = text.splitlines()
    filled = [line for line in lines if line.strip()]
    for mark in ("#", ">", "//", "%"):
        marked = [line for line in filled if line.lstrip().startswith(mark)]
        if filled and len(marked) >= 0.9 * len(filled):
            return "\n".join(re.sub(rf"^\s*{mark} ?", "", line) for line in lines)
    return text


def _form(text: str) -> str:
    if re.search(r"<t[rd][\s>]", text, re.IGNORECASE):
        return "html"
    if re.search(r"\\begin\{(tabular|array|longtable)|&[^\n]*\\\\", text):
        return "latex"
    lines = [line for line in text.splitlines() if line.strip()][:400]
    if sum(bool(_LABELLED.match(line)) for line in lines) >= max(3, 0.5 * len(lines)):
        return "labelled"
    if sum(line.lstrip()[:1] in "│┃" and line.rstrip()[-1] in "│┃" for line in lines) >= 2:
        return "box"
    if sum(line.lstrip().startswith("|") for line in lines) >= 2:
        rule = any(re.fullmatch(r"\s*[+|][-+=:| ]+[+|]\s*", line) for line in lines)
        if rule:
            return "markdown"
    if any(re.match(r"\s*\d+ (conv|max)\b.*->", line) for line in lines):
        return "darknet"
    if sum(bool(_YOLO.match(line)) for line in lines) > 1:
        return "ultralytics"
    marked = bool(lines) and any(mark in lines[0] for mark in ",;\t|")
    return "csv" if _delimiter(lines) or (marked and _header(lines) is None) else "text"


def _delimiter(lines: list[str]) -> str:
    """What separates the cells of a CSV, or ``""`` for a text that is none."""
    if not lines:
        return ""
    best = ""
    for mark in "\t;|,":
        head = lines[0].count(mark)
        if not head:
            continue
        try:
            rows = list(csv.reader(lines[:60], delimiter=mark, strict=False))
        except csv.Error:
            continue
        width = len(rows[0])
        full = sum(len(row) == width for row in rows)
        ruled = sum(bool(re.fullmatch(r"[-_=\s|+]+", line)) for line in lines)
        if full >= 0.6 * (len(rows) - ruled) and (not best or width > 2):
            best = mark if not best or lines[0].count(best) < head else best
    return best


# Text with marks between the cells -------------------------------------------------------------


def _read_csv(text: str, name: str) -> tuple[tuple[str, ...], list[Line]]:
    lines = [line for line in text.splitlines() if line.strip()]
    first = lines[0] if lines else ""
    counts = Counter(mark for mark in first if mark in ",;\t|")
    delimiter = _delimiter(lines[:400]) or (counts.most_common(1)[0][0] if counts else "")
    if not delimiter:
        raise ArchcalcError(f"{name}: has no header with two columns or more")
    found: list[Line] = []
    footer: list[str] = []
    csv.field_size_limit(max(csv.field_size_limit(), MOST_CHARACTERS))
    reader = csv.reader(StringIO(text), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            stripped = tuple(cell.strip() for cell in cells)
            if delimiter == "|" and len(stripped) > 2 and not stripped[0] and not stripped[-1]:
                stripped = stripped[1:-1]
            if len(stripped) == 1 and len(found) > 1 and delimiter == "|":
                footer.append(stripped[0])
            elif any(stripped) and not re.fullmatch(r"[-=_+ ]{3,}", "".join(stripped)):
                found.append(Line(reader.line_num, stripped))
            if len(found) > MOST_ROWS + 1:
                break
    except csv.Error as error:
        raise ArchcalcError(f"{name}:{reader.line_num}: {error}") from None
    if len(found) < 2:
        raise ArchcalcError(f"{name}: has a header but no rows")
    headers = found[0].cells
    return headers, found[1:] + _footers(footer, headers, reader.line_num)


def _read_markdown(text: str, name: str) -> tuple[tuple[str, ...], list[Line]]:
    found: list[Line] = []
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if not bare.startswith("|"):
            if len(found) > 1 and bare and not bare.startswith("+"):
                break
            continue
        if re.fullmatch(r"[-+=:| ]+", bare):
            continue
        depth = re.match(r"\|( *)", bare)
        cells = re.split(r"(?<!\\)\|", bare.strip("|") if bare.endswith("|") else bare[1:])
        plain = [_plain(cell) for cell in cells]
        if depth and len(depth[1]) > 2 and plain[0]:
            plain[0] = "│" * ((len(depth[1]) - 1) // 1) + plain[0]
        found.append(Line(number, tuple(plain)))
    if len(found) < 2:
        raise ArchcalcError(f"{name}: has a header but no rows")
    return found[0].cells, found[1:]


def _plain(cell: str) -> str:
    """A cell of Markdown or HTML without emphasis."""
    bare = re.sub(r"<br\s*/?>", " ", cell)
    bare = bare.replace("\\|", "|").replace("&nbsp;", " ").replace("&times;", "x").strip()
    return re.sub(r"^(\*\*|__|`|\*)(.*)\1$", r"\2", bare).replace("\\_", "_").strip()


def _read_latex(text: str, name: str) -> tuple[tuple[str, ...], list[Line]]:
    body = re.sub(r"(?<!\\)%.*", "", text)
    body = _NESTED.sub(lambda each: re.sub(r"\\\\|&", "; ", each[2]), body)
    body = re.sub(
        r"\\(?:makecell|shortstack|specialcell)(?:\[\w*\])?\{([^{}]*)\}",
        lambda each: re.sub(r"\\\\", " ", each[1]),
        body,
    )
    body = re.sub(r"\\multirow\{[^{}]*\}\{[^{}]*\}\{([^{}]*)\}", r"\1", body)
    found: list[Line] = []
    line = 1
    for piece in re.split(r"\\\\(?:\[[^\]]*\])?|\\tabularnewline", body):
        line += piece.count("\n")
        bare = re.sub(r"\\begin\{[a-z*]+\}(\[[^\]]*\])?(\{[^\n]*\})?", "", piece)
        bare = re.sub(
            r"\\(hline|toprule|midrule|bottomrule|centering|cline\{[^}]*\}"
            r"|cmidrule(\([a-z]*\))?\{[^}]*\}|caption\{[^}]*\}|label\{[^}]*\}"
            r"|end\{[^}]*\})",
            "",
            bare,
        )
        if "&" not in bare:
            continue
        cells = []
        for cell in re.split(r"(?<!\\)&", bare):
            wide = re.search(r"\\multicolumn\{(\d+)\}\{[^}]*\}\{(.*)\}", cell)
            cells.append(_latex(wide[2] if wide else cell))
            cells += [""] * (min(int(wide[1]), MOST_COLUMNS) - 1 if wide else 0)
        if any(cells):
            found.append(Line(line, tuple(cells)))
    if len(found) < 2:
        raise ArchcalcError(f"{name}: has a header but no rows")
    return found[0].cells, found[1:]


_NESTED = re.compile(
    r"\\begin\{(array|[bp]?matrix)\}(?:\{[^}]*\})?((?:(?!\\begin).){0,2000}?)\\end\{\1\}", re.DOTALL
)
"""Layers in brackets, a line each."""


def _latex(cell: str) -> str:
    bare = re.sub(r"\s*\\times\s*", "x", re.sub(r"\\(left|right|bigg?|Bigg?)(?![a-z])", "", cell))
    bare = re.sub(r"\\(textbf|textit|text|mathrm|emph|texttt|mathbf)\{([^}]*)\}", r"\2", bare)
    bare = bare.replace("\\_", "_").replace("\\#", "#").replace("\\%", "%").replace("~", " ")
    bare = bare.replace("\\,", "").replace("{,}", ",").replace("$", "").replace("\\&", "&")
    return re.sub(r"\s+", " ", re.sub(r"[{}]", "", bare)).strip()


def _read_html(text: str, name: str) -> tuple[tuple[str, ...], list[Line]]:
    from html.parser import HTMLParser

    class Reader(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.rows: list[Line] = []
            self.row: list[str] | None = None
            self.cell: list[str] | None = None
            self.spans: dict[int, tuple[int, str]] = {}
            self.span = (1, 1)
            self.tables = 0

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag == "table":
                self.tables += 1
            if tag == "tr" and self.tables < 2:
                self.flush()
                self.row = []
            elif tag in ("td", "th") and self.row is not None:
                self.close_cell()
                given = {k: int(v) for k, v in attrs if v and v.isdigit() and len(v) < 4}
                self.cell = []
                self.span = given.get("rowspan", 1), min(given.get("colspan", 1), MOST_COLUMNS)
            elif tag == "br" and self.cell is not None:
                self.cell.append(" ")

        def handle_endtag(self, tag: str) -> None:
            if tag in ("td", "th"):
                self.close_cell()
            elif tag in ("tr", "table"):
                self.flush()

        def handle_data(self, data: str) -> None:
            if self.cell is not None:
                self.cell.append(data)

        def close_cell(self) -> None:
            if self.cell is None or self.row is None:
                return
            self.fill()
            words = " ".join("".join(self.cell).replace("×", "x").split())
            for k in range(self.span[1]):
                if self.span[0] > 1:
                    self.spans[len(self.row)] = (self.span[0], words if k == 0 else "")
                self.row.append(words if k == 0 else "")
            self.cell = None

        def fill(self) -> None:
            """Cells of rows above that reach down to this one."""
            while self.row is not None and (at := len(self.row)) in self.spans:
                left, words = self.spans[at]
                if left <= 1:
                    del self.spans[at]
                    return
                self.spans[at] = (left - 1, words)
                self.row.append(words)

        def flush(self) -> None:
            self.close_cell()
            if self.row is not None:
                self.fill()
                if any(self.row):
                    self.rows.append(Line(self.getpos()[0], tuple(self.row)))
            self.row = None

    reader = Reader()
    reader.feed(text)
    reader.flush()
    if len(reader.rows) < 2:
        raise ArchcalcError(f"{name}: has no table of two rows or more")
    return reader.rows[0].cells, reader.rows[1:]


def _read_box(text: str, name: str) -> tuple[tuple[str, ...], list[Line]]:
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
    return headers, rows + _footers(footer, headers, len(lines))


def _stacked(rows: list[list[str]]) -> tuple[str, ...]:
    """The cells of a row that takes several lines."""
    width = max(map(len, rows))
    columns = [[row[k] for row in rows if k < len(row) and row[k]] for k in range(width)]
    return tuple(" ".join(column) for column in columns)


_FOOTER = re.compile(
    r"\s*((?:total|trainable|non-trainable|estimated|params|input|forward|optimizer)"
    r"[^:]{0,40}):\s*([\d.,]+(?:\s?[KMGBT])?)",
    re.IGNORECASE,
)


def _footers(lines: list[str], headers: tuple[str, ...], number: int) -> list[Line]:
    """Totals that stand below a table, as a row under the columns that they add up."""
    plain = [header.lower() for header in headers]
    params = next((k for k, header in enumerate(plain) if "param" in header), None)
    work = [k for k, head in enumerate(plain) if re.search(r"mult|flop|mac|madd", head)]
    cells = [""] * len(headers)
    for line in lines:
        found = _FOOTER.match(line)
        if not found:
            continue
        what = found[1].strip().lower()
        unit = re.search(r"\(([KMGBT])\)", found[1], re.IGNORECASE)
        value = found[2].strip() + (unit[1].upper() if unit else "")
        if what in ("total params", "total parameters") and params is not None:
            cells[0], cells[params] = "Total params", value
        elif what.startswith("total mult-adds") and work:
            cells[0], cells[work[0]] = cells[0] or "Total", value
    return [Line(number, tuple(cells))] if any(cells) else []


def whole(text: str) -> tuple[int, int] | None:
    """Parameters that train and that do not, where a program says so below its table."""
    found = {
        said[1].lower(): int(said[2].replace(",", ""))
        for said in re.finditer(
            r"^\W*((?:non-)?trainable) params: *(\d{1,3}(?:,\d{3})+|\d{1,15})(?!\S)",
            text,
            re.IGNORECASE | re.MULTILINE,
        )
    }
    if len(found) < 2:
        return None
    return found["trainable"], found["non-trainable"]


# Columns aligned by blanks ---------------------------------------------------------------------

_HEADWORDS = re.compile(
    r"layer|type|output|param|input|shape|kernel|filter|size|module|name|stride|connected|mult|"
    r"flops|macs|madd|\bop|pad\b|channels|units|trainable",
    re.IGNORECASE,
)


def _read_text(text: str, name: str) -> tuple[tuple[str, ...], list[Line]]:
    lines = [line.expandtabs() for line in text.splitlines()]
    at = _header(lines)
    if at is None:
        raise ArchcalcError(f"{name}: has no header with two columns or more")
    body: list[tuple[int, str]] = []
    footer: list[str] = []
    for number, line in enumerate(lines[at + 1 :], at + 2):
        if re.fullmatch(r"[-_=─━+\s]*", line):
            continue
        if _FOOTER.match(line) and not re.match(r"\s*(input|total)\S*\s*[:(].*[\])]", line):
            footer.append(line)
        elif footer and not re.match(r"\s*total\b", line, re.IGNORECASE):
            break
        else:
            body.append((number, line))
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
        elif rows and not cells[0].strip() and any(cells):
            before = rows[-1]
            joined = tuple(
                f"{old}; {new}" if old and new and "[" in new else f"{old} {new}".strip()
                for old, new in zip(before.cells, cells, strict=True)
            )
            rows[-1] = Line(before.number, joined)
        else:
            rows.append(Line(number, cells))
    return headers, rows + _footers(footer, headers, len(lines))


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
    if any(not each for each in found):
        return [], []
    return [header[a:b] for a, b in heads], found


def _goes_on(name: str, cells: tuple[str, ...]) -> bool:
    """Whether a line only ends the name of the row above, which its column was too narrow for."""
    unended = name.count("(") > name.count(")")
    return unended and not any(cells[1:]) and cells[0].strip().endswith(")")


def _header(lines: list[str]) -> int | None:
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
            opens = solid.rfind("(", start, at)
            if opens > start and solid[opens : opens + 5] in ("(None", "(1,_3"):
                edge = opens
            elif start > edges[-1] and at - start < end - at:
                edge = start
            else:
                edge = min(end, len(solid))
        edges.append(max(edge, edges[-1]))
    return list(zip(edges, [*edges[1:], max(len(row), edges[-1]) + 1], strict=True))


def _solid(row: str) -> str:
    """A row whose brackets hold no blanks: a shape is one word."""
    return re.sub(r"[\[(][^\[\]()]*[\])]", lambda found: found[0].replace(" ", "_"), row)


def _read_darknet(text: str, name: str) -> tuple[tuple[str, ...], list[Line]]:
    """Darknet's listing: ``0 conv 16 3 x 3 / 1 416 x 416 x 3 -> 416 x 416 x 16 0.150 BF``."""
    headers = ("layer", "filters", "size", "input", "output", "BFLOPs", "from")
    size = r"\d+\s*x\s*\d+\s*x\s*\d+"
    shape = re.compile(
        rf"\s*(\d+)\s+([a-z_]+)\s*(\d+)?\s*(\d+\s*x\s*\d+\s*/\s*\d+(?:\(\d+\))?)?\s*(\d+x)?\s*"
        rf"({size})?\s*(?:->\s*({size}))?\s*([\d.]+\s*B\w*)?\s*$"
    )
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        found = shape.match(line)
        linked = re.match(r"\s*(\d+)\s+(route|shortcut|Shortcut\w*)\s*[: ]\s*([-\d, ]+)(.*)", line)
        if linked is None and re.match(r"\s*\d+ res\s", line):
            line = re.sub(r"res(\s+)(\d+)", r"shortcut\1\2", line)
            linked = re.match(r"\s*(\d+)\s+(shortcut)\s*[: ]\s*([-\d]+)(.*)", line)
        if linked and re.search(r"\s\d+/\d+\s", linked[4]):
            linked = None
            line = re.sub(r"route(\s+-?\d+)", r"split\1", line)
            part = re.match(rf"\s*(\d+)\s+split\s+(-?\d+)\s.*?({size})", line)
            if part:
                name_ = f"{part[1]} split"
                rows.append(Line(number, (name_, "", "", "", part[3], "", part[2])))
            continue
        if linked:
            tail = re.search(rf"(?:->)?\s*({size})\s*([\d.]+ BF)?\s*$", line)
            where = re.sub(rf"(->)?\s*{size}.*$", "", linked[3] + linked[4])
            sources = "; ".join(re.findall(r"-?\d+", where))
            out, work = (tail[1], tail[2] or "") if tail else ("", "")
            rows.append(Line(number, (f"{linked[1]} {linked[2]}", "", "", "", out, work, sources)))
        elif found:
            at, op, filters, window, _, given, out, work = (each or "" for each in found.groups())
            work = re.sub(r"\s*B.*", "", work)
            rows.append(Line(number, (f"{at} {op}", filters, window, given, out, work, "")))
        elif re.match(r"\s*\d+\s+[a-z]", line):
            words = line.split()
            rows.append(Line(number, (" ".join(words[:2]), "", "", "", "", "", "")))
    if not rows:
        raise ArchcalcError(f"{name}: has no layers of Darknet")
    return headers, rows


_YOLO = re.compile(
    r"\s*(\d+)\s+(-?\d+|\[[-\d, ]+\])\s+(\d+)\s+(\d+)\s+"
    r"((?:models|ultralytics|torch)\.[\w.]+)\s+\[(.*)\]"
)


def _read_ultralytics(text: str, name: str) -> tuple[tuple[str, ...], list[Line]]:
    """Ultralytics' listing: index, where from, repeats, parameters, class, arguments."""
    headers = ("layer", "from", "n", "params", "operator", "in", "out", "kernel", "stride")
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        found = _YOLO.match(line)
        if found:
            at, source, times, params, module, arguments = found.groups()
            numbers = [each.strip() for each in arguments.split(",")]
            fits = module.endswith("Conv") and all(each.isdigit() for each in numbers[:4])
            plain = [*numbers, "", "1"][:4] if fits and len(numbers) > 2 else [""] * 4
            if fits and len(numbers) == 3:
                plain[3] = "1"
            sources = "; ".join(re.findall(r"-?\d+", source))
            rows.append(Line(number, (at, sources, times, params, module, *plain)))
    if not rows:
        raise ArchcalcError(f"{name}: has no layers of Ultralytics")
    return headers, rows


_LABELLED = re.compile(r"\s*([A-Za-z][\w -]{0,40}):\s*\[([\dx×, ]+)\]\s*(.*)$")
_PAIR = re.compile(r"([A-Za-z][\w ]{0,20}?):\s*(.*?)(?=\s{1,8}[A-Za-z][\w ]{0,20}:|$)")


def _read_labelled(text: str, name: str) -> tuple[tuple[str, ...], list[Line]]:
    """A layer a line, its numbers labelled: ``CONV3-64: [224x224x64] params: 1,728``."""
    found: list[tuple[int, dict[str, str]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if layer := _LABELLED.match(line[:MOST_IN_A_CELL]):
            pairs = {key.strip().lower(): value.strip() for key, value in _PAIR.findall(layer[3])}
            found.append((number, {"layer": layer[1], "output": layer[2], **pairs}))
        elif total := re.match(r"\s*total ([a-z]+):\s*([\d.,]+ ?[KMBG]?)\b", line, re.IGNORECASE):
            found.append((number, {"layer": "Total", total[1].lower(): total[2]}))
    headers = tuple(dict.fromkeys(key for _, cells in found for key in cells))
    if len(headers) < 3 or len(headers) > MOST_COLUMNS:
        raise ArchcalcError(f"{name}: has no labelled numbers beside its layers")
    return headers, [Line(at, tuple(c.get(key, "") for key in headers)) for at, c in found]


FORMS: Mapping[str, Callable[[str, str], tuple[tuple[str, ...], list[Line]]]] = {
    "csv": _read_csv,
    "markdown": _read_markdown,
    "html": _read_html,
    "latex": _read_latex,
    "box": _read_box,
    "text": _read_text,
    "darknet": _read_darknet,
    "labelled": _read_labelled,
    "ultralytics": _read_ultralytics,
}
"""Formats that are read."""
