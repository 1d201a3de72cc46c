"""One half of the channels as a gate for the other."""

from typing import final

from pydantic import StrictInt

from archcalc.dims import Shape, divides
from archcalc.errors import ShapeError
from archcalc.operators.autograd import SavesInputs
from archcalc.operators.base import Example, PerElement, Spelled, Weightless, Work, describe
from archcalc.operators.reduction import sample_axis
from archcalc.operators.taps import Sources, Traced, everything, on_axis


@final
class GLU(Weightless, PerElement, Traced, SavesInputs, Spelled):
    """``a * sigmoid(b)`` of the two halves of an axis, as ``torch.nn.GLU``.

    An output element is a sigmoid (1 transcendental, 1 add, 1 division) and 1 multiply.
    """

    dim: StrictInt = -1
    """The axis that is halved; not the batch."""

    per_element = Work(transcendentals=1, adds=1, divisions=1, multiplies=1)
    examples = (Example({}, ((2, 7, 16),)), Example({"dim": 1}, ((2, 8, 5, 5),)))

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        axis = sample_axis(self.dim, x)
        if not divides(2, x[axis]):
            raise ShapeError(f"halves axis {axis}, but {describe(x)} has {x[axis]} there")
        return (*x[:axis], x[axis] // 2, *x[axis + 1 :])

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        (x,) = inputs
        halved = sample_axis(self.dim, x)
        return (on_axis(everything(x[halved]), halved, len(x)),)
