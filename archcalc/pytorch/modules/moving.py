"""What takes, repeats and rearranges elements."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


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
        flat = flat + x.shape[dim] * (flat < 0)  # which count from the end
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
