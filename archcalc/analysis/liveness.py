"""Which tensors are there while which layer runs: at inference, and in a step of training.

Layers run in the order of the graph, as the network that :func:`archcalc.build` makes runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import TYPE_CHECKING, NamedTuple

from archcalc.analysis.bits import between
from archcalc.dims import Shape
from archcalc.errors import ArchcalcError
from archcalc.operators import FAMILIES
from archcalc.operators.autograd import FLOAT32, INTEGER, Differentiable, Stepwise
from archcalc.operators.base import elements
from archcalc.operators.join import Concat
from archcalc.operators.parameter import Cache
from archcalc.operators.saving import Autograd, Storage, Tensor, in_order
from archcalc.spec.graph import Graph, Node

if TYPE_CHECKING:
    from archcalc.analysis.counted import Analysis, Row
    from archcalc.spec.bits import Format


CHECKPOINTS = ("stages", "blocks")
"""What may be run again in the backward pass: outermost blocks, or repetitions."""


class Held(NamedTuple):
    """Memory that is there from one layer to another one, both included."""

    name: str
    """The layer whose output it is, or in which it is made; or the input."""
    shape: Shape | None
    """None of what is no output: what an operator keeps besides."""
    storage: Storage
    first: int
    last: int
    """Layers by their numbers, from 0."""


@dataclass(frozen=True, slots=True)
class Liveness:
    """The layers that run, in order, and what is held while they do."""

    layers: tuple[str, ...]
    held: tuple[Held, ...]

    def sums(self, size: int) -> list[int]:
        """Bytes that are there while each layer runs, where a number has ``size`` bytes."""
        changes = [0] * (len(self.layers) + 1)
        for each in self.held:
            changes[each.first] += each.storage.bytes(size)
            changes[each.last + 1] -= each.storage.bytes(size)
        return list(accumulate(changes[:-1]))

    def at(self, number: int) -> list[Held]:
        """What is there while a layer runs."""
        return [each for each in self.held if each.first <= number <= each.last]


def inputs_of(graph: Graph, width: int = 0) -> dict[str, Tensor]:
    """The network's inputs, integers where they are looked up, as they are or arranged anew.

    ``width`` is that of others, if it is not the network's.
    """
    looked_up: set[str] = set()
    for node in reversed(graph.nodes):
        looked_up.update(node.inputs[number] for number in node.op.indices)
        if node.name in looked_up and type(node.op).__name__ in FAMILIES["shape"]:
            looked_up.update(node.inputs)
    tensors = {}
    for name, shape in graph.inputs.items():
        storage = Storage(elements(shape), INTEGER if name in looked_up else width)
        tensors[name] = Tensor(storage, shape, in_order(shape))
    return tensors


def inference(analysis: Analysis) -> Liveness:
    """What is live at inference.

    An input is live until it is last used, an output of the network to the end. A view is the
    memory of its input, and so is the output of an operator whose field ``inplace`` is true, and
    of dropout at inference.
    """
    nodes = [row.node for row in analysis.rows if row.executed]
    formats = analysis.formats()
    return _walk(analysis.graph, nodes, Autograd(), (), training=False, formats=formats).live


def _running(
    analysis: Analysis, inputs: Mapping[str, Tensor], autograd: Autograd
) -> Iterator[tuple[Row, list[Tensor], Tensor]]:
    """Each layer that runs at inference, with what it is given and what it makes of it."""
    tensors = dict(inputs)
    for row in analysis.rows:
        if not row.executed:
            continue
        given = [tensors[name] for name in row.node.inputs]
        output = autograd.apply(row.node.op, *given, training=False)
        tensors[row.name] = output
        yield row, given, output


def makers(analysis: Analysis) -> dict[str, str]:
    """Of each input and layer that runs the one whose memory its output is.

    A view's is that of what it shows; what writes to its input's memory makes another tensor.
    """
    tensors = inputs_of(analysis.graph)
    made: dict[Storage, str] = {tensor.storage: name for name, tensor in tensors.items()}
    found = {name: name for name in tensors}
    for row, _, output in _running(analysis, tensors, Autograd()):
        view = output.storage in made and not getattr(row.node.op, "inplace", False)
        found[row.name] = made[output.storage] if view else row.name
        if not view:
            made[output.storage] = row.name
    return found


def scattered(analysis: Analysis) -> dict[str, frozenset[int]]:
    """Of each layer that runs which of its inputs, by number, aren't contiguous.

    They are what was transposed, sliced or repeated, and what is computed of that by element.
    """
    running = _running(analysis, inputs_of(analysis.graph), Autograd(on_device=True))
    return {
        row.name: frozenset(number for number, x in enumerate(given) if not x.in_order)
        for row, given, _ in running
    }


def stored_between(analysis: Analysis) -> Mapping[str, Format]:
    """The formats of inputs and of layers' outputs: :meth:`Analysis.formats`."""
    made = analysis._makers
    found = between(analysis, made, lambda name: made[name] != name)
    return {name: found[maker] for name, maker in made.items() if maker in found}


