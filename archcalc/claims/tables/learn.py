"""How a whole table counts, learnt from a reading of it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from archcalc.claims.tables.evidence import (
    Hints,
    Manner,
    Option,
    authors_class,
    holds,
    stated,
    unnumbered,
)
from archcalc.claims.tables.kinds import WEIGHTED
from archcalc.claims.tables.sheet import Entry, Number, Sheet
from archcalc.claims.tables.work import FORMULAS, HELD, TIMES, Held, Layer, memory_of, work_of


def learn(
    sheet: Sheet, hints: Sequence[Hints], manner: Manner, chosen: Mapping[int, Option]
) -> Manner:
    """How the table counts, from its cheapest reading when nothing was known of that."""
    biases: dict[tuple[str, bool], Counter[int]] = defaultdict(Counter)
    undecided: dict[tuple[str, bool], Counter[int]] = defaultdict(Counter)
    norms: Counter[int] = Counter()
    ceils: Counter[bool] = Counter()
    groups: Counter[bool] = Counter()
    square: Counter[bool] = Counter()
    windows: Counter[tuple[int, int]] = Counter()
    plain: dict[str, Counter[bool]] = defaultdict(Counter)
    kept: dict[str, Counter[bool]] = defaultdict(Counter)
    for row, option in chosen.items():
        entry, layer = sheet.entries[row], option.layer
        if (called := authors_class(entry)) and entry.values.get("params"):
            plain[called][layer.kind == entry.kind and not option.wrong] += 1
        if entry.kind == "attention":
            kept[unnumbered(entry)][option.out == option.takes] += 1
        if layer.params and "params" in entry.values and "params" not in option.wrong:
            kind = layer.kind
            if kind in WEIGHTED or kind == "module":
                # What holds with biases and without them says nothing of them.
                votes = undecided if _either(entry, layer, manner) else biases
                votes[kind, hints[row].followed or bool(entry.what.fused)][layer.bias] += 1
            elif kind == "norm" and option.out.c and "layer" not in entry.what.word.lower():
                norms[layer.params // option.out.c] += 1
        told = "kernel_h" in entry.values and layer.kind == "conv"
        if layer.kernel and (told or ("kernel_h" not in entry.values and "params" in entry.values)):
            square[len(set(layer.kernel)) == 1] += 1
        if layer.kind == "conv" and layer.groups > 1 and "params" not in option.wrong:
            groups[layer.groups == layer.cin] += 1
        unsaid = layer.kind == "pool" and layer.kernel and "kernel_h" not in entry.values
        if unsaid and layer.kernel and not layer.strides and 1 not in (option.out.ext or ()):
            windows[layer.kernel[-1], layer.stride] += 1
        if layer.kind == "pool" and layer.ceil is not None and not option.wrong:
            ceils[layer.ceil] += "pad" in entry.values
    learnt = Manner(
        first=manner.first,
        batch=manner.batch,
        thousand=manner.thousand,
        program=manner.program,
        usual=manner.usual,
        unsaid=manner.unsaid,
        plainly={
            called: votes[True] > votes[False]
            for called, votes in plain.items()
            if votes[True] > 1 or not votes[True]
        },
        keeping=frozenset(w for w, votes in kept.items() if votes[True] > 2 > votes[False]),
        window=_window(windows),
        padded=_padded(sheet, chosen),
        groups=_grouped(chosen),
        start=min((row for row in chosen if sheet.entries[row].kind in WEIGHTED), default=-1),
        backward=frozenset(
            role
            for role in sheet.work
            if re.search("backward|bwd", sheet.headers[sheet.columns[role]].lower())
        ),
    )
    counted = sum(votes.total() for votes in biases.values())
    many = sheet.has_any("kernel_h", "stride") or counted > MANY - 1
    learnt.by_hand = sheet.by_hand and many
    learnt.square = square[True] > 3 and square[False] < 2
    learnt.grouped = dict(manner.grouped)
    for key, counts in {**undecided, **biases}.items():
        bias = max(counts, key=lambda each: (counts[each], each == 1))
        times = counts[bias]
        learnt.biases[key] = bias
        others = counts.total() - times
        if others > 1 and others * 10 > times:
            learnt.firm[key] = False
        elif times >= 4:
            learnt.firm[key] = others <= 1
    if norms:
        learnt.norm = norms.most_common(1)[0][0]
    for whole in (True, False):
        if groups[whole] > 1:
            learnt.grouped[whole] = 0.5
    if ceils.total():
        learnt.ceil = ceils[True] >= ceils[False] > 0 or not ceils[False]
    for role in sheet.work:
        learnt.work[role] = _work(sheet, role, chosen)
        often = [_often(sheet.entries[row], o, role, learnt) for row, o in chosen.items()]
        if sum(often) > 0:
            learnt.windowed |= {role}
    for role in sheet.memory:
        if held := _held(sheet, role, chosen):
            learnt.memory[role] = held
    return learnt


def usually(sheet: Sheet) -> dict[tuple[str, str], Number]:
    """What most rows of a kind print of their windows, by kind and role."""
    printed: dict[tuple[str, str], list[Number]] = defaultdict(list)
    for entry in sheet.layers:
        for role in ("kernel_d", "kernel_h", "kernel_w", "stride", "pad"):
            if role in entry.values:
                printed[entry.kind, role].append(entry.values[role])
    most = {key: Counter(values).most_common(1)[0] for key, values in printed.items()}
    return {k: n for k, (n, times) in most.items() if times > 2 and 3 * times > 2 * len(printed[k])}


def _often(entry: Entry, option: Option, role: str, manner: Manner) -> int:
    """1 for a row whose work is that of all its windows, -1 for one whose work is that of one."""
    way = manner.work[role].get(option.layer.kind)
    found = work_of(option.layer, way, manner.batch) if way and entry.windows > 1 else None
    if not found or role not in entry.printed:
        return 0
    printed = entry.printed[role]
    return printed.verdict(found * entry.windows).holds - printed.verdict(found).holds


def _times(
    cells: Sequence[tuple[Entry, Layer]],
    role: str,
    ways: Sequence[str],
    right: Callable[[str, Layer], int | None],
) -> str:
    """A way to count that holds of some layers as often as it is done, be it of regions.

    Nothing where no way holds as many times in all of them but one.
    """
    for way in ways:
        both = [(entry.values[role], right(way, layer)) for entry, layer in cells]
        times = Counter(Fraction(n) / m if m else Fraction() for n, m in both if n)
        often, rows = next(iter(times.most_common(1)), (Fraction(), 0))
        if rows > max(2, times.total() - 2) and often > 1 and often.denominator == 1:
            return f"{way}{TIMES}{often}"
    return ""


def _window(windows: Counter[tuple[int, int]]) -> tuple[int, int] | None:
    """The side and the stride that all poolings have, or all but one."""
    if not windows:
        return None
    usual, times = windows.most_common(1)[0]
    return usual if times > 1 >= windows.total() - times else None


def _grouped(chosen: Mapping[int, Option]) -> tuple[int, int]:
    """Groups of all convolutions in several groups, and channels of each: all, or all but one."""
    layers = [o.layer for o in chosen.values() if o.layer.kind == "conv" and o.layer.groups > 1]
    several = [(x.groups, x.cin // x.groups) for x in layers if x.cin and x.cin != x.groups]
    usual = []
    for sizes in zip(*several, strict=True) if len(several) >= MANY else ():
        size, times = Counter(sizes).most_common(1)[0]
        usual.append(size if times >= len(sizes) - 1 else 0)
    return (usual[0], usual[1]) if usual else (0, 0)


MANY = 5
"""Windows of which all are padded alike, for that to be how a table pads."""


def _padded(sheet: Sheet, chosen: Mapping[int, Option]) -> bool | None:
    """Whether all windows are padded so as to keep sizes, or none is; None where they differ."""
    votes: Counter[bool] = Counter()
    for row, option in chosen.items():
        entry, layer = sheet.entries[row], option.layer
        if layer.kind != "conv" or not layer.kernel or not layer.pads or "pad" in entry.values:
            continue
        if max(layer.kernel) > 1:
            votes[any(layer.pads)] += 1
    if votes.total() < MANY or (votes[True] > 1 and votes[False] > 1):
        return None
    return None if votes[True] and votes[False] and votes.total() < MANY + 1 else votes[True] > 1


def _either(entry: Entry, layer: Layer, manner: Manner) -> bool:
    """Whether a row's parameters are those of the layer with biases and of the one without."""
    if layer.bias > 1 or layer.cout is None or layer.params is None:
        return False
    other = layer.params + (1 - 2 * layer.bias) * layer.cout
    return holds(entry, "params", other, manner)


