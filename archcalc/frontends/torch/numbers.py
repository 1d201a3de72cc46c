"""What numbers a tensor has that no ``state_dict`` holds, as a call that makes it.

Where a module is made, its author's calls are noted, since a tensor on PyTorch's ``meta`` device
has no numbers; of one that has them, a rule is looked for that they follow.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from math import prod
from types import EllipsisType
from typing import Any, NamedTuple
from zlib import compress

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.overrides import TorchFunctionMode, resolve_name

from archcalc.spec.graph import AuthorCall, Word

MOST_WRITTEN = 64
"""Numbers that are written out where they follow no rule."""
_MOST_PACKED = 2**20
_MOST_TEXT = 2**15
"""Bytes of numbers without a rule, and letters of the text that they are packed into, up to which
they are part of the source."""
_MOST_CALLS = 96
"""Calls within one another, beyond which nobody would read them."""
_MOST_KEPT = 2**20
"""Numbers of a tensor that is kept for its call; on ``meta`` it takes no memory."""

_CHANCE = ("rand", "normal", "bernoulli", "multinomial", "poisson", "dropout", "empty", "requires")
"""What the names of calls have whose numbers are not in them."""
_SAME = frozenset(("cpu", "cuda", "detach", "contiguous", "clone", "requires_grad_"))
_TURNED = {"__floordiv__": "torch.floor_divide", "__rsub__": "torch.rsub"}


class _Noted(NamedTuple):
    tensor: Tensor
    """Kept, since it is known by its identity."""
    call: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    piece: int | None
    """Which of several results it is."""


class Making(TorchFunctionMode):
    """Notes how tensors are made while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: dict[int, _Noted] = {}
        self.written: dict[int, Any] = {}
        """Storages that were written into: a call is not all that is known of them."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call the function."""
        kwargs = kwargs or {}
        made = func(*args, **kwargs)
        name = str(getattr(func, "__name__", ""))
        inside = name == "__setitem__" or (name.endswith("_") and not name.endswith("__"))
        for target in (*args[: int(inside and name not in _SAME)], kwargs.get("out")):
            if isinstance(target, Tensor):
                self.written[_storage(target)] = target
        several = isinstance(made, (tuple, list))
        for k, tensor in enumerate(made if several else (made,)):
            if not isinstance(tensor, Tensor) or inside or id(tensor) in self.noted:
                continue
            if any(part in name for part in _CHANCE):
                continue
            if tensor.is_meta or tensor.numel() <= _MOST_KEPT:
                call = str(resolve_name(func) or "").removeprefix("torch.")
                piece = k if several else None
                self.noted[id(tensor)] = _Noted(tensor, call, args, kwargs, piece)
        return made

    def call(self, tensor: Tensor) -> AuthorCall | None:
        """The call that makes a tensor; None where it isn't known."""
        try:
            return _Retold(self).tensor(tensor)
        except _UnknownError:
            return None


class _UnknownError(Exception):
    """It can't be said."""


