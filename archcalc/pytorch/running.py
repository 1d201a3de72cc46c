"""Runs a network layer by layer and says what PyTorch did in each."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from archcalc.pytorch.counted import INSTEAD, Counter, counting, hooked
from archcalc.pytorch.network import Network, layer_of
from archcalc.spec.graph import Node

NO_GRADIENT: Mapping[str, tuple[int, ...]] = {
    "Embedding": (0,),
    "CrossEntropyLoss": (1,),
    "MaxUnpool2d": (1,),
    "Crop": (1,),
    "Where": (0,),
    "MaskedFill": (1,),
    "Gather": (1,),
    "Index": (1,),
    "OneHot": (0,),
    "EmbeddingBag": (0,),
    **dict.fromkeys(("Eq", "Ne", "Lt", "Le", "Gt", "Ge"), (0, 1)),
    **dict.fromkeys(("LogicalNot", "LogicalAnd", "LogicalOr", "LogicalXor"), (0, 1)),
    **dict.fromkeys(("ArgMax", "ArgMin"), (0,)),
}
"""Inputs of operators through which no gradient passes: indices, and what is only looked at."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What PyTorch did in one layer."""

    shape: Any
    """The output's; where it is no tensor, its type."""
    macs: int = 0
    not_counted: tuple[str, ...] = ()
    """Operations of which it is not known what they multiply."""
    finite: bool = True
    """Whether no number of the output is infinite or none, unless its author puts infinite ones
    there; on ``meta`` there are no numbers."""
    passes: bool = True
    """Whether a gradient can come back through it: none does through whole numbers, and through
    what an author calls as PyTorch says."""


class Stored(NamedTuple):
    """The tensors of one layer by name."""

    params: Mapping[str, nn.Parameter]
    buffers: Mapping[str, Tensor]


def stored(network: Network, node: Node) -> Stored:
    """What a layer of the network holds."""
    layer = layer_of(network, node)
    return Stored(dict(layer.named_parameters()), dict(layer.named_buffers()))


def counted(network: Network, inputs: Sequence[Tensor]) -> tuple[Any, dict[str, Seen]]:
    """Run a network without gradients: its output, and of every layer that ran what was seen."""
    seen: dict[str, Seen] = {}
    with torch.no_grad(), counting() as counter, _hooked(network, seen, counter):
        output = network(*inputs)
    return output, seen


def trained(network: Network, inputs: Sequence[Tensor], seed: int) -> dict[str, Seen]:
    """One pass forward and back in training mode, of a sum of all outputs with random weights.

    Gradients are left in the parameters' ``grad``.
    """
    seen: dict[str, Seen] = {}
    generator = torch.Generator().manual_seed(seed)
    network.train()
    with torch.enable_grad(), _hooked(network, seen, None):
        outputs = network(*inputs)
        parts = []
        for output in outputs if isinstance(outputs, tuple) else (outputs,):
            if isinstance(output, Tensor) and output.requires_grad:
                # A plain sum of what a softmax gives is constant, and has no gradient at all.
                weights = torch.empty(output.shape, device="meta" if output.is_meta else "cpu")
                if not output.is_meta:
                    weights.normal_(std=max(output.numel(), 1) ** -0.5, generator=generator)
                parts.append((output.float() * weights.to(output.device)).sum())
    if parts:
        torch.stack(parts).sum().backward()  # type: ignore[no-untyped-call]
    return seen


@contextmanager
def _hooked(network: Network, seen: dict[str, Seen], counter: Counter | None) -> Iterator[None]:
    handles = []
    for node in network.graph.nodes:
        before, after = _hooks(node, seen, counter)
        layer = layer_of(network, node)
        handles += [layer.register_forward_pre_hook(before), layer.register_forward_hook(after)]
    with hooked(handles):
        yield


