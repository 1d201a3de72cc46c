"""The table of a network: a line for each layer, what is not shown, and the totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from math import inf
from typing import NamedTuple, TypeAlias

from archcalc.analysis.conventions import Convention
from archcalc.analysis.conventions import convention as counted_by
from archcalc.analysis.counted import Analysis, Row
from archcalc.dims import Size
from archcalc.document.model import (
    AtLeast,
    Cell,
    Document,
    Group,
    Head,
    Heading,
    Label,
    Pairs,
    Part,
    Prose,
    Table,
    many,
    number,
)
from archcalc.document.model import Row as Cells
from archcalc.errors import ArchcalcError
from archcalc.report.choice import choose
from archcalc.report.layers.columns import (
    BY_LAYER,
    BY_STAGE,
    Column,
    Frame,
    columns,
    print_shape,
)
from archcalc.report.layers.lines import DETAILS, Line, depth_of, lines, running
from archcalc.report.layers.repeats import Repeat, folded, spanned
from archcalc.report.units import print_bytes
from archcalc.spec.bits import BYTES, described
from archcalc.spec.refusal import misread

MOST_NAMES = 8
"""Of more layers than this that are not counted, the names of the first and the last only."""


class Request(NamedTuple):
    """What is wanted of a table, checked."""

    detail: str
    columns: tuple[str, ...] | None
    """Names of columns; None for the default ones."""
    dtype: str
    convention: Convention
    unroll: bool = False
    """Whether every repetition of a block is shown."""
    width: float | None = None
    """How wide it may be, in characters of text or points of LaTeX."""

    @classmethod
    def of(
        cls,
        detail: str,
        columns: str | Sequence[str] | None,
        dtype: str,
        convention: str,
        unroll: bool = False,
        width: float | None = None,
    ) -> Request:
        """Raises :class:`ArchcalcError` for what does not exist, and a width that is none."""
        names = columns.split(",") if isinstance(columns, str) else columns
        if names is not None and not any(name.strip() for name in names):
            raise ArchcalcError("columns: none is named")
        if width is not None and not 1 <= width < inf:  # nor is what is no number
            raise ArchcalcError(f"width: {width:g} is not a width")
        return cls(
            choose("detail", detail, DETAILS),
            None if names is None else tuple(names),
            choose("dtype", dtype, BYTES),
            counted_by(convention),
            unroll,
            width,
        )


def lay_out(
    analysis: Analysis,
    request: Request,
    note: str = "",
    brief: bool = True,
    usual: Analysis | None = None,
) -> Document:
    """The table of an analysis. ``note`` says what else distinguishes it, such as variables set.

    Repeated blocks are one, unless all are asked for. With ``brief`` long lists are shortened and
    columns that say nothing left out, as suits people; without, the columns are always the same
    and a line stands for all repetitions of a layer, as suits programs. ``usual`` is the network on
    its own input, where that says more of what is printed of it.
    """
    shown, hidden = lines(analysis, request.detail)
    if not shown:
        shown, hidden = lines(analysis, "all")
    names = request.columns or (BY_STAGE if request.detail == "stage" else BY_LAYER)
    chosen = tuple(columns(names, request.convention))
    stages = any(column.name == "stage" for column in chosen)
    wanted = any(column.name == "activation_bytes" for column in chosen)
    formats = analysis.formats() if wanted else {}
    counted = request.convention.within(analysis)
    frame = Frame(analysis, counted, request.dtype, stages, brief, formats)
    printed = _Rows(chosen, frame)
    body = shown if request.unroll else list(folded(shown))
    table = Table(
        printed.heads,
        tuple(printed.body(body, hidden)),
        sums=(printed.sum(analysis.rows, Label("total"), "sums"),),
        narrow=_going(chosen),
    )
    if brief and request.columns is None:
        for name in table.empty():
            table = table.drop(name)
    return Document.of(
        Heading(_title(analysis)),
        Prose(_about(analysis, note), "about"),
        table,
        Pairs(tuple(_totals(analysis, request, usual))),
    )


MISSED_LEAST = ("from", "out", "in", "depth", "padding", "input", "stage", "stride", "kernel")
"""The columns that a narrow page goes without, in this order; then what else is no number, then
numbers, each from the right. The layer's name and the first number are never left out."""


def _going(chosen: Sequence[Column]) -> tuple[str, ...]:
    words = [column.name for column in chosen if column.text and column.name != "layer"]
    numbers = [column.name for column in chosen if column.text is None]
    known = [name for name in MISSED_LEAST if name in words]
    rest = [name for name in reversed(words) if name not in MISSED_LEAST]
    return (*known, *rest, *reversed(numbers[1:]))


