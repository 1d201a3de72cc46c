"""Modules that ``torch.ao.quantization`` made, which keep their weights packed, out of sight.

A quantized module has no parameters: its weight and bias are one object that only its operators
look into. It does what a module of ``torch.nn`` does, on as many numbers, each in fewer bits; with
that one in its place a network is followed, named and counted as any other.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

_HOMES = tuple(
    f"torch.ao.nn.{home}."
    for home in (
        "quantized.modules",
        "quantized.dynamic.modules",
        "intrinsic.quantized.modules",
        "intrinsic.quantized.dynamic.modules",
    )
)
"""Where such modules are defined."""

_BETWEEN = ("Quantize", "DeQuantize")
"""What only brings numbers from one form to another."""

_AFTER = ("LeakyReLU", "ReLU", "Tanh")
"""What may be done at once with what a module gives: ``ConvReLU2d``."""

_FORM = ("device", "dtype", "mode")
"""Arguments that say no size."""


def plain(module: nn.Module) -> tuple[nn.Module, str]:
    """A module with plain ones in the place of quantized ones, and of which dtypes these have
    their weights, ``qint8, float16``; ``""`` where there are none.

    They are put into the module itself: it is for the caller to put back what was there.
    """
    dtypes: dict[str, None] = {}
    module = _twin(module, dtypes)
    for inner in list(module.modules()):
        if not isinstance(inner, torch.jit.ScriptModule):
            for name, child in inner._modules.items():
                if child is not None:
                    inner._modules[name] = _twin(child, dtypes)
    return module, ", ".join(dtypes)


def _twin(module: nn.Module, dtypes: dict[str, None]) -> nn.Module:
    """The module of plain numbers that does what a quantized one does; itself where none does."""
    kind = type(module)
    if not f"{kind.__module__}.".startswith(_HOMES):  # somebody's own may do otherwise
        return module
    if kind.__name__ in _BETWEEN:
        return nn.Identity()
    if kind.__name__ == "QFunctional":
        return torch.ao.nn.quantized.FloatFunctional()
    base = next((each.__name__ for each in kind.__mro__ if hasattr(nn, each.__name__)), "")
    if not base or any("quantizable" in each.__module__ for each in kind.__mro__):
        return module  # of several modules, which are looked at one by one
    name = kind.__name__.replace("BN", "BatchNorm")
    after = next((word for word in ("", *_AFTER) if name.replace(word, "", 1) == base), None)
    if after is None:
        return module
    dtype = _dtype(module)
    if dtype is not None:
        dtypes[str(dtype).removeprefix("torch.")] = None
    made = _made(getattr(nn, base), module)
    return nn.Sequential(made, _made(getattr(nn, after), module)) if after else made


def _dtype(module: Any) -> torch.dtype | None:
    """Of which dtype a module has its weights packed; None where it has none so."""
    packed = getattr(module, "_packed_params", None)
    for holder, name in ((module, "weight_dtype"), (module, "dtype"), (packed, "dtype")):
        found = getattr(holder, name, None)
        if isinstance(found, torch.dtype):
            return found
    weight = getattr(module, "weight", None)
    return weight().dtype if callable(weight) and not isinstance(weight, Tensor) else None


def _made(kind: Any, module: Any) -> nn.Module:
    """A module of a class, with what another has by the names of its arguments."""
    names: dict[str, None] = {}
    for each in kind.__mro__:
        own = inspect.signature(each.__init__).parameters.values()
        names |= dict.fromkeys(p.name for p in own if p.kind is p.POSITIONAL_OR_KEYWORD)
        if all(p.kind is not p.VAR_KEYWORD for p in own):
            break
    said = {}
    for name in names.keys() - {"self", *_FORM}:
        value = getattr(module, name, None)
        if inspect.ismethod(value):  # that gives the tensor
            value = value() is not None
        if value is not None:
            said[name] = value
    with torch.device("meta"):
        made: nn.Module = kind(**said)
    return made.to_empty(device="cpu")
