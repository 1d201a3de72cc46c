"""The normal forms of what was recorded, in the letters that it was recorded in.

A program is one of two normal forms. *Multiplied out*, it is a polynomial: what a network costs in
``k``. *As it reads*, products of sums stay products, and what is rounded up says so: why a layer
has the width it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, final

from archcalc.algebra.program import PYTHON, Program, needed
from archcalc.algebra.terms import Terms, constant, negative, plus, times, value_of

CHOICES = frozenset(("symbol", "round_to"))
"""Atoms that are never less than a number which is known of them."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A named number: ``W``, ``F``, ``C_in``."""

    name: str
    value: Any = field(default=0, compare=False)
    """What it is where it was recorded."""
    meaning: str = field(default="", compare=False)
    order: int = field(default=0, compare=False)
    """Its place in a product."""
    leads: bool = field(default=False, compare=False)
    """Whether it stands first in a sum."""


@dataclass(frozen=True, slots=True)
class Atom:
    """What is neither sum nor product: an operation on forms, or a letter.

    Beside those of ``PYTHON``, ``ceildiv`` is a quotient rounded up, and ``group`` a sum that is
    multiplied by another.
    """

    op: str
    args: tuple[Any, ...]

    @property
    def letter(self) -> Letter | None:
        """The letter it is."""
        return self.args[0] if self.op == "symbol" else None

    def at(self, values: Mapping[str, Any]) -> Any:
        """The number it comes to."""
        if self.op == "symbol":
            (letter,) = self.args
            return values.get(letter.name, letter.value)
        return _OPERATIONS[self.op](*[arg.at(values) for arg in self.args])

    @property
    def exact(self) -> bool:
        """Of a quotient: whether there is nothing to round where it was recorded."""
        above, below = self.args
        return bool(above.value % below.value == 0)


