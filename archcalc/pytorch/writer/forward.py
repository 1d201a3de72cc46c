"""The forward pass of a class, as a programmer writes it.

What is taken once is written where it is taken, as long as that can be read; the rest gets a
name: ``x`` for what all that follows is computed from, ``out`` for a branch beside it, and the
layer's own name for anything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from archcalc.operators import FAMILIES
from archcalc.pytorch.naming import identifier, is_reserved
from archcalc.pytorch.writer.calls import MARK, repeats
from archcalc.pytorch.writer.code import WIDTH, Bracket, broken
from archcalc.pytorch.writer.columns import Slot
from archcalc.pytorch.writer.library import Class, Library
from archcalc.pytorch.writer.naming import access
from archcalc.pytorch.writer.spelling import HELD, Expression, applied, called, is_module
from archcalc.pytorch.writer.steps import Ref, Step

_HEAVY = frozenset(
    name for family in ("conv", "linear", "attention", "recurrent") for name in FAMILIES[family]
)
"""Operators that a line of its own begins with."""

DEEPEST = 5
"""Calls within one another."""

MOST_NAMES = 5
"""Outputs of a block that each get a name; of more, the tuple does."""

_ROOM = 16
"""Of a line, for what is before a statement's value."""


@dataclass(eq=False)
class _Line:
    """Steps that are written in one statement; the last one's output is what it computes."""

    steps: list[int]
    training: bool
    names: list[str] = field(default_factory=list)


