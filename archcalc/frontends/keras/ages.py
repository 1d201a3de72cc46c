"""Keras 1's words in those of Keras 2 and 3."""

from __future__ import annotations

from typing import Any

from archcalc.frontends.keras.config import Config

_CLASSES = {
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "SeparableConvolution2D": "SeparableConv2D",
    "Deconvolution2D": "Conv2DTranspose",
    "TimeDistributedDense": "Dense",
    "Merge": "Concatenate",
}
_WORDS = {
    "nb_filter": "filters",
    "filter_length": "kernel_size",
    "subsample": "strides",
    "subsample_length": "strides",
    "stride": "strides",
    "pool_length": "pool_size",
    "border_mode": "padding",
    "bias": "use_bias",
    "atrous_rate": "dilation_rate",
    "inner_activation": "recurrent_activation",
    "p": "rate",
    "sigma": "stddev",
}
_MERGED = {
    "sum": "Add",
    "mul": "Multiply",
    "ave": "Average",
    "max": "Maximum",
    "dot": "Dot",
    "concat": "Concatenate",
}


_OPERATIONS = {
    "__operators__.add": "Add",
    "math.add": "Add",
    "math.add_n": "Add",
    "math.subtract": "Subtract",
    "math.multiply": "Multiply",
    "math.scalar_mul": "Multiply",
    "math.truediv": "TrueDivide",
    "math.divide": "TrueDivide",
    "math.pow": "Power",
    "math.maximum": "Maximum",
    "math.minimum": "Minimum",
    "math.greater": "Greater",
    "math.less": "Less",
    "math.equal": "Equal",
    "math.not_equal": "NotEqual",
    "math.reduce_mean": "Mean",
    "math.reduce_sum": "Sum",
    "math.reduce_max": "Max",
    "math.reduce_min": "Min",
    "math.argmax": "Argmax",
    "math.abs": "Absolute",
    "math.tanh": "Tanh",
    "math.negative": "Negative",
    "math.l2_normalize": "Normalize",
    "nn.l2_normalize": "Normalize",
    "nn.silu": "Silu",
    "nn.relu6": "Relu6",
    "nn.leaky_relu": "LeakyRelu",
    "nn.softmax": "Softmax",
    "linalg.matmul": "Matmul",
    "math.softplus": "Softplus",
    "concat": "Concatenate",
    "compat.v1.transpose": "Transpose",
    "compat.v1.pad": "Pad",
    "compat.v1.squeeze": "Squeeze",
    "compat.v1.where": "Where",
    "where_v2": "Where",
    "clip_by_value": "Clip",
    "image.resize": "Resize",
    "compat.v1.image.resize_bilinear": "Resize",
    "__operators__.getitem": "GetItem",
    "broadcast_to": "BroadcastTo",
    "identity": "Identity",
    "nn.max_pool2d": "MaxPool",
    "nn.max_pool": "MaxPool",
    "nn.avg_pool2d": "AveragePool",
    "nn.avg_pool": "AveragePool",
    "nn.depth_to_space": "DepthToSpace",
    "nn.space_to_depth": "SpaceToDepth",
}
"""TensorFlow's functions -> operations of Keras 3; others have the same name in another case."""
_ARGUMENTS = {
    "perm": "axes",
    "shape": "newshape",
    "multiples": "repeats",
    "num_or_size_splits": "indices_or_sections",
    "equation": "subscripts",
    "paddings": "pad_width",
    "slice_spec": "key",
    "method": "interpolation",
    "keep_dims": "keepdims",
    "dim": "axis",
}


def operation(config: Config, kwargs: Config) -> tuple[str, dict[str, Any]]:
    """The operation of Keras 3 that a function of TensorFlow is, with its arguments by name."""
    function = str(config.get("function"))
    last = function.rpartition(".")[2]
    kind = _OPERATIONS.get(function, "".join(word.title() for word in last.split("_")))
    return kind, {_ARGUMENTS.get(name, name): value for name, value in kwargs.items()}


def modern(kind: str, config: Config) -> tuple[str, dict[str, Any]]:
    """A layer's class and config as Keras 2 has them, whichever wrote them."""
    found = dict(config)
    if kind == "Merge":
        kind = _MERGED.get(str(config.get("mode")), "Merge")
        found["axis"] = config.get("concat_axis", -1)
        found["axes"] = config.get("dot_axes", -1)
        return kind, found
    for old, new in _WORDS.items():
        if old in found:
            found.setdefault(new, found.pop(old))
    if "nb_row" in found and "nb_col" in found:
        found.setdefault("kernel_size", [found["nb_row"], found["nb_col"]])
    dims = [found[f"kernel_dim{k}"] for k in (1, 2, 3) if f"kernel_dim{k}" in found]
    if dims:
        found.setdefault("kernel_size", dims)
    if "dim_ordering" in found:
        first = found["dim_ordering"] == "th"
        found.setdefault("data_format", "channels_first" if first else "channels_last")
    if "output_dim" in found and kind not in ("Embedding", "MaxoutDense"):
        found.setdefault("units", found["output_dim"])
    if kind == "UpSampling1D" and "length" in found:
        found.setdefault("size", found["length"])
    return _CLASSES.get(kind, kind), found
