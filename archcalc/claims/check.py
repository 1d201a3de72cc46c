"""Documented numbers and budgets, held against what is computed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache, cached_property, partial
from pathlib import Path as File
from typing import Any, Literal, NamedTuple

from archcalc.claims.facts import FACTS, TOTALS, VARIABLES, Scope, ways
from archcalc.claims.judged import judged, show
from archcalc.claims.printed import Number, Printed, Verdict, exact
from archcalc.document.shown import shown
from archcalc.errors import (
    ArchcalcError,
    ExpressionError,
    Problem,
    SpecError,
    did_you_mean,
)
from archcalc.frontends import sources
from archcalc.frontends.network import NetworkLike, expand, load
from archcalc.spec import elsewhere, expressions
from archcalc.spec.documented import Budget, Documented, Fact
from archcalc.spec.model import Spec
from archcalc.spec.records import Records
from archcalc.spec.records import records as recorded
from archcalc.spec.scope import Path, Wrong

Judgement = Literal[
    "exact",
    "rounds",
    "truncates",
    "convention",
    "erratum",
    "within",
    "fact",
    "contradicted",
    "exceeded",
]

VERDICTS: dict[Judgement, str] = {
    "exact": "exact",
    "rounds": "rounds to it",
    "truncates": "truncates to it",
    "convention": "other convention",
    "erratum": "known mistake",
    "within": "within the budget",
    "fact": "can't be computed",
    "contradicted": "contradicted",
    "exceeded": "exceeds the budget",
}
"""What becomes of a documented number, a fact or a budget, and how it is said."""

THOUSAND = "1024"
"""The convention under which K is 1024, M its square, and so on."""


@shown
class Finding(NamedTuple):
    """One documented number, fact or budget, and what became of it.

    ::

        >>> import archcalc
        >>> archcalc.check("resnet18")[0]
        <Finding resnet18 params: 11689512 printed, 11,689,512 computed, exact>
    """

    network: str
    at: Path
    """Where it is in the document: ``("documented", 3)``."""
    place: Problem
    """The same place in the file, with the message as it is when something is wrong."""
    ids: tuple[str, ...]
    """What a list of claims calls it."""
    quantity: str
    printed: str
    """The number as printed, or the bounds as written."""
    computed: Any
    """Our value: a number, text, or a list of them; None for a fact."""
    verdict: Judgement
    message: str
    """By how much it is off, the convention, the right value, the reason: whatever is to say."""
    sources: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.verdict not in ("contradicted", "exceeded")

    @property
    def name(self) -> str:
        """``resnet50: params 25.6M``."""
        return f"{self.network}: {self.quantity} {self.printed}"


def check(network: NetworkLike, *, run_code: bool = False) -> list[Finding]:
    """Every documented number, fact and budget of a spec, recomputed.

    Of a spec all variants are looked at, or the chosen one where it is not the one that has the
    family's name. A file that says what must hold of a network elsewhere (``network: ...``, or
    ``[[tool.archcalc.check]]`` of a ``pyproject.toml``) is checked likewise; where that network is
    code, ``torch:...``, it is imported and run with ``run_code`` only. Raises :class:`SpecError`
    for a spec that is none, and with every quantity, layer, convention and number that can't be
    understood, at its place in the file.

    ::

        >>> import archcalc
        >>> all(finding.ok for finding in archcalc.check("resnet18"))
        True
    """
    findings: list[Finding] = []
    problems: list[Problem] = []
    for each, entry in subjects(network, run_code=run_code):
        try:
            findings += _checked(each)
        except ArchcalcError as error:
            problems += _placed(error, entry)
    if problems:
        raise SpecError(problems)
    return findings


def subjects(
    network: NetworkLike, *, run_code: bool = False
) -> list[tuple[Checking, elsewhere.Entry | None]]:
    """The networks of a source, with what is stated of them, and where if they stand elsewhere.

    Raises :class:`SpecError` as :func:`check` does, for all networks that can't be had.
    """
    entries = elsewhere.entries(network) if isinstance(network, (str, File)) else None
    if entries is None:
        return [(Checking(load(network)), None)]
    found: list[tuple[Checking, elsewhere.Entry | None]] = []
    problems: list[Problem] = []
    for entry in entries:
        try:
            found.append((_elsewhere(entry, run_code), entry))
        except ArchcalcError as error:
            problems += _placed(error, entry)
    if problems:
        raise SpecError(problems)
    return found


def _placed(error: ArchcalcError, entry: elsewhere.Entry | None) -> Sequence[Problem]:
    """Problems; of what stands elsewhere, at the place of its name."""
    known = error.problems if isinstance(error, SpecError) else ()
    if entry is None:
        if not known:
            raise error
        return known
    if known and known[0].file == entry.document.file:
        return known
    return [entry.document.problem(("network",), str(error))]


def _elsewhere(entry: elsewhere.Entry, run_code: bool) -> Checking:
    """A network of which a file says something. Raises :class:`ArchcalcError`."""
    stated, document = entry.stated, entry.document
    address = sources.beside(stated.network, File(document.file).parent)
    if sources.is_code(address) and not run_code:
        said = f"is code, {stated.network}, which is imported and run only where that is asked for"
        hint = "--run-code asks for it; in pytest the option archcalc_run_code"
        raise SpecError([document.problem(("network",), said, hint)])
    if sources.is_foreign(address):
        address = sources.with_inputs(address, stated.texts)
    spec = load(address)
    given = None
    if stated.input and not sources.is_foreign(address):
        given = {name or next(iter(spec.inputs)): axes for name, axes in stated.shapes.items()}
        try:
            expand(spec, input=given)
        except ArchcalcError as error:
            raise SpecError([document.problem(("input",), str(error))]) from None
    if stated.name is not None:
        spec = spec.model_copy(update={"name": stated.name})
    return Checking(spec, entry.records(spec), given)


def _checked(checking: Checking) -> list[Finding]:
    spec = checking.spec
    findings, problems = [], []
    only = spec.variant if spec.variant != spec.name else None
    for at, record in records(spec, checking.records):
        if only is not None and record.variant not in (only, None):
            continue
        if only is not None and record.variant is None and not isinstance(record, Budget):
            continue
        try:
            findings += checking.judge(at, record, only)
        except Wrong as wrong:
            place = checking.records.problem((*at, *wrong.at), wrong.message, wrong.hint)
            problems.append(place)
    if problems:
        raise SpecError(problems)
    return findings


Record = Documented | Fact | Budget


def records(spec: Spec, kept: Records | None = None) -> Iterator[tuple[Path, Record]]:
    """Everything that is stated of a spec's networks, with its place in the document it is in."""
    kept = kept or recorded(spec)
    stated: Sequence[tuple[str, Sequence[Record]]] = (
        ("documented", kept.documented),
        ("facts", kept.facts),
        ("budget", kept.budget),
    )
    for key, listed in stated:
        for number, record in enumerate(listed):
            yield (key, number), record


