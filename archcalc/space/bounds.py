"""Between which numbers the totals of a part of a space are.

A part is a box: of each step some choices. Layer by layer all shapes are followed that may come,
and of what a layer may be the least and the most are added up. That two layers depend on one choice
is not seen, so bounds are wider than the truth and never narrower; the less is left open, the
narrower they get.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from archcalc.space.layered import APART, COLUMNS, REFUSED, Layered, NotByLayers
from archcalc.space.states import ABSENT, Box, States
from archcalc.space.tree import TooVarious, Tree
from archcalc.spec.model import Layer

MOST_RESULTS = 20_000
"""The most that a layer of a part may be."""

Within = Mapping[Hashable, "tuple[list[int], list[Any]]"]


class Bounds:
    """Bounds of parts of a space; raises :class:`NotByLayers` where there are none."""

    def __init__(self, layered: Layered, states: States) -> None:
        self.layered, self.states = layered, states
        self.known: dict[Hashable, Any] = {}

    def of(self, box: Box) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The least and the most of ``COLUMNS``; what is no network is left out.

        Raises :class:`NotByLayers` and :class:`TooVarious` where they can't be said.
        """
        self.box: dict[Hashable, tuple[list[int], list[Any]]] = {
            (step.variable, step.place): ([c for c in codes if c != ABSENT] or [0], values)
            for step, codes, values in zip(self.states.steps, box, self.states.values, strict=True)
        }
        self.least, self.most = [0] * len(COLUMNS), [0] * len(COLUMNS)
        spec = self.layered.spec
        shapes: dict[str, list[int]] = {}
        for name in spec.inputs:
            shapes[name] = self.inputs(name)
        self.layers((), spec.layers, next(iter(shapes)), {}, shapes)
        return tuple(self.least), tuple(self.most)

    def inputs(self, name: str) -> list[int]:
        """All shapes that an input may have, which the engine has to say of some of them first."""
        tree = self.layered.tree("input")
        found = self.reach(tree, {}, self.layered.find_input)
        place = list(self.layered.spec.inputs).index(name)
        values = self.layered.values.values
        return sorted({self.layered.shapes.number(values[c][place]) for c in found if values[c]})

    def reach(self, tree: Tree, more: Within, find: Any) -> list[int]:
        """What a question may come to, each once."""

        def within(place: Hashable) -> tuple[list[int], list[Any]]:
            found = more.get(place) or self.box.get(place)
            if found is None:
                raise NotByLayers
            return found

        places = len(tree.places)
        key: Hashable = None
        if places:
            try:
                looked = tuple([tuple(within(place)[0]) for place in tree.places])
            except NotByLayers:
                looked = None
            if looked is not None:
                key = (id(tree), places, looked)
                if key in self.known:
                    return self.known[key]  # type: ignore[no-any-return]
        found: set[int] = set()
        for count, result in enumerate(tree.reach(within, find)):
            found.add(result)
            if count > MOST_RESULTS:
                raise TooVarious
        listed = sorted(found)
        if key is not None and places == len(tree.places):
            self.known[key] = listed
        return listed

    def layers(
        self,
        site: tuple[Any, ...],
        layers: Mapping[str, Layer],
        previous: str,
        args: Within,
        shapes: dict[str, list[int]],
        sure: bool = True,
    ) -> None:
        for name, layer in layers.items():
            references = layer.from_ or [previous]
            taken = [shapes[reference] for reference in references]
            shapes[name] = self.layer(site, name, layer, taken, args, shapes, sure)
            previous = name

    def layer(
        self,
        site: tuple[Any, ...],
        name: str,
        layer: Layer,
        taken: list[list[int]],
        args: Within,
        shapes: Mapping[str, list[int]],
        sure: bool,
    ) -> list[int]:
        here = (*site, name)
        values = self.layered.values.values
        fewest = most = 1
        repeated = layer.repeat is not None
        if layer.when is not True:
            more = self.more(taken, args, shapes, None)
            answers = [values[c] for c in self.ask((*here, "when"), layer.when, args, more, False)]
            fewest, most = int(False not in answers), int(True in answers)
        if repeated:
            more = self.more(taken, args, shapes, None)
            found = self.ask((*here, "repeat"), layer.repeat, args, more, False)
            counts = [values[c] for c in found if type(values[c]) is int and values[c] >= 0]
            if not counts:
                raise NotByLayers
            fewest, most = fewest * min(counts), most * max(counts)
        if fewest == 0 and len(taken) > 1:
            raise NotByLayers
        out = {*taken[0]} if fewest == 0 else set[int]()
        handed = taken[0]
        for i in range(most):
            number = i if repeated else None
            handed = self.once(
                here, layer, [handed, *taken[1:]], args, shapes, number, sure and i < fewest
            )
            if i + 1 >= fewest:
                out |= {*handed}
        return sorted(out)

    def more(
        self, taken: list[list[int]], args: Within, shapes: Mapping[str, list[int]], i: int | None
    ) -> dict[Hashable, tuple[list[int], list[Any]]]:
        known = self.layered.shapes.values
        more: dict[Hashable, tuple[list[int], list[Any]]] = dict(args)
        more.update({("in", k): (each, known) for k, each in enumerate(taken)})
        more.update({("shape", name): (each, known) for name, each in shapes.items()})
        if i is not None:
            more["i"] = ([i], list(range(i + 1)))
        return more

    def ask(
        self, site: Hashable, written: Any, args: Within, more: Within, counted: bool
    ) -> list[int]:
        named = [str(key[1]) for key in args if isinstance(key, tuple)]
        find = self.layered.finder(written, named, counted)
        return self.reach(self.layered.tree(site), more, find)

    def once(
        self,
        here: tuple[Any, ...],
        layer: Layer,
        taken: list[list[int]],
        args: Within,
        shapes: Mapping[str, list[int]],
        i: int | None,
        sure: bool,
    ) -> list[int]:
        layered = self.layered
        more = self.more(taken, args, shapes, i)
        kinds: list[Any] = [layer.block]
        if layer.block is not None and layer.block.startswith("="):
            found = self.ask((*here, "block"), layer.block, args, more, i is not None)
            kinds = [layered.values.values[c] for c in found]
        into = [kind for kind in kinds if layered.is_gone_into(kind)]
        if into:
            if len(kinds) > 1:
                raise NotByLayers  # the box has to be smaller
            return self.inside(here, layer, into[0], taken, args, more, i, sure)
        named = [str(key[1]) for key in args if isinstance(key, tuple)]
        find = layered.piece_finder(layer, len(taken), named, i is not None)
        pieces = self.reach(layered.tree(here), more, find)
        if APART in pieces:
            raise NotByLayers
        pieces = [piece for piece in pieces if piece != REFUSED]
        if not pieces:
            return taken[0]  # nothing in here is a network
        for k, column in enumerate(zip(*[layered.vectors[p] for p in pieces], strict=True)):
            self.least[k] += min(column) if sure else 0
            self.most[k] += max(column)
        return sorted({layered.out[piece] for piece in pieces})

    def inside(
        self,
        here: tuple[Any, ...],
        layer: Layer,
        kind: str,
        taken: list[list[int]],
        args: Within,
        more: Within,
        i: int | None,
        sure: bool,
    ) -> list[int]:
        layered = self.layered
        block = layered.spec.blocks[kind]
        inner: dict[Hashable, tuple[list[int], list[Any]]] = {}
        for key, value in layer.fields.items():
            found = self.ask((*here, kind, key), value, args, more, i is not None)
            inner["arg", key] = (found, layered.values.values)
        for key, default in block.args.items():
            if ("arg", key) not in inner:
                found = self.ask((*here, kind, key), default, dict(inner), dict(inner), False)
                inner["arg", key] = (found, layered.values.values)
        shapes = dict(zip(block.ports(len(taken)) or (), taken, strict=True))
        self.layers((*here, kind), block.layers, next(iter(shapes)), inner, shapes, sure)
        (output,) = block.results
        return shapes[output]
