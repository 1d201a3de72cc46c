"""Totals of many configurations of other structures at once, as sums over the network's layers.

It is what ``spec/outline.py`` does of one configuration, done of an array of them: layer by layer,
with what each stores and computes found by what it looks at (``pieces.py``), the shapes that it
takes and a few choices. A block that looks at whole lists of choices is gone into, any other is a
layer. What can't be done so is left to the engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from archcalc.space.pieces import APART, COLUMNS, REFUSED, SAID, Pieces
from archcalc.space.seen import Args, Late, NotByLayers, Rows, bound
from archcalc.space.states import States
from archcalc.space.tree import Column, different
from archcalc.spec.expressions import braced
from archcalc.spec.layer import Layer
from archcalc.spec.model import Spec

MOST_LAYERS = 10_000
"""A network of more layers is left to the engine, which says whether it is too large."""

MOST_REPEATED = 1_000
"""Repetitions of a layer; more are left to the engine."""


@dataclass
class Found:
    """The totals of some configurations, and which have none or are the engine's to count."""

    sums: dict[int, Any]
    """By their places in ``COLUMNS``."""
    refused: Any
    apart: Any
    most: int = 0
    """What no sum exceeds."""
    needed: dict[Any, Any] = field(default_factory=dict)
    """Of each layer, by its place in the spec: 1 where it is and leads to no output, 2 where it
    leads to one in some use of its block.
    """


@dataclass
class _List:
    """The state of one list of layers."""

    site: tuple[Any, ...]
    rows: Rows
    where: Any
    """Which of all configurations these are; None for all."""
    args: Args
    shapes: dict[str, Any]
    """The numbers of the shapes that references stand for, 0 where there is none."""
    groups: dict[str, list[str]] = field(default_factory=dict)
    """What the names of layers with several outputs stand for."""
    times: dict[str, Any] = field(default_factory=dict)
    """How many copies there are of what is repeated."""
    taken: dict[str, list[tuple[str, Any]]] = field(default_factory=lambda: {"": []})
    """Which layers each one needs, and in which of the configurations; None for all. ``""`` are
    the outputs.
    """
    used: set[str] = field(default_factory=set)
    """Of layers with several outputs those that are taken, or are inputs that are handed on."""

    @property
    def count(self) -> int:
        return self.rows.count


