"""Graph -> the blocks that it is nested of, as their own authors would number what is in them.

A graph's names say which layers stand in which block. A spec says more: which block of its own
each is, and with which arguments. It is expanded anew to be asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from archcalc.dims import Shape
from archcalc.operators.parameter import Parameter
from archcalc.pytorch.naming import Naming, attributes
from archcalc.pytorch.writer.naming import INPUT
from archcalc.spec.expand import uses
from archcalc.spec.graph import Graph, Node
from archcalc.spec.layer import Block as Written
from archcalc.spec.layer import Layer
from archcalc.spec.model import Spec
from archcalc.spec.scope import Template, Value
from archcalc.values import Remembering

Number = int
"""A layer of a block, counted from 0; ``-1 - k`` is the block's input ``k``."""


class Unit(NamedTuple):
    """A layer or a block at one place in a block."""

    name: str
    """Its name there; that of a repetition ends in a dot and a number."""
    start: int
    """The number of its first layer in the block around it."""
    size: int
    node: Node | None
    """The layer; None for a block."""
    block: Block | None
    takes: tuple[Number, ...]
    """What it takes, in the block around it."""
    gives: tuple[Number, ...]
    """The layers in it whose outputs something outside takes, as the block around counts them."""


class Child(NamedTuple):
    """What stands under one name in a block: one unit, or repetitions of one."""

    name: str
    """What its module is called."""
    units: tuple[Unit, ...]
    repeated: bool


