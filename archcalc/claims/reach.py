"""What stands between printed rows: the cheapest way to what a row takes from what there is.

A way bends what layers give (a pooling, a flatten, another order) and joins it (a sum, a
concatenation, a gate). What nothing takes yet is joined for less than what something does: a layer
of which nothing comes explains itself worst.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import combinations, product
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
NOISE = 1e-6
"""Less than any two prices differ by."""

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
    yield from _joined(net, wanted, source, near)
    state = net.states.get(source, UNKNOWN)
    if wanted.ext and state.c == wanted.c and all(n == 1 for n in state.ext or ()):
        gated = next((name for name in near if net.states[name] == wanted), None)
        if gated is not None:
            both = tuple(Bend(0.0, "", {}, net.states[name]) for name in (gated, source))
            yield Way(1.5, (gated, source), both, "Mul", "a gate")


def _joined(net: Wiring, wanted: State, source: str, near: Sequence[str]) -> Iterator[Way]:
    """The cheapest ways to join layers that together make a state, each bent in the same manner."""
    manners: dict[str, dict[str, Bend]] = {}
    for name in near:
        for bend in bends(net, name, wanted.ext):
            if bend.out.c and bend.out.c <= (wanted.c or 0):
                manners.setdefault(bend.what, {}).setdefault(name, bend)
    plain, order = manners.get("", {}), {name: k for k, name in enumerate(net.states)}
    for what, own in manners.items():
        # Some of what is joined may be pooled first, as a branch of an inception is.
        bent = own if what in ("", *ENDS) else {**own, **plain}
        unused = [name for name in bent if name in net.open][:WIDE]
        used = [name for name in bent if name not in net.open]
        # A convolution that is normalized is joined as that alone.
        plainly = [name for name in used if name not in net.normed][:WIDE]
        joined = {name: bent[name] for name in (*unused, *plainly)}
        if names := _cheapest(joined, len(unused), wanted.c or 0, source):
            ordered = tuple(sorted(names, key=order.__getitem__))
            price = _price(joined, ordered, len(set(names) & set(unused)), source)
            bent_ = tuple(bent[name] for name in ordered)
            yield Way(price, ordered, bent_, "Concat", "a concatenation")
        same = [name for name in (*unused, *used[:WIDE]) if bent[name].out.c == wanted.c]
        # More than two that are summed cost more than two of them.
        for pair in combinations([name for name in same if not bent[name].op], 2):
            free = sum(name in net.open for name in pair)
            ordered = tuple(sorted(pair, key=order.__getitem__))
            price = _price(bent, ordered, free, source) - 0.3
            yield Way(price, ordered, tuple(bent[name] for name in ordered), "Add", "a sum")


def _price(bent: Mapping[str, Bend], names: Sequence[str], free: int, source: str) -> float:
    """What it costs to join layers of which nothing takes some, ``free`` in number."""
    left = 0.0 if source in names else 1.5
    bends_ = sum(bent[name].price for name in names) / len(names)
    return _least(free, len(names)) + left + bends_


def _least(free: int, count: int) -> float:
    """What it costs at least to join so many layers."""
    return 1.0 + 0.8 * (count - free) + 0.2 * abs(count - 2)


def _cheapest(
    bent: Mapping[str, Bend], unused: int, wanted: int, source: str
) -> tuple[str, ...] | None:
    """Two or more of some layers that are as wide together, at the lowest price.

    The first ``unused`` are taken by nothing yet. Of equal prices, it is the most of those, and the
    fewest in all.
    """
    names = list(bent)
    widths = tuple(bent[name].out.c or 0 for name in names)
    free, taken = _sums(widths[:unused], UNUSED), _sums(widths[unused:], USED)
    best: tuple[float, int, int, tuple[int, ...]] | None = None
    counts = product(range(len(free)), range(len(taken)))
    sizes = [(f, t) for f, t in counts if 2 <= f + t <= MOST]
    for f, t in sorted(sizes, key=lambda each: _least(each[0], sum(each))):
        if best is not None and _least(f, f + t) > best[0] + NOISE:
            break
        for summed, groups in free[f].items():
            others = taken[t].get(wanted - summed, ())
            for one, other in product(groups, others):
                chosen = (*one, *(unused + k for k in other))
                price = _price(bent, [names[k] for k in chosen], f, source)
                rated = round(price, 9), -f, f + t, chosen
                best = rated if best is None or rated < best else best
    return None if best is None else tuple(names[k] for k in best[3])


@lru_cache(1024)
def _sums(widths: tuple[int, ...], most: int) -> list[dict[int, list[tuple[int, ...]]]]:
    """For each number of some widths up to ``most``, what so many add up to, and which they are."""
    found: list[dict[int, list[tuple[int, ...]]]] = []
    for count in range(min(most, len(widths)) + 1):
        sums: dict[int, list[tuple[int, ...]]] = {}
        for chosen in combinations(range(len(widths)), count):
            sums.setdefault(sum(widths[k] for k in chosen), []).append(chosen)
        found.append(sums)
    return found


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
