"""What an author calls where archcalc has no operator, as a module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from archcalc.pytorch import modules
from archcalc.pytorch.joined import has_own_weights, keeps
from archcalc.spec.graph import AuthorCall, Node, Taken, Word

_HOMES: dict[str, Any] = {
    "torch": torch,
    "Tensor": Tensor,
    "F": functional,
    "archcalc": modules,
}


class Called(nn.Module):
    """A layer that is such a call: it is given what the layer takes."""

    def __init__(self, node: Node, rows: Mapping[int, int]) -> None:
        super().__init__()
        assert node.spelled is not None
        self.call, self.shape = node.spelled, node.shape
        self.rows = rows
        """Of one sample in what has the rows of all samples joined."""
        self.keeps = keeps(node, rows)
        self.apart = has_own_weights(node, rows)
        """Whether each sample has weights of its own."""
        self.own: tuple[tuple[nn.Module, str, tuple[int, ...]], ...] = ()
        """What it takes of other layers' tensors: the layer, the tensor's name, its shape."""

    def forward(self, *inputs: Tensor) -> Tensor:
        own = (getattr(layer, name).reshape(shape) for layer, name, shape in self.own)
        inputs = (*inputs, *own)
        if self.apart:
            x, weight, *others = inputs
            x = x.expand(len(weight), *x.shape[1:])
            pairs = zip(x[:, None], weight, strict=True)
            made = [_performed(self.call, (a, b, *others)) for a, b in pairs]
            return torch.cat(made)
        joined = [x.flatten(0, 1) if k in self.rows else x for k, x in enumerate(inputs)]
        made = _performed(self.call, joined)
        assert isinstance(made, Tensor)
        if made.shape == self.shape[1:] and made.dim() and not self.rows:  # no sample is in it
            return made.expand(len(inputs[0]), *self.shape[1:])
        if self.keeps:
            return made.reshape(-1, *self.shape[1:])
        if self.call.alone:
            return made.expand(len(inputs[0]), *self.shape[1:])
        same = made.shape[1:] == self.shape[1:] and made.dim() == len(self.shape)
        return made if same else made.reshape(self.shape)

    def extra_repr(self) -> str:
        return self.call.target


def _performed(value: Any, inputs: Sequence[Tensor]) -> Any:
    match value:
        case Taken(number, shape):
            x = inputs[number]
            if x.dim() == len(shape) and x.shape[1:] == shape[1:]:
                return x
            return (x[0] if x.numel() > prod(shape) else x).reshape(shape)
        case AuthorCall(target, args, kwargs):
            home, _, name = target.partition(".")
            if home == "operator":
                index = _performed(value.place, inputs)
                return _performed(args[0], inputs)[index if len(index) > 1 else index[0]]
            found = reduce(getattr, name.split("."), _HOMES[home])
            given = [_performed(each, inputs) for each in args]
            return found(*given, **{key: _performed(each, inputs) for key, each in kwargs})
        case Word():
            if value == "{0}.device":
                return inputs[0].device
            if value == "len({0})":
                return len(inputs[0])
            return getattr(torch, value.removeprefix("torch."))
        case tuple():
            return tuple(_performed(each, inputs) for each in value)
        case _:
            return value