@dataclass(eq=False)
class Block(Remembering):
    """One use of a block; the network itself is one too."""

    path: str
    """Its full name; empty for the network."""
    kind: str
    """The spec's name of it, or whatever is equal for blocks that are built alike."""
    nodes: Sequence[Node]
    wires: Sequence[tuple[Number, ...]]
    """What each layer takes."""
    ports: tuple[Number, ...]
    """Those of its inputs that are taken."""
    gives: tuple[Number, ...]
    """The layers whose outputs are taken outside."""
    args: Mapping[str, Any] = field(default_factory=dict)
    layers: Mapping[str, Layer] = field(default_factory=dict)
    """The layers as the spec writes them, if one is known."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    port_names: tuple[str, ...] = ()
    template: Template | None = None
    input_shapes: tuple[Shape | None, ...] = ()
    children: tuple[Child, ...] = ()
    called: Mapping[str, str] = field(default_factory=dict)
    """What the modules of its children are called, by the names they have in the spec."""
    names: Mapping[str, str] = field(default_factory=dict)
    """The other way round."""

    @cached_property
    def again(self) -> Sequence[Node]:
        """Layers that are later calls of modules."""
        return [node for node in self.nodes if _is_again(node)]

    def layer(self, child: str) -> Layer | None:
        """How the spec writes what it makes a module of, if that is known."""
        return self.layers.get(self.names.get(child, ""))

    def walk(self) -> Iterator[Block]:
        """The blocks inside, innermost first, and this one."""
        for child in self.children:
            for unit in child.units:
                if unit.block is not None:
                    yield from unit.block.walk()
        yield self

    def shape_of(self, reference: str) -> Shape:
        """The shape that a reference in an expression of this block means. Raises ``KeyError``."""
        if self.template is None:
            raise KeyError(reference)
        if reference in self.port_names:
            shape = self.input_shapes[self.port_names.index(reference)]
        else:
            name, *rest = reference.split(".")
            value: Value = self.template.values[name]
            for part in rest:
                value = value.member(part)
            number = value.output
            if number is None:
                raise KeyError(reference)
            if number < 0:
                shape = self.input_shapes[-1 - number]
            else:
                applied = self.template.nodes[number].applied
                shape = None if applied is None else applied.shape
        if shape is None:
            raise KeyError(reference)
        return shape


def as_written(names: Iterable[str]) -> Mapping[str, str]:
    """As in the spec: for who makes no module, and needs no PyTorch to know what it keeps."""
    return {name: name for name in names}


def blocks(graph: Graph, spec: Spec | None = None, naming: Naming = attributes) -> Block:
    """The network as a block. With the ``spec`` it was expanded from, blocks have its names."""
    numbers = {name: -1 - k for k, name in enumerate(graph.inputs)}
    numbers.update({node.name: k for k, node in enumerate(graph.nodes)})
    wires = [tuple([numbers[name] for name in node.inputs]) for node in graph.nodes]
    known = _Known(spec, graph, naming)
    inputs = range(-1, -1 - len(graph.inputs), -1)
    top = Block(
        path="",
        kind="",
        nodes=graph.nodes,
        wires=wires,
        ports=tuple(inputs),
        gives=tuple(numbers[name] for name in (*graph.outputs, *graph.training_outputs)),
        args={},
        layers=spec.layers if spec is not None else {},
        port_names=tuple(name.removesuffix(INPUT) for name in graph.inputs),
        input_shapes=tuple(graph.inputs.values()),
    )
    _fill(top, known)
    return top


class _Known:
    """Which block of the spec stands at a place, and what is known of all blocks."""

    def __init__(self, spec: Spec | None, graph: Graph, naming: Naming) -> None:
        self.spec = spec
        self.naming = naming
        self.found: dict[tuple[int, str], list[Template]] = {}
        for template in uses(spec, graph) if spec is not None else ():
            if template.nodes:
                place = len(template.nodes), template.nodes[0].name
                self.found.setdefault(place, []).append(template)

    def at(
        self, name: str, nodes: Sequence[Node], wires: Sequence[tuple[Number, ...]], start: Number
    ) -> Template | None:
        """The block with these layers, wired alike, and how it was used. ``start`` is the first's.

        None where there is none.
        """
        inner = nodes[0].name.removeprefix(f"{name}.")
        among = self.found.get((len(nodes), inner), [])
        return next((each for each in among if _fits(each, name, nodes, wires, start)), None)


def _fits(
    template: Template,
    name: str,
    nodes: Sequence[Node],
    wires: Sequence[tuple[Number, ...]],
    start: Number,
) -> bool:
    ports: dict[Number, Number] = {}
    for local, node, wire in zip(template.nodes, nodes, wires, strict=True):
        if local.applied != node.applied or f"{name}.{local.name}" != node.name:
            return False
        for inside, outside in zip(local.inputs, wire, strict=True):
            if outside != (inside + start if inside >= 0 else ports.setdefault(inside, outside)):
                return False
    return True


def _fill(block: Block, known: _Known) -> None:
    """Find what stands in a block."""
    depth = block.path.count(".") + 1 if block.path else 0
    taken: set[Number] = set(block.gives)
    users: dict[Number, list[int]] = {}
    for number, wire in enumerate(block.wires):
        for source in wire:
            users.setdefault(source, []).append(number)
    names = [node.name.split(".")[depth:] for node in block.nodes]
    groups: dict[str, dict[str, list[int]]] = {}
    stored = [isinstance(node.op, Parameter) for node in block.nodes]
    _group(groups, names, range(len(names)), 1, stored)
    for name in list(groups):
        _take_apart(block, groups, name, names, stored)
    children = []
    block.called = _called(groups, names, known.naming)
    block.names = {attribute: name for name, attribute in block.called.items()}
    for name, members in groups.items():
        row = list(members) == [str(k) for k in range(len(members))]
        if len(members) > 1 and not (row and all(map(_is_whole, members.values()))):
            # Numbers that are no row, stand beside names or are mixed: a block of these names.
            members = {"": sorted(number for each in members.values() for number in each)}
        elif list(members) not in (["0"], [""]) and len(members) == 1:
            members = {"": next(iter(members.values()))}
        units: list[Unit] = []
        for member, numbers in members.items():
            start, end = numbers[0], numbers[-1] + 1
            gives = tuple(
                number
                for number in numbers
                if number in taken or any(not start <= user < end for user in users.get(number, ()))
            )
            label = f"{name}.{member}" if member else name
            path = f"{block.path}.{label}" if block.path else label
            gives = _given(block, path, numbers, gives, taken, users)
            if not gives and units and block.nodes[start].spare:
                first = units[0]  # nothing takes it, and it is made as those that are taken
                gives = tuple(number - first.start + start for number in first.gives)
            units.append(_unit(block, known, label, path, start, end, gives))
        children.append(Child(block.called[name], tuple(units), "" not in members))
    block.children = tuple(children)


def _group(
    groups: dict[str, dict[str, list[int]]],
    names: Sequence[Sequence[str]],
    numbers: Iterable[int],
    depth: int,
    stored: Sequence[bool],
) -> None:
    """Sort layers by what they stand in, and by its number, the first so many parts of their names.

    What others stand between is no block, and neither is what they stand in the middle of: its
    layers are called one by one. So an author's loop does over a ``ModuleList``. Nor are tensors
    alone, which are ``stored``, unless they are a row.
    """
    found: dict[str, dict[str, list[int]]] = {}
    for number in numbers:
        name = names[number]
        member = name[depth] if len(name) > depth and name[depth].isdigit() else ""
        found.setdefault(".".join(name[:depth]), {}).setdefault(member, []).append(number)
    for name, members in found.items():
        inside = [number for each in members.values() for number in each]
        is_row = list(members) == [str(k) for k in range(len(members))]
        whole = _is_whole(inside) or max(len(names[k]) for k in inside) <= depth
        alone = all(stored[k] and len(names[k]) > depth for k in inside) and not is_row
        if (whole and not alone) or (is_row and all(map(_is_whole, members.values()))):
            groups[name] = members
        else:
            _group(groups, names, inside, depth + 1, stored)


def _take_apart(
    block: Block,
    groups: dict[str, dict[str, list[int]]],
    name: str,
    names: Sequence[Sequence[str]],
    stored: Sequence[bool],
) -> None:
    """Sort what is in a later call of a module that does something else than its first one.

    No module does both, and the tensors are the first one's: its layers are called one by one.
    """
    numbers = sorted(number for each in groups[name].values() for number in each)
    start = f"{block.path}.{name}." if block.path else f"{name}."
    nodes = [block.nodes[number] for number in numbers]
    again = next(filter(_is_again, nodes), None)
    if again is None or again.share is None or not again.name.startswith(start):
        return
    inner = again.name.removeprefix(start)
    first = again.share.removesuffix(inner)
    others = [node for node in block.nodes if node.name.startswith(first)]
    if first in (again.share, start) or not others:
        return
    if [_done(node, start) for node in nodes] == [_done(node, first) for node in others]:
        return
    del groups[name]
    found: dict[str, dict[str, list[int]]] = {}
    _group(found, names, numbers, name.count(".") + 2, stored)
    groups.update(found)
    for each in found:
        _take_apart(block, groups, each, names, stored)


def _done(node: Node, start: str) -> Any:
    """What a layer of a module does, by its name there."""
    return node.name.removeprefix(start), node.op, node.spelled


def _is_whole(numbers: Sequence[int]) -> bool:
    """Whether no other layer stands between these."""
    return max(numbers) - min(numbers) + 1 == len(numbers)


def _called(
    groups: Iterable[str], names: Iterable[Sequence[str]], naming: Naming
) -> Mapping[str, str]:
    """What the modules of a block are called, part by part of their names."""
    inside: dict[str, dict[str, None]] = {}
    deepest = max(name.count(".") for name in groups) + 1
    for name in names:
        for k in range(min(len(name), deepest)):
            inside.setdefault(".".join(name[:k]), {})[name[k]] = None
    told = {around: naming(inner) for around, inner in inside.items()}
    found = {}
    for group in groups:
        parts = group.split(".")
        way = [told[".".join(parts[:k])][part] for k, part in enumerate(parts)]
        found[group] = ".".join(way)
    return found


def _unit(
    around: Block,
    known: _Known,
    label: str,
    path: str,
    start: int,
    end: int,
    gives: tuple[Number, ...],
) -> Unit:
    nodes = around.nodes[start:end]
    if nodes[0].name == path:
        return Unit(label, start, 1, nodes[0], None, around.wires[start], gives)
    outer = around.wires[start:end]
    template = known.at(path, nodes, outer, start)
    if template is not None and known.spec is not None:
        written = known.spec.blocks[template.block]
        wires = [local.inputs for local in template.nodes]
        inner = Block(
            path=path,
            kind=template.block,
            nodes=nodes,
            wires=wires,
            ports=_ports(wires),
            gives=tuple(number - start for number in gives),
            args=dict(template.args),
            layers=written.layers,
            defaults=written.args,
            port_names=_port_names(written, len(template.shapes)),
            template=template,
            input_shapes=template.shapes,
        )
    else:
        sources: dict[Any, Number] = {}
        wires = []
        calls = [*_calls(around, path, range(start, end))]
        for k, wire in enumerate(outer):
            numbers = []
            for place, number in enumerate(wire):
                if start <= number < end:
                    numbers.append(number - start)
                else:
                    # One tensor that is given twice is two inputs where other calls have two.
                    source = tuple(around.wires[call[k]][place] for call in calls) or number
                    numbers.append(sources.setdefault(source, -1 - len(sources)))
            wires.append(tuple(numbers))
        inner = Block(
            path=path,
            kind="",
            nodes=nodes,
            wires=wires,
            ports=_ports(wires),
            gives=tuple(number - start for number in gives),
        )
        inner.kind = _signature(inner)
    _fill(inner, known)
    takes = []
    for port in inner.ports:
        at = next((n, k) for n, wire in enumerate(wires) for k, p in enumerate(wire) if p == port)
        takes.append(outer[at[0]][at[1]])
    return Unit(label, start, end - start, None, inner, tuple(takes), gives)


def _calls(block: Block, path: str, own: Sequence[int]) -> Iterator[Sequence[int]]:
    """The layers of each call of a module, where all do the same and one shares its tensors."""
    if not block.again:
        return
    first = start = f"{path}."
    for number in own:
        node = block.nodes[number]
        inner = node.name.removeprefix(start)
        share = str(node.share)
        if _is_again(node) and share.endswith(f".{inner}"):
            first = share.removesuffix(inner)
            break
    starts = {first: None}
    for node in block.again:
        share = str(node.share)
        inner = share.removeprefix(first)
        if share.startswith(first) and node.name.endswith(f".{inner}"):
            starts[node.name.removesuffix(inner)] = None
    done = [_done(block.nodes[number], start) for number in own]
    for call in starts if len(starts) > 1 else ():
        numbers = [k for k, node in enumerate(block.nodes) if node.name.startswith(call)]
        if [_done(block.nodes[number], call) for number in numbers] == done:
            yield numbers


def _given(
    block: Block,
    path: str,
    own: Sequence[int],
    gives: tuple[Number, ...],
    taken: set[Number],
    users: Mapping[Number, Sequence[int]],
) -> tuple[Number, ...]:
    """What a call of a module gives: what any call of it does, since it is one module."""
    found = set(gives)
    for call in _calls(block, path, own):
        inside = set(call)
        found |= {
            mine
            for mine, number in zip(own, call, strict=True)
            if number in taken or not inside.issuperset(users.get(number, ()))
        }
    return tuple(sorted(found))


def _is_again(node: Node) -> bool:
    """Whether a layer is a later call of a module, and has the tensors of the first one."""
    return node.share is not None and node.origin is not None and node.origin.again


def _port_names(block: Written, given: int) -> tuple[str, ...]:
    """What so many inputs are called: of one that may be any number there is often one."""
    if given == len(block.inputs):
        return tuple(block.sources)
    return tuple(name.replace(".", "_") for name in block.ports(given) or ())


def _ports(wires: Sequence[tuple[Number, ...]]) -> tuple[Number, ...]:
    return tuple(sorted({n for wire in wires for n in wire if n < 0}, reverse=True))


def _signature(block: Block) -> str:
    """What is equal for blocks that are built alike but for their numbers."""
    skip = len(block.path) + 1
    layers = [
        f"{node.name[skip:]}={type(node.op).__name__}{wire}"
        for node, wire in zip(block.nodes, block.wires, strict=True)
    ]
    return f"={';'.join(layers)}->{block.gives}"
