"""What running a network took: plain values, so that what shows them needs no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from archcalc.document.shown import shown


class Machine(NamedTuple):
    """Where something was measured.

    ::

        >>> import archcalc
        >>> archcalc.measure("lenet5", device="cpu").machine.device  # doctest: +SKIP
        'cpu'
    """

    device: str
    """``cpu`` or ``cuda``."""
    name: str
    """The processor's, or the GPU's."""
    threads: int
    """With how many threads PyTorch computes on the CPU."""
    torch: str
    """PyTorch's version."""
    cuda: str = ""
    """The version of CUDA that PyTorch was built for; none on a CPU."""

    def __str__(self) -> str:
        with_ = f", CUDA {self.cuda}" if self.cuda else f", {self.threads} threads"
        return f"{self.name}{with_}, PyTorch {self.torch}"


@shown
@dataclass(frozen=True, slots=True)
class Measurement:
    """One network, run at inference again and again.

    ::

        >>> import archcalc
        >>> archcalc.measure("lenet5", device="cpu").throughput  # doctest: +SKIP
        5025.1
    """

    machine: Machine
    dtype: str
    batch: int
    runs: int
    """How often it was run, after warming up."""
    seconds: float
    """The median of the time that a batch takes."""
    spread: float
    """The interquartile range of that time, in seconds."""
    macs: int
    """Multiply-accumulates of a batch, as archcalc counts them."""
    peak: int | None
    """Bytes that were allocated at the peak, weights and input included; None where it can't be
    told."""
    predicted: int
    """Bytes of weights, buffers and live activations at the peak, as archcalc predicts."""

    @property
    def throughput(self) -> float:
        """Inputs a second."""
        return self.batch / self.seconds

    @property
    def achieved(self) -> float:
        """Floating-point operations a second, two for each multiply-accumulate."""
        return 2 * self.macs / self.seconds
