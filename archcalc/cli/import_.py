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

    Equal parts become blocks with arguments, rows of them repetitions. Layers keep their names.

    \b
    Examples:
      archcalc import torch:torchvision.models:resnet18 --input 224
      archcalc import "torch:my_model.py:build(width=32)" --input 1x28x28
      archcalc import net.onnx --lift width,depth -o net.yaml
    """
    from archcalc.cli.arguments import addressed
    from archcalc.frontends.fold import written
    from archcalc.frontends.sources import graph
    from archcalc.spec.form import SCHEMA, as_yaml
    from archcalc.spec.written import name_of

    found = graph(addressed(source, input))
    data = written(found)
    if lift is not None:
        from archcalc.frontends.lift import lifted

        data, notes = lifted(data, found, lift.split(","))
        complain("\n".join(notes))
    unknown = [node for node in found.nodes if not node.op.counted]
    emit(as_yaml(data, SCHEMA), output)
    if unknown:
        names = ", ".join(f"{node.name} ({name_of(node.op)})" for node in unknown[:3])
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        complain(
            f"not counted: {names}{more}\n"
            "  say 'params' and 'macs' of them in the spec, or 'archcalc table --allow-unknown'"
        )
