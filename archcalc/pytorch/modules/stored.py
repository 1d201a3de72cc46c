"""Tensors that stand for themselves."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from zlib import decompress

import torch
from torch import Tensor, nn


class Parameter(nn.Module):
    """A tensor that is the same for every sample; drawn as positional embeddings usually are."""

    weight: Tensor

    def __init__(self, shape: Sequence[int], trained: bool = True) -> None:
        super().__init__()
        weight = torch.empty(tuple(shape)).normal_(std=0.02)
        if trained:
            self.weight = nn.Parameter(weight)
        else:
            self.register_buffer("weight", weight.abs())  # a variance, it may be

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


def unpacked(text: str, dtype: torch.dtype, shape: Sequence[int]) -> Tensor:
    """The numbers that were packed into a text."""
    numbers = bytearray(decompress(b64decode(text)))
    return torch.frombuffer(numbers, dtype=dtype).reshape(shape)
