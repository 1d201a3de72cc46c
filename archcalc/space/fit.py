"""Spec and budget -> the largest network of the family that keeps it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from typing import Any

from archcalc.analysis.analyze import answer
from archcalc.document.shown import shown
from archcalc.errors import ArchcalcError, SpecError
from archcalc.frontends.network import NetworkLike, load
from archcalc.space.best import best
from archcalc.space.chunks import Refused, chunks
from archcalc.space.design import Space
from archcalc.space.grid import plan
from archcalc.space.trace import (
    ALONE,
    QUANTITIES,
    asked,
    free,
    listed,
    own_numbers,
    require_free,
    require_quantities,
    total,
    written,
)
from archcalc.spec.machines import Hardware, find
from archcalc.spec.model import Spec
from archcalc.spec.space import INPUT

MOST = 4_000_000
"""The most configurations that are looked at."""

SECONDS = 60.0
"""How long a space is searched, unless said."""

PHI = Fraction(1, 100)
"""The step of a compound coefficient."""


@dataclass(frozen=True)
class Over:
    """The next step up of a variable, and what it exceeds."""

    values: Mapping[str, Any]
    totals: Mapping[str, int]
    """What the budget names; empty where that is no network."""
    exceeded: tuple[str, ...]
    reason: str = ""
    """Why it is no network."""


@shown
@dataclass(frozen=True)
class Fit:
    """The largest network inside a budget.

    ::

        >>> import archcalc
        >>> found = archcalc.fit("mobilenet_v2", {"macs": 300_000_000}, vary="side")
        >>> round(found.totals["macs"] / 10**6)
        221
    """

    network: str
    values: Mapping[str, Any]
    """The variables as they were chosen."""
    totals: Mapping[str, int]
    """All of ``QUANTITIES``, and what else is limited."""
    at_most: Mapping[str, int]
    beyond: tuple[Over, ...]
    """The next step up of every variable, or of the coefficient: each exceeds the budget."""
    phi: float | None
    """The coefficient of compound scaling."""
    looked_at: int
    """Configurations that were counted."""
    spec: Mapping[str, Any]
    """The network as a spec's data, to be written out."""
    proven: bool = True
    """Whether nothing that could have been chosen makes more of the budget."""
    at_most_more: float = 1.0
    """How many times more of it something could make, where it is not proven."""
    ended: str = ""
    """What ended the search of a space early: ``time``, ``interrupted``, or nothing."""


def fit(
    network: NetworkLike | Space,
    at_most: Mapping[str, int],
    *,
    vary: Sequence[str] | str | Mapping[str, Any] = (),
    compound: Mapping[str, float] | None = None,
    dtype: str = "float32",
    on: str | Hardware | None = None,
    seconds: float | None = SECONDS,
) -> Fit:
    """The largest network of a family inside a budget: the next step up exceeds it.

    ``at_most`` limits quantities such as ``macs`` and ``params``, ``memory`` in bytes, and ``time``
    in nanoseconds: the least on the machine ``on``, in ``dtype``. ``vary`` names variables, with
    the values to choose from or without; extents go in steps of 32 then, channels of 8, fractions
    of 0.05, and other numbers of 1. Of several variables the choice is that which makes the most
    of the budget: the largest product of the quantities that ``at_most`` names, and of equals
    that with the largest values.
    ``compound`` scales variables together instead, each by its base to the power of a coefficient
    phi, in steps of 0.01 (Tan and Le 2019, equation 3); whole numbers are rounded to the nearest.

    Of a :class:`archcalc.Space`, and of a network that declares one where nothing is named, it is
    the configuration that makes the most of the budget. Bounds of parts say whether that is
    ``proven``: where they leave too much, it is the best that was found, and ``at_most_more`` how
    many times as much there may be. ``time`` and ``memory`` take an analysis of each configuration,
    so that at most 1,000 are looked at. After so many ``seconds`` (None: however many it takes),
    and where it is interrupted, it is the best that was found so far.

    Raises :class:`ArchcalcError` where nothing fits, where everything does, and for names that
    are none.

    Of MobileNetV2 at 224x224, which multiplies 301 million times, the next smaller::

        >>> import archcalc
        >>> archcalc.fit("mobilenet_v2", {"macs": 300_000_000}, vary="side").values
        {'side': 192}
    """
    require_quantities(at_most)
    if not at_most:
        raise ArchcalcError("without a budget nothing is too large: say macs=300M, for example")
    if not isinstance(network, Space):
        network = load(network)
        if network.space is not None and not (vary or compound):
            network = Space(network)
    if isinstance(network, Space):
        machine = find(on) if isinstance(on, str) else on
        return _of_space(network, at_most, dtype, machine, seconds)
    if vary and compound:
        raise ArchcalcError("name variables to vary, or the bases of compound scaling, not both")
    if not (vary or compound):
        raise ArchcalcError(
            "nothing is varied: name what to vary, such as width, or the bases of compound scaling"
            f"\n  variables: {', '.join(free(network))}"
        )
    if isinstance(vary, str):
        vary = listed(vary)
    names = list(compound or vary)
    require_free(network, names)
    own = own_numbers(network, names)
    machine = find(on) if isinstance(on, str) else on
    search = _Search(network, dict(at_most), dtype, machine)
    if compound:
        return _compound(search, own, compound)
    given = vary if isinstance(vary, Mapping) else dict.fromkeys(vary)
    return _varied(search, own, given)


