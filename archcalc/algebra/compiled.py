"""A program as one Python function, and structures that hold recorded numbers built anew.

The source of a function is made of the program's steps alone, operators and numbers; what else it
needs is given to it as objects. No text of anybody's is in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from functools import cache
from typing import Any

from archcalc.algebra.intervals import Interval, decided, intervals
from archcalc.algebra.program import PYTHON, Program, needed
from archcalc.algebra.record import Recorded

USUAL = 2**24
"""Whole numbers from 1 to this are those of networks: what they decide need not be asked."""

_OPERATORS = {
    "add": "{} + {}",
    "sub": "{} - {}",
    "mul": "{} * {}",
    "floordiv": "{} // {}",
    "mod": "{} % {}",
    "truediv": "{} / {}",
    "neg": "-{}",
}
_RELATIONS = {"eq": "==", "lt": "<", "le": "<="}


class Source:
    """A function of a program's variables while it is written, line by line."""

    def __init__(self, program: Program, variables: Sequence[str]) -> None:
        self.program = program
        self.names = {name: f"a{k}" for k, name in enumerate(variables)}
        self.lines: list[str] = []
        self.objects: dict[str, Any] = {f"f_{op}": function for op, function in PYTHON.items()}
        self.steps: dict[int, str] = {}
        """Steps that are there, by what they are called."""
        self._built: dict[int, str | None] = {}
        """Structures that are there by their ``id``; None for one without a recorded number."""
        self._alive: list[Any] = []
        self._constants: dict[int, str] = {}

    def step(self, wanted: int) -> str:
        """The number of a step."""
        for k in needed(self.program, [wanted], self.steps):
            op, args = self.program.steps[k]
            if op == "const":
                (value,) = args
                plain = type(value) is int or math.isfinite(value)
                self.steps[k] = f"({value!r})" if plain else self.constant(value)
            elif op == "var":
                self.steps[k] = self.names[args[0]]
            else:
                form = _OPERATORS.get(op) or f"f_{op}({', '.join(['{}'] * len(args))})"
                self.steps[k] = self.local(form.format(*[self.steps[arg] for arg in args]))
        return self.steps[wanted]

    def local(self, expression: str) -> str:
        """A name for what an expression comes to."""
        name = f"x{len(self.lines)}"
        self.lines.append(f"{name} = {expression}")
        return name

    def constant(self, value: Any) -> str:
        """A name for an object that is always the same."""
        name = self._constants.get(id(value))
        if name is None:
            name = self._constants[id(value)] = f"k{len(self.objects)}"
            self.objects[name] = value
        return name

    def guards(self) -> None:
        """Return None where a question has another answer than it had."""
        usual: dict[str, Interval] = {}
        for k, (op, args) in enumerate(self.program.steps):
            if op == "var":
                usual[args[0]] = (-math.inf, math.inf)
                if not self.program.floats[k]:
                    usual[args[0]] = (1, USUAL)
                    self.lines.append(f"if not 1 <= {self.names[args[0]]} <= {USUAL}: return None")
        asked = [step for guard in self.program.guards for step in (guard.a, guard.b)]
        known = intervals(self.program, usual, needed(self.program, asked, {}))
        for op, a, b, answer in self.program.guards:
            if decided(op, known[a], known[b]) is answer:
                continue
            question = f"{self.step(a)} {_RELATIONS[op]} {self.step(b)}"
            self.lines.append(f"if {'not ' if answer else ''}{question}: return None")

    def build(self, value: Any) -> str:
        """A value like this one, with numbers in place of recorded ones."""
        return self._structure(value) or self.constant(value)

    def build_of(self, kind: type, held: Mapping[str, str]) -> str:
        """An object of a class whose slots hold what the expressions come to."""
        made = self.local(f"{self.constant(object.__new__)}({self.constant(kind)})")
        for name, item in held.items():
            self.lines.append(f"{self.constant(_slots(kind)[name])}({made}, {item})")
        return made

    def _structure(self, value: Any) -> str | None:
        kind = type(value)
        if kind is Recorded:
            return self.step(value.node)
        if kind in (int, str, float, bool) or value is None:
            return None
        if id(value) not in self._built:
            self._alive.append(value)
            self._built[id(value)] = self._composed(value, kind)
        return self._built[id(value)]

    def _composed(self, value: Any, kind: type) -> str | None:
        if isinstance(value, tuple):
            found = self._all(value)
            if found is None:
                return None
            items = f"({', '.join(found)},)"
            return self.local(
                items
                if kind is tuple
                else f"{self.constant(_tuple)}({self.constant(kind)}, {items})"
            )
        if kind is list:
            found = self._all(value)
            return None if found is None else self.local(f"[{', '.join(found)}]")
        if kind is dict:
            found = self._all(value.values())
            return None if found is None else self.local(self._mapping(value, found))
        if not (is_dataclass(value) or hasattr(kind, "__pydantic_fields__")):
            return None
        slots = _slots(kind)
        held = {name: getattr(value, name) for name in slots if hasattr(value, name)}
        inside = getattr(value, "__dict__", {})
        found = self._all([*held.values(), *inside.values()])
        if found is None:
            return None
        made = self.build_of(kind, dict(zip(held, found, strict=False)))
        if inside:
            mapping = self._mapping(inside, found[len(held) :])
            self.lines.append(f"{self.constant(_inside)}({made}, {mapping})")
        return made

    def _mapping(self, of: Mapping[Any, Any], values: Sequence[str]) -> str:
        return f"{{{', '.join(map('{}: {}'.format, map(self.constant, of), values))}}}"

    def _all(self, values: Any) -> list[str] | None:
        values = list(values)
        found = [self._structure(value) for value in values]
        if not any(found):
            return None
        return [made or self._plain(value) for made, value in zip(found, values, strict=True)]

    def _plain(self, value: Any) -> str:
        return repr(value) if type(value) in (int, bool) or value is None else self.constant(value)

    def function(self, result: str) -> Callable[..., Any]:
        """The function of the variables in their order."""
        body = "".join(f"    {line}\n" for line in [*self.lines, f"return {result}"])
        source = f"def computed({', '.join(self.names.values())}):\n{body}"
        names = dict(self.objects)
        exec(compile(source, "<recorded arithmetic>", "exec"), names)
        found: Callable[..., Any] = names["computed"]
        return found


_tuple = tuple.__new__


def _inside(made: Any, values: dict[str, Any]) -> None:
    object.__setattr__(made, "__dict__", values)


@cache
def _slots(kind: type) -> dict[str, Callable[[Any, Any], None]]:
    """What sets each slot of a class."""
    return {
        name: getattr(base, name).__set__
        for base in kind.__mro__
        for name in getattr(base, "__slots__", ())
        if name not in ("__dict__", "__weakref__")
    }
