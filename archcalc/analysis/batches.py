"""The largest batch that fits into a memory, and what would let more fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from archcalc.analysis.memory import Memory, memory
from archcalc.document.shown import shown
from archcalc.errors import ArchcalcError
from archcalc.frontends.network import NetworkLike, load
from archcalc.spec.model import Spec

LARGEST_BATCH = 2**24
"""No larger batch is looked for."""


@shown
@dataclass(frozen=True)
class Fits:
    """The largest batch that fits, and the first that does not.

    ::

        >>> import archcalc
        >>> found = archcalc.largest_batch("resnet18", 10**9)
        >>> found.beyond.batch == found.batch + 1
        True
    """

    budget: int
    """Bytes that there are."""
    batch: int
    """The largest batch; 0 where not one input fits."""
    memory: Memory | None
    """What that takes; None where not one input fits."""
    beyond: Memory
    """What one more input takes, which is too much."""
    changes: Mapping[str, int]
    """The largest batch with one thing changed, by what that is, in the command's words."""

    @property
    def missing(self) -> int:
        """Bytes that are missing for one more input."""
        return int(self.beyond.most) - self.budget


def largest_batch(
    network: NetworkLike, budget: int, dtype: str = "float32", training: bool = False, **how: Any
) -> Fits:
    """The largest batch with which a network takes at most ``budget`` bytes at its peak.

    The rest is as in :func:`archcalc.memory`, whose ``batch`` is what is looked for: with
    micro-batches a multiple of their number. It is exact: one more input does not fit. Raises
    :class:`ArchcalcError` where more than ``LARGEST_BATCH`` fit, and what
    :func:`archcalc.memory` raises.

    ::

        >>> import archcalc
        >>> found = archcalc.largest_batch("resnet18", 10**9)
        >>> found.memory.most <= 10**9 < found.beyond.most
        True
    """
    network = load(network)
    batch, found, beyond = _search(network, budget, dtype, training, how)
    changes = {}
    for words, change in _changes(dtype, training, how).items():
        asked = {"dtype": dtype, **how, **change}
        try:
            changes[words] = _search(network, budget, asked.pop("dtype"), training, asked)[0]
        except ArchcalcError:  # what can't be done with this network
            continue
    return Fits(budget, batch, found, beyond, {k: n for k, n in changes.items() if n > batch})


def _search(
    network: Spec, budget: int, dtype: str, training: bool, how: Mapping[str, Any]
) -> tuple[int, Memory | None, Memory]:
    """A batch that fits with what it takes, and what the next one takes."""
    parts = how.get("micro_batches", 1)

    def of(batch: int) -> Memory:
        return memory(network, dtype, training, batch=batch * parts, **how)

    found: dict[int, Memory] = {}

    def over(batch: int) -> int:
        found[batch] = of(batch)
        return int(found[batch].most) - budget - 1

    beyond = boundary(over, LARGEST_BATCH)
    if beyond is None:
        raise ArchcalcError(f"more than {LARGEST_BATCH:,} inputs fit")
    return (beyond - 1) * parts, found.get(beyond - 1), found[beyond]


def boundary(over: Callable[[int], float], most: int) -> int | None:
    """The smallest number from 1 on from which ``over`` is not negative; None if above ``most``.

    It never falls. Bytes and work hardly bend, so that the line through two that are known guesses
    the next; where a guess does not halve what is left, the middle of it is looked at.
    """
    low, high, at_low, at_high = 1, 2, over(1), 0.0
    if at_low >= 0:
        return 1
    while (at_high := over(high)) < 0:
        if high == most:
            return None
        rise = (at_high - at_low) / (high - low)
        line = ceil(-at_high / rise) if rise > 0 else most
        low, high, at_low = high, min(high + max(line, high - low), most), at_high
    halve = False
    while (left := high - low) > 1:
        line = left // 2 if halve else ceil(-at_low * left / (at_high - at_low)) - 1
        guess = min(max(low + line, low + 1), high - 1)
        value = over(guess)
        if value < 0:
            low, at_low = guess, value
        else:
            high, at_high = guess, value
        halve = 2 * (high - low) > left
    return high


def _changes(dtype: str, training: bool, how: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What might be changed, in the command's words and the library's."""
    found: dict[str, dict[str, Any]] = {}
    if dtype in ("float64", "float32"):
        found["--dtype bfloat16"] = {"dtype": "bfloat16"}
    if not training:
        if dtype != "int8":
            found["--dtype int8"] = {"dtype": "int8"}
        return found
    if how.get("checkpoint") is None:
        found |= {f"--checkpoint {word}": {"checkpoint": word} for word in ("stages", "blocks")}
    if how.get("micro_batches", 1) == 1:
        found["--micro-batches 8"] = {"micro_batches": 8}
    if how.get("optimizer", "sgd") not in ("sgd", "adafactor"):
        found["--optimizer adafactor"] = {"optimizer": "adafactor"}
    if not how.get("zero"):
        found |= {
            f"--zero {stage} --devices 8": {"zero": stage, "devices": 8} for stage in (1, 2, 3)
        }
    return found
