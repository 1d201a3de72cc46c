"""Networks that were measured, as a picture: memory at the peak against what is predicted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archcalc.errors import ArchcalcError
from archcalc.pytorch.crosscheck import Crosscheck
from archcalc.report.picture import COLORS, drawn, note


def draw(found: Sequence[Crosscheck], format: str = "svg") -> bytes:
    """A dot for every network and dtype whose peak was measured; on the line they are equal.

    The same measurements give the same bytes. Raises :class:`ArchcalcError` where none was
    measured, and as :func:`archcalc.report.picture.drawn` does.
    """
    dots: dict[str, list[tuple[int, int]]] = {}
    for each in found:
        for run in each.runs:
            if run.measured is not None and run.measured.peak is not None:
                pairs = dots.setdefault(run.dtype, [])
                pairs.append((run.measured.predicted, run.measured.peak))
    if not dots:
        raise ArchcalcError("nothing to draw: no peak of memory was measured")
    return drawn(lambda axes: _fill(axes, dots), format)


def _fill(axes: Any, dots: dict[str, list[tuple[int, int]]]) -> None:
    for k, (dtype, pairs) in enumerate(dots.items()):
        predicted, peaks = ([size / 1e6 for size in sizes] for sizes in zip(*pairs, strict=True))
        axes.scatter(predicted, peaks, s=14, color=COLORS[k], alpha=0.8, label=dtype)
    sizes = [size / 1e6 for pairs in dots.values() for pair in pairs for size in pair]
    span = min(sizes) / 2, max(sizes) * 2
    for times, text in ((1, "as predicted"), (2, "twice"), (10, "ten times")):
        axes.plot(span, [times * size for size in span], color="#bbbbbb", linewidth=0.8)
        look = {"ha": "right", "va": "top", "rotation": 45, "rotation_mode": "anchor"}
        note(axes, text, (span[1] / times, span[1]), (-4, -4), color="#888888", **look)
    for scale in (axes.set_xscale, axes.set_yscale):
        scale("log")
    axes.set_xlim(span)
    axes.set_ylim(span)
    axes.set_xlabel("predicted: weights, buffers, live activations, in MB")
    axes.set_ylabel("measured at the peak, in MB")
    if len(dots) > 1:
        axes.legend(frameon=False, loc="upper left")
