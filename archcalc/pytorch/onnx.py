"""``export`` to ONNX: through PyTorch's exporter, and checked with the onnx package."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from archcalc.errors import ArchcalcError
from archcalc.pytorch.build import build
from archcalc.pytorch.inputs import draw
from archcalc.pytorch.perform import require_torch
from archcalc.spec.graph import Graph

if TYPE_CHECKING:
    import torch

LARGEST = 2**31 - 2**20
"""Bytes of the largest file: what the format's encoding can hold, with room for all but weights."""


def onnx(graph: Graph, seed: int = 0) -> bytes:
    """An ONNX file of the network in evaluation mode, with weights drawn from ``seed``.

    Inputs and outputs are named as in the graph and have its shapes, the batch included; tensors
    are named as in the ``state_dict`` of the built network. What the exporter makes is read again,
    checked, and its shapes are inferred, which must be the graph's.

    Raises :class:`ArchcalcError` when PyTorch or the onnx packages are not installed, when the
    file would be too large, or when the exporter can't write an operator, which it names.
    """
    require_torch()
    _require_onnx()
    import torch

    from archcalc.analysis.analyze import analyze

    analysis = analyze(graph)
    size = 4 * (analysis.params + analysis.buffers)
    if size > LARGEST:
        raise ArchcalcError(
            f"{graph.name} has {size:,} bytes of weights, and an ONNX file holds {LARGEST:,}"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build(graph, device="cpu").eval()
    data = _exported(network, graph)
    _check(data, graph)
    return data


def _require_onnx() -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise ArchcalcError(
            "ONNX needs the packages onnx and onnxscript: pip install 'archcalc[onnx]'"
        ) from error


def _exported(network: torch.nn.Module, graph: Graph) -> bytes:
    import logging
    import warnings

    import torch

    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of what the exporter does with its own parts
            program: Any = torch.onnx.export(
                network,
                draw(graph),
                dynamo=True,
                verbose=False,
                # As it is: what is optimized has other weights than the network.
                optimize=False,
                input_names=list(graph.inputs),
                output_names=[_output_name(graph, name) for name in graph.outputs],
            )
            data: bytes = program.model_proto.SerializeToString()
    except Exception as error:
        raise ArchcalcError(
            f"PyTorch's exporter can't write {graph.name} as ONNX\n  {_reason(error)}"
        ) from error
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
    return data


def _output_name(graph: Graph, name: str) -> str:
    """An output's name; an input that is one too has another."""
    return f"{name}_output" if name in graph.inputs else name


def _reason(error: BaseException) -> str:
    """What the exporter could not do: the operator, if it says which."""
    messages = []
    cause: BaseException | None = error
    while cause is not None:
        messages.append(str(cause))
        cause = cause.__cause__
    for message in messages:
        found = re.search(r"op='([^']+)'", message)
        if found:
            return f"it has no translation of the operator {found[1]}"
    lines = [line.strip() for line in messages[-1].splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _check(data: bytes, graph: Graph) -> None:
    """Raise :class:`ArchcalcError` unless the file is valid and has the graph's outputs."""
    from onnx import checker, load_from_string, shape_inference

    model = load_from_string(data)
    try:
        checker.check_model(model, full_check=True)
        inferred = shape_inference.infer_shapes(model, strict_mode=True)
    except (checker.ValidationError, shape_inference.InferenceError) as error:
        raise ArchcalcError(f"the ONNX file of {graph.name} is not valid\n  {error}") from error
    shapes = {node.name: node.shape for node in graph.nodes} | dict(graph.inputs)
    for output, name in zip(inferred.graph.output, graph.outputs, strict=True):
        found = tuple(axis.dim_value for axis in output.type.tensor_type.shape.dim)
        if found != shapes[name]:
            raise ArchcalcError(
                f"the ONNX file of {graph.name} gives {name} the shape {found}, not {shapes[name]}"
            )
