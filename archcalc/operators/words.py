"""Operators as PyTorch, Keras and papers call them, and what is written here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from archcalc.errors import did_you_mean
from archcalc.operators import operator

_CALLED: Mapping[str, str] = {
    "it is 'Linear', with 'out_features' for units": "Dense",
    "it is 'Linear', with 'out_features'": "FC FullyConnected InnerProduct",
    "it is 'Conv2d', or 'Conv1d' or 'Conv3d'": "Conv Convolution",
    "it is 'Conv2d' with 'groups: =channels(input)'": (
        "DepthwiseConv2D DepthwiseConv2d DepthwiseConv"
    ),
    "it is two layers, a 'Conv2d' with 'groups: =channels(input)' and a 1x1": "SeparableConv2D",
    "it is 'ConvTranspose2d'": "Conv2DTranspose Deconv ConvTranspose2D Conv2dTranspose",
    "it is 'BatchNorm2d'": "BN",
    "it is 'BatchNorm2d', or 'BatchNorm1d' or 'BatchNorm3d'": (
        "BatchNorm BatchNormalization SyncBatchNorm"
    ),
    "it is 'LayerNorm'": "LayerNormalization",
    "it is 'GroupNorm'": "GroupNormalization",
    "it is 'GlobalResponseNorm'": "GRN",
    "it is 'LocalResponseNorm'": "LRN LocalResponseNormalization",
    "it is 'MaxPool2d'": "MaxPool",
    "it is 'MaxPool2d', with 'kernel_size' for pool_size": "MaxPooling2D",
    "it is 'AvgPool2d', with 'kernel_size' for pool_size": "AveragePooling2D",
    "it is 'AvgPool2d'": "AvgPool",
    "it is 'GlobalAvgPool', with 'keepdim: false'": "GlobalAveragePooling2D GlobalAveragePooling1D",
    "it is 'GlobalMaxPool', with 'keepdim: false'": "GlobalMaxPooling2D",
    "it is 'GlobalAvgPool'": "GAP GlobalAvgPool2d",
    "it is 'Pad'": (
        "ZeroPadding2D ZeroPad2d ConstantPad2d ZeroPadding1D ZeroPadding3D ZeroPad1d "
        "ConstantPad1d ConstantPad3d"
    ),
    "it is 'Pad', or 'padding_mode: reflect' of the convolution": (
        "ReflectionPad2d ReflectionPad1d ReflectionPad3d"
    ),
    "it is 'Pad', or 'padding_mode: replicate' of the convolution": (
        "ReplicationPad2d ReplicationPad1d ReplicationPad3d"
    ),
    "it is 'Crop'": "Cropping2D CenterCrop RandomCrop",
    "it is 'Upsample'": "UpSampling2D Interpolate Resize UpsamplingNearest2d Resizing",
    "it is 'Concat', with the layers in 'from'": "Concatenate Cat Concatenation Route",
    "it is 'Mul', with the layers in 'from'": "Multiply",
    "it is 'SiLU'": "Swish",
    "it is 'Hardswish'": "HSwish",
    "write the activation itself: ReLU, Softmax, ...": "Activation",
    "the input is no layer: write it as the key 'input', without the batch": "Input InputLayer",
    "layers follow one another as they are written; a group of them is a block": "Sequential",
    "write one layer with 'repeat'": "ModuleList",
    "it is 'StochasticDepth'": "DropPath",
    "it is 'Dropout'": (
        "Dropout2d SpatialDropout2D Dropout1d Dropout3d AlphaDropout FeatureDropout "
        "FeatureAlphaDropout"
    ),
    "it is 'Linear'": "LazyLinear Affine",
    "it is 'Linear', or a 'Conv2d' of 1x1": "Projection Proj",
    "it is 'Conv2d'": "LazyConv2d Conv2D",
    "it is 'Conv1d'": "Conv1D",
    "it is 'Conv3d'": "Conv3D",
    "it is 'Conv2d' with 'padding: same_upper'": "Conv2dSame",
    "it is 'Conv1d' with 'groups: =channels(input)'": "DepthwiseConv1D",
    "it is two layers, a 'Conv1d' with 'groups: =channels(input)' and a 1x1": "SeparableConv1D",
    "it is 'ConvTranspose2d', or 'ConvTranspose1d' or 'ConvTranspose3d'": "ConvTranspose",
    "it is 'InstanceNorm2d', or 'InstanceNorm1d' or 'InstanceNorm3d'": "InstanceNorm",
    "it is 'Permute' with 'dims: [0, 2, 3, 1]', 'LayerNorm', and 'Permute' back": "LayerNorm2d",
    "it has no parameters to train: leave it out": "Normalization",
    "it is 'Mul' with 'by'": "Rescaling",
    "it is 'Mul', with 'by' or a 'Parameter' in 'from'": "Scale",
    "write 'parametrization: weight_norm' in the layer whose weight it is": "WeightNorm",
    "it is 'Conv2d' with 'parametrization: weight_standardization'": (
        "StdConv2d StdConv2dSame WSConv2d WeightStandardizedConv2d Conv2dWS"
    ),
    "it is 'Conv2d' with 'parametrization: scaled_weight_standardization'": (
        "ScaledStdConv2d ScaledStdConv2dSame ScaledWSConv2d"
    ),
    "write 'parametrization: spectral_norm' in the layer whose weight it is": "SpectralNorm",
    "it is 'MaxPool1d', with 'kernel_size' for pool_size": "MaxPooling1D",
    "it is 'MaxPool3d', with 'kernel_size' for pool_size": "MaxPooling3D",
    "it is 'AvgPool1d', with 'kernel_size' for pool_size": "AveragePooling1D",
    "it is 'AvgPool3d', with 'kernel_size' for pool_size": "AveragePooling3D",
    "it is 'GlobalAvgPool', or 'GlobalMaxPool'": "GlobalPool",
    "it is 'AdaptiveAvgPool2d'": "AdaptiveAveragePooling2D",
    "it is 'SpatialPyramidPooling'": "SPP",
    "it is 'RoIPool'": "ROIPooling",
    "it is 'RoIAlign'": "ROIAlign",
    "it is 'Pad', or 'padding_mode: circular' of the convolution": (
        "CircularPad1d CircularPad2d CircularPad3d"
    ),
    "it is 'Upsample' with 'mode: bilinear'": "UpsamplingBilinear2d",
    "it is 'PixelShuffle'": "DepthToSpace",
    "it is 'PixelUnshuffle'": "SpaceToDepth",
    "it is 'Add' or 'Concat', with the layers in 'from'": "Merge Skip",
    "it is 'Add', with the layers in 'from'": "Shortcut Residual",
    "it is 'Add' or 'Mul', with the layers in 'from'": "Eltwise Elementwise",
    "it is 'Sub', with the layers in 'from'": "Subtract",
    "it is 'Add', then 'Mul' with 'by'; over axes it is 'Mean'": "Average",
    "it is 'MatMul'": "Dot BMM Matmul",
    "it is 'Constant', with its 'shape'": "Linspace Zeros Full",
    "it is 'Mean'": "ReduceMean",
    "it is 'Sum'": "ReduceSum",
    "it is 'Max'": "ReduceMax",
    "it is 'Mean', 'Sum' or 'Max', with 'dim'": "Reduce",
    "it is 'Clamp'": "Clip",
    "it is 'Repeat'": "Tile",
    "it is 'Unsqueeze' and 'Expand'": "RepeatVector",
    "it is 'Transpose'": "SwapAxes SwapDims",
    "it is 'Permute'": "Movedim",
    "it is 'Reshape'": "Unflatten",
    "it is 'Index', or 'Slice' for a range": "IndexSelect",
    "it is 'Slice'": "Narrow",
    "it is 'Embedding', or 'Index' in a tensor": "Lookup",
    "it is 'Index'": "GatherND",
    "it is 'Constant' with 'fill: 1'": "Ones",
    "it is 'Constant' with 'fill: arange'": "Arange",
    "it is 'Parameter' with 'trained: false', or 'Constant'": "Buffer",
    "it is a 'Parameter' of their shape, and 'Add'": (
        "PositionalEmbedding LearnedPositionalEmbedding"
    ),
    "it is a 'Constant' of their shape, and 'Add'": "PositionalEncoding",
    "it is 'RotaryEmbedding', or 'rotary' of 'Attention'": "RoPE",
    "it is 'Attention', or PyTorch's 'MultiheadAttention'": "SelfAttention MultiHeadAttention MHA",
    "write its layers: 'Linear', 'Tanh', 'Linear', 'Softmax' and 'MatMul'": "AdditiveAttention",
    "write its layers as a block: 'Attention', 'Linear', 'LayerNorm' and 'Add'": (
        "TransformerEncoderLayer TransformerDecoderLayer"
    ),
    "write a layer of it as a block, and that with 'repeat'": (
        "Transformer TransformerEncoder TransformerDecoder"
    ),
    "write its layers as a row: [{op: Linear, ...}, GELU, {op: Linear, ...}]": (
        "MLP FFN FeedForward"
    ),
    "write its layers as a block: two of 'Linear', the activation of one, and 'Mul'": (
        "SwiGLU GEGLU GatedLinearUnit"
    ),
    "write its layers as a block, from 'GlobalAvgPool' to 'Sigmoid' and 'Mul'": (
        "SE SEBlock SqueezeExcite SqueezeExcitation"
    ),
    "write its layers as a row: [{op: Conv2d, ...}, BatchNorm2d, ReLU]": (
        "ConvBlock ConvBNReLU ConvBNAct ConvModule ConvNormActivation"
    ),
    "a block of the spec's own stands under 'blocks', in small letters": (
        "Bottleneck BasicBlock ResBlock C2f C3 SPPF InvertedResidual"
    ),
    "it is 'GELU', which costs the same": "QuickGELU",
    "it is 'GELU'": "NewGELU GELUTanh",
    "it is 'Hardsigmoid'": "HardSigmoid HSigmoid",
    "it is 'Softmax' with 'dim: 1'": "Softmax2d",
    "write its layers: 'Abs', 'Add' with 'by: 1', and 'Div'": "Softsign",
    "leave it out if it changes no shape; 'Identity' is a layer that does nothing": (
        "Detach Contiguous Clone Copy NoOp Output GaussianNoise Noise Lambda"
    ),
    "write 'bidirectional: true' in the recurrent layer": "Bidirectional",
    "leave it out: 'Linear' and others take any number of axes": "TimeDistributed",
    "it is 'RNN'": "SimpleRNN",
    "it is 'LSTM'": "CuDNNLSTM",
    "it is 'GRU'": "CuDNNGRU",
    "write its cell as a block, repeated with 'share' of itself": "ConvLSTM2D",
    "it is 'GridSample'": "GridSampler",
    "it is 'DeformConv2d'": "DeformableConv2d DCN",
    "it is 'ArgMax'": "Argmax",
    "it is 'CumSum'": "Cumsum",
    "it is 'CumProd'": "Cumprod",
    "it is 'CumMax'": "Cummax",
    "it is 'CumMin'": "Cummin",
    "it is 'LogCumSumExp'": "Logcumsumexp",
    "it is 'CrossEntropyLoss', or another: L1Loss, MSELoss": "Loss",
}
"""How an operator is written here, and what it is called elsewhere."""

OPERATORS = {word: hint for hint, words in _CALLED.items() for word in words.split()}
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
