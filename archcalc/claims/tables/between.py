"""What may flow into a row in place of what the row before gives, at what price, and why."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from archcalc.claims.tables.assumed import (
    CHANGED,
    CHANGED_AGAIN,
    CONVOLVED,
    CUT,
    FAR,
    HALVED,
    INNER,
    JOINED,
    JOINED_AGAIN,
    JUMPED,
    JUMPED_AGAIN,
    MOVED,
    POOLED,
    POOLED_AGAIN,
    STEPPING,
    UNORDERED,
    WIDEST,
    Assuming,
    price_of,
)
from archcalc.claims.tables.evidence import (
    MISPRINT,
    UNKNOWN,
    Manner,
    State,
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
from archcalc.claims.tables.kinds import GATES, SAME, SLIDING
from archcalc.claims.tables.paths import Path
from archcalc.claims.tables.sheet import Entry

Taken = tuple[State, float, int, str]
"""What flows in, its price, its sort (a place in :attr:`Path.counts`), and how that is said."""


class Between:
    """What may stand between a way's last row and the next that is not in the table."""

    def __init__(
        self, ask: Assuming, manner: Manner, path: Path, entry: Entry, state: State
    ) -> None:
        self.ask, self.manner, self.path = ask, manner, path
        self.entry, self.state = entry, state
        self.said = ask.sheet.has("source")
        """Whether rows say what they take: then nothing stands between them unsaid."""
        counts = (0, 0, 0, 0) if self.said else path.counts
        self.pooled, self.jumped, self.joined, self.changed = counts
        self.inward = printed_state(entry, "in")
        self.row = f"row {entry.number}"
        self.one = self.inward.ext == () or printed_state(entry, "out").ext == ()
        self.shown = self.inward if self.inward.ext else printed_state(entry, "out")
        self.others = self._others()
        """Earlier rows, and what each gives."""

    def all(self) -> Iterator[Taken]:
        """Everything that is thought of."""
        yield from self.arranged()
        yield from self.resized()
        yield from self.earlier()
        if not self.said:
            yield from self.together()
            yield from self.otherwise()

    def _others(self) -> list[tuple[int, State]]:
        """Earlier rows that may be taken, as far back as the last that gives the same."""
        until = [*(r for r, _ in self.path.recent[1:]), self.entry.index]
        flows = reversed(list(zip(self.path.recent, until, strict=False)))
        others = [
            (r, s) for (r, s), end in flows if s != self.state and end > self.entry.index - FAR
        ]
        if self.state.ext is not None:
            others = [(r, s) for r, s in others if s.ext is not None]  # sizes are known here
        if self.said:
            others = []
        elif self.entry.kind in SLIDING and not self.ask.by_hand:
            others += self.ask.farther(self.path, self.entry)
        return others

    def arranged(self) -> Iterator[Taken]:
        """What was given, in another arrangement, or a part of it."""
        if (
            self.state.ext == ()
            and self.state.c == self.shown.flat
            and self.entry.kind in (*SAME, "conv", "deconv")
        ):
            note = f"a rearrangement before {self.row} is not in the table"
            yield self.shown, POOLED_AGAIN if self.joined else 4.0, 2, note
        turned_ = (
            self.inward.c == self.state.c
            and self.inward.ext == (self.manner.batch,)
            and len(self.state.ext or ()) == 1
        )
        if turned_ and self.manner.batch > 1:
            # Sequences may stand before the batch, or behind it.
            note = f"a permutation before {self.row} is not in the table"
            yield self.inward, POOLED_AGAIN if self.joined else 4.0, 2, note
        planes = [self.state, *(s for _, s in reversed(self.path.recent))]
        if self.entry.what.axes == 2 and not self.said and not self.ask.by_hand:
            for s in dict.fromkeys(s for s in planes if s.c and len(s.ext or ()) == 1):
                plane = (s.c, *(s.ext or ())) if self.manner.first else (*(s.ext or ()), s.c)
                note = f"{self.row} is taken to take positions and features as an image"
                yield State(1, plane), 4.0 if s == self.state else price_of(self.jumped), 1, note
        flat = printed_state(self.entry, "out").c if self.entry.kind == "flatten" else None
        if (
            flat
            and self.state.c
            and self.state.ext
            and None not in self.state.ext
            and not self.said
        ):
            for ext, what in shrunk(self.state.ext):
                if prod(ext) * self.state.c == flat:
                    yield (
                        State(self.state.c, ext),
                        POOLED,
                        0,
                        f"{what} before {self.row} is not in the table",
                    )
        if (twin := self.ask.twin(self.path, self.entry)) is not None:
            note = f"{self.row} is taken to take what row {self.path.row + 1} takes, too"
            yield twin, JUMPED_AGAIN, 1, note
        if self.state.c and (half := self.ask.halved(self.path, self.entry, self.state)):
            note = f"a split before {self.row} is not in the table"
            yield State(half, self.state.ext), HALVED, 2, note
        if scores := self.ask.scores(self.path, self.entry):
            note = f"a product of earlier rows before {self.row} is not in the table"
            yield scores, JOINED_AGAIN if self.joined else JOINED, 2, note

    def pooling(self) -> float:
        """The price of a pooling that is not printed."""
        if self.pooled:
            return POOLED_AGAIN * (1 + self.said)
        # Who lists poolings lists them all.
        price = POOLED * (1.8 + self.said if self.ask.pooled or self.ask.strided else 1 + self.said)
        if self.ask.by_hand and self.entry.kind == "conv" and "stride" in self.entry.values:
            # Who says of each window how it moves leaves out few of them, and not the first.
            row = self.path.row
            begins = row >= 0 and self.ask.sheet.entries[row].kind == "input"
            price += MISPRINT if begins else STEPPING
        return price

    def resized(self) -> Iterator[Taken]:
        """What was given, at fewer positions or at more."""
        if (
            self.state.ext
            and None not in self.state.ext
            and self.entry.kind not in ("gpool", "flatten")
        ):
            price = self.pooling()
            pools = self.path.row >= 0 and self.ask.sheet.entries[self.path.row].kind == "gpool"
            for ext, what in shrunk(self.state.ext) if not pools else ():
                yield (
                    State(self.state.c, ext),
                    price,
                    0,
                    f"{what} before {self.row} is not in the table",
                )
            if follows_globally(self.entry, self.state) and not pools:
                yield (
                    State(self.state.c, ()),
                    price if self.said else POOLED_AGAIN if self.pooled else POOLED / 2,
                    0,
                    f"a global pooling before {self.row} is not in the table",
                )
            last = self.inward.c == self.state.c and self.inward.ext in (
                self.state.ext[1:],
                self.state.ext[:-1],
            )
            if last and self.inward.ext and self.entry.kind == "linear" and not self.said:
                yield self.inward, 3.0, 0, f"one position alone goes on to {self.row}"
            if (
                self.entry.kind == "linear" or (self.one and self.entry.kind in SAME)
            ) and not self.said:
                yield (
                    State(self.state.ext[-1] if self.manner.first else self.state.c, ()),
                    3.0,
                    0,
                    f"one position alone goes on to {self.row}",
                )
            plain = self.entry.kind != "linear" or bool(self.inward.ext)
            # What a hand writes of a convolution's output does not say what it takes.
            plain = plain and (
                self.entry.kind not in SLIDING or bool(self.inward.ext) or not self.ask.by_hand
            )
            if self.shown.ext and self.shown.c and self.shown != self.state and plain:
                dims = sorted(n for n in (self.state.c, *self.state.ext) if n)
                row_ = len(self.shown.ext) == 1 and self.state.c == self.shown.c
                token = row_ and extents(self.shown) - extents(self.state) in (1, 2)
                token = (
                    token
                    and self.entry.kind not in SLIDING
                    and self.ask.goes_on(self.entry, self.shown)
                )
                alike = sorted(n for n in (self.shown.c, *self.shown.ext) if n) == dims
                if self.shown.flat == self.state.flat or token:
                    yield (
                        self.shown,
                        POOLED_AGAIN if self.joined else 4.0 if alike else 5.0,
                        2,
                        f"a {'permutation' if alike else 'rearrangement'} before {self.row} is "
                        "not in the table",
                    )
            places = known(printed_state(self.entry, "out").ext)
            turned = None
            if self.entry.kind in GATES and places and self.state.flat and len(self.state.ext) > 1:
                # A sequence of what stood in columns: all of a position's numbers are features.
                turned = State(self.state.flat // places[0], places[:1])
            elif len(self.state.ext) == 1 and (
                self.entry.kind == "conv" or places == (self.state.c,)
            ):
                turned = State(self.state.ext[0], (self.state.c,))
            fits = self.entry.kind in GATES or bool(turned and turned.c in set(needs(self.entry)))
            third = self.state.c // 3 if self.state.c and self.state.c % 3 == 0 else 0
            if third and self.ask.features(self.entry) and third in needs(self.entry):
                note = f"an attention before {self.row} is not in the table"
                yield State(third, self.state.ext), POOLED_AGAIN if self.joined else 3.0, 2, note
            if turned is not None and fits and turned.flat == self.state.flat:
                note = f"a permutation before {self.row} is not in the table"
                yield turned, POOLED_AGAIN if self.joined else 4.0, 2, note
            if self.entry.kind == "linear" and (
                windows := windowed(self.entry, self.state, self.manner.first)
            ):
                note = f"a rearrangement before {self.row} is not in the table"
                yield windows, POOLED_AGAIN if self.joined else 4.0, 2, note
            for taken in self.ask.merged(self.entry, self.manner.first):
                note = f"a rearrangement before {self.row} is not in the table"
                price_, which = POOLED_AGAIN if self.joined else 4.0, 2
                if taken.flat != self.state.flat:
                    note = f"what {self.row} takes is given by no row"
                    # No layer of features changes positions, of which here are others.
                    there, here = (
                        {s.c, *(s.ext or ())[:-1]} if self.manner.first else set(s.ext or ())
                        for s in (self.state, taken)
                    )
                    dear = CHANGED if there & here else MOVED
                    price_, which = CHANGED_AGAIN if self.changed else dear, 3
                if taken != self.state:
                    yield taken, price_, which, note
            flat = printed_state(self.entry, "out").ext in ((), None)
            if (
                flat
                and self.entry.kind not in SLIDING
                and self.entry.kind not in ("linear", "layer")
            ):
                yield (
                    State(self.state.flat, ()),
                    1.0,
                    0,
                    f"a flatten before {self.row} is not in the table",
                )
            if self.entry.kind != "linear":
                twice = tuple(2 * n for n in self.state.ext if n is not None)
                yield (
                    State(self.state.c, twice),
                    price + 1 + 6 * self.ask.by_hand,
                    0,
                    f"an upsampling before {self.row} is not in the table",
                )

    def _back(self) -> float:
        """The price of going back to an earlier row."""
        # A table that somebody wrote row after row is read so; modules stand in no order.
        price = (
            0.3
            if self.ask.sheet.form in UNORDERED
            else JUMPED_AGAIN
            if self.jumped
            else JUMPED + 7.0 * self.ask.by_hand
        )
        if (
            self.ask.chain
            and self.path.row >= 0
            and self.ask.sheet.entries[self.path.row].kind in INNER
        ):
            price = MISPRINT + 3  # what it gives would lead nowhere
        before = self.path.option
        if (
            before
            and before.layer.kind == "pool"
            and self.entry.kind == "conv"
            and not self.ask.by_hand
        ):
            price += 3.0  # what it gives would wait for another row
        option = self.path.option
        if (
            option
            and option.layer.kind in SAME
            and any("a concatenation" in n for n in option.notes)
        ):
            price = MISPRINT + 3  # so would what was joined
        return price

    def earlier(self) -> Iterator[Taken]:
        """What an earlier row gives, or the network's input."""
        price = self._back()
        lost = self.ask.lost(self.path)
        if lost:
            price = MISPRINT + 3
        seen: set[State] = set()
        for _, other in self.others:
            if other in seen or other.c is None:
                continue
            seen.add(other)
            # A normalization is of the convolution above it where both have as many channels.
            own = self.entry.kind in SAME and weighted(self.path)
            own = (
                lost
                or joins(self.path)
                or (own and (other.c == self.state.c or self.entry.kind == "norm"))
            )
            own |= self.ask.idle(self.path, self.entry, self.state, other)
            dear = MISPRINT + 1 if own and self.ask.sheet.form not in UNORDERED else price
            # A row may say itself that it takes what an earlier one gives.
            width = self.entry.values.get("kernel_in", self.state.c)
            itself = (other == self.inward and self.ask.both) or other.c == width != self.state.c
            yield other, min(dear, JUMPED) if itself and not own else dear, 1, ""
            anew = self.shown.ext and self.shown.flat == other.flat and self.shown != other
            if self.entry.kind in SAME and anew and self.ask.flows_on(self.entry, self.shown):
                note = f"a rearrangement before {self.row} is not in the table"
                yield self.shown, dear + (POOLED_AGAIN if self.joined else 4.0), 2, note
        first = self.ask.first
        if self.inward == first != self.state and first.ext and not self.said:
            yield first, price, 1, f"{self.row} takes the network's input"
        if self.said:
            return
        larger, smaller = known(printed_state(self.entry, "out").ext), known(self.state.ext)
        same = larger and smaller and len(larger) == len(smaller)
        grows = same and prod(larger or ()) > prod(smaller or ())
        if (
            grows
            and self.entry.kind == "conv"
            and not self.ask.by_hand
            and self.ask.first == UNKNOWN
        ):
            c = self.ask.begun(self.path)
            if c is not None and c not in (self.state.c, *(s.c for _, s in self.others)):
                yield State(c, None), price, 1, f"{self.row} takes the network's input"

    def together(self) -> Iterator[Taken]:
        """What several rows give together, or a part of what one does."""
        asked = dict.fromkeys(c for c in needs(self.entry) if c and c != self.state.c)
        price = JOINED_AGAIN if self.joined else JOINED
        price = min(price, CHANGED_AGAIN - 0.5) if self.changed else price
        price = min(price, HALVED) if mixes(self.entry) else price
        sums = added(
            [s.c for _, s in reversed(self.path.recent) if s.c and s.ext == self.state.ext][:9]
        )
        sums |= self.ask.stacked(self.path, self.entry)
        if self.state.c and self.state.ext:
            # What is joined may be cropped first.
            sums |= {
                self.state.c + s.c for _, s in self.path.recent if s.c and croppable(s, self.state)
            }
        ends = added([s.c for _, s in reversed(self.path.recent) if s.c and s.ext][:6])
        flats = (
            [s.flat for _, s in reversed(self.path.recent) if s.flat and s.ext] if self.one else []
        )
        ends |= added(flats[:6])
        for c in self.ask.goes_to(self.entry) if self.shown.c != self.state.c else ():
            # What it gives may be the misprint, as the next row's own numbers say.
            if c in sums and c not in (*asked, self.state.c) and not joins(self.path):
                note = f"a concatenation before {self.row} is not in the table"
                yield State(c, self.state.ext), price, 2, note
        for c in asked:
            if self.entry.kind in SLIDING and c > WIDEST:
                continue  # what is wrong is the width that it gives
            # All of it is pooled for a gate, as a squeeze does.
            if (
                c in ends
                and self.state.ext
                and (self.one or self.shown.ext == (1,) * len(self.state.ext))
            ):
                note = f"a concatenation before {self.row} is not in the table"
                yield State(c, ()), price + 0.5, 2, note
            if c in sums and not (self.entry.kind != "concat" and joins(self.path)):
                yield (
                    State(c, self.state.ext),
                    price,
                    2,
                    f"a concatenation before {self.row} is not in the table",
                )
            else:
                dear = CHANGED_AGAIN if self.changed else CHANGED
                if (
                    self.ask.bent(self.entry, self.state, State(c, self.state.ext))
                    and (self.state.c or 0) % c
                ):
                    dear = CONVOLVED
                given = any(other == self.inward for _, other in self.others)
                if not given and self.ask.split(self.entry, self.state, self.inward, c):
                    note = f"a split before {self.row} is not in the table"
                    yield self.inward, JOINED_AGAIN if self.joined else JOINED, 2, note
                    continue
                if self.ask.parted(self.path, self.entry, self.state, c):
                    note = f"a split before {self.row} is not in the table"
                    yield State(c, self.state.ext), JOINED_AGAIN if self.joined else JOINED, 2, note
                    continue
                if self.state.c is not None and c < self.state.c and self.inward.c == c:
                    dear = CUT if self.ask.fits_window(self.entry, c) else CONVOLVED
                elif (
                    self.state.c
                    and c < self.state.c
                    and self.ask.weighs(self.entry)
                    and not narrower(self.path, c)
                ):
                    dear = min(dear, CUT)
                if self.ask.sheet.form in UNORDERED:
                    dear = CHANGED_AGAIN
                elif self.entry.kind == "norm" and weighted(self.path):
                    dear = MISPRINT + 3  # it is of the convolution above it
                elif self.ask.anything(self.entry):
                    dear = min(dear, 6.0)
                taken = State(c, () if self.entry.kind == "linear" and self.one else self.state.ext)
                yield taken, dear, 3, f"what {self.row} takes is given by no row"

    def otherwise(self) -> Iterator[Taken]:
        """What the row says that it takes, whatever made it."""
        if self.entry.kind in SAME and not self.ask.both and not self.ask.by_hand:
            self.inward = printed_state(self.entry, "out")  # what it gives, it takes
        if self.inward.ext is not None and self.inward.ext != self.state.ext:
            dear = CHANGED_AGAIN if self.changed and not self.ask.keeps(self.entry) else CHANGED
            if self.ask.bent(self.entry, self.state, State(self.state.c, self.inward.ext)):
                dear = CONVOLVED
            yield (
                State(self.state.c, self.inward.ext),
                dear,
                3,
                f"something between row {self.path.row + 1} and {self.row} that changes sizes is "
                "not in the table",
            )
            if self.inward.c is not None and self.inward.c != self.state.c:
                dear = CHANGED if self.changed or self.entry.kind in SAME else CONVOLVED
                if self.entry.kind in SAME and (
                    len(self.inward.ext) != len(self.state.ext or ())
                    or self.ask.apart(self.state, self.inward)
                ):
                    dear = MOVED  # no slip makes other axes, or several numbers
                if self.ask.anything(self.entry):
                    dear = 6.0
                elif self.ask.fits_window(self.entry, self.inward.c):
                    dear = CUT
                yield self.inward, dear, 3, f"what {self.row} takes is given by no row"
