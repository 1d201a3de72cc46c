"""What training asks of an operator: the memory it keeps, and the products of its backward pass.

An operator that can't say what is kept derives from none of the classes here, and is reported as
not counted. Saved tensors are those of derivatives.yaml in PyTorch 2.13, without parameters.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, NamedTuple

from archcalc.dims import Shape, Size
from archcalc.operators.base import Operator, elements

if TYPE_CHECKING:
    from archcalc.operators.saving import Autograd, Tensor

INTEGER = 8
"""Bytes of an index into a tensor, and of a counter."""

FLOAT32 = 4
"""Bytes of what is computed in float32, whatever the network's dtype."""

FLAG = 1
"""Bytes of a yes or no."""

WEIGHTS = -1
"""Stands for trained tensors where the number of an input might stand."""


class Saved(NamedTuple):
    """Tensors that are kept for the backward pass."""

    inputs: tuple[int, ...] = ()
    """Which inputs are kept, from 0."""
    output: bool = False
    """Whether the output is kept."""
    elements: Size = 0
    """Numbers of the network's dtype that are kept besides."""
    indices: Size = 0
    """64-bit integers that are kept."""
    flags: Size = 0
    """Single bytes that are kept."""


class Differentiable(Operator):
    """An operator that says what it keeps for the backward pass.

    With a field ``inplace`` that is true its output is the memory of its input.
    """

    @abstractmethod
    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        """What is kept in training, beside its parameters."""


class SavesNothing(Differentiable):
    """Its derivative does not depend on what it computed."""

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        return Saved()


class Untrained(SavesNothing):
    """Gives whole numbers or flags, through which nothing is trained."""


class SavesInputs(Differentiable):
    """Its derivative depends on all of its inputs."""

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        return Saved(inputs=tuple(range(len(inputs))))


class SavesOutput(Differentiable):
    """Its derivative follows from its output."""

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        return Saved(output=True)


class SavesInputOrCopy(Differentiable):
    """Its derivative depends on its input, of which ``inplace`` leaves nothing but a copy."""

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        (x,) = inputs
        copied = getattr(self, "inplace", False)  # a field of the operators, where PyTorch has it
        return Saved(elements=elements(x)) if copied else Saved(inputs=(0,))


class Stepwise(Operator):
    """An operator of which autograd sees several, or which are kept by what needs a gradient."""

    @abstractmethod
    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        """Does in training what PyTorch does, step by step."""


class Viewing(Stepwise):
    """Its output is the memory of its input, seen in another way; or a copy, where that can't be.

    Nothing is kept of it.
    """


class Reshaping(Viewing):
    """It is ``torch.reshape`` to the shape of its output."""

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        return autograd.reshape(inputs[0], self.infer(inputs[0].shape))


class Stored(Stepwise):
    """Its output is the memory of its own weights."""


class Product(NamedTuple):
    """Multiply-accumulates of a forward pass, and what their factors are computed from.

    Of ``y_k = sum a_i b_j`` the gradients of both factors are sums over the same products, with
    the gradient of ``y`` for one of them: each takes as many multiply-accumulates as the forward
    pass does.
    """

    macs: Size
    factors: tuple[tuple[int, ...], ...]
    """For each factor the inputs it is computed from, from 0, and ``WEIGHTS``. A constant such as
    the first state of a recurrent layer is no factor; a square has one."""


class Multiplying(Operator):
    """An operator that says what its multiply-accumulates multiply."""

    @abstractmethod
    def products(self, output: Shape, *inputs: Shape) -> tuple[Product, ...]:
        """Products whose multiply-accumulates are, together, those of ``work``."""


class Weighing(Multiplying):
    """Multiplies its only input by its weights, and nothing else."""

    def products(self, output: Shape, *inputs: Shape) -> tuple[Product, ...]:
        return (Product(self.work(output, *inputs).macs, ((WEIGHTS,), (0,))),)


class TrainingOnly(Differentiable):
    """Gives its input itself at inference."""
