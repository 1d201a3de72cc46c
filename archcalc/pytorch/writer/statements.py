"""Which steps of a forward pass are written in one statement, and in which order.

What is taken once is written where it is taken, as long as that can be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from archcalc.operators import FAMILIES
from archcalc.pytorch.writer.calls import MARK, repeats
from archcalc.pytorch.writer.code import WIDTH
from archcalc.pytorch.writer.expressions import Expressions, value_of
from archcalc.pytorch.writer.steps import Step

_HEAVY = frozenset(
    name for family in ("conv", "linear", "attention", "recurrent") for name in FAMILIES[family]
)
"""Operators that a line of its own begins with."""

DEEPEST = 5
"""Calls within one another."""

_ROOM = 16
"""Of a line, for what is before a statement's value."""


@dataclass(eq=False)
class Line:
    """Steps that are written in one statement; the last one's output is what it computes."""

    steps: list[int]
    training: bool
    names: list[str] = field(default_factory=list)


class Statements(Expressions):
    """The steps of one class in statements."""

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
        if taker.form == "list" or self.is_optional(taker):
            return None
        return user

    def _repeats_operand(self, step: Step) -> bool:
        node = step.unit.node
        assert node is not None
        call = self.library.call(node)
        if call.target.startswith(MARK):
            return repeats(call.target)
        return call.target == "archcalc.MultiheadAttention" and len(step.takes) == 1

    def lines(self) -> list[Line]:
        """The statements in order."""
        open_lines: dict[int, Line] = {}
        done: list[Line] = []
        for k in range(len(self.steps)):
            if k not in self.needed:
                continue
            step = self.steps[k]
            line = Line([], k not in self.inference)
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

    def _joins(self, before: Line, k: int) -> bool:
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
        source = value_of(first.takes[0])
        users = [user for user in self.users.get(source, ()) if user in self.inference]
        alone = all(len(self.steps[each].takes) == 1 for each in before.steps)
        return len(users) > 1 and alone and length <= 3

    def _width(self, steps: Sequence[int]) -> int:
        """How long a statement of some steps is about to be."""
        self.names = {("port", k, 0): name for k, name in self.inputs.items()}
        for ref in self.users:
            if ref[0] == "step":  # the longest name it may get
                step, label = self.steps[ref[1]], self.label(ref)
                self.names[ref] = f"{step.child}_{label}" if len(step.gives) > 1 else label
        return len(self.expression_of(steps[-1], set(steps[:-1])).text)

    def _in_order(self, lines: list[Line]) -> list[Line]:
        """Statements by their last steps; those of training as soon as they can be."""
        main = sorted(
            (line for line in lines if not line.training), key=lambda line: line.steps[-1]
        )
        training = sorted(
            (line for line in lines if line.training), key=lambda line: line.steps[-1]
        )
        known: set[int] = set()
        found: list[Line] = []

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

    def _sources(self, line: Line) -> set[int]:
        return {
            ref[1]
            for k in line.steps
            for ref in self.steps[k].takes
            if ref[0] != "port" and ref[1] not in line.steps
        }
