"""Elements that are turned round or repeated, and windows that are cut out and put back."""

from math import prod
from typing import Annotated, final

from pydantic import Field, StrictInt

from archcalc.dims import Shape, Size, divides, same
from archcalc.errors import ShapeError
from archcalc.operators.autograd import SavesNothing
from archcalc.operators.axes import Several
from archcalc.operators.base import (
    Call,
    Count,
    Example,
    Moving,
    OfImage,
    OfImageNatural,
    Spelled,
    Weightless,
    Work,
    describe,
    elements,
    listed,
    require_rank,
)
from archcalc.operators.reduction import sample_axis
from archcalc.operators.taps import HERE, Scattering, Sources, Traced
from archcalc.operators.window import slide


@final
class Flip(Moving, Traced, SavesNothing):
    """Turns axes round, as ``torch.flip``."""

    dims: Several
    """The axis or the axes; not the batch."""

    examples = (Example({"dims": 1}, ((2, 8, 5),)), Example({"dims": [2, 3]}, ((2, 3, 8, 8),)))

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        axes = [sample_axis(dim, x) for dim in listed(self.dims)]
        if len(set(axes)) < len(axes):
            raise ShapeError(f"dims={self.dims} names an axis twice")
        return x

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        (x,) = inputs
        turned = any(sample_axis(dim, x) >= 2 for dim in listed(self.dims))
        return ("anywhere" if turned else (HERE,) * len(x[2:]),)

    def torch(self, *inputs: Shape) -> Call:
        return Call("torch.flip", {"dims": listed(self.dims)})


@final
class Repeat(Moving, Scattering, SavesNothing, Spelled):
    """Puts so many copies side by side on every axis, as ``torch.tile``: 1 2 becomes 1 2 1 2.

    ``repeats`` leaves out the batch. It may name more axes than there are, which come after it.
    """

    repeats: Annotated[tuple[Count, ...], Field(min_length=1)]
    """How many copies, for every axis of a sample."""

    target = "archcalc.Repeat"
    examples = (
        Example({"repeats": [3, 1]}, ((2, 1, 512),)),
        Example({"repeats": [4, 1, 2]}, ((2, 8, 5),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        missing = len(self.repeats) - len(x[1:])
        if missing < 0:
            raise ShapeError(f"repeats {describe(self.repeats)} has fewer axes than {describe(x)}")
        sample = (1,) * missing + tuple(x[1:])
        return (x[0], *(n * times for n, times in zip(sample, self.repeats, strict=True)))


@final
class RepeatInterleave(Moving, Scattering, SavesNothing, Spelled):
    """Repeats every element on an axis, as ``torch.repeat_interleave``: 1 2 becomes 1 1 2 2."""

    repeats: Count
    """How often each is there."""
    dim: StrictInt = 1
    """The axis; not the batch."""

    target = "torch.repeat_interleave"
    examples = (Example({"repeats": 4, "dim": 1}, ((2, 8, 10, 16),)),)

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        axis = sample_axis(self.dim, x)
        return (*x[:axis], x[axis] * self.repeats, *x[axis + 1 :])


class _Patches(Spelled):
    kernel_size: OfImage
    """Extent of a window."""
    stride: OfImage = 1
    """Distance from one window to the next."""
    padding: OfImageNatural = 0
    """What is added at both ends of every axis."""
    dilation: OfImage = 1
    """Distance between the elements of a window."""

    def windows(self, height: Size, width: Size) -> Size:
        """How many windows there are on a map of these extents."""
        axes = zip(
            (height, width), self.kernel_size, self.stride, self.dilation, self.padding, strict=True
        )
        return prod(slide(n, k, s, d, (p, p)) for n, k, s, d, p in axes)


@final
class Unfold(_Patches, Moving, Scattering, SavesNothing):
    """Cuts a map (N, C, H, W) into windows: (N, C kh kw, windows), as ``torch.nn.Unfold``."""

    examples = (
        Example({"kernel_size": 3, "padding": 1}, ((2, 8, 10, 7),)),
        Example({"kernel_size": [2, 3], "stride": 2}, ((2, 8, 10, 7),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        require_rank(x, 4, "(N, C, H, W)")
        return (x[0], x[1] * prod(self.kernel_size), self.windows(x[2], x[3]))


@final
class Fold(_Patches, Weightless, Scattering, SavesNothing):
    """Puts windows (N, C kh kw, windows) back on a map (N, C, H, W), as ``torch.nn.Fold``.

    Where they overlap they are summed: 1 add for every element of the input.
    """

    output_size: OfImage
    """Height and width of the map."""

    examples = (
        Example({"output_size": [10, 7], "kernel_size": 3, "padding": 1}, ((2, 72, 70),)),
        Example({"output_size": 8, "kernel_size": 2, "stride": 2}, ((2, 12, 16),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        require_rank(x, 3, "(N, C kh kw, windows)")
        window = prod(self.kernel_size)
        if not divides(window, x[1]):
            raise ShapeError(f"a window of {window} does not divide {x[1]}")
        windows = self.windows(*self.output_size)
        if not same(windows, x[2]):
            raise ShapeError(
                f"a map of {describe(self.output_size)} has {windows} windows, not {x[2]}"
            )
        return (x[0], x[1] // window, *self.output_size)

    def work(self, output: Shape, *inputs: Shape) -> Work:
        return Work(adds=elements(inputs[0]))
