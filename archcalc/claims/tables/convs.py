"""Readings of rows that convolve."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

from archcalc.claims.tables.evidence import (
    MISPRINT,
    Extents,
    Hints,
    Manner,
    Option,
    Sizes,
    State,
    filled,
    known,
    one_option,
    printed_state,
)
from archcalc.claims.tables.linear import read_linear
from archcalc.claims.tables.patterned import read_module
from archcalc.claims.tables.sheet import Entry, Number
from archcalc.claims.tables.weights import Weights, count, mispriced, weights
from archcalc.claims.tables.windows import (
    UNLIKE,
    UNUSUAL,
    Slide,
    cheapest_ways,
    kernel_axes,
    kernel_of,
    odd_pad,
    slides,
    steps,
    unlike,
    unpadded,
    unslides,
)
from archcalc.claims.tables.work import Layer

GROWN = MISPRINT + 2
"""The price of a convolution that gives more positions than it takes, of an unsaid kernel."""
ALONE = 3.0
"""The price of a kernel over several positions, unsaid, where there is one alone."""
MOST = 128
"""Channels that a network usually takes at most, where there are more than an image has."""
UNMATCHED = 6.0
"""What it costs that no square window, of whatever side, does what one does that is not printed."""
MOST_STRIDE = 16
WIDEST = 20_000
"""Channels that a first convolution takes at most."""


def _channels_in(
    entry: Entry, state: State, axes: int, hints: Hints
) -> Iterator[tuple[int, float]]:
    """Channels that a row may take where nothing before it says."""
    if state.c is not None:
        yield state.c, 0.0
        return
    printed = [entry.values.get(role) for role in ("in_c", "channels_in", "kernel_in")]
    seen = [int(each) for each in printed if each]
    yield from ((c, 0.0) for c in dict.fromkeys(seen))
    if not seen:
        yield from ((3, 0.2), (1, 1.2), (2, 2.0), (4, 2.0))
        cout, params = printed_state(entry, "out").c, entry.values.get("params")
        if cout and isinstance(params, int) and params:
            kernel = kernel_of(entry, axes)
            usual = (4, 5, 3, 2) if entry.kind == "deconv" else (3, 1, 4, 5, 7)
            sides = hints.sides if axes == 1 else ()
            usual = tuple(dict.fromkeys((*sides, *usual)))
            areas = [prod(kernel)] if kernel else [k**axes for k in usual]
            for bias in (0, 1):
                for k, area in enumerate(areas):
                    rest = params - bias * cout
                    if rest > 0 and rest % (area * cout) == 0 and rest <= WIDEST * area * cout:
                        c = rest // (area * cout)
                        usually = c < 8 or (c % 4 == 0 and c <= MOST)
                        price = (3.0 if usually else 5.0) + 0.5 * k * (entry.kind == "deconv")
                        yield c, price - 2.0 * (area in sides)


def channels_out(
    entry: Entry, cin: int, axes: int, hints: Hints, manner: Manner
) -> list[tuple[int, float]]:
    """Channels that a row may give: what is printed, and what its parameters and neighbours say."""
    values = entry.values
    found: dict[int, float] = {}
    for role in ("out_c", "channels_out", "kernel_out"):
        if values.get(role):
            found.setdefault(int(values[role]), 0.0)
    if hints.after.c:
        found.setdefault(hints.after.c, 0.3)
    if not found:
        found |= dict(zip(hints.needs, (0.0, 1.5), strict=False))
    params = values.get("params")
    groups = int(values.get("groups", 1))
    if isinstance(params, int) and params and "params" in entry.exact:
        kernel = kernel_of(entry, axes)
        most = WIDEST if found else 10**6
        usual = (4, 2, 3, 5) if entry.kind == "deconv" else (3, 1, 5, 7)
        for area in [prod(kernel)] if kernel else [k**axes for k in usual]:
            for bias in (1, 0):
                each = area * (cin // groups if groups and cin % groups == 0 else cin) + bias
                if each and params % each == 0 and params // each <= most:
                    found.setdefault(params // each, 0.6)
    if groups > 1 and "channels_out" in values:
        # Filters may be printed for each group.
        found.setdefault(int(values["channels_out"]) * groups, 0.5)
    return list(found.items())[:6]


def _as_wide(
    entry: Entry,
    ext: Extents | None,
    printed: State,
    cin: int,
    cout: int,
    manner: Manner,
    hints: Hints,
) -> Iterator[Weights]:
    """A kernel as wide as what it takes, of which a column is left: words of all their features."""
    sizes, params = known(ext), entry.values.get("params")
    left = known(printed.ext)
    if not sizes or not left or len(sizes) != 2 or len(left) != 2 or "kernel_h" in entry.values:
        return
    for axis in (0, 1):
        if left[axis] != 1 or sizes[axis] < 16 or not isinstance(params, int):
            continue
        for bias in (1, 0):
            rest, each = params - bias * cout, cin * cout * sizes[axis]
            if rest > 0 and rest % each == 0 and rest // each <= sizes[1 - axis]:
                side = rest // each
                kernel = (sizes[0], side) if axis == 0 else (side, sizes[1])
                price = 0.5 + manner.bias_price("conv", hints.followed, bias)
                yield Weights(kernel, 1, bias, price, params)


def read_conv(entry: Entry, state: State, manner: Manner, hints: Hints) -> Iterator[Option]:
    """The readings of a convolution of any kind."""
    state = filled(state, printed_state(entry, "in"))
    printed = printed_state(entry, "out")
    kind = entry.kind if entry.kind != "layer" else "conv"
    if entry.pattern is not None:
        yield from read_module(entry, state, manner, hints)
        return
    ext = state.ext
    axes = entry.what.axes or (
        len(ext)
        if ext
        else len(printed.ext)
        if printed.ext
        else max(1, sum(f"kernel_{a}" in entry.values for a in "dhw"))
        if "kernel_h" in entry.values
        else 2
    )
    if entry.kind == "layer" and (ext == () or _flatly(entry, state)):
        yield from read_linear(entry, state, manner, hints)
        return
    unlike_ = 0.0
    if ext is not None and len(ext) != axes:
        if ext and entry.what.axes and manner.program == "pytorch":
            unlike_ = MISPRINT - 1  # it would not run
        if not ext:
            ext = (1,) * axes
        elif printed.ext is not None and len(printed.ext) == len(ext) and entry.what.axes is None:
            axes = len(ext)
        else:
            ext = None
    state = State(state.c, ext)
    done = False
    kernel = kernel_of(entry, axes)
    made: dict[int, list[tuple[float, Any, float, Slide]]] = {}
    for cin, cin_price in _channels_in(entry, state, axes, hints):
        cin_price += unlike_
        outs = channels_out(entry, cin, axes, hints, manner)
        if kind == "depthwise":
            outs = [(c, p) for c, p in outs if c % cin == 0] or [(cin, 0.0)]
            outs = list({cin: 0.0, **dict(outs)}.items())
        for cout, cout_price in outs:
            done = True
            other = MISPRINT * (printed.c not in (None, cout))
            for w in (
                *weights(entry, cin, cout, axes, manner, hints),
                *_as_wide(entry, ext, printed, cin, cout, manner, hints),
            ):
                price = cin_price + cout_price + w.price
                alone = kernel is None and set(ext or ()) == {1} != set(w.kernel or (1,))
                price += ALONE * alone
                base = price + other + mispriced(entry, w, kernel, manner, cin)
                wide = any(
                    k == n > 15 for k, n in zip(w.kernel or (), known(ext) or (), strict=False)
                )
                for way in ways_of(entry, ext, w.kernel, printed, axes, manner, hints):
                    if wide and (way.strides or any(way.pads)) and "pad" not in entry.values:
                        continue  # over all features it moves along the other axis alone
                    if way.pads and manner.padded is not None and "pad" not in entry.values:
                        other_way = any(way.pads) != manner.padded and max(w.kernel or (1,)) > 1
                        way = way._replace(price=way.price + UNLIKE * other_way)
                    rank = base + way.price + unlike(entry, way, None, None, printed)
                    rank -= 0.6 * (way.out == hints.after.ext)
                    made.setdefault(cout, []).append((rank, (cin, w), price, way))
    value = entry.values.get("params")
    for cout, each in made.items():
        ways = cheapest_ways(
            each,
            4,
            lambda what: what[1].params == value,
            lambda what: kernel is not None and what[1].kernel != kernel,
        )
        for (cin, w), price, way in ways:
            yield _convolved(entry, State(cin, ext), cout, w, way, price, kind)
    if done:
        return
    square = [(k,) * axes for k in (kernel or ()) if len(set(kernel or ())) > 1]
    found = [
        (side, 0.5 * (side == kernel and bool(square)), way)
        for side in dict.fromkeys((kernel, *square))
        for way in ways_of(entry, ext, side, printed, axes, manner, hints)
    ]
    for side, price, way in found:
        out = State(printed.c, way.out if any(n is not None for n in way.out) else None)
        layer = Layer(kind, state.c, out.c, side, way.stride, way.pads)
        sides = zip(kernel_axes(entry, side or ()), side or (), strict=False)
        moved = steps(entry, way) if way.pads else {}
        if way.pads and "pad" in entry.values:
            moved["pad"] = odd_pad(entry, way)
        yield one_option(
            entry,
            state,
            out,
            price + way.price,
            layer,
            **{f"kernel_{a}": k for a, k in sides},
            **moved,
        )


def ways_of(
    entry: Entry,
    ext: Extents | None,
    kernel: tuple[int, ...] | None,
    printed: State,
    axes: int,
    manner: Manner,
    hints: Hints,
) -> list[Slide]:
    """How a kernel may go over what a row takes, given what is printed of it."""
    sizes = known(ext)
    if sizes is None:
        out: Extents = (None,) * axes
        if printed.ext and len(printed.ext) == axes:
            out = printed.ext
        outs = [out]
        if hints.after.ext and len(hints.after.ext) == axes:
            outs.append(hints.after.ext)
        if axes == 2 and len(set(out)) == 2 and None not in out:
            outs += [(n, n) for n in out]  # of a square, one side may be misprinted
        stride = int(entry.values.get("stride", 1))
        return [Slide(each, stride, (), 0.0) for each in dict.fromkeys(outs)]
    target = printed.ext if printed.ext is not None and len(printed.ext) == axes else None
    if printed.ext == ():
        target = (1,) * axes
    if kernel is None:
        outs = [target or (None,) * axes]
        if target and hints.after.ext and len(hints.after.ext) == axes:
            outs.append(hints.after.ext)
        less = tuple(n - 2 for n in sizes)
        outs += [each for each in (sizes, less) if target and min(each, default=0) > 0]
        if len(sizes) == 2 and _unmatched(sizes, known(target)):
            outs[1:1] = [tuple(n // s for n in sizes) for s in (2, 3, 4) if s <= min(sizes)]
        if _bent(sizes, target):
            # What is said of no window leaves a square of a square, whole times smaller if it can.
            sides = sorted(target or (), key=lambda n: sizes[0] % n > 0 if n else 1)
            outs = [(n,) * axes for n in sides] + outs
        return [
            Slide(each, 1, (), _odd(entry, sizes, each) + GROWN * _bent(sizes, each))
            for each in dict.fromkeys(outs)
        ]
    ways = list(
        unslides(entry, sizes, kernel, known(target), manner.program)
        if entry.kind == "deconv"
        else slides(entry, sizes, kernel, target, manner)
    )
    after = hints.after.ext
    if after and after != target and len(after) == axes and entry.kind != "deconv":
        ways += [w for w in slides(entry, sizes, kernel, after, manner) if w not in ways]
    if not ways and target:
        ways = [Slide(target, 1, (), MISPRINT + 2)]
    return list(ways)


def _odd(entry: Entry, ext: Sizes, out: Extents) -> float:
    """What it costs that a window of which nothing is said leaves such sizes."""
    price = _even(ext, out) + GROWN * (entry.kind == "conv" and _grows(ext, out))
    sides = zip(ext, out, strict=True)
    whole = all(m is None or m % n == 0 for n, m in sides)
    price += UNMATCHED * (entry.kind == "conv" and len(ext) == 2 and _unmatched(ext, known(out)))
    return price + 2.0 * (entry.kind == "deconv" and not whole)


def _unmatched(ext: Sizes, out: Sizes | None) -> bool:
    """Whether no square window takes both sides of a plane to what they become.

    That of a side ``k`` with so much padding leaves ``(n + padding - k) // stride + 1`` of ``n``.
    """
    if out is None or any(m > n for n, m in zip(ext, out, strict=True)):
        return False

    def fits(stride: int) -> bool:
        lows = [(m - 1) * stride - n for n, m in zip(ext, out, strict=True)]
        return max(lows) - min(lows) < stride

    return not any(map(fits, range(1, MOST_STRIDE + 1)))


def _bent(ext: Sizes, out: Extents | None) -> bool:
    """Whether a square, and no single position, becomes none."""
    return len(ext) == 2 and len(set(ext)) == 1 != ext[0] and len(set(out or ext)) > 1


def _grows(ext: Sizes, out: Extents) -> bool:
    """Whether what is given is larger than what is taken."""
    return any(m is not None and m > n for n, m in zip(ext, out, strict=True))


def _even(ext: Sizes, out: Extents) -> float:
    """What it costs that a kernel that nothing says anything of is even."""
    few = [n - m for n, m in zip(ext, out, strict=True) if m is not None and 0 < n - m < min(n, 8)]
    return UNUSUAL * (len(few) == len(ext) and all(n % 2 for n in few))


def _convolved(
    entry: Entry, taken: State, cout: int, w: Weights, way: Slide, price: float, kind: str
) -> Option:
    out = State(cout, way.out if any(n is not None for n in way.out) else None)
    assert taken.c is not None
    area = None if w.kernel is None else prod(w.kernel)
    worked = known(taken.ext if kind == "deconv" else way.out)
    positions = None if worked is None else prod(worked)
    macs = None
    if area is not None and positions is not None:
        macs = count(kind, area, taken.c, cout, w.groups, 0) * positions
    layer = Layer(
        kind,
        taken.c,
        cout,
        w.kernel,
        way.stride,
        way.pads,
        int(entry.values.get("dilation", 1)),
        w.groups,
        w.bias,
        None,
        w.params,
        macs,
        strides=way.strides,
    )
    expected: dict[str, Number | None] = {"params": w.params, "kernel_out": cout}
    values = entry.values
    if "kernel_in" in values:
        expected["kernel_in"] = (
            taken.c // w.groups if values["kernel_in"] * w.groups == taken.c else taken.c
        )
    each = values.get("channels_out", 0)
    if w.groups > 1 and each and cout in (each * w.groups, each * taken.c // w.groups):
        expected["channels_out"] = each  # filters are printed for each group
    shown = values.get("channels_in")
    if (
        shown is not None
        and "params" not in values
        and 1 < w.groups < taken.c
        and shown * w.groups == taken.c
    ):
        expected["channels_in"] = shown
    if "groups" in values:
        expected["groups"] = w.groups
    if w.kernel is not None:
        expected |= {
            f"kernel_{a}": k for a, k in zip(kernel_axes(entry, w.kernel), w.kernel, strict=False)
        }
        if taken.ext and None not in taken.ext and way.pads:
            expected |= steps(entry, way)
            if "pad" in values:
                expected["pad"] = (unpadded if kind == "deconv" else odd_pad)(entry, way)
    if "frozen" in values:
        expected["frozen"] = 0
    return one_option(entry, taken, out, price + way.price, layer, **expected)


def _flatly(entry: Entry, state: State) -> bool:
    """Whether an unnamed layer takes all of its input as one row of numbers."""
    values = entry.values
    flat = state.flat
    return (
        flat is not None
        and values.get("in_h", 1) == 1 == values.get("in_w", 1)
        and flat != state.c
        and flat in (values.get("in_c"), values.get("channels_in"))
    )
