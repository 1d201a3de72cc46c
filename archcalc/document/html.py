"""A document as a page of its own, without anything to load, and as a part of another page."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from archcalc.document.model import (
    Bars,
    Block,
    Cell,
    Document,
    Formulas,
    Head,
    Heading,
    Items,
    Label,
    Marked,
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

STYLE = """\
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: max-content;
  padding: 0 1rem; background: light-dark(#fff, #15171a); color: light-dark(#1b1d20, #e4e6e8); }
h1 { font-size: 1.25rem; margin: 0; } h2 { font-size: 1.05rem; margin: 1.5rem 0 0; }
p { margin: .25rem 0 1rem; max-width: 60rem; }
.about, .note, dt { color: light-dark(#5a6068, #9aa1a9); }
.wide { overflow: auto; max-height: 92vh; max-width: calc(100vw - 2rem); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { padding: .2rem .7rem; text-align: left; }
thead th { position: sticky; top: 0; z-index: 1; }
th { background: light-dark(#fff, #15171a); }
th:first-child, td:first-child { position: sticky; left: 0; }
thead th:first-child { z-index: 2; }
thead, tfoot { border-block: 1.5px solid light-dark(#9aa1a9, #5a6068); }
tr, td:first-child { background: light-dark(#fff, #15171a); }
tbody:only-of-type tr:nth-child(even), tbody:only-of-type tr:nth-child(even) td {
  background: light-dark(#f5f6f7, #1c1f23); }
.n { text-align: right; }
.label { max-width: 0; overflow: visible; }
.in td:first-child { padding-left: 1.7rem; } .deep td:first-child { padding-left: 2.9rem; }
.hidden { color: light-dark(#5a6068, #9aa1a9); font-style: italic; }
.sums { font-weight: 600; }
.good { color: light-dark(#116329, #56d364); } .bad { color: light-dark(#a40e26, #ff7b72); }
.changed { color: light-dark(#7d4e00, #e3b341); } .dim { color: light-dark(#5a6068, #9aa1a9); }
.words { white-space: normal; min-width: 20rem; }
mark { background: light-dark(#ffd7d5, #6b2521); color: inherit; padding: 0 .2rem; }
summary { cursor: pointer; }
details:not([open]) > .more { display: none; }
tbody:has(details:not([open])) tr.in { display: none; }
.bar { display: inline-block; height: .7em; background: #4477aa; }
dl { display: grid; grid-template-columns: max-content auto; gap: .15rem 1.5rem; }
dd { margin: 0; } ol { max-width: 60rem; } li { margin-bottom: .5rem; } li p { margin: 0; }
pre { white-space: pre-wrap; }
@media (max-width: 1300px) { .late { display: none; } }
@media (max-width: 700px) { .early { display: none; } th, td { padding: .2rem .35rem; }
  body { margin: 1rem auto; font-size: 13px; padding: 0 .5rem; }
  td:first-child, td.label { max-width: none; white-space: normal; overflow-wrap: anywhere; } }
@media (max-width: 480px) { body { font-size: 12px; } .in td:first-child { padding-left: 1rem; } }
body:has(.every[open]) :is(.late, .early) { display: table-cell; }
body:has(.every[open]) :is(th, td):first-child { min-width: 8rem; }
.every { float: right; margin-left: 1rem; }"""
"""Columns that a reader misses least are not shown where there is no room, until asked for."""

LATE = 3
"""So many of them go on a screen of the usual width; all of them on a phone."""


def html(document: Document) -> str:
    """A page of its own, without anything to load."""
    heading = next((b.text for b in document.blocks if isinstance(b, Heading)), document.name)
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{_text(heading or 'archcalc')}</title>",
            f"<style>\n{STYLE}\n</style>",
            *_every(document),
            *(line for block in document.blocks for line in _block(block)),
            "</html>",
            "",
        ]
    )


def fragment(document: Document) -> str:
    """The same for a notebook, which has a look of its own."""
    return "\n".join(line for block in document.blocks for line in _block(block))


def _text(words: str) -> str:
    return escape(visible(words)).replace("##[", "&#35;#[")


def _words(cell: Cell) -> str:
    if isinstance(cell, Marked):
        return cell.written(_text, lambda words: f"<code>{_text(words)}</code>")
    return _text(number(cell))


def _every(document: Document) -> Iterator[str]:
    if any(head.name in table.narrow for table in document.tables for head in table.heads):
        yield '<details class="every note"><summary>all columns</summary></details>'


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Heading):
        yield f"<h{block.level}>{_text(block.text)}</h{block.level}>"
    elif isinstance(block, Prose):
        look = f' class="{block.look}"' if block.look else ""
        yield f"<p{look}>{_words(block.text)}</p>"
    elif isinstance(block, Table):
        yield from _table(block)
    elif isinstance(block, Items):
        yield from _items(block)
    elif isinstance(block, Pairs):
        yield "<dl>"
        yield from (f"<dt>{_text(n)}</dt><dd>{_text(words)}</dd>" for n, words in block.pairs)
        yield "</dl>"
    elif isinstance(block, Formulas):
        yield "<dl>"
        for each in block.formulas:
            notes = "".join(f'<div class="note">{_text(note)}</div>' for note in each.notes)
            yield f"<dt>{_text(each.label) or '&nbsp;'}</dt><dd>{_text(each.text)}{notes}</dd>"
        yield "</dl>"
        if block.symbols:
            legend = (f"<i>{_text(name)}</i>: {_text(said)}" for name, _, said in block.symbols)
            yield f'<p class="note">where {"; ".join(legend)}</p>'
    elif isinstance(block, Bars):
        yield f"<p>{_text(block.header)}</p><table>"
        for name, words, share in block.bars:
            bar = f'<span class="bar" style="width: {20 * share:.2f}rem"></span>'
            yield f'<tr><td>{_text(name)}</td><td class="n">{_text(words)}</td><td>{bar}</td></tr>'
        yield "</table>"
    elif isinstance(block, Picture):
        yield f'<img alt="{_text(block.about)}" src="{_text(block.path)}">'


def _items(block: Items) -> Iterator[str]:
    if not block.numbered:
        for item in block.items:
            more = "".join(f"<br>{_text(words)}" for words in item.below)
            yield f'<p class="note">{_text(item.text)}{more}</p>'
        return
    yield "<ol>"
    for k, item in enumerate(block.items, 1):
        paragraphs = "".join(f"<p>{_text(words)}</p>" for words in (item.text, *item.below))
        yield f'<li id="n{k}">{paragraphs}</li>'
    yield "</ol>"


def _table(table: Table) -> Iterator[str]:
    for head in table.heads:
        if head.completes:  # what it says stands above the rows, which can be folded away
            table = table.drop(head.name)
    classes = [_class(head, table, k) for k, head in enumerate(table.heads)]
    heads = "".join(
        f"<th{look}>{_text(head.header)}</th>"
        for head, look in zip(table.heads, classes, strict=True)
    )
    yield '<div class="wide"><table>'
    yield f"<thead><tr>{heads}</tr></thead>"
    yield "<tbody>"
    for each in table.rows:
        if isinstance(each, Row):
            yield _row(each, classes)
            continue
        yield "</tbody><tbody>"
        yield _row(each.head, classes, folds=True, open=each.named)
        lines = each._replace(named=False).lines()
        yield from (_row(row, classes, within=1 + deep) for row, deep in lines)
        yield "</tbody><tbody>"
    yield "</tbody>"
    if table.sums:
        yield "<tfoot>"
        yield from (_row(row, classes) for row in table.sums)
        yield "</tfoot>"
    yield "</table></div>"


def _kept(table: Table) -> list[str]:
    """The numbers that are shown however narrow a screen is: the first two that add up."""
    sums = table.sums[0].cells if table.sums else ()
    added = [h.name for h, c in zip(table.heads, sums, strict=False) if h.right and not blank(c)]
    return (added or [head.name for head in table.heads if head.right])[:2]


def _class(head: Head, table: Table, k: int) -> str:
    found = ["n"] if head.right else []
    if table.prose and k == len(table.heads) - 1:
        found.append("words")
    if head.name in table.narrow and head.name not in _kept(table):
        found.append("late early" if table.narrow.index(head.name) < LATE else "early")
    return f' class="{" ".join(found)}"' if found else ""


def _row(
    row: Row, classes: list[str], within: int = 0, folds: bool = False, open: bool = False
) -> str:
    cells = []
    for k, cell in enumerate(row.cells):
        text = _words(cell)
        look = ' class="label"' if isinstance(cell, Label) else classes[k]
        if isinstance(cell, Styled):
            if cell.look:
                tag = "<mark>" if cell.mark else f'<span class="{cell.look}">'
                text = f"{tag}{text}{'</mark>' if cell.mark else '</span>'}"
            if cell.mark:
                text += f'<sup><a href="#n{cell.mark}">{cell.mark}</a></sup>'
        if folds and (isinstance(cell, Label) or k == 0):
            text = f"<details{' open' if open else ''}><summary>{text}</summary></details>"
            folds = False
        cells.append(f"<td{look}>{text}</td>")
    kind = " ".join([*row.look.split(), *["in", "deep"][:within]])
    start = f'<tr class="{kind}">' if kind else "<tr>"
    return f"{start}{''.join(cells)}</tr>"
