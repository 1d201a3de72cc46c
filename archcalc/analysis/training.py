"""How a network is trained, as far as memory depends on it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from archcalc.analysis.optimizers import OPTIMIZERS
from archcalc.errors import ArchcalcError, unknown
from archcalc.operators.autograd import FLOAT32
from archcalc.spec.bits import BYTES, Formats

SHARDED = (0, 1, 2, 3)
"""Stages of ZeRO: nothing, the optimizer's states, the gradients too, the weights too."""


@dataclass(frozen=True, slots=True)
class Training:
    """How a network is trained, as far as memory depends on it.

    ::

        >>> import archcalc
        >>> how = archcalc.Training(optimizer="adam")
        >>> archcalc.memory("resnet18", training=how).gradients == 4 * 11689512
        True
    """

    optimizer: str = "sgd"
    master: bool = False
    """Whether the optimizer has float32 copies of 16-bit weights, with states in float32."""
    checkpoint: str | int | None = None
    """What runs again in the backward pass: ``stages``, ``blocks``, or a number of parts."""
    micro_batches: int = 1
    """Into how many parts a batch is divided whose gradients are summed."""
    zero: int = 0
    """The stage of ZeRO (Rajbhandari et al. 2020): what each of the devices has a share of."""
    devices: int = 1
    fused: bool = False
    """Whether attention keeps what fused kernels keep, and not its scores."""
    autocast: bool = False
    """Whether products are of 16 bits, with copies of the float32 weights."""

    @classmethod
    def of(cls, training: bool | Training, *how: Any) -> Training | None:
        """What is said of it, whole or by its fields in order; None at inference.

        Raises :class:`ArchcalcError` where fields say how, and nothing is trained.
        """
        if isinstance(training, Training):
            return training
        found = cls(*how)
        if not training and found.said:
            raise ArchcalcError(f"{found.said}: is for training")
        return found if training else None

    @property
    def said(self) -> str:
        """The first field that is not as usual; ``""`` where all are."""
        known = ((each.name, each.default) for each in fields(self))
        return next((name for name, usual in known if getattr(self, name) != usual), "")

    def require(self, formats: Formats) -> None:
        """Raise :class:`ArchcalcError` for what can't be meant."""
        dtype = formats.dtype
        if formats.rules:
            raise ArchcalcError(
                "formats of weights and activations are for inference: what is trained is in the "
                "dtype"
            )
        if self.optimizer not in OPTIMIZERS:
            raise unknown("optimizer", self.optimizer, OPTIMIZERS)
        if self.master and BYTES[dtype] >= FLOAT32:
            raise ArchcalcError(
                f"master weights are copies of smaller ones, and {dtype} is as large\n"
                "  say float16 or bfloat16"
            )
        if self.autocast and (self.master or BYTES[dtype] != FLOAT32):
            raise ArchcalcError(
                "autocast makes 16 bits of float32 weights: say float32, and no master weights"
            )
        if self.zero not in SHARDED:
            raise ArchcalcError(f"ZeRO has the stages {', '.join(map(str, SHARDED))}")
        if self.devices < 1 or self.micro_batches < 1:
            raise ArchcalcError("there is at least one device and one micro-batch")
        if self.zero and self.devices == 1:
            raise ArchcalcError("ZeRO shares among several devices: say how many")
