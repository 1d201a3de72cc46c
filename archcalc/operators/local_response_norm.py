"""Normalization across neighbouring channels, as AlexNet and GoogLeNet have it."""

from typing import final

from pydantic import FiniteFloat

from archcalc.dims import Shape
from archcalc.operators.autograd import Differentiable, Saved
from archcalc.operators.base import (
    Count,
    Example,
    Spelled,
    Weightless,
    Work,
    elements,
    require_rank_from,
)
from archcalc.operators.taps import Pointwise


@final
class LocalResponseNorm(Weightless, Pointwise, Differentiable, Spelled):
    """``x / (k + alpha / size * (sum of squares over size channels)) ** beta`` on (N, C, *).

    As ``torch.nn.LocalResponseNorm``. An element costs 1 multiply (its square), ``size - 1`` adds,
    1 multiply by ``alpha / size``, 1 add of ``k``, 1 transcendental (the power) and 1 division;
    windows over the first and last channels count their padding. AlexNet's printed alpha is not
    divided by ``size``: Krizhevsky et al., ImageNet classification with deep convolutional neural
    networks, 2012, section 3.3.
    """

    examples = (Example({"size": 5, "alpha": 5e-4, "k": 2.0}, ((2, 12, 7, 7),)),)

    size: Count
    """How many neighbouring channels are summed."""
    alpha: FiniteFloat = 1e-4
    """Factor of the mean square."""
    beta: FiniteFloat = 0.75
    """The exponent."""
    k: FiniteFloat = 1.0
    """Added before the power is taken."""

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        require_rank_from(x, 3, "(N, C, *)")
        return x

    def work(self, output: Shape, *inputs: Shape) -> Work:
        out = elements(output)
        # The adds are size - 1 for the window and 1 for k.
        return Work(multiplies=2 * out, adds=self.size * out, transcendentals=out, divisions=out)

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        """The input, its squares padded by channels, the base of the power and the power."""
        n, channels, *spatial = output
        padded = elements((n, channels + self.size - 1, *spatial))
        return Saved(inputs=(0,), elements=padded + 2 * elements(output))
