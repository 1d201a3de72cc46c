"""Spec -> Graph: evaluate expressions, unroll repeats, inline blocks, and infer shapes as it goes.

Shapes are inferred here, not afterwards, because a spec may ask for them: ``channels(input)``
spares a reader the arguments that papers never print. A block that is used again with equal
arguments on inputs of equal shapes is expanded once and copied.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import Any, NamedTuple, final

from archcalc.dims import Size, holds, is_recorded
from archcalc.errors import Problem, SpecError
from archcalc.spec.bits import ENDS, Rule
from archcalc.spec.budget import WRITTEN, Spent
from archcalc.spec.graph import Graph, Node
from archcalc.spec.making import items_of
from archcalc.spec.memory import Memory
from archcalc.spec.model import Spec
from archcalc.spec.patterns import matching, ways
from archcalc.spec.question import AS_IT_IS, Question, Shapes
from archcalc.spec.refusal import Refused
from archcalc.spec.scope import Fold, Path, Scope, Template, Unfoldable, Value, Wrong, columns, near
from archcalc.spec.unrolling import MOST_FOLDED, Unrolling
from archcalc.values import rows_of


def settled(network: Spec | Graph, question: Question) -> Graph:
    """The graph of a network that is asked for: :func:`archcalc.expand`.

    Raises ``TypeError`` where a graph is asked for other shapes than it has.
    """
    if isinstance(network, Graph):
        question.require_settled()
        return network
    question = question.of(network)
    question.require_known(network)
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
    """:func:`archcalc.expand` without the raising: a graph, or the problems that stand against one.

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


def folded(spec: Spec, question: Question, bounded: bool) -> tuple[Graph, list[Size]]:
    """A graph in which a node may stand for many copies, and of how many each is one.

    How often a layer is repeated may be a number that records; what its copies have in common is
    then found once, and ``bounded`` asks that there are no more than an expansion may have. Raises
    :class:`Unfoldable` where a copy differs from those before it, and
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
    if bounded and not holds(sum(times) <= MOST_FOLDED):
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


def _named(spec: Spec, given: Shapes) -> Mapping[str, Any]:
    """Shapes that are given, by name; none where it can't be said which is meant, or how large."""
    named: Any = {}
    if isinstance(given, Mapping):
        named = given if given.keys() <= spec.inputs.keys() else {}
    elif len(spec.inputs) == 1:
        named = dict.fromkeys(spec.inputs, given)
    # The sizes that one number leaves as they are written may be expressions.
    known = all(
        type(axes) is int
        or (isinstance(axes, (list, tuple)) and all(type(size) in (int, str) for size in axes))
        for axes in named.values()
    )
    return named if known else {}


@final
class Expansion(Unrolling):
    """The state of one expansion: the variables, the problems and blocks so far."""

    spent = False
    folds: Sequence[Fold] = ()

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

    def graph(self, question: Question) -> Graph | None:
        spec = self.spec
        self.names = self.variables(question.variables)
        inputs = self.input_shapes(question)
        self.at = ((), ())
        context: Hashable = (self.allow_unknown, *items_of(self.names))
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
            aliases=spec.aliases,
            batched=spec.batched,
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
        if not self.spec.bits:
            return ()
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
        needed = [node.spare or node.idle or node.name in leading for node in graph.nodes]
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
