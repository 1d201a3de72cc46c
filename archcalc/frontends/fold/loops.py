"""Loops of an author's ``forward``: turns that do the same, each with what the last one gave.

A recurrence that was followed is a long list of layers: ``ih``, ``add``, ``tanh``, ``ih_1``,
``add_1``, ``tanh_1`` and so on. What one turn does is put under one name here, ``step.0.ih``,
``step.1.ih``, so that turns are instances of a block as what stands in a list of modules is. A turn
is known by its operators, by whose tensors they use, and by what they take: of the turn itself, of
the turn before (what is *carried*), of what stands before the loop, the same at each turn or
another.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class Loop:
    """A loop, in the names that its layers have been given."""

    path: str
    """``rnn.step``: its turns are ``rnn.step.0``, ``rnn.step.1``."""
    carried: tuple[str, ...]
    """What a turn hands on to the next, by names within a turn."""
    taken: tuple[tuple[str, ...], ...]
    """What each turn takes, port by port: first what is handed on."""
    ports: Mapping[tuple[str, int], int]
    """Of a layer within a turn, and the number of one of its inputs: the port."""


class Cut(NamedTuple):
    """Where turns are: so many layers each, one after the other."""

    start: int
    size: int
    turns: int


class Wiring(NamedTuple):
    """What turns take: ports, each with a source a turn, and which of them layers' inputs are."""

    carried: tuple[int, ...]
    """Offsets in a turn of what is handed on."""
    ports: tuple[tuple[str, ...], ...]
    slots: Mapping[tuple[int, int], int]


def looped(graph: Graph) -> tuple[Graph, tuple[Loop, ...]]:
    """A graph whose layers are named by the turns of loops that they stand in, and the loops."""
    finding = _Finding(graph)
    cuts = finding.all()
    return finding.renamed(cuts) if cuts else (graph, ())


