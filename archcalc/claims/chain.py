"""What the cells of a printed table should say, layer after layer.

Some cells are choices of who designed the network: kernels, strides, paddings, the channels that a
convolution gives, where an input comes from. All others follow: inputs from what the layers before
give, outputs from the window formula, parameters from the shapes of the weights. A table is read
in the way that leaves the fewest cells wrong: a choice is taken to be misprinted only where that
explains two other cells or more, and leaves nothing else wrong in its own row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from fractions import Fraction
from itertools import product
from math import isqrt
from typing import Any, NamedTuple

from archcalc.claims.step import BIASES, OPS, Counting, Place, Step
from archcalc.claims.tables import Entry, Number, Sheet

Sources = tuple[int, ...] | None
"""Rows that an input comes from: none for the network's own input, None where unknown."""

MOST_STEPS = 300_000
"""Rows worked out while searching for misprinted choices: strangers' tables are no endless job."""

MOST_COUNTINGS = 4
"""Ways to count a table that are considered in full."""

FAR = 40
"""Rows back in which another producer is looked for."""


class Reading(NamedTuple):
    """What every cell of a table should be, under some choices."""

    expected: tuple[Mapping[str, Number], ...]
    """For each row, by role; cells of which nothing follows are left out."""
    outs: tuple[tuple[Number | None, ...], ...]
    """What each row gives: height, width, channels."""
    sources: tuple[Sources, ...]
    counting: Counting
    choices: Mapping[Place, Any]
    """Cells taken to be misprinted, and what they should say; ``source`` holds row indices."""
    notes: tuple[tuple[int, str], ...]
    """What was assumed that the table does not say."""

    def wrong(self, sheet: Sheet) -> dict[Place, Number]:
        """The printed cells that differ from what they should be, and that."""
        found: dict[Place, Number] = {}
        for entry, expected in zip(sheet.entries, self.expected, strict=True):
            found.update(_differing(entry, expected))
        return found


def _differing(entry: Entry, expected: Mapping[str, Number]) -> Iterator[tuple[Place, Number]]:
    for role, value in expected.items():
        printed = entry.values.get(role)
        if printed is None or printed == value:
            continue
        exact = entry.printed.get(role)
        if exact is None or not exact.verdict(value).holds:
            yield (entry.index, role), value


def named_sources(sheet: Sheet) -> tuple[tuple[Sources, ...], dict[Place, tuple[str, str]]]:
    """Where each row's input comes from, and the names that no earlier row has.

    A name means the nearest earlier row that bears it. A row that names none takes the row before.
    The second value gives, for each unknown name, the name and the nearest known one (or "").
    """
    found: list[Sources] = []
    unknown: dict[Place, tuple[str, str]] = {}
    latest: dict[str, int] = {}
    previous: int | None = None
    for entry in sheet.entries:
        if entry.kind == "total":
            found.append(None)
            continue
        if entry.sources:
            rows: list[int | None] = []
            for name in entry.sources:
                row = latest.get(name)
                if row is None and previous is not None and name.lower() not in _INPUTS:
                    others = [key for key, at in latest.items() if at > entry.index - FAR]
                    near = [n for n in others if n not in entry.sources]
                    match = get_close_matches(name, near, n=1, cutoff=0.7)
                    unknown[entry.index, name] = (name, match[0] if match else "")
                    row = latest[match[0]] if match else None
                    rows.append(row)
                elif row is not None:
                    rows.append(row)
            found.append(None if None in rows else tuple(row for row in rows if row is not None))
        elif entry.kind in ("concat", "add"):
            found.append(None)
        else:
            found.append(() if previous is None else (previous,))
        previous = entry.index
        if entry.name:
            latest[entry.name] = entry.index
            latest[f"{entry.stage}.{entry.name}"] = entry.index
    return tuple(found), unknown


_INPUTS = frozenset(("input", "image", "data", "x", "input image"))


def read_chain(sheet: Sheet) -> Reading:
    """The reading of a table that leaves the fewest cells wrong."""
    sources, _ = named_sources(sheet)
    pooled = any(entry.kind == "pool" for entry in sheet.entries)
    chain = _Chain(sheet, sources, pooled)
    linear = any(entry.kind == "linear" for entry in sheet.entries)
    countings = [
        Counting(conv, flat, rounding, ops)
        for rounding, conv, flat, ops in product(
            ("floor", "ceil") if pooled else ("floor",),
            BIASES,
            BIASES[:2] if linear else BIASES[:1],
            (*OPS, "") if sheet.has("ops") else ("",),
        )
    ]
    readings = [chain.read(counting, {}) for counting in countings]

    def cost(reading: Reading) -> float:
        # Not to check a column is right only where most of it would be wrong.
        unchecked = sum("ops" in e.values and e.weighted for e in sheet.entries) / 2
        return chain.cost(reading) + (0 if reading.counting.ops else unchecked)

    least = min(map(cost, readings))
    if not least:
        return min(readings, key=cost)
    # A misprint may look like another way to count, until it is repaired.
    likely = sorted(readings, key=cost)[:MOST_COUNTINGS]
    return min((chain.repair(r) for r in likely if cost(r) < least + 8), key=cost)


