"""New shapes of a network at once: analyses that are computed by the record of an earlier one.

From the third new shape of a spec on, the engine is run on numbers that record what is done with
them. Wherever the guards of that record hold, an analysis is its program at other numbers: the
totals at once, graph and rows when they are asked for. Where they don't, the engine runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from archcalc.errors import ArchcalcError
from archcalc.operators.base import KINDS, Work
from archcalc.spec.model import Spec
from archcalc.spec.question import Question
from archcalc.values import exact

if TYPE_CHECKING:
    from archcalc.algebra.program import Program
    from archcalc.analysis.counted import Analysis

Engine = Callable[[Spec, Question], "Analysis"]

PATIENCE = 3
"""The new shape from which on it is worth a record, which costs several analyses."""

MOST_RECORDS = 8
"""The most records of one question, which differ in their graphs."""

MOST_QUESTIONS = 64
"""The most combinations of what is given, such as lists of depths, that are told apart."""

TOTALS = (
    *("params", "trainable", "executed_params", "shared_params", "buffers"),
    *("macs", "connections", "activations"),
)

LATER = ("connections", "activations")
"""Those that, with the kinds of work, are worked out when one of them is asked for: they are most
of the arithmetic.
"""

KNOWN = ("training", "not_counted")
"""What is the same at all numbers at which a record is one."""

_BATCH = ("batch",)


@lru_cache(maxsize=256)
def _places(name: str, axes: int) -> list[tuple[str, int]]:
    return [(name, k) for k in range(axes)]


class Given:
    """What a question gives: the numbers, and all else."""

    def __init__(self, spec: Spec, question: Question) -> None:
        input: Any = question.input
        names: list[Any] = [_BATCH]
        """Where each number is: the batch, a place in an input, a variable."""
        numbers: list[Any] = [question.batch]
        by_name = type(input) is not list and isinstance(input, Mapping)
        for name, axes in input.items() if by_name else (("", input),):
            if isinstance(axes, (list, tuple)):
                names += _places(name, len(axes))
                numbers += axes
            elif axes is not None:  # all axes but the first
                names.append((name, None))
                numbers.append(axes)
        kinds = [*map(type, numbers)]
        self.plain = kinds.count(int) == len(kinds)
        """Whether all sizes are Python's own numbers."""
        others: list[Any] = []
        for name in sorted(question.variables) if question.variables else ():
            value = question.variables[name]
            if type(value) in (int, float):
                names.append(name)
                numbers.append(value)
                kinds.append(type(value))
            else:
                others.append((name, exact(value)))
        self.question, self.names, self.numbers = question, names, numbers
        self.key = (
            *(spec.variant, question.training, question.allow_unknown, by_name),
            *(tuple(names), tuple(kinds), tuple(others)),
        )

    def at(self, numbers: list[Any]) -> Question:
        """The same question of such numbers."""
        at = dict(zip(self.names, numbers, strict=True))
        input: Any = self.question.input

        def axes(name: str, given: Any) -> Any:
            several = isinstance(given, (list, tuple))
            return [at[name, k] for k in range(len(given))] if several else at[name, None]

        if isinstance(input, Mapping):
            input = {name: axes(name, given) for name, given in input.items()}
        elif input is not None:
            input = axes("", input)
        variables = {name: at.get(name, value) for name, value in self.question.variables.items()}
        return self.question._replace(input=input, batch=at[("batch",)], variables=variables)


