"""What part of the whole a row has: ``2.42 k, 3.92% Params``, as DeepSpeed and others print it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from archcalc.claims.causes import label, number
from archcalc.claims.finding import Finding
from archcalc.claims.printed import Printed
from archcalc.claims.readings import Reading
from archcalc.claims.tables.sheet import Entry, Number, Sheet

FEWEST = 3
"""Shares that must agree before one that does not is wrong."""
_HEAD = re.compile(r"% of (params|macs|flops)", re.IGNORECASE)


def shares(sheet: Sheet, told: Reading) -> Iterator[Finding]:
    """Shares that are not what a row's number is of the last row's, the whole's.

    Where more than one in five is not, they are counted in another way, and none is checked.
    """
    for column, role in shared(sheet):
        total = sheet.entries[-1].printed.get(role) if sheet.entries else None
        if total is None or sheet.entries[-1].kind != "total" or not total.value:
            continue
        told_ = [_share(entry, column, role, told, total) for entry in sheet.entries[:-1]]
        found = [each for each in told_ if each is not None]
        wrong = [each for each in found if each.right]
        if len(found) - len(wrong) < FEWEST or 5 * len(wrong) > max(5, len(found)):
            continue
        yield from wrong


def shared(sheet: Sheet) -> Iterator[tuple[int, str]]:
    """The columns of shares, each with what it is a share of."""
    for column, head in enumerate(sheet.headers):
        said = _HEAD.fullmatch(head)
        if said is None:
            continue
        for role in ("params", *sheet.work):
            if role in sheet.columns and said[1].lower() == sheet.headers[
                sheet.columns[role]
            ].lower().replace("madd", "flops"):
                yield column, role


def _share(entry: Entry, column: int, role: str, told: Reading, total: Printed) -> Finding | None:
    """A row's share held against its number: a finding without a right share where it holds."""
    cell = entry.cells[column]
    own = entry.printed.get(role)
    digits = re.fullmatch(r"(\d+)(?:\.(\d+))?%", cell)
    if own is None or digits is None:
        return None
    said = Fraction(cell.rstrip("%"))
    step = Fraction(1, 10 ** len(digits[2] or ""))
    option = told.found.options[entry.index]
    right: Number | None = told.expected[entry.index].get(role)
    if role == "params" and option is not None and option.layer.params is not None:
        right = option.layer.params
    rounded = right is None or right == own.value
    value, loose = (own.value, own.step) if rounded else (Fraction(right or 0), Fraction(0))
    if loose >= total.value or total.step >= total.value:
        return None
    least = 100 * max(Fraction(0), value - loose) / (total.value + total.step) - step
    most = 100 * (value + loose) / (total.value - total.step) + step
    holds = least <= said <= most
    part = 100 * value / total.value
    shown = "" if holds else f"{float(part):.{len(digits[2] or '')}f}%"
    rule = f"{number(value)} of {total.text} are {shown}"
    return Finding(entry.index, column, "share", label(entry), cell, shown, rule, ())
