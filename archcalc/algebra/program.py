"""The program that a record is: steps, the guards that say where it is meant, and outputs."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from archcalc.dims import round_to
from archcalc.errors import ArchcalcError

Number: TypeAlias = int | float


class Step(NamedTuple):
    """One operation on earlier steps; ``const`` and ``var`` have their value or name instead."""

    op: str
    args: tuple[Any, ...]


class Guard(NamedTuple):
    """A question that was asked of two steps, ``eq``, ``lt`` or ``le``, and the answer it got."""

    op: str
    a: int
    b: int
    answer: bool


PYTHON: Mapping[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "truediv": operator.truediv,
    "neg": operator.neg,
    "abs": abs,
    "min": min,
    "max": max,
    "gcd": math.gcd,
    "less": lambda a, b: int(a < b),
    "floor": math.floor,
    "trunc": int,
    "round": round,
    "sqrt": math.sqrt,
    "isqrt": math.isqrt,
    "round_to": round_to,
}
"""What each operation is on Python's numbers: the definition that all other forms follow."""

ASK: Mapping[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "lt": operator.lt,
    "le": operator.le,
}


@dataclass(frozen=True, slots=True)
class Program:
    """The arithmetic from variables to outputs, and the guards that say where it is meant."""

    steps: tuple[Step, ...]
    floats: tuple[bool, ...]
    """Which steps are floats; the others are whole numbers."""
    guards: tuple[Guard, ...]
    """In the order in which they were asked: what a guard asks of is there if those before hold."""
    outputs: Mapping[str, int]
    """The steps that were asked for, by name."""
    error: ArchcalcError | None = None
    """Why there is no network where the guards hold; there are no outputs then."""


def holds_at(program: Program, point: Mapping[str, Any]) -> bool:
    """Whether all guards of a program hold at a point. They are asked in their order."""
    values: dict[int, Any] = {}
    for op, a, b, answer in program.guards:
        x, y = (_value(program, step, point, values) for step in (a, b))
        if bool(ASK[op](x, y)) is not answer:
            return False
    return True


def run(program: Program, point: Mapping[str, Any]) -> dict[str, Number]:
    """The outputs at one point where the guards hold, in Python's own numbers."""
    values: dict[int, Any] = {}
    return {name: _value(program, node, point, values) for name, node in program.outputs.items()}


def _value(program: Program, step: int, point: Mapping[str, Any], values: dict[int, Any]) -> Any:
    for k in needed(program, [step], values):
        op, args = program.steps[k]
        if op == "const":
            values[k] = args[0]
        elif op == "var":
            values[k] = point[args[0]]
        else:
            values[k] = PYTHON[op](*[values[arg] for arg in args])
    return values[step]


def needed(program: Program, wanted: Iterable[int], known: Mapping[int, Any]) -> list[int]:
    """The steps that lead to the ``wanted`` ones and are not known, in order."""
    found: set[int] = set()
    pending = [step for step in wanted if step not in known]
    while pending:
        step = pending.pop()
        if step in found:
            continue
        found.add(step)
        op, args = program.steps[step]
        if op not in ("const", "var"):
            pending += [arg for arg in args if arg not in known and arg not in found]
    return sorted(found)


def dependencies(program: Program) -> list[frozenset[str]]:
    """The variables that each step depends on."""
    found: list[frozenset[str]] = []
    for op, args in program.steps:
        if op == "const":
            found.append(frozenset())
        elif op == "var":
            found.append(frozenset(args))
        else:
            found.append(frozenset().union(*[found[arg] for arg in args]))
    return found