MOST_OFF = 4
"""One of so many cells of a column of memory may not be what the column counts."""


def _held(sheet: Sheet, role: str, chosen: Mapping[int, Option]) -> Held | None:
    """What a column of memory counts: what explains nearly all of its cells."""
    cells = [
        (sheet.entries[row], option.layer)
        for row, option in chosen.items()
        if sheet.entries[row].values.get(role)
    ]
    best: tuple[int, Held] | None = None
    for way in (
        Held(what, size, k) for what in HELD for size in (4, 2, 1, 8) for k in (1024, 1000)
    ):
        sizes = [(e, memory_of(x, way, sheet.batch, e.powers[role])) for e, x in cells]
        known = [(entry, size) for entry, size in sizes if size is not None]
        agree = sum(entry.printed[role].verdict(size).holds for entry, size in known)
        off = len(known) - agree
        if agree > 2 and off * MOST_OFF <= len(known) and (best is None or agree > best[0]):
            best = agree, way
    return best[1] if best else None


def _work(sheet: Sheet, role: str, chosen: Mapping[int, Option]) -> dict[str, str]:
    """For each kind of row, the way to count that explains most cells of a column of work."""
    rows: dict[str, list[tuple[Entry, Layer]]] = defaultdict(list)
    for row, option in chosen.items():
        entry = sheet.entries[row]
        if role in entry.printed:
            rows[option.layer.kind].append((entry, stated(entry, option.layer)))
    batches = ("", " of the batch") if sheet.batch > 1 else ("",)
    ways = [way + batch for way in FORMULAS for batch in batches]

    def right(way: str, layer: Layer) -> int | None:
        return work_of(layer, way, sheet.batch)

    def explains(way: str, entry: Entry, layer: Layer) -> bool:
        found = right(way, layer)
        return found is not None and any(
            entry.printed[role].verdict(found * n).holds for n in {1, entry.windows}
        )

    found: dict[str, str] = {}
    votes: Counter[str] = Counter()
    scored: dict[str, Counter[str]] = {}
    for kind, cells in rows.items():
        agree: Counter[str] = Counter()
        for entry, layer in cells:
            for way in ways:
                if explains(way, entry, layer):
                    agree[way] += 2 if entry.values[role] else 1
        scored[kind] = agree
        if kind in WEIGHTED or kind == "module":
            votes.update({way: n for way, n in agree.items() if "nothing" not in way})
    for kind, agree in scored.items():
        cells = rows[kind]
        if not agree and kind in WEIGHTED and (way := _times(rows[kind], role, ways, right)):
            found[kind] = way
            continue
        if not agree:
            if kind in WEIGHTED and votes and votes.most_common(1)[0][1] >= 4:
                found[kind] = votes.most_common(1)[0][0]
            continue
        best = max(ways, key=lambda way: (agree[way], votes[way] if kind in WEIGHTED else 0))
        worked = [(entry, layer) for entry, layer in cells if entry.values[role]]
        if worked and not any(explains(best, *cell) for cell in worked):
            continue  # only what did not run agrees
        agreeing = sum(explains(best, *cell) for cell in cells)
        # What no formula gives is told by many alone.
        told = kind != "attention" or agreeing > max(2, len(cells) - 2)
        if agreeing * 2 >= len(cells) and told:
            found[kind] = best
    return found
