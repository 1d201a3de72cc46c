"""The layers of a network one by one, without the layers in its blocks.

Who asks for totals, of one network after the other or of one with thousands of layers, needs no
copies of layers: what a layer or a block adds to them is known once it met the same shapes with the
same arguments, earlier or in the same network. An outline is made of such pieces alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from archcalc.dims import Shape
from archcalc.errors import ExpressionError
from archcalc.operators.base import Applied
from archcalc.spec import expressions
from archcalc.spec.budget import LOOKED_AT, MOST_STEPS, TAKEN, TIED, WRITTEN, Spent
from archcalc.spec.expand import Expansion, records
from archcalc.spec.layer import Layer
from archcalc.spec.making import MOST_EDGES, MOST_NODES
from archcalc.spec.memory import Memory, Piece
from archcalc.spec.model import Spec
from archcalc.spec.question import Question
from archcalc.spec.scope import Scope, Unknown, Wrong

AROUND = 5 * LOOKED_AT
"""Steps of a piece besides those of what is in it, and those of its inputs; more than there are."""


class Tie(NamedTuple):
    """A layer that uses the tensors of an earlier one."""

    owner: str
    tensors: frozenset[str]
    """Their names."""
    applied: Applied


class Outline(NamedTuple):
    """A network as pieces, each as often as it is there."""

    pieces: list[Piece]
    ties: list[Tie]
    variables: Mapping[str, Any]


class _Missing(Exception):
    """Something has to be expanded first, or always."""


class _Place(Scope):
    """Where a layer stands that is made by itself: expressions see the layers before it."""

    def __init__(
        self, names: Mapping[str, Any], taken: Sequence[Shape], shape_of: Callable[[str], Shape]
    ) -> None:
        super().__init__(names, {f"{k}": (shape, "") for k, shape in enumerate(taken)})
        self.before = shape_of

    def shape_of(self, reference: str) -> Shape:
        return self.before(reference)


def outline(spec: Spec, question: Question, *, making: bool = False) -> Outline | None:
    """The pieces of a network; None where it has to be expanded: because its layers are not the
    sum of it, because something is wrong or too large, which the expansion says, or for the first
    time, unless what is missing is to be made.
    """
    if spec.training_outputs or spec.freezes or (spec.requires and question.training):
        return None
    if records(question) or any(layer.parallel is not None for layer in spec.layers.values()):
        return None
    memory = spec.home.take()
    try:
        return _Outline(Expansion(spec, frozenset(), False, memory), making).found(question)
    except (_Missing, Wrong, Unknown, Spent, ExpressionError, TypeError):
        return None
    finally:
        spec.home.bring_back(memory)


class _Outline:
    """The state of one: the outputs so far, by the names of the layers."""

    def __init__(self, expansion: Expansion, making: bool) -> None:
        self.expansion = expansion
        self.making = making
        self.memory: Memory = expansion.memory
        self.shapes: dict[str, Shape] = {}
        self.sources: dict[str, list[str]] = {}
        """The layers, or inputs, that each layer takes."""
        self.stand_ins: dict[str, str] = {}
        """Layers that are left out, and what stands for them."""
        self.pieces: list[Piece] = []
        self.ties: list[Tie] = []
        self.single: dict[str, Applied] = {}
        """The layers by themselves that own their tensors."""
        self.size = 0
        """Of how many layers these are."""

    def found(self, question: Question) -> Outline:
        expansion, spec = self.expansion, self.expansion.spec
        expansion.names = expansion.variables(question.variables)
        self.shapes = dict(expansion.input_shapes(question))
        hash(tuple(self.shapes.values()))  # an array can't be: nothing is found by it
        expansion.remembering = True
        expansion.budget.spend(WRITTEN * len(spec.document.marks))
        self.require_fitting()
        previous = next(iter(self.shapes))
        for name, layer in spec.layers.items():
            self.layer(name, layer, previous)
            previous = name
        self.require_few(0)
        edges = sum([piece.edges for piece in self.pieces])
        steps = sum([piece.steps for piece in self.pieces]) + AROUND * len(self.pieces)
        taken = sum(map(len, self.sources.values()))
        if edges > MOST_EDGES or expansion.budget.steps + steps + TAKEN * taken > MOST_STEPS:
            raise _Missing
        self.require_all_needed(list(map(self.place, spec.outputs or [previous])))
        return Outline(self.pieces, self.ties, expansion.names)

    def require_fitting(self) -> None:
        """Raise where inputs are not as the spec requires, or where layers are to be looked at."""
        expansion = self.expansion
        if not expansion.spec.requires:
            return
        asked = {
            name
            for each in expansion.spec.requires
            for name in expressions.parse(each.that[1:]).references
        }
        named = {name: (shape, name) for name, shape in self.shapes.items()}
        expansion.required(Scope(expansion.names, named), early=True)
        if expansion.problems or not asked <= self.shapes.keys():
            raise _Missing

    def place(self, name: str) -> str:
        """The layer, or input, whose output a name means."""
        while name in self.stand_ins:
            name = self.stand_ins[name]
        if name not in self.shapes:
            raise _Missing
        return name

    def shape_of(self, reference: str) -> Shape:
        return self.shapes[self.place(reference)]

    def layer(self, name: str, layer: Layer, previous: str) -> None:
        expansion = self.expansion
        sees = layer.counts_in_when or layer.block in expansion.spec.document.around
        if sees or name in self.shapes:
            raise _Missing
        sources = [self.place(each) for each in layer.from_ or [previous]]
        names = expansion.names
        if layer.when is not True:
            answer = expansion.evaluate(layer.when, names, self.shape_of, ())
            if answer is False and len(sources) == 1:
                self.stand_ins[name] = sources[0]
                return
            if answer is not True:
                raise _Missing
        if layer.repeat is None:
            shape = self.add(name, layer, names, [self.shapes[each] for each in sources])
            if layer.op is not None:
                (applied,) = self.pieces[-1].applied
                if layer.share is not None:
                    self.tie(applied, layer.share)
                else:
                    self.single[name] = applied
            elif layer.share is not None:
                raise _Missing
        elif layer.share is not None:
            raise _Missing
        else:
            count = expansion.evaluate(layer.repeat, names, self.shape_of, ())
            if type(count) is not int or not 0 <= count <= MOST_NODES:
                raise _Missing
            if not count:
                if len(sources) != 1:
                    raise _Missing
                self.stand_ins[name] = sources[0]
                return
            taken = [self.shapes[each] for each in sources]
            for i in range(count):
                taken[0] = self.add(name, layer, {**names, "i": i}, taken, f"{name}.{count}")
                self.require_few(self.pieces[-1].size * (count - i - 1))
            shape = taken[0]
        self.shapes[name], self.sources[name] = shape, sources

    def tie(self, applied: Applied, owner: str) -> None:
        """Let a layer use the tensors of another. Raises where it can't."""
        if owner not in self.single:
            raise _Missing
        self.expansion.budget.spend(TIED)
        mine, theirs = (
            {**each.cost.weights, **each.cost.buffers} for each in (applied, self.single[owner])
        )
        tensors = mine.keys() & theirs.keys()
        if (mine and not tensors) or any(mine[name] != theirs[name] for name in tensors):
            raise _Missing
        self.ties.append(Tie(owner, frozenset(tensors), applied))

    def require_few(self, more: int) -> None:
        """Raise where there are, or would be with so many more, too many layers."""
        if self.size + more > MOST_NODES:
            raise _Missing

    def add(
        self,
        name: str,
        layer: Layer,
        names: Mapping[str, Any],
        taken: list[Shape],
        full: str = "",
    ) -> Shape:
        """A layer; ``full`` is its name, or a longer one."""
        expansion = self.expansion
        kind: Any = layer.block or layer.op
        if kind.startswith("="):
            kind = expansion.evaluate(kind, names, self.shape_of, ())
        fields = [
            (key, expansion.evaluate(layer.fields[key], names, self.shape_of, ()))
            for key in layer.computed_in_order
        ]
        key = expansion.piece_key(name, layer, kind, fields, tuple(taken))
        piece = self.memory.pieces.get(key)
        if piece is None and self.making:
            at = "layers", name
            expansion.at = at, at
            place = _Place(names, taken, self.shape_of)
            numbers = [-1 - k for k in range(len(taken))]
            alone = layer if layer.share is None else layer.model_copy(update={"share": None})
            expansion.once(place, full or name, alone, numbers, names, at, ())
            piece = None if expansion.problems else self.memory.pieces.get(key)
        if piece is None:
            raise _Missing
        self.pieces.append(piece)
        self.size += piece.size
        return piece.shape

    def require_all_needed(self, pending: list[str]) -> None:
        """Raise where a layer leads to none of the outputs: the expansion says what that means."""
        needed = set[str]()
        while pending:
            name = pending.pop()
            if name not in needed:
                needed.add(name)
                pending += self.sources.get(name, ())
        if not self.sources.keys() <= needed:
            raise _Missing
