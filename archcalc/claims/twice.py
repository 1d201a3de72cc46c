"""What a printed table says twice: a size, a side of it, the positions that are looked up of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from archcalc.claims.finding import Finding
from archcalc.claims.readings import Reading
from archcalc.claims.tables.cells import shapes
from archcalc.claims.tables.described import AGAIN, apart
from archcalc.claims.tables.evidence import printed_state
from archcalc.claims.tables.flow import keys
from archcalc.claims.tables.sheet import Entry, Sheet


def said_twice(sheet: Sheet, told: Reading) -> Iterator[Finding]:
    """Sizes that are said again, otherwise: neither can be told from other rows, or one can."""
    yield from _sides(sheet, told)
    yield from _inputs(sheet)
    yield from _positions(sheet)
    yield from _widths(sheet)


def _sides(sheet: Sheet, told: Reading) -> Iterator[Finding]:
    """Sides of an output that a list says once more otherwise: ``Height: 222``."""
    for column in apart(sheet.headers) if sheet.form == "described" else ():
        role = AGAIN.get(sheet.headers[column].lower(), "")
        for entry in sheet.layers if role else ():
            numbers = re.findall(r"\d+", entry.cells[column].rpartition("=")[2])
            right = told.expected[entry.index].get(role, entry.values.get(role))
            if len(numbers) == 1 and right is not None and int(numbers[0]) != right:
                text, name = entry.cells[column], entry.name
                rule = f"it is {right} where the output's size is said"
                yield Finding(entry.index, column, role, name, text, str(right), rule, ())


def _inputs(sheet: Sheet) -> Iterator[Finding]:
    """Inputs whose size stands in another cell of their row, too: ``Image (224, 224, 3)``."""
    column = sheet.columns.get("out")
    for entry in sheet.layers if column is not None else ():
        if entry.kind != "input" or column is None:
            continue
        printed = [each.dims for each in shapes(entry.cells[column]) or ()]
        for k, cell in enumerate(entry.cells):
            said = re.search(r"\((\d+(?:, ?\d+)+)\)", cell) if k != column else None
            dims = tuple(map(int, re.findall(r"\d+", said[1]))) if said else ()
            if len(printed) != 1 or len(dims) != len(printed[0]):
                continue
            if sum(a != b for a, b in zip(dims, printed[0], strict=True)) == 1 and said:
                rule = f"either this is wrong or {sheet.headers[k]}, which says {said[1]}"
                yield Finding.of(sheet, entry, "out", said[0], rule)


_WIDTH = re.compile(
    r"(?i)\b(?:conv(?:olution)?(?:\dd)?|dense|fc|lstm|gru)[ _-]?(\d{2,5})(?![\dx×]| ?[x×] ?\d)"
)
MANY = 2
"""Names that hold the width of their layer, for another one to be wrong that does not."""


def _widths(sheet: Sheet) -> Iterator[Finding]:
    """Names that say how wide a layer is, ``Conv32 + MaxPool``, and one that says otherwise."""
    named, wrong = 0, []
    for entry in sheet.layers:
        said, made = _WIDTH.search(entry.name), printed_state(entry, "out").c
        if said is None or made is None or "channels_out" in entry.values:
            continue
        if int(said[1]) == made:
            named += 1
        else:
            wrong.append((entry, int(said[1]), made))
    if named < MANY or len(wrong) != 1:
        return
    ((entry, said_, made),) = wrong
    rule = f"{named} other names hold the width of their layer"
    column = sheet.columns.get("layer", 0)
    if entry.cells[column].count(str(said_)) == 1:
        text = entry.cells[column].replace(str(said_), str(made))
        yield Finding.of(sheet, entry, "layer", text, f"either this is wrong or its width: {rule}")
    role = "out_c" if "out_c" in entry.columns else "out"
    if role in sheet.columns:
        told = f"either this is wrong or its name: {rule}"
        yield Finding.of(sheet, entry, role, str(said_), told)


def _positions(sheet: Sheet) -> Iterator[Finding]:
    """Embeddings, as Keras prints them, of other positions than the input before them has."""
    rows = sheet.layers if sheet.program == "keras" else ()
    for k, (taken, entry) in enumerate(pairwise(rows)):
        linked = not entry.sources or any(key in entry.sources for key in keys(taken))
        given, made = printed_state(taken, "out"), printed_state(entry, "out")
        plain = taken.kind == "input" and "out" in taken.flat and entry.kind == "embedding"
        if not (plain and linked and given.c and len(made.ext or ()) == 1):
            continue
        after = printed_state(rows[k + 2], "out") if k + 2 < len(rows) else made
        if made.ext == (given.c,) or None in (made.ext or ()):
            continue
        rule = f"{made.ext[0] if made.ext else 0} positions are looked up of {given.c}"
        both = after.ext not in (made.ext, (given.c,))
        if both or after.ext == (given.c,):
            yield _finding(sheet, entry, "out_h", given.c, rule, both)
        if both or after.ext == made.ext:
            right = made.ext[0] if made.ext else None
            yield _finding(sheet, taken, "out_c", right or 0, rule, both)


def _finding(sheet: Sheet, entry: Entry, role: str, right: int, rule: str, both: bool) -> Finding:
    said = f"either this is wrong or the row beside it: {rule}" if both else rule
    return Finding.of(sheet, entry, role, str(right), said)
