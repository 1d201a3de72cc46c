"""Sums of products, the arithmetic that all normal forms share.

What is multiplied are *atoms*, of which nothing is asked but that they have an order: steps of a
program, or operations that are neither sum nor product.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Terms: TypeAlias = dict[tuple[Any, ...], Any]
"""Products of atoms, in order, and the number that each is multiplied by, which is not 0; ``()``
is the product of nothing."""


def constant(n: Any) -> Terms:
    """A number by itself."""
    return {(): n} if n else {}


def value_of(terms: Mapping[tuple[Any, ...], Any]) -> Any:
    """The number that terms are which depend on nothing; None of others."""
    return terms.get((), 0) if terms.keys() <= {()} else None


def negative(terms: Terms) -> Terms:
    """All of them with the other sign."""
    return {monomial: -n for monomial, n in terms.items()}


def plus(a: Terms, b: Terms, sign: int = 1) -> Terms:
    """The sum, or with a ``sign`` of -1 the difference."""
    found = dict(a)
    for monomial, n in b.items():
        both = found.get(monomial, 0) + sign * n
        if both:
            found[monomial] = both
        else:
            found.pop(monomial, None)
    return found


def times(a: Terms, b: Terms, place: Callable[[Any], Any] | None = None) -> Terms:
    """The product, multiplied out; ``place`` says where an atom stands in one."""
    found: Terms = {}
    for monomial, n in a.items():
        for other, m in b.items():
            key = (
                tuple(sorted((*monomial, *other), key=place))
                if monomial and other
                else monomial or other
            )
            both = found.get(key, 0) + n * m
            if both:
                found[key] = both
            else:
                found.pop(key, None)
    return found
