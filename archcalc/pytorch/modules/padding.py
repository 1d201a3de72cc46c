"""Convolutions with other padding at each end, and what cuts off again."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (PyTorch's own name for it)

Pads = Sequence[tuple[int, int]]


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
