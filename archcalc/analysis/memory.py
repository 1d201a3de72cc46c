"""Network -> bytes: what it stores, and what its tensors take while it runs or is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from archcalc.analysis.analyze import answer
from archcalc.analysis.bits import joined
from archcalc.analysis.counted import Analysis, Row
from archcalc.analysis.liveness import Held, inference, step
from archcalc.analysis.optimizers import states
from archcalc.analysis.training import Training
from archcalc.dims import Shape, Size
from archcalc.document.shown import shown
from archcalc.errors import ArchcalcError
from archcalc.frontends.network import NetworkLike, one_of
from archcalc.operators.autograd import FLOAT32, INTEGER
from archcalc.operators.base import elements
from archcalc.operators.saving import LOWERED
from archcalc.spec.bits import BYTES, Formats, Rule
from archcalc.spec.graph import Graph
from archcalc.spec.model import Spec
from archcalc.spec.question import Input, Question, with_options

HALF = 2
"""Bytes of a number that autocast made smaller."""

INTEGERS = ("num_batches_tracked", "relative_position_index")
"""Buffers that are such integers, whatever the dtype."""


class Moment(NamedTuple):
    """While a layer runs."""

    layer: str
    activations: int
    """Bytes of the tensors that are there; backwards, of what is still kept and the gradients that
    pass between layers."""
    gradients: int = 0
    """Bytes of the gradients of weights that are there. They come with the backward pass, and stay
    where there are several micro-batches."""
    backward: bool = False


@shown
@dataclass(frozen=True)
class Memory:
    """Bytes by what they are for, on each device, but for what PyTorch allocates to work in.

    ::

        >>> import archcalc
        >>> found = archcalc.memory("resnet18", "bfloat16")
        >>> found.weights == 2 * 11689512
        True
    """

    network: str
    dtype: str
    batch: Size
    """Inputs at once on each device."""
    weights: Size
    """The parameters, shared ones once."""
    buffers: Size
    """What is stored but not trained."""
    activations: Size
    """At inference the tensors that are live at the peak, in training those that are kept for the
    backward pass; each once, however many layers see it."""
    peak: str | None
    """The layer at which most is there, in training in its backward pass; None where the inputs
    alone are most."""
    not_counted: tuple[str, ...] = ()
    """Layers of which it is not known what they store, or keep in training: there is more."""
    training: Training | None = None
    cache: Size = 0
    """What is kept of the steps before this one and of it: keys and values."""
    gradients: Size = 0
    """A number for each parameter that is trained, in training."""
    states: Mapping[str, Size] = field(default_factory=dict)
    """What the optimizer keeps, by the names of ``optimizer.state``, and ``master`` weights."""
    copies: Size = 0
    """The copies of 16 bits that autocast makes of weights, until the forward pass ends."""
    gathered: Size = 0
    """With ZeRO's third stage the weights of the layer that has most, whole while it runs."""
    held: tuple[Held, ...] = ()
    """The tensors that make up the activations."""
    moments: tuple[Moment, ...] = ()
    """The layers in the order in which they run; in training forwards and then backwards."""
    again: Size = 0
    """Of the activations those of the checkpointed part that takes most, while it runs again."""
    recomputed: Size = 0
    """Multiply-accumulates that run twice because of checkpoints."""
    bits: tuple[Rule, ...] = ()
    """What numbers are stored in, where it is not the dtype."""
    kept: str | None = None
    """The format of the cache, likewise."""

    @property
    def width(self) -> int:
        """Bytes of a number of the dtype, and with autocast of one that it made smaller."""
        return HALF if self.training and self.training.autocast else BYTES[self.dtype]

    @property
    def parts(self) -> Mapping[str, Size]:
        """Everything by what it is for: the total's parts."""
        parts = {"weights": self.weights, "buffers": self.buffers}
        if self.training is not None:
            parts["gradients"] = self.gradients
            parts |= {f"optimizer: {name}": size for name, size in self.states.items()}
            if self.copies:
                parts["copies of weights"] = self.copies
            if self.gathered:
                parts["gathered weights"] = self.gathered
        if self.cache:
            parts["cache"] = self.cache
        return {**parts, "activations": self.activations}

    @property
    def total(self) -> Size:
        """All of it."""
        return sum(self.parts.values())

    @property
    def most(self) -> Size:
        """What is there at once at the peak, which is what has to fit.

        At inference the total. In training it may be less, for what is kept goes while gradients
        come, and more, for gradients pass between layers, which are no part of the total.
        """
        if self.training is None:
            return self.total
        always = self.total - self.activations - self.gradients
        return always + max(self.gradients, *(m.activations + m.gradients for m in self.moments))


