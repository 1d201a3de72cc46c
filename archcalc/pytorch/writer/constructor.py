"""What the constructor of a class says: how each submodule is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from archcalc.operators.parametrization import STANDARDIZATIONS
from archcalc.pytorch.writer.blocks import Block, Child, Unit
from archcalc.pytorch.writer.code import Bracket, Choice, Code
from archcalc.pytorch.writer.columns import MISSING, Slot, Target, column_of, text_of
from archcalc.pytorch.writer.library import Class, Library
from archcalc.pytorch.writer.naming import access
from archcalc.pytorch.writer.spelling import (
    EACH_WEIGHT,
    HELD,
    PARAMETRIZATION,
    PARAMETRIZED,
    arguments,
    is_module,
    spread,
    target_of,
)
from archcalc.pytorch.writer.texts import Texts
from archcalc.spec.graph import Node


class Constructor:
    """Works out what a class's constructor says."""

    def __init__(self, library: Library, made: Class) -> None:
        self.library = library
        self.made = made
        self.texts = Texts(made.blocks, library.variables)
        self.own = [{child.name: child for child in block.children} for block in made.blocks]

    def run(self) -> None:
        made = self.made
        drafts = [(child, *self.draft(child)) for child in made.children]
        self.texts.settle()
        for child, _, optional in drafts:
            if optional:
                present = tuple(child.name in own for own in self.own)
                made.conditions[child.name] = self.texts.condition(child.name, present)
        for child, draft, _ in drafts:
            code = draft()
            if code is None:
                continue
            condition = made.conditions.get(child.name)
            if condition is not None:
                code = Choice(code, condition, "nn.Identity()")
            made.lines.append((child.name, code))
        for block_number, block in enumerate(made.blocks):
            made.values[id(block)] = {
                param.name: param.column[block_number] for param in self.texts.ordered()
            }
        made.params = self.texts.ordered()
        made.locals = self.texts.locals

    def draft(self, child: Child) -> tuple[Callable[[], Code | None], bool]:
        """What will print how a child is made, once its slots have texts."""
        mine = [own.get(child.name) for own in self.own]
        optional = any(each is None for each in mine)
        tied = self.tied(child)
        if tied:
            self.made.aliases.add(child.name)
            self.made.again[child.name] = tied
            return (lambda: None), False
        alias = self.alias(child)
        if alias is not None:
            self.made.aliases.add(child.name)
            if self.is_again(child):
                self.made.again[child.name] = alias
                return (lambda: None), False
            return (lambda: alias), False
        again = self.again(child)
        if again:
            self.made.aliases.add(child.name)
            self.made.again[child.name] = access(again)
            return (lambda: None), False
        if child.repeated:
            return self.draft_repeated(child, mine), optional
        units = [None if each is None else each.units[0] for each in mine]
        unit = child.units[0]
        if self.is_function(unit):
            self.draft_function(child.name, None, units)
            return (lambda: None), optional
        return self.draft_unit(child.name, units), optional

    def draft_unit(
        self, name: str, units: Sequence[Unit | None], i: int | None = None
    ) -> Callable[[], Code]:
        found = next(unit for unit in units if unit is not None)
        rows = [None if unit is None else self.library.values(unit) for unit in units]
        if found.block is not None:
            cls = self.library.of[id(found.block)]
            slots = {
                param.name: self.texts.slot(column_of(rows, param.name), param.name, name, i)
                for param in cls.params
            }
            return lambda: construct(cls, {n: s.text for n, s in slots.items()})
        assert found.node is not None
        calls = [None if u is None or u.node is None else self.library.call(u.node) for u in units]
        targets = [MISSING if call is None else Target(target_of(call)) for call in calls]
        kinds = {target for target in targets if target is not MISSING}
        if len(kinds) > 1:
            slot = self.texts.slot(targets, "op", name, i)
            return lambda: f"{slot.text}()"
        # Every argument that must be told in one block is told in all.
        told = {a.name for call in calls if call is not None for a in arguments(call) if a.told}
        several = any(call is not None and call.several for call in calls)
        model = arguments(self.library.call(found.node))
        fields = {
            a.name: self.texts.slot(column_of(rows, a.name), a.name, name, i)
            for a in model
            if a.name in told
        }
        target = str(next(iter(kinds)))

        if target in HELD:
            return lambda: _drawn(target, {name: slot.text for name, slot in fields.items()})

        def made() -> Code:
            items = [
                fields[a.name].text if a.positional else f"{a.name}={fields[a.name].text}"
                for a in model
                if a.name in told and a.name != PARAMETRIZATION
            ]
            made = Bracket(f"{target.removeprefix('archcalc.')}(", items)
            if PARAMETRIZATION not in fields:
                return made
            by = fields[PARAMETRIZATION].text
            literal = by[1:-1].isidentifier() and by[0] in "'\""
            if not literal:
                return Bracket(f"{PARAMETRIZED}(", [made, by])
            ours = by[1:-1] in STANDARDIZATIONS
            how = f"{'' if ours else 'nn.utils.parametrizations.'}{by[1:-1]}"
            return (
                Bracket(f"{EACH_WEIGHT}(", [made, how]) if several else Bracket(f"{how}(", [made])
            )

        return made

    def is_function(self, unit: Unit) -> bool:
        """Whether the forward pass calls it without a module that is made of it."""
        return unit.node is not None and not is_module(self.library.call(unit.node))

    def draft_member(self, name: str, units: Sequence[Unit | None], k: int) -> Callable[[], Code]:
        """What stands in a list of modules; nothing in the place of a function that is called."""
        if any(unit is not None and self.is_function(unit) for unit in units):
            self.draft_function(name, k, units)
            return lambda: "nn.Identity()"
        return self.draft_unit(name, units, k)

    def draft_function(self, name: str, index: int | None, units: Sequence[Unit | None]) -> None:
        """The arguments of a function that the forward pass calls."""
        calls = [None if u is None or u.node is None else self.library.call(u.node) for u in units]
        found = next(call for call in calls if call is not None)
        texts: dict[str, Any] = {}
        for key in found.kwargs:
            values: list[Any] = [MISSING if call is None else call.kwargs[key] for call in calls]
            lengths = {len(v) for v in values if isinstance(v, (tuple, list))}
            if key in spread(found) and len(lengths) == 1:
                (length,) = lengths
                columns = [
                    [MISSING if v is MISSING else v[k] for v in values] for k in range(length)
                ]
                texts[key] = [self.texts.slot(column, key, "") for column in columns]
                for slot, item in zip(reversed(texts[key]), self.items(name, key), strict=False):
                    if isinstance(item, str) and item.startswith("="):
                        slot.written = item[1:]
            else:
                plain = [tuple(v) if isinstance(v, list) else v for v in values]
                texts[key] = [self.texts.slot(plain, key, name)]
        if found.unpack is not None:
            pieces = [MISSING if call is None else call.unpack for call in calls]
            texts["unpack"] = [self.texts.slot(pieces, "index", name)]
        self.made.texts[name, index] = texts

    def items(self, child: str, key: str) -> list[Any]:
        """A list as the spec writes it, backwards: it may lack the batch, which comes first."""
        layer = self.made.model.layer(child)
        written = None if layer is None else layer.fields.get(key)
        return list(reversed(written)) if isinstance(written, list) else []

    def draft_repeated(
        self, child: Child, mine: Sequence[Child | None]
    ) -> Callable[[], Code | None]:
        found = [each.units for each in mine if each is not None]
        form = next(step.form for step in self.made.steps if step.child == child.name)
        head = (
            "nn.Sequential("
            if form == "chain" and len(child.units[0].takes) == 1
            else ("nn.ModuleList(")
        )
        nodes = [unit.node for units in found for unit in units]
        if all(n is not None and self.library.call(n).target == HELD[0] for n in nodes):
            head = "nn.ParameterList("
        functions = {self.is_function(unit) for units in found for unit in units}
        if functions == {True}:
            for k in range(len(child.units)):
                self.draft_function(
                    child.name, k, [None if each is None else each.units[k] for each in mine]
                )
            return lambda: None
        counts = [MISSING if each is None else len(each.units) for each in mine]
        how = self.library.pattern(found) if len(functions) == 1 else None
        if how is None or (len(set(map(len, found))) == 1 and len(found[0]) <= 2):
            drafts = [
                self.draft_member(
                    child.name, [None if each is None else each.units[k] for each in mine], k
                )
                for k in range(len(child.units))
            ]
            return lambda: _sequence(head, [draft() for draft in drafts])
        first = [None if each is None else each.units[0] for each in mine]
        apart = self.draft_unit(child.name, first, 0) if how.apart else None
        rest = [
            None if each is None or len(each.units) <= how.apart else each.units[how.apart]
            for each in mine
        ]
        rises = iter(how.steps)
        rise_rows = [None if each is None else next(rises) for each in mine]
        inner = self.draft_rising(child.name, rest, rise_rows, how.apart)
        count = Slot(tuple(counts), f"num_{child.name}", child.name, self.times(child.name))
        self.texts.slots.append(count)

        def made() -> Code:
            code, uses_i = inner()
            number = count.text
            if how.apart:
                number = str(int(number) - 1) if number.isdigit() else f"{number} - 1"
            loop = f"for {'i' if uses_i else '_'} in range({number})"
            items: list[Code] = [] if apart is None else [apart()]
            spread_out = Bracket("*(", [code, loop], separator="")
            if head != "nn.Sequential(" and apart is None:
                return Bracket(head, [Bracket("", [code, loop], "", "")])
            if head != "nn.Sequential(":
                return Bracket(head, [Bracket("[", [*items, spread_out], "]")])
            return Bracket(head, [*items, spread_out])

        return made

    def times(self, child: str) -> str | None:
        layer = self.made.model.layer(child)
        written = None if layer is None else layer.repeat or layer.parallel
        return written[1:] if isinstance(written, str) and written.startswith("=") else None

    def draft_rising(
        self,
        name: str,
        units: Sequence[Unit | None],
        rises: Sequence[Mapping[str, Any] | None],
        i: int,
    ) -> Callable[[], tuple[Code, bool]]:
        """How each of the repetitions is made, and whether that depends on which it is."""
        before = len(self.texts.slots)
        draft = self.draft_unit(name, units, i)
        rising: list[tuple[Slot, Slot]] = []
        for slot in self.texts.slots[before:]:
            column = [MISSING if rise is None else rise.get(slot.name, MISSING) for rise in rises]
            if any(value is not MISSING and value != 0 for value in column):
                slot.written = None
                step = Slot(tuple(column), f"{slot.name}_step", "", None)
                self.texts.slots.append(step)
                rising.append((slot, step))

        def made() -> tuple[Code, bool]:
            for slot, step in rising:
                times = "i" if step.text == "1" else f"{step.text} * i"
                slot.text = times if slot.text == "0" else f"{slot.text} + {times}"
            return draft(), bool(rising)

        return made

    def alias(self, child: Child) -> str | None:
        """The earlier child that this one shares everything with, in all blocks."""
        found = set()
        for block, own in zip(self.made.blocks, self.own, strict=True):
            if child.name not in own:
                return None
            found.add(self._alias(block, own[child.name], own))
        if len(found) != 1:
            return None
        (name,) = found
        if name is None:
            return None
        how = "nn.Sequential" if name.startswith("*") else ""
        if how:
            return f"nn.Sequential(*({access(name[1:])} for _ in range({len(child.units)})))"
        return access(name)

    def tied(self, child: Child) -> str:
        """The tensor of another layer that a child is, as code gets at it."""
        ways = set()
        for block, own in zip(self.made.blocks, self.own, strict=True):
            node = own[child.name].units[0].node if child.name in own else None
            if node is None or node.share is None or node.origin is None:
                return ""
            name, prefix = node.origin.name, f"{block.path}." * bool(block.path)
            if node.origin.tensor is None or not name.startswith(prefix):
                return ""
            ways.add(name.removeprefix(prefix))
        return access(ways.pop()) if len(ways) == 1 else ""

    def is_again(self, child: Child) -> bool:
        """Whether a child is another call of what another one is, and nothing by itself."""
        return all(
            node.origin is not None and node.origin.again
            for block, own in zip(self.made.blocks, self.own, strict=True)
            for unit in own[child.name].units
            for node in _nodes(block, unit)
            if node.share is not None
        )

    def again(self, child: Child) -> str:
        """The way to what this child is another call of, if that stands in another child."""
        ways = {
            self._again(block, own[child.name]) if child.name in own else ""
            for block, own in zip(self.made.blocks, self.own, strict=True)
        }
        return ways.pop() if len(ways) == 1 else ""

    def _again(self, block: Block, child: Child) -> str:
        here = [node for unit in child.units for node in _nodes(block, unit)]
        node = next((node for node in here if node.share is not None), None)
        if node is None or node.share is None or not self.is_again(child):
            return ""
        prefix = f"{block.path}." * bool(block.path)
        inner = node.name.removeprefix(prefix + block.names[child.name])
        if not (node.share.startswith(prefix) and node.share.endswith(inner)):
            return ""
        found = _inside(block, node.share.removeprefix(prefix).removesuffix(inner))
        if found is None or len(found[2]) != len(child.units):
            return ""
        way, around, units = found
        there = [node for unit in units for node in _nodes(around, unit)]
        pairs = zip(child.units, units, strict=True)
        equal = all(self.library.made_as(a) == self.library.made_as(b) for a, b in pairs)
        shared = len(here) == len(there) and is_everything_shared(here, there)
        return way if equal and shared else ""

    def _alias(self, block: Block, child: Child, own: Mapping[str, Child]) -> str | None:
        prefix = f"{block.path}." if block.path else ""
        nodes = [node for unit in child.units for node in _nodes(block, unit)]
        share = next((node.share for node in nodes if node.share is not None), None)
        if share is None or not share.startswith(prefix):
            return None
        other = _around(own, block, share[len(prefix) :])
        if other is None or other is child:
            return None
        if other.repeated == child.repeated and len(other.units) == len(child.units):
            pairs = list(zip(child.units, other.units, strict=True))
        elif child.repeated and not other.repeated:
            pairs = [(unit, other.units[0]) for unit in child.units]
            if any(len(unit.takes) != 1 for unit in child.units):
                return None
        else:
            return None
        for unit, source in pairs:
            here, there = _nodes(block, unit), _nodes(block, source)
            if len(here) != len(there) or not is_everything_shared(here, there):
                return None
            if self.library.body(unit) != self.library.body(source):
                return None
            if self.library.values(unit) != self.library.values(source):
                return None
        return f"*{other.name}" if child.repeated and not other.repeated else other.name


