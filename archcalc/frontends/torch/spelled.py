"""Calls as their author makes them, for what archcalc has no operator for."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, fx
from torch.nn import functional

from archcalc.frontends.torch.aten.call import name_of
from archcalc.frontends.torch.captured import GETITEM, shape_of
from archcalc.spec.graph import AuthorCall, Taken, Word

MOST = 64
"""Calls within one another, beyond which nobody would read them."""

_DROPPED = ("device", "layout", "pin_memory", "memory_format", "generator", "copy", "non_blocking")
"""Arguments that say nothing of the numbers."""

_HERE = "device", Word("{0}.device")
"""Where the first tensor that the layer takes is."""

_SAME = frozenset(("lift_fresh_copy", "lift_fresh", "detach", "clone", "alias", "contiguous"))
"""Calls that give what they are given."""


class _OtherError(Exception):
    """It can't be said."""


def spelled(
    node: fx.Node,
    taken: Mapping[fx.Node, int],
    known: Mapping[str, Any],
    now: Callable[[fx.Node, fx.Node], fx.Node] = lambda node, before: node,
    more: Callable[[fx.Node], int | None] = lambda node: None,
) -> AuthorCall | None:
    """A call of these tensors; what it takes besides is a call again. None if it can't be said.

    ``more`` is asked for the number of any other.
    ``known`` are the numbers of the constants of the author's code, by their nodes; ``now`` is what
    stands for a tensor after what was written into it before a call.
    """
    speller = _Speller(taken, known, now, more)
    try:
        return speller.call(node)
    except _OtherError:
        return None


class _Speller:
    def __init__(
        self,
        taken: Mapping[fx.Node, int],
        known: Mapping[str, Any],
        now: Callable[[fx.Node, fx.Node], fx.Node],
        more: Callable[[fx.Node], int | None],
    ) -> None:
        self.taken = taken
        self.known = known
        self.now = now
        self.more = more
        self.left = MOST

    def call(self, node: fx.Node) -> AuthorCall:
        self.left -= 1
        if node.name in self.known:
            said = self.known[node.name]
            dtype = Word(str(node.meta["val"].dtype))
            named = ("dtype", dtype), _HERE
            return AuthorCall("torch.tensor", (_tuples(said),), named, _shape(node))
        if node.op != "call_function" or self.left < 0:
            raise _OtherError
        schema = getattr(node.target, "_schema", None)
        if self.is_like(node):
            return self.alone(node)
        names = [each.name for each in schema.arguments] if schema is not None else []
        places = zip_longest(node.args, names[: len(node.args)])
        args = [self.argument(*each, node) for each in places]
        if node.target is GETITEM:
            return AuthorCall("operator.getitem", tuple(args), (), _shape(node))
        if schema is None:
            raise _OtherError
        kwargs = {k: self.value(v, node) for k, v in node.kwargs.items() if k not in _DROPPED}
        target = _target(name_of(node), str(node.target), [*names[: len(args)]])
        if name_of(node) == "affine_grid_generator" and isinstance(args[1], tuple):
            args[1] = (Word("len({0})"), *args[1][1:])  # a grid for each sample
        if name_of(node) == "view_as_complex":  # which looks at where numbers lie
            args[0] = AuthorCall("Tensor.contiguous", (args[0],), (), (*_shape(node), 2))
        tensors = isinstance(args[0] if args else None, (AuthorCall, Taken))
        if not tensors and any(each.name == "device" for each in schema.arguments):
            kwargs.update([_HERE])
        return AuthorCall(target, tuple(args), tuple(kwargs.items()), _shape(node))

    def worked_out(self, value: Any) -> Any:
        """What is made of the constants of the author's code alone."""
        if isinstance(value, (list, tuple)):
            return [self.worked_out(each) for each in value]
        if not isinstance(value, fx.Node):
            return value
        if value.name in self.known:
            return torch.tensor(self.known[value.name], dtype=value.meta["val"].dtype)
        if value.op != "call_function":
            raise _OtherError
        given = [self.worked_out(each) for each in value.args]
        named = {name: self.worked_out(each) for name, each in value.kwargs.items()}
        assert callable(value.target)
        return value.target(*given, **named)

    def is_like(self, node: fx.Node) -> bool:
        """Whether a call makes numbers that rest on nothing of a tensor but what it is of."""
        name = name_of(node)
        like = name.startswith("new_") or name in _LIKE
        return like and isinstance(node.args[0], fx.Node) and node.args[0] not in self.taken

    def alone(self, node: fx.Node) -> AuthorCall:
        """What is made as another tensor is, ``x.new_ones(3)``, without that."""
        word = name_of(node).removeprefix("new_").removesuffix("_like")
        values = (self.value(node.args[-1], node),) if word == "full" else ()
        dtype = "dtype", Word(str(node.meta["val"].dtype))
        target = "torch.zeros" if word == "empty" else f"torch.{word}"
        return AuthorCall(target, (_shape(node), *values), (dtype, _HERE), _shape(node))

    def argument(self, value: Any, name: str | None, call: fx.Node) -> Any:
        """The same, by its place: another machine has other devices."""
        return _HERE[1] if name == "device" and value is not None else self.value(value, call)

    def value(self, value: Any, call: fx.Node) -> Any:
        """An argument of a call."""
        if isinstance(value, fx.Node):
            if value in self.taken:
                return Taken(self.taken[value], _shape(value))
            value = self.now(value, call)
            number = self.more(value)
            if number is not None:
                return Taken(number, _shape(value))
            if name_of(value) in ("item", "_local_scalar_dense"):
                return self.worked_out(value)
            is_same = value.op == "call_function" and name_of(value).rstrip("_") in _SAME
            return self.value(value.args[0], value) if is_same else self.call(value)
        if isinstance(value, (list, tuple)):
            return tuple(self.value(each, call) for each in value)
        if isinstance(value, torch.dtype):
            return Word(str(value))
        if value is None or isinstance(value, (bool, int, float, complex, str)):
            return value
        raise _OtherError


