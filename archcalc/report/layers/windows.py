"""The window of a layer: kernel, stride and padding, as tables print them."""

from __future__ import annotations

from typing import NamedTuple

from archcalc.dims import Shape, Size, divides
from archcalc.operators.window import Pads
from archcalc.spec.graph import Node


class Window(NamedTuple):
    """A window that slides over the axes after the channels.

    Of an adaptive pooling whose windows differ in extent, ``kernel`` and the rest are None.
    """

    kernel: Shape | None
    stride: Shape | None
    padding: Pads | None


def window(node: Node) -> Window | None:
    """The window of a node for its input; None for an operator that has none."""
    op, shapes = node.op, node.input_shapes
    kernel = getattr(op, "kernel_size", None)
    if kernel is not None:
        return Window(kernel, getattr(op, "stride", kernel), _pads(node, len(kernel)))
    name = type(op).__name__
    if not name.startswith(("Adaptive", "Global")):
        return None
    extents = shapes[0][2:]
    if name.startswith("Global"):
        return Window(extents, extents, ((0, 0),) * len(extents))
    if not all(map(divides, node.shape[2:], extents)):
        return Window(None, None, None)
    steps: Shape = tuple(n // o for n, o in zip(extents, node.shape[2:], strict=True))
    return Window(steps, steps, ((0, 0),) * len(steps))


def _pads(node: Node, axes: int) -> Pads:
    pads = getattr(node.op, "pads", None)
    if pads is not None:
        resolved: Pads = pads(*node.input_shapes)
        return resolved
    padding: tuple[Size, ...] = getattr(node.op, "padding", (0,) * axes)
    return tuple((p, p) for p in padding)
