"""The columns of a comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from archcalc.claims.compare import ERROR, WORK, Entry
from archcalc.dims import Size
from archcalc.document.model import Cell
from archcalc.report.choice import choose
from archcalc.report.layers.columns import print_shape
from archcalc.report.layers.lines import depth_of
from archcalc.report.runs import measured
from archcalc.report.units import print_bytes


class Column(NamedTuple):
    """What a comparison says of each network."""

    header: str
    cell: Callable[[Entry], Cell]
    right: bool = False
    size: Callable[[Entry], Size | None] | None = None
    """The number that a ratio to the baseline is of."""
    kind: str = ""
    """The kind of documented number it shows."""


def _said(kind: str) -> Callable[[Entry], Cell]:
    def cell(entry: Entry) -> Cell:
        found = entry.said(kind)
        if found is None:
            return ""
        other = found.network != entry.spec.label
        return f"{found.printed} {f'of {found.network}' if other else found.verdict}"

    return cell


def top5_of(entry: Entry) -> str:
    """The accuracy as printed, or what a printed error leaves, as exactly as that is printed."""
    if entry.top5 is None:
        return ""
    if entry.top5.quantity != ERROR or entry.accuracy is None:
        return entry.top5.printed
    _, _, decimals = entry.top5.printed.partition(".")
    digits = sum(each.isdigit() for each in decimals)
    return f"{100 * entry.accuracy:.{digits}f}%"


def input_of(entry: Entry) -> str:
    """The shapes of its inputs."""
    return ", ".join(map(print_shape, entry.analysis.graph.inputs.values()))


def _measured(shown: measured.Shown) -> Column:
    def cell(entry: Entry) -> Cell:
        return shown.show(entry.measured) if entry.measured else ""

    return Column(shown.header, cell, True)


COLUMNS: Mapping[str, Column] = {
    "network": Column("network", lambda e: e.name),
    "title": Column("title", lambda e: " ".join(e.spec.title.split())),
    "edition": Column("edition", lambda e: " ".join(e.spec.edition.split())),
    "year": Column("year", lambda e: str(e.analysis.graph.year or "")),
    "feature": Column("salient feature", lambda e: " ".join(e.spec.feature.split())),
    "input": Column("input", input_of),
    "top5": Column("top-5", top5_of, True),
    "layers": Column("layers", lambda e: len(e.analysis.rows), True),
    "depth": Column("depth", lambda e: depth_of(e.analysis), True),
    "params": Column("params", lambda e: e.analysis.params, True, lambda e: e.analysis.params),
    "printed_params": Column("params in print", _said("params"), kind="params"),
    "buffers": Column("buffers", lambda e: e.analysis.buffers, True),
    "macs": Column(
        "MACs", lambda e: "fails" if e.number is None else e.number, True, lambda e: e.number
    ),
    "printed_work": Column("work in print", _said(WORK), kind=WORK),
    "flops": Column("FLOPs", lambda e: e.analysis.flops, True, lambda e: e.analysis.flops),
    "activations": Column("activations", lambda e: e.analysis.activations, True),
    "size": Column(
        "size",
        lambda e: print_bytes(e.analysis.weight_bytes()),
        True,
        lambda e: e.analysis.weight_bytes(),
    ),
    "printed_size": Column("size in print", _said("weight_bytes"), kind="weight_bytes"),
    **{name: _measured(shown) for name, shown in measured.COLUMNS.items()},
}
"""What can be shown. ``printed_`` columns hold documented numbers, each with its verdict or the
variant that it is of."""

USUAL = (
    "network",
    "year",
    "feature",
    "top5",
    "params",
    "printed_params",
    "macs",
    "printed_work",
    "flops",
    "size",
)
"""The columns of a comparison where none are chosen."""

MEASURED = tuple(measured.COLUMNS)
"""The columns of what was measured. Where none are chosen, they stand beside the sizes."""

DROPPED_FIRST = (
    "feature",
    "spread",
    "predicted",
    "throughput",
    "size",
    "flops_ratio",
    "size_ratio",
    "flops",
    "year",
    "printed_size",
    "top5",
    "printed_work",
    "printed_params",
    "edition",
    "title",
)
"""The columns that a narrow terminal goes without, in this order."""

SENTENCES = ("title", "edition", "feature")
"""The columns whose text may take several lines."""


def chosen(columns: str | Sequence[str] | None) -> tuple[str, ...]:
    """Names of columns, from a list or from text with commas between.

    Raises :class:`ArchcalcError` for what is none.
    """
    if columns is None:
        return USUAL
    names = columns.split(",") if isinstance(columns, str) else columns
    return tuple(choose("column", name, COLUMNS) for name in names)
