"""Kernels: what they move, and how long their products take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from archcalc.analysis.bits import Stored, executed, joined
from archcalc.analysis.counted import Analysis, Row
from archcalc.analysis.liveness import inputs_of
from archcalc.operators.autograd import INTEGER, Untrained
from archcalc.operators.autograd import Stored as Kept
from archcalc.operators.base import elements
from archcalc.operators.parameter import Cache
from archcalc.operators.taps import Pointwise
from archcalc.spec.bits import BITS, Formats
from archcalc.spec.machines import Hardware


class Kernel(NamedTuple):
    """Layers that are taken as one, so that what passes between them stays where it is."""

    layers: tuple[str, ...]
    stage: str
    macs: int
    """Multiply-accumulates, those with zeros too."""
    weights: int
    """Bytes of weights that are read."""
    moved: int
    """Bytes of tensors that are read and written."""
    seconds_computing: float
    seconds_moving: float

    @property
    def bytes(self) -> int:
        """All that comes from memory or goes there."""
        return self.weights + self.moved

    @property
    def seconds(self) -> float:
        """The least time, where moving and computing hide each other."""
        return max(self.seconds_computing, self.seconds_moving)

    @property
    def intensity(self) -> float | None:
        """Floating-point operations of products for each byte; None where nothing is moved."""
        return 2 * self.macs / self.bytes if self.bytes else None

    @property
    def binds(self) -> str:
        """What takes that time: ``compute`` or ``memory``; ``""`` where nothing does."""
        if not self.seconds:
            return ""
        return "compute" if self.seconds_computing >= self.seconds_moving else "memory"


class Computing:
    """How long products take at least, in what they can be computed in."""

    def __init__(self, machine: Hardware, dtype: str) -> None:
        self.machine, self.dtype = machine, dtype
        self.met: dict[str, None] = {}
        self.skips = False

    def seconds(self, row: Row, said: Stored) -> float:
        dtype = self.dtype_of(said, bool(row.weights))
        self.met[dtype] = None
        peak = self.machine.peak(dtype)
        macs = int(row.macs)
        if peak.doubles and said.density and said.density.kept * 2 <= 1:
            macs = int(executed(row, said))
            self.skips = self.skips or macs < row.macs
        return 2 * macs / peak.value

    def dtype_of(self, said: Stored, weighs: bool) -> str:
        """The dtype, or one of 8 bits where both factors fit in it and the machine has it."""
        active = said.activations
        if active is None or active.bits > BITS["int8"]:
            return self.dtype
        if weighs and (said.weights is None or said.weights.bits > BITS["int8"]):
            return self.dtype
        whole = active.whole and (not weighs or said.weights is None or said.weights.whole)
        narrow = "int8" if whole else "float8"
        return narrow if narrow in self.machine.peaks else self.dtype


_FUSED = ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "RotaryEmbedding")
"""Operators that work element by element at inference, or on pairs, beside those that always do."""


class Fused(NamedTuple):
    """The layers of a kernel, and the bytes that they read and write."""

    rows: list[Row]
    weights: int
    always: int
    """Bytes of the network's inputs and outputs, and of what is kept of steps before."""
    between: tuple[int, ...]
    """Bytes of each tensor that passes between kernels."""

    @property
    def macs(self) -> int:
        return sum(row.macs for row in self.rows)

    def moved(self, cache: int) -> int:
        """Bytes of tensors that don't stay in a cache of so many bytes."""
        return self.always + sum(max(0, size - cache) for size in self.between)


