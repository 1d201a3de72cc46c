"""The ways in which a module is followed, or else run."""

from __future__ import annotations

import inspect
import logging
import opcode
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from archcalc.errors import ArchcalcError
from archcalc.frontends.torch.captured import SIGN, Capture, captured, held_as, known_of
from archcalc.frontends.torch.checks import Checks, author
from archcalc.frontends.torch.program import read, settle_sizes


def _exported(module: nn.Module, args: Any, kwargs: Any, how: str = "") -> Capture:
    from torch.fx.traceback import preserve_node_meta

    with Checks(), _Numbers(), _Signs(), preserve_node_meta():
        program = torch.export.export(module, args, kwargs, strict=False)
    if _is_open(program.graph):
        raise ArchcalcError(_OPEN)
    return _whole(program, module, how or PLAIN)


def _boxed(module: nn.Module, args: Any, kwargs: Any) -> Capture:
    """A detector, which keeps as many boxes as its numbers say: with all that it may keep."""
    return _at_most(module, args, kwargs, f"{PLAIN} with all boxes that are kept at most", True)


def _at_most(
    module: nn.Module, args: Any, kwargs: Any, how: str = "", detector: bool = False
) -> Capture:
    from archcalc.frontends.torch.most import AtMost

    with AtMost() as mode:
        found = _exported(module, args, kwargs, how or AT_MOST)
    if detector and not mode.boxes:
        raise ArchcalcError("it sorts out no boxes")
    return found


class _Numbers(TorchFunctionMode):
    """Has numbers that an author writes out made where there are any, and brought to ``meta``."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call the function."""
        named = dict(kwargs or {})
        if func is torch.tensor and torch.device(named.get("device") or "cpu").type == "meta":
            device = named.pop("device")
            return func(*args, **named).to(device)
        return func(*args, **named)


class _Signs(TorchFunctionMode):
    """Notes where a sum or a product is written with a sign, ``a @ b``, and not by its name.

    PyTorch has one name for both; the instruction of the code that calls tells them apart.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call the function."""
        from torch.fx.traceback import annotate

        if getattr(func, "__name__", "") not in ("add", "mul", "matmul"):
            return func(*args, **(kwargs or {}))
        frame = author()
        signed = frame is not None and frame.f_code.co_code[frame.f_lasti] == _BINARY
        with annotate({SIGN: signed}):
            return func(*args, **(kwargs or {}))


_BINARY = opcode.opmap["BINARY_OP"]


def _strictly(module: nn.Module, args: Any, kwargs: Any) -> Capture:
    program = torch.export.export(module, args, kwargs, strict=True)
    if _is_open(program.graph):
        raise ArchcalcError(_OPEN)
    return _whole(program, module, STRICT)


def _drafted(module: nn.Module, args: Any, kwargs: Any) -> Capture:
    from torch.export import draft_export

    try:
        program: Any = draft_export(module, args, kwargs)
    finally:
        _close_trace()
    looked = any(each.failure_type.name == _LOOKED for each in program._report.failures)
    if has_no_numbers(module, args, kwargs) and (looked or _is_open(program.graph)):
        raise ArchcalcError(_OPEN)  # it takes them all for zero
    settle_sizes(program.graph)
    return _whole(program, module, DRAFT)


def _close_trace() -> None:
    """Close the file that a draft is traced to, which PyTorch leaves open where that fails."""
    for reference in [*getattr(logging, "_handlerList", ())]:
        handler = reference()
        if type(handler).__name__ == "CaptureStructuredTrace":
            handler.close()


def _whole(program: Any, module: nn.Module, how: str) -> Capture:
    if _is_mapped(program.graph, program.constants):
        raise ArchcalcError("torch.vmap hides an axis")
    return read(program, module, how)


_LOOKED = "DATA_DEPENDENT_ERROR"
"""What is told of a draft in which a number decided something."""


