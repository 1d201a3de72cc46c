"""Tensors that no input gives: class tokens, positional embeddings, masks, zeros to begin with."""

from typing import TYPE_CHECKING, Annotated, Any, final

from pydantic import Field, PlainValidator, StrictInt, WithJsonSchema

from archcalc.dims import Shape
from archcalc.errors import ShapeError
from archcalc.operators.autograd import INTEGER, Stepwise, Stored
from archcalc.operators.base import Call, Count, Example, Spelled, Weightless, Work, axis_of
from archcalc.operators.taps import Sourceless

if TYPE_CHECKING:
    from archcalc.operators.saving import Autograd, Tensor

Sizes = Annotated[tuple[Count, ...], Field(min_length=1)]


@final
class Parameter(Sourceless, Stored):
    """A trained tensor of a given ``shape``, the same for every sample: (N, *shape).

    Its input gives it the batch N and nothing else. It is what is written with
    ``torch.nn.Parameter`` and ``expand``: a class token that is joined to the patches, a positional
    embedding that is added, a scale of every channel that is multiplied (where axes of 1 stretch).
    PyTorch's often has an axis of 1 in the batch's place, which ``shape`` leaves out. With
    ``trained: false`` it is a buffer: stored, and not trained.

    The add or multiply is counted where it is done.
    """

    shape: Sizes
    """Its sizes without the batch."""
    trained: bool = True
    """Whether it is a parameter; a buffer otherwise."""
    used: bool = True
    """Whether something takes it; one that is only stored may lead to no output."""

    examples = (
        Example({"shape": [1, 768]}, ((2, 196, 768),)),
        Example({"shape": [96, 1, 1]}, ((2, 96, 56, 56),)),
        Example({"shape": [16, 32], "trained": False}, ((2, 16, 32),)),
        Example({"shape": [7], "used": False}, ((2, 7),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        return (inputs[0][0], *self.shape)

    def torch(self, *inputs: Shape) -> Call:
        return Call("archcalc.Parameter", {"shape": self.shape, "trained": self.trained})

    def weights(self, *inputs: Shape) -> dict[str, Shape]:
        return {"weight": self.shape} if self.trained else {}

    def buffers(self, *inputs: Shape) -> dict[str, Shape]:
        return {} if self.trained else {"weight": self.shape}

    def work(self, output: Shape, *inputs: Shape) -> Work:
        """None: it is stored, not computed."""
        return Work()

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        stored = autograd.weight(self.shape)
        if not self.trained:
            stored = stored._replace(trained=False)
        return autograd.expand(stored, self.infer(inputs[0].shape))


MADE = ("arange", "eye", "tril", "sinusoidal")
"""What a constant may be filled with, beside a number."""


def _filling(value: Any) -> Any:
    if value in MADE or type(value) is int or (isinstance(value, float) and value == value):
        return value
    raise ValueError(f"should be a number or one of {', '.join(MADE)}, not {value!r}")


@final
class Constant(Weightless, Sourceless, Stepwise, Spelled):
    """A tensor that follows from its ``shape`` alone, the same for every sample: (N, *shape).

    Its input gives it the batch N and nothing else. ``fill`` is a number, as in ``torch.full``;
    ``arange`` counts along the last axis from 0; ``eye`` is 1 where the last two axes agree and
    ``tril`` where the last is not beyond the one before; ``sinusoidal`` is the table of positions
    and features of Vaswani et al. 2017: ``sin`` and ``cos`` of ``t / 10000^(2i/d)`` in turn.

    It is neither stored nor counted.
    """

    shape: Sizes
    """Its sizes without the batch."""
    fill: Annotated[
        Any,
        PlainValidator(_filling),
        WithJsonSchema({"anyOf": [{"type": "number"}, {"enum": list(MADE)}]}),
    ] = 0
    """What it holds."""

    target = "archcalc.Constant"
    examples = (
        Example({"shape": [1, 512]}, ((2, 20, 512),)),
        Example({"shape": [77], "fill": "arange"}, ((2, 77),)),
        Example({"shape": [16, 32], "fill": "sinusoidal"}, ((2, 16),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        if self.fill in MADE[1:] and len(self.shape) < 2:
            raise ShapeError(f"fill={self.fill} needs a shape of two axes or more")
        return (inputs[0][0], *self.shape)

    def work(self, output: Shape, *inputs: Shape) -> Work:
        """None: it is known before anything runs."""
        return Work()

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        """Made once for all samples, a number once for all elements; positions are integers."""
        from archcalc.operators.saving import Storage

        own = {"arange": 1, "eye": 2, "tril": 2, "sinusoidal": 2}.get(self.fill, 0)
        made = autograd.new((1, *self.shape[len(self.shape) - own :]) if own else (1,))
        if self.fill == "arange":
            made = made._replace(storage=Storage(made.storage.elements, INTEGER))
        return autograd.expand(made, self.infer(inputs[0].shape))


@final
class Cache(Weightless, Sourceless, Stepwise, Spelled):
    """What was kept of ``length`` steps before: a tensor like its input, so long on axis ``dim``.

    The keys and values of the tokens before a new one are joined in front of its own (``Concat``),
    and so may be latent features, or the last samples that a causal convolution sees. It comes from
    outside, as an input of the network does: it is neither a parameter nor computed. Here it is
    zeros. How many bytes it takes, ``archcalc.memory`` and ``archcalc.generate`` say.
    """

    length: Count
    """How many steps were kept."""
    dim: StrictInt = 2
    """The axis that they are on; not the batch."""

    target = "archcalc.Cache"
    examples = (
        Example({"length": 7}, ((2, 4, 1, 16),)),
        Example({"length": 3, "dim": 1}, ((2, 5, 8),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        axis = axis_of(self.dim, inputs[0])
        if axis == 0:
            raise ShapeError("dim=0 is the batch, which keeps no steps")
        return tuple(self.length if k == axis else n for k, n in enumerate(inputs[0]))

    def work(self, output: Shape, *inputs: Shape) -> Work:
        """None: it is kept, not computed."""
        return Work()

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        """Memory that is there anyway, and nothing that is trained."""
        kept = autograd.new(self.infer(inputs[0].shape))
        kept.storage.stored = True
        return kept
