"""A document as lines of text, for terminals and files alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from textwrap import wrap
from typing import NamedTuple

from archcalc.document.model import (
    Bars,
    Block,
    Cell,
    Document,
    Formulas,
    Heading,
    Items,
    Label,
    Pairs,
    Picture,
    Prose,
    Row,
    Styled,
    Table,
    blank,
    number,
)
from archcalc.document.safe import columns, harmless, visible

WIDTH = 100
"""Columns that sentences are wrapped to."""

GAP = "  "

LEAST = 8
"""What a name is never cut below."""

NARROWEST = 24
"""A column that wraps is at least this wide, and as wide as its longest word up to ``WORD``."""

WORD = 40


class Line(NamedTuple):
    """A line of text and the part it plays: a terminal gives each its own look."""

    text: str
    part: str = ""
    spans: tuple[tuple[int, int, str], ...] = ()
    """Stretches of it with a look of their own: from, to, look."""


def text(document: Document, width: float | None = None) -> str:
    """Plain text, as wide as its tables take, or no wider than ``width`` characters."""
    if width is not None:
        found = lines(document, int(width), narrow=True)
    else:
        found = lines(document, None if document.wide else WIDTH)
    return "".join(f"{line.text}\n" for line in found)


def lines(document: Document, width: int | None = WIDTH, narrow: bool = False) -> Iterator[Line]:
    """The lines of a document, sentences wrapped at ``width``.

    With ``narrow`` tables are no wider either: columns are left out, names cut in the middle.
    """
    before: Block | None = None
    for block in document.blocks:
        below = isinstance(before, Formulas) and isinstance(block, Items)
        begins = isinstance(before, Heading) and (
            isinstance(block, Formulas) or getattr(block, "look", "") == "about"
        )
        if before is not None and not (below or begins):
            yield Line("")
        for line in _lines(block, width, narrow, "  " * below):
            yield (
                line._replace(text=harmless(line.text))
                if "#[" in line.text or "::" in line.text
                else line
            )
        before = block


def _lines(block: Block, width: int | None, narrow: bool, inset: str) -> Iterator[Line]:
    prose = WIDTH if width is None else min(width, WIDTH)
    if isinstance(block, Heading):
        for line in _wrapped(block.text, prose):
            yield Line(line, "title")
    elif isinstance(block, Prose):
        whole = block.look == "summary" and not narrow
        for line in _wrapped(number(block.text), None if whole else prose):
            yield Line(line, block.look or "prose")
    elif isinstance(block, Table):
        yield from _table(block, width, narrow)
    elif isinstance(block, Items):
        yield from _items(block, prose, inset)
    elif isinstance(block, Pairs):
        longest = max(columns(visible(name)) for name, _ in block.pairs)
        for name, words in block.pairs:
            lead = _padded(visible(name), longest) + GAP
            room = prose if narrow else None
            for line in _wrapped(words, room, lead, " " * len(lead)):
                yield Line(line, "pairs")
    elif isinstance(block, Formulas):
        yield from _formulas(block, prose)
    elif isinstance(block, Bars):
        yield from _bars(block, prose if width is None else width)
    elif isinstance(block, Picture):
        yield Line(f"{visible(block.about)}: {visible(block.path)}", "note")


def _wrapped(words: str, width: int | None, lead: str = "", after: str = "") -> list[str]:
    clean = " ".join(visible(words).split())
    if width is None:
        return [lead + clean]
    return wrap(
        clean,
        max(width, len(lead) + LEAST),
        initial_indent=lead,
        subsequent_indent=after,
        break_on_hyphens=False,
    ) or [lead.rstrip()]


def _items(items: Items, width: int, inset: str) -> Iterator[Line]:
    for k, item in enumerate(items.items, 1):
        lead = f"[{k}] " if items.numbered else inset
        after = "     " if items.numbered else "  "
        for line in _wrapped(item.text, width, lead, after):
            yield Line(line, "note")
        for words in item.below:
            for line in _wrapped(words, width, after, after + "  "):
                yield Line(line, "note")


def _formulas(block: Formulas, width: int) -> Iterator[Line]:
    """An equation on one line if it fits, else with each of its sides on a line of its own."""
    wide = max(len(visible(each.label)) for each in block.formulas)
    for each in block.formulas:
        head = f"  {visible(each.label).ljust(wide)}  " if wide else "  "
        fits = len(head) + len(each.text) <= width
        sides = [each.text] if fits else each.text.split(" = ")
        for k, side in enumerate(sides):
            lead = f"{'':{len(head) - 2}}= " if k else head
            for line in _wrapped(side, width, lead, " " * len(head)):
                yield Line(line)
        for note in each.notes:
            lead = f"  {'':{wide}}    "
            yield from (Line(line, "note") for line in _wrapped(note, width, lead, lead))
    if block.symbols:
        # A symbol stays on the line of its meaning's first word.
        legend = "; ".join(f"{name}:\0{meaning}" for name, _, meaning in block.symbols)
        for line in wrap(f"where {legend}", width, initial_indent="  ", subsequent_indent="  "):
            yield Line(visible(line.replace("\0", " ")), "note")


_EIGHTHS = " ▏▎▍▌▋▊▉"


def _bars(block: Bars, width: int) -> Iterator[Line]:
    bars = [(visible(name), visible(words), share) for name, words, share in block.bars]
    names = max(columns(name) for name, _, _ in bars)
    values = max(columns(words) for _, words, _ in bars)
    room = max(10, width - names - values - 2 * len(GAP))
    yield Line(visible(block.header), "header")
    for name, words, share in bars:
        eighths = round(8 * room * share)
        bar = "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
        shown = f"{_padded(name, names)}{GAP}{_padded(words, values, True)}{GAP}{bar}"
        yield Line(shown.rstrip(), "bar")


def _padded(words: str, width: int, right: bool = False) -> str:
    missing = " " * (width - columns(words))
    return missing + words if right else words + missing


# Tables.


def _text(cell: Cell) -> str:
    """What a cell takes of its column; a label takes what there is."""
    words = number(cell)
    if not words.isprintable():
        words = visible(words)
    if type(cell) is Styled and cell.mark:
        words = f"{words} [{cell.mark}]".lstrip()
    return words


class _Grid:
    """A table's cells as text, and how wide each column is."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.squeezed = False
        """Whether a column is narrower than what stands in it."""
        self.heads = [visible(head.header) for head in table.heads]
        self.body = [(row, deep + bool(table.group)) for row, deep in table.lines()]
        self.first = next((k for k, head in enumerate(table.heads) if not head.right), 0)
        self.cells = [self._row(row, deep) for row, deep in self.body]
        self.sums = [self._row(row, 0) for row in table.sums]
        self.below = [cells.pop() if table.prose else "" for cells in self.cells]
        if table.prose:
            self.heads.pop()
        self.widths = [
            _widest(column) for column in zip(self.heads, *self.cells, *self.sums, strict=True)
        ]
        for row in (*(row for row, _ in self.body), *table.sums):
            for k in self.labels(row):
                cell = row.cells[k]
                assert isinstance(cell, Label)
                room = self.room(k, self.span(row, k))
                self.widths[k] += max(0, columns(visible(cell.fitting(0))) - room)

    @cached_property
    def template(self) -> str:
        """A line of it, its columns as wide as they are when it is first asked for."""
        heads = zip(self.table.heads, self.widths, strict=False)
        return GAP.join([f"%{width}s" if head.right else f"%-{width}s" for head, width in heads])

    def labels(self, row: Row) -> list[int]:
        """Where labels stand in a row, which is seldom."""
        if Label not in map(type, row.cells):
            return []
        return [k for k, cell in enumerate(row.cells) if type(cell) is Label]

    def _row(self, row: Row, deep: int) -> list[str]:
        texts = [
            cell
            if type(cell) is str and cell.isprintable()
            else f"{cell:,}"
            if type(cell) is int
            else ""
            if type(cell) is Label
            else _text(cell)
            for cell in row.cells
        ]
        if deep:
            texts[self.first] = GAP * deep + texts[self.first]
        return texts

    def span(self, row: Row, k: int) -> int:
        """How many columns a label stretches over."""
        end = k + 1
        while end < len(self.heads) and blank(row.cells[end]):
            end += 1
        return end - k

    def room(self, start: int = 0, count: int | None = None) -> int:
        """Characters that some columns take side by side."""
        widths = self.widths[start:] if count is None else self.widths[start : start + count]
        return sum(widths) + len(GAP) * (len(widths) - 1)


