"""ATen's operators as ours: one table, in which each line is the inverse of an operator's spelling.

A line is a function that is given the call, with its arguments by the names that PyTorch's schema
has for them, and says which operator it is, with which fields, what it takes, and which of the
module's tensors are its own. What is not in the table is not counted, and named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import isfinite, prod
from typing import Any

from torch import fx

from archcalc.dims import Shape
from archcalc.frontends import table
from archcalc.frontends.table import Beside, Moves, Table, held


class Made(table.Made[fx.Node]):
    """What a call is."""


class Same(table.Same[fx.Node]):
    """A call that gives what it is given."""


class Call:
    """A call of an ATen operator, its arguments by name."""

    def __init__(self, node: fx.Node, shape_of: Callable[[fx.Node], Any]) -> None:
        self.node = node
        self.shape_of = shape_of
        schema = getattr(node.target, "_schema", None)
        self.arguments: dict[str, Any] = {}
        if schema is not None:
            for k, argument in enumerate(schema.arguments):
                if k < len(node.args):
                    value = node.args[k]
                elif argument.name in node.kwargs:
                    value = node.kwargs[argument.name]
                else:
                    value = argument.default_value
                self.arguments[argument.name] = value

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def __contains__(self, name: str) -> bool:
        return name in self.arguments

    @property
    def x(self) -> fx.Node:
        """The first input."""
        node = self.arguments.get("input", self.arguments.get("self"))
        assert isinstance(node, fx.Node)
        return node

    def shape(self, node: Any) -> Shape:
        """A tensor's sizes."""
        found: Shape = self.shape_of(node)
        return found

    @property
    def output(self) -> Shape:
        """The sizes of what it gives."""
        return self.shape(self.node)


Line = Callable[[Call], Made | Same | Moves | Beside | None]
"""None where the call is none that we know."""

TABLE: Table[Line] = Table()
"""``conv2d.default`` -> what it is. A name without an overload stands for all of its overloads."""
line = TABLE.line


def read(node: fx.Node, shape_of: Callable[[fx.Node], Any]) -> Made | Same | Moves | Beside | None:
    """What a call is; None if it is not known."""
    name = str(node.target).removeprefix("aten.")
    found = TABLE.get(name) or TABLE.get(name.rpartition(".")[0])
    in_place = name.rpartition(".")[0]
    if found is None and in_place.endswith("_") and not in_place.startswith("_"):
        # An operator that writes into its input computes what its twin does.
        found = TABLE.get(in_place[:-1] + "." + name.rpartition(".")[2]) or TABLE.get(in_place[:-1])
    return None if found is None else found(Call(node, shape_of))


def name_of(node: fx.Node) -> str:
    """What an operator is called, without where it comes from: ``conv2d``, ``roi_align``."""
    parts = str(node.target).split(".")
    return parts[1] if len(parts) > 2 else parts[0]


def _dims(axes: int, *names: str) -> tuple[str, ...]:
    return tuple(name.replace("2d", f"{axes}d") for name in names)


# Convolutions -----------------------------------------------------------------------------------


def _per_axis(value: Any, axes: int) -> list[int]:
    found = [value] if isinstance(value, int) else list(value)
    return found * axes if len(found) == 1 else found


def _window(call: Call, axes: int) -> dict[str, Any]:
    """What is said of a window that slides."""
    found: dict[str, Any] = {}
    for name in ("kernel_size", "stride", "padding", "output_padding", "dilation"):
        if name in call:
            value = call["kernel_size"] if call[name] in ([], None) else call[name]
            value = 0 if value == "valid" else value
            found[name] = value if value == "same" else _per_axis(value, axes)
    return found


@line(*(f"conv{way}{axes}d" for way in ("", "_transpose") for axes in (1, 2, 3)))
def _conv(call: Call) -> Made | None:
    weight = call.shape(call["weight"])
    axes = len(weight) - 2
    if len(call.shape(call.x)) != axes + 2:
        return None
    transposed = "output_padding" in call
    fields = {
        "out_channels": weight[1] * call["groups"] if transposed else weight[0],
        "kernel_size": list(weight[2:]),
        **_window(call, axes),
        "groups": call["groups"],
        "bias": call["bias"] is not None,
    }
    return Made(
        f"Conv{'Transpose' if transposed else ''}{axes}d",
        fields,
        (call.x,),
        held(weight=call["weight"], bias=call["bias"]),
    )


@line("torchvision.deform_conv2d")
def _deform(call: Call) -> Made:
    weight = call.shape(call["weight"])
    pairs = {
        "stride": ("stride_h", "stride_w"),
        "padding": ("pad_h", "pad_w"),
        "dilation": ("dilation_h", "dilation_w"),
    }
    fields = {
        "out_channels": weight[0],
        "kernel_size": list(weight[2:]),
        **{name: [call[h], call[w]] for name, (h, w) in pairs.items()},
        "groups": call["groups"],
    }
    bias = call["bias"] if call["bias"].op != "call_function" else None  # zeros otherwise
    weighed = (call["mask"],) if call["use_mask"] else ()
    return Made(
        "DeformConv2d",
        {**fields, "bias": bias is not None},
        (call.x, call["offset"], *weighed),
        held(weight=call["weight"], bias=bias),
    )


