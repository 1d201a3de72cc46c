"""Pooling that PyTorch has not, and what undoes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (PyTorch's own name for it)

from archcalc.pytorch.modules.padding import Pads, _Padded


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


class SpatialPyramidPooling(nn.Module):
    """Adaptive poolings to several sizes, joined."""

    def __init__(self, output_sizes: Sequence[int], mode: str) -> None:
        super().__init__()
        self.output_sizes = tuple(output_sizes)
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        pool = F.adaptive_max_pool2d if self.mode == "max" else F.adaptive_avg_pool2d
        return torch.cat([pool(x, size).flatten(1) for size in self.output_sizes], 1)
