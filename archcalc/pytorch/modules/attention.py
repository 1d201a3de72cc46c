"""Attention, its positions and its masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (PyTorch's own name for it)


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
