"""Performs an operator's ``Call``: makes the PyTorch module that it spells."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from archcalc.dims import Shape
from archcalc.errors import ArchcalcError
from archcalc.frontends.torch.source import require_torch as require_torch
from archcalc.operators.base import Operator
from archcalc.spec.unknown import DeclaredOperator, UnknownOperator

if TYPE_CHECKING:
    import torch

    from archcalc.spec.graph import Node


def require_built(node: Node) -> None:
    """Raise :class:`ArchcalcError` for a layer of which too little is known to build it."""
    op = node.op
    if isinstance(op, UnknownOperator | DeclaredOperator) and node.spelled is None:
        known = "its shape is" if isinstance(op, UnknownOperator) else "its shape and cost are"
        raise ArchcalcError(
            f"'{node.name}' is of an unknown operator, '{op.name}': {known} known and not what it "
            "computes, so that it can't be built\n"
            "  write it with operators that 'archcalc ops' lists, or leave it out; 'table' and "
            "'explain' need nothing built"
        )


def module(
    op: Operator,
    *inputs: Shape,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> torch.nn.Module:
    """The PyTorch module of ``op`` for inputs of these shapes, in training mode.

    Its ``forward`` takes the input tensors and returns the one output tensor; its parameters and
    buffers have the names and shapes of ``op.weights`` and ``op.buffers``. Raises what PyTorch
    raises, and :class:`ArchcalcError` when PyTorch is not installed.
    """
    require_torch()
    import torch

    from archcalc.pytorch import modules

    homes = {
        "nn": torch.nn,
        "F": torch.nn.functional,
        "torch": torch,
        "archcalc": modules,
    }
    call = op.torch(*inputs)
    attends = call.target == "archcalc.MultiheadAttention"
    home, _, name = ("nn.MultiheadAttention" if attends else call.target).partition(".")
    target = getattr(homes[home], name)
    # The context, because not every module takes device and dtype as arguments.
    with nullcontext() if device is None else torch.device(device):
        made: torch.nn.Module = (
            target(**call.kwargs)
            if isinstance(target, type)
            else modules.Function(target, call.kwargs)
        )
        if call.parametrization is not None:
            modules.parametrized(made, call.parametrization)
    if dtype is not None:
        made.to(dtype=dtype)
    # Hooks and not a module around this one, which would prefix the names of its parameters.
    if call.gather:
        made.register_forward_pre_hook(_gather)
    if attends:  # PyTorch's own, for those who know a module by its type
        made.register_forward_pre_hook(_attend, with_kwargs=True)
        made.register_forward_hook(partial(_item, 0))
    if call.unpack is not None:
        made.register_forward_hook(partial(_item, call.unpack))
    return made


def _attend(
    _module: Any, inputs: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """One input attends to itself; the weights of the attention are not returned."""
    return inputs * 3 if len(inputs) == 1 else inputs, {**kwargs, "need_weights": False}


def _gather(_module: Any, inputs: tuple[Any, ...]) -> tuple[list[Any]]:
    return (list(inputs),)


def _item(index: int, _module: Any, _inputs: Any, output: Any) -> Any:
    return output[index]
