"""The command ``schema``."""

from archcalc.cli.options import Output
from archcalc.cli.output import emit


def schema(output: Output = None) -> None:
    """Print the JSON Schema of spec files, by which editors complete and check them.

    \b
    Example:
      archcalc schema -o spec.schema.json
    """
    from json import dumps

    from archcalc.spec.schema import schema as make

    emit(dumps(make(), indent=2) + "\n", output)
