"""Numbers that leave a record: what the engine did with them, to be done again at other points.

A spec is expanded and analyzed once, on :class:`Recorded` numbers. What comes out is a
:class:`Program`: the arithmetic that leads from the variables to the totals, and the *guards*,
the questions that were asked on the way (``stride > 1``, ``channels(input) != 4 * planes``) with
the answers they got. Wherever the guards hold the engine would do the very same arithmetic, so
the program may stand in for it: on arrays for a sweep, on symbols for a closed form. Where one
does not, another graph is meant, and it is traced anew.

What no record is kept of (an index, a ``repeat``) becomes a guard too: that the number is the one
it was. So a trace may hold at fewer points than it could, and is never wrong at one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from archcalc.algebra.intervals import ANY, Interval, decided
from archcalc.algebra.program import ASK, PYTHON, Guard, Number, Program, Step
from archcalc.errors import ArchcalcError

_COMMUTE = frozenset(("add", "mul", "gcd"))


class Record:
    """The record while it is made."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.values: list[Number] = []
        self.guards: dict[tuple[str, int, int], bool] = {}
        self._known: dict[tuple[Any, ...], int] = {}
        self._numbers: dict[int, Recorded] = {}

    def variable(self, name: str, value: Number) -> Any:
        """A number that is called by a name, and what it is at this point."""
        return self.number(self._step("var", (name,), value))

    def _step(self, op: str, args: tuple[Any, ...], value: Number) -> int:
        key = (op, *args, type(value))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = len(self.steps)
            self.steps.append(Step(op, args))
            self.values.append(value)
        return found

    def node(self, number: Recorded | Number) -> int:
        """The step that a number is."""
        if isinstance(number, Recorded):
            if number.record is not self:
                raise TypeError("two records can't be mixed")
            return number.node
        value = int(number) if isinstance(number, bool) else number
        return self._step("const", (value,), value)

    def apply(self, op: str, *numbers: Recorded | Number) -> Any:
        """An operation; on numbers that are all known its value, else what is still open."""
        values = [n.value if isinstance(n, Recorded) else n for n in numbers]
        value = PYTHON[op](*values)
        if not any(isinstance(n, Recorded) for n in numbers):
            return value
        if op == "gcd" and 1 in [n for n in numbers if not isinstance(n, Recorded)]:
            return 1
        if len(numbers) == 2 and type(values[0]) is type(values[1]) is int:
            # What changes nothing is not recorded: x + 0, x * 1, x // 1.
            a, b = numbers
            if not isinstance(b, Recorded):
                if (b == 0 and op in ("add", "sub")) or (b == 1 and op in ("mul", "floordiv")):
                    return a
                if b == 0 and op == "mul":
                    return 0
                if op in ("add", "sub") and isinstance(a, Recorded):
                    return self._moved(a.node, b if op == "add" else -b)
                if op == "floordiv" and b > 0 and isinstance(a, Recorded):
                    whole = self._divided(a.node, b)
                    if whole is not None:
                        return whole
            elif not isinstance(a, Recorded):
                if (op, a) in (("add", 0), ("mul", 1)):
                    return b
                if (op, a) == ("mul", 0):
                    return 0
                if op == "add":
                    return self._moved(b.node, a)
            elif a.node == b.node:
                if op in ("min", "max"):
                    return a
                if op in ("sub", "mod"):
                    return 0
                if op == "floordiv":
                    return 1
        nodes = tuple([self.node(n) for n in numbers])
        if op == "neg" and self.steps[nodes[0]].op == "neg":
            return self.number(self.steps[nodes[0]].args[0])
        if op in _COMMUTE and nodes[0] > nodes[1]:
            nodes = nodes[::-1]
        return self.number(self._step(op, nodes, value))

    def _moved(self, node: int, by: Any) -> Any:
        """A whole number and a known one; n + 1 + 1 - 3 is recorded as n - 1, so that extents
        that are reached in different ways are recognised as the same.
        """
        op, args = self.steps[node]
        if op == "add" and self.steps[args[1]].op == "const":
            node, by = args[0], by + self.steps[args[1]].args[0]
        if by == 0:
            return self.number(node)
        value = self.values[node] + by
        return self.number(self._step("add", (node, self.node(by)), value))

    def _divided(self, node: int, by: Any) -> Any:
        """A product with a known factor, divided by what divides that factor: there is no rest."""
        op, args = self.steps[node]
        if op != "mul":
            return None
        for factor, other in (args, args[::-1]):
            known = self.steps[factor]
            if known.op == "const" and known.args[0] % by == 0:
                return self.apply("mul", self.number(other), known.args[0] // by)
        return None

    def number(self, node: int) -> Any:
        """The number of a step: the same object every time, so that it is quickly recognised."""
        found = self._numbers.get(node)
        if found is None:
            found = self._numbers[node] = Recorded(self, node, self.values[node])
        return found

    def ask(self, op: str, a: Recorded | Number, b: Recorded | Number) -> bool:
        """The answer to a question at this point, which becomes a guard."""
        x, y = (n.value if isinstance(n, Recorded) else n for n in (a, b))
        answer = bool(ASK[op](x, y))
        key = (op, self.node(a), self.node(b))
        if key[1] == key[2]:
            return op != "lt"
        if op == "eq" and key[1] > key[2]:
            key = (op, key[2], key[1])
        self.guards[key] = answer
        return answer

    @contextmanager
    def probe(self, least: int, most: int) -> Iterator[Probe]:
        """A number that stands for all whole ones between two, while it is looked what depends
        on it. What was asked of it is forgotten afterwards.
        """
        asked = len(self.guards)
        probe = Probe(self.variable(f"probe {len(self.steps)}", least), (least, most), asked)
        try:
            yield probe
        finally:
            for key in list(self.guards)[asked:]:
                if any(probe.leads_to(step) for step in key[1:]):
                    del self.guards[key]

    def finish(
        self, outputs: Mapping[str, Recorded | Number], error: ArchcalcError | None = None
    ) -> Program:
        """What was recorded. Nothing can be recorded after that."""
        nodes = {name: self.node(number) for name, number in outputs.items()}
        program = Program(
            tuple(self.steps),
            tuple([type(value) is float for value in self.values]),
            tuple([Guard(*key, answer) for key, answer in self.guards.items()]),
            nodes,
            error,
        )
        # Recorded numbers may live on in the memories of a spec and of the operators.
        self.steps, self.values, self.guards = [], [], {}
        self._known, self._numbers = {}, {}
        return program


class Recorded:
    """A number of which it is recorded where it came from. It is the same type in every
    computation, and every question that is asked of it is a guard. It never changes.
    """

    __slots__ = ("node", "record", "value")

    def __init__(self, record: Record, node: int, value: Number) -> None:
        self.record, self.node, self.value = record, node, value

    # What dims.py asks of numbers that record something.

    @property
    def is_whole(self) -> bool:
        """Whether it is an integer, not a float."""
        return type(self.value) is int

    @property
    def is_variable(self) -> bool:
        """Whether it is a number that was named, and nothing was done with it."""
        return self.record.steps[self.node].op == "var"

    def settled(self) -> Number:
        """The value at this point; the trace then holds only where it is the same."""
        self.record.ask("eq", self, self.value)
        return self.value

    def least(self, other: Any) -> Any:
        """The smaller of this and another number."""
        if _alike(self, other):
            return self.record.apply("min", self, other)
        return min(self, other)

    def most(self, other: Any) -> Any:
        """The larger of this and another number."""
        if _alike(self, other):
            return self.record.apply("max", self, other)
        return max(self, other)

    def divisor(self, other: Any) -> Any:
        """The greatest common divisor of this and another whole number."""
        return self.record.apply("gcd", self, other)

    def below(self, other: Any) -> Any:
        """1 where this is less than another number, else 0."""
        return self.record.apply("less", self, other)

    def rounded_to(self, multiple: int, keep: Any) -> Any:
        """The multiple nearest to this, as ``round_to`` of specs has it."""
        return self.record.apply("round_to", self, multiple, keep)

    def truncated(self) -> Any:
        """Without its fraction, as a whole number."""
        return self if self.is_whole else self.record.apply("trunc", self)

    def root(self) -> Any:
        """The square root, a whole number where it is one."""
        if self.is_whole:
            whole = self.record.apply("isqrt", self)
            if whole * whole == self:
                return whole
        return self.record.apply("sqrt", self)

    # Arithmetic.

    def _with(self, op: str, other: Any) -> Any:
        if not isinstance(other, (Recorded, int, float)):
            return NotImplemented
        return self.record.apply(op, self, other)

    def _after(self, op: str, other: Any) -> Any:
        if not isinstance(other, (Recorded, int, float)):
            return NotImplemented
        return self.record.apply(op, other, self)

    def __add__(self, other: Any) -> Any:
        return self._with("add", other)

    def __radd__(self, other: Any) -> Any:
        return self._after("add", other)

    def __sub__(self, other: Any) -> Any:
        return self._with("sub", other)

    def __rsub__(self, other: Any) -> Any:
        return self._after("sub", other)

    def __mul__(self, other: Any) -> Any:
        return self._with("mul", other)

    def __rmul__(self, other: Any) -> Any:
        return self._after("mul", other)

    def __floordiv__(self, other: Any) -> Any:
        return self._with("floordiv", _nonzero(other))

    def __rfloordiv__(self, other: Any) -> Any:
        _nonzero(self)
        return self._after("floordiv", other)

    def __mod__(self, other: Any) -> Any:
        return self._with("mod", _nonzero(other))

    def __rmod__(self, other: Any) -> Any:
        _nonzero(self)
        return self._after("mod", other)

    def __truediv__(self, other: Any) -> Any:
        return self._with("truediv", _nonzero(other))

    def __rtruediv__(self, other: Any) -> Any:
        _nonzero(self)
        return self._after("truediv", other)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __pow__(self, power: Any) -> Any:
        if type(power) is int and 0 <= power <= 8 and self.is_whole:
            found: Any = 1
            for _ in range(power):
                found = found * self
            return found
        # What C's pow() and numpy's give differs in the last digit: Python's is meant.
        return self.settled() ** (power.settled() if isinstance(power, Recorded) else power)

    def __rpow__(self, base: Any) -> Any:
        return base ** self.settled()

    def __neg__(self) -> Any:
        return self.record.apply("neg", self)

    def __pos__(self) -> Recorded:
        return self

    def __abs__(self) -> Any:
        return self.record.apply("abs", self)

    def __floor__(self) -> Any:
        return self if self.is_whole else self.record.apply("floor", self)

    def __ceil__(self) -> Any:
        return -math.floor(-self)

    def __trunc__(self) -> Any:
        return self.truncated()

    def __round__(self, digits: int | None = None) -> Any:
        if digits is not None:
            return round(self.settled(), digits)
        return self if self.is_whole else self.record.apply("round", self)

    def is_integer(self) -> bool:
        """Whether there is no fraction."""
        return self.is_whole or bool(math.floor(self) == self)

    # Questions.

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Recorded):
            return other.record is self.record and self.record.ask("eq", self, other)
        return isinstance(other, (int, float)) and self.record.ask("eq", self, other)

    def __lt__(self, other: Any) -> bool:
        return self.record.ask("lt", self, other)

    def __le__(self, other: Any) -> bool:
        return self.record.ask("le", self, other)

    def __gt__(self, other: Any) -> bool:
        return self.record.ask("lt", other, self)

    def __ge__(self, other: Any) -> bool:
        return self.record.ask("le", other, self)

    def __bool__(self) -> bool:
        return not self.record.ask("eq", self, 0)

    def __hash__(self) -> int:
        # Of the step, not of the value: numbers that are equal by chance are not compared then.
        return hash((id(self.record), self.node))

    # What would lose the record: from here on the number is the one it is.

    def __index__(self) -> int:
        if not self.is_whole:
            raise TypeError(f"{self.value!r} is no whole number")
        return int(self.settled())

    def __int__(self) -> int:
        return int(self.settled())

    def __float__(self) -> float:
        return float(self.settled())

    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, form: str) -> str:
        return format(self.value, form)

    def __repr__(self) -> str:
        return repr(self.value)


