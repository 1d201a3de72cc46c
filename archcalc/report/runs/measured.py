"""Times, rates and sizes that were measured, as they are printed."""

from __future__ import annotations

from typing import Any

from archcalc.analysis.measured import Measurement
from archcalc.report.layers.layout import print_bytes


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


def print_time(seconds: float) -> str:
    """``12.3 ms``: three digits that say something."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale or unit == "µs":
            return f"{_three(seconds / scale)} {unit}"
    raise AssertionError


def print_rate(rate: float) -> str:
    """``1.23 T``: three digits, and a power of 1000."""
    for unit, scale in ((" P", 1e15), (" T", 1e12), (" G", 1e9), (" M", 1e6), (" k", 1e3)):
        if rate >= scale:
            return f"{_three(rate / scale)}{unit}"
    return _three(rate)


def _three(value: float) -> str:
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f}"


def as_data(measured: Measurement) -> dict[str, Any]:
    """A measurement as JSON holds it: seconds, bytes, and numbers a second."""
    return {
        "machine": measured.machine._asdict(),
        "dtype": measured.dtype,
        "batch": measured.batch,
        "runs": measured.runs,
        "seconds": measured.seconds,
        "spread": measured.spread,
        "throughput": measured.throughput,
        "flops_per_second": measured.achieved,
        "peak_bytes": measured.peak,
        "predicted_bytes": measured.predicted,
    }
