"""A way of counting that departs from the usual one, and what it explains."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from archcalc.claims.printed import Number, Verdict
from archcalc.document.shown import shown


class Choice(NamedTuple):
    """One departure from the default way of counting."""

    axis: str
    value: str
    words: str
    cost: int
    """How far-fetched it is: of two explanations with as many departures the cheaper is first."""


@shown
class Explanation(NamedTuple):
    """A number, and the choices that make it.

    ::

        >>> import archcalc
        >>> archcalc.reconcile("3.6G", "resnet18")[0].number
        3628146688
    """

    quantity: str
    """One of ``QUANTITIES``."""
    number: Number
    """Exact; of two networks compared, the ratio."""
    departures: tuple[Choice, ...]
    """None of them: the network as it is, counted by default."""
    also: tuple[tuple[Choice, ...], ...] = ()
    """Other departures that make the same number."""
    verdict: Verdict = Verdict("contradicted", Fraction(0))
    """How the number stands to the printed one."""
    off: Fraction = Fraction(0)
    """How much more it is than the printed one, in parts of that."""

    @property
    def words(self) -> str:
        """The departures in words."""
        return said(self.departures)

    @property
    def cost(self) -> tuple[int, int]:
        """What it is ranked by: the departures, and how far-fetched they are together."""
        return len(self.departures), sum(choice.cost for choice in self.departures)


def said(departures: Sequence[Choice]) -> str:
    """Departures in words."""
    return ", ".join(choice.words for choice in departures) or "as it is"


def thousand_of(departures: Sequence[Choice]) -> int:
    """What a thousand is: 1024 where one departs so."""
    return 1024 if any(choice.axis == "thousand" for choice in departures) else 1000
