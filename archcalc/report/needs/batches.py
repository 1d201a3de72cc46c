"""Tokens a second against the batch, as a picture."""

from __future__ import annotations

from typing import Any

from archcalc.analysis.generate import LAST, PAST, Generation
from archcalc.analysis.roofline import roofline
from archcalc.report.picture import COLORS, drawn, note
from archcalc.spec.bits import described
from archcalc.spec.model import Spec

BEYOND = 4096
"""The largest batch that is drawn where none is too large for the memory."""


def draw(found: Generation, network: Spec, format: str = "svg") -> bytes:
    """A token in the middle of the text: of all texts together, and of each, against their number.

    As far as the memory goes. The same generation gives the same bytes. Raises what
    :func:`archcalc.report.picture.drawn` does.
    """
    end = max(1, min(found.largest if found.largest is not None else BEYOND, BEYOND))
    batches = sorted({1, *(2**k for k in range(end.bit_length())), end})
    past = found.prompt + found.tokens // 2
    given: dict[str, Any] = {**found.variables, PAST: past}
    if LAST in network.vars:
        given[LAST] = True
    stored = network.stored_by(found.bits)
    times = [
        roofline(
            stored,
            found.machine,
            dtype=found.dtype,
            cache=found.kept,
            input=[1],
            batch=many,
            **given,
        ).seconds
        for many in batches
    ]
    return drawn(lambda axes: _fill(axes, found, batches, times), format)


def _fill(axes: Any, found: Generation, batches: list[int], times: list[float]) -> None:
    rates = [many / seconds for many, seconds in zip(batches, times, strict=True)]
    axes.plot(batches, rates, "o-", color=COLORS[0], markersize=4, label="all texts")
    each = [1 / seconds for seconds in times]
    axes.plot(batches, each, "o-", color=COLORS[1], markersize=4, label="each text")
    if found.largest and found.machine.memory:
        axes.axvline(found.largest, color="#888888", linewidth=0.8, linestyle=":")
        text = f"{found.largest:,} fit into {found.machine.memory.printed}"
        note(axes, text, (found.largest, rates[0]), (-4, 4), ha="right", rotation=90)
    if found.crossing is not None and found.crossing <= batches[-1]:
        axes.axvline(found.crossing, color=COLORS[2], linewidth=0.8, linestyle="--")
        at = (found.crossing, rates[0])
        note(axes, "work binds weights", at, (-4, 4), ha="right", rotation=90)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("texts at once")
    axes.set_ylabel("tokens a second, at best")
    formats = f"{described(found.bits)}, " if found.bits else ""
    about = (
        f"{found.network} on {found.machine.name}, {found.prompt:,} tokens read and "
        f"{found.tokens:,} written; {formats}keys and values in {found.kept}"
    )
    axes.set_title(about, loc="left", fontsize=9, color="#555555")
    axes.legend(frameon=False)
