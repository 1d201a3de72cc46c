"""A comparison as a picture: accuracy against work, with an area for the parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archcalc.claims.compare import Comparison, Entry
from archcalc.errors import ArchcalcError
from archcalc.report.picture import COLORS, drawn
from archcalc.report.units import short

LARGEST_AREA = 5200.0
"""Of the bubble with the most parameters, in square points."""

LOGARITHMIC = 50
"""From this ratio of the most to the least work on, the axis is logarithmic."""


def drawable(comparison: Comparison) -> list[Entry]:
    """The networks that have a place in the picture: an accuracy and a number."""
    return [e for e in comparison.entries if e.accuracy is not None and e.number is not None]


def draw(comparison: Comparison, format: str = "svg") -> bytes:
    """The bubble chart of a comparison: a bubble for each network that has an accuracy.

    The same comparison gives the same bytes. Raises :class:`ArchcalcError` for a format that is
    none of ``FORMATS``, where matplotlib is not installed, where all conventions are asked at once
    and where no network has an accuracy.
    """
    counted = comparison.convention
    if counted is None:
        raise ArchcalcError("a picture needs one convention, not all of them")
    entries = drawable(comparison)
    if not entries:
        raise ArchcalcError(
            "nothing to draw: no network has a top5_accuracy or a top5_error among its facts"
        )
    return drawn(lambda axes: _fill(axes, entries, counted.header), format)


def _fill(axes: Any, entries: Sequence[Entry], header: str) -> None:
    # Only networks that have a number are drawn.
    work = [float(entry.number) for entry in entries]  # type: ignore[arg-type]
    accuracy = [100 * (entry.accuracy or 0) for entry in entries]
    params = [float(entry.analysis.params) for entry in entries]
    most = max(params) or 1
    areas = [LARGEST_AREA * count / most for count in params]
    colors = [COLORS[k % len(COLORS)] for k in range(len(entries))]
    # The largest first, so that none hides a smaller one.
    for k in sorted(range(len(entries)), key=lambda k: -areas[k]):
        axes.scatter(
            work[k], accuracy[k], s=areas[k], color=colors[k], alpha=0.55, edgecolor="white"
        )
        axes.scatter(work[k], accuracy[k], s=6, color="#222222")
    low, high = min(accuracy), max(accuracy)
    room = max(high - low, 1.0) * 0.3
    axes.set_ylim(low - room, min(high + room, 101))
    if min(work) > 0 and max(work) / min(work) >= LOGARITHMIC:
        axes.set_xscale("log")
        axes.set_xlim(min(work) / 2, max(work) * 3)
    else:
        margin = (max(work) or 1.0) * 0.2
        axes.set_xlim(-margin / 2, max(work) + margin)
    axes.set_xlabel(f"{header} of one input")
    axes.set_ylabel("top-5 accuracy as printed, in %")
    axes.set_title("Area: parameters", loc="left", fontsize=9, color="#555555")
    texts = [f"{e.name}\n{short(p)}" for e, p in zip(entries, params, strict=True)]
    _label(axes, list(zip(work, accuracy, strict=True)), areas, texts)


def _label(
    axes: Any, places: Sequence[tuple[float, float]], areas: Sequence[float], texts: Sequence[str]
) -> None:
    """Put each text beside its bubble, where it covers no other text and the fewest bubbles."""
    from math import hypot, pi, sqrt

    figure = axes.figure
    figure.canvas.draw()  # settles where everything is
    points = figure.dpi / 72
    centers = [tuple(axes.transData.transform(place)) for place in places]
    radii = [sqrt(area / pi) * points for area in areas]
    frame = axes.get_window_extent()
    taken: list[Any] = []
    for k, text in enumerate(texts):
        best: tuple[float, Any, Any] | None = None
        for far in (1.0, 1.6, 2.4):
            for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)):
                reach = (radii[k] / points + 4) * far / hypot(dx, dy)
                note = axes.annotate(
                    text,
                    places[k],
                    xytext=(dx * reach, dy * reach),
                    textcoords="offset points",
                    ha=("right", "center", "left")[dx + 1],
                    va=("top", "center", "bottom")[dy + 1],
                    fontsize=9,
                    linespacing=1.15,
                )
                box = note.get_window_extent()
                covered = sum(10 for other in taken if box.overlaps(other))
                covered += sum(
                    _covers(box, center, radius)
                    for center, radius in zip(centers, radii, strict=True)
                )
                inside = frame.x0 <= box.x0 and box.x1 <= frame.x1
                inside = inside and frame.y0 <= box.y0 and box.y1 <= frame.y1
                cost = covered + 100 * (not inside) + far / 10
                if best is None or cost < best[0]:
                    if best is not None:
                        best[1].remove()
                    best = (cost, note, box)
                else:
                    note.remove()
        assert best is not None
        taken.append(best[2])


def _covers(box: Any, center: Sequence[float], radius: float) -> bool:
    x = min(max(center[0], box.x0), box.x1) - center[0]
    y = min(max(center[1], box.y0), box.y1) - center[1]
    return bool(x * x + y * y < radius * radius)
