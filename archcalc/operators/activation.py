"""Activation functions: the shape stays, and the work is that of the formula for each element.

A function in pieces costs its comparisons and, every element taken as on that branch, its
costliest piece. A change of sign is not counted. ``inplace`` changes no count.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, final

from pydantic import Field, FiniteFloat, model_validator

from archcalc.dims import Shape, Size, holds, same
from archcalc.errors import ShapeError
from archcalc.operators.autograd import (
    Differentiable,
    Saved,
    SavesInputOrCopy,
    SavesInputs,
    SavesOutput,
    View,
)
from archcalc.operators.base import (
    Call,
    Count,
    Example,
    Integer,
    Trained,
    Weightless,
    Work,
    axis_of,
    elements,
)
from archcalc.operators.taps import HERE, Pointwise, Sources, Traced, everything

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

VECTOR = Example({}, ((2, 10),))
IMAGE = Example({}, ((2, 6, 5, 5),))


class _Activation(Weightless):
    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return x

    def torch(self, *inputs: Shape) -> Call:
        return Call(f"nn.{type(self).__name__}", dict(self))


class _Elementwise(_Activation, Pointwise):
    per_element: ClassVar[Work]

    def work(self, output: Shape, *inputs: Shape) -> Work:
        work: Work = self.per_element * elements(output)
        return work


@final
class Identity(_Elementwise, View):
    """``x``: no work. As ``torch.nn.Identity``."""

    per_element = Work()
    examples = (IMAGE,)


@final
class ReLU(_Elementwise, SavesOutput):
    """``max(0, x)``: 1 comparison. As ``torch.nn.ReLU``."""

    per_element = Work(comparisons=1)
    examples = (IMAGE, VECTOR)

    inplace: bool = False
    """Whether the input's memory is used for the output; it changes no count."""


@final
class ReLU6(_Elementwise, SavesInputOrCopy):
    """``min(max(0, x), 6)``: 2 comparisons. As ``torch.nn.ReLU6``."""

    per_element = Work(comparisons=2)
    examples = (IMAGE,)

    inplace: bool = False
    """Whether the input's memory is used for the output; it changes no count."""


@final
class LeakyReLU(_Elementwise, SavesInputs):
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
class PReLU(Trained, Pointwise, SavesInputs):
    """``x`` above 0, else ``weight * x`` with a trained weight: 1 comparison, 1 multiply.

    As ``torch.nn.PReLU``: ``num_parameters`` is 1, one weight for all, or the number of channels
    of (N, C, *).
    """

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

    def work(self, output: Shape, *inputs: Shape) -> Work:
        out = elements(output)
        return Work(comparisons=out, multiplies=out)

    def torch(self, *inputs: Shape) -> Call:
        return Call("nn.PReLU", dict(self))


@final
class ELU(_Elementwise, SavesInputs):
    """``x`` above 0, else ``alpha * (exp(x) - 1)``. As ``torch.nn.ELU``.

    1 comparison, 1 transcendental, 1 add, 1 multiply.
    """

    per_element = Work(comparisons=1, transcendentals=1, adds=1, multiplies=1)
    examples = (IMAGE, Example({"alpha": 0.5}, ((2, 10),)))

    alpha: FiniteFloat = 1.0
    """Factor of the exponential branch."""
    inplace: bool = False
    """Whether the input's memory is used for the output; it changes no count."""


@final
class SELU(_Elementwise, SavesInputs):
    """``scale * x`` above 0, else ``scale * (alpha * (exp(x) - 1))``. As ``torch.nn.SELU``.

    1 comparison, 1 transcendental, 1 add, 2 multiplies.
    """

    per_element = Work(comparisons=1, transcendentals=1, adds=1, multiplies=2)
    examples = (IMAGE,)

    inplace: bool = False
    """Whether the input's memory is used for the output; it changes no count."""


@final
class CELU(_Elementwise, SavesInputs):
    """``x`` above 0, else ``alpha * (exp(x / alpha) - 1)``. As ``torch.nn.CELU``.

    1 comparison, 1 division, 1 transcendental, 1 add, 1 multiply.
    """

    per_element = Work(comparisons=1, divisions=1, transcendentals=1, adds=1, multiplies=1)
    examples = (IMAGE, Example({"alpha": 0.5}, ((2, 10),)))

    alpha: Positive = 1.0
    """Factor of the exponential branch."""
    inplace: bool = False
    """Whether the input's memory is used for the output; it changes no count."""


@final
class GELU(_Activation, Pointwise, SavesInputs):
    """``x`` times the normal distribution function of ``x``. As ``torch.nn.GELU``.

    ``none``: ``0.5 * x * (1 + erf(x / sqrt(2)))``: 3 multiplies, 1 add, 1 transcendental.
    ``tanh``: ``0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x)))``: 6 multiplies,
    2 adds, 1 transcendental. The square roots are constants.
    """

    examples = (VECTOR, Example({"approximate": "tanh"}, ((2, 7, 16),)))

    approximate: Literal["none", "tanh"] = "none"
    """Which formula is computed."""

    def work(self, output: Shape, *inputs: Shape) -> Work:
        out = elements(output)
        if self.approximate == "tanh":
            return Work(multiplies=6 * out, adds=2 * out, transcendentals=out)
        return Work(multiplies=3 * out, adds=out, transcendentals=out)


@final
class SiLU(_Elementwise, SavesInputOrCopy):
    """``x * sigmoid(x)``, also named swish: a sigmoid and 1 multiply. As ``torch.nn.SiLU``."""

    per_element = Work(transcendentals=1, adds=1, divisions=1, multiplies=1)
    examples = (IMAGE,)

    inplace: bool = False
    """Whether the input's memory is used for the output; it changes no count."""


