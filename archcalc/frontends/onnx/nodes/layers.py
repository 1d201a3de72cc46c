"""ONNX's operators that own tensors, and poolings."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from archcalc.frontends.onnx.nodes.call import Call, Found, Made, Same, is_stored, line, piece
from archcalc.frontends.onnx.values import Value
from archcalc.frontends.table import Moves, held

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
            "bias": is_stored(bias),
        },
        (x,),
        held(weight=weight, bias=bias if is_stored(bias) else None),
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


@line("DeformConv")
def _deform(call: Call) -> Made | None:
    made = _conv(call, call.x, call.taken(1), call.given(3))
    mask = call.given(4)
    if made is None or made.op != "Conv2d":
        return None
    taken = (call.x, call.taken(2), *((mask,) if mask else ()))
    return Made("DeformConv2d", made.fields, taken, made.weights)


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
        "bias": is_stored(bias),
    }
    weights = held(weight=weight, bias=bias if is_stored(bias) else None)
    return Made(f"ConvTranspose{axes}d", fields, (call.x,), weights)


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
    affine = is_stored(weight) or is_stored(bias)
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
    affine = is_stored(weight)
    fields = {
        "normalized_shape": shape,
        "eps": call.get("epsilon", 1e-5),
        "elementwise_affine": affine,
        "bias": affine and is_stored(bias),
    }
    weights = held(weight=weight, bias=bias if is_stored(bias) else None) if affine else {}
    return Made("LayerNorm", fields, (call.x,), weights)


@piece("LayerNormalization", "BatchNormalization", "Dropout")
def _with_statistics(call: Call, index: int) -> Found:
    """What was normalized, and the statistics that it took, which are part of that work."""
    if index:
        return Moves()
    if call.op == "Dropout":
        return Same(call.x)
    return _layer_norm(call) if call.op == "LayerNormalization" else _batch_norm(call)


@line("SkipLayerNormalization", "SkipSimplifiedLayerNormalization")
def skip_layer_norm(call: Call) -> Made | None:
    """The normalized sum of two tensors, and of a bias."""
    x, skip, weight = call.x, call.taken(1), call.taken(2)
    simple = "Simplified" in call.op
    bias, shift = (None, call.given(3)) if simple else (call.given(3), call.given(4))
    joined: Value | Made = Made("Add", {}, (x, skip), shape=x.sizes)
    if shift is not None:
        joined = Made("Add", {}, (joined, shift), shape=x.sizes)
    fields: dict[str, Any] = {"normalized_shape": [x.sizes[-1]], "eps": call.get("epsilon", 1e-5)}
    if simple:
        return Made("RMSNorm", fields, (joined,), {"weight": weight})
    fields["bias"] = is_stored(bias)
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


@piece("MaxPool")
def _pool_with_indices(call: Call, index: int) -> Found:
    return Moves() if index else _pool(call)


@line("LpPool")
def _lp_pool(call: Call) -> Made | None:
    """The root of a sum of powers: PyTorch's is of a mean, times the elements of the window."""
    power, mean = call.get("p", 2), _pool(call)
    if not isinstance(mean, Made):
        return None
    powers = Made("Pow", {"by": power}, (call.x,), shape=call.x.sizes)
    fields = {**mean.fields, "count_include_pad": True}
    summed = Made(mean.op, fields, (powers,), shape=call.output)
    whole = Made("Mul", {"by": prod(fields["kernel_size"])}, (summed,), shape=call.output)
    return Made("Pow", {"by": 1 / power}, (whole,))


@line("GlobalLpPool")
def _global_lp(call: Call) -> Made:
    fields = {"dim": list(range(2, call.x.rank)), "keepdim": True, "p": call.get("p", 2)}
    return Made("Norm", fields, (call.x,))


@line("RoiAlign", "MaxRoiPool")
def _regions(call: Call) -> Made | None:
    """How many regions there are is known; where they lie is no matter of what it costs."""
    fields: dict[str, Any] = {"rois": call.taken(1).sizes[0]}
    if call.op == "MaxRoiPool":
        return Made("RoIPool", {**fields, "output_size": call.get("pooled_shape")}, (call.x,))
    if call.get("mode", "avg") != "avg":
        return None
    fields["output_size"] = [call.get("output_height", 1), call.get("output_width", 1)]
    return Made("RoIAlign", {**fields, "sampling_ratio": call.get("sampling_ratio", 0)}, (call.x,))


def _any(value: Any) -> bool:
    return any(value) if isinstance(value, list) else bool(value)


@line("GlobalAveragePool", "QLinearGlobalAveragePool")
def _global_average(call: Call) -> Made | None:
    return None if call.get("channels_last") else Made("GlobalAvgPool", {}, (call.x,))


@line("GlobalMaxPool")
def _global_max(call: Call) -> Made:
    return Made("GlobalMaxPool", {}, (call.x,))
