"""What a PyTorch module does, as one list of operations, and what its nodes say of themselves."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import BuiltinFunctionType
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.utils._pytree import tree_leaves

from archcalc.frontends.torch.numbers import Making, packed
from archcalc.spec.graph import AuthorCall
from archcalc.values import Remembering


@dataclass(frozen=True)
class Held:
    """A tensor that the module holds: a parameter, a buffer, or a constant of its code."""

    name: str
    """Its first name in the module: ``layer1.0.conv1.weight``."""
    kind: str
    """``parameter``, ``buffer`` or ``constant``."""
    shape: tuple[int, ...]
    dtype: str = ""
    """``int64``; ``""`` for one of floating-point numbers."""


@dataclass(frozen=True)
class Capture(Remembering):
    """What a module does with inputs of given shapes."""

    graph: fx.Graph
    held: Mapping[str, Held]
    """Node -> the tensor that it stands for."""
    inputs: Mapping[str, str]
    """Node -> the name of the argument that it stands for."""
    outputs: Sequence[fx.Node]
    parameters: Mapping[str, tuple[int, ...]]
    """All parameters of the module, used or not, each once."""
    buffers: Mapping[str, tuple[int, ...]]
    classes: Mapping[str, str]
    """The way to a submodule -> its class, ``torch.nn.modules.conv.Conv2d``."""
    module: nn.Module | None
    """The module itself, if it is at hand."""
    how: str
    """In which way it was had."""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    """Node -> what a small constant of the module's code holds, in lists."""
    constants: Mapping[str, Tensor] = field(default_factory=dict)
    """The constants of the module's code themselves, by their names."""
    dtypes: Mapping[str, str] = field(default_factory=dict)
    """The way to a module whose weights are stored in another dtype -> that, ``qint8``."""
    making: Making | None = None
    """How its tensors were made, where that was watched."""
    called: bool = False
    """Whether who asks calls a lone input as its argument is called."""

    @cached_property
    def aliases(self) -> Mapping[str, str]:
        """Of modules that store something: any other way to one -> the first."""
        if self.module is None:
            return {}
        first = {id(inner): name for name, inner in self.module.named_modules()}
        return {
            name: first[id(inner)]
            for name, inner in self.module.named_modules(remove_duplicate=False)
            if first[id(inner)] != name and inner.state_dict(keep_vars=True)
        }

    @cached_property
    def tied(self) -> Mapping[str, str]:
        """Any other way to a parameter, or to a buffer that is saved -> the first, where no module
        is another's alias.
        """
        if self.module is None:
            return {}
        named = self.module.named_parameters, self.module.named_buffers
        first = {id(tensor): name for each in named for name, tensor in each()}
        return {
            name: first[id(tensor)]
            for each in named
            for name, tensor in each(remove_duplicate=False)
            if first[id(tensor)] != name and name.rpartition(".")[0] not in self.aliases
            if first[id(tensor)] not in self.unsaved
        }

    @cached_property
    def unsaved(self) -> frozenset[str]:
        """Buffers that ``state_dict`` leaves out."""
        if self.module is None:
            return frozenset()
        saved = self.module.state_dict(keep_vars=True)
        return frozenset(self.buffers) - saved.keys()

    def numbers_of(self, name: str, whole: bool = False) -> AuthorCall | None:
        """What makes a constant or a buffer that ``state_dict`` leaves out, if that is known.

        The ``whole`` of its numbers, where they are few and follow no rule.
        """
        tensor = self.constants.get(name)
        if tensor is None and self.module is not None and name in self.unsaved:
            tensor = self.module.get_buffer(name)
        if tensor is None:
            return None
        call = (self.making or Making()).call(tensor)
        return packed(tensor) if call is None and whole else call


def captured(
    graph: fx.Graph,
    held: Mapping[str, Held],
    inputs: Mapping[str, str],
    module: nn.Module,
    how: str,
) -> Capture:
    """The capture of a module that is at hand."""
    return Capture(
        graph,
        held,
        inputs,
        outputs_of(graph),
        *owned(module),
        {
            name: f"{type(inner).__module__}.{type(inner).__qualname__}"
            for name, inner in module.named_modules(remove_duplicate=False)
        },
        module,
        how,
    )


def owned(module: nn.Module) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """The parameters and the buffers of a module, each once."""
    return (
        {name: tuple(tensor.shape) for name, tensor in module.named_parameters()},
        {name: tuple(tensor.shape) for name, tensor in module.named_buffers()},
    )


def held_as(name: str, kind: str, tensor: Tensor) -> Held:
    """What is held of a tensor."""
    dtype = "" if tensor.is_floating_point() else str(tensor.dtype).removeprefix("torch.")
    return Held(name, kind, tuple(tensor.shape), dtype)


def known_of(module: nn.Module) -> dict[int, Held]:
    """Tensor -> what it is called first."""
    found = {}
    for kind, table in (
        ("parameter", module.named_parameters()),
        ("buffer", module.named_buffers()),
    ):
        for name, tensor in table:
            found[id(tensor)] = held_as(name, kind, tensor)
    return found


# Nodes --------------------------------------------------------------------------------------------


GETITEM = operator.getitem

SIGN = "archcalc_sign"
"""Whether a call is written with a sign, in what is noted beside it."""


def outputs_of(graph: fx.Graph) -> list[fx.Node]:
    """The tensors that a graph gives."""
    (last,) = [node for node in graph.nodes if node.op == "output"]
    return [leaf for leaf in tree_leaves(last.args) if isinstance(leaf, fx.Node)]


def stack(node: fx.Node) -> list[tuple[str, str, int]]:
    """The submodules that a node stands in, from the outermost: way, class, number of the call."""
    found = []
    for key, (path, kind) in (node.meta.get("nn_module_stack") or {}).items():
        name = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
        call = re.search(r"@(\d+)$", str(key))
        path = re.sub(r"@\d+$", "", path)
        found.append((path, name, int(call[1]) if call else 0))
    return found


def function_of(node: fx.Node) -> str:
    """The function of Python that a call is: ``F.relu``, ``torch.relu``, ``Tensor.add``.

    ``operator.add`` is a sign between two tensors. ``""`` where that isn't known.
    """
    kind, _, name = str((node.meta.get("torch_fn") or ("", ""))[1]).rpartition(".")
    if kind in ("method_descriptor", "wrapper_descriptor"):
        signed = (node.meta.get("custom") or {}).get(SIGN, True)
        return f"operator.{name}" if signed else f"Tensor.{name}"
    if kind == "builtin_function_or_method":
        same = getattr(functional, name, None)
        return f"F.{name}" if isinstance(same, BuiltinFunctionType) else f"torch.{name}"
    return f"F.{name}" if kind == "function" and hasattr(functional, name) else ""


def shape_of(node: fx.Node) -> Any:
    """The sizes of what a node gives, or a list of those of several; None for what is no tensor."""
    value = node.meta.get("val")
    if value is None and (said := node.meta.get("tensor_meta")) is not None:
        value = said
    return _shapes(value)


def dtype_of(node: fx.Node) -> torch.dtype | None:
    """Of which dtype a tensor is; None where that isn't known."""
    value = node.meta.get("val", node.meta.get("tensor_meta"))
    found: torch.dtype | None = getattr(value, "dtype", None)
    return found


def _shapes(value: Any) -> Any:
    if hasattr(value, "shape"):
        return tuple(int(n) for n in value.shape)
    if isinstance(value, (list, tuple)):
        return [_shapes(item) for item in value]
    return None