class Replay:
    """A record of the engine, made ready to be done again."""

    def __init__(self, spec: Spec, given: Given, engine: Engine) -> None:
        """Raises whatever the engine does."""
        # A command that looks at one network makes none, and should not load what makes them.
        from archcalc.algebra.compiled import Source
        from archcalc.algebra.condense import condensed
        from archcalc.algebra.record import Record

        record = Record()
        variables = [f"{k}" for k in range(len(given.numbers))]
        numbers = [
            record.variable(name, number)
            for name, number in zip(variables, given.numbers, strict=True)
        ]
        traced = _run(engine, spec, given, numbers)
        work = {kind: getattr(traced.work, kind) for kind in (*KINDS, "dots")}
        totals = {name: getattr(traced, name) for name in TOTALS}
        program = record.finish({**totals, **work})
        self._engine = partial(_run, engine, spec, given)
        self._asked = 0
        self._written: Callable[..., Any] | None = None
        self._unwritten: Any = (traced, program, variables)
        shorter = condensed(program)
        source, outputs = Source(shorter, variables), shorter.outputs
        source.guards()
        rest = Source(shorter, variables) if _never_fails(shorter) else source
        later = {name: rest.step(outputs[name]) for name in LATER}
        later["work"] = rest.build_of(Work, {kind: rest.step(outputs[kind]) for kind in work})
        first = {name: source.step(outputs[name]) for name in TOTALS if name not in LATER}
        first |= {name: source.constant(getattr(traced, name)) for name in KNOWN}
        self._rest: Callable[..., Any] | None = None
        if rest is source:
            first |= later
        else:
            self._rest = rest.function(_written(later))
        self.totals: Callable[..., Any] = source.function(_written(first))
        """By name, or None where a guard does not hold."""

    def layers(self, numbers: list[Any]) -> Any:
        """The graph and the rows: the engine's, until they were asked for so often that it is
        worth to write down how they are built, which takes several analyses.
        """
        self._asked += 1
        if self._asked <= PATIENCE:
            found = self._engine(numbers)
            return found.graph, found.rows
        if self._written is None:
            from archcalc.algebra.compiled import Source

            traced, program, variables = self._unwritten
            source = Source(program, variables)
            self._written = source.function(source.build((traced.graph, traced.rows)))
        return self._written(*numbers)

    def at(self, numbers: list[Any], kind: type[Analysis]) -> Analysis | None:
        """The analysis at such numbers, None where this is not the record of it."""
        try:
            found = self.totals(*numbers)
        except (ArithmeticError, ValueError):  # it is the engine's to say what is wrong
            return None
        if found is None:
            return None
        found["_later"] = partial(self.layers, numbers)
        if self._rest is not None:
            found["_rest"] = partial(self._rest, *numbers)
        analysis = object.__new__(kind)
        object.__setattr__(analysis, "__dict__", found)
        return analysis


_SAFE = frozenset(("const", "var", "add", "sub", "mul", "neg", "abs", "min", "max", "less"))


def _never_fails(program: Program) -> bool:
    """Whether a program comes to numbers whatever it is given: it divides by none that may be 0."""
    for op, args in program.steps:
        if op in ("floordiv", "mod"):
            divisor, operands = program.steps[args[1]]
            if divisor != "const" or not operands[0]:
                return False
        elif op not in _SAFE:
            return False
    return True


def _written(values: Mapping[str, str]) -> str:
    return f"{{{', '.join([f'{name!r}: {value}' for name, value in values.items()])}}}"


def _run(engine: Engine, spec: Spec, given: Given, numbers: list[Any]) -> Analysis:
    return engine(spec, given.at(numbers))


class Recall:
    """The records of one question, and how it went so far."""

    def __init__(self) -> None:
        self.replays: list[Replay] = []
        self.last: list[Any] = []
        self.missed = 0
        self.patience = PATIENCE
        self.answered = 0

    def answer(self, given: Given, kind: type[Analysis]) -> Analysis | None:
        """The analysis if a record of it is there."""
        for k, replay in enumerate(self.replays):
            found = replay.at(given.numbers, kind)
            if found is not None:
                self.answered += 1
                if k:  # the one that was used last is looked at first
                    self.replays = [replay, *[one for one in self.replays if one is not replay]]
                return found
        return None

    def is_due(self, given: Given) -> bool:
        """Whether this is new so often that it should be recorded."""
        if given.numbers == self.last:
            return False
        self.last, self.missed = given.numbers, self.missed + 1
        return self.missed >= self.patience

    def add(self, spec: Spec, given: Given, engine: Engine) -> None:
        """Record the engine; where it can't be, or records are of no use, less often."""
        self.patience = PATIENCE if self.answered >= self.patience else 2 * self.patience
        self.missed = self.answered = 0
        try:
            replay = Replay(spec, given, engine)
        except ArchcalcError:
            return  # there is no such network, which is the engine's to say
        except (ArithmeticError, AttributeError, TypeError, ValueError):
            self.patience = 2**30  # something in it takes no number but a plain one
            return
        self.replays = [replay, *self.replays[: MOST_RECORDS - 1]]


def recall(spec: Spec, engine: Engine, kind: type[Analysis], question: Question) -> Analysis | None:
    """An analysis from a record of the ``engine``; None where there is none."""
    given = Given(spec, question)
    if not given.plain:
        return None
    known = spec.home.records
    try:
        found = known.get(given.key)
    except TypeError:
        return None
    if found is None:
        if len(known) >= MOST_QUESTIONS:
            known.clear()
        found = known[given.key] = Recall()
    answer = found.answer(given, kind)
    if answer is None and found.is_due(given):
        found.add(spec, given, engine)
        answer = found.answer(given, kind)
    return answer
