"""What cheaper designs save: of any network's convolutions, and in the examples of lectures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from archcalc.analysis.analyze import analyze
from archcalc.analysis.conventions import Convention
from archcalc.analysis.conventions import convention as counted_by
from archcalc.analysis.counted import Analysis, Row
from archcalc.analysis.receptive_field import Field, receptive_field
from archcalc.claims.check import Finding, check
from archcalc.claims.facts import Scope
from archcalc.dims import Size, same
from archcalc.document.shown import shown
from archcalc.frontends.network import NetworkLike, load
from archcalc.spec import zoo
from archcalc.spec.form import as_json, as_yaml
from archcalc.spec.model import Spec
from archcalc.spec.question import Input, with_options
from archcalc.spec.rewrite import Rewritten, rewrite
from archcalc.spec.rewrites import Rewrite


class Change(NamedTuple):
    """One convolution, and what stands for it after rewriting."""

    before: Row
    after: tuple[Row, ...]
    """In order; one row for a convolution that is unchanged."""
    reason: str
    """Why it is unchanged; ``""`` if it is rewritten."""
    seen: tuple[Size | None, ...] | None
    """The receptive field along each axis of the first input; None if it is not known."""
    seen_after: tuple[Size | None, ...] | None
    kept: bool | None
    """Whether its output sees the same of every input: as much, as far apart, from the same pixel
    on. None if that is not known."""
    number: Size
    """Its work under the savings' convention."""
    number_after: Size
    """That of what stands for it."""

    @property
    def name(self) -> str:
        """The layer's name in the network as it was."""
        return self.before.name

    @property
    def rewritten(self) -> bool:
        """Whether something else stands for it."""
        return not self.reason

    @property
    def params(self) -> Size:
        """Trainable parameters of what stands for it."""
        return sum(row.params for row in self.after)

    @property
    def macs(self) -> Size:
        """Multiply-accumulates of what stands for it."""
        return sum(row.macs for row in self.after)


@shown
@dataclass(frozen=True)
class Savings:
    """A network before and after its convolutions were rewritten.

    ::

        >>> import archcalc
        >>> archcalc.savings("resnet18", "separable").rewrite
        'separable'
    """

    rewrite: str
    """What was done: ``bottleneck:4``."""
    before: Analysis
    after: Analysis
    changes: tuple[Change, ...]
    """Every convolution of the network, transposed ones too, in order."""
    spec: Spec
    """The rewritten network's."""
    convention: Convention
    """How work is counted."""
    number: Size
    """The work before, under the convention."""
    number_after: Size

    @property
    def text(self) -> str:
        """The rewritten spec as YAML."""
        graph = self.before.graph
        return as_yaml(
            self.spec.document.data,
            f"{graph.name} with its convolutions rewritten: {self.rewrite}.",
            "Made by 'archcalc savings', which leaves out comments, other variants, and what is",
            "documented of the original.",
        )

    @property
    def json(self) -> str:
        """The rewritten spec as JSON."""
        return as_json(self.spec.document.data)

    @property
    def kept(self) -> bool | None:
        """Whether every convolution's output sees what it saw; None if that is not known of one."""
        answers = {change.kept for change in self.changes}
        return False if False in answers else None if None in answers else True


@with_options
def savings(
    network: NetworkLike,
    rewrite_as: str,
    *,
    convention: str = "macs",
    input: Input = None,
    **variables: Any,
) -> Savings:
    """What is saved by rewriting every convolution of a network that can be.

    ``rewrite_as`` is ``bottleneck:N``, ``separable``, ``stack3x3``, ``groups:N`` or ``lowrank:N``
    (:data:`archcalc.spec.rewrites.REWRITES`). ``convention`` says how work is counted
    (:data:`archcalc.analysis.conventions.CONVENTIONS`). ``input`` and ``variables`` are as in
    :func:`archcalc.expand`. Raises :class:`SpecError` for a spec that is none, and
    :class:`ArchcalcError` for a rewrite that is none or whose number fits no convolution, for an
    unknown convention, and where the tool that it is of fails on a layer.

    ::

        >>> import archcalc
        >>> found = archcalc.savings("resnet18", "separable")
        >>> found.before.params > found.after.params
        True
    """
    counted = counted_by(convention)
    how = Rewrite.parse(rewrite_as)
    rewritten = rewrite(load(network), how, input=input, **variables)
    before, after = analyze(rewritten.before), analyze(rewritten.after)
    return Savings(
        str(how),
        before,
        after,
        _changes(rewritten, before, after, counted),
        rewritten.spec,
        counted,
        counted.total(before),
        counted.total(after),
    )


