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
    from json import dumps, loads

    from archcalc.spec.zoo import folder

    # It lies beside the specs as it was made from the model: to make it takes three times as long.
    name = "records" if records else "spec"
    found = loads((folder() / f"{name}.schema.json").read_bytes())
    emit(dumps(found, indent=2) + "\n", output)
