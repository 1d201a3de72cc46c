"""How many bits numbers are stored in: formats of weights, activations and caches."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from archcalc.analysis.analyze import BYTES, Row
from archcalc.dims import Shape
from archcalc.errors import ArchcalcError, did_you_mean
from archcalc.operators.base import elements
from archcalc.operators.join import Concat
from archcalc.operators.parameter import Cache

BITS: dict[str, int] = {
    **{name: 8 * size for name, size in BYTES.items()},
    "tf32": 32,
    "int4": 4,
    "float4": 4,
    "int3": 3,
    "int2": 2,
    "ternary": 2,
    "binary": 1,
}
"""Bits of a number, by format. TF32's are stored as float32; three values take two bits."""

SCALE = 16
"""Bits of a scale: a float16, as GPTQ, AWQ and most others have it."""


class Format(NamedTuple):
    """How numbers are stored: some bits each, and a scale for each group."""

    name: str
    bits: int
    group: int = 0
    """How many numbers of the last axis share a scale; 0 where none is counted."""
    zero: bool = False
    """Whether each group has a zero point too, of as many bits as a number."""

    @classmethod
    def of(cls, text: str) -> Format:
        """``int4``, ``int4:128`` with a scale for 128 numbers, ``int4:128:zero`` with zero points.

        Raises :class:`ArchcalcError` for what is no format.
        """
        name, _, rest = text.strip().lower().partition(":")
        if name not in BITS:
            hint = did_you_mean(name, BITS) or f"known: {', '.join(BITS)}"
            raise ArchcalcError(f"no format '{text}'\n  {hint}")
        found = re.fullmatch(r"(\d{1,6})(:zero)?", rest) if rest else None
        if rest and (found is None or int(found[1]) == 0):
            raise ArchcalcError(
                f"no format '{text}'\n  write int4:128 for a scale for 128 numbers, int4:128:zero"
            )
        group = int(found[1]) if found else 0
        return cls(text, BITS[name], group, bool(found and found[2]))

    def bytes(self, shape: Shape) -> int:
        """Bytes of a tensor, rounded up: groups begin anew in each row."""
        bits = elements(shape) * self.bits
        if self.group and shape:
            rows = elements(shape[:-1])
            groups = rows * -(-shape[-1] // self.group)
            bits += groups * (SCALE + (self.bits if self.zero else 0))
        return int(-(-bits // 8))


def weight_bytes(row: Row, name: str, shape: Shape, width: int, format: Format | None) -> int:
    """Bytes of a tensor that a layer stores, ``width`` a number where no format is named.

    A format is that of matrices and kernels of layers that multiply: their biases, the scales of
    normalizations and tables of embeddings stay as they are.
    """
    multiplies = type(row.macs) is not int or row.macs > 0
    if format is None or len(shape) < 2 or not multiplies or name not in row.weights:
        return int(elements(shape) * width)
    return format.bytes(shape)


def joined(rows: Sequence[Row]) -> list[Row]:
    """The layers that join what was kept of steps before with what is new: in place, at best."""
    kept = {row.name for row in rows if isinstance(row.node.op, Cache)}
    return [row for row in rows if isinstance(row.node.op, Concat) and row.node.inputs[0] in kept]
