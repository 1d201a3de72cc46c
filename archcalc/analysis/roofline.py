"""Network and machine -> the least time: what it multiplies, and what it moves.

A layer takes no less than its multiply-accumulates at the machine's peak, nor than its bytes at the
bandwidth of its memory (Williams, Waterman and Patterson 2009, "Roofline"). That is a bound and no
prediction: whoever launches kernels, waits for them, rearranges tensors or does other arithmetic
than products takes longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from archcalc.analysis.analyze import answer
from archcalc.analysis.counted import Analysis
from archcalc.analysis.kernels import Computing, Fused, Kernel, Reading, kernels_of
from archcalc.analysis.memory import held
from archcalc.document.shown import shown
from archcalc.errors import ArchcalcError
from archcalc.frontends.network import NetworkLike
from archcalc.operators.base import LARGEST
from archcalc.spec.bits import Formats, Rule
from archcalc.spec.machines import Hardware, find
from archcalc.spec.question import Input, Question, with_options
from archcalc.values import Remembering

FUSIONS = ("none", "elementwise", "all")
"""What is taken as one kernel: each layer; a layer with what follows element by element; all."""


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
    not at all where nothing is known of that, or always if ``through_memory``. Other arithmetic
    than products is not counted.

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


def seconds(analysis: Analysis, machine: Hardware, dtype: str = "float32") -> float:
    """The least time of :func:`roofline`, and nothing else of it."""
    cache = int(machine.cache.value if machine.cache else LARGEST)
    computing = Computing(machine, dtype)
    fused = kernels_of(analysis, Reading(Formats.of(dtype), analysis), "elementwise")
    return sum(_kernel(each, analysis, cache, computing).seconds for each in fused)


def _kernel(fused: Fused, analysis: Analysis, cache: int, computing: Computing) -> Kernel:
    bandwidth, rows = computing.machine.bandwidth, fused.rows
    moved = fused.moved(cache)
    return Kernel(
        tuple(row.name for row in rows),
        rows[0].stage,
        fused.macs,
        fused.weights,
        moved,
        sum(computing.seconds(row, analysis.stored[row.name]) for row in rows if row.macs),
        (fused.weights + moved) / bandwidth.value if bandwidth else 0.0,
    )


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
    # Where nothing is known of a cache all may stay in one: a bound has no unknown against it.
    known = machine.cache.value if machine.cache else LARGEST
    resident = 0.0 if through_memory else known
    computing = Computing(machine, dtype)
    fused = [*kernels_of(analysis, Reading(formats, analysis), fusion)]
    settled = Question(allow_unknown=question.allow_unknown, formats=formats._replace(rules=()))
    return Roofline(
        analysis.graph.name,
        machine,
        dtype,
        next(iter(analysis.graph.inputs.values()))[0],
        fusion,
        bool(resident),
        tuple(_kernel(each, analysis, int(resident), computing) for each in fused),
        analysis.not_counted,
        sum(_kernel(each, analysis, 0, computing).seconds for each in fused),
        held(analysis.graph, settled).most,
        analysis.graph.bits,
        formats.cache,
        tuple(computing.met) or (dtype,),
        computing.skips,
    )
