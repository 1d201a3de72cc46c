"""What a report says, before it takes the form of any format.

A document is a row of parts: headings, prose, tables, lists, names with their values, formulas and
bars. A report makes one and knows no format; a format prints one and knows no report. Numbers are
numbers until a format prints them, and text is as it came: each format makes it safe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

Size: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A sum that lacks what is not known."""

    size: Size

    def __str__(self) -> str:
        return f"≥{self.size}"


class Styled(NamedTuple):
    """A cell with a look of its own, or a mark that a footnote explains."""

    value: Size | str
    look: str = ""
    mark: int = 0
    """The footnote's number; 0 for none."""


class Label(NamedTuple):
    """Words that stretch over the empty cells to their right, in a row that sums others up."""

    head: str
    items: tuple[str, ...] = ()
    """What may be named behind the head, as far as there is room."""

    def fitting(self, room: int | None = None) -> str:
        """All of it, or as much as fits into ``room`` characters."""
        items, text = list(self.items), ": ".join(filter(None, [self.head, ", ".join(self.items)]))
        while room is not None and len(text) > room and items:
            items.pop()
            text = f"{self.head}: {', '.join([*items, '...'])}" if items else self.head
        return text


class Part(NamedTuple):
    """A name that another column completes: without that column it is printed in full."""

    short: str
    full: str


class Math(NamedTuple):
    """A cell that is mathematics."""

    text: str
    latex: str
    """The same between dollar signs."""


class Marked(NamedTuple):
    """Words of our own, in which backticks mark what is typed, such as names."""

    text: str

    @property
    def plain(self) -> str:
        """The words alone."""
        return self.text.replace("`", "")

    def written(self, said: Callable[[str], str], typed: Callable[[str], str]) -> str:
        """The words as a format has what is said, and what is typed."""
        parts = self.text.split("`")
        return "".join(typed(part) if k % 2 else said(part) for k, part in enumerate(parts))


Cell: TypeAlias = Size | str | AtLeast | Styled | Label | Part | Math | Marked


class Head(NamedTuple):
    """A column."""

    name: str
    """What programs call it."""
    header: str
    right: bool = False
    wraps: bool = False
    """Whether its text may take several lines where there is no room."""
    completes: bool = False
    """Whether names in other columns are short because it is there."""


class Row(NamedTuple):
    """A row of cells."""

    cells: tuple[Cell, ...]
    look: str = ""
    """``hidden`` and ``sums`` sum others up; ``good``, ``bad``, ``changed`` and ``dim`` are
    looks."""


class Group(NamedTuple):
    """Rows with a row above them that stands for all of them."""

    head: Row
    rows: tuple[Row | Group, ...]
    named: bool = True
    """Whether the row above is always printed; else only where the others can be folded away."""

    def each(self, change: Callable[[Row], Row]) -> Group:
        """The group with every row changed."""
        rows = tuple(r.each(change) if isinstance(r, Group) else change(r) for r in self.rows)
        return self._replace(head=change(self.head), rows=rows)

    def lines(self, deep: int = 0) -> Iterator[tuple[Row, int]]:
        """The rows with how deep they stand, as all formats but HTML print them."""
        if self.named:
            yield self.head, deep
        for row in self.rows:
            if isinstance(row, Group):
                yield from row.lines(deep + self.named)
            else:
                yield row, deep + self.named


class Table(NamedTuple):
    """Rows under heads."""

    heads: tuple[Head, ...]
    rows: tuple[Row | Group, ...]
    sums: tuple[Row, ...] = ()
    narrow: tuple[str, ...] = ()
    """The columns that a narrow page goes without, what a reader misses least first."""
    prose: bool = False
    """Whether the last column holds sentences: as text they stand below their rows."""
    group: str = ""
    """A column whose text stands above all rows that have it in common."""

    def drop(self, name: str) -> Table:
        """The table without a column."""
        (at,) = (k for k, head in enumerate(self.heads) if head.name == name)
        completes = self.heads[at].completes

        def narrower(row: Row) -> Row:
            cells = list(row.cells)
            gone = cells.pop(at)
            # A label that began in the column begins in the next one.
            if type(gone) is Label and at < len(cells) and blank(cells[at]):
                cells[at] = gone
            if completes:
                cells = [cell.full if type(cell) is Part else cell for cell in cells]
            return Row(tuple(cells), row.look)

        return self.each(narrower)._replace(heads=self.heads[:at] + self.heads[at + 1 :])

    def each(self, change: Callable[[Row], Row]) -> Table:
        """The table with every row changed."""
        rows = tuple(r.each(change) if isinstance(r, Group) else change(r) for r in self.rows)
        return self._replace(rows=rows, sums=tuple(map(change, self.sums)))

    def empty(self) -> list[str]:
        """The columns in which no row says anything."""
        rows = [row.cells for row, _ in self.lines()]
        return [
            head.name
            for k, head in enumerate(self.heads)
            if all(blank(cells[k]) or type(cells[k]) is Label for cells in rows)
        ]

    def lines(self) -> Iterator[tuple[Row, int]]:
        """The rows of the body with how deep they stand, as all formats but HTML print them."""
        for each in self.rows:
            if isinstance(each, Group):
                yield from each.lines()
            else:
                yield each, 0


