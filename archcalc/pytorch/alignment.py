"""Two networks' steps, in pairs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from difflib import SequenceMatcher
from math import prod
from typing import TYPE_CHECKING, Any

from archcalc.dims import Shape

if TYPE_CHECKING:
    from archcalc.pytorch.trace import Step


Pair = tuple[int | None, int | None]


def aligned(ours: Sequence[Step], theirs: Sequence[Step]) -> list[Pair]:
    """Steps of both that are the same, and those that only one has, in the order of ours.

    Two steps are the same if they have equal tensors, and all is the same that leads to them and
    that follows from them; or else one of the two; or else, of those that are left, if they stand
    in the same order. What is left then is paired where it stands in the same place and is of one
    kind.
    """
    pairs: dict[int, int] = {}
    numbers: dict[Hashable, int] = {}
    for keys in (_both, _before_and_next, _before, _after_and_last, _after):
        open_: dict[int, list[int]] = {}
        taken = set(pairs.values())
        for b, key in enumerate(keys(theirs, numbers)):
            if b not in taken:
                open_.setdefault(key, []).append(b)
        for a, key in enumerate(keys(ours, numbers)):
            if a not in pairs and open_.get(key):
                pairs[a] = open_[key].pop(0)
    rest = [a for a in range(len(ours)) if a not in pairs]
    taken = set(pairs.values())
    others = [b for b in range(len(theirs)) if b not in taken]
    matcher = SequenceMatcher(
        None, [_sort(ours[a]) for a in rest], [_sort(theirs[b]) for b in others], False
    )
    left: list[int] = []
    for tag, i, i_end, j, j_end in matcher.get_opcodes():
        here, there = rest[i:i_end], others[j:j_end]
        if tag == "equal":
            pairs.update(zip(here, there, strict=True))
            continue
        pairs.update(_changed(here, there, ours, theirs))
        left += [b for b in others[j:j_end] if b not in pairs.values()]
    found: list[Pair] = [(number, pairs.get(number)) for number in range(len(ours))]
    for other in left:
        # After that of ours which is paired with what stands before it.
        before = max((a for a, b in pairs.items() if b < other), default=-1)
        at = next((k + 1 for k, (a, _) in enumerate(found) if a == before), 0)
        while at < len(found) and found[at][0] is None:
            at += 1
        found.insert(at, (None, other))
    return found


def _changed(
    here: Sequence[int], there: Sequence[int], ours: Sequence[Step], theirs: Sequence[Step]
) -> dict[int, int]:
    """Steps that may be one layer that was changed: of equal outputs first, and in order."""
    found: dict[int, int] = {}
    for strictly in (True, False):
        for a in here:
            for b in there if a not in found else ():
                crossed = any((a < c) != (b < d) or b == d for c, d in found.items())
                equal = prod(ours[a].shape) == prod(theirs[b].shape)
                if not crossed and (equal or not strictly) and _alike(ours[a], theirs[b]):
                    found[a] = b
                    break
    return found


def _sort(step: Step) -> tuple[tuple[Shape, ...], bool]:
    """What a step is, whatever its input: its tensors, and whether it multiplies."""
    return squeezed(step.weights), step.macs > 0


def squeezed(shapes: Sequence[Shape]) -> tuple[Shape, ...]:
    """Without axes of one element: a 1x1 convolution of one pixel is a linear layer."""
    return tuple(sorted(tuple(n for n in shape if n != 1) for shape in shapes))


def _before(steps: Sequence[Step], numbers: dict[Hashable, int]) -> list[int]:
    """A number for each step that is the same for equal steps with equal steps before them."""
    found: list[int] = []
    for step in steps:
        key = ("before", _sort(step), tuple(sorted(found[source] for source in step.sources)))
        found.append(numbers.setdefault(key, len(numbers)))
    return found


def _after(steps: Sequence[Step], numbers: dict[Hashable, int]) -> list[int]:
    """A number for each step that is the same for equal steps with equal steps after them."""
    found = [0] * len(steps)
    users: list[list[int]] = [[] for _ in steps]
    for number in reversed(range(len(steps))):
        key = ("after", _sort(steps[number]), tuple(sorted(users[number])))
        found[number] = numbers.setdefault(key, len(numbers))
        for source in steps[number].sources:
            users[source].append(found[number])
    return found


def _both(steps: Sequence[Step], numbers: dict[Hashable, int]) -> list[int]:
    """What is before and after: branches that begin alike may go on otherwise."""
    return _joined(numbers, _before(steps, numbers), _after(steps, numbers))


def _before_and_next(steps: Sequence[Step], numbers: dict[Hashable, int]) -> list[int]:
    """What is before, and what takes the output."""
    following: list[list[Any]] = [[] for _ in steps]
    for step in steps:
        for source in step.sources:
            following[source].append(_sort(step))
    return _joined(numbers, _before(steps, numbers), [repr(sorted(f)) for f in following])


def _after_and_last(steps: Sequence[Step], numbers: dict[Hashable, int]) -> list[int]:
    """What is after, and what the input comes from."""
    last = [repr(sorted(_sort(steps[source]) for source in step.sources)) for step in steps]
    return _joined(numbers, _after(steps, numbers), last)


def _joined(
    numbers: dict[Hashable, int], one: Sequence[Hashable], other: Sequence[Hashable]
) -> list[int]:
    keys = (("joined", *pair) for pair in zip(one, other, strict=True))
    return [numbers.setdefault(key, len(numbers)) for key in keys]


def _alike(one: Step, other: Step) -> bool:
    """Whether two steps may be one layer that was written otherwise."""

    def rank(step: Step) -> int:
        return max(map(len, squeezed(step.weights)), default=0)

    numbers = [(step.params, step.macs, prod(step.shape)) for step in (one, other)]
    return numbers[0] == numbers[1] or (one.macs > 0, rank(one)) == (other.macs > 0, rank(other))
