"""A document as LaTeX in which the package siunitx sets the numbers, as the author told it to."""

from __future__ import annotations

import re

from archcalc.document.latex import TEXT_WIDTH, latex
from archcalc.document.model import Cell, Document, Math, Row, Styled, Table, number

PLAIN = re.compile(r"\d+(?:\.\d+)?", re.ASCII)


def siunitx(document: Document, width: float | None = TEXT_WIDTH) -> str:
    """:func:`latex` with every number of a table in ``\\num``: nobody's commas but the author's."""
    blocks = (block.each(_set) if isinstance(block, Table) else block for block in document.blocks)
    text = latex(Document.of(*blocks), width)
    return text.replace(r"\usepackage{booktabs", r"\usepackage{booktabs,siunitx", 1)


def _set(row: Row) -> Row:
    return row._replace(cells=tuple(map(_number, row.cells)))


def _number(cell: Cell) -> Cell:
    if isinstance(cell, Styled):
        return cell if cell.mark else _number(cell.value)
    if type(cell) is int or (isinstance(cell, str) and PLAIN.fullmatch(cell)):
        return Math(number(cell), rf"\num{{{cell}}}")
    return cell