class Checking:
    """The networks of a spec, each analyzed once, and judgements on what is stated of them."""

    def __init__(
        self, spec: Spec, kept: Records | None = None, input: Mapping[str, list[int]] | None = None
    ) -> None:
        self.spec = spec
        self.input = input
        self.records = kept or recorded(spec)
        self.scope: Callable[[str | None], Scope] = cache(self._scope)
        self.networks: dict[str, Scope] = {}

    def _scope(self, variant: str | None) -> Scope:
        spec = self.spec
        name = variant or self.plain
        if name and name in self.networks:
            return self.networks[name]
        whole = name not in self.looked_into
        chosen = spec.choose(name) if name else spec
        found = Scope.of(chosen, self.networks, self.input, whole=whole)
        if name:
            self.networks[name] = found
        return found

    @property
    def plain(self) -> str | None:
        """The variant that is meant where none is named."""
        return self.spec.name if self.spec.name in self.spec.variants else None

    @cached_property
    def looked_into(self) -> set[str | None]:
        """The variants of which something is said that is about their layers."""
        found: set[str | None] = set()
        for _, record in records(self.spec, self.records):
            if not isinstance(record, Fact) and not _is_of_whole(record, self.spec.vars):
                of_all = isinstance(record, Budget) and record.variant is None
                found |= {*self.spec.variants, None} if of_all else {record.variant or self.plain}
        return found

    def judge(self, at: Path, record: Record, only: str | None = None) -> list[Finding]:
        """The findings on one record: one, or one for each network a budget is of."""
        if isinstance(record, Fact):
            of = self.label(record)
            return [self.found(at, record, of, record.quantity, None, "fact", record.reason)]
        if isinstance(record, Documented):
            return [self.documented(at, record)]
        named = only or record.variant
        names: list[str | None] = [named] if named else list(self.spec.variants)
        return [self.budget(at, record, name) for name in names or [None]]

    def label(self, record: Record) -> str:
        return record.variant or self.spec.name

    def found(
        self,
        at: Path,
        record: Record,
        network: str,
        quantity: str,
        computed: Any,
        verdict: Judgement,
        message: str,
    ) -> Finding:
        if isinstance(record, Budget):
            bounds = (("at most", record.at_most), ("at least", record.at_least))
            printed = ", ".join(f"{word} {bound}" for word, bound in bounds if bound is not None)
            stated: tuple[list[str], list[str]] = ([], [])
        else:
            printed, stated = str(record.value), (record.id, record.source)
        place = self.records.problem(at, message)
        ids, sources = map(tuple, stated)
        return Finding(
            network, at, place, ids, quantity, printed, computed, verdict, message, sources
        )

    def asked(self, record: Documented | Budget, variant: str | None) -> tuple[str, Scope]:
        """What a record is of, in full, and where that is asked for."""
        scope = self.scope(variant)
        if not record.layer:
            return record.quantity, scope
        names = record.layer.split(".")
        return f"{record.layer}.{record.quantity}", _located(lambda: scope.at(names), "layer")

    def documented(self, at: Path, record: Documented) -> Finding:
        quantity, scope = self.asked(record, record.variant)
        computed = _located(lambda: scope.evaluate(record.quantity), "quantity")

        def found(verdict: Judgement, message: str = "") -> Finding:
            notes = "; ".join(filter(None, (message, record.note)))
            return self.found(at, record, self.label(record), quantity, computed, verdict, notes)

        if record.convention is not None:
            computed, way = _located(lambda: _counted(scope, record), "convention")
            verdict = _located(lambda: way(record.value, computed, scope), "value")
            if verdict.holds and record.erratum is None:
                return found("convention", f"counts as '{record.convention}'")
        else:
            way = judged
            verdict = _located(lambda: judged(record.value, computed, scope), "value")
        if record.erratum is None:
            if verdict.holds:
                return found(verdict.agreement)
            return found("contradicted", _contradiction(record, computed, verdict, scope))
        if verdict.holds:
            return found("contradicted", f"{record.value} is right: it needs no erratum")
        erratum = record.erratum
        right = _located(lambda: way(erratum.value, computed, scope), "erratum", "value")
        if not right.holds:
            said = f"the erratum says {erratum.value}, but it is {show(computed)}"
            return found("contradicted", said)
        # What is known to be wrong is held to its origin, or any other number would pass too.
        made = _located(lambda: scope.evaluate(erratum.mistake), "erratum", "mistake")
        if not _located(lambda: way(record.value, made, scope), "value").holds:
            said = f"the mistake '{erratum.mistake}' makes {show(made)}, not {record.value}"
            return found("contradicted", said)
        return found("erratum", f"is {erratum.value}: {erratum.reason}")

    def budget(self, at: Path, record: Budget, variant: str | None) -> Finding:
        quantity, scope = self.asked(record, variant)
        computed = scope.fact(record.quantity)
        message = ""
        verdict: Judgement = "within"
        for bound, sign in ((record.at_most, 1), (record.at_least, -1)):
            if bound is not None:
                over = sign * (exact(computed) - Printed.parse(bound).value)
                if over > 0:
                    word = "over" if sign == 1 else "under"
                    message = f"{show(computed)} is {show(over)} {word} {bound}"
                    verdict = "exceeded"
        network = variant or self.spec.label
        return self.found(at, record, network, quantity, computed, verdict, message)


