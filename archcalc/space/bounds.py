"""Between which numbers the totals of a part of a space are.

A part is a box: of each step some choices. Layer by layer all shapes are followed that may come,
and of what a layer may be the least and the most are added up. That two layers depend on one choice
is not seen, so bounds are wider than the truth and never narrower; the less is left open, the
narrower they get.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from math import floor, inf
from typing import Any

from archcalc.space.pieces import APART, COLUMNS, REFUSED, SAID, Pieces
from archcalc.space.seen import Args, Late, NotByLayers, bound
from archcalc.space.states import ABSENT, Box, States
from archcalc.space.tree import TooVarious, Tree
from archcalc.spec.bits import BYTES
from archcalc.spec.expressions import braced
from archcalc.spec.layer import Layer
from archcalc.spec.machines import Hardware
from archcalc.spec.model import Spec

MOST_RESULTS = 20_000
"""The most that a layer of a part may be."""


def quantities(
    least: Sequence[float], most: Sequence[float], spec: Spec, dtype: str, on: Hardware | None
) -> dict[str, tuple[float, float]]:
    """Between which numbers all that can be asked of a part is, by the bounds of its totals.

    The least time is that of its products at the machine's peak, and the least memory that of its
    weights; both may be far more.
    """
    ends = zip(least, most, strict=True)
    found: dict[str, tuple[float, float]] = dict(zip(COLUMNS, ends, strict=True))
    params, macs = found["params"], found["macs"]
    if spec.bits:  # bytes and peaks are of tensors then
        return found
    stored = BYTES[dtype]
    found["weight_bytes"] = params[0] * stored, params[1] * stored
    found["memory"] = params[0] * stored, inf
    if on is not None:
        # A little less, for what is lost where seconds are added up.
        found["time"] = floor(2 * macs[0] / on.peak(dtype).value * 10**9 * (1 - 1e-9)), inf
    return found


Within = Mapping[Hashable, "tuple[list[int], list[Any]]"]


@dataclass
class _List:
    """The state of one list of layers."""

    site: tuple[Any, ...]
    args: Args
    places: Within
    """What is at the places of arguments."""
    shapes: dict[str, list[int]]
    """The numbers of the shapes that references may stand for."""
    sure: bool
    """Whether it is there for certain."""
    groups: dict[str, list[str]] = field(default_factory=dict)
    """What the names of layers with several outputs stand for."""


class Bounds:
    """Bounds of parts of a space; raises :class:`NotByLayers` where there are none."""

    def __init__(self, pieces: Pieces, states: States) -> None:
        self.pieces, self.states = pieces, states
        self.known: dict[Hashable, Any] = {}
        self.until: float | None = None
        """When nothing more is looked at, by the monotonic clock."""

    def of(self, box: Box) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The least and the most of ``COLUMNS``; what is no network is left out.

        Raises :class:`NotByLayers` and :class:`TooVarious` where they can't be said.
        """
        self.box: dict[Hashable, tuple[list[int], list[Any]]] = {
            (step.variable, step.place): ([c for c in codes if c != ABSENT] or [0], values)
            for step, codes, values in zip(self.states.steps, box, self.states.values, strict=True)
        }
        self.least, self.most = [0] * len(COLUMNS), [0] * len(COLUMNS)
        spec = self.pieces.spec
        whole = _List((), {}, {}, {name: self.inputs(name) for name in spec.inputs}, True)
        self.layers(whole, spec.layers)
        return tuple(self.least), tuple(self.most)

    def inputs(self, name: str) -> list[int]:
        """All shapes that an input may have, which the engine has to say of some of them first."""
        tree = self.pieces.tree("input")
        found = self.reach(tree, {}, self.pieces.find_input)
        place = list(self.pieces.spec.inputs).index(name)
        values = self.pieces.values.values
        return sorted({self.pieces.shapes.number(values[c][place]) for c in found if values[c]})

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

    def layers(self, here: _List, layers: Mapping[str, Layer]) -> None:
        previous = next(iter(here.shapes))
        for name, layer in layers.items():
            self.pieces.require_plain(layer)
            self.layer(here, name, layer, layer.from_ or [previous])
            previous = name

    def name(self, here: _List, name: str, layer: Layer, found: Sequence[list[int]]) -> None:
        """Let a name stand for the outputs of a layer."""
        results = self.pieces.results(layer)
        if len(found) != len(results):
            raise NotByLayers
        ways = [f"{name}.{result}" for result in results]
        here.shapes.update(zip(ways, found, strict=True))
        if len(found) == 1:
            here.shapes[name] = found[0]
        else:
            here.groups[name] = ways

    def take(
        self, here: _List, name: str, references: Sequence[str], i: int | None
    ) -> list[list[int]]:
        """The shapes that each input of a layer may have."""
        found: list[list[int]] = []
        for k, reference in enumerate(references):
            ways = here.groups.get(reference) or [reference]
            if not braced(reference):
                found += [here.shapes[way] for way in ways]
                continue
            find = self.pieces.reference_finder(reference, here.args, i is not None)
            tree = self.pieces.tree((*here.site, name, "from", k))
            meant = [
                self.pieces.values.values[c] for c in self.reach(tree, self.more(here, [], i), find)
            ]
            # A copy that is not there in some of the part is left out.
            found.append(sorted({c for way in meant for c in here.shapes.get(way, ())}))
        return found

    def layer(self, here: _List, name: str, layer: Layer, references: Sequence[str]) -> None:
        if self.until is not None and time.monotonic() > self.until:
            raise TooVarious
        site, values = (*here.site, name), self.pieces.values.values
        fewest = most = 1
        repeated = layer.repeat is not None
        if layer.when is not True:
            more = self.more(here, [], None)
            answers = {values[c] for c in self.ask((*site, "when"), layer.when, here, more, False)}
            fewest, most = int(False not in answers), int(True in answers)
        if repeated:
            more = self.more(here, [], None)
            found = self.ask((*site, "repeat"), layer.repeat, here, more, False)
            counts = [values[c] for c in found if type(values[c]) is int and values[c] >= 0]
            if not counts:
                raise NotByLayers
            fewest, most = fewest * min(counts), most * max(counts)
        width = len(self.pieces.results(layer))
        taken = self.take(here, name, references, 0 if layer.counts_in_from else None)
        if len(taken) < width:
            raise NotByLayers
        handed, others = taken[:width], taken[width:]
        out: list[set[int]] = [{*each} if fewest == 0 else set() for each in handed]
        for i in range(most):
            number = i if repeated else None
            if i and layer.counts_in_from:
                others = self.take(here, name, references[width:], i)
            sure = here.sure and i < fewest
            handed = self.once(here, name, layer, [*handed, *others], number, sure)
            if repeated:
                self.name(here, f"{name}.{i}", layer, handed)
            if i + 1 >= fewest:
                for each, codes in zip(out, handed, strict=True):
                    each.update(codes)
        self.name(here, name, layer, [sorted(each) for each in out])

    def more(
        self, here: _List, taken: Sequence[list[int]], i: int | None
    ) -> dict[Hashable, tuple[list[int], list[Any]]]:
        known = self.pieces.shapes.values
        more: dict[Hashable, tuple[list[int], list[Any]]] = dict(here.places)
        more.update({("in", k): (each, known) for k, each in enumerate(taken)})
        more.update({("shape", name): (each, known) for name, each in here.shapes.items()})
        if i is not None:
            more["i"] = ([i], list(range(i + 1)))
        return more

    def ask(
        self, site: Hashable, written: Any, here: _List, more: Within, counted: bool
    ) -> list[int]:
        find = self.pieces.finder(written, here.args, counted)
        return self.reach(self.pieces.tree(site), more, find)

    def once(
        self,
        here: _List,
        name: str,
        layer: Layer,
        taken: list[list[int]],
        i: int | None,
        sure: bool,
    ) -> list[list[int]]:
        pieces, site = self.pieces, (*here.site, name)
        more = self.more(here, taken, i)
        kinds: list[Any] = [layer.block]
        if layer.block is not None and layer.block.startswith("="):
            found = self.ask((*site, "block"), layer.block, here, more, i is not None)
            kinds = [pieces.values.values[c] for c in found]
        into = [kind for kind in kinds if pieces.is_gone_into(kind, layer, here.args)]
        if into:
            if len(kinds) > 1:
                raise NotByLayers  # the box has to be smaller
            return self.inside(here, site, layer, into[0], taken, more, i, sure)
        find = pieces.saying(layer, here.args, i is not None)
        more[SAID] = self.reach(pieces.tree((*site, SAID)), more, find), pieces.values.values
        several = self.reach(pieces.tree(site), more, pieces.piece_finder(layer, len(taken)))
        if APART in several:
            raise NotByLayers
        several = [piece for piece in several if piece != REFUSED]
        if not several:
            return taken[: len(pieces.results(layer))]  # nothing in here is a network
        for k, column in enumerate(zip(*[pieces.vectors[p] for p in several], strict=True)):
            self.least[k] += min(column) if sure else 0
            self.most[k] += max(column)
        return [sorted({*each}) for each in zip(*[pieces.outputs[p] for p in several], strict=True)]

    def inside(
        self,
        here: _List,
        site: tuple[Any, ...],
        layer: Layer,
        kind: str,
        taken: list[list[int]],
        more: Within,
        i: int | None,
        sure: bool,
    ) -> list[list[int]]:
        pieces = self.pieces
        block, values = pieces.spec.blocks[kind], pieces.values.values
        inner: dict[Hashable, tuple[list[int], list[Any]]] = dict(here.places)
        args: dict[str, Late | None] = {}
        around = bound(here.args, i is not None)
        for key, value in layer.fields.items():
            late = pieces.late(value, around)
            if late is not None:
                late, places = late.inside((*site, kind, key))
                inner.update({own: more[place] for own, place in places.items()})
            else:
                found = self.ask((*site, kind, ("arg", key)), value, here, more, i is not None)
                inner["arg", key] = (found, values)
            args[key] = late
        for key, default in block.args.items():
            if key not in args:
                args[key] = pieces.late(default, bound(args, False))
                if args[key] is None:
                    seen = _List((), dict(args), {}, {}, sure)
                    found = self.ask((*site, kind, ("arg", key)), default, seen, dict(inner), False)
                    inner["arg", key] = (found, values)
        shapes = dict(zip(block.ports(len(taken)) or (), taken, strict=True))
        within = _List((*site, kind), args, inner, shapes, sure)
        self.layers(within, block.layers)
        return self.take(within, "", block.results, None)
