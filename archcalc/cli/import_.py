"""The command ``import``."""

from typing import Annotated

import typer

from archcalc.cli.options import InputShapes, Output
from archcalc.cli.output import complain, emit


def import_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A file of another program, FILE.onnx, .keras, .json, .cfg, .prototxt, or "
            "torch:PACKAGE.MODULE:FACTORY, torch:FILE.py:FACTORY, with literal arguments if any, "
            "torch:timm:create_model('resnet50'), which imports the code and runs it, or "
            "torch:FILE.pt2, which may run code too.",
        ),
    ],
    input: InputShapes = None,
    lift: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Numbers that become variables of the spec: width (the channels of the first "
            "layer, and all in proportion), depth (how often is repeated what is), classes, or "
            "one by its value, growth=32.",
        ),
    ] = None,
    output: Output = None,
) -> None:
    """Write the spec of a model that another program has.

    Equal parts become blocks with arguments, rows of them repetitions. Layers keep their names,
    but for dots where they begin alike and have none: block1_conv may be block1.conv.

    \b
    Examples:
      archcalc import torch:torchvision.models:resnet18 --input 224
      archcalc import "torch:my_model.py:build(width=32)" --input 1x28x28
      archcalc import net.onnx --lift width,depth -o net.yaml
    """
    from archcalc.cli.arguments import addressed
    from archcalc.frontends.fold import readable
    from archcalc.frontends.network import not_counted
    from archcalc.frontends.sources import graph
    from archcalc.spec.form import SCHEMA, as_yaml

    found = graph(addressed(source, input))
    data, found = readable(found)
    if lift is not None:
        from archcalc.frontends.lift import lifted

        data, notes = lifted(data, found, lift.split(","))
        complain("\n".join(notes))
    emit(as_yaml(data, SCHEMA), output)
    if unknown := not_counted(found):
        complain(
            f"{unknown}\n"
            "  say 'params' and 'macs' of them in the spec, or 'archcalc table --allow-unknown'"
        )
