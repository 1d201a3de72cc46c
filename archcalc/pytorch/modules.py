"""The few modules that PyTorch lacks, addressed as ``archcalc.Name`` by an operator's ``Call``.

Each names its parameters and buffers as the operator does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    def __init__(self, *, pads: Pads, padding_mode: str = "zeros", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pads = pads
        self.pad_mode = "constant" if padding_mode == "zeros" else padding_mode

    def forward(self, input: Tensor) -> Tensor:
        ends = [end for pair in reversed(self.pads) for end in pair]
        output: Tensor = super().forward(F.pad(input, ends, mode=self.pad_mode))
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


class MultiheadAttention(nn.MultiheadAttention):
    """``nn.MultiheadAttention`` that returns its output alone; one input attends to itself."""

    def forward(  # type: ignore[override]
        self, query: Tensor, key: Tensor | None = None, value: Tensor | None = None
    ) -> Tensor:
        key = query if key is None else key
        value = query if value is None else value
        return super().forward(query, key, value, need_weights=False)[0]
