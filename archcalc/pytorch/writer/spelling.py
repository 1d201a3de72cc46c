"""PyTorch's spelling of an operator as a programmer writes it, without what is not needed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from archcalc.operators.base import Call
from archcalc.pytorch.writer.calls import MARK, filled
from archcalc.pytorch.writer.code import Bracket, Code, Joined, flat, literal

HELD = ("nn.Parameter", "nn.Buffer")
"""What is no module, and stands in one as if it were."""

_EVEN = frozenset(
    ("kernel_size", "stride", "padding", "dilation", "output_padding", "output_size")
) | {"normalized_shape"}
"""Arguments where one number stands for as many equal ones as there are axes."""

_FUNCTION_DEFAULTS: dict[str, dict[str, Any]] = {
    "torch.cat": {"dim": 0},
    "torch.stack": {"dim": 0},
    "torch.split": {"dim": 0},
    "torch.mean": {"keepdim": False},
    "torch.amax": {"keepdim": False},
    "F.scaled_dot_product_attention": {"is_causal": False},
    "nn.Parameter": {"dtype": ""},
    "nn.Buffer": {"persistent": True, "dtype": "", "numbers": None},
    "F.pad": {"mode": "constant", "value": 0.0},
}
"""What functions written in C++ don't tell of themselves."""

_OPERATORS = {"torch.add": "+", "torch.sub": "-", "torch.mul": "*", "torch.matmul": "@"}
_SEVERAL = {"archcalc.Add": "+", "archcalc.Mul": "*"}


def target_of(call: Call) -> str:
    """What is written for the target: PyTorch's own attention does what ours does."""
    if call.target == "archcalc.MultiheadAttention":
        return "nn.MultiheadAttention"
    return call.target


def is_module(call: Call) -> bool:
    """Whether a module is made of it; otherwise it is written where it is used."""
    target = target_of(call)
    if target.startswith("archcalc."):
        return target not in (*_SEVERAL, *_INDEXING) and not (
            target == "archcalc.Crop" and call.kwargs
        )
    return target.startswith("nn.")


@cache
def _parameters(target: str) -> Mapping[str, inspect.Parameter]:
    """The parameters of a class or function, those that are passed on to its bases included."""
    import torch

    from archcalc.pytorch import modules

    home, _, name = target.partition(".")
    if target in HELD or target.startswith(MARK):
        return {}
    homes: dict[str, Any] = {
        "nn": torch.nn,
        "F": torch.nn.functional,
        "torch": torch,
        "archcalc": modules,
    }
    found = getattr(homes[home], name)
    if not isinstance(found, type):
        try:
            return inspect.signature(found).parameters
        except ValueError:
            return {}
    parameters: dict[str, inspect.Parameter] = {}
    for cls in reversed(found.__mro__[:-1]):
        if "__init__" in vars(cls) and cls is not torch.nn.Module:
            own = dict(list(inspect.signature(vars(cls)["__init__"]).parameters.items())[1:])
            if cls is torch.nn.RNNBase:  # its classes pass on everything but this
                own.pop("mode")
            passed_on = any(p.kind is p.VAR_KEYWORD for p in own.values())
            kept = parameters if passed_on else {}
            parameters = {**own, **{k: v for k, v in kept.items() if k not in own}}
    return {
        name: p for name, p in parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    }


def plain(name: str, value: Any) -> Any:
    """A value with one number where it is the same for every axis."""
    if name in _EVEN and isinstance(value, (tuple, list)) and value:
        first = value[0]
        if all(type(item) is int and item == first for item in value):
            return first if name != "normalized_shape" or len(value) == 1 else tuple(value)
    return tuple(value) if isinstance(value, list) else value


class Argument(NamedTuple):
    """An argument of a call."""

    name: str
    value: Any
    positional: bool
    told: bool
    """Whether it must be written: it is not what PyTorch takes anyway."""