class _Finding:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.by_name = {node.name: node for node in graph.nodes}
        self.users: Counter[str] = Counter(s for node in graph.nodes for s in node.inputs)
        # What is held, or made of nothing, and used at several places stands before a loop.
        self.row = [node for node in graph.nodes if not self.is_aside(node)]
        self.place = {node.name: k for k, node in enumerate(self.row)}
        self.names = [node.name for node in self.row]
        numbers: dict[Hashable, int] = {}
        self.signs = [numbers.setdefault(_sign(node), len(numbers)) for node in self.row]

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
                    cuts = [cut._replace(start=cut.start - starts[0] + at) for at in starts]
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
        """Where turns of a length begin in a part of the row, if they are a loop."""
        turns = (end - start) // period
        if turns < 2 or (turns - 1) * period < SPARED:
            return None
        rest = end - start - turns * period
        cuts = []
        for begin in range(start, start + min(rest, STARTS) + 1):
            handed = self.handed(begin, period)
            if handed is not None and handed <= CARRIED:
                cuts.append((handed, begin))
        for _, begin in sorted(cuts)[:8]:
            whole = Cut(begin, period, (end - begin) // period)
            for less, first in ((0, 0), (1, 1), (1, 0), (2, 1)):
                cut = Cut(begin + first * period, period, whole.turns - less)
                if cut.turns < 2 or not self.is_worth(cut) or self.is_torn(cut):
                    continue
                if self.wiring(cut) is not None:
                    return cut
        return None

    def handed(self, begin: int, period: int) -> int | None:
        """How much is handed on from the first turn to the second; None where it is no loop."""
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
        return len(units) > 1 and (cut.turns - 1) * len(units) >= SPARED + 2

    def above(self, cut: Cut) -> str:
        """The way to what all layers of a loop stand in, with a dot behind it."""
        names = self.names[cut.start : cut.start + cut.size * cut.turns]
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
        end = cut.start + cut.size * cut.turns
        for k in range(cut.start, end):
            name = self.names[k][len(path) :]
            turn = (k - cut.start) // cut.size
            if "." in name and homes.setdefault(_home(name), turn) != turn:
                return True
        for k in (cut.start - 1, end):
            if 0 <= k < len(self.names) and self.names[k].startswith(path):
                name = self.names[k][len(path) :]
                if "." in name and _home(name) in homes:
                    return True
        return False

    def wiring(self, cut: Cut, owner: Cut | None = None) -> Wiring | None:
        """What turns take, if it is the same of all of them.

        The tensors are those of the loop itself, or of the ``owner`` that is done as it is before.
        """
        start, size, turns = cut
        slots: dict[tuple[int, int], int] = {}
        known: dict[tuple[str, ...], int] = {}
        handed: dict[tuple[str, ...], int] = {}
        for k in range(size):
            rows = [self.row[start + t * size + k] for t in range(turns)]
            if len({len(node.inputs) for node in rows}) != 1 or not self.shares(rows, owner or cut):
                return None
            for slot in range(len(rows[0].inputs)):
                column = tuple(node.inputs[slot] for node in rows)
                said = {self.meant(source, t, cut) for t, source in enumerate(column)}
                if len(said) == 1 and next(iter(said))[0] == "own":
                    continue
                later = {self.meant(source, t, cut) for t, source in enumerate(column) if t}
                kinds = {kind for kind, _ in later}
                if ("other", -1) in said or self.meant(column[0], 0, cut)[0] != "before":
                    return None
                if kinds == {"last"}:
                    if len(later) != 1:
                        return None
                    handed[column] = next(iter(later))[1]
                elif kinds != {"before"}:
                    return None
                slots[k, slot] = known.setdefault(column, len(known))
        if len(handed) > CARRIED:
            return None
        order = sorted(known, key=lambda each: (each not in handed, known[each]))
        again = {known[column]: number for number, column in enumerate(order)}
        return Wiring(
            tuple(handed[column] for column in order if column in handed),
            tuple(order),
            {slot: again[port] for slot, port in slots.items()},
        )

    def meant(self, source: str, turn: int, cut: Cut) -> tuple[str, int]:
        """Where something stands that a turn takes."""
        place = self.place.get(source)
        if place is None:
            return self.aside(source, cut), -1
        begin = cut.start + turn * cut.size
        if begin <= place < begin + cut.size:
            return "own", place - begin
        if place < cut.start:
            return "before", -1
        if begin - cut.size <= place < begin:
            return "last", place - begin + cut.size
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
        if not (first.applied.cost.weights or first.applied.cost.buffers):
            return all(node.share is None for node in rows)
        owner = first.share or first.name
        if not cut.start <= self.place.get(owner, -1) < cut.start + cut.size:
            return False
        return all(node.share == owner for node in rows[1:])

    # Names ----------------------------------------------------------------------------------------

    def renamed(self, cuts: Sequence[tuple[Cut, Wiring]]) -> tuple[Graph, tuple[Loop, ...]]:
        before = list(self.names)
        modules = dict(self.graph.modules)
        paths = []
        for cut, _ in cuts:
            paths.append(self.rename(cut, modules))
        names = {node.name: node.name for node in self.graph.nodes}
        names.update(zip(before, self.names, strict=True))
        graph = replace(self.graph.renamed(names), modules=modules)
        names |= {name: name for name in graph.inputs}
        found = []
        for (cut, wiring), path in zip(cuts, paths, strict=True):
            prefix = f"{path}.0."
            within = [self.names[cut.start + k].removeprefix(prefix) for k in range(cut.size)]
            found.append(
                Loop(
                    path,
                    tuple(within[k] for k in wiring.carried),
                    tuple(
                        tuple(names[column[t]] for column in wiring.ports) for t in range(cut.turns)
                    ),
                    {(within[k], slot): port for (k, slot), port in wiring.slots.items()},
                )
            )
        return graph, tuple(found)

    def rename(self, cut: Cut, modules: dict[str, str]) -> str:
        """Name the layers of a loop by its turns; the way to it."""
        above = self.above(cut)
        start, size, turns = cut
        end = start + size * turns
        others = {
            name[len(above) :].partition(".")[0]
            for k, name in enumerate((*self.names, *self.by_name))
            if name.startswith(above) and not start <= k < end
        }
        word, number = "step", 2
        while word in others:
            word, number = f"step_{number}", number + 1
        heads: dict[str, str] = {}
        taken: set[str] = set()
        within = []
        for name in self.names[start : start + size]:
            head, dot, rest = name[len(above) :].partition(".")
            if head not in heads:
                stem = fresh = re.sub(r"(?<=[A-Za-z])_\d+$", "", head)
                count = 1
                while fresh in taken:
                    fresh, count = f"{stem}_{count}", count + 1
                taken.add(fresh)
                heads[head] = fresh
            within.append(heads[head] + dot + rest)
        for k in range(start, end):
            turn, offset = divmod(k - start, size)
            name = f"{above}{word}.{turn}.{within[offset]}"
            _copy(self.names[k], name, modules)
            self.names[k] = name
        return above + word


def _copy(old: str, new: str, modules: dict[str, str]) -> None:
    """Say the classes of modules by the ways that they have now."""
    olds, news = old.split("."), new.split(".")
    for less in range(1, len(olds)):
        cls = modules.get(".".join(olds[:-less]))
        if cls is not None and len(news) > less:
            modules.setdefault(".".join(news[:-less]), cls)


def _sign(node: Node) -> Hashable:
    """What layers of turns have in common: the operator, and whose tensors it uses."""
    cost = node.applied.cost
    owner = (node.share or node.name) if cost.weights or cost.buffers else None
    return name_of(node.op), owner, node.frozen, len(node.inputs)


def _home(name: str) -> str:
    """The module that a layer stands in; of a member of a list the member."""
    first, *rest = name.split(".")[:-1]
    return f"{first}.{rest[0]}" if rest and rest[0].isdigit() else first


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
        low, high = cut.start, cut.start + cut.size * cut.turns
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
