"""Rows that are modules: what layers the widths in a row's columns stand for.

A pattern is a small spec: the roles of its columns, its convolutions as kernel, channels in and
channels out, each a number or the name of a width, and what its output's channels are the sum of.
``in`` is what the row takes. To know one more kind of module, add a pattern here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

Width = int | str


class Pattern(NamedTuple):
    """A module that a row may stand for."""

    name: str
    columns: tuple[str, ...]
    """Widths that a row must print to be one."""
    layers: tuple[tuple[int, Width, Width], ...]
    """Kernel side, channels in, channels out of every convolution."""
    out: tuple[Width, ...]
    """Widths that add up to the output's channels."""


WIDTHS: Mapping[str, str] = {
    "s1x1": r"s ?1x1|squeeze( 1x1)?|s1",
    "e1x1": r"e ?1x1|expand 1x1",
    "e3x3": r"e ?3x3|expand 3x3",
    "n1x1": r"(n )?1x1",
    "n3x3_reduce": r"(n )?3x3 (reduce|red)",
    "n3x3": r"(n )?3x3",
    "n5x5_reduce": r"(n )?5x5 (reduce|red)",
    "n5x5": r"(n )?5x5",
    "pool_proj": r"pool proj(ection)?( p)?",
}
"""Headers of the columns that print widths, in lower case and without marks."""

PATTERNS = (
    Pattern(
        "fire",
        ("s1x1", "e1x1", "e3x3"),
        ((1, "in", "s1x1"), (1, "s1x1", "e1x1"), (3, "s1x1", "e3x3")),
        ("e1x1", "e3x3"),
    ),
    Pattern(
        "inception",
        ("n1x1", "n3x3_reduce", "n3x3", "n5x5_reduce", "n5x5", "pool_proj"),
        (
            (1, "in", "n1x1"),
            (1, "in", "n3x3_reduce"),
            (3, "n3x3_reduce", "n3x3"),
            (1, "in", "n5x5_reduce"),
            (5, "n5x5_reduce", "n5x5"),
            (1, "in", "pool_proj"),
        ),
        ("n1x1", "n3x3", "n5x5", "pool_proj"),
    ),
    Pattern(
        "reduce and convolution",
        ("n3x3_reduce", "n3x3"),
        ((1, "in", "n3x3_reduce"), (3, "n3x3_reduce", "n3x3")),
        ("n3x3",),
    ),
)


def pattern_of(values: Mapping[str, object]) -> Pattern | None:
    """The pattern whose widths a row prints, the largest first."""
    widths = {role for role in WIDTHS if role in values}
    for pattern in PATTERNS:
        if widths and set(pattern.columns) == widths:
            return pattern
    return None


def layers(pattern: Pattern, widths: Mapping[str, int], cin: int) -> list[tuple[int, int, int]]:
    """The convolutions of a module: taps, channels in and channels out of each."""
    known = {**widths, "in": cin}

    def size(width: Width) -> int:
        return known[width] if isinstance(width, str) else width

    return [(side * side, size(i), size(o)) for side, i, o in pattern.layers]


def out_channels(pattern: Pattern, widths: Mapping[str, int]) -> int:
    """The channels that a module gives."""
    return sum(widths[w] if isinstance(w, str) else w for w in pattern.out)
