"""Which way of counting made a number: a search through choices, the most natural first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

from archcalc.claims.candidates import AXES, MOST, UNITS, Candidates, is_number, readings
from archcalc.claims.departures import Explanation, thousand_of
from archcalc.claims.printed import Printed
from archcalc.errors import ArchcalcError, did_you_mean
from archcalc.frontends.network import NetworkLike
from archcalc.spec.model import Spec
from archcalc.spec.records import records

QUANTITIES: dict[str, str] = {
    "params": "parameters",
    "macs": "MACs",
    "flops": "FLOPs",
    "bytes": "bytes",
}
"""What a number may be of, and how it is said."""


class Reconciliation(NamedTuple):
    """What the search found."""

    value: str
    network: str
    layer: str | None
    against: str | None
    quantities: tuple[str, ...]
    """Of what the number was taken to be."""
    tried: int
    """Different numbers that were held against the printed one."""
    matches: tuple[Explanation, ...]
    """Those that it is at its printed precision, the most natural first."""
    nearest: tuple[Explanation, ...]
    """Where none is: the plain numbers, and whatever is nearer than all that is more natural."""
    idle: tuple[str, ...]
    """Axes that make no difference for this network."""
    known: tuple[str, ...]
    """What the family's spec says of the number, where it is pinned there as a mistake."""
    whole: bool
    """Whether everything was tried: of very large networks and families only some is."""

    @property
    def ok(self) -> bool:
        """Whether anything explains the number."""
        return bool(self.matches)


def reconcile(
    value: str | int,
    network: NetworkLike,
    quantity: str | None = None,
    layer: str | None = None,
    against: NetworkLike | None = None,
    batch: int = 1,
) -> list[Explanation]:
    """The ways of counting a network that make a printed number, the most natural first.

    ``value`` is as printed: ``60.3M``, ``533MB``, ``11.3x10^9``. ``quantity`` is one of
    ``QUANTITIES``; without it that is told by the unit, or by what is of about this size. With
    ``layer`` only a layer or block is counted; with ``against`` the value says how many times more
    the one network has than the other, ``12x``. Work and tensors are those of a ``batch``.

    Those with the fewest departures from the default come first, where a number that is printed
    so only if digits are cut off and not rounded counts as one more; of equally many those that
    are less far-fetched. Empty if there is none. Raises :class:`ArchcalcError` for what can't be
    understood, and :class:`SpecError` for specs that are none.

    ::

        >>> import archcalc
        >>> archcalc.reconcile("3.6G", "resnet18")[0].words
        'counting 2 for a MAC'
    """
    return list(search(value, network, quantity, layer, against, batch).matches)


def search(
    value: str | int,
    network: NetworkLike,
    quantity: str | None = None,
    layer: str | None = None,
    against: NetworkLike | None = None,
    batch: int = 1,
) -> Reconciliation:
    """:func:`reconcile`, with what was tried and what comes nearest."""
    try:
        printed = readings(value, against is not None)
    except ArchcalcError as error:
        if is_number(network) and not is_number(value):
            more = f"the number comes first: reconcile {network} {value}"
            raise ArchcalcError(f"{error}\n  {more}") from None
        raise
    unit = UNITS.get(printed[1000].unit)
    if quantity is not None and quantity not in QUANTITIES:
        hint = did_you_mean(quantity, QUANTITIES)
        raise ArchcalcError(f"no quantity '{quantity}'\n  {hint}")
    if quantity is not None and unit is not None and {quantity, unit} not in _ALIKE:
        raise ArchcalcError(f"{value} is no number of {QUANTITIES[quantity]}: leave --quantity out")
    candidates = Candidates(network, layer, against, batch)
    wanted = quantity or unit
    quantities = (wanted,) if wanted else candidates.about(printed[1000])
    found, axes, used = [], dict[str, None](), set[str]()
    for each in quantities:
        for choice in candidates.choices(each, printed):
            axes[choice.axis] = None
        found += candidates.of(each, printed)
    for explanation in found:
        for departures in (explanation.departures, *explanation.also):
            used.update(choice.axis for choice in departures)
    judged = [_judged(each, printed[thousand_of(each.departures)]) for each in found]
    matches = sorted((each for each in judged if each.verdict.holds), key=_rank)
    return Reconciliation(
        value=str(value),
        network=candidates.network.label,
        layer=layer,
        against=candidates.other.label if candidates.other else None,
        quantities=quantities,
        tried=len(found),
        matches=tuple(matches),
        nearest=() if matches else tuple(_nearest(judged)),
        idle=tuple(AXES[axis] for axis in axes if axis not in used),
        known=tuple(_mistakes(candidates.network, printed[1000])),
        whole=candidates.whole,
    )


_AGREEMENTS = ("exact", "rounds", "truncates")


def _rank(explanation: Explanation) -> tuple[int, int, int, Fraction]:
    verdict = explanation.verdict
    departures, cost = explanation.cost
    # Nobody cuts off digits without reason: that is one more thing to believe.
    departures += verdict.agreement == "truncates"
    return departures, cost, _AGREEMENTS.index(verdict.agreement), abs(verdict.off)


def _judged(explanation: Explanation, printed: Printed) -> Explanation:
    verdict = printed.verdict(explanation.number)
    return explanation._replace(verdict=verdict, off=verdict.off / printed.value)


def _nearest(judged: Sequence[Explanation]) -> list[Explanation]:
    """The plain numbers, and for each count of departures what is nearer than with fewer."""
    kept = [each for each in judged if not each.departures]
    for count in range(1, MOST + 1):
        least = min((abs(each.off) for each in kept), default=None)
        alike = [each for each in judged if len(each.departures) == count]
        nearest = min(alike, key=lambda each: (abs(each.off), each.cost), default=None)
        if nearest is not None and (least is None or abs(nearest.off) < least):
            kept.append(nearest)
    return sorted(kept, key=lambda each: (abs(each.off), each.cost))


def _mistakes(spec: Spec, printed: Printed) -> Iterator[str]:
    """Why a number is wrong, as the spec tells of a documented one that is printed the same."""
    for record in records(spec).documented:
        if record.erratum is None:
            continue
        try:
            documented = Printed.parse(record.value)
        except ArchcalcError:  # a size, or a list
            continue
        if (documented.value, documented.unit) == (printed.value, printed.unit):
            right = f"should be {record.erratum.value}: {record.erratum.reason}"
            yield f"{record.value} of {record.variant or spec.name} {right}"


_ALIKE = [{"params"}, {"bytes"}, {"macs"}, {"flops"}, {"macs", "flops"}]
