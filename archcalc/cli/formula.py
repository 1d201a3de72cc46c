"""The command ``formula``."""

from typing import Annotated

import typer

from archcalc.cli.completion import layers, several, variables, words
from archcalc.cli.options import NetworkName, Output, Variables, formats
from archcalc.cli.output import publish


def formula(
    network: NetworkName,
    in_: Annotated[
        str | None,
        typer.Option(
            metavar="VAR,VAR",
            help="What the formula is in: variables of the spec, N, the batch, and of images "
            "side, H and W, of volumes D, of sequences length. The side by default.",
            autocompletion=several(variables("N", "side", "D", "H", "W", "length")),
        ),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Only of a layer or a block.",
            autocompletion=layers,
        ),
    ] = None,
    detail: Annotated[
        str,
        typer.Option(
            metavar="LEVEL",
            help="total, stage, or layer: what stores weights or has a window.",
            autocompletion=words("total", "stage", "layer"),
        ),
    ] = "total",
    floors: Annotated[
        bool,
        typer.Option(
            help="In the extent itself, whatever it is, with what rounds; not as a multiple of "
            "the total stride.",
        ),
    ] = False,
    set_: Variables = None,
    format: Annotated[
        str,
        formats(
            "text", "markdown", "latex", "python (a function that computes the numbers)", "json"
        ),
    ] = "text",
    output: Output = None,
) -> None:
    """Print closed forms of parameters, MACs, FLOPs and activations.

    They give exactly what table gives, for every value of their variables.

    \b
    Examples:
      archcalc formula resnet152
      archcalc formula resnet50 --in side,width,N
      archcalc formula vgg16 --detail stage --format latex
    """
    import archcalc
    from archcalc.cli.arguments import parameters, parse_variables
    from archcalc.report.families import closed as report

    found = archcalc.formula(
        archcalc.load(network),
        in_,
        layer=layer,
        detail=detail,
        floors=floors,
        **parse_variables(set_ or (), parameters(archcalc.formula)),
    )
    publish(report, found, format, output)
