"""Fields and values as PyTorch, Keras and papers call them, and what to say of each in a spec.

Operators are in :mod:`archcalc.operators.words`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
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
            *("data_format", "track_running_stats", "generator", "weight_decay"),
            *("dropout", "attn_drop", "proj_drop", "recurrent_dropout", "return_dict", "training"),
            *("need_weights", "average_attn_weights", "layout", "sparse", "output_padding_mode"),
        ),
        _NO_COUNT,
    ),
    **dict.fromkeys(("inputs", "bottom", "parents", "prev", "input"), "it is called 'from' here"),
    "name": "leave it out: a layer's name stands before it, 'conv1: {op: ...}'",
    **{
        word: f"it is called 'parametrization: {word}' here"
        for word in ("weight_norm", "spectral_norm", "weight_standardization")
    },
    "batch_first": "leave it out: the batch is always first",
    "return_sequences": "leave it out: all steps come out; Select with 'index: -1' is the last",
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

MODES: Mapping[str, str] = {
    "same": "TensorFlow's SAME is 'same_upper'; PyTorch's 'same' has stride 1",
    "valid": "no padding is 'valid', or 0",
    "none": "no padding is 0",
    "same_upper": "write it small: 'same_upper'",
    "same_lower": "write it small: 'same_lower'",
}
"""Paddings as they are called elsewhere."""


def field_hint(field: str, known: Collection[str]) -> str:
    """What to do about a field that an operator has not, of the fields ``known``."""
    here = next((name for name in OTHER_NAMES.get(field, ()) if name in known), None)
    if here is not None:
        return f"it is called '{here}' here"
    return FIELDS.get(field) or did_you_mean(field, known)


def value_hint(field: str, value: Any, names: Collection[str] = ()) -> str:
    """What to write for a value that a field does not take; ``names`` are those of variables."""
    if isinstance(value, str):
        if value.startswith("("):
            return "a list has brackets: [3, 3]"
        if re.fullmatch(r"\d+([x×]\d+)+", value):
            return f"a list has brackets: [{re.sub('[x×]', ', ', value)}]"
        if value in names:
            return f"of the variable it is the value: write ={value}"
        if field == "padding" and value.lower() in MODES:
            return MODES[value.lower()]
    numbers = value if isinstance(value, list) else [value]
    if field in ("pad", "padding") and any(type(n) in (int, float) and n < 0 for n in numbers):
        return "what is cut off is a layer of its own: Crop"
    return ""
