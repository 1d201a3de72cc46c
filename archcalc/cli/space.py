"""The command ``space``."""

from __future__ import annotations

from typing import Annotated

import typer

from archcalc.cli.options import NetworkName, Output, formats
from archcalc.cli.output import complain, publish, stream


def space(
    network: NetworkName,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VAR=VALUES",
            help="What a variable may be, in the place of what the space says: as in sweep.",
        ),
    ] = None,
    sample: Annotated[
        str | None,
        typer.Option(metavar="N", help="Draw N of its configurations: 10, 1e6."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="What they are drawn by.", min=0)] = 0,
    replace: Annotated[bool, typer.Option(help="Let one be drawn again.")] = False,
    format: Annotated[
        str, formats("table", "markdown", "latex", "siunitx", "html", "json")
    ] = "table",
    output: Output = None,
) -> None:
    """Show the design space of a network, and how large it is.

    Every choice is tried once at its place. Exits with 2 where one makes no network.

    \b
    Examples:
      archcalc space nasbench201
      archcalc space ofa_mobilenet_v3 --set side=224 --sample 10 --seed 7
    """
    import archcalc
    from archcalc.cli.arguments import parse_count
    from archcalc.cli.ranges import parse_values
    from archcalc.errors import listed
    from archcalc.report.families import space as report

    found = archcalc.Space(archcalc.load(network), **parse_values(set_ or []))
    if sample is not None:
        points = found.sample(parse_count(sample, "--sample"), seed=seed, replace=replace)
        if format == "json":
            stream((report.as_json(found, [point]) for point in points), output)
        else:
            publish(report, found, format, output, list(points))
        return
    problems = found.check()
    publish(report, found, format, output)
    if problems:
        complain(listed(problems))
        raise typer.Exit(2)
