"""ATen's operators that own tensors, and poolings."""

from __future__ import annotations

from math import prod
from typing import Any

from archcalc.frontends.table import Moves, held
from archcalc.frontends.torch.aten.call import Call, Found, Made, line, name_of, piece

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


@line(
    *(f"conv{way}{axes}d" for way in ("", "_transpose") for axes in (1, 2, 3)),
    *("convolution", "_convolution"),
)
def _conv(call: Call) -> Made | None:
    weight = call.shape(call["weight"])
    axes = len(weight) - 2
    if len(call.shape(call.x)) != axes + 2:
        return None
    transposed = call.arguments.get("transposed", "output_padding" in call)
    if not transposed:
        call.arguments.pop("output_padding", None)
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


# Embeddings -------------------------------------------------------------------------------------


@line("embedding")
def _embedding(call: Call) -> Made:
    rows, columns = call.shape(call["weight"])
    return Made(
        "Embedding",
        {"num_embeddings": rows, "embedding_dim": columns},
        (call["indices"],),
        {"weight": call["weight"]},
    )


@piece("embedding_bag", "_embedding_bag", "_embedding_bag_forward_only")
def _embedding_bag(call: Call, index: int) -> Found:
    """Bags of equal size, which is what a model is captured with."""
    if index:
        return Moves()
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


# Normalization ----------------------------------------------------------------------------------


@line("batch_norm", "instance_norm")
def _channel_norm(call: Call) -> Made:
    """With statistics that are stored, unless a batch normalization is captured in training."""
    axes = max(len(call.shape(call.x)) - 2, 1)
    kind = "Batch" if name_of(call.node) == "batch_norm" else "Instance"
    fields = {
        "eps": call["eps"],
        "affine": call["weight"] is not None,
        "track_running_stats": call["running_mean"] is not None
        and not call.arguments.get("training"),
    }
    names = ("weight", "bias", "running_mean", "running_var")
    tensors = held(**{name: call[name] for name in names})
    return Made(f"{kind}Norm{axes}d", fields, (call.x,), tensors)


@line("layer_norm", "rms_norm")
def _trailing_norm(call: Call) -> Made:
    """The axes need not be said if it is the last alone."""
    axes = list(call["normalized_shape"])
    fields = {
        "normalized_shape": axes if len(axes) > 1 else None,
        "eps": call["eps"],
        "elementwise_affine": call["weight"] is not None,
    }
    if "bias" not in call:
        return Made("RMSNorm", fields, (call.x,), held(weight=call["weight"]))
    fields["bias"] = call["bias"] is not None
    return Made("LayerNorm", fields, (call.x,), held(weight=call["weight"], bias=call["bias"]))


@line("group_norm")
def _group_norm(call: Call) -> Made:
    affine = call["weight"] is not None
    fields = {"num_groups": call["num_groups"], "eps": call["eps"], "affine": affine}
    return Made("GroupNorm", fields, (call.x,), held(weight=call["weight"], bias=call["bias"]))


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


@piece(
    *(f"max_pool{axes}d_with_indices" for axes in (1, 2, 3)),
    *(f"adaptive_max_pool{axes}d" for axes in (1, 2, 3)),
)
def _pool_with_indices(call: Call, index: int) -> Found:
    if index:
        return Moves()  # where what is given was found, which is found with it
    return _adaptive(call) if "adaptive" in name_of(call.node) else _pool(call)


def _axes_of(call: Call) -> int:
    name = str(call.node.target)
    return next(axes for axes in (1, 2, 3) if f"{axes}d" in name)


@line("prelu")
def _prelu(call: Call) -> Made:
    return Made(
        "PReLU",
        {"num_parameters": prod(call.shape(call["weight"]))},
        (call.x,),
        {"weight": call["weight"]},
    )
