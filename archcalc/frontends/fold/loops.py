"""Loops of an author's ``forward``: turns that do the same, each with what the last one gave.

A recurrence that was followed is a long list of layers: ``ih``, ``add``, ``tanh``, ``ih_1``,
``add_1``, ``tanh_1`` and so on. What one turn does is put under one name here, ``step.0.ih``,
``step.1.ih``, so that turns are instances of a block as what stands in a list of modules is. Where
they are, ``turns.py`` finds.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from archcalc.frontends.fold.turns import Cut, Turns, Wiring
from archcalc.spec.graph import Graph


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
    owner: str
    """The part whose tensors all turns use, where that is another one, before the loop."""


def looped(graph: Graph, listed: bool = False) -> tuple[Graph, tuple[Loop, ...]]:
    """A graph whose layers are named by the turns of loops that they stand in, and the loops.

    Those that are ``listed`` go through lists of layers by a number, ``a[i](x) + b[i](x)``.
    """
    turns = Turns(graph, listed)
    cuts = turns.all()
    return _Naming(turns).renamed(cuts) if cuts else (graph, ())


class _Naming:
    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.graph = turns.graph
        self.names = turns.names
        self.parts = {part for name in turns.by_name for part in name.split(".")}
        self.lists: set[str] = set()
        """Those that loops go through."""

    def renamed(self, cuts: Sequence[tuple[Cut, Wiring]]) -> tuple[Graph, tuple[Loop, ...]]:
        before = list(self.names)
        modules = dict(self.graph.modules)
        paths = []
        for cut, _ in cuts:
            paths.append(self.rename(cut, modules))
        for each in self.lists:
            self.call_alone(each)
        names = {node.name: node.name for node in self.graph.nodes}
        names.update(zip(before, self.names, strict=True))
        graph = replace(self.graph.renamed(names), modules=modules)
        names |= {name: name for name in graph.inputs}
        found = []
        for (cut, wiring), (path, owner) in zip(cuts, paths, strict=True):
            prefix = f"{path}.0."
            within = [self.names[cut.start + k].removeprefix(prefix) for k in range(cut.size)]
            found.append(
                Loop(
                    path,
                    tuple(within[k] for k in wiring.carried),
                    tuple(
                        tuple(names[column[t]] for column in wiring.ports) for t in range(cut.times)
                    ),
                    {(within[k], slot): port for (k, slot), port in wiring.slots.items()},
                    owner,
                )
            )
        return graph, tuple(found)

    def rename(self, cut: Cut, modules: dict[str, str]) -> tuple[str, str]:
        """Name the layers of a loop by its turns; the way to it, and to the owner of tensors."""
        above = self.turns.above(cut)
        first = cut.first
        others = {
            name[len(above) :].partition(".")[0]
            for k, name in enumerate((*self.names, *self.turns.by_name))
            if name.startswith(above) and not first <= k < cut.end
        }
        word, number = STEP, 2
        while word in others:
            word, number = f"{STEP}_{number}", number + 1
        rows = [[self.names[cut.at(t, k)][len(above) :] for k in range(cut.size)] for t in range(2)]
        names = rows[0]
        if self.turns.listed:
            names, lists = _unlisted(*rows)
            self.lists |= {above + each for each in lists}
        within = _fresh(names, self.parts)
        for turn in range(cut.times):
            for offset in range(cut.size):
                if (place := cut.at(turn, offset)) >= 0:
                    self.call(place, f"{above}{word}.{turn}.{within[offset]}", modules)
        start = ""
        if cut.owners:
            start = START
            while start in others:
                start += "_"
            inside = range(first, cut.start)
            like = {place: within[k] for k, place in enumerate(cut.owners) if place >= 0}
            free = [name[len(above) :] for k in inside if k not in like for name in [self.names[k]]]
            rest = iter(
                _fresh(free, self.parts, {name.partition(".")[0] for name in like.values()})
            )
            for place in inside:
                self.call(place, f"{above}{start}.{like.get(place) or next(rest)}", modules)
        return above + word, start and above + start

    def call_alone(self, list_: str) -> None:
        """Name what a loop has left of a list, if it is one member, as the list."""
        start = f"{list_}."
        rest = [k for k, name in enumerate(self.names) if name.startswith(start)]
        numbers = {self.names[k][len(start) :].partition(".")[0] for k in rest}
        asides = any(n.startswith(start) and n not in self.turns.place for n in self.turns.by_name)
        if len(numbers) == 1 and not asides and list_ not in self.names:
            (number,) = numbers
            for k in rest:
                self.names[k] = list_ + self.names[k][len(start) + len(number) :]

    def call(self, place: int, name: str, modules: dict[str, str]) -> None:
        """Name a layer, and say the classes of the modules around it by their ways now."""
        _copy(self.names[place], name, modules)
        self.names[place] = name


STEP, START = "step", "start"


def _unlisted(names: Sequence[str], others: Sequence[str]) -> tuple[list[str], set[str]]:
    """Names of a turn without the numbers in lists that those of another turn have not; the lists.

    Of a list that gives a turn several layers they stay.
    """
    places: dict[str, set[str]] = {}
    ways = []
    for name, other in zip(names, others, strict=True):
        here, there = name.split("."), other.split(".")
        way = [
            (part, ".".join(here[:k]))
            if part.isdigit() and part not in there[k : k + 1]
            else (part, "")
            for k, part in enumerate(here)
        ]
        ways.append(way)
        for part, around in way:
            if around:
                places.setdefault(around, set()).add(part)
    alone = {around for around, numbers in places.items() if len(numbers) == 1}
    return [".".join(part for part, around in way if around not in alone) for way in ways], alone


def _fresh(names: Sequence[str], known: Collection[str], given: Collection[str] = ()) -> list[str]:
    """Names of layers and modules without the numbers of calls before; none of those ``given``.

    ``known`` are names in the graph, without which a number is one that its author gave.
    """
    heads: dict[str, str] = {}
    taken = set(given)
    found = []
    for name in names:
        head, dot, rest = name.partition(".")
        if head not in heads:
            stem = re.sub(r"_\d+$", "", head)
            stem = fresh = stem if stem in known else head
            count = 1
            while fresh in taken:
                fresh, count = f"{stem}_{count}", count + 1
            taken.add(fresh)
            heads[head] = fresh
        found.append(heads[head] + dot + rest)
    return found


def _copy(old: str, new: str, modules: dict[str, str]) -> None:
    """Say the classes of modules by the ways that they have now."""
    olds, news = old.split("."), new.split(".")
    for less in range(1, len(olds)):
        cls = modules.get(".".join(olds[:-less]))
        if cls is not None and len(news) > less:
            modules.setdefault(".".join(news[:-less]), cls)
