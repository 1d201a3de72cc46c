"""The few modules that PyTorch lacks, addressed as ``archcalc.Name`` by an operator's ``Call``.

Each names its parameters and buffers as the operator does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (PyTorch's own name for it)

Pads = Sequence[tuple[int, int]]


class Function(nn.Module):
    """A function called on the inputs followed by ``kwargs``."""

    def __init__(self, function: Callable[..., Any], kwargs: dict[str, Any]) -> None:
        super().__init__()
        self.function = function
        self.kwargs = kwargs

    def forward(self, *inputs: Any) -> Any:
        return self.function(*inputs, **self.kwargs)

    def extra_repr(self) -> str:
        return f"{self.function.__name__}, {self.kwargs}"


class _Padded(nn.Module):
    pad_value = 0.0

    def __init__(self, *, pads: Pads, padding_mode: str = "zeros", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pads = pads
        self.pad_mode = "constant" if padding_mode == "zeros" else padding_mode

    def forward(self, input: Tensor) -> Tensor:
        ends = [end for pair in reversed(self.pads) for end in pair]
        value = self.pad_value if self.pad_mode == "constant" else None
        output: Tensor = super().forward(F.pad(input, ends, self.pad_mode, value))
        return output

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, pads={self.pads}"


class PaddedConv1d(_Padded, nn.Conv1d):
    """``nn.Conv1d`` with ``pads=((before, after),)`` instead of ``padding``."""


class PaddedConv2d(_Padded, nn.Conv2d):
    """``nn.Conv2d`` with ``pads=((before, after), ...)`` instead of ``padding``."""


class PaddedConv3d(_Padded, nn.Conv3d):
    """``nn.Conv3d`` with ``pads=((before, after), ...)`` instead of ``padding``."""


class Crop(nn.Module):
    """Drops ``cropping=((before, after), ...)`` of the spatial axes.

    Without ``cropping``, centres on the spatial extents of a second input.
    """

    def __init__(self, cropping: Pads | None = None) -> None:
        super().__init__()
        self.cropping = cropping

    def forward(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        if like is not None:
            starts = [(n - m) // 2 for n, m in zip(x.shape[2:], like.shape[2:], strict=True)]
            ends = [start + m for start, m in zip(starts, like.shape[2:], strict=True)]
        else:
            cropping = self.cropping or ()
            starts = [before for before, _ in cropping]
            ends = [n - after for n, (_, after) in zip(x.shape[2:], cropping, strict=True)]
        for axis, (start, end) in enumerate(zip(starts, ends, strict=True), start=2):
            x = x.narrow(axis, start, end - start)
        return x


class _CroppedTranspose(nn.Module):
    def __init__(self, *, cropping: Pads, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cropping = cropping

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        output: Tensor = super().forward(input, output_size)
        for axis, (before, after) in enumerate(self.cropping, start=2):
            output = output.narrow(axis, before, output.shape[axis] - before - after)
        return output

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, cropping={self.cropping}"


class CroppedConvTranspose1d(_CroppedTranspose, nn.ConvTranspose1d):
    """``nn.ConvTranspose1d`` of which ``cropping=((before, after),)`` is cut off."""


class CroppedConvTranspose2d(_CroppedTranspose, nn.ConvTranspose2d):
    """``nn.ConvTranspose2d`` of which ``cropping=((before, after), ...)`` is cut off."""


class CroppedConvTranspose3d(_CroppedTranspose, nn.ConvTranspose3d):
    """``nn.ConvTranspose3d`` of which ``cropping=((before, after), ...)`` is cut off."""


class Slice(nn.Module):
    """``x[start:end:step]`` on the axis ``dim``."""

    def __init__(self, dim: int, start: int | None, end: int | None, step: int) -> None:
        super().__init__()
        self.dim = dim
        self.slice = slice(start, end, step)

    def forward(self, x: Tensor) -> Tensor:
        return x[(slice(None),) * (self.dim % x.dim()) + (self.slice,)]


class Select(nn.Module):
    """``torch.index_select`` of a list of indices on the axis ``dim``."""

    def __init__(self, dim: int, index: Sequence[int]) -> None:
        super().__init__()
        self.dim = dim
        self.index = tuple(index)

    def forward(self, x: Tensor) -> Tensor:
        return torch.index_select(x, self.dim, torch.tensor(self.index, device=x.device))


class Expand(nn.Module):
    """Stretches axes of extent 1 of every sample; -1 keeps an axis."""

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)

    def forward(self, x: Tensor) -> Tensor:
        missing = len(self.shape) + 1 - x.dim()
        if -1 in self.shape[:missing]:
            raise RuntimeError("-1 keeps an axis, and a new one has no extent to keep")
        return x.reshape(len(x), *(1,) * missing, *x.shape[1:]).expand(-1, *self.shape)


class Repeat(nn.Module):
    """Puts copies of every sample side by side."""

    def __init__(self, repeats: Sequence[int]) -> None:
        super().__init__()
        self.repeats = tuple(repeats)

    def forward(self, x: Tensor) -> Tensor:
        missing = len(self.repeats) + 1 - x.dim()
        return x.reshape(len(x), *(1,) * missing, *x.shape[1:]).repeat(1, *self.repeats)


class Rearrange(nn.Module):
    """Takes the axes of every sample apart, reorders them all and joins them again."""

    def __init__(self, apart: Sequence[int], order: Sequence[int], shape: Sequence[int]) -> None:
        super().__init__()
        self.apart = tuple(apart)
        self.order = tuple(order)
        self.shape = tuple(shape)

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), *self.apart).permute(self.order).reshape(len(x), *self.shape)


class Gather(nn.Module):
    """``torch.gather`` of an input by another."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor, index: Tensor) -> Tensor:
        return torch.gather(x, self.dim, index.long())


