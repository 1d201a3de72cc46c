"""Regions that are alike are blocks, each written once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from archcalc.frontends.fold.inline import inlined
from archcalc.frontends.fold.loops import Loop
from archcalc.frontends.fold.regions import ANY, MANY, Block, Region, Value
from archcalc.frontends.fold.writer import Writer
from archcalc.spec.frozen import frozen_names
from archcalc.spec.graph import Graph
from archcalc.spec.model import Bits

MORE = 4
"""So many arguments are what it may cost that blocks of one class are one."""


WIDE = 80
"""So many letters are a line, with what is before them."""


HOLDERS = ("Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict")
"""Classes that say nothing of what is in them."""


def _long(fields: Mapping[str, Value]) -> int:
    """About how many lines it takes to say some fields."""
    return 1 + len(str(dict(fields))) // WIDE


class Folder(Writer):
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

    # The whole -----------------------------------------------------------------------------------

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
