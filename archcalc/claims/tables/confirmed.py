"""The reading of a table whose total is said twice: what it says of a row that is misprinted.

Programs print the total, and below it how much of that trains. Where both agree and the rows do not
add up to them, the slip is in a row: the one that a slip of digits brings to what is missing, and
that is a layer, too, with that number.
"""

from __future__ import annotations

from dataclasses import replace

from archcalc.claims.printed import Printed
from archcalc.claims.tables.ending import TIE
from archcalc.claims.tables.evidence import MISPRINT, Option, slip
from archcalc.claims.tables.kinds import WEIGHTED
from archcalc.claims.tables.paths import Reading
from archcalc.claims.tables.search import TIRED, Search
from archcalc.claims.tables.sheet import Entry, Sheet
from archcalc.claims.tables.totals import adds_up, is_part, total_row

MOST_TRIED = 8
"""Rows of which one may be what is missing, for it to be looked for."""
UNUSUAL = 3.0
"""What a row costs that counts otherwise than its like."""
ALIKE = 1.0
"""What it is worth that another row prints the number that a row is then taken to mean."""


def explained(sheet: Sheet) -> Reading:
    """The cheapest reading of a table, its total taken for right where it is confirmed."""
    search = Search(sheet)
    found = search.run()
    missing, confirmed = _missing(sheet)
    rows = [e for e in sheet.addends if missing and _slipped(e, found.options[e.index], missing)]
    if not confirmed:
        # A total that is said once may be wrong as well: but not where a row lacks just that, or
        # where it is no slip of what the rows add up to, as a row's number is.
        lacking = [e for e in rows if _unbiased(found.options[e.index], missing)]
        lacking = lacking if len(lacking) == 1 and _biased(sheet, found) > 0 else []
        rows = lacking or ([] if _total_slipped(sheet, missing) else rows)
    # What a formula gives is wrong only where no other row is.
    rows = [e for e in rows if not _worked(e, found.options[e.index])] or rows
    # Of those a number that is unusual for its kind: a normalization's, of twice as many a channel.
    rows = [e for e in rows if _unusual(found.options[e.index])] or rows
    if not 0 < len(rows) <= MOST_TRIED or search.steps * len(rows) > TIRED or found.sums:
        return found
    rated = sorted((_meant(sheet, entry, missing) for entry in rows), key=lambda each: each.cost)
    best = rated[0]
    if best.cost > found.cost:
        return found
    others = tuple(
        {r: o for r, o in enumerate(other.options) if o is not None and o.wrong}
        for other in rated[1:]
        if other.cost <= best.cost + TIE
    )
    return best._replace(others=(*best.others, *others))


def _missing(sheet: Sheet) -> tuple[int, bool]:
    """What a total has more than the rows together, 0 if nothing; whether it is confirmed."""
    total, whole = total_row(sheet), sheet.whole
    if total is None or "params" not in total.exact:
        return 0, False
    printed = int(total.values["params"])
    rows = [e for e in sheet.addends if "params" in e.values]
    summed = sum(int(e.values["params"]) for e in rows)
    if not rows or any(e.printed["params"].step > 1 for e in rows) or adds_up(sheet, summed):
        return 0, False
    if whole is not None and printed in (sum(whole), whole.trained + whole.frozen):
        return whole.trained + whole.frozen - summed, True
    return printed - summed, _said_again(sheet, total)


def _said_again(sheet: Sheet, total: Entry) -> bool:
    """Whether a total stands in the table, and again below it."""
    same = (e.values.get("params") == total.values["params"] for e in sheet.entries)
    totals = [e for e, alike in zip(sheet.entries, same, strict=True) if alike]
    return sum(e.kind == "total" and not is_part(sheet, e) for e in totals) > 1


def _slipped(entry: Entry, option: Option | None, missing: int) -> bool:
    """Whether a slip of digits, or biases left out, makes a row's number of what it should be."""
    printed = entry.values.get("params")
    if not isinstance(printed, int) or "params" not in entry.exact or printed + missing < 0:
        return False
    if not printed and entry.kind not in WEIGHTED:
        return False
    right = printed + missing
    # Half of what is right is rather a row that the total counts twice.
    return _unbiased(option, missing) or slip(printed, right) or 2 * right == printed


def _total_slipped(sheet: Sheet, missing: int) -> bool:
    """Whether a slip of digits makes the printed total of what the rows add up to."""
    total = total_row(sheet)
    printed = int(total.values["params"]) if total else 0
    return slip(printed, printed - missing)


def _unbiased(option: Option | None, missing: int) -> bool:
    """Whether biases are all that a row lacks of what it should have."""
    return option is not None and not option.layer.bias and option.layer.cout == missing


def _biased(sheet: Sheet, found: Reading) -> int:
    """How many more rows with weights count biases than do not, but one."""
    layers = [o.layer for o in found.options if o is not None and o.layer.params]
    return sum(2 * (each.bias == 1) - 1 for each in layers if each.kind in WEIGHTED) + 1


def _worked(entry: Entry, option: Option | None) -> bool:
    """Whether a row's formula gives the number that it prints."""
    return option is not None and option.expected.get("params") == entry.values["params"]


def _unusual(option: Option | None) -> bool:
    """Whether a row counts otherwise than its like."""
    return option is not None and option.price > UNUSUAL


def _meant(sheet: Sheet, entry: Entry, missing: int) -> Reading:
    """The reading where one row has what is missing, which is a misprint."""
    row, right = entry.index, int(entry.values["params"]) + missing
    meant = replace(
        entry,
        values={**entry.values, "params": right},
        printed={**entry.printed, "params": Printed.parse(right)},
    )
    entries = tuple(meant if e.index == row else e for e in sheet.entries)
    found = Search(replace(sheet, entries=entries)).run()
    option = found.options[row]
    if option is None or "params" in option.wrong:
        return found._replace(cost=99.0 * MISPRINT)
    accused = Option(
        option.out,
        option.price,
        {**option.expected, "params": right},
        option.layer,
        option.notes,
        (*option.wrong, "params"),
        option.cost + MISPRINT,
        option.given,
    )
    options = tuple(accused if k == row else each for k, each in enumerate(found.options))
    alike = any(e.values.get("params") == right for e in sheet.addends)
    return found._replace(options=options, cost=found.cost + MISPRINT - ALIKE * alike)
