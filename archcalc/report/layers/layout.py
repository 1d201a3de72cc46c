"""A table with its cells worked out, before it takes the form of any format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from archcalc.analysis.analyze import BYTES, Analysis, Row
from archcalc.analysis.conventions import Convention
from archcalc.analysis.conventions import convention as counted_by
from archcalc.dims import Size
from archcalc.errors import ArchcalcError
from archcalc.report.choice import choose
from archcalc.report.layers.columns import (
    BY_LAYER,
    BY_STAGE,
    AtLeast,
    Cell,
    Column,
    Frame,
    columns,
    print_shape,
)
from archcalc.report.layers.lines import DETAILS, Line, depth, lines

MOST_NAMES = 8
"""Of more layers than this that are not counted, the names of the first and the last only."""


class Request(NamedTuple):
    """What is wanted of a table, checked."""

    detail: str
    columns: tuple[str, ...] | None
    """Names of columns; None for the default ones."""
    dtype: str
    convention: Convention

    @classmethod
    def of(
        cls, detail: str, columns: str | Sequence[str] | None, dtype: str, convention: str
    ) -> Request:
        """Raises :class:`ArchcalcError` for what does not exist."""
        names = columns.split(",") if isinstance(columns, str) else columns
        if names is not None and not any(name.strip() for name in names):
            raise ArchcalcError("columns: none is named")
        return cls(
            choose("detail", detail, DETAILS),
            None if names is None else tuple(names),
            choose("dtype", dtype, BYTES),
            counted_by(convention),
        )


class Table(NamedTuple):
    """Cells by line and column, and what stands above and below them.

    Numbers are numbers still: each format has its own way to print them.
    """

    title: str
    about: str
    """The edition and the input: without them a total says nothing."""
    columns: tuple[Column, ...]
    cells: tuple[tuple[Cell, ...], ...]
    hidden: tuple[Cell, ...] | None
    """Sums of the layers that are not shown; text columns are empty."""
    hidden_count: int
    hidden_ops: tuple[str, ...]
    """Their operators, each with how often it occurs: ``57 ReLU``."""
    sums: tuple[Cell, ...]
    totals: tuple[tuple[str, str], ...]
    """The network's totals: a name, and the number with its unit."""
    shown: tuple[Line, ...]
    frame: Frame

    def drop(self, name: str) -> Table:
        """The table without a column."""
        kept = [k for k, column in enumerate(self.columns) if column.name != name]
        chosen = tuple(self.columns[k] for k in kept)
        frame = self.frame._replace(stages=self.frame.stages and name != "stage")

        def narrow(cells: Sequence[Cell]) -> tuple[Cell, ...]:
            return tuple(cells[k] for k in kept)

        return self._replace(
            columns=chosen,
            # Names lose nothing by the stage's column going: they are printed in full then.
            cells=_cells(self.shown, chosen, frame),
            hidden=None if self.hidden is None else narrow(self.hidden),
            sums=narrow(self.sums),
            frame=frame,
        )


def lay_out(analysis: Analysis, request: Request, note: str = "", brief: bool = True) -> Table:
    """The table of an analysis. ``note`` says what else distinguishes it, such as variables set.

    With ``brief`` long lists are shortened and the stage's column left out where no line has a
    stage, as suits people; without, the columns are always the same, as suits programs.
    """
    shown, hidden = lines(analysis, request.detail)
    names = request.columns or (BY_STAGE if request.detail == "stage" else BY_LAYER)
    if request.columns is None and brief and not any(line.stage for line in shown):
        names = tuple(name for name in names if name != "stage")
    chosen = tuple(columns(names, request.convention))
    stages = any(column.name == "stage" for column in chosen)
    frame = Frame(analysis, request.convention, request.dtype, stages, brief)
    kinds = Counter(row.op for row in hidden)
    return Table(
        title=_title(analysis),
        about=_about(analysis, note),
        columns=chosen,
        cells=_cells(shown, chosen, frame),
        hidden=_summed(hidden, chosen, frame) if hidden else None,
        hidden_count=len(hidden),
        hidden_ops=tuple(f"{count} {op}" if count > 1 else op for op, count in kinds.most_common()),
        sums=_summed(analysis.rows, chosen, frame),
        totals=tuple(_totals(analysis, request)),
        shown=tuple(shown),
        frame=frame,
    )


def _cells(
    shown: Sequence[Line], chosen: Sequence[Column], frame: Frame
) -> tuple[tuple[Cell, ...], ...]:
    return tuple(
        tuple(
            [
                column.text(line, frame) if column.text else column.cell(line.rows, frame)
                for column in chosen
            ]
        )
        for line in shown
    )


def _summed(rows: Sequence[Row], chosen: Sequence[Column], frame: Frame) -> tuple[Cell, ...]:
    return tuple("" if column.text else column.cell(rows, frame) for column in chosen)


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


def _totals(analysis: Analysis, request: Request) -> list[tuple[str, str]]:
    counted = request.convention

    def bounded(text: str, partial: bool = analysis.partial) -> str:
        return str(AtLeast(text)) if partial else text

    others = [
        f"{bounded(number(count))} {what}"
        for what, count, usual in (
            ("executed", analysis.executed_params, analysis.params),
            ("shared", analysis.shared_params, 0),
        )
        if number(count) != number(usual)
    ]
    params = bounded(number(analysis.params))
    totals = [
        ("params", params + (f" ({', '.join(others)})" if others else "")),
        ("buffers", bounded(number(analysis.buffers))),
        (counted.header, bounded(number(counted.total(analysis)))),
    ]
    if analysis.training:
        backward = analysis.backward
        text = bounded(number(backward.macs), bool(backward.not_counted))
        totals.append(("backward MACs", text))
    unseen = counted.blind(analysis) if counted.tool else ()
    if unseen:
        totals.append((f"unseen by {counted.name}", ", ".join(unseen)))
    if counted.name != "all":
        totals.append(("FLOPs", bounded(number(analysis.flops))))
    size = print_bytes(analysis.weight_bytes(request.dtype))
    totals.append(("weight bytes", f"{bounded(size)} in {request.dtype}"))
    if request.detail == "stage":
        longest = depth(row for row in analysis.rows if row.executed)
        totals.append(("depth", bounded(number(longest))))
    if analysis.partial:
        totals.append(("not counted", _uncounted(analysis)))
    return totals


def _uncounted(analysis: Analysis) -> str:
    """The layers of unknown operators: ``mix (MyOp), attend (TheirOp)``."""
    named = [f"{row.name} ({row.op})" for row in analysis.rows if not row.counted]
    if len(named) > MOST_NAMES:
        return f"{named[0]}, ..., {named[-1]} ({len(named)} layers)"
    return ", ".join(named)


def number(size: Cell) -> str:
    """A number with thousands separators; text and symbols as they are."""
    if isinstance(size, AtLeast):
        return str(AtLeast(number(size.size)))
    return f"{size:,}" if type(size) is int else str(size)


def print_bytes(size: Size) -> str:
    """``27994208`` as ``27.99 MB``: a MB is 10^6 bytes, a kB 10^3."""
    if type(size) is not int or size < 1000:
        return f"{size} bytes"
    for unit, scale in (("kB", 10**3), ("MB", 10**6), ("GB", 10**9)):
        if 1000 * size < 999_995 * scale or unit == "GB":  # so that none is printed as 1,000.00
            return f"{size / scale:,.2f} {unit}"
    raise AssertionError