class Segment(NamedTuple):
    """Layers of which nothing is kept but what they take: they run again in the backward pass."""

    first: int
    last: int
    taken: tuple[Storage, ...]
    """What its layers take from outside of it."""
    kept: tuple[Storage, ...]
    """What is kept for their backward pass when they have run again."""


@dataclass(frozen=True)
class Step:
    """A step of training: the forward pass, and the backward pass through the same layers."""

    layers: tuple[str, ...]
    kept: tuple[Held, ...]
    """What is kept for the backward pass: from the layer that makes it (``first``) on; ``last`` is
    the layer that needs it first, with whose backward pass it can go."""
    segments: tuple[Segment, ...]
    live: Liveness
    """What the forward pass has live. A gradient of it is, while the same layers go backwards."""
    trained: frozenset[Storage]
    """What has a gradient."""
    not_counted: tuple[str, ...]
    """Layers that do not say what they keep."""

    def between(self, size: int) -> int:
        """Bytes kept between the passes."""
        return sum(each.storage.bytes(size) for each in self.kept)

    def most_again(self, size: int) -> int:
        """Bytes kept while the checkpointed segment goes backwards that takes most."""
        return max((self.again(segment, size) for segment in self.segments), default=0)

    def again(self, segment: Segment, size: int) -> int:
        """Bytes kept while a segment goes backwards, beside what is kept anyway."""
        there = {each.storage for each in self.kept}
        return sum(storage.bytes(size) for storage in segment.kept if storage not in there)

    def forward(self, size: int) -> list[int]:
        """Bytes of activations that are there while each layer runs."""
        end = len(self.layers) - 1
        kept = {each.storage: each._replace(last=end) for each in self.kept}
        for each in self.live.held:
            kept.setdefault(each.storage, each)
        return Liveness(self.layers, tuple(kept.values())).sums(size)

    def backward(self, size: int) -> list[int]:
        """The same while each layer goes backwards, with the gradients of what is between layers.

        What is kept goes with the backward pass of the layer that needed it first. The gradient of
        a tensor is there from the layers that use it back to the one that made it.
        """
        end = len(self.layers) - 1
        needed = [each._replace(first=each.last, last=end) for each in self.kept]
        passing = [each for each in self.live.held if each.storage in self.trained]
        sums = Liveness(self.layers, (*needed, *passing)).sums(size)
        for segment in self.segments:
            more = self.again(segment, size)
            for number in range(segment.first, segment.last + 1):
                sums[number] += more
        return sums


def step(
    analysis: Analysis,
    checkpoint: str | int | None = None,
    fused: bool = False,
    autocast: bool = False,
) -> Step:
    """What a step of training keeps, of an analysis of training.

    Nothing is kept of a layer that no parameter leads to, or that leads to no output.
    ``checkpoint`` runs parts of the network again in the backward pass: ``stages``, ``blocks``, or
    a number of parts, cut between blocks so that least is kept. With ``fused`` attention keeps no
    scores, and with ``autocast`` numbers are of 16 bits where that makes them so, of float32
    elsewhere. Raises :class:`ArchcalcError`.
    """
    graph = analysis.graph
    reached = graph.leading_to(*graph.outputs, *graph.training_outputs)
    nodes = [node for node in graph.nodes if node.name in reached]
    main = Autograd(fused=fused, autocast=autocast)
    if checkpoint is None or not nodes:
        return _walk(graph, nodes, main, ())
    alone = [(n, n) for n in range(len(nodes))]
    spans = _spans(nodes, checkpoint, lambda: _walk(graph, nodes, main.fresh(), alone))
    return _walk(graph, nodes, main, spans)


