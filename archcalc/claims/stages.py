"""Audit of tables that print a module a row, as table 1 of "Going deeper with convolutions" does.

A row's columns are the widths of an inception module's branches (arXiv:1409.4842); its parameters
and operations follow from them, from the channels the row before gives, and from its output's size.
Printed as ``159K`` and ``128M`` they leave open what K is, and whether biases are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import NamedTuple

from archcalc.claims.causes import Cause, number
from archcalc.claims.finding import Audit, Finding
from archcalc.claims.printed import Printed
from archcalc.claims.readings import Reading, reading
from archcalc.claims.tables.modules import PATTERNS, sized
from archcalc.claims.tables.search import Search
from archcalc.claims.tables.sheet import Entry, Number, Sheet

IMAGE_CHANNELS = 3

MOST_CAUSES = 4

MOST_SEARCHED = 50
"""Wrong cells of a column whose causes are searched."""

WIDEST = 4096
"""Channels up to which numbers that stand nowhere in the table are tried."""

BRANCHES = PATTERNS[1].columns
"""Columns of the widths of an inception module, as in table 1 of arXiv:1409.4842."""

JOINED = ("n1x1", "n3x3", "n5x5", "pool_proj")
"""The branches whose outputs are concatenated."""

Widths = Mapping[str, int]
"""What a module is made of: the branches' widths, and ``cin``, ``h``, ``w``, ``kernel3``..."""

HEADS = {
    "n1x1": "#1x1",
    "n3x3_reduce": "#3x3 reduce",
    "n3x3": "#3x3",
    "n5x5_reduce": "#5x5 reduce",
    "n5x5": "#5x5",
    "pool_proj": "pool proj",
    "cin": "the input's channels",
}


class Manner(NamedTuple):
    """How a column of parameters or operations is counted."""

    thousand: int = 1000
    biases: bool = False
    times: int = 1

    def words(self, role: str) -> str:
        """``K = 1024, without biases``."""
        letter = "K" if role == "params" else "M"
        unit = self.thousand if role == "params" else self.thousand**2
        counted = "with biases" if self.biases else "without biases"
        what = {1: "multiply-accumulates", 2: "two for each multiply-accumulate"}[self.times]
        head = f"{letter} = {number(unit)}"
        return f"{head}, {counted}" if role == "params" else f"{head}, {what}, {counted}"


def audit_stages(sheet: Sheet) -> Audit:
    """The audit of a table with a module a row; :func:`archcalc.claims.audit.audit` calls it."""
    rows = list(_rows(sheet))
    manners = {role: _manner(rows, role) for role in ("params", "ops") if role in sheet.columns}
    told = reading(sheet, Search(sheet).run())
    findings = list(_sizes(sheet, rows, told))
    checked = {"output channels": sum(bool(_joined(w)) for _, w in rows if w)}
    for role, manner in manners.items():
        cells = [(e, w) for e, w in rows if w and role in e.printed]
        checked["params" if role == "params" else "operations"] = len(cells)
        wrong = [(e, w) for e, w in cells if not _holds(e, w, role, manner)]
        findings += [
            _finding(sheet, rows, entry, widths, role, manner, search=k < MOST_SEARCHED)
            for k, (entry, widths) in enumerate(wrong)
        ]
    notes = [f"{role}: {manner.words(role)}" for role, manner in manners.items()]
    notes.append(f"the network's input is taken to have {IMAGE_CHANNELS} channels")
    ours = [
        (int(e.values["params"]), _count(w, "params", manners["params"]))
        for e, w in rows
        if w and "params" in e.values
    ]
    if ours:
        notes.append(
            f"the printed params add up to {number(sum(p for p, _ in ours) // 1000)} thousand; "
            f"the configuration gives {number(sum(n for _, n in ours))}"
        )
    return Audit(
        name=sheet.name,
        headers=sheet.headers,
        rows=tuple(entry.cells for entry in sheet.entries),
        findings=tuple(sorted(findings, key=lambda each: (each.row, each.column))),
        unreadable=tuple((each.row, each.column, each.message) for each in sheet.unreadable),
        totals=None,
        checked=checked,
        notes=tuple(notes),
        unmapped=sheet.unmapped,
        remarks=sheet.remarks,
        sheet=sheet,
        reading=told,
    )


