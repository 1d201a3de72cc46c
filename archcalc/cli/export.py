"""The command ``export``."""

from typing import Annotated

import typer

from archcalc.cli.asked import Asked
from archcalc.cli.completion import words
from archcalc.cli.options import Frozen, NetworkName, Output
from archcalc.cli.output import emit


def export(
    *,
    network: NetworkName,
    to: Annotated[
        str,
        typer.Option(
            metavar="FORM",
            help="torch: source code. onnx: a file with new weights. json, yaml: a flat spec. "
            "mermaid, dot, svg: a diagram. timeloop, zigzag: its loops, for tools that map them to "
            "hardware.",
            autocompletion=words(
                *("torch", "onnx", "json", "yaml", "mermaid", "dot", "svg", "timeloop", "zigzag")
            ),
        ),
    ],
    detail: Annotated[
        str,
        typer.Option(
            metavar="LEVEL",
            help="Of a diagram. stage: a box a block. layer: a box a layer, in its block.",
            autocompletion=words("stage", "layer"),
        ),
    ] = "stage",
    asked: Asked,
    frozen: Frozen = None,
    output: Output = None,
) -> None:
    """Write a network as source code, ONNX, a spec or a diagram.

    The source needs PyTorch only, and its modules are named as those of 'archcalc build'. A flat
    spec has no batch. What the loops can't say is told on standard error.

    \b
    Examples:
      archcalc export resnet18 --to torch -o resnet18.py
      archcalc export googlenet --to svg -o googlenet.svg
    """
    from pathlib import Path

    import archcalc
    from archcalc.cli.arguments import addressed
    from archcalc.cli.output import write
    from archcalc.errors import ArchcalcError
    from archcalc.report.choice import choose
    from archcalc.report.specs.export import FORMS, unsaid

    form = choose("form", to, FORMS)
    if form == "onnx" and output in (None, "-"):
        raise ArchcalcError("ONNX is no text: name a file with -o")
    told = asked.of(archcalc.export).keywords
    spec = archcalc.freeze(addressed(network, asked.input), *(frozen or ()))
    made = archcalc.export(spec, to=form, detail=detail, **told)
    if isinstance(made, bytes):
        assert output is not None
        write(made, Path(output))
    else:
        emit(made, output)
    for line in unsaid(made, form):
        typer.echo(line, err=True)
