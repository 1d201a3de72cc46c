"""The command ``roofline``."""

from typing import Annotated

import typer

from archcalc.cli.asked import Asked, Stored
from archcalc.cli.completion import networks, words
from archcalc.cli.options import (
    AllowUnknown,
    DType,
    Kept,
    On,
    Output,
    drawn,
    formats,
)
from archcalc.cli.output import publish, write
from archcalc.errors import ArchcalcError


def roofline(
    *,
    network: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME|FILE",
            autocompletion=networks,
            help="A network of the zoo, a file (FILE::VARIANT for one of its variants), or - for "
            "standard input. Without one the machines are listed.",
        ),
    ] = None,
    on: On = "h100-sxm",
    dtype: DType = "float32",
    stored: Stored,
    cache: Kept = None,
    asked: Asked,
    fusion: Annotated[
        str,
        typer.Option(
            metavar="WHAT",
            help="What is one kernel: none (each layer), elementwise (a layer with what follows it "
            "element by element) or all (only weights, inputs and outputs are moved).",
            autocompletion=words("none", "elementwise", "all"),
        ),
    ] = "elementwise",
    through_memory: Annotated[
        bool,
        typer.Option(
            help="Move every tensor between kernels, whatever fits into the machine's cache.",
        ),
    ] = False,
    measured: Annotated[
        bool,
        typer.Option(
            help="Run it in PyTorch, too, on a GPU if there is one, and say what share of the "
            "bound's speed is reached. For --on here.",
        ),
    ] = False,
    again: Annotated[bool, typer.Option(help="Measure this machine anew, with --on here.")] = False,
    allow_unknown: AllowUnknown = False,
    detail: Annotated[
        str,
        typer.Option(
            metavar="LEVEL",
            help="stage: a line a block. layer: a line a kernel.",
            autocompletion=words("stage", "layer"),
        ),
    ] = "stage",
    plot: Annotated[str | None, drawn("the roofline with a dot a kernel")] = None,
    format: Annotated[
        str,
        formats("table", "markdown", "csv (a line a kernel)", "json", "latex", "siunitx", "html"),
    ] = "table",
    output: Output = None,
) -> None:
    """Say the least time that a network can take on a machine.

    A layer takes no less than its multiply-accumulates at the machine's peak, and no less than its
    bytes at the bandwidth of its memory. That is a bound and no prediction: a run takes longer.

    \b
    Examples:
      archcalc roofline
      archcalc roofline resnet50 --on h100 --dtype bfloat16 --batch 256
      archcalc roofline mobilenet_v2 --on orin --dtype int8 --detail layer
    """
    import archcalc
    from archcalc.analysis.roofline import bound as bounded
    from archcalc.cli.arguments import addressed
    from archcalc.report.choice import choose
    from archcalc.report.needs import roofline as report
    from archcalc.report.picture import picture_at
    from archcalc.spec.machines import find
    from archcalc.spec.machines import machines as known

    if network is None:
        from archcalc.report.needs import machines as listing

        publish(listing, known(), choose("format of machines", format, listing.FORMATS), output)
        return
    level = choose("detail", detail, report.DETAILS)
    if again and on != "here":
        raise ArchcalcError("--again measures this machine: --on here")
    if measured and on != "here":
        raise ArchcalcError("--measured runs on this machine: --on here")
    picture = picture_at(plot) if plot is not None else None
    spec = archcalc.load(addressed(network, asked.input), allow_unknown=allow_unknown)
    formats = stored.in_(dtype, cache)
    question = asked.of(archcalc.roofline)._replace(allow_unknown=allow_unknown, formats=formats)
    machine = archcalc.here(again) if on == "here" else find(on)
    bound = bounded(spec, machine, question, fusion, through_memory)
    run = archcalc.measure(spec, dtype=dtype, **question.keywords) if measured else None
    if picture is not None:
        from archcalc.report.needs.ridge import draw

        write(draw(bound, picture[1]), picture[0])
    publish(report, report.Found(bound, level, run), format, output)
