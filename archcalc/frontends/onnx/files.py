"""Reading an ONNX file, and writing out the functions of its own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from archcalc.errors import ArchcalcError

if TYPE_CHECKING:
    import onnx

MOST_NODES = 200_000
"""Nodes that a file may have, functions written out."""


def loaded(path: str) -> onnx.ModelProto:
    """The model in a file, without weights that lie in others. Raises :class:`ArchcalcError`."""
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ModuleNotFoundError as error:
        raise ArchcalcError(
            "ONNX files need the package onnx: pip install 'archcalc[onnx]'"
        ) from error
    try:
        with Path(path).open("rb"):
            pass
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise ArchcalcError(f"{path}: {error.strerror or error}") from error
    except (DecodeError, ValueError, RuntimeError) as error:
        raise ArchcalcError(f"{path}: is no ONNX file, or a damaged one") from error
    if not model.graph.node:
        raise ArchcalcError(f"{path}: is no ONNX file, or has no nodes")
    return _inlined(model, path)


def _inlined(model: onnx.ModelProto, path: str) -> onnx.ModelProto:
    """The model without functions of its own; refused where written out it would be endless."""
    if not model.functions:
        return model
    import onnx.inliner

    functions = {(f.domain, f.name): f for f in model.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size(nodes: Iterable[onnx.NodeProto], trail: tuple[tuple[str, str], ...]) -> int:
        total = 0
        for node in nodes:
            key = node.domain, node.op_type
            if key in trail or len(trail) > 100:
                raise ArchcalcError(f"{path}: function '{node.op_type}' calls itself")
            if key not in functions:
                total += 1
                continue
            if key not in sizes:
                sizes[key] = size(functions[key].node, (*trail, key))
            total += sizes[key]
        return total

    if size(model.graph.node, ()) > MOST_NODES:
        raise ArchcalcError(f"{path}: has more than {MOST_NODES:,} nodes, functions written out")
    found: onnx.ModelProto = onnx.inliner.inline_local_functions(model)
    return found
