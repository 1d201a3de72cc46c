"""Graph -> the PyTorch network that it describes, to be run and trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from archcalc.pytorch.called import Called
from archcalc.pytorch.inputs import looked_up
from archcalc.pytorch.joined import Joins
from archcalc.pytorch.modules.stored import Constant
from archcalc.pytorch.naming import paths
from archcalc.pytorch.perform import module, require_built
from archcalc.spec.graph import Graph, Node


class Block(nn.Module):
    """Submodules by their names; the network runs them, layer by layer."""


class _Step(NamedTuple):
    name: str
    path: tuple[str, ...]
    inputs: tuple[str, ...]
    last: tuple[str, ...]
    """What no later step needs."""


class Network(Block):
    """A network built from a graph, with a submodule for every layer, at the layer's path.

    ``forward`` takes the network's inputs in the graph's order, batch first. It returns one tensor
    for one output, else a tuple in the graph's order, or a dict by the outputs' names where it was
    built so. In training mode the training outputs follow the others; in evaluation mode the
    layers that only they need do not run.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        returns: Literal["tuple", "dict"] = "tuple",
    ) -> None:
        super().__init__()
        self.graph = graph
        self.returns = returns
        layers: dict[str, nn.Module] = {}
        self._paths = paths(graph)
        joins = Joins(graph)
        indices = looked_up(graph)
        for node in graph.nodes:
            layer = layer_for(node, joins, device, dtype)
            if isinstance(layer, Constant) and node.name in indices:
                layer.register_forward_hook(lambda _layer, _inputs, made: made.long())
            if node.share is not None:
                _tie(node, layer, layers[node.share])
            if node.frozen:
                layer.requires_grad_(False)
            layers[node.name] = layer
        _hand_over(graph, layers)
        for node in graph.nodes:
            layer = layers[node.name]
            _place(self, self._paths[node.name], layer)
        self._steps = {
            training: tuple(_steps(graph, self._returned(training), self._paths))
            for training in (False, True)
        }

    def _returned(self, training: bool) -> tuple[str, ...]:
        return (*self.graph.outputs, *(self.graph.training_outputs if training else ()))

    def forward(self, *inputs: Tensor) -> Any:
        """Run the layers in the graph's order. Raises ``TypeError`` for a missing input."""
        names = tuple(self.graph.inputs)
        if len(inputs) != len(names):
            raise TypeError(
                f"{self.graph.name} takes {len(names)} inputs ({', '.join(names)}), "
                f"not {len(inputs)}"
            )
        values: dict[str, Any] = dict(zip(names, inputs, strict=True))
        for name, path, taken, last in self._steps[self.training]:
            # Looked up anew, so that a layer may be replaced: net.fc = nn.Linear(...).
            layer: Any = self
            for part in path:
                layer = layer._modules[part]
            values[name] = layer(*[values[source] for source in taken])
            for source in last:
                del values[source]
        returned = self._returned(self.training)
        if self.returns == "dict":
            return {name: values[name] for name in returned}
        return values[returned[0]] if len(returned) == 1 else tuple(values[n] for n in returned)


def layer_for(
    node: Node, joins: Joins, device: torch.device | str | None, dtype: torch.dtype | None
) -> nn.Module:
    """The module that a layer of a graph is, with the kind of numbers that its author has."""
    if node.spelled is not None:
        return Called(node, joins.rows(node))
    require_built(node)
    layer = module(node.op, *node.input_shapes, device=device, dtype=dtype)
    tensor = None if node.origin is None else node.origin.tensor
    if tensor is not None and tensor.dtype and hasattr(layer, "weight"):
        kind = getattr(torch, tensor.dtype)
        weight = layer.weight
        assert isinstance(weight, Tensor)
        trained = isinstance(weight, nn.Parameter)  # of complex numbers
        made = weight.detach().to(kind) if trained else torch.zeros_like(weight, dtype=kind)
        layer.weight = nn.Parameter(made) if trained else made
    return layer


def _hand_over(graph: Graph, layers: Mapping[str, nn.Module]) -> None:
    """Give author's calls the tensors of other layers that they are made with."""
    calls = [node for node in graph.nodes if node.origin and node.origin.tensors]
    if not calls:
        return
    owners: dict[str, tuple[nn.Module, str]] = {}
    for node in graph.nodes:
        home = node.name if node.origin is None else node.origin.name or node.name
        alone = node.origin is not None and node.origin.tensor is not None
        for name in (*node.applied.cost.weights, *node.applied.cost.buffers):
            owners.setdefault(home if alone else f"{home}.{name}", (layers[node.name], name))
    for node in calls:
        layer = layers[node.name]
        assert node.origin is not None
        if isinstance(layer, Called):
            ways = [(way, tensor.shape) for way, _, tensor in node.origin.tensors]
            if all(way in owners for way, _ in ways):
                layer.own = tuple((*owners[way], shape) for way, shape in ways)


def _place(around: nn.Module, path: str, layer: nn.Module) -> None:
    """Put a layer at ``layer1.0.conv1``, in blocks that are made as they are needed."""
    *blocks, name = path.split(".")
    for block in blocks:
        inner = around._modules.get(block)
        if inner is None:
            inner = Block()
            around.add_module(block, inner)
        around = inner
    around.add_module(name, layer)


def layer_of(network: Network, node: Node) -> nn.Module:
    """The submodule that is a layer of the network's graph."""
    return network.get_submodule(network._paths[node.name])


def _steps(graph: Graph, returned: tuple[str, ...], way: Mapping[str, str]) -> Iterator[_Step]:
    partly = graph.training_outputs or any(node.spare or node.idle for node in graph.nodes)
    wanted = graph.leading_to(*returned) if partly else None
    nodes = [node for node in graph.nodes if wanted is None or node.name in wanted]
    needed = set(returned)
    last: dict[str, tuple[str, ...]] = {}
    for node in reversed(nodes):
        last[node.name] = tuple({node.name, *node.inputs} - needed)
        needed.update((node.name, *node.inputs))
    for node in nodes:
        yield _Step(node.name, tuple(way[node.name].split(".")), node.inputs, last[node.name])


def _tie(node: Node, layer: nn.Module, owner: nn.Module) -> None:
    """Give a layer the tensors of an earlier one that have the names of its own."""
    own = {**dict(layer.named_parameters()), **dict(layer.named_buffers())}
    for name, tensor in (*owner.named_parameters(), *owner.named_buffers()):
        if name in own:
            home, _, last = name.rpartition(".")
            holder = layer.get_submodule(home)
            table = holder._parameters if isinstance(tensor, nn.Parameter) else holder._buffers
            table[last] = tensor  # type: ignore[assignment]
