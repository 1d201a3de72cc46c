"""What the blocks of a class have at one place, as a column of values, and what it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from archcalc.pytorch.writer.code import literal
from archcalc.pytorch.writer.spelling import plain

MISSING: Final = object()
"""What a block has instead of a value that belongs to a layer it is without."""

Column = tuple[Any, ...]
"""The values at one place in all blocks of a class."""


@dataclass(eq=False)
class Slot:
    """A place in a class where a value stands."""

    column: Column
    name: str
    child: str
    written: str | None = None
    """The value as the spec writes it."""
    i: int | None = None
    text: str = ""


@dataclass(eq=False)
class Param:
    """An argument of a class's constructor."""

    name: str
    column: Column
    default: Any = MISSING

    @property
    def default_text(self) -> str | None:
        return None if self.default is MISSING else text_of(self.default)

    @property
    def annotation(self) -> str:
        kinds = dict.fromkeys(_kind(value) for value in self.column if value is not MISSING)
        if "None" in kinds:
            kinds = {**{k: None for k in kinds if k != "None"}, "None": None}
        return " | ".join(kinds)


def _kind(value: Any) -> str:
    if isinstance(value, Target):
        return "type[nn.Module]"
    if isinstance(value, Written):
        return "Tensor"
    if isinstance(value, (tuple, list)):
        inner = dict.fromkeys(map(_kind, value))
        if len(inner) != 1:
            return "tuple"
        (kind,) = inner
        return f"tuple[{kind}, ...]"
    return "None" if value is None else type(value).__name__


class Target(str):
    """The name of one of PyTorch's classes, as a value."""


class Written(str):
    """What makes a tensor, as it is written in Python."""


def column_of(rows: Sequence[Mapping[str, Any] | None], name: str) -> Column:
    """The values of one name in all rows; a row that is None, or is without it, has none."""
    return tuple(MISSING if row is None else row.get(name, MISSING) for row in rows)


def constant(column: Sequence[Any]) -> bool:
    """Whether all values that there are equal one another."""
    values = [value for value in column if value is not MISSING]
    return all(type(v) is type(values[0]) and v == values[0] for v in values)


def agree(column: Column, other: Column, name: str = "") -> bool:
    """Whether a column is equal to another one wherever it has a value."""
    pairs = [
        (plain(name, a), plain(name, b))
        for a, b in zip(column, other, strict=True)
        if a is not MISSING
    ]
    return bool(pairs) and all(type(a) is type(b) and a == b for a, b in pairs)


def multiple(column: Column, other: Column) -> int:
    """By how much a column is always larger; 0 where that differs."""
    pairs = [(a, b) for a, b in zip(column, other, strict=True) if a is not MISSING]
    if not pairs or any(type(a) is not int or type(b) is not int or not b for a, b in pairs):
        return 0
    times: int = pairs[0][0] // pairs[0][1]
    return times if times > 1 and all(a == b * times for a, b in pairs) else 0


def text_of(value: Any) -> str:
    """A value as it is written in Python."""
    return str(value) if isinstance(value, (Target, Written)) else literal(value)
