"""The layers of a network one by one, without the layers in its blocks.

Who asks for totals, of one network after the other, needs no copies of layers: what a layer or a
block adds to them is known from an earlier expansion, in which it met the same shapes with the same
arguments. An outline is made of such pieces alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archcalc.dims import Shape
from archcalc.errors import ExpressionError
from archcalc.spec.budget import MOST_STEPS, Spent
from archcalc.spec.expand import Expansion, records
from archcalc.spec.memory import Memory, Piece
from archcalc.spec.model import Layer, Spec
from archcalc.spec.question import Question
from archcalc.spec.scope import Unknown, Wrong

MOST_OUTLINED = 10_000
"""A network of more layers is expanded, which says whether it is too large."""


class _Missing(Exception):
    """Something has to be expanded first, or always."""


def outline(spec: Spec, question: Question) -> list[Piece] | None:
    """The pieces of a network, each as often as it is there; None where the network has to be
    expanded: for the first time, or because its layers are tied to one another or left aside.
    """
    if spec.requires or spec.training_outputs or spec.freezes or len(spec.outputs or ()) > 1:
        return None
    if records(question):
        return None
    memory = spec.home.take()
    try:
        return _Outline(Expansion(spec, frozenset(), False, memory)).pieces(question)
    except (_Missing, Wrong, Unknown, Spent, ExpressionError, TypeError):
        return None
    finally:
        spec.home.bring_back(memory)


class _Outline:
    """The state of one: the outputs so far, by the names of the layers."""

    def __init__(self, expansion: Expansion) -> None:
        self.expansion = expansion
        self.memory: Memory = expansion.memory
        self.shapes: dict[str, Shape] = {}
        self.sources: dict[str, list[str]] = {}
        """The layers, or inputs, that each layer takes."""
        self.stand_ins: dict[str, str] = {}
        """Layers that are left out, and what stands for them."""
        self.found: list[Piece] = []

    def pieces(self, question: Question) -> list[Piece]:
        expansion, spec = self.expansion, self.expansion.spec
        expansion.names = expansion.variables(question.variables)
        self.shapes = dict(expansion.input_shapes(question))
        previous = next(iter(self.shapes))
        for name, layer in spec.layers.items():
            self.layer(name, layer, previous)
            previous = name
        (last,) = spec.outputs or [previous]
        if sum(piece.size for piece in self.found) > MOST_OUTLINED:
            raise _Missing
        if sum(piece.steps for piece in self.found) > MOST_STEPS // 2:
            raise _Missing
        self.require_all_needed(self.place(last))
        return self.found

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
        if layer.share is not None or layer.parallel is not None or name in self.shapes:
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
        else:
            count = expansion.evaluate(layer.repeat, names, self.shape_of, ())
            if type(count) is not int or not 0 <= count <= MOST_OUTLINED:
                raise _Missing
            if not count:
                if len(sources) != 1:
                    raise _Missing
                self.stand_ins[name] = sources[0]
                return
            taken = [self.shapes[each] for each in sources]
            for i in range(count):
                taken[0] = self.add(name, layer, {**names, "i": i}, taken)
            shape = taken[0]
        self.shapes[name], self.sources[name] = shape, sources

    def add(self, name: str, layer: Layer, names: Mapping[str, Any], taken: list[Shape]) -> Shape:
        expansion = self.expansion
        kind: Any = layer.block or layer.op
        if kind.startswith("="):
            kind = expansion.evaluate(kind, names, self.shape_of, ())
        fields = [
            (key, expansion.evaluate(layer.fields[key], names, self.shape_of, ()))
            for key in layer.computed_in_order
        ]
        piece = self.memory.pieces.get(expansion.piece_key(name, layer, kind, fields, tuple(taken)))
        if piece is None:
            raise _Missing
        self.found.append(piece)
        return piece.shape

    def require_all_needed(self, last: str) -> None:
        """Raise where a layer leads to no output: the expansion says what that means."""
        needed, pending = set[str](), [last]
        while pending:
            name = pending.pop()
            if name not in needed:
                needed.add(name)
                pending += self.sources.get(name, ())
        if not self.sources.keys() <= needed:
            raise _Missing
