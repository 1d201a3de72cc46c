"""What of a row, of a way to it and of sizes bears on what may stand before it unprinted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from math import prod

from archcalc.claims.tables.evidence import State, known, printed_state
from archcalc.claims.tables.kinds import SLIDING, WEIGHTED, compact
from archcalc.claims.tables.paths import Path
from archcalc.claims.tables.sheet import Entry


def mixes(entry: Entry) -> bool:
    """Whether a row mixes the channels of branches that were joined."""
    return "channelshuffle" in compact(entry.what.word)


def follows_globally(entry: Entry, state: State) -> bool:
    """Whether a global pooling may stand before a row unsaid."""
    made = printed_state(entry, "out")
    if any(n != 1 for n in made.ext or ()):
        return False
    if entry.kind in SLIDING:
        return set(_kernel(entry)) == {1} or pointwise(entry, state.c or 0)
    return entry.kind not in ("same", "norm", "prelu", "add") or "drop" in entry.what.word.lower()


def pointwise(entry: Entry, cin: int) -> bool:
    """Whether a row has weights for one position of so many channels."""
    cout, params = printed_state(entry, "out").c or 0, entry.values.get("params")
    return bool(cout) and params in (cin * cout, (cin + 1) * cout)


def _kernel(entry: Entry) -> tuple[int, ...]:
    """The sides of the kernel that a row prints."""
    return tuple(int(entry.values[f"kernel_{a}"]) for a in "dhw" if f"kernel_{a}" in entry.values)


def shrunk(ext: tuple[int | None, ...]) -> Iterator[tuple[tuple[int, ...], str]]:
    """Sizes after poolings that may stand between rows."""
    sizes = [n for n in ext if n is not None]
    seen: set[tuple[int, ...]] = {tuple(sizes)}
    for k, s in ((2, 2), (3, 2), (4, 4), (3, 3), (5, 5)):
        for up in (False, True):
            # Over an axis of one row nothing is pooled.
            out = tuple(
                1 if n == 1 else -(-(n - k) // s) + 1 if up else (n - k) // s + 1 for n in sizes
            )
            if min(out, default=0) > 0 and out not in seen:
                seen.add(out)
                yield out, f"a {'x'.join([str(k)] * len(sizes))} pooling"


def squared(state: State) -> Iterator[State]:
    """Inputs that may be meant where one side of a square is misprinted, or the channels are."""
    if state.ext and len(state.ext) > 1 and len(set(state.ext)) > 1:
        for n in dict.fromkeys(state.ext[-2:]):
            yield State(state.c, (*state.ext[:-2], n, n))
    if state.c is not None:
        yield from (State(c, state.ext) for c in (1, 3) if c != state.c)


def slid(entry: Entry, inward: State, outward: State) -> Iterator[State]:
    """Inputs that may be meant where one side is misprinted: as many strides as it gives."""
    before, after = known(inward.ext), known(outward.ext)
    if not before or not after or len(before) != len(after) or entry.kind not in SLIDING:
        return
    steps = entry.strides if len(entry.strides) == len(before) else ()
    steps = steps or (int(entry.values.get("stride", 1)),) * len(before)
    for k, (n, m, step) in enumerate(zip(before, after, steps, strict=True)):
        if n != m * step:
            yield State(inward.c, (*before[:k], m * step, *before[k + 1 :]))


def joins(path: Path) -> bool:
    """Whether a path's last row is a concatenation."""
    return path.option is not None and path.option.layer.kind == "concat"


def narrower(path: Path, c: int) -> bool:
    """Whether the last row's parameters are those of a convolution that gives so many channels.

    Then what it prints that it gives is a misprint, of which no part is taken.
    """
    params = path.option.expected.get("params") if path.option else None
    layer = path.option.layer if path.option else None
    if not params or layer is None or not layer.kernel or not layer.cin:
        return False
    return params in [(prod(layer.kernel) * layer.cin + bias) * c for bias in (0, 1)]


def weighted(path: Path) -> bool:
    """Whether a path's last row multiplies weights."""
    return path.option is not None and path.option.layer.kind in WEIGHTED


def windowed(entry: Entry, state: State, first: bool) -> State | None:
    """A state whose positions are arranged as those of a layer's output, if there are as many."""
    made, sizes = printed_state(entry, "out"), known(state.ext)
    shown = known(made.ext)
    if None in (made.c, state.c) or not sizes or not shown or made.c is None or state.c is None:
        return None
    if first:
        rows, features = (made.c, *shown[:-1]), sizes[-1]
        taken = State(rows[0], (*rows[1:], features))
        return taken if prod(rows) == state.c * prod(sizes[:-1]) and taken != state else None
    taken = State(state.c, shown)
    return taken if prod(shown) == prod(sizes) and taken != state else None


def croppable(one: State, other: State) -> bool:
    """Whether a state may be cropped to the size of another."""
    sizes, wanted = known(one.ext), known(other.ext)
    if sizes is None or wanted is None or len(sizes) != len(wanted):
        return False
    return one.ext != other.ext and all(m <= n < 2 * m for n, m in zip(sizes, wanted, strict=True))


def added(widths: Sequence[int]) -> set[int]:
    """What up to five of some widths add up to."""
    found: set[int] = set()
    for count in (2, 3, 4, 5):
        for chosen in combinations(widths, count):
            found.add(sum(chosen))
    return found
