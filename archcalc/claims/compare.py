"""Several networks side by side: their numbers, and what is documented of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, cast

from archcalc.analysis.analyze import answer
from archcalc.analysis.conventions import Convention, Difference, convention, differences
from archcalc.analysis.counted import Analysis
from archcalc.analysis.measured import Measurement
from archcalc.analysis.roofline import Roofline, roofline
from archcalc.claims.check import Checking, Finding, Record, records
from archcalc.claims.judged import judged
from archcalc.claims.printed import Printed
from archcalc.dims import Size
from archcalc.document.shown import shown
from archcalc.errors import ArchcalcError, SpecError, did_you_mean
from archcalc.frontends.network import NetworkLike, load
from archcalc.spec.documented import Budget, Documented, Fact
from archcalc.spec.graph import Graph
from archcalc.spec.machines import Hardware, find
from archcalc.spec.model import Spec
from archcalc.spec.question import AS_IT_IS, Input, Question, with_options
from archcalc.spec.scope import Path, Wrong
from archcalc.values import Remembering

FOUR = ("alexnet", "vgg16", "googlenet", "resnet152")
"""The networks of the usual comparison: AlexNet, VGGNet, Inception and ResNet-152."""

WORK = "work"

KINDS: Mapping[str, str] = {
    "params": "params",
    "macs": WORK,
    "flops": WORK,
    "weight_bytes": "weight_bytes",
}
"""Documented quantity of a whole network -> what it is held against. What a source calls FLOPs
may be multiply-accumulates and the other way round: both are work."""

EVERY = "all"
"""The word for every convention at once."""

ACCURACY, ERROR = "top5_accuracy", "top5_error"

_ROW = re.compile(r"\bline \d+$")


@dataclass(frozen=True)
class Entry(Remembering):
    """A network in a comparison."""

    name: str
    spec: Spec
    analysis: Analysis
    number: Size | None
    """The work under the comparison's convention; None where its tool fails or all are asked."""
    failure: str = ""
    """Why the tool fails."""
    top5: Finding | None = None
    """The top-5 accuracy as printed, or the error where no accuracy is; neither can be computed."""
    documented: Mapping[str, tuple[Finding, ...]] | None = None
    """Kind (params, work, weight_bytes) -> what is printed of it, the most telling first: what
    does not hold, then what stands in one row with the accuracy. A finding on another network is
    of a variant that a source prints in the same row. None where input or variables were changed:
    then nothing is documented."""
    measured: Measurement | None = None
    """What running it took, if it was run."""
    bounds: tuple[Roofline, ...] = ()
    """The least times on the machines that are compared."""

    def said(self, kind: str) -> Finding | None:
        """The most telling documented number of a kind."""
        found = (self.documented or {}).get(kind, ())
        return found[0] if found else None

    @property
    def accuracy(self) -> float | None:
        """The top-5 accuracy, from 0 to 1; None where none is printed as a number."""
        if self.top5 is None:
            return None
        try:
            printed = float(Printed.parse(self.top5.printed).value)
        except ArchcalcError:  # a fact may be any text
            return None
        share = printed if printed <= 1 else printed / 100
        return 1 - share if self.top5.quantity == ERROR else share

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """The network under every convention: :func:`archcalc.analysis.conventions.differences`."""
        return differences(self.analysis)


@shown
class Comparison(NamedTuple):
    """Networks side by side.

    ::

        >>> import archcalc
        >>> found = archcalc.compare("resnet34", "resnet18", sort="params")
        >>> [entry.name for entry in found.entries]
        ['resnet18', 'resnet34']
    """

    entries: tuple[Entry, ...]
    convention: Convention | None
    """How work is counted; None for every way."""
    baseline: Entry | None
    """The network that ratios are to."""


