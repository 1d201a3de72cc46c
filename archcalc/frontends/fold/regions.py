"""What stands under the names of a graph's layers, as a tree: its leaves are layers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from archcalc.dims import Shape
from archcalc.frontends.fold.loops import Loop
from archcalc.spec.graph import Graph, Node
from archcalc.spec.written import fields_of, name_of

Value: TypeAlias = Any

MANY = 4
"""From so many on, layers whose names begin alike are taken together: ``unit*``."""


class _Whatever:
    def __repr__(self) -> str:
        return "ANY"


ANY = _Whatever()
"""A value that does not matter, because the layer that has it is left out."""


@dataclass
class Leaf:
    """A layer."""

    name: str
    node: Node
    fields: dict[str, Value]

    def value(self, name: str) -> Value:
        """A field, as briefly as it can be written; the default where it is not written."""
        if name in self.fields:
            return self.fields[name]
        value = getattr(self.node.op, name)
        while isinstance(value, (tuple, list)) and len(set(value)) == 1:
            value = value[0]
        return list(value) if isinstance(value, tuple) else value


@dataclass
class Region:
    """What stands under one name: an instance of a block."""

    path: str
    name: str
    members: dict[str, Leaf | Region] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    """Nodes and inputs outside of it that its layers take, in the order of their first use."""
    output: str = ""
    inside: frozenset[str] = frozenset()
    """The layers in it."""
    any_number: bool = False
    """Whether it is one of several that take another number of inputs, all in one layer."""
    block: Block | None = None
    args: dict[str, Value] = field(default_factory=dict)
    share: str | None = None
    """The member beside it whose tensors it uses, layer by layer."""
    handed: list[str] | None = None
    """What it hands on to the next turn, if it is a turn of a loop."""
    said: dict[str, list[str]] = field(default_factory=dict)
    """What its members take, if it stands for two regions of which each lacks layers."""
    gives: list[str] = field(default_factory=list)
    """What it gives then."""

    def nodes(self) -> Iterator[Node]:
        for member in self.members.values():
            if isinstance(member, Leaf):
                yield member.node
            else:
                yield from member.nodes()


@dataclass
class Block:
    """Instances that are alike, and how they are written."""

    name: str
    instances: list[Region]
    args: dict[str, Value] = field(default_factory=dict)
    """Arguments and their defaults; None for one without."""
    layers: dict[str, dict[str, Value]] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    output: str | None = None
    outputs: list[str] = field(default_factory=list)
    """What it gives, if that is several."""
    model: Region | None = None
    """What has the members of all instances, where no instance has."""

    @property
    def first(self) -> Region:
        """What has the members of all instances."""
        return self.model or self.instances[0]

    def having(self, key: str) -> Region:
        """The first instance that has a member."""
        return next(each for each in self.instances if key in each.members)


ACTIVATIONS = (
    *("ReLU", "ReLU6", "Hardswish", "Hardsigmoid", "SiLU", "GELU", "ELU", "SELU", "Mish", "Tanh"),
    *("Sigmoid", "Softplus", "LeakyReLU"),
)
"""Functions of which blocks that are alike but for them have one as an argument."""


def is_plain(member: Leaf | Region) -> bool:
    """Whether a member is such a function, and no more is said of it."""
    return isinstance(member, Leaf) and not member.fields and name_of(member.node.op) in ACTIVATIONS


class Tree:
    """The regions of a graph, and what they take and give."""

    def __init__(self, graph: Graph, plain: bool = False, loops: Sequence[Loop] = ()) -> None:
        self.graph = graph
        self.plain = plain
        self.loops = loops
        self.shapes: dict[str, Shape] = {**graph.inputs, **{n.name: n.shape for n in graph.nodes}}
        self.order = {name: k for k, name in enumerate(self.shapes)}
        self.users: dict[str, list[str]] = {}
        for node in graph.nodes:
            for source in node.inputs:
                self.users.setdefault(source, []).append(node.name)
        self.paths: dict[str, str] = {}
        """What layers are called in the spec; of a region that gave way, a little otherwise."""
        self.turns: dict[str, tuple[list[str], list[str]]] = {}
        """What turns of loops take, port by port, and what they hand on."""
        self.owners: dict[str, str] = {}
        """Loops that use the tensors of a part that stands beside them."""
        self.between: set[str] = set()
        """Layers that stand elsewhere than in the graph, so that a list is a block."""

    def tree(self) -> Region:
        known: dict[Any, dict[str, Value]] = {}
        root = Region("", "")
        for node in ported(self):
            *above, last = node.name.split(".")
            region = root
            for part in above:
                path = f"{region.path}.{part}" if region.path else part
                key = f"{part}_" if path in self.graph.inputs else part  # an input is called so
                inner = region.members.setdefault(key, Region(path, key))
                assert isinstance(inner, Region), path
                inner.handed = self.turns[path][1] if path in self.turns else None
                region = inner
            if id(node.op) not in known:
                known[id(node.op)] = fields_of(node.op)
            region.members[last] = Leaf(last, node, dict(known[id(node.op)]))
        return root

    def call(self, region: Region, above: str) -> None:
        """Note what layers are called."""
        for key, member in region.members.items():
            if isinstance(member, Leaf):
                self.paths[member.node.name] = above + key
            else:
                self.call(member, f"{above}{key}.")

    def connect(self, region: Region) -> frozenset[str]:
        inside: set[str] = set()
        for member in region.members.values():
            if isinstance(member, Leaf):
                inside.add(member.node.name)
            else:
                inside |= self.connect(member)
        taken: dict[str, None] = {}
        for node in sorted(region.nodes(), key=lambda n: self.order[n.name]):
            for source in node.inputs:
                source = seen(source, region.path)
                if source not in inside:
                    taken.setdefault(source)
        region.sources = list(taken)
        region.inside = frozenset(inside)
        finals = {*self.graph.outputs, *self.graph.training_outputs}
        given = [
            name
            for name in sorted(inside, key=self.order.__getitem__)
            if name in finals or any(user not in inside for user in self.users.get(name, ()))
        ]
        region.output = given[-1] if given else max(inside, key=self.order.__getitem__)
        if region.handed is not None:
            region.sources = list(self.turns[region.path][0])
            if region.handed:
                region.output = region.handed[0] if len(region.handed) == 1 else ""
        elif (last := turn_of(region)) is not None and last.handed is not None:
            region.output = last.output if len(last.handed) == 1 else ""
        return region.inside

    def tangled(self, region: Region) -> tuple[Region, str] | None:
        """A member that can't stand in one piece: it takes what comes from its own output."""
        for member in region.members.values():
            if isinstance(member, Region):
                found = self.tangled(member)
                if found is not None:
                    return found
        for key, member in region.members.items():
            if isinstance(member, Region) and not (member.sources and member.members):
                return region, key
        needs = self.needs(region)
        done: dict[str, None] = {}
        left = list(region.members)
        while left:
            ready = next((key for key in left if all(need in done for need in needs[key])), None)
            if ready is None:
                return region, self.circling(region, needs, left)
            done[ready] = None
            left.remove(ready)
        region.members = {key: region.members[key] for key in done}
        return None

    def needs(self, region: Region) -> dict[str, dict[str, None]]:
        """The members that each member takes something from, or whose tensors it uses."""
        piece = {
            node.name: key
            for key, member in region.members.items()
            for node in ([member.node] if isinstance(member, Leaf) else member.nodes())
        }
        found: dict[str, dict[str, None]] = {key: {} for key in region.members}
        for key, member in region.members.items():
            for source in self.taken(member):
                source = seen(source, "")
                if source in piece and piece[source] != key:
                    found[key].setdefault(piece[source])
            for node in [member.node] if isinstance(member, Leaf) else member.nodes():
                if node.share in piece and piece[node.share] != key:
                    found[key].setdefault(piece[node.share])
        return found

    def sharing(self, region: Region) -> tuple[Region, str] | None:
        """A member that uses tensors of another, which a block has no name for.

        One that is made as the other is says so once.
        """
        for key, member in region.members.items():
            if isinstance(member, Region):
                if member.path in self.owners:
                    member.share = self.owners[member.path]
                    continue
                inside = {node.name for node in member.nodes()}
                shared = {node.share for node in member.nodes()} - {None}
                member.share = self.twin(region, member) if shared - inside else None
                if member.share is None:
                    found = self.sharing(member) or ((region, key) if shared - inside else None)
                    if found is not None:
                        return found
        return None

    def twin(self, region: Region, member: Region) -> str | None:
        """The member beside one that has the same layers, whose tensors it uses one by one."""
        theirs = {node.name: node for node in member.nodes()}
        owners = [node.share for node in theirs.values() if node.share is not None]
        for key, other in region.members.items():
            if other is member:
                return None
            if not isinstance(other, Region) or not owners[0].startswith(f"{other.path}."):
                continue
            ours = {node.name.removeprefix(other.path): node for node in other.nodes()}
            names = [name.removeprefix(member.path) for name in theirs]
            if list(ours) != names and (member.handed is None or not ours.keys() >= set(names)):
                return None
            pairs = zip(map(ours.__getitem__, names), theirs.values(), strict=True)
            alike = all(
                name_of(a.op) == name_of(b.op)
                and b.share == ((a.share or a.name) if a.applied.cost.weights or b.share else None)
                for a, b in pairs
            )
            return key if alike else None
        return None

    def share(self, region: Region) -> None:
        """Say of a region once that it shares, and of none of its layers."""
        for member in region.members.values():
            if isinstance(member, Region):
                self.share(member)
                if member.share is not None:
                    owner = region.members[member.share]
                    assert isinstance(owner, Region)
                    self.share_within(member, owner, (owner.path, member.path))

    def share_within(self, region: Region, owner: Region, ways: tuple[str, str]) -> None:
        """Have layers of a region share what those of another share among themselves, no more."""
        looped = region.path in self.owners
        for key, member in region.members.items():
            other = owner if looped else owner.members.get(key)
            if isinstance(member, Region):
                assert isinstance(other, Region)
                member.share = None if looped else other.share
                self.share_within(member, other, (ways[0], member.path) if looped else ways)
            else:
                share = other.node.share if isinstance(other, Leaf) else None
                share = share and ways[1] + share[len(ways[0]) :]
                member.node = member.node._replace(share=share)

    def circling(
        self, region: Region, needs: Mapping[str, Mapping[str, None]], left: Sequence[str]
    ) -> str:
        """A region that comes, by way of others, to what it gives itself.

        One that does so layer by layer, if there is one: others do only because of how it is cut.
        """
        found = [
            key
            for key in left
            if isinstance(region.members[key], Region) and key in reached(needs, key)
        ]
        return next((key for key in reversed(found) if self.left(region.members[key])), found[-1])

    def left(self, region: Leaf | Region) -> bool:
        """Whether what layers of a region give comes back to it by way of others."""
        assert isinstance(region, Region)
        inside = {node.name for node in region.nodes()}
        last = max(map(self.order.__getitem__, inside))
        queue = [user for name in inside for user in self.users.get(name, ())]
        seen = set(inside)
        while queue:
            name = queue.pop()
            if name in seen or self.order[name] > last:
                continue
            seen.add(name)
            users = self.users.get(name, ())
            if not inside.isdisjoint(users):
                return True
            queue += users
        return False

    def gathers(self, region: Region) -> bool:
        """Whether one layer takes all that a region takes, and no other takes any of it."""
        found = [
            member
            for member in region.members.values()
            if not set(self.taken(member)).isdisjoint(region.sources)
        ]
        return (
            len(found) == 1
            and isinstance(found[0], Leaf)
            and [*self.taken(found[0])] == region.sources
        )

    def references(self, region: Region, key: str) -> list[str]:
        """What a member of a region takes: all members above whose names begin alike as one."""
        if region.said:
            return region.said[key]
        member = region.members[key]
        if region.any_number and [*self.taken(member)] == region.sources:
            return ["input"]
        found = [self.reference(region, source) for source in self.taken(member)]
        if len(found) < MANY and not (isinstance(member, Region) and member.any_number):
            return found  # too few for all of a kind
        numbered = re.fullmatch(r"(\D*[A-Za-z_])\d+", found[-1]) if found else None
        if numbered is None:
            return found
        alike = [name for name in region.members if name.startswith(numbered[1])]
        above = alike[: alike.index(key)] if key in alike else alike
        family = isinstance(member, Region) and member.any_number and key in alike
        least = 1 if family and len(alike) >= MANY else MANY
        if len(above) < least or found[-len(above) :] != above:
            return found
        return [*found[: -len(above)], f"{numbered[1]}*"]

    def taken(self, member: Leaf | Region) -> Sequence[str]:
        return member.node.inputs if isinstance(member, Leaf) else member.sources

    def reference(self, region: Region, name: str, whole: bool = False) -> str:
        """What a node is called inside of a region: what it gives by that, or the ``whole`` way."""
        name = seen(name, region.path)
        if not region.path and name in self.graph.inputs:
            return name
        if name in region.sources and region.any_number:
            return "input"
        if name in region.sources:
            return self.inputs_of(region)[region.sources.index(name)]
        last = name.rpartition(".")[2]
        called = region.members.get(last)
        if isinstance(called, Leaf) and called.node.name == name:
            return last
        start = region.path + "." if region.path else ""
        near = name[len(start) :].partition(".")[0]  # nearly always it is called so
        for key in (near, *region.members) if near in region.members else region.members:
            member = region.members[key]
            if isinstance(member, Leaf):
                if member.node.name == name:
                    return key
            elif name in member.inside:
                if name == member.output and not whole:
                    return key
                return f"{key}.{self.reference(member, name, whole)}"
        return f"?{name}"

    def ends(self, region: Region) -> list[str]:
        """What a region gives, or hands on if that is several."""
        if region.gives:
            return region.gives
        return [self.reference(region, name) for name in region.handed or [region.output]]

    def inputs_of(self, region: Region) -> list[str]:
        """The names by which the layers of a region refer to what it takes."""
        if region.any_number:
            return ["input.*"]
        taken = set(region.members)
        if len(region.sources) == 1 and "input" not in taken:
            return ["input"]
        names = []
        for k, _ in enumerate(region.sources):
            name = "input" if k == 0 else f"input{k + 1}"
            while name in taken:
                name += "_"
            names.append(name)
        return names