class _Rows:
    """Lines as rows of cells."""

    def __init__(self, chosen: Sequence[Column], frame: Frame) -> None:
        self.chosen, self.frame = chosen, frame
        self.full = frame._replace(stages=False)
        words = [column.text is not None and not column.right for column in chosen]
        self.label = words.index(True) if any(words) else len(words)
        """Where a label stands: where there are but numbers, in a column of its own."""
        self.blank: tuple[Cell, ...] = () if any(words) else ("",)
        heads = [Head(c.name, c.header, c.right, completes=c.name == "stage") for c in chosen]
        self.heads = (*heads, *[Head("", "")] * len(self.blank))
        self.placed = [(k, column) for k, column in enumerate(chosen) if not column.own]
        self.equal: dict[tuple[int, bool, str | None], list[Cell]] = {}
        """What equal layers have in common, by what the analysis keeps alive."""

    def body(self, body: Sequence[Line | Repeat], hidden: Sequence[Row]) -> Iterator[Printed]:
        stages: dict[str, list[Row]] = {}
        for row in self.frame.analysis.rows:
            stages.setdefault(row.stage, []).append(row)
        for stage, group in groupby(body, _stage):
            entries = list(group)
            rows = [row for entry in entries for row in self._entry(entry)]
            if not stage or len(entries) == 1 or not self.frame.brief:
                yield from rows
                continue
            yield Group(self.sum(stages[stage], Label(stage), ""), tuple(rows), named=False)
        if hidden:
            kinds = Counter(row.op for row in hidden)
            named = tuple(f"{n} {op}" if n > 1 else op for op, n in kinds.most_common())
            label = Label(f"{many(len(hidden), 'layer')} not shown", named)
            yield self.sum(hidden, label, "hidden")

    def sum(self, rows: Sequence[Row], label: Label, look: str) -> Cells:
        """What some layers add up to. Nothing is left blank, so that a label has room."""
        cells: list[Cell] = ["" if c.text else c.cell(rows, self.frame) for c in self.chosen]
        if look != "sums":
            cells = ["" if number(cell) in ("0", "0.0") else cell for cell in cells]
        cells += self.blank
        cells[self.label] = label
        return Cells(tuple(cells), look)

    def _entry(self, entry: Line | Repeat) -> Iterator[Printed]:
        if isinstance(entry, Line):
            yield Cells((*self._line(entry), *self.blank))
            return
        copies = list(zip(*entry.copies, strict=True))
        if entry.single or not self.frame.brief:
            for same in copies:
                cells = (self._cell(column, same, merged=True) for column in self.chosen)
                yield Cells((*cells, *self.blank))
            return
        rows = [row for copy in entry.copies for line in copy for row in line.rows]
        inner = tuple(
            Cells((*(self._cell(column, same) for column in self.chosen), *self.blank))
            for same in copies
        )
        yield Group(self.sum(rows, Label(entry.name), ""), inner)

    def _line(self, line: Line) -> list[Cell]:
        if len(line.rows) > 1:
            return [self._said(column, line) for column in self.chosen]
        row = line.rows[0]
        key = id(row.node.applied), row.executed, row.node.share
        if key not in self.equal:
            self.equal[key] = [self._said(column, line) for column in self.chosen]
            return self.equal[key]
        cells = self.equal[key].copy()
        for k, column in self.placed:
            cells[k] = self._said(column, line)
        return cells

    def _said(self, column: Column, line: Line) -> Cell:
        """What a column says of a line."""
        if column.text is None:
            return column.cell(line.rows, self.frame)
        found = column.text(line, self.frame)
        if column.named and self.frame.stages and line.stage:
            full = column.text(line, self.full)
            return found if found == full else Part(str(found), str(full))
        return found

    def _cell(self, column: Column, same: Sequence[Line], merged: bool = False) -> Cell:
        """What a column says of the same line of all repetitions of a block."""
        line, last = same[0], same[-1]
        if column.text is None and merged:
            return column.cell([row for each in same for row in each.rows], self.frame)
        if column.text is not None and line is not last:
            found = column.text(line, self.frame)
            if merged and column.name == "layer":
                return spanned(str(found), str(column.text(last, self.frame)), len(same))
            if not column.named and (end := column.text(last, self.frame)) != found:
                return f"{number(found)} ... {number(end)}"
        return self._said(column, line)


Printed: TypeAlias = "Cells | Group"


