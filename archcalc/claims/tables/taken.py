"""The input's size, worked out of the memory that torchsummary and torchinfo say it takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod

from archcalc.claims.tables.evidence import known, printed_state
from archcalc.claims.tables.sheet import Entry

MEGABYTES = (10**6, 2**20)
"""Torchinfo's, and torchsummary's."""
CHANNELS = (3, 1)
"""That images have."""
STEPS = (1, 2, 4, 16, 8, 32, 14, 3, 7)
"""How many times smaller a first row leaves an image, the most usual first."""
SIDES = (224, 299, 227, 32, 28, 256, 64, 128, 96, 512)
"""Of images that are usual."""
CUT = 12
"""How many positions a first window without padding may leave out, at most."""


def stored_input(entries: Sequence[Entry], first: bool, batch: int) -> tuple[int, ...]:
    """The sizes of an image of which the first row may leave what it prints.

    ``first`` says whether channels stand first, there and in what is returned. ``()`` where the
    table says no memory, or where the first row leaves no image.
    """
    rows = (e for e in entries if e.kind != "total" and not e.container)
    row = next(rows, None)
    size = next((e.printed["size"] for e in entries if e.name.lower() == "input size (mb)"), None)
    if row is None or size is None or row.kind == "input" or not size.value:
        return ()
    sizes = known(printed_state(row, "out").ext)
    if sizes is None or len(sizes) < 2:
        return ()
    near = [(size.value * mb / 4, size.step * mb / 8) for mb in MEGABYTES]
    ways = [*_stepped(sizes), *_cut(sizes)]
    ways.sort(key=lambda each: SIDES.index(each[-1]) if each[-1] in SIDES else len(SIDES))
    for c, before in product(CHANNELS, ways):
        if any(abs(c * prod(before) * batch - n) <= slack for n, slack in near):
            return (c, *before) if first else (*before, c)
    return ()


def _stepped(sizes: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Whole times as many; of a video, time may be stepped over otherwise."""
    for step in STEPS:
        yield tuple(n * step for n in sizes)
    if len(sizes) == 3:
        for long, step in product((1, 2), (2, 4)):
            yield (sizes[0] * long, *(n * step for n in sizes[1:]))


def _cut(sizes: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """What a first window without padding leaves sizes of."""
    for step, more in product((1, 2, 4), range(1, CUT)):
        yield tuple((n - 1) * step + 1 + more for n in sizes)
