"""A roofline as a picture: what a machine reaches, and a dot a kernel."""

from __future__ import annotations

from typing import Any

from archcalc.analysis.roofline import Roofline
from archcalc.errors import ArchcalcError
from archcalc.report.picture import COLORS, drawn, note
from archcalc.spec.bits import described

NAMED = 5
"""The kernels that take most time have their names beside their dots."""

LARGEST_AREA = 400.0
"""Of the dot that takes most time, in square points."""


def draw(bound: Roofline, format: str = "svg") -> bytes:
    """Operations a second against intensity: the roof, and each kernel below it by its share.

    The same bound gives the same bytes. Raises :class:`ArchcalcError` where the machine's
    bandwidth is not known, where no kernel both multiplies and moves, and as
    :func:`archcalc.report.picture.drawn` does.
    """
    if bound.ridge is None:
        raise ArchcalcError(f"nothing to draw: the bandwidth of {bound.machine.name} is not known")
    if not any(kernel.macs and kernel.bytes for kernel in bound.kernels):
        raise ArchcalcError("nothing to draw: no kernel both multiplies and moves")
    return drawn(lambda axes: _fill(axes, bound), format)


def _fill(axes: Any, bound: Roofline) -> None:
    bandwidth = bound.machine.bandwidth
    assert bandwidth is not None
    # What is computed in fewer bits than others has a roof of its own, and so has what is skipped.
    peaks = {dtype: bound.machine.peak(dtype).value for dtype in bound.computed}
    if bound.skips:
        peaks |= {f"{dtype}, 2:4": 2 * peak for dtype, peak in peaks.items()}
    ridges = [peak / bandwidth.value for peak in peaks.values()]
    dots = [
        (kernel, kernel.intensity, 2 * kernel.macs / kernel.seconds)
        for kernel in bound.kernels
        if kernel.macs and kernel.intensity
    ]
    low = min(*ridges, *(x for _, x, _ in dots)) / 3
    high = max(*ridges, *(x for _, x, _ in dots)) * 3
    for (dtype, peak), ridge in zip(peaks.items(), ridges, strict=True):
        roof = [low * bandwidth.value, peak, peak]
        axes.plot([low, ridge, high], roof, color="#222222", linewidth=1.5)
        axes.axvline(ridge, color="#888888", linewidth=0.8, linestyle=":")
        if len(peaks) > 1:
            note(axes, dtype, (high, peak), (-4, 3), ha="right")
    most = max(kernel.seconds for kernel, _, _ in dots)
    for binds, color in (("memory", COLORS[1]), ("compute", COLORS[0])):
        those = [(x, y, k) for k, x, y in dots if k.binds == binds]
        axes.scatter(
            [x for x, _, _ in those],
            [y for _, y, _ in those],
            s=[max(8.0, LARGEST_AREA * k.seconds / most) for _, _, k in those],
            color=color,
            alpha=0.5,
            edgecolor="white",
            label={"memory": "memory binds", "compute": "work binds"}[binds],
        )
    named: list[tuple[float, float]] = []
    apart = (high / low) ** 0.2  # a name beside a dot takes so much of the width
    for kernel, x, y in sorted(dots, key=lambda dot: -dot[0].seconds):
        # A name for each place, of the kernel there that takes most time.
        if len(named) < NAMED and all(
            max(x / u, u / x) > apart or max(y / v, v / y) > 1.5 for u, v in named
        ):
            named.append((x, y))
            left = x > (low * high) ** 0.5
            by = (-9 if left else 12, -12)
            note(axes, kernel.layers[0], (x, y), by, ha="right" if left else "left")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.set_xlabel("floating-point operations for each byte")
    axes.set_ylabel("floating-point operations a second, at best")
    about = f"{bound.network} on {bound.machine.title}, {bound.dtype}, batch {bound.batch:,}"
    formats = f"\n{described(bound.bits)}" if bound.bits else ""
    axes.set_title(f"{about}; area: least time{formats}", loc="left", fontsize=9, color="#555555")
    axes.legend(frameon=False, fontsize=8, loc="lower right")
