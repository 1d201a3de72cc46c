"""Numbers that remember how they were computed, in the normal form in which they are printed.

The formulas of operators take any kind of number, so they take a :class:`Recorded` too: an
``int`` in every comparison and index, which beside its value keeps the expression it came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import gcd
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Symbol:
    """A named number: ``W``, ``F``, ``C_in``."""

    name: str
    value: int
    meaning: str = field(default="", compare=False)
    order: int = field(default=0, compare=False)
    """Its place in a product."""
    leads: bool = field(default=False, compare=False)
    """Whether it stands first in a sum."""


@dataclass(frozen=True, slots=True)
class Quotient:
    """A quotient rounded to a whole number, down unless ``up``."""

    numerator: Expression
    denominator: Expression
    up: bool = False

    @property
    def exact(self) -> bool:
        """Whether there is nothing to round."""
        return self.numerator.value % self.denominator.value == 0

    @property
    def value(self) -> int:
        above, below = self.numerator.value, self.denominator.value
        return -(-above // below) if self.up else above // below


@dataclass(frozen=True, slots=True)
class Least:
    """The smaller of two numbers."""

    a: Expression
    b: Expression

    @property
    def value(self) -> int:
        return min(self.a.value, self.b.value)


@dataclass(frozen=True, slots=True)
class Most:
    """The larger of two numbers."""

    a: Expression
    b: Expression

    @property
    def value(self) -> int:
        return max(self.a.value, self.b.value)


@dataclass(frozen=True, slots=True)
class Divisor:
    """The greatest common divisor of two numbers."""

    a: Expression
    b: Expression

    @property
    def value(self) -> int:
        return gcd(self.a.value, self.b.value)


@dataclass(frozen=True, slots=True)
class Group:
    """A sum that is multiplied by another one: to multiply them out would help no reader."""

    sum: Expression

    @property
    def value(self) -> int:
        return self.sum.value


Atom: TypeAlias = Symbol | Quotient | Least | Most | Divisor | Group
Monomial: TypeAlias = tuple[Atom, ...]
"""A product; ``()`` is 1."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A sum of products: each a monomial and the number it is multiplied by, which is not 0."""

    terms: tuple[tuple[Monomial, int], ...]

    @classmethod
    def of(cls, terms: Iterable[tuple[Monomial, int]]) -> Expression:
        """Equal monomials taken together, and all in one order."""
        sums: dict[Monomial, int] = {}
        for monomial, times in terms:
            monomial = tuple(sorted(monomial, key=_place))
            sums[monomial] = sums.get(monomial, 0) + times
        kept = [(monomial, times) for monomial, times in sums.items() if times]
        return cls(tuple(sorted(kept, key=lambda term: [_place(atom) for atom in term[0]])))

    @property
    def value(self) -> int:
        """The number it comes to."""
        total = 0
        for monomial, times in self.terms:
            for atom in monomial:
                times *= atom.value
            total += times
        return total

    @property
    def constant(self) -> int | None:
        """The number it is whatever its symbols are; None where it depends on them."""
        if not self.terms:
            return 0
        ((monomial, times), *others) = self.terms
        return times if not monomial and not others else None

    @property
    def symbol(self) -> Symbol | None:
        """The symbol it is; None if it is anything more."""
        if len(self.terms) == 1:
            monomial, times = self.terms[0]
            if times == 1 and len(monomial) == 1 and isinstance(monomial[0], Symbol):
                return monomial[0]
        return None

    def atoms(self) -> Iterator[Atom]:
        """Everything it is made of, at any depth, from left to right and repetitions included."""
        for monomial, _ in self.terms:
            for each in monomial:
                yield each
                if isinstance(each, Quotient):
                    yield from each.numerator.atoms()
                    yield from each.denominator.atoms()
                elif isinstance(each, Group):
                    yield from each.sum.atoms()
                elif not isinstance(each, Symbol):
                    yield from each.a.atoms()
                    yield from each.b.atoms()

    def symbols(self) -> Iterator[Symbol]:
        """Those it depends on, repetitions included."""
        return (each for each in self.atoms() if isinstance(each, Symbol))

    def substituted(self, values: Mapping[str, int]) -> Expression:
        """The expression with other values of the symbols named."""

        def put(atom: Atom) -> Atom:
            if isinstance(atom, Symbol):
                value = values.get(atom.name, atom.value)
                return Symbol(atom.name, value, atom.meaning, atom.order, atom.leads)
            if isinstance(atom, Quotient):
                above, below = atom.numerator, atom.denominator
                return Quotient(above.substituted(values), below.substituted(values), atom.up)
            if isinstance(atom, Group):
                return Group(atom.sum.substituted(values))
            return type(atom)(atom.a.substituted(values), atom.b.substituted(values))

        return Expression.of((tuple(map(put, monomial)), n) for monomial, n in self.terms)

    def __add__(self, other: Expression) -> Expression:
        return Expression.of((*self.terms, *other.terms))

    def __neg__(self) -> Expression:
        return Expression(tuple((monomial, -times) for monomial, times in self.terms))

    def __sub__(self, other: Expression) -> Expression:
        return self + -other

    def __mul__(self, other: Expression) -> Expression:
        if len(self.terms) > 1 and len(other.terms) > 1:
            return Expression.of([((Group(self), Group(other)), 1)])
        return Expression.of(
            ((*a, *b), times * more) for a, times in self.terms for b, more in other.terms
        )

    def __floordiv__(self, other: Expression) -> Expression:
        by = other.constant
        if not self.terms and other.value:
            return self
        if by and all(times % by == 0 for _, times in self.terms):
            return Expression(tuple((monomial, times // by) for monomial, times in self.terms))
        if by and self.constant is not None:
            return constant(self.constant // by)
        if self._negative:  # floor(-x / y) is -ceil(x / y), which is how ceil is computed
            return -atom(Quotient(-self, other, up=True))
        return atom(Quotient(self, other))

    @property
    def _negative(self) -> bool:
        """Whether it is better written with a minus before all of it."""
        for monomial, times in self.terms:
            if any(isinstance(each, Symbol) and each.leads for each in monomial):
                return times < 0
        return self.value < 0

    def __mod__(self, other: Expression) -> Expression:
        return self - other * (self // other)


def _place(atom: Atom) -> tuple[int, str]:
    return (atom.order, atom.name) if isinstance(atom, Symbol) else (-1, repr(atom))


def constant(n: int) -> Expression:
    """A number that has no name."""
    return Expression((((), n),) if n else ())


def atom(of: Atom) -> Expression:
    """The expression that is a symbol, or a quotient, and nothing more."""
    return Expression((((of,), 1),))


def expression(n: int) -> Expression:
    """How ``n`` was computed; of an int that recorded nothing, the number itself."""
    return n.expression if isinstance(n, Recorded) else constant(int(n))


class Recorded(int):
    """An int that keeps the expression it came from. It never changes."""

    expression: Expression

    def __new__(cls, of: Expression) -> Recorded:
        self = super().__new__(cls, of.value)
        self.expression = of
        return self

    def least(self, other: int) -> int:
        """The smaller of this and another number."""
        return Recorded(atom(Least(self.expression, expression(other))))

    def most(self, other: int) -> int:
        """The larger of this and another number."""
        return Recorded(atom(Most(self.expression, expression(other))))

    def divisor(self, other: int) -> int:
        """The greatest common divisor of this and another number."""
        return Recorded(atom(Divisor(self.expression, expression(other))))

    def __add__(self, other: Any) -> Any:
        return self._with("__add__", other)

    def __sub__(self, other: Any) -> Any:
        return self._with("__sub__", other)

    def __mul__(self, other: Any) -> Any:
        return self._with("__mul__", other)

    def __floordiv__(self, other: Any) -> Any:
        return self._with("__floordiv__", other)

    def __mod__(self, other: Any) -> Any:
        return self._with("__mod__", other)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __radd__(self, other: Any) -> Any:
        return self._after("__add__", other)

    def __rsub__(self, other: Any) -> Any:
        return self._after("__sub__", other)

    def __rmul__(self, other: Any) -> Any:
        return self._after("__mul__", other)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._after("__floordiv__", other)

    def __rmod__(self, other: Any) -> Any:
        return self._after("__mod__", other)

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __neg__(self) -> Recorded:
        return Recorded(-self.expression)

    def __pos__(self) -> Recorded:
        return self

    def __pow__(self, power: Any, modulo: Any = None) -> Any:
        if type(power) is not int or not 0 <= power <= 16 or modulo is not None:
            return int(self).__pow__(power, modulo)
        found = constant(1)
        for _ in range(power):
            found *= self.expression
        return Recorded(found)

    def _with(self, operation: str, other: Any) -> Any:
        if not isinstance(other, int):
            return NotImplemented
        return Recorded(getattr(self.expression, operation)(expression(other)))

    def _after(self, operation: str, other: Any) -> Any:
        if not isinstance(other, int):
            return NotImplemented
        return Recorded(getattr(expression(other), operation)(self.expression))
