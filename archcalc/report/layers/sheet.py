"""A few rows of cells with a heading and remarks, in the formats of tables.

It is for tables whose rows are not added up; a network's layers are a
:class:`archcalc.report.layers.layout.Table`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from textwrap import wrap
from typing import NamedTuple

from archcalc.report.layers.columns import Cell
from archcalc.report.layers.formats import STYLE, escape_latex, escape_markdown
from archcalc.report.layers.layout import number

WIDTH = 100
"""Characters that remarks, and sentences, are wrapped to."""

GAP = "  "


class Head(NamedTuple):
    """A column of a sheet."""

    name: str
    """What programs call it."""
    header: str
    right: bool = False


class Sheet(NamedTuple):
    """A table whose numbers are numbers still: each format has its own way to print them."""

    title: str
    about: str
    """Without which the numbers say nothing: how they are counted, and of what input."""
    heads: tuple[Head, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    prose: bool = False
    """Whether the last column holds sentences: as text they stand below their rows."""

    def drop(self, name: str) -> Sheet:
        """The sheet without a column."""
        kept = [k for k, head in enumerate(self.heads) if head.name != name]
        return self._replace(
            heads=tuple(self.heads[k] for k in kept),
            rows=tuple(tuple(row[k] for k in kept) for row in self.rows),
        )


class Line(NamedTuple):
    """A line of text and the part it plays: a terminal gives each its own look."""

    text: str
    part: str


def lines(sheet: Sheet, width: int = WIDTH) -> Iterator[Line]:
    """A sheet as text: the table as wide as it takes, sentences wrapped at ``width``."""
    printed = [list(map(number, row)) for row in sheet.rows]
    headers = [head.header for head in sheet.heads]
    below = [row.pop() if sheet.prose else "" for row in (headers, *printed)][1:]
    widths = [max(map(len, column)) for column in zip(headers, *printed, strict=True)]

    def joined(texts: Sequence[str]) -> str:
        padded = [
            text.rjust(size) if head.right else text.ljust(size)
            for text, size, head in zip(texts, widths, sheet.heads, strict=False)
        ]
        return GAP.join(padded).rstrip()

    for text, part in ((sheet.title, "title"), (sheet.about, "about")):
        for piece in wrap(text, width):
            yield Line(piece, part)
    if not sheet.heads:
        return
    yield Line("", "")
    yield Line(joined(headers), "header")
    yield Line("-" * (sum(widths) + len(GAP) * (len(widths) - 1)), "rule")
    for texts, words in zip(printed, below, strict=True):
        yield Line(joined(texts), "row")
        for piece in wrap(words, width, initial_indent=" " * 4, subsequent_indent=" " * 4):
            yield Line(piece, "note")
    if sheet.notes:
        yield Line("", "")
    for note in sheet.notes:
        yield from (Line(text, "note") for text in wrap(note, width, subsequent_indent="  "))


def fitting(sheet: Sheet, width: int, dropped_first: Sequence[str]) -> Sheet:
    """The sheet without as many of the named columns as it takes to fit into ``width``."""
    dropped = []
    headers = {head.name: head.header for head in sheet.heads}
    going = [name for name in dropped_first if name in headers]
    while going and any(
        len(line.text) > width for line in lines(sheet, width) if line.part == "rule"
    ):
        name = going.pop(0)
        dropped.append(headers[name])
        sheet = sheet.drop(name)
    if dropped:
        left_out = f"columns left out to fit {width} characters: {', '.join(dropped)}"
        sheet = sheet._replace(notes=(*sheet.notes, left_out))
    return sheet


def text(sheets: Sequence[Sheet]) -> str:
    """Plain text, as a terminal shows it without colours."""
    return "\n".join("".join(f"{line.text}\n" for line in lines(sheet)) for sheet in sheets)


def csv(sheets: Sequence[Sheet]) -> str:
    """Comma-separated values (RFC 4180 with line feeds): a header, and a row for every row."""
    from csv import writer
    from io import StringIO

    buffer = StringIO()
    rows = writer(buffer, lineterminator="\n")
    rows.writerow([head.name for head in sheets[0].heads])
    for sheet in sheets:
        rows.writerows(sheet.rows)
    return buffer.getvalue()


def markdown(sheets: Sequence[Sheet]) -> str:
    """Tables of GitHub's Markdown, each with its heading above and its remarks below."""

    def row(texts: Sequence[str]) -> str:
        return f"| {' | '.join(texts)} |".replace("|  |", "| |").replace("|  |", "| |")

    found = []
    for sheet in sheets:
        marks = ["---:" if head.right else "---" for head in sheet.heads]
        head = [f"**{escape_markdown(sheet.title)}**", ""] if sheet.title else []
        head += [escape_markdown(sheet.about), ""] if sheet.about else []
        body = [row([escape_markdown(each.header) for each in sheet.heads]), row(marks)]
        body = body if sheet.heads else []
        body += [row([escape_markdown(number(cell)) for cell in cells]) for cells in sheet.rows]
        notes = ["", *(f"- {escape_markdown(note)}" for note in sheet.notes)] if sheet.notes else []
        found.append("\n".join([*head, *body, *notes]).rstrip("\n") + "\n")
    return "\n".join(found)


