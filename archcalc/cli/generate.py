"""The command ``generate``."""

from typing import Annotated

import typer

from archcalc.cli.asked import Stored
from archcalc.cli.options import (
    DType,
    Kept,
    NetworkName,
    On,
    Output,
    Variables,
    drawn,
    formats,
)
from archcalc.cli.output import publish, write


def generate(
    *,
    network: NetworkName,
    prompt: Annotated[
        int, typer.Option(metavar="N", help="How many tokens are read at once.", min=1)
    ],
    tokens: Annotated[
        int, typer.Option(metavar="N", help="How many are written, one after the other.", min=2)
    ],
    batch: Annotated[int, typer.Option(metavar="N", help="How many texts at once.", min=1)] = 1,
    on: On = "h100-sxm",
    dtype: DType = "bfloat16",
    stored: Stored,
    cache: Kept = None,
    set_: Variables = None,
    plot: Annotated[str | None, drawn("tokens a second against the batch")] = None,
    format: Annotated[
        str, formats("table", "markdown", "csv", "json", "latex", "siunitx", "html")
    ] = "table",
    output: Output = None,
) -> None:
    """Say what a prompt and the tokens after it take.

    A decoder keeps keys and values of the tokens before, and reads all of its weights for each new
    one. The largest batch that fits, tokens a second at best, and from which batch on work binds.
    For specs with a variable past, such as gpt2 and llama.

    \b
    Examples:
      archcalc generate llama3_8b --prompt 2000 --tokens 500 --on h100
      archcalc generate llama3_8b --prompt 2000 --tokens 500 --on h100 \\
        --batch 16 --weights int4:128 --cache float8
    """
    import archcalc
    from archcalc.analysis.generate import generation
    from archcalc.cli.arguments import asked
    from archcalc.report.needs import generation as report
    from archcalc.report.picture import picture_at
    from archcalc.spec.machines import find
    from archcalc.spec.question import Question

    picture = picture_at(plot) if plot is not None else None
    variables = asked(archcalc.generate, None, set_).variables
    machine = archcalc.here() if on == "here" else find(on)
    spec = archcalc.load(network)
    question = Question(None, batch, variables, formats=stored.in_(dtype, cache))
    found = generation(spec, machine, question, prompt, tokens)
    if picture is not None:
        from archcalc.report.needs.batches import draw

        write(draw(found, spec, picture[1]), picture[0])
    publish(report, found, format, output)
