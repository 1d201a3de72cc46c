"""Words that people bring from PyTorch, Keras and papers, and what to say of each in a spec."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from archcalc.errors import did_you_mean

_INFERRED = "leave it out: it follows from the input"
_ACTIVATION = "leave it out, and write the activation as the next layer: ReLU"
_NO_COUNT = "leave it out: it changes no shape and no count"

FIELDS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("in_channels", "in_features", "num_features", "num_channels", "normalized_shape"),
            *("input_size", "embed_dim", "kdim", "vdim", "in1_features", "in2_features", "d_model"),
            *("num_parameters", "input_shape", "input_dim", "in_dim", "in_planes", "in_ch"),
        ),
        _INFERRED,
    ),
    **dict.fromkeys(("activation", "act", "nonlinearity", "act_layer"), _ACTIVATION),
    **dict.fromkeys(
        (
            *("kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer"),
            *("kernel_constraint", "bias_constraint", "trainable", "device", "dtype", "seed"),
            *("data_format", "name", "track_running_stats", "generator", "weight_decay"),
        ),
        _NO_COUNT,
    ),
}
"""What is written in other places and never here, whatever the operator."""

OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "filters": ("out_channels",),
    "num_filters": ("out_channels",),
    "channels": ("out_channels",),
    "units": ("out_features", "hidden_size"),
    "num_units": ("out_features", "hidden_size"),
    "strides": ("stride",),
    "kernel": ("kernel_size",),
    "ksize": ("kernel_size",),
    "k": ("kernel_size",),
    "pool_size": ("kernel_size",),
    "dilation_rate": ("dilation",),
    "use_bias": ("bias",),
    "pad": ("padding",),
    "rate": ("p",),
    "drop_prob": ("p",),
    "epsilon": ("eps",),
    "axis": ("dim",),
    "input_dim": ("num_embeddings",),
    "output_dim": ("embedding_dim",),
    "heads": ("num_heads",),
    "n_heads": ("num_heads",),
    "alpha": ("negative_slope",),
    "s": ("stride",),
    "p": ("padding",),
    "g": ("groups",),
}
"""What a field is called elsewhere, and what here, if the operator has a field of this name."""

OPERATORS: Mapping[str, str] = {
    "Dense": "it is 'Linear', with 'out_features' for units",
    "FC": "it is 'Linear', with 'out_features'",
    "FullyConnected": "it is 'Linear', with 'out_features'",
    "Conv": "it is 'Conv2d', or 'Conv1d' or 'Conv3d'",
    "Convolution": "it is 'Conv2d', or 'Conv1d' or 'Conv3d'",
    "DepthwiseConv2D": "it is 'Conv2d' with 'groups: =channels(input)'",
    "DepthwiseConv2d": "it is 'Conv2d' with 'groups: =channels(input)'",
    "SeparableConv2D": "it is two layers, a 'Conv2d' with 'groups: =channels(input)' and a 1x1",
    "Conv2DTranspose": "it is 'ConvTranspose2d'",
    "Deconv": "it is 'ConvTranspose2d'",
    "BN": "it is 'BatchNorm2d'",
    "BatchNorm": "it is 'BatchNorm2d', or 'BatchNorm1d' or 'BatchNorm3d'",
    "BatchNormalization": "it is 'BatchNorm2d', or 'BatchNorm1d' or 'BatchNorm3d'",
    "LayerNormalization": "it is 'LayerNorm'",
    "GroupNormalization": "it is 'GroupNorm'",
    "GRN": "it is 'GlobalResponseNorm'",
    "LRN": "it is 'LocalResponseNorm'",
    "MaxPool": "it is 'MaxPool2d'",
    "MaxPooling2D": "it is 'MaxPool2d', with 'kernel_size' for pool_size",
    "AveragePooling2D": "it is 'AvgPool2d', with 'kernel_size' for pool_size",
    "AvgPool": "it is 'AvgPool2d'",
    "GlobalAveragePooling2D": "it is 'GlobalAvgPool', with 'keepdim: false'",
    "GlobalMaxPooling2D": "it is 'GlobalMaxPool', with 'keepdim: false'",
    "GAP": "it is 'GlobalAvgPool'",
    "ZeroPadding2D": "it is 'Pad'",
    "ZeroPad2d": "it is 'Pad'",
    "ConstantPad2d": "it is 'Pad'",
    "ReflectionPad2d": "it is 'Pad', or 'padding_mode: reflect' of the convolution",
    "ReplicationPad2d": "it is 'Pad', or 'padding_mode: replicate' of the convolution",
    "Cropping2D": "it is 'Crop'",
    "UpSampling2D": "it is 'Upsample'",
    "Interpolate": "it is 'Upsample'",
    "Resize": "it is 'Upsample'",
    "Concatenate": "it is 'Concat', with the layers in 'from'",
    "Cat": "it is 'Concat', with the layers in 'from'",
    "Multiply": "it is 'Mul', with the layers in 'from'",
    "Swish": "it is 'SiLU'",
    "HSwish": "it is 'Hardswish'",
    "Activation": "write the activation itself: ReLU, Softmax, ...",
    "Input": "the input is no layer: write it as the key 'input', without the batch",
    "InputLayer": "the input is no layer: write it as the key 'input', without the batch",
    "Sequential": "layers follow one another as they are written; a group of them is a block",
    "ModuleList": "write one layer with 'repeat'",
    "DropPath": "it is 'StochasticDepth'",
    "Dropout2d": "it is 'Dropout'",
    "SpatialDropout2D": "it is 'Dropout'",
}
"""What an operator is called elsewhere, and how it is written here."""

MODES: Mapping[str, str] = {
    "same": "TensorFlow's SAME is 'same_upper'; PyTorch's 'same' has stride 1",
    "valid": "no padding is 'valid', or 0",
    "none": "no padding is 0",
}
"""Paddings as they are called elsewhere."""


def field_hint(field: str, known: Collection[str]) -> str:
    """What to do about a field that an operator has not, of the fields ``known``."""
    here = next((name for name in OTHER_NAMES.get(field, ()) if name in known), None)
    if here is not None:
        return f"it is called '{here}' here"
    return FIELDS.get(field) or did_you_mean(field, known)


def operator_hint(name: str, known: Iterable[str]) -> str:
    """What to write for an operator that is unknown."""
    folded = {word.lower(): hint for word, hint in OPERATORS.items()}
    return folded.get(name.lower()) or did_you_mean(name, known)


def value_hint(field: str, value: Any, names: Collection[str] = ()) -> str:
    """What to write for a value that a field does not take; ``names`` are those of variables."""
    if isinstance(value, str):
        if value.startswith("("):
            return "a list has brackets: [3, 3]"
        if value in names:
            return f"of the variable it is the value: write ={value}"
        if field == "padding" and value.lower() in MODES:
            return MODES[value.lower()]
    numbers = value if isinstance(value, list) else [value]
    if field == "padding" and any(type(n) in (int, float) and n < 0 for n in numbers):
        return "what is cut off is a layer of its own: Crop"
    return ""
