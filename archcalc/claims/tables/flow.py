"""What flows between printed rows: where each takes its input, and what neighbours say of it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import pairwise
from math import prod
from typing import NamedTuple

from archcalc.claims.tables.evidence import UNKNOWN, Hints, State, printed_state
from archcalc.claims.tables.kinds import GATES, SAME, SLIDING, WEIGHTED
from archcalc.claims.tables.sheet import TREES, Entry, Sheet

MOST_MISSED = 40
"""Names of rows that are not there for which a near one is looked for."""
CUT = 2000
"""Names of which one is looked for that is cut off."""
JOINING = frozenset(("linear", "add", "concat", "merge", "layer", ""))
"""Kinds that may take the outputs of two branches."""
RECURSIVE = "(recursive)"
"""What torchinfo prints of a layer's later calls in place of its parameters."""
OWN_INPUT = frozenset(("input", "embedding"))
"""Kinds that take nothing that a row gives: places in a table of words are no features."""
INPUTS = frozenset(("input", "image", "data", "x", "input image", "inputs"))


class Link(NamedTuple):
    """Where a row's input comes from."""

    rows: tuple[int, ...] | None
    """None where nothing says; no rows for the network's own input."""
    named: bool
    unknown: tuple[tuple[str, str], ...] = ()
    """Names that no earlier row has, each with the nearest that one has."""
    meant: Mapping[int, tuple[int, ...]] = {}
    """For rows whose names are cut off: all rows of which one is meant, the latest first."""


def links(sheet: Sheet) -> list[Link]:
    """Where each row's input comes from: the nearest earlier row of a name, or the row before."""
    found: list[Link] = []
    latest: dict[str, int] = {}
    called: list[tuple[str, int]] = []
    numbers: dict[int, int] = {}
    previous: int | None = None
    any_named = any(entry.sources for entry in sheet.entries)
    lost_so_far = 0
    part = gap = lined = False
    anew, alone = begun_again(sheet), examples(sheet)
    unordered = sheet.form in ("modules", "lightning")
    ordered = sequential(sheet) if unordered else frozenset()
    for entry in sheet.entries:
        if entry.kind == "total" or entry.container:
            found.append(Link(None, False))
            continue
        if entry.sources:
            # A table that begins amid a network names rows that it lacks.
            part = part or (previous is None and not any(map(_is_input, entry.sources)))
            rows: list[int] = []
            unknown: list[tuple[str, str]] = []
            meant: dict[int, tuple[int, ...]] = {}
            lost = False
            for name in entry.sources:
                at = latest.get(name)
                again = name.endswith("…") and at in rows and entry.kind in JOINING
                if at is None or again:
                    recent = called[-CUT:]
                    apart = [each for each in recent if each[1] not in rows]
                    fits = _cut_off(name, apart if entry.kind in JOINING else recent)
                    at = fits[0] if fits else None
                    if at is not None:
                        meant[at] = fits
                if at is None and name.lstrip("-").isdigit():
                    number = int(name)
                    at = numbers.get(number) if number >= 0 else entry.index + number
                    if at is not None and not 0 <= at < entry.index:
                        at = None
                ahead = name.isdigit() and bool(numbers) and int(name) < min(numbers)
                if at is None and (part or gap or ahead or name.endswith("…")):
                    lost = True
                elif at is None and previous is not None and not _is_input(name):
                    near = [k for k, row in latest.items() if row > entry.index - 40]
                    near = [k for k in near if k not in entry.sources]
                    lost_so_far += 1
                    match = []
                    if lost_so_far <= MOST_MISSED:
                        match = get_close_matches(name, near, n=1, cutoff=0.7)
                    unknown.append((name, match[0] if match else ""))
                    at = latest[match[0]] if match else None
                    lost = lost or at is None
                if at is not None:
                    rows.append(at)
            if (
                entry.kind == "add"
                and len(rows) == 1
                and previous is not None
                and rows[0] != previous
                and sheet.form == "darknet"
            ):
                rows.insert(0, previous)
            known = rows and part and entry.kind == "add"  # which keeps the size of each
            given = None if lost and not known else tuple(rows)
            found.append(Link(given, True, tuple(unknown), meant))
        elif entry.kind in SLIDING and unordered and entry.index not in ordered and lined:
            found.append(Link((), any_named))  # a program lists modules in any order
        elif previous is None or entry.kind in OWN_INPUT or entry.index in anew or alone:
            found.append(Link((), any_named))
        elif entry.kind in ("concat", "merge"):
            found.append(Link(None, False))
        else:
            found.append(Link((previous,), False))
        previous = entry.index
        gap = gap or entry.kind == "gap"
        lined = entry.kind == "linear"
        for key in keys(entry):
            latest[key] = entry.index
            called.append((key, entry.index))
        first = entry.name.split(" ")[0]
        if first.isdecimal() and len(first) < 6:
            numbers[int(first)] = entry.index
    return found