def _walk(
    graph: Graph,
    nodes: Sequence[Node],
    main: Autograd,
    spans: Sequence[tuple[int, int]],
    training: bool = True,
    formats: Mapping[str, Format] = {},
) -> Step:
    tensors = inputs_of(graph, FLOAT32 if main.autocast else 0)
    numbers = {node.name: number for number, node in enumerate(nodes)}
    within = {n: span for span in spans for n in range(span[0], span[1] + 1)}
    again = {span: main.fresh() for span in spans}
    taken: dict[tuple[int, int], dict[Storage, None]] = {span: {} for span in spans}
    end = len(nodes) - 1
    first: dict[Storage, tuple[str, Shape | None, int]] = {}
    last: dict[Storage, int] = {}
    for name, tensor in tensors.items():
        first[tensor.storage] = (name, tensor.shape, 0)
        last[tensor.storage] = end  # unless it is used, it is nobody's to release
    kept: list[Held] = []
    not_counted, trained = [], set()
    kept_before: set[str] = set()
    for number, node in enumerate(nodes):
        span = within.get(number)
        given = [tensors[name] for name in node.inputs]
        autograd, before = main, len(main.kept)
        if span is not None:
            autograd = again[span]
            named = zip(node.inputs, given, strict=True)
            outside = [x for name, x in named if numbers.get(name, -1) < span[0]]
            main.keep(*outside)
            taken[span].update((x.storage, None) for x in outside)
        autograd.trainable = not node.frozen
        output = autograd.apply(node.op, *given, training=training)
        if isinstance(node.op, Cache):
            kept_before.add(node.name)
        elif isinstance(node.op, Concat) and node.inputs[0] in kept_before and not training:
            output.storage.stored = True  # joined in place, where room was left for it
        tensors[node.name] = output
        first.setdefault(output.storage, (node.name, node.shape, number))
        last |= {x.storage: number for x in (*given, output)}
        for storage in islice(reversed(main.kept), len(main.kept) - before):
            name, shape, begins = first.get(storage, (node.name, None, number))
            kept.append(Held(name, shape, storage, begins, number))
        if output.trained:
            trained.add(output.storage)
            if not isinstance(node.op, Differentiable | Stepwise):
                not_counted.append(node.name)
    if formats:
        _narrow(tensors.items(), formats)
    ends = graph.outputs if not training else (*graph.outputs, *graph.training_outputs)
    last |= {tensors[name].storage: end for name in ends}
    live = Liveness(
        tuple(numbers),
        tuple(
            Held(name, shape, storage, begins, last[storage])
            for storage, (name, shape, begins) in first.items()
            if not storage.stored
        ),
    )
    segments = tuple(Segment(*span, tuple(taken[span]), tuple(again[span].kept)) for span in spans)
    passing = frozenset(trained)
    return Step(tuple(numbers), tuple(kept), segments, live, passing, tuple(not_counted))


def _narrow(tensors: Iterable[tuple[str, Tensor]], formats: Mapping[str, Format]) -> None:
    """Say how large memory is whose numbers are in other formats: the largest it has to be."""
    sizes: dict[Storage, list[int | None]] = {}
    for name, tensor in tensors:
        format = formats.get(name) if tensor.storage.width == 0 else None
        found = None if format is None else int(format.bytes(tensor.shape))
        sizes.setdefault(tensor.storage, []).append(found)
    for storage, known in sizes.items():
        whole = [size for size in known if size is not None]
        storage.known = max(whole) if len(whole) == len(known) else None


