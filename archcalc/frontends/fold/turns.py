"""Where the turns of a loop are: stretches of a graph that do the same, each on what the last gave.

A turn is known by its operators, by whose tensors they use, and by what they take: of the turn
itself, of the turn before (what is *handed* on), of what stands before the loop, the same at each
turn or another. Or each turn has layers of its own, the next of several lists. A last turn may lack
what a next one would take, and a first turn may be another, whose tensors all others use.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import NamedTuple

from archcalc.spec.graph import Graph, Node
from archcalc.spec.written import name_of

SPARED = 8
"""So many lines at least are spared by a loop."""

PERIODS = 48
"""So many lengths of a turn are tried."""

STARTS = 256
"""At so many places is tried where a turn begins."""

CARRIED = 8
"""More that is handed on from turn to turn nobody would follow."""

DEEPEST = 3
"""Loops within one another."""


class Cut(NamedTuple):
    """Where turns are: so many layers each, one after the other."""

    start: int
    size: int
    turns: int
    last: tuple[int, ...] = ()
    """Places of one more turn, which lacks layers (-1): what it would hand on is not computed."""
    owners: tuple[int, ...] = ()
    """Places of the layers whose tensors turns use, where these stand before the loop; or -1."""

    @property
    def times(self) -> int:
        """How many turns there are."""
        return self.turns + bool(self.last)

    @property
    def end(self) -> int:
        """The place behind the last turn."""
        return max((self.start + self.size * self.turns - 1, *self.last)) + 1

    def at(self, turn: int, offset: int) -> int:
        """The place of a layer in a turn; -1 if that one lacks it."""
        if turn == self.turns:
            return self.last[offset]
        return self.start + turn * self.size + offset

    def offset(self, turn: int, place: int) -> int:
        """Where in a turn a place is; -1 if it isn't in it."""
        if turn == self.turns:
            return self.last.index(place) if place in self.last else -1
        offset = place - self.start - turn * self.size
        return offset if 0 <= offset < self.size else -1

    def moved(self, start: int) -> Cut:
        """The same loop elsewhere."""
        by = start - self.start
        last = tuple(place + by if place >= 0 else -1 for place in self.last)
        owners = tuple(place + by if place >= 0 else -1 for place in self.owners)
        return self._replace(start=start, last=last, owners=owners)

    @property
    def first(self) -> int:
        """The place of the first layer, or of the first whose tensors turns use."""
        return min((self.start, *(place for place in self.owners if place >= 0)))


class Wiring(NamedTuple):
    """What turns take: ports, each with a source a turn, and which of them layers' inputs are."""

    carried: tuple[int, ...]
    """Offsets in a turn of what is handed on."""
    ports: tuple[tuple[str, ...], ...]
    slots: Mapping[tuple[int, int], int]