def _of_space(
    space: Space,
    at_most: Mapping[str, int],
    dtype: str,
    on: Hardware | None,
    seconds: float | None,
) -> Fit:
    found = best(space, at_most, dtype, on, seconds)
    search = _Search(space.network, dict(at_most), dtype, on)
    search.looked_at = found.looked_at
    result = search.result(found.values, ())
    return replace(result, proven=found.proven, at_most_more=found.at_most, ended=found.ended)


class _Search:
    """Configurations counted against a budget."""

    def __init__(
        self, spec: Spec, at_most: dict[str, int], dtype: str, on: Hardware | None
    ) -> None:
        self.spec, self.at_most, self.dtype, self.on = spec, at_most, dtype, on
        self.looked_at = 0

    def inside(
        self, values: Mapping[str, Sequence[Any]], together: bool = False
    ) -> Iterator[list[tuple[tuple[int, ...], tuple[Any, ...]]]]:
        """The numbers and values of the configurations that keep the budget, some at a time: of
        each lot those that may make the most of it.
        """
        groups = [tuple(values)] if together else []
        grid = plan(self.spec, values, list(self.at_most), groups, dtype=self.dtype, on=self.on)
        if grid.size > MOST:
            raise ArchcalcError(
                f"{grid.size:,} configurations are too many: vary less, or in larger steps\n"
                "  such as side=128:256:64"
            )
        self.looked_at += grid.size
        for chunk in chunks(grid, Refused()):
            kept: Any = True
            made: Any = 1.0
            for name, limit in self.at_most.items():
                kept = kept & (chunk[name] <= limit)
                made = made * chunk[name].astype(float)
            if not together and len(values) > 1 and kept.any():
                kept &= made >= made[kept].max() * (1 - 1e-9)  # equals are told apart exactly
            some = [column[kept].tolist() for column in chunk.values()]
            points = zip(*some[: len(values)], strict=True)
            yield list(zip(zip(*some[len(values) :], strict=True), points, strict=True))

    def over(self, values: Mapping[str, Any]) -> Over:
        """A configuration that exceeds the budget, or is no network, and in what."""
        try:
            analysis = answer(self.spec, asked(self.spec, values))
        except SpecError as error:
            return Over(values, {}, (), error.problems[0].message)
        totals = {name: total(analysis, name, self.dtype, self.on) for name in self.at_most}
        exceeded = tuple(name for name, limit in self.at_most.items() if totals[name] > limit)
        return Over(values, totals, exceeded)

    def result(
        self, values: Mapping[str, Any], beyond: Sequence[Over], phi: float | None = None
    ) -> Fit:
        analysis = answer(self.spec, asked(self.spec, values))
        names = dict.fromkeys((*QUANTITIES, *self.at_most))
        totals = {name: total(analysis, name, self.dtype, self.on) for name in names}
        return Fit(
            self.spec.label,
            values,
            totals,
            self.at_most,
            tuple(beyond),
            phi,
            self.looked_at,
            _data(self.spec, values, self.at_most),
        )


def _step(name: str, own: Any) -> Fraction:
    if type(own) is float:
        return Fraction(1, 20)
    if name in INPUT:
        return Fraction(32)
    return Fraction(8 if own >= 16 else 1)


def _number(value: Fraction, own: Any) -> Any:
    return float(value) if type(own) is float else int(value)


