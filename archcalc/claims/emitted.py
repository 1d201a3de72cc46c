"""A spec that was emitted, expanded and held against the table that it came from.

What the table prints of a row, its layers have, or nothing is written; only where the table
contradicts itself does a spec say something else, and that is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any, NamedTuple

from archcalc.analysis.analyze import answer
from archcalc.analysis.counted import Row
from archcalc.claims.causes import label, number
from archcalc.claims.finding import Audit
from archcalc.claims.readings import Reading
from archcalc.claims.stored import frozen, memory
from archcalc.claims.tables.evidence import Option, State, holds, spread
from archcalc.claims.tables.kinds import WEIGHTED
from archcalc.claims.tables.lines import mult_adds_unit
from archcalc.claims.tables.sheet import Entry, Number, Sheet
from archcalc.claims.tables.totals import adds_up, total_row
from archcalc.claims.tables.work import work_of
from archcalc.errors import ArchcalcError, Problem, SpecError

SIZES = tuple(f"{way}_{axis}" for way in ("in", "out") for axis in "dhwc")
WORK_OFF = Fraction(1, 1000)
"""How far the work may be off: versions count normalizations and batches, or do not."""
UNWORKED = "Attention|LSTM|GRU|RNN|Embedding"
"""Operators whose work versions of torchinfo count in ways of their own."""
SUMMED = frozenset(("concat", "add", "merge"))
"""Kinds that take several sizes, of which one is printed."""


class Emitted(NamedTuple):
    """A spec of the network that was found in a table."""

    text: str
    """As YAML."""
    said: tuple[str, ...]
    """Where it differs from what is printed, and how much of it no cell says."""


def hold(
    audit: Audit,
    data: Mapping[str, Any],
    layers: Mapping[int, Sequence[str]],
    guessed: bool = False,
) -> list[str]:
    """Where a spec differs from the table, which contradicts itself there.

    ``layers`` are the names of those that each row became, ``guessed`` says whether some of them
    hang on what no row prints, which the memory below the table may refute. Raises
    :class:`ArchcalcError` for the first row that differs from what the table prints without that.
    """
    sheet, told = audit.sheet, audit.reading
    assert sheet is not None
    assert told is not None
    try:
        rows: dict[str, list[Row]] = {}
        counted = answer(dict(data))
        for row in counted.rows:
            rows.setdefault(row.name.partition(".")[0], []).append(row)
    except SpecError as error:
        raise ArchcalcError(f"{audit.name}: {_unfit(sheet, layers, error.problems[0])}") from None
    said = []
    params = statistics = 0
    for index, names in layers.items():
        entry, option = sheet.entries[index], told.found.options[index]
        assert option is not None
        ours = _Ours([row for name in names for row in rows[name]])
        params, statistics = params + ours.params, statistics + ours.statistics
        for role, right in _differing(entry, option, ours, told):
            column = entry.columns.get(role, sheet.columns.get(role, -1))
            follows = role in option.wrong and option.expected[role] == right
            cell = entry.number - 1, column  # as printed, which may be from the output up
            shown = (f.right for f in audit.findings if (f.row, f.column) == cell)
            has = next(shown, "") if follows else ""
            what = (
                f"{label(entry)}, {sheet.headers[column]}: the table prints "
                f"{entry.cells[column]}, the network that was found has {has or number(right)}"
            )
            if not follows:
                raise ArchcalcError(f"{audit.name}: {what}: no spec is written")
            said.append(what)
    _worked(audit, counted.rows)
    taken = data["input"]
    inputs = list(taken.values()) if isinstance(taken, Mapping) else [taken]
    for what, refuted in memory(audit, counted.rows, inputs, guessed):
        if refuted:
            raise ArchcalcError(f"{audit.name}: {what}: no spec is written")
        said.append(what)
    said += _total(sheet, told, layers, params, statistics)
    said += frozen(sheet, params, statistics)
    return list(dict.fromkeys(said))


def _worked(audit: Audit, rows: Sequence[Row]) -> None:
    """Hold the work of all rows against what torchinfo says below its table.

    It multiplies the parameters of convolutions by the positions that they give, and counts those
    of other layers once; modules of which no row is printed have the parameters that they should,
    but maybe at other sizes. Raises :class:`ArchcalcError` where the work is another.
    """
    assert audit.sheet is not None
    entry = next((e for e in audit.sheet.entries if "mult_adds" in e.values), None)
    if entry is None or any(re.search(UNWORKED, row.op) for row in rows):
        return
    printed = entry.printed["mult_adds"]
    unit = mult_adds_unit(entry.name) * audit.sheet.batch
    # A layer of features may be a 1x1 convolution where no row of its module is printed.
    own = {row.name: int(row.params) for row in rows}
    counted = [(row, own.get(row.node.share or "", own[row.name])) for row in rows]
    biases = {row.name: prod(map(int, row.weights.get("bias", (0,)))) for row in rows}
    each = [
        sum((n - biases[row.name] * less) * _positions(row, as_) for row, n in counted)
        for as_, less in product((False, True), repeat=2)
    ]
    slack = printed.step * unit
    if all(abs(n - printed.value * unit) > slack + n * WORK_OFF for n in each):
        raise ArchcalcError(
            f"{audit.name}: {entry.name}: the table prints {printed.text}, the network that was "
            f"found has {float(Fraction(each[0], unit)):.2f}: no spec is written"
        )


def _positions(row: Row, convolved: bool) -> int:
    """How many times torchinfo counts the parameters of a layer."""
    if "Conv" in row.op:
        return prod(map(int, row.shape[2:]))
    return prod(map(int, row.shape[1:-1])) if convolved and row.op == "Linear" else 1


def _unfit(sheet: Sheet, layers: Mapping[int, Sequence[str]], problem: Problem) -> str:
    """Why what was found is no network, as of the row where it ends."""
    name = problem.path[1] if len(problem.path) > 1 else ""
    rows = [sheet.entries[row] for row, names in layers.items() if name in names]
    where = label(rows[0]) if rows else f"what is taken for granted before '{name}'"
    why = problem.message.partition("\n")[0]
    return f"{where}: what was found does not fit: {why}: no spec is written"


class _Ours:
    """The layers of a row, counted."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.params = sum(int(row.params) for row in rows)
        self.macs = sum(int(row.macs) for row in rows)
        kept = [int(row.buffers) for row in rows if "BatchNorm" in row.op]
        self.statistics = sum(n - n % 2 for n in kept)
        """Numbers that Keras counts, too: a mean and a variance for each channel."""

    def states(self, way: str) -> Iterator[State]:
        """What they take or give, channels first and last."""
        for row in self.rows if way == "in" else self.rows[-1:]:
            shapes = row.node.input_shapes[:1] if way == "in" else [row.shape]
            for shape in shapes:
                sizes = tuple(int(n) for n in shape[1:])
                if sizes:
                    yield State(sizes[0], sizes[1:])
                    yield State(sizes[-1], sizes[:-1])


