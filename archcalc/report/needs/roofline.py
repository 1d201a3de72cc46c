"""The least time of a network on a machine, in any format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

from archcalc.analysis.kernels import Kernel
from archcalc.analysis.measured import Measurement
from archcalc.analysis.roofline import Roofline
from archcalc.document import Document
from archcalc.document.model import (
    Cell,
    Head,
    Heading,
    Item,
    Items,
    Label,
    Pairs,
    Prose,
    Row,
    Table,
    table,
)
from archcalc.report.needs.bits import rules
from archcalc.report.rendering import renderer
from archcalc.report.units import print_bytes, print_rate, print_time
from archcalc.spec.bits import described
from archcalc.spec.machines import Stated

FORMATS = ("table", "markdown", "csv", "json", "latex", "siunitx", "html")
"""The forms that a bound is printed in."""

DETAILS = ("stage", "layer")

NOT_COUNTED = (
    "arithmetic that is no product of weights or tensors, which hides behind the rest at best",
    "the time to launch kernels, to wait for them, and to rearrange tensors between them",
    "what a product wastes whose sizes do not fit the machine's",
)
"""What takes time and is in no number."""


class Found(NamedTuple):
    """A bound, and what a run took, if there was one."""

    roofline: Roofline
    detail: str = "stage"
    measured: Measurement | None = None


def document(found: Found | Roofline) -> Document:
    """What binds each stage or kernel, the least time of all, and where the numbers are from."""
    if isinstance(found, Roofline):
        found = Found(found)
    bound = found.roofline
    lines = _stages(bound) if found.detail == "stage" else bound.kernels
    return Document.of(
        Heading(f"{bound.network} on {bound.machine.name}: the least time, which no run is below"),
        Prose(_about(bound), "about"),
        _kernels(lines, bound, found.detail == "stage"),
        Pairs(tuple(_summary(found))),
        Items(tuple(_said(bound))),
        name="Roofline",
    )


def _about(bound: Roofline) -> str:
    fused = {
        "none": "every layer a kernel of its own",
        "elementwise": "layers fused with what follows them element by element",
        "all": "all layers fused",
    }[bound.fusion]
    formats = f", {described(bound.bits)}" if bound.bits else ""
    if bound.kept is not None:
        formats += f", what is kept in {bound.kept}"
    return f"{bound.machine.title}; {bound.dtype}{formats}, batch {bound.batch:,}, {fused}"


def _stages(bound: Roofline) -> Iterator[Kernel]:
    """Kernels of a stage as one, those of none each by itself."""
    named = enumerate(bound.kernels)
    for (stage, _), each in groupby(named, lambda pair: (pair[1].stage, pair[1].stage or pair[0])):
        kernels = [kernel for _, kernel in each]
        if not stage:
            yield from kernels
            continue
        yield Kernel(
            (stage,),
            stage,
            sum(k.macs for k in kernels),
            sum(k.weights for k in kernels),
            sum(k.moved for k in kernels),
            sum(k.seconds_computing for k in kernels),
            sum(k.seconds_moving for k in kernels),
        )


def _kernels(kernels: Iterable[Kernel], bound: Roofline, stages: bool = False) -> Table:
    heads = (
        Head("layer", "stage" if stages else "kernel"),
        Head("macs", "MACs", True),
        Head("bytes", "bytes", True),
        Head("intensity", "FLOP/byte", True),
        Head("computing", "computing", True),
        Head("moving", "moving", True),
        Head("binds", "binds"),
        Head("seconds", "least time", True),
        Head("share", "%", True),
    )
    # A stage's time is the sum of its kernels', of which some may be bound by work, some by memory.
    times: dict[str, float] = {}
    for kernel in bound.kernels:
        times[kernel.stage] = times.get(kernel.stage, 0.0) + kernel.seconds
    rows = []
    for kernel in kernels:
        seconds = times[kernel.stage] if stages and kernel.stage else kernel.seconds
        rows.append(Row(tuple(_cells(kernel, seconds, bound))))
    total = Kernel(
        (),
        "",
        bound.macs,
        sum(k.weights for k in bound.kernels),
        sum(k.moved for k in bound.kernels),
        bound.seconds_computing,
        bound.seconds_moving,
    )
    sums = Row((Label("total"), *tuple(_cells(total, bound.seconds, bound))[1:]), "sums")
    return table(heads, rows, sums=(sums,), narrow=("share", "moving", "computing", "bytes"))


def _cells(kernel: Kernel, seconds: float, bound: Roofline) -> Iterator[Cell]:
    first, *others = kernel.layers or ("",)
    yield first + (f" +{len(others)}" if others else "")
    yield kernel.macs
    yield kernel.bytes
    yield "" if kernel.intensity is None else f"{kernel.intensity:,.1f}"
    yield _time(kernel.seconds_computing)
    yield _time(kernel.seconds_moving) if bound.machine.bandwidth else "unknown"
    yield kernel.binds
    yield _time(seconds)
    yield f"{100 * seconds / bound.seconds:.1f}" if bound.seconds else ""


def _time(seconds: float) -> str:
    """Down to nanoseconds, and nothing of none."""
    if 0 < seconds < 1e-6:
        return f"{seconds * 1e9:.3g} ns"
    return print_time(seconds) if seconds else ""


def _summary(found: Found) -> Iterator[tuple[str, str]]:
    bound = found.roofline
    yield "least time", f"{print_time(bound.seconds)} for a batch of {bound.batch:,}"
    if bound.seconds:
        yield "at most", f"{print_rate(bound.batch / bound.seconds)} inputs/s"
    if bound.cached and bound.machine.bandwidth:
        yield (
            "without a cache",
            f"{print_time(bound.through_memory)}, every tensor between kernels through memory",
        )
    if found.measured is not None:
        run = found.measured
        yield "measured", f"{print_time(run.seconds)} on {run.machine}"
        yield "reached", f"{100 * bound.seconds / run.seconds:.1f}% of the bound's speed"
    yield "memory", fitting(bound)
    if bound.ridge is not None:
        yield "ridge", f"{bound.ridge:,.1f} FLOP/byte: below it memory binds, above it work"
    for dtype in bound.computed:
        unit = "OP/s" if dtype == "int8" else "FLOP/s"
        yield f"peak {dtype}", _printed(bound.machine.peak(dtype), unit)
    bandwidth = bound.machine.bandwidth
    yield "bandwidth", "unknown" if bandwidth is None else _printed(bandwidth, "B/s")


def fitting(bound: Roofline) -> str:
    """What it needs of the machine's memory."""
    there = bound.machine.memory
    if there is None:
        return f"{print_bytes(bound.needed)} are needed"
    share = bound.needed / there.value
    verdict = "fits" if share <= 1 else "does not fit"
    return f"{print_bytes(bound.needed)} of {there.printed}: {verdict}"


