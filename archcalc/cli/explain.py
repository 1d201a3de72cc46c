"""The command ``explain``."""

from typing import Annotated

import typer

from archcalc.cli.asked import Asked
from archcalc.cli.completion import layers
from archcalc.cli.options import ConventionName, NetworkName, Output, formats
from archcalc.cli.output import publish


def explain(
    *,
    network: NetworkName,
    layer: Annotated[
        str | None,
        typer.Argument(
            help="A layer, or a block; the network as a whole without one.",
            autocompletion=layers,
        ),
    ] = None,
    asked: Asked,
    convention: ConventionName = "macs",
    format: Annotated[str, formats("text", "markdown", "latex")] = "text",
    output: Output = None,
) -> None:
    """Say why a layer's numbers are what they are.

    For the output's height and width, the parameters, the work and the receptive field: the rule
    with symbols, with its numbers, and the result. The rules are recorded from what computes the
    numbers. Of a block, its layers in brief and their sums. Without a layer, the network's story:
    where its parameters and its work are, and what is special about it.

    \b
    Examples:
      archcalc explain alexnet conv1
      archcalc explain googlenet
    """
    import archcalc
    from archcalc.cli.arguments import addressed
    from archcalc.report.reasons import explain as report

    spec = archcalc.load(addressed(network, asked.input))
    analysis = archcalc.analyze(spec, **asked.of(archcalc.explain).keywords)
    publish(report, analysis, format, output, layer, convention, spec)
