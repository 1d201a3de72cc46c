"""Activation functions: the shape stays, and the work is that of the formula for each element.

A function in pieces costs its comparisons and, every element taken as on that branch, its
costliest piece. A change of sign is not counted. ``inplace`` changes no count.
"""

from typing import TYPE_CHECKING, final

from pydantic import FiniteFloat

from archcalc.dims import Shape, holds, same
from archcalc.errors import ShapeError
from archcalc.operators.autograd import SavesInputOrCopy, SavesInputs, SavesOutput, Viewing
from archcalc.operators.base import (
    Count,
    Example,
    Keeping,
    PerElement,
    Spelled,
    Trained,
    Weightless,
    Work,
)
from archcalc.operators.taps import Pointwise

if TYPE_CHECKING:
    from archcalc.operators.saving import Autograd, Tensor

VECTOR = Example({}, ((2, 10),))


IMAGE = Example({}, ((2, 6, 5, 5),))


class Activation(Weightless, Keeping, Pointwise, Spelled):
    """One input, and an output of its shape."""


class Elementwise(Activation, PerElement):
    """An activation that does the same to every element."""


@final
class Identity(Elementwise, Viewing):
    """``x``: no work. As ``torch.nn.Identity``."""

    per_element = Work()
    examples = (IMAGE,)

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        return inputs[0]


@final
class ReLU(Elementwise, SavesOutput):
    """``max(0, x)``: 1 comparison. As ``torch.nn.ReLU``."""

    per_element = Work(comparisons=1)
    examples = (IMAGE, VECTOR)

    inplace: bool = False
    """Whether the input's memory is used for the output; it changes no count."""


@final
class ReLU6(Elementwise, SavesInputOrCopy):
    """``min(max(0, x), 6)``: 2 comparisons. As ``torch.nn.ReLU6``."""

    per_element = Work(comparisons=2)
    examples = (IMAGE,)

    inplace: bool = False
    """Whether the input's memory is used for the output; it changes no count."""


@final
class LeakyReLU(Elementwise, SavesInputs):
    """``x`` above 0, else ``negative_slope * x``: 1 comparison, 1 multiply.

    As ``torch.nn.LeakyReLU``.
    """

    per_element = Work(comparisons=1, multiplies=1)
    examples = (Example({"negative_slope": 0.1}, ((2, 6, 5, 5),)), VECTOR)

    negative_slope: FiniteFloat = 0.01
    """Factor of what is below 0."""
    inplace: bool = False
    """Whether the input's memory is used for the output; it changes no count."""


@final
class PReLU(Trained, PerElement, Pointwise, SavesInputs, Spelled):
    """``x`` above 0, else ``weight * x`` with a trained weight: 1 comparison, 1 multiply.

    As ``torch.nn.PReLU``: ``num_parameters`` is 1, one weight for all, or the number of channels
    of (N, C, *).
    """

    per_element = Work(comparisons=1, multiplies=1)
    examples = (
        Example({}, ((2, 10),)),
        Example({"num_parameters": 6, "init": 0.1}, ((2, 6, 5, 5),)),
    )

    num_parameters: Count = 1
    """How many weights: 1, or as many as channels."""
    init: FiniteFloat = 0.25
    """What the weights begin with; it changes no count."""

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        channels = x[1] if len(x) > 1 else 1
        if not holds(self.num_parameters == 1) and not same(self.num_parameters, channels):
            raise ShapeError(
                f"num_parameters={self.num_parameters} is neither 1 nor the {channels} channels"
            )
        return x

    def weights(self, *inputs: Shape) -> dict[str, Shape]:
        return {"weight": (self.num_parameters,)}


@final
class Tanh(Elementwise, SavesOutput):
    """The hyperbolic tangent: 1 transcendental. As ``torch.nn.Tanh``."""

    per_element = Work(transcendentals=1)
    examples = (IMAGE,)


@final
class Sigmoid(Elementwise, SavesOutput):
    """``1 / (1 + exp(-x))``: 1 transcendental, 1 add, 1 division. As ``torch.nn.Sigmoid``."""

    per_element = Work(transcendentals=1, adds=1, divisions=1)
    examples = (IMAGE,)
