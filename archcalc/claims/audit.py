"""Which cells of a printed table contradict the others, why, and what that does to its total."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from archcalc.claims.below import memory_sizes, mult_adds, trained
from archcalc.claims.causes import causes, label, number
from archcalc.claims.containers import containers, siblings, widths
from archcalc.claims.finding import Audit, Finding, Totals
from archcalc.claims.formulas import formulas
from archcalc.claims.names import misspelt, moved_sources, other_batches, unknown_sources
from archcalc.claims.readings import Place, Reading, reading
from archcalc.claims.receptive import receptive
from archcalc.claims.rules import printed_like, rule
from archcalc.claims.shares import shared, shares
from archcalc.claims.sums import (
    modules,
    more_trained,
    right_sum,
    subtotals,
    summed,
    totals,
    work_totals,
    workings,
)
from archcalc.claims.tables.confirmed import explained
from archcalc.claims.tables.flow import begun_again
from archcalc.claims.tables.modules import PATTERNS, Pattern
from archcalc.claims.tables.read import read_tables, text_of
from archcalc.claims.tables.sheet import Entry, Number, Sheet
from archcalc.claims.tables.symbols import SIDE, in_letters, lettered
from archcalc.claims.tables.totals import total_row
from archcalc.claims.together import side_by_side, together
from archcalc.claims.twice import said_twice
from archcalc.frontends.network import NetworkLike

MOST_SEARCHED = 500
"""Wrong cells whose causes are searched: a table that is wrong in more has one of its own."""

MOST_NOTES = 12
"""Things assumed that are said one by one."""


def audit(
    table: str | Path,
    against: NetworkLike | None = None,
    map: Mapping[str, str] | None = None,
    read: str = "",
    patterns: str | Path | None = None,
) -> Audit:
    """Hold every cell of a printed table of layers against the others, and against a network.

    ``table`` is a file, the text of one, or the name of a shipped one (``vgg16_structure``): CSV
    and its kin, Markdown, HTML, LaTeX, columns aligned by blanks, or what Keras, torchsummary,
    torchinfo, torchstat or Darknet print; ``read`` insists on one of
    :data:`archcalc.claims.tables.grid.FORMS`. ``against`` is a network of the zoo, a spec's file,
    or a spec. ``map`` gives roles the headers of their columns where these are not recognized
    (:data:`archcalc.claims.tables.headers.HEADERS`). ``patterns`` is a file of modules that rows
    may stand for (:mod:`archcalc.claims.tables.notations`). A column that the table lacks is not
    checked. Raises :class:`ArchcalcError` for what can't be read as a table.

    ::

        >>> import archcalc
        >>> printed = '''layer,in_h,in_w,in_c,out_h,out_w,out_c,kernel_h,kernel_w,stride,pad,params
        ... conv1,32,32,3,32,32,16,3,3,1,1,448
        ... conv2,32,32,16,16,16,32,3,3,2,1,4460
        ... '''
        >>> [(wrong.printed, wrong.right) for wrong in archcalc.audit(printed).findings]
        [('4460', '4640')]
    """
    own: tuple[Pattern, ...] = ()
    if patterns is not None:
        from archcalc.claims.tables.notations import read_patterns

        own = read_patterns(patterns)
    tables, said = read_tables(table, map, read, own)
    found = [
        side_by_side([_against(_audited(sheet), against) for sheet in each.sheets], each)
        for each in tables
    ]
    return together(found, said, text_of(table)[0])


def _audited(sheet: Sheet) -> Audit:
    """A table, or one of stages, held against itself."""
    if all(role in sheet.columns for role in PATTERNS[1].columns) and sheet.has("ops"):
        from archcalc.claims.stages import audit_stages

        return audit_stages(sheet)
    return _audit(sheet)


def _against(found: Audit, against: NetworkLike | None) -> Audit:
    """An audit with where its table differs from a network."""
    if against is None or found.sheet is None:
        return found
    from archcalc.claims.versus import compare

    name, differences = compare(found.sheet, against, found.reading)
    return replace(found, against=name, differences=differences)


def _audit(sheet: Sheet) -> Audit:
    told = reading(sheet, explained(sheet))
    found = [
        _finding(sheet, told, place, right, k < MOST_SEARCHED)
        for k, (place, right) in enumerate(told.wrong.items())
        if right != sheet.entries[place[0]].values.get(place[1])
    ]
    found += moved_sources(sheet, told)
    found += unknown_sources(sheet, told)
    found += other_batches(sheet)
    found += misspelt(sheet)
    found += said_twice(sheet, told)
    total, more = totals(sheet, told)
    found += more
    found += workings(sheet, told)
    found += more_trained(sheet, told)
    if not sheet.elided:
        found += subtotals(sheet, told)
        found += work_totals(sheet, told)
        found += memory_sizes(sheet, told)
        found += mult_adds(sheet, told)
        found += modules(sheet, told)
    found += trained(sheet, told)
    found += containers(sheet, told)
    found += siblings(sheet, told)
    found += widths(sheet, told)
    found += formulas(sheet)
    found += shares(sheet, told)
    found += receptive(sheet, told)
    merged = _merge(sheet, told, found)
    merged += _alternatives(sheet, told, merged)
    at = [entry.number - 1 for entry in sheet.entries]
    merged = [_in_letters(each._replace(row=at[each.row])) for each in merged]
    return Audit(
        name=sheet.name,
        headers=sheet.headers,
        rows=tuple(sheet.entries[row].cells for row in at),
        findings=tuple(sorted(merged, key=lambda each: (each.row, each.column))),
        unreadable=tuple((at[row], k, said) for row, k, said in _unreadable(sheet, told)),
        totals=total,
        checked=_checked(sheet, told, total),
        notes=tuple(_notes(sheet, told)),
        unmapped=sheet.unmapped,
        remarks=tuple(
            r for r in sheet.remarks if r not in {sheet.headers[f.column] for f in merged}
        ),
        sheet=sheet,
        reading=told,
    )


def _finding(sheet: Sheet, told: Reading, place: Place, right: Number, search: bool) -> Finding:
    row, role = place
    entry = sheet.entries[row]
    why = causes(sheet, told, told.wrong, place) if search else ()
    effect = int(right - entry.values[role]) if role == "params" else 0
    shown = printed_like(entry, role, right)
    return Finding.of(sheet, entry, role, shown, rule(sheet, told, place, right), why, effect)


def _alternatives(sheet: Sheet, told: Reading, found: list[Finding]) -> list[Finding]:
    """Cells that may be wrong as well as those that are named: of each such set one is."""
    seen = {(each.row, each.column) for each in found}
    more: list[Finding] = []
    total = total_row(sheet)
    if told.found.doubted and total is not None:
        rows = [e for e in sheet.addends if "params" in e.values]
        summed = sum(int(e.values["params"]) for e in rows)
        where = ", ".join(f"{f.layer}, {sheet.headers[f.column]}" for f in found[:3])
        rule = f"either this is wrong or {where}: the printed rows add up to {number(summed)}"
        right = total.printed["params"].like(summed)
        more.append(Finding.of(sheet, total, "params", right, rule))
    for other in told.found.others:
        for row, option in other.items():
            entry = sheet.entries[row]
            for role in option.wrong:
                column = entry.columns.get(role, sheet.columns[role])
                if (row, column) in seen:
                    continue
                seen.add((row, column))
                named = [f for f in found if abs(f.row - row) < 4] or found
                cells = ", ".join(f"{f.layer}, {sheet.headers[f.column]}" for f in named[:3])
                text = _cell_like(sheet, entry, column, option.expected, role)
                text = text or printed_like(entry, role, option.expected[role])
                rule = f"either this is wrong or {cells}: the table does not say which"
                more.append(Finding.of(sheet, entry, role, text, rule))
    return more


def _unreadable(sheet: Sheet, told: Reading) -> Iterator[tuple[int, int, str]]:
    """Cells that can't be read; where the total says what one should be, that."""
    params = sheet.columns.get("params")
    lost = [u for u in sheet.unreadable if u.column == params]
    total = total_row(sheet)
    for each in sheet.unreadable:
        message = each.message
        if len(lost) == 1 and each is lost[0] and total is not None:
            rest = int(total.values["params"]) - sum(
                int(e.values["params"]) for e in sheet.addends if "params" in e.values
            )
            if rest > 0:
                message += f"; with {number(rest)} the rows add up to the total"
        yield each.row, each.column, message


