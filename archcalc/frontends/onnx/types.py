"""Types of an ONNX file's tensors: as operators say, else as the file does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

from archcalc.dims import Shape
from archcalc.errors import ArchcalcError
from archcalc.frontends.onnx.values import Value
from archcalc.operators.base import LARGEST

if TYPE_CHECKING:
    import onnx


def at(path: str, node: onnx.NodeProto) -> str:
    """A node in messages."""
    name = node.name or next(iter(node.output), "")
    return f"{path}: node '{name}' ({node.op_type})"


def checked(path: str, dims: Iterable[int], what: str) -> Shape:
    """Extents that a tensor can have. Raises :class:`ArchcalcError`."""
    shape = tuple(int(n) for n in dims)
    if any(n < 0 for n in shape) or prod(shape) > LARGEST:
        raise ArchcalcError(f"{path}: {what} has the shape {list(shape)}")
    return shape


def require_type(path: str, dtype: int, what: str) -> None:
    """Refuse a type of elements that onnx has none of. Raises :class:`ArchcalcError`."""
    from onnx import TensorProto

    if dtype not in TensorProto.DataType.values() or not dtype:
        raise ArchcalcError(f"{path}: {what} has the type {dtype}, which onnx does not know")


class Types:
    """What is known of the types of tensors."""

    def __init__(self, path: str, opsets: Iterable[onnx.OperatorSetIdProto]) -> None:
        self.path = path
        self.opsets = list(opsets)
        self.said: dict[str, onnx.TypeProto] = {}
        """Types that the file itself gives tensors."""

    def version(self, domain: str) -> int:
        """Of the operators of a domain, the version that the file is written for."""
        versions = {_plain(o.domain): o.version for o in self.opsets}
        return versions.get(_plain(domain), 1)

    def say(self, graph: onnx.GraphProto) -> None:
        """Take in the types that a graph says."""
        for info in (*graph.value_info, *graph.output):
            if info.type.WhichOneof("value"):
                self.said.setdefault(info.name, info.type)

    def inferred(
        self, node: onnx.NodeProto, inputs: Sequence[Value | None], version: int
    ) -> dict[str, onnx.TypeProto]:
        """The types of what a node gives: as its operator says, else as the file does."""
        from onnx import checker, defs, helper, numpy_helper, shape_inference

        found: dict[str, onnx.TypeProto] = {}
        try:
            schema = defs.get_schema(node.op_type, version, node.domain.replace("ai.onnx", ""))
            types, data = {}, {}
            for name, value in zip(node.input, inputs, strict=True):
                if value is not None:
                    types[name] = helper.make_tensor_type_proto(value.dtype, value.shape)
                    if value.data is not None and value.data.dtype.kind in "iufb":
                        data[name] = numpy_helper.from_array(value.data, name)
            if not schema.has_type_and_shape_inference_function:
                return self.as_said(node, self.as_given(node, inputs))
            found = shape_inference.infer_node_outputs(
                schema, node, types, data, opset_imports=self.opsets
            )
            if node.op_type == "ArrayFeatureExtractor":  # whose sizes it doesn't work out
                found = self.as_given(node, inputs)
        except defs.SchemaError:
            found = self.as_given(node, inputs)
        except checker.ValidationError:
            pass  # types that do not fit, which are none of our business
        except shape_inference.InferenceError as error:
            if not any(name in self.said for name in node.output):
                reason = str(error).strip().splitlines()[-1]
                raise ArchcalcError(f"{at(self.path, node)}: {reason}") from error
        except ValueError as error:  # types that there are none of, text that is none
            raise ArchcalcError(f"{at(self.path, node)}: {error}") from error
        return self.as_said(node, found)

    def as_said(
        self, node: onnx.NodeProto, found: dict[str, onnx.TypeProto]
    ) -> dict[str, onnx.TypeProto]:
        """Types that are known, or else those that the file says."""
        for name in node.output:
            if self.shape_of(found.get(name)) is None and name in self.said:
                found[name] = self.said[name]
        return found

    def as_given(
        self, node: onnx.NodeProto, inputs: Sequence[Value | None]
    ) -> dict[str, onnx.TypeProto]:
        """What operators give that onnx does not know, and that are like others."""
        from onnx import NodeProto, helper

        def like(name: str, taken: Sequence[int]) -> dict[str, onnx.TypeProto]:
            twin = NodeProto()
            twin.CopyFrom(node)
            twin.op_type, twin.domain = name, ""
            present = [k for k in taken if k < len(node.input)]
            del twin.input[:]
            twin.input.extend(node.input[k] for k in present)
            attributes = [a for a in twin.attribute if not a.name.startswith(_OTHERS)]
            del twin.attribute[:]
            twin.attribute.extend(attributes)
            values = [x and replace(x, dtype=1) for x in (inputs[k] for k in present)]
            found = self.inferred(twin, values, self.version(""))
            first = inputs[present[0]] if present else None
            if node.op_type.startswith("Q") and first is not None:
                for each in found.values():  # rounded as what it takes
                    each.tensor_type.elem_type = first.dtype
            return found

        if node.op_type in _TURNED:
            return self.turned(node, inputs)
        if node.op_type in _TWINS:
            name, taken = _TWINS[node.op_type]
            if node.op_type == "QLinearConcat":
                taken = range(2, len(inputs), 3)
            return like(name, taken)
        x = inputs[0] if inputs else None
        shapes = [None if value is None else value.shape for value in inputs]
        found = dict(zip(node.output, _sizes(node, shapes), strict=False))
        if found and x is not None:
            dtype = 1 if node.op_type in ("EmbedLayerNormalization", "QAttention") else x.dtype
            return {
                name: helper.make_tensor_type_proto(
                    dtype, checked(self.path, sizes, at(self.path, node))
                )
                for name, sizes in found.items()
            }
        if node.op_type in _KEEPING and x is not None:
            dtype = 1 if node.op_type == "Scaler" else x.dtype
            made = helper.make_tensor_type_proto(dtype, x.shape)
            return {name: made for k, name in enumerate(node.output) if name and k in (0, 3)}
        return {}

    def turned(
        self, node: onnx.NodeProto, inputs: Sequence[Value | None]
    ) -> dict[str, onnx.TypeProto]:
        """What a window gives of maps with the channels last, and of a weight that is so, too."""
        from onnx import NodeProto, helper

        twin = NodeProto()
        twin.CopyFrom(node)
        twin.op_type, twin.domain = _TURNED[node.op_type], ""
        del twin.output[1:]
        first = [channels_first(value) for value in inputs[:2]]
        found = self.inferred(twin, [*first, *inputs[2:]], self.version(""))
        shape = self.shape_of(found.get(node.output[0]))
        if shape is None or len(shape) < 3 or inputs[0] is None:
            return {}
        last = (shape[0], *shape[2:], shape[1])
        return {node.output[0]: helper.make_tensor_type_proto(inputs[0].dtype, last)}

    def shape_of(self, proto: onnx.TypeProto | None) -> Shape | None:
        """A tensor's sizes, if all of them are said."""
        if proto is None or proto.WhichOneof("value") != "tensor_type":
            return None
        tensor = proto.tensor_type
        if not tensor.HasField("shape"):
            return None
        if not all(d.HasField("dim_value") and d.dim_value >= 0 for d in tensor.shape.dim):
            return None
        return checked(self.path, (d.dim_value for d in tensor.shape.dim), "a tensor")


