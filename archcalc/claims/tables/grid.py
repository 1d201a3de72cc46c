"""The cells of a printed table, whatever it is written in.

A table is recognised by what it looks like: CSV and its kin, Markdown, HTML, LaTeX, boxes drawn
with lines, columns aligned by blanks. Nothing is dropped: a line that is part of no table stands
before or after it, everything between header and footer becomes a row.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from archcalc.claims.tables.aligned import header, part, read_box, read_text
from archcalc.claims.tables.blanks import heads_summary
from archcalc.claims.tables.caffe import CAFFE, read_caffe
from archcalc.claims.tables.calls import called, read_calls
from archcalc.claims.tables.described import describes, read_described
from archcalc.claims.tables.headers import heads_columns
from archcalc.claims.tables.labels import unlabelled
from archcalc.claims.tables.lines import (
    MOST_CHARACTERS,
    MOST_COLUMNS,
    MOST_IN_A_CELL,
    MOST_ROWS,
    TRAINED,
    Line,
    Rows,
    Whole,
    footers,
    given,
    whole,
)
from archcalc.claims.tables.listings import (
    ARROWED,
    LABELLED,
    LIGHTNING,
    MODULE,
    ROOT,
    read_arrowed,
    read_darknet,
    read_fvcore,
    read_labelled,
    read_lightning,
    read_modules,
)
from archcalc.claims.tables.markup import (
    barred,
    delimiter,
    read_csv,
    read_html,
    read_latex,
    read_markdown,
)
from archcalc.claims.tables.matlab import LAYER, read_matlab
from archcalc.claims.tables.nnom import NNOM, read_nnom
from archcalc.claims.tables.shoved import straightened
from archcalc.claims.tables.ultralytics import YOLO, read_ultralytics
from archcalc.errors import ArchcalcError


@dataclass(frozen=True)
class Grid:
    """A table as cells of text."""

    form: str
    """The format that it was read as."""
    headers: tuple[str, ...]
    rows: tuple[Line, ...]
    depths: tuple[int, ...] = ()
    """How deep each row stands in a tree of modules; empty where there is none."""
    whole: Whole | None = None
    """Parameters that train and that do not, if both are said below the table."""
    given: tuple[int, ...] = ()
    """The input's size, as said in a line of its own."""
    chain: bool = False
    """Whether it is said that each row takes what the row before gives: of a model by Keras, of
    what stands right below a tree's root by its class."""

    left: tuple[str, ...] = ()
    """What stands below it that is read as no part of it."""


_TENSOR = re.compile(r"^\s*[\w.]+:? *\(?torch\.Size\(\[", re.MULTILINE)
"""A line of a list of tensors, as people print one below a tree of modules."""
_REMARKED = re.compile(r"^([ \t]*[│┃][^\n]*[│┃])[ \t]*(?:#|//|<-|←)[^\n│┃]*$", re.MULTILINE)
"""A row of a box and what is remarked on it, behind it."""


def read_grid(text: str, name: str, form: str = "") -> Grid:
    """The table in a text, read as ``form`` or as what it looks like.

    Raises :class:`ArchcalcError` with the line for what can't be read as a table.
    """
    if len(text) > MOST_CHARACTERS or "\0" in text:
        raise ArchcalcError(f"{name}: is no table of at most {MOST_CHARACTERS:,} characters")
    text = bare(text)
    form = form or _form(text)
    headers, lines = FORMS[form](text, name)
    if not headers or not lines:
        raise ArchcalcError(f"{name}: has {'a header but no rows' if headers else 'no header'}")
    said = [line for line in lines if TRAINED.match(line.cells[0])]
    below = "\n".join(" ".join(filter(None, line.cells)) for line in said)
    grid = _checked(form, headers, list(_told_apart(headers, lines)), name)
    roots = map(ROOT.match, text.splitlines() if form == "modules" else ())
    root = next(filter(None, roots), None)
    return replace(
        grid,
        whole=whole(below) or whole(text),
        given=given(text),
        chain=bool(CHAIN.search(text) or (root and root[1] == "Sequential")),
        left=("the list of tensors",) if form == "modules" and _TENSOR.search(text) else (),
    )


CHAIN = re.compile(r"^\W*Model: \W?sequential(_\d+)?\b", re.MULTILINE)
"""What Keras prints above a model that is a sequence of layers, as it names one by itself."""


def _told_apart(headers: tuple[str, ...], lines: list[Line]) -> Iterator[Line]:
    """Rows, of one cell that says several totals a row each."""
    for line in lines:
        several = _TOTALS.findall(line.cells[0]) if line.cells and not any(line.cells[1:]) else []
        apart = footers(several, headers, line.number) if len(several) > 1 else []
        yield from apart or [line]


