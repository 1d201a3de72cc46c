"""What PyTorch's network has, beside what is computed."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from archcalc.analysis.counted import Analysis, Row
from archcalc.pytorch.asked import SEED, stored_as
from archcalc.pytorch.drawn import Drawn
from archcalc.pytorch.windows import placed

if TYPE_CHECKING:
    from archcalc.pytorch.network import Network
    from archcalc.pytorch.running import Seen


TOLERANCE: Mapping[str, float] = {
    "float64": 1e-12,
    "float32": 5e-5,
    "tf32": 5e-3,
    "float16": 5e-3,
    "bfloat16": 5e-2,
}
"""How far a layer's output may be from what the CPU computes in float32 (float64 for float64) of
the same input: the norm of the difference over the norm. A dtype's rounding error (2^-24 of
float32, 2^-11 of tf32 and float16, 2^-9 of bfloat16), times what an operator makes of it that
rounds as often as an LSTM does; a wrong operator is off by a tenth and more."""


_UNDERIVED = re.compile("derivative for .* is not implemented")
"""What PyTorch says of an operation that it has no derivative of."""


class Difference(NamedTuple):
    """One thing that archcalc and PyTorch say otherwise."""

    layer: str
    """``""`` for the network as a whole."""
    op: str
    what: str
    """``shape``, ``weights``, ``buffers``, ``tied``, ``macs``, ``params``, ``executed``,
    ``gradient``, ``finite``, ``values`` or ``run``."""
    ours: Any
    torchs: Any


class NotCounted(NamedTuple):
    """A layer whose multiply-accumulates nobody counts but archcalc."""

    layer: str
    op: str
    operations: tuple[str, ...]
    """What PyTorch runs in it, of which it is not known what they multiply."""


class Counts(NamedTuple):
    """What archcalc counts in a network."""

    layers: int
    params: int
    buffers: int
    macs: int
    unknown: tuple[str, ...] = ()
    """Layers of operators that archcalc doesn't know, which are run as their author calls them:
    ``name (operator)``. Their work is in no count."""

    @classmethod
    def of(cls, analysis: Analysis) -> Counts:
        """Those of an analysis."""
        unknown = tuple(f"{row.name} ({row.op})" for row in analysis.rows if not row.counted)
        return cls(len(analysis.rows), analysis.params, analysis.buffers, analysis.macs, unknown)


class Findings:
    """What one run brings to light, as far as it comes."""

    def __init__(self) -> None:
        self.at = ""
        self.differences: list[Difference] = []
        self.not_counted: list[NotCounted] = []
        self.without_gradient: list[str] = []
        self.not_trained = ""
        """Why PyTorch can't train it, if it says so."""
        self.error: float | None = None
        self.layer_error: float | None = None

    def fill(self, drawn: Drawn, dtype: str, train: bool) -> None:
        import torch

        from archcalc.pytorch.inputs import draw
        from archcalc.pytorch.running import counted, distance
        from archcalc.pytorch.running import trained as trained_once

        analysis, trained = drawn.analysis, drawn.trained
        stored = stored_as(dtype)
        network, inputs, wanted = drawn.of(dtype)
        self.differences += _tensors(network, analysis, stored)
        output, seen = counted(network.eval(), inputs)
        self._layers(analysis, seen)
        if wanted is not None:
            self.error = distance(output, wanted)
            self._values(analysis, network, inputs, dtype)
        del output, wanted, inputs
        if not train or not trained.training:
            return
        generator = torch.Generator().manual_seed(SEED + 1)
        inputs = draw(trained.graph, device=drawn.device, dtype=stored, generator=generator)
        if analysis.graph.training_outputs:
            self._layers(trained, counted(network.train(), inputs)[1])
        try:
            seen = trained_once(network, inputs, SEED)
        except RuntimeError as error:
            if not _UNDERIVED.search(str(error)):
                raise
            self.not_trained = str(error).splitlines()[0]
            return
        self._layers(trained, seen, macs=False)
        self._gradients(network, analysis, {name for name, s in seen.items() if not s.passes})

    def _values(self, analysis: Analysis, network: Network, inputs: Any, dtype: str) -> None:
        import torch

        from archcalc.pytorch.running import compared, copied

        exact = torch.float64 if dtype == "float64" else torch.float32
        twin = copied(network).to(device="cpu", dtype=exact)
        distances = compared(network, twin, inputs)
        self.layer_error = max(distances.values(), default=None)
        for row in analysis.rows:
            # Not a number is never within.
            if row.name in distances and not distances[row.name] <= TOLERANCE[dtype]:
                within = f"within {TOLERANCE[dtype]:g}"
                self.differences.append(
                    Difference(row.name, row.op, "values", within, distances[row.name])
                )

    def _layers(self, analysis: Analysis, seen: Mapping[str, Seen], macs: bool = True) -> None:
        told = {(each.layer, each.what) for each in self.differences}
        known = {each.layer for each in self.not_counted}
        for row in analysis.rows:
            here = seen.get(row.name)
            for difference in _layer(row, here, macs):
                if (row.name, difference.what) not in told:
                    self.differences.append(difference)
            if here is not None and here.not_counted and row.name not in known:
                self.not_counted.append(NotCounted(row.name, row.op, here.not_counted))

    def _gradients(self, network: Network, analysis: Analysis, cut: Container[str]) -> None:
        import torch

        from archcalc.pytorch.running import differentiable, stored

        reached = differentiable(network, cut)
        nodes = network.graph.nodes
        uses = {node.name: stored(network, node).params for node in nodes}
        expected = {
            id(tensor) for name in reached if name in uses for tensor in uses[name].values()
        }
        for row in analysis.rows:
            for name, tensor in uses[row.name].items():
                gradient, full = tensor.grad, f"{row.name}.{name}"
                problem = ""
                if gradient is None:
                    if row.node.frozen:
                        continue
                    if id(tensor) not in expected:
                        self.without_gradient.append(full)
                        continue
                    problem = "none"
                elif gradient.shape != tensor.shape:
                    problem = f"of shape {tuple(gradient.shape)}"
                elif not gradient.is_meta and not torch.isfinite(gradient).all():
                    problem = "not finite"
                if problem:
                    self.differences.append(
                        Difference(row.name, row.op, "gradient", f"of {name}, finite", problem)
                    )


