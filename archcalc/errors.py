"""What can go wrong, as values that say where and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any


class ArchcalcError(Exception):
    """Base of every error archcalc raises on purpose; its text is meant for the user."""


class ShapeError(ArchcalcError, ValueError):
    """Shapes that do not fit an operator: the message names both numbers.

    Raised by ``Operator.infer``; an expansion turns it into a located :class:`Problem`.
    """


class ExpressionError(ArchcalcError, ValueError):
    """An expression after ``=`` that can't be parsed or has no value.

    ``column`` counts from 1 in the expression; 0 means that the place is the whole of it.
    """

    def __init__(self, message: str, column: int = 0) -> None:
        super().__init__(message)
        self.column = column


@dataclass(frozen=True, order=True, slots=True)
class Problem:
    """One thing wrong with a spec, at its place in the file.

    ``line`` and ``column`` count from 1; 0 means that the place is the file as a whole.
    ``path`` is the way into the document, outermost first, such as
    ``("layers", "conv1", "stride")``.
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


class SpecError(ArchcalcError, ValueError):
    """A spec that can't be used: carries every :class:`Problem` found, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is made again from its text otherwise, of which this is none.
        return type(self), (self.problems,), self.__dict__


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint naming the known word nearest to ``word``; else the few there are; else ``""``."""
    import difflib

    names = sorted(map(str, known))
    folded = {name.lower(): name for name in names}
    near = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{folded[near[0]]}'?"
    if 0 < len(names) <= 12:
        return f"known: {', '.join(names)}"
    return ""