class Forward:
    """The forward pass of one class."""

    def __init__(self, library: Library, cls: Class, training: Sequence[Ref] = ()) -> None:
        self.library = library
        self.cls = cls
        self.held: dict[int, Mapping[int, str]] = {}
        """By step, what it takes as its author has it: tensors of the module itself."""
        self.steps = [self._without_held(k, step) for k, step in enumerate(cls.steps)]
        self.training = tuple(training)
        self.returned = tuple(ref for ref in cls.outputs if ref not in self.training)
        self.inputs = _inputs(cls)
        self.stored: dict[str, str] = {}
        """Arguments of the constructor that the forward pass needs, and the attributes they are."""
        self.names: dict[Ref, str] = {}
        self.users: dict[Ref, list[int]] = {}
        for k, step in enumerate(self.steps):
            for ref in step.takes:
                self.users.setdefault(_value(ref), []).append(k)
        self.needed = self._leading_to((*self.returned, *self.training))
        self.inference = self._leading_to(self.returned)

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

    def _leading_to(self, refs: Sequence[Ref]) -> set[int]:
        wanted = {ref[1] for ref in refs if ref[0] != "port"}
        for k in range(len(self.steps) - 1, -1, -1):
            if k in wanted:
                wanted.update(ref[1] for ref in self.steps[k].takes if ref[0] != "port")
        return wanted

    # Which steps are written in one statement.

    def heavy(self, k: int) -> bool:
        node = self.steps[k].unit.node
        return node is None or self.steps[k].form != "call" or type(node.op).__name__ in _HEAVY

    def composite(self, k: int) -> bool:
        return self.steps[k].unit.node is None

    def inlined(self, k: int) -> int | None:
        """The one step that takes the output of this one, and could have it written in it."""
        step = self.steps[k]
        if step.form == "list":
            return self.users["step", k, 0][0]
        if step.form == "collect":
            return None
        users = self.users.get(("step", k, 0), [])
        returned = ("step", k, 0) in (*self.returned, *self.training)
        if len(step.gives) != 1 or len(users) != 1 or returned:
            return None
        if step.form == "chain" and len(step.takes) > 1:
            return None
        user = users[0]
        if (k in self.inference) != (user in self.inference):
            return None
        taker = self.steps[user]
        if taker.form == "collect" or (taker.form == "chain" and len(taker.takes) > 1):
            return None
        if taker.unit.node is not None and self._repeats_operand(taker):
            return None
        if taker.form == "list" or self._optional_function(taker):
            return None
        return user

    def _repeats_operand(self, step: Step) -> bool:
        node = step.unit.node
        assert node is not None
        call = self.library.call(node)
        if call.target.startswith(MARK):
            return repeats(call.target)
        return call.target == "archcalc.MultiheadAttention" and len(step.takes) == 1

    def _optional_function(self, step: Step) -> bool:
        node = step.unit.node
        return (
            step.child in self.cls.conditions
            and node is not None
            and not is_module(self.library.call(node))
        )

    def lines(self) -> list[_Line]:
        """The statements in order."""
        open_lines: dict[int, _Line] = {}
        done: list[_Line] = []
        for k in range(len(self.steps)):
            if k not in self.needed:
                continue
            step = self.steps[k]
            line = _Line([], k not in self.inference)
            singles = [ref for ref in step.takes if ref[0] == "step" and ref[1] in open_lines]
            lists = [ref[1] for ref in step.takes if ref[0] == "all" and ref[1] in open_lines]
            for ref in singles:
                before = open_lines.pop(ref[1])
                if self._joins(before, k):
                    line.steps += before.steps
                else:
                    done.append(before)
            for number in lists:
                line.steps = [*open_lines.pop(number).steps, *line.steps]
            line.steps.append(k)
            if self.inlined(k) is None:
                done.append(line)
            else:
                open_lines[k] = line
        done += open_lines.values()
        return self._in_order(done)

    def _joins(self, before: _Line, k: int) -> bool:
        """Whether a step is written around what is computed before it."""
        step = self.steps[k]
        length = len(before.steps) + 1
        if self._width([*before.steps, k]) > WIDTH - _ROOM:
            return False
        several = len([ref for ref in step.takes if ref[0] != "port"]) > 1 or len(step.takes) > 1
        if several:
            return len(step.takes) == 2 and len(before.steps) <= 3 and not self.composite(k)
        if length > DEEPEST:
            return False
        if not self.heavy(k):
            return True
        heavy = sum(map(self.heavy, before.steps))
        if heavy == 0:
            return True
        # A branch is written in one if it is short; what all else rests on has a line a layer.
        first = self.steps[before.steps[0]]
        source = _value(first.takes[0])
        users = [user for user in self.users.get(source, ()) if user in self.inference]
        alone = all(len(self.steps[each].takes) == 1 for each in before.steps)
        return len(users) > 1 and alone and length <= 3

    def _width(self, steps: Sequence[int]) -> int:
        """How long a statement of some steps is about to be."""
        self.names = {("port", k, 0): name for k, name in self.inputs.items()}
        for ref in self.users:
            if ref[0] == "step":  # the longest name it may get
                step, label = self.steps[ref[1]], self._label(ref)
                self.names[ref] = f"{step.child}_{label}" if len(step.gives) > 1 else label
        return len(self._expression(steps[-1], set(steps[:-1])).text)

    def _in_order(self, lines: list[_Line]) -> list[_Line]:
        """Statements by their last steps; those of training as soon as they can be."""
        main = sorted(
            (line for line in lines if not line.training), key=lambda line: line.steps[-1]
        )
        training = sorted(
            (line for line in lines if line.training), key=lambda line: line.steps[-1]
        )
        known: set[int] = set()
        found: list[_Line] = []

        def add_training() -> None:
            for line in list(training):
                if self._sources(line) <= known:
                    training.remove(line)
                    found.append(line)
                    known.update(line.steps)

        add_training()
        for line in main:
            found.append(line)
            known.update(line.steps)
            add_training()
        return [*found, *training]

    def _sources(self, line: _Line) -> set[int]:
        return {
            ref[1]
            for k in line.steps
            for ref in self.steps[k].takes
            if ref[0] != "port" and ref[1] not in line.steps
        }

    # Names.

    def name(self, lines: Sequence[_Line]) -> dict[Ref, str]:
        """What every value that is not written where it is taken is called."""
        names = {("port", k, 0): name for k, name in self.inputs.items()}
        last: dict[Ref, int] = {}
        for number, line in enumerate(lines):
            for ref in self._taken(line):
                last[ref] = number
        end = len(lines)
        last.update(dict.fromkeys((*self.returned, *self.training), end))
        trained = {
            ("step", line.steps[-1], j)
            for line in lines
            if line.training
            for j in range(len(self.steps[line.steps[-1]].gives))
        }
        ports = list(self.inputs)
        constant = {("port", k, 0) for k in ports[1:]}

        def alive(after: int) -> set[Ref]:
            """What is known after a statement and taken later."""
            known: set[Ref] = {("port", k, 0) for k in ports}
            for line in lines[: after + 1]:
                known.update(self._given(line))
            return {ref for ref in known if last.get(ref, -1) > after} - trained - constant

        def on_main(number: int) -> bool:
            return number >= end or len(alive(number)) <= len(self._given(lines[number]))

        for number, line in enumerate(lines):
            given = self._given(line)
            others = alive(number) - set(given)
            held = {
                names[ref].partition("[")[0]
                for ref in (*others, *constant, *trained)
                if ref in names
            }
            held |= {
                names[r].partition("[")[0]
                for r in names
                if r[0] == "port" and last.get(r, -1) > number
            }
            # What a loop takes beside its own output, it takes each time.
            beside = self.steps[line.steps[-1]].takes[1:] if self._is_loop(line) else ()
            again = {names[_value(ref)].partition("[")[0] for ref in beside}
            held |= again
            if len(given) > MOST_NAMES:
                step = self.steps[line.steps[-1]]
                whole = identifier(step.child if step.at is None else f"{step.child}_{step.at}")
                while whole in held or whole in ("self", "torch", "F", "nn"):
                    whole += "_"
                names.update({ref: f"{whole}[{ref[2]}]" for ref in given})
                continue
            for ref in given:
                if last.get(ref, -1) <= number and ref not in self.training:
                    names[ref] = "_"
                    continue
                until = last.get(ref, end)
                alone = until < end or len(self.returned) == 1
                joined = len(given) == 1 and on_main(until) and alone
                wanted = self._label(ref)
                if line.training:
                    pass
                elif joined and not others and "x" not in again:
                    wanted = "x"
                elif {names.get(o) for o in others} == {"x"} and self._pair(ref) and until < end:
                    wanted = "out"
                found = wanted
                if found in held:
                    found = f"{identifier(self.steps[line.steps[-1]].child)}_{wanted}"
                while found in held or found in ("self", "torch", "F", "nn"):
                    found += "_"
                names[ref] = found
                held.add(found)
        return names

    def _pair(self, ref: Ref) -> bool:
        """Whether a value is taken alone, or joined with one other."""
        takers = [self.steps[k] for k in self.users.get(ref, ())]
        return all(len(step.takes) <= 2 and step.form == "call" for step in takers)

    def _label(self, ref: Ref) -> str:
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

    def _taken(self, line: _Line) -> Iterator[Ref]:
        inside = set(line.steps[:-1])
        for k in line.steps:
            for ref in self.steps[k].takes:
                if ref[0] == "port" or ref[1] not in inside:
                    yield _value(ref)

    def _given(self, line: _Line) -> list[Ref]:
        k = line.steps[-1]
        return [("step", k, j) for j in range(len(self.steps[k].gives))]

    # Text.

    def text(self) -> list[str]:
        """The lines of the method, without its indentation."""
        lines = self.lines()
        names = self.name(lines)
        body: list[str] = []
        guarded = False
        self.names = names
        last = lines[-1] if lines and not lines[-1].training else None
        returns_last = (
            last is not None
            and not self.training
            and self.returned == tuple(self._given(last))
            and len(self.returned) == 1
            and not self._is_loop(last)
        )
        for line in lines:
            if line.training and not guarded:
                body.append("    if self.training:")
            guarded = line.training
            indent = 12 if guarded else 8
            if returns_last and line is last:
                code = self.expression(line).code
                body += _in_class(broken(code, 8, "return "))
                break
            body += _in_class(self.statement(line, indent))
        else:
            body += self.returning()
        annotation = "Tensor" if len(self.returned) == 1 else _tuple(len(self.returned))
        if self.training:
            annotation += f" | {_tuple(len(self.returned) + len(self.training))}"
        inputs = [f"{name}: Tensor" for name in self.inputs.values()]
        head = broken(Bracket("def forward(", ["self", *inputs], f") -> {annotation}:"), 4)
        return [*_in_class(head), *body]

    def returning(self) -> list[str]:
        names = [self.names[ref] for ref in self.returned]
        heads = [self.names[ref] for ref in self.training]
        found = []
        if heads:
            found += ["    if self.training:", f"        return {', '.join([*names, *heads])}"]
        return [*found, *_return(names)]

    def _is_loop(self, line: _Line) -> bool:
        step = self.steps[line.steps[-1]]
        return step.form == "collect" or (step.form == "chain" and len(step.takes) > 1)

    def statement(self, line: _Line, indent: int) -> list[str]:
        k = line.steps[-1]
        step = self.steps[k]
        given = [self.names[ref] for ref in self._given(line)]
        if len(given) > MOST_NAMES:
            given = [given[0].partition("[")[0]]
        if step.form == "collect":
            (name,) = given
            first, *others = [self.names[_value(ref)] for ref in step.takes]
            call = f"layer({', '.join([f'{name}[-1]', *others])})"
            start = f"{name} = [{first}]"
            return [
                f"{' ' * indent}{start}",
                f"{' ' * indent}for layer in {access(step.child)}:",
                f"{' ' * (indent + 4)}{name}.append({call})",
            ]
        if self._is_loop(line):
            first, *others = [self.names[_value(ref)] for ref in step.takes]
            before = [] if first == given[0] else [f"{' ' * indent}{given[0]} = {first}"]
            call = f"layer({', '.join([given[0], *others])})"
            return [
                *before,
                f"{' ' * indent}for layer in {access(step.child)}:",
                f"{' ' * (indent + 4)}{given[0]} = {call}",
            ]
        return broken(self.expression(line).code, indent, f"{', '.join(given)} = ")

    def expression(self, line: _Line) -> Expression:
        return self._expression(line.steps[-1], set(line.steps[:-1]))

    def _expression(self, k: int, inside: set[int]) -> Expression:
        step = self.steps[k]
        operands = []
        for ref in step.takes:
            if ref[0] == "all" and self.steps[ref[1]].form == "collect":
                operands.append(Expression(f"*{self.names[_value(ref)]}[1:]"))
            elif ref[0] == "all":
                operands.append(self._listed(ref[1]))
            elif ref[0] == "step" and ref[1] in inside:
                operands.append(self._expression(ref[1], inside))
            else:
                operands.append(Expression(self.names[_value(ref)]))
        for number, way in self.held.get(k, {}).items():
            operands.insert(number, Expression(way, held=True))
        return self._applied(k, operands)

    def _listed(self, k: int) -> Expression:
        step = self.steps[k]
        taken = ", ".join(self.names[_value(ref)] for ref in step.takes)
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
        if self._optional_function(step):
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


def _in_class(lines: Iterable[str]) -> list[str]:
    """Lines as a method has them, which stands in a class: their length allows for that."""
    return [line[4:] for line in lines]


def _value(ref: Ref) -> Ref:
    return ("step", ref[1], 0) if ref[0] == "all" else ref


def _tuple(count: int) -> str:
    return f"tuple[{', '.join(['Tensor'] * count)}]" if count <= 4 else "tuple[Tensor, ...]"


def _return(names: Sequence[str]) -> list[str]:
    line = f"    return {', '.join(names)}"
    if len(line) + 4 <= WIDTH:
        return [line]
    return ["    return (", *(f"        {name}," for name in names), "    )"]


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
