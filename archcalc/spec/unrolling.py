"""Lists of layers, unrolled: what each takes, whether it is there, and how often."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any

from archcalc.dims import Shape, Size, is_recorded, settle
from archcalc.spec.budget import COPIED, LOOKED_AT, ROW, TAKEN, TIED
from archcalc.spec.expressions import braced
from archcalc.spec.layer import Layer
from archcalc.spec.making import MOST_NODES, Making
from archcalc.spec.memory import Piece
from archcalc.spec.scope import Fold, Hidden, Path, Scope, Unfoldable, Unknown, Value, Wrong
from archcalc.values import exact

ONLY_BATCH = ("Parameter", "Constant")
"""Operators to which an input says no more than how many samples there are."""

MOST_FOLDED = 20_000
"""Of more nodes none stands for others: whether they are too many, is said where they are made."""

MOST_ALONE = 8
"""Copies that may differ at the beginning of a repetition of which one stands for the others."""


def _of_row(wrong: Wrong, scope: Scope, layer: Layer, place: Path) -> Wrong:
    """Say which input is meant where a layer of a row (``sugar.py``) asks for ``input``."""
    of_row = bool(place) and "." in str(place[1]) and bool(scope.inputs)
    label = scope.inputs[0][1] if of_row else "input"
    if label == "input" or not any(_ASKED.search(str(each)) for each in _written(layer)):
        return wrong
    told = f"'input' is here what the row takes, '{label}'; a block names its own: inputs: [x]"
    return Wrong(wrong.message, f"{wrong.hint}\n{told}".strip(), wrong.at, wrong.key)


_ASKED = re.compile(r"(?<![\w.])input\b")


def _written(layer: Layer) -> Iterator[Any]:
    """Where a layer may name others."""
    yield from layer.from_ or ()
    yield from layer.fields.values()


class Unrolling(Making):
    """Layers in the order in which they are written, each as many times as it is there."""

    folding = False
    """Whether one copy may stand for many."""

    def layers(self, scope: Scope, layers: Mapping[str, Layer], place: Path, trail: Path) -> None:
        """Expand a list of layers. ``place`` is where it is written, ``trail`` where it is used."""
        previous = next(iter(scope.values), "")
        for name, layer in layers.items():
            at = (*place, "layers", name)
            self.at = at, ("layers", *trail, name)
            try:
                self.spend(LOOKED_AT)
                if at in self.known:
                    raise Unknown
                scope.values[name] = self.layer(scope, name, layer, previous, at, trail)
            except Unknown:
                scope.values[name] = scope.unknown(name)
            except Wrong as wrong:
                said = _of_row(wrong, scope, layer, place)
                self.report((*at, *wrong.at), ("layers", *trail, name, *wrong.at), said)
                scope.values[name] = scope.unknown(name)
            previous = name

    def layer(
        self, scope: Scope, name: str, layer: Layer, previous: str, at: Path, trail: Path
    ) -> Value:
        counted = layer.counts_in_from
        first = scope.names if layer.repeat is layer.parallel else {**scope.names, "i": 0}
        sources = self.sources(scope, layer, previous, first)
        each = layer.counts_in_when
        if layer.when is not True and not each and not self.decide(layer.when, scope):
            return self.stand_in(scope, layer, sources, first)
        if layer.repeat is not None:
            key, times = "repeat", layer.repeat
        elif layer.parallel is not None:
            key, times = "parallel", layer.parallel
        else:
            return self.once(scope, name, layer, sources, scope.names, at, trail)
        times = self.evaluate(times, scope.names, scope.shape_of, (key,))
        fold = self.folding and key == "repeat" and is_recorded(times) and times.is_whole
        if fold and times > 0:
            return self.fold(scope, name, layer, sources, times, at, trail)
        count = settle(times)
        if type(count) is not int or count < 0:
            raise Wrong(f"should be a whole number from 0, not {count!r}", at=(key,))
        if count == 0:
            return self.stand_in(scope, layer, sources, first)
        start, handed = len(scope.nodes), 1
        members: dict[str, Value] = {}
        if count > MOST_NODES:
            raise self.too_many(key)
        self.spend(len(scope.names))
        names = dict(scope.names)
        for i in range(count):
            names["i"] = i
            if i and counted:
                # What is handed on takes the first places.
                others = self.sources(scope, layer, previous, names)
                sources = [*sources[:handed], *others[handed:]] if key == "repeat" else others
            if each and not self.truth(layer.when, names, scope.shape_of, "when"):
                value = self.stand_in(scope, layer, sources, names)
            else:
                told = len(self.problems)
                value = self.once(scope, f"{name}.{i}", layer, sources, names, at, trail)
                if handed > 1 and len(self.problems) > told:
                    self.tell_handed(scope, sources[:handed], told, trail)
            members[str(i)] = value
            if layer.share == name:  # all use the first's
                scope.values[name] = Value(None, start, value.size, members)
            so_far = len(scope.nodes) - start
            if start + so_far * count // (i + 1) > MOST_NODES:
                raise self.too_many(key)
            if key == "repeat":
                given = value.handed or (scope.single(value, name),)
                handed = len(given)
                if handed > len(sources):
                    raise Wrong(
                        f"can't be repeated: it has {handed} outputs and {len(sources)} input(s)",
                        "" if sources else "its first layer takes none: say 'from' of the row",
                        at=(key,),
                    )
                sources = [*given, *sources[handed:]]
        size = len(scope.nodes) - start
        if key == "parallel":
            active = self.active(scope, layer, count)
            for member in islice(members.values(), active, None) if active else ():
                for k in range(member.start, member.start + member.size):
                    scope.nodes[k] = scope.nodes[k]._replace(spare=True)
            return Value(None, start, size, members, active=active)
        return Value(value.output, start, size, members, whole=value.whole)

    def tell_handed(self, scope: Scope, given: Sequence[int], told: int, trail: Path) -> None:
        """Say with problems that blame what a repetition was handed that it is all outputs."""
        labels = [f"'{scope.label(number, trail)}'" for number in given]
        for k, problem in enumerate(self.problems[told:], told):
            if any(f"comes from {label}" in problem.hint for label in labels[1:]):
                hint = (
                    f"{problem.hint}\nall outputs are handed on, {' and '.join(labels)}, in the "
                    "place of the first inputs: for one alone name it in 'output'"
                )
                self.problems[k] = replace(problem, hint=hint)

    def once(
        self,
        scope: Scope,
        name: str,
        layer: Layer,
        sources: Sequence[int],
        names: Mapping[str, Any],
        at: Path,
        trail: Path,
    ) -> Value:
        before = self.budget.steps
        self.spend(LOOKED_AT)
        if layer.block is not None:
            value = self.block(scope, name, layer, sources, names, trail)
        else:
            value = self.operator(scope, name, layer, sources, names, at, trail)
        if self.remembering and not trail and not self.problems and layer.share is None:
            kind, fields = self.given
            if fields is not None:
                given = [(key, fields[key]) for key in layer.computed_in_order]
                shapes = scope.shapes(sources)
                self.keep(scope, str(at[-1]), layer, value, (kind, given, shapes, before))
        self.spend((COPIED if trail else ROW) * max(value.size, 0))
        if layer.trainable is not None:
            said = self.truth(layer.trainable, names, scope.shape_of, "trainable")
            for k in range(value.start, value.start + value.size):
                if scope.nodes[k].trainable is None:  # else what is inside says otherwise
                    scope.nodes[k] = scope.nodes[k]._replace(trainable=said)
        if layer.share is not None:
            own, _, number = name.partition(".")
            if self.folding and (trail or number):
                raise Unfoldable
            if number and layer.share == own:
                if number == "0":
                    return value
                reference = f"{own}.0"
            else:
                reference = self.filled(layer.share, names, scope.shape_of, ("share",))
            self.spend(TIED * max(value.size, 1))
            scope.share(name, value, reference)
            shared = {node.share for node in scope.nodes[value.start : value.start + value.size]}
            if any(k in range(f.start, f.start + f.size) for f in scope.folds for k in shared):
                raise Unfoldable
        return value

    def piece_key(
        self,
        name: str,
        layer: Layer,
        kind: str,
        fields: Sequence[tuple[str, Any]],
        shapes: tuple[Shape, ...],
    ) -> Hashable:
        """What a layer of the network is found by: all else about it is written in the spec."""
        given = tuple([(key, exact(value)) for key, value in fields])
        values: Hashable = ()
        if layer.block is not None:
            values = self.valued.get(kind)
            if values is None:
                values = self.valued[kind] = self.values_of(kind)
        return name, kind, given, shapes, values

    def keep(self, scope: Scope, name: str, layer: Layer, value: Value, given: Any) -> None:
        """Leave a layer of the network for outlines (``outline.py``), if it stands by itself."""
        start, size, output = value.start, value.size, value.output
        if output is None or not start <= output < start + size:
            return
        kind, fields, shapes, steps = given
        key = self.piece_key(name, layer, kind, fields, shapes)
        if key in self.memory.pieces:
            return
        nodes = scope.nodes[start : start + size]
        led = {output - start}
        for k in range(size - 1, -1, -1):
            if k in led and size > 1:
                led.update([number - start for number in nodes[k].inputs])
        executed = frozenset([k for k in led if 0 <= k < size])
        if len(executed) < size and not all(
            k in executed or node.spare for k, node in enumerate(nodes)
        ):
            return
        applied = [node.applied for node in nodes if node.applied is not None and not node.share]
        if len(applied) < size or not all(each.op.counted for each in applied):
            return
        self.memory.pieces[key] = Piece(
            tuple(applied),
            applied[output - start].shape,
            self.budget.steps - steps + ROW * size,
            {},
            None if len(executed) == size else executed,
            sum([len(node.inputs) for node in nodes]),
        )
        self.memory.size += 1 + size

    def active(self, scope: Scope, layer: Layer, count: int) -> int | None:
        """How many of the copies side by side work; None where all do."""
        if layer.active is None:
            return None
        found = settle(self.evaluate(layer.active, scope.names, scope.shape_of, ("active",)))
        if type(found) is not int or not 1 <= found <= count:
            message = f"should be a whole number from 1 to {count}, not {found!r}"
            raise Wrong(message, at=("active",))
        return found

    def stand_in(
        self, scope: Scope, layer: Layer, sources: Sequence[int], names: Mapping[str, Any]
    ) -> Value:
        """What a layer stands for that is not there: its input, or what its first layer takes."""
        if not sources and layer.block is not None:
            sources = [*chain(*self.around(layer.block, scope, names).values())]
        return scope.stand_in(sources, self.results(layer, sources))

    def results(self, layer: Layer, sources: Sequence[int]) -> int:
        """How many outputs a layer that is not there has; as many as inputs where none can say."""
        block = self.spec.blocks.get(layer.block or "")
        outputs = block.outputs if block is not None and block.outputs else [""]
        return len(sources) if any("*" in each for each in outputs) else len(outputs)

    def sources(
        self, scope: Scope, layer: Layer, previous: str, names: Mapping[str, Any]
    ) -> list[int]:
        """What a layer takes."""
        found: list[int] = []
        for k, reference in enumerate([previous] if layer.from_ is None else layer.from_):
            try:
                if layer.from_ is None:
                    value = scope.values[previous]
                    if layer.op in ONLY_BATCH:
                        found += (value.handed or scope.outputs(f"{previous}.*"))[:1]
                    else:
                        found += value.handed or [scope.single(value, previous)]
                else:
                    found += scope.outputs(self.reference(reference, scope, names))
                self.spend(TAKEN * len(found))
            except Wrong as wrong:
                raise Wrong(wrong.message, wrong.hint, ("from", k)) from None
        return found

    def outputs(self, scope: Scope, references: Sequence[str], key: str) -> list[int]:
        found = []
        for reference in references:
            try:
                found += scope.outputs(reference)
            except Unknown:
                pass
            except Wrong as wrong:
                if (key,) not in self.known:
                    self.report((key,), (key,), wrong)
        return found

    def fold(
        self,
        scope: Scope,
        name: str,
        layer: Layer,
        sources: Sequence[int],
        times: Any,
        at: Path,
        trail: Path,
    ) -> Value:
        """A repetition of which a copy stands for itself and all that come after it: it makes its
        input's shapes again, and nothing in it depends on which it is.
        """
        around = self.spec.document.around.get(layer.block or "", ())
        counted = layer.counts_in_from or layer.counts_in_when or any(map(braced, around))
        if counted:
            raise Unfoldable
        start = len(scope.nodes)
        for i in range(MOST_ALONE):
            # It may stand for no copy at all, so that it is not asked whether there is one.
            if self.lasting(scope, layer, i, times.record):
                mark = (len(scope.nodes), scope.edges, len(scope.folds), len(self.problems))
                again, before = self.copy(scope, name, layer, sources, i, at, trail), sources
                if len(self.problems) == mark[3] and _identical(
                    *map(scope.shapes, (before, again))
                ):
                    scope.folds.append(Fold(mark[0], len(scope.nodes) - mark[0], times - i))
                    sources = again
                    break
                del scope.nodes[mark[0] :], scope.folds[mark[2] :], self.problems[mark[3] :]
                scope.edges = mark[1]
            if i and not times > i:
                break
            sources = self.copy(scope, name, layer, sources, i, at, trail)
        else:
            raise Unfoldable
        return Value(sources[0], start, len(scope.nodes) - start, Hidden())

    def copy(
        self,
        scope: Scope,
        name: str,
        layer: Layer,
        sources: Sequence[int],
        i: int,
        at: Path,
        trail: Path,
    ) -> Sequence[int]:
        """One of the copies, and what the next one takes."""
        value = self.once(scope, f"{name}.{i}", layer, sources, {**scope.names, "i": i}, at, trail)
        if value.whole:
            raise Unfoldable
        return [scope.single(value, name), *sources[1:]]

    def lasting(self, scope: Scope, layer: Layer, i: int, record: Any) -> bool:
        """Whether what a layer is given is the same in all its repetitions from ``i`` on."""
        names = {**scope.names, "i": None}
        written = [
            layer.block,
            layer.op,
            layer.trainable,
            *(layer.fields[key] for key in sorted(layer.computed)),
        ]
        with record.probe(i, MOST_FOLDED) as probe:
            names["i"] = probe.number
            found = [self.evaluate(value, names, scope.shape_of, ()) for value in written]
            return bool(probe.is_free(found))


def _identical(one: Sequence[Shape], other: Sequence[Shape]) -> bool:
    """Whether shapes are of the same numbers, without a question to those that record."""

    def same(a: Size, b: Size) -> bool:
        return a is b or (type(a) is type(b) is int and a == b)

    return all(len(x) == len(y) and all(map(same, x, y)) for x, y in zip(one, other, strict=True))
