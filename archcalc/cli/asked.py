"""What is asked of a network, and how it is stored: values that are made of options."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from archcalc.cli.options import (
    Activations,
    Batch,
    Density,
    Exclude,
    InputShapes,
    Variables,
    Weights,
)

if TYPE_CHECKING:
    from archcalc.spec.bits import Formats
    from archcalc.spec.question import Question


class Asked(NamedTuple):
    """On which input."""

    input: InputShapes = None
    batch: Batch = 1
    set_: Variables = None

    def of(self, function: Callable[..., Any]) -> "Question":
        """The question that a function of the library is asked.

        Raises :class:`ArchcalcError` for what can't be read.
        """
        from archcalc.cli.arguments import asked

        return asked(function, self.input, self.set_, self.batch)


class Stored(NamedTuple):
    """In which formats."""

    weights: Weights = None
    activations: Activations = None
    density: Density = None
    exclude: Exclude = None

    def in_(self, dtype: str, cache: str | None = None) -> "Formats":
        """The formats with the dtype of all else. Raises :class:`ArchcalcError`."""
        from archcalc.spec.bits import Formats

        weights, activations, density, exclude = self
        return Formats.of(dtype, weights, activations, density, exclude or (), cache)
