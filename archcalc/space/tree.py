"""What is worked out of many configurations, by what was looked at to find it.

Something is worked out of one configuration, and it is noted at which places that looked. All that
have the same values there have the same result, since what is looked at next depends on nothing but
what was seen before. So the places make a tree, by which the results of all others are found.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

Read = Callable[[Hashable], Any]
"""The value at a place of the configuration that something is worked out of."""

MOST_ENTRIES = 20_000_000
"""The most children that a tree has room for."""


class TooVarious(Exception):
    """There is too much to be known by heart: configurations have little in common."""


class Column(NamedTuple):
    """What many configurations have at a place: numbers of values."""

    codes: np.ndarray[Any, Any]
    values: list[Any]


Columns = Callable[[Hashable], Column]


def different(numbers: Any) -> list[int]:
    """The numbers in an array of small ones from 0 on, each once; faster than by sorting it."""
    import numpy as np

    found: list[int] = np.flatnonzero(np.bincount(numbers)).tolist()
    return found


class Tree:
    """The results of one question, whole numbers, by what was looked at."""

    UNKNOWN, LEAF = -2, -1

    def __init__(self) -> None:
        import numpy as np

        self.places: list[Hashable] = []
        self.numbers: dict[Hashable, int] = {}
        self.place = np.full(16, self.UNKNOWN, np.int32)
        """Of each node the number of the place where it looks, or that it is a leaf."""
        self.result = np.zeros(16, np.int64)
        self.child = np.full((16, 8), -1, np.int32)
        self.size = 1

    def __getstate__(self) -> dict[str, Any]:
        """Without the room for more."""
        arrays = {name: getattr(self, name)[: self.size] for name in ("place", "result", "child")}
        return {**vars(self), **arrays}

    def look_up(self, columns: Columns, count: int, find: Callable[[Read], int]) -> Any:
        """The results of so many configurations; ``find`` works out one that is not known."""
        import numpy as np

        if self.place[0] == self.UNKNOWN and count:
            self.explore(columns, 0, find)
        found = np.empty(count, np.int64)
        # Which of them, None for all, and the nodes that they are at, which look at one place.
        groups: list[tuple[Any, Any]] = [(None, np.zeros(count, np.int64))] if count else []
        while groups:
            some, nodes = groups.pop()
            number = int(self.place[nodes[0]])
            if number == self.LEAF:
                found[slice(None) if some is None else some] = self.result.take(nodes)
                continue
            codes = columns(self.places[number]).codes
            codes = codes if some is None else codes.take(some)
            nodes = self.step(nodes, codes, some, columns, find)
            places = self.place.take(nodes)
            if (places == places[0]).all():
                groups.append((some, nodes))
                continue
            for place in different(places - self.LEAF):
                where = np.flatnonzero(places == place + self.LEAF)
                groups.append((where if some is None else some.take(where), nodes.take(where)))
        return found

    def step(
        self, nodes: Any, codes: Any, some: Any, columns: Columns, find: Callable[[Read], int]
    ) -> Any:
        """The nodes that values lead to, which are made where they are not known."""
        import numpy as np

        if int(codes.max()) >= self.child.shape[1]:
            self.widen(int(codes.max()) + 1)
        while True:
            ways = nodes * self.child.shape[1] + codes
            after = self.child.reshape(-1).take(ways).astype(np.int64)
            if int(after.min()) >= 0:
                return after
            # One of each kind that is new, and what that says of the others.
            new = np.flatnonzero(after < 0)
            _, first = np.unique(ways[new], return_index=True)
            for k in new[first].tolist():
                self.explore(columns, k if some is None else int(some[k]), find)

    def widen(self, width: int) -> None:
        import numpy as np

        width = max(width, 2 * self.child.shape[1])
        if width * len(self.child) > MOST_ENTRIES:
            raise TooVarious
        wider = np.full((len(self.child), width), -1, np.int32)
        wider[:, : self.child.shape[1]] = self.child
        self.child = wider

    def explore(self, columns: Columns, at: int, find: Callable[[Read], int]) -> None:
        """Work out one configuration, and remember the way to it."""
        seen: dict[Hashable, int] = {}

        def read(place: Hashable) -> Any:
            codes, values = columns(place)
            code = seen.get(place)
            if code is None:
                code = seen[place] = int(codes[at])
            return values[code]

        found = find(read)
        node = 0
        for place, code in seen.items():
            number = self.numbers.setdefault(place, len(self.places))
            if number == len(self.places):
                self.places.append(place)
            if self.place[node] == self.UNKNOWN:
                self.place[node] = number
            elif self.place[node] != number:
                raise TooVarious  # it was not the values alone that it depends on
            node = self.below(node, code)
        self.place[node] = self.LEAF
        self.result[node] = found

    def below(self, node: int, code: int) -> int:
        """The child of a node for a value, which is made where there is none."""
        if code >= self.child.shape[1]:
            self.widen(code + 1)
        found = int(self.child[node, code])
        if found < 0:
            found = self.add()
            self.child[node, code] = found
        return found

    def add(self) -> int:
        import numpy as np

        if self.size == len(self.place):
            if 2 * self.child.size > MOST_ENTRIES:
                raise TooVarious
            self.place = np.concatenate([self.place, np.full_like(self.place, self.UNKNOWN)])
            self.result = np.concatenate([self.result, np.zeros_like(self.result)])
            self.child = np.concatenate([self.child, np.full_like(self.child, -1)])
        self.size += 1
        return self.size - 1

    def reach(
        self,
        within: Callable[[Hashable], tuple[list[int], list[Any]]],
        find: Callable[[Read], int],
    ) -> Iterator[int]:
        """The results of all configurations within a box: of each place some values.

        ``within`` gives the numbers of a place's values and all its values.
        """
        pending: list[tuple[int, dict[Hashable, int]]] = [(0, {})]
        while pending:
            node, chosen = pending.pop()
            number = int(self.place[node])
            if number == self.LEAF:
                yield int(self.result[node])
                continue
            if number == self.UNKNOWN:

                def column(place: Hashable, chosen: dict[Hashable, int] = chosen) -> Column:
                    codes, values = within(place)
                    code = chosen.get(place, codes[0])
                    return Column([code], values)  # type: ignore[arg-type]

                self.explore(column, 0, find)
                pending.append((node, chosen))
                continue
            place = self.places[number]
            pending += [
                (self.below(node, code), {**chosen, place: code}) for code in within(place)[0]
            ]