# Around the findings --------------------------------------------------------------------------


def _in_letters(found: Finding) -> Finding:
    """A finding of a size in letters with letters for its sides."""
    if not found.role.startswith(("in", "out")) or not lettered(found.printed):
        return found
    right, rule_ = (in_letters(text, found.printed) for text in (found.right, found.rule))
    return found._replace(right=right, rule=rule_, causes=())


def _merge(sheet: Sheet, told: Reading, found: list[Finding]) -> list[Finding]:
    """One finding for each printed cell: ``56x56x64`` may be wrong in two of its numbers."""
    cells: dict[tuple[int, int], Finding] = {}
    for finding in found:
        place = finding.row, finding.column
        first = cells.get(place)
        if first is None:
            entry = sheet.entries[finding.row]
            whole = _cell_like(
                sheet, entry, finding.column, told.expected[finding.row], finding.role
            )
            cells[place] = finding._replace(right=whole or finding.right)
        elif finding.role == "source":
            cells[place] = first._replace(rule=f"{first.rule}; {finding.rule}")
        else:
            rules = dict.fromkeys((first.rule, finding.rule))
            merged = {cause.text: cause for cause in (*first.causes, *finding.causes)}
            cells[place] = first._replace(rule="; ".join(rules), causes=tuple(merged.values()))
    return list(cells.values())


