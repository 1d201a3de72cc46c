"""Weights that are computed of others where they are used, also as PyTorch has no function for."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (PyTorch's own name for it)


class Standardization(nn.Module):
    """A weight without the mean of each of its kernels, over their deviation.

    With ``scaled`` it is also over the root of how many numbers a kernel has, and times a gain.
    """

    def __init__(self, weight: Tensor, scaled: bool, eps: float = 1e-6) -> None:
        super().__init__()
        kernels, *sizes = weight.shape
        self.scale = prod(sizes) ** -0.5
        self.gain = nn.Parameter(torch.ones(kernels, *(1 for _ in sizes))) if scaled else None
        self.eps = eps

    def forward(self, weight: Tensor) -> Tensor:
        gain = None if self.gain is None else (self.gain * self.scale).view(-1)
        rows = weight.reshape(1, len(weight), -1)
        even = F.batch_norm(rows, None, None, gain, training=True, momentum=0.0, eps=self.eps)
        return even.reshape_as(weight)


def weight_standardization(module: nn.Module, name: str = "weight") -> nn.Module:
    """``module`` with a standardized weight: Qiao et al. 2019, arXiv:1903.10520."""
    found = Standardization(module.get_parameter(name), scaled=False)
    return nn.utils.parametrize.register_parametrization(module, name, found)


def scaled_weight_standardization(module: nn.Module, name: str = "weight") -> nn.Module:
    """The same, scaled and with a gain for each kernel: Brock et al. 2021, arXiv:2101.08692."""
    found = Standardization(module.get_parameter(name), scaled=True)
    return nn.utils.parametrize.register_parametrization(module, name, found)


def each_weight(module: nn.Module, compute: Callable[[nn.Module, str], nn.Module]) -> nn.Module:
    """``module`` with each of its weights computed by a function of it and the weight's name."""
    names = [name for name, _ in module.named_parameters()]
    for home, _, name in (name.rpartition(".") for name in names):
        if "weight" in name:
            compute(module.get_submodule(home), name)
    return module


def parametrized(module: nn.Module, by: str | None) -> nn.Module:
    """``module`` with its weights computed by the function of this name, or stored themselves."""
    if by is None:
        return module
    ours = {
        "weight_standardization": weight_standardization,
        "scaled_weight_standardization": scaled_weight_standardization,
    }
    return each_weight(module, ours.get(by) or getattr(nn.utils.parametrizations, by))