def _inside(block: Block, name: str) -> tuple[str, Block, Sequence[Unit]] | None:
    """What stands in a block under a name: the way to it from the block's module, what it is in,
    and itself.
    """
    for child in block.children:
        if block.names[child.name] == name:
            return child.name, block, child.units
        for k, unit in enumerate(child.units):
            way = f"{child.name}.{k}" if child.repeated else child.name
            if unit.name == name:
                return way, block, [unit]
            if unit.block is not None and name.startswith(f"{unit.name}."):
                found = _inside(unit.block, name[len(unit.name) + 1 :])
                return None if found is None else (f"{way}.{found[0]}", *found[1:])
    return None


def _around(own: Mapping[str, Child], block: Block, name: str) -> Child | None:
    """The child that a layer of a block stands in, or is."""
    parts = name.split(".")
    ways = (".".join(parts[: k + 1]) for k in range(len(parts)))
    return next((own[block.called[way]] for way in ways if way in block.called), None)


def _drawn(target: str, texts: Mapping[str, str]) -> Code:
    """How a tensor by itself is made, with numbers as positional embeddings usually have."""
    shape = texts["shape"]
    sizes = shape[1:-1].rstrip(",") if shape.startswith("(") and len(shape) > 2 else shape
    given = ("shape", "dtype", "numbers")
    rest = [f"{name}={text}" for name, text in texts.items() if name not in given]
    if "numbers" in texts:
        return Bracket(f"{target}(", [texts["numbers"], *rest])
    numbers = f"0.02 * torch.randn({sizes})"
    if "dtype" in texts:
        dtype = texts["dtype"][1:-1]
        made = "0.02 * torch.randn" if dtype.startswith("complex") else "torch.zeros"
        numbers = f"{made}({sizes}, dtype=torch.{dtype})"
    return Bracket(f"{target}(", [numbers, *rest])


