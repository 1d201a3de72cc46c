"""Readings of rows that multiply by a matrix."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from archcalc.claims.tables.evidence import (
    MISPRINT,
    UNKNOWN,
    Extents,
    Hints,
    Manner,
    Option,
    State,
    as_int,
    holds,
    one_option,
    printed_state,
    slip,
)
from archcalc.claims.tables.sheet import Entry
from archcalc.claims.tables.work import Layer

JOINED = 7.0
"""The price of what is no whole number of channels, for something is joined to them unsaid."""
MOST_FLAT = 10_000
"""Positions that a layer takes at most of an input whose sizes are not known."""


def read_linear(entry: Entry, state: State, manner: Manner, hints: Hints) -> Iterator[Option]:
    """The readings of a linear layer."""
    printed, inward = printed_state(entry, "out"), printed_state(entry, "in")
    params = entry.values.get("params")
    kind, followed = "linear", hints.followed or bool(entry.what.fused)
    outs: dict[int, float] = {}
    if printed.ext and any(n != 1 for n in printed.ext) and printed.flat is not None:
        outs.setdefault(printed.flat, 1.0)  # printed as a size
    for role in ("out_c", "channels_out", "kernel_out"):
        if entry.values.get(role):
            outs.setdefault(int(entry.values[role]), 0.0)
    if hints.after.c:
        outs.setdefault(hints.after.c, 0.3)
    if manner.first and printed.ext and printed.ext[-1] and not params:
        outs.setdefault(printed.ext[-1], 0.0)  # no weights tell of features, which stand last
    takes: dict[tuple[int | None, State, State], float] = {}

    def take(features: int | None, shown: State, rest: State, price: float) -> None:
        key = features, shown, rest
        takes[key] = min(price, takes.get(key, 99.0))

    whole = State(None, ())
    if state == UNKNOWN and inward.ext and inward.flat is not None:
        state = inward
    if state.c is None or state.ext is None or None in state.ext:
        features = inward.flat if inward.flat is not None else inward.c
        if features is None:
            features = as_int(entry.values.get("channels_in"))
        if features is None and state.ext in ((), None):
            features = state.c
        shown = State(features, ())
        if features is not None:
            for n, price in _flattened(features, state):
                take(n, State(n, ()), whole, price)
        elif isinstance(params, int) and params:
            for out in list(outs):
                for bias in (1, 0):
                    if (params - bias * out) % out == 0 and params > bias * out:
                        n = (params - bias * out) // out
                        odd = 0.1 * (1 - bias) + 0.15 * (n % 4 > 0 and n % 10 > 0)
                        take(n, State(n, ()), whole, odd)
                        if out == printed.c and printed.ext and not manner.first:
                            # At each of the positions that it gives.
                            take(n, State(n, printed.ext), State(None, printed.ext), odd)
            if outs and not takes and "params" in entry.exact:
                n = max(1, round(params / next(iter(outs))) - 1)
                take(n, State(n, ()), whole, 0.0)
        if not takes:
            take(None, state, whole, 0.0)
    else:
        flat = state.flat
        same_rank = (
            printed.ext is not None
            and len(printed.ext) == len(state.ext) > 0
            and any(n != 1 for n in printed.ext)
        )
        plain = not state.ext or all(n == 1 for n in state.ext)
        take(flat, state, whole, 0.0 if plain else 1.0 if same_rank else 0.2)
        if state.ext:
            raw = (state.c, *state.ext) if manner.first else (*state.ext, state.c)
            left = raw[:-1]
            rest = State(left[0], left[1:]) if manner.first else State(None, left)
            take(raw[-1], state, rest, 0.0 if same_rank else 1.5)
            if printed.ext == () and inward.ext:
                take(state.c, state, whole, 3.0)  # of one position alone
            if manner.first and same_rank:
                # Features may stand first in a table that prints channels first.
                take(state.c, state, State(None, state.ext), 0.5)
    if isinstance(params, int) and params and "params" in entry.exact:
        for features, _, _ in list(takes):
            for bias in (1, 0):
                if features and params % (features + bias) == 0:
                    outs.setdefault(params // (features + bias), 0.6)
    elif isinstance(params, int) and params and entry.printed["params"].scale > 1:
        for features, _, _ in list(takes):
            # A rounded number tells of features where one number of them alone has as many.
            n = round(params / ((features or 0) + 1))
            near = [
                m for m in (n - 1, n, n + 1) if holds(entry, "params", _with(features, m), manner)
            ]
            if features and n and near == [n]:
                outs.setdefault(n, 0.6)
    times = _pieces(entry)
    for out, dear in outs.items():
        # Weights that it shares with another layer are counted there; a bias may be its own.
        alone = params == out and manner.program != "keras"  # Keras ties no layers
        tied = params == 0 or (alone and not (manner.by_hand and not hints.words))
        if params is None or not tied:
            continue
        for features, shown, rest in takes:
            after = _linear_out(rest, out, manner, printed)
            macs = features and features * out * _places(rest, manner)
            layer = Layer(kind, features, out, bias=bool(params), params=int(params), macs=macs)
            embeds = (features or 0) * out in hints.words
            price = dear + (1.0 if embeds else 5.0)
            yield one_option(entry, shown, after, price, layer, params=int(params))
    for (features, shown, rest), price in takes.items():
        for out, out_price in outs.items():
            after = _linear_out(rest, out, manner, printed)
            if features is None:
                layer = Layer(kind, None, out)
                yield one_option(entry, shown, after, price + out_price, layer)
                continue
            for bias in (1, 0, 3, 2, 5, 4) if entry.what.fused else (1, 0):
                for piece in times:
                    total = (features + bias) * out * piece
                    positions = _places(rest, manner)
                    layer = Layer(
                        kind,
                        features,
                        out,
                        bias=bias,
                        params=total,
                        macs=features * out * piece * positions,
                    )
                    cost = price + out_price + manner.bias_price(kind, followed, bias)
                    cost += 2.0 * (piece > 1)
                    made = one_option(
                        entry,
                        shown,
                        after,
                        cost,
                        layer,
                        params=total,
                        channels_in=features,
                        **_matrix(entry, features, out),
                    )
                    _as_printed(entry, made, features, shown, state.ext)
                    yield made
        if not outs:
            yield one_option(entry, shown, UNKNOWN, price, Layer(kind, features))


def _places(rest: State, manner: Manner) -> int:
    """How many positions a layer of features is applied to; 1 where nothing says."""
    sizes = (*(rest.ext or ()), *([rest.c] if manner.first else []))
    return prod(n for n in sizes if n is not None) if None not in (rest.ext or ()) else 1


def _flattened(features: int, state: State) -> list[tuple[int, float]]:
    """What a layer takes of channels whose sizes are not known: whole channels."""
    each = state.c if state.c and state.ext != () else state.of
    if each < 2 or features % each == 0 or features > MOST_FLAT * each:
        return [(features, 0.0)]
    near = [n for n in range(each, features + 2 * each, each) if slip(features, n)]
    nearest = max(1, round(features / each)) * each
    # Where no slip makes whole channels of it, something may be joined to them.
    odd = MISPRINT + 2 if near else JOINED
    return [(features, odd), *((n, 0.1) for n in (*near[:3], nearest))]


def _matrix(entry: Entry, features: int, out: int) -> dict[str, int]:
    """What a matrix's printed sides should be, whichever of them comes first."""
    values = entry.values
    if "kernel_in" not in values:
        return {}
    if "kernel_out" not in values:
        return {"kernel_in": features}
    turned = values["kernel_in"] == out or values["kernel_out"] == features
    sides = (out, features) if turned and features != out else (features, out)
    return dict(zip(("kernel_in", "kernel_out"), sides, strict=True))


