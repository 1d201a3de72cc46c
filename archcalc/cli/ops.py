"""The command ``ops``."""

from typing import Annotated

import typer

from archcalc.cli.options import Output, formats
from archcalc.cli.output import publish


def _operators(incomplete: str) -> list[str]:
    from archcalc.operators import NAMES

    return [name for name in NAMES if name.startswith(incomplete)]


def ops(
    name: Annotated[
        str | None,
        typer.Argument(
            help="An operator; all of them in brief without one.",
            autocompletion=_operators,
        ),
    ] = None,
    format: Annotated[str, formats("text", "markdown", "html", "latex")] = "text",
    output: Output = None,
) -> None:
    """Describe an operator: what it takes and what is counted.

    \b
    Example:
      archcalc ops Conv2d
    """
    import archcalc
    from archcalc.report.specs import ops as report

    publish(report, archcalc.ops(name), format, output)
