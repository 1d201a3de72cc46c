"""Two networks layer by layer: what was added, removed and changed, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from typing import Any, Literal, NamedTuple

from archcalc.analysis.analyze import answer
from archcalc.analysis.conventions import Convention
from archcalc.analysis.conventions import convention as counted_by
from archcalc.analysis.counted import Analysis, Row
from archcalc.dims import Size
from archcalc.document.shown import shown
from archcalc.frontends.network import NetworkLike
from archcalc.spec.graph import Graph
from archcalc.spec.question import AS_IT_IS, Input, Question, with_options
from archcalc.values import Remembering

Kind = Literal["same", "added", "removed", "changed", "follows"]

MOST_PAIRS = 4_000_000
"""Layers before times layers after, up to which renamed layers are searched by what they do:
where many are alike the search takes the more time the more of them there are."""


class Edit(NamedTuple):
    """One thing that is written otherwise: a field, the name, the operator, the sources."""

    what: str
    before: Any
    after: Any


class Change(NamedTuple):
    """A layer before, the same layer after, or both."""

    kind: Kind
    """``follows``: nothing of the layer itself was changed, but its shapes or numbers are others,
    because of layers before it."""
    before: Row | None
    after: Row | None
    edits: tuple[Edit, ...] = ()

    @property
    def params(self) -> Any:
        """Parameters after, less those before."""
        return self.more(lambda row: row.params)

    @property
    def macs(self) -> Any:
        """Multiply-accumulates after, less those before."""
        return self.more(lambda row: row.macs)

    def more(self, value: Callable[[Row], Any]) -> Any:
        """A layer's number after, less that before; a layer that is not there has 0."""
        before, after = (0 if row is None else value(row) for row in (self.before, self.after))
        return after - before


@shown
@dataclass(frozen=True)
class Diff(Remembering):
    """What distinguishes two networks.

    ::

        >>> import archcalc
        >>> found = archcalc.diff("resnet18", "resnet34")
        >>> found.after.params - found.before.params == 21797672 - 11689512
        True
    """

    before: Analysis
    after: Analysis
    names: tuple[str, str]
    changes: tuple[Change, ...]
    """Every layer of both, in an order that is both networks'."""
    convention: Convention
    """How :meth:`work` counts."""

    def work(self, change: Change) -> Any:
        """A layer's work after, less that before, as the convention counts it."""
        return change.more(self.convention.count)

    @cached_property
    def different(self) -> bool:
        """Whether anything but names of networks, texts and variables is."""
        before, after = self.before.graph, self.after.graph
        ends = self._renamed(before.outputs) != after.outputs
        heads = self._renamed(before.training_outputs) != after.training_outputs
        inputs = list(before.inputs.items()) != list(after.inputs.items())
        return inputs or ends or heads or any(change.kind != "same" for change in self.changes)

    def _renamed(self, names: Sequence[str]) -> tuple[str, ...]:
        pairs = {c.before.name: c.after.name for c in self.changes if c.before and c.after}
        return tuple(pairs.get(name, name) for name in names)


@with_options
def diff(
    before: NetworkLike,
    after: NetworkLike,
    *,
    convention: str = "macs",
    input: Input = None,
    **variables: Any,
) -> Diff:
    """Two networks layer by layer, aligned.

    Layers are taken for the same that have one name and operator, in order; among the rest those
    of one name, and those of one operator, shape and number of parameters, which were renamed.
    Where many were renamed they are looked for first. ``convention`` says how work is counted.
    ``input`` (or a function of the spec that gives it) and ``variables`` are those of both, as in
    :func:`archcalc.expand`.

    Raises :class:`ArchcalcError` for an unknown convention, and for a layer on which its tool
    fails, and what :func:`archcalc.load` and :func:`archcalc.analyze` raise.

    ::

        >>> import archcalc
        >>> found = archcalc.diff("resnet18", archcalc.load("resnet18"), classes=10)
        >>> found.different
        False
    """
    counted = counted_by(convention)
    question = Question(input, variables=variables)
    first, second = (_analyzed(each, question) for each in (before, after))
    old, new = _by_names(first.rows, second.rows), _by_looks(first.rows, second.rows)
    found = min(
        (
            tuple(_changes(first, second, pairs, counted.count))
            for pairs in (old, new)
            if pairs is not None
        ),
        key=_cost,
    )
    labels = first.graph.name, second.graph.name
    if labels[0] == labels[1] and isinstance(before, str) and isinstance(after, str):
        labels = before, after
    return Diff(first, second, labels, found, counted)


def _analyzed(network: NetworkLike, question: Question) -> Analysis:
    settled = isinstance(network, (Graph, Analysis))
    return answer(network, AS_IT_IS if settled else question)


