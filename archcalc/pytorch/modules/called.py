"""A function as a module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn


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
