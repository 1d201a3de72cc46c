"""Blocks and layers that are there several times in a row: equal but for their number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple, TypeAlias

from archcalc.report.layers.lines import Line


class Repeat(NamedTuple):
    """Equal blocks, or layers: ``layers.0 ... layers.31 (x32)``."""

    names: tuple[str, ...]
    copies: tuple[tuple[Line, ...], ...]
    """The lines of each; those of the first stand for the others."""

    @property
    def name(self) -> str:
        """The first and the last, and how many there are."""
        return spanned(self.names[0], self.names[-1], len(self.names))

    @property
    def single(self) -> bool:
        """Whether it is one layer that is repeated, and no block."""
        (first, *others) = self.copies[0]
        return not others and first.name == self.names[0]


def spanned(first: str, last: str, times: int) -> str:
    """``layers.0 ... layers.31 (x32)``."""
    return f"{first} ... {last} (x{times})"


Pairs: TypeAlias = "dict[tuple[int, int], bool]"
"""Whether two operators on shapes are equal, by what the lines keep alive."""


def folded(
    lines: Sequence[Line], level: int = 0, pairs: Pairs | None = None
) -> Iterator[Line | Repeat]:
    """The lines, with repeated blocks and layers as one wherever that makes fewer of them.

    A block is one of several if its name ends in a number: ``layers.0``. Two are equal if they have
    the same layers of the same operators on inputs of the same shapes, wired in the same way. Two
    equal layers, as a small classifier has them, are two lines.
    """
    pairs = {} if pairs is None else pairs
    blocks = [
        (name, tuple(block))
        for name, block in groupby(lines, lambda line: _block(line.name, level))
    ]
    start = 0
    while start < len(blocks):
        name, block = blocks[start]
        end = start + 1
        while (
            name and end < len(blocks) and _follows(blocks[start], blocks[end], end - start, pairs)
        ):
            end += 1
        copies = tuple(lines for _, lines in blocks[start:end])
        if len(copies) * len(block) > len(block) + 1:
            yield Repeat(tuple(each for each, _ in blocks[start:end]), copies)
        elif name and len(block) > 1:
            for _, lines in blocks[start:end]:
                yield from folded(lines, level + 1, pairs)
        elif name:
            yield from (lines[0] for _, lines in blocks[start:end])
        else:
            yield from block
        start = end


def _block(name: str, level: int) -> str:
    """What ends in a number in a layer's name, a block or the layer, the outermost at level 0."""
    parts = name.split(".")
    ends = [k for k, part in enumerate(parts) if part.isdecimal()]
    return ".".join(parts[: ends[level] + 1]) if level < len(ends) else ""


def _follows(
    one: tuple[str, tuple[Line, ...]],
    other: tuple[str, tuple[Line, ...]],
    after: int,
    pairs: Pairs,
) -> bool:
    (name, lines), (later, others) = one, other
    if len(lines) != len(others) or not _alike(lines[0], others[0], pairs):
        return False
    within, _, number = name.rpartition(".")
    if later != (f"{within}.{int(number) + after}" if within else f"{int(number) + after}"):
        return False
    return all(
        a.name.removeprefix(name) == b.name.removeprefix(later) and _alike(a, b, pairs)
        for a, b in zip(lines, others, strict=True)
    ) and _wiring(name, lines) == _wiring(later, others)


def _alike(a: Line, b: Line, pairs: Pairs) -> bool:
    one, other = a.row, b.row
    if one is None or other is None or (one.executed, one.shared) != (other.executed, other.shared):
        return False
    mine, others = one.node.applied, other.node.applied
    if mine is others:
        return True
    pair = id(mine), id(others)
    if pair not in pairs:
        sizes = (n for shape in (*mine.input_shapes, *others.input_shapes) for n in shape)
        pairs[pair] = (
            all(type(n) is int for n in sizes)
            and mine.input_shapes == others.input_shapes
            and mine.op == others.op
        )
    return pairs[pair]


def _wiring(name: str, lines: Sequence[Line]) -> list[tuple[str | int, ...]]:
    """Where inputs come from: layers of the block by name, others by when they first occur."""
    outside: dict[str, int] = {}
    return [
        tuple(
            source.removeprefix(name)
            if source.startswith(f"{name}.")
            else outside.setdefault(source, len(outside))
            for source in line.sources
        )
        for line in lines
    ]