def construct(cls: Class, texts: Mapping[str, str]) -> Code:
    """A call of a class's constructor."""
    items: list[Code] = []
    for param in cls.params:
        text = texts[param.name]
        if param.default is MISSING:
            items.append(text)
        elif text != text_of(param.default):
            items.append(f"{param.name}={text}")
    return Bracket(f"{cls.name}(", items)


def _sequence(head: str, items: Sequence[Code]) -> Code:
    """Modules in a list; equal ones in a row are said once."""
    out: list[Code] = []
    k = 0
    while k < len(items):
        n = 1
        while k + n < len(items) and items[k + n] == items[k]:
            n += 1
        if n > 2:
            loop = f"for _ in range({n})"
            out.append(Bracket("*(", [items[k], loop], separator=""))
        else:
            out += items[k : k + n]
        k += n
    if head != "nn.Sequential(":
        return Bracket(head, [Bracket("[", out, "]")])
    return Bracket(head, out)


def _nodes(block: Block, unit: Unit) -> list[Node]:
    return list(block.nodes[unit.start : unit.start + unit.size])


def is_everything_shared(here: Sequence[Node], there: Sequence[Node]) -> bool:
    """Whether layers use the tensors of others, each of the one in its place."""
    return all(
        a.share == (b.share or b.name)
        for a, b in zip(here, there, strict=True)
        if a.share is not None or a.applied.cost.weights or a.applied.cost.buffers
    )
