"""A program that ``torch.export`` made, as a capture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils._pytree import tree_map

from archcalc.frontends.torch.captured import (
    GETITEM,
    Capture,
    Held,
    captured,
    held_as,
    known_of,
    outputs_of,
    stack,
)

MOST_NUMBERS = 256
"""Of a constant that is written with its numbers."""


def read(program: torch.export.ExportedProgram, module: nn.Module | None, how: str) -> Capture:
    """The capture that an exported program holds; without its module, by the program's own word."""
    from torch.export.graph_signature import InputKind

    _inline(program.graph, program.graph_module)
    kinds = {
        InputKind.PARAMETER: "parameter",
        InputKind.BUFFER: "buffer",
        InputKind.CONSTANT_TENSOR: "constant",
    }
    known = _by_name(module) if module is not None else _stored(program)
    held: dict[str, Held] = {}
    inputs: dict[str, str] = {}
    nodes = {node.name: node for node in program.graph.nodes}
    for spec in program.graph_signature.input_specs:
        name = getattr(spec.arg, "name", None)
        if name is None:
            continue
        if spec.kind in kinds:
            target = str(spec.target)
            tensor = nodes[name].meta["val"]
            held[name] = known.get(target) or held_as(target, kinds[spec.kind], tensor)
        elif spec.kind is InputKind.USER_INPUT and name in nodes:
            inputs[name] = name
    numbers = {
        name: tensor.tolist()
        for name, each in held.items()
        if each.kind == "constant"
        and isinstance(tensor := program.constants.get(each.name), Tensor)
        if tensor.numel() <= MOST_NUMBERS and not tensor.is_meta
    }
    constants = {k: v for k, v in program.constants.items() if isinstance(v, Tensor)}
    if module is not None:
        found = captured(program.graph, held, inputs, module, how)
        return replace(found, numbers=numbers, constants=constants)
    tensors = [*known.values(), *held.values()]
    parameters, buffers = (
        {h.name: h.shape for h in tensors if h.kind == kind} for kind in ("parameter", "buffer")
    )
    classes = {path: name for node in program.graph.nodes for path, name, _ in stack(node)}
    outputs = outputs_of(program.graph)
    return Capture(
        program.graph,
        held,
        inputs,
        outputs,
        parameters,
        buffers,
        classes,
        None,
        how,
        numbers,
        constants,
    )


def _by_name(module: nn.Module) -> dict[str, Held]:
    """The tensors of a module by each of their names."""
    known = known_of(module)
    return {
        alias: known[id(tensor)]
        for table in (module.named_parameters, module.named_buffers)
        for alias, tensor in table(remove_duplicate=False)
    }


def _stored(program: torch.export.ExportedProgram) -> dict[str, Held]:
    """The tensors that a program keeps, by each of their names: tied ones lie in one place."""
    found: dict[str, Held] = {}
    first: dict[Any, Held] = {}
    trained = set(program.graph_signature.parameters)
    for name, tensor in program.state_dict.items():
        kind = "parameter" if name in trained or isinstance(tensor, nn.Parameter) else "buffer"
        held = held_as(name, kind, tensor)
        place = (tensor.data_ptr(), tensor.shape, kind) if tensor.numel() else name
        found[name] = first.setdefault(place, held)
    return found


def _inline(graph: fx.Graph, home: nn.Module) -> None:
    """Put what runs under another setting, without gradients or in half precision, in its place."""
    for node in list(graph.nodes):
        if not str(node.target).startswith("wrap_with_"):
            continue
        at = next(k for k, each in enumerate(node.args) if _is_graph(each, home))
        inner = home.get_submodule(str(node.args[at].target))
        assert isinstance(inner, fx.GraphModule)
        _inline(inner.graph, inner)
        holders = [each for each in inner.graph.nodes if each.op == "placeholder"]
        given = dict(zip(holders, node.args[at + 1 :], strict=True))
        with graph.inserting_before(node):
            made = graph.graph_copy(inner.graph, given)
        results = made if isinstance(made, (tuple, list)) else [made]
        for user in list(node.users):
            if user.target is GETITEM:
                user.replace_all_uses_with(results[user.args[1]])
                graph.erase_node(user)
        if node.users:
            node.replace_all_uses_with(results[0])
        graph.erase_node(node)


def settle_sizes(graph: fx.Graph) -> None:
    """Write the sizes that a run has found as numbers."""
    found: dict[fx.Node, int | float] = {}
    for node in graph.nodes:
        value = node.meta.get("val")
        if isinstance(value, (torch.SymInt, torch.SymFloat, torch.SymBool)):
            found[node] = _number(value)
        elif value is not None:
            node.meta["val"] = tree_map(_settled, value)
    for node in graph.nodes:
        node.args = fx.node.map_arg(node.args, lambda each: found.get(each, each))
        node.kwargs = fx.node.map_arg(node.kwargs, lambda each: found.get(each, each))


def _number(value: torch.SymInt | torch.SymFloat | torch.SymBool) -> int | float:
    return float(value) if isinstance(value, torch.SymFloat) else int(value)


def _settled(value: Any) -> Any:
    if not isinstance(value, Tensor) or all(type(n) is int for n in value.shape):
        return value
    return torch.empty([int(n) for n in value.shape], dtype=value.dtype, device="meta")


def _is_graph(value: Any, home: nn.Module) -> bool:
    return (
        isinstance(value, fx.Node)
        and value.op == "get_attr"
        and isinstance(getattr(home, str(value.target), None), fx.GraphModule)
    )
