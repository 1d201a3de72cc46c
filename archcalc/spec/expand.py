"""Spec -> Graph: evaluate expressions, unroll repeats, inline blocks, and infer shapes as it goes.

Shapes are inferred here, not afterwards, because a spec may ask for them: ``channels(input)``
spares a reader the arguments that papers never print. A block that is used again with equal
arguments on inputs of equal shapes is expanded once and copied.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain, islice, repeat
from typing import Any, NamedTuple

from pydantic import ValidationError

from archcalc.dims import Shape, Size, holds, is_array, is_recorded, is_size, plain, settle
from archcalc.errors import IN_FULL, ExpressionError, Problem, ShapeError, SpecError
from archcalc.operators import NAMES, operator
from archcalc.operators.base import Applied, describe
from archcalc.spec import expressions
from archcalc.spec.bits import ENDS, Rule
from archcalc.spec.budget import (
    COPIED,
    LOOKED_AT,
    MADE,
    ROW,
    TAKEN,
    TIED,
    VARIABLE,
    WRITTEN,
    Budget,
    Spent,
)
from archcalc.spec.dependence import variables_of
from archcalc.spec.expressions import Expression
from archcalc.spec.frozen import matching, ways
from archcalc.spec.graph import Graph, Node
from archcalc.spec.memory import Made, Memory, Piece
from archcalc.spec.model import Block, Layer, Spec
from archcalc.spec.problems import field_problems
from archcalc.spec.question import AS_IT_IS, Input, Question, Shapes
from archcalc.spec.refusal import Refused, unbatched
from archcalc.spec.scope import (
    Fold,
    Hidden,
    Local,
    Path,
    Scope,
    Template,
    Toll,
    Unfoldable,
    Unknown,
    Value,
    Wrong,
    columns,
    near,
)
from archcalc.spec.unknown import DECLARED, declared, known_by, unknown
from archcalc.values import exact, rows_of

MOST_NODES = 120_000
"""The most operators a network may expand to."""

DEEPEST = 50
"""Blocks within one another."""

MOST_EDGES = 500_000
"""The most inputs that these may take together."""

LONGEST_NAME = 200
"""Characters of a layer's full name."""

MOST_AXES = 16
"""The most axes of a tensor, the batch among them."""

MOST_FOLDED = 20_000
"""Of more nodes none stands for others: whether they are too many, is said where they are made."""

MOST_ALONE = 8
"""Copies that may differ at the beginning of a repetition of which one stands for the others."""

ShapeOf = Callable[[str], Shape] | None


def expand(
    spec: Spec,
    *,
    input: Input = None,
    batch: Size = 1,
    allow_unknown: bool = False,
    **variables: Any,
) -> Graph:
    """The graph of a spec: every operator in order, with its shapes.

    ``input`` replaces the spec's input shape (without the batch; by name where a network has
    several), or all its axes but the first if it is one number; ``variables`` replaces its
    variables. Sizes may be ints, numpy arrays or sympy expressions, and so are what comes of
    them, though a type checker is told of ints.
    With ``allow_unknown`` a layer may have an operator that is not known if it declares its
    output's ``shape``. Raises :class:`SpecError` with every problem found, or, where the spec's own
    input fits and the given one does not, with why, and the nearest that does.
    """
    return settled(spec, Question(input, batch, variables, allow_unknown=allow_unknown))


def settled(network: Spec | Graph, question: Question) -> Graph:
    """The graph of a network that is asked for: :func:`expand`.

    Raises ``TypeError`` where a graph is asked for other shapes than it has.
    """
    if isinstance(network, Graph):
        question.require_settled()
        return network
    question = question.of(network)
    tried = attempt(network, question)
    if tried.graph is not None:
        return tried.graph
    named = _named(network, question.shapes)
    if not named:
        raise SpecError(tried.problems)

    def again(given: Shapes) -> Graph | None:
        return attempt(network, question._replace(input=given)).graph

    raise Refused(network.label, named, tried.problems, again)


class Attempt(NamedTuple):
    """What came of expanding a spec."""

    graph: Graph | None
    """None where there are problems, here or before."""
    problems: list[Problem]
    steps: int
    """How many it took; none where the graph was still known."""


def attempt(spec: Spec, question: Question = AS_IT_IS, known: Collection[Path] = ()) -> Attempt:
    """:func:`expand` without the raising: a graph, or the problems that stand against one.

    Layers at the places in ``known`` have a problem already and are taken as unknown.
    """
    # Numbers that record what is done with them are not met again, and are no others' business.
    apart = bool(known) or records(question)
    memory = Memory() if apart else spec.home.take()
    expansion = Expansion(spec, frozenset(known), question.allow_unknown, memory)
    graph = expansion.run(question)
    if expansion.spent and memory.size:  # where it was spent depends on what was remembered
        expansion = Expansion(spec, frozenset(known), question.allow_unknown, Memory())
        graph = expansion.run(question)
    elif not apart:
        spec.home.bring_back(memory)
    whole = None if expansion.problems or known else graph
    return Attempt(whole, expansion.problems, expansion.budget.steps)


