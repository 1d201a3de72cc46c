"""A document as LaTeX that an author can paste, no wider than the text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

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
    text = re.sub(r"(?<=\d)x(?=\d)", r"$\\times$", text)
    return text.replace(r"-\textgreater{}", r"$\to$")


def latex(document: Document, width: float | None = TEXT_WIDTH) -> str:
    """Tables in the style of the booktabs package, with their remarks below.

    Columns that a reader misses least are left out until a table is no wider than ``width``
    points; with None all are there.
    """
    packages = ["booktabs"] * bool(document.tables)
    sections = list(_sections(document))
    lines = [line for section in sections for line in _section(section, width)]
    # An empty group keeps the log of a build from taking a line for a command.
    body = [re.sub(r"^(\s*)::", r"\1{}::", line) for line in lines]
    written = "\n".join(body)
    packages += [
        name
        for name, sign in (
            ("amsmath", "align*"),
            ("longtable", "{longtable}"),
            ("threeparttable", "{threeparttable}"),
            ("graphicx", r"\includegraphics"),
        )
        if sign in written
    ]
    needs = [rf"% needs \usepackage{{{','.join(packages)}}}"] if packages else []
    return "\n".join([*needs, *body]) + "\n"


def _sections(document: Document) -> Iterator[list[Block]]:
    """The parts of a document, each with its heading in front and at most one table."""
    section: list[Block] = []
    for block in document.blocks:
        tabled = any(isinstance(each, Table) for each in section)
        if section and (isinstance(block, Heading) or (isinstance(block, Table) and tabled)):
            yield section
            section = []
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
        yield f"{escaped(block.text)}\n"
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


TERMS = 6
"""The most terms on a line of an equation."""


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
    cut = [pieces[k : k + TERMS] for k in range(0, len(pieces), TERMS)]
    sign = r"&\colon" if typed else "&="
    yield rf"  \text{{{escaped(formula.label)}}} {sign} {' '.join(cut[0])}"
    yield from (rf"  &\quad {' '.join(part)}" for part in cut[1:])


def _math(words: str) -> str:
    if set(words.replace(",", "")) <= set("0123456789+= "):
        return words.replace(",", "{,}")
    return rf"\text{{{escaped(words)}}}"


def _float(section: Sequence[Block], table: Table, width: float | None) -> Iterator[str]:
    heading = next((block.text for block in section if isinstance(block, Heading)), "")
    notes = [line for block in section if block is not table for line in _notes(block)]
    bare = fitted(table, width)
    left_out = [h.header for h in table.heads if h.name not in {head.name for head in bare.heads}]
    if left_out:
        notes.append(f"Left out to fit: {escaped(', '.join(left_out))}.")
    letters = "".join("r" if head.right else "l" for head in bare.heads)
    if bare.prose:
        letters = rf"{letters[:-1]}p{{.4\linewidth}}"
    size = _size(bare, width)
    caption = rf"\caption{{{escaped(heading)}.}}\label{{tab:{_label(heading)}}}"
    first = next((k for k, head in enumerate(bare.heads) if not head.right), 0)
    head = "    " + _line([escaped(each.header) for each in bare.heads])
    body = ["    " + _row(row, deep, first) for row, deep in bare.lines()]
    if bare.sums:
        body += [r"    \midrule", *("    " + _row(row, 0, first) for row in bare.sums)]
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


def _notes(block: Block) -> Iterator[str]:
    if isinstance(block, Prose):
        yield escaped(block.text) + "."
    elif isinstance(block, Pairs):
        yield "; ".join(f"{escaped(name)}: {escaped(words)}" for name, words in block.pairs) + "."
    elif isinstance(block, Items):
        for k, item in enumerate(block.items, 1):
            mark = rf"[{k}] " if block.numbered else ""
            yield mark + "; ".join(map(escaped, (item.text, *item.below))) + "."
    elif not isinstance(block, Heading):
        yield from _block(block)


def _label(heading: str) -> str:
    name = heading.partition(":")[0]
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "archcalc"


def _line(texts: Sequence[str]) -> str:
    return " & ".join(texts) + r" \\"


def _row(row: Row, deep: int, first: int) -> str:
    texts, k = [], 0
    while k < len(row.cells):
        end = k + 1
        text = _cell(row.cells[k])
        if k == first and deep:
            text = rf"\quad {text}"
        if isinstance(row.cells[k], Label):
            while end < len(row.cells) and blank(row.cells[end]):
                end += 1
            if end > k + 1:
                text = rf"\multicolumn{{{end - k}}}{{l}}{{{text}}}"
        texts.append(text)
        k = end
    return _line(texts)


def _cell(cell: Cell) -> str:
    if isinstance(cell, Math):
        return f"${cell.latex}$"
    text = escaped(number(cell))
    if isinstance(cell, Styled) and cell.mark:
        bold = rf"\textbf{{{text}}}" if cell.look == "bad" else text
        return rf"{bold}\tnote{{{cell.mark}}}"
    return text


# How wide it comes out.

_WIDE = {"m": 8.3, "w": 7.2, "M": 9.2, "W": 10.3, "x": 7.8, "%": 8.3, "@": 7.8}
_THIN = {**dict.fromkeys("ijl.,:;!|'()[]I", 3.4), **dict.fromkeys("-frst ", 4.0)}

SIZES = ((r"", 1.0), (r"\small", 0.91), (r"\footnotesize", 0.82))


def _points(words: str) -> float:
    """About how wide a text is in Computer Modern at 10 points."""
    return sum(
        _WIDE.get(mark) or _THIN.get(mark) or (7.4 if mark.isupper() else 5.35) for mark in words
    )


def _natural(table: Table) -> float:
    rows = [row for row, _ in table.lines()]
    total = 0.0
    for k, head in enumerate(table.heads):
        if table.prose and k == len(table.heads) - 1:
            total += 0.4 * TEXT_WIDTH
            continue
        texts = [head.header] + [
            number(row.cells[k])
            for row in (*rows, *table.sums)
            if not isinstance(row.cells[k], Label)
        ]
        total += max(map(_points, texts)) + 12
    return total


def fitted(table: Table, width: float | None) -> Table:
    """The table without as many of its columns as it takes to be no wider, in small print."""
    going = [name for name in table.narrow if any(head.name == name for head in table.heads)]
    while width is not None and going and _natural(table) * SIZES[-1][1] > width:
        table = table.drop(going.pop(0))
    return table


def _size(table: Table, width: float | None) -> str:
    if width is None:
        return ""
    natural = _natural(table)
    return next((name for name, scale in SIZES if natural * scale <= width), SIZES[-1][0])
