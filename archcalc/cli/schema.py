"""The command ``schema``."""

from typing import Annotated

import typer

from archcalc.cli.options import Output
from archcalc.cli.output import emit


def schema(
    records: Annotated[
        bool, typer.Option(help="Of files of records, that lie apart from specs.")
    ] = False,
    network: Annotated[
        bool,
        typer.Option(
            "--network", help="Of files about a network that stands elsewhere, by its name."
        ),
    ] = False,
    output: Output = None,
) -> None:
    """Print the JSON Schema of spec files, for editors.

    \b
    Examples:
      archcalc schema -o spec.schema.json
      archcalc schema --network -o network.schema.json
    """
    from json import dumps, loads

    from archcalc.spec.zoo import folder

    # It lies beside the specs as it was made from the model: to make it takes three times as long.
    if records and network:
        raise typer.BadParameter("--records and --network are of other files: say one of them")
    name = "records" if records else "network" if network else "spec"
    found = loads((folder() / f"{name}.schema.json").read_bytes())
    emit(dumps(found, indent=2) + "\n", output)