_LIKE = ("zeros_like", "ones_like", "full_like", "empty_like")


def _shape(node: fx.Node) -> tuple[int, ...]:
    shape = shape_of(node)
    return tuple(shape) if isinstance(shape, tuple) else ()


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _target(name: str, whole: str, given: Sequence[str]) -> str:
    """The function of Python that has an operator's arguments, or else the operator.

    ``given`` are the names of those that are told by their places.
    """
    plain = re.sub(r"(?<=[a-z0-9])_$", "", name)  # what writes into its first argument
    home, _, last = plain.partition("_")
    if not whole.startswith("aten."):
        return f"torch.ops.{whole.partition('.')[0]}.{name}"
    if home in ("fft", "linalg", "special") and hasattr(getattr(torch, home), last):
        return f"torch.{home}.{last}"
    if plain in ("index", "slice", "select"):
        return f"operator.{plain}"
    if whole in ("aten.view.default", "aten._unsafe_view.default"):
        return "Tensor.reshape"  # since what is taken may lie otherwise in memory
    plain = {"mH": "adjoint", "matrix_H": "adjoint"}.get(plain, plain)
    if _takes(getattr(torch, plain, None), given):
        return f"torch.{plain}"
    if not hasattr(torch, plain) and callable(getattr(Tensor, plain, None)):  # and no property: mT
        return f"Tensor.{plain}"
    return (
        f"F.{plain}"
        if _takes(getattr(functional, plain, None), given)
        else f"torch.ops.aten.{plain}"
    )


def _takes(function: Any, given: Sequence[str]) -> bool:
    """Whether a function takes an operator's arguments in their places.

    Those that are written in Python may have others: ``torch.stft`` has.
    """
    if not isinstance(function, FunctionType):
        return function is not None
    own = inspect.signature(function).parameters.values()
    if any(each.kind is each.VAR_POSITIONAL for each in own):
        return True
    names = ["self" if each.name == "input" else each.name for each in own]
    return names[: len(given)] == ["self" if name == "input" else name for name in given]
