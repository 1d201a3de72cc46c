"""A table in the formats that other programs read or render."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from archcalc.report.layers.layout import Table
from archcalc.report.layers.plain import grid, hidden_label, plain

SHAPES = frozenset(("input", "output", "kernel", "stride", "padding", "dilation", "weights"))
"""Columns in which an x between digits is a multiplication sign."""


def text(table: Table) -> str:
    """Plain text, as a terminal shows it without colours."""
    return "\n".join(line.text for line in plain(table)) + "\n"


def csv(table: Table) -> str:
    """Comma-separated values (RFC 4180 with line feeds): a header, and a row for every line.

    Numbers are digits only; there are no totals, so that a program that sums finds them.
    """
    from csv import writer
    from io import StringIO

    buffer = StringIO()
    rows = writer(buffer, lineterminator="\n")
    rows.writerow([column.name for column in table.columns])
    rows.writerows(table.cells)
    return buffer.getvalue()


def markdown(table: Table) -> str:
    """A table of GitHub's Markdown, with its heading above and its totals below."""
    cells = grid(table)
    marks = ["---:" if right else "---" for right in cells.right]

    def row(texts: tuple[str, ...] | list[str]) -> str:
        return f"| {' | '.join(texts)} |".replace("|  |", "| |").replace("|  |", "| |")

    found = [f"**{escape_markdown(table.title)}**", "", escape_markdown(table.about), ""]
    found += [row(list(map(escape_markdown, cells.headers))), row(marks)]
    found += [row(list(map(escape_markdown, texts))) for texts in cells.body]
    if cells.hidden is not None:
        texts = [f"*{text}*" if text else "" for text in map(escape_markdown, cells.hidden)]
        texts[cells.label] = f"*{escape_markdown(hidden_label(table))}*"
        found.append(row(texts))
    texts = [f"**{text}**" if text else "" for text in map(escape_markdown, cells.sums)]
    texts[cells.label] = "**total**"
    found += [row(texts), ""]
    found += [
        f"- {escape_markdown(name)}: {escape_markdown(total)}" for name, total in table.totals
    ]
    return "\n".join(found) + "\n"


def escape_markdown(words: str) -> str:
    """Text in which GitHub's Markdown finds no markup."""
    # An underscore within a word is plain text to GitHub, and names are full of them.
    words = re.sub(r"([\\`*|<>\[\]])", r"\\\1", words)
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", words)


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "≥": r"$\geq$",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
}


def escape_latex(words: str) -> str:
    """Text in which LaTeX finds no commands."""
    return "".join(_LATEX.get(mark, mark) for mark in words)


def _latex_cell(table: Table, k: int, words: str) -> str:
    escaped = escape_latex(words)
    if k < len(table.columns) and table.columns[k].name in SHAPES:
        return re.sub(r"(?<=\d)x(?=\d)", r"$\\times$", escaped)
    return escaped


def latex(table: Table) -> str:
    """A ``table`` of LaTeX with a ``tabular`` in the style of the booktabs package."""
    cells = grid(table)

    def row(texts: tuple[str, ...]) -> str:
        return " & ".join(_latex_cell(table, k, text) for k, text in enumerate(texts)) + r" \\"

    def spanning(texts: tuple[str, ...], label: str) -> str:
        before = [escape_latex(text) for text in texts[: cells.label]]
        after = [escape_latex(text) for text in texts[cells.label + cells.span :]]
        wide = rf"\multicolumn{{{cells.span}}}{{l}}{{{escape_latex(label)}}}"
        return " & ".join([*before, wide, *after]) + r" \\"

    totals = ", ".join(f"{name} {total}" for name, total in table.totals)
    caption = "; ".join(map(escape_latex, (table.title, table.about, totals)))
    found = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{caption}.}}",
        rf"  \begin{{tabular}}{{{''.join('r' if right else 'l' for right in cells.right)}}}",
        r"    \toprule",
        "    " + row(cells.headers),
        r"    \midrule",
        *("    " + row(texts) for texts in cells.body),
        r"    \midrule",
    ]
    if cells.hidden is not None:
        found.append("    " + spanning(cells.hidden, hidden_label(table)))
    found += [
        "    " + spanning(cells.sums, "total"),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(found) + "\n"


STYLE = """\
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: max-content;
  padding: 0 1rem; background: light-dark(#fff, #15171a); color: light-dark(#1b1d20, #e4e6e8); }
h1 { font-size: 1.25rem; margin: 0; }
p { margin: .25rem 0 1rem; color: light-dark(#5a6068, #9aa1a9); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { padding: .2rem .7rem; text-align: left; }
thead, tfoot { border-block: 1.5px solid light-dark(#9aa1a9, #5a6068); }
tbody tr:nth-child(even) { background: light-dark(#f5f6f7, #1c1f23); }
.n { text-align: right; }
.hidden { color: light-dark(#5a6068, #9aa1a9); font-style: italic; }
.total { font-weight: 600; }
dl { display: grid; grid-template-columns: max-content auto; gap: .15rem 1.5rem; }
dt { color: light-dark(#5a6068, #9aa1a9); } dd { margin: 0; }"""


def html(table: Table) -> str:
    """A page of its own, without anything to load."""
    from html import escape

    cells = grid(table)

    def cell(tag: str, k: int, words: str) -> str:
        side = ' class="n"' if cells.right[k] else ""
        return f"<{tag}{side}>{escape(words)}</{tag}>"

    def row(texts: tuple[str, ...], tag: str = "td") -> str:
        return f"<tr>{''.join(cell(tag, k, words) for k, words in enumerate(texts))}</tr>"

    def spanning(texts: tuple[str, ...], label: str, kind: str) -> str:
        found = [cell("td", k, words) for k, words in enumerate(texts)]
        found[cells.label : cells.label + cells.span] = [
            f'<td colspan="{cells.span}">{escape(label)}</td>'
        ]
        return f'<tr class="{kind}">{"".join(found)}</tr>'

    hidden = [] if cells.hidden is None else [spanning(cells.hidden, hidden_label(table), "hidden")]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(table.title)}</title>",
            f"<style>\n{STYLE}\n</style>",
            f"<h1>{escape(table.title)}</h1>",
            f"<p>{escape(table.about)}</p>",
            '<div class="wide"><table>',
            f"<thead>{row(cells.headers, 'th')}</thead>",
            "<tbody>",
            *map(row, cells.body),
            "</tbody>",
            "<tfoot>",
            *hidden,
            spanning(cells.sums, "total", "total"),
            "</tfoot>",
            "</table></div>",
            "<dl>",
            *(f"<dt>{escape(name)}</dt><dd>{escape(total)}</dd>" for name, total in table.totals),
            "</dl>",
            "</html>",
            "",
        ]
    )


RENDER: Mapping[str, Callable[[Table], str]] = {
    "table": text,
    "markdown": markdown,
    "csv": csv,
    "latex": latex,
    "html": html,
}
"""The formats of a table; JSON, the sixth, is a contract of its own."""
