"""The sums and products of a program multiplied out, like terms taken together.

A network's totals are sums over its layers, so a program has a step for every layer. As a
polynomial in what the layers have in common, extents and channels, it has a term for every kind
of layer: a block that is repeated n times is n times one. What is neither sum nor product (a
quotient that is rounded, a maximum) is an *atom*.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from archcalc.algebra.intervals import ANY, Interval
from archcalc.algebra.program import Program, Step, dependencies, needed
from archcalc.algebra.terms import Terms, constant, negative, plus, times

MOST_TERMS = 128
"""What has more terms is not multiplied out any further."""


def polynomials(program: Program, wanted: Iterable[int]) -> dict[int, Terms]:
    """The normal form of the ``wanted`` steps and of all that lead to them."""
    found: dict[int, Terms] = {}
    for k in needed(program, wanted, {}):
        op, args = program.steps[k]
        made: Terms | None = None
        if not program.floats[k]:
            if op == "const":
                made = constant(args[0])
            elif op in ("add", "sub"):
                made = _sum(found[args[0]], found[args[1]], -1 if op == "sub" else 1)
            elif op == "neg":
                made = negative(found[args[0]])
            elif op == "mul":
                made = _product(found[args[0]], found[args[1]])
        found[k] = {(k,): 1} if made is None else made
    return found


def _sum(a: Terms, b: Terms, sign: int) -> Terms | None:
    return None if max(len(a), len(b)) > MOST_TERMS else plus(a, b, sign)


def _product(a: Terms, b: Terms) -> Terms | None:
    return times(a, b) if len(a) * len(b) <= max(MOST_TERMS // 2, len(a), len(b)) else None


def difference(a: Terms, b: Terms, known: Mapping[int, Interval]) -> Interval:
    """Between which values ``a - b`` is, like terms taken together; ``known`` are the atoms'."""
    terms = _sum(a, b, -1)
    if terms is None:
        return ANY
    low: Any = 0
    high: Any = 0
    for monomial, n in terms.items():
        one: Interval = (n, n)
        for atom in monomial:
            if math.inf in (known[atom][1], one[1]) or -math.inf in (known[atom][0], one[0]):
                return ANY
            corners = [x * y for x in one for y in known[atom]]
            one = (min(corners), max(corners))
        low, high = low + one[0], high + one[1]
    return low, high


def condensed(program: Program) -> Program:
    """The same program with its outputs computed from their normal forms.

    Terms are grouped by what they depend on, so that on a grid of configurations most of the
    arithmetic is done along its edges: what depends on the width once for every width.
    """
    forms = polynomials(program, program.outputs.values())
    builder = _Builder(program)
    outputs = {
        name: node if program.floats[node] else builder.build(forms[node])
        for name, node in program.outputs.items()
    }
    steps = tuple(builder.steps)
    floats = (*program.floats, *(False,) * (len(steps) - len(program.steps)))
    return Program(steps, floats, program.guards, outputs, program.error)


class _Builder:
    """Steps that are added to those of a program."""

    def __init__(self, program: Program) -> None:
        self.steps = list(program.steps)
        self.known: dict[Step, int] = {}
        self.depends: list[frozenset[str]] = dependencies(program)

    def step(self, op: str, *args: int) -> int:
        if op in ("add", "mul") and args[0] > args[1]:
            args = args[::-1]
        made = Step(op, args)
        if made not in self.known:
            self.known[made] = len(self.steps)
            self.steps.append(made)
            self.depends.append(
                frozenset()
                if op == "const"
                else frozenset().union(*[self.depends[arg] for arg in args])
            )
        return self.known[made]

    def build(self, terms: Mapping[tuple[int, ...], int]) -> int:
        """The step that a polynomial is."""
        if not terms:
            return self.step("const", 0)
        kinds = {self.depends[atom] for monomial in terms for atom in monomial}
        if not kinds:
            return self.step("const", terms[()])
        # By the factors of which there are the fewest different products.
        groups = min((self._grouped(terms, kind) for kind in sorted(kinds, key=sorted)), key=len)
        total: int | None = None
        for factor, rest in groups.items():
            if len(kinds) > 1 or any(rest_monomial for rest_monomial in rest):
                term = self.build(rest)
            else:
                term = self.step("const", rest[()])
            one = self.steps[term] == ("const", (1,))
            if factor:
                product = factor[0]
                for atom in factor[1:]:
                    product = self.step("mul", product, atom)
                term = product if one else self.step("mul", product, term)
            total = term if total is None else self.step("add", total, term)
        assert total is not None
        return total

    def _grouped(
        self, terms: Mapping[tuple[int, ...], int], kind: frozenset[str]
    ) -> dict[tuple[int, ...], Terms]:
        groups: dict[tuple[int, ...], Terms] = {}
        for monomial, n in terms.items():
            factor = tuple([atom for atom in monomial if self.depends[atom] == kind])
            rest = tuple([atom for atom in monomial if self.depends[atom] != kind])
            groups.setdefault(factor, {})[rest] = n
        return groups
