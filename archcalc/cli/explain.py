"""The command ``explain``."""

from typing import Annotated

import typer

from archcalc.cli.options import (
    Batch,
    ConventionName,
    InputShapes,
    NetworkName,
    Output,
    Variables,
    words,
)
from archcalc.cli.output import publish


def explain(
    network: NetworkName,
    layer: Annotated[
        str | None,
        typer.Argument(
            help="A layer, or a block; the network as a whole without one.", show_default=False
        ),
    ] = None,
    input: InputShapes = None,
    batch: Batch = 1,
    set_: Variables = None,
    convention: ConventionName = "macs",
    format: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="text, markdown or latex.",
            autocompletion=words("text", "markdown", "latex"),
        ),
    ] = "text",
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
    from archcalc.cli.arguments import addressed, parse_inputs, parse_variables
    from archcalc.report.choice import choose
    from archcalc.report.reasons import explain as report

    variables = parse_variables(set_ or (), _TAKEN)
    spec = archcalc.load(addressed(network, input))
    shapes = parse_inputs(input or (), spec)
    form = choose("format", format, report.FORMATS)
    analysis = archcalc.analyze(spec, input=shapes, batch=batch, **variables)
    publish(report, analysis, form, output, layer, convention)


_TAKEN = ("network", "layer", "format", "convention", "input", "batch", "spec")
"""Parameters of library functions, which a variable of the same name can't be passed beside."""
