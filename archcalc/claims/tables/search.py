"""The network that explains most of a printed table.

Each row has readings (:mod:`archcalc.claims.tables.layers`), and what one gives is what the next
takes: the best reading of all is a shortest path over them, whose cost is the number and gravity of
the cells that must be misprints, and of what is assumed that is not printed. The path is searched
with a beam: for all that may flow on, the few cheapest ways to it are kept. What concerns the whole
table (biases, which numbers a normalization has, K, how work is counted) is learnt from a
first pass in which it is free, and is then held against every row in a second one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from archcalc.claims.tables.assumed import UNORDERED, Assuming
from archcalc.claims.tables.between import Between
from archcalc.claims.tables.bounds import Floor, of_sizes, of_weights, taken
from archcalc.claims.tables.ending import UNSUMMED, chosen
from archcalc.claims.tables.evidence import (
    MISPRINT,
    UNKNOWN,
    Hints,
    Manner,
    Option,
    State,
    printed_state,
)
from archcalc.claims.tables.fitting import slid, squared
from archcalc.claims.tables.flow import Link, closed, hints, links, needs, sequential
from archcalc.claims.tables.layers import options
from archcalc.claims.tables.learn import learn, usually
from archcalc.claims.tables.paths import DEARER, PUZZLED, Path, Reading
from archcalc.claims.tables.renamed import renamed, unsized
from archcalc.claims.tables.sheet import TREES, Entry, Sheet
from archcalc.claims.tables.totals import adding

BEAM = 8
"""Things that may flow on that are kept."""
WAYS = 3
"""Ways to each of them, with other cells wrong."""
MARGIN = 16.0
"""How much more a way may cost than the cheapest, to be kept."""
ODD = 2.0
"""What a row may cost before another row is thought of that it takes: a 1x3 in a 1x1's place."""
DAUNTED = 6.0
"""How much more than the cheapest a way may cost for anything to be assumed on it."""
TIRED = 150_000
"""Steps after which only the likeliest way is followed: strangers' tables are no endless job. A
step is a reading of a row that is made, or a way that is gone on with."""
MOST_A_ROW = 200
"""Steps that a row takes at most where only the likeliest way is followed."""
GROUPED = 1.5 * MISPRINT
"""What convolutions in groups that nothing names must save in all."""

UNLISTED = 5.0
"""What it costs more that Keras lists something not."""
TOLD = 9.0
"""What it is worth that a network takes what is said beside the table: less than a misprint."""
NOISE = 1e-9
"""Less than any two prices differ by."""


