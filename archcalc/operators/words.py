"""Operators as PyTorch, Keras and papers call them, and what is written here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from archcalc.errors import did_you_mean
from archcalc.operators import operator

OPERATORS: Mapping[str, str] = {
    "Dense": "it is 'Linear', with 'out_features' for units",
    **dict.fromkeys(
        ("FC", "FullyConnected", "InnerProduct"), "it is 'Linear', with 'out_features'"
    ),
    **dict.fromkeys(("Conv", "Convolution"), "it is 'Conv2d', or 'Conv1d' or 'Conv3d'"),
    **dict.fromkeys(
        ("DepthwiseConv2D", "DepthwiseConv2d", "DepthwiseConv"),
        "it is 'Conv2d' with 'groups: =channels(input)'",
    ),
    "SeparableConv2D": "it is two layers, a 'Conv2d' with 'groups: =channels(input)' and a 1x1",
    **dict.fromkeys(
        ("Conv2DTranspose", "Deconv", "ConvTranspose2D", "Conv2dTranspose"),
        "it is 'ConvTranspose2d'",
    ),
    "BN": "it is 'BatchNorm2d'",
    **dict.fromkeys(
        ("BatchNorm", "BatchNormalization", "SyncBatchNorm"),
        "it is 'BatchNorm2d', or 'BatchNorm1d' or 'BatchNorm3d'",
    ),
    "LayerNormalization": "it is 'LayerNorm'",
    "GroupNormalization": "it is 'GroupNorm'",
    "GRN": "it is 'GlobalResponseNorm'",
    **dict.fromkeys(("LRN", "LocalResponseNormalization"), "it is 'LocalResponseNorm'"),
    "MaxPool": "it is 'MaxPool2d'",
    "MaxPooling2D": "it is 'MaxPool2d', with 'kernel_size' for pool_size",
    "AveragePooling2D": "it is 'AvgPool2d', with 'kernel_size' for pool_size",
    "AvgPool": "it is 'AvgPool2d'",
    **dict.fromkeys(
        ("GlobalAveragePooling2D", "GlobalAveragePooling1D"),
        "it is 'GlobalAvgPool', with 'keepdim: false'",
    ),
    "GlobalMaxPooling2D": "it is 'GlobalMaxPool', with 'keepdim: false'",
    **dict.fromkeys(("GAP", "GlobalAvgPool2d"), "it is 'GlobalAvgPool'"),
    **dict.fromkeys(
        (
            "ZeroPadding2D",
            "ZeroPad2d",
            "ConstantPad2d",
            "ZeroPadding1D",
            "ZeroPadding3D",
            "ZeroPad1d",
            "ConstantPad1d",
            "ConstantPad3d",
        ),
        "it is 'Pad'",
    ),
    **dict.fromkeys(
        ("ReflectionPad2d", "ReflectionPad1d", "ReflectionPad3d"),
        "it is 'Pad', or 'padding_mode: reflect' of the convolution",
    ),
    **dict.fromkeys(
        ("ReplicationPad2d", "ReplicationPad1d", "ReplicationPad3d"),
        "it is 'Pad', or 'padding_mode: replicate' of the convolution",
    ),
    **dict.fromkeys(("Cropping2D", "CenterCrop", "RandomCrop"), "it is 'Crop'"),
    **dict.fromkeys(
        ("UpSampling2D", "Interpolate", "Resize", "UpsamplingNearest2d", "Resizing"),
        "it is 'Upsample'",
    ),
    **dict.fromkeys(
        ("Concatenate", "Cat", "Concatenation", "Route"),
        "it is 'Concat', with the layers in 'from'",
    ),
    "Multiply": "it is 'Mul', with the layers in 'from'",
    "Swish": "it is 'SiLU'",
    "HSwish": "it is 'Hardswish'",
    "Activation": "write the activation itself: ReLU, Softmax, ...",
    **dict.fromkeys(
        ("Input", "InputLayer"),
        "the input is no layer: write it as the key 'input', without the batch",
    ),
    "Sequential": "layers follow one another as they are written; a group of them is a block",
    "ModuleList": "write one layer with 'repeat'",
    "DropPath": "it is 'StochasticDepth'",
    **dict.fromkeys(
        (
            "Dropout2d",
            "SpatialDropout2D",
            "Dropout1d",
            "Dropout3d",
            "AlphaDropout",
            "FeatureDropout",
            "FeatureAlphaDropout",
        ),
        "it is 'Dropout'",
    ),
    **dict.fromkeys(("LazyLinear", "Affine"), "it is 'Linear'"),
    **dict.fromkeys(("Projection", "Proj"), "it is 'Linear', or a 'Conv2d' of 1x1"),
    **dict.fromkeys(("LazyConv2d", "Conv2D"), "it is 'Conv2d'"),
    "Conv1D": "it is 'Conv1d'",
    "Conv3D": "it is 'Conv3d'",
    "Conv2dSame": "it is 'Conv2d' with 'padding: same_upper'",
    "DepthwiseConv1D": "it is 'Conv1d' with 'groups: =channels(input)'",
    "SeparableConv1D": "it is two layers, a 'Conv1d' with 'groups: =channels(input)' and a 1x1",
    "ConvTranspose": "it is 'ConvTranspose2d', or 'ConvTranspose1d' or 'ConvTranspose3d'",
    "InstanceNorm": "it is 'InstanceNorm2d', or 'InstanceNorm1d' or 'InstanceNorm3d'",
    "LayerNorm2d": "it is 'Permute' with 'dims: [0, 2, 3, 1]', 'LayerNorm', and 'Permute' back",
    "Normalization": "it has no parameters to train: leave it out",
    "Rescaling": "it is 'Mul' with 'by'",
    "Scale": "it is 'Mul', with 'by' or a 'Parameter' in 'from'",
    "WeightNorm": "write 'parametrization: weight_norm' in the layer whose weight it is",
    **dict.fromkeys(
        ("StdConv2d", "StdConv2dSame", "WSConv2d", "WeightStandardizedConv2d", "Conv2dWS"),
        "it is 'Conv2d' with 'parametrization: weight_standardization'",
    ),
    **dict.fromkeys(
        ("ScaledStdConv2d", "ScaledStdConv2dSame", "ScaledWSConv2d"),
        "it is 'Conv2d' with 'parametrization: scaled_weight_standardization'",
    ),
    "SpectralNorm": "write 'parametrization: spectral_norm' in the layer whose weight it is",
    "MaxPooling1D": "it is 'MaxPool1d', with 'kernel_size' for pool_size",
    "MaxPooling3D": "it is 'MaxPool3d', with 'kernel_size' for pool_size",
    "AveragePooling1D": "it is 'AvgPool1d', with 'kernel_size' for pool_size",
    "AveragePooling3D": "it is 'AvgPool3d', with 'kernel_size' for pool_size",
    "GlobalPool": "it is 'GlobalAvgPool', or 'GlobalMaxPool'",
    "AdaptiveAveragePooling2D": "it is 'AdaptiveAvgPool2d'",
    "SPP": "it is 'SpatialPyramidPooling'",
    "ROIPooling": "it is 'RoIPool'",
    "ROIAlign": "it is 'RoIAlign'",
    **dict.fromkeys(
        ("CircularPad1d", "CircularPad2d", "CircularPad3d"),
        "it is 'Pad', or 'padding_mode: circular' of the convolution",
    ),
    "UpsamplingBilinear2d": "it is 'Upsample' with 'mode: bilinear'",
    "DepthToSpace": "it is 'PixelShuffle'",
    "SpaceToDepth": "it is 'PixelUnshuffle'",
    **dict.fromkeys(("Merge", "Skip"), "it is 'Add' or 'Concat', with the layers in 'from'"),
    **dict.fromkeys(("Shortcut", "Residual"), "it is 'Add', with the layers in 'from'"),
    **dict.fromkeys(("Eltwise", "Elementwise"), "it is 'Add' or 'Mul', with the layers in 'from'"),
    "Subtract": "it is 'Sub', with the layers in 'from'",
    "Average": "it is 'Add', then 'Mul' with 'by'; over axes it is 'Mean'",
    **dict.fromkeys(("Dot", "BMM", "Matmul"), "it is 'MatMul'"),
    **dict.fromkeys(("Linspace", "Zeros", "Full"), "it is 'Constant', with its 'shape'"),
    "ReduceMean": "it is 'Mean'",
    "ReduceSum": "it is 'Sum'",
    "ReduceMax": "it is 'Max'",
    "Reduce": "it is 'Mean', 'Sum' or 'Max', with 'dim'",
    "Clip": "it is 'Clamp'",
    "Tile": "it is 'Repeat'",
    "RepeatVector": "it is 'Unsqueeze' and 'Expand'",
    **dict.fromkeys(("SwapAxes", "SwapDims"), "it is 'Transpose'"),
    "Movedim": "it is 'Permute'",
    "Unflatten": "it is 'Reshape'",
    "IndexSelect": "it is 'Index', or 'Slice' for a range",
    "Narrow": "it is 'Slice'",
    "Lookup": "it is 'Embedding', or 'Index' in a tensor",
    "GatherND": "it is 'Index'",
    "Ones": "it is 'Constant' with 'fill: 1'",
    "Arange": "it is 'Constant' with 'fill: arange'",
    "Buffer": "it is 'Parameter' with 'trained: false', or 'Constant'",
    **dict.fromkeys(
        ("PositionalEmbedding", "LearnedPositionalEmbedding"),
        "it is a 'Parameter' of their shape, and 'Add'",
    ),
    "PositionalEncoding": "it is a 'Constant' of their shape, and 'Add'",
    "RoPE": "it is 'RotaryEmbedding', or 'rotary' of 'Attention'",
    **dict.fromkeys(
        ("SelfAttention", "MultiHeadAttention", "MHA"),
        "it is 'Attention', or PyTorch's 'MultiheadAttention'",
    ),
    "AdditiveAttention": "write its layers: 'Linear', 'Tanh', 'Linear', 'Softmax' and 'MatMul'",
    **dict.fromkeys(
        ("TransformerEncoderLayer", "TransformerDecoderLayer"),
        "write its layers as a block: 'Attention', 'Linear', 'LayerNorm' and 'Add'",
    ),
    **dict.fromkeys(
        ("Transformer", "TransformerEncoder", "TransformerDecoder"),
        "write a layer of it as a block, and that with 'repeat'",
    ),
    **dict.fromkeys(
        ("MLP", "FFN", "FeedForward"),
        "write its layers as a row: [{op: Linear, ...}, GELU, {op: Linear, ...}]",
    ),
    **dict.fromkeys(
        ("SwiGLU", "GEGLU", "GatedLinearUnit"),
        "write its layers as a block: two of 'Linear', the activation of one, and 'Mul'",
    ),
    **dict.fromkeys(
        ("SE", "SEBlock", "SqueezeExcite", "SqueezeExcitation"),
        "write its layers as a block, from 'GlobalAvgPool' to 'Sigmoid' and 'Mul'",
    ),
    **dict.fromkeys(
        ("ConvBlock", "ConvBNReLU", "ConvBNAct", "ConvModule", "ConvNormActivation"),
        "write its layers as a row: [{op: Conv2d, ...}, BatchNorm2d, ReLU]",
    ),
    **dict.fromkeys(
        ("Bottleneck", "BasicBlock", "ResBlock", "C2f", "C3", "SPPF", "InvertedResidual"),
        "a block of the spec's own stands under 'blocks', in small letters",
    ),
    "QuickGELU": "it is 'GELU', which costs the same",
    **dict.fromkeys(("NewGELU", "GELUTanh"), "it is 'GELU'"),
    **dict.fromkeys(("HardSigmoid", "HSigmoid"), "it is 'Hardsigmoid'"),
    "Softmax2d": "it is 'Softmax' with 'dim: 1'",
    "Softsign": "write its layers: 'Abs', 'Add' with 'by: 1', and 'Div'",
    **dict.fromkeys(
        (
            "Detach",
            "Contiguous",
            "Clone",
            "Copy",
            "NoOp",
            "Output",
            "GaussianNoise",
            "Noise",
            "Lambda",
        ),
        "leave it out if it changes no shape; 'Identity' is a layer that does nothing",
    ),
    "Bidirectional": "write 'bidirectional: true' in the recurrent layer",
    "TimeDistributed": "leave it out: 'Linear' and others take any number of axes",
    "SimpleRNN": "it is 'RNN'",
    "CuDNNLSTM": "it is 'LSTM'",
    "CuDNNGRU": "it is 'GRU'",
    "ConvLSTM2D": "write its cell as a block, repeated with 'share' of itself",
    "GridSampler": "it is 'GridSample'",
    **dict.fromkeys(("DeformableConv2d", "DCN"), "it is 'DeformConv2d'"),
    "Argmax": "it is 'ArgMax'",
    "Cumsum": "it is 'CumSum'",
    "Loss": "it is 'CrossEntropyLoss', or another: L1Loss, MSELoss",
}
"""What an operator is called elsewhere, and how it is written here."""


def operator_hint(name: str, known: Iterable[str]) -> str:
    """What to write for an operator that is unknown."""
    bare = _bare(name)
    folded = {word.lower(): hint for word, hint in OPERATORS.items()}
    called = called_operator(name, known)
    if called and "(" in name:
        return called
    return folded.get(bare.lower()) or called or did_you_mean(bare, known)


def called_operator(name: str, known: Iterable[str]) -> str:
    """What to write for what calls an operator as a program does; nothing if it is none."""
    bare = _bare(name).replace("_", "").lower()
    found = next((each for each in known if each.lower() == bare), None)
    if found is None or found == name:
        return ""
    if name.rstrip(") ").endswith("(") or "(" not in name:
        return f"did you mean {found!r}?"
    fields = operator(found).__pydantic_fields__.items()
    needed = [f"{field}: ..." for field, about in fields if about.is_required()]
    return f"fields have names: {{{', '.join([f'op: {found}', *needed])}}}"


def _bare(name: str) -> str:
    """The last word of a way, ``nn.ReLU()``."""
    return name.partition("(")[0].rpartition(".")[2].strip()