@final
class Mish(_Elementwise, SavesInputOrCopy):
    """``x * tanh(log(1 + exp(x)))``: 3 transcendentals, 1 add, 1 multiply. As ``torch.nn.Mish``."""

    per_element = Work(transcendentals=3, adds=1, multiplies=1)
    examples = (IMAGE,)

    inplace: bool = False
    """Whether the input's memory is used for the output; it changes no count."""


@final
class Tanh(_Elementwise, SavesOutput):
    """The hyperbolic tangent: 1 transcendental. As ``torch.nn.Tanh``."""

    per_element = Work(transcendentals=1)
    examples = (IMAGE,)


@final
class Sigmoid(_Elementwise, SavesOutput):
    """``1 / (1 + exp(-x))``: 1 transcendental, 1 add, 1 division. As ``torch.nn.Sigmoid``."""

    per_element = Work(transcendentals=1, adds=1, divisions=1)
    examples = (IMAGE,)


@final
class LogSigmoid(_Elementwise, Differentiable):
    """``-log(1 + exp(-x))``: 2 transcendentals, 1 add. As ``torch.nn.LogSigmoid``."""

    per_element = Work(transcendentals=2, adds=1)
    examples = (VECTOR,)

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        return Saved(inputs=(0,), elements=elements(output))


@final
class Softplus(_Elementwise, SavesInputs):
    """``log(1 + exp(beta * x)) / beta``, and ``x`` where ``beta * x`` is above ``threshold``.

    1 multiply, 1 comparison, 2 transcendentals, 1 add, 1 division. As ``torch.nn.Softplus``.
    """

    per_element = Work(multiplies=1, comparisons=1, transcendentals=2, adds=1, divisions=1)
    examples = (VECTOR, Example({"beta": 2.0, "threshold": 10.0}, ((2, 6, 5, 5),)))

    beta: Positive = 1.0
    """Factor in the exponent."""
    threshold: FiniteFloat = 20.0
    """Where the function becomes linear; it changes no count."""


@final
class Hardtanh(_Elementwise, SavesInputOrCopy):
    """``min(max(min_val, x), max_val)``: 2 comparisons. As ``torch.nn.Hardtanh``."""

    per_element = Work(comparisons=2)
    examples = (VECTOR, Example({"min_val": 0.0, "max_val": 4.0}, ((2, 6, 5, 5),)))

    min_val: FiniteFloat = -1.0
    """The smallest output."""
    max_val: FiniteFloat = 1.0
    """The largest output."""
    inplace: bool = False
    """Whether the input's memory is used for the output; it changes no count."""

    @model_validator(mode="after")
    def _ordered(self) -> Hardtanh:
        if self.min_val >= self.max_val:
            raise ValueError(f"min_val={self.min_val} is not below max_val={self.max_val}")
        return self


@final
class Hardswish(_Elementwise, SavesInputOrCopy):
    """``x * relu6(x + 3) / 6``: 1 add, 2 comparisons, 1 multiply, 1 division.

    As ``torch.nn.Hardswish``.
    """

    per_element = Work(adds=1, comparisons=2, multiplies=1, divisions=1)
    examples = (IMAGE,)

    inplace: bool = False
    """Whether the input's memory is used for the output; it changes no count."""


@final
class Hardsigmoid(_Elementwise, SavesInputOrCopy):
    """``relu6(x + 3) / 6``: 1 add, 2 comparisons, 1 division. As ``torch.nn.Hardsigmoid``."""

    per_element = Work(adds=1, comparisons=2, divisions=1)
    examples = (IMAGE,)

    inplace: bool = False
    """Whether the input's memory is used for the output; it changes no count."""


def log_softmax(d: Size) -> Work:
    """Work of ``x - max(x) - log(sum(exp(x - max(x))))`` on one slice of ``d`` elements."""
    return Work(comparisons=d - 1, adds=d + (d - 1) + d, transcendentals=d + 1)


class _Softmax(_Activation, Traced, SavesOutput):
    dim: Integer
    """The axis whose elements add up to 1."""

    def slices(self, x: Shape) -> tuple[Size, Size]:
        """How many slices there are along ``dim``, and the elements of each."""
        axis = axis_of(self.dim, x)
        return elements((*x[:axis], *x[axis + 1 :])), x[axis]

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        (x,) = inputs
        summed = axis_of(self.dim, x)
        return (tuple(everything(x[i]) if i == summed else HERE for i in range(2, len(x))),)


@final
class Softmax(_Softmax):
    """``exp(x - max(x)) / sum(exp(x - max(x)))`` along ``dim``. As ``torch.nn.Softmax``.

    A slice of ``d`` elements costs ``d - 1`` comparisons, ``d`` subtractions, ``d``
    transcendentals, ``d - 1`` adds and ``d`` divisions.
    """

    examples = (Example({"dim": 1}, ((2, 10),)), Example({"dim": -1}, ((2, 4, 7, 7),)))

    def work(self, output: Shape, *inputs: Shape) -> Work:
        slices, d = self.slices(output)
        each = Work(comparisons=d - 1, adds=d + (d - 1), transcendentals=d, divisions=d)
        work: Work = each * slices
        return work


@final
class LogSoftmax(_Softmax):
    """``x - max(x) - log(sum(exp(x - max(x))))`` along ``dim``. As ``torch.nn.LogSoftmax``.

    A slice of ``d`` elements costs ``d - 1`` comparisons, ``2 d`` subtractions, ``d - 1`` adds
    and ``d + 1`` transcendentals.
    """

    examples = (Example({"dim": 1}, ((2, 10),)), Example({"dim": 1}, ((2, 4, 7, 7),)))

    def work(self, output: Shape, *inputs: Shape) -> Work:
        slices, d = self.slices(output)
        work: Work = log_softmax(d) * slices
        return work
