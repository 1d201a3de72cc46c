"""Operators that archcalc lacks, taken apart into those of which PyTorch makes them.

``torch.hstack`` joins, ``torch.tensordot`` multiplies two matrices: PyTorch says so itself, in what
it calls implicit composites and decompositions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils._pytree import tree_map

from archcalc.frontends.torch.aten.read import is_known
from archcalc.frontends.torch.captured import GETITEM, dtype_of, shape_of

_DEEPEST = 4
"""Steps within steps that are looked into."""


def take_apart(graph: fx.Graph) -> None:
    """Put steps that are known in the place of calls that are not; leave all others as they are."""
    for node in list(graph.nodes):
        if node.op == "call_function" and node.target is not GETITEM and not is_known(node):
            steps = _steps(node, _DEEPEST)
            if steps is not None:
                _inline(graph, node, steps)


def _steps(node: fx.Node, depth: int) -> fx.Graph | None:
    """A graph of known calls that gives what a call gives; None where there is none."""
    way = _way(node.target)
    if way is None or depth == 0:
        return None
    given = [each for each in node.all_input_nodes if isinstance(shape_of(each), tuple)]
    if len(given) != len(node.all_input_nodes):
        return None

    def call(*tensors: Tensor) -> Any:
        known = dict(zip(given, tensors, strict=True))
        args: Any = fx.node.map_arg(node.args, lambda each: known[each])
        kwargs: Any = fx.node.map_arg(node.kwargs, lambda each: known[each])
        return way(*args, **kwargs)

    from torch.fx.experimental.proxy_tensor import make_fx

    tensors = [torch.empty(shape_of(n), dtype=dtype_of(n), device="meta") for n in given]
    try:
        made = make_fx(call)(*tensors)
    except Exception:  # what needs numbers, or another device
        return None
    for inner in list(made.graph.nodes):
        if inner.op == "get_attr":
            return None
        if inner.op != "call_function" or inner.target is GETITEM or is_known(inner):
            continue
        further = None if inner.target is node.target else _steps(inner, depth - 1)
        if further is None:
            return None
        _inline(made.graph, inner, further)
    return made.graph


def _way(target: Any) -> Callable[..., Any] | None:
    """PyTorch's own steps of an operator that writes into nothing."""
    if not isinstance(target, torch._ops.OpOverload) or target._schema.is_mutable:
        return None
    name = target._schema.name + f".{target._overloadname}".removesuffix(".default")
    if torch._C._dispatch_has_kernel_for_dispatch_key(name, "CompositeImplicitAutograd"):
        return target.decompose
    from torch._decomp import decomposition_table

    return decomposition_table.get(target)


def _inline(graph: fx.Graph, node: fx.Node, steps: fx.Graph) -> None:
    """Put steps in the place of a call."""
    holders = [each for each in steps.nodes if each.op == "placeholder"]
    given = dict(zip(holders, node.all_input_nodes, strict=True))
    before = set(graph.nodes)
    with graph.inserting_before(node):
        made = graph.graph_copy(steps, given)
    home = {k: v for k, v in node.meta.items() if k in ("nn_module_stack", "stack_trace", "custom")}
    for each in graph.nodes:
        if each not in before:
            value = each.meta.get("val", each.meta.get("tensor_meta"))
            each.meta = {**home, "val": tree_map(_without_numbers, value)}
    if isinstance(made, fx.Node):
        node.replace_all_uses_with(made)
    else:
        results: Any = made
        for user in list(node.users):
            index: Any = user.args[1]
            user.replace_all_uses_with(results[index])
            graph.erase_node(user)
    graph.erase_node(node)


def _without_numbers(value: Any) -> Any:
    if not hasattr(value, "shape"):
        return value
    return torch.empty(tuple(value.shape), dtype=value.dtype, device="meta")
