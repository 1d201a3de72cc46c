"""What rows add up to: the printed totals, and the modules of a tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import prod
from typing import NamedTuple

from archcalc.claims.causes import Cause, label, number, slips
from archcalc.claims.finding import Finding, Totals
from archcalc.claims.readings import Reading
from archcalc.claims.tables.cells import worked_out
from archcalc.claims.tables.evidence import slip
from archcalc.claims.tables.sheet import TREES, Entry, Number, Sheet
from archcalc.claims.tables.totals import SUB, adds_up, is_part, total_row

MOST_REPAIRED = 20
"""Modules whose sums are mended one after the other."""


def totals(sheet: Sheet, told: Reading) -> tuple[Totals | None, list[Finding]]:
    """The printed total against its rows, printed and right."""
    rows = [entry for entry in sheet.addends if "params" in entry.values]
    if not rows or any(entry.printed["params"].step > 1 for entry in rows):
        return None, []
    summed = sum(int(entry.values["params"]) for entry in rows)
    effects = {
        row: int(v - sheet.entries[row].values["params"])
        for (row, r), v in told.wrong.items()
        if r == "params"
    }
    right = summed + sum(effects.values())
    total = total_row(sheet)
    if total is None:
        return Totals(None, summed, right, len(effects)), []
    found = []
    exact = total.printed["params"]
    printed = int(total.values["params"])
    frozen = sum(int(e.values.get("frozen", 0)) for e in sheet.addends)
    lost = any(u.column == sheet.columns["params"] for u in sheet.unreadable)
    holds = adds_up(sheet, right) or exact.verdict(right + frozen).holds
    said = sheet.whole and printed in (sum(sheet.whole), sheet.whole.trained + sheet.whole.frozen)
    more = printed > right and (said or sheet.elided)
    if not holds and not lost and not more:
        rule = _total_rule(summed, right, len(effects))
        causes = _total_causes(printed, summed, right, rows, exact.verdict(summed).holds)
        found.append(Finding.of(sheet, total, "params", exact.like(right), rule, causes))
    return Totals(printed, summed, right, len(effects)), found


def subtotals(sheet: Sheet, told: Reading) -> Iterator[Finding]:
    """Totals in the midst of a table that the rows above them do not add up to.

    Each is of the rows since the one before it, or of all above, as it is for most of them: a
    slip of digits in one is told by the others, or by the table's own total.
    """
    rows = [e for e in sheet.addends if "params" in e.printed]
    parts = [e for e in sheet.entries if e.kind == "total" and "params" in e.printed]
    parts = [e for e in parts if is_part(sheet, e)]
    if any(e.printed["params"].step > 1 for e in rows):
        return
    right = {e.index: int(told.wrong.get((e.index, "params"), e.values["params"])) for e in rows}
    wrong = []
    for start, entry in zip([0, *(e.index for e in parts)], parts, strict=False):
        above = sum(n for row, n in right.items() if row < entry.index)
        since = above - sum(n for row, n in right.items() if row < start)
        if not any(entry.printed["params"].verdict(n).holds for n in (since, above)):
            wrong.append((entry, since))
    for entry, since in wrong:
        sure = entry.what.word == SUB or len(wrong) < len(parts)
        if sure or slip(int(entry.values["params"]), since):
            rule = f"the rows above it add up to {number(since)}"
            shown = entry.printed["params"].like(since)
            yield Finding.of(sheet, entry, "params", shown, rule)


def right_sum(sheet: Sheet, told: Reading) -> int:
    """What the rows add up to as they should be."""
    rows = [e for e in sheet.addends if "params" in e.values]
    return sum(int(told.wrong.get((e.index, "params"), e.values["params"])) for e in rows)


def workings(sheet: Sheet, told: Reading) -> Iterator[Finding]:
    """Parameters that are not what is printed of how they come about, or the other way round."""
    yield from _within(sheet, told)
    # What is worked out of a row that has none is its size.
    rows = [e for e in sheet.entries if "worked" in e.values and e.values.get("params")]
    total = total_row(sheet)
    missing = 0 if total is None else int(total.values["params"]) - right_sum(sheet, told)
    for entry in rows:
        worked, printed = int(entry.values["worked"]), entry.printed["params"]
        if printed.verdict(worked).holds or (entry.index, "params") in told.wrong:
            continue
        summed = total is not None and missing in (0, worked - int(printed.value))
        number_ = summed and missing != 0
        # That the layer has so many says as much as a sum that comes out.
        sure = summed or told.expected[entry.index].get("params") == entry.values["params"]
        column = sheet.columns["worked"]
        rule = f"{entry.cells[column]} = {number(worked)}"
        if not sure:
            rule = f"either this is wrong or how it comes about: {rule}"
        if number_ or not sure:
            yield Finding.of(sheet, entry, "params", printed.like(worked), rule)
        if not number_:
            rule = f"it comes to {number(worked)}, not to {printed.text}"
            yield Finding.of(sheet, entry, "worked", "", rule)


def _within(sheet: Sheet, told: Reading) -> Iterator[Finding]:
    """Cells that say a number and how it comes about, which is another: ``84*10+10=85``."""
    for entry in sheet.layers:
        column = entry.columns.get("params")
        if column is None or not entry.values.get("params"):
            continue
        sides = [side.strip("*`~ ") for side in entry.cells[column].split("=")]
        numbers = [worked_out(side) for side in sides]
        if len(numbers) != 2 or None in numbers or numbers[0] == numbers[1]:
            continue
        right = told.expected[entry.index].get("params", entry.values["params"])
        if right in numbers and (entry.index, "params") not in told.wrong:
            rule = f"{sides[0]} is not {sides[1]}"
            shown = entry.printed["params"].like(int(right))
            yield Finding.of(sheet, entry, "params", shown, rule)


def more_trained(sheet: Sheet, told: Reading) -> Iterator[Finding]:
    """Rows of which more trains than there is, where no formula says which number is wrong."""
    total = total_row(sheet)
    missing = 0 if total is None else int(total.values["params"]) - right_sum(sheet, told)
    for entry in sheet.layers:
        if not {"params", "trained"} <= entry.values.keys():
            continue
        whole, part = int(entry.values["params"]), int(entry.values["trained"])
        named = {(entry.index, "params"), (entry.index, "trained")} & told.wrong.keys()
        if part <= whole or named or entry.printed["params"].step > 1:
            continue
        rule = f"{number(part)} of {number(whole)} can't train"
        either = f"either this is wrong or what trains: {rule}"
        if total is None or missing == part - whole:
            shown = entry.printed["params"].like(part)
            yield Finding.of(sheet, entry, "params", shown, rule if missing else either)
        if missing != part - whole:
            shown = entry.printed["trained"].like(whole)
            yield Finding.of(sheet, entry, "trained", shown, rule)


def work_totals(sheet: Sheet, told: Reading) -> Iterator[Finding]:
    """Totals of work, or of memory, that the rows do not add up to."""
    for role in (*sheet.work, *(r for r in sheet.memory if r in told.found.manner.memory)):
        rows = [e for e in sheet.layers if role in e.printed]
        totals = [e for e in sheet.entries if e.kind == "total" and role in e.printed]
        if len(rows) < 2 or not totals:
            continue
        total, exact = totals[-1], totals[-1].printed[role]
        right = [told.wrong.get((e.index, role), e.printed[role].value) for e in rows]
        inexact = [p for e in rows if (p := e.printed[role]).step > 1 or p.decimals]
        slack = sum(p.step for p in inexact) / 2
        summed = sum(right)
        off = abs(summed - exact.value)
        # A total that is far from the sum counts something else.
        near = off <= slack + exact.step if slack else exact.verdict(summed).holds
        # Functions that are no modules work, too.
        near = near or (sheet.form == "modules" and exact.value > summed)
        if near or not summed or not 0.3 < exact.value / summed < 3:
            continue
        whole = round(summed)
        rule = f"the rows add up to {number(whole)}"
        slipped = slip(round(exact.value / exact.step), round(summed / exact.step))
        missing, loose = exact.value - summed, slack + exact.step
        if not slipped and (lone := _lone(sheet, told, rows, role, missing, loose)):
            entry, meant = lone
            shown = entry.printed[role].like(meant)
            rule = f"with {shown} the rows add up to the total, as printed to {number(whole)}"
            yield Finding.of(sheet, entry, role, shown, rule)
            continue
        yield Finding.of(sheet, total, role, exact.like(whole), rule)


def _lone(
    sheet: Sheet,
    told: Reading,
    rows: Sequence[Entry],
    role: str,
    missing: Number,
    slack: Fraction | float,
) -> tuple[Entry, int] | None:
    """The only row that is off by what a total lacks, and is twice or half of what it should be.

    A total that is no slip of the sum is told by it: of numbers that count twice what others do,
    one is printed so by mistake.
    """
    found = []
    for entry in rows:
        value = entry.printed[role].value
        right = value + missing
        doubled = min(abs(2 * right - value), abs(right - 2 * value)) <= 2 * slack
        if value and right > 0 and doubled and (entry.index, role) not in told.wrong:
            found.append((entry, round(right)))
    return found[0] if len(found) == 1 else None


def _total_rule(summed: int, right: int, rows: int) -> str:
    if not rows:
        return f"the rows add up to {number(summed)}"
    are = "row is" if rows == 1 else "rows are"
    return (
        f"the printed rows add up to {number(summed)}, of which {rows} {are} wrong "
        f"by {right - summed:+,}: {number(summed)} {right - summed:+,} = {number(right)}"
    )


def _total_causes(
    printed: int, summed: int, right: int, rows: list[Entry], sums: bool
) -> Iterator[Cause]:
    if sums:
        yield Cause(0, "it is the sum of the printed rows, wrong ones included")
        return
    for whole, what in ((summed, ""), (right, " (rows as they should be)")):
        for entry in rows:
            value = int(entry.values["params"])
            if value and printed == whole - value:
                yield Cause(1, f"{label(entry)} is left out{what}", (entry.index, "params"))
            if value and printed == whole + value:
                yield Cause(1.2, f"{label(entry)} is counted twice{what}", (entry.index, "params"))
        for text in slips(printed, whole):
            yield Cause(2, f"{text}{what}")
        if whole == right:
            return


# Modules ------------------------------------------------------------------------------------------


class _Sum(NamedTuple):
    """A module, and the rows that it is made of."""

    whole: int
    parts: tuple[int, ...]


def modules(sheet: Sheet, told: Reading) -> Iterator[Finding]:
    """Cells of a tree that its sums contradict: what a module has, its parts have together.

    A module may have more, of its own or by functions: then only what a slip of digits explains is
    wrong. Of the cells of a sum that does not hold, that one is named whose change mends most sums.
    """
    if sheet.form not in TREES:
        return
    for role in ("params", *sheet.work):
        values, steps = _values(sheet, told, role)
        sums = _sums(sheet, values)
        for _ in range(MOST_REPAIRED):
            broken = {s: off for s in sums if (off := _off(s, values, steps))}
            found = _culprits(sheet, role, sums, broken, values, steps)
            if not found:
                break
            for row, right in found:
                entry = sheet.entries[row]
                rule = _module_rule(sheet, role, sums, broken, row, values)
                if len(found) > 1:
                    others = ", ".join(label(sheet.entries[r]) for r, _ in found if r != row)
                    rule = f"either this is wrong or {others}: {rule}"
                at = role if role in entry.printed else "out"
                text = _as_shape(entry, right) or entry.printed[role].like(right)
                yield Finding.of(sheet, entry, at, text, rule)
            row, right = found[0]
            values[row] = right
            if len(found) > 1:
                sums = [s for s in sums if s not in broken]


def summed(sheet: Sheet, told: Reading) -> int:
    """How many modules of a tree have their parts' numbers held against their own."""
    if sheet.form not in TREES:
        return 0
    roles = ("params", *sheet.work)
    return len({s.whole for r in roles for s in _sums(sheet, _values(sheet, told, r)[0])})


