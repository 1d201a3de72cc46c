"""Blocks that are there several times, one after the other: equal but for their number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from archcalc.report.layers.lines import Line


class Repeat(NamedTuple):
    """Equal blocks: ``layers.0 ... layers.31 (x32)``."""

    names: tuple[str, ...]
    copies: tuple[tuple[Line, ...], ...]
    """The lines of each; those of the first stand for the others."""

    @property
    def name(self) -> str:
        """The first and the last, and how many there are."""
        return spanned(self.names)


def spanned(names: Sequence[str]) -> str:
    """``layers.0 ... layers.31 (x32)``."""
    return f"{names[0]} ... {names[-1]} (x{len(names)})"


def folded(lines: Sequence[Line], level: int = 0) -> Iterator[Line | Repeat]:
    """The lines, with repeated blocks as one wherever that makes fewer of them.

    A block is one of several if its name ends in a number: ``layers.0``. Two are equal if they have
    the same layers of the same operators on inputs of the same shapes, wired in the same way.
    """
    blocks = [
        (name, tuple(block))
        for name, block in groupby(lines, lambda line: _block(line.name, level))
    ]
    start = 0
    while start < len(blocks):
        name, block = blocks[start]
        end = start + 1
        while name and end < len(blocks) and _follows(blocks[start], blocks[end], end - start):
            end += 1
        copies = tuple(lines for _, lines in blocks[start:end])
        if len(copies) * len(block) > len(block) + 1:
            yield Repeat(tuple(each for each, _ in blocks[start:end]), copies)
        elif name:
            for _, lines in blocks[start:end]:
                yield from folded(lines, level + 1)
        else:
            yield from block
        start = end


def _block(name: str, level: int) -> str:
    """The block whose name ends in a number that a layer stands in, the outermost at level 0."""
    parts = name.split(".")
    ends = [k for k, part in enumerate(parts[:-1]) if part.isdecimal()]
    return ".".join(parts[: ends[level] + 1]) if level < len(ends) else ""


def _follows(
    one: tuple[str, tuple[Line, ...]], other: tuple[str, tuple[Line, ...]], after: int
) -> bool:
    (name, lines), (later, others) = one, other
    within, _, number = name.rpartition(".")
    if later != f"{within}.{int(number) + after}" or len(lines) != len(others):
        return False
    return all(
        a.name.removeprefix(name) == b.name.removeprefix(later) and _alike(a, b)
        for a, b in zip(lines, others, strict=True)
    ) and _wiring(name, lines) == _wiring(later, others)


def _alike(a: Line, b: Line) -> bool:
    one, other = a.row, b.row
    if one is None or other is None or (one.executed, one.shared) != (other.executed, other.shared):
        return False
    mine, others = one.node.applied, other.node.applied
    if mine is others:
        return True
    sizes = (n for shape in (*mine.input_shapes, *others.input_shapes) for n in shape)
    return (
        all(type(n) is int for n in sizes)
        and mine.input_shapes == others.input_shapes
        and mine.op == others.op
    )


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