@dataclass(frozen=True)
class Probe:
    """A number of which it is known between which it is."""

    number: Recorded
    ends: Interval
    asked: int
    """How many questions there were before it."""

    def leads_to(self, step: int) -> bool:
        """Whether a step depends on it."""
        pending, steps = [step], self.number.record.steps
        while pending:
            k = pending.pop()
            if k == self.number.node:
                return True
            # What was there before it can't depend on it.
            if k > self.number.node and steps[k].op not in ("const", "var"):
                pending += steps[k].args
        return False

    def is_free(self, values: Any) -> bool:
        """Whether values don't depend on it, nor the answers to what was asked meanwhile."""
        if isinstance(values, (list, tuple)):
            if not all(map(self.is_free, values)):
                return False
        elif isinstance(values, Recorded) and self.leads_to(values.node):
            return False
        record = self.number.record
        for (op, a, b), answer in list(record.guards.items())[self.asked :]:
            if self.leads_to(a) or self.leads_to(b):
                ends = [self._interval(step) for step in (a, b)]
                if decided(op, *ends) is not answer:
                    return False
        return True

    def _interval(self, step: int) -> Interval:
        if step == self.number.node:
            return self.ends
        op, args = self.number.record.steps[step]
        return (args[0], args[0]) if op == "const" else ANY


def _alike(a: Any, b: Any) -> bool:
    """Whether two numbers are both whole, or both floats."""
    first, second = (n.value if isinstance(n, Recorded) else n for n in (a, b))
    return type(first) is type(second)


def _nonzero(divisor: Any) -> Any:
    if divisor == 0:
        raise ZeroDivisionError("division by zero")
    return divisor