SORTED_BY: Mapping[str, Callable[[Entry], Any]] = {
    "network": lambda entry: entry.name,
    "year": lambda entry: entry.analysis.graph.year,
    "top5": lambda entry: entry.accuracy,
    "params": lambda entry: entry.analysis.params,
    "macs": lambda entry: entry.number,
    "flops": lambda entry: entry.analysis.flops,
    "size": lambda entry: entry.analysis.weight_bytes(),
    "latency": lambda entry: entry.measured.seconds if entry.measured else None,
    "time": lambda entry: entry.bounds[0].seconds if entry.bounds else None,
}
"""What a comparison can be sorted by; ``macs`` is the work under its convention, ``latency`` the
time that was measured, ``time`` the least on the first machine."""


@with_options
def compare(
    *networks: NetworkLike | Sequence[NetworkLike],
    convention: str = "macs",
    baseline: str | None = None,
    sort: str | None = None,
    input: Input = None,
    measure: Callable[[Graph], Measurement] | None = None,
    on: Sequence[str | Hardware] = (),
    dtype: str = "float32",
    **variables: Any,
) -> Comparison:
    """Networks side by side, with what is documented of them; without any, the usual four.

    ``convention`` says how work is counted; ``"all"`` is every way at once. ``baseline`` is the
    network that ratios are to; it is put first where it is not among the networks. ``sort`` is a
    key of ``SORTED_BY``, after a ``-`` for the largest first; what is unknown comes last. ``input``
    (or a function of the spec that gives it) and ``variables`` are those of all networks, as in
    :func:`archcalc.expand`; a network that they change is not what the documented numbers are of.
    ``measure``, such as :func:`archcalc.measure`, runs each network. ``on`` are machines on which
    the least time of each, in ``dtype``, is told (:func:`archcalc.roofline`).

    Raises :class:`ArchcalcError` for an unknown convention or key, and what
    :func:`archcalc.load` and :func:`archcalc.expand` raise.

    ::

        >>> import archcalc
        >>> found = archcalc.compare(["resnet18", "vgg16"])
        >>> [entry.analysis.params for entry in found.entries]
        [11689512, 138357544]
    """
    counted = None if convention.strip().lower() == EVERY else _convention(convention)
    if counted is None and measure is not None:
        raise ArchcalcError("what is measured stands beside one convention, not all of them")
    key, falling = _key(sort) if sort is not None else (None, False)
    sources = [*_flat(networks or FOUR)]
    specs = list(map(load, sources))
    names = _names(sources, specs)
    if baseline is not None and baseline not in names:
        sources.insert(0, baseline)
        specs.insert(0, load(baseline))
        names = _names(sources, specs)
    question = Question(input, variables=variables)
    entries = [
        _entry(name, spec, source, counted, question)
        for name, spec, source in zip(names, specs, sources, strict=True)
    ]
    if measure is not None:
        entries = [replace(entry, measured=measure(entry.analysis.graph)) for entry in entries]
    if on:
        machines = [find(each) if isinstance(each, str) else each for each in on]
        entries = [
            replace(
                entry,
                bounds=tuple(roofline(entry.analysis, each, dtype=dtype) for each in machines),
            )
            for entry in entries
        ]
    base = None
    if baseline is not None:
        base = next(e for e, s in zip(entries, sources, strict=True) if baseline in (e.name, s))
    if key is not None:
        known = [entry for entry in entries if key(entry) is not None]
        known.sort(key=key, reverse=falling)
        entries = [*known, *(entry for entry in entries if key(entry) is None)]
    return Comparison(tuple(entries), counted, base)


_convention = convention


def _key(sort: str) -> tuple[Callable[[Entry], Any], bool]:
    name = sort.removeprefix("-").strip().lower()
    if name not in SORTED_BY:
        raise ArchcalcError(f"can't sort by '{sort}'\n  {did_you_mean(name, SORTED_BY)}")
    return SORTED_BY[name], sort.startswith("-")


def _names(sources: list[Any], specs: list[Spec]) -> list[str]:
    """The networks' own names; where two have one, as they were asked for."""
    labels = [spec.label for spec in specs]
    return [
        str(source) if labels.count(label) > 1 and isinstance(source, str) else label
        for source, label in zip(sources, labels, strict=True)
    ]


