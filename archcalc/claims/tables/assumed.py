"""What may stand between printed rows that is not printed, and at what price."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from archcalc.claims.tables.evidence import (
    UNKNOWN,
    State,
    called_by_class,
    extents,
    known,
    printed_state,
)
from archcalc.claims.tables.fitting import (
    mixes,
    narrower,
    pointwise,
)
from archcalc.claims.tables.flow import needs
from archcalc.claims.tables.kinds import SAME, SLIDING, WEIGHTED
from archcalc.claims.tables.paths import Path
from archcalc.claims.tables.sheet import Entry, Sheet

FAR = 60
"""Rows back in which another producer is looked for."""

UNORDERED = frozenset(("modules", "lightning"))
"""Formats whose rows stand in no order."""

POOLED, POOLED_AGAIN = 6.0, 2.0
JUMPED, JUMPED_AGAIN = 5.0, 1.0
JOINED, JOINED_AGAIN = 5.5, 1.2
CHANGED, CHANGED_AGAIN = 13.0, 3.0
CONVOLVED = 21.0
"""Prices of what is assumed beside the rows: a pooling that is not printed, an input from an
earlier row, a concatenation, anything else that changes sizes, and a layer with weights."""

STEPPING = 2.5
"""What a pooling costs more before a row that prints its stride."""
CUT = 9.0
"""The price of a part of the channels, of no usual size, that a program's row takes."""
HALVED = 0.8
"""The price of joining branches where channels are mixed, and of a split of what was."""
WIDEST = 20_000
"""Channels that a convolution takes at most."""
MOVED = 8.0
"""The price of a table of the network's own that a layer of features takes at other positions."""
PARTS = (2, 3, 4)
"""Into how many equal parts channels may be split."""
PLAIN = frozenset(("conv", "deconv", "pool", "gpool", "same", "norm", "upsample", "pad"))
"""Kinds whose output goes on, and stands for nothing beside the network's rows."""
INNER = frozenset(("pool", "pad", "crop", "upsample", "norm"))
"""Kinds that are no network's last row."""
ANYTHING = frozenset(("", "attention", "pad"))
"""Kinds that may take what functions have made of other rows, where no hand wrote them."""


def price_of(jumped: int) -> float:
    """The price of what an earlier row gives."""
    return JUMPED_AGAIN if jumped else JUMPED


