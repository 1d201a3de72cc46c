"""ONNX's operators as ours: one table, a line each.

A line is given the node, and says which operator it is, with which fields, what it takes, and which
of the file's tensors are its own. What is not in the table is not counted, and named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from archcalc.dims import Shape
from archcalc.frontends.onnx.values import Call, Made, Same, Value
from archcalc.frontends.table import Moves, Table, held

Line = Callable[[Call], Made | Same | Moves | None]
"""None where the node is none that we know; raises :class:`LookupError` where something lacks."""

TABLE: Table[Line] = Table()
"""``Conv`` -> what it is; the operators of onnxruntime (``com.microsoft``) are among them."""
line = TABLE.line


def read(call: Call) -> Made | Same | Moves | None:
    """What a node is; None if it is not known. Raises :class:`LookupError`."""
    found = TABLE.get(call.op)
    return None if found is None else found(call)


def _stored(value: Value | None) -> bool:
    """Whether a tensor is there and is stored: zeros that an exporter makes are none."""
    return value is not None and bool(value.roots)


# Convolutions -------------------------------------------------------------------------------------


def _window(call: Call, kernel: Sequence[int], extents: Sequence[int]) -> dict[str, Any]:
    """``stride``, ``padding`` and ``dilation`` of a window that slides."""
    axes = len(kernel)
    strides = [int(n) for n in call.get("strides", [1] * axes)]
    dilations = [int(n) for n in call.get("dilations", [1] * axes)]
    pads = _pads(call, kernel, strides, dilations, extents)
    return {"stride": strides, "padding": _padding(pads), "dilation": dilations}


def _pads(
    call: Call,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    extents: Sequence[int],
) -> list[tuple[int, int]]:
    axes = len(kernel)
    auto = call.get("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        pads = []
        for n, k, s, d in zip(extents, kernel, strides, dilations, strict=True):
            total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
            less = total // 2
            pads.append((total - less, less) if auto == "SAME_LOWER" else (less, total - less))
        return pads
    ends = [int(n) for n in call.get("pads", [0] * 2 * axes)]
    if auto == "VALID":
        ends = [0] * 2 * axes
    return list(zip(ends[:axes], ends[axes:], strict=True))


def _padding(pads: Sequence[tuple[int, int]]) -> list[Any]:
    if all(before == after for before, after in pads):
        return [before for before, _ in pads]
    return [list(pad) for pad in pads]


def _conv(call: Call, x: Value, weight: Value, bias: Value | None) -> Made | None:
    sizes = weight.sizes
    axes = len(sizes) - 2
    if axes not in (1, 2, 3) or x.rank != axes + 2:
        return None
    return Made(
        f"Conv{axes}d",
        {
            "out_channels": sizes[0],
            "kernel_size": list(sizes[2:]),
            **_window(call, sizes[2:], x.sizes[2:]),
            "groups": call.get("group", 1),
            "bias": _stored(bias),
        },
        (x,),
        held(weight=weight, bias=bias if _stored(bias) else None),
    )


@line("Conv", "FusedConv")
def _plain_conv(call: Call) -> Made | None:
    made = _conv(call, call.x, call.taken(1), call.given(2))
    function = _FUSED.get(call.get("activation", ""), "")
    if made is None or not call.get("activation"):
        return made
    if not function or call.given(3) is not None:
        return None
    inner = Made(made.op, made.fields, made.inputs, made.weights, call.output)
    return Made(function, {}, (inner,))


_FUSED = {"Relu": "ReLU", "Tanh": "Tanh", "Sigmoid": "Sigmoid", "HardSigmoid": "Hardsigmoid"}


@line("ConvInteger")
def _conv_integer(call: Call) -> Made | None:
    return _conv(call, call.x, call.taken(1), None)


@line("QLinearConv")
def _qlinear_conv(call: Call) -> Made | None:
    return _conv(call, call.x, call.taken(3), call.given(8))


@line("ConvTranspose")
def _conv_transpose(call: Call) -> Made | None:
    weight, bias = call.taken(1), call.given(2)
    sizes, extents = weight.sizes, call.x.sizes[2:]
    axes = len(sizes) - 2
    if axes not in (1, 2, 3) or call.x.rank != axes + 2:
        return None
    kernel = sizes[2:]
    strides = [int(n) for n in call.get("strides", [1] * axes)]
    dilations = [int(n) for n in call.get("dilations", [1] * axes)]
    extra = [int(n) for n in call.get("output_padding", [0] * axes)]
    ends = [int(n) for n in call.get("pads", [0] * 2 * axes)]
    pads = list(zip(ends[:axes], ends[axes:], strict=True))
    if "output_shape" in call.attributes or call.get("auto_pad", "NOTSET").startswith("SAME"):
        upper = call.get("auto_pad") == "SAME_UPPER"
        pads = []
        for n, k, s, d, e, out in zip(
            extents, kernel, strides, dilations, extra, call.output[2:], strict=True
        ):
            total = s * (n - 1) + e + (k - 1) * d + 1 - out
            less = total // 2
            pads.append((less, total - less) if upper else (total - less, less))
    fields = {
        "out_channels": sizes[1] * call.get("group", 1),
        "kernel_size": list(kernel),
        "stride": strides,
        "padding": _padding(pads),
        "output_padding": extra,
        "dilation": dilations,
        "groups": call.get("group", 1),
        "bias": _stored(bias),
    }
    weights = held(weight=weight, bias=bias if _stored(bias) else None)
    return Made(f"ConvTranspose{axes}d", fields, (call.x,), weights)


# Products -----------------------------------------------------------------------------------------


def _product(a: Value, b: Value) -> Made:
    if b.held and b.rank == 2 and not a.held and a.rank >= 2:
        return Made("Linear", {"out_features": b.sizes[1], "bias": False}, (a,), {"weight": b})
    return Made("MatMul", {}, (a, b))


@line("MatMul", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul")
def _matmul(call: Call) -> Made:
    return _product(call.x, call.taken(1))


@line("QLinearMatMul")
def _qlinear_matmul(call: Call) -> Made:
    return _product(call.x, call.taken(3))


@line("Gemm", "QGemm")
def _gemm(call: Call) -> Made | None:
    quantised = call.op == "QGemm"
    a, b, c = call.x, call.taken(3 if quantised else 1), call.given(6 if quantised else 2)
    rows, columns = b.sizes
    out = rows if call.get("transB", 0) else columns
    if b.held and not a.held and not call.get("transA", 0):
        if c is None or (c.held and prod(c.sizes) in (out, 1)):
            bias = c if c and _stored(c) and prod(c.sizes) == out else None
            fields = {"out_features": out, "bias": bias is not None}
            return Made("Linear", fields, (a,), held(weight=b, bias=bias))
        fields = {"out_features": out, "bias": False}
        product = Made("Linear", fields, (a,), {"weight": b}, shape=call.output)
        return Made("Add", {}, (product, c))
    taken: list[Value | Made] = [a, b]
    for k, turned in enumerate(("transA", "transB")):
        if call.get(turned, 0):
            m, n = taken[k].shape or (1, 1)
            taken[k] = Made("Permute", {"dims": [1, 0]}, (taken[k],), shape=(n, m))
    product = Made("MatMul", {}, tuple(taken), shape=call.output)
    return product if c is None else Made("Add", {}, (product, c))


@line("Einsum")
def _einsum(call: Call) -> Made:
    inputs = tuple(value for value in call.inputs if value is not None)
    return Made("Einsum", {"equation": call.get("equation", "").replace(" ", "")}, inputs)


# Recurrent layers ---------------------------------------------------------------------------------


@line("LSTM", "GRU", "RNN", "DynamicQuantizeLSTM")
def _recurrent(call: Call) -> Made | None:
    op = "LSTM" if call.op.endswith("LSTM") else call.op
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
    w, r, b = call.taken(1), call.taken(2), call.given(3)
    x = call.x
    ways, size = w.sizes[0], call.get("hidden_size")
    peepholes = call.given(7) if call.op == "LSTM" else None
    if x.rank != 3 or size is None or peepholes is not None:
        return None
    if prod(w.sizes) != ways * gates * size * x.sizes[-1]:
        return None
    fields = {"hidden_size": size, "bias": _stored(b), "bidirectional": ways == 2}
    if op == "RNN" and "Relu" in [_text(f) for f in call.get("activations", [])]:
        fields["nonlinearity"] = "relu"
    weights = held(weight_ih_l0=w, weight_hh_l0=r, bias=b if _stored(b) else None)
    batch_first = call.get("layout", 0) == 1
    n, t = x.sizes[:2] if batch_first else (x.sizes[1], x.sizes[0])
    taken: Value | Made = x
    if not batch_first:
        taken = Made("Permute", {"dims": [1, 0, 2]}, (x,), shape=(n, t, x.sizes[2]))
    made = Made(op, fields, (taken,), weights, shape=(n, t, ways * size))
    if batch_first:
        return made if ways == 1 else None
    # (N, T, D H) -> (T, D, N, H)
    parts = Made("Reshape", {"shape": [t, ways, size]}, (made,), shape=(n, t, ways, size))
    return Made("Permute", {"dims": [1, 2, 0, 3]}, (parts,))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


# Normalization ------------------------------------------------------------------------------------


@line("BatchNormalization")
def _batch_norm(call: Call) -> Made | None:
    axes = max(call.x.rank - 2, 1)
    if axes > 3:
        return None
    names = ("weight", "bias", "running_mean", "running_var")
    tensors = {name: call.taken(k + 1) for k, name in enumerate(names)}
    fields = {"eps": call.get("epsilon", 1e-5)}
    return Made(f"BatchNorm{axes}d", fields, (call.x,), tensors)


@line("InstanceNormalization")
def _instance_norm(call: Call) -> Made | None:
    axes = call.x.rank - 2
    if axes not in (1, 2, 3):
        return None
    weight, bias = call.taken(1), call.taken(2)
    affine = _stored(weight) or _stored(bias)
    fields = {"eps": call.get("epsilon", 1e-5), "affine": affine}
    weights = {"weight": weight, "bias": bias} if affine else {}
    return Made(f"InstanceNorm{axes}d", fields, (call.x,), weights)


@line("LayerNormalization", "SimplifiedLayerNormalization", "RMSNormalization")
def _layer_norm(call: Call) -> Made:
    axis = call.get("axis", -1) % call.x.rank
    shape = list(call.x.sizes[axis:])
    weight, bias = call.taken(1), call.given(2)
    if call.op != "LayerNormalization":
        fields = {"normalized_shape": shape, "eps": call.get("epsilon", 1e-5)}
        return Made("RMSNorm", fields, (call.x,), {"weight": weight})
    affine = _stored(weight)
    fields = {
        "normalized_shape": shape,
        "eps": call.get("epsilon", 1e-5),
        "elementwise_affine": affine,
        "bias": affine and _stored(bias),
    }
    weights = held(weight=weight, bias=bias if _stored(bias) else None) if affine else {}
    return Made("LayerNorm", fields, (call.x,), weights)


@line("SkipLayerNormalization", "SkipSimplifiedLayerNormalization")
def _skip_layer_norm(call: Call) -> Made | None:
    x, skip, weight = call.x, call.taken(1), call.taken(2)
    simple = "Simplified" in call.op
    bias, shift = (None, call.given(3)) if simple else (call.given(3), call.given(4))
    if len(call.node.output) > 1 and any(call.node.output[1:]):
        return None
    joined: Value | Made = Made("Add", {}, (x, skip), shape=x.sizes)
    if shift is not None:
        joined = Made("Add", {}, (joined, shift), shape=x.sizes)
    fields: dict[str, Any] = {"normalized_shape": [x.sizes[-1]], "eps": call.get("epsilon", 1e-5)}
    if simple:
        return Made("RMSNorm", fields, (joined,), {"weight": weight})
    fields["bias"] = _stored(bias)
    return Made("LayerNorm", fields, (joined,), held(weight=weight, bias=bias))


@line("GroupNormalization")
def _group_norm(call: Call) -> Made | None:
    weight, bias = call.taken(1), call.taken(2)
    if prod(weight.sizes) != call.x.sizes[1]:
        return None  # opset 18 has a number a group
    fields = {"num_groups": call.get("num_groups"), "eps": call.get("epsilon", 1e-5)}
    return Made("GroupNorm", fields, (call.x,), {"weight": weight, "bias": bias})


@line("LRN")
def _lrn(call: Call) -> Made:
    fields = {
        "size": call.get("size"),
        "alpha": call.get("alpha", 1e-4),
        "beta": call.get("beta", 0.75),
        "k": call.get("bias", 1.0),
    }
    return Made("LocalResponseNorm", fields, (call.x,))


# Pooling ------------------------------------------------------------------------------------------


@line("MaxPool", "AveragePool", "QLinearAveragePool")
def _pool(call: Call) -> Made | None:
    kernel = [int(n) for n in call.get("kernel_shape", [])]
    axes = len(kernel)
    if axes not in (1, 2, 3) or call.get("channels_last"):
        return None
    extents = call.x.sizes[2:]
    fields: dict[str, Any] = {"kernel_size": kernel, **_window(call, kernel, extents)}
    if call.get("ceil_mode", 0):
        fields["ceil_mode"] = True
        spans = [d * (k - 1) + 1 for d, k in zip(fields["dilation"], kernel, strict=True)]
        pads = _pads(call, kernel, fields["stride"], fields["dilation"], extents)
        sizes = [
            -(-(n + sum(pad) - span) // s) + 1
            for n, span, s, pad in zip(extents, spans, fields["stride"], pads, strict=True)
        ]
        if list(call.output[2:]) == sizes and not any(map(sum, pads)):
            fields["ceil_mode"] = "caffe"
            clipped = [
                size - ((size - 1) * s >= n)
                for size, s, n in zip(sizes, fields["stride"], extents, strict=True)
            ]
            if clipped == sizes:
                fields["ceil_mode"] = True
    if call.op != "MaxPool":
        if any(d != 1 for d in fields.pop("dilation")):
            return None
        if not call.get("count_include_pad", 0) and any(map(_any, fields["padding"])):
            fields["count_include_pad"] = False
    name = "Max" if call.op == "MaxPool" else "Avg"
    return Made(f"{name}Pool{axes}d", fields, (call.x,))


def _any(value: Any) -> bool:
    return any(value) if isinstance(value, list) else bool(value)


@line("GlobalAveragePool", "QLinearGlobalAveragePool")
def _global_average(call: Call) -> Made | None:
    return None if call.get("channels_last") else Made("GlobalAvgPool", {}, (call.x,))


@line("GlobalMaxPool")
def _global_max(call: Call) -> Made:
    return Made("GlobalMaxPool", {}, (call.x,))


# Functions of elements ----------------------------------------------------------------------------


def _plain(op: str, **fields: Any) -> Line:
    return lambda call: Made(op, fields, (call.x,))


for _name, _op in {
    "Relu": "ReLU",
    "Tanh": "Tanh",
    "Sigmoid": "Sigmoid",
    "QLinearSigmoid": "Sigmoid",
    "Selu": "SELU",
    "Softplus": "Softplus",
    "Mish": "Mish",
    "Swish": "SiLU",
    "HardSwish": "Hardswish",
    "Neg": "Neg",
    "Abs": "Abs",
    "Sign": "Sign",
    "Exp": "Exp",
    "Log": "Log",
    "Sqrt": "Sqrt",
    "Reciprocal": "Reciprocal",
    "Sin": "Sin",
    "Cos": "Cos",
    "Tan": "Tan",
    "Atan": "Atan",
    "Erf": "Erf",
    "Floor": "Floor",
    "Ceil": "Ceil",
    "Round": "Round",
    "Not": "LogicalNot",
}.items():
    TABLE[_name] = _plain(_op)


@line("Gelu", "FastGelu", "BiasGelu", "QuickGelu")
def _gelu(call: Call) -> Made:
    if call.op == "QuickGelu":
        by = {"by": call.get("alpha", 1.702)}
        scaled = Made("Mul", by, (call.x,), shape=call.x.sizes)
        gate = Made("Sigmoid", {}, (scaled,), shape=call.x.sizes)
        return Made("Mul", {}, (call.x, gate))
    approximate = call.get("approximate", "tanh" if call.op == "FastGelu" else "none")
    taken: Value | Made = call.x
    bias = call.given(1)
    if bias is not None:
        taken = Made("Add", {}, (call.x, bias), shape=call.x.sizes)
    return Made("GELU", {"approximate": approximate}, (taken,))


@line("LeakyRelu", "QLinearLeakyRelu")
def _leaky(call: Call) -> Made:
    return Made("LeakyReLU", {"negative_slope": call.get("alpha", 0.01)}, (call.x,))


@line("Elu")
def _elu(call: Call) -> Made:
    return Made("ELU", {"alpha": call.get("alpha", 1.0)}, (call.x,))


@line("Celu")
def _celu(call: Call) -> Made:
    return Made("CELU", {"alpha": call.get("alpha", 1.0)}, (call.x,))


@line("HardSigmoid")
def _hard_sigmoid(call: Call) -> Made:
    if abs(call.get("alpha", 0.2) - 1 / 6) < 1e-4:
        return Made("Hardsigmoid", {}, (call.x,))
    scaled = Made("Mul", {"by": call.get("alpha", 0.2)}, (call.x,), shape=call.x.sizes)
    shifted = Made("Add", {"by": call.get("beta", 0.5)}, (scaled,), shape=call.x.sizes)
    return Made("Clamp", {"min": 0, "max": 1}, (shifted,))


@line("PRelu")
def _prelu(call: Call) -> Made | None:
    slope = call.taken(1)
    count = prod(slope.sizes)
    if slope.held and count in (1, call.x.sizes[1] if call.x.rank > 1 else 1):
        return Made("PReLU", {"num_parameters": count}, (call.x,), {"weight": slope})
    zero = Made("Minimum", {"by": 0}, (call.x,), shape=call.x.sizes)
    scaled = Made("Mul", {}, (zero, slope), shape=call.x.sizes)
    return Made("Add", {}, (Made("ReLU", {}, (call.x,), shape=call.x.sizes), scaled))


@line("Softmax", "LogSoftmax", "QLinearSoftmax")
def _softmax(call: Call) -> Made:
    name = "LogSoftmax" if call.op == "LogSoftmax" else "Softmax"
    axis = call.get("axis", 1 if call.opset < 13 else -1)
    rank = call.x.rank
    axis %= rank
    if call.opset < 13 and axis < rank - 1:
        # Of all elements from that axis on, as one row; of axes with one element each, of one.
        many = [k for k in range(axis, rank) if call.x.sizes[k] > 1]
        if len(many) > 1:
            rows, columns = prod(call.x.sizes[:axis]), prod(call.x.sizes[axis:])
            flat = Made("Reshape", {}, (call.x,), shape=(rows, columns))
            made = Made(name, {"dim": 1}, (flat,), shape=(rows, columns))
            return Made("Reshape", {}, (made,))
        axis = many[0] if many else axis
    return Made(name, {"dim": axis}, (call.x,))


@line("Clip")
def _clip(call: Call) -> Made | Same:
    bounds: dict[str, Any] = {}
    for k, name in enumerate(("min", "max")):
        bound = call.get(name)
        value = call.given(k + 1)
        if bound is None and value is not None:
            bound = value.number()
        if bound is not None and abs(bound) < 3.4e38:
            bounds[name] = bound
    if not bounds:
        return Same(call.x)
    if bounds.get("min") == 0 and bounds.get("max") == 6:
        return Made("ReLU6", {}, (call.x,))
    return Made("Clamp", bounds, (call.x,))


@line("ThresholdedRelu")
def _thresholded(call: Call) -> Made:
    passed = Made("Gt", {"by": call.get("alpha", 1.0)}, (call.x,), shape=call.x.sizes)
    return Made("Mul", {}, (call.x, passed))


def _of_two(op: str, a: Value, b: Value) -> Made:
    """An operator of two tensors, or of one and a number."""
    for x, other, key in ((a, b, "by"), (b, a, "by" if op in _EITHER else "of")):
        single = other.held and other.data is not None and prod(other.sizes) == 1
        if single and not x.held and other.rank <= x.rank:
            if key == "of" and op not in ("Sub", "Div", "Pow"):
                continue
            number = other.number()
            if isinstance(number, (bool, int, float)) and abs(number) < 1e30:
                return Made(
                    op, {key: number if not isinstance(number, bool) else int(number)}, (x,)
                )
    return Made(op, {}, (a, b))


_EITHER = ("Add", "Mul", "Minimum", "Maximum", "Eq", "Ne")


def _pair(op: str) -> Line:
    return lambda call: _of_two(op, call.x, call.taken(1))


for _name, _op in {
    "Add": "Add",
    "Sub": "Sub",
    "Mul": "Mul",
    "Div": "Div",
    "Mod": "Div",
    "Pow": "Pow",
    "Equal": "Eq",
    "Less": "Lt",
    "LessOrEqual": "Le",
    "Greater": "Gt",
    "GreaterOrEqual": "Ge",
    "And": "LogicalAnd",
    "Or": "LogicalOr",
    "Xor": "LogicalXor",
}.items():
    TABLE[_name] = _pair(_op)


@line("QLinearAdd", "QLinearMul")
def _qlinear_pair(call: Call) -> Made:
    return _of_two(call.op.removeprefix("QLinear"), call.x, call.taken(3))


@line("Sum", "Max", "Min", "Mean")
def _several(call: Call) -> Made | Same:
    values = [value for value in call.inputs if value is not None]
    if len(values) == 1:
        return Same(values[0])
    if call.op == "Sum":
        return Made("Add", {}, tuple(values))
    op = {"Max": "Maximum", "Min": "Minimum", "Mean": "Add"}[call.op]
    if len(values) == 2 and call.op != "Mean":
        return _of_two(op, *values)
    made: Value | Made = values[0]
    for value in values[1:]:
        made = Made(op, {}, (made, value), shape=call.output)
    if call.op == "Mean":
        made = Made("Div", {"by": len(values)}, (made,))
    assert isinstance(made, Made)
    return made


@line("Where")
def _where(call: Call) -> Made:
    return Made("Where", {}, (call.x, call.taken(1), call.taken(2)))


@line("IsNaN", "IsInf")
def _is(call: Call) -> Made:
    return Made("Ne", {"by": 0}, (call.x,))


# Rounding -----------------------------------------------------------------------------------------


@line("QuantizeLinear")
def _quantize(call: Call) -> Made:
    """``clamp(round(x / scale) + zero)``."""
    shape = call.x.sizes
    scaled = Made("Div", {"by": 1}, (call.x,), shape=shape)
    rounded = Made("Round", {}, (scaled,), shape=shape)
    return Made("Clamp", {"min": -128, "max": 255}, (rounded,))


@line("DequantizeLinear")
def _dequantize(call: Call) -> Made:
    return Made("Mul", {"by": 1}, (call.x,))


# Moving -------------------------------------------------------------------------------------------

for _name in ("Identity", "Cast", "CastLike", "Dropout", "Optional", "OptionalGetElement"):
    TABLE[_name] = lambda call: Same(call.x)


@line("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def _view(call: Call) -> Made | Same:
    """Other axes for the same elements in the same order, in whatever way it is written."""
    if call.x.sizes == call.output:
        return Same(call.x)
    if call.x.rank > 2 == len(call.output) and call.x.sizes[0] == call.output[0]:
        return Made("Flatten", {}, (call.x,))
    return Made("Reshape", {}, (call.x,))


@line("Transpose")
def _transpose(call: Call) -> Made | Same:
    rank = call.x.rank
    order = [int(n) % rank for n in call.get("perm", list(reversed(range(rank))))]
    if order == list(range(rank)):
        return Same(call.x)
    return Made("Permute", {"dims": order}, (call.x,))


@line("Concat")
def _concat(call: Call) -> Made | Same:
    return _joined(call, [value for value in call.inputs if value is not None])


@line("QLinearConcat")
def _qlinear_concat(call: Call) -> Made | Same:
    return _joined(call, [value for value in call.inputs[2::3] if value is not None])


def _joined(call: Call, values: list[Value]) -> Made | Same:
    values = [value for value in values if 0 not in value.sizes]
    if len(values) == 1:
        return Same(values[0])
    return Made("Concat", {"dim": call.get("axis", 1)}, tuple(values))


@line("Slice")
def _slice(call: Call) -> Made | Same | Moves:
    if call.x.sizes == call.output:
        return Same(call.x)
    starts, ends = call.ints("starts", 1), call.ints("ends", 2)
    assert starts is not None
    assert ends is not None
    axes = call.ints("axes", 3) or list(range(len(starts)))
    steps = call.ints("steps", 4) or [1] * len(starts)
    made: Value | Made = call.x
    shape = list(call.x.sizes)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis %= len(shape)
        if step < 0:
            if step == -1 and call.output[axis] == call.x.sizes[axis]:
                made = Made("Flip", {"dims": [axis]}, (made,), shape=tuple(shape))
                continue
            return Moves()
        n = shape[axis]
        first = min(max(start + n if start < 0 else start, 0), n)
        last = min(max(end + n if end < 0 else end, 0), n)
        if (first, last, step) == (0, n, 1):
            continue
        shape[axis] = max(0, -(-(last - first) // step))
        fields = {"dim": axis, "start": first, "end": None if last == n else last, "step": step}
        made = Made("Slice", fields, (made,), shape=tuple(shape))
    return made if isinstance(made, Made) else Same(made)


@line("Pad")
def _pad(call: Call) -> Made | Same | Moves | None:
    ends = call.ints("pads", 1) or call.ints("paddings", 1)
    if ends is None:
        return None
    axes = call.ints("axes", 3) or list(range(call.x.rank))
    pairs = [(0, 0)] * call.x.rank
    for k, axis in enumerate(axes):
        pairs[axis] = ends[k], ends[k + len(axes)]
    if not any(map(any, pairs)):
        return Same(call.x)
    mode = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
    while not any(pairs[0]) and len(pairs) > 1:
        pairs = pairs[1:]
    if min(map(min, pairs)) < 0:
        if max(map(max, pairs)) > 0:
            return Moves()
        made: Value | Made = call.x
        for k, (before, after) in enumerate(pairs):
            dim = call.x.rank - len(pairs) + k
            if before or after:
                size = call.x.sizes[dim]
                cut = {"dim": dim, "start": -before, "end": size + after}
                made = Made("Slice", cut, (made,), shape=None)
        return made if isinstance(made, Made) and made.shape is None else Moves()
    pad = [n for pair in reversed(pairs) for n in pair]
    fields: dict[str, Any] = {"pad": pad}
    if call.get("mode", "constant") != "constant":
        fields["mode"] = mode.get(call.get("mode"), "constant")
    return Made("Pad", fields, (call.x,))


@line("Expand")
def _expand(call: Call) -> Made | Same:
    return Same(call.x) if call.x.sizes == call.output else Made("Expand", {}, (call.x,))


@line("Tile")
def _tile(call: Call) -> Made | Same:
    times = [int(n) for n in call.taken(1).numbers()]
    if all(n == 1 for n in times):
        return Same(call.x)
    return Made("Repeat", {"repeats": times}, (call.x,))


@line("DepthToSpace")
def _depth_to_space(call: Call) -> Made | Moves:
    if call.get("mode", "DCR") == "CRD":
        return Made("PixelShuffle", {"upscale_factor": call.get("blocksize")}, (call.x,))
    return Moves()


@line("SpaceToDepth")
def _space_to_depth(call: Call) -> Made:
    return Made("PixelUnshuffle", {"downscale_factor": call.get("blocksize")}, (call.x,))


@line("Resize", "Upsample")
def _resize(call: Call) -> Made | None:
    before, after = call.x.sizes, call.output
    if before[:2] != after[:2] or len(before) not in (3, 4, 5):
        return None
    said = call.get("mode", "nearest")
    modes = {"linear": ("linear", "bilinear", "trilinear"), "cubic": ("", "bicubic", "")}
    mode = modes[said][len(before) - 3] if said in modes else "nearest"
    if not mode:
        return None
    fields: dict[str, Any] = {"size": list(after[2:]), "mode": mode}
    if call.get("antialias") and mode in ("bilinear", "bicubic"):
        fields["antialias"] = True
    if call.get("coordinate_transformation_mode") == "align_corners" and mode != "nearest":
        fields["align_corners"] = True
    return Made("Upsample", fields, (call.x,))


@line("GridSample")
def _grid_sample(call: Call) -> Made:
    modes = {"bilinear": "bilinear", "linear": "bilinear", "bicubic": "bicubic", "cubic": "bicubic"}
    mode = modes.get(call.get("mode", "bilinear"), "nearest")
    return Made("GridSample", {"mode": mode}, (call.x, call.taken(1)))


@line("Gather")
def _gather(call: Call) -> Made:
    table, indices = call.x, call.taken(1)
    axis = call.get("axis", 0) % table.rank
    if table.held and not indices.held and table.rank == 2 and axis == 0 and table.roots:
        rows, columns = table.sizes
        fields = {"num_embeddings": rows, "embedding_dim": columns}
        return Made("Embedding", fields, (indices,), {"weight": table})
    if indices.data is not None:
        index = indices.data.tolist()
        if not isinstance(index, list):
            return Made("Select", {"dim": axis, "index": int(index)}, (table,))
        if indices.rank == 1:
            return Made("Select", {"dim": axis, "index": [int(n) for n in index]}, (table,))
    return Made("Index", {"dim": axis}, (table, indices))


@line("GatherElements")
def _gather_elements(call: Call) -> Made:
    return Made("Gather", {"dim": call.get("axis", 0)}, (call.x, call.taken(1)))


@line("OneHot")
def _one_hot(call: Call) -> Made:
    return Made("OneHot", {"num_classes": int(call.taken(1).number())}, (call.x,))


@line("GatherND", "ScatterND", "ScatterElements", "Trilu", "ReverseSequence", "Compress", "Col2Im")
def _moves(call: Call) -> Moves:
    return Moves()


# Reductions ---------------------------------------------------------------------------------------


def _reduced(op: str, **more: Any) -> Line:
    def made(call: Call) -> Made | Same:
        axes = call.ints("axes", 1)
        if not axes:
            if call.get("noop_with_empty_axes"):
                return Same(call.x)
            axes = list(range(call.x.rank))
        axes = sorted(axis % call.x.rank for axis in axes)
        fields: dict[str, Any] = {"dim": axes if len(axes) > 1 else axes[0], **more}
        if call.get("keepdims", 1):
            fields["keepdim"] = True
        given: Value | Made = call.x
        if call.op == "ReduceSumSquare":
            given = Made("Square", {}, (call.x,), shape=call.x.sizes)
        return Made(op, fields, (given,))

    return made


for _name, _op in {
    "ReduceMean": "Mean",
    "ReduceSum": "Sum",
    "ReduceSumSquare": "Sum",
    "ReduceMax": "Max",
    "ReduceMin": "Min",
    "ReduceL2": "Norm",
    "ReduceLogSumExp": "LogSumExp",
}.items():
    TABLE[_name] = _reduced(_op)
TABLE["ReduceL1"] = _reduced("Norm", p=1)


@line("ArgMax", "ArgMin")
def _extreme(call: Call) -> Made:
    keep = {"keepdim": True} if call.get("keepdims", 1) else {}
    return Made(call.op, {"dim": call.get("axis", 0), **keep}, (call.x,))


@line("CumSum")
def _cumsum(call: Call) -> Made:
    return Made("CumSum", {"dim": int(call.taken(1).number())}, (call.x,))


@line("LpNormalization")
def _lp(call: Call) -> Made:
    shape = list(call.x.sizes)
    axis = call.get("axis", -1) % len(shape)
    shape[axis] = 1
    fields = {"dim": axis, "keepdim": True, "p": call.get("p", 2)}
    return Made("Div", {}, (call.x, Made("Norm", fields, (call.x,), shape=tuple(shape))))


# Attention ----------------------------------------------------------------------------------------


@line("Attention")
def _attention(call: Call) -> Made | None:
    """The operator of opset 23 on four axes; onnxruntime's own of that name is another."""
    if call.node.domain not in ("", "ai.onnx") or call.x.rank != 4:
        return None
    q, k, v, mask = call.x, call.taken(1), call.taken(2), call.given(3)
    if call.given(4) is not None:
        return None
    fields = {"is_causal": bool(call.get("is_causal", 0)), "enable_gqa": q.sizes[1] != k.sizes[1]}
    return Made("ScaledDotProductAttention", fields, (q, k, v, *((mask,) if mask else ())))


