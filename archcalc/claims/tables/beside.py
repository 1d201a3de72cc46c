"""Networks that stand beside each other, a column each, as papers print ResNets, VGGs, DenseNets.

What is no network's column (names, sizes) is of all of them, and so is a cell that spans several
of their columns: where only its text is left, cells to the right of it are empty.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from archcalc.claims.printed import Printed
from archcalc.claims.tables.cells import count, nothing
from archcalc.claims.tables.grid import Grid
from archcalc.claims.tables.headers import HEADERS, plain_header
from archcalc.claims.tables.kinds import kind_of
from archcalc.claims.tables.lines import Line
from archcalc.claims.tables.stacks import blocks_of

FEWEST = 3
"""Rows in which networks that stand beside each other say something of a layer."""
SHORT = 3
"""Characters of a header that may be a network's name, whatever it heads elsewhere: ``D``."""
LONGEST = 300
"""Characters of a cell that is searched for layers."""
_LAYER = re.compile(
    r"\bconv\s?\d{1,2}-\d{2,4}|\bfc-\d{2,5}|\b(?:max|avg|average|global)[- ]?\w*[- ]?pool|soft-?max"
    r"|\d+\s*[x×]\s*\d+(?:\s*[x×]\s*\d+)?\s*(?:,\s*\d{2}|,?\s*(?:\w+\s)?(?:conv|pool|stride))"
    r"|\d+-?d\s+f(?:c|ully)",
    re.IGNORECASE,
)
"""What says of a layer what it is, or how wide."""
_ONE = re.compile(
    r"(?:conv\s?\d{1,2}-\d{2,4}|fc-\d{2,5}|max-?pool|lrn|soft-?max)(?!\S)", re.IGNORECASE
)
"""One of several layers of a cell: ``conv3-256 conv3-256 conv1-256``."""
_DEPTH = re.compile(r"(\d{1,3}) weight layers")
_POOL = re.compile("pool", re.IGNORECASE)


class Whole(NamedTuple):
    """What a table prints of all layers of a network together: ``FLOPs``, ``# params.``."""

    role: str
    """``params``, ``ops``, or ``layers``: of those with weights."""
    name: str
    """What the row is called."""
    row: int
    """Of the whole table."""
    printed: Printed


class Network(NamedTuple):
    """A network of a table that prints several."""

    title: str
    grid: Grid
    roles: Mapping[str, str]
    """The header of its own column, by its role, and that of its rows' names."""
    rows: tuple[int, ...]
    """For each row, that of the whole table."""
    columns: tuple[int, ...]
    """For each column, that of the whole table."""
    wholes: tuple[Whole, ...]
    """What is printed of all its layers together."""
    spanned: tuple[int, ...] = ()
    """Rows of the whole table whose only cell is that of a network left of it."""


def networks(grid: Grid) -> list[Network]:
    """The networks of a table, one for each of their columns; nothing where it prints but one."""
    if grid.depths or len(grid.headers) < 2:
        return []
    own = [
        k
        for k, head in enumerate(grid.headers)
        if (len(head) < SHORT or not _heads(head))
        and _describes([row.cells[k] for row in grid.rows])
    ]
    own = [k for k in own if _alike(grid, own, k)]
    titles = [grid.headers[k] for k in own]
    if len(own) < 2 or len(set(titles)) < len(titles) or not all(titles):
        return []
    shared = [k for k in range(len(grid.headers)) if k not in own]
    return [_network(grid, own, k, shared) for k in own]


def _heads(title: str) -> bool:
    """Whether columns of names, sizes and windows are headed so."""
    return any(re.fullmatch(words, plain_header(title)) for words in HEADERS.values())


def _describes(cells: Sequence[str]) -> bool:
    """Whether a column says of most rows what layers they are, in one cell."""
    filled = [cell for cell in cells if not nothing(cell)]
    told = sum(_layered(cell) for cell in filled)
    return told >= FEWEST and 2 * told > len(filled)


def _layered(cell: str) -> bool:
    return len(cell) <= LONGEST and bool(blocks_of(cell) or _LAYER.search(cell))


def _alike(grid: Grid, own: Sequence[int], k: int) -> bool:
    """Whether a column says what others say, and not what follows it in a row: a pooling, say."""
    for other in own:
        both = [
            (row.cells[k], row.cells[other])
            for row in grid.rows
            if other != k and _layered(row.cells[k]) and _layered(row.cells[other])
        ]
        same = sum(bool(_POOL.search(a)) == bool(_POOL.search(b)) for a, b in both)
        if len(both) >= FEWEST and same == len(both):
            return True
    return False


def _network(grid: Grid, own: Sequence[int], k: int, shared: Sequence[int]) -> Network:
    """One of the networks: what is of all, and its own column."""
    columns = tuple(sorted([*shared, k]))
    title = grid.headers[k]
    heads = list(grid.headers)
    if _heads(title):
        heads[k] = f"network {title}"  # a letter, which heads columns of numbers elsewhere
    rows: list[Line] = []
    places: list[int] = []
    spans: list[int] = []
    wholes: list[Whole] = []
    for at, line in enumerate(grid.rows):
        cells = list(line.cells)
        if layers := _DEPTH.fullmatch(cells[k]):
            wholes.append(Whole("layers", cells[k], at, Printed.parse(layers[1])))
            continue
        if role := next(filter(None, (_counts(cells[each]) for each in shared)), ""):
            name = next(cells[each] for each in shared if cells[each])
            if number := count(cells[k]):
                wholes.append(Whole(role, name, at, number))
            if number or nothing(cells[k]):
                continue
        if not cells[k] and (given := _spanning(cells, own, k)) is not None:
            cells[k] = cells[given]
            spans.append(at)
        elif nothing(cells[k]) and any(_layered(line.cells[each]) for each in own):
            continue  # a row of other networks
        for each in _each(cells[k]):
            cells[k] = each
            rows.append(Line(line.number, tuple(cells[each] for each in columns)))
            places.append(at)
    part = replace(grid, headers=tuple(heads[each] for each in columns), rows=tuple(rows))
    named = [
        heads[each]
        for each in shared
        if sum(bool(re.search("[A-Za-z]{2}", line.cells[each])) for line in grid.rows) >= FEWEST
    ]
    roles = {"op": heads[k], "layer": named[0]} if named else {"layer": heads[k]}
    return Network(title, part, roles, tuple(places), columns, tuple(wholes), tuple(spans))


def _counts(cell: str) -> str:
    """The role of what a row is called that counts something of the whole network."""
    plain = plain_header(cell)
    found = (r for r in ("params", "ops") if cell and re.fullmatch(HEADERS[r], plain))
    return next(found, "")


def _spanning(cells: Sequence[str], own: Sequence[int], k: int) -> int | None:
    """The column of the cell that spans a network's, which begins at the first network's."""
    before = [each for each in own if each < k]
    alone = sum(map(bool, cells)) == 1
    if not before or not cells[own[0]] or not (alone or _layered(cells[own[0]])):
        return None
    return next((each for each in reversed(before) if cells[each]), None)


def _each(cell: str) -> Sequence[str]:
    """Each layer of a cell that lists several: ``average pool, 1000-d fc, softmax``."""
    found = _ONE.findall(cell)
    if len(found) > 1 and not re.sub(_ONE, "", cell).strip():
        return found
    pieces = re.split(r",\s*", cell)
    return pieces if all(kind_of(piece).kind for piece in pieces) else (cell,)
