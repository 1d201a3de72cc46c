"""The classes of source code, and what is made in the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

from archcalc.operators.base import Call
from archcalc.pytorch.joined import Joins
from archcalc.pytorch.perform import require_built
from archcalc.pytorch.writer.blocks import Block, Child, Unit
from archcalc.pytorch.writer.calls import alone, template
from archcalc.pytorch.writer.code import Code
from archcalc.pytorch.writer.columns import MISSING, Param, Slot, Written
from archcalc.pytorch.writer.spelling import HELD, arguments, is_module, target_of
from archcalc.pytorch.writer.steps import Ref, Step
from archcalc.spec.graph import Graph, Node, OwnTensor


@dataclass(eq=False)
class Class:
    """A class of the source code."""

    name: str
    blocks: list[Block]
    steps: list[Step]
    outputs: tuple[Ref, ...]
    children: list[Child]
    model: Block
    params: list[Param] = field(default_factory=list)
    locals: dict[str, str] = field(default_factory=dict)
    """Variables of the constructor, and what they are."""
    lines: list[tuple[str, Code]] = field(default_factory=list)
    """Names of submodules and how each is made."""
    texts: dict[tuple[str, int | None], dict[str, list[Slot]]] = field(default_factory=dict)
    """By step, the arguments of functions that the forward pass calls."""
    conditions: dict[str, str] = field(default_factory=dict)
    """By child, when it is there, for children that not all blocks have."""
    values: dict[int, dict[str, Any]] = field(default_factory=dict)
    """By block, the arguments it is made with."""
    aliases: set[str] = field(default_factory=set)
    """Children that are the same modules as another one's."""
    again: dict[str, str] = field(default_factory=dict)
    """By child that is another call of a module, and none by itself, that module."""

    def arguments(self, block: Block) -> Mapping[str, Any]:
        return self.values[id(block)]

    def param(self, name: str) -> Param:
        return next(param for param in self.params if param.name == name)


class Library:
    """The classes found so far, by the blocks that are made from them."""

    def __init__(self, graph: Graph) -> None:
        self.variables = graph.variables
        self.joins = Joins(graph)
        self.of: dict[int, Class] = {}
        self.classes: list[Class] = []
        """Each after those that it uses; the network's own last."""
        self.calls: dict[Any, Call] = {}

    @property
    def top(self) -> Class:
        """The network's own class."""
        return self.classes[-1]

    def call(self, node: Node) -> Call:
        """PyTorch's spelling of a layer."""
        # By identity, since operators can't be hashed; the graph keeps them alive.
        tensor = None if node.origin is None else node.origin.tensor
        rows = {} if node.spelled is None else self.joins.rows(node)
        key = id(node.applied), tensor or node.spelled, tuple(rows.items())
        if key not in self.calls:
            if node.spelled is not None:
                self.calls[key] = Call(template(node, node.spelled, rows))
            else:
                require_built(node)
                call = node.op.torch(*node.input_shapes)
                self.calls[key] = call if tensor is None else _held(call, tensor)
        return self.calls[key]

    def body(self, unit: Unit) -> Any:
        """What is equal for units that one expression can make."""
        if unit.block is not None:
            return id(self.of[id(unit.block)])
        assert unit.node is not None
        call = self.call(unit.node)
        # Which piece of a result a function's call takes is written like an argument.
        piece = call.unpack if is_module(call) else call.unpack is None
        axes = len(call.kwargs["shape"]) if call.target in HELD else 0
        return target_of(call), call.gather, piece, axes, call.kwargs.get("numbers") is None

    def pattern(self, everywhere: Sequence[Sequence[Unit]]) -> Pattern | None:
        """What repetitions have in common in all blocks; None where it is nothing."""
        heads = {self.body(units[0]) for units in everywhere}
        rest = {self.body(unit) for units in everywhere for unit in units[1:]}
        if len(heads) > 1 or len(rest) > 1:
            return None
        apart = (0, 1) if not rest or heads == rest else (1,)
        return pattern([self.rows(units) for units in everywhere], apart)

    def values(self, unit: Unit) -> dict[str, Any]:
        """What a unit is made with."""
        if unit.block is not None:
            return dict(self.of[id(unit.block)].arguments(unit.block))
        assert unit.node is not None
        return {a.name: a.value for a in arguments(self.call(unit.node))}

    def made_as(self, unit: Unit) -> Any:
        """What is equal for units that are made by the same words."""
        return self.body(unit), self.values(unit)

    def rows(self, units: Sequence[Unit]) -> list[dict[str, Any]]:
        return [self.values(unit) for unit in units]


def _held(call: Call, tensor: OwnTensor) -> Call:
    """A tensor by itself as its author has it, unless it is of another size now."""
    if prod(call.kwargs["shape"]) != prod(tensor.shape):
        return call
    if call.kwargs.get("trained"):
        return Call("nn.Parameter", {"shape": tensor.shape, "dtype": tensor.dtype})
    numbers = None if tensor.numbers is None else Written(alone(tensor.numbers))
    kwargs = {
        "shape": tensor.shape,
        "dtype": tensor.dtype,
        "persistent": tensor.saved,
        "numbers": numbers,
    }
    return Call("nn.Buffer", kwargs)


class Pattern(NamedTuple):
    """How repetitions go: the first apart or not, then each by as much more than the one before."""

    apart: int
    bases: list[dict[str, Any]]
    """By block, the values of the first that is not apart."""
    steps: list[dict[str, Any]]


def pattern(
    blocks: Sequence[Sequence[Mapping[str, Any]]], candidates: Sequence[int]
) -> Pattern | None:
    """What the arguments of repetitions have in common in all blocks."""
    for apart in candidates:
        bases, rises = [], []
        for rows in blocks:
            rest = rows[apart:]
            if len(rows) < apart:
                break
            base = dict(rest[0]) if rest else {}
            rise: dict[str, Any] = {}
            for name, value in base.items():
                found = _rise([row[name] for row in rest])
                if found is None:
                    break
                rise[name] = found if len(rest) > 1 else MISSING
                base[name] = value
            else:
                bases.append(base)
                rises.append(rise)
                continue
            break
        else:
            return Pattern(apart, bases, rises)
    return None


def _rise(values: Sequence[Any]) -> int | None:
    if len(values) < 2 or all(
        type(value) is type(values[0]) and value == values[0] for value in values
    ):
        return 0
    if any(type(value) is not int for value in values):
        return None
    rise: int = values[1] - values[0]
    return rise if all(b - a == rise for a, b in pairwise(values)) else None
