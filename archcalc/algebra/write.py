"""How forms are written: a layer's with its letters or their numbers, and polynomials."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from math import gcd
from typing import Any, NamedTuple, TypeAlias

from archcalc.algebra.forms import Atom, Form, Monomial


class Product(NamedTuple):
    """A number times sums times atoms."""

    times: int
    sums: tuple[Sum, ...]
    atoms: Monomial


Sum: TypeAlias = tuple[Product, ...]


def factored(of: Form) -> Sum:
    """What several products share, taken out of them: ``F C + C`` as ``(F + 1) C``."""
    counts = Counter(atom for monomial, _ in of.terms for atom in set(monomial))
    most = max(counts.values(), default=0)
    if most < 2:
        return tuple(sorted((Product(n, (), monomial) for monomial, n in of.terms), key=_place))
    shared = max((a for a in counts if counts[a] == most), key=_order)
    inside = [(monomial, n) for monomial, n in of.terms if shared in monomial]
    outside = Form(tuple(term for term in of.terms if shared not in term[0]))
    common = Counter(inside[0][0])
    for monomial, _ in inside[1:]:
        common &= Counter(monomial)
    rest = Form(
        tuple([(tuple((Counter(monomial) - common).elements()), n) for monomial, n in inside])
    )
    times = gcd(*(n for _, n in rest.terms))
    if factored(rest)[0].times < 0:
        times = -times
    rest = Form(tuple((monomial, n // times) for monomial, n in rest.terms))
    group = Product(times, (factored(rest),), tuple(sorted(common.elements(), key=_order)))
    return tuple(sorted((group, *factored(outside)), key=_place))


def _order(of: Atom) -> tuple[int, str]:
    return (-1, "") if of.letter is None else (of.letter.order, of.letter.name)


def _place(of: Product) -> tuple[bool, bool, tuple[tuple[int, str], ...]]:
    """Leading symbols first, then the others, then the number alone."""
    leads = any(_leads(atom) for atom in of.atoms) or any(
        _leads(atom) for each in of.sums for inner in each for atom in inner.atoms
    )
    nothing = not of.atoms and not of.sums
    return nothing, not leads, tuple(map(_order, of.atoms))


def _leads(of: Atom) -> bool:
    return of.letter is not None and of.letter.leads


class Style(NamedTuple):
    """How an expression is written."""

    numbers: bool = False
    """Whether symbols are replaced by their values."""
    latex: bool = False

    def write(self, of: Form) -> str:
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
        letter = of.letter
        if letter is not None:
            if self.numbers:
                return str(letter.value) if letter.value >= 0 else f"({letter.value})"
            return latex_name(letter.name) if self.latex else letter.name
        if of.op in ("floordiv", "ceildiv"):
            return self._quotient(of, bare)
        if of.op == "group":
            return self._parenthesized(self.write(of.args[0]))
        head = f"\\{of.op}" if self.latex else of.op
        return f"{head}({', '.join(map(self.write, of.args))})"

    def _quotient(self, of: Atom, bare: bool) -> str:
        above, below = map(self.write, of.args)
        side = "ceil" if of.op == "ceildiv" else "floor"
        if self.latex:
            text = f"\\frac{{{above}}}{{{below}}}"
            return text if of.exact else f"\\left\\l{side} {text} \\right\\r{side}"
        above = f"({above})" if len(of.args[0]) > 1 else above
        below = f"({below})" if not below.replace("_", "").isalnum() else below
        if of.exact:
            return f"{above}/{below}" if bare else f"({above}/{below})"
        return f"{side}({above}/{below})"


def latex_name(name: str) -> str:
    """``C_in`` with its index."""
    letter, _, end = name.partition("_")
    if not end:
        return letter
    words = end.replace("_", ", ")
    return f"{letter}_{words}" if len(words) == 1 else f"{letter}_{{\\text{{{words}}}}}"


def write(of: Form, numbers: bool = False, latex: bool = False) -> str:
    """An expression with its symbols, or with their numbers."""
    return Style(numbers, latex).write(of)


def equation(of: Form, result: str, latex: bool = False) -> str:
    """``(W - F + 2P)/S + 1 = (227 - 11 + 2*0)/4 + 1 = 55``; of a symbol, ``C = 96``."""
    parts = [write(of, latex=latex)]
    if of.letter is None:
        parts.append(write(of, numbers=True, latex=latex))
    return " = ".join([*parts, result.replace(",", "{,}") if latex else result])


# Polynomials, as they are typed, in LaTeX, and in Python.


_TEXT: Mapping[str, str] = {
    "add": "({} + {})",
    "sub": "({} - {})",
    "mul": "{} {}",
    "neg": "(-{})",
    "floordiv": "floor({} / {})",
    "truediv": "({} / {})",
    "mod": "({} mod {})",
    "less": "[{} < {}]",
    "trunc": "floor({})",
}
_PYTHON: Mapping[str, str] = {
    "add": "({} + {})",
    "sub": "({} - {})",
    "mul": "({} * {})",
    "neg": "(-{})",
    "floordiv": "({} // {})",
    "truediv": "({} / {})",
    "mod": "({} % {})",
    "less": "int({} < {})",
    "trunc": "int({})",
    "floor": "math.floor({})",
    "sqrt": "math.sqrt({})",
    "isqrt": "math.isqrt({})",
    "gcd": "math.gcd({}, {})",
}
_TEX: Mapping[str, str] = {
    "add": r"\left({} + {}\right)",
    "sub": r"\left({} - {}\right)",
    "mul": r"{} \, {}",
    "neg": r"\left(-{}\right)",
    "floordiv": r"\left\lfloor\frac{{{}}}{{{}}}\right\rfloor",
    "truediv": r"\frac{{{}}}{{{}}}",
    "mod": r"\left({} \bmod {}\right)",
    "less": r"\left[{} < {}\right]",
    "floor": r"\left\lfloor{}\right\rfloor",
    "trunc": r"\left\lfloor{}\right\rfloor",
    "round": r"\operatorname{{round}}\left({}\right)",
    "abs": r"\left|{}\right|",
    "sqrt": r"\sqrt{{{}}}",
    "isqrt": r"\left\lfloor\sqrt{{{}}}\right\rfloor",
    "min": r"\min\left({}, {}\right)",
    "max": r"\max\left({}, {}\right)",
    "gcd": r"\gcd\left({}, {}\right)",
    "round_to": r"\operatorname{{round}}\left({}\right)",
}


class Notation(NamedTuple):
    """How polynomials are written."""

    operations: Mapping[str, str]
    """Those that are not written as a call of their name."""
    between: str
    """What stands between factors."""
    power: str
    number: Callable[[Any], str]
    keep: str
    """What stands before the ``keep`` of ``round_to``."""
    latex: bool = False

    def write(self, form: Form, names: Mapping[Atom, str] | None = None) -> str:
        """``234,930,176 k^2 + 2,048,000``. ``names`` are what atoms are called that are spelled
        elsewhere.
        """
        return " ".join(self.summands(form, names or {}))

    def summands(self, form: Form, names: Mapping[Atom, str]) -> list[str]:
        """The terms of a form, each with its sign but for a plus before the first."""
        made: list[str] = []
        for monomial, times in form:
            sign, size = ("-", -times) if times < 0 else ("+", times)
            factors = [
                self._power(self.atom(atom, names), len(list(same)))
                for atom, same in groupby(monomial)
            ]
            if size != 1 or not factors:
                factors.insert(0, self.number(size))
            joined = self.between.join(factors)
            made.append(f"{sign} {joined}" if made else f"{'-' if sign == '-' else ''}{joined}")
        return made or ["0"]

    def _power(self, base: str, times: int) -> str:
        if times == 1:
            return base
        if self.latex and not re.fullmatch(r"\w|\\mathrm\{\w+\}|n_\{\d+\}", base):
            base = rf"\left({base}\right)"
        return self.power.format(base, times)

    def atom(self, atom: Atom, names: Mapping[Atom, str]) -> str:
        """A letter, or an operation with its operands."""
        if atom in names:
            return names[atom]
        if atom.letter is not None:
            name = atom.letter.name
            return rf"\mathrm{{{escaped(name)}}}" if self.latex and len(name) > 1 else name
        args = [self.write(arg, names) for arg in atom.args]
        if atom.op == "mul" and [arg.constant is None for arg in atom.args] == [True, False]:
            args.reverse()  # the number first, as everywhere
        if not self.latex and atom.op in _BRACKETS:
            # A sum or a product within another operation stands in brackets.
            args = [arg if re.fullmatch(r"[\w.,]+", arg) else f"({arg})" for arg in args]
        elif self.latex and atom.op in _OPEN:
            args = [rf"\left({arg}\right)" if re.search(" [+-] ", arg) else arg for arg in args]
        elif not self.latex:
            args = [re.sub(r"^\(([^()]*)\)$", r"\1", arg) for arg in args]
        if atom.op == "round_to":  # without a ``keep`` that asks for nothing
            args = [", ".join([*args[:2], *[self.keep + keep for keep in args[2:] if keep != "0"]])]
        form = self.operations.get(atom.op)
        return form.format(*args) if form is not None else f"{atom.op}({', '.join(args)})"


_OPEN = ("add", "sub", "mul", "neg", "mod")
"""Whose operands stand in brackets in LaTeX where they are sums or products."""

_BRACKETS = (*_OPEN, "floordiv", "truediv", "less", "round", "sqrt", "isqrt")
"""Whose operands stand in brackets elsewhere."""


def escaped(name: str) -> str:
    """A name in LaTeX."""
    return name.replace("_", r"\_")


def _grouped(number: Any) -> str:
    return f"{number:,}" if type(number) is int else str(number)


TEXT = Notation(_TEXT, " ", "{}^{}", _grouped, "keep=")
PYTHON = Notation(_PYTHON, "*", "{}**{}", repr, "keep=")
LATEX = Notation(
    _TEX, r" \, ", "{}^{{{}}}", lambda number: f"{number:,}".replace(",", "{,}"), "", latex=True
)
