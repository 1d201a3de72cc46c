"""What is written in a spec, worked out: expressions, variables, inputs, requirements."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from archcalc.dims import Shape, Size, holds, is_array, is_size, plain, settle
from archcalc.errors import IN_FULL, ExpressionError, Problem
from archcalc.spec import expressions
from archcalc.spec.budget import VARIABLE, Budget, Spent
from archcalc.spec.expressions import Expression
from archcalc.spec.model import Spec
from archcalc.spec.question import Question, of_side
from archcalc.spec.refusal import unbatched
from archcalc.spec.scope import Path, Scope, Toll, Unknown, Wrong, near
from archcalc.values import as_tuples

MOST_AXES = 16
"""The most axes of a tensor, the batch among them."""

ShapeOf = Callable[[str], Shape] | None


class Evaluation:
    """A spec whose values are worked out, within a budget, and what is wrong with them so far."""

    def __init__(self, spec: Spec, known: frozenset[Path]) -> None:
        self.spec = spec
        self.known = known
        self.problems: list[Problem] = []
        self.names: Mapping[str, Any] = {}
        """The variables with their values."""
        self.budget = Budget()
        self.toll = Toll()
        """Of the list of layers that is being expanded."""
        self.parsed: dict[str, Expression] = {}
        self.at: tuple[Path, Path] = ((), ())
        """The place of the layer that is being expanded, and the path to it."""

    def spend(self, steps: int) -> None:
        """Count steps of the list of layers that is being expanded."""
        self.toll.steps += steps
        budget = self.budget  # this is asked several times a layer
        budget.steps += steps
        if budget.steps > budget.most:
            raise Spent

    def report(self, place: Path, path: Path, wrong: Wrong) -> None:
        """Note a problem at a ``place`` in the document, under the ``path`` the user knows."""
        hint = wrong.hint if len(self.problems) < IN_FULL else ""
        found = self.spec.document.problem(place, wrong.message, hint, key=wrong.key)
        self.problems.append(replace(found, path=tuple(map(str, path))))

    def variables(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The spec's variables with values, each worked out from the others as needed."""
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
                axes = of_side(axes, self.spec.inputs[name])
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
            return found if type(found) is int else as_tuples(found)
        if isinstance(written, (list, tuple)):
            self.spend(len(written))
            return tuple([self.evaluate(item, names, shape_of, at) for item in written])
        if isinstance(written, dict):
            self.spend(len(written))
            return {key: self.evaluate(each, names, shape_of, at) for key, each in written.items()}
        return written

    def filled(
        self, reference: str, names: Mapping[str, Any], shape_of: ShapeOf, at: Path = ()
    ) -> str:
        """A reference with its expressions worked out."""
        if "{" not in reference and not expressions.is_expression(reference):
            return reference
        return expressions.fill(
            reference, lambda text: settle(self.evaluate(f"={text}", names, shape_of, at))
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


def _require_order(given: Sequence[Size], own: Sequence[Size], at: Path) -> None:
    """Raise for an input with its channels last, or with a batch, where the spec's own has not.

    Such a shape may fit, and would be of another network than the one that is meant.
    """
    if not own or any(map(is_array, (*given, *own))):
        return
    # What is a number is asked for first: nothing is said of extents that are left open.
    if len(given) == len(own) == 2:
        pairs = sorted(
            zip(given, own[::-1], strict=True), key=lambda pair: type(pair[0]) is not int
        )
        last = own[0] != own[1] and all(size == other for size, other in pairs)
    else:
        last = len(given) == len(own) > 2 and (
            given[0] != own[0] and given[-1] == own[0] != own[-1]
        )
    if last:
        first = (given[-1], *given[:-1])
        raise Wrong(f"channels come first: write {unbatched(first)}", at=at)
    if len(given) == len(own) + 1 and (given[1] == own[0] if len(own) > 1 else given[0] == 1):
        raise Wrong(f"the batch is left out: write {unbatched(given[1:])}", at=at)
    if len(given) == 2 and len(own) == 1 and given[1] == 1:
        raise Wrong(f"has one axis: write {unbatched(given[:1])}", at=at)


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
