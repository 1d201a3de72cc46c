"""``torch:FILE.pt2``: a program that ``torch.export.save`` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archcalc.errors import ArchcalcError
from archcalc.spec.graph import Graph

ENDING = ".pt2"

REASON = (
    "torch.export.load unpickles what such a file holds, and so runs code that its author put there"
)
"""Why a file of this ending is no network without the word ``torch:`` before it."""


def read(path: str, inputs: Mapping[str, str]) -> Graph:
    """The graph of an exported program, on the inputs that it was exported with.

    ``torch.export.load`` reads it, which unpickles tensors that are not plain: such a file is as
    code is. Raises :class:`ArchcalcError`.
    """
    import torch

    from archcalc.frontends.torch.assemble import assemble
    from archcalc.frontends.torch.capture import first_line, quiet
    from archcalc.frontends.torch.follow import PLAIN
    from archcalc.frontends.torch.program import read as captured

    if not Path(path).is_file():
        raise ArchcalcError(f"torch:{path}: no such file")
    try:
        with quiet():
            program: Any = torch.export.load(path)
            capture = captured(program, None, PLAIN)
    except Exception as error:  # whatever a stranger's file brings about
        said = f"torch:{path}: torch.export.load can't read it: {first_line(error)}"
        raise ArchcalcError(said) from error
    graph = assemble(capture, Path(path).stem)
    own = {name: shape[1:] for name, shape in graph.inputs.items()}
    for name, text in inputs.items():
        sizes = tuple(int(n) for n in text.rpartition(":")[2].split("x") if n.isdigit())
        name = name or next(iter(own))
        if own.get(name) not in (sizes, sizes[1:]):
            has = ", ".join(f"{each} {'x'.join(map(str, axes))}" for each, axes in own.items())
            raise ArchcalcError(
                f"torch:{path}: was exported for {has}: leave --input out, or export it anew"
            )
    return graph
