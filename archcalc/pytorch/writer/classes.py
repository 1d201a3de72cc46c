"""Blocks -> the classes of source code: equal blocks share one, and what differs is an argument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from archcalc.operators.base import Call
from archcalc.pytorch import modules
from archcalc.pytorch.writer.blocks import Block, Child, Unit
from archcalc.pytorch.writer.code import Code
from archcalc.pytorch.writer.columns import Param, Slot
from archcalc.pytorch.writer.constructor import Constructor, Pattern, pattern
from archcalc.pytorch.writer.naming import class_name, unused
from archcalc.pytorch.writer.spelling import arguments, is_module, target_of
from archcalc.pytorch.writer.steps import Ref, Step, outputs, steps
from archcalc.spec.graph import Node


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

    def arguments(self, block: Block) -> Mapping[str, Any]:
        return self.values[id(block)]

    def param(self, name: str) -> Param:
        return next(param for param in self.params if param.name == name)


class Library:
    """The classes found so far, by the blocks that are made from them."""

    def __init__(self, top: Block, name: str, variables: Mapping[str, Any]) -> None:
        self.variables = variables
        self.of: dict[int, Class] = {}
        self.classes: list[Class] = []
        self.calls: dict[int, Call] = {}
        # What the file may define or import itself.
        self.taken = {*dir(modules), "Tensor", "F", "nn", "torch", name}
        kinds: dict[str, list[Block]] = {}
        for block in top.walk():
            if block is not top:
                kinds.setdefault(block.kind, []).append(block)
        done: set[str] = set()
        for kind in kinds:
            self._visit(kind, kinds, done)
        self.top = self._made(name, [top])

    def call(self, node: Node) -> Call:
        """PyTorch's spelling of a layer."""
        # By identity, since operators can't be hashed; the graph keeps them alive.
        key = id(node.applied)
        if key not in self.calls:
            self.calls[key] = node.op.torch(*node.input_shapes)
        return self.calls[key]

    def _visit(self, kind: str, kinds: Mapping[str, list[Block]], done: set[str]) -> None:
        """Make the classes of a kind of block, after those of the blocks inside."""
        if kind in done:
            return
        done.add(kind)
        for block in kinds[kind]:
            for child in block.children:
                for unit in child.units:
                    if unit.block is not None:
                        self._visit(unit.block.kind, kinds, done)
        groups: list[list[Block]] = []
        # Those with the most layers first: the others may be them without some.
        for block in sorted(kinds[kind], key=lambda block: -len(block.children)):
            for group in groups:
                if self._fits(block, group):
                    group.append(block)
                    break
            else:
                groups.append([block])
        wanted = class_name(kinds[kind][0].path if kind.startswith("=") else kind, kind[0] == "=")
        for group in groups:
            name = unused(wanted, self.taken)
            self.taken.add(name)
            self._made(name, group)

    def _made(self, name: str, group: list[Block]) -> Class:
        made = Class(
            name,
            group,
            steps(group[0], self),
            outputs(group[0], self),
            list(group[0].children),
            group[0],
        )
        Constructor(self, made).run()
        self.classes.append(made)
        for block in group:
            self.of[id(block)] = made
        return made

    def body(self, unit: Unit) -> Any:
        """What is equal for units that one expression can make."""
        if unit.block is not None:
            return id(self.of[id(unit.block)])
        assert unit.node is not None
        call = self.call(unit.node)
        # Which piece of a result a function's call takes is written like an argument.
        piece = call.unpack if is_module(call) else call.unpack is None
        return target_of(call), call.gather, piece

    def _fits(self, block: Block, group: Sequence[Block]) -> bool:
        """Whether a block can be of the class that a group of blocks is to be of."""
        model = group[0]
        if block.ports != model.ports:
            return False
        mine, theirs = steps(block, self), steps(model, self)
        keys = {step.key: k for k, step in enumerate(theirs)}
        if any(step.key not in keys for step in mine):
            return False
        present = {step.key for step in mine}
        stands_for: dict[Ref, Ref] = {}
        numbers: dict[int, int] = {}
        position = 0
        for k, step in enumerate(theirs):
            takes = tuple(stands_for.get(ref, ref) for ref in step.takes)
            if step.key not in present:
                if len(takes) != 1 or len(step.gives) != 1 or step.form in ("list", "collect"):
                    return False
                stands_for["step", k, 0] = takes[0]
                continue
            own = mine[position]
            if own.key != step.key or own.form != step.form or len(own.gives) != len(step.gives):
                return False
            if tuple(_renumbered(ref, numbers) for ref in takes) != own.takes:
                return False
            numbers[k] = position
            position += 1
        outs = tuple(_renumbered(stands_for.get(ref, ref), numbers) for ref in outputs(model, self))
        if outs != outputs(block, self):
            return False
        own_children = {child.name: child for child in block.children}
        return all(
            self._alike(own_children[child.name], child, block, group)
            for child in model.children
            if child.name in own_children
        )

    def _alike(self, own: Child, child: Child, block: Block, group: Sequence[Block]) -> bool:
        if own.repeated != child.repeated:
            return False
        if not child.repeated:
            a, b = own.units[0], child.units[0]
            return self.body(a) == self.body(b) or (self._choosable(a) and self._choosable(b))
        everywhere = [
            other.units for b in (*group, block) for other in b.children if other.name == child.name
        ]
        return self.pattern(everywhere) is not None

    def pattern(self, everywhere: Sequence[Sequence[Unit]]) -> Pattern | None:
        """What repetitions have in common in all blocks; None where it is nothing."""
        heads = {self.body(units[0]) for units in everywhere}
        rest = {self.body(unit) for units in everywhere for unit in units[1:]}
        if len(heads) > 1 or len(rest) > 1:
            return None
        apart = (0, 1) if not rest or heads == rest else (1,)
        return pattern([self.rows(units) for units in everywhere], apart)

    def _choosable(self, unit: Unit) -> bool:
        """Whether a class may be given as an argument to be made without any."""
        if unit.node is None or len(unit.node.inputs) != 1:
            return False
        call = self.call(unit.node)
        return (
            call.target.startswith("nn.")
            and not unit.node.op.weights(*unit.node.input_shapes)
            and not any(argument.told for argument in arguments(call))
        )

    def values(self, unit: Unit) -> dict[str, Any]:
        """What a unit is made with."""
        if unit.block is not None:
            return dict(self.of[id(unit.block)].arguments(unit.block))
        assert unit.node is not None
        return {a.name: a.value for a in arguments(self.call(unit.node))}

    def rows(self, units: Sequence[Unit]) -> list[dict[str, Any]]:
        return [self.values(unit) for unit in units]


def _renumbered(ref: Ref, numbers: Mapping[int, int]) -> Ref:
    return ref if ref[0] == "port" else (ref[0], numbers.get(ref[1], -1), ref[2])