def _differing(
    entry: Entry, option: Option, ours: _Ours, told: Reading
) -> Iterator[tuple[str, Number]]:
    """Roles of cells that say something else than the layers, and what those have."""
    manner = told.found.manner
    if "params" in entry.printed and not holds(entry, "params", ours.params, manner):
        counted = ours.params + ours.statistics
        seen = entry.values["params"] == counted + 1  # and how many were seen, of data
        if not (ours.statistics and (seen or holds(entry, "params", counted, manner))):
            right = option.expected.get("params")
            yield "params", counted if right == counted else ours.params
    for way in ("in", "out"):
        if way == "in" and entry.kind in SUMMED:
            continue
        off = [_unlike(entry, way, state) for state in ours.states(way)]
        if off and all(off):
            yield from min(off, key=len)
    for role, ways in manner.work.items():
        how = ways.get(option.layer.kind)
        if not how or not entry.values.get(role) or option.layer.macs is None:
            continue
        work = work_of(option.layer._replace(macs=ours.macs), how, manner.batch)
        printed = entry.printed[role]
        halved = role in manner.backward and entry.index == manner.start
        if work is not None:
            work *= entry.windows if role in manner.windowed else 1
        if work is not None and not any(
            printed.verdict(n).holds for n in ((work, work // 2) if halved else (work,))
        ):
            yield role, work


def _unlike(entry: Entry, way: str, state: State) -> list[tuple[str, Number]]:
    """Sizes that a row prints otherwise than a state has them."""
    return [
        (role, right)
        for role, right in spread(way, state, entry).items()
        if role in SIZES and entry.values.get(role, right) != right
    ]


def _total(
    sheet: Sheet,
    told: Reading,
    layers: Mapping[int, Sequence[str]],
    params: int,
    statistics: int,
) -> Iterator[str]:
    """What is to be said of a printed total that the spec does not have."""
    total = total_row(sheet)
    if total is None or adds_up(sheet, params) or adds_up(sheet, params + statistics):
        return
    bare = [e for e in sheet.layers if e.index in layers and "params" not in e.values]
    rows = [e for e in sheet.addends if "params" in e.values]
    slack = sum(int(e.printed["params"].step) for e in rows if e.printed["params"].step > 1)
    if slack and (adds_up(sheet, params, slack) or adds_up(sheet, params + statistics, slack)):
        return
    own = [e for e in sheet.addends if e.container and e.index not in layers]
    own = [e for e in own if e.values.get("params")]
    lacking = int(total.values["params"]) - params
    shared = next((e for e in bare if e.kind in WEIGHTED), None)
    if lacking < 0 and shared is not None and sheet.program == "pytorch":
        raise ArchcalcError(
            f"{sheet.name}: {label(shared)} prints no parameters: whose it has is not in the table"
        )
    if lacking == sum(int(e.values["params"]) for e in own):
        each = ", ".join(f"{number(e.values['params'])} of {label(e)}" for e in own)
        why = f"; {each}: modules that did not run, or parameters of its own, are printed in no row"
    else:
        why = f"; {len(bare)} rows print no parameters" if bare else ""
    yield (
        f"{label(total)}: the table prints {total.cells[sheet.columns['params']]} parameters, "
        f"the network that was found has {number(params)}{why}"
    )
