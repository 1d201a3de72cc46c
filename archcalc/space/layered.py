"""Totals of many configurations of other structures at once, as sums over the network's layers.

It is what ``spec/outline.py`` does of one configuration, done of an array of them: layer by layer,
with what each stores and computes found by what it looks at (``tree.py``), the shapes that it takes
and a few choices. A block that looks at whole lists of choices is gone into, any other is a layer.
What can't be done so is left to the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from archcalc.analysis.analyze import sums
from archcalc.dims import Shape
from archcalc.errors import ArchcalcError, ExpressionError, ShapeError
from archcalc.operators import NAMES, operator
from archcalc.operators.base import KINDS, Applied, Work
from archcalc.space.states import LENGTH, States
from archcalc.space.trace import asked
from archcalc.space.tree import Column, Read, TooVarious, Tree
from archcalc.spec import expressions
from archcalc.spec.budget import Spent
from archcalc.spec.dependence import variables_of
from archcalc.spec.evaluation import MOST_AXES
from archcalc.spec.expand import Expansion
from archcalc.spec.expressions import is_expression
from archcalc.spec.memory import Memory, Piece
from archcalc.spec.model import Layer, Spec
from archcalc.spec.scope import Scope, Unknown, Wrong
from archcalc.values import exact

REFUSED, APART = 0, 1
"""Results: there is no network, and it has to be asked of the engine."""

COLUMNS = ("params", "buffers", "connections", "activations", "macs", "flops", "layers")
"""What is added up."""

MOST_LAYERS = 10_000
"""A network of more layers is left to the engine, which says whether it is too large."""

MOST_REPEATED = 1_000
"""Repetitions of a layer; more are left to the engine."""


class NotByLayers(Exception):
    """The network can't be worked out layer by layer."""


class Interned:
    """Values by number."""

    def __init__(self, *values: Any) -> None:
        self.values: list[Any] = list(values)
        self._numbers: dict[Hashable, int] = {exact(v): k for k, v in enumerate(values)}

    def number(self, value: Any) -> int:
        key = exact(value)
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.values)
            self.values.append(value)
        return found


class _Listed(tuple[Any, ...]):
    """A list of choices, each of which is looked at by itself."""

    read: Read
    variable: str
    places: Sequence[int]
    length: int | None

    def __len__(self) -> int:
        return self.read((self.variable, LENGTH)) if self.length is None else self.length

    def __getitem__(self, place: Any) -> Any:
        return self.read((self.variable, place if place >= 0 else len(self) + place))

    def __iter__(self) -> Iterator[Any]:
        return (self[k] for k in range(len(self)))

    def __contains__(self, value: object) -> bool:
        return any(each == value for each in self)


class Names(Mapping[str, Any]):
    """What expressions see of a configuration: each name is looked at when it is asked for."""

    def __init__(self, layered: Layered, read: Read, args: Sequence[str], counted: bool) -> None:
        self.layered, self.read, self.args, self.counted = layered, read, args, counted

    def __getitem__(self, name: str) -> Any:
        if name in self.args:
            return self.read(("arg", name))
        if name == "i" and self.counted:
            return self.read("i")
        return self.layered.variable(name, self)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self.args, *self.layered.spec.vars]))

    def __len__(self) -> int:
        return len(list(iter(self)))


class Rows:
    """The places of some configurations, as columns; part of others, or with more of them."""

    def __init__(self, count: int, around: Rows | None = None, where: Any = None) -> None:
        self.count, self.around, self.where = count, around, where
        self.own: dict[Hashable, Column] = {}

    def __call__(self, place: Hashable) -> Column:
        found = self.own.get(place)
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


@dataclass
class Found:
    """The totals of some configurations, and which have none or are the engine's to count."""

    sums: Any
    refused: Any
    apart: Any
    most: int = 0
    """What no sum exceeds."""


