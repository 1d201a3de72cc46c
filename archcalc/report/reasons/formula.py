"""An expression as it is written: with symbols or with their numbers, in plain text or LaTeX."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from math import gcd
from typing import NamedTuple, TypeAlias

from archcalc.algebra.expression import (
    Atom,
    Divisor,
    Expression,
    Group,
    Least,
    Monomial,
    Most,
    Quotient,
    Symbol,
)


class Product(NamedTuple):
    """A number times sums times atoms."""

    times: int
    sums: tuple[Sum, ...]
    atoms: Monomial


Sum: TypeAlias = tuple[Product, ...]


def factored(of: Expression) -> Sum:
    """What several products share, taken out of them: ``F C + C`` as ``(F + 1) C``."""
    counts = Counter(atom for monomial, _ in of.terms for atom in set(monomial))
    most = max(counts.values(), default=0)
    if most < 2:
        return tuple(sorted((Product(n, (), monomial) for monomial, n in of.terms), key=_place))
    shared = max((a for a in counts if counts[a] == most), key=_order)
    inside = [(monomial, n) for monomial, n in of.terms if shared in monomial]
    outside = Expression(tuple(term for term in of.terms if shared not in term[0]))
    common = Counter(inside[0][0])
    for monomial, _ in inside[1:]:
        common &= Counter(monomial)
    rest = Expression.of(
        (tuple((Counter(monomial) - common).elements()), n) for monomial, n in inside
    )
    times = gcd(*(n for _, n in rest.terms))
    if factored(rest)[0].times < 0:
        times = -times
    rest = Expression(tuple((monomial, n // times) for monomial, n in rest.terms))
    group = Product(times, (factored(rest),), tuple(sorted(common.elements(), key=_order)))
    return tuple(sorted((group, *factored(outside)), key=_place))


def _order(of: Atom) -> tuple[int, str]:
    return (of.order, of.name) if isinstance(of, Symbol) else (-1, "")


def _place(of: Product) -> tuple[bool, bool, tuple[tuple[int, str], ...]]:
    """Leading symbols first, then the others, then the number alone."""
    leads = any(_leads(atom) for atom in of.atoms) or any(
        _leads(atom) for each in of.sums for inner in each for atom in inner.atoms
    )
    nothing = not of.atoms and not of.sums
    return nothing, not leads, tuple(map(_order, of.atoms))


def _leads(of: Atom) -> bool:
    return isinstance(of, Symbol) and of.leads


class Style(NamedTuple):
    """How an expression is written."""

    numbers: bool = False
    """Whether symbols are replaced by their values."""
    latex: bool = False

    def write(self, of: Expression) -> str:
        """The expression."""
        return self._sum(factored(of))

    def _sum(self, of: Sum) -> str:
        if not of:
            return "0"
        first = next((k for k, each in enumerate(of) if each.times > 0), 0)
        ordered = [of[first], *of[:first], *of[first + 1 :]]
        text = self._product(ordered[0])
        if ordered[0].times == 1 and re.fullmatch(r"\(-\d+\)", text):
            text = text[1:-1]  # a negative number needs no parentheses where a sum begins
        for each in ordered[1:]:
            positive = each.times > 0
            size = each if positive else each._replace(times=-each.times)
            text += f" {'+' if positive else '-'} {self._product(size)}"
        return text

    def _product(self, of: Product) -> str:
        times, sign = abs(of.times), "-" if of.times < 0 else ""
        bare = times == 1 and not of.sums and len(of.atoms) == 1
        factors = [self._parenthesized(self._sum(each)) for each in of.sums]
        factors += self._powers([self._atom(atom, bare) for atom in of.atoms])
        if not factors:
            return f"{sign}{times}"
        between = self._between()
        if times == 1:
            return sign + between.join(factors)
        joined = between.join(factors)
        if not self.numbers and factors[0][0].isalpha():
            return f"{sign}{times}{joined}"
        return f"{sign}{times}{between}{joined}"

    def _parenthesized(self, text: str) -> str:
        return f"\\left({text}\\right)" if self.latex else f"({text})"

    def _between(self) -> str:
        if not self.latex:
            return "*"
        return r" \cdot " if self.numbers else r" \, "

    def _powers(self, texts: Sequence[str]) -> list[str]:
        """In LaTeX equal symbols are one with an exponent."""
        if not self.latex or self.numbers:
            return list(texts)
        counts = Counter(texts)
        return [
            text if n == 1 else f"{text}^{n}" if len(text) == 1 else f"{{{text}}}^{n}"
            for text, n in counts.items()
        ]

    def _atom(self, of: Atom, bare: bool = True) -> str:
        if isinstance(of, Symbol):
            if self.numbers:
                return str(of.value) if of.value >= 0 else f"({of.value})"
            return latex_name(of.name) if self.latex else of.name
        if isinstance(of, Quotient):
            return self._quotient(of, bare)
        if isinstance(of, Group):
            return self._parenthesized(self.write(of.sum))
        name = {Least: "min", Most: "max", Divisor: "gcd"}[type(of)]
        head = f"\\{name}" if self.latex else name
        return f"{head}({self.write(of.a)}, {self.write(of.b)})"

    def _quotient(self, of: Quotient, bare: bool) -> str:
        above, below = self.write(of.numerator), self.write(of.denominator)
        if self.latex:
            text = f"\\frac{{{above}}}{{{below}}}"
            if of.exact:
                return text
            side = "ceil" if of.up else "floor"
            return f"\\left\\l{side} {text} \\right\\r{side}"
        above = f"({above})" if len(of.numerator.terms) > 1 else above
        below = f"({below})" if not below.replace("_", "").isalnum() else below
        if of.exact:
            return f"{above}/{below}" if bare else f"({above}/{below})"
        return f"{'ceil' if of.up else 'floor'}({above}/{below})"


def latex_name(name: str) -> str:
    """``C_in`` with its index."""
    letter, _, end = name.partition("_")
    if not end:
        return letter
    words = end.replace("_", ", ")
    return f"{letter}_{words}" if len(words) == 1 else f"{letter}_{{\\text{{{words}}}}}"


def write(of: Expression, numbers: bool = False, latex: bool = False) -> str:
    """An expression with its symbols, or with their numbers."""
    return Style(numbers, latex).write(of)


def equation(of: Expression, result: str, latex: bool = False) -> str:
    """``(W - F + 2P)/S + 1 = (227 - 11 + 2*0)/4 + 1 = 55``; of a symbol, ``C = 96``."""
    parts = [write(of, latex=latex)]
    if of.symbol is None:
        parts.append(write(of, numbers=True, latex=latex))
    return " = ".join([*parts, result.replace(",", "{,}") if latex else result])