def channels_first(value: Value | None) -> Value | None:
    """A tensor with its last axis behind the first."""
    if value is None or value.shape is None or len(value.shape) < 3:
        return value
    n, *extents, channels = value.shape
    return replace(value, shape=(n, channels, *extents), data=None)


def _sizes(node: onnx.NodeProto, shapes: Sequence[Shape | None]) -> list[Shape]:
    """The sizes of what some of onnxruntime's operators give."""
    from onnx.helper import get_attribute_value

    if not shapes or shapes[0] is None:
        return []
    if node.op_type == "ArrayFeatureExtractor" and len(shapes) > 1 and shapes[1] is not None:
        return [(*(shapes[0][:-1] or (1,)), prod(shapes[1]))]
    if node.domain != "com.microsoft":
        return []
    said = {a.name: get_attribute_value(a) for a in node.attribute}
    x, y = shapes[0], shapes[1] if len(shapes) > 1 else None
    if node.op_type == "EmbedLayerNormalization" and len(x) == 2 and len(shapes) > 2:
        words = shapes[2]
        return [(*x, words[1]), x[:1], (*x, words[1])] if words and len(words) == 2 else []
    if node.op_type == "MatMulNBits" and type(said.get("N")) is int:
        return [(*x[:-1], said["N"])]
    if node.op_type == "BiasSplitGelu":
        return [(*x[:-1], x[-1] // 2)]
    if (
        node.op_type in ("FusedMatMul", "TransposeMatMul")
        and y is not None
        and len(x) > 1
        and len(y) > 1
    ):
        outer = x[:-2] if len(x) >= len(y) else y[:-2]
        rows = x[-1] if said.get("transA") else x[-2]
        return [(*outer, rows, y[-2] if said.get("transB") else y[-1])]
    if node.op_type in ("Attention", "QAttention") and y and len(x) == 3 and len(y) == 2:
        given: list[Shape] = [(*x[:2], y[1] // 3)]
        behind = [past for past in shapes[4:] if past is not None and len(past) == 5]
        return [*given, *((*past[:3], past[3] + x[1], past[4]) for past in behind[:1])]
    if node.op_type == "MultiHeadAttention" and len(x) == 3 and len(shapes) > 2:
        v = shapes[2]
        if v is not None:
            return [(*x[:2], v[-1] if len(v) == 3 else v[1] * v[-1])]
    if node.op_type == "GroupQueryAttention" and len(x) == 3:
        count, shared = said.get("num_heads"), said.get("kv_num_heads")
        if type(count) is not int or type(shared) is not int or count < 1 or shared < 1:
            return []
        size = x[-1] // (count + 2 * shared if y is None else count)
        past = shapes[3] if len(shapes) > 3 else None
        tokens = x[1] + (past[2] if past is not None and len(past) == 4 else 0)
        return [(*x[:2], count * size), *[(x[0], shared, tokens, size)] * 2]
    return [x] if node.op_type == "RotaryEmbedding" else []


_TWINS: dict[str, tuple[str, Sequence[int]]] = {
    "FusedConv": ("Conv", (0, 1, 2)),
    "QLinearAdd": ("Add", (0, 3)),
    "QLinearMul": ("Mul", (0, 3)),
    "QLinearConcat": ("Concat", ()),
    "QLinearGlobalAveragePool": ("GlobalAveragePool", (0,)),
    "QLinearAveragePool": ("AveragePool", (0,)),
    "QGemm": ("Gemm", (0, 3)),
    "FusedGemm": ("Gemm", (0, 1, 2)),
    "DynamicQuantizeLSTM": ("LSTM", (0, 1, 2, 3)),
    "MatMulIntegerToFloat": ("MatMul", (0, 1)),
    "DynamicQuantizeMatMul": ("MatMul", (0, 1)),
}
_TURNED = {"NhwcConv": "Conv", "NhwcFusedConv": "Conv", "NhwcMaxPool": "MaxPool"}
_OTHERS = ("activation", "channels_last")
_KEEPING = (
    *("QLinearSigmoid", "QLinearLeakyRelu", "QLinearSoftmax", "FastGelu", "BiasGelu", "QuickGelu"),
    *("SkipLayerNormalization", "SkipSimplifiedLayerNormalization", "SimplifiedLayerNormalization"),
    *("BiasSoftmax", "BiasAdd", "BiasDropout", "GroupNorm", "SkipGroupNorm"),
    *("Gelu", "Scaler", "Normalizer", "Imputer"),
)


def _plain(domain: str) -> str:
    return domain.replace("ai.onnx", "")
