"""Graph -> bytes: what a network stores, and what its tensors take while it runs or is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from archcalc.analysis.analyze import BYTES, Analysis, analyze
from archcalc.dims import Size
from archcalc.operators.autograd import Differentiable, OrderedView, Stored, TrainingOnly, View
from archcalc.operators.base import Operator, elements
from archcalc.spec.graph import Graph

MB = 10**6
"""Bytes of a megabyte."""

MIB = 2**20
"""Bytes of a mebibyte."""

INTEGER = 8
"""Bytes of an index into a tensor, and of a counter."""

INTEGERS = ("num_batches_tracked", "relative_position_index")
"""Buffers that are such integers, whatever the dtype."""

STATES = {"sgd": 0, "momentum": 1, "adam": 2}
"""Numbers that an optimiser keeps of each parameter, by its name: the gradient not counted."""


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

    Training counts what autograd keeps between the passes, and no peak. Raises ``KeyError`` for a
    dtype that is not in ``BYTES``; inference compares sizes, which have to be ints.
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


class _Storage(NamedTuple):
    """The memory of a tensor: that which the named layer or input allocated."""

    owner: str
    in_order: bool = True


def _storages(analysis: Analysis) -> dict[str, _Storage]:
    """Whose memory the output of each layer that is executed is in."""
    storages = {name: _Storage(name) for name in analysis.graph.inputs}
    for row in analysis.rows:
        if row.executed:
            source = storages[row.node.inputs[0]]
            storages[row.name] = _output(row.name, row.node.op, source, analysis.training)
    return storages


def _output(name: str, op: Operator, source: _Storage, training: bool) -> _Storage:
    if isinstance(op, OrderedView) and not source.in_order:
        return _Storage(name)
    if isinstance(op, View):
        return source._replace(in_order=source.in_order and op.in_order)
    if getattr(op, "inplace", False) or (isinstance(op, TrainingOnly) and not training):
        return source
    return _Storage(name)


def _sizes(analysis: Analysis, size: int) -> dict[str, Size]:
    """Bytes of every input and output, by name; none of what is in the memory of weights."""
    sizes = {name: elements(shape) * size for name, shape in analysis.graph.inputs.items()}
    for row in analysis.rows:
        stored = isinstance(row.node.op, Stored)
        sizes[row.name] = 0 if stored else elements(row.shape) * size
    return sizes


def _peak(analysis: Analysis, size: int) -> tuple[str | None, Size]:
    """The layer at which most is live, and how much that is."""
    storages, sizes = _storages(analysis), _sizes(analysis, size)
    rows = [row for row in analysis.rows if row.executed]
    last_use = {
        storages[source].owner: number
        for number, row in enumerate(rows)
        for source in (*row.node.inputs, row.name)
    }
    last_use.update((storages[name].owner, len(rows)) for name in analysis.graph.outputs)
    released: list[list[str]] = [[] for _ in range(len(rows) + 1)]
    for owner, number in last_use.items():
        released[number].append(owner)
    live: Size = sum(sizes[name] for name in analysis.graph.inputs)
    peak, most = None, live
    for number, row in enumerate(rows):
        if storages[row.name].owner == row.name:
            live = live + sizes[row.name]
        if live > most:
            peak, most = row.name, live
        live = live - sum(sizes[owner] for owner in released[number])
    return peak, most


def _kept(analysis: Analysis, size: int) -> tuple[Size, tuple[str, ...]]:
    """Bytes that autograd keeps for the backward pass, and the layers that do not say.

    Nothing is kept of a layer from whose output no parameter can be reached.
    """
    storages, sizes = _storages(analysis), _sizes(analysis, size)
    trained: set[str] = set()
    kept: dict[str, None] = {}
    more: Size = 0
    not_counted = []
    for row in analysis.rows:
        node = row.node
        if not row.executed or not (row.weights or trained.intersection(node.inputs)):
            continue
        trained.add(row.name)
        if not isinstance(node.op, Differentiable):
            not_counted.append(row.name)
            continue
        saved = node.op.saved(node.shape, *node.input_shapes)
        kept |= {storages[node.inputs[number]].owner: None for number in saved.inputs}
        if saved.output:
            kept[storages[row.name].owner] = None
        more = more + saved.elements * size + saved.indices * INTEGER + saved.flags
    return sum(sizes[owner] for owner in kept) + more, tuple(not_counted)