def _values(
    sheet: Sheet, told: Reading, role: str
) -> tuple[dict[int, Fraction], dict[int, Fraction]]:
    """What every row says of a role, as it should be as far as is known, and how exactly."""
    values: dict[int, Fraction] = {}
    steps: dict[int, Fraction] = {}
    for entry in sheet.entries:
        row = entry.index
        sides = _sides(entry)
        if role in entry.printed:
            exact = entry.printed[role]
            right = told.wrong.get((row, role))
            values[row] = exact.value if right is None else Fraction(right)
            steps[row] = exact.step if exact.step > 1 else Fraction(0)
        elif entry.kind == "tensor" and role == "params" and sides:
            values[row], steps[row] = Fraction(prod(sides)), Fraction(0)
    return values, steps


def _sums(sheet: Sheet, values: dict[int, Fraction]) -> list[_Sum]:
    """The modules of a tree whose parts are all printed."""
    parts: dict[int, list[int]] = {}
    open_: list[Entry] = []
    root = next((e for e in sheet.entries if e.kind == "total"), None)
    for entry in sheet.entries:
        while open_ and entry.depth <= open_[-1].depth:
            open_.pop()
        if entry.kind == "total":
            continue
        if open_:
            parts.setdefault(open_[-1].index, []).append(entry.index)
        elif root is not None:
            parts.setdefault(root.index, []).append(entry.index)
        if entry.container:
            open_.append(entry)
    return [
        _Sum(whole, tuple(r for r in rows if r in values))
        for whole, rows in parts.items()
        if whole in values and any(r in values for r in rows)
    ]