def examples(sheet: Sheet) -> bool:
    """Whether rows are examples of their own, which have no names and take what none gives."""
    if sheet.has_any("layer", "op") or not (sheet.has("in", "out") or sheet.has("in_h", "out_h")):
        return False
    sides = [(printed_state(e, "in"), printed_state(e, "out")) for e in sheet.layers]
    pairs = [(a, b) for (_, a), (b, _) in pairwise(sides) if UNKNOWN not in (a, b)]
    return len(pairs) > 1 and all(a != b for a, b in pairs)


def begun_again(sheet: Sheet) -> tuple[int, ...]:
    """The rows that take another input than the row before."""
    if any(entry.sources for entry in sheet.entries):
        return ()
    again = None if sheet.by_hand else _once_more(sheet)
    return _networks(sheet) if again is None else (again,)


def _networks(sheet: Sheet) -> tuple[int, ...]:
    """The rows that begin another network: called as the first, larger, under another heading.

    A heading stands beside each of two rows or more, as what spans several rows does.
    """
    rows = [entry for entry in sheet.layers if not entry.container]
    starts = [0]
    for k in range(2, len(rows) - 1):
        before, entry = rows[k - 1], rows[k]
        sides = (printed_state(each, "out").ext or () for each in (before, entry))
        small, large = (prod(n or 0 for n in ext) for ext in sides)
        headed = any(
            cell != entry.cells[at] == rows[k + 1].cells[at] != ""
            and all(each.cells[at] == cell for each in rows[starts[-1] : k])
            for at, cell in enumerate(before.cells)
            if re.search("[A-Za-z]", cell)
        )
        named = any(
            cell == first and re.fullmatch(r"[A-Za-z].*\d", cell)
            for cell, first in zip(entry.cells, rows[0].cells, strict=True)
        )
        if named and 0 < small < large and headed:
            starts.append(k)
    return tuple(rows[k].index for k in starts[1:])