def _cell_like(
    sheet: Sheet, entry: Entry, column: int, expected: Mapping[str, Number], role: str
) -> str:
    """The right text of a cell that holds several numbers, as it is printed."""
    if role in ("source", "layer", "params", "frozen") or role.startswith("ops"):
        return ""
    roles = [
        each
        for each, at in sheet.columns.items()
        if at == column and each in {**entry.values, **expected}
    ]
    values = {**entry.values, **expected}
    prefix = role.split("_")[0]
    if prefix in ("in", "out"):
        axes = [a for a in "dhw" if f"{prefix}_{a}" in roles]
        order = ["c", *axes] if sheet.channels_first else [*axes, "c"]
        names = [f"{prefix}_{a}" for a in order if f"{prefix}_{a}" in roles]
    else:
        kernel = [f"kernel_{a}" for a in "dhw" if f"kernel_{a}" in roles]
        beside = [each for each in ("kernel_out", "kernel_in") if each in entry.values]
        names = [*kernel, *beside] if len(beside) == 1 else [*beside, *kernel]
        if prefix == "stride" and entry.strides:
            names = [f"stride_{a}" for a in "dhw" if f"stride_{a}" in entry.values]
        else:
            names += [each for each in ("stride", "pad") if each in entry.values and each in roles]
    if len(names) < 2 and len(roles) < 2:
        return ""
    text = re.sub(r"(\d+)\s*(?:\^\s*2|²)", r"\1x\1", entry.cells[column])
    tokens = list(re.finditer(r"\d+(?:,\d{3})*(?!\d)", text))
    if role.startswith("channels_") and role not in names:
        # One of the numbers in what the row is called: ``Conv 3x3, 64 → 128``.
        own = [t for t in tokens if int(t[0].replace(",", "")) == entry.values.get(role)]
        alone = own[0] if len(own) == 1 else None
        return f"{text[: alone.start()]}{values[role]}{text[alone.end() :]}" if alone else ""
    if len(tokens) == len(names) + 1 and sheet.batch > 1:
        tokens = tokens[1:]
    if len(tokens) < len(names):
        names = [name for name in names if name in entry.values] or names
    if len(tokens) == len(names):
        printed = [int(token[0].replace(",", "")) for token in tokens]
        names = next(
            (list(o) for o in _orders(names) if [entry.values.get(n) for n in o] == printed), names
        )
        for token, name in reversed(list(zip(tokens, names, strict=True))):
            text = f"{text[: token.start()]}{values[name]}{text[token.end() :]}"
        return text
    sides = {values[each] for each in names if each.startswith("kernel_")}
    if len(tokens) == 1 and len(sides) == 1:
        return str(sides.pop())
    return "x".join(str(values[each]) for each in names)


def _orders(names: list[str]) -> Iterator[tuple[str, ...]]:
    """Orders in which people print a kernel and its channels."""
    kernel = tuple(name for name in names if name[:8] in ("kernel_d", "kernel_h", "kernel_w"))
    rest = tuple(name for name in names if name not in kernel)
    yield tuple(names)
    for beside in (rest, rest[::-1]):
        yield (*kernel, *beside)
        yield (*beside, *kernel)


CHECKS = (
    ("inputs", ("in_d", "in_h", "in_w", "in_c", "channels_in", "kernel_in")),
    ("outputs", ("out_d", "out_h", "out_w", "out_c", "channels_out", "kernel_out", "volume")),
    ("kernels", ("kernel_d", "kernel_h", "kernel_w")),
    ("strides", ("stride", "stride_d", "stride_h", "stride_w")),
    ("paddings", ("pad",)),
    ("groups", ("groups",)),
    ("params", ("params", "frozen", "trained")),
    ("receptive fields", ("rf", "jump", "rf_in", "jump_in")),
    ("memory", ("mem", *(f"mem{k}" for k in range(2, 10)))),
    ("operations", ("ops", *(f"ops{k}" for k in range(2, 10)))),
)


