"""The operators, by name. A family's module is imported when one of its operators is asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archcalc.operators.base import Operator

FAMILIES: dict[str, tuple[str, ...]] = {
    "conv": ("Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"),
    "pooling": (
        "MaxPool1d",
        "MaxPool2d",
        "MaxPool3d",
        "AvgPool1d",
        "AvgPool2d",
        "AvgPool3d",
        "AdaptiveAvgPool1d",
        "AdaptiveAvgPool2d",
        "AdaptiveAvgPool3d",
        "AdaptiveMaxPool1d",
        "AdaptiveMaxPool2d",
        "AdaptiveMaxPool3d",
        "GlobalAvgPool",
        "GlobalMaxPool",
        "MaxUnpool2d",
        "SubSampling2d",
    ),
    "linear": ("Linear", "Bilinear", "Embedding", "EuclideanRBF"),
    "normalization": (
        "BatchNorm1d",
        "BatchNorm2d",
        "BatchNorm3d",
        "LayerNorm",
        "GroupNorm",
        "InstanceNorm1d",
        "InstanceNorm2d",
        "InstanceNorm3d",
        "RMSNorm",
        "LocalResponseNorm",
    ),
    "activation": (
        "Identity",
        "ReLU",
        "ReLU6",
        "LeakyReLU",
        "PReLU",
        "ELU",
        "SELU",
        "CELU",
        "GELU",
        "SiLU",
        "Mish",
        "Tanh",
        "Sigmoid",
        "LogSigmoid",
        "Softplus",
        "Hardtanh",
        "Hardswish",
        "Hardsigmoid",
        "Softmax",
        "LogSoftmax",
    ),
    "dropout": ("Dropout", "StochasticDepth"),
    "shape": (
        "Flatten",
        "Reshape",
        "Permute",
        "Pad",
        "Crop",
        "Slice",
        "Split",
        "Select",
        "Upsample",
        "PixelShuffle",
        "PixelUnshuffle",
        "ChannelShuffle",
    ),
    "join": ("Add", "Sub", "Mul", "Concat", "Stack", "MatMul"),
    "attention": ("ScaledDotProductAttention", "MultiheadAttention"),
    "recurrent": ("RNN", "LSTM", "GRU"),
    "loss": ("L1Loss", "MSELoss", "HuberLoss", "CrossEntropyLoss", "HingeLoss"),
}
"""Module of this package -> the operators it defines. Importing all of them would cost more time
than computing a network; a test holds this listing against what the modules define."""

NAMES: tuple[str, ...] = tuple(name for names in FAMILIES.values() for name in names)
"""Every operator's name, family by family."""

_MODULES = {name: module for module, names in FAMILIES.items() for name in names}


@cache
def operator(name: str) -> type[Operator]:
    """The operator class of this name. Raises ``KeyError`` for an unknown one."""
    module = import_module(f"archcalc.operators.{_MODULES[name]}")
    found: type[Operator] = getattr(module, name)
    return found
