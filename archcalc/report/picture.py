"""A picture of one pair of axes, as every report draws it."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from archcalc.errors import ArchcalcError
from archcalc.report.choice import choose

FORMATS = ("svg", "png")
"""The forms of a picture."""

COLORS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#777777")
"""Paul Tol's bright colours, which all eyes can tell apart."""


def drawn(fill: Callable[[Any], None], format: str = "svg") -> bytes:
    """What ``fill`` draws into matplotlib's axes. The same drawing gives the same bytes.

    Raises :class:`ArchcalcError` for a format that is none of ``FORMATS``, and where matplotlib is
    not installed.
    """
    form = choose("format of pictures", format, FORMATS)
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise ArchcalcError(
            "drawing needs matplotlib, which is not installed\n  pip install 'archcalc[plot]'"
        ) from None
    looks: Any = {"svg.hashsalt": "archcalc", "font.size": 10, "font.family": "DejaVu Sans"}
    buffer = BytesIO()
    with rc_context(looks):
        figure = Figure(figsize=(7.5, 5), layout="constrained")
        axes = figure.add_subplot()
        fill(axes)
        axes.grid(color="#eeeeee", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        metadata = {"Date": None} if form == "svg" else {"Software": None}
        figure.savefig(buffer, format=form, dpi=200, metadata=metadata)
    return buffer.getvalue()


def picture_at(option: str) -> tuple[Path, str]:
    """Where ``--plot`` puts a picture, and its format: told before anything is computed.

    Raises :class:`ArchcalcError`.
    """
    path = Path(option)
    form = path.suffix.removeprefix(".").lower()
    if form not in FORMATS:
        raise ArchcalcError(f"--plot {option}: name a file that ends in .svg or .png")
    return path, form
