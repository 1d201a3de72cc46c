"""What a tree prints of modules, held against the rows that they are made of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from archcalc.claims.finding import Finding
from archcalc.claims.readings import Reading
from archcalc.claims.rules import printed_like
from archcalc.claims.tables.evidence import slip
from archcalc.claims.tables.kinds import WEIGHTED
from archcalc.claims.tables.sheet import TREES, Entry, Number, Sheet
from archcalc.claims.tables.totals import total_row


def containers(sheet: Sheet, told: Reading) -> Iterator[Finding]:
    """Sizes of modules that run their rows one after the other, and say something else than these.

    Such a module takes what its first row takes, and gives what its last row gives. One number in
    which it differs is wrong; where more do, functions may do something between. Of the whole
    network one that a slip makes of the other is.
    """
    mended: dict[tuple[int, str], Number] = {}
    for entry in reversed(sheet.entries):
        if not entry.container:
            continue
        chain = re.match(r"\W*sequential\b", entry.name.lower())
        if not chain and entry is not sheet.entries[0]:
            continue
        inside = _inside(sheet, entry)
        for prefix, row, which in (("in", inside[0], "first"), ("out", inside[-1], "last")):
            differing = list(_differing({**told.wrong, **mended}, entry, row, prefix))
            if len(differing) == 1:
                role, right = differing[0]
                if not chain and not slip(entry.values[role], right):
                    continue  # functions may stand before and behind its rows
                mended[entry.index, role] = right
                shown = printed_like(entry, role, right)
                rule = f"its {which} row, {row.name} (row {row.number}), prints {right}"
                yield Finding.of(sheet, entry, role, shown, rule)


ALIKE = 2
"""Modules of a class that must agree before a third that does not is wrong."""


def siblings(sheet: Sheet, told: Reading) -> Iterator[Finding]:
    """Modules of which no formula is known that have other parameters than their like.

    Of those of one class that take and give the same one is wrong in digits that a slip makes,
    unless what the rows add up to says that it is right.
    """
    groups: dict[tuple[object, ...], list[Entry]] = {}
    for entry in sheet.layers:
        option = told.found.options[entry.index]
        called = re.match(r"([A-Z]\w*?)(?: \([\w.-]+\))?(?:-\d+|: \d+-\d+)$", entry.name)
        exact = "params" in entry.exact and bool(entry.values["params"])
        if option is None or not called or not exact or "params" in option.expected:
            continue
        key = called[1], option.takes, option.out
        groups.setdefault(key, []).append(entry)
    total = total_row(sheet)
    for group in groups.values():
        numbers = Counter(entry.values["params"] for entry in group)
        (usual, times), *others = numbers.most_common()
        if times < ALIKE or len(others) != 1 or others[0][1] > 1:
            continue
        entry = next(each for each in group if each.values["params"] != usual)
        right = told.found.sums and total is not None
        if right or not slip(entry.values["params"], usual):
            continue
        rule = f"{times} others of its class have {printed_like(entry, 'params', usual)}"
        yield Finding.of(sheet, entry, "params", printed_like(entry, "params", usual), rule)


FIGURES = 3
"""Digits of a width, two of which may be swapped."""


def widths(sheet: Sheet, told: Reading) -> Iterator[Finding]:
    """Widths of a tree of modules, of which no size is printed, that stand nowhere else in it.

    Of what one row of a module takes or gives the digits are swapped where another of its rows
    says the number that they are of, and rows say that twice.
    """
    if sheet.form not in TREES or sheet.has_any("out", "out_h"):
        return
    said = {
        (entry.index, role): int(entry.values[role])
        for entry in sheet.layers
        for role in ("channels_in", "channels_out")
        if entry.kind in WEIGHTED and entry.values.get(role)
    }
    counts = Counter(said.values())
    for container in sheet.entries:
        rows = _inside(sheet, container) if container.container else []
        places = [(row.index, role) for row in rows for role in ("channels_in", "channels_out")]
        here = {place: said[place] for place in places if place in said}
        for place, n in here.items():
            alike = [m for m in here.values() if m != n and sorted(str(m)) == sorted(str(n))]
            meant = next((m for m in alike if counts[m] > 1), 0)
            if counts[n] > 1 or not meant or len(str(n)) < FIGURES or place in told.wrong:
                continue
            rule = f"{counts[meant]} other widths are {meant}, of rows of its module, too"
            row, role = place
            yield Finding.of(sheet, sheet.entries[row], role, str(meant), rule)


def _inside(sheet: Sheet, container: Entry) -> list[Entry]:
    """The rows of a module, without those that are inside of another of its rows."""
    found: list[Entry] = []
    for entry in sheet.entries[container.index + 1 :]:
        if entry.depth <= container.depth or entry.kind == "total":
            break
        if not found or entry.depth <= found[0].depth:
            found.append(entry)
    return found


def _differing(
    wrong: Mapping[tuple[int, str], Number], container: Entry, row: Entry, prefix: str
) -> Iterator[tuple[str, Number]]:
    """The sizes of a side that a module and a row print unlike, as they should be."""
    sizes = {role for role in (*container.values, *row.values) if role[:-1] == f"{prefix}_"}
    for role in sizes:
        said, value = container.values.get(role), row.values.get(role)
        if said is None or value is None:
            yield from [("", 0)] * 2  # of other axes
            return
        right = wrong.get((row.index, role), value)
        if said != right:
            yield role, right