def _pieces(entry: Entry) -> tuple[int, ...]:
    """How many times a linear layer's outputs are computed: 2 for a maxout of two."""
    words = " ".join(entry.cells).lower()
    return (2, 1) if "maxout" in words else (1,)


def _linear_out(rest: State, out: int, manner: Manner, printed: State) -> State:
    if rest.ext == () and rest.c is None:
        if printed.ext and printed.flat == out and printed.c != out:
            return printed  # features that are printed as a size
        return State(out, ())
    if manner.first and rest.c is not None:
        ext = rest.ext or ()
        return State(rest.c, (*ext, out))
    return State(out, rest.ext)


def _with(features: int | None, out: int) -> int:
    """The parameters of a layer with biases."""
    return ((features or 0) + 1) * out


def _as_printed(
    entry: Entry, made: Option, features: int, shown: State, taken: Extents | None
) -> None:
    """Sizes of a vector that are printed with ones, or as a size that holds as many numbers."""
    values, expected = entry.values, made.expected
    axes = [a for a in "dhw" if f"in_{a}" in values]
    if axes and shown.ext and all(values[f"in_{a}"] == 1 for a in axes):
        for a in axes:
            expected[f"in_{a}"] = 1
        expected["in_c"] = features
    elif axes and "in_c" in values:
        product = prod(int(values[f"in_{a}"]) for a in axes) * int(values["in_c"])
        if product == features:
            for a in (*axes, "c"):
                expected[f"in_{a}"] = values[f"in_{a}"]
    if "channels_in" in values and shown.c == values["channels_in"]:
        expected["channels_in"] = values["channels_in"]
    for axis in "hw":
        side = values.get(f"kernel_{axis}")
        if side is not None and side != 1:
            # As wide as its input, it is a convolution that has one position.
            extent = values.get(f"in_{axis}")
            if extent is None and taken is not None and len(taken) == 2:
                extent = taken["hw".index(axis)]
            if extent != side:
                expected[f"kernel_{axis}"] = 1 if extent is None else extent
