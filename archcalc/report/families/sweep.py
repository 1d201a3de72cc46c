"""A sweep as a table, as streams of CSV, JSON and Parquet, and as a picture."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from archcalc.document import Document
from archcalc.document import render as rendered
from archcalc.document.data import dumps
from archcalc.document.model import Head, Heading, Items, Prose, table
from archcalc.document.safe import inert
from archcalc.errors import ArchcalcError, needing
from archcalc.report.choice import choose
from archcalc.report.picture import COLORS, drawn, limit, ticks_at
from archcalc.report.units import short
from archcalc.space.chunks import Refused
from archcalc.space.select import Columns
from archcalc.space.sweep import Sweep

TABLES = ("table", "markdown", "latex", "siunitx", "html")
STREAMS = ("csv", "json")
FORMATS = (*TABLES, *STREAMS, "parquet")
"""The forms of a sweep. Tables are for people and show the first rows; the others have all."""

SHOWN = 40
"""The most rows of a table."""

MOST_NUMBERS = 120
"""Of more cells of a heat map none says its number."""

HEADERS = {
    "macs": "MACs",
    "flops": "FLOPs",
    "weight_bytes": "weight bytes",
    "time": "least time in ns",
}


def document(found: Sweep, kept: str = "") -> Document:
    """The first rows as a table, with what else is to be known. ``kept`` says how rows were."""
    rows = [[_cell(value) for value in found[k].values()] for k in range(min(len(found), SHOWN))]
    notes, plural = [], "s" * (found.configurations != 1)
    count = len(found) + found.beyond
    if count > SHOWN:
        notes.append(
            f"the first {SHOWN} of {count:,} rows: choose with --where and --top, or write "
            "all with --format csv"
        )
    if found.refused.count:
        notes.append(refusal(found.refused))
    if found.skipped:
        notes.append(f"{found.skipped:,} are in parts of the space that can't meet the condition")
    heads = [Head(name, HEADERS.get(name, name), _right(v)) for name, v in found.columns.items()]
    going = [name for name in reversed(found.quantities) if name not in ("params", "macs")]
    return Document.of(
        Heading(f"{found.network}: {found.configurations:,} configuration{plural}{kept}"),
        Prose("MACs are multiply-accumulates, FLOPs two for each and one for all else", "about"),
        table(heads, rows, narrow=tuple(going)),
        Items.of(notes),
    )


def refusal(refused: Refused) -> str:
    """What was left out, and why in the first case."""
    where = ", ".join(f"{name}={value}" for name, value in refused.example.items())
    problems = getattr(refused.error, "problems", ())
    reason = problems[0].message if problems else str(refused.error)
    are = "is no network" if refused.count == 1 else "are no networks"
    return f"{refused.count:,} {are} and left out, such as {where}: {reason}"


def _right(values: Any) -> bool:
    return values.dtype != object or all(type(value) is int for value in values[:SHOWN])


def _cell(value: Any) -> Any:
    return value if isinstance(value, (int, str)) and not isinstance(value, bool) else str(value)


def render(found: Sweep, format: str = "table", kept: str = "") -> str:
    """A sweep in one of the formats that are text.

    Raises :class:`ArchcalcError` for any other.
    """
    form = choose("format", format, FORMATS)
    if form in TABLES:
        return rendered(document(found, kept), form)
    if form == "parquet":
        raise ArchcalcError("Parquet is no text: name a file with --output")
    return "".join(STREAM[form]([found.columns]))


def csv(chunks: Iterable[Columns]) -> Iterator[str]:
    """Comma-separated values, a piece of text for every chunk; lists are written as in JSON."""
    from csv import writer

    first = True
    for chunk in chunks:
        buffer = StringIO()
        if first:
            writer(buffer, lineterminator="\n").writerow(chunk)
            first = False
        columns = [values.tolist() for values in chunk.values()]
        if any(isinstance(v, (str, list, bool, type(None))) for c in columns for v in c[:1]):
            texts = [[_written(value) for value in column] for column in columns]
            writer(buffer, lineterminator="\n").writerows(zip(*texts, strict=True))
        elif columns[0]:
            # Formatting many rows at once is several times as fast as row by row.
            row = ",".join(["%s"] * len(columns)) + "\n"
            cells = [cell for cells in zip(*columns, strict=True) for cell in cells]
            buffer.write((row * len(columns[0])) % tuple(cells))
        yield buffer.getvalue()


def _written(value: Any) -> Any:
    """A cell as programs read it, and as no spreadsheet obeys it."""
    if isinstance(value, str):
        return inert(value)
    return dumps(value) if isinstance(value, (list, bool, type(None))) else value


def as_json(chunks: Iterable[Columns]) -> Iterator[str]:
    """A JSON array with an object for every row, one a line."""
    lead = "[\n"
    for chunk in chunks:
        columns = [values.tolist() for values in chunk.values()]
        rows = [dumps(dict(zip(chunk, cells, strict=True))) for cells in zip(*columns, strict=True)]
        if rows:
            yield lead + ",\n".join(rows)
            lead = ",\n"
    yield "[]\n" if lead == "[\n" else "\n]\n"


STREAM: dict[str, Callable[[Iterable[Columns]], Iterator[str]]] = {"csv": csv, "json": as_json}


def write_parquet(chunks: Iterable[Columns], path: Path) -> None:
    """Parquet, a row group for some chunks. Raises :class:`ArchcalcError` without pyarrow.

    Numbers that 64 bits can't hold are refused: the format has no larger ones.
    """
    with needing("Parquet needs", "pyarrow", "pyarrow"):
        import pyarrow as pa
        from pyarrow import parquet
    writer = None
    try:
        for chunk in chunks:
            try:
                table = pa.table(
                    {
                        name: pa.array(v.tolist() if v.dtype == object else v)
                        for name, v in chunk.items()
                    }
                )
                if writer is None:
                    writer = parquet.ParquetWriter(path, table.schema)
                writer.write_table(table)
            except (pa.ArrowException, OverflowError, ValueError) as error:
                raise ArchcalcError(
                    f"Parquet can't hold these columns: {error}\n  CSV and JSON can"
                ) from None
    finally:
        if writer is not None:
            writer.close()


def draw(
    found: Sweep,
    format: str = "svg",
    pareto: Sequence[tuple[str, int]] = (),
    where: str | None = None,
) -> bytes:
    """A picture: of a front the first two keys, of two variables a heat map, of one a line.

    The colour of the map, and the height of the line, are the first quantity; MACs where they
    were asked for. What ``where`` bounds is a line. Raises :class:`ArchcalcError` where matplotlib
    is missing, and for a sweep that has neither a front nor one or two variables of numbers.
    """
    if not len(found):
        raise ArchcalcError("nothing to draw: no row is left")
    return drawn(lambda axes: _fill(axes, found, [name for name, _ in pareto], where or ""), format)


_BOUND = re.compile(r"\b([A-Za-z_]\w*)\s*[<>]=?\s*(\d[\d_.]*(?:e\d+)?)\b")


def _named(axes: Any, x: str, y: str, where: str) -> None:
    """Say what the axes are, and draw what bounds either."""
    axes.set_xlabel(HEADERS.get(x, x))
    axes.set_ylabel(HEADERS.get(y, y))
    for name, number in _BOUND.findall(where):
        if name in (x, y):
            limit(axes, float(number), across=name == y)


def _fill(axes: Any, found: Sweep, keys: Sequence[str], where: str) -> None:
    import numpy as np

    axes.set_title(found.network, loc="left", fontsize=9, color="#555555")
    if keys:
        y, x = keys[0], keys[1]
        axes.step(found.columns[x], found.columns[y], where="post", color="#bbbbbb")
        axes.plot(found.columns[x], found.columns[y], "o", color=COLORS[0])
        _named(axes, x, y, where)
        return
    quantity = "macs" if "macs" in found.quantities else found.quantities[0]
    varied = [n for n in found.variables if len(set(map(str, found.columns[n].tolist()))) > 1]
    if not 1 <= len(varied) <= 2 or any(found.columns[n].dtype == object for n in varied):
        raise ArchcalcError(
            f"a picture is of one or two variables of numbers, not of {', '.join(varied)}\n"
            "  a front of any number of them is drawn with --pareto"
        )
    heights = found.columns[quantity].astype(float)
    if len(varied) == 1:
        axes.plot(found.columns[varied[0]], heights, "o-", color=COLORS[0], markersize=3)
        ticks_at(axes.xaxis, found.columns[varied[0]].tolist())
        _named(axes, varied[0], quantity, where)
        return
    ys, down = np.unique(found.columns[varied[0]], return_inverse=True)
    xs, across = np.unique(found.columns[varied[1]], return_inverse=True)
    cells = np.full((len(ys), len(xs)), np.nan)
    cells[down, across] = heights
    from matplotlib.colors import LogNorm

    spread = heights.min() > 0 and heights.max() / heights.min() > 50
    norm = LogNorm() if spread else None
    image = axes.pcolormesh(xs, ys, cells, shading="nearest", cmap="cividis", norm=norm)
    axes.figure.colorbar(image, label=HEADERS.get(quantity, quantity))
    if cells.size <= MOST_NUMBERS:
        for (row, column), number in np.ndenumerate(cells):
            if number == number:
                dark = image.norm(number) < 0.55
                axes.text(
                    *(xs[column], ys[row], short(number)),
                    color="#ffffff" if dark else "#222222",
                    ha="center",
                    va="center",
                    fontsize=8,
                )
    ticks_at(axes.xaxis, xs.tolist())
    ticks_at(axes.yaxis, ys.tolist())
    _named(axes, varied[1], varied[0], where)