class Turns:
    """Finds the turns of loops in a graph."""

    def __init__(self, graph: Graph, listed: bool = False) -> None:
        """``listed`` ones have layers of their own, each the next of its list: ``a[i](x)``."""
        self.graph = graph
        self.listed = listed
        self.by_name = {node.name: node for node in graph.nodes}
        self.users: Counter[str] = Counter(s for node in graph.nodes for s in node.inputs)
        # What is held, or made of nothing, and used at several places stands before a loop.
        self.row = [node for node in graph.nodes if not self.is_aside(node)]
        self.place = {node.name: k for k, node in enumerate(self.row)}
        self.names = [node.name for node in self.row]
        numbers: dict[Hashable, int] = {}
        signs = [_sign(node, listed) for node in self.row]
        self.signs = [numbers.setdefault(sign, len(numbers)) for sign in signs]

    def is_aside(self, node: Node) -> bool:
        return name_of(node.op) in ("Parameter", "Constant") and self.users[node.name] > 1

    def all(self) -> list[tuple[Cut, Wiring]]:
        """The loops, what stands around others before these."""
        found: list[tuple[Cut, Wiring]] = []
        parts = [(len(self.row), [0])]
        for _ in range(DEEPEST):
            inner: list[tuple[int, list[int]]] = []
            for size, starts in parts:
                # Of a loop the first turn is looked at; what is found there has to be in all.
                for cut in self.within(starts[0], size):
                    cuts = [cut.moved(cut.start - starts[0] + at) for at in starts]
                    wired = [wiring for each in cuts if (wiring := self.wiring(each, cuts[0]))]
                    if len(wired) == len(cuts) and all(_alike(wired[0], each) for each in wired):
                        found += zip(cuts, wired, strict=True)
                        turns = [c.start + k * c.size for c in cuts for k in range(c.turns)]
                        inner.append((cut.size, turns))
            parts = inner
        return found

    def within(self, first: int, size: int) -> list[Cut]:
        """Loops in a part of the row, none of which overlap: those that spare most."""
        signs = self.signs[first : first + size]
        tried: list[tuple[int, int, int, int]] = []
        for period in _periods(signs):
            for start, end in _runs(signs, period):
                if _is_periodic(signs[start : start + period]):
                    continue
                covered = end - start + period
                turns = covered // period
                if turns > 1:
                    spared = (turns - 1) * period
                    tried.append((-spared, period, first + start, first + start + covered))
        found: list[Cut] = []
        for _, period, start, end in sorted(tried):
            for low, high in _free(start, end, found):
                cut = self.settled(low, high, period)
                if cut is not None:
                    found.append(cut)
        return sorted(found)

    def settled(self, start: int, end: int, period: int) -> Cut | None:
        """Where turns of a length begin in a part of the row, if they are a loop.

        What is left over, before and after, is least then, and what is handed on.
        """
        turns = (end - start) // period
        if turns < 2 or (turns - 1) * period < SPARED:
            return None
        rest = end - start - turns * period
        found = []
        for begin in range(start, start + min(rest, STARTS) + 1):
            handed = self.handed(begin, period)
            if handed > CARRIED:
                continue
            cut = Cut(begin, period, (end - begin) // period)
            last = self.completed(cut, end + period)
            left = begin - start + (0 if last else end - cut.end)
            found.append((left, handed, begin, cut._replace(last=last)))
        for _, _, _, whole in sorted(found)[:8]:
            bare = whole._replace(last=())
            for less, first, tried in ((0, 0, whole), (0, 0, bare), (1, 1, whole), (1, 0, bare)):
                cut = tried._replace(start=tried.start + first * period, turns=tried.turns - less)
                if cut.turns < 2 or not self.is_worth(cut) or self.is_torn(cut):
                    continue
                if self.wiring(cut) is not None:
                    return cut
                cut = cut._replace(owners=self.owners(cut))
                if cut.owners and not self.is_torn(cut) and self.wiring(cut) is not None:
                    return cut
        return None

    def completed(self, cut: Cut, most: int) -> tuple[int, ...]:
        """The places of one more turn behind a loop, if there is one that lacks some layers."""
        found: list[int] = []
        place = cut.end
        model = cut.start + (cut.turns - 1) * cut.size
        for k in range(cut.size):
            same = place < min(most, len(self.row)) and self.signs[place] == self.signs[model + k]
            if same and self.continues(cut, found, k, place):
                found.append(place)
                place += 1
            else:
                found.append(-1)
        return tuple(found) if 2 * (place - cut.end) > cut.size else ()

    def continues(self, cut: Cut, found: Sequence[int], offset: int, place: int) -> bool:
        """Whether a layer takes in one more turn what that of the last one takes."""
        model = self.row[cut.at(cut.turns - 1, offset)]
        for source, before in zip(self.row[place].inputs, model.inputs, strict=True):
            at, was = self.place.get(source, -1), self.place.get(before, -1)
            own = cut.offset(cut.turns - 1, was)
            if own >= 0 and at != found[own]:
                return False
            handed = cut.offset(cut.turns - 2, was) if own < 0 else -1
            if handed >= 0 and at != cut.at(cut.turns - 1, handed):
                return False
        return True

    def owners(self, cut: Cut) -> tuple[int, ...]:
        """Where the layers are whose tensors turns use, if a turn like them stands before."""
        found = []
        for node in self.row[cut.start : cut.start + cut.size]:
            place = self.place.get(node.share or "", -1)
            stores = node.applied.cost.weights or node.applied.cost.buffers
            if stores and not max(cut.start - 2 * cut.size, 0) <= place < cut.start:
                return ()
            found.append(place)
        known = [place for place in found if place >= 0]
        return tuple(found) if known and known == sorted(set(known)) else ()

    def handed(self, begin: int, period: int) -> int:
        """How much is handed on from the first turn to the second."""
        found = set()
        for k in range(period):
            for source in self.row[begin + period + k].inputs:
                place = self.place.get(source, -1)
                if begin <= place < begin + period:
                    found.add(place)
        return len(found)

    def is_worth(self, cut: Cut) -> bool:
        """Whether lines are spared: one a layer, or a module that is called."""
        path = self.above(cut)
        first = range(cut.start, cut.start + cut.size)
        units = {self.names[k][len(path) :].partition(".")[0] for k in first}
        if self.listed and not self.is_of_lists(cut):
            return False
        return len(units) > 1 and (cut.times - 1) * len(units) >= SPARED + 2

    def is_of_lists(self, cut: Cut) -> bool:
        """Whether turns take layers of several lists, and none that is called again.

        What one list has alone is a repetition without any loop.
        """
        path = self.above(cut)
        rows = self.row[cut.start : cut.start + cut.size]
        stored = [n for n in rows if n.applied.cost.weights or n.applied.cost.buffers]
        lists = {re.split(r"\.\d+(?=\.|$)", node.name[len(path) :])[0] for node in stored}
        return len(lists) > 1 and all(node.share is None for node in stored)

    def above(self, cut: Cut) -> str:
        """The way to what all layers of a loop stand in, with a dot behind it."""
        names = self.names[cut.start : cut.end]
        low, high = (name.split(".")[:-1] for name in (min(names), max(names)))
        common = 0
        for a, b in zip(low, high, strict=False):
            if a != b:
                break
            common += 1
        return "".join(f"{part}." for part in low[:common])

    def is_torn(self, cut: Cut) -> bool:
        """Whether turns end in the midst of a module."""
        path = self.above(cut)
        homes: dict[str, int] = {}
        for place in range(cut.first, cut.end):
            name = self.names[place]
            turn = min((place - cut.start) // cut.size, cut.turns) if place >= cut.start else -1
            if not name.startswith(path):
                return True
            name = name[len(path) :]
            if "." in name and homes.setdefault(self.home(name), turn) != turn:
                return True
        for place in (cut.first - 1, cut.end):
            if 0 <= place < len(self.names) and self.names[place].startswith(path):
                name = self.names[place][len(path) :]
                if "." in name and self.home(name) in homes:
                    return True
        return False

    def home(self, name: str) -> str:
        """The module that a layer stands in; of a member of a list the member."""
        first, *rest = name.split(".")[: None if self.listed else -1]
        return f"{first}.{rest[0]}" if rest and rest[0].isdigit() else first

    def wiring(self, cut: Cut, owner: Cut | None = None) -> Wiring | None:
        """What turns take, if it is the same of all of them.

        The tensors are those of the loop itself, or of the ``owner`` that is done as it is before.
        """
        slots: dict[tuple[int, int], int] = {}
        known: dict[tuple[str, ...], int] = {}
        handed: dict[tuple[str, ...], int] = {}
        open_: dict[tuple[str, ...], tuple[str, ...]] = {}
        for k in range(cut.size):
            places = [cut.at(t, k) for t in range(cut.times)]
            rows = [self.row[place] for place in places if place >= 0]
            if len({len(node.inputs) for node in rows}) != 1 or not self.shares(rows, owner or cut):
                return None
            for slot in range(len(rows[0].inputs)):
                column = tuple(node.inputs[slot] for node in rows)
                meant = [self.meant(source, t, cut) for t, source in enumerate(column)]
                if meant[0][0] == "own":
                    if len(set(meant)) != 1:
                        return None
                    continue
                later = set(meant[1:])
                kinds = {kind for kind, _ in later}
                if meant[0][0] != "before" or kinds not in ({"last"}, {"before"}):
                    return None
                if kinds == {"last"}:
                    if len(later) != 1:
                        return None
                    column = self.whole(column, cut, offset := next(iter(later))[1])
                    handed[column] = offset
                elif len(column) < cut.times:
                    open_[column] = column = (*column, *column[:1])
                slots[k, slot] = known.setdefault(column, len(known))
        if len(handed) > CARRIED or any(len(set(column)) > 1 for column in open_.values()):
            return None
        order = sorted(known, key=lambda each: (each not in handed, known[each]))
        again = {known[column]: number for number, column in enumerate(order)}
        return Wiring(
            tuple(handed[column] for column in order if column in handed),
            tuple(order),
            {slot: again[port] for slot, port in slots.items()},
        )

    def whole(self, column: tuple[str, ...], cut: Cut, offset: int) -> tuple[str, ...]:
        """What is handed on, to a last turn that does not take it too."""
        if len(column) == cut.times:
            return column
        return (*column, self.row[cut.at(cut.turns - 1, offset)].name)

    def meant(self, source: str, turn: int, cut: Cut) -> tuple[str, int]:
        """Where something stands that a turn takes."""
        place = self.place.get(source)
        if place is None:
            return self.aside(source, cut), -1
        if (own := cut.offset(turn, place)) >= 0:
            return "own", own
        if place < cut.start:
            return "before", -1
        if turn and (handed := cut.offset(turn - 1, place)) >= 0:
            return "last", handed
        return "other", -1

    def aside(self, source: str, cut: Cut) -> str:
        """Whether what is held can stand before a loop: it may have its batch of what is in it."""
        if source in self.graph.inputs:
            return "before"
        node = self.by_name[source]
        place = self.place.get(node.inputs[0], -1) if node.inputs else -1
        return "before" if place < cut.start else "other"

    def shares(self, rows: Sequence[Node], cut: Cut) -> bool:
        """Whether layers of all turns use the tensors of that of the first turn of a loop."""
        first = rows[0]
        if self.listed or not (first.applied.cost.weights or first.applied.cost.buffers):
            return all(node.share is None for node in rows)
        owner = first.share or first.name
        place = self.place.get(owner, -1)
        if place not in cut.owners and not cut.start <= place < cut.start + cut.size:
            return False
        return all(node.share == owner for node in rows[1:])


def _sign(node: Node, listed: bool) -> Hashable:
    """What layers of turns have in common: the operator, and whose tensors it uses."""
    cost = node.applied.cost
    owner = (node.share or node.name) if cost.weights or cost.buffers else None
    if listed and owner is not None and node.share is None:
        owner = re.sub(r"(?<=\.)\d+(?=\.|$)", "#", owner)
    return name_of(node.op), owner, node.frozen, len(node.inputs)


def _periods(signs: Sequence[int]) -> list[int]:
    """Lengths that turns may have: how far alike stretches are from one another."""
    weights: Counter[int] = Counter()
    for length in LENGTHS:
        places: dict[Hashable, list[int]] = {}
        for k in range(len(signs) - length + 1):
            seen = places.setdefault(tuple(signs[k : k + length]), [])
            for other in seen[-3:]:
                weights[k - other] += k - other
            seen.append(k)
    return [period for period, _ in weights.most_common(PERIODS) if period > 1]


LENGTHS = (1, 4, 12)
"""Of so many layers are stretches that are looked for again: longer ones come once in a turn."""


def _runs(signs: Sequence[int], period: int) -> Iterator[tuple[int, int]]:
    """Where a row is what it is a period later: from, and to."""
    start = -1
    for k in range(len(signs) - period + 1):
        same = k + period < len(signs) and signs[k] == signs[k + period]
        if same and start < 0:
            start = k
        elif not same and start >= 0:
            if k - start >= period:
                yield start, k
            start = -1


def _is_periodic(signs: Sequence[int]) -> bool:
    """Whether a turn is several equal ones."""
    size = len(signs)
    return any(
        size % part == 0 and signs[part:] == signs[:-part] for part in range(1, size // 2 + 1)
    )


def _free(start: int, end: int, taken: Sequence[Cut]) -> list[tuple[int, int]]:
    """The parts of a stretch that no loop has yet."""
    found = [(start, end)]
    for cut in taken:
        low, high = cut.first, cut.end
        found = [
            part
            for a, b in found
            for part in ((a, min(b, low)), (max(a, high), b))
            if part[1] > part[0]
        ]
    return found


def _alike(one: Wiring, other: Wiring) -> bool:
    """Whether a loop takes its inputs in the same way in all turns of one around it."""
    return (one.carried, one.slots) == (other.carried, other.slots)
