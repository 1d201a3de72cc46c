"""Networks whose numbers are quantized: packed weights, which are out of sight, and casts.

A module that ``torch.ao.quantization`` made has no parameters: its weight and bias are one object
that only its operators look into. It does what a module of ``torch.nn`` does, on as many numbers,
each in fewer bits; with that one in its place a network is followed, named and counted as any
other. So it is with weights that are tensors of a class of their own, as torchao's are, and with
what only watches numbers or rounds them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

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

_WATCHING = ("ObserverBase", "FakeQuantizeBase")
"""Classes of what looks at numbers to learn how they are to be rounded, or rounds them."""

_FORM = ("device", "dtype", "mode")
"""Arguments that say no size."""


class _Watched(nn.Identity):
    """In the place of what watches numbers: it only has what that stores."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._buffers.update(module._buffers)
        self._parameters.update(module._parameters)
        for name, child in module.named_children():
            self.add_module(name, _Watched(child))


def plain(module: nn.Module) -> tuple[nn.Module, Mapping[str, str]]:
    """A module with plain ones in the place of quantized ones, and of which dtypes these have
    their weights, ``qint8``, by the ways to them.

    They are put into the module itself: it is for the caller to put back what was there.
    """
    dtypes: dict[str, str] = {}
    module = _twin(module, "", dtypes)
    for way, inner in list(module.named_modules()):
        if isinstance(inner, torch.jit.ScriptModule):
            continue
        for name, child in inner._modules.items():
            if child is not None:
                inner._modules[name] = _twin(child, f"{way}.{name}" if way else name, dtypes)
        for name, tensor in inner._parameters.items():
            if isinstance(tensor, Tensor) and _has_parts(tensor):
                dtypes[way] = _inside(tensor)
                inner._parameters[name] = _as_plain(tensor)
    return module, dtypes


def _has_parts(tensor: Tensor) -> bool:
    """Whether a tensor is of a class of its own, which keeps others."""
    return bool(is_traceable_wrapper_subclass(tensor))


def _as_plain(tensor: Tensor) -> nn.Parameter:
    made = torch.empty(tensor.shape, dtype=tensor.dtype, device=tensor.device)
    return nn.Parameter(made, requires_grad=False)


def _inside(tensor: Any) -> str:
    """The dtype of most of what a tensor of a class of its own keeps."""
    parts = [getattr(tensor, name) for name in tensor.__tensor_flatten__()[0]]
    largest = max(parts, key=lambda part: part.numel())
    return str(largest.dtype).removeprefix("torch.")


def _twin(module: nn.Module, way: str, dtypes: dict[str, str]) -> nn.Module:
    """The module of plain numbers that does what a quantized one does; itself where none does."""
    kind = type(module)
    if any(each.__name__ in _WATCHING for each in kind.__mro__):
        return _Watched(module) if kind.__module__.startswith(("torch.ao.", "torchao.")) else module
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
        dtypes[way] = str(dtype).removeprefix("torch.")
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


# What an author calls ---------------------------------------------------------------------------


class Plainly(TorchFunctionMode):
    """Does with plain numbers what is called with quantized ones, and rounds none."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call the function, or what it does with plain numbers."""
        kwargs = dict(kwargs or {})
        name = str(getattr(func, "__name__", ""))
        if (
            name in _ROUNDING
            and isinstance((args or [None])[0], Tensor)
            and not args[0].is_quantized
        ):
            return args[0]
        way = str(getattr(func, "_qualified_op_name", ""))
        does = _DOES.get(way.removeprefix("quantized::")) if way.startswith("quantized::") else None
        return func(*args, **kwargs) if does is None else does(*args, **kwargs)


_ROUNDING = (
    *("quantize_per_tensor", "quantize_per_channel", "quantize_per_tensor_dynamic"),
    "dequantize",
)


def _then(does: Callable[..., Any], after: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: after(does(*args, **kwargs))


def _two(does: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """A function of two operands, behind which it is said how the result is rounded."""
    return lambda a, b, *_rounding, **_named: does(a, b)


def _one(does: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda a, *_rounding, **_named: does(a)


_DOES: dict[str, Callable[..., Any]] = {
    "add": _two(torch.add),
    "mul": _two(torch.mul),
    "add_scalar": _two(torch.add),
    "mul_scalar": _two(torch.mul),
    "matmul": _two(torch.matmul),
    "cat": lambda tensors, dim, *_rounding, **_named: torch.cat(tensors, dim),
    "hardswish": _one(functional.hardswish),
    "sigmoid": _one(torch.sigmoid),
    "softmax": lambda x, dim, *_rounding, **_named: torch.softmax(x, dim),
    "leaky_relu": lambda x, slope, *_rounding, **_named: functional.leaky_relu(x, slope),
    "elu": _one(functional.elu),
    "celu": _one(functional.celu),
    "relu6": _one(functional.relu6),
    "layer_norm": lambda x, shape, weight, bias, eps, *_rounding, **_named: functional.layer_norm(
        x, shape, weight, bias, eps
    ),
    "group_norm": lambda x, groups, weight, bias, eps, *_rounding, **_named: functional.group_norm(
        x, groups, weight, bias, eps
    ),
}
_DOES |= {f"{name}_relu": _then(_DOES[name], torch.relu) for name in ("add", "mul", "cat")}
"""What operators of ``torch.ops.quantized`` compute."""
