"""The command ``schema``."""

from typing import Annotated

import typer

from archcalc.cli.options import Output
from archcalc.cli.output import emit


def schema(
    records: Annotated[
        bool, typer.Option("--records", help="Of files of records, that lie apart from specs.")
    ] = False,
    output: Output = None,
) -> None:
    """Print the JSON Schema of spec files, by which editors complete and check them.

    \b
    Example:
      archcalc schema -o spec.schema.json
    """
    from json import dumps

    from archcalc.spec.schema import records_schema
    from archcalc.spec.schema import schema as make

    emit(dumps(records_schema() if records else make(), indent=2) + "\n", output)
