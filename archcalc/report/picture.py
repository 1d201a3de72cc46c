"""A picture of one pair of axes, as every report draws it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from archcalc.errors import ArchcalcError, needing
from archcalc.report.choice import choose
from archcalc.report.units import short

FORMATS = ("svg", "png")
"""The forms of a picture."""

COLORS = (
    *("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#777777"),
    *("#332288", "#ee7733", "#44aa99", "#882255", "#999933"),
)
"""Paul Tol's bright colours, which all eyes can tell apart, and then some of his others."""


MOST_TICKS = 12
"""Of more values than these the ticks are round numbers."""


def drawn(fill: Callable[[Any], None], format: str = "svg") -> bytes:
    """What ``fill`` draws into matplotlib's axes. The same drawing gives the same bytes.

    Raises :class:`ArchcalcError` for a format that is none of ``FORMATS``, and where matplotlib is
    not installed.
    """
    form = choose("format of pictures", format, FORMATS)
    with needing("drawing needs", "matplotlib", "'archcalc[plot]'"):
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    looks: Any = {"svg.hashsalt": "archcalc", "font.size": 10, "font.family": "DejaVu Sans"}
    buffer = BytesIO()
    with rc_context(looks):
        figure = Figure(figsize=(7.5, 5), layout="constrained")
        axes = figure.add_subplot()
        fill(axes)
        for each in figure.axes:
            for axis in (each.xaxis, each.yaxis):
                _ticked(axis)
        axes.grid(color="#eeeeee", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        metadata = {"Date": None} if form == "svg" else {"Software": None}
        figure.savefig(buffer, format=form, dpi=200, metadata=metadata)
    return buffer.getvalue()


def _ticked(axis: Any) -> None:
    """Numbers as people say them; on a logarithmic axis of few decades three in each."""
    from math import log10

    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_formatter(FuncFormatter(lambda number, _: short(number)))
    if axis.get_scale() == "log":
        low, high = sorted(axis.get_view_interval())
        if log10(high / low) < 3:
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_minor_formatter(NullFormatter())


def ticks_at(axis: Any, numbers: Sequence[float]) -> None:
    """Ticks where the data are, if these are few."""
    places = sorted(set(numbers))
    if len(places) <= MOST_TICKS:
        axis.set_ticks(places)


def note(
    axes: Any, text: str, at: tuple[float, float], by: tuple[float, float], **look: Any
) -> None:
    """Small words beside a place, so many points from it."""
    axes.annotate(text, at, by, **{"textcoords": "offset points", "fontsize": 8, **look})


def limit(axes: Any, number: float, across: bool, text: str = "") -> None:
    """A line that may not be passed, such as a budget: ``across`` the picture, or upright."""
    line = axes.axhline if across else axes.axvline
    line(number, color=COLORS[1], linewidth=1, linestyle="--", label=text or short(number))
    at = (0.99, number) if across else (number, 0.99)
    look = {"ha": "right", "va": "bottom"} if across else {"ha": "left", "va": "top"}
    within = axes.get_yaxis_transform() if across else axes.get_xaxis_transform()
    by = (0, 2) if across else (2, -2)
    note(axes, text or short(number), at, by, xycoords=within, color=COLORS[1], **look)


def picture_at(option: str) -> tuple[Path, str]:
    """Where ``--plot`` puts a picture, and its format: told before anything is computed.

    Raises :class:`ArchcalcError`.
    """
    path = Path(option)
    form = path.suffix.removeprefix(".").lower()
    if form not in FORMATS:
        raise ArchcalcError(f"--plot {option}: name a file that ends in .svg or .png")
    return path, form
