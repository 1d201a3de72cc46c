"""Networks that were measured, as a picture: time against multiply-accumulates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archcalc.analysis.measured import Measurement
from archcalc.errors import ArchcalcError
from archcalc.pytorch.crosscheck import Crosscheck
from archcalc.report.picture import COLORS, drawn, note
from archcalc.report.units import print_rate

NAMED = 12
"""Up to how many networks each dot has its network's name beside it."""


def draw(found: Sequence[Crosscheck], format: str = "svg") -> bytes:
    """A dot for every network and dtype that was measured; diagonals are equal FLOP/s.

    The same measurements give the same bytes. Raises :class:`ArchcalcError` for a format that is
    none of ``FORMATS``, where matplotlib is not installed and where nothing was measured.
    """
    dots = [(c.name, run.measured) for c in found for run in c.runs if run.measured is not None]
    if not dots:
        raise ArchcalcError("nothing to draw: no network was measured")
    return drawn(lambda axes: _fill(axes, dots, named=len(found) <= NAMED), format)


def _fill(axes: Any, dots: Sequence[tuple[str, Measurement]], named: bool) -> None:
    dtypes = list(dict.fromkeys(measured.dtype for _, measured in dots))
    for k, dtype in enumerate(dtypes):
        those = [(name, m) for name, m in dots if m.dtype == dtype and m.macs]
        macs = [m.macs for _, m in those]
        seconds = [m.seconds for _, m in those]
        axes.scatter(macs, seconds, s=18, color=COLORS[k], alpha=0.8, label=dtype)
        for name, m in those if named and not k else ():
            note(axes, name, (m.macs, m.seconds), (4, 4))
    axes.set_xscale("log")
    axes.set_yscale("log")
    known = [m for _, m in dots if m.macs]
    if not known:
        return
    low, high = min(m.macs for m in known) / 2, max(m.macs for m in known) * 2
    span = axes.get_ylim()
    best = max(m.achieved for m in known)
    # The fastest of all, and a tenth and a hundredth of it.
    for rate in (best, best / 10, best / 100):
        axes.plot([low, high], [2 * low / rate, 2 * high / rate], color="#bbbbbb", linewidth=0.8)
        across = min(high, span[1] * rate / 2)
        at, look = (across, 2 * across / rate), {"ha": "right", "va": "top"}
        note(axes, f"{print_rate(rate)}FLOP/s", at, (-4, -4), color="#888888", **look)
    axes.set_xlim(low, high)
    axes.set_ylim(span)
    axes.set_xlabel("multiply-accumulates of a batch")
    axes.set_ylabel("time of a batch, in seconds")
    machines = dict.fromkeys(str(m.machine) for _, m in dots)
    axes.set_title("; ".join(machines), loc="left", fontsize=9, color="#555555")
    if len(dtypes) > 1:
        axes.legend(frameon=False)
