"""What questions see of many configurations: each value is looked at when it is asked for."""

from __future__ import annotations

import ast
from collections.abc import Collection, Hashable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from archcalc.space.states import LENGTH
from archcalc.space.tree import Column, Read
from archcalc.spec.expressions import Expression, is_expression, parse
from archcalc.values import as_tuples, exact


class NotByLayers(Exception):
    """The network can't be worked out layer by layer."""


class Listed(tuple[Any, ...]):
    """A list of choices, each of which is looked at by itself."""

    read: Read
    variable: str
    length: int | None

    def __len__(self) -> int:
        return self.read((self.variable, LENGTH)) if self.length is None else self.length

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return tuple(self)[place]
        return self.read((self.variable, place if place >= 0 else len(self) + place))

    def __iter__(self) -> Iterator[Any]:
        return (self.read((self.variable, k)) for k in range(len(self)))

    def __contains__(self, value: object) -> bool:
        return any(each == value for each in self)


class Interned:
    """Values by number."""

    def __init__(self, *values: Any) -> None:
        self.values: list[Any] = list(values)
        self._numbers: dict[Hashable, int] = {exact(v): k for k, v in enumerate(values)}

    def number(self, value: Any) -> int:
        value = as_tuples(value)
        key = exact(value)
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.values)
            self.values.append(value)
        return found


class Late(NamedTuple):
    """An argument that is a list of choices: what it says is looked at where it is used."""

    expression: Expression
    bound: Mapping[str, Hashable | Late]
    """Where its names are looked at, but for the network's variables."""

    def inside(self, site: Hashable) -> tuple[Late, dict[Hashable, Hashable]]:
        """The same inside a block that is used at a site, and which place is which outside."""
        own: dict[str, Hashable | Late] = {
            name: place if isinstance(place, Late) else ("late", site, name)
            for name, place in self.bound.items()
        }
        places = {own[n]: place for n, place in self.bound.items() if not isinstance(place, Late)}
        return Late(self.expression, own), places


Args = Mapping[str, "Late | None"]
"""The arguments of a block; those that are no lists of choices have a column."""


class Variables(Protocol):
    """Who knows the network's variables."""

    variables: Collection[str]

    def variable(self, name: str, read: Read) -> Any:
        """The value of one."""
        ...


class Names(Mapping[str, Any]):
    """What expressions see of a configuration."""

    def __init__(self, known: Variables, read: Read, bound: Mapping[str, Any]) -> None:
        """``bound`` are the places of names that are no variables of the network."""
        self.known, self.read, self.bound = known, read, bound

    def __getitem__(self, name: str) -> Any:
        place = self.bound.get(name)
        if place is None:
            return self.known.variable(name, self.read)
        if isinstance(place, Late):
            return place.expression(Names(self.known, self.read, place.bound), None)
        return self.read(place)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self.bound, *self.known.variables]))

    def __len__(self) -> int:
        return len(list(iter(self)))


def bound(args: Args, counted: bool) -> dict[str, Hashable | Late]:
    """Where the names of a block's arguments are looked at, and ``i`` in what is repeated."""
    found: dict[str, Hashable | Late] = {
        name: ("arg", name) if late is None else late for name, late in args.items()
    }
    if counted:
        found["i"] = "i"
    return found


def is_list(written: Any, lists: Collection[str]) -> bool:
    """Whether an expression gives a list of choices, and none of its items."""

    def gives(node: ast.expr) -> bool:
        if isinstance(node, ast.Name):
            return node.id in lists
        return isinstance(node, ast.IfExp) and (gives(node.body) or gives(node.orelse))

    if not is_expression(written) or not parse(written[1:]).names & {*lists}:
        return False
    return gives(ast.parse(parse(written[1:]).text.strip(), mode="eval").body)


class Rows:
    """The places of some configurations, as columns; part of others, or with more of them."""

    def __init__(self, count: int, around: Rows | None = None, where: Any = None) -> None:
        self.count, self.around, self.where = count, around, where
        self.own: dict[Hashable, Column] = {}
        self.shapes: tuple[Mapping[str, Any], list[Any]] = ({}, [])
        """The shapes that references stand for, by their numbers, and all shapes."""

    def __call__(self, place: Any) -> Column:
        found = self.own.get(place)
        if found is None and place[0] == "shape" and place[1] in self.shapes[0]:
            found = self.own[place] = Column(self.shapes[0][place[1]], self.shapes[1])
        if found is None:
            if self.around is None:
                raise NotByLayers
            found = self.around(place)
            if self.where is not None:
                found = Column(found.codes[self.where], found.values)
            self.own[place] = found
        return found

    def inside(self, where: Any) -> Rows:
        """Some of them."""
        return self if where is None else Rows(len(where), self, where)