@dataclass
class _List:
    """The state of one list of layers."""

    site: tuple[Any, ...]
    rows: Rows
    where: Any
    """Which of all configurations these are; None for all."""
    args: tuple[str, ...]
    shapes: dict[str, Any]
    """The numbers of the shapes that names stand for."""
    sources: dict[str, list[str]] = field(default_factory=dict)


class Layered:
    """A network whose totals are found layer by layer; it remembers what it has worked out.

    Raises :class:`NotByLayers` where that can't be.
    """

    def __init__(self, spec: Spec, states: States) -> None:
        if spec.training_outputs:
            raise NotByLayers
        self.spec = spec
        self.steps = {(step.variable, step.place): k for k, step in enumerate(states.steps)}
        self.choices = states.values
        self.listed: dict[str, int | None] = {}
        """The variables that are lists of choices, and how long each is where that is known."""
        self.single: set[str] = set()
        for variable, place in self.steps:
            if place is None:
                self.single.add(variable)
            elif place == LENGTH:
                self.listed[variable] = None
            elif self.listed.get(variable, 0) is not None:
                self.listed[variable] = place + 1
        for name, value in spec.vars.items():
            if value is None and name not in self.single and name not in self.listed:
                raise NotByLayers
        self.lists = self._lists()
        self.trees: dict[Hashable, Tree] = {}
        self.shapes = Interned(None)
        self.values = Interned()
        self.memory = Memory()
        self.pieces: dict[Hashable, int] = {}
        self.vectors: list[tuple[int, ...]] = [(0,) * len(COLUMNS)] * 2
        self.out: list[int] = [0, 0]
        """Of each piece the number of its output's shape."""
        self.made = 0
        """How many pieces were worked out."""
        self.most_made = 2**62
        self._arrays: tuple[int, Any, Any] = (0, None, None)

    def _lists(self) -> set[str]:
        """The names that depend on a list of choices."""
        found = set(self.listed)
        for _ in self.spec.vars:
            before = len(found)
            for name, value in self.spec.vars.items():
                if name in self.single or name in found or not is_expression(value):
                    continue
                if expressions.parse(value[1:]).names & found:
                    found.add(name)
            if len(found) == before:
                break
        return found

    def variable(self, name: str, names: Names) -> Any:
        """The value of a variable of the network."""
        if name in self.single:
            return names.read((name, None))
        if name in self.listed:
            listed = _Listed()
            listed.read, listed.variable, listed.length = names.read, name, self.listed[name]
            return listed
        value = self.spec.vars[name]
        return self.evaluate(value, Names(self, names.read, (), False), None)

    def evaluate(self, written: Any, names: Mapping[str, Any], shape_of: Any) -> Any:
        if isinstance(written, str) and written.startswith("="):
            return _plain(expressions.parse(written[1:])(names, shape_of))
        if isinstance(written, (list, tuple)):
            return tuple([self.evaluate(item, names, shape_of) for item in written])
        return written

    def totals(self, codes: Sequence[Any]) -> Found:
        """The totals of some configurations. Raises :class:`NotByLayers`, :class:`TooVarious`."""
        import numpy as np

        count = len(codes[0])
        rows = Rows(count)
        for (variable, place), k in self.steps.items():
            rows.own[variable, place] = Column(codes[k], self.choices[k])
        found = Found(
            np.zeros((count, len(COLUMNS)), np.int64), np.zeros(count, bool), np.zeros(count, bool)
        )
        self.found = found
        shapes = self.inputs(rows)
        whole = _List((), rows, None, (), shapes)
        previous = next(iter(shapes))
        self.layers(whole, self.spec.layers, previous)
        self.require_needed(whole, self.spec.outputs or [next(reversed(self.spec.layers))])
        for number, requirement in enumerate(self.spec.requires):
            if not requirement.training:
                true = self.ask(whole, ("requires", number), requirement.that, whole.rows)
                self.flag(whole.where, np.array([v is True for v in self.values.values])[true])
        found.apart |= found.sums[:, -1] > MOST_LAYERS
        if found.most >= 2**62:
            found.apart[:] = True
        return found

    def flag(self, where: Any, fine: Any) -> None:
        """Note that those that are not fine are no networks."""
        if where is None:
            self.found.refused |= ~fine
        else:
            self.found.refused[where[~fine]] = True

    def tree(self, site: Hashable) -> Tree:
        found = self.trees.get(site)
        if found is None:
            found = self.trees[site] = Tree()
        return found

    def inputs(self, rows: Rows) -> dict[str, Any]:
        import numpy as np

        names_of = list(self.spec.inputs)
        codes = self.tree("input").look_up(rows, rows.count, self.find_input)
        self.flag(None, np.array([v != () for v in self.values.values])[codes])
        found = {}
        for k, name in enumerate(names_of):
            numbers = {c: self.values.values[c] for c in np.unique(codes).tolist()}
            to = np.zeros(len(self.values.values), np.int64)
            for c, shapes in numbers.items():
                to[c] = self.shapes.number(shapes[k]) if shapes else 0
            found[name] = to[codes]
        return found

    def find_input(self, read: Read) -> int:
        """The number of the input's shapes of one configuration."""
        free = [name for name in self.single if name not in self.spec.vars and name in _FREE]
        question = asked(self.spec, {name: read((name, None)) for name in free})
        expansion = Expansion(self.spec, frozenset(), False, Memory())
        expansion.names = Names(self, read, (), False)
        try:
            shapes = expansion.input_shapes(question)
        except (Wrong, Unknown, ExpressionError):
            return self.values.number(())
        return self.values.number(tuple(shapes[name] for name in self.spec.inputs))

    def layers(self, here: _List, layers: Mapping[str, Layer], previous: str) -> None:
        for name, layer in layers.items():
            if layer.share is not None or layer.parallel is not None or name in here.shapes:
                raise NotByLayers
            references = layer.from_ or [previous]
            for reference in references:
                if reference not in here.shapes:
                    raise NotByLayers
            here.sources[name] = list(references)
            here.shapes[name] = self.layer(here, name, layer, [here.shapes[r] for r in references])
            previous = name

    def rows_of(self, here: _List, taken: Sequence[Any], i: int | None) -> Rows:
        import numpy as np

        rows = Rows(here.rows.count, here.rows)
        for k, codes in enumerate(taken):
            rows.own["in", k] = Column(codes, self.shapes.values)
        for name, codes in here.shapes.items():
            rows.own["shape", name] = Column(codes, self.shapes.values)
        if i is not None:
            rows.own["i"] = Column(np.full(rows.count, i, np.int64), list(range(i + 1)))
        return rows

    def layer(self, here: _List, name: str, layer: Layer, taken: list[Any]) -> Any:
        """The numbers of the shapes that a layer's name stands for."""
        import numpy as np

        present: Any = None
        if layer.when is not True:
            rows = self.rows_of(here, taken, None)
            answers = self.ask(here, (*here.site, name, "when"), layer.when, rows)
            kinds = np.array(
                [1 if v is True else 0 if v is False else -1 for v in self.values.values]
            )
            present = kinds[answers]
            self.flag(here.where, present >= 0)
            present = present == 1
        times: Any = None
        if layer.repeat is not None:
            rows = self.rows_of(here, taken, None)
            answers = self.ask(here, (*here.site, name, "repeat"), layer.repeat, rows)
            kinds = np.array(
                [v if type(v) is int and v >= 0 else -1 for v in self.values.values], np.int64
            )
            times = kinds[answers]
            self.flag(here.where, times >= 0)
            if present is not None:
                times = np.where(present, times, 0)
            if (times > MOST_REPEATED).any():
                raise NotByLayers
            present = times > 0
        if present is not None and not present.all() and len(taken) != 1:
            absent = np.flatnonzero(~present)
            self.found.apart[absent if here.where is None else here.where[absent]] = True
        if times is None:
            return self.present(here, name, layer, taken, present, None)
        handed = taken[0]
        for i in range(int(times.max(initial=0))):
            handed = self.present(here, name, layer, [handed, *taken[1:]], times > i, i)
        return handed

    def present(
        self, here: _List, name: str, layer: Layer, taken: list[Any], there: Any, i: int | None
    ) -> Any:
        """One layer, or a copy of it, in those configurations in which it is there."""
        import numpy as np

        if there is None or there.all():
            return self.once(here, name, layer, taken, i)
        shapes = taken[0].copy()
        where = np.flatnonzero(there)
        if len(where):
            some = self.some(here, where)
            shapes[where] = self.once(some, name, layer, [codes[where] for codes in taken], i)
        return shapes

    def some(self, here: _List, where: Any) -> _List:
        outer = where if here.where is None else here.where[where]
        shapes = {name: codes[where] for name, codes in here.shapes.items()}
        return _List(here.site, here.rows.inside(where), outer, here.args, shapes)

    def once(self, here: _List, name: str, layer: Layer, taken: list[Any], i: int | None) -> Any:
        import numpy as np

        site = (*here.site, name)
        rows = self.rows_of(here, taken, i)
        if layer.block is not None:
            kinds = [layer.block]
            if layer.block.startswith("="):
                codes = self.ask(here, (*site, "block"), layer.block, rows, i is not None)
                several = np.unique(codes).tolist()
                kinds = [self.values.values[code] for code in several]
            into = [kind for kind in kinds if self.is_gone_into(kind)]
            if len(into) == len(kinds) == 1:
                return self.inside(here, site, layer, into[0], taken, rows, i)
            if into:
                shapes = np.zeros(rows.count, np.int64)
                for code, kind in zip(several, kinds, strict=True):
                    where = np.flatnonzero(codes == code)
                    some, part = self.some(here, where), [each[where] for each in taken]
                    part_rows = self.rows_of(some, part, i)
                    shapes[where] = (
                        self.inside(some, site, layer, kind, part, part_rows, i)
                        if kind in into
                        else self.pieced(some, site, layer, part_rows, len(taken), i)
                    )
                return shapes
        return self.pieced(here, site, layer, rows, len(taken), i)

    def is_gone_into(self, kind: Any) -> bool:
        """Whether a block looks at lists of choices, which are too many to be known by heart."""
        if kind not in self.spec.blocks:
            return False
        return bool(variables_of(self.spec, kind) & self.lists)

    def ask(
        self, here: _List, site: Hashable, written: Any, rows: Rows, counted: bool = False
    ) -> Any:
        """The numbers of an expression's values."""
        find = self.finder(written, here.args, counted)
        return self.tree(site).look_up(rows, rows.count, find)

    def finder(self, written: Any, args: Sequence[str], counted: bool) -> Callable[[Read], int]:
        """What works out an expression of one configuration."""

        def find(read: Read) -> int:
            names = Names(self, read, args, counted)
            try:
                return self.values.number(self.evaluate(written, names, _shapes(read)))
            except (ArchcalcError, _NoShape, KeyError, TypeError):
                return self.values.number(("amiss",))

        return find

    def pieced(
        self,
        here: _List,
        site: tuple[Any, ...],
        layer: Layer,
        rows: Rows,
        taken: int,
        i: int | None,
    ) -> Any:
        """A layer that is known by what it looks at: its shapes, its totals being added."""
        import numpy as np

        find = self.piece_finder(layer, taken, here.args, i is not None)
        found = self.tree(site).look_up(rows, rows.count, find)
        size, vectors, out = self._arrays
        if size != len(self.vectors):
            vectors, out = np.array(self.vectors, np.int64), np.array(self.out, np.int64)
            self._arrays = len(self.vectors), vectors, out
        into = self.found
        into.most += int(vectors.max())
        first = int(found[0]) if len(found) else APART + 1
        if first > APART and (found == first).all():
            if here.where is None:
                into.sums += vectors[first]
            else:
                into.sums[here.where] += vectors[first]
            return np.full(len(found), out[first])
        if here.where is None:
            into.sums += vectors[found]
        else:
            into.sums[here.where] += vectors[found]
        if int(found.min(initial=APART + 1)) <= APART:
            for code, flags in ((REFUSED, into.refused), (APART, into.apart)):
                which = np.flatnonzero(found == code)
                flags[which if here.where is None else here.where[which]] = True
        return out[found]

    def piece_finder(
        self, layer: Layer, taken: int, args: Sequence[str], counted: bool
    ) -> Callable[[Read], int]:
        """What works out a layer of one configuration: the number of its piece."""

        def find(read: Read) -> int:
            names = Names(self, read, args, counted)
            shapes = tuple([read(("in", k)) for k in range(taken)])
            if None in shapes:
                return REFUSED
            try:
                kind = self.evaluate(layer.block or layer.op, names, _shapes(read))
                fields = {
                    key: self.evaluate(value, names, _shapes(read))
                    if key in layer.computed
                    else value
                    for key, value in layer.fields.items()
                }
                plain = Names(self, read, (), False)
                named: dict[str, Any] = {}
                if layer.block is not None:
                    if kind not in self.spec.blocks:
                        return REFUSED
                    named = {n: _plain(plain[n]) for n in sorted(variables_of(self.spec, kind))}
            except (ArchcalcError, _NoShape, KeyError, TypeError):
                return REFUSED
            return self.piece(layer.block is not None, kind, fields, shapes, named)

        return find

    def piece(
        self,
        is_block: bool,
        kind: Any,
        fields: Mapping[str, Any],
        shapes: tuple[Shape, ...],
        named: Mapping[str, Any],
    ) -> int:
        """A layer, or a block with all that is in it, on inputs of some shapes: its number."""
        given = tuple([(key, exact(value)) for key, value in fields.items()])
        values = tuple([(key, exact(value)) for key, value in named.items()])
        key: Hashable = (is_block, kind, given, shapes, values)
        found = self.pieces.get(key)
        if found is None:
            self.made += 1
            if self.made > self.most_made:
                raise TooVarious
            try:
                applied, shape = (
                    self.block(kind, fields, shapes, named)
                    if is_block
                    else self.operator(kind, fields, shapes)
                )
                found = self.keep(applied, shape)
            except (Wrong, ShapeError, ExpressionError, ValidationError, Unknown):
                found = REFUSED
            except (NotByLayers, Spent):
                found = APART
            self.pieces[key] = found
        return found

    def keep(self, applied: Sequence[Applied], shape: Shape) -> int:
        params, buffers, connections, activations, *work = sums(Piece(tuple(applied), shape, 0, {}))
        done = Work(*work[: len(KINDS) + 1])
        numbers = (params, buffers, connections, activations, done.macs, done.flops, len(applied))
        if max(numbers) >= 2**62:
            raise NotByLayers
        self.vectors.append(numbers)
        self.out.append(self.shapes.number(shape))
        return len(self.vectors) - 1

    def operator(
        self, kind: Any, fields: Mapping[str, Any], shapes: tuple[Shape, ...]
    ) -> tuple[list[Applied], Shape]:
        if kind not in NAMES:
            raise NotByLayers
        op = operator(kind)(**fields)
        least, most = op.arity
        if len(shapes) < least or (most is not None and len(shapes) > most):
            raise Wrong("takes another number of inputs")
        applied = Applied.to(op, *shapes)
        if len(applied.shape) > MOST_AXES:
            raise Wrong("has too many axes")
        return [applied], applied.shape

    def block(
        self,
        kind: str,
        fields: Mapping[str, Any],
        shapes: tuple[Shape, ...],
        named: Mapping[str, Any],
    ) -> tuple[list[Applied], Shape]:
        block = self.spec.blocks[kind]
        if block.ports(len(shapes)) is None or fields.keys() - block.args.keys():
            raise Wrong("takes other inputs or arguments")
        expansion = Expansion(self.spec, frozenset(), False, self.memory)
        expansion.names, expansion.remembering = named, True
        scope = Scope(named, {f"x{k}": (shape, "") for k, shape in enumerate(shapes)})
        args = dict(fields)
        for key, default in block.args.items():
            if key not in args:
                if default is None:
                    raise Wrong("needs an argument")
                args[key] = expansion.evaluate(default, {**named, **args}, None, ())
        sources = [-1 - k for k in range(len(shapes))]
        template = expansion.template(kind, block, args, scope, "x", sources, ())
        if expansion.problems:
            raise Wrong("has problems")
        nodes = template.nodes
        applied = [node.applied for node in nodes if node.applied is not None]
        (output, *others) = template.outputs
        if others or not 0 <= output < len(nodes) or len(applied) < len(nodes):
            raise NotByLayers
        led = {output}
        for k in range(len(nodes) - 1, -1, -1):
            if k in led:
                led.update(nodes[k].inputs)
        tied = any(node.share is not None or node.spare for node in nodes)
        known = all(each.op.counted for each in applied)
        if tied or not known or not led.issuperset(range(len(nodes))):
            raise NotByLayers
        return applied, applied[output].shape

    def inside(
        self,
        here: _List,
        site: tuple[Any, ...],
        layer: Layer,
        kind: str,
        taken: list[Any],
        rows: Rows,
        i: int | None,
    ) -> Any:
        """A block that is gone into, with its arguments as columns."""
        block = self.spec.blocks[kind]
        ports = block.ports(len(taken))
        if ports is None or layer.fields.keys() - block.args.keys() or block.outputs:
            raise NotByLayers
        inner = Rows(rows.count, here.rows)
        args: list[str] = []
        for key, value in layer.fields.items():
            codes = self.ask(here, (*site, kind, key), value, rows, i is not None)
            inner.own["arg", key] = Column(codes, self.values.values)
            args.append(key)
        for key, default in block.args.items():
            if key not in args:
                if default is None:
                    raise NotByLayers
                seen = _List((), inner, None, tuple(args), {})
                codes = self.ask(seen, (*site, kind, key), default, inner)
                inner.own["arg", key] = Column(codes, self.values.values)
                args.append(key)
        shapes = dict(zip(ports, taken, strict=True))
        within = _List((*site, kind), inner, here.where, tuple(args), shapes)
        self.layers(within, block.layers, next(iter(shapes)))
        self.require_needed(within, block.results)
        (output,) = block.results
        return within.shapes[output]

    def require_needed(self, here: _List, outputs: Sequence[str]) -> None:
        """Leave to the engine what has a layer that leads to no output: it says what that means.

        A layer that may be left out stands for its only source, so that what leads to it is the
        same with it and without it.
        """
        needed, pending = set[str](), list(outputs)
        while pending:
            name = pending.pop()
            if name not in here.shapes:
                raise NotByLayers
            if name not in needed:
                needed.add(name)
                pending += here.sources.get(name, ())
        if not here.sources.keys() <= needed:
            raise NotByLayers


_FREE = ("side", "H", "W", "N", "batch")


class _NoShape(Exception):
    pass


def _shapes(read: Read) -> Callable[[str], Shape]:
    def shape_of(reference: str) -> Shape:
        found: Shape | None = read(("shape", reference))
        if found is None:
            raise _NoShape
        return found

    return shape_of


def _plain(value: Any) -> Any:
    """A value with lists as tuples."""
    return tuple(map(_plain, value)) if isinstance(value, (list, tuple)) else value