def table(
    heads: Sequence[Head], rows: Iterable[Row | Group | Sequence[Cell]], **options: Any
) -> Table:
    """A table of rows, or of cells in rows."""
    made = tuple(row if isinstance(row, (Row, Group)) else Row(tuple(row)) for row in rows)
    return Table(tuple(heads), made, **options)


class Heading(NamedTuple):
    """A line above what follows. Of a table it is the caption."""

    text: str
    level: int = 1


class Prose(NamedTuple):
    """A paragraph; ``about`` belongs to the heading above it, a ``summary`` is one line."""

    text: str | Marked
    look: str = ""


class Item(NamedTuple):
    """A line of a list, with what is said below it."""

    text: str
    below: tuple[str, ...] = ()


class Items(NamedTuple):
    """A list. Numbered, it holds the footnotes of the table above."""

    items: tuple[Item, ...]
    numbered: bool = False

    @classmethod
    def of(cls, texts: Iterable[str]) -> Items:
        """Sentences without more below."""
        return cls(tuple(map(Item, texts)))


class Pairs(NamedTuple):
    """Names with their values."""

    pairs: tuple[tuple[str, str], ...]


class Formula(NamedTuple):
    """A quantity, and the equation that it comes from."""

    label: str
    text: str
    latex: str = ""
    """The same between dollar signs; without it, ``text`` is no mathematics."""
    notes: tuple[str, ...] = ()


class Formulas(NamedTuple):
    """Equations below each other, each with a label or, of ``x = y``, without."""

    formulas: tuple[Formula, ...]
    symbols: tuple[tuple[str, str, str], ...] = ()
    """What stands in them: a name, the same in LaTeX, and what it means."""
    typed: bool = True
    """Whether Markdown shows them as they are typed; else as mathematics."""


class Bars(NamedTuple):
    """Numbers as bars, from 0 to the largest."""

    header: str
    bars: tuple[tuple[str, str, float], ...]
    """A name, the number in words, and how long its bar is: from 0 to 1."""


class Picture(NamedTuple):
    """A drawing that lies in a file."""

    about: str
    path: str


Block: TypeAlias = Heading | Prose | Table | Items | Pairs | Formulas | Bars | Picture


class Document(NamedTuple):
    """What a report says, in order."""

    blocks: tuple[Block, ...]
    name: str = ""
    """What a page is called whose first heading is empty."""
    wide: bool = False
    """Whether lines of text are as long as they take, so that each row is one."""

    @classmethod
    def of(cls, *blocks: Block | None, name: str = "", wide: bool = False) -> Document:
        """A document of what there is."""
        kept = tuple(block for block in blocks if block is not None and _says(block))
        return cls(kept, name, wide)

    @property
    def tables(self) -> list[Table]:
        """Its tables."""
        return [block for block in self.blocks if isinstance(block, Table)]


def _says(block: Block) -> bool:
    if isinstance(block, (Heading, Prose)):
        return bool(number(block.text))
    return isinstance(block, (Table, Picture)) or bool(
        block[-1] if isinstance(block, Bars) else block[0]
    )


def blank(cell: Cell) -> bool:
    """Whether a cell says nothing."""
    return type(cell) is str and not cell


def number(size: Cell) -> str:
    """A cell as people read it: numbers with thousands separators, the rest as it is."""
    if type(size) is int:
        return f"{size:,}"
    if type(size) is str:
        return size
    if isinstance(size, AtLeast):
        return str(AtLeast(number(size.size)))
    if isinstance(size, Styled):
        return number(size.value)
    if isinstance(size, Label):
        return size.fitting()
    if isinstance(size, Math):
        return size.text
    if isinstance(size, Marked):
        return size.plain
    return size.short if isinstance(size, Part) else str(size)


def many(count: int, what: str) -> str:
    """``1 layer``, ``3 layers``."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def value(cell: Cell) -> Size | str | AtLeast:
    """A cell as programs read it."""
    if isinstance(cell, Styled):
        return cell.value
    return number(cell) if isinstance(cell, (Label, Part, Math, Marked)) else cell
