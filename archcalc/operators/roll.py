"""A cyclic shift, by which Swin Transformer moves its windows."""

from typing import Annotated, Any, final

from pydantic import Field, StrictInt, ValidationInfo, field_validator

from archcalc.dims import Shape
from archcalc.operators.autograd import SavesNothing
from archcalc.operators.base import Example, Integer, Moving, Spelled, axis_of, listed
from archcalc.operators.taps import HERE, Sources, Traced


@final
class Roll(Moving, Traced, SavesNothing, Spelled):
    """Shifts elements along axes, as ``torch.roll``: what leaves at an end enters at the other."""

    shifts: Integer | Annotated[tuple[Integer, ...], Field(min_length=1)]
    """By how many elements, towards the end; one number, or one for each of ``dims``."""
    dims: StrictInt | Annotated[tuple[StrictInt, ...], Field(min_length=1)]
    """The axis or the axes that are shifted."""

    target = "torch.roll"
    examples = (
        Example({"shifts": [-3, -3], "dims": [1, 2]}, ((2, 14, 14, 96),)),
        Example({"shifts": 1, "dims": -1}, ((2, 3, 8),)),
    )

    @field_validator("dims")
    @classmethod
    def _one_for_each_shift(cls, value: Any, info: ValidationInfo) -> Any:
        shifts, dims = (listed(each) for each in (info.data.get("shifts", ()), value))
        if "shifts" in info.data and len(shifts) != len(dims):
            raise ValueError(f"should be as many as the shifts, {len(shifts)}, not {len(dims)}")
        return value

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        for dim in listed(self.dims):
            axis_of(dim, x)
        return x

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        (x,) = inputs
        rolled = any(axis_of(dim, x) >= 2 for dim in listed(self.dims))
        return ("anywhere" if rolled else (HERE,) * len(x[2:]),)
