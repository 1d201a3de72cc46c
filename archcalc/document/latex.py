"""A document as LaTeX that an author can paste, no wider than the text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf

from archcalc.document.model import (
    Bars,
    Block,
    Cell,
    Document,
    Formula,
    Formulas,
    Heading,
    Items,
    Label,
    Marked,
    Math,
    Pairs,
    Picture,
    Prose,
    Row,
    Styled,
    Table,
    blank,
    number,
)
from archcalc.document.safe import visible

TEXT_WIDTH = 345.0
"""That of the class ``article`` at 10 pt, in points."""

LONG = 40
"""A table of more rows than this takes several pages."""

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "≥": r"$\geq$",
    "×": r"$\times$",
    "µ": r"$\mu$",
    "–": "--",
    "—": "---",
    "’": "'",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
}


def escaped(words: str) -> str:
    """Text in which LaTeX finds no commands; shapes and powers are mathematics."""
    text = "".join(_LATEX.get(mark, mark) for mark in visible(words))
    if text.isalpha():
        return text
    text = re.sub(r"(?<=\d)\\textasciicircum\{\}(-?\d+)", r"$^{\1}$", text)
    text = re.sub(r"(?<!\w)\d+(?:x\d+)+(?!\w)", lambda m: m[0].replace("x", r"$\times$"), text)
    return text.replace(r"-\textgreater{}", r"$\to$")


def latex(document: Document, width: float | None = TEXT_WIDTH) -> str:
    """Tables in the style of the booktabs package, with their remarks below.

    Columns that a reader misses least are left out until a table is no wider than ``width``
    points; with None all are there.
    """
    packages = ["booktabs"] * bool(document.tables)
    lines = [line for section in _sections(document) for line in _section(section, width)]
    # An empty group keeps the log of a build from taking a line for a command.
    body = [re.sub(r"^(\s*)::", r"\1{}::", line) for line in lines]
    written = "\n".join(body)
    packages += [
        name
        for name, sign in (
            ("amsmath", "align*"),
            ("array", r"\raggedright"),
            ("longtable", "{longtable}"),
            ("threeparttable", "{threeparttable}"),
            ("graphicx", r"\includegraphics"),
        )
        if sign in written
    ]
    needs = [rf"% needs \usepackage{{{','.join(packages)}}}"] if packages else []
    return "\n".join([*needs, *body]) + "\n"


def _words(words: str | Marked) -> str:
    if isinstance(words, Marked):
        return words.written(escaped, lambda typed: rf"\texttt{{{escaped(typed)}}}")
    return escaped(words)


def _sections(document: Document) -> Iterator[list[Block]]:
    """The parts of a document, each with its heading in front and at most one table.

    A further table below the same heading has a heading with its number.
    """
    section: list[Block] = []
    heading, tables = document.name, 0
    for block in document.blocks:
        tabled = isinstance(block, Table)
        if isinstance(block, Heading):
            heading, tables = block.text, 0
        if section and (
            isinstance(block, Heading) or (tabled and any(isinstance(b, Table) for b in section))
        ):
            yield section
            section = []
        if tabled:
            tables += 1
            if heading and not any(isinstance(each, Heading) for each in section):
                section.append(Heading(f"{heading} ({tables})" if tables > 1 else heading))
        section.append(block)
    if section:
        yield section


def _section(section: Sequence[Block], width: float | None) -> Iterator[str]:
    table = next((block for block in section if isinstance(block, Table)), None)
    if table is not None:
        yield from _float(section, table, width)
        return
    for block in section:
        yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Heading):
        yield rf"\paragraph{{{escaped(block.text)}}}"
    elif isinstance(block, Prose):
        yield f"{_words(block.text)}\n"
    elif isinstance(block, Items):
        yield rf"\begin{{{'enumerate' if block.numbered else 'itemize'}}}"
        for item in block.items:
            yield rf"  \item {'; '.join(map(escaped, (item.text, *item.below)))}"
        yield rf"\end{{{'enumerate' if block.numbered else 'itemize'}}}"
    elif isinstance(block, Pairs):
        yield "; ".join(f"{escaped(name)}: {escaped(words)}" for name, words in block.pairs) + "."
    elif isinstance(block, Formulas):
        yield r"\begin{align*}"
        yield " \\\\\n".join(line for f in block.formulas for line in _equation(f, block.typed))
        yield r"\end{align*}"
        for each in block.formulas:
            yield from (escaped(f"{each.label}: {note}") for note in each.notes)
        if block.symbols:
            legend = (f"${name}$: {escaped(meaning)}" for _, name, meaning in block.symbols)
            yield f"where {'; '.join(legend)}."
    elif isinstance(block, Bars):
        yield "; ".join(f"{escaped(name)}: {escaped(words)}" for name, words, _ in block.bars) + "."
    elif isinstance(block, Picture):
        yield rf"\includegraphics[width=\linewidth]{{{block.path}}}"


ROOM = 260.0
"""Points that the terms on a line of an equation take."""


def _equation(formula: Formula, typed: bool) -> Iterator[str]:
    """An equation on as many lines as its terms take."""
    maths = formula.latex or _math(formula.text)
    if not formula.label:
        yield "  " + maths.replace(" = ", " &= ", 1)
        return
    pieces: list[str] = []
    opened = 0
    for term in re.split(r" (?=[+-] )", maths):
        # A sum inside brackets stays in one piece.
        pieces[-1:] = [f"{pieces[-1]} {term}"] if opened else [*pieces[-1:], term]
        opened += len(re.findall(r"\{|\\left", term)) - len(re.findall(r"\}|\\right", term))
    cut: list[list[str]] = [[]]
    for piece in pieces:
        if cut[-1] and sum(map(_in_maths, [*cut[-1], piece])) > ROOM:
            cut.append([])
        cut[-1].append(piece)
    sign = r"&\colon" if typed else "&="
    yield rf"  \text{{{escaped(formula.label)}}} {sign} {' '.join(cut[0])}"
    yield from (rf"  &\quad {' '.join(part)}" for part in cut[1:])


def _math(words: str) -> str:
    if set(words.replace(",", "")) <= set("0123456789+= "):
        return words.replace(",", "{,}")
    return rf"\text{{{escaped(words)}}}"


def _float(section: Sequence[Block], table: Table, width: float | None) -> Iterator[str]:
    heading = next((block.text for block in section if isinstance(block, Heading)), "")
    bare = fitted(table, width)
    rows = (*(row for row, _ in bare.lines()), *bare.sums)
    found = {cell.mark for row in rows for cell in row.cells if isinstance(cell, Styled)}
    # Numbered anew: those of columns that are left out are missing.
    marks = {mark: k for k, mark in enumerate(sorted(found - {0}), 1)}
    notes = [line for block in section if block is not table for line in _notes(block, marks)]
    left_out = [h.header for h in table.heads if h.name not in {head.name for head in bare.heads}]
    if left_out:
        notes.append(f"Left out to fit: {escaped(', '.join(left_out))}.")
    size, widths, wrapped = _set(bare, width)
    letters = "".join(
        rf">{{\raggedright\arraybackslash}}p{{{points:.0f}pt}}" if wraps else "lr"[head.right]
        for head, points, wraps in zip(bare.heads, widths, wrapped, strict=True)
    )
    caption = rf"\caption{{{escaped(heading)}.}}\label{{tab:{_label(heading)}}}"
    first = next((k for k, head in enumerate(bare.heads) if not head.right), 0)
    head = "    " + _line([escaped(each.header) for each in bare.heads])
    room = [points + GAP for points in widths]

    def line(row: Row, deep: int) -> str:
        return "    " + _row(row, deep, first, room, wrapped, marks)

    body = [line(row, deep) for row, deep in bare.lines()]
    if bare.sums:
        body += [r"    \midrule", *(line(row, 0) for row in bare.sums)]
    if len(body) > LONG:
        yield rf"{{{size}"
        yield rf"\begin{{longtable}}{{{letters}}}"
        yield rf"    {caption} \\" if heading else ""
        yield from (r"    \toprule", head, r"    \midrule", r"    \endfirsthead")
        yield from (r"    \toprule", head, r"    \midrule", r"    \endhead")
        yield from (r"    \midrule", r"    \endfoot", r"    \bottomrule", r"    \endlastfoot")
        yield from body
        yield r"\end{longtable}}"
        yield from (rf"{{\footnotesize {note}\par}}" for note in notes)
        return
    yield from (r"\begin{table}", rf"  \centering{size}")
    yield from [r"  \begin{threeparttable}"] * bool(notes)
    yield from [f"  {caption}"] * bool(heading)
    yield rf"  \begin{{tabular}}{{{letters}}}"
    yield from (r"    \toprule", head, r"    \midrule", *body, r"    \bottomrule")
    yield r"  \end{tabular}"
    if notes:
        yield r"  \begin{tablenotes}\footnotesize"
        yield from (rf"    \item {note}" for note in notes)
        yield from (r"  \end{tablenotes}", r"  \end{threeparttable}")
    yield r"\end{table}"


def _notes(block: Block, marks: Mapping[int, int]) -> Iterator[str]:
    if isinstance(block, Prose):
        yield _sentence(_words(block.text))
    elif isinstance(block, Pairs):
        yield "; ".join(f"{escaped(name)}: {escaped(words)}" for name, words in block.pairs) + "."
    elif isinstance(block, Items):
        for k, item in enumerate(block.items, 1):
            if block.numbered and k not in marks:
                continue  # of a column that is left out
            mark = rf"[{marks[k]}] " if block.numbered else ""
            yield mark + _sentence("; ".join(map(escaped, (item.text, *item.below))))
    elif not isinstance(block, Heading):
        yield from _block(block)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _label(heading: str) -> str:
    name = heading.partition(":")[0]
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "archcalc"


def _line(texts: Sequence[str]) -> str:
    return " & ".join(texts) + r" \\"


def _row(
    row: Row,
    deep: int,
    first: int,
    room: Sequence[float],
    wrapped: Sequence[bool],
    marks: Mapping[int, int],
) -> str:
    texts, k = [], 0
    while k < len(row.cells):
        end = k + 1
        text = _cell(row.cells[k], marks)
        if wrapped[k]:
            text = re.sub(r"(\\_|[.,=/(])(?=\S)", r"\1\\allowbreak{}", text)
        if k == first and deep:
            text = rf"\quad {text}"
        if isinstance(label := row.cells[k], Label):
            while end < len(row.cells) and blank(row.cells[end]):
                end += 1
            text = escaped(label.fitting(int(sum(room[k:end]) / 5.5)))
            if end > k + 1:
                text = rf"\multicolumn{{{end - k}}}{{l}}{{{text}}}"
        texts.append(text)
        k = end
    return _line(texts)


def _cell(cell: Cell, marks: Mapping[int, int]) -> str:
    if isinstance(cell, Math):
        return f"${cell.latex}$"
    text = escaped(number(cell))
    if isinstance(cell, Styled) and cell.mark:
        bold = rf"\textbf{{{text}}}" if cell.look == "bad" else text
        return rf"{bold}\tnote{{{marks[cell.mark]}}}"
    return text


# How wide it comes out.

_WIDE = {"m": 8.3, "_": 6.0, "w": 7.2, "M": 9.2, "W": 10.3, "x": 7.8, "%": 8.3, "@": 7.8}
_THIN = {**dict.fromkeys("ijl.,:;!|'()[]I", 3.4), **dict.fromkeys("-frst ", 4.0)}

SIZES = ((r"", 1.0), (r"\small", 0.91), (r"\footnotesize", 0.82))


def _points(words: str) -> float:
    """About how wide a text is in Computer Modern at 10 points."""
    return sum(
        _WIDE.get(mark) or _THIN.get(mark) or (7.4 if mark.isupper() else 5.35) for mark in words
    )


GAP = 12.0
"""Points between columns, in print of any size."""


COMFORT = 0.4 * TEXT_WIDTH
"""A column of sentences is no wider."""


def _widths(table: Table, of: Callable[[Cell], float]) -> list[float]:
    """How wide each column is at 10 points, whose cells are as wide as ``of`` says."""
    rows = [(row, deep) for row, deep in (*table.lines(), *((row, 0) for row in table.sums))]
    return [
        max(
            _points(head.header),
            *(
                of(row.cells[k]) + 10 * deep * (k == 0)
                for row, deep in rows
                if not isinstance(row.cells[k], Label)
            ),
            0.0,
        )
        for k, head in enumerate(table.heads)
    ]


def _comfortable(table: Table, scale: float) -> list[float]:
    """How wide each column is at its best in print of a size."""
    ends = len(table.heads) - 1
    return [
        min(points * scale, COMFORT)
        if head.wraps or (table.prose and k == ends)
        else points * scale
        for k, (head, points) in enumerate(zip(table.heads, _widths(table, _wide), strict=True))
    ]


def _natural(table: Table, scale: float) -> float:
    """About how wide a table is in print of a size."""
    return sum(_comfortable(table, scale)) + GAP * len(table.heads)


def _word(cell: Cell) -> float:
    """How wide the longest part of a cell is that no line break divides."""
    if isinstance(cell, Math):
        return _wide(cell)
    return max(map(_points, re.split(r"\s|(?<=[._,=/(])", number(cell))))


def _set(table: Table, width: float | None) -> tuple[str, list[float], list[bool]]:
    """The largest print in which a table fits, or the smallest; and its columns.

    Each has a width in points, and is broken into lines or not. Where the smallest print is too
    wide those of sentences get narrower, and then, if need be, those of words.
    """
    size, scale = SIZES[0]
    if width is not None:
        fits = (each for each in SIZES if _natural(table, each[1]) <= width)
        size, scale = next(fits, SIZES[-1])
    room = inf if width is None else width - GAP * len(table.heads)
    whole = [points * scale for points in _widths(table, _wide)]
    widths = _comfortable(table, scale)
    words = [points * scale for points in _widths(table, _word)]
    ends = len(table.heads) - 1
    sentences = [head.wraps or (table.prose and k == ends) for k, head in enumerate(table.heads)]
    for may in (sentences, [not head.right for head in table.heads]):
        over = sum(widths) - room
        least = [min(w, few) if m else w for w, few, m in zip(widths, words, may, strict=True)]
        if over > 0 and sum(least) < sum(widths):
            share = min(1.0, over / (sum(widths) - sum(least)))
            widths = [w - (w - few) * share for w, few in zip(widths, least, strict=True)]
    return size, widths, [w < all_ for w, all_ in zip(widths, whole, strict=True)]


def _wide(cell: Cell) -> float:
    if isinstance(cell, Math):
        return _in_maths(cell.latex)
    mark = 6 if isinstance(cell, Styled) and cell.mark else 0
    return _points(number(cell)) + mark


def _in_maths(latex: str) -> float:
    """About how wide mathematics is: what is raised is small, and signs have room around them."""
    bare = re.sub(r"\\[A-Za-z]+|[{}\\^_]", "", latex)
    return _points(bare) + 4 * len(re.findall("[+-]", bare))


def fitted(table: Table, width: float | None) -> Table:
    """The table without as many of its columns as it takes to be no wider, in small print."""
    going = [name for name in table.narrow if any(head.name == name for head in table.heads)]
    while width is not None and going and _natural(table, SIZES[-1][1]) > width:
        table = table.drop(going.pop(0))
    return table
