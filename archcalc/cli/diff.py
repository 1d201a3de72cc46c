"""The command ``diff``."""

from typing import Annotated

import typer

from archcalc.cli.completion import networks
from archcalc.cli.options import NETWORK, ConventionName, Output, formats, settings, shapes
from archcalc.cli.output import publish
from archcalc.errors import ArchcalcError


def diff(
    before: Annotated[
        str,
        typer.Argument(
            metavar="A",
            autocompletion=networks,
            help=NETWORK,
        ),
    ],
    after: Annotated[
        str,
        typer.Argument(
            metavar="B",
            help="The network that it is compared with.",
            autocompletion=networks,
        ),
    ],
    convention: ConventionName = "macs",
    all_: Annotated[
        bool,
        typer.Option(help="Show every layer: those that are as before, and those that follow."),
    ] = False,
    exit_code: Annotated[bool, typer.Option(help="Exit with 1 if there are differences.")] = False,
    input: Annotated[list[str] | None, shapes("both")] = None,
    set_: Annotated[list[str] | None, settings("both specs")] = None,
    format: Annotated[str, formats("text", "markdown", "json")] = "text",
    output: Output = None,
) -> None:
    """Show two networks layer by layer, and what was changed.

    Layers are aligned by name and operator; renamed ones by operator, shape and parameters. A line
    begins with + (added), - (removed), ~ (changed) or > (not changed itself, but its shapes or
    numbers are others because of layers before it).

    \b
    Examples:
      archcalc diff vgg16 vgg19
      git show HEAD:net.yaml | archcalc diff - net.yaml --format markdown
    """
    import archcalc
    from archcalc.cli.arguments import addressed, asked
    from archcalc.report.layers import diff as report

    if before == after == "-":
        raise ArchcalcError("standard input holds one network: name a file for the other")
    found = archcalc.diff(
        addressed(before, input),
        addressed(after, input),
        convention=convention,
        **asked(archcalc.diff, input, set_).keywords,
    )
    publish(report, found, format, output, all_)
    if exit_code and found.different:
        raise typer.Exit(1)