@with_options
def memory(
    network: NetworkLike,
    dtype: str = "float32",
    training: bool | Training = False,
    *,
    input: Input = None,
    batch: int = 1,
    optimizer: str = "sgd",
    master: bool = False,
    checkpoint: str | int | None = None,
    micro_batches: int = 1,
    zero: int = 0,
    devices: int = 1,
    fused: bool = False,
    autocast: bool = False,
    weights: str | Sequence[str] | None = None,
    activations: str | Sequence[str] | None = None,
    density: str | float | Sequence[str] | None = None,
    exclude: str | Sequence[str] = (),
    cache: str | None = None,
    allow_unknown: bool = False,
    **variables: Any,
) -> Memory:
    """What a network takes in memory, all its numbers of one dtype.

    At inference layers run in the order of the graph; an input is live until it is last used, an
    output of the network to the end. A view is the memory of its input, and so is the output of
    an operator whose field ``inplace`` is true, and of dropout at inference.

    ``training`` counts the gradients, what the ``optimizer`` keeps (``OPTIMIZERS``) and what
    autograd keeps between the passes: what PyTorch's own operators do, one after the other. An
    attention is two products of matrices then, whose scores are kept, unless it is ``fused``.
    ``master``, ``checkpoint``, ``micro_batches``, ``zero``,
    ``devices``, ``fused`` and ``autocast`` are as in
    :class:`Training`, which may be given whole. ``batch`` is each device's, all micro-batches
    together. Sharing among devices rounds up. ``allow_unknown`` is as in :func:`archcalc.analyze`.

    ``weights``, such as ``int4:128``, ``activations``, ``density`` and ``exclude`` are as in
    :func:`archcalc.quantize`; a spec may say it itself. All of it is for inference: in training
    numbers are of the dtype. ``cache`` is the format of what is kept of steps before, which is
    joined in place.

    Raises :class:`ArchcalcError` for what can't be meant, and what :func:`archcalc.analyze` raises.
    Sizes are compared, and have to be ints.

    ::

        >>> import archcalc
        >>> archcalc.memory("resnet18").weights == 4 * 11689512
        True
    """
    how = Training.of(
        training, optimizer, master, checkpoint, micro_batches, zero, devices, fused, autocast
    )
    formats = Formats.of(dtype, weights, activations, density, exclude, cache)
    question = Question(input, batch, variables, allow_unknown=allow_unknown, formats=formats)
    return held(network, question, how)


