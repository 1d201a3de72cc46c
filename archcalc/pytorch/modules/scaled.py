"""Norms, distances and losses."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (PyTorch's own name for it)


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
