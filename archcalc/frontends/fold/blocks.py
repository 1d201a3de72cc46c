"""Regions that are alike are blocks, each written once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from archcalc.frontends.fold.alike import Alike
from archcalc.frontends.fold.arguments import Arguments
from archcalc.frontends.fold.inline import inlined
from archcalc.frontends.fold.loops import Loop
from archcalc.frontends.fold.regions import ANY, MANY, Block, Leaf, Region, Value, seen
from archcalc.spec.frozen import frozen_names
from archcalc.spec.graph import Graph
from archcalc.spec.model import Bits
from archcalc.spec.written import name_of

FEW = 4
"""So many turns are said one by one, if much is another in each of them."""


MORE = 4
"""So many arguments are what it may cost that blocks of one class are one."""


WIDE = 80
"""So many letters are a line, with what is before them."""


HOLDERS = ("Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict")
"""Classes that say nothing of what is in them."""


def _varies(region: Region, argument: str) -> bool:
    """Whether a repetition would need a list of what it gives an argument at each turn."""
    values = [m.args[argument] for m in region.members.values() if isinstance(m, Region)]
    rest = {repr(value) for value in values[1:] if value is not ANY}
    return len(rest) > 1


def turns_of(region: Region) -> list[Region]:
    """The turns of what may be a repetition."""
    return [member for member in region.members.values() if isinstance(member, Region)]


def _handed(region: Region) -> list[str]:
    """What a turn hands on to the next."""
    return [region.output] if region.handed is None else region.handed


def _starred(
    references: list[str], layers: Mapping[str, Mapping[str, Value]], around: Region
) -> list[str]:
    """References with those to all turns of a repetition above as one: ``step.*.add``."""
    found: list[str] = []
    k = 0
    while k < len(references):
        key, _, inner = references[k].partition(".")
        first, dot, rest = inner.partition(".")
        member = around.members.get(key)
        turns = 1
        if first == "0" and isinstance(member, Region) and _is_repeated(layers.get(key, {})):
            turns = len(member.members)
            wanted = [f"{key}.{turn}{dot}{rest}" for turn in range(turns)]
            several = references[k : k + turns]
            if several[:-1] != wanted[:-1] or several[-1] not in (wanted[-1], key):
                turns = 1
        found.append(references[k] if turns == 1 else f"{key}.*{dot}{rest}")
        k += turns
    return found


def _long(fields: Mapping[str, Value]) -> int:
    """About how many lines it takes to say some fields."""
    return 1 + len(str(dict(fields))) // WIDE


def _is_repeated(layer: Mapping[str, Value]) -> bool:
    return "repeat" in layer or "parallel" in layer


def _by_number(references: list[str]) -> str:
    """What is taken at each turn, by its number."""
    parts = [
        re.fullmatch(r"(.*?[._A-Za-z])(\d+)((?:\.[A-Za-z_]\w*)*)", each) for each in references
    ]
    if all(parts):
        known = [part for part in parts if part is not None]
        numbers = [int(part[2]) for part in known]
        step = numbers[1] - numbers[0]
        regular = numbers == [numbers[0] + step * k for k in range(len(numbers))]
        if regular and abs(step) == 1 and len({(part[1], part[3]) for part in known}) == 1:
            start = f"{numbers[0]} - i" if step < 0 else f"i + {numbers[0]}" if numbers[0] else "i"
            return f"{known[0][1]}{{{start}}}{known[0][3]}"
    return f"={references}[i]"


class Folder(Alike):
    """Writes a graph as the data of a spec."""

    def __init__(self, graph: Graph, plain: bool = False, loops: Sequence[Loop] = ()) -> None:
        """A ``plain`` one writes numbers and blocks as they are, and nothing that follows."""
        super().__init__(graph, plain, loops)
        self.classes = graph.modules
        self.blocks: list[Block] = []
        self.names: set[str] = set()
        self.widths: dict[str, int] = {}
        """How many members stand under a name."""

    def data(self) -> dict[str, Any]:
        root = self.tree()
        self.settle(root)
        self.call(root, "")
        for regions in self.levels(root):
            self.define(regions)
        top = Block("", [root])
        self.write(top)
        data = self.assembled(top)
        return data if self.plain else inlined(data)

    def levels(self, root: Region) -> list[list[Region]]:
        """Regions in the order in which they become blocks: what is inside of one comes before it.

        Regions of one word are looked at together, because they may be one block.
        """
        found: dict[int, tuple[Region, int]] = {}
        nested: set[str] = set()

        def measure(region: Region, around: tuple[str, ...]) -> int:
            word = self.word(region)
            self.widths[region.path] = len(region.members)
            nested.update({word} & set(around))
            heights = [
                measure(m, (*around, word))
                for m in region.members.values()
                if isinstance(m, Region)
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
        by_height: dict[int, list[Region]] = {}
        for region, height in found.values():
            if region is not root:
                by_height.setdefault(height, []).append(region)
        return [by_height[height] for height in sorted(by_height)]

    # Blocks ---------------------------------------------------------------------------------------

    def define(self, regions: Sequence[Region]) -> None:
        """Make blocks of the regions at one depth: those of equal skeletons are one.

        So are those of one class of which some lack layers that the others have: a layer that is
        left out stands for its input.
        """
        gathering: dict[str, list[Region]] = {}
        for region in filter(self.gathers, regions):
            gathering.setdefault(self.word(region), []).append(region)
        for alike in gathering.values():
            differ = len({len(region.sources) for region in alike}) > 1
            for region in alike:
                region.any_number = differ
        groups: dict[Any, list[Region]] = {}
        for region in regions:
            groups.setdefault(self.skeleton(region), []).append(region)
        pools: list[tuple[set[str], list[list[Region]]]] = []
        for instances in (part for group in groups.values() for part in self.parts(group)):
            words, pool = set(map(self.word, instances)), [instances]
            for each in [each for each in pools if not words.isdisjoint(each[0])]:
                pools.remove(each)
                words, pool = words | each[0], each[1] + pool
            pools.append((words, pool))
        for _, pool in pools:
            pool.sort(key=lambda instances: -len(instances[0].members))
            merged: list[Block] = []
            for instances in pool:
                for k, larger in enumerate(merged):
                    both = self.both(larger, instances)
                    if both is not None and self.simple(both, larger, instances):
                        merged[k] = both
                        break
                else:
                    merged.append(Block("", list(instances)))
            for block in merged:
                block.name = self.called(block.instances)
                for instance in block.instances:
                    instance.block = block
                self.write(block)
                self.blocks.append(block)

    def both(self, larger: Block, smaller: Sequence[Region]) -> Block | None:
        """A block that instances of two would be of, if there is one."""
        model = self.joined(larger.first, smaller[0])
        return None if model is None else Block("", [*larger.instances, *smaller], model=model)

    def simple(self, both: Block, larger: Block, smaller: Sequence[Region]) -> bool:
        """Whether instances as one block have hardly more arguments than as two.

        The more layers would be written twice, the more arguments may say how they differ.
        """
        other = Block("", list(smaller))
        apart = max(map(self.count, (larger, other)))
        if self.count(both) > apart + max(MORE, sum(1 for _ in smaller[0].nodes()) // 3):
            return False
        return len(both.args) < MANY or self.lines(both) <= self.lines(larger) + self.lines(other)

    def parts(self, instances: list[Region]) -> list[list[Region]]:
        """Instances as one block, or as one for each of their classes if that takes fewer lines."""
        classes: dict[str, list[Region]] = {}
        for region in instances:
            classes.setdefault(self.word(region), []).append(region)
        whole = Block("", instances)
        if len(classes) == 1 or self.plain or self.count(whole) < MANY:
            return [instances]
        apart = sum(self.lines(Block("", part)) for part in classes.values())
        return list(classes.values()) if apart < self.lines(whole) else [instances]

    def lines(self, block: Block) -> int:
        """About how many lines a block and its instances take; those of a repetition are one."""
        self.write(block)
        calls: dict[str, list[int]] = {}
        for region in block.instances:
            said = {k: v for k, v in region.args.items() if v is not ANY and v != block.args[k]}
            above = region.path.rpartition(".")[0]
            calls.setdefault(above if region.name.isdigit() else region.path, []).append(
                _long(said)
            )
        called = sum(
            max(each) if len(each) == self.widths.get(above) else sum(each)
            for above, each in calls.items()
        )
        return called + _long(block.args) + sum(map(_long, block.layers.values()))

    def count(self, block: Block) -> int:
        """How many arguments instances have as one block."""
        self.write(block)
        return len(block.args)

    def word(self, region: Region) -> str:
        """What a region is an instance of, in a word."""
        words = self.classes.get(region.path, "").rpartition(".")[2]
        if not words or words in HOLDERS:
            parts = [part for part in region.path.split(".") if not part.isdigit()]
            words = parts[-1] if parts else "block"
        words = words.lstrip("_") or "block"
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", words).lower()
        name = re.sub(r"\W", "_", name)
        return name if re.match(r"[a-z]", name) else f"block_{name}"

    def called(self, instances: Sequence[Region]) -> str:
        """A name of its own for a block: without a number that tells its instances apart."""
        name = self.word(instances[0])
        numbered = [re.fullmatch(r"(.*?[a-z])_?\d+", self.word(each)) for each in instances]
        stems = {found[1] for found in numbered if found is not None}
        if None not in numbered and len(stems) == 1 and len(set(map(self.word, instances))) > 1:
            name = stems.pop()
        unique, number = name, 2
        while unique in self.names:
            unique, number = f"{name}_{number}", number + 1
        self.names.add(unique)
        return unique

    # Writing --------------------------------------------------------------------------------------

    def write(self, block: Block) -> None:
        """Say the layers of a block once for all of its instances."""
        first = block.first
        for instance in block.instances:
            instance.args = {}
        block.args, block.layers = {}, {}
        writer = Arguments(self, block)
        block.inputs = self.inputs_of(first) if first.path else list(self.graph.inputs)
        previous = block.inputs[0].removesuffix(".*") if block.inputs else ""
        for key, member in first.members.items():
            layer: dict[str, Value] = {}
            members = [instance.members.get(key) for instance in block.instances]
            repeated = None
            if isinstance(member, Leaf):
                ops = [name_of(m.node.op) if isinstance(m, Leaf) else ANY for m in members]
                layer["op"] = writer.say(key, "activation", ops, ())
            else:
                repeated = self.repeats([m for m in members if m is not None])
                found = repeated or member.block
                assert found is not None
                layer["block"] = found.name
            references = self.references(first, key)
            if repeated is not None and isinstance(member, Region):
                references = self.following(references, member, block.having(key))
            references = _starred(references, block.layers, first)
            if references != [previous]:
                layer["from"] = references[0] if len(references) == 1 else references
            if any(m is None for m in members):
                layer["when"] = self.presence(writer, key, layer)
            sources = [() if m is None else self.taken(m) for m in members]
            if isinstance(member, Leaf):
                leaves = [m if isinstance(m, Leaf) else None for m in members]
                names = dict.fromkeys(n for m in leaves if m is not None for n in m.fields)
                for name in names:
                    values = [ANY if m is None else m.value(name) for m in leaves]
                    layer[name] = writer.say(key, name, values, sources)
                if member.node.share is not None:
                    home = block.having(key)
                    layer["share"] = self.reference(home, member.node.share, whole=True)
            else:
                if member.share is not None:
                    layer["share"] = member.share
                elif repeated is not None and turns_of(member)[-1].share is not None:
                    layer["share"] = key
                regions = [m if isinstance(m, Region) else None for m in members]
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
        block.outputs = self.ends(first)
        output = block.outputs[0]
        block.output = None if output == previous or len(block.outputs) > 1 else output
        writer.finish()

    def presence(self, writer: Arguments, key: str, layer: Mapping[str, Value]) -> Value:
        """In which instances a member is there: in those with so many of its kind, or by itself."""
        instances = writer.block.instances
        numbered = re.fullmatch(r"(\D*)\d+", key)
        if numbered is not None:
            rows = [
                [name for name in region.members if re.fullmatch(rf"{numbered[1]}\d+", name)]
                for region in instances
            ]
            longest = rows[0]
            if len(longest) >= MANY and all(row == longest[: len(row)] for row in rows):
                word = f"{numbered[1].rstrip('_')}s" if numbered[1] else "length"
                count = writer.say(word, word, [len(row) for row in rows], ())
                return f"{count} >= {longest.index(key) + 1}"
        what = str(layer.get("block") or layer["op"]).lstrip("=").lower()
        word = key if not key.isdigit() else f"with_{what}"
        if all(region.handed is not None for region in instances):
            word = "again"  # the last turn of a loop makes nothing for a next one
        return writer.say(key, word, [key in region.members for region in instances], ())

    def repeats(self, members: Sequence[Any]) -> Block | None:
        """The block that regions repeat, if they do nothing else."""
        blocks = set()
        follows = set()
        for region in members:
            if not isinstance(region, Region):
                return None
            if region.share is not None and region.path not in self.owners:
                return None
            inner = list(region.members.values())
            if list(region.members) != [str(k) for k in range(len(inner))]:
                return None
            before: Region | None = None
            for each in inner:
                if not isinstance(each, Region) or each.block is None:
                    return None
                blocks.add(id(each.block))
                handed = [] if before is None else _handed(before)
                if each.sources[: len(handed)] != handed:
                    return None
                before = each
            assert before is not None
            found = self.followed(region)
            shares = [each.share for each in turns_of(region)]
            if found is None or shares[0] or {*shares[1:]} not in ({None}, {"0"}, set()):
                return None
            if before.handed is None and (before.output != region.output or found[0] != 0):
                return None
            follows.add((found, shares[-1], before.handed == []))
        if len(blocks) != 1 or len(follows) != 1:
            return None
        block: Block = next(iter(members[0].members.values())).block
        varied = sum(any(_varies(region, name) for region in members) for name in block.args)
        # What hands on several has no one output that could be said otherwise.
        several = len(_handed(turns_of(members[0])[0])) > 1
        few = max(len(region.members) for region in members) <= FEW and not several
        return None if few and varied > 2 else block

    def following(self, references: list[str], region: Region, around: Region) -> list[str]:
        """What a repetition takes: what follows its turns is a list of all by their number."""
        found = self.followed(region)
        if found is None or found == (*range(len(references)),):
            return references
        references = [self.reference(around, source) for source in region.sources]
        return [
            references[place]
            if isinstance(place, int)
            else _by_number([references[k] for k in place])
            for place in found
        ]

    def followed(self, region: Region) -> tuple[int | tuple[int, ...], ...] | None:
        """Which of the things that a repetition takes are its first, second, ... input.

        One that is another at each turn has a number a turn. None where turns take more than that.
        """
        regions = turns_of(region)
        turns = [[seen(source, region.path) for source in each.sources] for each in regions]
        if any(r.any_number for r in regions):
            return (0,) if all(turn[1:] == turns[0][1:] for turn in turns) else None
        if len({len(turn) for turn in turns}) != 1:
            return None
        places = {source: k for k, source in enumerate(region.sources)}
        handed = len(_handed(regions[0]))
        found: list[int | tuple[int, ...]] = [places.get(each, -1) for each in turns[0][:handed]]
        for column in list(zip(*turns, strict=True))[handed:]:
            if not places.keys() >= set(column):
                return None
            same = len(set(column)) == 1
            found.append(places[column[0]] if same else tuple(places[each] for each in column))
        return tuple(found)

    def repeat(
        self,
        layer: dict[str, Value],
        writer: Arguments,
        key: str,
        regions: Sequence[Region | None],
        block: Block,
    ) -> None:
        """Say a repetition: how often, and what changes on the way."""
        sources = [() if r is None else r.sources for r in regions]
        times = [ANY if r is None else len(r.members) for r in regions]
        turns = [turn for r in regions if r is not None for turn in turns_of(r)]
        how = "parallel" if turns[0].handed == [] else "repeat"
        layer[how] = writer.say(key, "repeat", times, sources)
        for name, default in block.args.items():
            rows = [
                None
                if r is None
                else [m.args[name] for m in r.members.values() if isinstance(m, Region)]
                for r in regions
            ]
            flat = [v for row in rows if row is not None for v in row if v is not ANY]
            if default is not None and all(v == default for v in flat):
                continue
            layer[name] = writer.progress(key, name, rows, sources)

    def assembled(self, top: Block) -> dict[str, Any]:
        graph = self.graph
        data: dict[str, Any] = {"name": re.sub(r"[^\w-]", "_", graph.name)}
        about = {"title": graph.title, "edition": graph.edition, "year": graph.year}
        data |= {key: value for key, value in about.items() if value}
        inputs = {name: list(shape[1:]) for name, shape in graph.inputs.items()}
        data["input"] = inputs["input"] if list(inputs) == ["input"] else inputs
        if not graph.batched:
            data["batched"] = False
        used = self.used(top)
        blocks = {}
        for block in self.blocks:
            if block.name not in used:
                continue
            written: dict[str, Any] = {}
            if block.args:
                written["args"] = block.args
            if block.inputs != ["input"]:
                written["inputs"] = block.inputs
            if block.output is not None:
                written["output"] = block.output
            if len(block.outputs) > 1:
                written["outputs"] = block.outputs
            written["layers"] = block.layers
            blocks[block.name] = written
        if blocks:
            data["blocks"] = blocks
        data["layers"] = top.layers
        if frozen := frozen_names(graph):
            data["frozen"] = frozen
        if graph.bits:
            named = [Bits.of(rule.renamed(self.paths)).model_dump() for rule in graph.bits]
            written_out = [{key: value for key, value in each.items() if value} for each in named]
            data["bits"] = written_out[0] if len(written_out) == 1 else written_out
        root = top.instances[0]
        outputs = [self.reference(root, name) for name in graph.outputs]
        if outputs != [next(reversed(top.layers))]:
            data["outputs"] = outputs[0] if len(outputs) == 1 else outputs
        if graph.training_outputs:
            data["training_outputs"] = [self.reference(root, n) for n in graph.training_outputs]
        return data

    def used(self, top: Block) -> set[str]:
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
