"""The command ``compare``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from archcalc.cli.completion import known, machines, networks, several
from archcalc.cli.options import DType, Output, drawn, formats, settings, shapes
from archcalc.cli.output import complain, publish, write
from archcalc.errors import ArchcalcError


def compare(
    networks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME|FILE...",
            autocompletion=networks,
            help="Networks of the zoo, files (FILE::VARIANT for one of its variants), or - for "
            "standard input. AlexNet, VGG-16, GoogLeNet and ResNet-152, if none is named.",
        ),
    ] = None,
    convention: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="How work is counted: macs, 2xmacs, textbook, or as a tool does: torch, "
            "torchinfo, fvcore, thop, ... With all: in every way, and why they differ.",
            autocompletion=known("analysis.conventions:CONVENTIONS"),
        ),
    ] = "macs",
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Add ratios to this network.",
            autocompletion=networks,
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="Sort by network, year, top5, params, macs, flops, size, latency or time; -KEY "
            "puts the largest first.",
            autocompletion=known(
                *("network", "year", "top5", "latency", "time"), "report.claims.compare:BARS"
            ),
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="The columns, out of network, title, edition, year, feature, input, top5, layers, "
            "depth, params, printed_params, buffers, macs, printed_work, flops, activations, size, "
            "printed_size, and with --measure latency, spread, throughput, achieved, peak, "
            "predicted.",
            autocompletion=several(known("report.claims.compare:COLUMNS")),
        ),
    ] = None,
    bars: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="Draw bars below the table: of params, macs, flops, size or top5.",
            autocompletion=known("report.claims.compare:BARS"),
        ),
    ] = None,
    plot: Annotated[
        str | None, drawn("accuracy against work, with an area for the parameters")
    ] = None,
    input: Annotated[list[str] | None, shapes("all")] = None,
    set_: Annotated[list[str] | None, settings("all specs")] = None,
    measure: Annotated[
        bool,
        typer.Option(
            help="Run the networks in PyTorch, on a GPU if there is one, and measure time and "
            "memory. Needs the extra archcalc[torch].",
        ),
    ] = False,
    on: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Add the least time on these machines, which roofline lists; here is this one.",
            autocompletion=machines,
        ),
    ] = None,
    dtype: DType = "float32",
    format: Annotated[
        str, formats("table", "markdown", "csv", "json", "latex", "siunitx", "html")
    ] = "table",
    output: Output = None,
) -> None:
    """Put networks side by side, with what is documented of them.

    A printed number stands beside ours with its verdict. One that a source prints in the same row,
    though it is of another variant, stands with the name of that variant.

    \b
    Examples:
      archcalc compare
      archcalc compare resnet18 resnet50 vgg16 --baseline vgg16 --sort params
      archcalc compare resnet50 mobilenet_v2 --on h100,orin --dtype int8
      archcalc compare --convention all googlenet
    """
    import archcalc
    from archcalc.cli.arguments import addressed, asked
    from archcalc.report.choice import choose
    from archcalc.report.claims import compare as report
    from archcalc.report.picture import picture_at

    if bars is not None:
        choose("bars of", bars, report.BARS)
        if format != "table":
            raise ArchcalcError("bars are drawn below a table: --format table")
    wanted = [name.strip() for name in on.split(",")] if on else []
    picture = picture_at(plot) if plot is not None else None
    found = archcalc.compare(
        *(addressed(name, input) for name in networks or ()),
        convention=convention,
        baseline=baseline,
        sort=sort,
        measure=archcalc.measure if measure else None,
        on=[archcalc.here() if name == "here" else name for name in wanted],
        dtype=dtype,
        **asked(archcalc.compare, input, set_).keywords,
    )
    if picture is not None:
        _draw(found, *picture)
    publish(report, found, format, output, columns, bars)


def _draw(found: Any, path: Path, format: str) -> None:
    from archcalc.report.claims.chart import draw, drawable

    picture = draw(found, format)
    drawn = {entry.name for entry in drawable(found)}
    left_out = [entry.name for entry in found.entries if entry.name not in drawn]
    write(picture, path)
    if left_out:
        complain(f"not drawn, without a top-5 accuracy: {', '.join(left_out)}")
