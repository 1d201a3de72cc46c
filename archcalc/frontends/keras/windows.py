"""Keras' convolutions, poolings, and what else slides or keeps to a map."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from archcalc.errors import ShapeError
from archcalc.frontends.keras.layers import Layers, Place, Tensor, Unknown, layer
from archcalc.operators import operator


def _pair(value: Any, axes: int) -> list[int]:
    found = [value] * axes if type(value) is int else list(value)
    return found * axes if len(found) == 1 else found


def _axes(kind: str) -> int:
    return next((n for n in (1, 2, 3) if f"{n}D" in kind), 2)


def _padding(said: Any, extents: Sequence[int], k: Any, s: Any, d: Any) -> Any:
    if said in ("valid", None):
        return 0
    if said not in ("same", "causal"):
        raise ShapeError(f"padding should be 'valid', 'same' or 'causal', not {said!r}")
    if said == "causal":
        return [[d[0] * (k[0] - 1), 0]]
    pads = []
    for n, kernel, stride, dilation in zip(extents, k, s, d, strict=True):
        total = max((-(-n // stride) - 1) * stride + (kernel - 1) * dilation + 1 - n, 0)
        pads.append([total // 2, total - total // 2])
    return [a for a, _ in pads] if all(a == b for a, b in pads) else pads


def _window(r: Layers, x: Tensor, place: Place, size: str, stride: str) -> dict[str, Any]:
    axes, config = _axes(place.kind), place.config
    kernel = _pair(config[size], axes)
    said = config.get(stride)
    if said is None:
        said = kernel if "Pool" in place.kind else 1
    strides = _pair(said, axes)
    dilation = _pair(config.get("dilation_rate", 1), axes)
    pads = _padding(config.get("padding"), r.shape(x.key)[2:], kernel, strides, dilation)
    return {"kernel_size": kernel, "stride": strides, "padding": pads, "dilation": dilation}


@layer("Conv1D", "Conv2D", "Conv3D")
@layer("DepthwiseConv2D", "DepthwiseConv1D", "SeparableConv2D", "SeparableConv1D")
def _conv(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    x, c = r.images(given[0]), place.config
    fields = _window(r, x, place, "kernel_size", "strides")
    op, bias = f"Conv{_axes(place.kind)}d", c.get("use_bias", True)
    if place.kind.startswith("Conv"):
        fields |= {"out_channels": c["filters"], "groups": c.get("groups", 1)}
    else:
        channels = r.shape(x.key)[1]
        fields |= {"out_channels": channels * c.get("depth_multiplier", 1), "groups": channels}
    if place.kind.startswith("Separable"):
        x = r.give(place, op, [x], not r.plain, part="depthwise", bias=False, **fields)
        fields = {"part": "pointwise", "out_channels": c["filters"], "kernel_size": 1}
    found = r.give(place, op, [x], not r.plain, bias=bias, **fields)
    return r.activated(place, found, c.get("activation"))


@layer("LocallyConnected1D", "LocallyConnected2D")
def _local(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    """A convolution with a kernel, and a bias, of its own in each place."""
    x, c = r.images(given[0]), place.config
    fields = _window(r, x, place, "kernel_size", "strides")
    said: dict[str, Any] = {"out_channels": c["filters"], **fields}
    inner = operator(f"Conv{_axes(place.kind)}d")(**said)
    shape = tuple(inner.infer(r.shape(x.key))[1:])
    each = prod(fields["kernel_size"]) * r.shape(x.key)[1]
    params = prod(shape) * (each + c.get("use_bias", True))
    macs, name = prod(shape) * each, f"keras.{place.kind}"
    key = r.foreign(place.name, name, shape, (x.key,), params=params, macs=macs)
    return r.activated(place, r.result(key, not r.plain), c.get("activation"))


@layer("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def _transposed(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    x = r.images(given[0])
    c, axes = place.config, _axes(place.kind)
    if c.get("groups", 1) != 1:
        raise Unknown
    kernel, stride = _pair(c["kernel_size"], axes), _pair(c.get("strides", 1), axes)
    padding: Any = "same_upper" if c.get("padding") == "same" else 0
    extra = [0 if padding else max(s - k, 0) for k, s in zip(kernel, stride, strict=True)]
    if c.get("output_padding") is not None:
        extra = _pair(c["output_padding"], axes)
        padding = [k // 2 for k in kernel] if padding else 0
    fields = {
        "out_channels": c["filters"],
        "kernel_size": kernel,
        "stride": stride,
        "padding": padding,
        "output_padding": extra,
        "dilation": _pair(c.get("dilation_rate", 1), axes),
        "bias": c.get("use_bias", True),
    }
    found = r.give(place, f"ConvTranspose{axes}d", [x], not r.plain, **fields)
    return r.activated(place, found, c.get("activation"))


@layer("MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "AveragePooling1D", "AveragePooling2D")
@layer("AveragePooling3D", "MaxPool1D", "MaxPool2D", "MaxPool3D", "AvgPool2D")
def _pool(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    x = r.images(given[0])
    fields = _window(r, x, place, "pool_size", "strides")
    fields.pop("dilation")
    name = "Max" if place.kind.startswith("Max") else "Avg"
    if name == "Avg" and fields["padding"] != 0:
        fields["count_include_pad"] = False
    return r.give(place, f"{name}Pool{_axes(place.kind)}d", [x], not r.plain, **fields)


@layer(*(f"Global{kind}Pooling{n}D" for kind in ("Average", "Max") for n in (1, 2, 3)))
def _global(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    x = r.images(given[0])
    name = "GlobalAvgPool" if "Average" in place.kind else "GlobalMaxPool"
    keep = bool(place.config.get("keepdims"))
    return r.give(place, name, [x], keep and not r.plain, keepdim=keep)


@layer("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
def _zero_padding(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    pad = [n for ends in reversed(_ends(place, "padding")) for n in ends]
    return r.give(place, "Pad", [r.images(given[0])], pad=pad, moved=not r.plain)


@layer("Cropping1D", "Cropping2D", "Cropping3D")
def _cropping(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    cut = _ends(place, "cropping")
    return r.give(place, "Crop", [r.images(given[0])], cropping=cut, moved=not r.plain)


def _ends(place: Place, key: str) -> list[list[int]]:
    """What is added to or cut from both ends of each axis; of one axis it may be said alone."""
    said, axes = place.config[key], _axes(place.kind)
    return [_pair(said, 2)] if axes == 1 else [_pair(each, 2) for each in _pair(said, axes)]


@layer("UpSampling1D", "UpSampling2D", "UpSampling3D")
def _upsampling(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    x, axes = r.images(given[0]), _axes(place.kind)
    times = _pair(place.config.get("size", 2), axes)
    size = [n * k for n, k in zip(r.shape(x.key)[2:], times, strict=True)]
    return r.resized(place, x, size, place.config.get("interpolation", "nearest"))
