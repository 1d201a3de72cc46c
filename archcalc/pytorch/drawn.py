"""A network with weights and inputs, and what the CPU computes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archcalc.analysis.counted import Analysis
from archcalc.pytorch.asked import SEED, stored_as
from archcalc.spec.bits import BYTES

if TYPE_CHECKING:
    from archcalc.pytorch.network import Network


MOST_COMPARED_MACS = 10**11
"""Multiply-accumulates up to which the CPU computes what others are compared with."""

MOST_COMPARED_BYTES = 2 * 10**10
"""Bytes of a training step up to which it does."""


def training_bytes(trained: Analysis, dtype: str) -> int:
    """No less than a training step takes: weights, gradients, and outputs with their gradients."""
    numbers: int = trained.params + trained.buffers + trained.activations
    return 2 * BYTES[dtype] * numbers


class Drawn:
    """A network on a device, with weights, inputs, and the output that the CPU computes of them.

    Of a network whose outputs are compared each dtype gets a copy of one drawn in float32 (float64
    for float64); another is drawn anew, so that it is in memory once.
    """

    def __init__(self, analysis: Analysis, trained: Analysis, device: str) -> None:
        self.analysis = analysis
        self.trained = trained
        self.device = device
        size = training_bytes(trained, "float32")
        small = analysis.macs <= MOST_COMPARED_MACS and size <= MOST_COMPARED_BYTES
        self._compared = small and device != "meta"
        self._exact: dict[Any, tuple[Network, tuple[Any, ...], Any]] = {}

    def of(self, dtype: str) -> tuple[Network, tuple[Any, ...], Any]:
        """The network in a dtype, inputs for it, and the CPU's output where that is compared."""
        import torch

        from archcalc.pytorch.inputs import draw
        from archcalc.pytorch.running import copied, moved_to

        stored = stored_as(dtype)
        exact = torch.float64 if dtype == "float64" else torch.float32
        if not self._compared or (self.device == "cpu" and stored is exact):
            generator = torch.Generator().manual_seed(SEED)
            given: dict[str, Any] = {"device": self.device, "dtype": stored}
            inputs = draw(self.analysis.graph, **given, generator=generator)
            return self._built(stored), inputs, None
        if exact not in self._exact:
            self._exact[exact] = self._computed(exact)
        network, inputs, wanted = self._exact[exact]
        there = tuple(moved_to(x, self.device, stored) for x in inputs)
        return copied(network).to(dtype=stored), there, wanted

    def _built(self, dtype: Any) -> Network:
        from archcalc.pytorch.build import build
        from archcalc.pytorch.running import seeded

        with seeded(SEED):
            return build(self.analysis.graph, device=self.device, dtype=dtype)

    def _computed(self, exact: Any) -> tuple[Network, tuple[Any, ...], Any]:
        import torch

        from archcalc.pytorch.inputs import draw
        from archcalc.pytorch.running import copied, enlivened, precision, seeded

        generator = torch.Generator().manual_seed(SEED)
        given: dict[str, Any] = {"device": self.device, "dtype": exact, "generator": generator}
        network = self._built(exact)
        inputs = draw(self.analysis.graph, **given)
        with precision("float32"), seeded(SEED):
            enlivened(network, draw(self.trained.graph, **given) if self.trained.training else ())
        with torch.no_grad():
            there = network if self.device == "cpu" else copied(network).to("cpu")
            wanted = there.eval()(*(x.cpu() for x in inputs))
        return network, inputs, wanted
