"""Times, rates and sizes that were measured, as they are printed."""

from __future__ import annotations

from typing import Any

from archcalc.analysis.measured import Measurement
from archcalc.report.units import print_bytes, print_rate, print_time


def latency(measured: Measurement) -> str:
    """The median time of a batch."""
    return print_time(measured.seconds)


def spread(measured: Measurement) -> str:
    """The interquartile range of that time."""
    return print_time(measured.spread)


def throughput(measured: Measurement) -> str:
    """Inputs a second."""
    return print_rate(measured.throughput)


def achieved(measured: Measurement) -> str:
    """Floating-point operations a second."""
    return print_rate(measured.achieved)


def peak(measured: Measurement) -> str:
    """Bytes that were allocated at the peak."""
    return "not measured" if measured.peak is None else print_bytes(measured.peak)


def predicted(measured: Measurement) -> str:
    """Bytes that archcalc predicts for it."""
    return print_bytes(measured.predicted)


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