def latex(sheets: Sequence[Sheet]) -> str:
    """A ``table`` of LaTeX for each, with a ``tabular`` in the style of the booktabs package."""
    found = [r"% needs \usepackage{booktabs}"]
    for sheet in sheets:
        words = [part for part in (sheet.title, sheet.about, *sheet.notes) if part]
        letters = ["r" if head.right else "l" for head in sheet.heads]
        if sheet.prose:
            letters[-1] = r"p{.5\linewidth}"
        found += [
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{escape_latex('; '.join(words))}.}}",
            rf"  \begin{{tabular}}{{{''.join(letters)}}}",
            r"    \toprule",
            "    " + _latex_row([head.header for head in sheet.heads]),
            r"    \midrule",
            *("    " + _latex_row(list(map(number, cells))) for cells in sheet.rows),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
        ]
    return "\n".join(found) + "\n"


def _latex_row(texts: Sequence[str]) -> str:
    return " & ".join(map(escape_latex, texts)) + r" \\"


def html(sheets: Sequence[Sheet]) -> str:
    """A page of its own, without anything to load."""
    from html import escape

    def row(sheet: Sheet, texts: Sequence[str], tag: str = "td") -> str:
        cells = []
        for k, (head, words) in enumerate(zip(sheet.heads, texts, strict=True)):
            side = ' class="n"' if head.right else ""
            if sheet.prose and k == len(texts) - 1:
                side = ' style="white-space: normal; min-width: 20rem"'
            cells.append(f"<{tag}{side}>{escape(words)}</{tag}>")
        return f"<tr>{''.join(cells)}</tr>"

    found = [
        "<!doctype html>",
        '<html lang="en">',
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(sheets[0].title or 'Comparison')}</title>",
        f"<style>\n{STYLE}\n</style>",
    ]
    for sheet in sheets:
        found += [
            *([f"<h1>{escape(sheet.title)}</h1>"] if sheet.title else []),
            f"<p>{escape(sheet.about)}</p>",
            '<div class="wide"><table>',
            f"<thead>{row(sheet, [head.header for head in sheet.heads], 'th')}</thead>",
            "<tbody>",
            *(row(sheet, list(map(number, cells))) for cells in sheet.rows),
            "</tbody>",
            "</table></div>",
            *(f"<p>{escape(note)}</p>" for note in sheet.notes),
        ]
    return "\n".join([*found, "</html>", ""])


RENDER: Mapping[str, Callable[[Sequence[Sheet]], str]] = {
    "table": text,
    "markdown": markdown,
    "csv": csv,
    "latex": latex,
    "html": html,
}
"""The formats of sheets; JSON has the data as they are instead."""

STYLES = {
    "title": "bold",
    "about": "dim",
    "header": "bold cyan",
    "rule": "dim",
    "note": "dim",
    "bar": "cyan",
}
"""The look of each part on a terminal."""
