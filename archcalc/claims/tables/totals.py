"""What the rows of a printed table add up to."""

from __future__ import annotations

import re
from collections.abc import Mapping

from archcalc.claims.tables.evidence import Option
from archcalc.claims.tables.sheet import Entry, Sheet

SUBTOTAL = re.compile(
    r"\W*(sub-?total|小计|zwischensumme|sous-total|подытог|소계|小計)\W*", re.IGNORECASE
)
"""What a row is called that adds up some of the rows above it."""
SUB = "subtotal"
"""The word of such a row's kind."""
OWN = range(1, 8)
"""Numbers that an optimizer keeps beside those of each parameter: steps, rates, scales. It counts
its steps at least: just twice the parameters is no such total."""


def total_row(sheet: Sheet) -> Entry | None:
    """The row of the printed total of parameters."""
    rows = [e for e in sheet.entries if e.kind == "total" and "params" in e.printed]
    rows = [e for e in rows if not is_part(sheet, e)]
    return rows[-1] if rows else None


def is_part(sheet: Sheet, total: Entry) -> bool:
    """Whether a total is of the rows above it: it says so, or stands in the midst of rows."""
    rows = [e.index for e in sheet.addends if "params" in e.printed]
    midst = bool(rows) and rows[0] < total.index < rows[-1]
    return midst or total.what.word == SUB


def summed(
    sheet: Sheet, readings: Mapping[int, Option], right: bool = True
) -> tuple[int, int] | None:
    """What the rows add up to, and how inexact that is; None where too little is known.

    ``right`` takes wrong cells as they should be, otherwise as they are printed.
    """
    value, slack = 0, 0
    if not any("params" in e.printed for e in sheet.addends):
        return None
    for entry in sheet.addends:
        option = readings.get(entry.index)
        expected = option.expected.get("params") if option else None
        if "params" in entry.printed:
            exact = entry.printed["params"]
            if right and option and "params" in option.wrong and expected is not None:
                value += int(expected)
            else:
                value += int(exact.value)
                slack += int(exact.step) if exact.step > 1 else 0
        elif right and expected and damaged(sheet, entry):
            value += int(expected)
    return value, slack


def adds_up(sheet: Sheet, value: int, slack: int = 0) -> bool:
    """Whether the printed total is a sum of parameters, or that and what an optimizer keeps.

    Keras 3 counts the optimizer's numbers in the total: two for each trained parameter of Adam,
    or one, and a few of its own.
    """
    total = total_row(sheet)
    if total is None:
        return True
    exact, whole = total.printed["params"], sheet.whole
    trained = whole.trained if whole else value
    kept = [0, whole.optimizer] if whole and whole.optimizer else [0]
    if sheet.program != "pytorch" and not (whole and whole.optimizer):
        kept += [times * trained + own for times in (1, 2, 3) for own in OWN]
    return any(
        exact.verdict(value + more).holds
        or (slack and abs(value + more - exact.value) <= slack + exact.step)
        for more in kept
    )


def adding(sheet: Sheet) -> bool:
    """Whether the rows add up to the total as they are printed, to the last digit."""
    total = total_row(sheet)
    if total is None or total.printed["params"].step > 1:
        return False
    found = summed(sheet, {}, right=False)
    return found is not None and not found[1] and adds_up(sheet, found[0])


def damaged(sheet: Sheet, entry: Entry) -> bool:
    """Whether a row's parameters are printed but can't be read."""
    place = sheet.columns.get("params")
    return any(u.row == entry.index and u.column == place for u in sheet.unreadable)
