"""The tables of a document as comma-separated values."""

from __future__ import annotations

from archcalc.document.model import Cell, Document, Label, value
from archcalc.document.safe import inert


def csv(document: Document) -> str:
    """Comma-separated values (RFC 4180 with line feeds): a header, and a row for every row.

    Numbers are digits only; what sums rows up is left out, so that a program that sums finds them.
    Tables with the same columns are one.
    """
    from csv import writer
    from io import StringIO

    buffer = StringIO()
    rows = writer(buffer, lineterminator="\n")
    first, *others = document.tables
    names = [head.name for head in first.heads]
    rows.writerow(names)
    for table in (first, *(each for each in others if [h.name for h in each.heads] == names)):
        for row, _ in table.lines():
            if not any(isinstance(cell, Label) for cell in row.cells):
                rows.writerow(map(written, row.cells))
    return buffer.getvalue()


def written(cell: Cell) -> object:
    """A cell as programs read it, and as no spreadsheet obeys it."""
    found = value(cell)
    return found if type(found) is int else inert(str(found))
