"""What makes one tensor of several."""

from __future__ import annotations

import torch
from torch import Tensor, nn


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
        self.function = getattr(torch, function)

    def forward(self, *inputs: Tensor) -> Tensor:
        result, *others = _aligned(*inputs)
        for other in others:
            result = self.function(result, other)
        return result

    def extra_repr(self) -> str:
        name: str = self.function.__name__
        return name


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
