"""Operators that move elements about.

None does arithmetic but an interpolating ``Upsample``, and ``Fold`` where windows overlap.
"""

from math import prod
from typing import TYPE_CHECKING, Annotated, final

from pydantic import AfterValidator, Field, StrictInt, field_validator

from archcalc.dims import Shape, Size, divides, holds, same
from archcalc.errors import ShapeError
from archcalc.operators.autograd import Reshaping, Viewing
from archcalc.operators.base import (
    Call,
    Example,
    Integer,
    Moving,
    Spelled,
    axis_of,
    describe,
    elements,
)
from archcalc.operators.taps import HERE, Scattering, Sources, Traced

if TYPE_CHECKING:
    from archcalc.operators.saving import Autograd, Tensor

SPATIAL = "(N, C, L), (N, C, H, W) or (N, C, D, H, W)"


@final
class Flatten(Moving, Traced, Reshaping, Spelled):
    """Joins the axes ``start_dim`` to ``end_dim`` into one, as ``torch.nn.Flatten``."""

    start_dim: StrictInt = 1
    """The first axis that is joined."""
    end_dim: StrictInt = -1
    """The last axis that is joined."""

    examples = (
        Example({}, ((2, 256, 6, 6),)),
        Example({"start_dim": 2}, ((2, 768, 14, 14),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        start, end = axis_of(self.start_dim, x), axis_of(self.end_dim, x)
        if start > end:
            raise ShapeError(f"start_dim={self.start_dim} comes after end_dim={self.end_dim}")
        return (*x[:start], prod(x[start : end + 1]), *x[end + 1 :])

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        """Positions that are joined with the channels are features, and seen all at once."""
        (x,) = inputs
        start, end = axis_of(self.start_dim, x), axis_of(self.end_dim, x)
        if start == end:
            return ((HERE,) * len(x[2:]),)
        return ("everywhere" if start == 1 and end == len(x) - 1 else "anywhere",)


def extent_or_rest(item: Size) -> Size:
    """An extent, or -1. Raises ``ValueError`` for anything else."""
    if not (type(item) is int and item == -1) and not holds(item >= 1):
        raise ValueError(f"should be at least 1, or -1 for what is left, not {item}")
    return item


@final
class Reshape(Moving, Scattering, Reshaping):
    """Gives every sample another ``shape``, as ``torch.reshape``.

    ``shape`` leaves out the batch axis; one of its items may be -1, which takes what is left.
    """

    shape: Annotated[
        tuple[Annotated[Integer, AfterValidator(extent_or_rest)], ...], Field(min_length=1)
    ]
    """The new sizes without the batch; -1 for what is left."""

    examples = (
        Example({"shape": [16, 5, 5]}, ((2, 400),)),
        Example({"shape": [8, -1, 7]}, ((2, 64, 7),)),
    )

    @field_validator("shape")
    @classmethod
    def _one_rest(cls, value: tuple[Size, ...]) -> tuple[Size, ...]:
        if sum(map(is_rest, value)) > 1:
            raise ValueError(f"only one item can be -1, not several of {describe(value)}")
        return value

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        have = elements(x[1:])
        known = prod(item for item in self.shape if not is_rest(item))
        if any(map(is_rest, self.shape)):
            if not divides(known, have):
                raise ShapeError(
                    f"shape {describe(self.shape)} needs a multiple of {known} elements, "
                    f"but a sample of {describe(x)} has {have}"
                )
        elif not same(known, have):
            raise ShapeError(
                f"shape {describe(self.shape)} has {known} elements, "
                f"but a sample of {describe(x)} has {have}"
            )
        return (x[0], *(have // known if is_rest(item) else item for item in self.shape))

    def torch(self, *inputs: Shape) -> Call:
        return Call("torch.reshape", {"shape": (-1, *self.infer(*inputs)[1:])})


def is_rest(item: Size) -> bool:
    """Whether an item of a shape is -1, which stands for what is left."""
    return type(item) is int and item == -1


@final
class Permute(Moving, Traced, Viewing, Spelled):
    """Reorders the axes, as ``torch.permute``; ``dims`` names all of them, the batch axis too."""

    dims: tuple[StrictInt, ...]
    """The input's axes in the new order."""

    target = "torch.permute"
    examples = (
        Example({"dims": [0, 2, 3, 1]}, ((2, 3, 8, 6),)),
        Example({"dims": [0, 2, 1]}, ((2, 768, 196),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        axes = [axis_of(dim, x) for dim in self.dims]
        if sorted(axes) != list(range(len(x))):
            raise ShapeError(
                f"dims {describe(self.dims)} is no order of the {len(x)} axes of {describe(x)}"
            )
        return tuple(x[axis] for axis in axes)

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        (x,) = inputs
        kept = all(axis_of(dim, x) == i for i, dim in enumerate(self.dims) if i >= 2)
        return ((HERE,) * len(x[2:]) if kept else "anywhere",)

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        return autograd.permute(inputs[0], self.dims)