class Search:
    """The search for the reading of one table."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.links = links(sheet)
        self.hints = hints(sheet)
        self.last_use = self._uses()
        self.closed = closed(sheet)
        self.sequential = sequential(sheet)
        self.cache: dict[tuple[int, State], list[Option]] = {}
        self.floors: dict[tuple[int, tuple[int, int]], Floor] = {}
        self.steps = 0
        self.assuming = Assuming(sheet)
        self.adding = adding(sheet)
        alike: dict[tuple[tuple[str, ...], Hints], int] = {}
        self.alike = [
            alike.setdefault((entry.cells, hints), entry.index)
            for entry, hints in zip(sheet.entries, self.hints, strict=True)
        ]
        """For each row, the first that says the same: their readings are the same, too."""

    def _uses(self) -> dict[int, int]:
        """For each row, the last row that names it."""
        found: dict[int, int] = {}
        for at, link in enumerate(self.links):
            for row in link.rows or ():
                found[row] = at
        return found

    def run(self) -> Reading:
        """The cheapest reading."""
        first = self.sheet.channels_first and not self.sheet.tokens
        program = self.sheet.program or ("darknet" if self.sheet.form == "darknet" else "")
        usual = usually(self.sheet)
        manner = Manner(first=first, batch=self.sheet.batch, program=program, usual=usual)
        words = " ".join(" ".join(entry.cells) for entry in self.sheet.entries[:400])
        if not re.search(r"Conv[123]d|dw\b|depth-?wise|group|separable", words):
            # Only PyTorch's printouts hold groups that nothing names.
            manner.grouped = {True: MISPRINT + 2, False: MISPRINT + 2}
        if sum(_depthwise(entry) for entry in self.sheet.layers) > 2:
            manner.grouped[True] = 0.5
        paths = self.passed(manner)
        if self.sheet.chain and self.sheet.form not in TREES and paths[0].cost > GROUPED:
            # A name may be given to any model, a class may not.
            kept, self.sequential = self.sequential, frozenset()
            again = self.passed(manner)
            if again[0].cost + GROUPED < paths[0].cost:
                paths = again
            else:
                self.sequential = kept
        if any(
            e.printed["params"].scale >= 1000 for e in self.sheet.entries if "params" in e.printed
        ):
            other = replace(manner, thousand=1024)
            again = self.passed(other)
            if again[0].cost < paths[0].cost:
                manner, paths = other, again
        if paths[0].cost > GROUPED and paths[0].strained and not self.tired:
            grouped = replace(manner, grouped=dict.fromkeys((True, False), 0.5))
            again = self.passed(grouped)
            if again[0].cost + GROUPED < paths[0].cost:
                manner, paths = grouped, again
        windows = self.sheet.has_any("kernel_h") and self.sheet.has("stride")
        if paths[0].cost > GROUPED and windows and paths[0].strained and not self.tired:
            unsaid = replace(manner, unsaid=True)
            again = self.passed(unsaid)
            if again[0].cost + GROUPED < paths[0].cost:
                manner, paths = unsaid, again
        learnt = learn(self.sheet, self.hints, manner, paths[0].rows())
        if not self.tired:
            paths = self.passed(learnt)
        return chosen(self, learnt, paths)

    # One pass ------------------------------------------------------------------------------------

    def passed(self, manner: Manner) -> list[Path]:
        """The cheapest ways through all rows."""
        self.manner = manner
        self.cache = {}
        self.floors = {}
        paths = [Path(0.0)]
        for entry in self.sheet.entries:
            if entry.kind == "total" or entry.container:
                continue
            after: list[Path] = []
            for container in self.closed.get(entry.index, ()):
                paths = [way for path in paths for way in _left(path, container)]
            best = paths[0]
            self.limit = DEARER
            for path in paths:
                # What is thought of on the cheapest way costs nothing more on one like it.
                dear = DAUNTED if path.state != best.state else MISPRINT + 3
                after += self.step(path, entry, path.cost < best.cost + dear and not self.tired)
            paths = self.kept(after, entry.index)
            if self.tired:
                paths = paths[:1]
        return paths

    @property
    def tired(self) -> bool:
        """Whether a table took so much work that only the likeliest way is followed."""
        return self.steps > TIRED

    def kept(self, paths: list[Path], row: int) -> list[Path]:
        """The few that are worth going on with."""
        paths.sort(key=lambda each: each.cost)
        best = paths[0].cost
        groups: dict[tuple[object, ...], list[Path]] = {}
        for path in paths:
            if path.cost > best + MARGIN:
                break
            live = tuple(path.known.get(r, UNKNOWN) for r in sorted(path.known))
            group = groups.setdefault((path.state, live), [])
            alike = [other for other in group if path.accused == other.accused]
            # What was assumed once is assumed again for less: the dearer way may end cheaper.
            if (
                all(path.versed - other.versed for other in alike)
                if alike
                else len({other.accused for other in group}) < WAYS
            ):
                group.append(path)
            if len(groups) > BEAM:
                break
        return sorted(
            (path for group in list(groups.values())[:BEAM] for path in group),
            key=lambda each: each.cost,
        )

    def read(self, entry: Entry, state: State) -> list[Option]:
        key = self.alike[entry.index], state
        if key not in self.cache:
            self.cache[key], made = options(entry, state, self.manner, self.hints[entry.index])
            self.steps += made
            for option in self.cache[key]:
                option.takes = state
        return self.cache[key]

    def step(self, path: Path, entry: Entry, inventive: bool) -> Iterator[Path]:
        """The ways on from one row to the next, ``inventive`` ones with what isn't printed."""
        link = self.links[entry.index]
        given = [path.known.get(r, UNKNOWN) for r in link.rows or ()]
        if len(entry.beyond) == len(given):
            given = [UNKNOWN if b else s for b, s in zip(entry.beyond, given, strict=True)]
        if link.rows is not None and not link.named and link.rows:
            given = [path.state]
        state = self.joined(entry, given, link, path)
        unlike = MISPRINT + 2 if link.named and self.unequal(entry, given) else 0.0
        if not inventive and path.row >= 0 and self.beyond(path, entry, state, unlike):
            return
        least = 99.0
        for option in self.read(entry, state):
            least = min(least, option.cost + unlike)
            cost = path.cost + option.cost + unlike
            if cost <= self.limit:
                self.limit = min(self.limit, cost + MARGIN)
                yield self.extend(path, entry, option, unlike, path.counts, ())
        if state == UNKNOWN and path.row < 0 and (told := self.told()) is not None:
            for option in self.read(entry, told):
                yield self.extend(path, entry, option, -TOLD, path.counts, ())
        puzzled = 0.2 if self.sheet.form in UNORDERED else PUZZLED
        after = self.hints[entry.index].after
        if state == UNKNOWN and path.row < 0 and not printed_state(entry, "out").ext:
            # What the next row takes may tell of a side that is misprinted.
            options_ = self.read(entry, state)
            gives = {option.out.ext for option in options_ if option.cost < PUZZLED}
            for other in slid(entry, printed_state(entry, "in"), after) if options_ else ():
                for option in self.read(entry, other)[:3] if after.ext not in gives else ():
                    yield self.extend(path, entry, option, 0.0, path.counts, ())
        odd = ODD <= least < puzzled
        if link.named and link.rows and inventive and unsized(entry):
            yield from renamed(self, path, entry, link, least)
            return
        if (least < puzzled and not odd) or not inventive or entry.index in self.sequential:
            return
        if state == UNKNOWN and (path.row < 0 or link.rows == ()):
            inward = printed_state(entry, "in")
            asked = [State(c, inward.ext) for c in needs(entry) if inward.c not in (None, c)]
            moved = slid(entry, inward, printed_state(entry, "out"))
            for other in dict.fromkeys((*squared(inward), *asked[:4], *moved)):
                for option in self.read(entry, other)[:3]:
                    yield self.extend(path, entry, option, 0.0, path.counts, ())
        if not (link.rows == () and path.row < 0):
            yield from self.assumed(path, entry, state, least, odd)
        if link.named and link.rows:
            yield from renamed(self, path, entry, link, least)

    def between(
        self, path: Path, entry: Entry, state: State
    ) -> Iterator[tuple[State, float, int, str]]:
        """What may flow into a row instead: Keras prints what stands between its rows.

        But in models of an author's class it does not.
        """
        more = UNLISTED if self.assuming.chain else 0.0
        for other, price, which, note in Between(
            self.assuming, self.manner, path, entry, state
        ).all():
            yield other, price + more * (which != 1), which, note

    def assumed(
        self, path: Path, entry: Entry, state: State, least: float, odd: bool
    ) -> Iterator[Path]:
        """The ways on by what is not printed, if they may be worth going on with.

        What contradicts a row least is read first: the rest costs too much then, and is not read.
        """
        # What explains no more of the row is not assumed.
        most = least if odd else least + MISPRINT
        thought = [
            (self.sized(entry, each[0]), each)
            for each in self.between(path, entry, state)
            # What goes back to earlier rows may be likelier than what is odd, nothing else.
            if each[1] < most and (not odd or each[2] in (1, 2))
        ]
        ways: dict[int, list[Path]] = {}
        for at in sorted(range(len(thought)), key=lambda k: thought[k][0][0] + thought[k][1][1]):
            sized, (taken, price, which, note) = thought[at]
            dearest = min(least, most - price, self.limit - path.cost - price) - NOISE
            if sized[0] >= dearest or self.floor(entry, taken, sized) >= dearest:
                continue
            counts = _raised(path.counts, which)
            rows = tuple(r for r, s in path.recent if s == taken)[-1:] if which == 1 else ()
            for option in self.read(entry, taken)[:8]:
                if option.cost < least and option.cost + price < most:
                    notes = (note,)
                    way = self.extend(path, entry, option, price, counts, notes, None, rows or None)
                    self.limit = min(self.limit, way.cost + MARGIN)
                    ways.setdefault(at, []).append(way)
        for at in sorted(ways):
            yield from ways[at]

    def beyond(self, path: Path, entry: Entry, state: State, unlike: float) -> bool:
        """Whether every reading of a row is dearer than what is gone on with."""
        rest = self.limit - path.cost - unlike + NOISE
        return self.floor(entry, state, self.sized(entry, state)) > rest

    def sized(self, entry: Entry, state: State) -> Floor:
        """What it costs at least that a row prints another input than what flows into it."""
        if (self.alike[entry.index], state) in self.cache or taken(entry, state) is None:
            return 0.0, frozenset()
        return of_sizes(entry, state, self.manner)

    def floor(self, entry: Entry, state: State, sized: Floor) -> float:
        """What a row costs at least that takes ``state``, as far as that is told unread."""
        row = self.alike[entry.index]
        if (row, state) in self.cache or (what := taken(entry, state)) is None:
            return 0.0
        if (row, what) not in self.floors:
            hints = self.hints[entry.index]
            self.floors[row, what] = of_weights(entry, *what, self.manner, hints)
        price, places = self.floors[row, what]
        return sized[0] if places & sized[1] else price + sized[0]

    def unequal(self, entry: Entry, given: Sequence[State]) -> bool:
        """Whether what a program adds has not one size."""
        printed = self.sheet.form == "darknet" or self.sheet.program == "keras"
        sizes = {each.flat for each in given}
        return (
            entry.kind == "add"
            and printed
            and None not in sizes
            and len(sizes) > 1
            and (_broadcast(given) is None)
        )

    def told(self) -> State | None:
        """The input that is said beside the table."""
        given = self.sheet.given
        if len(given) < 2 or (given[0] == self.sheet.batch != 1):
            return None
        c, ext = (given[0], given[1:]) if self.sheet.channels_first else (given[-1], given[:-1])
        return State(c, ext)

    def joined(self, entry: Entry, given: Sequence[State], link: Link, path: Path) -> State:
        """What flows into a row."""
        if not given:
            if link.rows is None and not link.named and path.row >= 0:
                printed = printed_state(entry, "out")
                if entry.kind == "merge" and printed == path.state:
                    return path.state
                return State(None, path.state.ext)
            return UNKNOWN
        if entry.kind in ("add", "merge") and len(set(given)) > 1:
            broadcast = _broadcast(given)
            if entry.kind == "add" or (broadcast and broadcast == printed_state(entry, "out")):
                return broadcast or given[0]
        if len(given) == 1 or entry.kind not in ("concat", "merge"):
            return given[0]
        alone = all(each == given[0] for each in given)
        if entry.kind == "merge" and alone and printed_state(entry, "out").c == given[0].c:
            return given[0]
        if self.manner.first and "embedding" in {e.kind for e in self.sheet.entries}:
            return UNKNOWN
        widths = [each.c for each in given]
        alike = {each.ext for each in given}
        c = None if None in widths else sum(width for width in widths if width is not None)
        if len(set(widths)) == 1 and len({len(e or ()) for e in alike}) == 1 < len(alike):
            # Joined over another axis: where all but one axis agree.
            axes = list(zip(*(each.ext or () for each in given), strict=True))
            differing = [k for k, axis in enumerate(axes) if len(set(axis)) > 1]
            if len(differing) == 1 and None not in axes[differing[0]]:
                ext = tuple(
                    sum(n or 0 for n in axis) if k == differing[0] else axis[0]
                    for k, axis in enumerate(axes)
                )
                return State(given[0].c, ext)
        return State(c, given[0].ext)

    def extend(
        self,
        path: Path,
        entry: Entry,
        option: Option,
        price: float,
        counts: tuple[int, int, int, int],
        notes: tuple[str, ...],
        accused: tuple[int, int] | None = None,
        given: tuple[int, ...] | None = None,
    ) -> Path:
        """A path with one row more."""
        self.steps += 1
        if notes or given is not None:
            option = replace(option, notes=(*option.notes, *filter(None, notes)), given=given)
        row = entry.index
        known = path.known
        if row in self.last_use or known:
            known = {r: s for r, s in known.items() if self.last_use.get(r, -1) > row}
            if self.last_use.get(row, -1) > row:
                known[row] = option.out
        recent = path.recent
        if notes and notes[0] and option.takes not in (path.state, UNKNOWN):
            recent = (*recent[-40:], (path.row, option.takes))
        if not recent or recent[-1][1] != option.out or given:
            # Of two branches that are as wide each may be joined.
            recent = (*recent[-40:], (row, option.out))
        wrong = {(row, entry.columns[role]) for role in option.wrong if role in entry.columns}
        if accused is not None:
            wrong.add(accused)
        everything = path.accused + sum(map(hash, wrong))
        # What the rows add up to is a second witness of what each of them prints.
        off = self.adding and "params" in option.wrong and not path.unsummed
        return Path(
            path.cost + option.cost + price + UNSUMMED * off,
            option,
            row,
            path,
            option.out,
            known,
            recent,
            counts,
            everything,
            path.unsummed or off,
        )


