"""The layers of a block, said once for all that are of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from archcalc.frontends.fold.alike import Alike
from archcalc.frontends.fold.arguments import Arguments
from archcalc.frontends.fold.regions import ANY, MANY, Block, Leaf, Region, Value, seen
from archcalc.spec.written import name_of

FEW = 4
"""So many turns are said one by one, if much is another in each of them."""


class Writer(Alike):
    """Writes the layers of blocks."""

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
