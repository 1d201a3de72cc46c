"""Rows that are modules: what layers the widths in a row's columns stand for.

A pattern is a small spec: the roles of its columns, its convolutions as kernel, channels in and
channels out, each a number or the name of a width, and what its output's channels are the sum of.
``in`` is what the row takes. To know one more kind of module, add a pattern here; a user adds one
in a file (:mod:`archcalc.claims.tables.notations`).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import NamedTuple

Width = int | str


class Conv(NamedTuple):
    """A convolution of a module."""

    side: int
    """Of its kernel."""
    cin: Width
    cout: Width
    groups: Width = 1
    pooled: bool = False
    """Whether a pooling of 3x3 with a stride of 1 stands before it."""


class Pattern(NamedTuple):
    """A module that a row may stand for."""

    name: str
    columns: tuple[str, ...]
    """Widths that a row must print to be one."""
    layers: tuple[Conv, ...]
    out: tuple[Width, ...]
    """Widths that add up to the output's channels."""
    heads: Mapping[str, str] = {}
    """The headers of the columns of widths, where a user says so."""
    words: str = ""
    """What rows of it are called, as a regular expression; ``""`` where their widths tell."""
    times: str = ""
    """The width that says how often it is repeated."""


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
        (Conv(1, "in", "s1x1"), Conv(1, "s1x1", "e1x1"), Conv(3, "s1x1", "e3x3")),
        ("e1x1", "e3x3"),
    ),
    Pattern(
        "inception",
        ("n1x1", "n3x3_reduce", "n3x3", "n5x5_reduce", "n5x5", "pool_proj"),
        (
            Conv(1, "in", "n1x1"),
            Conv(1, "in", "n3x3_reduce"),
            Conv(3, "n3x3_reduce", "n3x3"),
            Conv(1, "in", "n5x5_reduce"),
            Conv(5, "n5x5_reduce", "n5x5"),
            Conv(1, "in", "pool_proj", pooled=True),
        ),
        ("n1x1", "n3x3", "n5x5", "pool_proj"),
    ),
    Pattern(
        "reduce and convolution",
        ("n3x3_reduce", "n3x3"),
        (Conv(1, "in", "n3x3_reduce"), Conv(3, "n3x3_reduce", "n3x3")),
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


MOST_TIMES = 200
"""Repetitions of a module."""


def sized(width: Width, known: Mapping[str, int]) -> int:
    """What a width is: a number, one that is printed, or a product of such."""
    if isinstance(width, int):
        return width
    parts = [part.strip() for part in width.split("*")]
    return prod(int(part) if part.isdecimal() else known[part] for part in parts)


def layers(pattern: Pattern, widths: Mapping[str, int], cin: int) -> list[tuple[int, int, int]]:
    """The convolutions of a module: taps, channels in of a group, and channels out of each."""
    found = []
    for _ in range(min(widths.get(pattern.times, 1), MOST_TIMES)):
        known = {**widths, "in": cin}
        for side, i, o, groups, _ in pattern.layers:
            taken = sized(i, known) // max(1, sized(groups, known))
            found.append((side * side, max(1, taken), sized(o, known)))
        cin = out_channels(pattern, known)
    return found


def out_channels(pattern: Pattern, widths: Mapping[str, int]) -> int:
    """The channels that a module gives."""
    return sum(sized(width, widths) for width in pattern.out)
