"""Poolings that PyTorch lacks: one-sided padding, and Caffe's rounding.

They are run by PyTorch's pooling on an input that is padded to where the last window ends. That end
follows from the operator's own output shape, so that running them proves nothing of the shape. It
is proved here, by placing the windows one after the other as the definition has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from archcalc.dims import Shape
from archcalc.spec.graph import Node


def placed(node: Node) -> Shape | None:
    """The output's shape of a pooling that PyTorch lacks; None for all other layers."""
    x, *_ = node.input_shapes or ((),)
    op: Any = node.op
    if node.spelled is not None or "overhang" not in op.torch(*node.input_shapes).kwargs:
        return None
    pads = op.pads(x)
    clip = op.ceil_mode is True or any(before or after for before, after in pads)
    sizes = []
    for n, k, s, d, (before, after) in zip(
        x[2:], op.kernel_size, op.stride, op.dilations, pads, strict=True
    ):
        extent = d * (k - 1) + 1
        starts = _starts(-before, n + after, extent, s)
        if op.ceil_mode is False:
            starts = (start for start in starts if start + extent <= n + after)
        elif clip:
            starts = (start for start in starts if start < n)
        sizes.append(sum(1 for _ in starts))
    return (*x[:2], *sizes)


def _starts(first: int, end: int, extent: int, stride: int) -> Iterator[int]:
    """Where windows begin, until one reaches the end."""
    start = first
    yield start
    while start + extent < end:
        start += stride
        yield start
