"""Which cells of a printed table contradict the others, why, and what that does to its total."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from archcalc.claims.causes import WORDS, Cause, causes, label, number, slips
from archcalc.claims.chain import Reading, read_chain
from archcalc.claims.finding import Audit, Finding, Totals
from archcalc.claims.headers import BRANCHES
from archcalc.claims.names import misspelt, moved_sources, unknown_sources
from archcalc.claims.rules import printed_like, rule
from archcalc.claims.step import Place
from archcalc.claims.tables import Entry, Number, Sheet, read_table
from archcalc.spec.graph import Graph
from archcalc.spec.model import Spec

MOST_SEARCHED = 500
"""Wrong cells whose causes are searched: a table that is wrong in more has one of its own."""


def audit(
    table: str | Path,
    against: str | Path | Spec | Graph | None = None,
    map: Mapping[str, str] | None = None,
) -> Audit:
    """Hold every cell of a printed table of layers against the others, and against a network.

    ``table`` is a CSV file, the text of one, or the name of a shipped one (``vgg16_structure``);
    ``against`` a network of the zoo, a spec's file, or a spec. ``map`` gives roles the headers of
    their columns where these are not recognized (:data:`archcalc.claims.headers.HEADERS`). A column
    that the table lacks is not checked.
    Raises :class:`ArchcalcError` for what can't be read as a table.
    """
    sheet = read_table(table, map)
    if all(role in sheet.columns for role in BRANCHES):
        from archcalc.claims.stages import audit_stages

        found = audit_stages(sheet)
    else:
        found = _audit(sheet)
    if against is None:
        return found
    from archcalc.claims.versus import compare

    name, differences = compare(sheet, against)
    return replace(found, against=name, differences=differences)


def _audit(sheet: Sheet) -> Audit:
    reading = read_chain(sheet)
    wrong = reading.wrong(sheet)
    found = [_finding(sheet, reading, wrong, place, k) for k, place in enumerate(wrong)]
    found += moved_sources(sheet, reading)
    found += unknown_sources(sheet)
    found += misspelt(sheet)
    totals, more = _totals(sheet, reading, wrong)
    found += more
    merged = _merge(sheet, reading, found)
    return Audit(
        name=sheet.name,
        headers=sheet.headers,
        rows=tuple(entry.cells for entry in sheet.entries),
        findings=tuple(sorted(merged, key=lambda each: (each.row, each.column))),
        unreadable=tuple((each.row, each.column, each.message) for each in sheet.unreadable),
        totals=totals,
        checked=_checked(sheet, reading, totals),
        notes=tuple(_notes(sheet, reading)),
        unmapped=sheet.unmapped,
    )


def _finding(
    sheet: Sheet, reading: Reading, wrong: Mapping[Place, Number], place: Place, before: int
) -> Finding:
    (row, role), right = place, wrong[place]
    entry = sheet.entries[row]
    column = sheet.columns[role]
    effect = 0
    if role == "params":
        effect = int(right - entry.values[role])
    return Finding(
        row,
        column,
        role,
        label(entry),
        entry.cells[column],
        printed_like(entry, role, right),
        rule(sheet, reading, place, right),
        causes(sheet, reading, wrong, place) if before < MOST_SEARCHED else (),
        effect,
    )


# Totals --------------------------------------------------------------------------------------


def _totals(
    sheet: Sheet, reading: Reading, wrong: Mapping[Place, Number]
) -> tuple[Totals | None, list[Finding]]:
    """The printed total against its rows, printed and right."""
    rows = [entry for entry in sheet.layers if "params" in entry.values]
    if not rows or any(entry.printed["params"].step > 1 for entry in rows):
        return None, []
    summed = sum(int(entry.values["params"]) for entry in rows)
    effects = {
        row: int(v - sheet.entries[row].values["params"])
        for (row, r), v in wrong.items()
        if r == "params"
    }
    right = summed + sum(effects.values())
    last = [entry for entry in sheet.entries if entry.kind == "total" and "params" in entry.values]
    if not last:
        return Totals(None, summed, right, len(effects)), []
    total = last[-1]
    found = []
    exact = total.printed["params"]
    printed = int(total.values["params"])
    if not exact.verdict(right).holds:
        column = sheet.columns["params"]
        found.append(
            Finding(
                total.index,
                column,
                "params",
                total.name or "total",
                total.cells[column],
                exact.like(right),
                _total_rule(summed, right, len(effects)),
                tuple(_total_causes(printed, summed, right, rows, exact.verdict(summed).holds)),
            )
        )
    return Totals(printed, summed, right, len(effects)), found


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
        for slip in slips(printed, whole):
            yield Cause(2, f"{slip}{what}")
        if whole == right:
            return


# Around the findings --------------------------------------------------------------------------


def _merge(sheet: Sheet, reading: Reading, found: list[Finding]) -> list[Finding]:
    """One finding for each printed cell: ``56x56x64`` may be wrong in two of its numbers."""
    cells: dict[tuple[int, int], Finding] = {}
    for finding in found:
        place = finding.row, finding.column
        first = cells.get(place)
        if first is None:
            entry = sheet.entries[finding.row]
            whole = _whole_cell(sheet, reading, entry, finding)
            cells[place] = finding._replace(right=whole)
        elif finding.role == "source":
            cells[place] = first._replace(rule=f"{first.rule}; {finding.rule}")
        else:
            rules = dict.fromkeys((first.rule, finding.rule))
            cells[place] = first._replace(
                rule="; ".join(rules), causes=(*first.causes, *finding.causes)
            )
    return list(cells.values())


def _whole_cell(sheet: Sheet, reading: Reading, entry: Entry, finding: Finding) -> str:
    """The right text of a cell that holds several numbers."""
    roles = [role for role, column in sheet.columns.items() if column == finding.column]
    parts = [role for role in roles if role in WORDS and role in {**entry.values}]
    if len(parts) < 2 or finding.role in ("source", "layer", "params", "ops"):
        return finding.right
    values = {**entry.values, **reading.expected[finding.row]}
    order = {"h": 1, "w": 2, "c": 0 if sheet.channels_first else 3}
    parts.sort(key=lambda role: order.get(role[-1], 9))
    sizes = [str(values[role]) for role in parts if role != "stride"]
    step = f"/{values['stride']}" if "stride" in parts else ""
    return "x".join(sizes) + step


CHECKS = (
    ("inputs", ("in_h", "in_w", "in_c", "channels_in")),
    ("outputs", ("out_h", "out_w", "out_c", "channels_out")),
    ("params", ("params",)),
    ("operations", ("ops",)),
)


def _checked(sheet: Sheet, reading: Reading, totals: Totals | None) -> dict[str, int]:
    found = {}
    for what, roles in CHECKS:
        cells = sum(
            role in entry.values and role in expected
            for entry, expected in zip(sheet.entries, reading.expected, strict=True)
            for role in roles
        )
        if cells:
            found[what] = cells
    if totals is not None and totals.printed is not None:
        found["totals"] = 1
    return found


def _notes(sheet: Sheet, reading: Reading) -> Iterator[str]:
    counting = reading.counting
    if sheet.has("params"):
        if counting.conv == counting.linear:
            yield f"parameters are counted {counting.conv}"
        else:
            yield f"parameters: convolutions {counting.conv}, linear layers {counting.linear}"
    if counting.rounding == "ceil":
        yield "pooling rounds sizes up"
    if counting.ops:
        yield f"operations are {counting.ops}"
    elif sheet.has("ops"):
        yield "operations are not checked: no way to count them explains the column"
    if not sheet.has("pad") and sheet.has("stride"):
        yield "padding is not printed: sizes are only checked to be possible"
    if not sheet.has("source"):
        yield "every row is taken to follow the row before"
    for (row, role), value in reading.choices.items():
        if role == "source" and not sheet.entries[row].sources:
            taken = label(sheet.entries[value[0]])
            yield f"{label(sheet.entries[row])} is taken to follow {taken}"
    for row, note in reading.notes:
        yield f"{label(sheet.entries[row])}: {note}"