def _is_of_whole(record: Documented | Budget, variables: Collection[str]) -> bool:
    """Whether it takes no look at the layers to judge a record."""
    asked = [record.quantity]
    if isinstance(record, Documented):
        if record.convention not in (None, THOUSAND, "executed"):
            return False
        asked += [f"{record.value}"] if expressions.is_expression(record.value) else []
        asked += [record.erratum.mistake] if record.erratum else []
    names: set[str] = set()
    for each in asked:
        if not expressions.is_expression(each):
            names.add(each)
            continue
        try:
            parsed = expressions.parse(each[1:], facts=True)
        except ExpressionError:
            return False
        names |= {*parsed.names, *parsed.references}
    known = TOTALS | (set(variables) - FACTS.keys())
    return record.layer is None and names <= known


def _located(compute: Callable[[], Any], *at: str) -> Any:
    """What ``compute`` gives; its errors are of the key ``at``."""
    try:
        return compute()
    except Wrong as wrong:
        raise Wrong(wrong.message, wrong.hint, at) from None
    except SpecError:
        raise
    except ArchcalcError as error:
        raise Wrong(str(error), at=at) from None


def _counted(scope: Scope, record: Documented) -> tuple[Any, Callable[..., Verdict]]:
    """A quantity under the record's convention, and how its value is judged."""
    name = record.convention or ""
    if name == THOUSAND:
        return scope.evaluate(record.quantity), partial(judged, thousand=1024)
    known = ways(record.quantity.rpartition(".")[2])
    if name not in known:
        raise Wrong(
            f"no convention '{name}' of '{record.quantity}'", did_you_mean(name, [*known, THOUSAND])
        )
    return scope.under(name, record.quantity), judged


def _contradiction(record: Documented, computed: Any, verdict: Verdict, scope: Scope) -> str:
    """What to say of a number that does not hold: by how much, and what would make it."""
    said = f"is {show(computed)}"
    if isinstance(computed, Number) and not isinstance(computed, bool) and verdict.off:
        said += f": {show(abs(verdict.off))} {'more' if verdict.off > 0 else 'less'} than printed"
    if record.convention is None:
        name = next(_conventions_that_hold(record, computed, scope), None)
        said += f"; it would hold with 'convention: {name}'" if name else ""
    if scope.variables.get(record.quantity, computed) != computed:
        said += f"; the variable of this name is '{VARIABLES}.{record.quantity}'"
    return said


def _conventions_that_hold(record: Documented, computed: Any, scope: Scope) -> Iterator[str]:
    if not expressions.is_expression(record.quantity):
        for name in ways(record.quantity.rpartition(".")[2]):
            try:
                number = scope.under(name, record.quantity)
            except ArchcalcError:  # the tool whose convention it is can't count this network
                continue
            if judged(record.value, number, scope).holds:
                yield name
    if judged(record.value, computed, scope, thousand=1024).holds:
        yield THOUSAND
