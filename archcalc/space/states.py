"""A declared space as steps, one a choice, and the states between them.

A state is what the choices so far mean for those to come: the values that a later expression asks
for, and no others. Most spaces have one state; one whose depths say how long a list is has a state
for each sum of depths. How many configurations there are beyond each state is counted backwards, in
whole numbers of any size, so that a configuration has a number, and a drawn one is as likely as any
other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from archcalc.errors import ExpressionError
from archcalc.spec import expressions
from archcalc.spec.expressions import is_expression
from archcalc.spec.scope import Wrong
from archcalc.spec.space import Each, Places, Range, Space, features
from archcalc.values import as_tuples, exact

MOST_CHOICES = 100_000
"""The most choices of one step."""

MOST_STEPS = 10_000
"""The most steps of a space."""

MOST_EDGES = 300_000
"""The most choices of all states together that are looked at to count a space."""

LENGTH = -1
"""The step in which it is chosen how long a list is."""

Box: TypeAlias = "tuple[tuple[int, ...], ...]"
"""A part of a space: of each step the numbers of the values that may be chosen."""

ABSENT = -1
"""What is chosen at a place that a list has not."""


class Step(NamedTuple):
    """One choice: of a variable, of how long a list is, or of the item at a place."""

    variable: str
    place: int | None

    @property
    def name(self) -> str:
        if self.place is None:
            return self.variable
        return f"len({self.variable})" if self.place == LENGTH else f"{self.variable}[{self.place}]"


class State(NamedTuple):
    """What may be chosen from here: numbers of values, and the state that each leads to."""

    codes: list[int]
    after: list[int]

    def only(self, may: Callable[[int, int], bool]) -> State:
        """The state with the choices that may be, by their numbers and where they lead."""
        pairs = [pair for pair in zip(self.codes, self.after, strict=True) if may(*pair)]
        return State([code for code, _ in pairs], [after for _, after in pairs])


@dataclass(frozen=True)
class States:
    """A space as a graph of states."""

    steps: tuple[Step, ...]
    values: tuple[list[Any], ...]
    """The values of each step, by their numbers."""
    states: tuple[list[State], ...]
    """The states before each step."""
    counts: tuple[list[int], ...]
    """How many ways lead on from each of them; and from the end, which is one."""
    apart: tuple[str, ...] = ()
    """Conditions that are asked of whole configurations, as they can't be counted."""

    @property
    def size(self) -> int:
        """How many configurations there are, those that conditions ``apart`` refuse among them."""
        return self.counts[0][0]

    def beyond(self, layer: int, at: int) -> Box:
        """What may be chosen in each step from a state on."""
        found: list[tuple[int, ...]] = []
        here = {at: None}
        for states, counts in zip(self.states[layer:], self.counts[layer + 1 :], strict=True):
            pairs = [
                (code, after)
                for k in here
                for code, after in zip(states[k].codes, states[k].after, strict=True)
                if counts[after]
            ]
            found.append(tuple(dict.fromkeys(code for code, _ in pairs)))
            here = dict.fromkeys(after for _, after in pairs)
        return tuple(found)


class _TooMany(Exception):
    pass


def states(space: Space, variables: Mapping[str, Any]) -> States:
    """The states of a space; ``variables`` are the network's, for expressions.

    Conditions that would take too many states to count are kept ``apart``. Raises :class:`Wrong`
    for choices that are none, and where there is no configuration.
    """
    conditions = list(dict.fromkeys(space.where))
    apart: list[str] = []
    while True:
        try:
            found = _Building(space, variables, conditions).states(apart)
            break
        except _TooMany:
            # What asks for most of a list goes first.
            asking = [c for c in conditions if any(None in f for f in features(c).values())]
            if not conditions:
                raise Wrong(
                    f"the space has more than {MOST_EDGES:,} states",
                    "choices that depend on less of those above them have fewer",
                ) from None
            out = (asking or conditions)[-1]
            conditions.remove(out)
            apart.append(out)
    if not found.size:
        raise Wrong("the space is empty: no configuration fulfils its conditions", at=("where",))
    return found