@line("torchvision.roi_align")
def _roi_align(call: Call) -> Made:
    """Of how many regions is known; where they lie is no matter of what it costs."""
    fields = {
        "output_size": [call["pooled_height"], call["pooled_width"]],
        "rois": call.shape(call["rois"])[0],
        "sampling_ratio": call["sampling_ratio"],
    }
    return Made("RoIAlign", fields, (call.x,))


# Products ---------------------------------------------------------------------------------------


@line("linear")
def _linear(call: Call) -> Made:
    weight = call.shape(call["weight"])
    if len(weight) == 1:  # a single unit without an axis of its own
        return Made("Linear", {"out_features": 1, "bias": False}, (call.x,), {})
    return Made(
        "Linear",
        {"out_features": weight[0], "bias": call["bias"] is not None},
        (call.x,),
        held(weight=call["weight"], bias=call["bias"]),
    )


@line("bilinear")
def _bilinear(call: Call) -> Made:
    weight = call.shape(call["weight"])
    return Made(
        "Bilinear",
        {"out_features": weight[0], "bias": call["bias"] is not None},
        (call["input1"], call["input2"]),
        held(weight=call["weight"], bias=call["bias"]),
    )


@line("matmul", "mm", "bmm")
def _matmul(call: Call) -> Made | None:
    other = call["mat2"] if "mat2" in call else call["other"]
    return Made("MatMul", {}, (call.x, other))


@line("mv")
def _mv(call: Call) -> Made:
    """A matrix times a vector."""
    rows, columns = call.shape(call.x)
    column = Made("Reshape", {}, (call["vec"],), shape=(columns, 1))
    product = Made("MatMul", {}, (call.x, column), shape=(rows, 1))
    return Made("Reshape", {}, (product,))


@line("cdist", "_euclidean_dist")
def _cdist(call: Call) -> Made | None:
    """The norm of what each of some rows lacks to each of others."""
    order = call.arguments.get("p", 2)
    if order not in (1, 2):
        return None
    a, b = call["x1"], call["x2"]
    (*many, rows, size), others = call.shape(a), call.shape(b)
    one = Made("Reshape", {}, (a,), shape=(*many, rows, 1, size))
    other = Made("Reshape", {}, (b,), shape=(*others[:-2], 1, *others[-2:]))
    apart = Made("Sub", {}, (one, other), shape=(*call.output, size))
    return Made("Norm", {"p": int(order), "dim": -1}, (apart,))


@line("affine_grid_generator")
def _affine_grid(call: Call) -> Made:
    """Every place times the matrix of its sample."""
    theta = call["theta"]
    return Made(
        "affine_grid",
        {"macs": prod(call.output) * call.shape(theta)[-1]},
        (theta,),
        {},
        declared=True,
    )


@line("mse_loss", "l1_loss")
def _loss(call: Call) -> Made | None:
    if call["reduction"] != 1:
        return None
    x, target = call.x, call["target"]
    shape = _broadcast(call.shape(x), call.shape(target))
    apart = Made("Sub", {}, (x, target), shape=shape)
    op = "Square" if name_of(call.node) == "mse_loss" else "Abs"
    return Made("Mean", {"dim": list(range(len(shape)))}, (Made(op, {}, (apart,), shape=shape),))


@line("embedding")
def _embedding(call: Call) -> Made:
    rows, columns = call.shape(call["weight"])
    return Made(
        "Embedding",
        {"num_embeddings": rows, "embedding_dim": columns},
        (call["indices"],),
        {"weight": call["weight"]},
    )


@line("scaled_dot_product_attention")
def _attention(call: Call) -> Made:
    q, k, v, mask = call["query"], call["key"], call["value"], call["attn_mask"]
    masked: tuple[fx.Node | Made, ...] = ()
    if mask is not None:
        missing = len(call.shape(q)) - len(call.shape(mask))
        whole = (*(1,) * missing, *call.shape(mask))
        masked = (Made("Reshape", {}, (mask,), shape=whole) if missing else mask,)
    heads = [call.shape(x)[-3] if len(call.shape(x)) > 2 else 1 for x in (q, k)]
    return Made(
        "ScaledDotProductAttention",
        {"is_causal": bool(call["is_causal"]), "enable_gqa": heads[0] != heads[1]},
        (q, k, v, *masked),
    )


# Normalization ----------------------------------------------------------------------------------


@line("batch_norm")
def _batch_norm(call: Call) -> Made:
    axes = max(len(call.shape(call.x)) - 2, 1)
    tracked = call["running_mean"] is not None and not call["training"]
    return Made(
        f"BatchNorm{axes}d",
        {
            "eps": call["eps"],
            "affine": call["weight"] is not None,
            "track_running_stats": tracked,
        },
        (call.x,),
        held(
            weight=call["weight"],
            bias=call["bias"],
            running_mean=call["running_mean"],
            running_var=call["running_var"],
        ),
    )


@line("instance_norm")
def _instance_norm(call: Call) -> Made:
    axes = max(len(call.shape(call.x)) - 2, 1)
    return Made(
        f"InstanceNorm{axes}d",
        {
            "eps": call["eps"],
            "affine": call["weight"] is not None,
            "track_running_stats": call["running_mean"] is not None,
        },
        (call.x,),
        held(
            weight=call["weight"],
            bias=call["bias"],
            running_mean=call["running_mean"],
            running_var=call["running_var"],
        ),
    )


