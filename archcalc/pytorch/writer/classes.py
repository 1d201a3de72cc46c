"""Blocks -> the classes of source code: equal blocks share one, and what differs is an argument."""

from __future__ import annotations

import builtins
import keyword
from collections import Counter
from collections.abc import Mapping, Sequence

from archcalc.pytorch import modules
from archcalc.pytorch.writer.blocks import Block, Child, Unit
from archcalc.pytorch.writer.constructor import Constructor
from archcalc.pytorch.writer.library import Class, Library
from archcalc.pytorch.writer.naming import class_name, unused
from archcalc.pytorch.writer.spelling import arguments
from archcalc.pytorch.writer.steps import Ref, outputs, steps
from archcalc.spec.graph import Graph


def classes(top: Block, name: str, graph: Graph) -> Library:
    """The classes of a network and of the blocks inside it."""
    library = Library(graph)
    _Sorting(library, name, graph.modules).run(top)
    return library


class _Sorting:
    """Sorts blocks into classes, those inside others first."""

    def __init__(self, library: Library, name: str, authored: Mapping[str, str]) -> None:
        self.library = library
        self.name = name
        self.authored = authored
        # What the file may define or import itself, and what Python has.
        self.taken = {*dir(modules), *dir(builtins), "Tensor", "F", "nn", "torch", name}

    def run(self, top: Block) -> None:
        kinds: dict[str, list[Block]] = {}
        for block in top.walk():
            if block is not top:
                kinds.setdefault(block.kind, []).append(block)
        done: set[str] = set()
        for kind in kinds:
            self._visit(kind, kinds, done)
        self._made(self.name, [top])

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
        named = kinds[kind][0].path if kind.startswith("=") else kind.removeprefix("layers.")
        wanted = class_name(named, kind[0] == "=")
        for group in groups:
            name = unused(self._said(group) or wanted, self.taken)
            self.taken.add(name)
            self._made(name, group)

    def _said(self, group: Sequence[Block]) -> str:
        """The author's class of blocks: that of most of them. Lists have the names of what they
        are in.
        """
        ways = (self.authored.get(block.path, "") for block in group)
        known = Counter(way.rpartition(".")[2] for way in ways if way)
        for name, _ in known.most_common():
            if name.isidentifier() and not keyword.iskeyword(name) and name not in _HOLDERS:
                return name
        return ""

    def _made(self, name: str, group: list[Block]) -> None:
        made = Class(
            name,
            group,
            steps(group[0], self.library.call),
            outputs(group[0], self.library.call),
            list(group[0].children),
            group[0],
        )
        Constructor(self.library, made).run()
        self.library.classes.append(made)
        for block in group:
            self.library.of[id(block)] = made

    def _fits(self, block: Block, group: Sequence[Block]) -> bool:
        """Whether a block can be of the class that a group of blocks is to be of."""
        model = group[0]
        if block.ports != model.ports:
            return False
        mine, theirs = steps(block, self.library.call), steps(model, self.library.call)
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
        outs = tuple(
            _renumbered(stands_for.get(ref, ref), numbers)
            for ref in outputs(model, self.library.call)
        )
        if outs != outputs(block, self.library.call):
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
            return self.library.body(a) == self.library.body(b) or (
                self._choosable(a) and self._choosable(b)
            )
        everywhere = [
            other.units for b in (*group, block) for other in b.children if other.name == child.name
        ]
        if self.library.pattern(everywhere) is not None:
            return True
        # Members of several kinds, such as a layer and what follows it, each like the others'.
        bodies = [[self.library.body(unit) for unit in units] for units in everywhere]
        return all(each == bodies[0] for each in bodies)

    def _choosable(self, unit: Unit) -> bool:
        """Whether a class may be given as an argument to be made without any."""
        if unit.node is None or len(unit.node.inputs) != 1:
            return False
        call = self.library.call(unit.node)
        return (
            call.target.startswith("nn.")
            and not unit.node.op.weights(*unit.node.input_shapes)
            and not any(argument.told for argument in arguments(call))
        )


_HOLDERS = ("Module", "Sequential", "ModuleList", "ModuleDict")
"""Classes of PyTorch that say nothing of what is in them."""


def _renumbered(ref: Ref, numbers: Mapping[int, int]) -> Ref:
    return ref if ref[0] == "port" else (ref[0], numbers.get(ref[1], -1), ref[2])