_OPERATIONS: Mapping[str, Callable[..., Any]] = {
    **PYTHON,
    "ceildiv": lambda a, b: -(-a // b),
    "group": lambda a: a,
}

Monomial: TypeAlias = tuple[Atom, ...]
"""A product; ``()`` is 1."""


@dataclass(frozen=True, slots=True)
class Form:
    """A sum of products, each a monomial and the number it is multiplied by, in a fixed order."""

    terms: tuple[tuple[Monomial, Any], ...]

    def __iter__(self) -> Iterator[tuple[Monomial, Any]]:
        return iter(self.terms)

    def __len__(self) -> int:
        return len(self.terms)

    def at(self, values: Mapping[str, Any]) -> Any:
        """The number it comes to at values of its letters, those not given being as recorded."""
        total: Any = 0
        for monomial, n in self.terms:
            for atom in monomial:
                n *= atom.at(values)
            total += n
        return total

    @property
    def value(self) -> Any:
        """The number it came to where it was recorded."""
        return self.at({})

    @property
    def constant(self) -> Any:
        """The number it is whatever its letters are; None where it depends on them."""
        return value_of(dict(self.terms))

    @property
    def letter(self) -> Letter | None:
        """The letter it is; None if it is anything more."""
        if len(self.terms) == 1 and self.terms[0][1] == 1 and len(self.terms[0][0]) == 1:
            return self.terms[0][0][0].letter
        return None

    def atoms(self) -> Iterator[Atom]:
        """Everything it is made of, at any depth, from left to right and repetitions included."""
        for monomial, _ in self.terms:
            for atom in monomial:
                yield atom
                if atom.op != "symbol":
                    for arg in atom.args:
                        yield from arg.atoms()

    def letters(self) -> Iterator[Letter]:
        """Those it depends on, repetitions included."""
        return (atom.args[0] for atom in self.atoms() if atom.op == "symbol")


class Rule(Protocol):
    """How operations become forms: what a normal form is."""

    def place(self, atom: Atom) -> Any:
        """Where an atom stands in a product."""

    def before(self, term: tuple[Monomial, Any]) -> Any:
        """Where a term stands in a sum."""

    def apply(self, op: str, args: list[Terms]) -> Terms | None:
        """An operation on whole numbers; None where it is an atom."""


class Forms:
    """The steps of a program in a normal form, worked out as they are asked for."""

    def __init__(self, program: Program, letters: Mapping[str, Terms], rule: Rule) -> None:
        """``letters`` say what each variable is: a letter, or a multiple of one."""
        self.program, self.letters, self.rule = program, letters, rule
        self.known: dict[int, Terms] = {}

    def terms(self, step: int) -> Terms:
        """The terms of a step, in no order."""
        for k in needed(self.program, [step], self.known):
            op, args = self.program.steps[k]
            if op == "const":
                self.known[k] = constant(args[0])
            elif op == "var":
                self.known[k] = self.letters[args[0]]
            else:
                self.known[k] = self._apply(
                    op, self.program.floats[k], [self.known[arg] for arg in args]
                )
        return self.known[step]

    def form(self, step: int) -> Form:
        """The form of a step."""
        return frozen(self.terms(step), self.rule)

    def _apply(self, op: str, is_float: bool, args: list[Terms]) -> Terms:
        values = list(map(value_of, args))
        if None not in values:
            return constant(PYTHON[op](*values))
        if not is_float:
            if op in ("add", "sub"):
                return plus(args[0], args[1], 1 if op == "add" else -1)
            if op == "neg":
                return negative(args[0])
            found = self.rule.apply(op, args)
            if found is not None:
                return found
        return made_of(self.rule, op, *args)


def letter(of: Letter) -> Terms:
    """A letter as terms."""
    return {(Atom("symbol", (of,)),): 1}


def frozen(terms: Terms, rule: Rule) -> Form:
    """Terms in the order in which they are written."""
    return Form(tuple(sorted(terms.items(), key=rule.before)))


def made_of(rule: Rule, op: str, *args: Terms) -> Terms:
    """The terms that are an operation and nothing more."""
    return {(Atom(op, tuple([frozen(arg, rule) for arg in args])),): 1}


@final
class MultipliedOut:
    """Polynomials: the highest powers first. Floors are taken apart as far as they go."""

    def __init__(self) -> None:
        self.stuck: list[tuple[Terms, int]] = []
        """What was to be divided and by what, where a rest stays open."""
        self._places: dict[Atom, tuple[int, str]] = {}

    def place(self, atom: Atom) -> tuple[int, str]:
        """Letters first, each kind by name."""
        found = self._places.get(atom)
        if found is None:
            name = atom.letter
            found = (0, name.name) if name is not None else (1, f"{atom.op}{atom.args}")
            self._places[atom] = found
        return found

    def before(self, term: tuple[Monomial, Any]) -> Any:
        return -len(term[0]), [self.place(atom) for atom in term[0]]

    def apply(self, op: str, args: list[Terms]) -> Terms | None:
        if op == "mul":
            return times(args[0], args[1], self.place)
        if op in ("min", "max"):
            # Where one is never the larger, whatever the letters, there is nothing to choose.
            gap = plus(args[0], args[1], -1)
            if self.certain("le", gap, True, None):
                return args[op == "max"]
            if self.certain("lt", gap, False, None):
                return args[op == "min"]
        by = value_of(args[1]) if op in ("floordiv", "mod") else None
        if by is None or by <= 0:
            return None
        whole, rest = self._divided(args[0], by)
        left = value_of(rest)
        if left is not None:
            quotient, left = divmod(left, by)
            return plus(whole, constant(quotient)) if op == "floordiv" else constant(left)
        self.stuck.append((rest, by))
        if op == "mod":
            return made_of(self, op, rest, args[1])
        rest, by = self._flattened(rest, by)
        return plus(whole, made_of(self, op, rest, constant(by)))

    @staticmethod
    def _divided(terms: Terms, by: int) -> tuple[Terms, Terms]:
        """A sum divided term by term, and the terms that ``by`` does not divide."""
        if any(type(n) is not int for n in terms.values()):
            return {}, terms
        whole = {monomial: n // by for monomial, n in terms.items() if n % by == 0}
        return whole, {monomial: n for monomial, n in terms.items() if n % by}

    @staticmethod
    def _flattened(rest: Terms, by: int) -> tuple[Terms, int]:
        """``floor((floor(a / b) + c) / d)`` is ``floor((a + b c) / (b d))``, of whole numbers."""
        while True:
            products = [monomial for monomial in rest if monomial]
            if len(products) != 1 or len(products[0]) != 1 or rest[products[0]] != 1:
                return rest, by
            (atom,) = products[0]
            inner = atom.args[1].constant if atom.op == "floordiv" else None
            if inner is None:
                return rest, by
            rest = plus(dict(atom.args[0].terms), constant(rest.get((), 0) * inner))
            by *= inner

    def certain(self, op: str, gap: Terms, answer: bool, least: Mapping[str, Any] | None) -> bool:
        """Whether a question about two numbers, of which ``gap`` is the difference, has this answer
        wherever the letters are at least so large, or from 1 on.
        """
        if any(atom.op not in CHOICES for monomial in gap for atom in monomial):
            return False
        if least is None and any(type(n) is not int for n in gap.values()):
            return False
        # In how far they exceed it all terms are products of numbers from 0 on.
        beyond: Terms = {}
        for monomial, n in gap.items():
            product: Terms = {(): n}
            for atom in monomial:
                if atom.op == "symbol":
                    start = least[atom.args[0].name] if least else 1
                else:
                    start = atom.args[1].constant  # the multiple that it is rounded to
                product = times(product, {(atom,): 1, (): start}, self.place)
            beyond = plus(beyond, product)
        least_gap = beyond.get((), 0)
        up = all(n >= 0 for n in beyond.values())
        down = all(n <= 0 for n in beyond.values())
        positive, negative_ = up and least_gap > 0, down and least_gap < 0
        if op == "eq":
            return not answer and (positive or negative_)
        if op == "lt":  # a < b
            return negative_ if answer else up
        return down if answer else positive


@final
class AsItReads:
    """For a reader who wants to see the rule: a sum times a sum stays that."""

    def place(self, atom: Atom) -> tuple[int, str]:
        name = atom.letter
        return (name.order, name.name) if name is not None else (-1, f"{atom.op}{atom.args}")

    def before(self, term: tuple[Monomial, Any]) -> Any:
        return [self.place(atom) for atom in term[0]]

    def apply(self, op: str, args: list[Terms]) -> Terms | None:
        if op == "mul":
            if min(map(len, args)) > 1:
                args = [made_of(self, "group", arg) for arg in args]
            return times(args[0], args[1], self.place)
        if op == "floordiv":
            return self._quotient(*args)
        if op == "mod":
            whole = self.apply("mul", [args[1], self._quotient(*args)])
            return plus(args[0], whole or {}, -1)
        return None

    def _quotient(self, above: Terms, below: Terms) -> Terms:
        by = value_of(below)
        if not above:
            return {}
        if by and all(n % by == 0 for n in above.values()):
            return {monomial: n // by for monomial, n in above.items()}
        if self._is_negative(above):  # floor(-x / y) is -ceil(x / y), which is how ceil is computed
            return negative(made_of(self, "ceildiv", negative(above), below))
        return made_of(self, "floordiv", above, below)

    def _is_negative(self, terms: Terms) -> bool:
        """Whether it is better written with a minus before all of it."""
        for monomial, n in sorted(terms.items(), key=self.before):
            if any(atom.op == "symbol" and atom.args[0].leads for atom in monomial):
                return bool(n < 0)
        return bool(frozen(terms, self).value < 0)


def letters_of(forms: Iterable[Form]) -> dict[str, Letter]:
    """What some forms mention, each once, in the order in which they do."""
    return {letter.name: letter for form in forms for letter in form.letters()}
