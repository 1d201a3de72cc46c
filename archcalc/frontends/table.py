"""What another program's calls are in our terms, and the table that says it, a line an operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_letters
from typing import Any, Generic, TypeVar

from archcalc.dims import Shape

Tensor = TypeVar("Tensor")
"""What stands for a tensor where the model is read."""
Line = TypeVar("Line", bound=Callable[..., Any])


@dataclass(frozen=True)
class Made(Generic[Tensor]):
    """What a call is in our terms."""

    op: str
    """The operator's name."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[Tensor | Made[Tensor], ...] = ()
    """What it takes, computed or held, or made on the way."""
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    """Its tensors by PyTorch's names."""
    shape: Shape | None = None
    """The sizes of what it gives, if it is made on the way."""
    declared: bool = False
    """Whether only its work is known, ``macs`` among the fields."""
    said: bool = True
    """Whether it computes the very numbers that the call does."""
    once: Tensor | None = None
    """The call that it is all of, of which several outputs are taken."""


@dataclass(frozen=True)
class Same(Generic[Tensor]):
    """A call that gives what it is given."""

    source: Tensor


@dataclass(frozen=True)
class Beside:
    """An output that comes with the first of a call, such as a recurrent layer's last state."""


@dataclass(frozen=True)
class Moves:
    """A call that moves elements about, in a way that no operator of ours says."""


class Table(dict[str, Line]):
    """The program's name of an operator -> the function that says what a call of it is."""

    def line(self, *names: str) -> Callable[[Line], Line]:
        """Enter a function."""

        def enter(function: Line) -> Line:
            for name in names:
                assert name not in self, name
                self[name] = function
            return function

        return enter


def held(**tensors: Tensor | None) -> dict[str, Tensor]:
    """The tensors that are there, by name."""
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


def spelled(equation: str, ranks: Sequence[int]) -> str:
    """An equation of ``einsum`` with letters in the place of dots: ``...ij,jk`` of a rank of 3."""
    text = equation.replace(" ", "")
    if "..." not in text:
        return text
    left, arrow, right = text.partition("->")
    free = [letter for letter in ascii_letters if letter not in text]
    terms = left.split(",")
    extra = [
        rank - len(term.replace("...", "")) if "..." in term else 0
        for term, rank in zip(terms, ranks, strict=True)
    ]
    most = max(extra)
    dots = free[:most]
    if not arrow:
        letters = left.replace(".", "").replace(",", "")
        right = "..." + "".join(sorted(x for x in set(letters) if letters.count(x) == 1))
    terms = [
        term.replace("...", "".join(dots[most - n :])) for term, n in zip(terms, extra, strict=True)
    ]
    return f"{','.join(terms)}->{right.replace('...', ''.join(dots))}"
