"""The command ``table``."""

from typing import Annotated

import typer

from archcalc.cli.asked import Asked, Stored
from archcalc.cli.completion import several, words
from archcalc.cli.options import (
    AllowUnknown,
    ConventionName,
    DType,
    Frozen,
    NetworkName,
    Output,
    formats,
)
from archcalc.cli.output import publish
from archcalc.report.layers import NAMES


def table(
    *,
    network: NetworkName,
    detail: Annotated[
        str,
        typer.Option(
            metavar="LEVEL",
            help="stage: a line a block. layer: what stores weights, has a window, changes the "
            "size or joins branches. all: everything.",
            autocompletion=words("stage", "layer", "all"),
        ),
    ] = "layer",
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help=f"The columns, out of {', '.join(NAMES)}.",
            autocompletion=several(words(*NAMES)),
        ),
    ] = None,
    asked: Asked,
    dtype: DType = "float32",
    stored: Stored,
    convention: ConventionName = "macs",
    frozen: Frozen = None,
    training: Annotated[
        bool, typer.Option(help="Count what is executed in training only, too.")
    ] = False,
    fold_bn: Annotated[
        bool,
        typer.Option(help="Fold batch normalizations into the layers before them, if any."),
    ] = False,
    allow_unknown: AllowUnknown = False,
    unroll: Annotated[
        bool,
        typer.Option(
            help="Show every repetition of a block, not one that stands for all; and in LaTeX each "
            "layer, of however many.",
        ),
    ] = False,
    width: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            help="How wide it may be: characters of text, points of LaTeX. By default as wide as "
            "the terminal, and as the text of an article (345).",
            min=1,
        ),
    ] = None,
    format: Annotated[
        str, formats("table", "markdown", "csv", "json", "latex", "siunitx", "html")
    ] = "table",
    output: Output = None,
) -> None:
    """Print the layers of a network: shapes, parameters, work.

    Layers that are not shown are summed in one line, so that every column adds up to its total.
    Blocks and layers that are repeated are shown once. On a terminal that is too narrow whole
    columns are left out.

    Padding 0+1 means none before and one after.

    \b
    Examples:
      archcalc table googlenet --detail stage
      archcalc table resnet50 --input 160 --batch 8 --format csv -o resnet50.csv
    """
    import archcalc
    from archcalc.cli.arguments import addressed
    from archcalc.report.layers import table as report
    from archcalc.report.layers.layout import Request

    request = Request.of(detail, columns, dtype, convention, unroll, width)
    question = asked.of(archcalc.table)._replace(
        training=training,
        fold_bn=fold_bn,
        allow_unknown=allow_unknown,
        formats=stored.in_(request.dtype),
    )
    spec = archcalc.load(addressed(network, asked.input), allow_unknown=allow_unknown)
    spec = archcalc.freeze(spec, *(frozen or ()))
    publish(report, (spec, question), format, output if width is None else output or "-", request)
