"""Graph -> a spec that one would have written: blocks, repetitions, and what differs as arguments.

A network that was imported is a list of layers whose names are ways into it: ``layer1.0.conv1``.
What stands under one name, ``layer1.0``, is an instance of a block. Instances with the same layers,
connected alike, are one block, and what differs between them is an argument of it; instances of one
block in a row are a repetition. Whatever is written is expanded again and held against the graph.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, TypeAlias

from archcalc.dims import Shape
from archcalc.errors import SpecError
from archcalc.spec.expand import attempt
from archcalc.spec.frozen import frozen_names
from archcalc.spec.graph import Graph, Node
from archcalc.spec.model import Spec
from archcalc.spec.question import Question
from archcalc.spec.written import fields_of, name_of
from archcalc.spec.zoo import load

Value: TypeAlias = Any


class _Any:
    """A value that does not matter, because the layer that has it is left out."""

    def __repr__(self) -> str:
        return "ANY"


ANY = _Any()


@dataclass
class _Leaf:
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
class _Region:
    """What stands under one name: an instance of a block."""

    path: str
    name: str
    members: dict[str, _Leaf | _Region] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    """Nodes and inputs outside of it that its layers take, in the order of their first use."""
    output: str = ""
    block: _Block | None = None
    args: dict[str, Value] = field(default_factory=dict)

    def nodes(self) -> Iterator[Node]:
        for member in self.members.values():
            if isinstance(member, _Leaf):
                yield member.node
            else:
                yield from member.nodes()


@dataclass
class _Block:
    """Instances that are alike, and how they are written."""

    name: str
    instances: list[_Region]
    args: dict[str, Value] = field(default_factory=dict)
    """Arguments and their defaults; None for one without."""
    layers: dict[str, dict[str, Value]] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    output: str | None = None


def to_spec(graph: Graph, *, allow_unknown: bool = False) -> Spec:
    """A spec that expands to the layers of a graph, written as a person would.

    Equal parts become blocks with arguments, rows of them repetitions; layers keep their names.
    What can't be said so is written flat, a line a layer, with ``_`` for the dots in names. Raises
    :class:`ArchcalcError` for a graph that no spec can say.
    """
    data, same = _written(graph)
    spec = load(data, allow_unknown=allow_unknown or _has_unknown(graph))
    spec._origins = {node.name: node.origin for node in same.nodes if node.origin is not None}
    return spec


def written(graph: Graph) -> dict[str, Any]:
    """The data of the spec that :func:`to_spec` gives."""
    return _written(graph)[0]


def _written(graph: Graph) -> tuple[dict[str, Any], Graph]:
    """The data, and the graph with the names that layers have in it."""
    folder = _Folder(graph)
    data = folder.data()
    same = _renamed(graph, folder.paths)
    with contextlib.suppress(SpecError):
        spec = load(data, allow_unknown=True)
        question = Question(batch=batch_of(graph), allow_unknown=True)
        found = attempt(spec, question).graph
        if found is not None and same_layers(found, same):
            return data, same
    flat = _flat(graph)
    return _Folder(flat).data(), flat


def batch_of(graph: Graph) -> int:
    """How many samples a graph is of."""
    return next(iter(graph.inputs.values()))[0]  # type: ignore[no-any-return]


def same_layers(one: Graph, other: Graph) -> bool:
    """Whether two graphs have the same layers by name, on the same inputs, and the same outputs."""
    first, second = (
        {n.name: (n.op, n.shape, n.inputs, n.share, n.frozen) for n in graph.nodes}
        for graph in (one, other)
    )
    ends = [(graph.outputs, graph.training_outputs) for graph in (one, other)]
    return first == second and ends[0] == ends[1]


def _has_unknown(graph: Graph) -> bool:
    return not all(node.op.counted for node in graph.nodes)


def _flat(graph: Graph) -> Graph:
    """A graph whose layers stand in no blocks."""
    names = {name: name for name in graph.inputs}
    taken = set(names)
    for node in graph.nodes:
        name = node.name.replace(".", "_")
        while name in taken:
            name += "_"
        names[node.name] = name
        taken.add(name)
    return _renamed(graph, names)


def _renamed(graph: Graph, names: Mapping[str, str]) -> Graph:
    """A graph whose layers have other names."""
    names = {**{name: name for name in graph.inputs}, **names}
    nodes = tuple(
        node._replace(
            name=names[node.name],
            inputs=tuple(names[source] for source in node.inputs),
            share=None if node.share is None else names[node.share],
        )
        for node in graph.nodes
    )
    outputs = tuple(names[name] for name in graph.outputs)
    others = tuple(names[name] for name in graph.training_outputs)
    return replace(graph, nodes=nodes, outputs=outputs, training_outputs=others)


class _Folder:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.classes = graph.modules
        self.shapes: dict[str, Shape] = {**graph.inputs, **{n.name: n.shape for n in graph.nodes}}
        self.order = {name: k for k, name in enumerate(self.shapes)}
        self.users: dict[str, list[str]] = {}
        for node in graph.nodes:
            for source in node.inputs:
                self.users.setdefault(source, []).append(node.name)
        self.blocks: list[_Block] = []
        self.names: set[str] = set()
        self.paths: dict[str, str] = {}
        """What layers are called in the spec; of a region that gave way, a little otherwise."""

    def data(self) -> dict[str, Any]:
        root = self.tree()
        self.settle(root)
        self.call(root, "")
        for regions in self.levels(root):
            self.define(regions)
        top = _Block("", [root])
        self.write(top)
        return self.assembled(top)

    # The tree -------------------------------------------------------------------------------------

    def tree(self) -> _Region:
        known: dict[Any, dict[str, Value]] = {}
        root = _Region("", "")
        for node in self.graph.nodes:
            *above, last = node.name.split(".")
            region = root
            for part in above:
                path = f"{region.path}.{part}" if region.path else part
                inner = region.members.setdefault(part, _Region(path, part))
                assert isinstance(inner, _Region), path
                region = inner
            if id(node.op) not in known:
                known[id(node.op)] = fields_of(node.op)
            region.members[last] = _Leaf(last, node, dict(known[id(node.op)]))
        return root

    def call(self, region: _Region, above: str) -> None:
        """Note what layers are called."""
        for key, member in region.members.items():
            if isinstance(member, _Leaf):
                self.paths[member.node.name] = above + key
            else:
                self.call(member, f"{above}{key}.")

    def settle(self, root: _Region) -> None:
        """Find what regions take and give; a region that can't be a block gives way."""
        while True:
            self.connect(root)
            wrong = self.tangled(root)
            if wrong is None:
                return
            parent, name = wrong
            inner = parent.members[name]
            assert isinstance(inner, _Region)
            members: dict[str, _Leaf | _Region] = {}
            for key, member in parent.members.items():
                if key != name:
                    members[key] = member
                    continue
                for below, each in inner.members.items():
                    each.name = f"{name}_{below}"
                    while each.name in members or each.name in parent.members:
                        each.name += "_"
                    members[each.name] = each
            parent.members = members

    def connect(self, region: _Region) -> frozenset[str]:
        inside: set[str] = set()
        for member in region.members.values():
            if isinstance(member, _Leaf):
                inside.add(member.node.name)
            else:
                inside |= self.connect(member)
        taken: dict[str, None] = {}
        for node in sorted(region.nodes(), key=lambda n: self.order[n.name]):
            for source in node.inputs:
                if source not in inside:
                    taken.setdefault(source)
        region.sources = list(taken)
        finals = {*self.graph.outputs, *self.graph.training_outputs}
        given = [
            name
            for name in sorted(inside, key=self.order.__getitem__)
            if name in finals or any(user not in inside for user in self.users.get(name, ()))
        ]
        region.output = given[-1] if given else max(inside, key=self.order.__getitem__)
        return frozenset(inside)

    def tangled(self, region: _Region) -> tuple[_Region, str] | None:
        """A member that can't stand in one piece: it takes what comes from its own output.

        Nor can one that uses tensors of another, which a block has no name for.
        """
        for member in region.members.values():
            if isinstance(member, _Region):
                found = self.tangled(member)
                if found is not None:
                    return found
        piece = {
            node.name: key
            for key, member in region.members.items()
            for node in ([member.node] if isinstance(member, _Leaf) else member.nodes())
        }
        needs: dict[str, dict[str, None]] = {key: {} for key in region.members}
        for key, member in region.members.items():
            taken = member.node.inputs if isinstance(member, _Leaf) else member.sources
            for source in taken:
                if source in piece and piece[source] != key:
                    needs[key].setdefault(piece[source])
            if isinstance(member, _Region):
                inside = {node.name for node in member.nodes()}
                shared = {node.share for node in member.nodes()} - {None}
                if not member.sources or not member.members or shared - inside:
                    return region, key
        done: dict[str, None] = {}
        left = list(region.members)
        while left:
            ready = [key for key in left if all(need in done for need in needs[key])]
            if not ready:
                return region, self.circling(region, needs, left)
            done[ready[0]] = None
            left.remove(ready[0])
        region.members = {key: region.members[key] for key in done}
        return None

    def circling(
        self, region: _Region, needs: Mapping[str, Mapping[str, None]], left: Sequence[str]
    ) -> str:
        """A region that comes, by way of others, to what it gives itself."""
        found = ""
        for key in left:
            if isinstance(region.members[key], _Region):
                reached: set[str] = set()
                queue = list(needs[key])
                while queue:
                    each = queue.pop()
                    if each not in reached:
                        reached.add(each)
                        queue += needs[each]
                if key in reached:
                    found = key
        return found

    def levels(self, root: _Region) -> list[list[_Region]]:
        """Regions in the order in which they become blocks: what is inside of one comes before it.

        Regions of one word are looked at together, because they may be one block.
        """
        found: dict[int, tuple[_Region, int]] = {}
        nested: set[str] = set()

        def measure(region: _Region, around: tuple[str, ...]) -> int:
            word = self.word(region)
            nested.update({word} & set(around))
            heights = [
                measure(m, (*around, word))
                for m in region.members.values()
                if isinstance(m, _Region)
            ]
            height = 1 + max(heights, default=0)
            if word not in nested:
                height = max(height, level.get(word, 0))
            found[id(region)] = region, height
            return height

        level: dict[str, int] = {}
        for _ in range(20):
            measure(root, ())
            before = dict(level)
            for region, height in found.values():
                word = self.word(region)
                level[word] = max(level.get(word, 0), height)
            if level == before:
                break
        by_height: dict[int, list[_Region]] = {}
        for region, height in found.values():
            if region is not root:
                by_height.setdefault(height, []).append(region)
        return [by_height[height] for height in sorted(by_height)]

    # Blocks ---------------------------------------------------------------------------------------

    def define(self, regions: Sequence[_Region]) -> None:
        """Make blocks of the regions at one depth: those of equal skeletons are one.

        So are those of one class of which some lack layers that the others have: a layer that is
        left out stands for its input.
        """
        groups: dict[Any, list[_Region]] = {}
        for region in regions:
            groups.setdefault(self.skeleton(region), []).append(region)
        pools: dict[str, list[list[_Region]]] = {}
        for instances in groups.values():
            pools.setdefault(self.word(instances[0]), []).append(instances)
        for pool in pools.values():
            pool.sort(key=lambda instances: -len(instances[0].members))
            merged: list[list[_Region]] = []
            for instances in pool:
                for larger in merged:
                    if self.embeds(larger[0], instances[0]):
                        larger += instances
                        break
                else:
                    merged.append(list(instances))
            for instances in merged:
                block = _Block(self.called(instances[0]), instances)
                for instance in instances:
                    instance.block = block
                self.write(block)
                self.blocks.append(block)

    def embeds(self, larger: _Region, smaller: _Region) -> bool:
        """Whether a region is another without some of its layers."""
        if len(larger.sources) != len(smaller.sources):
            return False
        there = {key: self.kind(member) for key, member in smaller.members.items()}
        order = [key for key in larger.members if key in there]
        if order != list(there) or not order:
            return False
        if any(self.kind(larger.members[key]) != there[key] for key in order):
            return False

        def standing(reference: str) -> str:
            """What a reference means where layers are left out."""
            while reference in larger.members and reference not in there:
                reference = self.reference(larger, self.taken(larger.members[reference])[0])
            return reference

        for key in order:
            ours = [standing(self.reference(larger, s)) for s in self.taken(larger.members[key])]
            if ours != [self.reference(smaller, s) for s in self.taken(smaller.members[key])]:
                return False
        output = standing(self.reference(larger, larger.output))
        return output == self.reference(smaller, smaller.output)

    def kind(self, member: _Leaf | _Region) -> Any:
        """What has to be equal in instances of one block."""
        if isinstance(member, _Region):
            return id(member.block)
        share = member.node.share
        return name_of(member.node.op), share is not None

    def word(self, region: _Region) -> str:
        """What a region is an instance of, in a word."""
        words = self.classes.get(region.path, "").rpartition(".")[2]
        if not words or words in ("Sequential", "ModuleList", "ModuleDict"):
            parts = [part for part in region.path.split(".") if not part.isdigit()]
            words = parts[-1] if parts else "block"
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", words).lower()
        name = re.sub(r"\W", "_", name)
        return name if re.match(r"[a-z]", name) else f"block_{name}"

    def called(self, region: _Region) -> str:
        """A name of its own for a block."""
        name = self.word(region)
        unique, number = name, 2
        while unique in self.names:
            unique, number = f"{name}_{number}", number + 1
        self.names.add(unique)
        return unique

    def skeleton(self, region: _Region) -> Any:
        """What instances of one block have in common: all but numbers."""
        members = [
            (
                name,
                name_of(member.node.op) if isinstance(member, _Leaf) else id(member.block),
                tuple(self.reference(region, source) for source in self.taken(member)),
                None
                if isinstance(member, _Region) or member.node.share is None
                else self.reference(region, member.node.share, whole=True),
            )
            for name, member in region.members.items()
        ]
        return (*members, self.reference(region, region.output))

    def taken(self, member: _Leaf | _Region) -> Sequence[str]:
        return member.node.inputs if isinstance(member, _Leaf) else member.sources

    def reference(self, region: _Region, name: str, whole: bool = False) -> str:
        """What a node is called inside of a region: what it gives by that, or the ``whole`` way."""
        if not region.path and name in self.graph.inputs:
            return name
        if name in region.sources:
            return self.inputs_of(region)[region.sources.index(name)]
        for key, member in region.members.items():
            if isinstance(member, _Leaf):
                if member.node.name == name:
                    return key
            elif any(node.name == name for node in member.nodes()):
                if name == member.output and not whole:
                    return key
                return f"{key}.{self.reference(member, name, whole)}"
        return f"?{name}"

    def inputs_of(self, region: _Region) -> list[str]:
        if len(region.sources) == 1:
            return ["input"]
        taken = set(region.members)
        names = []
        for k, _ in enumerate(region.sources):
            name = "input" if k == 0 else f"input{k + 1}"
            while name in taken:
                name += "_"
            names.append(name)
        return names

    # Writing --------------------------------------------------------------------------------------

    def write(self, block: _Block) -> None:
        """Say the layers of a block once for all of its instances."""
        first = block.instances[0]
        writer = _Arguments(self, block)
        block.inputs = self.inputs_of(first) if first.path else list(self.graph.inputs)
        previous = block.inputs[0] if block.inputs else ""
        for key, member in first.members.items():
            layer: dict[str, Value] = {}
            members = [instance.members.get(key) for instance in block.instances]
            repeated = None
            if isinstance(member, _Leaf):
                layer["op"] = name_of(member.node.op)
            else:
                repeated = self.repeats([m for m in members if m is not None])
                found = repeated or member.block
                assert found is not None
                layer["block"] = found.name
            references = [self.reference(first, source) for source in self.taken(member)]
            if references != [previous]:
                layer["from"] = references[0] if len(references) == 1 else references
            there = [m is not None for m in members]
            if not all(there):
                word = (
                    key
                    if not key.isdigit()
                    else f"with_{layer.get('block') or layer['op'].lower()}"
                )
                layer["when"] = writer.say(key, word, there, ())
            sources = [() if m is None else self.taken(m) for m in members]
            if isinstance(member, _Leaf):
                leaves = [m if isinstance(m, _Leaf) else None for m in members]
                names = dict.fromkeys(n for m in leaves if m is not None for n in m.fields)
                for name in names:
                    values = [ANY if m is None else m.value(name) for m in leaves]
                    layer[name] = writer.say(key, name, values, sources)
                if member.node.share is not None:
                    layer["share"] = self.reference(first, member.node.share, whole=True)
            else:
                regions = [m if isinstance(m, _Region) else None for m in members]
                if repeated is not None:
                    self.repeat(layer, writer, key, regions, repeated)
                else:
                    assert member.block is not None
                    for name, default in member.block.args.items():
                        values = [ANY if r is None else r.args[name] for r in regions]
                        said = [v for v in values if v is not ANY]
                        if default is None or any(value != default for value in said):
                            layer[name] = writer.say(key, name, values, sources)
            block.layers[key] = layer
            previous = key
        output = self.reference(first, first.output)
        block.output = None if output == previous else output
        writer.finish()

    def repeats(self, members: Sequence[Any]) -> _Block | None:
        """The block that regions repeat, if they do nothing else."""
        blocks = set()
        for region in members:
            if not isinstance(region, _Region):
                return None
            inner = list(region.members.values())
            if list(region.members) != [str(k) for k in range(len(inner))]:
                return None
            before: _Region | None = None
            for each in inner:
                if not isinstance(each, _Region) or each.block is None:
                    return None
                blocks.add(id(each.block))
                if before is not None and each.sources != [before.output, *before.sources[1:]]:
                    return None
                before = each
            assert before is not None
            first = inner[0]
            assert isinstance(first, _Region)
            if before.output != region.output or first.sources != region.sources:
                return None
        if len(blocks) != 1:
            return None
        found: _Block = next(iter(members[0].members.values())).block
        return found

    def repeat(
        self,
        layer: dict[str, Value],
        writer: _Arguments,
        key: str,
        regions: Sequence[_Region | None],
        block: _Block,
    ) -> None:
        """Say a repetition: how often, and what changes on the way."""
        sources = [() if r is None else r.sources for r in regions]
        times = [ANY if r is None else len(r.members) for r in regions]
        layer["repeat"] = writer.say(key, "repeat", times, sources)
        for name, default in block.args.items():
            rows = [
                None
                if r is None
                else [m.args[name] for m in r.members.values() if isinstance(m, _Region)]
                for r in regions
            ]
            flat = [v for row in rows if row is not None for v in row if v is not ANY]
            if default is not None and all(v == default for v in flat):
                continue
            layer[name] = writer.progress(key, name, rows, sources)

    def assembled(self, top: _Block) -> dict[str, Any]:
        graph = self.graph
        data: dict[str, Any] = {"name": re.sub(r"[^\w-]", "_", graph.name)}
        about = {"title": graph.title, "edition": graph.edition, "year": graph.year}
        data |= {key: value for key, value in about.items() if value}
        inputs = {name: list(shape[1:]) for name, shape in graph.inputs.items()}
        data["input"] = inputs["input"] if list(inputs) == ["input"] else inputs
        used = self.used(top)
        blocks = {}
        for block in self.blocks:
            if block.name not in used:
                continue
            written: dict[str, Any] = {}
            if block.args:
                needed_first = sorted(block.args.items(), key=lambda item: item[1] is not None)
                written["args"] = dict(needed_first)
            if block.inputs != ["input"]:
                written["inputs"] = block.inputs
            if block.output is not None:
                written["output"] = block.output
            written["layers"] = block.layers
            blocks[block.name] = written
        if blocks:
            data["blocks"] = blocks
        data["layers"] = top.layers
        if frozen := frozen_names(graph):
            data["frozen"] = frozen
        root = top.instances[0]
        outputs = [self.reference(root, name) for name in graph.outputs]
        if outputs != [next(reversed(top.layers))]:
            data["outputs"] = outputs[0] if len(outputs) == 1 else outputs
        if graph.training_outputs:
            data["training_outputs"] = [self.reference(root, n) for n in graph.training_outputs]
        return data

    def used(self, top: _Block) -> set[str]:
        by_name = {block.name: block for block in self.blocks}
        found: set[str] = set()
        queue = [top]
        while queue:
            for layer in queue.pop().layers.values():
                name = layer.get("block")
                if name is not None and name not in found:
                    found.add(name)
                    queue.append(by_name[name])
        return found