def _rows(sheet: Sheet) -> Iterator[tuple[Entry, Widths]]:
    """Each row with what it is made of; nothing for one that has no weights or says too little."""
    before: int | None = IMAGE_CHANNELS
    for entry in sheet.layers:
        values = entry.values
        out = values.get("out_c", values.get("channels_out"))
        widths: dict[str, int] = {}
        branches = {role: int(values[role]) for role in BRANCHES if role in values}
        size = {"h": int(values.get("out_h", 1)), "w": int(values.get("out_w", 1))}
        if before is not None and entry.kind not in ("pool", "same", "concat", "flatten", "input"):
            given = {"cin": before, **size}
            kernel = int(values.get("kernel_h", 1))
            if len(branches) == len(BRANCHES):
                widths = {**given, **branches, "kernel3": 3, "kernel5": 5}
            elif {"n3x3_reduce", "n3x3"} == set(branches):
                widths = {**given, **branches, "kernel3": kernel}
            elif not branches and out is not None:
                widths = {**given, "out": int(out), "kernel": kernel}
        yield entry, widths
        if out is not None:
            before = int(out)
        elif entry.kind not in ("pool", "same"):
            before = None


def _layers(widths: Widths) -> Iterator[tuple[int, int, int]]:
    """A row's convolutions: taps, channels in, channels out."""
    cin = widths["cin"]
    if "out" in widths:
        area = widths["kernel"] ** 2
        if widths.get("multiplier"):
            # A depthwise convolution, and a 1x1 over what it gives.
            yield area, 1, cin * widths["multiplier"]
            yield 1, cin * widths["multiplier"], widths["out"]
        else:
            yield area, cin, widths["out"]
        return
    for side, i, o, *_ in PATTERNS[1 if "n5x5" in widths else 2].layers:
        area = widths.get(f"kernel{side}", side) ** 2
        yield area, sized(i, {**widths, "in": cin}), sized(o, widths)


def _count(widths: Widths, role: str, manner: Manner) -> int:
    total = sum((area * i + manner.biases) * o for area, i, o in _layers(widths))
    return total if role == "params" else manner.times * total * widths["h"] * widths["w"]


def _holds(entry: Entry, widths: Widths, role: str, manner: Manner) -> bool:
    """Whether a printed number is what the configuration gives, at its precision."""
    return _printed(entry, role, manner).verdict(_count(widths, role, manner)).holds


def _printed(entry: Entry, role: str, manner: Manner) -> Printed:
    return Printed.parse(entry.printed[role].text, manner.thousand)


def _manner(rows: list[tuple[Entry, Widths]], role: str) -> Manner:
    """The way to count under which most cells of a column hold."""
    counted = (1,) if role == "params" else (1, 2)
    ways = product(counted, (False, True), (1000, 1024))
    manners = [Manner(thousand, biases, times) for times, biases, thousand in ways]
    cells = [(entry, widths) for entry, widths in rows if widths and role in entry.printed]

    def agreeing(manner: Manner) -> int:
        return sum(_holds(entry, widths, role, manner) for entry, widths in cells)

    return max(manners, key=agreeing)


def _joined(widths: Widths) -> int:
    """The channels of all branches together; 0 for a row that joins none."""
    return sum(widths[role] for role in JOINED) if "n5x5" in widths else 0


def _sizes(sheet: Sheet, rows: list[tuple[Entry, Widths]], told: Reading) -> Iterator[Finding]:
    """Outputs that don't follow: channels from the branches, extents from the stride."""
    for entry, widths in rows:
        out = entry.values.get("out_c")
        made = _joined(widths) or (widths.get("n3x3", 0) if widths else 0)
        if made and out is not None and made != out:
            terms = [widths[role] for role in JOINED if role in widths]
            rule = f"{' + '.join(map(str, terms))} = {made}"
            yield Finding.of(sheet, entry, "out_c", str(made), rule)
    for entry, option in zip(sheet.entries, told.found.options, strict=True):
        for role in option.wrong if option else ():
            if role in ("out_h", "out_w") and option is not None:
                right = str(option.expected[role])
                yield Finding.of(sheet, entry, role, right, "it follows from the stride")


def _finding(
    sheet: Sheet,
    rows: list[tuple[Entry, Widths]],
    entry: Entry,
    widths: Widths,
    role: str,
    manner: Manner,
    search: bool,
) -> Finding:
    ours = _count(widths, role, manner)
    rule = f"the configuration gives {number(ours)}"
    candidates = _explanations(rows, entry, widths, role, manner) if search else ()
    found = sorted(candidates, key=lambda cause: cause.distance)
    right = _printed(entry, role, manner).like(ours)
    return Finding.of(sheet, entry, role, right, rule, found[:MOST_CAUSES])