def _widest(texts: Sequence[str]) -> int:
    return max(map(len if "".join(texts).isascii() else columns, texts))


def _table(table: Table, width: int | None, narrow: bool) -> Iterator[Line]:
    groups: list[str] = []
    if table.group:
        at = next(k for k, head in enumerate(table.heads) if head.name == table.group)
        groups = [_text(row.cells[at]) for row, _ in table.lines()]
        table = table.drop(table.group)
    grid, dropped = _Grid(table), list[str]()
    if width is not None:
        if narrow:
            going = [name for name in table.narrow if any(h.name == name for h in table.heads)]
            while grid.room() > width and going:
                (head,) = (head for head in table.heads if head.name == going[0])
                dropped.append(head.header)
                table = table.drop(going.pop(0))
                grid = _Grid(table)
        _squeeze(grid, width, narrow)
    yield Line(_joined(grid, grid.heads), "header")
    rule = Line("-" * grid.room(), "rule")
    yield rule
    prose = WIDTH if width is None else min(width, WIDTH)
    last = ""
    for k, ((row, _), cells) in enumerate(zip(grid.body, grid.cells, strict=True)):
        if table.group and groups[k] != last:
            if last:
                yield Line("")
            last = groups[k]
            yield Line(last, "group")
        yield from _row(grid, row, cells)
        if grid.below[k]:
            for line in _wrapped(grid.below[k], prose, " " * 4, " " * 4):
                yield Line(line, "note")
    if table.sums:
        yield rule
    for row, cells in zip(table.sums, grid.sums, strict=True):
        yield from _row(grid, row, cells)
    if dropped:
        left_out = f"columns left out to fit {width} characters: {', '.join(dropped)}"
        yield from (Line(line, "note") for line in _wrapped(left_out, width, after="  "))