class Layered:
    """A network whose totals are found layer by layer.

    Raises :class:`NotByLayers` where that can't be.
    """

    def __init__(self, spec: Spec, states: States) -> None:
        if spec.training_outputs:
            raise NotByLayers
        self.spec = spec
        self.pieces = Pieces(spec, states)
        several = [spec.layers, *(block.layers for block in spec.blocks.values())]
        taken = [
            each for layers in several for layer in layers.values() for each in layer.from_ or ()
        ]
        self.by_way = any("." in each or braced(each) for each in (*taken, *(spec.outputs or ())))
        """Whether something takes a part of a layer: a copy of it, or an output of several."""
        self.found = Found({}, None, None)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "found": Found({}, None, None)}

    def totals(self, codes: Sequence[Any], names: Sequence[str] = COLUMNS) -> Found:
        """Some totals of some configurations. Raises :class:`NotByLayers`, :class:`TooVarious`."""
        import numpy as np

        count = len(codes[0])
        rows = Rows(count)
        for (variable, place), k in self.pieces.steps.items():
            rows.own[variable, place] = Column(codes[k], self.pieces.choices[k])
        sums = {COLUMNS.index(name): np.zeros(count, np.int64) for name in (*names, "layers")}
        found = Found(sums, np.zeros(count, bool), np.zeros(count, bool))
        self.found = found
        whole = _List((), rows, None, {}, self.inputs(rows))
        self.layers(whole, self.spec.layers, next(iter(whole.shapes)))
        self.take(whole, "", self.spec.outputs or [next(reversed(self.spec.layers))])
        self.require_needed(whole, "")
        for number, requirement in enumerate(self.spec.requires):
            if not requirement.training:
                true = self.ask(whole, ("requires", number), requirement.that, whole.rows)
                fine = np.array([v is True for v in self.pieces.values.values])[true]
                self.flag(found.refused, whole.where, ~fine)
        # A layer that leads to no output wherever it is: the engine says what that means.
        for uses in found.needed.values():
            found.apart |= uses == 1
        found.apart |= sums[len(COLUMNS) - 1] > MOST_LAYERS
        if found.most >= 2**62:
            found.apart[:] = True
        return found

    @staticmethod
    def flag(flags: Any, where: Any, which: Any) -> None:
        """Note something of some configurations."""
        if where is None:
            flags |= which
        else:
            flags[where[which]] = True

    def inputs(self, rows: Rows) -> dict[str, Any]:
        import numpy as np

        pieces = self.pieces
        codes = pieces.tree("input").look_up(rows, rows.count, pieces.find_input)
        self.flag(
            self.found.refused, None, np.array([v == () for v in pieces.values.values])[codes]
        )
        found = {}
        for k, name in enumerate(self.spec.inputs):
            numbers = {c: pieces.values.values[c] for c in different(codes)}
            to = np.zeros(len(pieces.values.values), np.int64)
            for c, shapes in numbers.items():
                to[c] = pieces.shapes.number(shapes[k]) if shapes else 0
            found[name] = to[codes]
        return found

    def layers(self, here: _List, layers: Mapping[str, Layer], previous: str) -> None:
        for name, layer in layers.items():
            if name in here.shapes:
                raise NotByLayers
            self.pieces.require_plain(layer)
            here.taken[name] = []
            self.layer(here, name, layer, previous)
            previous = name

    def name(self, here: _List, name: str, layer: Layer, found: Sequence[Any]) -> None:
        """Let a name stand for the outputs of a layer."""
        results = self.pieces.results(layer)
        if len(found) != len(results):
            raise NotByLayers
        if len(found) == 1:
            here.shapes[name] = found[0]
        if results == [""] or not self.by_way:
            return
        ways = [f"{name}.{result}" for result in results]
        here.shapes.update(zip(ways, found, strict=True))
        if len(found) > 1:
            here.groups[name] = ways
            inputs = self.spec.blocks[layer.block or ""].sources
            here.used.update(w for w, result in zip(ways, results, strict=True) if result in inputs)

    def take(
        self,
        here: _List,
        name: str,
        references: Sequence[str],
        i: int | None = None,
        there: Any = None,
        always: int = 0,
    ) -> list[Any]:
        """The shapes that a layer takes.

        It needs them where it is ``there``, and the first few ``always``, which it stands for.
        """
        found: list[Any] = []
        for k, reference in enumerate(references):
            if braced(reference):
                mask = there if len(found) >= always else None
                found.append(self.chosen(here, name, k, reference, i, mask))
                continue
            for way in here.groups.get(reference) or [reference]:
                if way not in here.shapes:
                    raise NotByLayers
                self.need(here, name, way, there if len(found) >= always else None)
                found.append(here.shapes[way])
        return found

    def need(self, here: _List, name: str, way: str, there: Any) -> None:
        """Note that a layer takes another. One of many copies needs none that come after it."""
        here.used.add(way)
        root, _, rest = way.partition(".")
        number = rest.partition(".")[0]
        if number.isdigit() and root in here.times:
            last = here.times[root] == int(number) + 1
            there = last if there is None else there & last
        here.taken[name].append((root, there))

    def chosen(
        self, here: _List, name: str, k: int, reference: str, i: int | None, there: Any
    ) -> Any:
        """The shapes of what a reference means, which says itself which layer that is."""
        import numpy as np

        pieces = self.pieces
        rows = self.rows_of(here, [], i)
        find = pieces.reference_finder(reference, here.args, i is not None)
        codes = pieces.tree((*here.site, name, "from", k)).look_up(rows, rows.count, find)
        found = np.zeros(here.count, np.int64)
        for code in different(codes):
            way = pieces.values.values[code]
            if way in here.groups:
                raise NotByLayers
            if way not in here.shapes:
                continue  # there is no such layer
            which = codes == code
            found[which] = here.shapes[way][which]
            self.need(here, name, way, which if there is None else which & there)
        return found

    def rows_of(self, here: _List, taken: Sequence[Any], i: int | None) -> Rows:
        import numpy as np

        rows = Rows(here.count, here.rows)
        known = self.pieces.shapes.values
        rows.shapes = here.shapes, known
        for k, codes in enumerate(taken):
            rows.own["in", k] = Column(codes, known)
        if i is not None:
            rows.own["i"] = Column(np.full(rows.count, i, np.int64), list(range(i + 1)))
        return rows

    def layer(self, here: _List, name: str, layer: Layer, previous: str) -> None:
        """Add up a layer, and let its name stand for its outputs."""
        import numpy as np

        pieces = self.pieces
        values, rows = pieces.values.values, self.rows_of(here, [], None)
        there: Any = None
        if layer.when is not True:
            answers = self.ask(here, (*here.site, name, "when"), layer.when, rows)
            kinds = np.array([1 if v is True else 0 if v is False else -1 for v in values])[answers]
            self.flag(self.found.refused, here.where, kinds < 0)
            there = kinds == 1
        times: Any = None
        if layer.repeat is not None:
            answers = self.ask(here, (*here.site, name, "repeat"), layer.repeat, rows)
            numbers = [v if type(v) is int and v >= 0 else -1 for v in values]
            times = np.array(numbers, np.int64)[answers]
            self.flag(self.found.refused, here.where, times < 0)
            if there is not None:
                times = np.where(there, times, 0)
            if (times > MOST_REPEATED).any():
                raise NotByLayers
            there = times > 0
        if there is not None and there.all():
            there = None
        # One that is left out stands for the first of what it takes, and needs no others.
        references, width = layer.from_ or [previous], len(pieces.results(layer))
        counted = 0 if layer.counts_in_from else None
        taken = self.take(here, name, references, counted, there, width)
        if times is None:
            self.name(here, name, layer, self.present(here, name, layer, taken, there, None))
            return
        here.times[name] = times
        handed, others = taken[:width], taken[width:]
        if len(handed) < width or (layer.counts_in_from and here.groups.keys() & {*references}):
            raise NotByLayers
        for i in range(int(times.max(initial=0))):
            there = times > i
            if i and layer.counts_in_from:
                others = self.take(here, name, references[width:], i, there)
            handed = self.present(here, name, layer, [*handed, *others], there, i)
            if self.by_way:
                copy = [np.where(there, codes, 0) for codes in handed]
                self.name(here, f"{name}.{i}", layer, copy)
        self.name(here, name, layer, handed)

    def present(
        self, here: _List, name: str, layer: Layer, taken: list[Any], there: Any, i: int | None
    ) -> list[Any]:
        """One layer, or a copy of it, in those configurations in which it is there."""
        import numpy as np

        if there is None or there.all():
            return self.once(here, name, layer, taken, i)
        found = [codes.copy() for codes in taken[: len(self.pieces.results(layer))]]
        where = np.flatnonzero(there)
        if len(where):
            some = self.some(here, where)
            made = self.once(some, name, layer, [codes[where] for codes in taken], i)
            for codes, own in zip(found, made, strict=True):
                codes[where] = own
        return found

    def some(self, here: _List, where: Any) -> _List:
        outer = where if here.where is None else here.where[where]
        shapes = {name: codes[where] for name, codes in here.shapes.items()}
        return _List(here.site, here.rows.inside(where), outer, here.args, shapes, here.groups)

    def once(
        self, here: _List, name: str, layer: Layer, taken: list[Any], i: int | None
    ) -> list[Any]:
        """The outputs of a layer, which is added up."""
        import numpy as np

        pieces, site = self.pieces, (*here.site, name)
        rows = self.rows_of(here, taken, i)
        if layer.block is not None:
            kinds = [layer.block]
            if layer.block.startswith("="):
                codes = self.ask(here, (*site, "block"), layer.block, rows, i is not None)
                several = different(codes)
                kinds = [pieces.values.values[code] for code in several]
            into = [kind for kind in kinds if pieces.is_gone_into(kind, layer, here.args)]
            if len(into) == len(kinds) == 1:
                return self.inside(here, site, layer, into[0], taken, rows, i)
            if into:
                found = np.zeros(rows.count, np.int64)
                for code, kind in zip(several, kinds, strict=True):
                    where = np.flatnonzero(codes == code)
                    some, part = self.some(here, where), [each[where] for each in taken]
                    part_rows = self.rows_of(some, part, i)
                    (found[where],) = (
                        self.inside(some, site, layer, kind, part, part_rows, i)
                        if kind in into
                        else self.pieced(some, site, layer, part_rows, len(taken), i)
                    )
                return [found]
        return self.pieced(here, site, layer, rows, len(taken), i)

    def ask(self, here: _List, site: Any, written: Any, rows: Rows, counted: bool = False) -> Any:
        """The numbers of an expression's values."""
        find = self.pieces.finder(written, here.args, counted)
        return self.pieces.tree(site).look_up(rows, rows.count, find)

    def pieced(
        self,
        here: _List,
        site: tuple[Any, ...],
        layer: Layer,
        rows: Rows,
        taken: int,
        i: int | None,
    ) -> list[Any]:
        """A layer that is known by what it looks at: its shapes, its totals being added."""
        import numpy as np

        pieces, into = self.pieces, self.found
        find = pieces.saying(layer, here.args, i is not None)
        says = pieces.tree((*site, SAID)).look_up(rows, rows.count, find)
        rows.own[SAID] = Column(says, pieces.values.values)
        found = pieces.tree(site).look_up(rows, rows.count, pieces.piece_finder(layer, taken))
        vectors, outputs = pieces.arrays()
        into.most += int(vectors.max())
        width = 1
        if pieces.widest > 1:
            widths = {len(pieces.outputs[k]) for k in different(found) if k > APART}
            if len(widths) > 1:
                raise NotByLayers
            width = max(widths, default=len(pieces.results(layer)))
        first = int(found[0]) if len(found) else APART + 1
        alike = first > APART and bool((found == first).all())
        for k, sums in into.sums.items():
            adds = vectors[first, k] if alike else vectors[:, k].take(found)
            sums[slice(None) if here.where is None else here.where] += adds
        if alike:
            return [np.full(len(found), outputs[first, k]) for k in range(width)]
        if int(found.min(initial=APART + 1)) <= APART:
            for code, flags in ((REFUSED, into.refused), (APART, into.apart)):
                self.flag(flags, here.where, found == code)
        return [outputs[:, k].take(found) for k in range(width)]

    def inside(
        self,
        here: _List,
        site: tuple[Any, ...],
        layer: Layer,
        kind: str,
        taken: list[Any],
        rows: Rows,
        i: int | None,
    ) -> list[Any]:
        """A block that is gone into, with its arguments as columns."""
        block, values = self.spec.blocks[kind], self.pieces.values.values
        ports = block.ports(len(taken))
        if ports is None or layer.fields.keys() - block.args.keys():
            raise NotByLayers
        inner = Rows(rows.count, here.rows)
        args: dict[str, Late | None] = {}
        around = bound(here.args, i is not None)
        for key, value in layer.fields.items():
            late = self.pieces.late(value, around)
            if late is not None:
                late, places = late.inside((*site, kind, key))
                inner.own.update({own: rows(place) for own, place in places.items()})
            else:
                codes = self.ask(here, (*site, kind, ("arg", key)), value, rows, i is not None)
                inner.own["arg", key] = Column(codes, values)
            args[key] = late
        for key, default in block.args.items():
            if key not in args:
                if default is None:
                    raise NotByLayers
                args[key] = self.pieces.late(default, bound(args, False))
                if args[key] is None:
                    seen = _List((), inner, None, dict(args), {})
                    codes = self.ask(seen, (*site, kind, ("arg", key)), default, inner)
                    inner.own["arg", key] = Column(codes, values)
        within = _List((*site, kind), inner, here.where, args, dict(zip(ports, taken, strict=True)))
        self.layers(within, block.layers, next(iter(within.shapes)))
        found = self.take(within, "", block.results)
        self.require_needed(within, kind, ports)
        return found

    def require_needed(self, here: _List, block: str, inputs: Sequence[str] = ()) -> None:
        """Note which layers of a block, or of the network, lead to an output, and leave to the
        engine what has an input of a block that leads to none.
        """
        import numpy as np

        everywhere = np.ones(here.count, bool)
        needed = {"": everywhere}
        for name in ["", *reversed([name for name in here.taken if name])]:
            for source, which in here.taken[name] if name in needed else ():
                mask = needed[name] if which is None else needed[name] & which
                needed[source] = needed[source] | mask if source in needed else mask
        for name in inputs:
            self.flag(self.found.apart, here.where, ~needed[name] if name in needed else everywhere)
        for name in here.taken:
            if name:
                uses = self.found.needed.get((block, name))
                if uses is None:
                    uses = np.zeros(len(self.found.apart), np.int8)
                    self.found.needed[block, name] = uses
                one = needed[name] + np.int8(1) if name in needed else np.int8(1)
                where = slice(None) if here.where is None else here.where
                uses[where] = np.maximum(uses[where], one)
        for name, ways in here.groups.items():
            if name in here.taken and not here.used.issuperset(ways):
                raise NotByLayers
