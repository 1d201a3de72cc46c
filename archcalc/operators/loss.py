"""Losses of a prediction against a target.

With ``reduction`` ``mean`` (the default) or ``sum`` the output is a scalar of shape ``()``:
the sum of ``n`` losses is ``n - 1`` adds, and their mean one division more. A change of sign is
not counted, and a magnitude ``|x|`` is one comparison.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, final

from pydantic import Field

from archcalc.dims import Shape, Size, same
from archcalc.errors import ShapeError
from archcalc.operators.autograd import Differentiable, Saved, SavesInputs, Stepwise
from archcalc.operators.base import (
    Example,
    Spelled,
    Weightless,
    Work,
    describe,
    elements,
    require_rank_from,
)
from archcalc.operators.softmax import log_softmax

if TYPE_CHECKING:
    from archcalc.operators.saving import Autograd, Tensor


class _Loss(Weightless, Spelled):
    arity = (2, 2)
    takes = ("input", "target")

    reduction: Literal["mean", "sum", "none"] = "mean"
    """What is made of the losses."""

    @abstractmethod
    def losses(self, prediction: Shape, target: Shape) -> Shape:
        """The shape of the losses before they are reduced. Raises where the inputs do not fit."""

    @abstractmethod
    def per_loss(self, prediction: Shape) -> Work:
        """The arithmetic of one loss before they are reduced."""

    def infer(self, *inputs: Shape) -> Shape:
        losses = self.losses(*inputs)
        return losses if self.reduction == "none" else ()

    def work(self, output: Shape, *inputs: Shape) -> Work:
        n = elements(self.losses(*inputs))
        work: Work = self.per_loss(inputs[0]) * n
        if self.reduction == "none":
            return work
        return work + Work(adds=n - 1, divisions=1 if self.reduction == "mean" else 0)


class _ElementwiseLoss(_Loss):
    per_element: ClassVar[Work]

    def losses(self, prediction: Shape, target: Shape) -> Shape:
        if len(prediction) != len(target) or not all(map(same, prediction, target)):
            raise ShapeError(
                f"prediction {describe(prediction)} and target {describe(target)} differ"
            )
        return prediction

    def per_loss(self, prediction: Shape) -> Work:
        return self.per_element


@final
class L1Loss(_ElementwiseLoss, Differentiable):
    """``|x - y|`` of a prediction and a target of its shape, as ``torch.nn.L1Loss``.

    An element costs 1 subtraction and 1 comparison.
    """

    per_element = Work(adds=1, comparisons=1)
    examples = (
        Example({}, ((2, 10), (2, 10))),
        Example({"reduction": "none"}, ((2, 3, 4, 4), (2, 3, 4, 4))),
    )

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        """The differences."""
        return Saved(elements=elements(inputs[0]))


@final
class MSELoss(_ElementwiseLoss, SavesInputs):
    """``(x - y)^2`` of a prediction and a target of its shape, as ``torch.nn.MSELoss``.

    An element costs 1 subtraction and 1 multiply.
    """

    per_element = Work(adds=1, multiplies=1)
    examples = (
        Example({}, ((2, 10), (2, 10))),
        Example({"reduction": "sum"}, ((2, 3, 4, 4), (2, 3, 4, 4))),
    )


@final
class HuberLoss(_ElementwiseLoss, SavesInputs):
    """``e^2 / 2`` where ``e = |x - y|`` is at most ``delta``, else ``delta (e - delta / 2)``.

    As ``torch.nn.HuberLoss``. An element costs 1 subtraction, 2 comparisons (the magnitude, and
    ``delta``) and, every element taken as on the quadratic branch, 2 multiplies.
    """

    per_element = Work(adds=1, comparisons=2, multiplies=2)
    examples = (Example({"delta": 0.5}, ((2, 10), (2, 10))),)

    delta: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """Where the loss becomes linear."""


@final
class HingeLoss(_ElementwiseLoss, Stepwise):
    """``max(0, 1 - y x)`` of a prediction ``x`` and a target ``y`` of -1 or 1 of its shape.

    An element costs 1 multiply, 1 subtraction and 1 comparison. The loss of support vector
    machines (Cortes and Vapnik, Support-vector networks, 1995); not in PyTorch, whose
    ``HingeEmbeddingLoss`` is another function.
    """

    per_element = Work(adds=1, comparisons=1, multiplies=1)
    target = "archcalc.HingeLoss"
    examples = (Example({}, ((2, 10), (2, 10))),)

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        """The factors are kept, and what is left of the losses."""
        x, y = inputs
        autograd.product(y, x)
        losses = autograd.elementwise(y, x)
        autograd.keep(losses)
        return losses if self.reduction == "none" else autograd.new((), losses)


@final
class CrossEntropyLoss(_Loss, Differentiable):
    """``-log softmax(x)`` at the target's class: ``x`` is (N, C, *), the target indices (N, *).

    As ``torch.nn.CrossEntropyLoss`` with class indices. A loss costs a
    :class:`~archcalc.operators.activation.LogSoftmax` over C and a look-up. With smoothing the
    loss is ``(1 - s) * loss + s / C * (sum of -log softmax)``, whose two factors are constants:
    C adds and 2 multiplies more.
    """

    indices = (1,)
    examples = (
        Example({}, ((2, 10), (2,))),
        Example({"label_smoothing": 0.1, "reduction": "none"}, ((2, 5, 4, 4), (2, 4, 4))),
    )

    label_smoothing: Annotated[float, Field(ge=0, le=1)] = 0.0
    """What part of the target is spread over all classes."""

    def losses(self, prediction: Shape, target: Shape) -> Shape:
        require_rank_from(prediction, 2, "(N, C, *)")
        expected = (prediction[0], *prediction[2:])
        if len(target) != len(expected) or not all(map(same, target, expected)):
            raise ShapeError(
                f"prediction {describe(prediction)} takes target indices {describe(expected)}, "
                f"not {describe(target)}"
            )
        return expected

    def per_loss(self, prediction: Shape) -> Work:
        classes: Size = prediction[1]
        work = log_softmax(classes)
        return work + Work(adds=classes, multiplies=2) if self.label_smoothing else work

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        """The logarithms of the softmax, the target, and how many losses are averaged.

        Smoothing keeps which targets are masked, and how many are not.
        """
        prediction, target = inputs
        smooth = self.label_smoothing > 0
        return Saved(
            inputs=(1,),
            elements=elements(prediction) + 1,
            flags=elements(target) if smooth else 0,
            indices=1 if smooth and self.reduction == "mean" else 0,
        )
