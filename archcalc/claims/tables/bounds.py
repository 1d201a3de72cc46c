"""What any reading of a convolution costs at least, told before one is made.

Many things may flow into a row, and most of them contradict its cells: those whose readings all
cost more than what is known already are not read at all.
"""

from __future__ import annotations

from collections.abc import Mapping

from archcalc.claims.tables.convs import channels_out
from archcalc.claims.tables.evidence import (
    Hints,
    Manner,
    State,
    authors_class,
    contradicted,
    filled,
    misprinted,
    printed_state,
    spread,
)
from archcalc.claims.tables.sheet import Entry, Number
from archcalc.claims.tables.weights import weights
from archcalc.claims.tables.windows import kernel_axes

BOUNDED = frozenset(("conv", "deconv"))
"""Kinds of which it is told."""

Floor = tuple[float, frozenset[int]]
"""A price, and the places of the cells that may be in it."""


def taken(entry: Entry, state: State) -> tuple[int, int] | None:
    """Channels and axes that a row takes, where it is told of it: it is a plain convolution."""
    if entry.kind not in BOUNDED or entry.pattern is not None or not entry.values.get("params"):
        return None
    state, out = filled(state, printed_state(entry, "in")), printed_state(entry, "out").ext
    axes = len(state.ext or ())
    fits = axes and entry.what.axes in (None, axes) and state.c
    if not fits or not state.c or authors_class(entry):
        return None
    wide = axes == 2 == len(out or ()) and out and 1 in out and "kernel_h" not in entry.values
    return None if wide else (state.c, axes)


def of_sizes(entry: Entry, state: State, manner: Manner) -> Floor:
    """What a row's own input costs that is printed otherwise than what it takes."""
    state = filled(state, printed_state(entry, "in"))
    expected = spread("in", state, entry)
    if state.c is not None:
        expected["channels_in"] = state.c
    return _price(entry, expected, manner)


def of_weights(entry: Entry, cin: int, axes: int, manner: Manner, hints: Hints) -> Floor:
    """What the likeliest kernel, groups and biases cost for so many channels."""
    found: list[float] = []
    places: set[int] = set()
    for cout, dear in channels_out(entry, cin, axes, hints, manner):
        for w in weights(entry, cin, cout, axes, manner, hints):
            expected: dict[str, Number] = {"out_c": cout, "channels_out": cout}
            if w.params is not None:
                expected["params"] = w.params
            if w.kernel is not None:
                sides = zip(kernel_axes(entry, w.kernel), w.kernel, strict=False)
                expected |= {f"kernel_{a}": k for a, k in sides}
            price, where = _price(entry, expected, manner)
            places |= where
            found.append(dear + w.price + price)
    return min(found, default=0.0), frozenset(places)


def _price(entry: Entry, expected: Mapping[str, Number], manner: Manner) -> Floor:
    """What cells cost that say something else, one by one."""
    wrong = contradicted(entry, expected, manner)
    return sum(misprinted(entry, expected, group) for group in wrong.values()), frozenset(wrong)
