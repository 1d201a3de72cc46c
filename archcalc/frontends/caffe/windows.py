"""Caffe's layers that slide or keep to a map, and those that own weights."""

from __future__ import annotations

from math import ceil, prod
from typing import Any

from archcalc.errors import ShapeError
from archcalc.frontends.caffe.layers import Layers, Unknown, layer, listed
from archcalc.frontends.caffe.text import Message

_DEEP = ("convolutiondepthwise", "depthwiseconvolution", "depthwiseconv", "convdepthwise")


def _window(p: Message, axes: int) -> dict[str, Any]:
    return {
        "kernel_size": listed(p, "kernel", axes, "kernel_size", "kernelsize"),
        "stride": listed(p, "stride", axes, "stride", default=1),
        "padding": listed(p, "pad", axes, "pad", default=0),
    }


@layer("convolution", "conv", "deconvolution", *_DEEP)
def _convolution(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    p = y.group("convolution_param")
    axes = len(r.shape(keys[0])) - 2
    if axes not in (1, 2, 3):
        raise ValueError(f"takes a map, not what has {axes + 2} axes")
    kind = str(y.one("type", "")).lower().replace("_", "")
    groups = p.whole("group", 1)
    if kind in _DEEP and groups == 1:
        groups = r.shape(keys[0])[1]
    fields: dict[str, Any] = {
        "out_channels": p.whole("num_output", r.shape(keys[0])[1] if kind in _DEEP else None),
        **_window(p, axes),
        "dilation": listed(p, "dilation", axes, "dilation", "hole", default=1),
        "groups": groups,
        "bias": p.true("bias_term", p.true("biasterm", True)),
    }
    op = "ConvTranspose" if kind == "deconvolution" else "Conv"
    found = [r.emit(f"{op}{axes}d", key, **fields) for key in keys]
    for other in found[1:]:  # one layer on several maps has its weights once
        r.tensors[other] = r.tensors.setdefault(found[0], (f"{r.name}.weight",))
    return found


@layer("convolution3d", "pooling3d")
def _in_time(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    """Of the networks of video: depth is said apart."""
    pooled = str(y.one("type", "")).lower().startswith("pool")
    p = y.group("pooling_param" if pooled else "convolution_param")
    size = p.whole("kernel_size")
    stride, pad = p.whole("stride", 1), p.whole("pad", 0)
    fields: dict[str, Any] = {
        "kernel_size": [p.whole("kernel_depth", 1), size, size],
        "stride": [p.whole("temporal_stride", 1), stride, stride],
        "padding": [p.whole("temporal_pad", 0), pad, pad],
    }
    if pooled:
        name = "AvgPool3d" if p.word("pool", "MAX") in ("AVE", "1") else "MaxPool3d"
        return [r.emit(name, keys[0], **fields, ceil_mode="caffe")]
    fields |= {"out_channels": p.whole("num_output"), "groups": p.whole("group", 1)}
    return [r.emit("Conv3d", keys[0], **fields, bias=p.true("bias_term", True))]


@layer("pooling", "pool")
def _pooling(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    p, x = y.group("pooling_param"), keys[0]
    axes = len(r.shape(x)) - 2
    mean = p.word("pool", "MAX") in ("AVE", "1")
    if p.true("global_pooling", False):
        return [r.emit("GlobalAvgPool" if mean else "GlobalMaxPool", x, keepdim=True)]
    down = p.word("round_mode") in ("FLOOR", "1") or not p.true("ceil_mode", True)
    fields = {**_window(p, axes), "ceil_mode": False if down else "caffe"}
    if p.word("pool") in ("STOCHASTIC", "2"):
        raise Unknown(r.applied_to(f"MaxPool{axes}d", x, **fields).shape[1:])
    if p.word("pool") == "MIN":  # of forks
        largest = r.emit("Neg", x, part=".neg")
        largest = r.emit(f"MaxPool{axes}d", largest, part=".max", **fields)
        return [r.emit("Neg", largest, part=".back")]
    return [r.emit(f"{'Avg' if mean else 'Max'}Pool{axes}d", x, **fields)]


@layer("spp")
def _pyramid(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    p = y.group("spp_param")
    height = p.whole("pyramid_height", least=1)
    if height > 16:
        raise ValueError(f"pyramid_height: {height} is more than 16")
    mode = "avg" if p.word("pool", "MAX") in ("AVE", "1") else "max"
    sizes = [2**k for k in range(height)]
    return [r.emit("SpatialPyramidPooling", keys[0], output_sizes=sizes, mode=mode)]


@layer("locallyconnected", "local")
def _local(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    """A convolution with a kernel, and a bias, of its own in each place."""
    p, x = y.group("local_param", "local_conv_param", "convolution_param"), keys[0]
    axes = len(r.shape(x)) - 2
    window = _window(p, axes)
    out = [
        (n + 2 * pad - size) // max(stride, 1) + 1
        for n, size, stride, pad in zip(r.shape(x)[2:], *window.values(), strict=True)
    ]
    if min(out) < 1:
        raise ShapeError(f"a window of {window['kernel_size']} on {list(r.shape(x)[2:])}")
    shape = (p.whole("num_output", least=1), *out)
    macs = prod(shape) * r.shape(x)[1] * prod(window["kernel_size"])
    params = macs + prod(shape) * p.true("bias_term", True)
    return [r.foreign(r.way(), "caffe.local", shape, keys, params=params, macs=macs)]


@layer("innerproduct", "ip", "margininnerproduct")
def _inner_product(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    """That with a margin makes classes' angles larger in training, and has no bias."""
    p, x = y.group("inner_product_param", "margin_inner_product_param"), keys[0]
    start = r.axis(x, p.whole("axis", 1, -8))
    rank = len(r.shape(x))
    if start == 0:
        raise Unknown
    if rank - start > 1:
        more = {"start_dim": start} if start > 1 else {}
        x = r.emit("Flatten", x, part="flatten", **more)
    plain = "margin_inner_product_param" not in y.fields
    bias = plain and p.true("bias_term", p.true("biasterm", True))
    return [r.emit("Linear", x, out_features=p.whole("num_output"), bias=bias)]


@layer("embed")
def _embed(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    p = y.group("embed_param")
    size = p.whole("num_output")
    x = r.emit("Embedding", keys[0], num_embeddings=p.whole("input_dim"), embedding_dim=size)
    if p.true("bias_term", True):
        bias = r.emit("Parameter", x, part="bias", shape=[size])
        x = r.emit("Add", x, bias, part="add")
    return [x]


@layer("lstm", "rnn")
def _recurrent(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    """Steps are the first axis and sequences the second; a third blob is of the whole sequence."""
    p = y.group("recurrent_param")
    shape, size = r.shape(keys[0]), p.whole("num_output", least=1)
    if len(shape) < 3:
        raise Unknown
    kind = str(y.one("type", "")).lower()
    features = prod(shape[2:])
    if kind == "lstm":
        weights, biases = 4 * size * (features + size), 4 * size
    else:
        weights, biases = size * (features + 2 * size), 2 * size
    if len(keys) > 2:
        weights += (4 if kind == "lstm" else 1) * size * prod(r.shape(keys[2])[1:])
    params, macs = weights + biases, shape[1] * weights
    return [r.foreign(r.way(), f"caffe.{kind}", (shape[1], size), keys, params=params, macs=macs)]


@layer("batchnorm", "bn", "syncbn", "cudnnbn")
def _batch_norm(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    axes = max(len(r.shape(keys[0])) - 2, 1)
    affine = str(y.one("type", "")).lower() != "batchnorm"
    return [r.emit(f"BatchNorm{axes}d", keys[0], affine=affine)]


@layer("lrn")
def _lrn(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    p, x = y.group("lrn_param"), keys[0]
    size = p.whole("local_size", 5)
    if "WITHIN" not in p.word("norm_region") and p.word("norm_region") != "1":
        return [r.emit("LocalResponseNorm", x, size=size)]
    # Within a map: the mean of the squares around, by which it is divided.
    mean = r.emit("Square", x, part=".square")
    pool = {"kernel_size": size, "stride": 1, "padding": (size - 1) // 2}
    mean = r.emit("AvgPool2d", mean, part=".mean", **pool)
    mean = r.emit("Mul", mean, part=".mul", by=p.number("alpha", 1.0))
    mean = r.emit("Add", mean, part=".add", by=1.0)
    mean = r.emit("Pow", mean, part=".pow", by=p.number("beta", 0.75))
    return [r.emit("Div", x, mean, part=".div")]


@layer("mvn")
def _mvn(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    p, x = y.group("mvn_param"), keys[0]
    shape = r.shape(x)
    if not p.true("normalize_variance", True):
        dims = list(range(1 if p.true("across_channels", False) else 2, len(shape)))
        mean = r.emit("Mean", x, part="mean", dim=dims, keepdim=True)
        return [r.emit("Sub", x, mean)]
    if p.true("across_channels", False):
        whole = list(shape[1:])
        return [r.emit("LayerNorm", x, normalized_shape=whole, elementwise_affine=False)]
    return [r.emit(f"InstanceNorm{max(len(shape) - 2, 1)}d", x)]


@layer("normalize")
def _normalize(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    """Of SSD: by the norm of a place's channels, or of all, and a trained scale."""
    p, x = y.group("norm_param"), keys[0]
    shape = r.shape(x)
    dim: Any = list(range(1, len(shape))) if p.true("across_spatial", True) else 1
    norm = r.emit("Norm", x, part=".norm", dim=dim, keepdim=True)
    scaled = r.emit("Div", x, norm, part=".div")
    size = 1 if p.true("channel_shared", True) else shape[1]
    scale = r.emit("Parameter", x, part=".scale", shape=[size, *[1] * (len(shape) - 2)])
    return [r.emit("Mul", scaled, scale, part=".mul")]


@layer("scale", "bias")
def _scale(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    """A factor, or a number to add, a channel; or another blob's in their place."""
    kind = str(y.one("type", "")).lower()
    p, x = y.group(f"{kind}_param"), keys[0]
    op, shape = ("Mul" if kind == "scale" else "Add"), r.shape(x)
    axis = r.axis(x, p.whole("axis", 1, -8))
    if len(keys) > 1:
        return [r.emit(op, x, broadcast(r, keys[1], x, axis))]
    count = p.whole("num_axes", 1, -1)
    sizes = list(shape[axis:] if count == -1 else shape[axis : axis + count])
    if axis == 0:
        raise Unknown
    sizes += [1] * (len(shape) - axis - len(sizes))
    name = ".weight" if kind == "scale" else ".bias"
    factor = r.emit("Parameter", x, part=name, shape=sizes or [1])
    x = r.emit(op, x, factor, part=f".{op.lower()}")
    if kind == "scale" and p.true("bias_term", False):
        bias = r.emit("Parameter", x, part=".bias", shape=sizes or [1])
        x = r.emit("Add", x, bias, part=".add")
    return [x]


def broadcast(r: Layers, key: int, x: int, axis: int) -> int:
    """A blob of fewer axes, from an axis of another on, so that it stretches to that."""
    mine, theirs = r.shape(key), r.shape(x)
    if len(mine) == len(theirs):
        return key
    before = axis - 1 if axis else 0
    sizes = [*[1] * before, *(mine[1:] if axis == 0 else mine)]
    sizes += [1] * (len(theirs) - 1 - len(sizes))
    return r.emit("Reshape", key, part="reshape", shape=sizes)


@layer("axpy")
def _axpy(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    """Of networks that squeeze and excite: ``a x + y``."""
    a, x, other = keys
    scaled = r.emit("Mul", x, broadcast(r, a, x, 0), part=".mul")
    return [r.emit("Add", scaled, other, part=".add")]


@layer("prelu")
def _prelu(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    shared = y.group("prelu_param").true("channel_shared", False)
    return [r.emit("PReLU", keys[0], num_parameters=1 if shared else r.shape(keys[0])[1])]


# Detectors ----------------------------------------------------------------------------------------


@layer("roipooling", "roialign")
def _regions(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    """Regions of a map, as many as there are."""
    p = y.group("roi_pooling_param", "roi_align_param")
    size = [p.whole("pooled_h", least=1), p.whole("pooled_w", least=1)]
    name = "RoIPool" if "pool" in str(y.one("type", "")).lower() else "RoIAlign"
    return [r.emit(name, keys[0], output_size=size, rois=r.rows.get(keys[1], 1))]


@layer("psroipooling")
def _positioned(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    p = y.group("psroi_pooling_param")
    size, rows = p.whole("group_size", least=1), r.rows.get(keys[1], 1)
    raise Unknown((rows, p.whole("output_dim", least=1), size, size), rows)


@layer("proposal", "simplernms")
def _proposal(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    p = y.group("proposal_param")
    rows = p.whole("post_nms_topn", 300, 1)
    raise Unknown((rows, 5), rows)


@layer("priorbox", "priorboxclustered")
def _priors(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    """Boxes that are laid out beforehand: numbers of no input."""
    p, shape = y.group("prior_box_param"), r.shape(keys[0])
    if "clustered" in str(y.one("type", "")).lower():
        many = len(p.all("width"))
    else:
        ratios = {1.0}
        for ratio in map(float, p.all("aspect_ratio")):
            ratios.add(round(ratio, 6))
            if p.true("flip", True) and ratio > 0:
                ratios.add(round(1 / ratio, 6))
        many = len(ratios) * len(p.all("min_size")) + len(p.all("max_size"))
        many += len(p.all("fixed_ratio")) * len(p.all("fixed_size"))
    boxes = (2, 4 * prod(shape[2:]) * max(many, 1))
    return [r.foreign(r.way(), "caffe.priorbox", boxes, keys, params=0, macs=0)]


_LEAST_PAD = -10_000


@layer("interp", "resample", "bilinearresize")
def _interp(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    p, x = y.group("interp_param", "resample_param"), keys[0]
    sizes = list(r.shape(x)[2:])
    if len(keys) > 1:
        size = list(r.shape(keys[1])[2:])
    elif "height" in p.fields or "width" in p.fields:
        size = [p.whole("height", 0) or sizes[0], p.whole("width", 0) or sizes[1]]
    else:
        cut = p.whole("pad_beg", 0, _LEAST_PAD) + p.whole("pad_end", 0, _LEAST_PAD)
        size = [n + cut for n in sizes]
        if "shrink_factor" in p.fields:
            factor = p.whole("shrink_factor", least=1)
            size = [(n - 1) // factor + 1 for n in size]
        if "zoom_factor" in p.fields:
            factor = p.whole("zoom_factor", least=1)
            size = [n * factor if r.by_factors else (n - 1) * factor + 1 for n in size]
            r.zoomed = True
        if "factor" in p.fields:
            size = [ceil(n * p.number("factor", 1)) for n in size]
    mode = "nearest" if p.word("type") in ("NEAREST", "1") else "bilinear"
    return [r.emit("Upsample", x, size=size, mode=mode)]


@layer("upsample", "upsampling", "nninterp", "unpooling", "unpool")
def _upsample(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    """By a factor; with the places of a pooling's maxima, back to these."""
    p, x = y.group("upsample_param", "nninterp_param"), keys[0]
    factor = p.whole("scale", p.whole("stride", 2), 1)
    pool = r.by_key.get(keys[1]) if len(keys) > 1 else None
    if pool is not None and type(pool.applied.op).__name__ == "MaxPool2d":
        op: Any = pool.applied.op
        pads = [before for before, _ in op.padding]
        fields = {"kernel_size": op.kernel_size, "stride": op.stride, "padding": pads}
        if r.shape(x)[2:] == pool.applied.shape[2:]:
            source = pool.inputs[0]
            return [r.emit("MaxUnpool2d", x, source, **fields, ceil_mode=bool(op.ceil_mode))]
    if "unpool" in str(y.one("type", "")).lower():
        raise Unknown
    size = [p.whole("upsample_h", 0), p.whole("upsample_w", 0)]
    sizes = [said or n * factor for said, n in zip(size, r.shape(x)[2:], strict=True)]
    return [r.emit("Upsample", x, size=sizes)]