class Index(nn.Module):
    """Slices of every sample by its own numbers."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor, index: Tensor) -> Tensor:
        dim = self.dim % x.dim()
        sizes = (*x.shape[:dim], index[0].numel(), *x.shape[dim + 1 :])
        flat = index.long().reshape(len(x), *(1,) * (dim - 1), -1, *(1,) * (x.dim() - dim - 1))
        picked = torch.gather(x, dim, flat.expand(sizes))
        return picked.reshape(*x.shape[:dim], *index.shape[1:], *x.shape[dim + 1 :])


class OneHot(nn.Module):
    """Vectors that are 1 at a number, of the default dtype."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes

    def forward(self, x: Tensor) -> Tensor:
        places = torch.arange(self.num_classes, device=x.device)
        return (x.unsqueeze(-1) == places).to(torch.get_default_dtype())


class Einsum(nn.Module):
    """A sum of products, as ``torch.einsum``."""

    def __init__(self, equation: str) -> None:
        super().__init__()
        self.equation = equation

    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.einsum(self.equation, *inputs)

    def extra_repr(self) -> str:
        return self.equation


class Add(nn.Module):
    """The sum of any number of inputs."""

    def forward(self, *inputs: Tensor) -> Tensor:
        total, *others = inputs
        for other in others:
            total = total + other
        return total


class Mul(nn.Module):
    """The product of any number of inputs."""

    def forward(self, *inputs: Tensor) -> Tensor:
        product, *others = inputs
        for other in others:
            product = product * other
        return product


def _aligned(*inputs: Tensor) -> list[Tensor]:
    """Inputs with as many axes each: those that lack some get them after the batch."""
    rank = max(x.dim() for x in inputs)
    return [x.reshape(len(x), *(1,) * (rank - x.dim()), *x.shape[1:]) for x in inputs]


class Aligned(nn.Module):
    """A function of two tensors on inputs that broadcast sample by sample."""

    def __init__(self, function: str) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Tensor:
        result, *others = _aligned(*inputs)
        for other in others:
            result = getattr(torch, self.function)(result, other)
        return result

    def extra_repr(self) -> str:
        return self.function


