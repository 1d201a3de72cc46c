"""A document in GitHub's Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape

from archcalc.document.model import (
    Bars,
    Block,
    Cell,
    Document,
    Formulas,
    Heading,
    Items,
    Marked,
    Math,
    Pairs,
    Picture,
    Prose,
    Row,
    Styled,
    Table,
    number,
)
from archcalc.document.safe import harmless, visible


def markdown(document: Document) -> str:
    """Tables of GitHub's Markdown, each with its heading above and its remarks below."""
    parts = ["\n".join(map(harmless, _block(block))) for block in document.blocks]
    return "\n\n".join(part for part in parts if part) + "\n"


def escaped(words: str) -> str:
    """Text in which GitHub's Markdown finds no markup."""
    words = visible(words)
    if words.isalnum():
        return words
    words = re.sub(r"([\\`*|<>\[\]$])", r"\\\1", words)
    if words.count("~") > 1:
        words = words.replace("~", r"\~")
    words = re.sub(r"&(?=#?\w+;)", "&amp;", words)
    # An underscore within a word is plain text to GitHub, and names are full of them.
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", words)


def paragraph(words: str) -> str:
    """Text that begins no heading, list or rule either."""
    text = escaped(" ".join(visible(words).split()))
    return re.sub(r"^(\d+(?=[.)](?:\s|$))|(?=[#+=-]))", r"\1\\", text)


def code(words: str) -> str:
    """Text between backticks, as many as it takes."""
    words = visible(words)
    ticks = "`" * (1 + max(map(len, re.findall("`+", words)), default=0))
    pad = " " if "`" in words else ""
    return f"{ticks}{pad}{words}{pad}{ticks}"


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Heading):
        yield f"**{escaped(' '.join(block.text.split()))}**"
    elif isinstance(block, Prose):
        yield f"{'- ' * (block.look == 'note')}{_prose(block.text)}"
    elif isinstance(block, Table):
        yield from _table(block)
    elif isinstance(block, Items):
        for k, item in enumerate(block.items, 1):
            yield f"{f'{k}.' if block.numbered else '-'} {paragraph(item.text)}"
            for words in item.below:
                yield f"   - {paragraph(words)}"
    elif isinstance(block, Pairs):
        for name, words in block.pairs:
            yield f"- {paragraph(name)}: {escaped(words)}"
    elif isinstance(block, Formulas):
        for each in block.formulas:
            said = code(each.text) if each.latex else escaped(each.text)
            said = f"${each.latex}$" if each.latex and not block.typed else said
            notes = "".join(f"; {escaped(note)}" for note in each.notes)
            label = f"{escaped(each.label)}: " if each.label else ""
            yield f"- {label}{said}{notes}"
        if block.symbols:
            legend = (f"{code(name)}: {escaped(meaning)}" for name, _, meaning in block.symbols)
            yield from ("", f"where {'; '.join(legend)}")
    elif isinstance(block, Bars):
        yield f"- {paragraph(block.header)}"
        yield from (f"   - {paragraph(name)}: {escaped(words)}" for name, words, _ in block.bars)
    elif isinstance(block, Picture):
        yield f"![{escaped(block.about)}]({_address(block.path)})"


def _prose(words: str | Marked) -> str:
    return words.written(escaped, code) if isinstance(words, Marked) else paragraph(words)


def _address(path: str) -> str:
    from urllib.parse import quote

    return quote(path)


def _line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |".replace("|  |", "| |").replace("|  |", "| |")


def _table(table: Table) -> Iterator[str]:
    yield _line([escaped(head.header) for head in table.heads])
    yield _line(["---:" if head.right else "---" for head in table.heads])
    first = next((k for k, head in enumerate(table.heads) if not head.right), 0)
    for row, deep in table.lines():
        yield _line(_cells(row, deep, first))
    for row in table.sums:
        yield _line(_cells(row, 0, first))


def _cell(cell: Cell) -> str:
    if isinstance(cell, Marked):
        return cell.written(escaped, _code)
    return f"${cell.latex}$" if isinstance(cell, Math) else escaped(number(cell))


def _code(words: str) -> str:
    # Readers of Markdown differ in how a bar within backticks is written; on this all agree.
    barred = escape(visible(words), quote=False).replace("|", "&#124;")
    return f"<code>{barred}</code>" if "|" in words else code(words)


def _cells(row: Row, deep: int, first: int) -> list[str]:
    around = {"hidden": "*", "sums": "**"}.get(row.look, "")
    texts = []
    for k, cell in enumerate(row.cells):
        text = _cell(cell)
        if isinstance(cell, Styled) and cell.mark:
            bold = f"**{text}**" if text and cell.look == "bad" else text
            text = f"{bold}<sup>{cell.mark}</sup>"
        elif around and text and not isinstance(cell, Math):
            text = f"{around}{text}{around}"
        texts.append(f"{'&emsp;' * deep}{text}" if k == first else text)
    return texts
