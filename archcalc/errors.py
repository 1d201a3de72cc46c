"""What can go wrong, as values that say where and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


class ArchcalcError(Exception):
    """Base of every error archcalc raises on purpose; its text is meant for the user.

    ::

        >>> import archcalc
        >>> try:
        ...     archcalc.analyze("resnet18", widht=32)
        ... except archcalc.ArchcalcError as error:
        ...     print(str(error).splitlines()[1].strip())
        did you mean 'width'?
    """


@contextmanager
def needing(what: str, package: str, install: str) -> Iterator[None]:
    """Raise :class:`ArchcalcError` where what is imported inside is not installed."""
    try:
        yield
    except ImportError:
        raise ArchcalcError(
            f"{what} {package}, which is not installed\n  pip install {install}"
        ) from None


class ShapeError(ArchcalcError, ValueError):
    """Shapes that do not fit an operator: the message names both numbers.

    Raised by ``Operator.infer``; an expansion turns it into a located :class:`Problem`.

    ::

        >>> import archcalc
        >>> archcalc.expand("resnet18").nodes[0].op.infer((1, 3, 224))
        Traceback (most recent call last):
        ...
        archcalc.errors.ShapeError: ...
    """


class ExpressionError(ArchcalcError, ValueError):
    """An expression after ``=`` that can't be parsed or has no value.

    ``column`` counts from 1 in the expression; 0 means that the place is the whole of it.

    ::

        >>> import archcalc
        >>> archcalc.load({"name": "net", "input": ["=8 //"], "layers": {"r": "ReLU"}})
        Traceback (most recent call last):
        ...
        archcalc.errors.SpecError: ...
    """

    def __init__(self, message: str, column: int = 0) -> None:
        super().__init__(message)
        self.column = column


class LayerError(ArchcalcError, KeyError):
    """A layer that a network has not: the message names the nearest that it has.

    A ``KeyError``, too, as a mapping's is.

    ::

        >>> import archcalc
        >>> try:
        ...     archcalc.analyze("resnet18")["conv"]
        ... except KeyError as error:
        ...     print(error)
        no layer 'conv' in resnet18
          did you mean 'conv1'?
    """

    def __str__(self) -> str:
        return Exception.__str__(self)  # a KeyError's has quotes around it


@dataclass(frozen=True, order=True, slots=True)
class Problem:
    """One thing wrong with a spec, at its place in the file.

    ``line`` and ``column`` count from 1; 0 means that the place is the file as a whole.
    ``path`` is the way into the document, outermost first, such as
    ``("layers", "conv1", "stride")``.

    ::

        >>> import archcalc
        >>> [wrong] = archcalc.validate({"name": "net", "input": [8], "layers": {"a": "Linaer"}})
        >>> wrong.message, wrong.hint
        ("unknown operator 'Linaer'", "did you mean 'Linear'?")
    """

    file: str
    line: int
    column: int
    path: tuple[str, ...] = field(compare=False)
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        head = f"{place}  {' › '.join(self.path)}".rstrip()
        body = [self.message, *([self.hint] if self.hint else [])]
        return "\n".join([head, *("  " + line for text in body for line in text.splitlines())])


IN_FULL = 20
"""Problems that are told in full: whoever has more begins with these."""


def listed(problems: Sequence[Problem]) -> str:
    """The problems as text, the first twenty in full, and how many more there are."""
    told = [str(problem) for problem in problems[:IN_FULL]]
    more = len(problems) - len(told)
    return "\n".join([*told, f"and {more:,} more"] if more else told)


class SpecError(ArchcalcError, ValueError):
    """A spec that can't be used: carries every :class:`Problem` found, in file order.

    Its text tells the first twenty in full.

    ::

        >>> import archcalc
        >>> try:
        ...     archcalc.load({"name": "net", "input": [8], "layers": {"a": "Linaer"}})
        ... except archcalc.SpecError as error:
        ...     print(error.problems[0].hint)
        did you mean 'Linear'?
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(set(problems)))
        super().__init__(listed(self.problems))

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is made again from its text otherwise, of which this is none.
        return type(self), (self.problems,), self.__dict__


_LONGEST = 64
"""Characters of a word that a near miss is looked for of."""

_MOST_NEAR = 200
"""Words that are looked at for a near miss."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint naming the known word nearest to ``word``; else the few there are; else ``""``."""
    names = sorted(map(str, known))
    near = nearest(word, names)
    if near:
        return f"did you mean '{near}'?"
    if 0 < len(names) <= 12:
        return f"known: {', '.join(names)}"
    return ""


def unknown(kind: str, word: str, known: Iterable[str]) -> ArchcalcError:
    """The error of a word that is none of the known ones: with the nearest, or with all of them."""
    names = list(known)
    hint = did_you_mean(word, names) or f"known: {', '.join(names)}"
    return ArchcalcError(f"no {kind} '{word}'\n  {hint}")


def nearest(word: str, names: Sequence[str]) -> str:
    """The name that is written nearly like ``word``, or ``""``.

    Among very many, those of the same first letter and about as long are looked at.
    """
    import difflib

    folded = {name.lower(): name for name in names if len(name) <= _LONGEST}
    word = word.lower()
    if len(folded) > _MOST_NEAR:
        alike = [name for name in folded if name[:1] == word[:1]]
        among = sorted(alike, key=lambda name: abs(len(name) - len(word)))[:_MOST_NEAR]
    else:
        among = list(folded)
    near = difflib.get_close_matches(word, among, n=1, cutoff=0.6) if len(word) <= _LONGEST else []
    return folded[near[0]] if near else ""
