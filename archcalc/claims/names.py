"""Names in a printed table that contradict it: producers that are not, and misspelt layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from operator import ne

from archcalc.claims.causes import Cause, label
from archcalc.claims.finding import Finding
from archcalc.claims.readings import Reading
from archcalc.claims.rules import size
from archcalc.claims.tables.cells import shapes
from archcalc.claims.tables.flow import keys
from archcalc.claims.tables.sheet import Entry, Sheet


def moved_sources(sheet: Sheet, reading: Reading) -> Iterator[Finding]:
    """Rows whose input is another row's than the one they name."""
    links = reading.found.links
    first = [link.rows for link in links]
    for (row, role), value in reading.choices.items():
        entry = sheet.entries[row]
        if role != "source" or not entry.sources:
            continue
        named_rows = first[row] or ()
        may = {at for rows in links[row].meant.values() for at in rows}
        if set(value) <= may | set(named_rows) and may:
            continue  # one that the name may be, of which the end is cut off
        moved = [at for at in value if at not in named_rows] or list(value)
        meant = sheet.entries[moved[0]]
        named = " and ".join(
            f"{label(sheet.entries[at])} gives {size(reading.outs[at])}" for at in named_rows
        )
        rule = f"{label(meant)} gives {size(reading.outs[meant.index])}, as is printed here"
        earlier = [e for e in sheet.entries[:row] if e.sources == entry.sources]
        copied = []
        if earlier:
            text = f"it is the input layer of {label(earlier[-1], True)}"
            copied.append(Cause(1, text, (earlier[-1].index, "source")))
        rule = f"{rule}; {named}" if named else rule
        yield Finding.of(sheet, entry, "source", _bare(meant), rule, copied)


def _bare(entry: Entry) -> str:
    """The name that other rows call a row by."""
    return entry.name.split(" (")[0] or f"row {entry.number}"


ANOTHER = 3
"""Sizes that begin alike and are no slip."""


def other_batches(sheet: Sheet) -> Iterator[Finding]:
    """Sizes that begin with another batch than all others do."""
    wrong: list[tuple[Entry, str, int]] = []
    columns = {sheet.columns[role]: role for role in ("in", "out") if role in sheet.columns}
    firsts = Counter[int]()
    for entry in sheet.entries if sheet.batched else ():
        for column, role in columns.items():
            for shape in (shapes(entry.cells[column]) or ())[:1]:
                if shape.bracketed and len(shape.dims) > 1 and not shape.batched:
                    firsts[shape.dims[0]] += 1
                    wrong.append((entry, role, shape.dims[0]))
    batch = sheet.batch
    wrong = [each for each in wrong if each[2] != batch]
    again = Counter(number for _, _, number in wrong)
    wrong = [each for each in wrong if again[each[2]] < ANOTHER]  # regions of an image, say
    if len(wrong) * 10 > firsts.total() and (len(wrong) > 1 or firsts.total() < 5):
        return  # other sizes, not slips
    for entry, role, number in wrong:
        text = entry.cells[sheet.columns[role]].replace(str(number), str(batch), 1)
        yield Finding.of(sheet, entry, role, text, f"all other sizes are of a batch of {batch}")


def unknown_sources(sheet: Sheet, reading: Reading) -> Iterator[Finding]:
    """Rows that name a layer that is not there."""
    unknown = [
        (link_row, each)
        for link_row, link in enumerate(reading.found.links)
        for each in link.unknown
    ]
    for row, (name, near) in unknown:
        entry = sheet.entries[row]
        right = entry.cells[sheet.columns["source"]].replace(name, near) if near else ""
        meant = next((e for e in reversed(sheet.entries[:row]) if near in keys(e)), None)
        causes = [Cause(1, f"{label(meant)} is meant")] if near and meant else []
        rule = f"no row before is called {name}"
        yield Finding.of(sheet, entry, "source", right, rule, causes)


def misspelt(sheet: Sheet) -> Iterator[Finding]:
    """Names that say other numbers than the row, where those of all other rows agree."""
    forms = Counter(filter(None, map(_form, sheet.entries)))
    if not forms:
        return
    form, times = forms.most_common(1)[0]
    for entry in sheet.entries:
        if entry.kind != "conv" or not entry.name or times < 3:
            continue
        values = entry.values
        if "channels_out" not in values or "kernel_h" not in values:
            continue
        right = form.format(kernel=values["kernel_h"], out=values["channels_out"])
        slip = len(right) == len(entry.name) and sum(map(ne, right, entry.name)) == 1
        if slip:
            rule = f"{times} other names are made as {form.format(kernel='KERNEL', out='OUT')}"
            cause = next(
                Cause(1, f"{a} for {b}") for a, b in zip(entry.name, right, strict=True) if a != b
            )
            found = Finding.of(sheet, entry, "layer", right, rule, [cause])
            yield found._replace(layer=f"row {entry.number}")


def _form(entry: Entry) -> str:
    """A convolution's name with its numbers replaced: ``conv{kernel}-{out}``."""
    kernel, out = entry.values.get("kernel_h"), entry.values.get("channels_out")
    if entry.kind != "conv" or None in (kernel, out) or set("{}") & set(entry.name):
        return ""
    head, found, tail = entry.name.rpartition(str(out))
    if not found or str(kernel) not in head:
        return ""
    return f"{head.replace(str(kernel), '{kernel}', 1)}{{out}}{tail}"
