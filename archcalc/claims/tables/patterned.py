"""Readings of rows that are modules whose widths say what they are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod

from archcalc.claims.tables.evidence import (
    MISPRINT,
    Extents,
    Hints,
    Manner,
    Option,
    State,
    filled,
    known,
    one_option,
    printed_state,
)
from archcalc.claims.tables.modules import WIDTHS, Pattern, out_channels
from archcalc.claims.tables.modules import layers as module_layers
from archcalc.claims.tables.sheet import Entry
from archcalc.claims.tables.work import Layer


def read_module(entry: Entry, state: State, manner: Manner, hints: Hints) -> Iterator[Option]:
    """A row whose widths say what it is made of."""
    assert entry.pattern is not None
    if entry.widths:
        yield from _read_own(entry, entry.pattern, state, manner, hints)
        return
    printed = printed_state(entry, "out")
    widths = {role: int(entry.values[role]) for role in WIDTHS if role in entry.values}
    cin = state.c if state.c is not None else printed_state(entry, "in").c
    ext = printed.ext if printed.ext is not None else state.ext
    variants: list[tuple[dict[str, int], float]] = [(widths, 0.0)]
    for role in entry.pattern.columns:
        out = out_channels(entry.pattern, widths)
        if printed.c and role in entry.pattern.out and printed.c - out + widths[role] > 0:
            variants.append(({**widths, role: printed.c - out + widths[role]}, 0.0))
        if cin is not None and isinstance(entry.values.get("params"), int):
            variants += [
                ({**widths, role: n}, 0.2) for n in _fits(entry, entry.pattern, widths, role, cin)
            ]
    for chosen, price in variants:
        out = out_channels(entry.pattern, chosen)
        target = State(out, ext)
        for bias in (1, 0):
            cost = price + manner.bias_price("module", False, bias)
            params = macs = None
            if cin is not None:
                parts = module_layers(entry.pattern, chosen, cin)
                params = sum((area * i + bias) * o for area, i, o in parts)
                if (sizes := known(ext)) is not None:
                    macs = sum(area * i * o for area, i, o in parts) * prod(sizes)
            layer = Layer("module", cin, out, bias=bias, params=params, macs=macs)
            ways: list[tuple[Extents | None, float]] = [(ext, 0.0)]
            if state.ext is not None and ext is not None and len(ext) == len(state.ext):
                same = ext == state.ext
                ways = [(ext, 0.0 if same else 3.0)]
                ways += [(state.ext, 0.0)] if not same else []
            for size, extra in ways:
                yield one_option(
                    entry,
                    state,
                    target._replace(ext=size),
                    cost + extra,
                    layer,
                    params=params,
                    **chosen,
                )


def _read_own(
    entry: Entry, pattern: Pattern, state: State, manner: Manner, hints: Hints
) -> Iterator[Option]:
    """A row of a user's own notation: its first convolution with a window moves by its stride."""
    state = filled(state, printed_state(entry, "in"))
    printed, step = printed_state(entry, "out"), int(entry.values.get("stride", 1))
    known_ = known(state.ext)
    moved = None if known_ is None else tuple(-(-n // step) for n in known_)
    sizes: list[tuple[Extents | None, float]] = [(moved, 0.0)]
    sizes += [(e, MISPRINT + 1) for e in (printed.ext, hints.after.ext) if e and e != moved]
    out = out_channels(pattern, {**entry.widths, "in": state.c or 0})
    for bias in (1, 0, 2, 3):
        params = macs = None
        if state.c is not None:
            parts = module_layers(pattern, entry.widths, state.c)
            params = sum((area * i + (0, 1, 2, 3)[bias]) * o for area, i, o in parts)
            if step == 1 and known_ is not None:
                macs = sum(area * i * o for area, i, o in parts) * prod(known_)
        layer = Layer("module", state.c, out, bias=bias, params=params, macs=macs)
        for size, extra in sizes:
            if size is None and moved is None and printed.ext is not None:
                continue
            cost = extra * (moved is not None) + manner.bias_price("module", False, bias)
            yield one_option(
                entry, state, State(out, size), cost, layer, params=params, channels_out=out
            )


def _fits(
    entry: Entry, pattern: Pattern, widths: Mapping[str, int], role: str, cin: int
) -> list[int]:
    """Widths in place of one that give the printed parameters exactly."""
    wanted = int(entry.values["params"])
    found = []
    for bias in (0, 1):

        def total(width: int, bias: int = bias) -> int:
            parts = module_layers(pattern, {**widths, role: width}, cin)
            return sum((area * i + bias) * o for area, i, o in parts)

        zero, one = total(0), total(1)
        each = one - zero
        if each and (wanted - zero) % each == 0 and 0 < (wanted - zero) // each < 10**5:
            found.append((wanted - zero) // each)
    return found
