"""``nn.MultiheadAttention``, which is many calls and one operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, fx, nn

from archcalc.frontends.table import Made
from archcalc.frontends.torch.captured import shape_of, stack
from archcalc.frontends.torch.holding import Holding
from archcalc.frontends.torch.parametrized import kind_of


def attention(holding: Holding) -> dict[fx.Node, Made[fx.Node] | None]:
    """The calls inside of ``nn.MultiheadAttention``: the last of them is the whole module."""
    module = holding.capture.module
    groups: dict[tuple[str, int], list[fx.Node]] = {}
    for node in holding.capture.graph.nodes:
        for path, kind, call in stack(node) if node.op == "call_function" else ():
            if kind.endswith("MultiheadAttention") and _is_attention(module, path):
                groups.setdefault((path, call), []).append(node)
    found: dict[fx.Node, Made[fx.Node] | None] = {}
    for (path, _), nodes in groups.items():
        made = None if module is None else _attention(holding, module.get_submodule(path), nodes)
        if made is not None:
            last, whole = made
            found.update(dict.fromkeys(nodes))
            found[last] = whole
    return found


def _is_attention(module: Any, path: str) -> bool:
    return module is not None and isinstance(module.get_submodule(path), nn.MultiheadAttention)


def _stored(module: nn.Module) -> dict[str, Tensor]:
    """The tensors of a module by their first names."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def _attention(
    holding: Holding, module: Any, nodes: Sequence[fx.Node]
) -> tuple[fx.Node, Made[fx.Node]] | None:
    """The operator of a module's calls, and the call that gives its output; None if it is more."""
    inside = set(nodes)
    given: dict[fx.Node, None] = {}
    weights: dict[str, fx.Node] = {}
    whole = holding.capture.module
    assert whole is not None
    known = {id(tensor): name for name, tensor in _stored(module).items()}
    stored = _stored(whole)
    for node in nodes:
        for source in node.all_input_nodes:
            held = holding.held(source)
            if held is not None:
                tensor = stored.get(held.name)
                if id(tensor) not in known:
                    return None
                weights[known[id(tensor)]] = source
            elif source not in inside:
                given.setdefault(source)
    outputs = [node for node in nodes if any(user not in inside for user in node.users)]
    inputs = list(given)
    if len(outputs) != 1 or not 1 <= len(inputs) <= 3 or module.bias_k is not None:
        return None
    shapes = [shape_of(source) for source in inputs]
    if any(shape is None or len(shape) != 3 for shape in (*shapes, shape_of(outputs[0]))):
        return None
    taken: list[fx.Node | Made[fx.Node]] = list(inputs)
    shape = shape_of(outputs[0])
    if not module.batch_first:
        taken = [
            Made("Permute", {"dims": [1, 0, 2]}, (source,), shape=(s[1], s[0], s[2]))
            for source, s in zip(inputs, shapes, strict=True)
        ]
        shape = (shape[1], shape[0], shape[2])
    if len(taken) == 2:
        taken.append(taken[1])
    fields = {"num_heads": module.num_heads, "bias": module.in_proj_bias is not None}
    if any("parametrizations" in name for name in weights):
        fields["parametrization"] = kind_of(weights)
    made = Made("MultiheadAttention", fields, tuple(taken), weights, shape)
    if not module.batch_first:
        made = Made("Permute", {"dims": [1, 0, 2]}, (made,))
    return outputs[0], made