PARAMETRIZATION = "parametrization"
"""Told with the arguments of a module, and no argument: the function that it is given to."""
PARAMETRIZED = "parametrized"
"""A function of ours that is given a module and the name of such a function."""
EACH_WEIGHT = "each_weight"
"""One that is given a module of several weights and such a function."""
UNPACKED = "unpacked"
"""One that gives the numbers of a text."""


def arguments(call: Call) -> list[Argument]:
    """The arguments of a call in the order in which PyTorch has them."""
    target = target_of(call)
    parameters = _parameters(target)
    defaults = _FUNCTION_DEFAULTS.get(target, {})
    # Modules of our own take what they are given, PyTorch's a number for every axis.
    own = target.startswith("archcalc.") and "PaddedConv" not in target
    even = (lambda _, value: value) if own else plain
    kwargs = {name: even(name, value) for name, value in call.kwargs.items()}
    found = []
    leading = True
    order = [*(n for n in parameters if n in kwargs), *(n for n in kwargs if n not in parameters)]
    for name in order:
        value = kwargs[name]
        parameter = parameters.get(name)
        default = defaults.get(name, inspect.Parameter.empty)
        if parameter is not None and default is inspect.Parameter.empty:
            default = parameter.default
        told = type(default) is not type(value) or default != value
        if default is None and value is None:
            told = False
        if isinstance(default, float) and isinstance(value, int):
            told = float(value) != default
        if isinstance(default, (tuple, list)) and plain(name, default) == value:
            told = False
        if name == "stride" and "Pool" in target and value == kwargs.get("kernel_size"):
            told = not (target.startswith("nn.") and parameter is not None)
        if name in ("kdim", "vdim") and value == kwargs.get("embed_dim"):
            told = False
        required = (
            parameter is not None
            and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
            and parameter.default is parameter.empty
            and name != "kernel_size"
        )
        leading = leading and required
        found.append(Argument(name, value, leading, told))
    if call.parametrization is not None:
        found.append(Argument(PARAMETRIZATION, call.parametrization, False, True))
    return found


def is_batched(shape: Sequence[int]) -> bool:
    """Whether a tensor that is held has an axis of 1 in the batch's place."""
    return len(shape) > 1 and shape[0] == 1


class Expression(NamedTuple):
    """A piece of a forward pass."""

    code: Code
    atom: bool = True
    """Whether a dot may follow it."""
    depth: int = 0
    """How many calls stand within one another."""
    held: bool = False
    """Whether it is a tensor of the module itself."""

    @property
    def text(self) -> str:
        return flat(self.code)

    @property
    def dotted(self) -> str:
        return self.text if self.atom else f"({self.text})"


Texts = Mapping[str, str]


def _slice(texts: Texts, x: Expression, call: Call) -> str:
    start, end, step = (texts[name] for name in ("start", "end", "step"))
    start, end = "" if start in ("None", "0") else start, "" if end == "None" else end
    step = "" if step in ("1", "None") else step
    if all(part.removeprefix("-").isalnum() or not part for part in (start, end, step)):
        cut = f"{start}:{end}" + (f":{step}" if step else "")
    else:  # as ruff and Black space what is more than a name or a number
        cut = f"{start} :" if start else ":"
        cut += f" {end}" if end else ""
        cut += f"{' ' if end else ''}: {step}" if step else ""
    return _indexed(x, call.kwargs["dim"], cut)


def _select(texts: Texts, x: Expression, call: Call) -> str:
    index, written = call.kwargs["index"], texts["index"]
    if not isinstance(index, tuple):
        return _indexed(x, call.kwargs["dim"], written)
    if written == literal(index):
        if index == tuple(range(index[0], index[0] + len(index))):
            return _indexed(x, call.kwargs["dim"], f"{index[0] or ''}:{index[-1] + 1}")
        written = f"[{', '.join(map(str, index))}]"
    else:
        written = f"list({written})"
    return _indexed(x, call.kwargs["dim"], written)


def _indexed(x: Expression, dim: int, index: str) -> str:
    if dim < 0:
        return f"{x.dotted}[{', '.join(['...', index, *[':'] * (-1 - dim)])}]"
    return f"{x.dotted}[{', '.join([':'] * dim + [index])}]"