def folded(spec: Spec, question: Question) -> tuple[Graph, list[Size]]:
    """A graph in which a node may stand for many copies, and of how many each is one.

    How often a layer is repeated may be a number that records; what its copies have in common is
    then found once. Raises :class:`Unfoldable` where a copy differs from those before it, and
    :class:`SpecError`.
    """
    expansion = Expansion(spec, frozenset(), False, Memory())
    expansion.folding = True
    graph = expansion.run(question)
    if graph is None or expansion.problems:
        raise SpecError(expansion.problems)
    times: list[Size] = [1] * len(graph.nodes)
    for fold in expansion.folds:
        for k in range(fold.start, fold.start + fold.size):
            times[k] = times[k] * fold.times
    if not holds(sum(times) <= MOST_FOLDED):
        raise Unfoldable
    return graph, times


def records(value: Any) -> bool:
    """Whether there is a number in a value that records what is done with it."""
    if isinstance(value, Mapping):
        return any(map(records, value.values()))
    return any(map(records, value)) if isinstance(value, (list, tuple)) else is_recorded(value)


def uses(spec: Spec, graph: Graph) -> list[Template]:
    """The blocks of a spec that a graph, expanded from it, is made of; none of another spec's."""
    shapes = {name: shape[1:] for name, shape in graph.inputs.items()}
    batch = next(iter(graph.inputs.values()))[0]
    expansion = Expansion(spec, frozenset(), True, Memory())
    try:
        expansion.run(Question(shapes, batch, graph.variables))
    except Wrong:
        return []
    return list(expansion.templates.values())


def _named(spec: Spec, given: Shapes) -> Mapping[str, Sequence[int]]:
    """Shapes that are given, by name; none where it can't be said which is meant, or how large."""
    named: Any = {}
    if isinstance(given, Mapping):
        named = given if given.keys() <= spec.inputs.keys() else {}
    elif len(spec.inputs) == 1:
        named = dict.fromkeys(spec.inputs, given)
    known = all(
        isinstance(axes, (list, tuple)) and all(type(size) is int for size in axes)
        for axes in named.values()
    )
    return named if known else {}


def _require_order(given: Sequence[Size], own: Sequence[Size], at: Path) -> None:
    """Raise for an input with its channels last, or with a batch, where the spec's own has not.

    Such a shape may fit, and would be of another network than the one that is meant.
    """
    if len(own) < 2 or any(map(is_array, (*given, *own))):
        return
    # The channels are asked for first: they are known where only extents are left open.
    if len(given) == len(own) > 2 and given[0] != own[0] and given[-1] == own[0] != own[-1]:
        first = (given[-1], *given[:-1])
        raise Wrong(f"channels come first: write {unbatched(first)}", at=at)
    if len(given) == len(own) + 1 and given[1] == own[0]:
        raise Wrong(f"the batch is left out: write {unbatched(given[1:])}", at=at)


