"""What a network comes to under choices of how to count, from sums over its layers.

A choice that concerns layers (biases, buffers, the classifier, ...) only picks other sums, so a
network is analyzed once for all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import NamedTuple

from archcalc.analysis.analyze import analyze
from archcalc.analysis.conventions import CONVENTIONS
from archcalc.analysis.counted import Analysis, Row
from archcalc.analysis.counters import bias_adds, thop_2020
from archcalc.analysis.depth import UNWEIGHTED, is_weight_layer
from archcalc.dims import Size
from archcalc.operators import FAMILIES
from archcalc.operators.autograd import INTEGER
from archcalc.operators.base import elements
from archcalc.operators.channel_norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from archcalc.operators.conv import Conv1d, Conv2d, Conv3d
from archcalc.operators.conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from archcalc.operators.linear import Linear
from archcalc.spec.bits import BYTES
from archcalc.spec.graph import Graph

STEP = 3
"""Forward passes that a training step is taken for: the backward pass is two products for one."""

_VIEWS = frozenset(("Flatten", "Reshape", "Permute", "Transpose", "Squeeze", "Unsqueeze"))
"""Operators whose outputs are their inputs' memory, and which others don't see."""

_EMBEDDINGS = ("Embedding", "EmbeddingBag")

CONNECTIONS = "connections"
"""Counting MACs and uses of biases, beside the names of ``CONVENTIONS``."""

THOP_2020 = "thop 0.0.31"
"""An older tool's way, which only printed numbers are held against."""

_PER_MAC = {"macs": 1, CONNECTIONS: 1, "2xmacs": 2, "all": 2, "textbook": 2}
_BIASED = ("all", "textbook")
_PLAIN_CONVS = (Conv1d, Conv2d, Conv3d)
_CONVS = (*_PLAIN_CONVS, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)
_BATCH_NORMS = (BatchNorm1d, BatchNorm2d, BatchNorm3d)


UNSEEN = {
    "transposed": "transposed convolutions",
    "axes": "convolutions of one or three axes",
    "computed": "convolutions whose weight is computed",
}
"""Convolutions that a tool may not see, which knows modules by their class."""


class Place(NamedTuple):
    """What tells layers apart that a choice takes or leaves."""

    first: bool
    """The first layer with weights."""
    classifier: bool
    """A linear layer after which no layer has weights."""
    linear: bool
    head: bool
    """Exists in training only."""
    norm: bool
    """A normalization with weights."""
    embedding: str = ""
    """``tokens`` of a table of embeddings, ``positions`` of one that is added to what it is fed."""
    loose: bool = False
    """A tensor that no layer holds: where modules are listed, nothing stands for it."""
    unseen: str = ""
    """Why a tool that looks for plain convolutions of images finds none: one of ``UNSEEN``."""


@dataclass
class _Part:
    """The layers of one place, equal ones once with how many they are, and their tensors' sums."""

    rows: list[tuple[Row, int]] = field(default_factory=list)
    stored: Counter[str] = field(default_factory=Counter)


