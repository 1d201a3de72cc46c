"""Ways in which people and programs count the work of a layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import NamedTuple


class Layer(NamedTuple):
    """A layer that a row is read as."""

    kind: str
    cin: int | None = None
    cout: int | None = None
    kernel: tuple[int, ...] | None = None
    stride: int = 1
    pads: tuple[int, ...] = ()
    """Padding of both ends together, for each axis."""
    dilation: int = 1
    groups: int = 1
    bias: int = 1
    ceil: bool | None = None
    params: int | None = None
    """Without what is not trained."""
    macs: int | None = None
    taken: int | None = None
    """Numbers that flow in."""
    given: int | None = None
    """Numbers that flow out."""
    strides: tuple[int, ...] = ()
    """Of each axis, where they are not the same."""


def _everywhere(x: Layer) -> int | None:
    if x.params is None or x.given is None or not x.cout:
        return None
    return x.params * (x.given // x.cout)


FORMULAS: Mapping[str, Callable[[Layer], int | None]] = {
    "multiply-accumulates": lambda x: x.macs,
    "multiply-accumulates and biases": lambda x: _with_bias(x, 1),
    "two for each multiply-accumulate": lambda x: None if x.macs is None else 2 * x.macs,
    "two for each multiply-accumulate, and biases": lambda x: (
        None if x.macs is None or x.given is None else 2 * x.macs + x.given * (x.bias > 0)
    ),
    "two for each multiply-accumulate and bias": lambda x: (
        None if (each := _with_bias(x, 1)) is None else 2 * each
    ),
    "two for each multiply-accumulate, less one each": lambda x: (
        None if x.macs is None or x.given is None else 2 * x.macs - x.given
    ),
    "parameters": lambda x: x.params,
    "parameters at every position": _everywhere,
    "one an output": lambda x: x.given,
    "one an input": lambda x: x.taken,
    "two an output": lambda x: None if x.given is None else 2 * x.given,
    "four an output": lambda x: None if x.given is None else 4 * x.given,
    "five an output": lambda x: None if x.given is None else 5 * x.given,
    "the window's taps an output": lambda x: _taps(x, 0),
    "the window's taps an output, less one": lambda x: _taps(x, -1),
    "nothing": lambda x: 0,
}
"""Ways to count the work of a layer."""


def _with_bias(x: Layer, times: int) -> int | None:
    if x.macs is None or x.given is None:
        return None
    return x.macs + times * x.given * (x.bias > 0)


def _taps(x: Layer, more: int) -> int | None:
    if x.kernel is None or x.given is None:
        return None
    return (prod(x.kernel) + more) * x.given


def work_of(layer: Layer, way: str, batch: int) -> int | None:
    """The work of a layer counted in one way: ``one an output``, or that ``of the batch``."""
    plain, _, _ = way.partition(" of the batch")
    found = FORMULAS[plain](layer)
    return found if found is None or way == plain else found * batch
