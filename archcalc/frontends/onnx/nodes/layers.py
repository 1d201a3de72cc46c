"""ONNX's operators that own tensors, and poolings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

from archcalc.frontends.onnx.names import home
from archcalc.frontends.onnx.nodes.call import Call, Found, Made, Same, line, piece, stored
from archcalc.frontends.onnx.values import Value
from archcalc.frontends.table import Moves, held

# Convolutions -------------------------------------------------------------------------------------


def _ints(call: Call, name: str, default: int, count: int) -> list[int]:
    return [int(n) for n in call.get(name, [default] * count)]


def _pads(call: Call, axes: int, totals: Sequence[int]) -> list[tuple[int, int]]:
    """What is padded before and after each axis, ``totals`` together where it says to what end."""
    auto = call.get("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER") or "output_shape" in call.attributes:
        halves = [(total // 2, total - total // 2) for total in totals]
        upper = auto == "SAME_UPPER"
        return halves if upper else [(more, less) for less, more in halves]
    ends = _ints(call, "pads", 0, 2 * axes) if auto != "VALID" else [0] * 2 * axes
    return list(zip(ends[:axes], ends[axes:], strict=True))


def _window(call: Call, kernel: Sequence[int], extents: Sequence[int]) -> dict[str, Any]:
    """``kernel_size``, ``stride``, ``padding`` and ``dilation`` of a window that slides; of one
    that spreads what it takes ``output_padding``, too.
    """
    axes = len(kernel)
    strides, dilations = _ints(call, "strides", 1, axes), _ints(call, "dilations", 1, axes)
    window = list(zip(extents, kernel, strides, dilations, strict=True))
    more = {}
    if call.op == "ConvTranspose":
        extra = more["output_padding"] = _ints(call, "output_padding", 0, axes)
        given = zip(window, extra, call.output[2:], strict=True)
        totals = [s * (n - 1) + e + (k - 1) * d + 1 - out for (n, k, s, d), e, out in given]
    else:
        totals = [max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0) for n, k, s, d in window]
    pads = _pads(call, axes, totals)
    even = all(before == after for before, after in pads)
    padding = [before if even else [before, after] for before, after in pads]
    return {
        "kernel_size": list(kernel),
        "stride": strides,
        "padding": padding,
        **more,
        "dilation": dilations,
    }


def _conv(call: Call, x: Value, weight: Value, bias: Value | None) -> Made | None:
    sizes = weight.sizes
    axes = len(sizes) - 2
    if axes not in (1, 2, 3) or x.rank != axes + 2:
        return None
    turned = call.op == "ConvTranspose"
    groups, bias = call.get("group", 1), stored(bias)
    fields = {
        "out_channels": sizes[1] * groups if turned else sizes[0],
        **_window(call, sizes[2:], x.sizes[2:]),
        "groups": groups,
        "bias": bias is not None,
    }
    op = f"ConvTranspose{axes}d" if turned else f"Conv{axes}d"
    return Made(op, fields, (x,), held(weight=weight, bias=bias))


@line("Conv", "FusedConv", "ConvTranspose")
def _plain_conv(call: Call) -> Made | None:
    made = _conv(call, call.x, call.taken(1), call.given(2))
    if made is not None and call.get("activation") and call.given(3) is not None:
        return None
    return activated(call, made) if made is not None else None


def activated(call: Call, made: Made) -> Made | None:
    """What a node makes with the function of elements that is joined to it, if there is one."""
    if not call.get("activation"):
        return made
    function = _FUSED.get(call.get("activation", ""), "")
    return Made(function, {}, (replace(made, shape=call.output),)) if function else None


_FUSED = {"Relu": "ReLU", "Tanh": "Tanh", "Sigmoid": "Sigmoid", "HardSigmoid": "Hardsigmoid"}


@line("DeformConv")
def _deform(call: Call) -> Made | None:
    made = _conv(call, call.x, call.taken(1), call.given(3))
    mask = call.given(4)
    if made is None or made.op != "Conv2d":
        return None
    taken = (call.x, call.taken(2), *((mask,) if mask else ()))
    return Made("DeformConv2d", made.fields, taken, made.weights)


@line("ConvInteger", "QLinearConv")
def _conv_of_ints(call: Call) -> Made | None:
    weight, bias = (3, 8) if call.op == "QLinearConv" else (1, 4)  # where there is none
    return _conv(call, call.x, call.taken(weight), call.given(bias))


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
    affine = stored(weight) is not None or stored(bias) is not None
    # Groups of channels as channels: ones and zeros that an exporter gave names of its own.
    if axes == 1 and (_is_all(weight, 1) and _is_all(bias, 0)):
        affine = False
    fields = {"eps": call.get("epsilon", 1e-5), "affine": affine}
    weights = {"weight": weight, "bias": bias} if affine else {}
    return Made(f"InstanceNorm{axes}d", fields, (call.x,), weights)


def _is_all(value: Value, number: int) -> bool:
    """Whether a tensor that no module has is one number throughout."""
    nameless = not any(map(home, value.roots))
    return nameless and value.uniform and value.numbers()[0] == number


@line("LayerNormalization", "SimplifiedLayerNormalization", "RMSNormalization")
def _layer_norm(call: Call) -> Made:
    axis = call.get("axis", -1) % call.x.rank
    shape = list(call.x.sizes[axis:])
    weight, bias = call.taken(1), call.given(2)
    if call.op != "LayerNormalization":
        fields = {"normalized_shape": shape, "eps": call.get("epsilon", 1e-5)}
        return Made("RMSNorm", fields, (call.x,), {"weight": weight})
    weights = held(weight=weight, bias=stored(bias)) if stored(weight) else {}
    fields = {
        "normalized_shape": shape,
        "eps": call.get("epsilon", 1e-5),
        "elementwise_affine": bool(weights),
        "bias": "bias" in weights,
    }
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
    fields["bias"] = stored(bias) is not None
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
    fields = _window(call, kernel, extents)
    if call.get("ceil_mode", 0):
        pads = [pad if isinstance(pad, list) else [pad, pad] for pad in fields["padding"]]
        windows = zip(extents, kernel, fields["stride"], fields["dilation"], pads, strict=True)
        sizes = [-(-(n + sum(pad) - d * (k - 1) - 1) // s) + 1 for n, k, s, d, pad in windows]
        steps = zip(sizes, fields["stride"], extents, strict=True)
        clipped = any((size - 1) * s >= n for size, s, n in steps)
        known = list(call.output[2:]) == sizes and not any(map(sum, pads))
        fields["ceil_mode"] = "caffe" if known and clipped else True
    if call.op != "MaxPool":
        if any(d != 1 for d in fields.pop("dilation")):
            return None
        if not call.get("count_include_pad", 0) and any(map(_any, fields["padding"])):
            fields["count_include_pad"] = False
    name = "Max" if call.op == "MaxPool" else "Avg"
    ends = [pad if isinstance(pad, list) else [pad, pad] for pad in fields["padding"]]
    wide = any(2 * max(pair) > k for pair, k in zip(ends, kernel, strict=True))
    if wide and fields.get("count_include_pad", True) and not fields.get("ceil_mode"):
        # More than half of a window is not there: PyTorch pads before.
        flat = [n for pair in reversed(ends) for n in pair]
        sizes = [n + sum(pair) for n, pair in zip(extents, ends, strict=True)]
        shape = (*call.x.sizes[:2], *sizes)
        del fields["padding"]
        return Made(
            f"{name}Pool{axes}d", fields, (Made("Pad", {"pad": flat}, (call.x,), shape=shape),)
        )
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


@line("GlobalAveragePool", "QLinearGlobalAveragePool", "GlobalMaxPool")
def _global(call: Call) -> Made | None:
    op = "GlobalMaxPool" if call.op == "GlobalMaxPool" else "GlobalAvgPool"
    return None if call.get("channels_last") else Made(op, {}, (call.x,))
