"""The forward pass of a class, as a programmer writes it.

What is not written where it is taken gets a name: ``x`` for what all that follows is computed from,
``out`` for a branch beside it, and the layer's own name for anything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from archcalc.pytorch.naming import identifier
from archcalc.pytorch.writer.code import WIDTH, Bracket, broken
from archcalc.pytorch.writer.expressions import value_of
from archcalc.pytorch.writer.naming import access
from archcalc.pytorch.writer.spelling import Expression
from archcalc.pytorch.writer.statements import Line, Statements
from archcalc.pytorch.writer.steps import Ref

MOST_NAMES = 5
"""Outputs of a block that each get a name; of more, the tuple does."""


class Forward(Statements):
    """The forward pass of one class."""

    # Names.

    def name(self, lines: Sequence[Line]) -> dict[Ref, str]:
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

        kept = {"self", "torch", "F", "nn", *(["layer"] if any(map(self._is_loop, lines)) else [])}

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
            again = {names[value_of(ref)].partition("[")[0] for ref in beside}
            held |= again
            if len(given) > MOST_NAMES:
                step = self.steps[line.steps[-1]]
                whole = identifier(step.child if step.at is None else f"{step.child}_{step.at}")
                while whole in held or whole in kept:
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
                wanted = self.label(ref)
                if line.training:
                    pass
                elif joined and not others and "x" not in again:
                    wanted = "x"
                elif {names.get(o) for o in others} == {"x"} and self._pair(ref) and until < end:
                    wanted = "out"
                found = wanted
                if found in held:
                    found = f"{identifier(self.steps[line.steps[-1]].child)}_{wanted}"
                while found in held or found in kept:
                    found += "_"
                names[ref] = found
                held.add(found)
        return names

    def _pair(self, ref: Ref) -> bool:
        """Whether a value is taken alone, or joined with one other."""
        takers = [self.steps[k] for k in self.users.get(ref, ())]
        return all(len(step.takes) <= 2 and step.form == "call" for step in takers)

    def _taken(self, line: Line) -> Iterator[Ref]:
        inside = set(line.steps[:-1])
        for k in line.steps:
            for ref in self.steps[k].takes:
                if ref[0] == "port" or ref[1] not in inside:
                    yield value_of(ref)

    def _given(self, line: Line) -> list[Ref]:
        k = line.steps[-1]
        return [("step", k, j) for j in range(len(self.steps[k].gives))]

    # Text.

    def text(self) -> list[str]:
        """The lines of the method, without its indentation."""
        lines = self.lines()
        names = self.name(lines)
        body: list[str] = []
        if not self.batched:
            body += [f"    {name} = {name}.unsqueeze(0)" for name in self.inputs.values()]
        guarded = False
        self.names = names
        last = lines[-1] if lines and not lines[-1].training else None
        returns_last = (
            last is not None
            and not self.training
            and self.returned == tuple(self._given(last))
            and len(self.returned) == 1
            and not self._is_loop(last)
            and not any(map(self.turned.get, self.returned))
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
        names = [self.names[ref] + self.turned.get(ref, "") for ref in self.returned]
        heads = [self.names[ref] for ref in self.training]
        found = []
        if heads:
            found += ["    if self.training:", *_return([*names, *heads], 8)]
        return [*found, *_return(names, 4)]

    def _is_loop(self, line: Line) -> bool:
        step = self.steps[line.steps[-1]]
        return step.form == "collect" or (step.form == "chain" and len(step.takes) > 1)

    def statement(self, line: Line, indent: int) -> list[str]:
        k = line.steps[-1]
        step = self.steps[k]
        given = [self.names[ref] for ref in self._given(line)]
        if len(given) > MOST_NAMES:
            given = [given[0].partition("[")[0]]
        if step.form == "collect":
            (name,) = given
            first, *others = [self.names[value_of(ref)] for ref in step.takes]
            call = f"layer({', '.join([f'{name}[-1]', *others])})"
            start = f"{name} = [{first}]"
            return [
                f"{' ' * indent}{start}",
                f"{' ' * indent}for layer in {access(step.child)}:",
                f"{' ' * (indent + 4)}{name}.append({call})",
            ]
        if self._is_loop(line):
            first, *others = [self.names[value_of(ref)] for ref in step.takes]
            before = [] if first == given[0] else [f"{' ' * indent}{given[0]} = {first}"]
            call = f"layer({', '.join([given[0], *others])})"
            return [
                *before,
                f"{' ' * indent}for layer in {access(step.child)}:",
                f"{' ' * (indent + 4)}{given[0]} = {call}",
            ]
        return broken(self.expression(line).code, indent, f"{', '.join(given)} = ")

    def expression(self, line: Line) -> Expression:
        return self.expression_of(line.steps[-1], set(line.steps[:-1]))


def _in_class(lines: Iterable[str]) -> list[str]:
    """Lines as a method has them, which stands in a class: their length allows for that."""
    return [line[4:] for line in lines]


def _tuple(count: int) -> str:
    return f"tuple[{', '.join(['Tensor'] * count)}]" if count <= 4 else "tuple[Tensor, ...]"


def _return(names: Sequence[str], indent: int) -> list[str]:
    """The statement in a method, which stands in a class: its length allows for that."""
    space = " " * indent
    line = f"{space}return {', '.join(names)}"
    if len(line) + 4 <= WIDTH:
        return [line]
    return [f"{space}return (", *(f"{space}    {name}," for name in names), f"{space})"]