def block(name: str) -> str:
    """The block that a layer stands in: down to its last number, ``stages.0.blocks.1``.

    Of one that stands in no repetition the outermost block, ``""`` without any.
    """
    parts = name.split(".")[:-1]
    numbered = [k for k, part in enumerate(parts) if part.isdecimal()]
    return ".".join(parts[: numbered[-1] + 1]) if numbered else ".".join(parts[:1])


def _spans(
    nodes: Sequence[Node], checkpoint: str | int, alone: Callable[[], Step]
) -> list[tuple[int, int]]:
    """Parts of the network by the numbers of their first and last layers."""
    named = [node.stage if checkpoint == "stages" else block(node.name) for node in nodes]
    if isinstance(checkpoint, int):
        return _cheapest(_runs(named), checkpoint, alone())
    if checkpoint not in CHECKPOINTS:
        known = ", ".join(CHECKPOINTS)
        raise ArchcalcError(
            f"no checkpoints '{checkpoint}'\n  known: {known}, or a number of parts"
        )
    found = [span for span in _runs(named) if named[span[0]]]
    if not found:
        raise ArchcalcError(
            f"there are no {checkpoint} to checkpoint: the layers stand in no blocks\n"
            "  say a number of parts"
        )
    return found


def _runs(names: Sequence[str]) -> list[tuple[int, int]]:
    """Spans of equal names that follow each other; layers without a name are spans of their own."""
    found: list[tuple[int, int]] = []
    for number, name in enumerate(names):
        if found and name and names[number - 1] == name:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _cheapest(runs: Sequence[tuple[int, int]], parts: int, alone: Step) -> list[tuple[int, int]]:
    """The cut into parts that keeps least: what parts take, and what one keeps when it runs.

    Numbers are compared in float32. What several parts take is counted for each of them, so that
    of a network whose parts have inputs in common there may be a better cut.
    """
    if not 2 <= parts <= len(runs):
        raise ArchcalcError(f"checkpoint {parts}: there can be from 2 to {len(runs)} parts")
    numbers = set(alone.layers)
    makers = {each.storage: each.first for each in alone.live.held}
    given = {each.storage for each in alone.live.held if each.name not in numbers}
    sizes: dict[tuple[int, int], tuple[int, int]] = {}
    for begin, (start, _) in enumerate(runs):
        outside: set[Storage] = set()
        inside: set[Storage] = set()
        for end in range(begin, len(runs)):
            for number in range(runs[end][0], runs[end][1] + 1):
                layer = alone.segments[number]
                inside.update(layer.kept)
                outside.update(s for s in layer.taken if s in given or makers.get(s, start) < start)
            sizes[begin, end] = (
                sum(storage.bytes(4) for storage in outside),
                sum(storage.bytes(4) for storage in inside - outside),
            )
    # Of all cuts of the first runs into so many parts, those that no other is better than.
    best: dict[int, list[tuple[int, int, tuple[int, ...]]]] = {0: [(0, 0, ())]}
    for _ in range(parts):
        after: dict[int, list[tuple[int, int, tuple[int, ...]]]] = {}
        for done, cuts in best.items():
            for end in range(done, len(runs)):
                taken, kept = sizes[done, end]
                after.setdefault(end + 1, []).extend(
                    (sum_ + taken, max(most, kept), (*ends, end)) for sum_, most, ends in cuts
                )
        best = {done: _undominated(cuts) for done, cuts in after.items()}
    _, _, ends = min(best[len(runs)], key=lambda cut: (cut[0] + cut[1], cut))
    starts = (0, *(end + 1 for end in ends[:-1]))
    return [(runs[a][0], runs[b][1]) for a, b in zip(starts, ends, strict=True)]


def _undominated(
    cuts: Iterable[tuple[int, int, tuple[int, ...]]],
) -> list[tuple[int, int, tuple[int, ...]]]:
    found: list[tuple[int, int, tuple[int, ...]]] = []
    for cut in sorted(cuts):
        if not found or cut[1] < found[-1][1]:
            found.append(cut)
    return found
