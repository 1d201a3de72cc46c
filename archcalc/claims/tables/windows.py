"""How a window may go over its input: strides and paddings, given what is printed of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

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
from archcalc.claims.tables.sheet import AXES, Entry, Number
from archcalc.claims.tables.work import Layer


class Slide(NamedTuple):
    """One way for a window to go over all axes."""

    out: Extents
    stride: int
    pads: tuple[int, ...]
    price: float
    ceil: bool | None = None
    """Whether it was rounded up; None where it makes no difference."""
    strides: tuple[int, ...] = ()
    """Of each axis, where they are not the same."""


def slides(
    entry: Entry,
    ext: Sizes,
    kernel: tuple[int, ...] | None,
    target: Extents | None,
    manner: Manner,
) -> tuple[Slide, ...]:
    """How a window may go over ``ext``, given what is printed of it, the likelier first.

    ``target`` is the size that is printed: strides and paddings that lead to it are solved for.
    """
    aim = known(target)
    if aim is not None and len(aim) != len(ext):
        aim = None
    if kernel is None or len(kernel) != len(ext):
        return (Slide(aim, 1, (), 0.0),) if aim else ()
    values = entry.values
    full = tuple(int(values.get("dilation", 1)) * (k - 1) + 1 for k in kernel)
    more = tuple(_unsaid(entry, ext, kernel, aim)) if manner.unsaid and aim else ()
    return more + _slides(
        ext,
        full,
        aim,
        _strides(entry, len(ext)),
        values.get("pad"),
        entry.kind == "pool",
        entry.same_pad,
        manner.ceil,
        "" if manner.program == "darknet" and entry.kind == "pool" else manner.program,
    )


def _unsaid(entry: Entry, ext: Sizes, kernel: Sizes, aim: Sizes) -> Iterator[Slide]:
    """Dilations, and poolings in a convolution's own row, that lead to a size and are not said."""
    step, pad = entry.values.get("stride"), entry.values.get("pad")
    if entry.kind not in ("conv", "layer") or not step or len(set(kernel)) > 1:
        return
    (k, *_), s = kernel, int(step)
    both = k - 1 if pad is None or entry.same_pad else int(2 * pad)
    if pad is not None and "dilation" not in entry.values and k > 1:
        for dilation in DILATIONS:
            if tuple((n + both - dilation * (k - 1) - 1) // s + 1 for n in ext) == aim:
                yield Slide(aim, s, (both,) * len(ext), 0.5)
    if tuple(((n + both - k) // s + 1) // 2 for n in ext) == aim:
        yield Slide(aim, s, (both,) * len(ext), 0.5)


def _strides(entry: Entry, axes: int) -> Number | tuple[int, ...] | None:
    """Strides as they are printed: one for all axes, or one each."""
    if len(entry.strides) == axes:
        return entry.strides
    if axes == 1 and 1 in entry.strides:
        return max(entry.strides)
    return entry.values.get("stride")


@lru_cache(20_000)
def _slides(
    ext: tuple[int, ...],
    full: tuple[int, ...],
    target: tuple[int, ...] | None,
    stride: Number | tuple[int, ...] | None,
    pad: Number | None,
    pool: bool,
    same_pad: bool,
    ceils: bool | None,
    program: str,
) -> tuple[Slide, ...]:
    if isinstance(stride, tuple):
        steps = {stride: 0.0}
    elif stride:
        steps = {(int(stride),) * len(ext): 0.0}
    elif pool:
        steps = {(1,) * len(ext): 0.8, (3,) * len(ext): 1.0, (2,) * len(ext): 0.3} | {full: 0.0}
    else:
        steps = {(1,) * len(ext): 0.0, (2,) * len(ext): 0.3}
    if len(ext) == 3 and not stride:
        steps.setdefault((1, 2, 2), 0.3 + 0.5 * pool)
        each = tuple(min(4, max(1, round(n / m))) for n, m in zip(ext, target or ext, strict=True))
        steps.setdefault(each, 0.5 + 0.5 * pool)
    found: dict[tuple[Extents, tuple[int, ...], tuple[int, ...], bool | None], Slide] = {}

    def add(
        out: Extents, s: tuple[int, ...], pads: tuple[int, ...], price: float, ceil: bool | None
    ) -> None:
        key = (out, s, pads, ceil)
        price += _strange(program, ext, full, s, pads, bool(ceil))
        if min(n or 0 for n in out) > 0 and (key not in found or found[key].price > price):
            found[key] = Slide(out, max(s), pads, price, ceil, s if len(set(s)) > 1 else ())

    more = [(k,) * len(ext) for k in (1, 2, 3, 4)] if target else []
    if target and not stride and tuple(n // f for n, f in zip(ext, full, strict=True)) == target:
        steps.setdefault(full, 0.3)  # patches side by side
    for s in dict.fromkeys((*steps, *more)):
        cost = steps.get(s, 0.0 if stride else 1.0)
        if pool and not stride and max(full) > 1:
            cost += SKIPPING * any(t > f for f, t in zip(full, s, strict=True))
        rules: list[tuple[int, ...]] = []
        if pad is not None:
            rules.append(tuple(int(2 * pad) for _ in ext))
        same = _same(ext, full, s)
        half = tuple(f // 2 * 2 if f % 2 else f - 1 for f in full)
        rules += [same] if same_pad else [(0,) * len(ext), same, half]
        if not same_pad and not pool and any(f % 2 == 0 for f in full):
            rules.append(tuple(f // 2 * 2 for f in full))  # half of an even kernel at each end
        for k, pads in enumerate(rules):
            firm = s in steps and (pad is None or not k)
            spans = [(n + p - f, t) for n, p, f, t in zip(ext, pads, full, s, strict=True)]
            inexact = pool and any(span % t for span, t in spans)
            for up in (False, True) if inexact else (None,):
                out = tuple((-(-span // t) if up else span // t) + 1 for span, t in spans)
                if firm or out == target:
                    odd = 0.3 if up and not ceils else 0.0
                    if not (pool or program or same_pad) and set(s) == {1} and pads == same:
                        odd = ONE_END * any(p % 2 for p in pads)
                    if pad is not None and inexact and ceils is not None and up != ceils:
                        odd = MISPRINT + 2  # a table rounds all its poolings alike
                    add(out, s, pads, cost + odd, up)
        if target is not None and not same_pad:
            solved = [
                _solve(n, f, t, m, pool) for n, f, t, m in zip(ext, full, s, target, strict=True)
            ]
            pads = tuple(each[0] for each in solved if each)
            if len(pads) == len(ext) and (pad is None or pads != rules[0]):
                price = max(each[1] for each in solved if each)
                if len(set(pads[-2:])) > 1 and len(set(full[-2:])) == 1:
                    price += MISPRINT + 2 if len(set(ext[-2:])) == 1 else 6.0
                add(target, s, pads, cost + price, None)
    if target is not None and not stride and len(ext) > 1 and len(set(full)) > 1:
        # A window that is no square may move so, too.
        for s in product((1, 2, 3, 4), repeat=len(ext)):
            same = _same(ext, full, s)
            if tuple(-(-n // t) for n, t in zip(ext, s, strict=True)) == target:
                add(target, s, same, 1.5 + 0.1 * sum(s), None)
            ways = [_solve(*each, pool) for each in zip(ext, full, s, target, strict=True)]
            if len(set(s)) > 1 and None not in ways:
                pads = tuple(each[0] for each in ways if each)
                halves = all(p in (0, f // 2 * 2) for p, f in zip(pads, full, strict=True))
                add(target, s, pads, (1.5 if halves else 4.0) + 0.1 * sum(s), None)
    oblong = len(ext) == 2 and len(set(ext)) > 1 == len(set(full))
    if target is not None and pool and not stride and oblong:
        # Of a spectrogram, say, one axis may be pooled and the other only looked along.
        for s in ((full[0], 1), (1, full[0])):
            if tuple((n - f) // t + 1 for n, f, t in zip(ext, full, s, strict=True)) == target:
                add(target, s, (0, 0), 1.5, None)
    return tuple(sorted(found.values(), key=lambda each: each.price))


def _same(ext: Sizes, full: Sizes, s: Sizes) -> Sizes:
    """The padding of both ends together that leaves as many positions as there are strides."""
    return tuple(max(0, (-(-n // t) - 1) * t + f - n) for n, f, t in zip(ext, full, s, strict=True))


DILATIONS = tuple(2**k for k in range(1, 11))
"""Dilations that are thought of."""
USUAL_SIDE = 11
"""The largest side of a kernel over an image; over time twice as many are usual."""
UNUSUAL = 5.0
"""The price of a pooling that is not printed and goes otherwise than all others."""
SKIPPING = MISPRINT
"""The price of a pooling that leaves out what it takes, where no stride says so."""
ONE_END = 4.5
"""The price of padding one end more, which keeps the size under an even kernel, unsaid."""
UNLIKE = 8.5
"""The price of padding one convolution otherwise than all others, where none is printed."""
STRANGE = 9.0
"""The price of a padding that the program that printed the table does not know."""


def _strange(program: str, ext: Sizes, full: Sizes, s: Sizes, pads: Sizes, ceil: bool) -> float:
    """What it costs that a program pads so.

    Keras pads nothing or as is the ``same``, one axis as is causal, too, and rounds down; PyTorch
    pads both ends alike, but at strides of 1, where it knows ``same`` as well. Darknet's
    convolutions pad both ends by half of their kernel.
    """
    if not program or not any(pads):
        return STRANGE if ceil and program == "keras" else 0.0
    if program == "darknet":
        return 0.0 if pads == tuple(f // 2 * 2 for f in full) else STRANGE
    same = pads == _same(ext, full, s)
    if program == "keras":
        fits = same or (len(ext) == 1 and pads == (full[0] - 1,))
    else:
        fits = all(p % 2 == 0 for p in pads)
        if not fits and same and set(s) == {1}:
            return STRANGE / 2
    return 0.0 if fits else STRANGE


def _solve(n: int | None, full: int, s: int, m: int | None, pool: bool) -> tuple[int, float] | None:
    """The padding in all that takes an axis from n to m, and its price."""
    if n is None or m is None:
        return None
    least = (m - 1) * s + full - n
    for total in range(max(0, least), least + s):
        if total % 2 == 0 and total < full:
            return total, 2.0
    most = 2 * (full // 2) if pool else 4 * full + 8
    for total in range(max(0, least), least + s):
        if total <= (full if pool else full - 1):
            # One end is padded more where windows move on, or are even.
            uneven = s == 1 and total % 2 == 1 and total != full - 1 and not pool
            return total, MISPRINT + 2 if uneven else 5.0
    for total in range(max(0, least), least + s):
        if total <= most and total % 2 == 0 and not pool:
            # More than a kernel's width at each end is hardly meant, but of a recording.
            wide = full > 2 * USUAL_SIDE
            return total, 8.0 if total <= 2 * (full - 1) or full == 1 or wide else MISPRINT + 4
    return None


def steps(entry: Entry, way: Slide) -> dict[str, Number | None]:
    """What a row's strides should say."""
    found: dict[str, Number | None] = {"stride": way.stride}
    if entry.strides:
        each = way.strides or (way.stride,) * len(entry.strides)
        found |= {f"stride_{a}": n for a, n in zip(AXES[len(each)], each, strict=True)}
    return found


def unslides(
    entry: Entry, ext: Sizes, kernel: tuple[int, ...], target: Sizes | None, program: str
) -> list[Slide]:
    """How a transposed convolution may spread ``ext``."""
    stride, pad = entry.values.get("stride"), entry.values.get("pad")
    steps = [(int(stride), 0.0)] if stride else [(2, 0.0), (1, 0.0), (4, 1.0), (3, 1.0)]
    if stride:
        steps += [(s, 0.0) for s in (1, 2, 4) if s != stride]
    elif target and all(m % n == 0 for n, m in zip(ext, target, strict=True)):
        steps.append((target[0] // ext[0], 1.0))
    found: list[Slide] = []
    for s, cost in dict(reversed(steps)).items():
        if s < 1:
            continue
        widest = tuple((n - 1) * s + k for n, k in zip(ext, kernel, strict=True))
        totals = [(tuple(int(2 * pad) for _ in ext), 0.0)] if pad is not None else []
        totals += [((0,) * len(ext), 0.0)] if not entry.same_pad else []
        same = tuple(w - n * s for w, n in zip(widest, ext, strict=True))
        totals.append((same, 0.0))
        if target:
            solved = tuple(w - m for w, m in zip(widest, target, strict=True))
            fits = all(-s < t <= 2 * k for t, k in zip(solved, kernel, strict=True))
            if fits:
                # Both ends are padded alike, and less than a stride is added to one of them.
                apart = len(set(kernel)) == 1 and max(solved) - min(solved) >= s
                odd = 1.5 if all(t % 2 == 0 for t in solved) else 2.5
                square = len(set(ext[-2:])) == 1 < len(set(target[-2:])) and len(set(kernel)) == 1
                totals.append((solved, odd + STRANGE * (apart or square)))
        for total, price in totals:
            out = tuple(w - t for w, t in zip(widest, total, strict=True))
            if min(out) > 0:
                # PyTorch adds to one end alone less than a stride.
                odd = s == 1 and program == "pytorch" and any(t % 2 for t in total)
                found.append(Slide(out, s, total, cost + price + STRANGE * odd))
    if target and not stride and len(ext) == len(kernel) > 1:
        # Of a volume, say, one axis may be spread otherwise than the others.
        spread = [
            next((s for s in STEPS if (n - 1) * s + k == m), 0)
            for n, k, m in zip(ext, kernel, target, strict=True)
        ]
        if all(spread) and len(set(spread)) > 1:
            found.append(Slide(target, max(spread), (0,) * len(ext), 1.5, None, tuple(spread)))
    return found


STEPS = (1, 2, 3, 4)
"""Strides of transposed convolutions that are thought of."""


def read_pool(entry: Entry, state: State, manner: Manner, hints: Hints) -> Iterator[Option]:
    """The readings of a pooling."""
    state = filled(state, printed_state(entry, "in"))
    printed = printed_state(entry, "out")
    ext = known(state.ext)
    c = state.c if state.c is not None else printed.c
    own = 0
    lenet = re.search(r"sampl|^s\d$", entry.what.word.lower())
    if c and lenet and entry.values.get("params") == 2 * c:
        own = 2 * c  # LeNet's have a factor and a bias for each map
    beside = "norm" in entry.what.word.lower()  # Pooling/Norm: what that has is its own
    none = None if beside else 0
    layer = Layer("pool", state.c, state.c, params=own)
    kernel = kernel_of(entry, len(state.ext) if state.ext is not None else 2)
    if "global" in entry.name.lower():
        yield one_option(entry, state, State(c, ()), 0.0, layer, params=none)
        return
    if ext is None:
        yield one_option(entry, state, State(c, printed.ext), 0.0, layer, params=none)
        return
    if not ext:
        yield one_option(entry, state, State(c, ()), 3.0, layer, params=none)
        return
    targets: list[Extents | None] = [None]
    if printed.ext and len(printed.ext) == len(ext):
        targets = [printed.ext]
    if hints.after.ext and len(hints.after.ext) == len(ext) and hints.after.ext not in targets:
        targets.append(hints.after.ext)
    windows: list[tuple[tuple[int, ...], float]] = []
    if kernel is not None:
        square = printed.ext is not None and len(set(printed.ext[-2:])) == 1 == len(set(ext[-2:]))
        beyond = any(k > n for k, n in zip(kernel, ext, strict=False)) and len(set(ext)) == 1
        odd = 3.0 * (square and _uneven(kernel) > 1) + 3.0 * (beyond and len(set(kernel)) > 1)
        windows.append((kernel, _uneven(kernel) + odd))
        windows += [((k,) * len(ext), 0.0) for k in (2, 3) if (k,) * len(ext) != kernel]
    else:
        sides = [(2, 0.0), (3, 0.3), (4, 0.7), (5, 1.0), (7, 1.0), (8, 1.0), (1, 2.0)]
        windows += [((k,) * len(ext), price) for k, price in sides]
        if len(ext) == 3:
            windows += [((1, k, k), 0.6) for k in (2, 3)]
            windows += [(side, 0.8) for k in (2, 3) for side in ((k, k, 1), (k, 1, k))]
        windows.append((ext, 0.3))
        aim = known(targets[0])
        if aim and len(ext) == 2 and len(set(ext)) > 1:
            kept = [n == m for n, m in zip(ext, aim, strict=True)]
            if sum(kept) == 1:
                windows += [(tuple(1 if as_is else k for as_is in kept), 0.9) for k in (2, 3, 4)]
        if aim and all(n % m == 0 for n, m in zip(ext, aim, strict=True)):
            side = tuple(n // m for n, m in zip(ext, aim, strict=True))
            windows.append((side, 1.2 + 1.5 * _uneven(side)))
    found: list[tuple[float, tuple[int, ...], float, Slide]] = []
    for side, price in windows:
        for target in targets:
            for way in slides(entry, ext, side, target, manner):
                if side == ext != kernel and set(way.out) != {1}:
                    continue  # over everything, or not at all
                usual = manner.window in (None, (max(side), way.stride)) or 1 in way.out
                if kernel is None and not usual:
                    way = way._replace(price=way.price + UNUSUAL)
                slim = len(ext) == 2 and len(set(side)) > 1
                slim |= bool(way.strides) and len(set(ext)) == 1
                if kernel is None and manner.window and slim:
                    way = way._replace(price=way.price + MISPRINT)  # one axis, where others are two
                if any(way.pads) and "pad" not in entry.values and not entry.same_pad:
                    # Windows side by side are seldom padded, and what is padded rounds down.
                    apart = way.pads != _same(ext, side, way.strides or (way.stride,) * len(ext))
                    beside_ = way.stride >= max(side) and apart
                    dear = 9.0 if kernel == side and max(side) < 3 and manner.program == "" else 4.0
                    rare = dear * beside_ + 4.0 * bool(way.ceil)
                    way = way._replace(price=way.price + rare)
                rank = price + way.price + unlike(entry, way, side, kernel, printed)
                rank -= 0.6 * (way.out == hints.after.ext)
                found.append((rank, side, price, way))
    for side, price, way in cheapest_ways(found):
        placed = layer._replace(
            kernel=side, stride=way.stride, strides=way.strides, pads=way.pads, ceil=way.ceil
        )
        made = {f"kernel_{a}": k for a, k in zip(kernel_axes(entry, side), side, strict=False)}
        if "pad" in entry.values:
            made["pad"] = odd_pad(entry, way)
        yield one_option(
            entry,
            state,
            State(c, way.out),
            price + way.price,
            placed,
            params=None if beside else own,
            **steps(entry, way),
            kernel_in=c if "kernel_in" in entry.values else None,
            **made,
        )
    if printed.ext == () or all(n == 1 for n in printed.ext or (0,)):
        yield one_option(entry, state, State(c, ()), 0.5, layer, params=none)


def unlike(
    entry: Entry,
    way: Slide,
    side: tuple[int, ...] | None,
    kernel: tuple[int, ...] | None,
    printed: State,
) -> float:
    """What it costs that a window's cells and its output's size say something else."""
    values = entry.values
    cost = MISPRINT * (kernel is not None and side != kernel)
    cost += MISPRINT * ("stride" in values and way.stride != values["stride"])
    if entry.strides and way.pads:
        cost += MISPRINT * ((way.strides or (way.stride,) * len(way.out)) != entry.strides)
    pads = {int(2 * values["pad"])} if "pad" in values else set()
    cost += MISPRINT * (bool(pads) and set(way.pads) != pads)
    unlike = printed.ext is not None and len(printed.ext) == len(way.out) and printed.ext != way.out
    return cost + MISPRINT * unlike


def cheapest_ways(
    found: list[tuple[float, Any, float, Slide]],
    most: int = 7,
    holds: Callable[[Any], bool] = lambda what: True,
    other: Callable[[Any], bool] = lambda what: False,
) -> Iterator[tuple[Any, float, Slide]]:
    """The cheapest ways to each of the few likeliest sizes.

    What ``holds`` of a number that is printed leaves room for ways of which it does not, and those
    whose window is an ``other`` than is printed leave room for one such.
    """
    groups: dict[Extents, Counter[bool]] = {}
    others: set[Extents] = set()
    for _, what, price, way in sorted(found, key=lambda each: each[0]):
        if way.out not in groups and len(groups) >= most:
            continue
        ways = groups.setdefault(way.out, Counter())
        if other(what) and way.out not in others:
            others.add(way.out)
            yield what, price, way
            continue
        ways[held := holds(what)] += 1
        if ways[held] <= (3 if held else max(1, 3 - ways[True])):
            yield what, price, way


def odd_pad(entry: Entry, way: Slide) -> Number:
    """Padding as it should be printed: the one that is not as it is, if axes differ."""
    printed = 2 * entry.values.get("pad", 0)
    return half_pad(tuple(p for p in way.pads if p != printed) or way.pads)


def unpadded(entry: Entry, way: Slide) -> Number:
    """The same of a transposed convolution, whose ``output_padding`` is less than a stride."""
    pad = entry.values["pad"]
    if all(0 <= 2 * pad - total < way.stride for total in way.pads):
        return pad
    rounded = {-(-total // 2) for total in way.pads}
    return rounded.pop() if len(rounded) == 1 and way.stride > 1 else odd_pad(entry, way)


def _uneven(kernel: tuple[int, ...]) -> float:
    """What is unusual about a pooling's window that is no square."""
    odd = len(set(kernel[-2:])) > 1 and (len(kernel) > 2 or 1 not in kernel)
    return 8.5 * odd + 0.5 * (len(set(kernel)) > 1)


def half_pad(pads: tuple[int, ...]) -> Number:
    """Padding as it is printed: what is at one end."""
    half = Fraction(pads[0] if pads else 0, 2)
    return half.numerator if half.denominator == 1 else half


def kernel_of(entry: Entry, axes: int) -> tuple[int, ...] | None:
    """The kernel that a row prints, over so many axes."""
    sides = tuple(int(entry.values[f"kernel_{a}"]) for a in "dhw" if f"kernel_{a}" in entry.values)
    if not sides:
        return None
    if len(sides) == axes:
        return sides
    if len(set(sides)) == 1 and axes:
        return (sides[0],) * axes
    if axes == 1 and 1 in sides:
        return (max(sides),)
    return None


def kernel_axes(entry: Entry, kernel: tuple[int, ...]) -> str:
    """The axes that a kernel's sides are printed for."""
    printed = "".join(a for a in "dhw" if f"kernel_{a}" in entry.values)
    if len(kernel) == 1 and len(printed) > 1:
        return printed[:1]
    return printed if len(printed) == len(kernel) else AXES.get(len(kernel), "")