def kernels_of(analysis: Analysis, reading: Reading, fusion: str) -> Iterator[Fused]:
    """The kernels of a network."""
    rows = [row for row in analysis.rows if row.executed]
    tensors = analysis._makers
    groups = _groups(rows, tensors, fusion)
    kernel_of = {name: number for number, group in enumerate(groups) for name in group}
    ends = {tensors[name] for name in analysis.graph.outputs}
    given = set(analysis.graph.inputs)
    sizes = _sizes(analysis, rows, reading)
    written: dict[str, int] = {}
    for row in joined(rows):  # what was kept comes from memory, and what is new goes there
        given.add(row.name)
        for name, shape in [*zip(row.node.inputs, row.node.input_shapes, strict=True)][1:]:
            maker = tensors[name]
            written[maker] = written.get(maker, 0) + int(reading.formats.kept.bytes(shape))
    read: list[set[str]] = [set() for _ in groups]
    used_by: dict[str, set[int]] = {}
    by_name = {row.name: row for row in rows}
    for row in rows:
        if row.name not in kernel_of:
            continue
        number = kernel_of[row.name]
        for name in {tensors[each] for each in row.node.inputs}:
            if kernel_of.get(name) != number:
                read[number].add(name)
                used_by.setdefault(name, set()).add(number)
    for number, group in enumerate(groups):
        members = [by_name[name] for name in group]
        always = sum(sizes[name] for name in read[number] if name in given)
        between = [sizes[name] for name in read[number] if name not in given]
        for name in group:
            always += written.get(name, 0)
            if name in ends:
                always += sizes[name]
            elif used_by.get(name, set()) - {number}:
                between.append(sizes[name])
        yield Fused(members, _weights(members, reading), always, tuple(between))


def _groups(rows: list[Row], tensors: Mapping[str, str], fusion: str) -> list[list[str]]:
    """Layers that are one kernel, by name, without views."""
    apart = {row.name for row in rows if isinstance(row.node.op, Cache)}
    apart |= {row.name for row in joined(rows)}
    working = [row for row in rows if tensors[row.name] == row.name and row.name not in apart]
    if fusion == "all":
        return [[row.name for row in working]] if working else []
    groups: list[list[str]] = []
    number: dict[str, int] = {}
    for row in working:
        into = None
        if fusion == "elementwise" and _elementwise(row):
            # The latest of what it takes that is as large has just been made.
            of_size = [
                number[name]
                for name in (tensors[each] for each in row.node.inputs)
                if name in number
            ]
            into = max(of_size, default=None)
        if into is None:
            into = len(groups)
            groups.append([])
        groups[into].append(row.name)
        number[row.name] = into
    return groups


def _elementwise(row: Row) -> bool:
    return isinstance(row.node.op, Pointwise) or type(row.node.op).__name__ in _FUSED


def _sizes(analysis: Analysis, rows: list[Row], reading: Reading) -> dict[str, int]:
    """Bytes of inputs and of layers' outputs; a weight's stand with the weights."""
    width, formats = reading.formats.width, analysis.formats()
    sizes = {name: t.storage.bytes(width) for name, t in inputs_of(analysis.graph).items()}
    for name, tensor in inputs_of(analysis.graph).items():
        if name in formats and not tensor.storage.width:
            sizes[name] = int(formats[name].bytes(tensor.shape))
    for row in rows:
        op, format = row.node.op, formats.get(row.name)
        if isinstance(op, Kept):
            sizes[row.name] = 0
        elif format is None or isinstance(op, Untrained):
            sizes[row.name] = elements(row.shape) * (
                INTEGER if isinstance(op, Untrained) else width
            )
        else:
            sizes[row.name] = int(format.bytes(row.shape))
    for row in joined(rows):
        sizes[row.name] = int(reading.formats.kept.bytes(row.shape))
    return sizes


class Reading(NamedTuple):
    """How numbers are stored that are read."""

    formats: Formats
    analysis: Analysis


def _weights(rows: Iterable[Row], reading: Reading) -> int:
    """Bytes of weights and buffers that a kernel reads: of a table only the rows looked up.

    What layers share is read once by a kernel, and again by the next one.
    """
    width = reading.formats.width
    read: dict[tuple[str, str], int] = {}
    looked_up = 0
    for row in rows:
        said = reading.analysis.stored[row.name]
        if row.node.op.indices and row.weights:
            for name, shape in row.weights.items():
                whole = said.bytes(row, name, shape, width)
                table = elements(shape)
                looked_up += -(-whole * min(table, elements(row.shape)) // table)
            continue
        for name, shape in {**row.weights, **row.buffer_shapes}.items():
            if name != "num_batches_tracked":  # which is only counted in training
                read[row.node.share or row.name, name] = said.bytes(row, name, shape, width)
    return int(sum(read.values()) + looked_up)