def _crop(texts: Texts, x: Expression, call: Call) -> str:
    cuts = [
        f"{before or ''}:{-after if after else ''}" for before, after in call.kwargs["cropping"]
    ]
    return f"{x.dotted}[{', '.join([':', ':', *cuts])}]"


_INDEXING: dict[str, Callable[[Texts, Expression, Call], str]] = {
    "archcalc.Slice": _slice,
    "archcalc.Select": _select,
    "torch.select": _select,
}


def spread(call: Call) -> frozenset[str]:
    """Arguments that are written item by item."""
    return frozenset({"torch.reshape": ("shape",), "torch.permute": ("dims",)}.get(call.target, ()))


def applied(call: Call, texts: Texts, operands: Sequence[Expression]) -> Expression:
    """A function's call on operands. ``texts`` are its arguments as they are written."""
    target = call.target
    depth = 1 + max((operand.depth for operand in operands), default=0)
    if target.startswith(MARK):
        return Expression(filled(target, [(o.dotted, o.held) for o in operands]), True, depth)
    first = operands[0]
    # What is the default here, and something else in another place, is the class's to say.
    told = {a.name for a in arguments(call) if a.told or "self." in texts.get(a.name, "")}
    item = "" if call.unpack is None else f"[{texts['unpack']}]"
    if target in _INDEXING or target == "archcalc.Crop":
        return Expression(_INDEXING.get(target, _crop)(texts, first, call), True, first.depth)
    symbol = _OPERATORS.get(target) or _SEVERAL.get(target)
    if symbol is not None and (target in _SEVERAL or not call.kwargs):
        loose = symbol == "+"
        parts = [
            o.text if o.atom or (loose and not k) else f"({o.text})" for k, o in enumerate(operands)
        ]
        return Expression(Joined(parts, symbol), False, depth - 1)
    keywords: list[Code] = [f"{name}={texts[name]}" for name in call.kwargs if name in told]
    if call.gather:
        listed = Bracket("[", [operand.code for operand in operands], "]")
        if len(operands) == 1 and operands[0].text.startswith("*"):
            inner = operands[0].text
            listed = Bracket("[", [inner[2:-1] if inner.startswith("*(") else inner], "]")
        code: Code = Bracket(f"{target}(", [listed, *keywords])
        return Expression(code, True, depth)
    if target in ("torch.reshape", "torch.permute"):
        (name,) = spread(call)
        return Expression(f"{first.dotted}.{target[6:]}({texts[name]})", True, depth)
    if target in ("torch.mean", "torch.amax", "torch.split"):
        written = ", ".join(map(flat, keywords))
        written = written.replace("split_size_or_sections=", "")
        return Expression(f"{first.dotted}.{target[6:]}({written}){item}", True, depth)
    values: list[Code] = [operand.code for operand in operands]
    if target == "F.pad" and "pad" in told:
        keywords = [f"{texts['pad']}", *keywords[1:]]
    return Expression(Bracket(f"{target}(", [*values, *keywords], f"){item}"), True, depth)


def called(call: Call, module: str, operands: Sequence[Expression]) -> Expression:
    """The call of a module on operands."""
    depth = 1 + max((operand.depth for operand in operands), default=0)
    if call.target in HELD:
        shape = call.kwargs["shape"]
        axes = shape[1:] if is_batched(shape) else shape
        kept = ", ".join(["-1"] * len(axes) or ["1"])
        return Expression(f"{module}.expand(len({operands[0].text}), {kept})", True, depth)
    item = "" if call.unpack is None else f"[{call.unpack}]"
    values: list[Code] = [operand.code for operand in operands]
    if call.target == "archcalc.MultiheadAttention":
        if len(values) == 1:
            values *= 3
        values, item = [*values, "need_weights=False"], "[0]"
    if call.gather:
        values = [Bracket("[", values, "]")]
    return Expression(Bracket(f"{module}(", values, f"){item}"), True, depth)
