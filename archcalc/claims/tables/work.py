"""Ways in which people and programs count the work of a layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
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


class Held(NamedTuple):
    """A way to say how much memory a layer takes."""

    what: str
    """One of :data:`HELD`."""
    size: int = 4
    """Bytes of each number."""
    thousand: int = 1000
    """What K is; M is its square."""

    def __str__(self) -> str:
        k = "" if self.thousand == 1000 else ", K is 1,024"
        return f"{self.size} byte{'s' * (self.size > 1)} for each {self.what}{k}"


HELD: Mapping[str, Callable[[Layer, int], int | None]] = {
    "number in the output": lambda x, batch: _added(batch, x.given),
    "number in the input": lambda x, batch: _added(batch, x.taken),
    "parameter": lambda x, batch: x.params,
    "weight": lambda x, batch: _unbiased(x),
    "number in the input and output": lambda x, batch: _added(batch, x.taken, x.given),
    "number in the input and parameter": lambda x, batch: _sum(_added(batch, x.taken), x.params),
    "number in the output and parameter": lambda x, batch: _sum(_added(batch, x.given), x.params),
    "number in the input and output and parameter": lambda x, batch: _sum(
        _added(batch, x.taken, x.given), x.params
    ),
}
"""Numbers that a column of memory may count."""


def _unbiased(x: Layer) -> int | None:
    """The parameters of a layer without its biases."""
    if x.params is None or not x.cout or x.bias > 1:
        return None
    return x.params - x.cout * x.bias if x.params else 0


def _added(times: int, *numbers: int | None) -> int | None:
    found = _sum(*numbers)
    return None if found is None else times * found


def _sum(*numbers: int | None) -> int | None:
    known = [n for n in numbers if n is not None]
    return sum(known) if len(known) == len(numbers) else None


def memory_of(layer: Layer, way: Held, batch: int, power: int) -> Fraction | None:
    """The memory of a layer in units of K to the power: bytes, KB, MB."""
    numbers = HELD[way.what](layer, batch)
    return None if numbers is None else Fraction(numbers * way.size, way.thousand**power)


TIMES = " times "
"""Stands in a way to count before how many times all that is done that no row says."""


def work_of(layer: Layer, way: str, batch: int) -> int | None:
    """The work of a layer counted in one way: ``one an output``, or that ``of the batch``."""
    way, _, times = way.partition(TIMES)
    plain, _, _ = way.partition(" of the batch")
    found = FORMULAS[plain](layer)
    return None if found is None else found * int(times or 1) * (1 if way == plain else batch)
