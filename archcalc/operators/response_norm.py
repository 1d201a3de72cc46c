"""Normalization of what each channel answers to the whole map."""

from typing import Annotated, final

from pydantic import Field

from archcalc.dims import Shape
from archcalc.operators.base import Call, Example, Trained, Work, elements, require_rank
from archcalc.operators.taps import Gathering


@final
class GlobalResponseNorm(Trained, Gathering):
    """``x + weight * x * n + bias`` with ``n = g / (mean(g) + eps)``, as timm has it.

    ``g`` is the norm of a channel over all positions, and the mean one over the channels. Of
    ConvNeXt V2 (Woo et al. 2023). Each channel of a sample costs its norm (m multiplies, m - 1
    adds and 1 transcendental, of m positions) and 1 division; each sample C adds and 1 division
    for the mean and eps; each element 2 multiplies and 2 adds.
    """

    eps: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1e-6
    """What is added to the mean; it changes no count."""
    channels_last: bool = True
    """Whether the input is (N, H, W, C), or (N, C, H, W)."""

    examples = (
        Example({}, ((2, 7, 6, 8),)),
        Example({"channels_last": False}, ((2, 8, 7, 6),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        require_rank(x, 4, "(N, H, W, C)" if self.channels_last else "(N, C, H, W)")
        return x

    def weights(self, *inputs: Shape) -> dict[str, Shape]:
        channels = inputs[0][-1 if self.channels_last else 1]
        return {"weight": (channels,), "bias": (channels,)}

    def work(self, output: Shape, *inputs: Shape) -> Work:
        out = elements(output)
        samples, channels = output[0], output[-1 if self.channels_last else 1]
        norms = samples * channels
        return (
            Work(multiplies=out, adds=out - norms, transcendentals=norms, divisions=norms)
            + Work(adds=samples * channels, divisions=samples)
            + Work(multiplies=2 * out, adds=2 * out)
        )

    def torch(self, *inputs: Shape) -> Call:
        channels = inputs[0][-1 if self.channels_last else 1]
        return Call("archcalc.GlobalResponseNorm", {"channels": channels, **dict(self)})
