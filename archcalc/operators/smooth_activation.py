"""Activations that are smooth, or imitate one that is, element by element."""

from typing import Annotated, Literal, Self, final

from pydantic import Field, FiniteFloat, model_validator

from archcalc.dims import Shape
from archcalc.operators.activation import IMAGE, VECTOR, Activation, Elementwise
from archcalc.operators.autograd import Differentiable, Saved, SavesInputOrCopy, SavesInputs
from archcalc.operators.base import Example, Work, elements

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@final
class ELU(Elementwise, SavesInputs):
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
class SELU(Elementwise, SavesInputs):
    """``scale * x`` above 0, else ``scale * (alpha * (exp(x) - 1))``. As ``torch.nn.SELU``.

    1 comparison, 1 transcendental, 1 add, 2 multiplies.
    """

    per_element = Work(comparisons=1, transcendentals=1, adds=1, multiplies=2)
    examples = (IMAGE,)

    inplace: bool = False
    """Whether the input's memory is used for the output; it changes no count."""


@final
class CELU(Elementwise, SavesInputs):
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
class GELU(Activation, SavesInputs):
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
class SiLU(Elementwise, SavesInputOrCopy):
    """``x * sigmoid(x)``, also named swish: a sigmoid and 1 multiply. As ``torch.nn.SiLU``."""

    per_element = Work(transcendentals=1, adds=1, divisions=1, multiplies=1)
    examples = (IMAGE,)

    inplace: bool = False
    """Whether the input's memory is used for the output; it changes no count."""


@final
class Mish(Elementwise, SavesInputOrCopy):
    """``x * tanh(log(1 + exp(x)))``: 3 transcendentals, 1 add, 1 multiply. As ``torch.nn.Mish``."""

    per_element = Work(transcendentals=3, adds=1, multiplies=1)
    examples = (IMAGE,)

    inplace: bool = False
    """Whether the input's memory is used for the output; it changes no count."""


@final
class LogSigmoid(Elementwise, Differentiable):
    """``-log(1 + exp(-x))``: 2 transcendentals, 1 add. As ``torch.nn.LogSigmoid``."""

    per_element = Work(transcendentals=2, adds=1)
    examples = (VECTOR,)

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        return Saved(inputs=(0,), elements=elements(output))


@final
class Softplus(Elementwise, SavesInputs):
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
class Hardtanh(Elementwise, SavesInputOrCopy):
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
    def _ordered(self) -> Self:
        if self.min_val >= self.max_val:
            raise ValueError(f"min_val={self.min_val} is not below max_val={self.max_val}")
        return self


@final
class Hardswish(Elementwise, SavesInputOrCopy):
    """``x * relu6(x + 3) / 6``: 1 add, 2 comparisons, 1 multiply, 1 division.

    As ``torch.nn.Hardswish``.
    """

    per_element = Work(adds=1, comparisons=2, multiplies=1, divisions=1)
    examples = (IMAGE,)

    inplace: bool = False
    """Whether the input's memory is used for the output; it changes no count."""


@final
class Hardsigmoid(Elementwise, SavesInputOrCopy):
    """``relu6(x + 3) / 6``: 1 add, 2 comparisons, 1 division. As ``torch.nn.Hardsigmoid``."""

    per_element = Work(adds=1, comparisons=2, divisions=1)
    examples = (IMAGE,)

    inplace: bool = False
    """Whether the input's memory is used for the output; it changes no count."""