class _Retold:
    """One tensor's making, told again."""

    def __init__(self, making: Making) -> None:
        self.making = making
        self.left = _MOST_CALLS

    def value(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self.tensor(value)
        if isinstance(value, (tuple, list)):
            return tuple(map(self.value, value))
        if isinstance(value, slice):
            ends = [value.start, value.stop, *([value.step] if value.step is not None else [])]
            if any(isinstance(end, Tensor) for end in ends):
                raise _UnknownError
            return Word(":".join("" if end is None else str(end) for end in ends))
        if isinstance(value, (torch.dtype, torch.memory_format)):
            return Word(str(value))
        if value is None or isinstance(value, (bool, int, float, str, EllipsisType)):
            return value
        raise _UnknownError

    def tensor(self, tensor: Tensor) -> AuthorCall:
        self.left -= 1
        noted = self.making.noted.get(id(tensor))
        known = None if tensor.is_meta else rule(tensor)
        if known is not None:
            return known
        if noted is None or self.left < 0 or _storage(tensor) in self.making.written:
            raise _UnknownError
        home, _, name = noted.call.rpartition(".")
        args = [each for each in noted.args if not isinstance(each, torch.device)]
        kwargs = {k: v for k, v in noted.kwargs.items() if k not in ("device", "requires_grad")}
        shape = tuple(tensor.shape)
        if name in _SAME or (name == "to" and len(args) == 1 and not kwargs):
            return self.tensor(args[0])
        if name == "__getitem__":
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            places = (self.tensor(args[0]), *map(self.value, index))
            return AuthorCall("operator.getitem", places, (), shape)
        said = tuple(self.value(each) for each in args)
        named = tuple((k, self.value(v)) for k, v in kwargs.items())
        if name == "__get__" and home == "Tensor.T" and len(shape) == 2:
            return AuthorCall("torch.t", said[:1], (), shape)
        if name == "__rpow__":
            return AuthorCall("torch.pow", (said[1], said[0]), (), shape)
        if name == "__rtruediv__":  # as PyTorch does it
            inverse = AuthorCall("torch.reciprocal", said[:1], (), shape)
            return AuthorCall("torch.mul", (inverse, said[1]), (), shape)
        homes = {"": "torch", "functional": "torch", "nn.functional": "F", "Tensor": "Tensor"}
        if name == "__get__" or (home not in homes and home not in ("fft", "linalg", "special")):
            raise _UnknownError
        target = _TURNED.get(name) or f"{homes.get(home, f'torch.{home}')}.{name}"
        call = AuthorCall(target, said, named, shape)
        if noted.piece is None:
            return call
        return AuthorCall("operator.getitem", (call, noted.piece), (), shape)


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def rule(tensor: Tensor) -> AuthorCall | None:
    """The call that makes a tensor of these very numbers; None where they are many without rule."""
    shape = tuple(tensor.shape)
    if tensor.is_meta or isinstance(tensor, FakeTensor):  # of which nobody knows the numbers
        return None
    if tensor.is_complex() or tensor.is_quantized or not tensor.numel():
        return None
    tensor = tensor.detach().cpu()
    dtype = Word(str(tensor.dtype))
    named = (("dtype", dtype),)
    first = tensor.flatten()[0].item()
    if first == first and bool((tensor == first).all()):
        return AuthorCall("torch.full", (shape, first), named, shape)
    if len(shape) == 2:
        one = torch.ones(shape, dtype=tensor.dtype)
        for name in ("tril", "triu"):
            if torch.equal(tensor, getattr(one, name)()):
                ones = AuthorCall("torch.ones", shape, named, shape)
                return AuthorCall(f"torch.{name}", (ones,), (), shape)
        if torch.equal(tensor, torch.eye(*shape, dtype=tensor.dtype)):
            return AuthorCall("torch.eye", shape, named, shape)
        found = _masked(tensor, named) or _summed(tensor, named)
        if found is not None:
            return found
    if len(shape) == 1 and len(tensor) > 2 and tensor.dtype != torch.bool:
        step = tensor[1].item() - first
        end = first + step * len(tensor)
        if float(step).is_integer() and float(first).is_integer():
            # With whole numbers, of which each is what it is said to be.
            counted = torch.arange(int(first), int(end), int(step) or 1, dtype=tensor.dtype)
            if torch.equal(tensor, counted):
                return AuthorCall("torch.arange", (int(first), int(end), int(step)), named, shape)
        last = tensor[-1].item()
        if tensor.is_floating_point() and torch.equal(
            tensor, torch.linspace(first, last, len(tensor), dtype=tensor.dtype)
        ):
            return AuthorCall("torch.linspace", (first, last, len(tensor)), named, shape)
    if prod(shape) > MOST_WRITTEN:
        return None
    return _listed(tensor, named)


def _listed(tensor: Tensor, named: Any) -> AuthorCall:
    return AuthorCall("torch.tensor", (_tuples(tensor.tolist()),), named, tuple(tensor.shape))


def _masked(tensor: Tensor, named: Any) -> AuthorCall | None:
    """A number above the diagonal and zeros elsewhere, as masks of what is later are."""
    shape = tuple(tensor.shape)
    last = tensor[0, -1].item()
    whole = torch.full(shape, last, dtype=tensor.dtype)
    if last and torch.equal(tensor, whole.triu(1)):
        return AuthorCall(
            "torch.triu", (AuthorCall("torch.full", (shape, last), named, shape), 1), (), shape
        )
    return None


def _summed(tensor: Tensor, named: Any) -> AuthorCall | None:
    """A number of each row and one of each column, as tables of relative positions are."""
    shape = tuple(tensor.shape)
    if tensor.dtype is not torch.int64 or max(shape) > MOST_WRITTEN or prod(shape) <= MOST_WRITTEN:
        return None
    rows, columns = tensor[:, :1], tensor[0] - tensor[0, 0]
    if not torch.equal(tensor, rows + columns):
        return None
    return AuthorCall("torch.add", (_listed(rows, named), _listed(columns, named)), (), shape)


def packed(tensor: Tensor) -> AuthorCall | None:
    """Numbers without a rule as text that is unpacked; None where it is long, or not known."""
    if tensor.is_meta or isinstance(tensor, FakeTensor) or tensor.is_quantized:
        return None
    tensor = tensor.detach().cpu()
    size = tensor.numel() * tensor.element_size()
    if size > _MOST_PACKED or tensor.dtype is torch.bfloat16:
        return None
    text = b64encode(compress(tensor.contiguous().numpy().tobytes(), 9)).decode()
    if len(text) > _MOST_TEXT:
        return None
    shape = tuple(tensor.shape)
    return AuthorCall("archcalc.unpacked", (text, Word(str(tensor.dtype)), shape), (), shape)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