class Sums:
    """A network, or one layer or block of it, summed so that any choice is quick to count."""

    def __init__(self, graph: Graph, layer: str | None = None) -> None:
        """Raises :class:`ArchcalcError` if there is no such layer."""
        self.analysis = analyze(graph, training=not graph.untrainable)
        self.rows = _within(self.analysis, layer)
        self.parts = _parts(self.analysis, self.rows)
        self._work: dict[tuple[Place, str], Size] = {}

    def count(self, quantity: str, chosen: Mapping[str, str]) -> Size | None:
        """The number of a quantity under choices, by axis.

        ``quantity`` is ``params``, ``bytes``, or the name of a convention of work by default.
        None where the choices mean nothing together.
        """
        if "factored" in chosen:
            return self._factored(quantity, chosen)
        kept = [place for place in self.parts if _keeps(place, quantity, chosen)]
        if quantity in ("params", "bytes"):
            size = BYTES[chosen.get("dtype", "float32")] if quantity == "bytes" else 1
            counter = INTEGER if quantity == "bytes" else 1
            if "gates" in chosen and "biases" in chosen:
                return None
            if "tensors" in chosen:
                return self._tensors(kept, chosen, size)
            taken = dict.fromkeys(_stored(chosen), size)
            if chosen.get("buffers") == "all":
                taken["counters"] = counter
            return sum(
                times * self.parts[place].stored[kind]
                for place in kept
                for kind, times in taken.items()
            )
        way = chosen.get("counted", quantity)
        total = sum(self._counted(place, way) for place in kept)
        if "biases" in chosen:
            if chosen["biases"] != "without" or way not in _BIASED:
                return None
            total -= sum(self._counted(place, "bias adds") for place in kept)
        if "groups" in chosen:
            if way not in _PER_MAC:
                return None
            total += _PER_MAC[way] * sum(self._counted(place, "dense") for place in kept)
        return STEP * total if "step" in chosen else total

    def _tensors(self, kept: Sequence[Place], chosen: Mapping[str, str], size: int) -> Size | None:
        """Bytes of what layers give, and of what else a tool adds to that."""
        if chosen.keys() & {"biases", "buffers", "groups", "shared", "gates", "lengths"}:
            return None
        rows = [each for place in kept for each in self.parts[place].rows if each[0].executed]
        way = chosen["tensors"]
        if way == "torchinfo":
            rows = [each for each in rows if each[0].weights]
        outputs = sum(elements(row.shape) * times for row, times in rows if row.op not in _VIEWS)
        if way == "torchinfo" or way.startswith("torchsummary"):
            outputs *= 2
        if way in ("all", "torchsummary total"):
            outputs += sum(map(elements, self.analysis.graph.inputs.values()))
            outputs += self.analysis.params
        return size * outputs

    @cached_property
    def kinds(self) -> frozenset[str]:
        """What there is of that only some networks have: stored kinds, and places."""
        stored = {kind for part in self.parts.values() for kind in part.stored}
        of_places = {kind for place in self.parts for kind in (place.embedding, place.unseen)}
        return frozenset(stored | of_places)

    @cached_property
    def only_batch_norms(self) -> bool:
        """Whether no other normalization has weights."""
        rows = [row for row in self.rows if row.weights and row.op in FAMILIES["normalization"]]
        return all(isinstance(row.node.op, _BATCH_NORMS) for row in rows)

    def _counted(self, place: Place, way: str) -> Size:
        key = (place, way)
        if key not in self._work:
            count = _counter(self.analysis, way)
            self._work[key] = sum(count(row) * times for row, times in self.parts[place].rows)
        return self._work[key]

    def _factored(self, quantity: str, chosen: Mapping[str, str]) -> Size | None:
        """A single convolution as a depthwise one of some maps a channel, and a 1x1 after it."""
        if len(self.convolutions) != 1 or chosen.keys() - {
            *("factored", "biases", "dtype", "thousand", "edition", "input", "counted")
        }:
            return None
        (row,) = self.convolutions
        channels = row.node.input_shapes[0][1]
        maps = int(chosen["factored"]) * channels
        weights = prod(row.weights["weight"][2:]) * maps + maps * row.shape[1]
        if quantity in ("params", "bytes"):
            if chosen.get("biases", "without") != "without":
                return None
            biases = 0 if "biases" in chosen else row.shape[1] * ("bias" in row.weights)
            size = BYTES[chosen.get("dtype", "float32")] if quantity == "bytes" else 1
            return (weights + biases) * size
        way = chosen.get("counted", quantity)
        if way not in ("macs", "2xmacs") or "biases" in chosen:
            return None
        return _PER_MAC[way] * weights * (elements(row.shape) // row.shape[1])

    @cached_property
    def convolutions(self) -> list[Row]:
        """Its layers with weights, if they are one convolution with a window and no groups."""
        rows = [row for row in self.rows if row.weights]
        plain = len(rows) == 1 and isinstance(rows[0].node.op, _PLAIN_CONVS)
        if not plain or "weight" not in rows[0].weights:
            return []
        windowed = prod(rows[0].weights["weight"][2:]) > 1
        return rows if windowed and _groups(rows[0]) == 1 else []


def _stored(chosen: Mapping[str, str]) -> list[str]:
    """The kinds of numbers that are counted as stored."""
    biases = {None: ["bias"], "without": [], "every": ["bias", "missing"]}
    biased = "biases" not in chosen or chosen["biases"] == "every"
    return [
        "weight",
        *biases[chosen.get("biases")],
        *(["second bias"] if biased and "gates" not in chosen else []),
        *(["shared"] if "shared" in chosen else []),
        *(["shared bias"] if "shared" in chosen and biased else []),
        *(["lengths"] if "lengths" in chosen else []),
        *(["dense"] if "groups" in chosen else []),
        *(["statistics"] if "buffers" in chosen else []),
    ]


def _keeps(place: Place, quantity: str, chosen: Mapping[str, str]) -> bool:
    trained = quantity in ("params", "bytes")
    left_out = (
        (place.first and "first" in chosen)
        or (place.classifier and "classifier" in chosen)
        or (place.linear and chosen.get("classifier") == "linear")
        or (place.norm and "norm" in chosen)
        or (place.head and (trained == ("heads" in chosen)))
        or (place.loose and "loose" in chosen)
        or (place.unseen and chosen.get("unseen") == place.unseen)
        or (place.embedding and chosen.get("embeddings") in ("all", place.embedding))
    )
    return not left_out


def _counter(analysis: Analysis, way: str) -> Callable[[Row], Size]:
    if way == CONNECTIONS:
        return lambda row: row.connections
    if way == "bias adds":
        return bias_adds
    if way == THOP_2020:
        return thop_2020
    if way == "dense":
        return lambda row: row.macs * (_groups(row) - 1)
    return CONVENTIONS[way].within(analysis).count


def _groups(row: Row) -> int:
    groups: int = getattr(row.node.op, "groups", 1) if isinstance(row.node.op, _CONVS) else 1
    return groups


def _unseen(row: Row) -> str:
    op = row.node.op
    if not isinstance(op, _CONVS):
        return ""
    if op.parametrization is not None:
        return "computed"
    if not isinstance(op, _PLAIN_CONVS):
        return "transposed"
    return "" if isinstance(op, Conv2d) else "axes"


def _within(analysis: Analysis, layer: str | None) -> list[Row]:
    if layer is None:
        return list(analysis.rows)
    rows = analysis.under(layer)
    if not rows:
        raise analysis.missing(layer)
    return [*rows]


def _parts(analysis: Analysis, rows: list[Row]) -> dict[Place, _Part]:
    graph = analysis.graph
    running = graph.leading_to(*graph.outputs)
    weighted = [row.name for row in analysis.rows if is_weight_layer(row)]
    classifiers = _last(analysis)
    owners = {row.name: row for row in analysis.rows}
    added = _added(analysis)
    of_images = bool(weighted) and owners[weighted[0]].op not in _EMBEDDINGS
    equal: dict[tuple[Place, int, str | None], tuple[Row, int]] = {}
    for row in rows:
        place = Place(
            first=of_images and row.name == weighted[0],
            classifier=row.name in classifiers,
            linear=isinstance(row.node.op, Linear),
            head=bool(graph.training_outputs) and row.name not in running and not row.node.spare,
            norm=bool(row.weights) and row.op in FAMILIES["normalization"],
            embedding=(
                "tokens" if row.op in _EMBEDDINGS else "positions" if row.name in added else ""
            ),
            loose=row.op == "Parameter",
            unseen=_unseen(row),
        )
        # Copies of a block hold the same objects; what shares tensors may differ by its owner.
        key = (place, id(row.node.applied), row.node.share)
        equal[key] = (row, equal.get(key, (row, 0))[1] + 1)
    parts: dict[Place, _Part] = {}
    for (place, _, share), (row, times) in equal.items():
        part = parts.setdefault(place, _Part())
        part.rows.append((row, times))
        for kind, count in _tensors(row, owners[share] if share else None).items():
            part.stored[kind] += times * count
    return parts


def _added(analysis: Analysis) -> frozenset[str]:
    """The tables that are added to a sequence: of positions, with an axis for them."""
    rows = {row.name: row for row in analysis.rows}
    found = set()
    for row in analysis.rows:
        for name in row.node.inputs if row.op == "Add" else ():
            while name in rows and rows[name].op in (*_VIEWS, "Slice"):
                name = rows[name].node.inputs[0]
            if name in rows and rows[name].op == "Parameter" and len(rows[name].shape) > 2:
                found.add(name)
    return frozenset(found)


def _last(analysis: Analysis) -> frozenset[str]:
    """The linear layers after which no layer has weights."""
    followed: set[str] = set()
    last = []
    for row in reversed(analysis.rows):
        own = is_weight_layer(row)
        if own and row.name not in followed and isinstance(row.node.op, Linear):
            last.append(row.name)
        if own or row.name in followed:
            followed.update(row.node.inputs)
    return frozenset(last)


def _tensors(row: Row, owner: Row | None) -> Counter[str]:
    """Elements that a layer stores and owns, by kind."""
    kinds: Counter[str] = Counter()
    shared = () if owner is None else (*owner.weights, *owner.buffer_shapes)
    for name, shape in row.weights.items():
        is_bias = "bias" in name and row.op not in UNWEIGHTED
        kind = "bias" if is_bias else "weight"
        if name in shared:
            kind = "shared bias" if is_bias else "shared"
        elif is_bias and name.startswith("bias_hh"):
            kind = "second bias"
        elif name == "weight" and isinstance(row.node.op, (*_CONVS, Linear)):
            kinds["lengths"] += shape[0]
        kinds[kind] += elements(shape)
    for name, shape in row.buffer_shapes.items():
        if name not in shared:
            counts = name == "num_batches_tracked"
            kinds["counters" if counts else "statistics"] += elements(shape)
    if isinstance(row.node.op, _CONVS):
        kinds["dense"] += kinds["weight"] * (_groups(row) - 1)
        if "bias" not in row.weights:
            kinds["missing"] += row.shape[1]
    return kinds