def _changes(
    rewritten: Rewritten, before: Analysis, after: Analysis, counted: Convention
) -> tuple[Change, ...]:
    rows = {row.name: row for row in after.rows}
    fields = [
        (receptive_field(before.graph, name), receptive_field(after.graph, name))
        for name in before.graph.inputs
    ]
    counted_before, counted_after = counted.within(before).count, counted.within(after).count
    changes = []
    for row in before.rows:
        if row.name in rewritten.reasons:
            names = rewritten.replaced[row.name]
            seen = [(old[row.name], new[names[-1]]) for old, new in fields if row.name in old]
            answers = {_same_field(old, new) for old, new in seen}
            replacement = tuple(rows[name] for name in names)
            changes.append(
                Change(
                    row,
                    replacement,
                    rewritten.reasons[row.name],
                    _sizes(seen[0][0]) if seen else None,
                    _sizes(seen[0][1]) if seen else None,
                    False if False in answers else None if None in answers else True,
                    counted_before(row),
                    sum(map(counted_after, replacement)),
                )
            )
    return tuple(changes)


_Fields = tuple[Field, ...] | None


def _sizes(fields: _Fields) -> tuple[Size | None, ...] | None:
    return None if fields is None else tuple(field.size for field in fields)


def _same_field(old: _Fields, new: _Fields) -> bool | None:
    if old is None or new is None:
        return None
    return all(
        same(a.size, b.size) and same(a.start, b.start) and a.stride == b.stride
        for a, b in zip(old, new, strict=True)
    )


class Amount(NamedTuple):
    """A line of an example: what is counted, and the number."""

    label: str
    value: Any


class Example(NamedTuple):
    """Two designs that lectures compare."""

    network: str
    title: str
    unit: str
    """What the numbers count."""
    amounts: tuple[Amount, ...]
    """The expensive design, the cheap one, and what else is to be seen, such as its parts."""
    remark: str
    findings: tuple[Finding, ...]
    """What the sources say of it, recomputed."""

    @property
    def share(self) -> float:
        """The cheap design's part of the expensive one."""
        return float(self.amounts[1].value / self.amounts[0].value)


class _Told(NamedTuple):
    network: str
    title: str
    unit: str
    quantities: Mapping[str, str]
    remark: str = ""


_STACKS = tuple(
    _Told(
        f"stacks-{k}x{k}",
        f"{'An' if k == 11 else 'A'} {k}x{k} filter and {k // 2} filters of 3x3 that see as much",
        "weights for every pair of channels",
        {f"one {k}x{k}": "large.params", f"{k // 2} of 3x3 in a row": "stack.params"},
    )
    for k in (5, 7, 11)
)
_EXAMPLES = (
    _Told(
        "conv1x1",
        "A 5x5 convolution of 192 channels to 32 at 28x28",
        "MACs",
        {
            "directly": "direct.macs",
            "through a 1x1 to 16 channels": "=reduce.macs + conv5.macs",
            "  the 1x1": "reduce.macs",
            "  the 5x5": "conv5.macs",
        },
    ),
    _Told(
        "inception",
        "An inception module on 256 channels at 28x28",
        "MACs",
        {
            "naive": "naive.macs",
            "with 1x1 reductions": "reduced.macs",
            "  the 5x5, if it took the 264 channels that are printed": (
                "=reduced.conv5x5.macs / reduced.conv5x5.input[0] * 264"
            ),
            "  the module, if it did": (
                "=reduced.macs + reduced.conv5x5.macs / reduced.conv5x5.input[0] * 264"
                " - reduced.conv5x5.macs"
            ),
            "  the module with the 3x3 counted twice": "=reduced.macs + reduced.conv3x3.macs",
        },
        "The slides print 353M for the reductions. Their six convolutions give 271M, with the 5x5 "
        "on the 64 channels that it has; with the 264 printed there they would give 648M. 358M, "
        "the number nearest to theirs, counts the 3x3 twice.",
    ),
    *_STACKS,
)


def examples() -> list[Example]:
    """What the small specs of the zoo show and their sources claim, recomputed."""
    found = []
    specs = {
        name: spec
        for spec in map(zoo.load, zoo.examples())
        for name in spec.variants or [spec.name]
    }
    for told in _EXAMPLES:
        spec = specs[told.network]
        spec = spec.choose(told.network) if told.network in spec.variants else spec
        scope = Scope.of(spec)
        amounts = tuple(Amount(label, scope.evaluate(q)) for label, q in told.quantities.items())
        findings = tuple(f for f in check(spec) if f.network == told.network)
        found.append(Example(told.network, told.title, told.unit, amounts, told.remark, findings))
    return found