def _left(path: Path, container: Entry) -> Iterator[Path]:
    """A path after a module's last row: what the module is printed to give may be another thing."""
    out = printed_state(container, "out")
    if out in (path.state, UNKNOWN) or path.option is None:
        yield path
        return
    if container.what.word.startswith("Sequential") and None not in (path.state.c, out.c):
        yield replace(path, cost=path.cost + MISPRINT)  # its last row gives what it gives
        return
    option = replace(path.option, notes=path.option.notes)
    recent = (*path.recent[-40:], (container.index, out))
    note = f"how the rows of row {container.number} make what it gives is given by no row"
    option.notes = (*option.notes, note)
    yield replace(path, state=out, recent=recent, option=option, cost=path.cost + 0.3)
    yield replace(path, recent=recent, cost=path.cost + 1.0)


def _depthwise(entry: Entry) -> bool:
    """Whether a convolution has no more weights than one filter for each channel it gives."""
    cout, params = printed_state(entry, "out").c, entry.values.get("params")
    small = (9, 10, 25, 26, 49, 50)
    if entry.kind != "conv" or not cout or not params:
        return False
    return params in [k * cout for k in small]


def _raised(counts: tuple[int, int, int, int], which: int) -> tuple[int, int, int, int]:
    raised = list(counts)
    raised[which] += 1
    return raised[0], raised[1], raised[2], raised[3]


def _broadcast(given: Sequence[State]) -> State | None:
    """What tensors make together elementwise, where sizes of one stretch."""
    ranks = max((len(each.ext) for each in given if each.ext is not None), default=0)
    widths = {each.c for each in given} - {1}
    if any(each.c is None or each.ext is None or None in each.ext for each in given):
        c = next(iter(widths)) if len(widths) == 1 else None
        return None if c is None else State(c, max(given, key=lambda s: s.c == c).ext)
    full = [each for each in given if each.ext is not None and len(each.ext) in (0, ranks)]
    rows = [(each.c, *(each.ext or (1,) * ranks)) for each in full]
    dims = [{n for n in axis if n != 1} for axis in zip(*rows, strict=True)]
    if len(full) < len(given) or any(len(sizes) > 1 for sizes in dims):
        return None
    c, *ext = (next(iter(sizes), 1) for sizes in dims)
    return State(c, tuple(ext))
