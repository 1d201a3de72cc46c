"""The command ``list``."""

from typing import Annotated

import typer

from archcalc.cli.completion import words
from archcalc.cli.options import ConventionName, Output, formats
from archcalc.cli.output import complain, publish
from archcalc.errors import did_you_mean


def list_(
    word: Annotated[
        str,
        typer.Argument(
            help="Only networks with this in their name, title, edition, year or feature.",
        ),
    ] = "",
    by: Annotated[
        str,
        typer.Option(
            metavar="ORDER",
            help="Order by family, year, params or macs, the smallest first.",
            autocompletion=words("family", "year", "params", "macs"),
        ),
    ] = "family",
    convention: ConventionName = "macs",
    format: Annotated[str, formats("table", "markdown", "csv", "json")] = "table",
    output: Output = None,
) -> None:
    """List the networks of the zoo, with parameters and MACs.

    Exits with 1 if nothing matches the word.

    \b
    Examples:
      archcalc list residual
      archcalc list --by params
    """
    from archcalc.report.specs import zoo

    networks = zoo.list(word, convention, by)
    if not networks:
        from archcalc.spec.zoo import words as spelled

        hint = did_you_mean(word, spelled())
        complain(f"nothing matches '{word}'" + (f": {hint}" if hint else ""))
        raise typer.Exit(1)
    publish(zoo, networks, format, output)
