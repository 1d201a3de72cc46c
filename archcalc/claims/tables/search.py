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
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import combinations
from math import prod
from typing import NamedTuple

from archcalc.claims.printed import Printed
from archcalc.claims.tables.evidence import (
    MISPRINT,
    UNKNOWN,
    Hints,
    Manner,
    Option,
    State,
    printed_state,
)
from archcalc.claims.tables.kinds import SAME, SLIDING, WEIGHTED
from archcalc.claims.tables.layers import options
from archcalc.claims.tables.sheet import Entry, Sheet
from archcalc.claims.tables.work import FORMULAS, Layer, work_of

BEAM = 8
"""Things that may flow on that are kept."""
WAYS = 3
"""Ways to each of them, with other cells wrong."""
MARGIN = 16.0
"""How much more a way may cost than the cheapest, to be kept."""
PUZZLED = 4.0
"""What a row may cost before things that are not printed are thought of."""
DAUNTED = 6.0
"""How much more than the cheapest a way may cost for anything to be assumed on it."""
TIRED = 150_000
"""Steps after which only the likeliest way is followed: strangers' tables are no endless job. A
step is a reading of a row that is made, or a way that is gone on with."""
MOST_A_ROW = 200
"""Steps that a row takes at most where only the likeliest way is followed."""
GROUPED = 2 * MISPRINT
"""What convolutions in groups that nothing names must save in all."""
MOST_MISSED = 40
"""Names of rows that are not there for which a near one is looked for."""
FAR = 60
"""Rows back in which another producer is looked for."""

POOLED, POOLED_AGAIN = 6.0, 2.0
JUMPED, JUMPED_AGAIN = 6.0, 1.5
JOINED, JOINED_AGAIN = 5.0, 1.0
CHANGED, CHANGED_AGAIN = 13.0, 3.0
CONVOLVED = 21.0
"""Prices of what is assumed beside the rows: a pooling that is not printed, an input from an
earlier row, a concatenation, anything else that changes sizes, and a layer with weights."""
UNSUMMED = MISPRINT + 0.5
"""The price of a total that is not what the rows add up to."""
TIE = 0.75
"""Readings that cost so little more than the cheapest may be meant as well."""

ANYTHING = frozenset(("", "attention", "pad"))
"""Kinds that may take what functions have made of other rows."""
INPUTS = frozenset(("input", "image", "data", "x", "input image", "inputs"))


class Link(NamedTuple):
    """Where a row's input comes from."""

    rows: tuple[int, ...] | None
    """None where nothing says; no rows for the network's own input."""
    named: bool
    unknown: tuple[tuple[str, str], ...] = ()
    """Names that no earlier row has, each with the nearest that one has."""


def links(sheet: Sheet) -> list[Link]:
    """Where each row's input comes from: the nearest earlier row of a name, or the row before."""
    found: list[Link] = []
    latest: dict[str, int] = {}
    numbers: dict[int, int] = {}
    previous: int | None = None
    any_named = any(entry.sources for entry in sheet.entries)
    lost_so_far = 0
    for entry in sheet.entries:
        if entry.kind == "total" or entry.container:
            found.append(Link(None, False))
            continue
        if entry.sources:
            rows: list[int] = []
            unknown: list[tuple[str, str]] = []
            lost = False
            for name in entry.sources:
                at = latest.get(name)
                if at is None:
                    at = _cut_off(name, latest)
                if at is None and name.lstrip("-").isdigit():
                    number = int(name)
                    at = numbers.get(number) if number >= 0 else entry.index + number
                    if at is not None and not 0 <= at < entry.index:
                        at = None
                if at is None and name.endswith("…"):
                    lost = True
                elif at is None and previous is not None and not _is_input(name):
                    near = [k for k, row in latest.items() if row > entry.index - 40]
                    near = [k for k in near if k not in entry.sources]
                    lost_so_far += 1
                    match = []
                    if lost_so_far <= MOST_MISSED:
                        match = get_close_matches(name, near, n=1, cutoff=0.7)
                    unknown.append((name, match[0] if match else ""))
                    at = latest[match[0]] if match else None
                    lost = lost or at is None
                if at is not None:
                    rows.append(at)
            if (
                entry.kind == "add"
                and len(rows) == 1
                and previous is not None
                and rows[0] != previous
                and sheet.form == "darknet"
            ):
                rows.insert(0, previous)
            found.append(Link(None if lost else tuple(rows), True, tuple(unknown)))
        elif previous is None or entry.kind == "input":
            found.append(Link((), any_named))
        elif entry.kind in ("concat", "merge"):
            found.append(Link(None, False))
        else:
            found.append(Link((previous,), False))
        previous = entry.index
        for key in keys(entry):
            latest[key] = entry.index
        first = entry.name.split(" ")[0]
        if first.isdecimal() and len(first) < 6:
            numbers[int(first)] = entry.index
    return found