def _executed(module: nn.Module, args: Any, kwargs: Any) -> Capture:
    """Run on the CPU with numbers: what depends on them goes the way that they lead."""
    from torch.fx.experimental.proxy_tensor import make_fx

    tensors, rebuilt = _flat(args, kwargs)
    if has_no_numbers(module, args, kwargs):
        raise ArchcalcError("it has tensors without numbers, and can't be run")
    kept: list[Any] = []

    def run(*given: Tensor) -> Any:
        positional, named = rebuilt(given)
        kept[:] = [module(*positional, **named)]
        return [leaf for leaf in tree_leaves(kept[0]) if isinstance(leaf, Tensor)]

    def made_of(before: bool) -> fx.GraphModule:
        with Checks():
            return make_fx(run, pre_dispatch=before, _error_on_data_dependent_ops=False)(*tensors)

    made = made_of(before=True)
    if _is_mapped(made.graph, dict(made.named_buffers())):
        made = made_of(before=False)
    if _is_open(made.graph):
        raise ArchcalcError("it keeps tensors from call to call, and those have no numbers")
    held = {}
    constants = {}
    known = known_of(module)
    stored = {_place(t): known[id(t)] for t in _tensors(module) if id(t) in known and t.numel()}
    for node in made.graph.nodes:
        if node.op == "get_attr":
            value = getattr(made, str(node.target))
            if isinstance(value, Tensor):
                name = str(node.target).strip("_")
                # TorchScript makes a new object of a tensor for whoever asks.
                same = known.get(id(value)) or stored.get(_place(value))
                held[node.name] = same or held_as(name, "constant", value)
                constants[name] = value
    names = _argument_names(module, args, kwargs)
    placeholders = [node for node in made.graph.nodes if node.op == "placeholder"]
    inputs = {n.name: name for n, name in zip(placeholders, names, strict=True)}
    found = captured(made.graph, held, inputs, module, RUN)
    return replace(found, constants=constants)


PLAIN = "torch.export"
"""The way in which nearly all modules are had."""
BOXED = f"{PLAIN} with boxes"
STRICT = f"{PLAIN}, strictly"
DRAFT = f"{PLAIN}.draft_export"
RUN = "running it on the CPU"
AT_MOST = f"{PLAIN} with what depends on numbers at its largest"

WAYS: Mapping[str, Callable[[nn.Module, Any, Any], Capture]] = {
    PLAIN: _exported,
    BOXED: _boxed,
    STRICT: _strictly,
    DRAFT: _drafted,
    RUN: _executed,
    AT_MOST: _at_most,
}
"""What follows a module, or runs it: the last two but one go where its numbers lead."""


def has_no_numbers(module: nn.Module, args: Any, kwargs: Any) -> bool:
    """Whether a module can't be run, since its tensors have shapes alone."""
    inputs = _flat(args, kwargs)[0]
    return any(tensor.is_meta for tensor in (*_tensors(module), *inputs))


_OPEN = "sizes depend on numbers"


def _is_open(graph: fx.Graph) -> bool:
    """Whether a size in it is not known."""
    sizes = (
        size
        for node in graph.nodes
        for leaf in tree_leaves(node.meta.get("val"))
        if isinstance(leaf, Tensor)
        for size in leaf.shape
    )
    return any(isinstance(size, torch.SymInt) for size in sizes)


def _is_mapped(graph: fx.Graph, constants: Mapping[str, Any]) -> bool:
    """Whether ``torch.vmap`` hides an axis of what is in it: there is more to do than is seen."""
    return any("_add_batch_dim" in str(node.target) for node in graph.nodes) or any(
        isinstance(value, Tensor) and torch._C._functorch.is_functorch_wrapped_tensor(value)
        for value in constants.values()
    )


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def _place(tensor: Tensor) -> tuple[int, torch.Size]:
    """Where a tensor's numbers lie; nowhere if it stands for another."""
    try:
        return tensor.data_ptr(), tensor.shape
    except RuntimeError:
        return 0, tensor.shape


def _flat(args: Any, kwargs: Any) -> tuple[list[Tensor], Callable[[Sequence[Tensor]], Any]]:
    from torch.utils._pytree import tree_flatten, tree_unflatten

    leaves, spec = tree_flatten((args, kwargs))
    places = [k for k, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]

    def rebuilt(tensors: Sequence[Tensor]) -> Any:
        filled = list(leaves)
        for place, tensor in zip(places, tensors, strict=True):
            filled[place] = tensor
        return tree_unflatten(filled, spec)

    return [leaves[place] for place in places], rebuilt


def _argument_names(module: nn.Module, args: Any, kwargs: Any) -> list[str]:
    """A name for each tensor among the inputs: the argument's, and its place in it."""
    from torch.utils._pytree import tree_flatten_with_path

    try:
        signature = inspect.signature(module.forward)
        bound: Mapping[str, Any] = signature.bind(*args, **kwargs).arguments
    except (TypeError, ValueError):  # TorchScript has none
        bound = {**{f"input_{k}": value for k, value in enumerate(args)}, **kwargs}
    names = []
    for argument, value in bound.items():
        for path, leaf in tree_flatten_with_path(value)[0]:
            if isinstance(leaf, Tensor):
                parts = [argument, *(re.sub(r"\W", "", str(key)) for key in path)]
                names.append("_".join(filter(None, parts)))
    return names
