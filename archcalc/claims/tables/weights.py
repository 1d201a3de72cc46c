"""What weights a convolution may have: kernel, groups and biases that its parameters allow."""

from __future__ import annotations

from functools import lru_cache
from math import isqrt, prod
from typing import NamedTuple

from archcalc.claims.tables.evidence import (
    MISPRINT,
    USUAL,
    Hints,
    Manner,
    holds,
    printed_state,
    slip,
)
from archcalc.claims.tables.sheet import Entry
from archcalc.claims.tables.windows import kernel_of

LENET_C3 = 60 * 5 * 5 + 16
"""Parameters of LeNet-5's second convolution, whose maps take some of what there is each
(10.1109/5.726791, table I)."""


UNEVEN = MISPRINT + 2
"""The price of a kernel that is no square, where all others are."""


LARGEST_MEANT = 15
"""The side of a kernel whose parameters a slip of digits may hide."""


class Weights(NamedTuple):
    """Kernel, groups and biases that a convolution may have."""

    kernel: tuple[int, ...] | None
    groups: int
    bias: int
    price: float
    params: int | None


def side_price(k: int) -> float:
    """What is unusual about a side of a kernel."""
    if k in (1, 3, 5, 7):
        return 0.0
    if k in (2, 4):
        return 0.5
    return 1.0 if k in (9, 11, 6, 8) else 2.0 if k <= 31 and k % 2 else 4.0