def _hooks(
    node: Node, seen: dict[str, Seen], counter: Counter | None
) -> tuple[Callable[..., None], Callable[..., None]]:
    instead = INSTEAD.get(type(node.op).__name__)
    start = 0

    def before(_layer: nn.Module, _inputs: Any) -> None:
        nonlocal start
        if counter is not None:
            counter.not_counted()
            start = counter.macs

    def after(layer: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal start
        macs = 0
        not_counted: tuple[str, ...] = ()
        if counter is not None:
            if instead is not None:
                start = counter.macs
                instead(layer, *inputs)
            macs, not_counted = counter.macs - start, counter.not_counted()
        if not isinstance(output, Tensor):
            seen[node.name] = Seen(type(output).__name__, macs, not_counted)
            return
        finite = output.is_meta or _is_finite(output)
        if not finite and not output.isnan().any():
            # Masks are made of infinite numbers, and what takes such may give them.
            finite = node.spelled is not None or not all(map(_is_finite, inputs))
        passes = output.requires_grad or (node.spelled is None and output.is_floating_point())
        seen[node.name] = Seen(tuple(output.shape), macs, not_counted, finite, passes)

    return before, after


def _is_finite(value: Any) -> bool:
    return not isinstance(value, Tensor) or bool(torch.isfinite(value).all())


def compared(network: Network, twin: Network, inputs: Sequence[Tensor]) -> dict[str, float]:
    """How far the output of every layer is from what the twin's layer makes of the same input.

    What a layer is given is rounded already, so that errors do not add up from layer to layer.
    Layers that give indices are passed over: of equal numbers any may be the largest.
    """
    distances: dict[str, float] = {}
    wanted: dict[str, Any] = {}
    handles = []
    exact = next(iter(twin.parameters()), None)
    dtype = torch.float32 if exact is None else exact.dtype
    for node in network.graph.nodes:
        # Before the layer, which may overwrite its input.
        def before(_layer: nn.Module, given: Any, node: Node = node) -> None:
            moved = [moved_to(x, "cpu", dtype) for x in given]
            wanted[node.name] = layer_of(twin, node)(*moved)

        def after(_layer: nn.Module, _given: Any, output: Any, node: Node = node) -> None:
            right = wanted.pop(node.name)
            if isinstance(output, Tensor) and output.is_floating_point():
                distances[node.name] = distance(output, right)

        layer = layer_of(network, node)
        handles += [
            layer.register_forward_pre_hook(before, prepend=True),
            layer.register_forward_hook(after),
        ]
    with torch.no_grad(), hooked(handles):
        network(*inputs)
    return distances


def moved_to(x: Any, device: str, dtype: torch.dtype) -> Any:
    """A tensor elsewhere, in another dtype unless it holds indices; anything else as it is."""
    if not isinstance(x, Tensor):
        return x
    return x.to(device=device, dtype=dtype if x.is_floating_point() else None)


def copied(network: Network) -> Network:
    """A network with tensors of its own, of the same graph."""
    return deepcopy(network, {id(network.graph): network.graph})


def differentiable(network: Network, cut: Container[str] = ()) -> frozenset[str]:
    """The layers that the gradient of some output reaches, by the graph and where it is ``cut``."""
    graph = network.graph
    reached = {*graph.outputs, *graph.training_outputs}
    for node in reversed(graph.nodes):
        if node.name in reached and node.name not in cut:
            blocked = NO_GRADIENT.get(type(node.op).__name__, ())
            reached.update(name for k, name in enumerate(node.inputs) if k not in blocked)
    return frozenset(reached)


def enlivened(network: Network, inputs: Sequence[Tensor]) -> None:
    """Give a network weights through which the last layer still depends on the input.

    PyTorch draws the weights of ``Conv2d`` and ``Linear`` with a variance of 1/(3 n) of n inputs,
    where a layer before a ReLU keeps the size of its signal with 2/n (He et al. 2015,
    arXiv:1502.01852, section 2.2): after twenty layers an output is its bias, and equal however
    wrong the layers before are. They are multiplied by the root of 6, and batch normalization gets
    the statistics of one batch, ``inputs`` (none for a network that is not to be trained).
    """
    kinds = nn.modules.conv._ConvNd, nn.Linear
    weights = {id(x.weight): x.weight for x in network.modules() if isinstance(x, kinds)}
    with torch.no_grad():
        for weight in weights.values():  # a tied one once
            weight.mul_(6**0.5)
        if inputs:
            norms = [x for x in network.modules() if isinstance(x, nn.modules.batchnorm._BatchNorm)]
            momenta = [norm.momentum for norm in norms]
            for norm in norms:
                norm.reset_running_stats()
                norm.momentum = None  # the mean of all batches, of which there is one
            network.train()(*inputs)
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum


@contextmanager
def precision(dtype: str) -> Iterator[None]:
    """TensorFloat-32 where ``dtype`` is ``tf32``, and nowhere else: PyTorch's default mixes."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    was = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = dtype == "tf32"
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = was


@contextmanager
def free_threads() -> Iterator[None]:
    """As many of PyTorch's threads as there are processors that nobody else uses.

    Threads wait for one another at every layer, and so for one that has to wait for a processor:
    on two busy ones GoogLeNet took four times as long with two threads as with one.
    """
    before = torch.get_num_threads()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    torch.set_num_threads(max(1, min(before, round((os.cpu_count() or 1) - load))))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def share_processors(processes: int) -> None:
    """Let this process compute with its share of PyTorch's threads."""
    torch.set_num_threads(max(1, torch.get_num_threads() // processes))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from ``seed`` inside, and leave everybody else's random numbers as they were."""
    used = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=used):
        torch.manual_seed(seed)
        yield


def distance(found: Any, wanted: Any) -> float:
    """How far outputs are from others, relative to these: Euclidean norms over all numbers."""
    difference = total = 0.0
    for one, other in zip(_flat(found), _flat(wanted), strict=True):
        exact = other.to(one.device).double()
        difference += float((one.double() - exact).square().sum())
        total += float(exact.square().sum())
    return float((difference / total if total else difference) ** 0.5)


def _flat(outputs: Any) -> Sequence[Tensor]:
    return outputs if isinstance(outputs, tuple) else (outputs,)
