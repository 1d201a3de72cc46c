"""What is asked of a network: one value, made once and handed on whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from archcalc.dims import Size, same

if TYPE_CHECKING:
    from archcalc.spec.model import Spec

Axes: TypeAlias = Sequence[Size] | Size
Shapes: TypeAlias = Axes | Mapping[str, Axes] | None
"""Inputs without the batch: the axes, or all but the first as one number; by name where there are
several. None is the spec's own."""
Input: TypeAlias = Shapes | Callable[["Spec"], Shapes]
"""Or a function of the spec that gives them."""


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

    def of(self, spec: Spec) -> Question:
        """The same with the input of this spec."""
        return self._replace(input=self.input(spec)) if callable(self.input) else self

    @property
    def shapes(self) -> Shapes:
        """The input, which is no function any more."""
        assert not callable(self.input)
        return self.input

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


def _written(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_written, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
