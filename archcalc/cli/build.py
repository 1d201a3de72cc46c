"""The command ``build``."""

from pathlib import Path
from typing import Annotated

import typer

from archcalc.cli.options import Frozen, InputShapes, NetworkName, Output, Variables, dtypes
from archcalc.cli.output import emit


def build(
    network: NetworkName,
    input: InputShapes = None,
    set_: Variables = None,
    frozen: Frozen = None,
    dtype: Annotated[
        str,
        dtypes(
            "float64, float32, bfloat16 or float16.", "float64", "float32", "bfloat16", "float16"
        ),
    ] = "float32",
    seed: Annotated[
        int, typer.Option(metavar="N", help="What the weights are drawn from.", min=0, max=2**63)
    ] = 0,
    output: Output = None,
) -> None:
    """Build the PyTorch network of a spec; print or save it.

    With --output the state_dict, drawn anew, is written to a file that torch.load reads.

    \b
    Examples:
      archcalc build resnet18
      archcalc build lenet5 --output lenet5.pt
    """
    import archcalc
    from archcalc.cli.arguments import addressed, asked
    from archcalc.cli.output import write
    from archcalc.pytorch.build import new_weights

    question = asked(archcalc.build, input, set_)
    spec = archcalc.freeze(archcalc.load(addressed(network, input)), *(frozen or ()))
    graph = archcalc.expand(spec, **question.keywords)
    if output is None:
        emit(f"{archcalc.build(graph, device='meta', dtype=dtype)}\n")
    else:
        write(new_weights(graph, dtype, seed), Path(output))
