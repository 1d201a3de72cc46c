"""What a layer is in many configurations: its totals and its output's shapes, found by what it
looks at (``tree.py``), and worked out by the engine once for each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import ValidationError

from archcalc.analysis.analyze import sums
from archcalc.dims import Shape
from archcalc.errors import ArchcalcError, ExpressionError, ShapeError
from archcalc.operators import NAMES, operator
from archcalc.operators.base import KINDS, Applied, Work
from archcalc.space.seen import (
    Args,
    Interned,
    Late,
    Listed,
    Names,
    NotByLayers,
    bound,
    is_list,
)
from archcalc.space.states import LENGTH, States
from archcalc.space.trace import asked
from archcalc.space.tree import Read, TooVarious, Tree
from archcalc.spec import expressions
from archcalc.spec.budget import Spent
from archcalc.spec.dependence import variables_of
from archcalc.spec.evaluation import MOST_AXES
from archcalc.spec.expand import Expansion
from archcalc.spec.expressions import is_expression, parse
from archcalc.spec.layer import Layer
from archcalc.spec.memory import Memory, Piece
from archcalc.spec.model import Spec
from archcalc.spec.scope import NOTHING, Scope, Unknown, Wrong
from archcalc.spec.space import BATCH, EXTENTS
from archcalc.values import as_tuples, exact

REFUSED, APART = 0, 1
"""Results: there is no network, and it has to be asked of the engine."""

SAID = ("said",)
"""The place of what a layer says of itself."""

AMISS = ("amiss",)
"""The value of an expression that has none."""

COLUMNS = ("params", "buffers", "connections", "activations", "macs", "flops", "layers")
"""What is added up."""


class Pieces:
    """What the layers of a network are; it remembers what it has worked out.

    Raises :class:`NotByLayers` where that can't be.
    """

    def __init__(self, spec: Spec, states: States) -> None:
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
        self.variables: Collection[str] = tuple(spec.vars)
        self.lists = self._lists()
        self.trees: dict[Hashable, Tree] = {}
        self.shapes = Interned(None)
        self.values = Interned()
        self.memory = Memory()
        self.known: dict[Hashable, int] = {}
        self.vectors: list[tuple[int, ...]] = [(0,) * len(COLUMNS)] * 2
        """Of each piece what it adds to the totals."""
        self.outputs: list[tuple[int, ...]] = [(), ()]
        """Of each piece the numbers of its outputs' shapes."""
        self.widest = 1
        self.made = 0
        """How many pieces were worked out."""
        self.most_made = 2**62
        self._arrays: tuple[int, Any, Any] = (0, None, None)

    def __getstate__(self) -> dict[str, Any]:
        """What workers are sent: all results, and not what they were made of."""
        return {**vars(self), "memory": Memory(), "_arrays": (0, None, None)}

    def _lists(self) -> set[str]:
        """The names that depend on a list of choices."""
        found = set(self.listed)
        for _ in self.spec.vars:
            before = len(found)
            for name, value in self.spec.vars.items():
                if name in self.single or name in found or not is_expression(value):
                    continue
                if parse(value[1:]).names & found:
                    found.add(name)
            if len(found) == before:
                break
        return found

    def variable(self, name: str, read: Read) -> Any:
        """The value of a variable of the network."""
        if name in self.single:
            return read((name, None))
        if name in self.listed:
            listed = Listed()
            listed.read, listed.variable, listed.length = read, name, self.listed[name]
            return listed
        value = self.spec.vars[name]
        if is_expression(value):
            return parse(value[1:])(Names(self, read, {}), None)
        return self.evaluate(value, Names(self, read, {}), None)

    def evaluate(self, written: Any, names: Mapping[str, Any], shape_of: Any) -> Any:
        if is_expression(written):
            return as_tuples(parse(written[1:])(names, shape_of))
        if isinstance(written, (list, tuple)):
            return tuple([self.evaluate(item, names, shape_of) for item in written])
        if isinstance(written, dict):
            return {key: self.evaluate(each, names, shape_of) for key, each in written.items()}
        return written

    def tree(self, site: Hashable) -> Tree:
        found = self.trees.get(site)
        if found is None:
            found = self.trees[site] = Tree()
        return found

    def find_input(self, read: Read) -> int:
        """The number of the input's shapes of one configuration."""
        free = [name for name in self.single if name not in self.spec.vars and name in _FREE]
        question = asked(self.spec, {name: read((name, None)) for name in free})
        expansion = Expansion(self.spec, frozenset(), False, Memory())
        expansion.names = Names(self, read, {})
        try:
            shapes = expansion.input_shapes(question)
        except (Wrong, Unknown, ExpressionError):
            return self.values.number(())
        return self.values.number(tuple(shapes[name] for name in self.spec.inputs))

    def is_gone_into(self, kind: Any, layer: Layer, args: Args) -> bool:
        """Whether a block looks at lists of choices, which are too many to be known by heart."""
        if kind not in self.spec.blocks:
            return False
        if not self.lists.isdisjoint(self.named(kind)):
            return True
        lists = self.lists | {name for name, late in args.items() if late is not None}
        return any(is_list(layer.fields[key], lists) for key in layer.computed)

    def late(self, written: Any, around: Mapping[str, Any]) -> Late | None:
        """An argument that is a list of choices; ``around`` is where names are looked at."""
        lists = self.lists | {name for name, place in around.items() if isinstance(place, Late)}
        if not is_list(written, lists):
            return None
        expression = parse(written[1:])
        return Late(expression, {n: around[n] for n in expression.names if n in around})

    def finder(self, written: Any, args: Args, counted: bool) -> Callable[[Read], int]:
        """What works out an expression of one configuration: the number of its value."""
        return self.numbered(partial(self.evaluate, written), args, counted)

    def numbered(
        self, evaluate: Callable[[Mapping[str, Any], Any], Any], args: Args, counted: bool
    ) -> Callable[[Read], int]:
        def find(read: Read) -> int:
            try:
                value = evaluate(Names(self, read, bound(args, counted)), _shapes(read))
            except (ArchcalcError, _NoShape, KeyError, TypeError):
                value = AMISS
            return self.values.number(value)

        return find

    def reference_finder(self, reference: str, args: Args, counted: bool) -> Callable[[Read], int]:
        """What works out which layer is meant by a reference with expressions in it."""

        def filled(names: Mapping[str, Any], shape_of: Any) -> Any:
            return expressions.fill(
                reference, lambda text: self.evaluate(f"={text}", names, shape_of)
            )

        return self.numbered(filled, args, counted)

    def saying(self, layer: Layer, args: Args, counted: bool) -> Callable[[Read], int]:
        """What works out what a layer says of itself: the number of its kind, its fields' values,
        and those of the variables that its block names.
        """

        def said(names: Any, shape_of: Any) -> Any:
            kind = self.evaluate(layer.block or layer.op, names, shape_of)
            fields = {
                key: self.evaluate(value, names, shape_of) if key in layer.computed else value
                for key, value in layer.fields.items()
            }
            own = Names(self, names.read, {})
            named = self.named(kind) if layer.block is not None else ()
            return kind, fields, {name: as_tuples(own[name]) for name in named}

        return self.numbered(said, args, counted)

    def named(self, kind: str) -> list[str]:
        """The variables that a block names, in order. Raises ``KeyError`` for what is no block."""
        found = self.memory.named.get(kind)
        if found is None:
            _ = self.spec.blocks[kind]
            found = self.memory.named[kind] = variables_of(self.spec, kind)
        return sorted(found)

    def piece_finder(self, layer: Layer, taken: int) -> Callable[[Read], int]:
        """What works out a layer of one configuration, what it says of itself being at ``SAID``:
        the number of its piece.
        """

        def find(read: Read) -> int:
            shapes = tuple([read(("in", k)) for k in range(taken)])
            said = read(SAID)
            if None in shapes or said == AMISS:
                return REFUSED
            kind, fields, named = said
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
        found = self.known.get(key)
        if found is None:
            self.made += 1
            if self.made > self.most_made:
                raise TooVarious
            try:
                found = self.keep(
                    *self.block(kind, fields, shapes, named)
                    if is_block
                    else self.operator(kind, fields, shapes)
                )
            except (Wrong, ShapeError, ExpressionError, ValidationError, Unknown):
                found = REFUSED
            except (NotByLayers, Spent):
                found = APART
            self.known[key] = found
        return found

    def keep(self, applied: Sequence[Applied], shapes: Sequence[Shape]) -> int:
        piece = Piece(tuple(applied), shapes[0], 0, {})
        params, buffers, connections, activations, *work = sums(piece)
        done = Work(*work[: len(KINDS) + 1])
        numbers = (params, buffers, connections, activations, done.macs, done.flops, len(applied))
        if max(numbers) >= 2**62:
            raise NotByLayers
        self.vectors.append(numbers)
        self.outputs.append(tuple(map(self.shapes.number, shapes)))
        self.widest = max(self.widest, len(shapes))
        return len(self.vectors) - 1

    def operator(
        self, kind: Any, fields: Mapping[str, Any], shapes: tuple[Shape, ...]
    ) -> tuple[list[Applied], list[Shape]]:
        if kind not in NAMES:
            raise NotByLayers
        op = operator(kind)(**fields)
        least, most = op.arity
        if len(shapes) < least or (most is not None and len(shapes) > most):
            raise Wrong("takes another number of inputs")
        applied = Applied.to(op, *shapes)
        if len(applied.shape) > MOST_AXES:
            raise Wrong("has too many axes")
        return [applied], [applied.shape]

    def block(
        self,
        kind: str,
        fields: Mapping[str, Any],
        shapes: tuple[Shape, ...],
        named: Mapping[str, Any],
    ) -> tuple[list[Applied], list[Shape]]:
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
        template = expansion.template(kind, block, args, scope, "x", sources, NOTHING, ())
        if expansion.problems:
            raise Wrong("has problems")
        nodes = template.nodes
        applied = [node.applied for node in nodes if node.applied is not None]
        if len(applied) < len(nodes):
            raise NotByLayers
        led = {*template.outputs}
        for k in range(len(nodes) - 1, -1, -1):
            if k in led:
                led.update(nodes[k].inputs)
        tied = any(node.share is not None or node.spare for node in nodes)
        known = all(each.op.counted for each in applied)
        # Of an input that leads nowhere, the engine says what that means.
        if tied or not known or not led.issuperset(range(-len(shapes), len(nodes))):
            raise NotByLayers
        return applied, [applied[k].shape if k >= 0 else shapes[-1 - k] for k in template.outputs]

    def arrays(self) -> tuple[Any, Any]:
        """What all pieces add, and their outputs' shapes, 0 where there are fewer."""
        import numpy as np

        size, vectors, outputs = self._arrays
        if size != len(self.vectors):
            vectors = np.array(self.vectors, np.int64, order="F")
            rows = [(*numbers, *[0] * (self.widest - len(numbers))) for numbers in self.outputs]
            outputs = np.array(rows, np.int64, order="F")
            self._arrays = len(self.vectors), vectors, outputs
        return vectors, outputs

    def require_plain(self, layer: Layer) -> None:
        """Raise :class:`NotByLayers` where a layer takes more than it says itself."""
        beyond = layer.share is not None or layer.parallel is not None or layer.counts_in_when
        if beyond or layer.block in self.spec.document.around:
            raise NotByLayers

    def results(self, layer: Layer) -> list[str]:
        """The references, in a block, to its outputs; ``""`` where it is open which block it is."""
        if layer.block is None or layer.block.startswith("="):
            return [""]
        return self.spec.blocks[layer.block].results


_FREE = (*EXTENTS, *BATCH)


class _NoShape(Exception):
    pass


def _shapes(read: Read) -> Callable[[str], Shape]:
    def shape_of(reference: str) -> Shape:
        found: Shape | None = read(("shape", reference))
        if found is None:
            raise _NoShape
        return found

    return shape_of
