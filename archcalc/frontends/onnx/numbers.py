"""Numbers of an ONNX file that are known before it runs."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from archcalc.dims import Shape

if TYPE_CHECKING:
    import onnx

MANY = 2**24
"""Elements of a tensor that is looked through."""

FEW = 4096
"""Elements of a tensor that is read or worked out."""


def elements_of(tensor: onnx.TensorProto, shape: Shape) -> Any:
    """The elements of a stored tensor, if they are few and there; else None."""
    from onnx import numpy_helper

    if prod(shape) > FEW or tensor.data_location == tensor.EXTERNAL:
        return None
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError):
        return None


def leaves_out(tensor: onnx.TensorProto | None) -> bool:
    """Whether a stored tensor has infinite numbers, or nearly: a mask, which nobody trains."""
    import numpy
    from onnx import numpy_helper

    if tensor is None or tensor.data_location == tensor.EXTERNAL or prod(tensor.dims) > MANY:
        return False
    try:
        return bool((numpy.abs(numpy_helper.to_array(tensor).astype(numpy.float64)) > 1e30).any())
    except (ValueError, TypeError):
        return False


def evaluated(node: onnx.NodeProto, inputs: Sequence[Any], version: int) -> Sequence[Any]:
    """What a node gives of numbers that are known, as onnx's reference does it."""
    import numpy
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    try:
        named = [f"i{k}" if value is not None else "" for k, value in enumerate(inputs)]
        twin = helper.make_node(node.op_type, named, list(node.output), domain=node.domain)
        twin.attribute.extend(node.attribute)
        # In a model of its own: of a bare node the reference takes the newest version.
        said = [helper.make_tensor_value_info(name, 0, None) for name in named if name]
        out = [helper.make_tensor_value_info(name, 0, None) for name in node.output if name]
        graph = helper.make_graph([twin], "one", said, out)
        opsets = [helper.make_opsetid(node.domain, version)]
        run = ReferenceEvaluator(helper.make_model(graph, opset_imports=opsets))
        fed = {f"i{k}": value for k, value in enumerate(inputs) if value is not None}
        with numpy.errstate(all="ignore"):
            given = iter(run.run(None, fed))
            found = [next(given) if name else None for name in node.output]
    except Exception:  # the reference raises what numpy does, and lacks operators
        return ()
    return [numpy.asarray(value) if value is not None else None for value in found]