def _once_more(sheet: Sheet) -> int | None:
    """The row at which all rows so far are printed once more: what another input goes through.

    That is seen where the first of them gives more positions than the row before, and nothing but
    what joins follows: twins share their layers, and a program prints a layer at each call.
    """
    rows = [entry for entry in sheet.layers if not entry.container]
    said = [(e.kind, e.values.get("params"), e.values.get("channels_out")) for e in rows]
    for n in range(2, len(rows) // 2 + 1):
        before, first = (printed_state(rows[at], "out") for at in (n - 1, n))
        grown = prod(k or 0 for k in first.ext or ()) > prod(k or 0 for k in before.ext or ())
        again = RECURSIVE in rows[n].cells
        same = said[n : 2 * n] == said[:n] or (
            again and [one[::2] for one in said[n : 2 * n]] == [one[::2] for one in said[:n]]
        )
        if said[n][::2] == said[0][::2] and grown and said[0][1] and same:
            after = rows[2 * n] if len(rows) > 2 * n else None
            joined = after is None or after.kind in JOINING or 2 * (before.c or 0) in needs(after)
            return rows[n].index if joined else None
    return None


def _cut_off(name: str, called: Sequence[tuple[str, int]]) -> tuple[int, ...]:
    """Rows whose names begin as one does of which the end is cut off, or are so cut."""
    plain = name.rstrip("…")
    found = [
        row
        for key, row in called
        if (name.endswith("…") and key.startswith(plain))
        or (key.endswith("…") and len(key) > 8 and plain.startswith(key.rstrip("…")[:-1]))
    ]
    return tuple(sorted(set(found), reverse=True))


def _is_input(name: str) -> bool:
    low = name.lower()
    return low in INPUTS or "input" in low


def keys(entry: Entry) -> list[str]:
    """The names that a row is called by."""
    if not entry.name:
        return []
    bare = entry.name.split("(")[0].strip()
    return [entry.name, bare, f"{entry.stage}.{entry.name}"]


def sequential(sheet: Sheet) -> frozenset[int]:
    """Rows that take what the row before gives: nothing but ``Sequential`` parts them."""
    tree = sheet.form in TREES
    if sheet.chain and not tree and not any(entry.sources for entry in sheet.entries):
        return frozenset(entry.index for entry in sheet.layers)
    found = set()
    open_: list[Entry] = []
    before: list[Entry] | None = None
    for entry in sheet.entries:
        while open_ and entry.depth <= open_[-1].depth:
            open_.pop()
        if entry.kind == "total":
            continue
        if entry.container:
            open_.append(entry)
            continue
        if before is not None:
            same = sum(a is b for a, b in zip(before, open_, strict=False))
            around = [*before[max(0, same - 1) :], *open_[same:]]
            if (same or (tree and sheet.chain)) and all(map(_ordered, around)):
                found.add(entry.index)
        before = list(open_)
    return frozenset(found)


def _ordered(module: Entry) -> bool:
    """Whether what a module is made of runs in the order in which it is printed."""
    return module.what.word.split(":")[0].strip() == "Sequential"


def parts(sheet: Sheet) -> dict[int, list[Entry]]:
    """For each module of a tree, the rows right below it that have weights, or hold some."""
    found: dict[int, list[Entry]] = defaultdict(list)
    open_: list[Entry] = []
    for entry in sheet.entries:
        while open_ and entry.depth <= open_[-1].depth:
            open_.pop()
        below = bool(open_) and entry.depth == open_[-1].depth + 1
        if below and (entry.container or entry.values.get("params")):
            found[open_[-1].index].append(entry)
        if entry.container:
            open_.append(entry)
    return found


def closed(sheet: Sheet) -> dict[int, list[Entry]]:
    """For each layer, the modules of a tree that end between the one before and it."""
    found: dict[int, list[Entry]] = defaultdict(list)
    open_: list[Entry] = []
    ended: list[Entry] = []
    for entry in sheet.entries:
        while open_ and entry.depth <= open_[-1].depth:
            ended.append(open_.pop())
        if entry.container:
            open_.append(entry)
        elif ended:
            found[entry.index], ended = ended, []
    return found


def hints(sheet: Sheet) -> list[Hints]:
    """What the rows around each say that bears on it."""
    rows = [e for e in sheet.entries if e.kind != "total" and not e.container]
    weighted = [e.index for e in rows if e.kind in WEIGHTED]
    ends = {weighted[0], weighted[-1]} if weighted else set()
    found = [Hints()] * len(sheet.entries)
    sides = _sides(rows)
    ordered = sequential(sheet)
    embedded = [int(e.values.get("params", 0)) for e in rows if e.kind == "embedding"]
    for k, entry in enumerate(rows):
        following = rows[k + 1] if k + 1 < len(rows) else None
        after = UNKNOWN
        followed = False
        if following is not None:
            followed = following.kind == "norm"
            after = printed_state(following, "in")
            if after == UNKNOWN and following.kind in SAME:
                after = printed_state(following, "out")
            elif after.c is None and following.kind in ("pool", "gpool", "pad", "upsample"):
                after = State(printed_state(following, "out").c, after.ext)
            named = any(key in following.sources for key in (*keys(entry), "-1"))
            if following.sources and not named:
                after = UNKNOWN
            if after.c is None and following.index in ordered:
                after = after._replace(c=_further(rows[k + 1 :], ordered))
        unsaid = printed_state(entry, "out").c is None
        asking = following is not None and (
            entry.kind in ("concat", "flatten")
            or following.kind in GATES
            or (entry.kind in GATES and following.kind == "linear")
            or runs_both_ways(following)
            or (following.kind == "norm" and unsaid and entry.kind in WEIGHTED)
        )
        asked = tuple(needs(following)) if following is not None and asking else ()
        words = tuple(dict.fromkeys(embedded)) if entry.kind == "linear" else ()
        found[entry.index] = Hints(followed, after, entry.index in ends, asked, sides, words)
    return found


def _further(rows: Sequence[Entry], ordered: frozenset[int]) -> int | None:
    """The channels that reach the first row of some that prints what it takes."""
    for before, entry in pairwise(rows):
        kept = before.kind in ("same", "pool", "gpool", "pad", "upsample")
        if not kept or entry.index not in ordered:
            return None
        if (c := printed_state(entry, "in").c) is not None:
            return c
    return None


def _sides(rows: Sequence[Entry]) -> tuple[int, ...]:
    """Kernels over one axis by what the row before prints, where parameters leave one side."""
    found = []
    for before, entry in pairwise(rows):
        c, out = printed_state(before, "out").c, printed_state(entry, "out")
        params = entry.values.get("params")
        if entry.kind == "conv" and c and out.c and len(out.ext or ()) == 1 and params:
            found += [
                int(params - bias * out.c) // (c * out.c)
                for bias in (0, 1)
                if params > bias * out.c and (params - bias * out.c) % (c * out.c) == 0
            ]
    return tuple(dict.fromkeys(found))


def runs_both_ways(entry: Entry) -> bool:
    """Whether a row is a layer that runs forwards and backwards."""
    words = f"{entry.name} {entry.what.word}".lower()
    return entry.kind == "wrapper" and "bidirectional" in words


def needs(entry: Entry) -> Iterator[int]:
    """Channels that a row must take, for what it prints."""
    values = entry.values
    for role in ("in_c", "channels_in", "kernel_in"):
        if values.get(role):
            yield int(values[role])
    params = values.get("params")
    made = printed_state(entry, "out").c
    if entry.kind in ("pool", "gpool", "upsample", "same") and made:
        yield made
    if not isinstance(params, int) or params <= 0 or "params" not in entry.exact:
        return
    if entry.kind == "norm":
        yield from (params // k for k in (2, 4) if params % k == 0)
        if made:
            yield made
    elif entry.kind in SAME and made:
        yield made
    elif (entry.kind in GATES or runs_both_ways(entry)) and made:
        ext = printed_state(entry, "out").ext or ()
        kinds = (GATES[entry.kind],) if entry.kind in GATES else (GATES["lstm"], GATES["gru"])
        widths = [n for n in (made, *ext[-1:]) if n]
        for gates, hidden, both in ((g, n // k, k) for g in kinds for n in widths for k in (1, 2)):
            each = gates * hidden * both
            yield from (
                params // each - hidden - biases
                for biases in (1, 2)
                if each and params % each == 0 and params // each > hidden + biases
            )
    elif entry.kind in ("conv", "linear", "deconv"):
        cout = made
        if cout:
            sides = [int(values[f"kernel_{a}"]) for a in "dhw" if f"kernel_{a}" in values]
            usual = {1: (3, 1, 5, 7, 2, 4, 9), 3: (27, 1, 125)}.get(entry.what.axes or 2)
            areas = (1,) if entry.kind == "linear" else (prod(sides),) if sides else usual
            for bias in (0, 1):
                for area in areas or (9, 1, 25, 49):
                    rest = params - bias * cout
                    if rest > 0 and rest % (area * cout) == 0:
                        yield rest // (area * cout)