class Leading(nn.Module):
    """A function of a number and a tensor."""

    def __init__(self, function: str, number: float) -> None:
        super().__init__()
        self.function = function
        self.number = number

    def forward(self, x: Tensor) -> Tensor:
        if self.function == "div":
            return x.reciprocal() * self.number
        return torch.pow(self.number, x)

    def extra_repr(self) -> str:
        return f"{self.function}, {self.number}"


class Where(nn.Module):
    """Elements of ``a`` where the condition is not 0, else of ``b``."""

    def forward(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
        condition, a, b = _aligned(condition, a, b)
        return torch.where(condition.bool(), a, b)


class MaskedFill(nn.Module):
    """A number where the mask is not 0."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x, mask = _aligned(x, mask)
        return x.masked_fill(mask.bool(), self.value)


class MatMul(nn.Module):
    """The product of two samples' matrices; one of a single axis is a row or a column."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        row, column = a.dim() == 2, b.dim() == 2
        product = torch.matmul(
            *_aligned(a.unsqueeze(1) if row else a, b.unsqueeze(-1) if column else b)
        )
        product = product.squeeze(-1) if column else product
        return product.squeeze(-1 if column else -2) if row else product


class _Stateful(nn.RNNBase):
    """Takes a state (N, S, H), of an LSTM first the rows of h and then of c; may give one back."""

    def __init__(self, *, biases: int, states: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.biases = biases
        self.states = states
        if biases == 1:
            for name in [name for name in self._parameters if name.startswith("bias_hh")]:
                del self._parameters[name]

    def forward(self, input: Tensor, state: Tensor | None = None) -> Tensor:
        if self.biases == 1:  # PyTorch's functions want two: the second is nothing
            weights: dict[str, Tensor] = dict(self.named_parameters())
            for name in [name for name in weights if name.startswith("bias_ih")]:
                second = name.replace("bias_ih", "bias_hh")
                weights[second] = torch.zeros_like(weights[name])
            self._flat_weights = [weights[name] for name in self._flat_weights_names]
        first: Any = None
        if state is not None:
            memories = [
                self._split(part) for part in state.chunk(len(state[0]) // self.num_layers, 1)
            ]
            first = tuple(memories) if len(memories) > 1 else memories[0]
        output: Tensor
        output, last = super().forward(input, first)
        if not self.states:
            return output
        parts = last if isinstance(last, tuple) else (last,)
        return torch.cat([output, *map(self._join, parts)], 1)

    def _split(self, state: Tensor) -> Tensor:
        n, layers, features = state.shape
        directions = 2 if self.bidirectional else 1
        apart = state.reshape(n, layers, directions, features // directions)
        return apart.permute(1, 2, 0, 3).flatten(0, 1).contiguous()

    def _join(self, state: Tensor) -> Tensor:
        directions = 2 if self.bidirectional else 1
        apart = state.reshape(-1, directions, *state.shape[1:])
        return apart.permute(2, 0, 1, 3).flatten(2)


class StatefulRNN(_Stateful, nn.RNN):  # type: ignore[misc]
    """``nn.RNN`` with its states as a tensor, and one bias a gate or two."""


class StatefulLSTM(_Stateful, nn.LSTM):  # type: ignore[misc]
    """``nn.LSTM`` with its states as a tensor, and one bias a gate or two."""


class StatefulGRU(_Stateful, nn.GRU):  # type: ignore[misc]
    """``nn.GRU`` with its states as a tensor, and one bias a gate or two."""


class LSTMCell(nn.LSTMCell):
    """``nn.LSTMCell`` with ``h`` and ``c`` as one tensor (N, 2, H)."""

    def forward(self, input: Tensor, state: Tensor) -> Tensor:  # type: ignore[override]
        return torch.stack(super().forward(input, (state[:, 0], state[:, 1])), 1)


class _PaddedMaxPool(_Padded):
    pad_value = -inf

    def __init__(self, *, pads: Pads, overhang: Sequence[int], **kwargs: Any) -> None:
        ends = [(before, after + o) for (before, after), o in zip(pads, overhang, strict=True)]
        super().__init__(pads=ends, **kwargs)


class PaddedMaxPool1d(_PaddedMaxPool, nn.MaxPool1d):
    """``nn.MaxPool1d`` with ``pads``, and ``overhang`` more of every axis's end in a window."""


class PaddedMaxPool2d(_PaddedMaxPool, nn.MaxPool2d):
    """``nn.MaxPool2d`` with ``pads``, and ``overhang`` more of every axis's end in a window."""


class MinPool2d(PaddedMaxPool2d):
    """The minimum of a window."""

    def forward(self, input: Tensor) -> Tensor:
        smallest: Tensor = super().forward(-input)
        return -smallest


class PaddedMaxPool3d(_PaddedMaxPool, nn.MaxPool3d):
    """``nn.MaxPool3d`` with ``pads``, and ``overhang`` more of every axis's end in a window."""


class _PaddedAvgPool(nn.Module):
    average: Callable[..., Tensor]

    def __init__(
        self,
        kernel_size: Sequence[int],
        stride: Sequence[int],
        pads: Pads,
        overhang: Sequence[int],
        count_include_pad: bool,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = tuple(kernel_size)
        self.stride = tuple(stride)
        self.pads = [end for pair in reversed(pads) for end in pair]
        self.overhang = [end for o in reversed(overhang) for end in (0, o)]
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, x: Tensor) -> Tensor:
        def average(padded: Tensor) -> Tensor:
            return type(self).average(F.pad(padded, self.overhang), self.kernel_size, self.stride)

        mean = average(F.pad(x, self.pads))
        if self.divisor_override is not None:
            return mean * (prod(self.kernel_size) / self.divisor_override)
        # The share of a window that is divided by; an overhang never is, as in PyTorch.
        counted = float(self.count_include_pad)
        return mean / average(F.pad(torch.ones_like(x[:1, :1]), self.pads, value=counted))


class PaddedAvgPool1d(_PaddedAvgPool):
    """``nn.AvgPool1d`` with ``pads``, and ``overhang`` more of every axis's end in a window."""

    average = staticmethod(F.avg_pool1d)


class PaddedAvgPool2d(_PaddedAvgPool):
    """``nn.AvgPool2d`` with ``pads``, and ``overhang`` more of every axis's end in a window."""

    average = staticmethod(F.avg_pool2d)


class PaddedAvgPool3d(_PaddedAvgPool):
    """``nn.AvgPool3d`` with ``pads``, and ``overhang`` more of every axis's end in a window."""

    average = staticmethod(F.avg_pool3d)


class MaxUnpool2d(nn.Module):
    """Puts values back where the maxima of ``pooled``, the input of a max pooling, are."""

    def __init__(
        self,
        kernel_size: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int],
        ceil_mode: bool,
    ) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(
            kernel_size, stride, padding, return_indices=True, ceil_mode=ceil_mode
        )
        self.unpool = nn.MaxUnpool2d(kernel_size, stride, padding)

    def forward(self, x: Tensor, pooled: Tensor) -> Tensor:
        _, indices = self.pool(pooled)
        output: Tensor = self.unpool(x, indices, output_size=pooled.shape)
        return output


class SubSampling2d(nn.Module):
    """The sum of a window, times one coefficient and plus one bias a channel."""

    def __init__(self, channels: int, kernel_size: Sequence[int], stride: Sequence[int]) -> None:
        super().__init__()
        self.kernel_size = tuple(kernel_size)
        self.stride = tuple(stride)
        # A new layer is average pooling.
        self.weight = nn.Parameter(torch.full((channels,), 1 / prod(self.kernel_size)))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.weight[:, None, None, None].expand(-1, 1, *self.kernel_size)
        return F.conv2d(x, kernel, self.bias, self.stride, groups=len(self.weight))


class EuclideanRBF(nn.Module):
    """Squared distances to fixed vectors, drawn at random from -1 and 1 until they are set."""

    weight: Tensor

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.randint(2, (out_features, in_features)) * 2.0 - 1)

    def forward(self, x: Tensor) -> Tensor:
        return (x.unsqueeze(-2) - self.weight).square().sum(-1)


class StochasticDepth(nn.Module):
    """Zeroes its input at random in training: the whole ``batch``, or every ``row`` by itself."""

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        self.p = p
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        draws = (x.shape[0] if self.mode == "row" else 1, *(1,) * (x.dim() - 1))
        kept = torch.empty(draws, dtype=x.dtype, device=x.device).bernoulli_(1 - self.p)
        return x * kept / (1 - self.p) if self.p < 1 else x * kept


class HingeLoss(nn.Module):
    """``max(0, 1 - y x)`` of a prediction and a target of -1 and 1."""

    def __init__(self, reduction: str) -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        losses = F.relu(1 - target * prediction)
        if self.reduction == "none":
            return losses
        return losses.mean() if self.reduction == "mean" else losses.sum()


def _places(count: int) -> list[float]:
    """Where on an axis regions lie, from 0 to 1: evenly spread, since no image says."""
    return [k / max(count - 1, 1) for k in range(count)]


class RoIAlign(nn.Module):
    """Samples regions of the maps to one size, each map's share of them, spread over its diagonal.

    Each region has half of the map's extents. A detector takes those that it has proposed.
    """

    def __init__(self, output_size: Sequence[int], rois: int, sampling_ratio: int) -> None:
        super().__init__()
        self.output_size = tuple(output_size)
        self.rois = rois
        self.sampling_ratio = sampling_ratio

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        shares = [len(range(k, self.rois, len(maps))) for k in range(len(maps))]
        cut = [self._cut(x, share) for x, share in zip(maps, shares, strict=True) if share]
        return torch.cat(cut, 1).flatten(0, 1)

    def _cut(self, x: Tensor, count: int) -> Tensor:
        height, width = (o * self.sampling_ratio for o in self.output_size)
        # Coordinates of a map go from -1 to 1; a region's are half as wide, around its centre.
        centres = torch.tensor(_places(count), device=x.device, dtype=x.dtype) - 0.5
        ys = torch.linspace(-0.5, 0.5, height, device=x.device, dtype=x.dtype)
        xs = torch.linspace(-0.5, 0.5, width, device=x.device, dtype=x.dtype)
        rows = (centres[:, None] + ys).flatten()[:, None].expand(-1, width)
        columns = (centres[:, None, None] + xs).expand(-1, height, -1).flatten(0, 1)
        grid = torch.stack([columns, rows], -1).expand(len(x), -1, -1, -1)
        points = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
        means = F.avg_pool2d(points, self.sampling_ratio)
        n, channels, _, _ = means.shape
        return means.view(n, channels, count, *self.output_size).transpose(1, 2)


class RoIPool(nn.Module):
    """The maxima of ``output_size`` windows over regions of a map, spread over its diagonal.

    A detector takes the regions that it has proposed, of any extents.
    """

    def __init__(self, output_size: Sequence[int], rois: int, region: Sequence[int]) -> None:
        super().__init__()
        self.output_size = tuple(output_size)
        self.rois = rois
        self.region = tuple(region)

    def forward(self, x: Tensor) -> Tensor:
        height, width = self.region
        cut = []
        for place in _places(self.rois):
            top, left = (
                int(place * (n - r)) for n, r in zip(x.shape[2:], self.region, strict=True)
            )
            part = x[:, :, top : top + height, left : left + width]
            cut.append(F.adaptive_max_pool2d(part, self.output_size))
        return torch.stack(cut, 1).flatten(0, 1)


class FrozenBatchNorm2d(nn.Module):
    """Batch normalization by buffers alone."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, num_features: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        for name, start in (
            ("weight", 1.0),
            ("bias", 0.0),
            ("running_mean", 0.0),
            ("running_var", 1.0),
        ):
            self.register_buffer(name, torch.full((num_features,), start))

    def forward(self, x: Tensor) -> Tensor:
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        shift = self.bias - self.running_mean * scale
        return x * scale[:, None, None] + shift[:, None, None]


class Parameter(nn.Module):
    """A tensor that is the same for every sample; drawn as positional embeddings usually are."""

    weight: Tensor

    def __init__(self, shape: Sequence[int], trained: bool = True) -> None:
        super().__init__()
        weight = torch.empty(tuple(shape)).normal_(std=0.02)
        if trained:
            self.weight = nn.Parameter(weight)
        else:
            self.register_buffer("weight", weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.weight.expand(len(x), *self.weight.shape)


def _sinusoidal(positions: int, features: int, device: torch.device) -> Tensor:
    """Sines at even features and cosines at odd ones, of angles that fall with the feature."""
    places = torch.arange(features, device=device)
    rates = 10000 ** -((places - places % 2) / features)
    angles = torch.outer(torch.arange(positions, device=device), rates)
    return torch.where(places % 2 == 0, angles.sin(), angles.cos())


class Cache(nn.Module):
    """What was kept of steps before: zeros."""

    def __init__(self, length: int, dim: int) -> None:
        super().__init__()
        self.length, self.dim = length, dim

    def forward(self, x: Tensor) -> Tensor:
        shape = list(x.shape)
        shape[self.dim] = self.length
        return x.new_zeros(shape)


class Constant(nn.Module):
    """A tensor that is filled by a rule, the same for every sample."""

    def __init__(self, shape: Sequence[int], fill: float | str) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.fill = fill

    def forward(self, x: Tensor) -> Tensor:
        *_, rows, columns = (1, *self.shape)
        if self.fill == "arange":  # whole numbers, which may be looked up
            return torch.arange(columns, device=x.device).expand(len(x), *self.shape)
        if self.fill == "eye":
            made = torch.eye(rows, columns, device=x.device)
        elif self.fill == "tril":
            made = torch.ones(rows, columns, device=x.device).tril()
        elif self.fill == "sinusoidal":
            made = _sinusoidal(rows, columns, x.device)
        else:
            made = torch.full((1,), float(self.fill), device=x.device)
        made = made.to(x.dtype) if x.is_floating_point() else made
        return made.expand(len(x), *self.shape)


class SpatialPyramidPooling(nn.Module):
    """Adaptive poolings to several sizes, joined."""

    def __init__(self, output_sizes: Sequence[int], mode: str) -> None:
        super().__init__()
        self.output_sizes = tuple(output_sizes)
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        pool = F.adaptive_max_pool2d if self.mode == "max" else F.adaptive_avg_pool2d
        return torch.cat([pool(x, size).flatten(1) for size in self.output_sizes], 1)


class GlobalResponseNorm(nn.Module):
    """``x + weight * x * n + bias``, where n is a channel's norm by their mean."""

    def __init__(self, channels: int, eps: float, channels_last: bool) -> None:
        super().__init__()
        self.eps = eps
        self.channels_last = channels_last
        self.weight = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        positions, channels = ((1, 2), -1) if self.channels_last else ((2, 3), 1)
        shape = (-1,) if self.channels_last else (-1, 1, 1)
        norms: Tensor = torch.linalg.vector_norm(x, dim=positions, keepdim=True)
        answer: Tensor = x * (norms / (norms.mean(channels, keepdim=True) + self.eps))
        return x + self.weight.view(shape) * answer + self.bias.view(shape)


class DeformConv2d(nn.Module):
    """A convolution of the values beside its positions, as far away as offsets say."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sequence[int],
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        groups: int,
        bias: bool,
    ) -> None:
        super().__init__()
        self.kernel_size = tuple(kernel_size)
        self.stride = tuple(stride)
        self.padding = tuple(padding)
        self.dilation = tuple(dilation)
        self.groups = groups
        weight = torch.empty(out_channels, in_channels // groups, *self.kernel_size)
        self.weight = nn.Parameter(nn.init.kaiming_uniform_(weight, a=5**0.5))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def forward(self, x: Tensor, offset: Tensor, mask: Tensor | None = None) -> Tensor:
        n, channels, height, width = x.shape
        rows, columns = offset.shape[2:]
        window = prod(self.kernel_size)
        groups = offset.shape[1] // (2 * window)
        starts = [
            torch.arange(k, device=x.device) * d - p
            for k, d, p in zip(self.kernel_size, self.dilation, self.padding, strict=True)
        ]
        taps = torch.stack(torch.meshgrid(*starts, indexing="ij")).flatten(1)
        steps = [
            torch.arange(o, device=x.device) * s
            for o, s in zip((rows, columns), self.stride, strict=True)
        ]
        places = torch.stack(torch.meshgrid(*steps, indexing="ij"))
        places = taps[:, :, None, None] + places[:, None]
        moved = offset.view(n, groups, window, 2, rows, columns).transpose(2, 3) + places
        # grid_sample has -1 and 1 at the map's ends, and columns before rows.
        down = (2 * moved[:, :, 0] + 1) / height - 1
        right = (2 * moved[:, :, 1] + 1) / width - 1
        grid = torch.stack([right, down], -1).view(n * groups, window * rows, columns, 2)
        parts = x.reshape(n * groups, channels // groups, height, width)
        seen = F.grid_sample(parts, grid.to(x.dtype), align_corners=False)
        seen = seen.view(n, groups, channels // groups, window, rows, columns)
        if mask is not None:
            seen = seen * mask.view(n, groups, 1, window, rows, columns)
        kernel = self.weight.flatten(1)[:, :, None, None]
        flat = seen.reshape(n, channels * window, rows, columns)
        return F.conv2d(flat, kernel, self.bias, groups=self.groups)


class Attention(nn.Module):
    """Attention with its projections; one input attends to itself, or to a second."""

    def __init__(
        self,
        widths: Sequence[int],
        num_heads: int,
        num_kv_heads: int,
        head_dim: int,
        value_dim: int,
        out_features: int | None,
        biases: Sequence[bool],
        fused: bool = False,
        is_causal: bool = False,
        rotary: float | None = None,
        maps: bool = False,
    ) -> None:
        super().__init__()
        self.heads = (num_heads, num_kv_heads, num_kv_heads)
        self.maps = maps
        self.is_causal = is_causal
        self.rotary = rotary
        features = (num_heads * head_dim, num_kv_heads * head_dim, num_kv_heads * value_dim)
        self.features = list(features)
        self.fused = fused
        if fused:
            self.qkv = nn.Linear(widths[0], sum(features), biases[0])
        else:
            self.q_proj, self.k_proj, self.v_proj = (
                nn.Linear(width, size, bias)
                for width, size, bias in zip(widths, features, biases, strict=False)
            )
        self.out_proj = (
            None
            if out_features is None
            else nn.Linear(num_heads * value_dim, out_features, biases[3])
        )

    def forward(self, *inputs: Tensor) -> Tensor:
        q, k, v = self._projected(
            *(inputs[:3] if len(inputs) > 2 else (inputs[0], *inputs[-1:] * 2))
        )
        q, k, v = (
            x.reshape(*x.shape[:2], heads, -1).transpose(1, 2)
            for x, heads in zip((q, k, v), self.heads, strict=True)
        )
        if self.rotary is not None:
            q, k = RotaryEmbedding(self.rotary)(q), RotaryEmbedding(self.rotary)(k)
        mask = inputs[3] if len(inputs) > 3 else None
        if mask is not None and mask.dim() == 3:
            mask = mask.unsqueeze(1)
        shared = self.heads[0] != self.heads[1]
        if self.maps:
            return self._with_maps(q, k, v, mask)
        found = F.scaled_dot_product_attention(
            q, k, v, mask, is_causal=self.is_causal, enable_gqa=shared
        )
        joined = found.transpose(1, 2).flatten(2)
        return joined if self.out_proj is None else self.out_proj(joined)

    def _with_maps(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        k, v = (x.repeat_interleave(self.heads[0] // self.heads[1], 1) for x in (k, v))
        scores = q @ k.mT / q.shape[-1] ** 0.5
        if self.is_causal:
            mask = torch.full(scores.shape[-2:], -torch.inf, device=q.device, dtype=q.dtype).triu(1)
        maps = (scores if mask is None else scores + mask).softmax(-1)
        joined, maps = ((x.transpose(1, 2).flatten(2)) for x in (maps @ v, maps))
        return torch.cat([joined if self.out_proj is None else self.out_proj(joined), maps], -1)

    def _projected(self, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if not self.fused:
            return self.q_proj(q), self.k_proj(k), self.v_proj(v)
        if q is k and k is v:
            first, second, third = torch.split(self.qkv(q), self.features, -1)
            return first, second, third
        weights = torch.split(self.qkv.weight, self.features)
        bias = self.qkv.bias
        biases: Any = (None,) * 3 if bias is None else torch.split(bias, self.features)
        first, second, third = map(F.linear, (q, k, v), weights, biases)
        return first, second, third


class RelativePositionBias(nn.Module):
    """A trained bias for every head and every distance of two positions in a window."""

    relative_position_index: Tensor

    def __init__(self, window_size: Sequence[int], num_heads: int) -> None:
        super().__init__()
        height, width = window_size
        distances = (2 * height - 1) * (2 * width - 1)
        table = torch.empty(distances, num_heads).normal_(std=0.02)
        self.relative_position_bias_table = nn.Parameter(table)
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        rows, columns = rows.flatten(), columns.flatten()
        # Distances from -(n - 1) to n - 1, counted from 0; those of a row are a block.
        down = rows[:, None] - rows[None, :] + height - 1
        right = columns[:, None] - columns[None, :] + width - 1
        index = (down * (2 * width - 1) + right).flatten()
        self.register_buffer("relative_position_index", index)

    def forward(self, queries: Tensor) -> Tensor:
        n, *between, heads, positions, _ = queries.shape
        biases = self.relative_position_bias_table[self.relative_position_index]
        biases = biases.view(positions, positions, heads).permute(2, 0, 1).contiguous()
        return biases.view(1, *(1 for _ in between), *biases.shape).expand(
            n, *(-1 for _ in range(queries.dim() - 1))
        )


class ShiftedWindowMask(nn.Module):
    """Adds -100 to the biases of positions that only a cyclic shift has made neighbours."""

    def __init__(
        self, window_size: Sequence[int], resolution: Sequence[int], shift_size: Sequence[int]
    ) -> None:
        super().__init__()
        self.window_size = tuple(window_size)
        self.resolution = tuple(resolution)
        self.shift_size = tuple(shift_size)

    def forward(self, biases: Tensor) -> Tensor:
        device = biases.device
        axes = zip(self.resolution, self.window_size, self.shift_size, strict=True)
        # What came in at the other end is a region of its own in the last window.
        rows, columns = (torch.arange(n, device=device) >= n - shift for n, _, shift in axes)
        regions = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
        height, width = self.window_size
        down, right = (n // m for n, m in zip(self.resolution, self.window_size, strict=True))
        cut = regions.view(2, down, height, right, width).transpose(2, 3)
        windows = cut.flatten(3).flatten(1, 2)
        apart = (windows[:, :, :, None] != windows[:, :, None, :]).any(0)
        mask = torch.zeros(apart.shape, device=device, dtype=biases.dtype).masked_fill(apart, -100)
        return biases + mask[:, None]


class RotaryEmbedding(nn.Module):
    """Turns feature i and feature i + d/2 by an angle that grows with the position."""

    def __init__(self, base: float) -> None:
        super().__init__()
        self.base = base

    def forward(self, x: Tensor) -> Tensor:
        positions, features = (torch.arange(n, device=x.device) for n in x.shape[-2:])
        angles = torch.outer(positions, self.base ** -(features[::2] / len(features)))
        angles = torch.cat([angles, angles], -1)
        first, second = x.chunk(2, -1)
        turned = torch.cat([-second, first], -1)
        return x * angles.cos().to(x.dtype) + turned * angles.sin().to(x.dtype)