class _Chain:
    """The search for the reading of one table."""

    def __init__(self, sheet: Sheet, sources: tuple[Sources, ...], pooled: bool) -> None:
        self.sheet = sheet
        self.sources = sources
        self.pooled = pooled
        self.steps = 0

    def cost(self, reading: Reading) -> int:
        """Wrong cells, the total among them, and producers that are other than named."""
        moved = sum(role == "source" for _, role in reading.choices)
        return len(reading.wrong(self.sheet)) + moved + self._misses_total(reading)

    def _misses_total(self, reading: Reading) -> bool:
        entries = self.sheet.entries
        totals = [e.printed for e in entries if e.kind == "total" and "params" in e.printed]
        total = totals[-1]["params"] if totals else None
        if total is None:
            return False
        rows = [e for e in entries if e.kind != "total" and "params" in e.values]
        right = sum(reading.expected[e.index].get("params", e.values["params"]) for e in rows)
        return not total.verdict(right).holds

    def read(
        self,
        counting: Counting,
        choices: Mapping[Place, Any],
        known: Reading | None = None,
        start: int = 0,
    ) -> Reading:
        """What follows from the choices; rows before ``start`` as they are known."""
        expected = list(known.expected[:start]) if known else []
        outs = list(known.outs[:start]) if known else []
        notes = [note for note in known.notes if note[0] < start] if known else []
        sources = list(self.sources)
        for (row, role), value in choices.items():
            if role == "source":
                sources[row] = value
        for entry in self.sheet.entries[start:]:
            self.steps += 1
            given = sources[entry.index]
            before = entry.index - 1
            skipped = before >= 0 and outs[before][:2] == (1, 1) and given != (before,)
            step = Step(entry, counting, choices, self.pooled, not skipped)
            step.run(None if given is None else [outs[row] for row in given])
            expected.append(step.expected)
            outs.append(step.out)
            notes += [(entry.index, note) for note in step.notes]
        return Reading(
            tuple(expected), tuple(outs), tuple(sources), counting, dict(choices), tuple(notes)
        )

    def repair(self, reading: Reading) -> Reading:
        """Take choices to be misprinted as long as that leaves fewer cells wrong."""
        while True:
            now = self.cost(reading)
            wrong = reading.wrong(self.sheet)
            rows = {row for row, _ in wrong}
            rows |= {at for row in rows for at in reading.sources[row] or ()}
            best, least = reading, now
            for row in sorted(rows):
                if self.steps > MOST_STEPS:
                    return reading
                for role, value in self._alternatives(row, reading):
                    choices = {**reading.choices, **dict.fromkeys(_cells(row, role), value)}
                    if choices == reading.choices or not self._settles(row, role, choices, reading):
                        continue
                    other = self.read(reading.counting, choices, reading, row)
                    cost = self.cost(other)
                    if cost < least:
                        best, least = other, cost
            if best is reading:
                return reading
            reading = best

    def _settles(self, row: int, role: str, choices: Mapping[Place, Any], reading: Reading) -> bool:
        """Whether a choice leaves nothing else wrong in its own row."""
        entry = self.sheet.entries[row]
        step = Step(entry, reading.counting, choices, self.pooled)
        given = choices.get((row, "source"), self.sources[row])
        step.run(None if given is None else [reading.outs[at] for at in given])
        changed = {cell for _, cell in _cells(row, role)}
        return all(cell in changed for (_, cell), _ in _differing(entry, step.expected))

    def _alternatives(self, row: int, reading: Reading) -> Iterator[tuple[str, Any]]:
        """What a row's choices could be instead, the likelier first."""
        entries = self.sheet.entries
        entry, values = entries[row], entries[row].values
        expected = reading.expected[row]
        near = [
            entries[at] for at in (row - 1, row + 1, row - 2, row + 2) if 0 <= at < len(entries)
        ]

        def others(*roles: str) -> list[Number]:
            return [other.values[role] for other in near for role in roles if role in other.values]

        users = [e for e, given in zip(entries, reading.sources, strict=True) if given == (row,)]
        if entry.weighted:
            consumed = [
                u.values[r] for u in users for r in ("channels_in", "in_c") if r in u.values
            ]
            widths = [values[role] for role in ("out_c",) if role in values] + consumed
            cin, params = expected.get("channels_in"), values.get("params")
            kernel = values.get("kernel_h", 1) * values.get("kernel_w", 1)
            if cin and params and entry.kind != "linear":
                square = params // max(1, values.get("channels_out", 1)) // cin
                side = isqrt(int(square))
                if side and side * side == square:
                    yield "kernel", side
            if cin and params:
                each = kernel * cin + reading.counting.extra(entry.kind)
                widths += [params // each] if params % each == 0 else []
            widths += others("channels_out", "channels_in")
            for width in dict.fromkeys(widths):
                yield "channels_out", width
        usual: dict[str, list[Number]] = {
            "kernel": [1, 2, 3, 4, 5, 7, 11],
            "stride": [1, 2, 3, 4, 7],
            "pad": [0, *(Fraction(n, 2) if n % 2 else n // 2 for n in range(1, 11))],
        }
        printed = {
            role: found
            for role, found in (("kernel", "kernel_h"), ("stride", "stride"), ("pad", "pad"))
            if found in values
        }
        if "kernel" in printed:
            yield "kernel_h", values.get("kernel_w")
            yield "kernel_w", values["kernel_h"]
        for role, found in printed.items():
            for number in dict.fromkeys(others(found)):
                yield role, number
        for role in printed:
            for number in usual[role]:
                yield role, number
        if reading.sources[row] == ():
            yield "in_h", values.get("in_w")
            yield "in_w", values.get("in_h")
            yield "in_c", values.get("channels_in")
        shape = tuple(values.get(role) for role in ("in_h", "in_w", "in_c"))
        if shape[2] is None:
            shape = (*shape[:2], values.get("channels_in"))
        if any(shape) and entry.kind not in ("concat", "add"):
            for at in range(row - 1, max(-1, row - FAR), -1):
                out = reading.outs[at]
                alike = all(a is None or a == b for a, b in zip(shape, out, strict=True))
                if alike and None not in out:
                    yield "source", (at,)


def _cells(row: int, role: str) -> list[Place]:
    return [(row, "kernel_h"), (row, "kernel_w")] if role == "kernel" else [(row, role)]