def _stage(entry: Line | Repeat) -> str:
    return entry.stage if isinstance(entry, Line) else entry.copies[0][0].stage


def _title(analysis: Analysis) -> str:
    graph = analysis.graph
    title = f"{graph.name}: {' '.join(graph.title.split())}" if graph.title else graph.name
    return f"{title} ({graph.year})" if graph.year else title


def _about(analysis: Analysis, note: str) -> str:
    graph = analysis.graph
    batch = next(iter(graph.inputs.values()))[0]
    if len(graph.inputs) == 1:
        given = "".join(f"input {_unbatched(shape)}" for shape in graph.inputs.values())
    else:
        named = ", ".join(f"{name} {_unbatched(shape)}" for name, shape in graph.inputs.items())
        given = f"inputs {named}"
    mode = ", in training" if analysis.training else ""
    parts = [" ".join(graph.edition.split()), note, f"{given}, batch {batch}{mode}"]
    return "; ".join(filter(None, parts))


def _unbatched(shape: tuple[Size, ...]) -> str:
    return print_shape((1, *shape[1:]))


def _totals(analysis: Analysis, request: Request, usual: Analysis | None) -> list[tuple[str, str]]:
    counted = request.convention

    def bounded(text: str, partial: bool = analysis.partial) -> str:
        return str(AtLeast(text)) if partial else text

    others = [
        f"{bounded(number(count))} {what}"
        for what, count, known in (
            (running(analysis), analysis.executed_params, analysis.params),
            ("trainable", analysis.trainable, analysis.params),
            ("shared", analysis.shared_params, 0),
        )
        if number(count) != number(known)
    ]
    if usual is not None:
        shapes = ", ".join(map(_unbatched, usual.graph.inputs.values()))
        others.append(f"they depend on the input's size: {number(usual.params)} for {shapes}")
    params = bounded(number(analysis.params))
    totals = [
        ("params", params + (f" ({', '.join(others)})" if others else "")),
        ("buffers", bounded(number(analysis.buffers))),
        (counted.header, bounded(number(counted.total(analysis)))),
    ]
    doubts = filter(None, map(misread, analysis.graph.inputs.values()))
    totals += [("input", doubt) for doubt in doubts]
    if analysis.training:
        backward = analysis.backward
        text = bounded(number(backward.macs), bool(backward.not_counted))
        totals.append(("backward MACs", text))
    if counted.tool:
        totals.append((f"{counted.name} asked of", "the network as archcalc build makes it"))
    unseen = counted.blind(analysis) if counted.tool else ()
    if unseen:
        totals.append((f"unseen by {counted.name}", ", ".join(unseen)))
    if counted.name != "all":
        totals.append(("FLOPs", bounded(number(analysis.flops))))
    size = print_bytes(analysis.weight_bytes(request.dtype))
    said = f", {described(analysis.graph.bits)}" if analysis.quantized else ""
    totals.append(("weight bytes", f"{bounded(size)} in {request.dtype}{said}"))
    if analysis.quantized:
        operations = number(analysis.bit_operations(request.dtype))
        totals.append(("bit operations", bounded(operations)))
    if number(cache := analysis.cache_bytes(request.dtype)) != "0":
        text = bounded(number(cache), bool(analysis.partial or analysis.cache.not_counted))
        totals.append(("cache", f"{text} bytes a token in {request.dtype}"))
    if request.detail == "stage":
        totals.append(("depth", bounded(number(depth_of(analysis)))))
    if stretched := [f"{row.name} ({_sum(row)})" for row in analysis.rows if _stretches(row)]:
        totals.append(("broadcast", _some(stretched)))
    if analysis.partial:
        named = [f"{row.name} ({row.op})" for row in analysis.rows if not row.counted]
        totals.append(("not counted", _some(named)))
    return totals


def _stretches(row: Row) -> bool:
    """Whether it is a sum of unequal shapes, which may be meant or a mistake."""
    shapes = row.node.input_shapes
    return len(shapes) > 1 and row.op in _SIGNS and any(shape != shapes[0] for shape in shapes)


_SIGNS = {"Add": " + ", "Sub": " - "}


def _sum(row: Row) -> str:
    """``64x1x1 + 1x8x8``."""
    return _SIGNS[row.op].join(map(_unbatched, row.node.input_shapes))


def _some(named: Sequence[str]) -> str:
    """Layers: ``mix (MyOp), attend (TheirOp)``; of many the first and the last."""
    if len(named) > MOST_NAMES:
        return f"{named[0]}, ..., {named[-1]} ({len(named)} layers)"
    return ", ".join(named)
