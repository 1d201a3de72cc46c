"""Bytes, times and rates as they are printed."""

from __future__ import annotations

from archcalc.dims import Size


def print_bytes(size: Size) -> str:
    """``27994208`` as ``27.99 MB``: a MB is 10^6 bytes, a kB 10^3."""
    if type(size) is not int or size < 1000:
        return f"{size} bytes"
    for unit, scale in (("kB", 10**3), ("MB", 10**6), ("GB", 10**9)):
        if 1000 * size < 999_995 * scale or unit == "GB":  # so that none is printed as 1,000.00
            return f"{size / scale:,.2f} {unit}"
    raise AssertionError


def print_time(seconds: float) -> str:
    """``12.3 ms``: three digits that say something."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale or unit == "µs":
            return f"{_three(seconds / scale)} {unit}"
    raise AssertionError


def short(number: float) -> str:
    """``300M``, ``1.5G``, ``0.25``: as ticks and labels of pictures have it."""
    for unit, scale in (("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(number) >= 0.9995 * scale:
            return f"{number / scale:.3g}{unit}"
    return f"{number:.3g}"


def print_rate(rate: float) -> str:
    """``1.23 T``: three digits, and a power of 1000."""
    for unit, scale in ((" P", 1e15), (" T", 1e12), (" G", 1e9), (" M", 1e6), (" k", 1e3)):
        if rate >= scale:
            return f"{_three(rate / scale)}{unit}"
    return _three(rate)


def _three(value: float) -> str:
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f}"
