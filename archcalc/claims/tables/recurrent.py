"""Readings of rows that are recurrent, or hold a layer that may be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from math import isqrt

from archcalc.claims.tables.convs import read_conv, ways_of
from archcalc.claims.tables.evidence import (
    MISPRINT,
    Hints,
    Manner,
    Option,
    State,
    filled,
    one_option,
    printed_state,
    slip,
)
from archcalc.claims.tables.flow import runs_both_ways
from archcalc.claims.tables.kinds import GATES, Kind
from archcalc.claims.tables.linear import read_linear
from archcalc.claims.tables.plain import read_block, read_reshape
from archcalc.claims.tables.sheet import Entry, Number
from archcalc.claims.tables.windows import read_pool
from archcalc.claims.tables.work import Layer

OTHER = 2 * MISPRINT - 1
"""The price of a cell of which no formula is known, where no program projects: less than that of a
wrong number in a total that adds up."""
WIDEST = 10_000
"""Channels that a recurrent layer that convolves is thought to give at most."""


def read_recurrent(entry: Entry, state: State, manner: Manner, hints: Hints) -> Iterator[Option]:
    """The readings of a recurrent layer."""
    yield from _directed(entry, state, manner, hints, entry.kind, (1, 2))


def _directed(
    entry: Entry,
    state: State,
    manner: Manner,
    hints: Hints,
    kind: str,
    ways: Sequence[int],
) -> Iterator[Option]:
    """The readings of a recurrent layer, whose units may be said of one direction."""
    values = entry.values
    units, made = values.get("channels_out"), values.get("out_c", values.get("channels_out"))
    if 2 in ways and units and made == units and "out_c" not in values:
        # Both directions together are not said: of one they may be.
        for both in ways:
            each = replace(entry, values={**values, "channels_out": both * int(units)})
            for option in _recurrent(each, state, manner, hints, kind, (both,)):
                option.expected["channels_out"] = units
                yield option
        return
    yield from _said(_recurrent(entry, state, manner, hints, kind, ways), units, ways)
    if units and made and units != made and "out_c" in values:
        for both in ways:
            meant = replace(entry, values={**values, "out_c": both * int(units)})
            if meant.values["out_c"] != made:
                yield from _said(
                    _recurrent(meant, state, manner, hints, kind, (both,)), units, ways
                )


def _said(options: Iterator[Option], units: Number | None, ways: Sequence[int]) -> Iterator[Option]:
    """Readings that may have as many units in one direction as are said."""
    for option in options:
        if units and 2 in ways and option.expected.get("channels_out") == 2 * units:
            option.expected["channels_out"] = units
        yield option


def read_wrapper(entry: Entry, state: State, manner: Manner, hints: Hints) -> Iterator[Option]:
    """The readings of a layer that holds another, of which nothing is printed.

    What runs in both directions most likely is a recurrent layer.
    """
    if recurrent := runs_both_ways(entry):
        for kind, price in (("lstm", 0.0), ("gru", 0.3), ("rnn", 1.0)):
            for option in _directed(entry, state, manner, hints, kind, (2,)):
                option.price += price
                yield option
    else:
        near = False
        for option in _at_each(entry, state, manner, hints):
            printed, right = entry.values.get("params"), option.expected.get("params")
            near = near or bool(printed and right and printed != right and slip(printed, right))
            yield option
        recurrent = near  # what a slip makes of what such a layer has is no other layer
    for option in read_block(entry, state, manner, hints):
        option.price += MISPRINT + 1 if recurrent else MISPRINT / 2
        yield option


def _at_each(entry: Entry, state: State, manner: Manner, hints: Hints) -> Iterator[Option]:
    """The readings of a layer that does the same at each step: a window of one step."""
    printed, params = printed_state(entry, "out"), entry.values.get("params")
    axes = len(printed.ext or ()) or (0 if "out" in entry.flat else 2)
    if params and axes == 1:
        yield from read_linear(replace(entry, what=Kind("linear")), state, manner, hints)
    elif params:
        yield from read_conv(replace(entry, what=Kind("conv", axes)), state, manner, hints)
    elif axes == len(state.ext or ()) > 1 and state != printed:
        yield from read_pool(replace(entry, what=Kind("pool", axes)), state, manner, hints)
    elif state.flat is not None and state.flat == printed.flat and state != printed:
        yield from read_reshape(replace(entry, what=Kind("reshape")), state, manner, hints)


def _recurrent(
    entry: Entry,
    state: State,
    manner: Manner,
    hints: Hints,
    kind: str,
    ways: Sequence[int],
) -> Iterator[Option]:
    state = filled(state, printed_state(entry, "in"))
    printed = printed_state(entry, "out")
    features = state.c
    if manner.first and state.ext:
        features = state.ext[-1]
    gates = GATES[kind]
    hidden = printed.ext[-1] if manner.first and printed.ext else printed.c
    if hidden is None and "hidden" in entry.values:
        first = bool(manner.first and state.ext)
        for both in ways:
            given = both * int(entry.values["hidden"])
            out = State(state.c, (given,)) if first else State(given, state.ext)
            values = {**entry.values, "out_c": out.c or 0}
            values |= {"out_h": given} if first else {}
            for option in _recurrent(
                replace(entry, values=values), state, manner, hints, kind, (both,)
            ):
                option.out = out
                yield option
        return
    params = entry.values.get("params")
    layer = Layer(kind, features, hidden)
    if features is None and hidden is not None and isinstance(params, int) and params:
        yield from _first_recurrent(entry, state, layer, gates, hidden, params, ways)
        for meant in dict.fromkeys(n for n in hints.needs if n != hidden and printed.c == hidden):
            out = State(meant, printed.ext)
            for option in _first_recurrent(entry, state, layer, gates, meant, params, ways):
                if option.expected.get("params") == params:
                    yield replace(
                        option,
                        out=out,
                        price=option.price + 0.3,
                        expected={**option.expected, "out_c": meant},
                    )
        return
    if features is None or hidden is None:
        yield one_option(entry, state, printed, 0.0, layer)
        return
    # PyTorch has two for each gate, Keras one, but for a GRU.
    usual = {"pytorch": (8.0, 2.0, 0.0)}.get(manner.program, (6.0, 0.0, 0.2))
    if isinstance(params, int) and params:
        for both, biases in product(ways, (1, 2, 0)):
            # params / gates / both = h * h + h * (features + biases)
            rest = features + biases
            h = (isqrt(rest**2 + 4 * params // gates // both) - rest) // 2
            total = both * gates * h * (rest + h)
            if total == params and both * h != hidden:
                made = layer._replace(cout=both * h, params=total)
                out = State(both * h, printed.ext)
                if manner.first and printed.ext:
                    out = State(printed.c, (*printed.ext[:-1], both * h))
                price = 0.6 + 0.5 * (both - 1) + usual[biases]
                yield one_option(entry, state, out, price, made, params=total)
    wrapped = entry.kind == "wrapper" or manner.program == "keras"
    for both in ways:
        if hidden % both:
            continue
        h = hidden // both
        for biases in (1, 2, 0):
            # What Keras wraps is one layer.
            for stacked in (1,) if wrapped else (1, 2, 3, 4):
                one = both * gates * h * (features + h + biases)
                more = both * gates * h * (both * h + h + biases)
                total = one + (stacked - 1) * more
                price = 0.5 * (both - 1) + usual[biases]
                price += 1.5 * (stacked > 1)
                made = layer._replace(params=total)
                yield one_option(entry, state, printed, price, made, params=total)
    if params:
        # With a projection, or a cell of another kind: that the row alone can't say.
        price = MISPRINT + 1 if kind == "lstm" and manner.program != "keras" else OTHER
        yield one_option(entry, state, printed, price, layer)


def _first_recurrent(
    entry: Entry,
    state: State,
    layer: Layer,
    gates: int,
    hidden: int,
    params: int,
    ways: Sequence[int],
) -> Iterator[Option]:
    """The readings of a recurrent layer of which nothing says what it takes but its parameters."""
    printed = printed_state(entry, "out")
    for both in ways:
        if hidden % both:
            continue
        h, each = hidden // both, both * gates * (hidden // both)
        for biases in (1, 2):
            features = max(1, round(params / each) - h - biases)
            total = each * (features + h + biases)
            price = 0.5 * (both - 1) + 0.2 * (biases == 2)
            taken = State(features, printed.ext)
            made = layer._replace(cin=features, params=total)
            yield one_option(entry, taken, printed, price, made, params=total)


def read_convlstm(entry: Entry, state: State, manner: Manner, hints: Hints) -> Iterator[Option]:
    """The readings of a recurrent layer that convolves: positions in time stand before the others.

    Each of four gates convolves what is given and what was: ``4 * (k * k * (in + out) + 1) * out``.
    """
    state, printed = filled(state, printed_state(entry, "in")), printed_state(entry, "out")
    cout, params, axes = printed.c, entry.values.get("params"), 2
    if cout is None or printed.ext is None or len(printed.ext) < axes:
        layer = Layer("convlstm", state.c, cout)
        wide = cout and isinstance(params, int) and params and "params" in entry.exact
        found = dict(_gated(int(params or 0), state.c)) if wide else {}
        if cout not in found.values():
            yield one_option(entry, state, printed, 0.0 if not found else MISPRINT + 1, layer)
        for fits, c in found.items():
            made = layer._replace(cout=c, params=fits)
            yield one_option(entry, state, printed._replace(c=c), 0.0, made, params=fits)
        return
    each = params // (4 * cout) if isinstance(params, int) and params % (4 * cout) == 0 else 0
    areas = {k * k: (k, k) for k in (3, 5, 1, 7)}
    taken = [state.c] if state.c is not None else []
    taken += [(each - 1) // a - cout for a in areas if not taken and each and (each - 1) % a == 0]
    before = state.ext[-axes:] if state.ext and len(state.ext) >= axes else None
    hints = hints._replace(after=State(hints.after.c, (hints.after.ext or ())[-axes:]))
    times = printed.ext[:-axes] or (state.ext or ())[:-axes]
    widths: list[int | None] = [c for c in taken if c > 0]
    for cin in widths or [None]:
        for area, kernel in areas.items():
            total = None if cin is None else 4 * (area * (cin + cout) + 1) * cout
            price = 0.3 * (area != 9)
            for way in ways_of(
                entry, before, kernel, State(cout, printed.ext[-axes:]), axes, manner, hints
            ):
                for ahead in dict.fromkeys((times, (state.ext or ())[:-axes])):
                    ext = (*ahead, *way.out) if printed.ext[:-axes] else way.out
                    layer = Layer("convlstm", cin, cout, kernel, way.stride, way.pads, params=total)
                    yield one_option(
                        entry,
                        State(cin, state.ext),
                        State(cout, ext),
                        price + way.price,
                        layer,
                        params=total,
                    )


def _gated(params: int, cin: int | None) -> Iterator[tuple[int, int]]:
    """Parameters, and the channels that a recurrent layer that convolves gives with as many."""
    for area in (9, 1, 25, 49) if cin is not None else ():
        for cout in range(1, min(isqrt(params // (4 * area)), WIDEST) + 1):
            if 4 * (area * ((cin or 0) + cout) + 1) * cout == params:
                yield params, cout