_TOTALS = re.compile(r"(?:Total|(?:Non-)?Trainable) param(?:eter)?s: ?[\d,]+", re.IGNORECASE)


def bare(text: str) -> str:
    """A text without what quotes it, comments it out or sets it, line by line."""
    text = barred(re.sub(_REMARKED, r"\1", _unescaped(_uncommented(text))))
    if not re.search(r"<t[rd][\s>]|\|.*<br", text, re.IGNORECASE):
        edges = r"^[ \t]*</?(?:br|p|pre|code)\b ?/?>|</?(?:br|p|pre|code)\b ?/?>[ \t]*$"
        text = re.sub(edges, "", text, flags=re.IGNORECASE | re.MULTILINE)
        text = text.replace("&nbsp;", " ")
    return text


def _checked(form: str, headers: tuple[str, ...], lines: list[Line], name: str) -> Grid:
    if lines and all(
        len(line.cells) == len(headers) + 1 and line.cells[0] == str(k)
        for k, line in enumerate(lines, int(lines[0].cells[0] == "1"))
    ):
        headers = ("", *headers)  # rows are numbered, their numbers headed by nothing
    headers, lines = _sections(*_headed(headers, lines))
    lines = _thousands(lines)
    if form in WRITTEN:
        headers, lines = unlabelled(*straightened(headers, lines))
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
    if tree and "type (var_name)" in headers[0].lower() and ":depth" not in headers[0].lower():
        even = _numbered(even, depths)
    return Grid(form, headers, tuple(even), tuple(tree))


_SPACED = re.compile(r"\d{1,3}( \d{3})+")
"""Thousands, as many languages part them."""


def _thousands(lines: list[Line]) -> list[Line]:
    """Rows whose numbers are kept whole: ``9 216`` below ``12×12×64`` is no size of two axes."""
    crossed = Counter(
        k for line in lines for k, cell in enumerate(line.cells) if re.search(r"\d ?[x×] ?\d", cell)
    )
    return [
        Line(
            number,
            tuple(
                cell.replace(" ", "\u202f") if crossed[k] > 1 and _SPACED.fullmatch(cell) else cell
                for k, cell in enumerate(cells)
            ),
        )
        for number, cells in lines
    ]


def _numbered(lines: list[Line], depths: list[int]) -> list[Line]:
    """Torchinfo's rows numbered by their depth, as it does unless told to leave that out."""
    at: Counter[int] = Counter()
    found = []
    for (number, cells), depth in zip(lines, depths, strict=True):
        named = depth and re.search(r"\)$", cells[0])
        at[depth] += 1
        first = f"{cells[0]}: {depth}-{at[depth]}" if named else cells[0]
        found.append(Line(number, (first, *cells[1:])))
    return found


def _headed(headers: tuple[str, ...], lines: list[Line]) -> Rows:
    """Headers in two rows as one: ``Input`` over ``H``, ``W`` and ``C``."""
    below = lines[0].cells + ("",) * (len(headers) - len(lines[0].cells))
    words = all(re.fullmatch(r"[A-Za-z# ().]{0,14}", cell) for cell in below)
    gaps = [k for k, head in enumerate(headers) if k and not head and below[k : k + 1] != ("",)]
    if not words or not gaps or not any(below) or len(lines) < 2 or below[0]:
        return headers, lines
    if not any(headers[1:]):
        return (headers[0], *below[1:]), lines[1:]  # a title above them
    joined: list[str] = []
    above = ""
    for k, head in enumerate(headers):
        above = head or above
        joined.append(f"{above} {below[k]}".strip() if below[k] else head)
    return tuple(joined), lines[1:]


def _sections(headers: tuple[str, ...], lines: list[Line]) -> Rows:
    """A table whose rows are headed anew on the way: what is headed otherwise has its own columns.

    A line that only says the header once more is no row.
    """
    more: list[str] = []
    places: dict[int, int] = {}
    rows: list[Line] = []
    for line in lines:
        cells = line.cells
        if [c.lower() for c in cells if c] == [h.lower() for h in headers if h]:
            places = {}
        elif rows and heads_columns(cells[1:]) and (not cells[0] or heads_columns(cells[:1])):
            places = {}
            for k, cell in enumerate(cells):
                if k and cell and (cell,) != headers[k : k + 1]:
                    if cell not in more:
                        more.append(cell)
                    places[k] = len(headers) + more.index(cell)
        elif places:
            moved = [cell if k not in places else "" for k, cell in enumerate(cells)]
            moved += [""] * (len(headers) + len(more) - len(moved))
            for k, at in places.items():
                moved[at] = cells[k] if k < len(cells) else ""
            rows.append(Line(line.number, tuple(moved)))
        else:
            rows.append(line)
    return (*headers, *more), rows


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
    led = re.match(r"\s*(\W*[A-Z]{2,12} )\|", filled[0]) if filled else None
    if led and all(line.lstrip().startswith(led[1]) for line in filled):
        # A notebook's cell, each line under its magic.
        return "\n".join(line.lstrip().removeprefix(led[1]) for line in lines)
    for mark in ("#", ">", "///", "//", "%"):
        marked = [line for line in filled if line.lstrip().startswith(mark)]
        if filled and len(marked) >= 0.9 * len(filled):
            framed = sum(line.rstrip().endswith(mark) for line in marked) == len(marked) > 3
            right = rf"\s*(?:{mark})+\s*$" if framed else "(?!)"
            bare = (re.sub(rf"^\s*(?:{mark})+ ?", "", line) for line in lines)
            return "\n".join(re.sub(right, "", line) for line in bare)
    return text


