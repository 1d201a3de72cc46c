"""Layers said by name or by pattern."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import accumulate

from archcalc.errors import ArchcalcError

LONGEST = 200
"""Characters of a pattern."""


def named(pattern: object) -> str:
    """The pattern, where it may be one. Raises :class:`ArchcalcError`."""
    if not isinstance(pattern, str):
        raise ArchcalcError(f"layers are said by name or pattern, not by {pattern!r:.40}")
    if not 0 < len(pattern) <= LONGEST or not pattern.isprintable():
        shown = f"{pattern[:37]}..." if len(pattern) > 40 else pattern
        raise ArchcalcError(
            f"no name of layers: {shown!r}\n"
            "  write a layer's or a block's name, or a pattern such as layer1.*,"
            f" of up to {LONGEST} characters"
        )
    return pattern


def matching(names: Sequence[str], pattern: str) -> list[int]:
    """The numbers of the layers that a pattern means, by their own names or a block's."""
    known: dict[str, bool] = {}

    def fits(way: str) -> bool:
        if way not in known:
            known[way] = fnmatchcase(way, pattern)
        return known[way]

    return [k for k, name in enumerate(names) if any(map(fits, ways(name)))]


def ways(name: str) -> Iterator[str]:
    """``layer1.0.conv1``: ``layer1``, ``layer1.0``, and itself."""
    return accumulate(name.split("."), lambda around, inner: f"{around}.{inner}")