def _layer(row: Row, seen: Seen | None, macs: bool) -> Iterator[Difference]:
    if (seen is not None) != row.executed:
        yield Difference(row.name, row.op, "executed", row.executed, seen is not None)
    if seen is None:
        return
    shape = placed(row.node) or seen.shape
    if not row.shape == shape == seen.shape:
        yield Difference(row.name, row.op, "shape", row.shape, shape)
    if macs and row.counted and not seen.not_counted and seen.macs != row.macs:
        yield Difference(row.name, row.op, "macs", row.macs, seen.macs)
    if not seen.finite:
        yield Difference(row.name, row.op, "finite", "finite numbers", "infinite, or none")


def _tensors(network: Network, analysis: Analysis, dtype: Any) -> Iterator[Difference]:
    """What a network stores, layer by layer and in all."""
    from archcalc.pytorch.running import stored

    nodes = {node.name: node for node in network.graph.nodes}
    right = True
    for row in analysis.rows:
        params, buffers = stored(network, row.node)
        for what, ours, theirs in (
            ("weights", row.weights, params),
            ("buffers", row.buffer_shapes, buffers),
        ):
            shapes = {name: tuple(tensor.shape) for name, tensor in theirs.items()}
            if shapes != dict(ours):
                right = False
                yield Difference(row.name, row.op, what, dict(ours), shapes)
        if row.node.share is not None:
            yield from _ties(row, params, stored(network, nodes[row.node.share]).params)
        for name, tensor in params.items():
            other = tensor.dtype != dtype and not tensor.is_complex()
            if tensor.requires_grad is row.node.frozen or other:
                how = "frozen" if row.node.frozen else "trained"
                found = f"{tensor.dtype}, requires_grad={tensor.requires_grad}"
                yield Difference(row.name, row.op, "weights", f"{name}, {how} in {dtype}", found)
    for what, tensors in (("params", network.parameters()), ("buffers", network.buffers())):
        # PyTorch lists a tied tensor once.
        total, ours = sum(tensor.numel() for tensor in tensors), getattr(analysis, what)
        if right and total != ours:
            yield Difference("", "", what, ours, total)


def _ties(row: Row, params: Mapping[str, Any], owners: Mapping[str, Any]) -> Iterator[Difference]:
    for name in params:
        if name in owners and params[name] is not owners[name]:
            yield Difference(row.name, row.op, "tied", f"{name} of {row.node.share}", "its own")