@lru_cache(4096)
def sides(area: int, axes: int) -> tuple[tuple[tuple[int, ...], float], ...]:
    """Kernels of so many taps, with prices; none where no kernel has as many."""
    if area < 1 or area > 10**6:
        return ()
    found: list[tuple[tuple[int, ...], float]] = []
    if axes == 1:
        return (((area,), side_price(area)),)
    if axes == 3:
        root = round(area ** (1 / 3))
        if root**3 == area:
            found.append(((root,) * 3, side_price(root)))
        flat = isqrt(area)
        if flat * flat == area and flat > 1:
            found += [((1, flat, flat), 2.0), ((flat, flat, 1), 2.2)]
        if 1 < area <= 11:
            found.append(((area, 1, 1), 2.5))
        for deep in (2, 3, 4, 5, 7, 8, 9, 10, 12, 16):
            side = isqrt(area // deep)
            if area % deep == 0 and side * side == area // deep and 1 < side != deep:
                found += [((deep, side, side), 2.0), ((side, side, deep), 2.2)]
        if not found:
            found = [
                ((a, b, area // (a * b)), 9.6)
                for a in range(1, 12)
                for b in range(1, 12)
                if area % (a * b) == 0 and area // (a * b) < 12
            ]
        return tuple(found)
    root = isqrt(area)
    if root * root == area:
        found.append(((root, root), side_price(root)))
    if 1 < area <= 15:
        # Inception's are odd.
        price = 3.0 if area % 2 or area == 2 else MISPRINT + 1
        found += [((1, area), price), ((area, 1), price)]
    for a in range(2, min(root, 15) + 1):
        if area % a == 0 and a * a != area and area // a <= 41:
            found += [((a, area // a), 9.6), ((area // a, a), 9.6)]
    return tuple(found)


def weights(
    entry: Entry, cin: int, cout: int, axes: int, manner: Manner, hints: Hints
) -> list[Weights]:
    """What a convolution from ``cin`` to ``cout`` channels may be made of."""
    kernel = kernel_of(entry, axes)
    printed = entry.printed.get("params")
    value = entry.values.get("params")
    exact = "params" in entry.exact and isinstance(value, int) and value > 0
    kind = entry.kind if entry.kind != "layer" else "conv"
    given = entry.values.get("groups")
    groups = [(int(given), 0.0)] if given else []
    if not given:
        groups = [(cin, 0.0)] if kind == "depthwise" else [(1, 0.0)]
    if 2 * entry.values.get("kernel_in", 0) == cin and value is None:
        groups.append((2, 2.0))  # printed for each group, as AlexNet's are
    dear = 0.3
    for g in dict.fromkeys((1, cin, 2, 32, 4, 8, 16, 64)):
        plain = "channels_in" in entry.values
        price = manner.grouped[g == cin] if g == cin or not plain else MISPRINT + 2
        groups.append((g, dear if given or g == 1 else price))
    if exact and value is not None:
        taps = prod(kernel) if kernel is not None else 3**axes
        for b in (1, 0):
            each = int(value) - b * cout
            if each > 0 and each % (taps * cout) == 0:
                per = each // (taps * cout)
                price = dear if given else manner.grouped[per == 1]
                groups += [(cin // per, price)] if cin % per == 0 and per < cin else []
    followed = hints.followed or bool(entry.what.fused)
    if kernel is not None and exact and len(set(kernel)) == 1 and not manner.groups[0]:
        for b in (1, 0):
            # What kernel and parameters say as one is not thought about further.
            if manner.bias_price(kind, followed, b) == 0 and "bias" not in entry.values:
                g = groups[0][0]
                fits = cin % g == 0 and cout % g == 0
                if fits and count(kind, prod(kernel), cin, cout, g, b) == value:
                    return [Weights(kernel, g, b, groups[0][1], int(value or 0))]
    # Work says the kernel where neither it nor parameters are printed.
    worked = kernel is None and value is None and any(r.startswith("ops") for r in entry.printed)
    odd_sides = (MISPRINT + 2) * (kernel is not None and _one_side_off(entry, kernel))
    fused = entry.what.fused or manner.biases.get((kind, followed), 0) > 1
    found: dict[tuple[tuple[int, ...] | None, int, int], Weights] = {}
    firm = 0 if kernel is not None else 1

    def add(k: tuple[int, ...] | None, g: int, b: int, price: float) -> None:
        total = None if k is None else count(kind, prod(k), cin, cout, g, b)
        key = k, g, b
        if key not in found or found[key].price > price:
            found[key] = Weights(k, g, b, price, total)

    seen: set[int] = set()
    for g, gprice in groups:
        if g in seen or cin % g or (cout % g and kind != "depthwise"):
            continue
        seen.add(g)
        if g not in (1, cin) and not given and any(manner.groups):
            alike = g == manner.groups[0] or cin // g == manner.groups[1]
            gprice += 0.0 if alike else MISPRINT
        several = (1, 0, 2, 3, 5, 4) if entry.what.fused else (1, 0, 2, 3)
        for b in several if exact or fused or not firm else (1, 0):
            price = gprice + manner.bias_price(kind, followed, b)
            if "bias" in entry.values and bool(entry.values["bias"]) != (b in (1, 3, 5)):
                price += MISPRINT - 1
            if fused and b > 1 and entry.what.fused:
                price = gprice
            if b > 1 and not fused and not exact:
                continue
            if kernel is not None:
                uneven = len(set(kernel)) > 1 and 1 not in kernel
                slim = len(set(kernel)) > 1 and g > 1
                apart = UNEVEN if uneven and manner.square else 5.0 * (uneven or slim)
                add(kernel, g, b, price + max(apart, odd_sides))
            if exact and value is not None:
                area = _area(kind, int(value), cin, cout, g, b)
                for side, sprice in sides(area, axes) if area else ():
                    if side != kernel:
                        odd = (5.0 if 1 in side else 1.5) * (manner.square and len(set(side)) > 1)
                        add(side, g, b, price + sprice * (1 if g == 1 else 4) + odd)
            elif kernel is None and (printed is not None or worked):
                for k in USUAL:
                    add((k,) * axes, g, b, price + side_price(k))
            elif kernel is not None and price == 0.0:
                # The kernel may be what is misprinted, or one of its sides.
                shown = kernel[0]
                near = (3, 5, 1, 7, shown - 1, shown + 1, shown - 2, shown + 2)
                for k in dict.fromkeys(near if len(set(kernel)) == 1 else kernel):
                    if k > 0 and (k,) * axes != kernel:
                        add((k,) * axes, g, b, 0.1 + side_price(k))
        if kernel is None and not exact:
            add(None if printed is None else (3,) * axes, g, 1, gprice + 0.5 * worked)
    if kernel is None and exact:
        # No kernel makes the number: it is wrong, and the usual one stands for what is meant.
        usual = manner.biases.get((kind, followed), 1)
        for k in USUAL[:4]:
            add((k,) * axes, groups[0][0] if cin % groups[0][0] == 0 else 1, usual, 0.1)
            if axes == 3 and k > 1:
                add((1, k, k), 1, usual, 0.2)  # the same in each frame
        for k in range(1, LARGEST_MEANT + 1) if value else ():
            if slip(int(value or 0), count(kind, k**axes, cin, cout, 1, usual)):
                add((k,) * axes, 1, usual, 0.0)
    if value == LENET_C3 and kernel in ((5, 5), None) and (cin, cout) == (6, 16):
        found[(5, 5), 1, 1] = Weights((5, 5), 1, 1, 0.0, LENET_C3)
    if value == 0:
        # Weights that it shares with another layer are counted there.
        key = kernel or (3,) * axes, 1, 1
        found[key] = Weights(key[0], 1, 1, 6.0, 0)
    rated = sorted(found.values(), key=lambda w: w.price + mispriced(entry, w, kernel, manner, cin))
    if not exact:
        return [*rated[:6], *(w for w in rated[6:] if kernel is not None and w.kernel != kernel)]
    # That the number is wrong stays a reading, however many odd kernels would give it.
    wrong = next((w for w in rated if w.params != value), None)
    return [*rated[:5], wrong] if wrong is not None and wrong not in rated[:5] else rated[:6]


def _one_side_off(entry: Entry, kernel: tuple[int, ...]) -> bool:
    """Whether one side of a kernel over squares is one more than the other."""
    sizes = [printed_state(entry, side).ext for side in ("in", "out")]
    known = [set(ext) for ext in sizes if ext]
    return (
        len(kernel) == 2
        and min(kernel) > 2
        and max(kernel) - min(kernel) == 1
        and bool(known)
        and all(len(each) == 1 for each in known)
    )


def mispriced(
    entry: Entry, w: Weights, kernel: tuple[int, ...] | None, manner: Manner, cin: int
) -> float:
    """What it costs that cells of weights say something else."""
    cost = 0.0
    if w.params is not None and "params" in entry.printed:
        cost += 0 if holds(entry, "params", w.params, manner) else MISPRINT
    if kernel is not None and w.kernel != kernel:
        cost += MISPRINT
    if entry.values.get("kernel_in", cin) not in (cin, cin // w.groups):
        cost += MISPRINT
    if "groups" in entry.values and entry.values["groups"] != w.groups:
        cost += MISPRINT
    return cost


def count(kind: str, area: int, cin: int, cout: int, groups: int, bias: int) -> int:
    """The parameters of a convolution."""
    if kind == "separable":
        return area * cin + (cin + bias) * cout
    if kind == "depthwise":
        return (area + bias) * cout
    return (area * (cin // groups) + bias) * cout


def _area(kind: str, params: int, cin: int, cout: int, groups: int, bias: int) -> int | None:
    """The taps of the kernel that gives so many parameters; None if none does."""
    if kind == "separable":
        rest, each = params - (cin + bias) * cout, cin
    elif kind == "depthwise":
        rest, each = params - bias * cout, cout
    else:
        rest, each = params - bias * cout, cin // groups * cout
    return rest // each if each and rest > 0 and rest % each == 0 else None
