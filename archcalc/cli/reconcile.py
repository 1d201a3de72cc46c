"""The command ``reconcile``."""

from typing import Annotated

import typer

from archcalc.cli.completion import layers, networks, words
from archcalc.cli.options import NETWORK, Batch, Output, formats
from archcalc.cli.output import publish


def reconcile(
    value: Annotated[
        str,
        typer.Argument(
            metavar="VALUE",
            help="A number as it is printed: 60.3M, 533MB, 11.3x10^9.",
        ),
    ],
    network: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE",
            autocompletion=networks,
            help=NETWORK,
        ),
    ],
    quantity: Annotated[
        str | None,
        typer.Option(
            metavar="QUANTITY",
            help="params, macs, flops or bytes. Told by the unit, or else by the size.",
            autocompletion=words("params", "macs", "flops", "bytes"),
        ),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(
            metavar="LAYER",
            help="The number is of this layer or block.",
            autocompletion=layers,
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="The number, 12x, is how many times more one network has than the other.",
            autocompletion=networks,
        ),
    ] = None,
    batch: Batch = 1,
    limit: Annotated[
        int, typer.Option(metavar="N", help="How many explanations to show.", min=1)
    ] = 5,
    format: Annotated[str, formats("table", "markdown", "json")] = "table",
    output: Output = None,
) -> None:
    """Find the way of counting that made a number.

    Tries what may be counted or not, in other sizes and editions, and shows what comes to the
    number at its printed precision, the most natural first. Exits with 1 if nothing does, and
    shows what comes near.

    \b
    Examples:
      archcalc reconcile 60.3M resnet152
      archcalc reconcile 34M googlenet --layer conv1
      archcalc reconcile 12x googlenet --against alexnet
    """
    from archcalc.claims.reconcile import search
    from archcalc.report.claims import reconciled

    found = search(value, network, quantity, layer, against, batch)
    publish(reconciled, found, format, output, limit)
    if not found.ok:
        raise typer.Exit(1)