def _checked(sheet: Sheet, told: Reading, totals: Totals | None) -> dict[str, int]:
    found = {}
    for what, roles in CHECKS:
        cells = sum(
            role in entry.values and role in expected
            for entry, expected in zip(sheet.entries, told.expected, strict=True)
            for role in roles
        )
        if cells:
            found[what] = cells
    if workings := sum(
        "worked" in e.values and bool(e.values.get("params")) for e in sheet.entries
    ):
        found["workings"] = workings
    if modules_ := summed(sheet, told):
        found["modules"] = modules_
    if totals is not None and totals.printed is not None:
        found["totals"] = 1
    return found


def _notes(sheet: Sheet, told: Reading) -> Iterator[str]:
    counting, manner = told.counting, told.found.manner
    if counting.conv and counting.conv == counting.linear:
        yield f"parameters are counted {counting.conv}"
    elif counting.conv or counting.linear:
        said = [
            f"{what} {biases}"
            for what, biases in (
                ("convolutions", counting.conv),
                ("linear layers", counting.linear),
            )
            if biases
        ]
        yield f"parameters: {', '.join(said)}"
    if manner.thousand != 1000:
        yield "K is 1,024"
    if sheet.batch > 1:
        yield f"sizes hold a batch of {sheet.batch}"
    if counting.rounding == "ceil":
        yield "pooling rounds sizes up"
    for role in sheet.work:
        head = sheet.headers[sheet.columns[role]]
        ways = manner.work.get(role, {})
        distinct = dict.fromkeys(way for way in ways.values() if way != "nothing")
        if distinct:
            by = {way: [kind for kind, each in ways.items() if each == way] for way in distinct}
            yield f"{head}: " + ", ".join(
                f"{way} ({', '.join(map(_plain, kinds))})" for way, kinds in by.items()
            )
        unchecked = any(
            role in e.values
            and e.values[role]
            and (o := told.found.options[e.index]) is not None
            and role not in o.expected
            for e in sheet.layers
        )
        if unchecked:
            yield f"{head} is not checked where no way to count it explains it"
    for role in sheet.memory:
        head = sheet.headers[sheet.columns[role]]
        held = manner.memory.get(role)
        yield f"{head}: {held}" if held else f"{head} is not checked: no way to count explains it"
    if manner.unsaid:
        yield "convolutions are taken to be dilated, or pooled in their own row, where sizes say so"
    loose = [
        entry
        for entry, option in zip(sheet.entries, told.found.options, strict=True)
        if option
        and entry.values.get("params")
        and "params" not in option.expected
        and "worked" not in entry.values
    ]
    if loose:
        of = label(loose[0]) if len(loose) == 1 else f"{len(loose)} rows, such as {label(loose[0])}"
        yield f"the parameters of {of} are only added up: no formula is known of them"
    if not sheet.has("pad") and sheet.has("stride"):
        yield "padding is not printed: sizes are only checked to be possible"
    if any(lettered(cell) for entry in sheet.entries for cell in entry.cells):
        yield f"H and W are taken to be {SIDE:,}"
    if sheet.upwards:
        yield "the rows are read from the last, the input, upwards"
    elif not sheet.has("source"):
        yield "every row is taken to follow the row before"
        for again in begun_again(sheet):
            yield f"but {label(sheet.entries[again])} to take another input"
    for (row, role), value in told.choices.items():
        if role == "source" and not sheet.entries[row].sources:
            taken = label(sheet.entries[value[-1]])
            yield f"{label(sheet.entries[row])} is taken to follow {taken}"
    assumed = [note for option in told.found.options if option for note in option.notes]
    yield from assumed[:MOST_NOTES]
    if len(assumed) > MOST_NOTES:
        yield f"and {len(assumed) - MOST_NOTES} more that are not in the table"
    total = total_row(sheet)
    if sheet.whole and total is not None and told.found.sums is False:
        unlisted = int(total.values["params"]) - right_sum(sheet, told)
        if unlisted > 0 and sheet.whole.trained + sheet.whole.frozen == total.values["params"]:
            yield f"{number(unlisted)} params of the total are in no row: what did not run, say"
    if sheet.unmapped:
        yield f"not read: {', '.join(sheet.unmapped)}"
    parts = {sheet.headers[column] for column, _ in shared(sheet)}
    if remarks := [head for head in sheet.remarks if head not in parts]:
        yield f"nothing to check: {', '.join(remarks)}"


def _plain(kind: str) -> str:
    return {"conv": "convolutions", "linear": "linear layers", "pool": "poolings"}.get(kind, kind)
