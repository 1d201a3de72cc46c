"""The operators, by name. A module is imported when one of its operators is asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archcalc.operators.base import Operator

_FAMILIES: dict[str, dict[str, str]] = {
    "conv": {
        "conv": "Conv1d Conv2d Conv3d",
        "conv_transpose": "ConvTranspose1d ConvTranspose2d ConvTranspose3d",
    },
    "pooling": {
        "pooling": "MaxPool1d MaxPool2d MaxPool3d MinPool2d AvgPool1d AvgPool2d AvgPool3d",
        "adaptive_pooling": (
            "AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d "
            "AdaptiveMaxPool2d AdaptiveMaxPool3d GlobalAvgPool GlobalMaxPool"
        ),
        "pyramid": "SpatialPyramidPooling",
        "unpooling": "MaxUnpool2d SubSampling2d",
    },
    "linear": {
        "linear": "Linear Bilinear Embedding EuclideanRBF",
        "bag": "EmbeddingBag",
    },
    "parameter": {"parameter": "Parameter Constant Cache"},
    "normalization": {
        "channel_norm": (
            "BatchNorm1d BatchNorm2d BatchNorm3d InstanceNorm1d InstanceNorm2d InstanceNorm3d"
        ),
        "layer_norm": "LayerNorm GroupNorm RMSNorm",
        "local_response_norm": "LocalResponseNorm",
        "response_norm": "GlobalResponseNorm",
    },
    "activation": {
        "activation": "Identity ReLU ReLU6 LeakyReLU PReLU Tanh Sigmoid",
        "smooth_activation": (
            "ELU SELU CELU GELU SiLU Mish LogSigmoid Softplus Hardtanh Hardswish Hardsigmoid"
        ),
        "softmax": "Softmax LogSoftmax",
        "gated": "GLU",
    },
    "elementwise": {
        "function": (
            "Neg Abs Sign Exp Log Log2 Log10 Log1p Sqrt Rsqrt Square Reciprocal Sin Cos Tan "
            "Atan Erf Floor Ceil Round Trunc LogicalNot Minimum Maximum Eq Ne Lt Le Gt Ge "
            "LogicalAnd LogicalOr LogicalXor Atan2"
        ),
        "arithmetic": "Div Pow Clamp Where MaskedFill",
    },
    "reduction": {
        "reduction": (
            "Sum Mean Max Min Norm Var Std LogSumExp Prod ArgMax ArgMin "
            "CumSum CumProd CumMax CumMin LogCumSumExp TopK Sort"
        ),
    },
    "dropout": {"dropout": "Dropout StochasticDepth"},
    "shape": {
        "shape": "Flatten Reshape Permute",
        "roll": "Roll",
        "padding": "Pad Crop",
        "slicing": "Slice Split Chunk Select",
        "axes": "Unsqueeze Squeeze Transpose Expand Rearrange View",
        "copies": "Flip Repeat RepeatInterleave Unfold Fold",
        "indexing": "Gather Index OneHot",
        "resampling": "Upsample PixelShuffle PixelUnshuffle ChannelShuffle",
    },
    "join": {
        "join": "Add Sub Mul Concat Stack MatMul",
        "einsum": "Einsum",
    },
    "attention": {
        "attention": "ScaledDotProductAttention MultiheadAttention",
        "projected_attention": "Attention",
        "positions": "RelativePositionBias ShiftedWindowMask RotaryEmbedding",
    },
    "recurrent": {"recurrent": "RNN LSTM GRU"},
    "cell": {"cell": "RNNCell LSTMCell GRUCell"},
    "sampling": {"sampling": "GridSample DeformConv2d"},
    "detection": {"detection": "RoIAlign RoIPool FrozenBatchNorm2d"},
    "loss": {"loss": "L1Loss MSELoss HuberLoss CrossEntropyLoss HingeLoss"},
}
"""Family -> module of this package -> the operators it defines. A network needs few of them, and to
make all would take longer than to compute it, so a module holds what is used together; a test
holds this listing against what the modules define."""

FAMILIES: dict[str, tuple[str, ...]] = {
    family: tuple(name for names in modules.values() for name in names.split())
    for family, modules in _FAMILIES.items()
}
"""Operators by family."""

NAMES: tuple[str, ...] = tuple(name for names in FAMILIES.values() for name in names)
"""Every operator's name, family by family."""

MODULES: dict[str, str] = {
    name: module
    for modules in _FAMILIES.values()
    for module, names in modules.items()
    for name in names.split()
}
"""The module of this package that defines an operator."""


@cache
def operator(name: str) -> type[Operator]:
    """The operator class of this name. Raises ``KeyError`` for an unknown one."""
    module = import_module(f"archcalc.operators.{MODULES[name]}")
    found: type[Operator] = getattr(module, name)
    return found
