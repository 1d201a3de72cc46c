"""What stands between printed rows: the cheapest way to what a row takes from what there is.

A way bends what layers give (a pooling, a flatten, another order) and joins it (a sum, a
concatenation, a gate). What nothing takes yet is joined for less than what something does: a layer
of which nothing comes explains itself worst.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import accumulate, combinations, product
from math import prod
from typing import NamedTuple

from archcalc.claims.spelled import Fields
from archcalc.claims.tables.evidence import UNKNOWN, Sizes, State, known
from archcalc.claims.wiring import Wiring

FAR = 40
"""Layers back in which what is joined is looked for."""
WIDE = 12
"""Of those, how many that nothing takes yet, and that something does, may be joined."""
MOST, UNUSED, USED = 9, 8, 3
"""How many are joined: at most, and of either kind."""
TRIES = 50_000
"""Steps in which layers are looked for that are as wide together as something is."""

WINDOWS = ((2, 2), (3, 2), (4, 4), (3, 3), (5, 5))
"""Sides and strides of poolings that are called as functions."""


class Bend(NamedTuple):
    """One layer that makes a state of another."""

    price: float
    op: str
    """``""`` for none."""
    fields: Fields
    out: State
    what: str = ""


class Way(NamedTuple):
    """Layers that make a state."""

    price: float
    names: tuple[str, ...]
    bends: tuple[Bend, ...]
    """One for each of ``names``."""
    join: str = ""
    """The operator that joins them."""
    what: str = ""


def reached(net: Wiring, wanted: State, source: str, free: Sequence[str], note: str) -> str | None:
    """The layer that gives ``wanted``, written where there is none; None where nothing makes it.

    ``free`` are the layers that may be taken, the latest last.
    """
    way = min(_ways(net, wanted, source, free), key=lambda each: each.price, default=None)
    if way is None:
        return None
    net.cost += way.price
    names = []
    for name, bend in zip(way.names, way.bends, strict=True):
        said = note.format(bend.what)
        made = name
        if bend.what == LAST:
            net.assume(
                "Slice", {"start": -1}, [name], _one(net, name), f"{said}: the last is taken"
            )
            made = net.assume("Flatten", {}, [net.last], bend.out, said)
        elif bend.what == ATTENTION:
            made = _attention(net, name, bend, said)
        elif bend.what == TOKEN:
            made = _tokens(net, name, bend, said)
        elif bend.what == HALF:
            half = net.assume("Split", {**bend.fields, "index": 0}, [name], bend.out, said)
            net.halves.add(half)
            made = net.assume("Split", {**bend.fields, "index": 1}, [name], bend.out, said)
        elif bend.op:
            made = net.assume(bend.op, bend.fields, [name], bend.out, said)
        names.append(made)
    if way.join:
        fields = net.axis(names, wanted) if way.join == "Concat" else {}
        return net.assume(way.join, fields, names, wanted, note.format(way.what))
    return names[0]


LAST = "a slice"
ENDS = ("a flatten", "a global pooling", LAST)
"""What leaves a vector."""
ATTENTION = "an attention"
TOKEN = "a token of the network's own"
SQUEEZE = "a pooling of everything"
HALF = "a split"
"""Of which the first half is left for what joins both again."""


def _attention(net: Wiring, name: str, bend: Bend, said: str) -> str:
    """Of queries, keys and values that one layer gives."""
    c, ext = bend.out.c or 0, bend.out.ext or ()
    said = f"{said}: of one head"
    whole, head = State(3 * c, (1, *ext)), State(c, (1, *ext))
    laid = [1, *(n or 0 for n in ext)]
    every = net.assume("Reshape", {"shape": [*laid, 3 * c]}, [net.laid(name, True)], whole, said)
    parts = [
        net.assume("Slice", {"dim": -1, "start": k * c, "end": (k + 1) * c}, [every], head, said)
        for k in range(3)
    ]
    made = net.assume("ScaledDotProductAttention", {}, parts, head, said)
    return net.assume("Reshape", {"shape": [*laid[1:], c]}, [made], bend.out, said)


def _tokens(net: Wiring, name: str, bend: Bend, said: str) -> str:
    """A layer's positions in a row, and some of the network's own before them."""
    more = bend.fields["more"]
    c, (positions,) = bend.out.c, bend.out.ext or (0,)
    row = State(c, ((positions or 0) - more,))
    if net.states[name] != row:
        laid = net.arranged(name, row, True)
        name = net.assume(laid.op, laid.fields, [name], row, said)
    name = net.laid(name, True)
    token = net.assume("Parameter", {"shape": [more, c]}, [name], State(c, (more,)), said)
    return net.assume("Concat", {"dim": 1}, [token, name], bend.out, said)


def _one(net: Wiring, name: str) -> State:
    state = net.states[name]
    return State(state.c, (1,)) if net.manages(state) else State(1, state.ext)


def _ways(net: Wiring, wanted: State, source: str, free: Sequence[str]) -> Iterator[Way]:
    near = [name for name in dict.fromkeys((*reversed(free), source)) if name in net.states]
    near.sort(key=lambda name: (name != source, name not in net.open))
    for at, name in enumerate(near):
        away = 0.0 if name == source else 2.0 - 0.5 * (name in net.open) + at / 100
        for bend in bends(net, name, wanted.ext, wanted):
            if bend.out == wanted:
                yield Way(bend.price + away, (name,), (bend,))
    for join, names, bent in _groups(net, wanted, near):
        taken = sum(name not in net.open for name in names)
        left = 0.0 if source in names else 1.5
        price = 1.0 + 0.8 * taken + left + sum(each.price for each in bent) / len(bent)
        price += 0.2 * abs(len(names) - 2)
        if join == "Concat":
            yield Way(price, names, bent, join, "a concatenation")
        else:
            yield Way(price - 0.3, names, bent, join, "a sum")
    state = net.states.get(source, UNKNOWN)
    if wanted.ext and state.c == wanted.c and all(n == 1 for n in state.ext or ()):
        gated = next((name for name in near if net.states[name] == wanted), None)
        if gated is not None:
            both = tuple(Bend(0.0, "", {}, net.states[name]) for name in (gated, source))
            yield Way(1.5, (gated, source), both, "Mul", "a gate")


def _groups(
    net: Wiring, wanted: State, near: Sequence[str]
) -> Iterator[tuple[str, tuple[str, ...], tuple[Bend, ...]]]:
    """What joins layers that together make a state, and they, each bent in the same manner."""
    manners: dict[str, dict[str, Bend]] = {}
    for name in near:
        for bend in bends(net, name, wanted.ext):
            if bend.out.c and bend.out.c <= (wanted.c or 0):
                manners.setdefault(bend.what, {}).setdefault(name, bend)
    plain, order = manners.get("", {}), list(net.states).index
    for what, own in manners.items():
        # Some of what is joined may be pooled first, as a branch of an inception is.
        bent = own if what in ("", *ENDS) else {**own, **plain}
        unused = [name for name in bent if name in net.open][:WIDE]
        used = [name for name in bent if name not in net.open]
        # A convolution that is normalized is joined as that alone.
        plainly = [name for name in used if name not in net.normed][:WIDE]
        joined = {name: bent[name].out.c or 0 for name in (*unused, *plainly)}
        widths = {name: bent[name].out.c or 0 for name in (*unused, *used[:WIDE])}
        same = [name for name, c in widths.items() if c == wanted.c and not bent[name].op]
        # More than two that are summed cost more than two of them.
        for join, groups in (
            ("Concat", _adding(joined, wanted.c or 0, unused)),
            ("Add", combinations(same, 2)),
        ):
            found = [(sum(name in net.open for name in names), names) for names in groups]
            # Of equal prices, the most of what nothing takes and the least of what something does.
            for free, names in sorted(found, key=lambda each: (-each[0], len(each[1]))):
                if free <= UNUSED and len(names) - free <= USED:
                    ordered = tuple(sorted(names, key=order))
                    yield join, ordered, tuple(bent[name] for name in ordered)


def _adding(
    widths: Mapping[str, int], wanted: int, unused: Collection[str]
) -> Iterator[tuple[str, ...]]:
    """Two or more of some layers that are as wide together; of many, those that are tried first."""
    names = list(widths)
    rest = list(accumulate(list(widths.values())[::-1], initial=0))[::-1]
    tries = iter(range(TRIES))

    def more(k: int, left: int, free: int, chosen: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if left == 0 and len(chosen) > 1:
            yield chosen
        elif rest[k] >= left > 0 and len(chosen) < MOST and next(tries, None) is not None:
            new = free + (names[k] in unused)
            if new <= UNUSED and len(chosen) + 1 - new <= USED:
                yield from more(k + 1, left - widths[names[k]], new, (*chosen, names[k]))
            yield from more(k + 1, left, free, chosen)

    return more(0, wanted, 0, ())


def bends(
    net: Wiring, name: str, ext: tuple[int | None, ...] | None, wanted: State = UNKNOWN
) -> Iterator[Bend]:
    """What makes extents of a layer's, and a whole state where one is wanted."""
    state = net.states[name]
    if state.ext == ext:
        yield Bend(0.0, "", {}, state)
    sizes, after = known(state.ext), known(ext)
    if state.c is None or sizes is None or after is None:
        return
    axes, flat = len(sizes), State(state.flat, ())
    if sizes and not after:
        yield Bend(1.0, "Flatten", {}, flat, "a flatten")
        yield Bend(1.5, "GlobalAvgPool", {}, State(state.c, ()), "a global pooling")
        if axes == 1 and (width := state.c if net.manages(state) else sizes[0]):
            yield Bend(1.2, "Slice", {}, State(width, ()), LAST)
    if sizes and len(after) == axes and after != sizes:
        window = _window(sizes, after)
        side = "x".join([str(window.get("kernel_size"))] * axes)
        if set(after) == {1}:
            ones: Fields = {"output_size": 1}
            yield Bend(1.8, f"AdaptiveAvgPool{axes}d", ones, State(state.c, after), SQUEEZE)
        if window:
            said = f"a {side} pooling"
            yield Bend(2.0, f"MaxPool{axes}d", window, State(state.c, after), said)
        times = [m // n for n, m in zip(sizes, after, strict=True)]
        if all(n * t == m for n, m, t in zip(sizes, after, times, strict=True)):
            fields: Fields = {"scale_factor": times[0] if len(set(times)) == 1 else times}
            yield Bend(2.0, "Upsample", fields, State(state.c, after), "an upsampling")
        elif all(m <= n < 2 * m for n, m in zip(sizes, after, strict=True)):
            cut = [[(n - m) // 2, n - m - (n - m) // 2] for n, m in zip(sizes, after, strict=True)]
            yield Bend(2.5, "Crop", {"cropping": cut}, State(state.c, after), "a crop")
    if wanted.c and state.c == 3 * wanted.c and state.ext == wanted.ext:
        yield Bend(1.0, "", {}, wanted, ATTENTION)
    if wanted.c and state.c == 2 * wanted.c and state.ext == wanted.ext:
        axis = {"dim": axes + 1} if name in net.turned else {}
        yield Bend(1.4, "Split", {"split_size_or_sections": wanted.c, **axis}, wanted, HALF)
    more = prod(after) - prod(sizes)
    if wanted.c == state.c and net.tokens(wanted) and more in (1, 2):
        yield Bend(3.0, "Concat", {"more": more}, wanted, TOKEN)
    if wanted != state and wanted.flat == state.flat is not None and after:
        same = Counter((wanted.c, *after)) == Counter((state.c, *sizes))
        made = net.arranged(name, wanted, same)
        said = "a permutation" if same else "a rearrangement"
        yield Bend(1.5 if same else 2.2, made.op, made.fields, wanted, said)


def _window(sizes: Sizes, after: Sizes) -> Fields:
    """A pooling that leaves some sizes of others; no fields for none."""
    for (k, step), up in product(WINDOWS, (False, True)):
        gives = tuple(1 if n == 1 else (n - k + up * (step - 1)) // step + 1 for n in sizes)
        if gives == after:
            fields: Fields = {"kernel_size": k}
            fields |= {"stride": step} if step != k else {}
            return fields | ({"ceil_mode": True} if up else {})
    return {}