def _off(each: _Sum, values: dict[int, Fraction], steps: dict[int, Fraction]) -> Fraction:
    """What the parts lack of the whole, beyond what rounding may hide."""
    off = values[each.whole] - sum(values[row] for row in each.parts)
    slack = steps[each.whole] + sum(steps[row] for row in each.parts)
    return Fraction(0) if abs(off) <= slack else off


def _culprits(
    sheet: Sheet,
    role: str,
    sums: list[_Sum],
    broken: dict[_Sum, Fraction],
    values: dict[int, Fraction],
    steps: dict[int, Fraction],
) -> list[tuple[int, Fraction]]:
    """The cells of which one is wrong, and what each should say; the likeliest sum first."""
    strict = sheet.form == "fvcore" and role == "params"
    for each, off in broken.items():
        rated = []
        for row in (each.whole, *each.parts):
            right = values[row] + (-off if row == each.whole else off)
            entry = sheet.entries[row]
            if right < 0 or not (role in entry.printed or _as_shape(entry, right)):
                continue
            changed = {**values, row: right}
            near = [s for s in sums if row == s.whole or row in s.parts]
            still = sum(bool(_off(s, changed, steps)) for s in near)
            before = sum(s in broken for s in near)
            slipped = _slipped(sheet, role, row, right, steps, each)
            rated.append((still - before, not slipped, row, right))
        rated.sort(key=lambda one: one[:2])
        best = [one for one in rated if one[:2] == rated[0][:2]]
        if not best or (off > 0 and not strict and best[0][1]):
            continue  # what is more may be the module's own
        if len(best) > 3 or best[0][1]:
            best = [one for one in best if one[2] == each.whole] or best[:1]
        return [(row, right) for _, _, row, right in best]
    return []