class _Arguments:
    """What differs between the instances of a block, said in as few arguments as will do."""

    def __init__(self, folder: _Folder, block: _Block) -> None:
        self.folder = folder
        self.block = block
        self.vectors: dict[str, list[Value]] = {}
        self.uses: Counter[str] = Counter()

    def say(
        self, key: str, name: str, values: list[Value], sources: Sequence[Sequence[str]]
    ) -> Value:
        """A value if all instances have the same, else an expression of what they have."""
        known = [v for v in values if v is not ANY]
        if not known:
            return ANY
        first = known[0]
        if all(_equal(v, first) for v in known):
            return first
        for argument, vector in self.vectors.items():
            if all(map(_fits, vector, values)):
                self.learn(argument, values)
                return f"={argument}"
        found = self.by_shape(values, sources)
        if found is not None:
            return found
        if all(type(v) is int and v > 0 for v in known):
            for argument, vector in self.vectors.items():
                there = [w if v is not ANY else ANY for v, w in zip(values, vector, strict=True)]
                ratio = _ratio(there, values)
                if ratio is not None:
                    return f"={ratio} * {argument}"
                ratio = _ratio(values, there)
                if ratio is not None:
                    return f"={argument} // {ratio}"
        argument = self.new(key, name)
        self.vectors[argument] = list(values)
        return f"={argument}"

    def learn(self, argument: str, values: Sequence[Value]) -> None:
        vector = self.vectors[argument]
        self.vectors[argument] = [w if v is ANY else v for v, w in zip(vector, values, strict=True)]

    def by_shape(self, values: list[Value], sources: Sequence[Sequence[str]]) -> str | None:
        """An expression of the shape of what the layer takes, or of what the block does."""
        if not sources or not all(v is ANY or (type(v) is int and v > 1) for v in values):
            return None
        folder, block = self.folder, self.block
        shapes = folder.shapes
        candidates: list[tuple[str, list[Shape]]] = []
        entering = [shapes[r.sources[0]] if r.sources else () for r in block.instances]
        candidates.append((block.inputs[0] if block.inputs else "", entering))
        reference = folder.reference(block.instances[0], sources[0][0]) if sources[0] else ""
        if reference and "?" not in reference:
            candidates.append((reference, [shapes[each[0]] if each else () for each in sources]))
        for reference, given in candidates:
            plain = re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", reference)
            word = reference if plain else f"'{reference}'"
            pairs = [(s, v) for s, v in zip(given, values, strict=True) if v is not ANY]
            if all(len(s) > 1 and s[1] == v for s, v in pairs):
                return f"=channels({word})"
            if all(len(s) > 2 and s[-1] == v for s, v in pairs):
                return f"=size({word}, -1)"
        return None

    def new(self, key: str, name: str) -> str:
        """A name for an argument: the field's, or with the layer's before it."""
        taken = {*self.vectors, "input", "i", "batch", *self.block.inputs}
        word = re.sub(r"\W", "_", name)
        if word in _RESERVED or word in taken:
            stem = re.sub(r"\W", "_", key)
            stem = stem if re.match(r"[A-Za-z_]", stem) else f"layer{stem}"
            word = f"{stem}_{word}"
        unique, number = word, 2
        while unique in taken or unique in _RESERVED:
            unique, number = f"{word}{number}", number + 1
        return unique

    def progress(
        self,
        key: str,
        name: str,
        rows: Sequence[list[Value] | None],
        sources: Sequence[Sequence[str]],
    ) -> Value:
        """What a repetition is given at each turn ``i``, in one form for all instances."""
        known = [row for row in rows if row is not None]

        def one(values: list[Value]) -> Value:
            return next((v for v in values if v is not ANY), ANY)

        def alike(values: list[Value]) -> bool:
            return all(_fits(v, one(values)) for v in values)

        def spread(pick: Callable[[list[Value]], Value]) -> list[Value]:
            return [ANY if row is None else pick(row) for row in rows]

        if all(alike(row) for row in known):
            return self.say(key, name, spread(one), sources)
        if all(alike(row[1:]) for row in known):
            heads, tails = spread(lambda row: row[0]), spread(lambda row: one(row[1:]))
            if all(v is ANY or v is True for v in heads) and not any(
                v is True for v in tails if v is not ANY
            ):
                return "=i == 0"
            if all(v is ANY or v is False for v in heads) and all(
                v is ANY or v is True for v in tails
            ):
                return "=i > 0"
            head = self.say(key, f"first_{name}", heads, sources)
            tail = self.say(key, name, tails, sources)
            return f"={_inside(head)} if i == 0 else {_inside(tail)}"
        flat = [v for row in known for v in row]
        if all(type(v) is int for v in flat):
            pairs = [pair for row in known for pair in pairwise(row)]
            steps = {b - a for a, b in pairs}
            if len(steps) == 1:
                start = self.say(key, name, spread(lambda row: row[0]), sources)
                step = steps.pop()
                times = "i" if abs(step) == 1 else f"{abs(step)} * i"
                return f"={_inside(start)} {'+' if step > 0 else '-'} {times}"
            if all(a > 0 and b == 2 * a for a, b in pairs):
                start = self.say(key, name, spread(lambda row: row[0]), sources)
                return f"={_inside(start)} * 2 ** i"
        filled = [
            None if row is None else [one(row) if v is ANY else v for v in row] for row in rows
        ]
        said = self.say(key, name, [ANY if row is None else row for row in filled], sources)
        return f"={_inside(said)}[i]"

    def finish(self) -> None:
        """Settle the arguments of all instances, and the defaults."""
        for argument, values in self.vectors.items():
            for instance, value in zip(self.block.instances, values, strict=True):
                instance.args[argument] = value
            known = [v for v in values if v is not ANY]
            kinds = Counter(map(repr, known))
            word, times = kinds.most_common(1)[0]
            common = next(v for v in known if repr(v) == word)
            often = 2 * times > len(values) and type(common) in (int, bool, float)
            base = argument.endswith(("channels", "features"))
            needed = base and len(known) == len(values)
            self.block.args[argument] = (
                common if (often and not needed) or len(known) < len(values) else None
            )


def _equal(a: Value, b: Value) -> bool:
    return type(a) is type(b) and bool(a == b)


def _fits(a: Value, b: Value) -> bool:
    return a is ANY or b is ANY or _equal(a, b)


def _ratio(small: Sequence[Value], large: Sequence[Value]) -> int | None:
    """How many times larger all of some numbers are; None if they differ in that.

    One of a pair that does not matter is none of them, if the other doesn't either.
    """
    pairs = [(a, b) for a, b in zip(small, large, strict=True) if not (a is ANY and b is ANY)]
    if not pairs or not all(type(a) is int and type(b) is int and a > 0 for a, b in pairs):
        return None
    found = {b // a if b % a == 0 else 0 for a, b in pairs}
    ratio = found.pop()
    return ratio if not found and ratio > 1 else None


def _inside(value: Value) -> str:
    """A value inside of an expression."""
    if isinstance(value, str) and value.startswith("="):
        return value[1:]
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_inside, value))}]"
    return str(value)


_RESERVED = frozenset(
    ("op", "block", "from", "repeat", "parallel", "when", "share", "input", "batch", "i")
)
