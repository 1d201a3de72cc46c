"""The command ``new``."""

from typing import Annotated

import typer

from archcalc.cli.options import Output
from archcalc.cli.output import emit


def new(
    name: Annotated[str, typer.Argument(help="What the network is called.")],
    output: Output = None,
) -> None:
    """Print a small, commented spec to begin with.

    \b
    Example:
      archcalc new my-net -o my-net.yaml
    """
    from archcalc.spec.starter import new as make

    emit(make(name), output)