def _normalized(call: Call) -> list[int] | None:
    """The last axes of a normalization, which need not be said if it is the last alone."""
    axes = list(call["normalized_shape"])
    return axes if len(axes) > 1 else None


@line("layer_norm")
def _layer_norm(call: Call) -> Made:
    return Made(
        "LayerNorm",
        {
            "normalized_shape": _normalized(call),
            "eps": call["eps"],
            "elementwise_affine": call["weight"] is not None,
            "bias": call["bias"] is not None,
        },
        (call.x,),
        held(weight=call["weight"], bias=call["bias"]),
    )


@line("rms_norm")
def _rms_norm(call: Call) -> Made:
    return Made(
        "RMSNorm",
        {
            "normalized_shape": _normalized(call),
            "eps": call["eps"],
            "elementwise_affine": call["weight"] is not None,
        },
        (call.x,),
        held(weight=call["weight"]),
    )


@line("group_norm")
def _group_norm(call: Call) -> Made:
    return Made(
        "GroupNorm",
        {
            "num_groups": call["num_groups"],
            "eps": call["eps"],
            "affine": call["weight"] is not None,
        },
        (call.x,),
        held(weight=call["weight"], bias=call["bias"]),
    )


# Pooling ----------------------------------------------------------------------------------------


@line(
    *(f"{kind}_pool{axes}d" for kind in ("avg", "max") for axes in (1, 2, 3)),
    *("max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices"),
)
def _pool(call: Call) -> Made:
    axes = _axes_of(call)
    fields = {**_window(call, axes), "ceil_mode": bool(call["ceil_mode"])}
    if "count_include_pad" in call:
        fields["count_include_pad"] = bool(call["count_include_pad"])
    if call.arguments.get("divisor_override") is not None:
        fields["divisor_override"] = call["divisor_override"]
    kind = "Max" if "max_" in str(call.node.target) else "Avg"
    return Made(f"{kind}Pool{axes}d", fields, (call.x,))


@line(
    *(f"adaptive_{kind}_pool{axes}d" for kind in ("avg", "max") for axes in (1, 2, 3)),
)
def _adaptive(call: Call) -> Made:
    name = str(call.node.target)
    axes = _axes_of(call)
    kind = "Avg" if "_avg_" in name else "Max"
    return Made(f"Adaptive{kind}Pool{axes}d", {"output_size": list(call["output_size"])}, (call.x,))


def _axes_of(call: Call) -> int:
    name = str(call.node.target)
    return next(axes for axes in (1, 2, 3) if f"{axes}d" in name)


# Functions of elements --------------------------------------------------------------------------


def _plain(op: str, *taken: str) -> Line:
    """A function of one input, with these fields named as PyTorch's arguments."""

    def made(call: Call) -> Made:
        return Made(op, {name: call[name] for name in taken}, (call.x,))

    return made


for _name, _op in {
    "relu": "ReLU",
    "relu6": "ReLU6",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "silu": "SiLU",
    "mish": "Mish",
    "selu": "SELU",
    "hardswish": "Hardswish",
    "hardsigmoid": "Hardsigmoid",
    "log_sigmoid": "LogSigmoid",
}.items():
    TABLE[_name] = _plain(_op)
TABLE["gelu"] = _plain("GELU", "approximate")
TABLE["leaky_relu"] = _plain("LeakyReLU", "negative_slope")
TABLE["elu"] = _plain("ELU", "alpha")
TABLE["celu"] = _plain("CELU", "alpha")
TABLE["softplus"] = _plain("Softplus", "beta", "threshold")


@line("hardtanh")
def _hardtanh(call: Call) -> Made:
    if (call["min_val"], call["max_val"]) == (0, 6):
        return Made("ReLU6", {}, (call.x,))
    return Made("Hardtanh", {"min_val": call["min_val"], "max_val": call["max_val"]}, (call.x,))


@line("prelu")
def _prelu(call: Call) -> Made:
    return Made(
        "PReLU",
        {"num_parameters": prod(call.shape(call["weight"]))},
        (call.x,),
        {"weight": call["weight"]},
    )


@line("softmax.int", "log_softmax.int", "_softmax", "_log_softmax")
def _softmax(call: Call) -> Made:
    name = "LogSoftmax" if "log_softmax" in str(call.node.target) else "Softmax"
    return Made(name, {"dim": call["dim"]}, (call.x,))