def _as_shape(entry: Entry, right: Fraction) -> str:
    """A tensor's size with one side changed so that it holds so many numbers, if that can be."""
    if entry.kind != "tensor":
        return ""
    sides = list(_sides(entry))
    for k, side in enumerate(sides):
        rest = prod(sides) // side
        if right > 0 and right % rest == 0:
            changed = [*sides[:k], int(right / rest), *sides[k + 1 :]]
            return f"({', '.join(map(str, changed))}{',' * (len(sides) == 1)})"
    return ""


def _sides(entry: Entry) -> tuple[int, ...]:
    return tuple(int(n) for role, n in entry.values.items() if role.startswith("out_"))


def _slipped(
    sheet: Sheet, role: str, row: int, right: Fraction, steps: dict[int, Fraction], each: _Sum
) -> bool:
    """Whether a slip of digits makes the printed number of one that rounding allows."""
    if role not in sheet.entries[row].printed:
        return True  # one side of a tensor
    exact = sheet.entries[row].printed[role]
    unit = exact.step or Fraction(1)
    slack = int(sum(steps[r] for r in (each.whole, *each.parts)) / unit)
    printed = round(exact.value / unit)
    near = round(right / unit)
    return any(
        abs(n - printed) > 1 and slip(printed, n)
        for n in range(near - min(slack, 20), near + min(slack, 20) + 1)
    )


def _module_rule(
    sheet: Sheet,
    role: str,
    sums: list[_Sum],
    broken: dict[_Sum, Fraction],
    row: int,
    values: dict[int, Fraction],
) -> str:
    each = next(s for s in broken if row == s.whole or row in s.parts)
    total = sum(values[r] for r in each.parts)
    if row == each.whole:
        return f"the rows that it is made of add up to {number(int(total))}"
    whole = sheet.entries[each.whole]
    return (
        f"the rows that {label(whole)} is made of add up to {number(int(total))}, "
        f"not to {whole.cells[sheet.columns[role]]}"
    )
