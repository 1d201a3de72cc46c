"""Quotients, powers and choices, element by element."""

import math
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, final

from pydantic import ConfigDict, PlainValidator, WithJsonSchema, model_validator

from archcalc.dims import Shape
from archcalc.operators.autograd import FLAG, SavesInputs, Stepwise
from archcalc.operators.base import (
    Call,
    Example,
    Keeping,
    PerElement,
    Spelled,
    Weightless,
    Work,
    elements,
)
from archcalc.operators.join import Combining, Meeting, Number, spelled
from archcalc.operators.taps import Pointwise

if TYPE_CHECKING:
    from archcalc.operators.saving import Autograd, Tensor


@final
class Div(Combining, PerElement, Stepwise):
    """The quotient of two inputs, broadcast sample by sample: 1 division an output element.

    With ``by`` the only input is divided by a number, with ``of`` a number by the input.
    """

    of: Number | None = None
    """A number in the place of the first input: ``of: 1`` is ``1 / x``."""

    per_element = Work(divisions=1)
    examples = (
        Example({}, ((2, 8, 5), (2, 8, 1))),
        Example({"by": 8}, ((2, 8),)),
        Example({"of": 1}, ((2, 8),)),
    )

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        """The divisor is kept, the other where that is trained; ``1 / x`` beside a number."""
        output = autograd.elementwise(*inputs)
        if self.of is not None and output.trained:
            autograd.keep_more(elements(output.shape))
        if len(inputs) == 2:
            autograd.product(*inputs)
            autograd.keep(*(x for x in inputs[1:] if x.trained))
        return output

    def torch(self, *inputs: Shape) -> Call:
        if self.of is not None:
            return Call("archcalc.Leading", {"function": "div", "number": self.of})
        return spelled("div", inputs) if self.by is None else Call("torch.div", {"other": self.by})


@final
class Pow(Combining, Stepwise):
    """One input to the power of another, broadcast sample by sample, as ``torch.pow``.

    1 transcendental an output element. With ``by`` the exponent is a number, of which 2 costs
    1 multiply and 3 costs 2; with ``of`` the base is one.
    """

    of: Number | None = None
    """A number in the place of the base: ``of: 2`` is ``2^x``."""

    examples = (
        Example({}, ((2, 8, 5), (2, 8, 1))),
        Example({"by": 2}, ((2, 8),)),
        Example({"by": 0.5}, ((2, 8),)),
        Example({"of": 2}, ((2, 8),)),
    )

    def work(self, output: Shape, *inputs: Shape) -> Work:
        out = elements(output)
        for whole in (2, 3):
            if isinstance(self.by, (int, float)) and self.by == whole:
                return Work(multiplies=(whole - 1) * out)
        return Work(transcendentals=out)

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        """The inputs are kept, and the power unless its exponent is a number."""
        output = autograd.elementwise(*inputs)
        if output.trained:
            autograd.keep(*inputs, *(() if self.by is not None else (output,)))
        return output

    def torch(self, *inputs: Shape) -> Call:
        if self.of is not None:
            return Call("archcalc.Leading", {"function": "pow", "number": self.of})
        if self.by is not None:
            return Call("torch.pow", {"exponent": self.by})
        return spelled("pow", inputs)


@final
class Clamp(Weightless, Keeping, Pointwise, SavesInputs, Spelled):
    """``x`` but not below ``min`` nor above ``max``: a comparison for each. As ``torch.clamp``."""

    min: Number | None = None
    """The smallest output."""
    max: Number | None = None
    """The largest output."""

    target = "torch.clamp"
    examples = (Example({"min": 0}, ((2, 8),)), Example({"min": -1, "max": 1}, ((2, 8, 5),)))

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("takes min, max or both")
        return self

    def work(self, output: Shape, *inputs: Shape) -> Work:
        bounds = (self.min is not None) + (self.max is not None)
        return Work(comparisons=bounds * elements(output))


@final
class Where(Meeting, PerElement, Stepwise, Spelled):
    """Elements of the second input where the first is not 0, else of the third: 1 comparison.

    As ``torch.where``; the three broadcast sample by sample.
    """

    arity = (3, 3)
    takes = ("condition", "input", "other")

    target = "archcalc.Where"
    per_element = Work(comparisons=1)
    examples = (
        Example({}, ((2, 8, 5), (2, 8, 5), (2, 8, 5))),
        Example({}, ((2, 8, 1), (2, 8, 5), (2, 5))),
    )

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        """The condition is kept, as flags, and has no gradient."""
        condition, *others = inputs
        output = autograd.elementwise(*inputs)._replace(trained=any(x.trained for x in others))
        if output.trained:
            autograd.keep_more(elements(condition.shape), FLAG)
        return output


def _any_number(value: Any) -> Any:
    if type(value) in (int, float) and not math.isnan(value):
        return value
    raise ValueError(f"should be a number, not {value!r}")


@final
class MaskedFill(Meeting, PerElement, Stepwise, Spelled):
    """The first input, but ``value`` where the second is not 0: 1 comparison an element.

    As ``torch.masked_fill``; the two broadcast sample by sample.
    """

    takes = ("input", "mask")

    model_config: ClassVar[ConfigDict] = ConfigDict(ser_json_inf_nan="constants")
    value: Annotated[Any, PlainValidator(_any_number), WithJsonSchema({"type": "number"})]
    """What is filled in; ``-.inf`` is minus infinity."""

    target = "archcalc.MaskedFill"
    per_element = Work(comparisons=1)
    examples = (
        Example({"value": -1e9}, ((2, 4, 10, 10), (2, 1, 10, 10))),
        Example({"value": 0}, ((2, 8), (2, 8))),
    )

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        """The mask is kept, as flags, and has no gradient."""
        x, mask = inputs
        if x.trained:
            autograd.keep_more(elements(mask.shape), FLAG)
        return autograd.elementwise(x, mask)._replace(trained=x.trained)
