"""The steps of a class's forward pass as expressions, one around another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from archcalc.pytorch.naming import identifier, is_reserved
from archcalc.pytorch.writer.code import Bracket
from archcalc.pytorch.writer.columns import Slot
from archcalc.pytorch.writer.library import Class, Library
from archcalc.pytorch.writer.naming import access
from archcalc.pytorch.writer.spelling import HELD, Expression, applied, called, is_module
from archcalc.pytorch.writer.steps import Ref, Step


class Expressions:
    """The steps of one class, and what each of them is as code."""

    def __init__(
        self,
        library: Library,
        cls: Class,
        training: Sequence[Ref] = (),
        turned: Mapping[Ref, str] | None = None,
        dropped: Sequence[Ref] = (),
        batched: bool = True,
    ) -> None:
        self.library = library
        self.cls = cls
        self.turned = turned or {}
        """What is written behind an output that has other axes in its author's code."""
        self.batched = batched
        """Whether its inputs have a batch when it is called."""
        self.held: dict[int, Mapping[int, str]] = {}
        """By step, what it takes as its author has it: tensors of the module itself."""
        self.steps = [self._without_held(k, step) for k, step in enumerate(cls.steps)]
        self.training = tuple(training)
        others = (*self.training, *dropped)
        self.returned = tuple(ref for ref in cls.outputs if ref not in others)
        self.inputs = _inputs(cls)
        self.stored: dict[str, str] = {}
        """Arguments of the constructor that the forward pass needs, and the attributes they are."""
        self.names: dict[Ref, str] = {}
        self.users: dict[Ref, list[int]] = {}
        for k, step in enumerate(self.steps):
            for ref in step.takes:
                self.users.setdefault(value_of(ref), []).append(k)
        self.needed = self.leading_to(cls.outputs)
        self.inference = self.leading_to((*self.returned, *dropped))

    def _without_held(self, number: int, step: Step) -> Step:
        """A step with what is computed alone among what it takes, if it is an author's call."""
        node = step.unit.node
        if node is None or node.spelled is None or node.spelled.alone:
            return step
        sources = {
            k: self.cls.steps[ref[1]] for k, ref in enumerate(step.takes) if ref[0] == "step"
        }
        self.held[number] = {
            k: self.member(source)
            for k, source in sources.items()
            if source.unit.node is not None and self.library.call(source.unit.node).target in HELD
        }
        kept = tuple(ref for k, ref in enumerate(step.takes) if k not in self.held[number])
        return step._replace(takes=kept)

    def leading_to(self, refs: Sequence[Ref]) -> set[int]:
        wanted = {ref[1] for ref in refs if ref[0] != "port"}
        for k in range(len(self.steps) - 1, -1, -1):
            if k in wanted:
                wanted.update(ref[1] for ref in self.steps[k].takes if ref[0] != "port")
        return wanted

    def label(self, ref: Ref) -> str:
        step = self.steps[ref[1]]
        if step.at is not None:
            return identifier(f"{step.child}_{step.at}")
        if len(step.gives) > 1:
            block = step.unit.block
            assert block is not None
            skip = block.path.count(".") + 1 if block.path else 0
            paths = [block.nodes[number].name.split(".")[skip:] for number in block.gives]
            path = paths[ref[2]]
            unique = [path[0] for path in paths].count(path[0]) == 1
            return identifier(path[0] if unique else "_".join(path))
        return identifier(step.child)

    def is_optional(self, step: Step) -> bool:
        node = step.unit.node
        return (
            step.child in self.cls.conditions
            and node is not None
            and not is_module(self.library.call(node))
        )

    def expression_of(self, k: int, inside: set[int]) -> Expression:
        step = self.steps[k]
        operands = []
        for ref in step.takes:
            if ref[0] == "all" and self.steps[ref[1]].form == "collect":
                operands.append(Expression(f"*{self.names[value_of(ref)]}[1:]"))
            elif ref[0] == "all":
                operands.append(self._listed(ref[1]))
            elif ref[0] == "step" and ref[1] in inside:
                operands.append(self.expression_of(ref[1], inside))
            else:
                operands.append(Expression(self.names[value_of(ref)]))
        for number, way in self.held.get(k, {}).items():
            operands.insert(number, Expression(way, held=True))
        return self._applied(k, operands)

    def _listed(self, k: int) -> Expression:
        step = self.steps[k]
        taken = ", ".join(self.names[value_of(ref)] for ref in step.takes)
        loop = f"layer({taken}) for layer in {self.member(step)}"
        return Expression(f"*({loop})")

    def member(self, step: Step) -> str:
        """A submodule as the method gets at it."""
        way = self.cls.again.get(step.child) or access(step.child)
        node = step.unit.node
        if step.child.isdigit() and node is not None and self.library.call(node).target in HELD:
            way = f'getattr(self, "{step.child}")'
        return way + ("" if step.at is None else f"[{step.at}]")

    def _applied(self, k: int, operands: Sequence[Expression]) -> Expression:
        step = self.steps[k]
        node = step.unit.node
        if node is None:
            code = Bracket(f"{self.member(step)}(", [o.code for o in operands])
            return Expression(code, True, 1 + max(o.depth for o in operands))
        call = self.library.call(node)
        if is_module(call):
            return called(call, self.member(step), operands)
        texts = self.cls.texts[step.child, step.at]
        written = {name: self.function_text(name, slots) for name, slots in texts.items()}
        found = applied(call, written, operands)
        if self.is_optional(step):
            condition = self.with_self(self.cls.conditions[step.child])
            text = f"{found.text} if {condition} else {operands[0].text}"
            return Expression(text, False, found.depth)
        return found

    def function_text(self, name: str, slots: Sequence[Slot]) -> str:
        return ", ".join(self.with_self(slot.text) for slot in slots)

    def with_self(self, text: str) -> str:
        """An expression of the constructor's arguments, as a method sees them."""
        names = {param.name for param in self.cls.params}
        for name, value in self.cls.locals.items():
            text = re.sub(rf"\b{name}\b", f"({value})", text)

        def found(match: re.Match[str]) -> str:
            if match[0] not in names:
                return match[0]
            children = {child.name for child in self.cls.children}
            hidden = match[0] in children or is_reserved(match[0])
            self.stored[match[0]] = f"_{match[0]}" if hidden else match[0]
            return f"self.{self.stored[match[0]]}"

        return re.sub(r"(?<![\w.\"'])[A-Za-z_]\w*(?!\w*[\"'])", found, text)


def value_of(ref: Ref) -> Ref:
    """What is taken of a value; of all that a list of layers gives, that which stands for it."""
    return ("step", ref[1], 0) if ref[0] == "all" else ref


def _inputs(cls: Class) -> Mapping[int, str]:
    """The names of a block's inputs, by number."""
    block = cls.model
    found: dict[int, str] = {}
    for port in block.ports:
        k = -1 - port
        name = identifier(block.port_names[k]) if k < len(block.port_names) else f"x{k + 1}"
        if name in ("input", "x1"):
            name = "x"
        while name in found.values() or name in ("self", "torch", "F", "nn"):
            name += "_"
        found[k] = name
    return found
