"""Network and machine -> the least time: what it multiplies, and what it moves.

A layer takes no less than its multiply-accumulates at the machine's peak, nor than its bytes at the
bandwidth of its memory (Williams, Waterman and Patterson 2009, "Roofline"). That is a bound and no
prediction: whoever launches kernels, waits for them, rearranges tensors or does other arithmetic
than products takes longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from archcalc.analysis.analyze import Analysis, Row, answer
from archcalc.analysis.bits import Stored, executed, joined
from archcalc.analysis.liveness import inputs_of, makers
from archcalc.analysis.memory import held
from archcalc.document.shown import shown
from archcalc.errors import ArchcalcError
from archcalc.frontends.network import NetworkLike
from archcalc.operators.autograd import INTEGER, Untrained
from archcalc.operators.autograd import Stored as Kept
from archcalc.operators.base import elements
from archcalc.operators.parameter import Cache
from archcalc.operators.taps import Pointwise
from archcalc.spec.bits import BITS, Formats, Rule
from archcalc.spec.machines import Hardware, find
from archcalc.spec.question import Input, Question, with_options
from archcalc.values import Remembering

FUSIONS = ("none", "elementwise", "all")
"""What is taken as one kernel: each layer; a layer with what follows element by element; all."""


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


@shown
@dataclass(frozen=True)
class Roofline(Remembering):
    """The least time of a network on a machine: a bound, which no run is below.

    ::

        >>> import archcalc
        >>> found = archcalc.roofline("resnet18", "h100-sxm")
        >>> found.seconds >= max(found.seconds_computing, found.seconds_moving) > 0
        True
    """

    network: str
    machine: Hardware
    dtype: str
    batch: int
    fusion: str
    cached: bool
    """Whether what fits into the machine's last cache is taken to stay there between layers."""
    kernels: tuple[Kernel, ...]
    """In the order in which they run, views left out, which do nothing."""
    not_counted: tuple[str, ...]
    """Layers of unknown operators: the time is more."""
    through_memory: float
    """The time in seconds if every tensor between kernels went through memory, whatever fits into
    a cache."""
    needed: int
    """Bytes of memory that it needs: :func:`archcalc.memory`."""
    bits: tuple[Rule, ...] = ()
    """What numbers are stored in, where it is not the dtype."""
    kept: str | None = None
    """The format of what is kept of steps before, likewise."""
    computed: tuple[str, ...] = ()
    """What products are computed in: the dtype, or narrower ones where both factors are stored so,
    in the order in which they are met."""
    skips: bool = False
    """Whether zeros of a 2:4 pattern are left out, because the machine does so."""

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates of a batch."""
        return sum(kernel.macs for kernel in self.kernels)

    @cached_property
    def bytes(self) -> int:
        """Bytes that come from memory or go there."""
        return sum(kernel.bytes for kernel in self.kernels)

    @cached_property
    def seconds(self) -> float:
        """The least time of a batch, its kernels one after the other."""
        return sum(kernel.seconds for kernel in self.kernels)

    @property
    def seconds_computing(self) -> float:
        """The same if memory were no limit."""
        return sum(kernel.seconds_computing for kernel in self.kernels)

    @property
    def seconds_moving(self) -> float:
        """The same if work were no limit."""
        return sum(kernel.seconds_moving for kernel in self.kernels)

    @property
    def binds(self) -> str:
        """What takes most of that time: ``compute`` or ``memory``."""
        times = {"compute": 0.0, "memory": 0.0}
        for kernel in self.kernels:
            times[kernel.binds or "compute"] += kernel.seconds
        return max(times, key=times.__getitem__)

    @property
    def ridge(self) -> float | None:
        """The intensity from which on work binds; None where the bandwidth is not known."""
        bandwidth = self.machine.bandwidth
        return None if bandwidth is None else self.machine.peak(self.dtype).value / bandwidth.value


@with_options
def roofline(
    network: NetworkLike,
    on: str | Hardware = "h100-sxm",
    *,
    dtype: str = "float32",
    batch: int = 1,
    input: Input = None,
    fusion: str = "elementwise",
    through_memory: bool = False,
    weights: str | Sequence[str] | None = None,
    activations: str | Sequence[str] | None = None,
    density: str | float | Sequence[str] | None = None,
    exclude: str | Sequence[str] = (),
    cache: str | None = None,
    allow_unknown: bool = False,
    **variables: Any,
) -> Roofline:
    """The least time that a network can take at inference.

    Counted are its multiply-accumulates, as they stand in a table, at the machine's peak for
    products in ``dtype``; and the bytes that every kernel has to read and write: weights once, of
    an embedding the rows that are looked up, and tensors, all numbers of ``dtype``. A view moves
    nothing. With ``fusion="elementwise"`` a layer is one kernel with what follows it element by
    element (activations, batch normalization, scales, sums with another tensor), as compilers do
    it; with ``none`` each is its own; with ``all`` only weights, inputs and outputs of the network
    are moved. A tensor between layers is moved only as far as it exceeds the machine's last cache,
    where that is known, or always if ``through_memory``. Other arithmetic than products is not
    counted.

    ``weights``, such as ``int4:128``, ``activations``, ``density`` and ``exclude`` are as in
    :func:`archcalc.quantize`. A product is computed
    in ``dtype``, or where both of its factors have at most 8 bits in ``int8`` or ``float8``, if the
    machine has a peak for it. Of weights of density 2:4 half are multiplied where the machine's
    peaks are printed with sparsity; zeros that are scattered are multiplied like any other number.
    ``cache`` is the format of what is kept of steps before (``Cache``), which is read once, by what
    it is joined for, and the new part of it is written.

    The count is of convolutions done directly. Winograd's way multiplies less: of a 3x3 kernel
    4 times at most in common use (Lavin and Gray 2016), and a run that takes it may be below.

    ``on`` is a machine's name, its file, or what :func:`archcalc.spec.machines.find` gave. Raises
    :class:`ArchcalcError` for a dtype of which nothing is known of the machine, and what
    :func:`archcalc.analyze` raises.

    ::

        >>> import archcalc
        >>> archcalc.roofline("resnet18", "h100-sxm", batch=8).macs == 8 * 1814073344
        True
    """
    machine = find(on) if isinstance(on, str) else on
    formats = Formats.of(dtype, weights, activations, density, exclude, cache)
    question = Question(input, batch, variables, allow_unknown=allow_unknown, formats=formats)
    return bound(network, machine, question, fusion, through_memory)


def bound(
    network: NetworkLike,
    machine: Hardware,
    question: Question,
    fusion: str = "elementwise",
    through_memory: bool = False,
) -> Roofline:
    """The least time that is asked for: :func:`roofline`."""
    formats, dtype = question.formats, question.formats.dtype
    if fusion not in FUSIONS:
        raise ArchcalcError(f"no fusion '{fusion}'\n  known: {', '.join(FUSIONS)}")
    machine.peak(dtype)
    analysis = answer(network, question)
    resident = 0.0 if through_memory or machine.cache is None else machine.cache.value
    reading = _Reading(formats, analysis)
    bandwidth = machine.bandwidth.value if machine.bandwidth else None
    computing = _Computing(machine, dtype)

    def kernels(cache: int) -> tuple[Kernel, ...]:
        return tuple(
            Kernel(
                tuple(row.name for row in rows),
                rows[0].stage,
                macs,
                weights,
                moved,
                sum(computing.seconds(row, analysis.stored[row.name]) for row in rows if row.macs),
                (weights + moved) / bandwidth if bandwidth else 0.0,
            )
            for rows, macs, weights, moved in _kernels(analysis, reading, fusion, cache)
        )

    settled = Question(allow_unknown=question.allow_unknown, formats=formats._replace(rules=()))
    return Roofline(
        analysis.graph.name,
        machine,
        dtype,
        next(iter(analysis.graph.inputs.values()))[0],
        fusion,
        bool(resident),
        kernels(int(resident)),
        analysis.not_counted,
        sum(kernel.seconds for kernel in kernels(0)),
        held(analysis.graph, settled).most,
        analysis.graph.bits,
        formats.cache,
        tuple(computing.met) or (dtype,),
        computing.skips,
    )


class _Computing:
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


def _kernels(
    analysis: Analysis, reading: _Reading, fusion: str, cache: int
) -> Iterable[tuple[list[Row], int, int, int]]:
    """Kernels with their multiply-accumulates, and bytes of weights and of tensors."""
    rows = [row for row in analysis.rows if row.executed]
    tensors = makers(analysis)
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
        moved = sum(
            sizes[name] if name in given else max(0, sizes[name] - cache) for name in read[number]
        )
        for name in group:
            moved += written.get(name, 0)
            if name in ends:
                moved += sizes[name]
            elif used_by.get(name, set()) - {number}:
                moved += max(0, sizes[name] - cache)
        yield members, sum(row.macs for row in members), _weights(members, reading), moved


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


def _sizes(analysis: Analysis, rows: list[Row], reading: _Reading) -> dict[str, int]:
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


class _Reading(NamedTuple):
    """How numbers are stored that are read."""

    formats: Formats
    analysis: Analysis


def _weights(rows: Iterable[Row], reading: _Reading) -> int:
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