def held(network: NetworkLike, question: Question, how: Training | None = None) -> Memory:
    """The memory that is asked for: :func:`memory`."""
    formats, size = question.formats, question.formats.width
    network = one_of(network, question.allow_unknown)
    if how is not None:
        how.require(formats)
        if how.micro_batches > 1:
            if isinstance(network, Graph):
                raise ArchcalcError("a graph has its batch: expand it with that of a micro-batch")
            question = question._replace(batch=-(-question.batch // how.micro_batches))
        network, question = _as_trained(network), question._replace(training=True)
    analysis = answer(network, question)
    integers = sum(
        elements(shape)
        for row in analysis.rows
        if row.node.share is None
        for name, shape in row.buffer_shapes.items()
        if name in INTEGERS
    )
    stored = Memory(
        network=analysis.graph.name,
        dtype=formats.dtype,
        batch=next(iter(analysis.graph.inputs.values()))[0] * (how.micro_batches if how else 1),
        weights=analysis.weight_bytes(formats.dtype),
        buffers=(analysis.buffers - integers) * size + integers * INTEGER,
        activations=0,
        cache=_cache(analysis, formats),
        peak=None,
        not_counted=analysis.not_counted,
        bits=analysis.graph.bits,
        kept=formats.cache,
    )
    if how is None:
        return _at_inference(stored, analysis)
    return _in_training(stored, analysis, how)


def _at_inference(stored: Memory, analysis: Analysis) -> Memory:
    live = inference(analysis)
    sums = live.sums(stored.width)
    given = set(analysis.graph.inputs)
    alone = [each for each in live.held if each.name in given]
    most = sum(each.storage.bytes(stored.width) for each in alone)
    number = max(range(len(sums)), key=lambda k: (sums[k], -k), default=None)
    if number is None or sums[number] <= most:
        held, peak = alone, None
    else:
        most, held, peak = sums[number], live.at(number), live.layers[number]
    moments = tuple(map(Moment, live.layers, sums))
    return replace(stored, activations=most, peak=peak, held=tuple(held), moments=moments)


def _in_training(stored: Memory, analysis: Analysis, how: Training) -> Memory:
    found, size = step(analysis, how.checkpoint, how.fused, how.autocast), BYTES[stored.dtype]
    kept_as = HALF if how.autocast else size
    shapes = [shape for _, shape in trained(analysis)]
    kept = states(how.optimizer, shapes, FLOAT32 if how.master else size)
    if how.master:
        kept = {"master": sum(map(elements, shapes)) * FLOAT32, **kept}
    gradients = sum(map(elements, shapes)) * size

    def share(stage: int, bytes_: Size) -> Size:
        return -(-bytes_ // how.devices) if how.zero >= stage else bytes_

    own: dict[str, int] = dict.fromkeys(found.layers, 0)
    for layer, shape in trained(analysis):
        if layer in own:
            own[layer] += elements(shape) * size
    after, backward = 0, []
    steps = share(2, gradients)
    before = steps if how.micro_batches > 1 else 0
    for layer, bytes_ in reversed([*zip(found.layers, found.backward(kept_as), strict=True)]):
        after += own[layer]
        backward.append(Moment(layer, bytes_, before or share(2, after), backward=True))
    forward = zip(found.layers, found.forward(kept_as), strict=True)
    moments = (*(Moment(layer, bytes_, before) for layer, bytes_ in forward), *backward)
    most = max(moments, key=lambda m: m.activations + m.gradients, default=None)
    again = [
        analysis.row(layer).macs
        for segment in found.segments
        for layer in found.layers[segment.first : segment.last + 1]
    ]
    return replace(
        stored,
        weights=share(3, stored.weights),
        activations=found.between(kept_as) + found.most_again(kept_as),
        again=found.most_again(kept_as),
        copies=_copies(analysis) if how.autocast else 0,
        peak=most.layer if most else None,
        not_counted=tuple(dict.fromkeys((*stored.not_counted, *found.not_counted))),
        training=how,
        gradients=steps,
        states={name: share(1, bytes_) for name, bytes_ in kept.items()},
        gathered=max(_whole(analysis, size), default=0) if how.zero >= 3 else 0,
        held=found.kept,
        moments=moments,
        recomputed=sum(again),
    )


def _as_trained(network: Spec | Graph) -> Spec | Graph:
    """The network in the dtype throughout: what is trained is updated in it."""
    if isinstance(network, Graph):
        return replace(network, bits=())
    return network.stored_by(()) if network.bits else network


def _cache(analysis: Analysis, formats: Formats) -> Size:
    rows = joined(analysis.rows)
    return sum(formats.kept.bytes(row.shape) for row in rows if row.executed)


def _copies(analysis: Analysis) -> Size:
    """Bytes of the weights that autocast casts, those of layers that are done in 16 bits."""
    cast = {
        (row.node.share or row.name, name): elements(shape)
        for row in analysis.rows
        if row.executed and type(row.node.op).__name__ in LOWERED
        for name, shape in row.weights.items()
    }
    return sum(cast.values()) * HALF


def trained(analysis: Analysis) -> Iterator[tuple[str, Shape]]:
    """The tensors that are trained, that the network owns, shared ones once, with their layers."""
    for row, _, shape in _owned(analysis):
        if not row.node.frozen:
            yield row.name, shape


def _whole(analysis: Analysis, size: int) -> Iterator[int]:
    """Bytes of the parameters that each layer owns, trained or not."""
    own: dict[str, int] = {}
    for row, _, shape in _owned(analysis):
        own[row.name] = own.get(row.name, 0) + elements(shape) * size
    yield from own.values()


def _owned(analysis: Analysis) -> Iterator[tuple[Row, str, Shape]]:
    tensors = {row.name: row.weights for row in analysis.rows}
    for row in analysis.rows:
        owner = row.node.share
        for name, shape in row.weights.items():
            if owner is None or name not in tensors[owner]:
                yield row, name, shape