Pair = tuple[int | None, int | None]
Key = Callable[[Row], Any]


def _signature(row: Row) -> Any:
    return row.op, row.shape, row.params


_NAMES: tuple[Key, ...] = (lambda row: (row.name, row.op), lambda row: row.name)


def _by_names(before: Sequence[Row], after: Sequence[Row]) -> list[Pair]:
    return list(_aligned(before, after, (0, len(before)), (0, len(after)), (*_NAMES, _signature)))


def _by_looks(before: Sequence[Row], after: Sequence[Row]) -> list[Pair] | None:
    if len(before) * len(after) > MOST_PAIRS:
        return None
    return list(_aligned(before, after, (0, len(before)), (0, len(after)), (_signature, *_NAMES)))


def _aligned(
    before: Sequence[Row],
    after: Sequence[Row],
    here: tuple[int, int],
    there: tuple[int, int],
    keys: Sequence[Key],
) -> Iterator[Pair]:
    """Layers of two ranges by the first key; between those that are the same by the next keys."""
    (a, a_end), (b, b_end) = here, there
    if not keys or a == a_end or b == b_end:
        yield from ((k, None) for k in range(a, a_end))
        yield from ((None, k) for k in range(b, b_end))
        return
    key, *rest = keys
    if key is _signature and (a_end - a) * (b_end - b) > MOST_PAIRS:
        yield from _aligned(before, after, here, there, rest)
        return
    matcher = SequenceMatcher(
        None, [key(row) for row in before[a:a_end]], [key(row) for row in after[b:b_end]], False
    )
    at, to = a, b
    for start, begin, size in matcher.get_matching_blocks():
        yield from _aligned(before, after, (at, a + start), (to, b + begin), rest)
        yield from ((a + start + k, b + begin + k) for k in range(size))
        at, to = a + start + size, b + begin + size


def _changes(
    before: Analysis, after: Analysis, pairs: Sequence[Pair], count: Callable[[Row], Size]
) -> Iterator[Change]:
    alike = {
        before.rows[a].name: after.rows[b].name for a, b in pairs if not (a is None or b is None)
    }
    # The network's inputs are the same by name, or by their places.
    for was, now in zip(before.graph.inputs, after.graph.inputs, strict=False):
        alike[was] = was if was in after.graph.inputs else now
    gone, come = _passed(before, alike), _passed(after, set(alike.values()))
    for a, b in pairs:
        if a is None or b is None:
            if a is not None:
                yield Change("removed", before.rows[a], None)
            if b is not None:
                yield Change("added", None, after.rows[b])
            continue
        one, other = before.rows[a], after.rows[b]
        sources = [alike.get(gone.get(name, name)) for name in one.node.inputs]
        moved = sources != [come.get(name, name) for name in other.node.inputs]
        edits = tuple(_edits(one, other, moved, alike))
        # Some tools count what a layer is given, which may be other where all else is as before.
        numbers = (_numbers(one), count(one)) != (_numbers(other), count(other))
        kind: Kind = "changed" if edits else "follows" if numbers else "same"
        yield Change(kind, one, other, edits)


def _passed(analysis: Analysis, paired: Container[str]) -> dict[str, str]:
    """Layer that only one network has -> the layer before it that both have, by first inputs.

    What is put between two layers is shown where it stands; the layer behind it is as it was.
    """
    found: dict[str, str] = {}
    for row in analysis.rows:
        if row.name not in paired and row.node.inputs:
            first = row.node.inputs[0]
            found[row.name] = found.get(first, first)
    return found


def _edits(one: Row, other: Row, moved: bool, alike: Mapping[str, str]) -> Iterator[Edit]:
    if one.name != other.name:
        yield Edit("name", one.name, other.name)
    if one.op != other.op:
        yield Edit("op", one.op, other.op)
    else:
        for field in type(one.node.op).__pydantic_fields__:
            was, now = getattr(one.node.op, field), getattr(other.node.op, field)
            if was != now:
                yield Edit(field, was, now)
    if moved:
        yield Edit("from", one.node.inputs, other.node.inputs)
    shared = None if one.node.share is None else alike.get(one.node.share, one.node.share)
    if shared != other.node.share:
        yield Edit("share", one.node.share, other.node.share)


def _numbers(row: Row) -> Any:
    return row.shape, row.weights, row.buffer_shapes, row.params, row.work, row.executed


def _cost(changes: Sequence[Change]) -> float:
    """How much there is to read: a layer that only has another name is half a change."""
    renamed = sum(
        change.kind == "changed" and [edit.what for edit in change.edits] == ["name"]
        for change in changes
    )
    return sum(change.kind not in ("same", "follows") for change in changes) - renamed / 2
