"""Several values of a variable, as they are typed on the command line."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from archcalc.cli.arguments import parse_variables
from archcalc.errors import ArchcalcError

MOST = 20_000_000
"""The most values of one variable."""


def parse_values(texts: list[str]) -> dict[str, Any]:
    """``VAR=VALUES`` each: ``32:512:32``, ``0.25:2:0.05``, ``16:1024:x2``, ``a,b,c``, ``[1, 2]``.

    A range has its end in it where a step leads there; ``x2`` is a step that multiplies. One
    value is a value, several are a list. Raises :class:`ArchcalcError` for what can't be read.
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, written = text.partition("=")
        name, written = name.strip(), written.strip()
        if not equals or not name or not written:
            raise ArchcalcError(f"--set {text}: write VAR=VALUES, such as width=32,64 or 32:96:8")
        if name in found:
            raise ArchcalcError(f"--set {text}: '{name}' is set twice")
        found[name] = _values(text, name, written)
    return found


def _values(text: str, name: str, written: str) -> Any:
    if ":" in written and not written.startswith(("[", "=", "'", '"')):
        return _range(text, written.split(":"))
    if "," in written and not written.startswith(("[", "=", "'", '"', "{")):
        return [_one(name, item) for item in written.split(",")]
    return _one(name, written)


def _one(name: str, written: str) -> Any:
    return parse_variables([f"{name}={written.strip()}"], ())[name]


def _range(text: str, parts: list[str]) -> Any:
    if len(parts) not in (2, 3):
        raise ArchcalcError(f"--set {text}: write a range as FROM:TO:STEP")
    first, last, step = (*parts, "1")[:3]
    multiplies = step.strip().startswith("x")
    try:
        # Of decimals exactly, so that 0.25:2:0.05 has 0.3 and not 0.30000000000000004.
        start, stop, by = (Fraction(part.strip().removeprefix("x")) for part in (first, last, step))
    except (ValueError, ZeroDivisionError):
        raise ArchcalcError(f"--set {text}: a range is of numbers, FROM:TO:STEP") from None
    if any(max(abs(n.numerator), n.denominator) > 2**62 for n in (start, stop, by)):
        raise ArchcalcError(f"--set {text}: a number may not exceed 2^62")
    values: list[Fraction] = []
    if multiplies:
        if by <= 1 or start <= 0:
            raise ArchcalcError(f"--set {text}: a range from above 0 is multiplied by more than 1")
        while start <= stop:
            values.append(start)
            start *= by
    else:
        if by == 0 or (stop - start) / by < 0:
            raise ArchcalcError(f"--set {text}: the steps do not lead from {first} to {last}")
        count = int((stop - start) / by) + 1
        if count > MOST:
            raise ArchcalcError(f"--set {text}: has {count:,} values; the limit is {MOST:,}")
        if all(n.denominator == 1 for n in (start, by)):
            return range(int(start), int(start) + count * int(by), int(by))
        values = [start + k * by for k in range(count)]
    if not values:
        raise ArchcalcError(f"--set {text}: the range is empty")
    whole = all(value.denominator == 1 for value in values)
    return [int(value) if whole else float(value) for value in values]
