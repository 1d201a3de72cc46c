"""Regularizers that drop values or paths in training, and do nothing at inference."""

from typing import Annotated, Literal, final

from pydantic import Field

from archcalc.dims import Shape
from archcalc.operators.autograd import Saved, TrainingOnly
from archcalc.operators.base import Example, Keeping, Spelled, Weightless, Work, elements
from archcalc.operators.taps import Pointwise

Probability = Annotated[float, Field(ge=0, le=1)]
"""A probability: of dropping, not of keeping."""


class _Drop(Weightless, Keeping, Pointwise, TrainingOnly, Spelled):
    p: Probability
    """How likely something is dropped."""

    def work(self, output: Shape, *inputs: Shape) -> Work:
        """None at inference; what is dropped in training is scaled there, not here."""
        return Work()


@final
class Dropout(_Drop):
    """Drops elements at random in training, as ``torch.nn.Dropout``; the input at inference."""

    examples = (Example({"p": 0.4}, ((2, 1024, 1, 1),)), Example({}, ((2, 4096),)))

    p: Probability = 0.5
    """How likely an element is dropped."""
    inplace: bool = False
    """Whether the input's memory is used for the output; it changes no count."""

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        """A flag for each element, as on a GPU; on a CPU a number is kept in its stead."""
        return Saved(flags=elements(output) if self.p else 0)


@final
class StochasticDepth(_Drop):
    """Drops a residual branch at random in training; the input at inference.

    As ``torchvision.ops.StochasticDepth``: ``row`` draws for every item of the batch, ``batch``
    once for all. Huang et al., Deep networks with stochastic depth, 2016.
    """

    target = "archcalc.StochasticDepth"
    examples = (
        Example({"p": 0.1}, ((2, 8, 4, 4),)),
        Example({"p": 0.2, "mode": "batch"}, ((2, 7, 16),)),
    )

    mode: Literal["row", "batch"] = "row"
    """Whether chance decides for every item of the batch, or for all at once."""

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        draws = output[0] if self.mode == "row" else 1
        return Saved(elements=draws if self.p else 0)
