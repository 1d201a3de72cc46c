"""What attention is told of positions: biases of the scores, masks, rotations."""

from typing import TYPE_CHECKING, Annotated, final

from pydantic import Field

from archcalc.dims import Shape, Size, divides, same
from archcalc.errors import ShapeError
from archcalc.operators.autograd import Differentiable, Saved, SavesNothing, Stepwise
from archcalc.operators.base import (
    Call,
    Example,
    OfImage,
    OfImageNatural,
    Operator,
    PerElement,
    Spelled,
    Weightless,
    Work,
    describe,
    elements,
    require,
    require_rank_from,
)
from archcalc.operators.taps import Scattering, Sourceless, Sources, Traced, everything, on_axis

if TYPE_CHECKING:
    from archcalc.operators.saving import Autograd, Tensor


class _Window(Operator):
    window_size: OfImage
    """Height and width of the window in which every position attends to every other."""

    def positions(self, count: Size, what: str) -> Size:
        """Positions of a window; raises :class:`ShapeError` unless there are ``count``."""
        height, width = self.window_size
        if not same(height * width, count):
            raise ShapeError(
                f"a window of {height}x{width} has {height * width} positions, {what} {count}"
            )
        return count


@final
class RelativePositionBias(_Window, Sourceless, Stepwise):
    """A trained bias for every head and every distance of two positions in a window.

    Its input, the queries (N, *, h, T, d), gives it only sizes; the biases (N, 1, h, T, T) are
    added to the scores of the attention, as its fourth input. Swin Transformer and CoAtNet have
    them. The table has a row for each of ``(2 Mh - 1) (2 Mw - 1)`` distances, looked up by stored
    indices; names and shapes are torchvision's.
    """

    examples = (
        Example({"window_size": 7}, ((2, 64, 3, 49, 32),)),
        Example({"window_size": [2, 3]}, ((2, 4, 6, 8),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        (q,) = inputs
        require_rank_from(q, 4, "(N, *, heads, T, d)")
        positions = self.positions(q[-2], "but queries have T =")
        return (q[0], *(1 for _ in q[1:-3]), q[-3], positions, positions)

    def weights(self, *inputs: Shape) -> dict[str, Shape]:
        height, width = self.window_size
        distances = (2 * height - 1) * (2 * width - 1)
        return {"relative_position_bias_table": (distances, inputs[0][-3])}

    def buffers(self, *inputs: Shape) -> dict[str, Shape]:
        positions = elements(self.window_size)
        return {"relative_position_index": (positions * positions,)}

    def work(self, output: Shape, *inputs: Shape) -> Work:
        """None: a look-up moves numbers. The attention counts their addition."""
        return Work()

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        """Looked up once for all of the batch."""
        shape = self.infer(inputs[0].shape)
        return autograd.expand(autograd.weighted((1, *shape[1:])), shape)

    def torch(self, *inputs: Shape) -> Call:
        sizes = {"window_size": self.window_size, "num_heads": inputs[0][-3]}
        return Call("archcalc.RelativePositionBias", sizes)


@final
class ShiftedWindowMask(_Window, Weightless, PerElement, Scattering, SavesNothing, Spelled):
    """Adds -100 to the biases of positions that only a cyclic shift has made neighbours.

    Biases (N, 1, h, T, T) give (N, W, h, T, T), with the mask of each of the W windows of a map of
    ``resolution`` that was rolled by ``shift_size``; Swin Transformer's, as torchvision has it. An
    add for every output element. The mask follows from the sizes: it is neither stored nor counted.
    """

    resolution: OfImage
    """Height and width of the map that is cut into windows."""
    shift_size: OfImageNatural
    """By how many positions the map was rolled on each axis."""

    target = "archcalc.ShiftedWindowMask"
    per_element = Work(adds=1)
    examples = (
        Example({"window_size": 7, "resolution": 14, "shift_size": 3}, ((2, 1, 3, 49, 49),)),
        Example(
            {"window_size": [2, 3], "resolution": [4, 9], "shift_size": [1, 0]},
            ((2, 1, 4, 6, 6),),
        ),
    )

    def infer(self, *inputs: Shape) -> Shape:
        (biases,) = inputs
        require_rank_from(biases, 5, "(N, 1, heads, T, T)")
        n, one, heads, *square = biases
        if len(square) != 2 or not same(one, 1) or not same(*square):
            raise ShapeError(f"takes biases (N, 1, heads, T, T), not {describe(biases)}")
        positions = self.positions(square[0], "but the biases are of")
        count: Size = 1
        for extent, window, shift in zip(
            self.resolution, self.window_size, self.shift_size, strict=True
        ):
            if not divides(window, extent):
                raise ShapeError(f"windows of {window} do not divide a map's extent of {extent}")
            require(shift < window, f"shift_size={shift} should be less than a window of {window}")
            count = count * (extent // window)
        return (n, count, heads, positions, positions)


@final
class RotaryEmbedding(Weightless, PerElement, Traced, Differentiable, Spelled):
    """Turns pairs of features by an angle that grows with the position (Su et al. 2021).

    Queries or keys (N, *, T, d) of an even d keep their shape; feature i is paired with i + d/2, as
    in Llama. Two multiplies and an add for every element. The cosines and sines are a table of
    positions, which all layers and samples share: neither stored nor counted.
    """

    base: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 10000.0
    """Its power ``-2i / d`` is the angle of pair i from one position to the next."""

    target = "archcalc.RotaryEmbedding"
    per_element = Work(multiplies=2, adds=1)
    examples = (
        Example({}, ((2, 4, 10, 16),)),
        Example({"base": 500000.0}, ((2, 10, 6),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        require_rank_from(x, 3, "(N, *, T, d)")
        if not divides(2, x[-1]):
            raise ShapeError(f"pairs features, but {describe(x)} has an odd number: {x[-1]}")
        return x

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        (x,) = inputs
        return (on_axis(everything(x[-1]), len(x) - 1, len(x)),)

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        """The cosines and the sines of every position and feature."""
        return Saved(elements=2 * output[-2] * output[-1])