class Assuming:
    """What is thought of where a table's rows do not fit."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.by_hand = sheet.by_hand
        joins = any(entry.kind in ("add", "concat", "merge") for entry in sheet.layers)
        self.chain = sheet.program == "keras" and not joins
        """Whether nothing branches but what the network gives: Keras prints all that joins."""
        self.first = printed_state(sheet.layers[0], "in") if sheet.layers else UNKNOWN
        unsized = not sheet.has_any("in", "out", "in_h", "out_h")
        self.both = sheet.has("in", "out") or (unsized and sheet.has("channels_in", "channels_out"))
        """Whether rows say what they take and what they give."""
        self._begun: tuple[int, int | None] = (-1, None)
        self.after = {row.index: after for row, after in pairwise(sheet.layers)}
        self.sizes = Counter(
            ext
            for entry in sheet.layers
            for ext in {printed_state(entry, way).ext for way in ("in", "out")}
        )
        """How many rows print each size."""
        self.pooled = sum(entry.kind == "pool" for entry in sheet.layers) > 1
        strides = [e.values["stride"] for e in sheet.layers if "stride" in e.values]
        self.strided = sheet.by_hand and sum(s > 1 for s in strides) > 1

    def features(self, entry: Entry) -> bool:
        """Whether a row multiplies the features of each position, as attention's projections do."""
        return entry.kind == "linear" and printed_state(entry, "out").ext not in ((), None)

    def merged(self, entry: Entry, first: bool) -> Iterator[State]:
        """What a program's layer of features takes at the positions that it gives.

        Neighbours may have been merged, as patches are, or it takes a table of the network's own.
        """
        made = printed_state(entry, "out")
        told = self.by_hand or self.both or entry.sources
        if told or not self.features(entry) or not made.ext:
            return
        for c in dict.fromkeys(needs(entry)):
            yield State(made.c, (*made.ext[:-1], c)) if first else State(c, made.ext)

    def twin(self, path: Path, entry: Entry) -> State | None:
        """What the row before takes, where a program prints a layer once for each device."""
        option = path.option
        if (
            self.by_hand
            or option is None
            or option.layer.cin is None
            or path.row != entry.index - 1
        ):
            return None
        before = self.sheet.entries[path.row]
        same = before.values == entry.values and before.kind == entry.kind in WEIGHTED
        return State(option.layer.cin, option.takes.ext) if same else None

    def scores(self, path: Path, entry: Entry) -> State | None:
        """What a program's softmax takes where each of some positions is held against each."""
        made = printed_state(entry, "out")
        ext = made.ext or ()
        pair = ext[-2:] if len(ext) > 1 else (made.c, *ext)
        if self.by_hand or "softmax" not in entry.what.word.lower() or len(set(pair)) != 1:
            return None
        flows = [state for _, state in path.recent]
        places = {extents(s) for s in flows} | {n for s in flows for n in s.ext or ()}
        return made if len(pair) == 2 and pair[0] in places else None

    def begun(self, path: Path) -> int | None:
        """The channels of the network's input, if its first row with weights tells of them."""
        if path.row != self._begun[0]:
            at: Path | None = path
            found = None
            while at is not None and at.before is not None:
                found, at = at.option, at.before
            self._begun = path.row, found.layer.cin if found else None
        return self._begun[1]

    def goes_on(self, entry: Entry, shown: State) -> bool:
        """Whether the row after one has as many positions, if it prints any."""
        after = self.after.get(entry.index)
        size = printed_state(after, "out").ext if after else None
        rows = {len(size): size} if size else {}
        return rows.get(len(shown.ext or ()), shown.ext) == shown.ext

    def flows_on(self, entry: Entry, shown: State) -> bool:
        """Whether the row after one may take its positions: both sides of a plane go on alike."""
        after = self.after.get(entry.index)
        here, there = known(shown.ext), known(printed_state(after, "out").ext) if after else None
        if not here or not there or not len(here) == len(there) == 2 or 0 in there:
            return True
        return here == there or len({round(n / m) for n, m in zip(here, there, strict=True)}) == 1

    def goes_to(self, entry: Entry) -> Iterator[int]:
        """Channels that the row after a program's pooling or activation asks for."""
        after = self.after.get(entry.index)
        if after is not None and entry.kind in ("pool", *SAME) and not self.by_hand:
            yield from dict.fromkeys(needs(after) if after.kind in WEIGHTED else ())

    def halved(self, path: Path, entry: Entry, state: State) -> int | None:
        """Half of the channels that the row before has mixed, where that is what a row takes."""
        mixed = path.row >= 0 and mixes(self.sheet.entries[path.row])
        asked = set(needs(entry)) if mixed and entry.kind in WEIGHTED else ()
        return next((c for c in asked if 2 * c == state.c), None)

    def farther(self, path: Path, entry: Entry) -> list[tuple[int, State]]:
        """What rows give that are further back than others are looked for.

        They have as many channels as a row's own numbers ask for, as what a pyramid takes.
        """
        asked, found, at = set(needs(entry)), dict[State, int](), path.before
        while at is not None and at.row >= 0:
            if at.row <= entry.index - FAR and at.state.c in asked:
                found.setdefault(at.state, at.row)
            at = at.before
        return [(row, state) for state, row in found.items()]

    def stacked(self, path: Path, entry: Entry) -> set[int]:
        """Channels of an earlier row and of several in a row that are all as wide, joined.

        That is what a program's 1x1 convolution mixes, of as many channels as it has weights for.
        """
        state = path.state
        if self.by_hand or not state.c or entry.kind != "conv":
            return set()
        wanted = {w for w in needs(entry) if pointwise(entry, w)}
        earlier = {s.c for _, s in path.recent if s.c and s.ext == state.ext} - {state.c}
        at: Path | None = path
        rows = 0
        while at is not None and at.state == state:
            rows += at.row >= 0 and self.sheet.entries[at.row].kind in WEIGHTED
            at = at.before
        return {
            w
            for w in wanted
            for other in earlier
            if w > other and (w - other) % state.c == 0 and (w - other) // state.c <= rows
        }

    def split(self, entry: Entry, state: State, inward: State, c: int) -> bool:
        """Whether a row takes an equal part of the given channels, as its own numbers say."""
        parts = state.c is not None and state.c % c == 0 and state.c // c in PARTS
        told = not self.by_hand or bool(entry.values.get("params"))
        said = self.both and told and inward == State(c, state.ext)
        return parts and said and entry.kind in WEIGHTED

    def parted(self, path: Path, entry: Entry, state: State, c: int) -> bool:
        """Whether a row of PyTorch's has weights for an equal part of what is given alone.

        A 1x1 convolution of half as many channels is rather a shortcut's, of what an earlier row
        gives.
        """
        # A third of them has the weights that a 1x3 over all has.
        part = state.c in (2 * c, 4 * c) and entry.kind in SLIDING
        shortcut = pointwise(entry, c)
        return part and self.sheet.program == "pytorch" and not shortcut and not narrower(path, c)

    def weighs(self, entry: Entry) -> bool:
        """Whether a program's row has parameters for as many channels as it gives or takes."""
        weighs = bool(entry.values.get("params")) and entry.kind in (*SLIDING, "norm")
        # Keras prints a row of what it takes a part of.
        called = called_by_class(entry) and self.sheet.program != "keras"
        return weighs and not self.by_hand and called

    def fits_window(self, entry: Entry, c: int) -> bool:
        """Whether a square window over so many channels has a program's row's parameters."""
        params, out = entry.values.get("params"), printed_state(entry, "out").c
        if self.by_hand or entry.kind != "conv" or not out:
            return False
        sides = (3, 5, 7)
        return any(params in (k * k * c * out, (k * k * c + 1) * out) for k in sides)

    def lost(self, path: Path) -> bool:
        """Whether the last row gives a plane of a size that no other row of a program has.

        Then nothing may be joined with it, so that what it gives goes on to the next row.
        """
        if self.by_hand or path.row < 0:
            return False
        entry, ext = self.sheet.entries[path.row], path.state.ext
        plain = entry.kind in PLAIN and "softmax" not in entry.what.word.lower()
        shown = printed_state(entry, "out").ext
        return plain and ext == shown and len(ext or ()) > 1 and self.sizes[ext] < 2

    def idle(self, path: Path, entry: Entry, state: State, other: State) -> bool:
        """Whether what a program's activation gives would lead nowhere if the next took another.

        It may be a gate, which has sides of 1 where what it is multiplied by has none.
        """
        before = self.sheet.entries[path.row].kind if path.row >= 0 else ""
        if self.by_hand or not before == entry.kind == "same" or other.ext is None:
            return False
        sides = (state.c, *(state.ext or (1,) * len(other.ext)))
        whole = (other.c, *other.ext)
        gates = len(sides) == len(whole)
        return not (gates and all(n in (1, m) for n, m in zip(sides, whole, strict=True)))

    def bent(self, entry: Entry, state: State, shown: State) -> bool:
        """Whether one number is all that differs in what a program's row gives as it takes it.

        What is pooled or padded has both sides of another size, and no part is of another row.
        """
        here, there = (state.c, *(state.ext or ())), (shown.c, *(shown.ext or ()))
        planes = len(here) == len(there) > 2 and entry.kind in SAME and not self.by_hand
        return planes and sum(n != m for n, m in zip(here, there, strict=True)) == 1

    def apart(self, state: State, shown: State) -> bool:
        """Whether a program prints other channels and all sides otherwise."""
        sides = zip(state.ext or (), shown.ext or (), strict=False)
        return not self.by_hand and state.c != shown.c and all(n != m for n, m in sides)

    def anything(self, entry: Entry) -> bool:
        """Whether a row may take what functions have made of other rows."""
        return entry.kind in ANYTHING and (not self.by_hand or called_by_class(entry))

    def keeps(self, entry: Entry) -> bool:
        """Whether a row of a table that has an order gives the size that it takes."""
        return entry.kind in SAME and self.sheet.form not in UNORDERED