def _printed(stated: Stated, unit: str) -> str:
    sparse = f", half of {stated.printed} with sparsity" if stated.sparse else ""
    return f"{print_rate(stated.value)}{unit}{sparse}"


def _said(bound: Roofline) -> Iterator[Item]:
    if bound.cached and bound.machine.cache:
        yield Item(
            f"a tensor between kernels is moved as far as it exceeds the cache of "
            f"{bound.machine.cache.printed}"
        )
    elif bound.cached and bound.machine.bandwidth:
        yield Item("its last cache is not known: no tensor between kernels is taken to be moved")
    yield from _of_bits(bound)
    if bound.not_counted:
        yield Item(f"not known, so that it takes longer: {', '.join(bound.not_counted)}")
    if bound.machine.bandwidth is None:
        yield Item("how fast its memory is, is not known: only work bounds the time")
    if bound.machine.notes:
        yield Item(bound.machine.notes)
    peaks = [bound.machine.peak(dtype) for dtype in bound.computed]
    used = [*peaks, bound.machine.bandwidth, bound.machine.cache, bound.machine.memory]
    sources = dict.fromkeys(stated.source for stated in used if stated is not None)
    yield Item("sources:", tuple(sources))
    yield Item("not counted:", NOT_COUNTED)


def _of_bits(bound: Roofline) -> Iterator[Item]:
    """What is assumed of formats and zeros."""
    said = [rule for rule in bound.bits if rule.activations]
    narrow = [rule.activations for rule in said if rule.activations and rule.activations.bits < 8]
    if said and narrow and {"int8", "float8"} & {*bound.computed}:
        yield Item(
            f"nothing is known of products in {narrow[-1].name}: they take as long as in 8 bits"
        )
    densities = [rule.density for rule in bound.bits if rule.density is not None]
    if bound.skips:
        yield Item("of weights of density 2:4 half are multiplied: the machine skips the zeros")
    elif densities:
        yield Item("zeros are not stored, and multiplied like any other number")


def as_data(found: Found) -> dict[str, Any]:
    """All of it as JSON holds it: seconds, bytes, operations a second."""
    bound, run = found.roofline, found.measured

    def stated(each: Stated | None) -> dict[str, Any] | None:
        return None if each is None else each._asdict()

    return {
        "name": bound.network,
        "machine": {
            "name": bound.machine.name,
            "title": bound.machine.title,
            "memory": stated(bound.machine.memory),
            "cache": stated(bound.machine.cache),
            "bandwidth": stated(bound.machine.bandwidth),
            "peak": stated(bound.machine.peak(bound.dtype)),
        },
        "dtype": bound.dtype,
        "bits": rules(bound.bits),
        "kept": bound.kept,
        "computed": list(bound.computed),
        "batch": bound.batch,
        "fusion": bound.fusion,
        "cached": bound.cached,
        "macs": bound.macs,
        "bytes": bound.bytes,
        "least_seconds": bound.seconds,
        "least_seconds_through_memory": bound.through_memory,
        "needed_bytes": bound.needed,
        "measured_seconds": None if run is None else run.seconds,
        "not_counted": list(bound.not_counted),
        "kernels": [
            {
                "layers": list(kernel.layers),
                "macs": kernel.macs,
                "weight_bytes": kernel.weights,
                "moved_bytes": kernel.moved,
                "intensity": kernel.intensity,
                "computing_seconds": kernel.seconds_computing,
                "moving_seconds": kernel.seconds_moving,
                "binds": kernel.binds,
                "least_seconds": kernel.seconds,
            }
            for kernel in bound.kernels
        ],
    }


render = renderer(
    document,
    FORMATS,
    csv=lambda found: Document.of(_kernels(found.roofline.kernels, found.roofline)),
    json=as_data,
)
"""A bound in one of ``FORMATS``: in CSV a line a kernel."""