class Expansion:
    """The state of one expansion: the variables, the problems and blocks so far."""

    def __init__(
        self, spec: Spec, known: frozenset[Path], allow_unknown: bool, memory: Memory
    ) -> None:
        self.spec = spec
        self.known = known
        self.allow_unknown = allow_unknown
        self.problems: list[Problem] = []
        self.names: Mapping[str, Any] = {}
        self.memory = memory
        self.templates: dict[Hashable, Template] = {}
        """Blocks expanded so far, by name, arguments and input shapes."""
        self.remembering = False
        """Whether those without a problem are left for later expansions, and those of earlier ones
        used: for the same values of the variables that a block names.
        """
        self.valued: dict[str, Hashable] = {}
        """The values of the variables that each block names."""
        self.contexts: dict[str, dict[Hashable, Template]] = {}
        """Where those of each block are."""
        self.given: tuple[str, Mapping[str, Any] | None] = ("", None)
        """The operator's or the block's name, and the fields or arguments of the last layer; None
        where these are not all of it.
        """
        self.budget = Budget()
        self.toll = Toll()
        """Of the list of layers that is being expanded."""
        self.met: dict[int, Any] = {}
        """The operators, and their uses on shapes, that were met so far."""
        self.parsed: dict[str, Expression] = {}
        self.at: tuple[Path, Path] = ((), ())
        """The place of the layer that is being expanded, and the path to it."""
        self.spent = False
        self.expanding: list[str] = []
        self.full = False
        self.folding = False
        """Whether one copy may stand for many."""
        self.folds: list[Fold] = []

    def run(self, question: Question) -> Graph | None:
        """The graph; None where there are problems, or were before."""
        try:
            return self.graph(question)
        except Wrong as wrong:
            self.report(wrong.at, wrong.at, wrong)
        except Spent:
            self.spent = True
            message = f"the network takes more than {self.budget.most:,} steps to expand"
            hint = "what a spec may cost is bounded: fewer layers, repetitions or operations do"
            self.report(*self.at, Wrong(message, hint))
        return None

    def spend(self, steps: int) -> None:
        """Count steps of the list of layers that is being expanded."""
        self.toll.steps += steps
        self.budget.spend(steps)

    def meet(self, made: Any) -> None:
        """Count an operator, or its use on shapes, where it is met for the first time."""
        self.toll.met[id(made)] = made
        if id(made) not in self.met:
            self.met[id(made)] = made
            self.budget.spend(MADE)

    def adopt(self, template: Template) -> None:
        """Count a block of an earlier expansion as if it had been expanded in this one."""
        self.templates[template.key] = template
        self.budget.spend(MADE + template.toll.steps)
        for made in template.toll.met.values():
            if id(made) not in self.met:
                self.met[id(made)] = made
                self.budget.spend(MADE)
        for inner in template.toll.inner.values():
            if inner.key not in self.templates:
                self.adopt(inner)

    def graph(self, question: Question) -> Graph | None:
        spec = self.spec
        self.names = self.variables(question.variables)
        inputs = self.input_shapes(question)
        self.at = ((), ())
        context: Hashable = (self.allow_unknown, *_items(self.names))
        key: Hashable = (spec.variant, context, tuple(inputs.items()))
        try:
            hash(key)
            if self.memory.graph is not None and self.memory.graph[0] == key:
                return self.memory.graph[1]
            self.remembering = True
        except TypeError:  # an array can't be hashed
            key = None
        self.budget.spend(WRITTEN * len(spec.document.marks))
        scope = Scope(self.names, {name: (shape, name) for name, shape in inputs.items()})
        asked = self.required(scope, early=True)
        if self.problems:
            return None
        self.layers(scope, spec.layers, (), ())
        asked += self.required(scope, early=False)
        outputs = self.outputs(scope, spec.outputs or [next(reversed(spec.layers))], "outputs")
        heads = [name for name in spec.training_outputs if scope.is_there(name)]
        training = self.outputs(scope, heads, "training_outputs")
        if self.problems or any(node.applied is None for node in scope.nodes):
            return None
        frozen, origins = self.frozen(scope), spec.origins
        names, applied, taken, shares, spares, _ = columns(scope.nodes)
        labels = [*names, *reversed(list(inputs))]
        nodes = rows_of(
            Node,
            names,
            applied,
            [
                (labels[numbers[0]],) if len(numbers) == 1 else tuple([labels[k] for k in numbers])
                for numbers in taken
            ],
            [None if share is None else labels[share] for share in shares],
            spares,
            [frozen[k if share is None else share] for k, share in enumerate(shares)],
            map(origins.get, names) if origins else repeat(None, len(names)),
        )
        bits = self.bits(scope)
        graph = Graph(
            name=spec.label,
            family=spec.name,
            title=spec.title,
            edition=spec.edition,
            inputs=inputs,
            nodes=tuple(nodes),
            outputs=tuple(labels[k] for k in outputs),
            training_outputs=tuple(labels[k] for k in training),
            variables=self.names,
            variant=spec.variant,
            year=spec.year,
            untrainable=tuple(asked),
            bits=bits,
        )
        self.folds = scope.folds
        if not self.known:
            if not {*chain.from_iterable(taken), *outputs, *training}.issuperset(range(len(nodes))):
                self.idle(graph, scope)
            if key is not None and not self.problems:
                self.memory.graph = key, graph
        return graph

    def frozen(self, scope: Scope) -> list[bool]:
        """Which nodes are not trained: as layers say it, and then as the spec's patterns do."""
        found = [node.trainable is False for node in scope.nodes]
        self.spend(len(self.spec.frozen) * len(found))
        for number, pattern in enumerate(self.spec.frozen):
            wanted = pattern.removeprefix("!")
            chosen = matching([node.name for node in scope.nodes], wanted)
            if not chosen:
                known = {way for node in scope.nodes for way in ways(node.name)}
                at = ("frozen", number) if "frozen" in self.spec.document.data else ()
                self.report(at, at, Wrong(f"no layer is called '{wanted}'", near(wanted, known)))
            for k in chosen:
                found[k] = wanted == pattern
        return found

    def bits(self, scope: Scope) -> tuple[Rule, ...]:
        """The rules of what numbers are stored in, each of which is about some layer."""
        rules = tuple(each.rule for each in self.spec.bits)
        kinds = {type(node.applied.op).__name__ for node in scope.nodes if node.applied}
        names = [node.name for node in scope.nodes]
        self.spend(sum(len(rule.layers + rule.exclude) for rule in rules) * len(names))
        written = self.spec.document.data.get("bits")
        for number, rule in enumerate(rules):
            for key in ("layers", "exclude"):
                for pattern in getattr(rule, key):
                    if pattern == ENDS or pattern in kinds or matching(names, pattern):
                        continue
                    known = {ENDS, *kinds, *(way for name in names for way in ways(name))}
                    at: Path = ("bits", key) if isinstance(written, dict) else ("bits", number, key)
                    at = at if written is not None else ()
                    message = f"no layer, block or operator is called '{pattern}'"
                    self.report(at, at, Wrong(message, near(pattern, known)))
        return rules

    def idle(self, graph: Graph, scope: Scope) -> None:
        """Report the layers whose output nothing takes: a forgotten ``from`` looks like that.

        A layer of a block is needed if some copy of it is: in a row of blocks the last may have
        an output that only those before it hand on.
        """
        leading = graph.leading_to(*graph.outputs, *graph.training_outputs)
        needed = [node.spare or node.name in leading for node in graph.nodes]
        if all(needed):
            return
        if self.folding:
            raise Unfoldable
        taken = {source for node in graph.nodes for source in node.inputs}
        loose = [not needed[k] and node.name not in taken for k, node in enumerate(graph.nodes)]
        lines = [
            line for name, value in scope.values.items() for line in _lines((), name, value, needed)
        ]
        used = {place for place, nodes in lines if any(needed[nodes])}
        for place in dict.fromkeys(place for place, nodes in lines if any(loose[nodes])):
            if place not in used:
                self.report(place, place, _idle(place))

    def report(self, place: Path, path: Path, wrong: Wrong) -> None:
        """Note a problem at a ``place`` in the document, under the ``path`` the user knows."""
        hint = wrong.hint if len(self.problems) < IN_FULL else ""
        found = self.spec.document.problem(place, wrong.message, hint, key=wrong.key)
        self.problems.append(replace(found, path=tuple(map(str, path))))

    def variables(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The spec's variables with values, each worked out from the others as needed."""
        for name in given:
            if name not in self.spec.vars:
                few = ", ".join(list(self.spec.vars)[:12])
                hint = near(name, self.spec.vars, f"it has: {few}, ..." if few else "it has none")
                raise Wrong(f"'{self.spec.name}' has no variable '{name}'", hint)
        written = {**self.spec.vars, **{name: _plain(value) for name, value in given.items()}}
        self.budget.spend(VARIABLE * len(written))
        values = _Worked(written, self.budget)
        for name in written:
            # A stack of our own: a chain of variables may be as long as it likes.
            pending = [name] if not dict.__contains__(values, name) else []
            while pending:
                name = pending[-1]
                at = ("vars", name)
                self.at = at, at
                if written[name] is None:
                    variants = ", ".join(islice(self.spec.variants, 12))
                    more = ", ..." if len(self.spec.variants) > 12 else ""
                    hint = f"choose a variant: {variants}{more}" if variants else "give it a value"
                    raise Wrong(f"variable '{name}' has no value", hint, at)
                try:
                    values[name] = self.evaluate(written[name], values, None, at)
                    pending.pop()
                except _Needed as needed:
                    if needed.name in pending:
                        loop = [*pending[pending.index(needed.name) :], needed.name]
                        told = loop if len(loop) <= 12 else [*loop[:6], "...", *loop[-5:]]
                        message = f"variable depends on itself: {' -> '.join(told)}"
                        raise Wrong(message, at=("vars", needed.name)) from None
                    pending.append(needed.name)
        return {name: dict.__getitem__(values, name) for name in written}

    def input_shapes(self, question: Question) -> dict[str, Shape]:
        given, batch = question.shapes, question.batch
        written: dict[str, Any] = dict(self.spec.inputs)
        if isinstance(given, Mapping):
            for name in given:
                if name not in written:
                    raise Wrong(f"no input '{name}'", near(name, written))
            written.update(given)
        elif given is not None:
            if len(written) > 1:
                raise Wrong(f"has several inputs: give a shape to each of {', '.join(written)}")
            written = dict.fromkeys(written, given)
        shapes = {}
        for name, axes in written.items():
            at = ("input", name) if isinstance(self.spec.input, dict) else ("input",)
            if is_size(axes := plain(axes)) and not is_array(axes):
                first, *others = self.spec.inputs[name] or [axes]
                axes = [first, *[axes] * len(others)] if others else [axes]
            if isinstance(axes, str) or not (isinstance(axes, Sequence) or is_array(axes)):
                hint = "write 224 or (3, 224, 224), without the batch"
                raise Wrong(f"should be a shape, not {axes!r:.60}", hint, at)
            if given is not None:
                own = self.evaluate(self.spec.inputs[name], self.names, None, at)
                _require_order(axes, own, at)
            shape = tuple(map(plain, (batch, *self.evaluate(tuple(axes), self.names, None, at))))
            if len(shape) > MOST_AXES:
                message = (
                    f"has {len(shape) - 1} axes beside the batch; {MOST_AXES - 1} are the most"
                )
                raise Wrong(message, at=at)
            for size in shape:
                if not is_size(size) or not holds(size >= 1):
                    raise Wrong(f"an extent should be a whole number from 1, not {size!r}", at=at)
            shapes[name] = shape
        return shapes

    def required(self, scope: Scope, early: bool) -> list[Problem]:
        """Report what is required and not so, as far as it can be said before there are layers.

        Returns what is amiss in training only.
        """
        amiss = []
        for number, requirement in enumerate(self.spec.requires):
            at = ("requires", number)
            if at in self.known:
                continue
            asks = expressions.parse(requirement.that[1:]).references
            if early is not (asks <= set(self.spec.inputs)):
                continue
            try:
                if not self.decide(requirement.that, scope, "that"):
                    if requirement.training:
                        inputs = [shape for shape, _ in scope.inputs if shape]
                        shapes = ", ".join(unbatched(shape[1:]) for shape in inputs)
                        message = f"takes no input {shapes} in training"
                        amiss.append(
                            Problem(self.spec.label, 0, 0, (), message, requirement.reason)
                        )
                        continue
                    wrong = Wrong(requirement.reason, f"{requirement.that[1:]} is required")
                    self.report(at, at, wrong)
            except Unknown:
                pass
            except Wrong as wrong:
                self.report((*at, *wrong.at), (*at, *wrong.at), wrong)
        return amiss

    def evaluate(self, written: Any, names: Mapping[str, Any], shape_of: ShapeOf, at: Path) -> Any:
        """A value with its expressions worked out; lists become tuples, which can be compared."""
        if isinstance(written, str):
            if written[:1] != "=":
                return written
            expression = self.parsed.get(written)
            try:
                if expression is None:
                    expression = self.parsed[written] = expressions.parse(written[1:])
                self.spend(expression.steps)
                for name in expression.whole:
                    value = names.get(name)
                    if type(value) is tuple:
                        before = self.budget.steps
                        self.budget.look_at(value)
                        self.toll.steps += self.budget.steps - before
                found = expression(names, shape_of)
            except ExpressionError as error:
                raise Wrong(str(error), at=at) from None
            return found if type(found) is int else _fixed(found)
        if isinstance(written, (list, tuple)):
            self.spend(len(written))
            return tuple([self.evaluate(item, names, shape_of, at) for item in written])
        return written

    def filled(
        self, reference: str, names: Mapping[str, Any], shape_of: ShapeOf, at: Path = ()
    ) -> str:
        """A reference with its expressions worked out."""
        if "{" not in reference:
            return reference
        return expressions.fill(
            reference, lambda text: self.evaluate(f"={text}", names, shape_of, at)
        )

    def decide(self, written: bool | str, scope: Scope, key: str = "when") -> bool:
        return self.truth(written, scope.names, scope.shape_of, key)

    def truth(
        self, written: bool | str, names: Mapping[str, Any], shape_of: ShapeOf, key: str
    ) -> bool:
        answer = self.evaluate(written, names, shape_of, (key,))
        if is_array(answer):
            if not answer.any() or answer.all():
                return bool(answer.all())
            raise Wrong("is true at some points and false at others", at=(key,))
        if answer in (True, False):
            return bool(answer)
        raise Wrong(f"should be true or false, not {answer!r}", at=(key,))

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

    def layers(self, scope: Scope, layers: Mapping[str, Layer], place: Path, trail: Path) -> None:
        """Expand a list of layers. ``place`` is where it is written, ``trail`` where it is used."""
        previous = next(iter(scope.values))
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
                self.report((*at, *wrong.at), ("layers", *trail, name, *wrong.at), wrong)
                scope.values[name] = scope.unknown(name)
            previous = name

    def layer(
        self, scope: Scope, name: str, layer: Layer, previous: str, at: Path, trail: Path
    ) -> Value:
        counted = layer.counts_in_from
        first = {**scope.names, "i": 0} if counted else scope.names
        sources = self.sources(scope, layer, previous, first)
        if layer.when is not True and not self.decide(layer.when, scope):
            return scope.stand_in(sources, self.results(layer, sources))
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
            return scope.stand_in(sources, self.results(layer, sources))
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
            value = self.once(scope, f"{name}.{i}", layer, sources, names, at, trail)
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

    def active(self, scope: Scope, layer: Layer, count: int) -> int | None:
        """How many of the copies side by side work; None where all do."""
        if layer.active is None:
            return None
        found = settle(self.evaluate(layer.active, scope.names, scope.shape_of, ("active",)))
        if type(found) is not int or not 1 <= found <= count:
            message = f"should be a whole number from 1 to {count}, not {found!r}"
            raise Wrong(message, at=("active",))
        return found

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
                    found += value.handed or [scope.single(value, previous)]
                else:
                    found += scope.outputs(self.filled(reference, names, scope.shape_of))
                self.spend(TAKEN * len(found))
            except Wrong as wrong:
                raise Wrong(wrong.message, wrong.hint, ("from", k)) from None
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
        if layer.counts_in_from:
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

    def too_many(self, *at: str) -> Wrong | Unknown:
        """The error of a network that is too large; it is said once, not at every level."""
        return self.once_only(Wrong(f"makes the network larger than {MOST_NODES:,} layers", at=at))

    def require_few(self, edges: int) -> None:
        """Raise where the layers take more inputs together than is bearable."""
        if edges > MOST_EDGES:
            message = f"makes the network's layers take more than {MOST_EDGES:,} inputs together"
            raise self.once_only(Wrong(message, at=("from",)))

    def require_short(self, characters: int) -> None:
        """Raise where the full name of a layer would be longer than anybody reads."""
        if characters > LONGEST_NAME:
            message = f"makes a layer's full name longer than {LONGEST_NAME} characters"
            raise self.once_only(Wrong(message))

    def once_only(self, wrong: Wrong) -> Wrong | Unknown:
        if self.full:
            return Unknown()
        self.full = True
        return wrong

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
            if self.folding:
                raise Unfoldable
            own, _, number = name.partition(".")
            if number and layer.share == own:
                if number == "0":
                    return value
                reference = f"{own}.0"
            else:
                reference = self.filled(layer.share, names, scope.shape_of, ("share",))
            self.spend(TIED * max(value.size, 1))
            scope.share(value, reference)
        return value

    def operator(
        self,
        scope: Scope,
        name: str,
        layer: Layer,
        sources: Sequence[int],
        names: Mapping[str, Any],
        at: Path,
        trail: Path,
    ) -> Value:
        self.given = layer.op or "", None if layer.computed else {}
        made = self.memory.literal.get(at) or self.make(
            layer, names, scope.shape_of, at, (*trail, name)
        )
        self.meet(made)
        self.require_few(scope.edges + len(sources))
        self.require_short(len(name))
        shapes = scope.shapes(sources)
        applied = self.applied(made, shapes, scope, sources, trail)
        self.meet(applied)
        return scope.add(Local(name, applied, tuple(sources)))

    def applied(
        self,
        made: Made,
        shapes: tuple[Shape, ...],
        scope: Scope,
        sources: Sequence[int],
        trail: Path,
    ) -> Applied:
        """An operator on inputs of some shapes, the same object wherever both are the same."""
        op = made.op
        try:
            found = made.applied.get(shapes)
        except TypeError:
            found = None
        if found is not None:
            return found
        least, most = op.arity
        if len(sources) < least or (most is not None and len(sources) > most):
            wanted = (
                least
                if most == least
                else f"{least} or more"
                if most is None
                else f"{least} to {most}"
            )
            raise Wrong(f"{type(op).__name__} takes {wanted} input(s), not {len(sources)}")
        try:
            applied = Applied.to(op, *shapes)
        except ShapeError as error:
            origins = [
                f"input {describe(shape)} comes from '{scope.label(source, trail)}'"
                for source, shape in zip(sources, shapes, strict=True)
            ]
            raise Wrong(str(error), "\n".join(origins)) from None
        if len(applied.shape) > MOST_AXES:
            raise Wrong(f"has an output of {len(applied.shape)} axes; {MOST_AXES} are the most")
        with suppress(TypeError):  # an array can't be hashed
            made.applied[shapes] = applied
            self.memory.size += 1
        return applied

    def make(
        self, layer: Layer, names: Mapping[str, Any], shape_of: ShapeOf, at: Path, path: Path
    ) -> Made:
        """The operator of a layer. One without expressions is made once for all its places."""
        kind = self.evaluate(layer.op, names, shape_of, ("op",))
        if kind not in NAMES:
            if not known_by(layer.fields, self.allow_unknown):
                raise unknown(kind, layer.fields, self.allow_unknown)
            said = {
                key: self.evaluate(layer.fields[key], names, shape_of, (key,))
                for key in DECLARED
                if key in layer.fields
            }
            return Made(declared(str(kind), said), {})
        computed = layer.computed
        fields = {
            key: self.evaluate(written, names, shape_of, (key,)) if key in computed else written
            for key, written in layer.fields.items()
        }
        self.given = kind, fields
        key: Hashable = (kind, *_items(fields))
        try:
            made = self.memory.operators.get(key)
        except TypeError:
            key = made = None
        try:
            made = made or Made(operator(kind)(**fields), {})
        except ValidationError as error:
            for wrong in field_problems(error, operator(kind)):
                self.report((*at, *wrong.at), ("layers", *path, *wrong.at), wrong)
            raise Unknown from None
        if key is not None:
            self.memory.operators[key] = made
        if not computed and kind == layer.op:
            self.memory.literal[at] = made
        return made

    def block(
        self,
        scope: Scope,
        name: str,
        layer: Layer,
        sources: Sequence[int],
        names: Mapping[str, Any],
        trail: Path,
    ) -> Value:
        blocks = self.spec.blocks
        kind = self.evaluate(layer.block, names, scope.shape_of, ("block",))
        if type(kind) is not str or kind not in blocks:
            raise Wrong(f"unknown block {kind!r}", near(kind, blocks), ("block",))
        if kind in self.expanding:
            loop = " -> ".join([*self.expanding[self.expanding.index(kind) :], kind])
            raise Wrong(f"block contains itself: {loop}", at=("block",))
        if len(self.expanding) == DEEPEST:
            raise Wrong(f"blocks stand more than {DEEPEST} deep in one another", at=("block",))
        block = blocks[kind]
        if block.ports(len(sources)) is None:
            raise Wrong(
                f"block '{kind}' takes {len(block.inputs)}{' or more' * block.any_number} input(s) "
                f"({', '.join(block.inputs)}), not {len(sources)}"
            )
        args = self.arguments(kind, block, layer, names, scope.shape_of)
        template = self.template(kind, block, args, scope, name, sources, trail)
        self.given = kind, args
        if len(scope.nodes) + len(template.nodes) > MOST_NODES:
            raise self.too_many()
        self.require_few(scope.edges + template.edges)
        self.require_short(len(name) + 1 + template.longest)
        return scope.inline(name, template, sources)

    def arguments(
        self, kind: str, block: Block, layer: Layer, names: Mapping[str, Any], shape_of: ShapeOf
    ) -> dict[str, Any]:
        args: dict[str, Any] = {}
        for key, written in layer.fields.items():
            if key not in block.args:
                hint = near(key, block.args)
                raise Wrong(f"block '{kind}' has no argument '{key}'", hint, (key,), key=True)
            if key in layer.computed:
                written = self.evaluate(written, names, shape_of, (key,))
            args[key] = written
        for key, default in block.args.items():
            if key not in args:
                if default is None:
                    raise Wrong(f"block '{kind}' needs the argument '{key}'")
                args[key] = (
                    self.evaluate(default, self.seen(args), None, ())
                    if isinstance(default, (str, list))
                    else default
                )
        return args

    def seen(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """What expressions in a block with these arguments see."""
        self.spend(len(self.names) + len(args))
        return {**self.names, **args}

    def template(
        self,
        kind: str,
        block: Block,
        args: Mapping[str, Any],
        scope: Scope,
        name: str,
        sources: Sequence[int],
        trail: Path,
    ) -> Template:
        shapes = tuple(scope.shape(source) for source in sources)
        key: Hashable = (kind, _items(args), shapes)
        try:
            found = self.templates.get(key) or self.context(kind).get(key)
        except TypeError:
            key = found = None
        if found is None:
            found = self.expanded(kind, block, args, shapes, key, scope, name, sources, trail)
        elif key not in self.templates:
            self.adopt(found)
        if key is not None:
            self.toll.inner[key] = found
        return found

    def context(self, kind: str) -> dict[Hashable, Template]:
        """The templates of a block for the values that the variables it names have."""
        if not self.remembering:
            return {}
        if kind not in self.contexts:
            key = (self.allow_unknown, kind, self.values_of(kind))
            self.contexts[kind] = self.memory.blocks.setdefault(key, {})
        return self.contexts[kind]

    def values_of(self, kind: str) -> tuple[Hashable, ...]:
        """The values of the variables that a block names."""
        named = self.memory.named.get(kind)
        if named is None:
            named = self.memory.named[kind] = variables_of(self.spec, kind)
        return tuple([(name, exact(self.names[name])) for name in sorted(named)])

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
        inside = range(start, start + size)
        led = {output}
        for k in reversed(inside):
            if k in led:
                led.update(scope.nodes[k].inputs)
        applied = [node.applied for node in nodes if node.applied is not None and not node.share]
        known = all(each.op.counted for each in applied)
        if len(applied) < size or not led.issuperset(inside) or not known:
            return
        shape = applied[output - start].shape
        self.memory.pieces[key] = Piece(tuple(applied), shape, self.budget.steps - steps, {})
        self.memory.size += 1 + size

    def expanded(
        self,
        kind: str,
        block: Block,
        args: Mapping[str, Any],
        shapes: tuple[Shape | None, ...],
        key: Hashable,
        scope: Scope,
        name: str,
        sources: Sequence[int],
        trail: Path,
    ) -> Template:
        """A block that is met for the first time."""
        self.budget.spend(MADE)
        around, self.toll = self.toll, Toll()
        origins = [(shape, scope.label(k, trail)) for shape, k in zip(shapes, sources, strict=True)]
        ports = block.ports(len(sources)) or ()
        self.expanding.append(kind)
        try:
            inner = Scope(self.seen(args), dict(zip(ports, origins, strict=True)))
            self.layers(inner, block.layers, ("blocks", kind), (*trail, *name.split(".")))
            outputs = tuple([k for each in block.results for k in inner.outputs(each)])
        finally:
            self.expanding.pop()
            toll, self.toll = self.toll, around
        template = Template(
            *(
                kind,
                args,
                shapes,
                inner.nodes,
                inner.edges,
                outputs,
                inner.values,
                key,
                toll,
                inner.longest,
                inner.folds,
                columns(inner.nodes),
            )
        )
        if key is not None:
            self.templates[key] = template
            if self.remembering and not self.problems:
                self.context(kind)[key] = template
                self.memory.size += 1 + len(template.nodes)
        return template


def _lines(
    at: Path, name: str, value: Value, needed: Sequence[bool]
) -> Iterator[tuple[Path, slice]]:
    """The place of a layer and of those in it, with their nodes; none of a block not needed."""
    nodes = slice(value.start, value.start + value.size)
    yield (*at, "layers", name), nodes
    copies = [value] if value.block else map(value.member, value.members)
    for copy in copies:
        if copy.block and any(needed[copy.start : copy.start + copy.size]):
            for inner in copy.members:
                yield from _lines(("blocks", copy.block), inner, copy.member(inner), needed)


def _idle(place: Path) -> Wrong:
    if place[0] == "blocks":
        return Wrong(
            f"'{place[-1]}' leads to no output wherever the block '{place[1]}' is used",
            "use it, make it the block's 'output', or remove it",
        )
    return Wrong(
        f"'{place[-1]}' leads to no output",
        "use it, name it in 'outputs' or 'training_outputs', or remove it",
    )


def _identical(one: Sequence[Shape], other: Sequence[Shape]) -> bool:
    """Whether shapes are of the same numbers, without a question to those that record."""

    def same(a: Size, b: Size) -> bool:
        return a is b or (type(a) is type(b) is int and a == b)

    return all(len(x) == len(y) and all(map(same, x, y)) for x, y in zip(one, other, strict=True))


def _items(values: Mapping[str, Any]) -> tuple[Hashable, ...]:
    """A key for named values."""
    return tuple([(name, exact(value)) for name, value in values.items()])


def _plain(value: Any) -> Any:
    """A value from outside with numbers as those of a spec."""
    return tuple(map(_plain, value)) if isinstance(value, (list, tuple)) else plain(value)


class _Needed(Exception):
    """A variable that has to be worked out first."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class _Worked(dict[str, Any]):
    """Variables as far as they are worked out. To look at a list counts."""

    def __init__(self, known: Mapping[str, Any], budget: Budget) -> None:
        super().__init__()
        self.known, self.budget = known, budget

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        if type(value) is tuple:
            self.budget.look_at(value)
        return value

    def __missing__(self, name: str) -> Any:
        if name not in self.known:
            raise KeyError(name)
        raise _Needed(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.known)


def _fixed(value: Any) -> Any:
    return tuple(map(_fixed, value)) if isinstance(value, (list, tuple)) else value