def _explanations(
    rows: list[tuple[Entry, Widths]], entry: Entry, widths: Widths, role: str, manner: Manner
) -> Iterator[Cause]:
    """Single changes that give the printed number, nearer where the row's other number agrees."""
    turned = manner._replace(biases=not manner.biases)
    if role == "params" and _holds(entry, widths, role, turned):
        yield Cause(0.5, f"it holds with {turned.words(role)}")
    other = "ops" if role == "params" else "params"
    held = _holds_anyhow(entry, widths, other)
    for distance, changed, text in _changes(rows, entry, widths):
        counted = manner if _holds(entry, changed, role, manner) else turned
        if counted is turned and (role == "ops" or not _holds(entry, changed, role, turned)):
            continue
        if counted is turned:
            distance += 0.5
            text += f", counted {turned.words(role).rpartition(', ')[2]}"
        holds = _holds_anyhow(entry, changed, other)
        if held is False and holds:
            distance -= 1
            text += f"; so do the {other}"
        elif holds is False:
            distance += 0.5
            text += f"; the {other} do not"
        joined, out = _joined(changed), entry.values.get("out_c")
        if joined not in (0, out):
            distance += 0.5
            text += f"; the branches would give {joined}, not {out}"
        yield Cause(distance, text)


def _holds_anyhow(entry: Entry, widths: Widths, role: str) -> bool | None:
    """Whether a number holds in some way of counting; None where it is not printed."""
    if role not in entry.printed:
        return None
    thousands = (1000, 1024) if role == "params" else (1000,)
    manners = [Manner(k, biases) for k in thousands for biases in (False, True)]
    return any(_holds(entry, widths, role, manner) for manner in manners)


def _changes(
    rows: list[tuple[Entry, Widths]], entry: Entry, widths: Widths
) -> Iterator[tuple[float, Widths, str]]:
    """One change of a configuration at a time, the nearer taken number first."""
    if "out" in widths:
        for multiplier in range(1, 17):
            text = (
                f"it follows from a separable convolution: depthwise with {multiplier} filters "
                "for each channel, then 1x1"
            )
            yield 1 + multiplier / 20, {**widths, "multiplier": multiplier}, text
    kernels = [("kernel5", 3), ("kernel3", 1), ("kernel3", 5), ("kernel", 3), ("kernel", 5)]
    for role, side in kernels:
        if role in widths and widths[role] != side:
            was = f"{widths[role]}x{widths[role]}"
            yield 1.5, {**widths, role: side}, f"it follows from {side}x{side} in place of {was}"
    at = next(k for k, (each, _) in enumerate(rows) if each.index == entry.index)
    for role in ("cin", *BRANCHES, "out"):
        if role not in widths:
            continue
        head = HEADS.get(role, role)
        seen = {widths[role]}
        for distance, value, whose in _numbers(rows, at, role):
            if value not in seen:
                seen.add(value)
                text = f"it follows from {head} of {value}, {whose}, not {widths[role]}"
                yield 1 + distance, {**widths, role: value}, text
        for value in range(8, min(2 * widths[role], WIDEST) + 8, 8):
            if value not in seen:
                seen.add(value)
                text = f"it follows from {head} of {value}, which is printed nowhere near"
                far = abs(value - widths[role]) / (widths[role] + 1)
                yield 3 + far, {**widths, role: value}, f"{text}, not {widths[role]}"


def _numbers(
    rows: list[tuple[Entry, Widths]], at: int, role: str
) -> Iterator[tuple[float, int, str]]:
    """Numbers around a row's cell: of its column, then of the others."""
    for away in range(8):
        for k in dict.fromkeys((at - away, at + away)):
            if not 0 <= k < len(rows):
                continue
            entry = rows[k][0]
            values = {**entry.values}
            own = "out_c" if role in ("cin", "out") else role
            for each in (own, *BRANCHES, "out_c"):
                value: Number | None = values.get(each)
                if value is not None and (each != role or away):
                    head = HEADS.get(each, "the output's channels")
                    whose = "its own" if not away else f"that of {entry.name}"
                    text = f"{head} of {entry.name}" if away else f"{whose} {head}"
                    yield away / 10 + (each != own) / 2, int(value), text