def _unescaped(text: str) -> str:
    """A text without the marks of a program's strings, a line each, as notebooks are stored."""
    lines = text.splitlines()
    filled = [line for line in lines if line.strip()]
    if sum(bool(_STRING.fullmatch(line)) for line in filled) < max(3, 0.9 * len(filled)):
        return text
    return "\n".join(re.sub(_STRING, r"\1", line).replace('\\"', '"') for line in lines)


_STRING = re.compile(r'(?:\s*")?(.*?)\\n"?,?\s*')
"""A line of a text that a program holds as strings."""


def _form(text: str) -> str:
    if re.search(r"<t[rd][\s>]", text, re.IGNORECASE):
        return "html"
    if re.search(r"\\begin\{(tabular|array|longtable)|&[^\n]*\\\\", text):
        return "latex"
    lines = [line for line in text.splitlines() if line.strip()][:400]
    if len(CAFFE.findall(text)) > 3:
        return "caffe"
    rooted = any(ROOT.match(line.rstrip()) for line in lines)
    if sum(bool(MODULE.match(line)) for line in lines) > 1 - rooted:
        return "modules"
    if any(re.match(r"\s*\|\s*module\s*\|\s*#parameters or shape", line) for line in lines):
        return "fvcore"
    if sum(bool(NNOM.fullmatch(line)) for line in lines) > 1:
        return "nnom"
    if sum(bool(LABELLED.match(line)) for line in lines) >= max(3, 0.5 * len(lines)):
        return "labelled"
    if sum(line.lstrip()[:1] in "│┃" and line.rstrip()[-1] in "│┃" for line in lines) >= 2:
        return "box"
    if sum(line.lstrip().startswith("|") for line in lines) >= 2:
        rule = any(re.fullmatch(r"\s*[+|][-+=: ]+[+|][-+=:| ]*", line) for line in lines)
        if rule:
            return "markdown"
    if any(heads_summary(line) for line in lines):
        return "text"
    if LIGHTNING.match(text):
        return "lightning"
    if sum(bool(ARROWED.fullmatch(line)) for line in lines) > 2:
        return "arrowed"
    if sum(called(line) is not None for line in lines) > 1 + ("Chain(" not in text):
        return "calls"
    if sum(bool(re.match(r"\s*\d+: \w+ Layer: \d+ x", line)) for line in lines) > 1:
        return "darknet"
    if any(re.match(r"\s*\d+ (conv|max)\b.*->", line) for line in lines):
        return "darknet"
    if sum(bool(LAYER.match(line)) for line in lines) > 1:
        return "matlab"
    if sum(bool(YOLO.match(line)) for line in lines) > 1:
        return "ultralytics"
    if sum(part(line) is not None for line in lines) > 2:
        return "text"
    if not delimiter(lines) and describes(lines):
        return "described"
    marked = bool(lines) and any(mark in lines[0] for mark in ",;\t|")
    return "csv" if delimiter(lines) or (marked and header(lines) is None) else "text"


WRITTEN = frozenset(("csv", "markdown", "html", "latex", "box", "text"))
"""Formats of tables that people write."""
FORMS: Mapping[str, Callable[[str, str], Rows]] = {
    "csv": read_csv,
    "markdown": read_markdown,
    "html": read_html,
    "latex": read_latex,
    "box": read_box,
    "text": read_text,
    "darknet": read_darknet,
    "labelled": read_labelled,
    "arrowed": read_arrowed,
    "ultralytics": read_ultralytics,
    "modules": read_modules,
    "lightning": read_lightning,
    "fvcore": read_fvcore,
    "calls": read_calls,
    "caffe": read_caffe,
    "matlab": read_matlab,
    "nnom": read_nnom,
    "described": read_described,
}
"""Formats that are read."""