def seen(name: str, path: str) -> str:
    """What is taken by the name that it has within a region.

    A loop may be given the same in two places, of which each is another thing in its later turns:
    within the loop the second one has a name of its own.
    """
    if MARK not in name:
        return name
    base, *marks = name.split(MARK)
    kept = [mark for mark in marks if path.startswith(mark.partition(":")[0] + ".")]
    return MARK.join([base, *kept])


MARK = "\0"
"""Stands between a name and the loop, and its port, within which it is called so."""


def turn_of(region: Region) -> Region | None:
    """The last turn of a loop."""
    last = next(reversed(region.members.values()), None)
    return last if isinstance(last, Region) and last.name.isdigit() else None


def ported(tree: Tree) -> Iterator[Node]:
    """The nodes of a graph, which tell apart what loops take by their ports; and note the ports."""
    found = {node.name: node for node in tree.graph.nodes}
    for loop in tree.loops:
        if loop.owner:
            tree.owners[loop.path] = loop.owner.rpartition(".")[2]
        for turn, taken in enumerate(loop.taken):
            path = f"{loop.path}.{turn}"
            again = [port for port, source in enumerate(taken) if source in taken[:port]]
            ports: dict[int, str] = {}
            for (within, slot), port in loop.ports.items():
                node = found.get(f"{path}.{within}")
                if node is None:
                    continue
                source = node.inputs[slot]
                if port in again:
                    source = f"{source}{MARK}{loop.path}:{port}"
                    inputs = (*node.inputs[:slot], source, *node.inputs[slot + 1 :])
                    found[node.name] = node._replace(inputs=inputs)
                ports.setdefault(port, source)
            for port, source in enumerate(taken):  # what a last turn takes no more
                ports.setdefault(port, f"{source}{MARK}{loop.path}:{port}" * (port in again))
                ports[port] = ports[port] or source
                tree.shapes.setdefault(ports[port], tree.shapes[seen(source, "")])
                tree.order.setdefault(ports[port], tree.order[seen(source, "")])
            handed = [_given(loop, turn, name, found, ports) for name in loop.carried]
            tree.turns[path] = [ports[port] for port in sorted(ports)], handed
    yield from found.values()


def _given(
    loop: Loop, turn: int, within: str, found: Mapping[str, Node], ports: Mapping[int, str]
) -> str:
    """What a turn gives by a name: a layer that it lacks stands for what it would take first."""
    name = f"{loop.path}.{turn}.{within}"
    if name in found:
        return name
    if (within, 0) in loop.ports:
        return ports[loop.ports[within, 0]]
    before = f"{loop.path}.{turn - 1}."
    source = found[before + within].inputs[0]
    return _given(loop, turn, source.removeprefix(before), found, ports)


def reached(needs: Mapping[str, Iterable[str]], key: str) -> set[str]:
    """All that something needs, by way of others too."""
    found: set[str] = set()
    queue = list(needs[key])
    while queue:
        each = queue.pop()
        if each not in found:
            found.add(each)
            queue += needs[each]
    return found
