"""Graph -> bytes: what a network stores, and what its tensors take while it runs or is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archcalc.analysis.analyze import BYTES, Analysis, analyze
from archcalc.dims import Size
from archcalc.document.shown import shown
from archcalc.operators import FAMILIES
from archcalc.operators.autograd import INTEGER, Differentiable, Stepwise
from archcalc.operators.base import elements
from archcalc.operators.saving import Autograd, Storage, Tensor, in_order
from archcalc.spec.graph import Graph

MB = 10**6
"""Bytes of a megabyte."""

MIB = 2**20
"""Bytes of a mebibyte."""

INTEGERS = ("num_batches_tracked", "relative_position_index")
"""Buffers that are such integers, whatever the dtype."""

STATES = {"sgd": 0, "momentum": 1, "adam": 2}
"""Numbers that an optimiser keeps of each parameter, by its name: the gradient not counted."""


@shown
@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes by what they are for. What PyTorch allocates besides, to work in, is not counted."""

    weights: Size
    """The parameters, shared ones once."""
    buffers: Size
    """What is stored but not trained."""
    activations: Size
    """At inference the tensors that are live at the peak, in training those that are kept for the
    backward pass; each once, however many layers see it."""
    training: bool
    peak: str | None
    """The layer at which inference needs most; None in training."""
    not_counted: tuple[str, ...]
    """Layers of which it is not known what they keep in training; ``activations`` is more."""

    @property
    def gradients(self) -> Size:
        """A number for each parameter in training; none at inference."""
        return self.weights if self.training else 0

    @property
    def optimiser(self) -> Mapping[str, Size]:
        """What each optimiser keeps, by its name; nothing at inference."""
        return {name: states * self.gradients for name, states in STATES.items()}

    def total(self, optimiser: str = "sgd") -> Size:
        """All of it. Raises ``KeyError`` for an optimiser that is not in ``STATES``."""
        stored = self.weights + self.buffers + self.activations
        return stored + self.gradients + self.optimiser[optimiser]


def memory(graph: Graph, dtype: str = "float32", training: bool = False) -> Memory:
    """What a network takes in memory, all its numbers of one dtype.

    At inference layers run in the order of the graph; an input is live until it is last used, an
    output of the network to the end. A view is the memory of its input, and so is the output of
    an operator whose field ``inplace`` is true, and of dropout at inference.

    Training counts what autograd keeps between the passes, and no peak: what PyTorch's own
    operators do, one after the other. An attention is two products of matrices then, whose scores
    are kept; where a GPU fuses it, they are not. Raises ``KeyError`` for a dtype that is not in
    ``BYTES``; sizes are compared, and have to be ints.
    """
    size = BYTES[dtype]
    analysis = analyze(graph, training=training)
    integers = sum(
        elements(shape)
        for row in analysis.rows
        if row.node.share is None
        for name, shape in row.buffer_shapes.items()
        if name in INTEGERS
    )
    if training:
        peak, (kept, not_counted) = None, _kept(analysis, size)
    else:
        (peak, kept), not_counted = _peak(analysis, size), ()
    return Memory(
        weights=analysis.params * size,
        buffers=(analysis.buffers - integers) * size + integers * INTEGER,
        activations=kept,
        training=training,
        peak=peak,
        not_counted=not_counted,
    )


def _inputs(graph: Graph) -> dict[str, Tensor]:
    """The network's inputs, integers where they are looked up, as they are or arranged anew."""
    looked_up: set[str] = set()
    for node in reversed(graph.nodes):
        looked_up.update(node.inputs[number] for number in node.op.indices)
        if node.name in looked_up and type(node.op).__name__ in FAMILIES["shape"]:
            looked_up.update(node.inputs)
    tensors = {}
    for name, shape in graph.inputs.items():
        storage = Storage(elements(shape), INTEGER if name in looked_up else 0)
        tensors[name] = Tensor(storage, shape, in_order(shape))
    return tensors


def _peak(analysis: Analysis, size: int) -> tuple[str | None, int]:
    """The layer at which most is live, and how much that is."""
    tensors, autograd = _inputs(analysis.graph), Autograd()
    rows = [row for row in analysis.rows if row.executed]
    last_use: dict[Storage, int] = {}
    for number, row in enumerate(rows):
        inputs = [tensors[name] for name in row.node.inputs]
        tensors[row.name] = autograd.apply(row.node.op, *inputs, training=False)
        last_use |= {x.storage: number for x in (*inputs, tensors[row.name])}
    last_use |= {tensors[name].storage: len(rows) for name in analysis.graph.outputs}
    released: list[list[Storage]] = [[] for _ in range(len(rows) + 1)]
    for storage, number in last_use.items():
        released[number].append(storage)
    allocated = {tensors[name].storage for name in analysis.graph.inputs}
    live = sum(storage.bytes(size) for storage in allocated)
    peak, most = None, live
    for number, row in enumerate(rows):
        storage = tensors[row.name].storage
        if storage not in allocated:
            allocated.add(storage)
            live += storage.bytes(size)
        if live > most:
            peak, most = row.name, live
        live -= sum(storage.bytes(size) for storage in released[number])
    return peak, most


def _kept(analysis: Analysis, size: int) -> tuple[int, tuple[str, ...]]:
    """Bytes that autograd keeps for the backward pass, and the layers that do not say.

    Nothing is kept of a layer that no parameter leads to, or that leads to no output.
    """
    graph = analysis.graph
    reached = graph.leading_to(*graph.outputs, *graph.training_outputs)
    tensors, autograd = _inputs(graph), Autograd()
    not_counted = []
    for node in graph.nodes:
        if node.name in reached:
            output = autograd.apply(node.op, *(tensors[name] for name in node.inputs))
            tensors[node.name] = output
            if output.trained and not isinstance(node.op, Differentiable | Stepwise):
                not_counted.append(node.name)
    return sum(storage.bytes(size) for storage in autograd.kept), tuple(not_counted)