def _varied(
    search: _Search, own: Mapping[str, Any], given: Mapping[str, Any], reach: int = 4
) -> Fit:
    """``reach`` is how many times a variable's own value its largest one is."""
    values: dict[str, list[Any]] = {}
    for name, chosen in given.items():
        if chosen is not None:
            listed = chosen if isinstance(chosen, (list, tuple, range)) else [chosen]
            values[name] = sorted(listed)
            continue
        step = _step(name, own[name])
        first = max(step, Fraction(own[name]) / 4 // step * step)
        last = Fraction(own[name]) * reach
        if len(given) == 1:
            first, last = step, _enough(search, name, own[name], step, last)
        count = int((last - first) / step) + 1
        values[name] = [_number(first + k * step, own[name]) for k in range(count)]
    smallest = {name: some[0] for name, some in values.items()}
    if len(given) > 1:
        # Before anything is counted: one that can grow for ever alone has no largest value.
        for name, chosen in given.items():
            if chosen is None:
                step = _step(name, own[name])
                _enough(search, name, own[name], step, Fraction(values[name][-1]), smallest)
    inside = [
        (prod(numbers) if len(values) > 1 else 0, point)
        for lot in search.inside(values)
        for numbers, point in lot
    ]
    if not inside:
        _nothing(search, smallest)
    _, best = max(inside)
    chosen_values = dict(zip(values, best, strict=True))
    beyond = []
    for name, some in values.items():
        place = some.index(chosen_values[name])
        if place + 1 < len(some):
            above = some[place + 1]
        elif given[name] is None:
            above = _number(Fraction(str(some[place])) + _step(name, own[name]), own[name])
        else:
            continue
        over = search.over({**chosen_values, name: above})
        if not over.exceeded and not over.reason:
            return _varied(search, own, given, 2 * reach)
        beyond.append(over)
    return search.result(chosen_values, beyond)


def _enough(
    search: _Search,
    name: str,
    own: Any,
    step: Fraction,
    last: Fraction,
    others: Mapping[str, Any] | None = None,
) -> Fraction:
    """A value from which on nothing fits, found by doubling; ``others`` stay as they are."""
    for _ in range(24):
        over = search.over({**(others or {}), name: _number(last // step * step, own)})
        if over.exceeded:
            return last
        last *= 2
    raise ArchcalcError(f"whatever '{name}' is, the budget is kept: it has no largest value")


def _nothing(search: _Search, smallest: Mapping[str, Any]) -> None:
    over = search.over(smallest)
    told = ", ".join(f"{name}={value}" for name, value in smallest.items())
    needed = ", ".join(f"{over.totals[name]:,} {name}" for name in over.exceeded)
    raise ArchcalcError(f"nothing fits: {told} has {needed or over.reason or 'no network'}")


def _compound(search: _Search, own: Mapping[str, Any], bases: Mapping[str, float]) -> Fit:
    for name, base in bases.items():
        if not base >= 1:
            raise ArchcalcError(f"--compound {name}={base}: a base is at least 1")
    if all(base == 1 for base in bases.values()):
        raise ArchcalcError("with bases of 1 nothing is scaled: say width=1.1, for example")

    def scaled(phi: Fraction) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, base in bases.items():
            value = own[name] * float(base) ** float(phi)
            found[name] = value if type(own[name]) is float else max(1, int(value + 0.5))
        return found

    high = Fraction(8)
    while not search.over(scaled(high)).exceeded:
        high *= 2
        if high > 256:
            raise ArchcalcError("whatever the coefficient, the budget is kept")
    low = Fraction(-16)
    phis = [low + k * PHI for k in range(int((high - low) / PHI) + 1)]
    # Doubling costs less than counting all of them: most of a wide range is far too large.
    at, size = 0, len(phis)
    for k in range(0, len(phis), 50):
        over = search.over(scaled(phis[k]))
        if not over.exceeded and not over.reason:
            at = k
    start, size = max(0, at - 50), min(len(phis), at + 101)
    several = phis[start:size]
    points = [scaled(phi) for phi in several]
    columns = {name: [point[name] for point in points] for name in bases}
    inside = {point for lot in search.inside(columns, together=True) for _, point in lot}
    best: Fraction | None = None
    for phi, point in zip(several, points, strict=True):
        if tuple(point.values()) in inside:
            best = phi
    if best is None:
        _nothing(search, points[0])
    assert best is not None
    return search.result(scaled(best), [search.over(scaled(best + PHI))], float(best))


def _data(spec: Spec, values: Mapping[str, Any], at_most: Mapping[str, int]) -> dict[str, Any]:
    """The spec with the chosen values, of its variants only the one that is meant, and the budget
    for what it must keep.
    """
    data = written(spec, values)
    data["name"] = f"{spec.label}-fit".replace(".", "_")
    data["edition"] = "scaled to a budget"
    data["budget"] = [
        {"quantity": name, "at_most": limit}
        for name, limit in at_most.items()
        if name not in ALONE  # which depend on more than the spec says
    ]
    return data
