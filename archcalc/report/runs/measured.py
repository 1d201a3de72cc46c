"""Times, rates and sizes that were measured, as they are printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from archcalc.analysis.measured import Measurement
from archcalc.report.units import print_bytes, print_rate, print_time


class Shown(NamedTuple):
    """What is printed of a measurement."""

    header: str
    show: Callable[[Measurement], str]


def peak(measured: Measurement) -> str:
    """Bytes that were allocated at the peak."""
    return "not measured" if measured.peak is None else print_bytes(measured.peak)


COLUMNS: Mapping[str, Shown] = {
    "latency": Shown("latency", lambda measured: print_time(measured.seconds)),
    "spread": Shown("IQR", lambda measured: print_time(measured.spread)),
    "throughput": Shown("inputs/s", lambda measured: print_rate(measured.throughput)),
    "achieved": Shown("FLOP/s", lambda measured: print_rate(measured.achieved)),
    "peak": Shown("peak", peak),
    "predicted": Shown("predicted", lambda measured: print_bytes(measured.predicted)),
}
"""The median time of a batch and its interquartile range, inputs and floating-point operations a
second, bytes that were allocated at the peak, and those that archcalc predicts for it."""


def as_data(measured: Measurement) -> dict[str, Any]:
    """A measurement as JSON holds it: seconds, bytes, and numbers a second."""
    return {
        "machine": measured.machine._asdict(),
        "dtype": measured.dtype,
        "batch": measured.batch,
        "runs": measured.runs,
        "seconds": measured.seconds,
        "spread": measured.spread,
        "macs": measured.macs,
        "throughput": measured.throughput,
        "flops_per_second": measured.achieved,
        "peak_bytes": measured.peak,
        "predicted_bytes": measured.predicted,
    }
