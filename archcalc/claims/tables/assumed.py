"""What may stand between printed rows that is not printed, and at what price."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from math import prod

from archcalc.claims.tables.evidence import (
    MISPRINT,
    UNKNOWN,
    Manner,
    State,
    called_by_class,
    extents,
    known,
    printed_state,
)
from archcalc.claims.tables.fitting import (
    added,
    croppable,
    follows_globally,
    joins,
    mixes,
    narrower,
    shrunk,
    weighted,
    windowed,
)
from archcalc.claims.tables.flow import needs
from archcalc.claims.tables.kinds import GATES, SAME, SLIDING, WEIGHTED
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
        self.strided = sheet.by_hand and sum(s > 1 for s in strides) > 2

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

    def split(self, entry: Entry, state: State, inward: State, c: int) -> bool:
        """Whether a row takes an equal part of the given channels, as its own numbers say."""
        parts = state.c is not None and state.c % c == 0 and state.c // c in PARTS
        told = not self.by_hand or bool(entry.values.get("params"))
        said = self.both and told and inward == State(c, state.ext)
        return parts and said and entry.kind in WEIGHTED

    def weighs(self, entry: Entry) -> bool:
        """Whether a program's row has parameters for as many channels as it gives or takes."""
        weighs = bool(entry.values.get("params")) and entry.kind in (*SLIDING, "norm")
        # Keras prints a row of what it takes a part of.
        called = called_by_class(entry) and self.sheet.program != "keras"
        return weighs and not self.by_hand and called

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

    def between(
        self, manner: Manner, path: Path, entry: Entry, state: State
    ) -> Iterator[tuple[State, float, int, str]]:
        """What may flow into a row instead, its price, its sort and how that is said."""
        # Where rows say what they take, nothing stands between them unsaid.
        said = self.sheet.has("source")
        pooled, jumped, joined, changed = (0, 0, 0, 0) if said else path.counts
        inward = printed_state(entry, "in")
        row = f"row {entry.number}"
        one = inward.ext == () or printed_state(entry, "out").ext == ()
        shown = inward if inward.ext else printed_state(entry, "out")
        if state.ext == () and state.c == shown.flat and entry.kind in (*SAME, "conv", "deconv"):
            note = f"a rearrangement before {row} is not in the table"
            yield shown, POOLED_AGAIN if joined else 4.0, 2, note
        turned_ = (
            inward.c == state.c and inward.ext == (manner.batch,) and len(state.ext or ()) == 1
        )
        if turned_ and manner.batch > 1:
            # Sequences may stand before the batch, or behind it.
            note = f"a permutation before {row} is not in the table"
            yield inward, POOLED_AGAIN if joined else 4.0, 2, note
        planes = [state, *(s for _, s in reversed(path.recent))]
        if entry.what.axes == 2 and not said and not self.by_hand:
            for s in dict.fromkeys(s for s in planes if s.c and len(s.ext or ()) == 1):
                plane = (s.c, *(s.ext or ())) if manner.first else (*(s.ext or ()), s.c)
                note = f"{row} is taken to take positions and features as an image"
                yield State(1, plane), 4.0 if s == state else price_of(jumped), 1, note
        flat = printed_state(entry, "out").c if entry.kind == "flatten" else None
        if flat and state.c and state.ext and None not in state.ext and not said:
            for ext, what in shrunk(state.ext):
                if prod(ext) * state.c == flat:
                    yield State(state.c, ext), POOLED, 0, f"{what} before {row} is not in the table"
        if (twin := self.twin(path, entry)) is not None:
            note = f"{row} is taken to take what row {path.row + 1} takes, too"
            yield twin, JUMPED_AGAIN, 1, note
        if state.c and (half := self.halved(path, entry, state)):
            note = f"a split before {row} is not in the table"
            yield State(half, state.ext), HALVED, 2, note
        if scores := self.scores(path, entry):
            note = f"a product of earlier rows before {row} is not in the table"
            yield scores, JOINED_AGAIN if joined else JOINED, 2, note
        if state.ext and None not in state.ext and entry.kind not in ("gpool", "flatten"):
            price = POOLED_AGAIN if pooled else POOLED
            # Who lists poolings lists them all.
            price *= 1 + said + (0.8 if (self.pooled or self.strided) and not pooled else 0)
            pools = path.row >= 0 and self.sheet.entries[path.row].kind == "gpool"
            for ext, what in shrunk(state.ext) if not pools else ():
                yield (
                    State(state.c, ext),
                    price,
                    0,
                    f"{what} before {row} is not in the table",
                )
            if follows_globally(entry, state) and not pools:
                yield (
                    State(state.c, ()),
                    price if said else POOLED_AGAIN if pooled else POOLED / 2,
                    0,
                    f"a global pooling before {row} is not in the table",
                )
            last = inward.c == state.c and inward.ext in (state.ext[1:], state.ext[:-1])
            if last and inward.ext and entry.kind == "linear" and not said:
                yield inward, 3.0, 0, f"one position alone goes on to {row}"
            if (entry.kind == "linear" or (one and entry.kind in SAME)) and not said:
                yield (
                    State(state.ext[-1] if manner.first else state.c, ()),
                    3.0,
                    0,
                    f"one position alone goes on to {row}",
                )
            plain = entry.kind != "linear" or bool(inward.ext)
            # What a hand writes of a convolution's output does not say what it takes.
            plain = plain and (entry.kind not in SLIDING or bool(inward.ext) or not self.by_hand)
            if shown.ext and shown.c and shown != state and plain:
                dims = sorted(n for n in (state.c, *state.ext) if n)
                row_ = len(shown.ext) == 1 and state.c == shown.c
                token = row_ and extents(shown) - extents(state) in (1, 2)
                token = token and entry.kind not in SLIDING and self.goes_on(entry, shown)
                alike = sorted(n for n in (shown.c, *shown.ext) if n) == dims
                if shown.flat == state.flat or token:
                    yield (
                        shown,
                        POOLED_AGAIN if joined else 4.0 if alike else 5.0,
                        2,
                        f"a {'permutation' if alike else 'rearrangement'} before {row} is not in "
                        "the table",
                    )
            places = known(printed_state(entry, "out").ext)
            turned = None
            if entry.kind in GATES and places and state.flat and len(state.ext) > 1:
                # A sequence of what stood in columns: all of a position's numbers are features.
                turned = State(state.flat // places[0], places[:1])
            elif len(state.ext) == 1 and (entry.kind == "conv" or places == (state.c,)):
                turned = State(state.ext[0], (state.c,))
            fits = entry.kind in GATES or bool(turned and turned.c in set(needs(entry)))
            third = state.c // 3 if state.c and state.c % 3 == 0 else 0
            if third and self.features(entry) and third in needs(entry):
                note = f"an attention before {row} is not in the table"
                yield State(third, state.ext), POOLED_AGAIN if joined else 3.0, 2, note
            if turned is not None and fits and turned.flat == state.flat:
                note = f"a permutation before {row} is not in the table"
                yield turned, POOLED_AGAIN if joined else 4.0, 2, note
            if entry.kind == "linear" and (windows := windowed(entry, state, manner.first)):
                note = f"a rearrangement before {row} is not in the table"
                yield windows, POOLED_AGAIN if joined else 4.0, 2, note
            for taken in self.merged(entry, manner.first):
                note = f"a rearrangement before {row} is not in the table"
                price_, which = POOLED_AGAIN if joined else 4.0, 2
                if taken.flat != state.flat:
                    note = f"what {row} takes is given by no row"
                    # No layer of features changes positions, of which here are others.
                    there, here = (
                        {s.c, *(s.ext or ())[:-1]} if manner.first else set(s.ext or ())
                        for s in (state, taken)
                    )
                    dear = CHANGED if there & here else MOVED
                    price_, which = CHANGED_AGAIN if changed else dear, 3
                if taken != state:
                    yield taken, price_, which, note
            flat = printed_state(entry, "out").ext in ((), None)
            if flat and entry.kind not in SLIDING and entry.kind not in ("linear", "layer"):
                yield State(state.flat, ()), 1.0, 0, f"a flatten before {row} is not in the table"
            if entry.kind != "linear":
                twice = tuple(2 * n for n in state.ext if n is not None)
                yield (
                    State(state.c, twice),
                    price + 1 + 6 * self.by_hand,
                    0,
                    f"an upsampling before {row} is not in the table",
                )
        # As far back as the last row that gives it.
        until = [*(r for r, _ in path.recent[1:]), entry.index]
        flows = reversed(list(zip(path.recent, until, strict=False)))
        others = [(r, s) for (r, s), end in flows if s != state and end > entry.index - FAR]
        if state.ext is not None:
            others = [(r, s) for r, s in others if s.ext is not None]  # sizes are known here
        if said:
            others = []
        elif entry.kind in SLIDING and not self.by_hand:
            others += self.farther(path, entry)
        # A table that somebody wrote row after row is read so; modules stand in no order.
        price = (
            0.3
            if self.sheet.form in UNORDERED
            else JUMPED_AGAIN
            if jumped
            else JUMPED + 7.0 * self.by_hand
        )
        if self.chain and path.row >= 0 and self.sheet.entries[path.row].kind in INNER:
            price = MISPRINT + 3  # what it gives would lead nowhere
        before = path.option
        if before and before.layer.kind == "pool" and entry.kind == "conv" and not self.by_hand:
            price += 3.0  # what it gives would wait for another row
        option = path.option
        if (
            option
            and option.layer.kind in SAME
            and any("a concatenation" in n for n in option.notes)
        ):
            price = MISPRINT + 3  # so would what was joined
        lost = self.lost(path)
        if lost:
            price = MISPRINT + 3
        seen: set[State] = set()
        for _, other in others:
            if other in seen or other.c is None:
                continue
            seen.add(other)
            # A normalization is of the convolution above it where both have as many channels.
            own = entry.kind in SAME and weighted(path)
            own = lost or joins(path) or (own and (other.c == state.c or entry.kind == "norm"))
            own |= self.idle(path, entry, state, other)
            dear = MISPRINT + 1 if own and self.sheet.form not in UNORDERED else price
            # A row may say itself that it takes what an earlier one gives.
            width = entry.values.get("kernel_in", state.c)
            itself = (other == inward and self.both) or other.c == width != state.c
            yield other, min(dear, JUMPED) if itself and not own else dear, 1, ""
            anew = shown.ext and shown.flat == other.flat and shown != other
            if entry.kind in SAME and anew and self.flows_on(entry, shown):
                note = f"a rearrangement before {row} is not in the table"
                yield shown, dear + (POOLED_AGAIN if joined else 4.0), 2, note
        first = self.first
        if inward == first != state and first.ext and not said:
            yield first, price, 1, f"{row} takes the network's input"
        if said:
            return
        larger, smaller = known(printed_state(entry, "out").ext), known(state.ext)
        same = larger and smaller and len(larger) == len(smaller)
        grows = same and prod(larger or ()) > prod(smaller or ())
        if grows and entry.kind == "conv" and not self.by_hand and self.first == UNKNOWN:
            c = self.begun(path)
            if c is not None and c not in (state.c, *(s.c for _, s in others)):
                yield State(c, None), price, 1, f"{row} takes the network's input"
        asked = dict.fromkeys(c for c in needs(entry) if c and c != state.c)
        price = JOINED_AGAIN if joined else JOINED
        price = min(price, CHANGED_AGAIN - 0.5) if changed else price
        price = min(price, HALVED) if mixes(entry) else price
        sums = added([s.c for _, s in reversed(path.recent) if s.c and s.ext == state.ext][:9])
        if state.c and state.ext:
            # What is joined may be cropped first.
            sums |= {state.c + s.c for _, s in path.recent if s.c and croppable(s, state)}
        ends = added([s.c for _, s in reversed(path.recent) if s.c and s.ext][:6])
        flats = [s.flat for _, s in reversed(path.recent) if s.flat and s.ext] if one else []
        ends |= added(flats[:6])
        for c in self.goes_to(entry) if shown.c != state.c else ():
            # What it gives may be the misprint, as the next row's own numbers say.
            if c in sums and c not in (*asked, state.c) and not joins(path):
                note = f"a concatenation before {row} is not in the table"
                yield State(c, state.ext), price, 2, note
        for c in asked:
            if entry.kind in SLIDING and c > WIDEST:
                continue  # what is wrong is the width that it gives
            # All of it is pooled for a gate, as a squeeze does.
            if c in ends and state.ext and (one or shown.ext == (1,) * len(state.ext)):
                note = f"a concatenation before {row} is not in the table"
                yield State(c, ()), price + 0.5, 2, note
            if c in sums and not (entry.kind != "concat" and joins(path)):
                yield (
                    State(c, state.ext),
                    price,
                    2,
                    f"a concatenation before {row} is not in the table",
                )
            else:
                dear = CHANGED_AGAIN if changed else CHANGED
                if self.bent(entry, state, State(c, state.ext)) and (state.c or 0) % c:
                    dear = CONVOLVED
                given = any(other == inward for _, other in others)
                if not given and self.split(entry, state, inward, c):
                    note = f"a split before {row} is not in the table"
                    yield inward, JOINED_AGAIN if joined else JOINED, 2, note
                    continue
                if state.c is not None and c < state.c and inward.c == c:
                    dear = CONVOLVED
                elif state.c and c < state.c and self.weighs(entry) and not narrower(path, c):
                    dear = min(dear, CUT)
                if self.sheet.form in UNORDERED:
                    dear = CHANGED_AGAIN
                elif self.anything(entry):
                    dear = min(dear, 6.0)
                taken = State(c, () if entry.kind == "linear" and one else state.ext)
                yield taken, dear, 3, f"what {row} takes is given by no row"
        if entry.kind in SAME and not self.both and not self.by_hand:
            inward = printed_state(entry, "out")  # what it gives, it takes
        if inward.ext is not None and inward.ext != state.ext:
            dear = CHANGED_AGAIN if changed and not self.keeps(entry) else CHANGED
            if self.bent(entry, state, State(state.c, inward.ext)):
                dear = CONVOLVED
            yield (
                State(state.c, inward.ext),
                dear,
                3,
                f"something between row {path.row + 1} and {row} that changes sizes is not in "
                "the table",
            )
            if inward.c is not None and inward.c != state.c:
                dear = CHANGED if changed or entry.kind in SAME else CONVOLVED
                if entry.kind in SAME and (
                    len(inward.ext) != len(state.ext or ()) or self.apart(state, inward)
                ):
                    dear = MOVED  # no slip makes other axes, or several numbers
                if self.anything(entry):
                    dear = 6.0
                yield inward, dear, 3, f"what {row} takes is given by no row"
