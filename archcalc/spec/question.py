"""What is asked of a network: one value, made once and handed on whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar, cast

from archcalc.dims import Size, same
from archcalc.errors import Problem, SpecError, did_you_mean
from archcalc.spec.bits import Formats

if TYPE_CHECKING:
    from archcalc.spec.model import Spec

Axes: TypeAlias = Sequence[Size] | Size
Shapes: TypeAlias = Axes | Mapping[str, Axes] | None
"""Inputs without the batch: the axes, or one number (``of_side``); by name where there are several.
None is the spec's own."""
Input: TypeAlias = Shapes | Callable[["Spec"], Shapes]
"""Or a function of the spec that gives them."""


def of_side(side: Any, written: Sequence[Any]) -> list[Any]:
    """An input of one number: the extent of every axis but the first.

    Of volumes that are no cubes it is only that of the last two: a video keeps its frames.
    """
    kept = 1 if len(set(written[1:])) == 1 else max(1, len(written) - 2)
    return [*written[:kept], *[side] * (len(written) - kept)] if len(written) > 1 else [side]


class Question(NamedTuple):
    """On which input, with which variables, and what of it counts."""

    input: Input = None
    batch: Size = 1
    variables: Mapping[str, Any] = {}
    training: bool = False
    """Whether what is executed in training only counts too."""
    allow_unknown: bool = False
    """Whether layers of unknown operators are left out of the count."""
    fold_bn: bool = False
    """Whether batch normalizations are folded into the layers before them."""
    formats: Formats = Formats()
    """In what numbers are stored."""

    def of(self, spec: Spec) -> Question:
        """The same with the input of this spec."""
        return self._replace(input=self.input(spec)) if callable(self.input) else self

    @property
    def shapes(self) -> Shapes:
        """The input, which is no function any more."""
        assert not callable(self.input)
        return self.input

    def require_known(self, spec: Spec) -> None:
        """Raise :class:`NoVariable` for a variable that the spec has not."""
        for name in self.variables:
            if name not in spec.vars:
                raise NoVariable(spec.document.file, spec.label, name, [*spec.vars])

    def require_settled(self) -> None:
        """Raise ``TypeError`` where a graph is asked for other shapes than it has."""
        if self.input is not None or self.variables or not same(self.batch, 1):
            raise TypeError("a graph has its shapes: give input, batch and variables to expand()")

    @property
    def keywords(self) -> dict[str, Any]:
        """Input, batch and variables as functions take them, as far as they are given."""
        batch = {} if self.batch is AS_IT_IS.batch else {"batch": self.batch}
        return {"input": self.input, **batch, **self.variables}

    @property
    def note(self) -> str:
        """What was set: a network changed is no longer the edition it is headed."""
        return ", ".join(f"{name} = {_written(value)}" for name, value in self.variables.items())


AS_IT_IS = Question()
"""The network itself, of one sample, at inference."""


LISTED = 12
"""Variables that a message names."""


class NoVariable(SpecError):
    """A keyword that is none of a network's variables; it may be an option that is misspelt."""

    def __init__(
        self,
        file: str,
        label: str,
        name: str,
        known: Sequence[str],
        first: str | None = None,
        last: str = "",
    ):
        self.asked = (file, label, name, tuple(known), first, last)
        message = f"'{label}' has no variable '{name}'"
        names = [*known[:LISTED], *(["..."] if len(known) > LISTED else [])]
        listed = f"it has: {', '.join(names)}" if known else "it has none"
        hints = [_near(name, known) if first is None else first, listed, last]
        problem = Problem(file, 0, 0, (), message, "\n".join(filter(None, hints)))
        super().__init__([problem])
        self.args = ("\n  ".join([message, *problem.hint.splitlines()]),)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.asked, self.__dict__

    def among(self, function: str, options: Sequence[str]) -> NoVariable:
        """The same of a function that has options: which it has, where none of them is meant."""
        file, label, name, known, _, _ = self.asked
        hint = _near(name, [*known, *options])
        meant = next((each for each in options if f"'{each}'" in hint), None)
        if meant:
            hint = f"did you mean the option '{meant}' of {function}()?"
        last = "" if hint else f"nor has {function}() this option: it has {', '.join(options)}"
        return NoVariable(file, label, name, known, hint, last)


def _near(name: str, known: Sequence[str]) -> str:
    """The nearest of the words, where there is one."""
    hint = did_you_mean(name, known)
    return hint if hint.startswith("did") else ""


F = TypeVar("F", bound=Callable[..., Any])


def with_options(function: F) -> F:
    """A function whose other keywords are variables of a network: a misspelt option is told."""

    @wraps(function)
    def asking(*args: Any, **keywords: Any) -> Any:
        try:
            return function(*args, **keywords)
        except NoVariable as wrong:
            if wrong.asked[2] not in keywords:
                raise
            from inspect import Parameter, signature

            found = signature(function).parameters.values()
            options = [each.name for each in found if each.kind is not Parameter.VAR_KEYWORD]
            raise wrong.among(function.__name__, options[1:]) from None

    return cast(F, asking)


def _written(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_written, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
