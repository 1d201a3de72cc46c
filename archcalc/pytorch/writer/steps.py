"""What the forward pass of a block does, in order, and how its repetitions are wired."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from archcalc.operators.base import Call
from archcalc.pytorch.writer.blocks import Block, Child, Number, Unit
from archcalc.pytorch.writer.spelling import is_module
from archcalc.spec.graph import Node

Calls: TypeAlias = Callable[[Node], Call]
"""PyTorch's spelling of a layer."""

Ref = tuple[str, int, int]
"""``("port", k, 0)``, ``("step", number, output)`` or ``("all", number, 0)``, a list."""


class Step(NamedTuple):
    """Something done in a forward pass."""

    child: str
    at: int | None
    """Which repetition, where each is a step of its own."""
    form: str
    """``call``, ``chain`` (repetitions in a row), ``collect`` (in a row, and all outputs are taken)
    or ``list`` (side by side)."""
    unit: Unit
    takes: tuple[Ref, ...]
    gives: tuple[Number, ...]

    @property
    def key(self) -> tuple[str, int | None]:
        return self.child, self.at


def steps(block: Block, calls: Calls) -> list[Step]:
    """What the forward pass of a block does, in order."""
    users: dict[Number, list[tuple[str, int]]] = {}
    units = [(child, k, unit) for child in block.children for k, unit in enumerate(child.units)]
    for child, k, unit in units:
        for number in unit.takes:
            users.setdefault(number, []).append((child.name, k))
    taken = set(block.gives)
    refs: dict[Number, Ref] = {-1 - k: ("port", k, 0) for k in range(len(block.port_names) or 64)}
    members: dict[Number, tuple[int, int, int]] = {}
    found: list[Step] = []

    def resolved(numbers: Sequence[Number]) -> tuple[Ref, ...]:
        out: list[Ref] = []
        k = 0
        while k < len(numbers):
            if numbers[k] in members:
                step, _, count = members[numbers[k]]
                out.append(("all", step, 0))
                k += count
            else:
                out.append(refs[numbers[k]])
                k += 1
        return tuple(out)

    # In the order in which they are computed; repetitions that are one step where the first is.
    forms = {
        child.name: _form(child, users, taken, block, calls) if child.repeated else "each"
        for child in block.children
    }
    for child, k, unit in sorted(units, key=lambda each: each[2].start):
        form = forms[child.name]
        if form == "each":
            for j, number in enumerate(unit.gives):
                refs[number] = ("step", len(found), j)
            at = k if child.repeated else None
            found.append(Step(child.name, at, "call", unit, resolved(unit.takes), unit.gives))
        elif k == 0 and form == "chain":
            last = child.units[-1]
            refs[last.gives[0]] = ("step", len(found), 0)
            found.append(Step(child.name, None, form, last, resolved(unit.takes), last.gives))
        elif k == 0:
            for j, each in enumerate(child.units):
                members[each.gives[0]] = (len(found), j, len(child.units))
            found.append(Step(child.name, None, form, unit, resolved(unit.takes), unit.gives))
    return found


def _form(
    child: Child,
    users: Mapping[Number, Sequence[tuple[str, int]]],
    taken: set[Number],
    block: Block,
    calls: Calls,
) -> str:
    """How repetitions are wired."""
    units = child.units
    if any(len(unit.gives) != 1 for unit in units):
        return "each"
    if any(unit.node is not None and not is_module(calls(unit.node)) for unit in units):
        return "each"
    in_a_row = all(
        after.takes[:1] == before.gives
        and after.takes[1:] == units[0].takes[1:]
        and users.get(before.gives[0], ()) == [(child.name, k + 1)]
        and before.gives[0] not in taken
        for k, (before, after) in enumerate(pairwise(units))
    )
    written = block.layer(child.name)
    if in_a_row and not (written is not None and len(units) == 1 and _all_taken(child, block)):
        return "chain"
    outs = [unit.gives[0] for unit in units]
    consumers = {user for out in outs for user in users.get(out, ()) if user[0] != child.name}
    if len(consumers) != 1 or taken.intersection(outs):
        return "each"
    ((name, k),) = consumers
    consumer = next(c for c in block.children if c.name == name).units[k]
    wire = consumer.takes
    if outs[0] not in wire:
        return "each"
    at = wire.index(outs[0])
    together = list(wire[at : at + len(outs)]) == outs and len(set(outs)) == len(outs)
    gathers = consumer.node is not None and calls(consumer.node).gather
    equal = all(unit.takes == units[0].takes for unit in units)
    only_once = sum(wire.count(out) for out in outs) == len(outs)
    if not (together and gathers and only_once):
        return "each"
    if len(units) == 1 and written is not None:
        return "list" if written.repeat is None else "collect"
    following = all(
        after.takes == (before.gives[0], *units[0].takes[1:]) for before, after in pairwise(units)
    )
    return "list" if equal else "collect" if following else "each"


def _all_taken(child: Child, block: Block) -> bool:
    """Whether the spec takes the outputs of all repetitions."""
    written = block.names[child.name]
    return any(f"{written}.*" in (layer.from_ or ()) for layer in block.layers.values())


def outputs(block: Block, calls: Calls) -> tuple[Ref, ...]:
    """What a block returns."""
    where: dict[Number, Ref] = {-1 - k: ("port", k, 0) for k in range(len(block.port_names) or 64)}
    for k, step in enumerate(steps(block, calls)):
        where.update({number: ("step", k, j) for j, number in enumerate(step.gives)})
    return tuple(where[number] for number in block.gives)
