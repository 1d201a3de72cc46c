"""How a computed value stands to a printed one: a number, a size, a list, a formula or text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import inf
from typing import Any

from archcalc.claims.facts import Axes, Scope
from archcalc.claims.printed import Number, Printed, Verdict, exact
from archcalc.spec import expressions

_DIMS = re.compile(r"[0-9]+(?: ?[x×] ?[0-9]+)+")

_WORST = ("exact", "rounds", "truncates", "contradicted")


def judged(value: str | int, computed: Any, scope: Scope, thousand: int = 1000) -> Verdict:
    """How a computed value stands to a printed one: a number, a size, a list, a formula or text.

    A printed value after ``=`` is a formula of the spec's variables. A size such as ``3x3`` is
    that of a window, square if a single number is printed, or a shape, with its channels first,
    last, or not at all. Raises :class:`ArchcalcError` for a number that can't be read.
    """
    if isinstance(value, str) and expressions.is_expression(value):
        stated = scope.evaluate(value)
        if isinstance(stated, Number) and isinstance(computed, Number):
            off = exact(computed) - exact(stated)
            return Verdict("contradicted" if off else "exact", off)
        agrees = list(_flat([stated])) == list(_flat([computed]))
        return Verdict("exact" if agrees else "contradicted", Fraction(0))
    if isinstance(computed, (str, bool)) or computed is None:
        agrees = str(value).lower() == str(computed).lower()
        return Verdict("exact" if agrees else "contradicted", Fraction(0))
    words = _words(str(value))
    if isinstance(computed, Number):
        if len(words) > 1:
            return Verdict("contradicted", Fraction(0))
        return Printed.parse(value, thousand).verdict(computed)
    printed = [Printed.parse(word, thousand) for word in words]
    verdicts = [_all(printed, form) for form in _forms(computed) if len(form) == len(printed)]
    best = min(verdicts, key=lambda v: _WORST.index(v.agreement), default=None)
    return best or Verdict("contradicted", Fraction(0))


def _words(text: str) -> list[str]:
    """The numbers that are printed in one value: of a list, and of sizes such as ``3x3``."""
    plain = text.strip()
    inner = plain.strip("()[]")
    words = []
    for word in re.split("[;,] *" if inner != plain else "[;,] +|;", inner):
        words += re.split(" ?[x×] ?", word) if _DIMS.fullmatch(word) else [word]
    return words


def _all(printed: Sequence[Printed], numbers: Sequence[Number]) -> Verdict:
    verdicts = [said.verdict(number) for said, number in zip(printed, numbers, strict=True)]
    worst = max(verdicts, key=lambda verdict: _WORST.index(verdict.agreement))
    return worst if len(verdicts) == 1 else worst._replace(off=Fraction(0))


def _forms(computed: Any) -> Iterator[list[Number]]:
    """The lists of numbers that may be printed for a value."""
    if isinstance(computed, Axes):
        channels, *extents = computed
        yield [channels, *extents]
        yield [*extents, channels] if extents else [channels, 1]
        if extents:
            yield extents
    else:
        yield list(_flat(computed))
        yield list(_flat(_square(computed)))


def _flat(value: Any) -> Iterator[Number]:
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _flat(item)
    else:
        yield value


def _square(value: Any) -> Any:
    """Windows that are equal along all axes as one number; tuples are windows, lists are not."""
    if isinstance(value, list):
        return [_square(item) for item in value]
    if isinstance(value, tuple):
        items = [_square(item) for item in value]
        return items[0] if items and all(item == items[0] for item in items) else tuple(items)
    return value


def show(value: Any) -> str:
    """A computed value for people: ``62,378,344``, ``0.2653``, ``11x11, 5x5``, ``512, 1024``.

    Among several numbers a comma stands between two of them, and in none.
    """
    if isinstance(value, list):
        return ", ".join(show(item) if isinstance(item, list) else _plain(item) for item in value)
    if isinstance(value, tuple):
        # Padding has two ends along each axis, which tables show as 0+1 where they differ.
        axes = (_square(item) for item in value)
        shown = (
            "+".join(map(_plain, axis)) if isinstance(axis, tuple) else _plain(axis)
            for axis in axes
        )
        return "x".join(shown)
    if isinstance(value, bool) or not isinstance(value, Number) or abs(value) == inf:
        return str(value)
    number = exact(value)
    return f"{number.numerator:,}" if number.denominator == 1 else f"{float(number):,.6g}"


def _plain(value: Any) -> str:
    return show(value).replace(",", "") if isinstance(value, Number) else show(value)