def _flat(networks: Iterable[NetworkLike | Sequence[NetworkLike]]) -> Iterator[NetworkLike]:
    for each in networks:
        if isinstance(each, (list, tuple)):
            yield from each
        else:
            yield cast("NetworkLike", each)  # mypy can't know that a sequence is one of these two


def _entry(
    name: str,
    spec: Spec,
    source: NetworkLike,
    counted: Convention | None,
    question: Question,
) -> Entry:
    settled = isinstance(source, (Graph, Analysis))
    analysis = answer(source if settled else spec, question)
    number, failure = None, ""
    if counted is not None:
        try:
            number = counted.total(analysis)
        except ArchcalcError as error:
            failure = str(error)
    entry = Entry(name, spec, analysis, number, failure)
    if not settled and question.of(spec) != AS_IT_IS:
        usual = answer(spec, AS_IT_IS).graph
        graph = analysis.graph
        if usual.inputs != graph.inputs or usual.variables != graph.variables:
            return entry
    stated = Stated(spec, counted)
    return Entry(name, spec, analysis, number, failure, stated.top5, stated.documented)


class Stated:
    """What the spec of a network, and those of its family, document of it."""

    def __init__(self, spec: Spec, counted: Convention | None) -> None:
        family = Spec.of(spec.document)
        self.spec = spec
        self.counted = counted
        self.checking = Checking(family)
        self.records = list(records(family))

    @cached_property
    def rows(self) -> frozenset[str]:
        """The rows of sources that print something of the network."""
        return frozenset(
            row for _, record in self.records if self._own(record) for row in _rows(record)
        )

    @cached_property
    def top5(self) -> Finding | None:
        """The accuracy as printed, of the network itself, or the error where there is none."""
        for quantity in (ACCURACY, ERROR):
            for at, record in self.records:
                stated = isinstance(record, Fact) and record.quantity == quantity
                if stated and self._own(record):
                    return self.checking.judge(at, record)[0]
        return None

    @cached_property
    def documented(self) -> Mapping[str, tuple[Finding, ...]]:
        """Kind -> findings, the most telling first."""
        found: dict[str, list[Finding]] = {}
        borrowed: dict[str, list[Finding]] = {}
        for at, record in self.records:
            if not isinstance(record, Documented) or record.layer or record.quantity not in KINDS:
                continue
            kind = KINDS[record.quantity]
            if self._own(record):
                found.setdefault(kind, []).append(self._beside(at, record))
            elif _rows(record) & self.rows:
                borrowed.setdefault(kind, []).append(self._beside(at, record))
        beside = frozenset(self.top5.sources if self.top5 else ())
        return {
            kind: tuple(sorted(said, key=lambda f: (f.ok, beside.isdisjoint(f.sources))))
            for kind, said in {**borrowed, **found}.items()
        }

    def _own(self, record: Record) -> bool:
        stated = not isinstance(record, Budget)
        return stated and self.checking.label(record) == self.spec.label

    def _beside(self, at: Path, record: Documented) -> Finding:
        """The finding on a record, held against what stands beside it where that explains it."""
        try:
            (finding,) = self.checking.judge(at, record)
        except Wrong as wrong:
            place = self.spec.document.problem((*at, *wrong.at), wrong.message, wrong.hint)
            raise SpecError([place]) from None
        if KINDS[record.quantity] != WORK or not finding.ok or finding.verdict == "erratum":
            return finding
        scope = self.checking.scope(record.variant)
        if self.counted is not None:
            try:
                number = self.counted.total(scope.analysis)
            except ArchcalcError:
                return finding
            verdict = judged(record.value, number, scope)
            if verdict.holds:
                return finding._replace(
                    computed=number, verdict=verdict.agreement, message=record.note
                )
        if record.convention is None:
            own = "all" if record.quantity == "flops" else "macs"
            message = "; ".join(filter(None, (f"counts as '{own}'", record.note)))
            return finding._replace(verdict="convention", message=message)
        return finding


def _rows(record: Record) -> frozenset[str]:
    """The rows of sources that print a record: those that are told by their line."""
    sources = () if isinstance(record, Budget) else record.source
    return frozenset(source for source in sources if _ROW.search(source))