def _cut_off(name: str, latest: Mapping[str, int]) -> int | None:
    """The latest row whose name begins as one does of which the end is cut off, or so cut."""
    plain = name.rstrip("…")
    found = [
        row
        for key, row in latest.items()
        if (name.endswith("…") and key.startswith(plain))
        or (key.endswith("…") and len(key) > 8 and plain.startswith(key.rstrip("…")[:-1]))
    ]
    return max(found, default=None)


def _is_input(name: str) -> bool:
    low = name.lower()
    return low in INPUTS or "input" in low


def keys(entry: Entry) -> list[str]:
    """The names that a row is called by."""
    if not entry.name:
        return []
    bare = entry.name.split("(")[0].strip()
    return [entry.name, bare, f"{entry.stage}.{entry.name}"]


@dataclass(slots=True)
class Path:
    """Readings of the rows up to one."""

    cost: float
    option: Option | None = None
    row: int = -1
    before: Path | None = None
    state: State = UNKNOWN
    known: dict[int, State] = field(default_factory=dict)
    """What the rows give that later rows name."""
    recent: tuple[tuple[int, State], ...] = ()
    """Rows and what they give, where it differs from what the row before gives."""
    counts: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Poolings, jumps, joins and changes that were assumed."""
    accused: int = 0
    """Tells which cells are wrong: the same for the same rows and columns."""


class Reading(NamedTuple):
    """What every cell of a table should be, under its cheapest reading."""

    options: tuple[Option | None, ...]
    """For each row; None for totals and rows that others are made of."""
    manner: Manner
    cost: float
    others: tuple[Mapping[int, Option], ...]
    """Readings that cost no more: for each, the rows that it reads otherwise."""
    links: tuple[Link, ...]
    sums: bool
    """Whether the rows, as they should be, add up to the printed total."""
    doubted: bool
    """Whether the total may be wrong in place of a row."""


class Search:
    """The search for the reading of one table."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.links = links(sheet)
        self.hints = _hints(sheet)
        self.last_use = self._uses()
        self.branched = any(link.named for link in self.links)
        self.closed = _closed(sheet)
        self.cache: dict[tuple[int, State], list[Option]] = {}
        self.steps = 0
        self.by_hand = sheet.by_hand
        self.pooled = sum(entry.kind == "pool" for entry in sheet.layers) > 1
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
        manner = Manner(first=first, batch=self.sheet.batch)
        words = " ".join(" ".join(entry.cells) for entry in self.sheet.entries[:400])
        if not re.search(r"Conv[123]d|dw\b|depth-?wise|group|separable", words):
            # Only PyTorch's printouts hold groups that nothing names.
            manner.grouped = {True: MISPRINT + 2, False: MISPRINT + 2}
        if sum(_depthwise(entry) for entry in self.sheet.layers) > 2:
            manner.grouped[True] = 0.5
        paths = self.passed(manner)
        if any(
            e.printed["params"].scale >= 1000 for e in self.sheet.entries if "params" in e.printed
        ):
            other = replace(manner, thousand=1024)
            again = self.passed(other)
            if again[0].cost < paths[0].cost:
                manner, paths = other, again
        if paths[0].cost > GROUPED and not self.tired:
            grouped = replace(manner, grouped=dict.fromkeys((True, False), 0.5))
            again = self.passed(grouped)
            if again[0].cost + GROUPED < paths[0].cost:
                manner, paths = grouped, again
        learnt = self.learn(manner, paths[0])
        if not self.tired:
            paths = self.passed(learnt)
        return self.chosen(learnt, paths)

    # One pass ------------------------------------------------------------------------------------

    def passed(self, manner: Manner) -> list[Path]:
        """The cheapest ways through all rows."""
        self.manner = manner
        self.cache = {}
        paths = [Path(0.0)]
        for entry in self.sheet.entries:
            if entry.kind == "total" or entry.container:
                continue
            after: list[Path] = []
            for container in self.closed.get(entry.index, ()):
                paths = [way for path in paths for way in _left(path, container)]
            best = paths[0]
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
            if len(group) < WAYS and all(path.accused != other.accused for other in group):
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
        return self.cache[key]

    def step(self, path: Path, entry: Entry, inventive: bool) -> Iterator[Path]:
        """The ways on from one row to the next, ``inventive`` ones with what isn't printed."""
        link = self.links[entry.index]
        given = [path.known.get(r, UNKNOWN) for r in link.rows or ()]
        if link.rows is not None and not link.named and link.rows:
            given = [path.state]
        state = self.joined(entry, given, link, path)
        least = 99.0
        for option in self.read(entry, state):
            least = min(least, option.cost)
            yield self.extend(path, entry, option, 0.0, path.counts, ())
        puzzled = 0.2 if self.sheet.form == "modules" else PUZZLED
        if least < puzzled or not inventive:
            return
        if state == UNKNOWN and (path.row < 0 or link.rows == ()):
            for other in _squared(printed_state(entry, "in")):
                for option in self.read(entry, other)[:3]:
                    yield self.extend(path, entry, option, 0.0, path.counts, ())
        if not (link.rows == () and path.row < 0):
            for assumed, price, which, note in self.assumed(path, entry, state):
                counts = _raised(path.counts, which)
                rows = tuple(r for r, s in path.recent if s == assumed)[-1:] if which == 1 else None
                for option in self.read(entry, assumed)[:8]:
                    if option.cost + price < least + MISPRINT:
                        yield self.extend(
                            path, entry, option, price, counts, (note,), None, rows or None
                        )
        if link.named and link.rows:
            yield from self.renamed(path, entry, link, least)

    def joined(self, entry: Entry, given: Sequence[State], link: Link, path: Path) -> State:
        """What flows into a row."""
        if not given:
            if link.rows is None and not link.named and path.row >= 0:
                printed = printed_state(entry, "out")
                if entry.kind == "merge" and printed == path.state:
                    return path.state
                return State(None, path.state.ext)
            return UNKNOWN
        if entry.kind in ("add", "merge") and len({each.flat for each in given}) > 1:
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
            option = Option(
                option.out,
                option.price,
                option.expected,
                option.layer,
                (*option.notes, *(n for n in notes if n)),
                option.wrong,
                option.cost,
                given,
            )
        row = entry.index
        known = path.known
        if row in self.last_use or known:
            known = {r: s for r, s in known.items() if self.last_use.get(r, -1) > row}
            if self.last_use.get(row, -1) > row:
                known[row] = option.out
        recent = path.recent
        if not recent or recent[-1][1] != option.out:
            recent = (*recent[-40:], (row, option.out))
        wrong = {(row, entry.columns[role]) for role in option.wrong if role in entry.columns}
        if accused is not None:
            wrong.add(accused)
        everything = path.accused + sum(map(hash, wrong))
        return Path(
            path.cost + option.cost + price,
            option,
            row,
            path,
            option.out,
            known,
            recent,
            counts,
            everything,
        )

    # What is not printed -------------------------------------------------------------------------

    def assumed(
        self, path: Path, entry: Entry, state: State
    ) -> Iterator[tuple[State, float, int, str]]:
        """What may flow into a row instead, its price, its sort and how that is said."""
        # Where rows say what they take, nothing stands between them unsaid.
        said = self.sheet.has("source")
        pooled, jumped, joined, changed = (0, 0, 0, 0) if said else path.counts
        inward = printed_state(entry, "in")
        row = f"row {entry.index + 1}"
        if state.ext and None not in state.ext and entry.kind not in ("gpool", "flatten"):
            price = POOLED_AGAIN if pooled else POOLED
            # Who lists poolings lists them all.
            price *= 1 + said + (0.8 if self.pooled and not pooled else 0)
            for ext, what in _shrunk(state.ext):
                yield (
                    State(state.c, ext),
                    price,
                    0,
                    f"{what} before {row} is not in the table",
                )
            if _may_follow_global(entry, state):
                yield (
                    State(state.c, ()),
                    price if said else POOLED_AGAIN if pooled else POOLED / 2,
                    0,
                    f"a global pooling before {row} is not in the table",
                )
            if entry.kind == "linear" and not said:
                yield (
                    State(state.ext[-1] if self.manner.first else state.c, ()),
                    3.0,
                    0,
                    f"one position alone goes on to {row}",
                )
            shown = inward if inward.ext else printed_state(entry, "out")
            if shown.ext and shown.c and shown != state and entry.kind != "linear":
                dims = sorted(n for n in (state.c, *state.ext) if n)
                row_ = len(shown.ext) == 1 and state.c == shown.c
                token = row_ and extents(shown) - extents(state) in (1, 2)
                alike = sorted(n for n in (shown.c, *shown.ext) if n) == dims
                if shown.flat == state.flat or token:
                    yield (
                        shown,
                        POOLED_AGAIN if joined else 4.0 if alike else 5.0,
                        2,
                        f"a {'permutation' if alike else 'rearrangement'} before {row} is not in "
                        "the table",
                    )
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
        others = [(r, s) for r, s in reversed(path.recent) if s != state and r > entry.index - FAR]
        if said:
            others = []
        # A table that somebody wrote row after row is read so; modules stand in no order.
        price = (
            0.3
            if self.sheet.form == "modules"
            else JUMPED_AGAIN
            if jumped
            else JUMPED * (1 + self.by_hand)
        )
        seen: set[State] = set()
        for _, other in others:
            if other in seen or other == UNKNOWN:
                continue
            seen.add(other)
            yield other, price, 1, ""
        if said:
            return
        needs = dict.fromkeys(c for c in _needs(entry, state) if c and c != state.c)
        price = JOINED_AGAIN if joined else JOINED
        sums = _sums([s.c for _, s in reversed(path.recent) if s.c and s.ext == state.ext][:9])
        for c in needs:
            if c in sums:
                yield (
                    State(c, state.ext),
                    price,
                    2,
                    f"a concatenation before {row} is not in the table",
                )
            else:
                dear = CHANGED_AGAIN if changed else CHANGED
                if state.c is not None and c < state.c and inward.c == c:
                    dear = CONVOLVED
                if self.sheet.form == "modules":
                    dear = CHANGED_AGAIN
                elif entry.kind in ANYTHING and not self.by_hand:
                    dear = min(dear, 6.0)
                yield State(c, state.ext), dear, 3, f"what {row} takes is given by no row"
        if inward.ext is not None and inward.ext != state.ext:
            dear = CHANGED_AGAIN if changed else CHANGED
            yield (
                State(state.c, inward.ext),
                dear,
                3,
                f"something between row {path.row + 1} and {row} that changes sizes is not in "
                "the table",
            )
            if inward.c is not None and inward.c != state.c:
                dear = CHANGED if changed else CONVOLVED
                if entry.kind in ANYTHING and not self.by_hand:
                    dear = 6.0
                yield inward, dear, 3, f"what {row} takes is given by no row"

    def renamed(self, path: Path, entry: Entry, link: Link, least: float) -> Iterator[Path]:
        """Ways in which a row names the wrong producer."""
        assert link.rows is not None
        place = entry.index, entry.columns["source"]
        tried = 0
        used = {r for each in self.links for r in each.rows or ()}
        for k, named in enumerate(link.rows):
            seen: set[State] = set()
            for at in range(entry.index - 1, max(-1, entry.index - FAR), -1):
                other = self.outs(path, at)
                now = path.known.get(named, UNKNOWN)
                if at in link.rows or other is None or other == now or other in seen:
                    continue
                seen.add(other)
                given = [
                    other if j == k else path.known.get(r, UNKNOWN) for j, r in enumerate(link.rows)
                ]
                rows = tuple(at if j == k else r for j, r in enumerate(link.rows))
                state = self.joined(entry, given, link, path)
                price = MISPRINT - (3.0 if at not in used else 0.0)
                tried += 1
                for option in self.read(entry, state)[:2]:
                    if not option.wrong and option.cost + price < least + 2:
                        yield self.extend(path, entry, option, price, path.counts, (), place, rows)
                if tried > 40:
                    return

    def outs(self, path: Path, row: int) -> State | None:
        """What a row gives on a path."""
        at: Path | None = path
        while at is not None and at.row > row:
            at = at.before
        return at.option.out if at is not None and at.row == row and at.option else None

    # Manners -------------------------------------------------------------------------------------

    def rows(self, path: Path) -> dict[int, Option]:
        """The readings of a path by row."""
        found: dict[int, Option] = {}
        at: Path | None = path
        while at is not None:
            if at.option is not None:
                found[at.row] = at.option
            at = at.before
        return found

    def learn(self, manner: Manner, path: Path) -> Manner:
        """How the table counts, from its cheapest reading when nothing was known of that."""
        chosen = self.rows(path)
        biases: dict[tuple[str, bool], Counter[int]] = defaultdict(Counter)
        norms: Counter[int] = Counter()
        ceils: Counter[bool] = Counter()
        groups: Counter[bool] = Counter()
        for row, option in chosen.items():
            entry, layer = self.sheet.entries[row], option.layer
            if layer.params and "params" in entry.values and "params" not in option.wrong:
                kind = layer.kind
                if kind in WEIGHTED or kind == "module":
                    biases[kind, self.hints[row].followed][layer.bias] += 1
                elif kind == "norm" and option.out.c:
                    norms[layer.params // option.out.c] += 1
            if layer.kind == "conv" and layer.groups > 1 and "params" not in option.wrong:
                groups[layer.groups == layer.cin] += 1
            if layer.kind == "pool" and layer.ceil is not None and not option.wrong:
                ceils[layer.ceil] += "pad" in entry.values
        learnt = Manner(first=manner.first, batch=manner.batch, thousand=manner.thousand)
        learnt.by_hand = self.by_hand
        learnt.grouped = dict(manner.grouped)
        for key, counts in biases.items():
            bias = max(counts, key=lambda each: (counts[each], each == 1))
            times = counts[bias]
            learnt.biases[key] = bias
            others = counts.total() - times
            if others > 1 and others * 10 > times:
                learnt.firm[key] = False
            elif times >= 4:
                learnt.firm[key] = others <= 1
        if norms:
            learnt.norm = norms.most_common(1)[0][0]
        for whole in (True, False):
            if groups[whole] > 1:
                learnt.grouped[whole] = 0.5
        if ceils:
            learnt.ceil = ceils[True] >= ceils[False] > 0 or not ceils[False]
        for role in self.sheet.work:
            learnt.work[role] = self._work(role, chosen)
        return learnt

    def _work(self, role: str, chosen: Mapping[int, Option]) -> dict[str, str]:
        """For each kind of row, the way to count that explains most cells of a column of work."""
        rows: dict[str, list[tuple[Entry, Layer]]] = defaultdict(list)
        for row, option in chosen.items():
            entry = self.sheet.entries[row]
            if role in entry.printed:
                rows[option.layer.kind].append((entry, option.layer))
        batches = ("", " of the batch") if self.sheet.batch > 1 else ("",)
        ways = [way + batch for way in FORMULAS for batch in batches]
        found: dict[str, str] = {}
        votes: Counter[str] = Counter()
        scored: dict[str, Counter[str]] = {}
        for kind, cells in rows.items():
            agree: Counter[str] = Counter()
            known = 0
            for entry, layer in cells:
                known += bool(entry.values[role])
                for way in ways:
                    right = work_of(layer, way, self.sheet.batch)
                    if right is not None and entry.printed[role].verdict(right).holds:
                        agree[way] += 2 if entry.values[role] else 1
            scored[kind] = agree
            if kind in WEIGHTED or kind == "module":
                votes.update({way: n for way, n in agree.items() if "nothing" not in way})
        for kind, agree in scored.items():
            cells = rows[kind]
            if not agree:
                if kind in WEIGHTED and votes and votes.most_common(1)[0][1] >= 4:
                    found[kind] = votes.most_common(1)[0][0]
                continue
            best = max(ways, key=lambda way: (agree[way], votes[way] if kind in WEIGHTED else 0))
            worked = [(entry, layer) for entry, layer in cells if entry.values[role]]
            if worked and not any(
                (right := work_of(layer, best, self.sheet.batch)) is not None
                and entry.printed[role].verdict(right).holds
                for entry, layer in worked
            ):
                continue  # only what did not run agrees
            if sum(
                (right := work_of(layer, best, self.sheet.batch)) is not None
                and entry.printed[role].verdict(right).holds
                for entry, layer in cells
            ) * 2 >= len(cells):
                found[kind] = best
        return found

    # The end -------------------------------------------------------------------------------------

    def chosen(self, manner: Manner, paths: list[Path]) -> Reading:
        """The cheapest of the last paths, the total held against each."""
        rated = []
        for path in paths:
            sums = self.sums(path) or self.summing(path)
            rated.append((path.cost + (0.0 if sums else UNSUMMED), sums, path))
        rated.sort(key=lambda each: each[0])
        cost, sums, best = rated[0]
        readings = self.rows(best)
        others: list[dict[int, Option]] = []
        doubted = False
        # Where nothing has to be wrong, nothing is.
        for price, adds, path in rated[1:] if best.accused or not sums else ():
            if price > cost + TIE or path.accused == best.accused:
                continue
            if sums and not adds:
                doubted = True
            rows = self.rows(path)
            others.append({r: o for r, o in rows.items() if o.wrong and o is not readings.get(r)})
        return Reading(
            tuple(readings.get(row) for row in range(len(self.sheet.entries))),
            manner,
            cost,
            tuple(others),
            tuple(self.links),
            sums,
            doubted,
        )

    def summing(self, path: Path) -> bool:
        """Whether one wrong number may be what makes the rows add up to the total.

        Where a row's parameters are wrong its kernel is not known by them: then the total says
        what they should be, if some kernel gives that.
        """
        total, rows = total_row(self.sheet), self.rows(path)
        wrong = [row for row, option in rows.items() if "params" in option.wrong]
        if total is None or len(wrong) != 1 or "params" not in total.exact:
            return False
        entry, option = self.sheet.entries[wrong[0]], rows[wrong[0]]
        found = summed(self.sheet, rows, right=False)
        if found is None or found[1]:
            return False
        right = int(total.values["params"]) - found[0] + int(entry.values["params"])
        if right <= 0:
            return False
        meant = replace(
            entry,
            values={**entry.values, "params": right},
            printed={**entry.printed, "params": Printed.parse(right)},
        )
        at: Path | None = path
        while at is not None and at.row != wrong[0]:
            at = at.before
        for state in self.taken(at, entry) if at is not None else ():
            for other in options(meant, state, self.manner, self.hints[entry.index])[0]:
                if other.cost < PUZZLED and other.out == option.out and not other.wrong:
                    option.expected["params"] = right
                    option.layer = option.layer._replace(params=right, kernel=other.layer.kernel)
                    return True
        return False

    def taken(self, path: Path, entry: Entry) -> Iterator[State]:
        """What the last row of a path may take."""
        link, option = self.links[entry.index], path.option
        rows = (option.given if option else None) or link.rows or ()
        given = [self.outs(path, row) or UNKNOWN for row in rows]
        yield self.joined(entry, given, link, path.before or path)
        if option is not None and option.layer.cin is not None and path.before is not None:
            yield State(option.layer.cin, path.before.state.ext)
        if path.before is not None and not link.named:
            yield from (state for _, state in reversed(path.before.recent))

    def sums(self, path: Path) -> bool:
        """Whether the rows add up to the printed total under a path."""
        total = total_row(self.sheet)
        if total is None:
            return True
        found = summed(self.sheet, self.rows(path))
        if found is None or any(_damaged(self.sheet, entry) for entry in self.sheet.layers):
            return True
        value, slack = found
        exact = total.printed["params"]
        return exact.verdict(value).holds or abs(value - exact.value) <= slack + exact.step


def total_row(sheet: Sheet) -> Entry | None:
    """The row of the printed total of parameters."""
    rows = [e for e in sheet.entries if e.kind == "total" and "params" in e.printed]
    return rows[-1] if rows else None


def summed(
    sheet: Sheet, readings: Mapping[int, Option], right: bool = True
) -> tuple[int, int] | None:
    """What the rows add up to, and how inexact that is; None where too little is known.

    ``right`` takes wrong cells as they should be, otherwise as they are printed.
    """
    value, slack = 0, 0
    params = [e for e in sheet.layers if "params" in e.printed]
    if not params:
        return None
    for entry in sheet.layers:
        option = readings.get(entry.index)
        expected = option.expected.get("params") if option else None
        trained = "frozen" in entry.values and entry.what.kind == "norm"
        if "params" in entry.printed:
            exact = entry.printed["params"]
            if right and option and "params" in option.wrong and expected is not None:
                value += int(expected)
            else:
                value += int(exact.value)
                slack += int(exact.step) if exact.step > 1 else 0
        elif right and expected and _damaged(sheet, entry):
            value += int(expected)
        if trained:
            pass
    return value, slack


def _closed(sheet: Sheet) -> dict[int, list[Entry]]:
    """For each layer, the modules of a tree that end between the one before and it."""
    found: dict[int, list[Entry]] = defaultdict(list)
    open_: list[Entry] = []
    ended: list[Entry] = []
    for entry in sheet.entries:
        while open_ and entry.depth <= open_[-1].depth:
            ended.append(open_.pop())
        if entry.container:
            open_.append(entry)
        elif ended:
            found[entry.index], ended = ended, []
    return found


def _left(path: Path, container: Entry) -> Iterator[Path]:
    """A path after a module's last row: what the module is printed to give may be another thing."""
    out = printed_state(container, "out")
    if out in (path.state, UNKNOWN) or path.option is None:
        yield path
        return
    option = replace(path.option, notes=path.option.notes)
    recent = (*path.recent[-40:], (container.index, out))
    note = f"how the rows of row {container.index + 1} make what it gives is given by no row"
    option.notes = (*option.notes, note)
    yield replace(path, state=out, recent=recent, option=option, cost=path.cost + 0.3)
    yield replace(path, recent=recent, cost=path.cost + 1.0)


def _may_follow_global(entry: Entry, state: State) -> bool:
    """Whether a global pooling may stand before a row unsaid."""
    made = printed_state(entry, "out")
    if any(n != 1 for n in made.ext or ()):
        return False
    if entry.kind in SLIDING:
        params, pointwise = entry.values.get("params"), (state.c or 0) * (made.c or 0)
        plain = bool(pointwise) and params in (pointwise, pointwise + (made.c or 0))
        return set(_kernel(entry)) == {1} or plain
    return entry.kind not in ("same", "norm", "prelu", "add") or "drop" in entry.what.word.lower()


def _kernel(entry: Entry) -> tuple[int, ...]:
    """The sides of the kernel that a row prints."""
    return tuple(int(entry.values[f"kernel_{a}"]) for a in "dhw" if f"kernel_{a}" in entry.values)


def _depthwise(entry: Entry) -> bool:
    """Whether a convolution has no more weights than one filter for each channel it gives."""
    cout, params = printed_state(entry, "out").c, entry.values.get("params")
    small = (9, 10, 25, 26, 49, 50)
    if entry.kind != "conv" or not cout or not params:
        return False
    return params in [k * cout for k in small]


def _damaged(sheet: Sheet, entry: Entry) -> bool:
    """Whether a row's parameters are printed but can't be read."""
    place = sheet.columns.get("params")
    return any(u.row == entry.index and u.column == place for u in sheet.unreadable)


def _raised(counts: tuple[int, int, int, int], which: int) -> tuple[int, int, int, int]:
    raised = list(counts)
    raised[which] += 1
    return raised[0], raised[1], raised[2], raised[3]


def _shrunk(ext: tuple[int | None, ...]) -> Iterator[tuple[tuple[int, ...], str]]:
    """Sizes after poolings that may stand between rows."""
    sizes = [n for n in ext if n is not None]
    seen: set[tuple[int, ...]] = {tuple(sizes)}
    for k, s in ((2, 2), (3, 2), (4, 4), (3, 3), (5, 5)):
        for up in (False, True):
            out = tuple(-(-(n - k) // s) + 1 if up else (n - k) // s + 1 for n in sizes)
            if min(out, default=0) > 0 and out not in seen:
                seen.add(out)
                yield out, f"a {'x'.join([str(k)] * len(sizes))} pooling"


def _needs(entry: Entry, state: State) -> Iterator[int]:
    """Channels that a row must take, for what it prints."""
    values = entry.values
    for role in ("in_c", "channels_in", "kernel_in"):
        if values.get(role):
            yield int(values[role])
    params = values.get("params")
    made = printed_state(entry, "out").c
    if entry.kind in ("pool", "gpool", "upsample", "same") and made:
        yield made
    if not isinstance(params, int) or params <= 0:
        return
    if entry.kind == "norm":
        yield from (params // k for k in (2, 4) if params % k == 0)
        if made:
            yield made
    elif entry.kind in SAME and made:
        yield made
    elif entry.kind in ("conv", "linear", "deconv"):
        cout = made
        if cout:
            areas = (1,) if entry.kind == "linear" else (9, 1, 25, 49)
            for bias in (0, 1):
                for area in areas:
                    rest = params - bias * cout
                    if rest > 0 and rest % (area * cout) == 0:
                        yield rest // (area * cout)


def _squared(state: State) -> Iterator[State]:
    """Inputs that may be meant where one side of a square is misprinted, or the channels are."""
    if state.ext and len(state.ext) > 1 and len(set(state.ext)) > 1:
        for n in dict.fromkeys(state.ext[-2:]):
            yield State(state.c, (*state.ext[:-2], n, n))
    if state.c is not None:
        yield from (State(c, state.ext) for c in (1, 3) if c != state.c)


def _broadcast(given: Sequence[State]) -> State | None:
    """What tensors make together elementwise, where sizes of one stretch."""
    ranks = max((len(each.ext) for each in given if each.ext is not None), default=0)
    if any(each.c is None or each.ext is None or None in each.ext for each in given):
        return None
    full = [each for each in given if each.ext is not None and len(each.ext) in (0, ranks)]
    rows = [(each.c, *(each.ext or (1,) * ranks)) for each in full]
    dims = [{n for n in axis if n != 1} for axis in zip(*rows, strict=True)]
    if len(full) < len(given) or any(len(sizes) > 1 for sizes in dims):
        return None
    c, *ext = (next(iter(sizes), 1) for sizes in dims)
    return State(c, tuple(ext))


def _sums(widths: Sequence[int]) -> set[int]:
    """What up to five of some widths add up to."""
    found: set[int] = set()
    for count in (2, 3, 4, 5):
        for chosen in combinations(widths, count):
            found.add(sum(chosen))
    return found


def _hints(sheet: Sheet) -> list[Hints]:
    """What the rows around each say that bears on it."""
    rows = [e for e in sheet.entries if e.kind != "total" and not e.container]
    weighted = [e.index for e in rows if e.kind in WEIGHTED]
    ends = {weighted[0], weighted[-1]} if weighted else set()
    found = [Hints()] * len(sheet.entries)
    for k, entry in enumerate(rows):
        following = rows[k + 1] if k + 1 < len(rows) else None
        after = UNKNOWN
        followed = False
        if following is not None:
            followed = following.kind == "norm"
            after = printed_state(following, "in")
            if after == UNKNOWN and following.kind in SAME:
                after = printed_state(following, "out")
            elif after.c is None and following.kind in ("pool", "gpool", "pad", "upsample"):
                after = State(printed_state(following, "out").c, after.ext)
            if following.sources and not any(key in following.sources for key in keys(entry)):
                after = UNKNOWN
        found[entry.index] = Hints(followed, after, entry.index in ends)
    return found


def extents(state: State) -> int:
    """How many positions a state has."""
    return prod(n for n in state.ext or () if n is not None)
