"""Configurations of a space, many at once: an array of numbers of values for each step.

A configuration's number counts those before it, the last step fastest. It is found from the number
step by step, and a drawn one likewise: of each state's choices one is as likely as there are
configurations beyond it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from archcalc.space.states import ABSENT, LENGTH, States
from archcalc.space.tree import different

if TYPE_CHECKING:
    import numpy as np

Codes: TypeAlias = "list[np.ndarray[Any, Any]]"
"""For each step the number of the chosen value of each configuration, or ``ABSENT``."""

WHOLE = 2**62
"""Spaces below this size are counted in 64 bits."""


def numbered(states: States, numbers: Any) -> Codes:
    """The configurations of some numbers, an array of int64, or of Python's own."""
    import numpy as np

    rest = np.array(numbers)

    def choose(layer: int, at: int, where: Any) -> Any:
        nonlocal rest
        if rest.dtype == object and max(states.counts[layer]) < WHOLE:
            rest = rest.astype(np.int64)
        weights = [states.counts[layer + 1][k] for k in states.states[layer][at].after]
        left = rest[where]
        if len({*weights}) == 1:
            chosen = left // weights[0]
            rest[where] = left - chosen * weights[0]
            return chosen.astype(np.int64)
        before = _sums(weights, rest.dtype)
        chosen = np.searchsorted(before, left, side="right") - 1
        rest[where] = left - before[chosen]
        return chosen

    return _walk(states, len(rest), choose)


def _sums(weights: Sequence[int], dtype: Any) -> Any:
    """What is before each of some weights."""
    import itertools

    import numpy as np

    return np.array([0, *itertools.accumulate(weights[:-1])], dtype)


def drawn(states: States, chances: Any) -> Codes:
    """Configurations drawn with replacement, by numbers of chance from 0 to below 1: a row for
    each step.

    Each choice is, to 53 bits, as likely as its share of the configurations.
    """
    import numpy as np

    def choose(layer: int, at: int, where: Any) -> Any:
        weights = [states.counts[layer + 1][k] for k in states.states[layer][at].after]
        chance = chances[layer][where]
        if len({*weights}) == 1:
            return (chance * len(weights)).astype(np.int64)
        whole, ends = sum(weights), np.cumsum([0, *weights][1:], dtype=object)
        shares = np.array([int(end) / whole for end in ends])
        # A choice that leads nowhere has no share, and the last may be one.
        last = max(k for k, weight in enumerate(weights) if weight)
        return np.minimum(np.searchsorted(shares, chance, side="right"), last)

    return _walk(states, chances.shape[1], choose)


def _walk(states: States, count: int, choose: Callable[[int, int, Any], Any]) -> Codes:
    import numpy as np

    at = np.zeros(count, np.int64)
    found: Codes = []
    for layer, here in enumerate(states.states):
        codes = np.empty(count, np.int32)
        after = np.empty(count, np.int64)
        for k in [0] if len(here) == 1 else different(at):
            where: Any = slice(None) if len(here) == 1 else np.flatnonzero(at == k)
            state = here[k]
            if len(state.codes) == 1:
                codes[where], after[where] = state.codes[0], state.after[0]
                continue
            chosen = choose(layer, k, where)
            codes[where] = np.array(state.codes, np.int32)[chosen]
            after[where] = np.array(state.after, np.int64)[chosen]
        at = after
        found.append(codes)
    return found


def configuration(states: States, codes: Sequence[int]) -> dict[str, Any]:
    """One configuration in the values of its variables: lists are tuples."""
    found: dict[str, Any] = {}
    for (name, place), values, code in zip(states.steps, states.values, codes, strict=True):
        if place is None:
            found[name] = values[code]
        elif place == LENGTH or name not in found:
            found[name] = ()
        if place is not None and place != LENGTH and code != ABSENT:
            found[name] = (*found[name], values[code])
    return found


def follow(states: States, wanted: Callable[[int, list[int]], int | None]) -> list[int] | None:
    """The configuration that is led to by the choices ``wanted``, which is given each step and the
    numbers of values that may be chosen there; None where it wants none of them.
    """
    at, found = 0, []
    for layer, here in enumerate(states.states):
        state = here[at]
        alive = [
            code
            for code, after in zip(state.codes, state.after, strict=True)
            if states.counts[layer + 1][after]
        ]
        code = wanted(layer, alive)
        if code is None or code not in alive:
            return None
        at = state.after[state.codes.index(code)]
        found.append(code)
    return found


def shuffled(size: int, seed: int, start: int, count: int) -> Any:
    """The numbers below ``size`` in an order by chance: so many from a place on, none twice.

    A Feistel cipher of four rounds over the next even number of bits, done again where it leads
    beyond ``size``. Those of large spaces are Python's own numbers.
    """
    import numpy as np

    half = (max(2, (size - 1).bit_length()) + 1) // 2
    chance = random.Random(seed)
    keys = [np.uint64(chance.getrandbits(64)) for _ in range(4)]
    kind: Any = np.uint64 if size < WHOLE else object
    mask, shift = np.array([(1 << half) - 1, half], kind)
    limbs = range(0, half, 64)

    def stirred(numbers: Any, key: Any) -> Any:
        mixed = key
        for bits in limbs:
            part = numbers if kind is not object else (numbers >> bits) & (2**64 - 1)
            mixed = _mixed(mixed ^ part.astype(np.uint64), np)
        if kind is not object:
            return mixed
        found = mixed.astype(object)
        for bits in limbs[1:]:
            found = found | _mixed(mixed ^ np.uint64(bits), np).astype(object) << bits
        return found

    def once(numbers: Any) -> Any:
        left, right = numbers >> shift, numbers & mask
        for key in keys:
            left, right = right, left ^ (stirred(right, key) & mask)
        return (left << shift) | right

    numbers = range(start, start + count)
    found = once(np.array(numbers, kind))
    while len(beyond := np.flatnonzero(found >= size)):
        found[beyond] = once(found[beyond])
    return found.astype(np.int64) if kind is not object else found


def _mixed(x: Any, np: Any) -> Any:
    """The bits of numbers stirred: the finalizer of splitmix64."""
    with np.errstate(over="ignore"):
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))
