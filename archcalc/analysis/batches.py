"""The largest batch that fits into a memory, and what would let more fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

from archcalc.analysis.memory import Memory, held
from archcalc.analysis.training import Training
from archcalc.document.shown import shown
from archcalc.errors import ArchcalcError
from archcalc.frontends.network import NetworkLike, load
from archcalc.spec.bits import Formats
from archcalc.spec.model import Spec
from archcalc.spec.quantized import with_rules
from archcalc.spec.question import Input, Question, with_options

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


@with_options
def largest_batch(
    network: NetworkLike,
    budget: int,
    dtype: str = "float32",
    training: bool | Training = False,
    *,
    input: Input = None,
    optimizer: str = "sgd",
    master: bool = False,
    checkpoint: str | int | None = None,
    micro_batches: int = 1,
    zero: int = 0,
    devices: int = 1,
    fused: bool = False,
    autocast: bool = False,
    weights: str | Sequence[str] | None = None,
    activations: str | Sequence[str] | None = None,
    density: str | float | Sequence[str] | None = None,
    exclude: str | Sequence[str] = (),
    cache: str | None = None,
    allow_unknown: bool = False,
    **variables: Any,
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
    how = Training.of(
        training, optimizer, master, checkpoint, micro_batches, zero, devices, fused, autocast
    )
    formats = Formats.of(dtype, weights, activations, density, exclude, cache)
    question = Question(input, 1, variables, allow_unknown=allow_unknown, formats=formats)
    return fits(load(network, allow_unknown=allow_unknown), budget, question, how)


def fits(network: Spec, budget: int, question: Question, how: Training | None) -> Fits:
    """The batch that is asked for: :func:`largest_batch`."""
    if how is not None:
        how.require(question.formats)
    network = with_rules(network, question.formats.rules)
    question = question._replace(formats=question.formats._replace(rules=()))
    batch, found, beyond = _search(network, budget, question, how)
    changes = {}
    for words, other, otherwise in _changes(question, how):
        try:
            most = _search(network, budget, other, otherwise)[0]
        except ArchcalcError:  # what can't be done with this network
            continue
        if most > batch:
            changes[words] = most
    return Fits(budget, batch, found, beyond, changes)


def _search(
    network: Spec, budget: int, question: Question, how: Training | None
) -> tuple[int, Memory | None, Memory]:
    """A batch that fits with what it takes, and what the next one takes."""
    parts = how.micro_batches if how else 1
    found: dict[int, Memory] = {}

    def over(batch: int) -> int:
        found[batch] = held(network, question._replace(batch=batch * parts), how)
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


def _changes(
    question: Question, how: Training | None
) -> Iterator[tuple[str, Question, Training | None]]:
    """What might be asked instead, in the command's words."""

    def stored(dtype: str) -> tuple[str, Question, Training | None]:
        formats = question.formats._replace(dtype=dtype)
        return f"--dtype {dtype}", question._replace(formats=formats), how

    def trained(words: str, **change: Any) -> tuple[str, Question, Training | None]:
        assert how is not None
        return words, question, replace(how, **change)

    dtype = question.formats.dtype
    if dtype in ("float64", "float32"):
        yield stored("bfloat16")
    if how is None:
        if dtype != "int8":
            yield stored("int8")
        return
    if how.checkpoint is None:
        for word in ("stages", "blocks"):
            yield trained(f"--checkpoint {word}", checkpoint=word)
    if how.micro_batches == 1:
        yield trained("--micro-batches 8", micro_batches=8)
    if how.optimizer not in ("sgd", "adafactor"):
        yield trained("--optimizer adafactor", optimizer="adafactor")
    if not how.zero:
        for stage in (1, 2, 3):
            yield trained(f"--zero {stage} --devices 8", zero=stage, devices=8)