class _Building:
    def __init__(self, space: Space, variables: Mapping[str, Any], conditions: list[str]) -> None:
        self.space, self.conditions = space, conditions
        self.given = {
            name: as_tuples(value)
            for name, value in variables.items()
            if name not in space.vars and not is_expression(value)
        }
        self.edges = 0
        order = list(space.vars)
        self.rank = {name: k for k, name in enumerate(order)}
        self.due: dict[str, tuple[int, float]] = {}
        """When each condition can be asked: with a variable, and with the item at a place of it."""
        for text in conditions:
            parts = features(text)
            last = max((n for n in parts if n in self.rank), key=self.rank.__getitem__, default="")
            places = parts.get(last, {None})
            known = all(type(part) is int and part >= 0 for part in places)
            self.due[text] = self.rank.get(last, 0), max(places) if known else math.inf

    def asked(self, step: Step, done: bool) -> list[tuple[str, Any]]:
        """What is asked of variables after a step, with which its variable is chosen or is not."""
        here = self.rank[step.variable]
        place = math.inf if step.place is None else step.place
        texts = [
            text for text, due in self.due.items() if due > (here, math.inf if done else place)
        ]
        for name, choices in self.space.vars.items():
            if self.rank[name] > here or (self.rank[name] == here and not done):
                texts += _texts(choices)
        found = {(name, part) for text in texts for name, f in features(text).items() for part in f}
        return sorted(found, key=str)

    def states(self, apart: list[str]) -> States:
        steps: list[Step] = []
        values: list[list[Any]] = []
        layers: list[list[State]] = []
        known: list[dict[str, Any]] = [{}]  # what is known in each state, by one that leads there
        for name, choices in self.space.vars.items():
            for step in self.steps(name, choices, known):
                steps.append(step)
                if len(steps) > MOST_STEPS:
                    raise Wrong(f"a space has {MOST_STEPS:,} choices at most", at=("vars", name))
                found, layer, known = self.step(step, choices, known)
                values.append(found)
                layers.append(layer)
        counts = _counts(layers, len(known))
        return States(tuple(steps), tuple(values), tuple(layers), tuple(counts), tuple(apart))

    def steps(self, name: str, choices: Any, known: list[dict[str, Any]]) -> Iterator[Step]:
        if isinstance(choices, Places):
            for k in range(len(choices.places)):
                yield Step(name, k)
        elif isinstance(choices, Each):
            times = self.times(name, choices, known)
            if len(times) > 1 or 0 in times:
                yield Step(name, LENGTH)
            for k in range(max(times)):
                yield Step(name, k)
        else:
            yield Step(name, None)

    def times(self, name: str, choices: Each, known: list[dict[str, Any]]) -> list[int]:
        found = {n: None for state in known for n in self.lengths(name, choices, state)}
        return list(found)

    def lengths(self, name: str, choices: Each, state: Mapping[str, Any]) -> list[int]:
        written = choices.times if isinstance(choices.times, list) else [choices.times]
        found = [self.evaluate(each, state, name) for each in written]
        for n in found:
            if type(n) is not int or not 0 <= n <= MOST_STEPS:
                message = (
                    f"'{name}' has {n!r} items: their number is whole, from 0 to {MOST_STEPS:,}"
                )
                raise Wrong(message, at=("vars", name, "times"))
        return list(dict.fromkeys(found))

    def step(
        self, step: Step, choices: Any, known: list[dict[str, Any]]
    ) -> tuple[list[Any], list[State], list[dict[str, Any]]]:
        """The values of a step, the states before it, and what is known in those after it."""
        name = step.variable
        codes: dict[Hashable, int] = {}
        values: list[Any] = []
        after: dict[Hashable, int] = {}
        reached: list[dict[str, Any]] = []
        layer: list[State] = []
        asked = {done: self.asked(step, done) for done in (False, True)}
        here = self.rank[name], math.inf if step.place is None else step.place
        now = [text for text, due in self.due.items() if due == here]
        whole = [text for text, due in self.due.items() if due == (here[0], math.inf)]
        listed, refusing = isinstance(choices, (Each, Places)), ""
        for state in known:
            edges = State([], [])
            chosen, domain = state.get(name, ()), None
            if listed and step.place != LENGTH:
                total = self.length(name, choices, state, step)
                if step.place is not None and step.place >= total:
                    domain = [None]
            for value in domain or self.domain(step, choices, state):
                self.edges += 1
                if self.edges > MOST_EDGES:
                    raise _TooMany
                absent = domain is not None
                if absent:
                    changed = dict(state)
                    done = False
                elif step.place == LENGTH:
                    changed = {**state, name: (), f"{name}#": value}
                    done = value == 0
                elif listed:
                    changed = {**state, name: (*chosen, value)}
                    done = len(chosen) + 1 == total
                else:
                    changed = {**state, name: value}
                    done = True
                due = [*now, *(whole if done and listed else ())]
                names = {**self.given, **changed}
                refused = next((text for text in due if not holds(text, names, self.space)), "")
                if refused:
                    refusing = refused
                    continue
                done = done or absent
                if absent:
                    code = ABSENT
                else:
                    key = exact(value)
                    code = codes.setdefault(key, len(values))
                    if code == len(values):
                        values.append(value)
                sign: list[Hashable] = [() if done else changed.get(f"{name}#")]
                sign += [_part(changed[n], part) for n, part in asked[done] if n in changed]
                place = after.setdefault(tuple(sign), len(reached))
                if place == len(reached):
                    reached.append(changed)
                edges.codes.append(code)
                edges.after.append(place)
            layer.append(edges)
        if not reached:
            if not refusing:
                raise Wrong(
                    f"'{name}' has no value: it ranges from more to less", at=("vars", name)
                )
            message = f"the space is empty: nothing that '{name}' may be fulfils it"
            raise Wrong(message, at=("where", self.space.where.index(refusing)))
        return values, layer, reached

    def length(self, name: str, choices: Any, state: Mapping[str, Any], step: Step) -> int:
        if isinstance(choices, Places):
            return len(choices.places)
        if f"{name}#" in state:
            return int(state[f"{name}#"])
        return self.lengths(name, choices, state)[0]

    def domain(self, step: Step, choices: Any, state: Mapping[str, Any]) -> list[Any]:
        """What may be chosen in a state, each once."""
        name = step.variable
        if step.place == LENGTH:
            return self.lengths(name, choices, state)
        if isinstance(choices, Places):
            choices = choices.places[step.place or 0]
        elif isinstance(choices, Each):
            choices = choices.each
        if isinstance(choices, Range):
            return self.numbers(name, choices, state)
        if isinstance(choices, list):
            items = [self.evaluate(item, state, name) for item in choices]
            return list({exact(item): item for item in items}.values())
        return [self.evaluate(choices, state, name)]

    def numbers(self, name: str, choices: Range, state: Mapping[str, Any]) -> list[Any]:
        from fractions import Fraction

        first, last, step = (
            self.evaluate(each, state, name) for each in (choices.from_, choices.to, choices.step)
        )
        for number in (first, last, step):
            if type(number) not in (int, float):
                raise Wrong(f"'{name}' ranges over {number!r:.40}, no number", at=("vars", name))
        plain = {type(number) for number in (first, last, step)} == {int}
        start, stop, by = (
            number if plain else Fraction(repr(number)) for number in (first, last, step)
        )
        if by <= 0:
            raise Wrong(f"'{name}' has a step of {step}: it is above 0", at=("vars", name, "step"))
        count = int((stop - start) // by) + 1
        if count > MOST_CHOICES:
            message = f"'{name}' has {count:,} values: {MOST_CHOICES:,} at most"
            raise Wrong(message, at=("vars", name))
        if plain:
            return list(range(first, last + 1, step))
        whole = all(number.denominator == 1 for number in (start, by))
        return [int(n) if whole else float(n) for n in (start + k * by for k in range(count))]

    def evaluate(self, written: Any, state: Mapping[str, Any], name: str) -> Any:
        if isinstance(written, list):
            return tuple([self.evaluate(item, state, name) for item in written])
        if not is_expression(written):
            return written
        try:
            return as_tuples(expressions.parse(written[1:])({**self.given, **state}))
        except ExpressionError as error:
            raise Wrong(str(error), at=("vars", name)) from None


_OF_LISTS: dict[str, Callable[[Any], Any]] = {"sum": sum, "min": min, "max": max}


def _part(value: Any, part: Any) -> Hashable:
    """What an expression asks of a value."""
    if part is None or not isinstance(value, tuple):
        return exact(value)
    if part == "len":
        return len(value)
    if type(part) is int:
        return exact(value[part:] if part < 0 else value[part : part + 1])
    try:
        # Of a list that is not whole yet, the same of its beginning.
        return exact(_OF_LISTS[part](value) if value else None)
    except TypeError:
        return exact(value)


def holds(text: str, names: Mapping[str, Any], space: Space) -> bool:
    """Whether a condition of a space is true of a configuration. Raises :class:`Wrong`."""
    at = ("where", space.where.index(text))
    try:
        answer = expressions.parse(text[1:])(names)
    except ExpressionError as error:
        raise Wrong(str(error), at=at) from None
    if answer is not True and answer is not False:
        raise Wrong(f"the condition {text!r} gives {answer!r:.40}, no truth", at=at)
    return answer


def _texts(choices: Any) -> list[str]:
    from archcalc.spec.space import written

    return [text for _, text in written(choices)]


def _counts(layers: Sequence[Sequence[State]], ends: int) -> list[list[int]]:
    """How many ways lead on from each state, backwards from the last ones."""
    counts = [[1] * ends]
    for layer in reversed(layers):
        beyond = counts[-1]
        counts.append([sum([beyond[k] for k in state.after]) for state in layer])
    return counts[::-1]


def whole(states: States) -> Box:
    """All of a space."""
    return states.beyond(0, 0)


def within(states: States, box: Box) -> tuple[States, Box]:
    """The states of a part, with nothing in it that leads nowhere, and the part itself so."""
    allowed = [set(codes) for codes in box]
    reached = {0}
    layers: list[list[State]] = []
    for layer, codes in zip(states.states, allowed, strict=True):
        after: set[int] = set()
        made = []
        for k, state in enumerate(layer):
            if k not in reached:
                made.append(State([], []))
                continue
            made.append(state.only(lambda code, _: code in codes))  # noqa: B023
            after.update(made[-1].after)
        layers.append(made)
        reached = after
    counts = _counts(layers, len(states.counts[-1]))
    alive = [
        [state.only(lambda _, after: bool(beyond[after])) for state in layer]  # noqa: B023
        for layer, beyond in zip(layers, counts[1:], strict=True)
    ]
    part = States(states.steps, states.values, tuple(alive), tuple(counts), states.apart)
    return part, whole(part)


def narrowed(box: Box, step: int, codes: Iterable[int]) -> Box:
    """The part in which a step is one of fewer choices."""
    return (*box[:step], tuple(codes), *box[step + 1 :])