def _squeeze(grid: _Grid, width: int, narrow: bool) -> None:
    """Make columns that wrap narrower, and then cut names, until the grid is no wider."""
    widest = sorted(range(len(grid.heads)), key=lambda k: -grid.widths[k])
    steps = [(True, NARROWEST), (False, LEAST), (True, LEAST)] if narrow else [(True, NARROWEST)]
    for wraps, least in steps:
        for k in widest:
            head, over = grid.table.heads[k], grid.room() - width
            if over > 0 and head.wraps == wraps and (wraps or not head.right):
                grid.squeezed = True
                room = _longest_word(grid, k) if least == NARROWEST else least
                grid.widths[k] = max(min(room, grid.widths[k]), grid.widths[k] - over)
                if not wraps:
                    for cells in (grid.heads, *grid.cells, *grid.sums):
                        cells[k] = _cut(cells[k], grid.widths[k])


def _longest_word(grid: _Grid, k: int) -> int:
    words = [word for cells in grid.cells for word in cells[k].split()]
    return max(NARROWEST, min(max(map(len, words), default=0) + len(GAP), WORD))


def _cut(words: str, width: int) -> str:
    """The ends of a text, with dots for its middle."""
    if len(words) <= width:
        return words
    head = (width - 3) // 2
    return f"{words[:head]}...{words[len(words) - (width - 3 - head) :]}"


def _joined(grid: _Grid, texts: Sequence[str]) -> str:
    if len(texts) == len(grid.heads) and "".join(texts).isascii():  # most are
        return (grid.template % tuple(texts)).rstrip()
    padded = [
        _padded(text, width, head.right)
        for text, width, head in zip(texts, grid.widths, grid.table.heads, strict=False)
    ]
    return GAP.join(padded).rstrip()


def _row(grid: _Grid, row: Row, cells: list[str]) -> Iterator[Line]:
    part = f"row {row.look}".rstrip()
    for label in grid.labels(row)[:1]:
        span = grid.span(row, label)
        room = grid.room(label, span)
        cell = row.cells[label]
        assert isinstance(cell, Label)
        words = _cut(visible(cell.fitting(room)), room)
        lead = _joined(grid, cells[:label]) if any(cells[:label]) else ""
        start = grid.room(0, label) + len(GAP) if label else 0
        text = lead.ljust(start) + _padded(words, room)
        for k in range(label + span, len(cells)):
            text += GAP + _padded(cells[k], grid.widths[k], grid.table.heads[k].right)
        yield Line(text.rstrip(), part)
        return
    wraps = [
        k for k, words in enumerate(cells) if grid.squeezed and columns(words) > grid.widths[k]
    ]
    if wraps:
        pieces = {k: _wrapped(cells[k], grid.widths[k], after="  ") for k in wraps}
        for at in range(max(map(len, pieces.values()))):
            texts = [
                (pieces[k][at] if at < len(pieces[k]) else "")
                if k in pieces
                else words
                if at == 0
                else ""
                for k, words in enumerate(cells)
            ]
            yield Line(_joined(grid, texts), part if at == 0 else f"{part} +")
        return
    yield Line(_joined(grid, cells), part, _spans(grid, row, cells))


def _spans(grid: _Grid, row: Row, cells: list[str]) -> tuple[tuple[int, int, str], ...]:
    if Styled not in map(type, row.cells):
        return ()
    found, start = [], 0
    for k, words in enumerate(cells):
        cell = row.cells[k]
        if type(cell) is Styled and cell.look:
            lead = grid.widths[k] - columns(words) if grid.table.heads[k].right else 0
            found.append((start + lead, start + lead + len(words), cell.look))
        start += grid.widths[k] + len(GAP)
    return tuple(found)
