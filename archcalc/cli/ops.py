"""The command ``ops``."""

from typing import Annotated

import typer

from archcalc.cli.options import formats
from archcalc.cli.output import emit


def _operators(incomplete: str) -> list[str]:
    from archcalc.operators import NAMES

    return [name for name in NAMES if name.startswith(incomplete)]


def ops(
    name: Annotated[
        str | None,
        typer.Argument(
            help="An operator; all of them in brief without one.",
            autocompletion=_operators,
            show_default=False,
        ),
    ] = None,
    format: Annotated[str, formats("text", "markdown")] = "text",
) -> None:
    """Describe an operator: what it takes, what it computes and what is counted.

    \b
    Example:
      archcalc ops Conv2d
    """
    from archcalc.operators import describe
    from archcalc.report.choice import choose

    form = choose("format", format, ("text", "markdown"))
    described = describe.ops(name)
    text = describe.as_text(described) if form == "text" else describe.as_markdown(described)
    emit(text.rstrip("\n") + "\n")
