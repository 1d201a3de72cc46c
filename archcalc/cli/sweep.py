"""The command ``sweep``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archcalc.cli.completion import known, several, variables, words
from archcalc.cli.options import DType, Jobs, Machine, NetworkName, Output, drawn
from archcalc.cli.output import complain, progress, publish, stream, whole, write
from archcalc.errors import ArchcalcError

if TYPE_CHECKING:
    from archcalc.space.grid import Grid
    from archcalc.space.search import Search
    from archcalc.space.select import Columns

WORTH = 2_000_000
"""Configurations from which on a bar shows how far they are."""

LONG = 1.0
"""Hours of a processor from which on it is said that it takes so long."""


def sweep(
    network: NetworkName,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VAR=VALUES",
            help="The values of a variable: FROM:TO:STEP, FROM:TO:xFACTOR, A,B,C or one. Of any "
            "network N, the batch, and of images side, H and W, of volumes D, of sequences "
            "length. May be repeated.",
            autocompletion=variables("N", "side", "D", "H", "W", "length", end="="),
        ),
    ] = None,
    zip_: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VAR,VAR",
            help="Let variables change together, not in every combination. May be repeated.",
            autocompletion=several(variables("N", "side", "D", "H", "W", "length")),
        ),
    ] = None,
    quantities: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="What is computed, out of params, macs, flops, activations, weight_bytes, "
            "buffers, connections, memory (bytes at inference) and, with --on, time (the least, in "
            "nanoseconds).",
            autocompletion=several(known("space.trace:QUANTITIES", "space.trace:ALONE")),
        ),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            metavar="CONDITION",
            help="Keep the rows that fulfil it: 'macs < 300M and time(h100) < 2ms'.",
            autocompletion=variables("params", "macs", "flops"),
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(metavar="N", help="Keep the first N rows.", min=1),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="What the first rows have most of; -KEY least. params by default.",
            autocompletion=variables("params", "macs", "flops"),
        ),
    ] = None,
    pareto: Annotated[
        str | None,
        typer.Option(
            metavar="KEY,KEY",
            help="Keep the rows that no other beats: the less of each KEY the better, the more of "
            "a -KEY. Such as -width,macs.",
            autocompletion=several(variables("params", "macs", "flops")),
        ),
    ] = None,
    sample: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Look at N configurations of the network's space, drawn by --seed: 10000, 1e6.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="What they are drawn by.", min=0)] = 0,
    replace: Annotated[bool, typer.Option(help="Let one be drawn again.")] = False,
    in_space: Annotated[
        bool,
        typer.Option("--space", help="Look at the network's space, --set in the place of its own."),
    ] = False,
    jobs: Jobs = 1,
    on: Machine = None,
    dtype: DType = "float32",
    plot: Annotated[
        str | None, drawn("one variable, a heat map of two, or the front of --pareto")
    ] = None,
    emit_: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Write the network of the first row as a spec.",
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT",
            help="table, markdown, latex, siunitx, html, csv, json or parquet; by default what the "
            "name of the output ends in.",
            autocompletion=words(
                "table", "markdown", "latex", "siunitx", "html", "csv", "json", "parquet"
            ),
        ),
    ] = None,
    output: Output = None,
) -> None:
    """Count many configurations of a network at once.

    Every combination of the values is one. Without --set, and with --sample or --space, they are
    those of the space that the network declares. Each row equals what table says of that
    configuration. What is no network is left out and counted. A table shows the first rows; CSV,
    JSON and Parquet have all, written as they are computed.

    \b
    Examples:
      archcalc sweep resnet50 --set width=32,48,64 --set side=160:256:32
      archcalc sweep mobilenet_v2 --set width=0.25:2:0.05 --set side=96:224:32 \\
        --where "macs < 300e6" --top 5
      archcalc sweep ofa_mobilenet_v3 --sample 1e6 --seed 7 --pareto -params,macs
    """
    import archcalc
    from archcalc.cli.arguments import parse_count
    from archcalc.cli.ranges import parse_values
    from archcalc.report.choice import choose
    from archcalc.report.families import sweep as report
    from archcalc.report.picture import picture_at
    from archcalc.space.chunks import Refused
    from archcalc.space.grid import plan
    from archcalc.space.search import Search, wanted
    from archcalc.space.select import keys, selection, timed
    from archcalc.space.sweep import gathered, rows
    from archcalc.space.trace import written
    from archcalc.space.workers import processes
    from archcalc.spec.form import as_yaml
    from archcalc.spec.machines import find

    spec = archcalc.load(network)
    where, on = timed(where, on)
    form = _form(format, output)
    choose("format", form, report.FORMATS)
    form = form.lower()
    picture = picture_at(plot) if plot is not None else None
    together = [[name.strip() for name in group.split(",")] for group in zip_ or ()]
    machine = None if on is None else archcalc.here() if on == "here" else find(on)
    values = parse_values(set_ or [])
    draws = parse_count(sample, "--sample") if sample is not None else None
    how = (quantities, where, top, by, pareto, dtype, machine)
    with ExitStack() as stack:
        looked: Grid | Search
        if draws is not None or in_space or (not values and spec.space is not None):
            if together:
                raise ArchcalcError("--zip is for a grid: a space says what goes together")
            space = archcalc.Space(spec, **values)
            executor = stack.enter_context(processes(jobs)) if jobs > 1 else None
            search = Search(space, wanted(space, *how), draws, seed, replace, executor)
            looked, kept = search, search.wanted.selection(where)
        else:
            if jobs > 1:
                raise ArchcalcError("--jobs is for a space: a grid is as fast as the memory")
            grid = plan(spec, values, quantities, together, where, by, pareto, dtype, machine)
            kept = selection(grid.quantities[0], where, top, by, pareto)
            looked = grid
        if emit_ is not None and top is None and pareto is None:
            raise ArchcalcError("--emit writes the best row: say which that is, such as --top 1")
        if form in ("csv", "json", "parquet") and top is None and pareto is None and not picture:
            refused = Refused()
            with _progress(looked) as told:
                parts = (part for c in rows(looked, refused, told) if (part := kept.add(c)))
                _stream(form, parts, output, report)
            if refused.error is not None:
                if refused.count == looked.size:
                    raise refused.error
                complain(report.refusal(refused))
            _say_who(looked, jobs)
            return
        if form in report.TABLES and picture is None:
            kept.most = report.SHOWN
        with _progress(looked) as told:
            found = gathered(looked, kept, told)
        _say_who(looked, jobs)
    if picture is not None:
        path, kind = picture
        write(report.draw(found, kind, keys(pareto), where), path)
    if emit_ is not None:
        if not len(found):
            raise ArchcalcError("no row is left: nothing is written")
        row = {name: value for name, value in found[0].items() if name in found.variables}
        data = {**written(spec, row), "name": f"{spec.label}-found".replace(".", "_")}
        write(as_yaml(data), Path(emit_))
    words_ = _kept(where, top, by or looked.quantities[0], pareto)
    if form == "parquet":
        _stream(form, [found.columns], output, report)
    else:
        publish(report, found, form, output, words_)


@contextmanager
def _progress(looked: Grid | Search) -> Iterator[Callable[[int], None]]:
    """How far it is; and once, where the rest takes long, how long."""
    said = False
    with progress(looked.size, WORTH) as bar:

        def told(done: int) -> None:
            nonlocal said
            hours = looked.left / 3600
            if hours > LONG and not said:
                said = True
                days = f"{hours / 24:,.0f} days" if hours > 48 else f"{hours:,.0f} hours"
                complain(
                    f"{looked.size - done:,} more take about {days} of a processor\n  --sample 1e6 "
                    "looks at some, --space with --set at a part"
                )
            if bar is not None:
                bar(done)

        yield told


def _say_who(looked: Grid | Search, jobs: int) -> None:
    if jobs > 1 and not looked.others:
        complain("done by one process: others would have taken longer to begin")


def _kept(where: str | None, top: int | None, by: str, pareto: str | None) -> str:
    said = [f"where {where}"] if where else []
    if top is not None:
        least = by.startswith("-")
        said.append(f"the {top} with the {'least' if least else 'most'} {by.removeprefix('-')}")
    if pareto is not None:
        said.append(f"the Pareto front of {pareto}")
    return "".join(f", {text}" for text in said)


def _form(format: str | None, output: str | None) -> str:
    if format is not None:
        return format
    suffix = Path(output).suffix.removeprefix(".").lower() if output else ""
    known = {"csv": "csv", "json": "json", "parquet": "parquet", "md": "markdown", "tex": "latex"}
    return "html" if suffix == "html" else known.get(suffix, "table")


def _stream(form: str, rows: Iterable[Columns], output: str | None, report: Any) -> None:
    """Write rows as they come: to a file in one step at the end, or to standard output."""
    if form == "parquet":
        if output is None or output == "-":
            raise ArchcalcError("Parquet is no text: name a file with --output")
        with whole(Path(output)) as part:
            report.write_parquet(rows, part)
            if not part.exists():
                raise ArchcalcError("no row is left: nothing is written")
        return
    stream(report.STREAM[form](rows), output)
