"""A trained tensor that stands by itself: a class token, a positional embedding, a layer scale."""

from typing import Annotated, final

from pydantic import Field

from archcalc.dims import Shape
from archcalc.operators.autograd import Stored
from archcalc.operators.base import Call, Count, Example, Trained, Work
from archcalc.operators.taps import Sources, Traced


@final
class Parameter(Trained, Traced, Stored):
    """A trained tensor of a given ``shape``, the same for every sample: (N, *shape).

    Its input gives it the batch N and nothing else. It is what is written with
    ``torch.nn.Parameter`` and ``expand``: a class token that is joined to the patches, a positional
    embedding that is added, a scale of every channel that is multiplied (where axes of 1 stretch).
    PyTorch's often has an axis of 1 in the batch's place, which ``shape`` leaves out.

    The add or multiply is counted where it is done.
    """

    shape: Annotated[tuple[Count, ...], Field(min_length=1)]
    """Its sizes without the batch."""

    examples = (
        Example({"shape": [1, 768]}, ((2, 196, 768),)),
        Example({"shape": [96, 1, 1]}, ((2, 96, 56, 56),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        return (inputs[0][0], *self.shape)

    def weights(self, *inputs: Shape) -> dict[str, Shape]:
        return {"weight": self.shape}

    def work(self, output: Shape, *inputs: Shape) -> Work:
        """None: it is stored, not computed."""
        return Work()

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        """No position: it depends on no input."""
        return ()

    def torch(self, *inputs: Shape) -> Call:
        return Call("archcalc.Parameter", {"shape": self.shape})