@line("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "native_dropout")
def _dropout(call: Call) -> Made | Same:
    if call["p"] == 0:
        return Same(call.x)
    return Made("Dropout", {"p": call["p"]}, (call.x,))


# Moving -----------------------------------------------------------------------------------------

for _name in (
    *("contiguous", "detach", "clone", "alias", "lift_fresh_copy", "lift_fresh", "lift"),
    *("to", "type_as", "_to_copy", "float", "half", "positive", "resolve_conj", "resolve_neg"),
    "requires_grad",
):
    TABLE[_name] = lambda call: Same(call.x)


@line("flatten")
def _flatten(call: Call) -> Made | Same:
    if call.shape(call.x) == call.output:
        return Same(call.x)
    if call["start_dim"] % max(len(call.shape(call.x)), 1) == 0:
        return Made("Reshape", {}, (call.x,))
    return Made("Flatten", {"start_dim": call["start_dim"], "end_dim": call["end_dim"]}, (call.x,))


@line(
    *("view.default", "reshape", "_unsafe_view", "unflatten", "squeeze", "unsqueeze", "view_as"),
    *("reshape_as", "_reshape_alias"),
)
def _view(call: Call) -> Made | Same:
    """Other axes for the same elements in the same order, in whatever way it is written."""
    if call.shape(call.x) == call.output:
        return Same(call.x)
    return Made("Reshape", {}, (call.x,))


@line("permute", "transpose.int", "t", "numpy_T", "mT", "mH", "adjoint", "movedim", "swapaxes")
def _permute(call: Call) -> Made | Same | None:
    rank = len(call.shape(call.x))
    order = list(range(rank))
    if "dims" in call:
        order = [dim % rank for dim in call["dims"]]
    elif "dim0" in call or "axis0" in call:
        a, b = (
            call[k] % rank for k in (("dim0", "dim1") if "dim0" in call else ("axis0", "axis1"))
        )
        order[a], order[b] = order[b], order[a]
    elif "source" in call:
        return None
    elif name_of(call.node) in ("mT", "mH", "adjoint"):
        order[-2:] = reversed(order[-2:])
    else:
        order.reverse()
    if order == list(range(rank)):
        return Same(call.x)
    return Made("Permute", {"dims": order}, (call.x,))


@line("slice.Tensor")
def _slice(call: Call) -> Made | Same:
    if call.shape(call.x) == call.output:
        return Same(call.x)
    dim = call["dim"] % len(call.shape(call.x))
    end = call["end"]
    fields = {
        "dim": dim,
        "start": call["start"] or 0,
        "end": None if end is None or end >= 2**31 else end,
        "step": call["step"],
    }
    return Made("Slice", fields, (call.x,))


@line("narrow")
def _narrow(call: Call) -> Made:
    start = call["start"]
    return Made(
        "Slice", {"dim": call["dim"], "start": start, "end": start + call["length"]}, (call.x,)
    )


@line("roll")
def _roll(call: Call) -> Made | None:
    if not call["dims"]:
        return None
    return Made("Roll", {"shifts": list(call["shifts"]), "dims": list(call["dims"])}, (call.x,))


@line("cat", "concat", "concatenate")
def _cat(call: Call) -> Made | Same:
    tensors = [tensor for tensor in call["tensors"] if 0 not in call.shape(tensor)]
    if len(tensors) == 1:
        return Same(tensors[0])
    return Made("Concat", {"dim": call["dim"]}, tuple(tensors))


@line("stack")
def _stack(call: Call) -> Made:
    """Of one tensor too, which only gets an axis."""
    return Made("Stack", {"dim": call["dim"]}, tuple(call["tensors"]))


@line("pad", "constant_pad_nd")
def _pad(call: Call) -> Made | Same:
    """A padding below zero takes away from that end."""
    pads = list(call["pad"])
    shape = list(call.shape(call.x))
    source: fx.Node | Made = call.x
    for k in range(0, len(pads), 2):
        dim = len(shape) - 1 - k // 2
        before, after = (max(-n, 0) for n in pads[k : k + 2])
        if before or after:
            end = shape[dim] - after if after else None
            shape[dim] -= before + after
            fields = {"dim": dim, "start": before, "end": end}
            source = Made("Slice", fields, (source,), shape=tuple(shape))
    pads = [max(n, 0) for n in pads]
    if not any(pads):
        return source if isinstance(source, Made) else Same(source)
    mode = call.arguments.get("mode", "constant")
    fields = {"pad": pads, "mode": mode}
    if mode == "constant" and call["value"] and isfinite(call["value"]):
        fields["value"] = call["value"]
    return Made("Pad", fields, (source,))


@line(*(f"{kind}_pad{axes}d" for kind in ("reflection", "replication") for axes in (1, 2, 3)))
def _mirror(call: Call) -> Made:
    mode = "reflect" if "reflection" in str(call.node.target) else "replicate"
    return Made("Pad", {"pad": list(call["padding"]), "mode": mode}, (call.x,))


@line("pixel_shuffle")
def _pixel_shuffle(call: Call) -> Made:
    return Made("PixelShuffle", {"upscale_factor": call["upscale_factor"]}, (call.x,))


@line("pixel_unshuffle")
def _pixel_unshuffle(call: Call) -> Made:
    return Made("PixelUnshuffle", {"downscale_factor": call["downscale_factor"]}, (call.x,))


@line("channel_shuffle")
def _channel_shuffle(call: Call) -> Made:
    return Made("ChannelShuffle", {"groups": call["groups"]}, (call.x,))


_RESIZED = {
    "nearest1d": "nearest",
    "nearest2d": "nearest",
    "nearest3d": "nearest",
    "linear1d": "linear",
    "bilinear2d": "bilinear",
    "bicubic2d": "bicubic",
    "trilinear3d": "trilinear",
}


@line(
    *(f"upsample_{name}" for name in _RESIZED),
    *(f"_upsample_{name}_aa" for name in ("bilinear2d", "bicubic2d")),
)
def _upsample(call: Call) -> Made:
    mode = next(m for name, m in _RESIZED.items() if f"upsample_{name}" in str(call.node.target))
    fields: dict[str, Any] = {"mode": mode}
    if call.arguments.get("align_corners") and mode != "nearest":
        fields["align_corners"] = True
    if "_aa" in str(call.node.target):
        fields["antialias"] = True
    fields["size"] = list(call.output[2:])
    return Made("Upsample", fields, (call.x,))


# Sums and products of elements --------------------------------------------------------------------


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _of_two(op: str, a: Any, b: Any) -> Made | None:
    """An operator of two tensors, or of one and a number."""
    if isinstance(a, fx.Node) and isinstance(b, fx.Node):
        return Made(op, {}, (a, b))
    if isinstance(a, fx.Node) and _number(b):
        return Made(op, {"by": b}, (a,))
    if isinstance(b, fx.Node) and _number(a):
        return Made(op, {"by" if op in ("Add", "Mul") else "of": a}, (b,))
    return None


def _pair(op: str) -> Line:
    def made(call: Call) -> Made | None:
        return _of_two(op, call["self"], call["other"])

    return made


for _names, _op in (
    (("add.Tensor", "add.Scalar", "__add__", "__iadd__"), "Add"),
    (("sub.Tensor", "sub.Scalar", "subtract"), "Sub"),
    (("mul.Tensor", "mul.Scalar", "multiply"), "Mul"),
    (("div.Tensor", "div.Scalar", "div.Tensor_mode", "div.Scalar_mode", "divide"), "Div"),
    (("true_divide", "floor_divide", "remainder", "fmod"), "Div"),
    (("minimum", "min.other", "fmin"), "Minimum"),
    (("maximum", "max.other", "fmax"), "Maximum"),
    (("eq", "__eq__"), "Eq"),
    (("ne", "__ne__"), "Ne"),
    (("lt",), "Lt"),
    (("le",), "Le"),
    (("gt",), "Gt"),
    (("ge",), "Ge"),
    (("logical_and", "__and__", "bitwise_and"), "LogicalAnd"),
    (("logical_or", "__or__", "bitwise_or"), "LogicalOr"),
    (("logical_xor", "__xor__", "bitwise_xor"), "LogicalXor"),
    (("atan2", "arctan2"), "Atan2"),
):
    for _name in _names:
        TABLE[_name] = _pair(_op)


@line("rsub")
def _rsub(call: Call) -> Made | None:
    return _of_two("Sub", call["other"], call["self"])


@line("pow")
def _pow(call: Call) -> Made | None:
    return _of_two("Pow", call["self"], call["exponent"])


@line("clamp.default", "clamp_min.default", "clamp_max.default", "clip.default")
def _clamp(call: Call) -> Made:
    bounds = {k: call[k] for k in ("min", "max") if call.arguments.get(k) is not None}
    return Made("Clamp", bounds, (call.x,))


@line("clamp.Tensor", "clamp_min.Tensor", "clamp_max.Tensor")
def _clamp_tensor(call: Call) -> Made | None:
    made: fx.Node | Made = call.x
    for name, op in (("min", "Maximum"), ("max", "Minimum")):
        bound = call.arguments.get(name)
        if bound is not None:
            made = Made(op, {}, (made, bound), shape=call.output)
    return made if isinstance(made, Made) else None


@line("where.self", "where.ScalarOther", "where.ScalarSelf", "where.Scalar")
def _where(call: Call) -> Made:
    given = (call["condition"], call["self"], call["other"])
    one = {"shape": [1]}
    tensors = tuple(
        value if isinstance(value, fx.Node) else Made("Constant", one, shape=(1,))
        for value in given
    )
    return Made("Where", {}, tensors)


@line("masked_fill.Scalar", "masked_fill.Tensor")
def _masked_fill(call: Call) -> Made:
    value = call["value"]
    return Made("MaskedFill", {"value": value if _number(value) else 0.0}, (call.x, call["mask"]))


for _name, _op in {
    "neg": "Neg",
    "abs": "Abs",
    "sign": "Sign",
    "sgn": "Sign",
    "exp": "Exp",
    "log": "Log",
    "log2": "Log2",
    "log10": "Log10",
    "log1p": "Log1p",
    "sqrt": "Sqrt",
    "rsqrt": "Rsqrt",
    "square": "Square",
    "reciprocal": "Reciprocal",
    "sin": "Sin",
    "cos": "Cos",
    "tan": "Tan",
    "atan": "Atan",
    "erf": "Erf",
    "floor": "Floor",
    "ceil": "Ceil",
    "round": "Round",
    "trunc": "Trunc",
    "logical_not": "LogicalNot",
    "bitwise_not": "LogicalNot",
}.items():
    TABLE[_name] = _plain(_op)


@line("addmm", "baddbmm", "addbmm")
def _addmm(call: Call) -> Made:
    a, b = (call["mat1"], call["mat2"]) if "mat1" in call else (call["batch1"], call["batch2"])
    product = Made("MatMul", {}, (a, b), shape=call.output)
    return Made("Add", {}, (product, call["self"]))


@line("addcmul", "addcdiv")
def _addcmul(call: Call) -> Made:
    op = "Mul" if "addcmul" in str(call.node.target) else "Div"
    a, b = call["tensor1"], call["tensor2"]
    meeting = _broadcast(call.shape(a), call.shape(b))
    return Made("Add", {}, (Made(op, {}, (a, b), shape=meeting), call.x))


@line("lerp.Scalar", "lerp.Tensor")
def _lerp(call: Call) -> Made:
    """``a + w (b - a)``."""
    a, b, weight = call["self"], call["end"], call["weight"]
    apart = Made("Sub", {}, (b, a), shape=_broadcast(call.shape(a), call.shape(b)))
    by = {"by": weight} if _number(weight) else {}
    taken = (apart,) if by else (apart, weight)
    return Made("Add", {}, (Made("Mul", by, taken, shape=call.output), a))


def _broadcast(a: Shape, b: Shape) -> Shape:
    rank = max(len(a), len(b))
    long = ((1,) * (rank - len(a)) + tuple(a), (1,) * (rank - len(b)) + tuple(b))
    return tuple(max(m, n) for m, n in zip(*long, strict=True))


@line("einsum")
def _einsum(call: Call) -> Made:
    return Made("Einsum", {"equation": call["equation"]}, tuple(call["tensors"]))


@line("transformers.grouped_mm_fallback", "_grouped_mm")
def _grouped(call: Call) -> Made:
    """Rows of experts, each times its own expert's matrix."""
    x, matrices = call.node.args[:2]
    assert isinstance(x, fx.Node)
    assert isinstance(matrices, fx.Node)
    sources = tuple(each for each in call.node.args if isinstance(each, fx.Node))
    macs = prod(call.shape(x)) * call.shape(matrices)[-1]
    return Made("grouped_mm", {"macs": macs}, sources, declared=True)


@line("diff")
def _diff(call: Call) -> Made | None:
    """Each element less the one before it."""
    rank = len(call.shape(call.x))
    dim = call["dim"] % rank
    if call["n"] != 1 or call["append"] is not None:
        return None
    whole = list(call.output)
    whole[dim] += 1
    given: fx.Node | Made = call.x
    if call["prepend"] is not None:
        given = Made("Concat", {"dim": dim}, (call["prepend"], call.x), shape=tuple(whole))
    parts = [
        Made("Slice", {"dim": dim, **cut}, (given,), shape=call.output)
        for cut in ({"start": 1}, {"start": 0, "end": whole[dim] - 1})
    ]
    return Made("Sub", {}, tuple(parts))


@line("outer", "ger")
def _outer(call: Call) -> Made:
    return Made("Einsum", {"equation": "i,j->ij"}, (call.x, call["vec2"]))


@line("dot", "vdot")
def _dot(call: Call) -> Made:
    return Made(
        "Einsum", {"equation": "i,i->"}, (call.x, call["tensor" if "tensor" in call else "other"])
    )


@line("glu")
def _glu(call: Call) -> Made:
    return Made("GLU", {"dim": call["dim"]}, (call.x,))


# Reductions ---------------------------------------------------------------------------------------


def _reduced(op: str, **more: Any) -> Line:
    def made(call: Call) -> Made:
        dim = call.arguments.get("dim")
        fields: dict[str, Any] = dict(more)
        if isinstance(dim, int):
            fields["dim"] = dim
        elif dim:
            fields["dim"] = list(dim) if len(dim) > 1 else dim[0]
        else:
            fields["dim"] = list(range(len(call.shape(call.x))))
        if call.arguments.get("keepdim"):
            fields["keepdim"] = True
        if "correction" in call and call["correction"] is not None:
            fields["correction"] = int(call["correction"])
        elif call.arguments.get("unbiased") is False:
            fields["correction"] = 0
        return Made(op, fields, (call.x,))

    return made


for _name, _op in {
    "mean": "Mean",
    "sum": "Sum",
    "amax": "Max",
    "amin": "Min",
    "max.default": "Max",
    "min.default": "Min",
    "any": "Max",
    "all": "Min",
    "logsumexp": "LogSumExp",
    "var": "Var",
    "std": "Std",
    "argmax": "ArgMax",
    "argmin": "ArgMin",
}.items():
    TABLE[_name] = _reduced(_op)


@line("linalg_vector_norm", "norm")
def _norm(call: Call) -> Made | Same | Moves | Beside | None:
    order = call.arguments.get("ord", call.arguments.get("p"))
    kinds = {None: 2, 1: 1, 2: 2, float("inf"): "inf"}
    if order not in kinds:
        return None
    return _reduced("Norm", p=kinds[order])(call)


@line("cumsum")
def _cumsum(call: Call) -> Made:
    return Made("CumSum", {"dim": call["dim"]}, (call.x,))


# Picking, repeating -------------------------------------------------------------------------------


@line("select.int")
def _select(call: Call) -> Made:
    return Made("Select", {"dim": call["dim"], "index": call["index"]}, (call.x,))


@line("index.Tensor")
def _index(call: Call) -> Made | Moves:
    places = [k for k, index in enumerate(call["indices"]) if index is not None]
    if len(places) == 1:
        return Made("Index", {"dim": places[0]}, (call.x, call["indices"][places[0]]))
    return Moves()


@line("index_select")
def _index_select(call: Call) -> Made:
    return Made("Index", {"dim": call["dim"]}, (call.x, call["index"]))


@line("gather")
def _gather(call: Call) -> Made:
    return Made("Gather", {"dim": call["dim"]}, (call.x, call["index"]))


@line("one_hot")
def _one_hot(call: Call) -> Made:
    return Made("OneHot", {"num_classes": call.output[-1]}, (call.x,))


@line("expand", "expand_as", "broadcast_to")
def _expand(call: Call) -> Made | Same:
    if call.shape(call.x) == call.output:
        return Same(call.x)
    return Made("Expand", {}, (call.x,))


@line("repeat", "tile")
def _repeat(call: Call) -> Made | Same:
    times = list(call["repeats"] if "repeats" in call else call["dims"])
    times = [1] * (len(call.output) - len(times)) + times
    if all(n == 1 for n in times):
        return Same(call.x) if call.shape(call.x) == call.output else Made("Reshape", {}, (call.x,))
    return Made("Repeat", {"repeats": times}, (call.x,))


@line("repeat_interleave.self_int")
def _repeat_interleave(call: Call) -> Made | None:
    if call["dim"] is None:
        return None
    return Made("RepeatInterleave", {"repeats": call["repeats"], "dim": call["dim"]}, (call.x,))


@line("flip")
def _flip(call: Call) -> Made:
    return Made("Flip", {"dims": list(call["dims"])}, (call.x,))


@line("im2col")
def _im2col(call: Call) -> Made:
    names = ("kernel_size", "dilation", "padding", "stride")
    return Made("Unfold", {name: list(call[name]) for name in names}, (call.x,))


@line("col2im")
def _col2im(call: Call) -> Made:
    names = ("output_size", "kernel_size", "dilation", "padding", "stride")
    return Made("Fold", {name: list(call[name]) for name in names}, (call.x,))


@line("grid_sampler", "grid_sampler_2d", "grid_sampler_3d")
def _grid_sample(call: Call) -> Made:
    return Made(
        "GridSample",
        {"mode": ("bilinear", "nearest", "bicubic")[call["interpolation_mode"]]},
        (call.x, call["grid"]),
    )


def _moves(call: Call) -> Moves:
    return Moves()


for _name in (
    *("archcalc.nonzero", "archcalc.nms", "nonzero"),
    *(
        "index_put",
        "scatter",
        "slice_scatter",
        "select_scatter",
        "masked_scatter",
        "copy",
        "unfold",
    ),
    *("as_strided", "fill", "zero", "triu", "tril", "diagonal", "diag_embed", "masked_select"),
    *(
        "histc",
        "bincount",
        "scatter_add",
        "scatter_reduce",
        "index_add",
        "index_copy",
        "index_fill",
        "index_reduce",
        "take_along_dim",
        "real",
        "imag",
        "view_as_real",
        "view_as_complex",
    ),
):
    TABLE[_name] = _moves


# Constants ----------------------------------------------------------------------------------------


@line(
    *("zeros", "ones", "full", "empty", "new_zeros", "new_ones", "new_full", "new_empty"),
    *("zeros_like", "ones_like", "full_like", "empty_like", "scalar_tensor", "linspace", "eye"),
    *("arange", "randn", "rand", "randint", "randn_like", "rand_like", "randperm", "normal"),
)
def _constant(call: Call) -> Made:
    name = str(call.node.target)
    fields: dict[str, Any] = {"shape": list(call.output) or [1]}
    if "arange" in name:
        fields["fill"] = "arange"
    elif "ones" in name:
        fields["fill"] = 1
    elif _number(call.arguments.get("fill_value")):
        fields["fill"] = call["fill_value"]
    return Made("Constant", fields)


# Several outputs ----------------------------------------------------------------------------------


def piece(
    node: fx.Node, index: int, shape_of: Callable[[fx.Node], Any]
) -> Made | Same | Moves | Beside | None:
    """One output of a call that has several; None where it is not known what that is."""
    call = Call(node, shape_of)
    name = str(node.target).removeprefix("aten.").split(".")[0]
    shapes = shape_of(node)
    if name in (
        "chunk",
        "split",
        "split_with_sizes",
        "tensor_split",
        "unsafe_chunk",
        "unsafe_split",
    ):
        dim = call["dim"] % len(call.shape(call.x))
        sections = [shape[dim] for shape in shapes]
        if len(sections) == 1:
            return Same(call.x)
        return Made(
            "Split", {"split_size_or_sections": sections, "index": index, "dim": dim}, (call.x,)
        )
    if name == "unbind":
        return Made("Select", {"index": index, "dim": call["dim"]}, (call.x,))
    if name in ("max", "min", "topk", "sort", "kthvalue", "median", "aminmax"):
        return _extreme(call, name, index)
    if name in ("where", "nonzero_numpy"):
        return Moves()
    if name == "broadcast_tensors":
        given = call["tensors"][index]
        return Same(given) if call.shape(given) == shapes[index] else Made("Expand", {}, (given,))
    if name in ("_pack_padded_sequence", "_pad_packed_sequence") and index == 0:
        given = call["input"] if "input" in call else call["data"]
        whole = prod(call.shape(given)) == prod(shapes[0])
        return Made("Reshape", {}, (given,)) if whole else Moves()
    if name in ("_pack_padded_sequence", "_pad_packed_sequence"):
        return Moves()
    if name == "meshgrid":
        return Made("Constant", {"shape": list(shapes[index]) or [1]})
    if name in ("var_mean", "std_mean"):
        return _reduced({"var_mean": "Var", "std_mean": "Std"}[name] if index == 0 else "Mean")(
            call
        )
    if name.endswith("_with_indices") or name.startswith("adaptive_max_pool"):
        return read(node, shape_of) if index == 0 else Beside()
    if name == "native_dropout":
        return read(node, shape_of) if index == 0 else None
    if name.endswith("embedding_bag"):
        return _embedding_bag(call) if index == 0 else Moves()
    if name == "lstm_cell":
        h, c = call["hx"]
        batch, size = call.shape(h)
        state = Made("Stack", {"dim": 1}, (h, c), shape=(batch, 2, size))
        cell = _cell("LSTMCell", call, state)
        shape = batch, 2, size
        whole = Made(cell.op, cell.fields, cell.inputs, cell.weights, shape, once=node)
        return Made("Select", {"dim": 1, "index": index}, (whole,))
    if name in _RECURRENT:
        return _recurrent(call, name) if index == 0 else Beside()
    return None


def _cell(op: str, call: Call, state: fx.Node | Made, **more: Any) -> Made:
    names = {"weight_ih": "w_ih", "weight_hh": "w_hh", "bias_ih": "b_ih", "bias_hh": "b_hh"}
    weights = held(**{name: call[said] for name, said in names.items()})
    fields = {
        "hidden_size": call.shape(call["w_hh"])[1],
        "bias": call["b_ih"] is not None,
        **more,
    }
    return Made(op, fields, (call.x, state), weights)


@line("gru_cell")
def _gru_cell(call: Call) -> Made:
    return _cell("GRUCell", call, call["hx"])


@line("rnn_tanh_cell", "rnn_relu_cell")
def _rnn_cell(call: Call) -> Made:
    function = "relu" if "relu" in str(call.node.target) else "tanh"
    return _cell("RNNCell", call, call["hx"], nonlinearity=function)


def _embedding_bag(call: Call) -> Made | None:
    """Bags of equal size, which is what a model is captured with."""
    rows, columns = call.shape(call["weight"])
    bags = call.shape_of(call.node)[0][0]
    indices = call["indices"]
    total = prod(call.shape(indices))
    if total % bags:
        return None
    given = Made("Reshape", {}, (indices,), shape=(bags, total // bags))
    mode = ("sum", "mean", "max")[call["mode"]]
    fields = {"num_embeddings": rows, "embedding_dim": columns, "mode": mode}
    return Made("EmbeddingBag", fields, (given,), {"weight": call["weight"]})


def _extreme(call: Call, name: str, index: int) -> Made | None:
    dim = call.arguments.get("dim", -1)
    if name in ("max", "min"):
        op = {"max": ("Max", "ArgMax"), "min": ("Min", "ArgMin")}[name][index]
        keep = {"keepdim": True} if call.arguments.get("keepdim") else {}
        return Made(op, {"dim": dim, **keep}, (call.x,))
    returns = {} if index == 0 else {"returns": "indices"}
    if name == "topk":
        return Made("TopK", {"k": call["k"], "dim": dim, **returns}, (call.x,))
    if name == "sort":
        return Made("Sort", {"dim": dim, **returns}, (call.x,))
    return None


_RECURRENT = {"lstm": "LSTM", "gru": "GRU", "rnn_tanh": "RNN", "rnn_relu": "RNN"}


def _recurrent(call: Call, name: str) -> Made | None:
    if "params" not in call:
        return None
    weights = dict(_cells(call, name))
    hidden = (
        call.shape(weights["weight_hh_l0"])[0] // {"LSTM": 4, "GRU": 3, "RNN": 1}[_RECURRENT[name]]
    )
    fields: dict[str, Any] = {
        "hidden_size": hidden,
        "num_layers": call["num_layers"],
        "bias": bool(call["has_biases"]),
        "bidirectional": bool(call["bidirectional"]),
    }
    if name == "rnn_relu":
        fields["nonlinearity"] = "relu"
    if "weight_hr_l0" in weights:
        fields["proj_size"] = call.shape(weights["weight_hr_l0"])[0]
    if "batch_sizes" in call:  # sequences that are packed: a row for each of their elements
        rows, size = call.shape(call["data"])
        given = Made("Reshape", {}, (call["data"],), shape=(1, rows, size))
        shape = (1, rows, call.shape_of(call.node)[0][-1])
        return Made("Reshape", {}, (Made(_RECURRENT[name], fields, (given,), weights, shape),))
    if call["batch_first"] or len(call.shape(call.x)) != 3:
        return Made(_RECURRENT[name], fields, (call.x,), weights)
    times, batch, size = call.shape(call.x)
    given = Made("Permute", {"dims": [1, 0, 2]}, (call.x,), shape=(batch, times, size))
    out = call.shape_of(call.node)[0][-1]
    made = Made(_RECURRENT[name], fields, (given,), weights, (batch, times, out))
    return Made("Permute", {"dims": [1, 0, 2]}, (made,))


def _cells(call: Call, name: str) -> Iterator[tuple[str, fx.Node]]:
    """The tensors of a recurrent layer by PyTorch's names, in PyTorch's order."""
    tensors: Sequence[fx.Node] = call["params"]
    ways = ("", "_reverse")[: 2 if call["bidirectional"] else 1]
    each = len(tensors) // (call["num_layers"] * len(ways))
    words = ["weight_ih", "weight_hh"]
    words += ["bias_ih", "bias_hh"] if call["has_biases"] else []
    words += ["weight_hr"] if each > len(words) else []
    places = [f"l{layer}{way}" for layer in range(call["num_layers"]) for way in ways]
    names = [f"{word}_{place}" for place in places for word in words]
    yield from zip(names, tensors, strict=True)
