"""Where calls stand: the ways to modules, of which some are called several times."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping

from torch import fx

from archcalc.frontends.torch.captured import stack

Call = tuple[str, int]
"""The way to a module, and which call of it."""


class Ways:
    """Names for the calls of modules.

    A module that is called again stands for as many blocks as it has calls: ``backbone``, then
    ``backbone_1``, with its layers in it. A module without others in it is one layer, which has the
    name to itself, unless it is a number.
    """

    def __init__(self, graph: fx.Graph, paths: Collection[str]) -> None:
        self.paths = paths
        """Of all modules."""
        self.parents = {path.rpartition(".")[0] for path in paths if path}
        """The ways to modules that have others within them."""
        self.numbers: dict[Call, int] = {}
        """A call -> its number among those within the same call of the module around it."""
        counts: dict[tuple[str, Call], int] = {}
        homes: dict[str, str] = {}
        """A module -> what calls it first."""
        highest: dict[str, int] = {}
        for node in graph.nodes:
            around: Call = ("", 0)
            for path, _, call in stack(node):
                if (path, call) not in self.numbers:
                    number = counts[path, around] = counts.get((path, around), -1) + 1
                    if homes.setdefault(path, around[0]) != around[0]:  # someone else calls it
                        number = highest[path] + 1
                    highest[path] = max(number, highest.get(path, 0))
                    self.numbers[path, call] = number
                around = path, call

    def to(self, node: fx.Node) -> tuple[str, Mapping[str, str]]:
        """The way to the module that a node stands in, and what modules are called around it."""
        found: dict[str, str] = {"": ""}
        here = ""
        for path, _, call in stack(node):
            around = max((p for p in found if f"{path}.".startswith(f"{p}." * bool(p))), key=len)
            rest = path[len(around) :].lstrip(".")
            way = ".".join(filter(None, (found[around], rest)))
            number = self.numbers[path, call]
            if number and (path in self.parents or path.rpartition(".")[2].isdigit()):
                way = self.again(way, number)
            found[path] = here = way
        return here, found

    def again(self, way: str, number: int) -> str:
        """The way to a later call: what has a number for a name is told apart by what it is in."""
        parts = way.split(".")
        named = [k for k, part in enumerate(parts) if not part.isdigit()]
        if not named:
            return way
        parts[named[-1]] += f"_{number}"
        while ".".join(parts) in self.paths:
            parts[named[-1]] += "_"
        return ".".join(parts)


def call_as_listed(graph: fx.Graph, paths: Collection[str]) -> None:
    """Say of calls of a part of a list, ``for layer in self.layers[1:]``, the ways in the list."""

    def listed(path: str) -> str:
        above = ""
        members: list[str] = []
        for word in path.split("."):
            sliced = re.fullmatch(r"slice\((.*), (.*), (.*)\)", word)
            if sliced is None:
                word = members[int(word)] if members and word.isdigit() else word
                above, members = f"{above}.{word}".lstrip("."), []
                continue
            start, stop, step = (None if end == "None" else int(end) for end in sliced.groups())
            if not members:
                inside = len(above) + 1
                all_ = (p[inside:] for p in paths if p.startswith(f"{above}."))
                members = sorted((p for p in all_ if p.isdigit()), key=int)
            members = members[start:stop:step]
        return above

    for node in graph.nodes:
        stacked = node.meta.get("nn_module_stack")
        if stacked and any("slice(" in path for path, _ in stacked.values()):
            node.meta["nn_module_stack"] = {
                key: (listed(path), kind) for key, (path, kind) in stacked.items()
            }


def call_as_owned(graph: fx.Graph, others: Mapping[str, str]) -> None:
    """Say of calls the ways by which a state dict names the module's tensors.

    A module that stands in several places may be called by another way than its first: ``others``.
    """
    if not others:
        return
    called = {path for node in graph.nodes for path, _, _ in stack(node)}
    ways = Counter(way for path, way in others.items() if path in called)
    once = {path: way for path, way in others.items() if ways[way] == 1 and way not in called}

    def owned(path: str) -> str:
        inner, rest = path, ""
        while inner and inner not in once:
            inner, _, last = inner.rpartition(".")
            rest = f".{last}{rest}"
        return once[inner] + rest if inner else path

    for node in graph.nodes:
        stacked = node.meta.get("nn_module_stack")
        if stacked:
            node.meta["nn_module_stack"] = {
                key: (owned(path), kind) for key, (path, kind) in stacked.items()
            }