# Several outputs ----------------------------------------------------------------------------------


def piece(call: Call, index: int) -> Made | Same | Moves | None:
    """One output of a node that has several; None where it is not known what that is."""
    if call.op in ("Split", "SplitToSequence"):
        rank = call.x.rank
        axis = call.get("axis", 0) % rank
        if any(shape is None for shape in call.shapes):
            return None
        sections = [shape[axis] for shape in call.shapes if shape is not None]
        if len(sections) == 1:
            return Same(call.x)
        fields = {"split_size_or_sections": sections, "index": index, "dim": axis}
        return Made("Split", fields, (call.x,))
    if call.op == "TopK":
        k = call.get("k") or int(call.taken(1).number())
        fields = {"k": k, "dim": call.get("axis", -1)}
        returns = {} if index == 0 else {"returns": "indices"}
        return Made("TopK", {**fields, **returns}, (call.x,))
    if call.op == "DynamicQuantizeLinear":
        if index == 0:
            return _quantize(call)
        dims = list(range(call.x.rank))
        return Made("Max" if index == 1 else "Min", {"dim": dims}, (call.x,))
    if index == 0:
        return read(call)
    return Moves() if call.op in ("LSTM", "GRU", "RNN", "DynamicQuantizeLSTM", "MaxPool") else None


def broadcast(a: Shape, b: Shape) -> Shape:
    """The shape of what is worked out element by element."""
    rank = max(len(a), len(b))
    long = ((1,) * (rank - len(a)) + tuple(a), (1,) * (rank - len(b)) + tuple(b))
    return tuple(max(m, n) for m, n in zip(*long, strict=True))
