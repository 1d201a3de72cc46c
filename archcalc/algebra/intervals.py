"""Between which values the steps of a program are, and what that decides."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from archcalc.algebra.program import PYTHON, Program

Interval: TypeAlias = tuple[Any, Any]
"""The least and the greatest value a step can have."""

ANY: Interval = (-math.inf, math.inf)

EXACT = 2**53
"""Up to here every whole number is a double."""


def intervals(
    program: Program, variables: Mapping[str, Interval], steps: Iterable[int], held: bool = False
) -> dict[int, Interval]:
    """Between which values the given steps are, for variables between theirs; with ``held``,
    wherever the guards hold.
    """
    limits = _limits(program) if held else {}
    found: dict[int, Interval] = {}
    for k in steps:
        op, args = program.steps[k]
        if op == "const":
            found[k] = (args[0], args[0])
        elif op == "var":
            found[k] = variables[args[0]]
        else:
            try:
                found[k] = _interval(op, program.floats[k], *[found[arg] for arg in args])
            except (OverflowError, ValueError, ZeroDivisionError):
                found[k] = ANY
        for least, most in limits.get(k, ()):
            low, high = max(found[k][0], least), min(found[k][1], most)
            if low <= high:
                found[k] = low, high
    return found


def _limits(program: Program) -> dict[int, list[Interval]]:
    """What guards say of steps that they hold against a number: groups are at least 1."""
    found: dict[int, list[Interval]] = {}
    for op, a, b, answer in program.guards:
        if op != "eq" and not answer:  # not a < b is b <= a
            op, a, b = {"lt": "le", "le": "lt"}[op], b, a
        elif not answer:
            continue
        gap = int(op == "lt" and not program.floats[a] and not program.floats[b])
        if program.steps[a].op == "const":
            number = program.steps[a].args[0]
            found.setdefault(b, []).append((number + gap, number if op == "eq" else math.inf))
        elif program.steps[b].op == "const":
            number = program.steps[b].args[0]
            found.setdefault(a, []).append((number if op == "eq" else -math.inf, number - gap))
    return found


def _interval(
    op: str, is_float: bool, a: Interval, b: Interval = (0, 0), c: Interval = (0, 0)
) -> Interval:
    """Of one operation. Rounding is monotone, so the ends of floats are as exact as all else."""
    if op == "min":
        return min(a[0], b[0]), min(a[1], b[1])
    if op == "max":
        return max(a[0], b[0]), max(a[1], b[1])
    if op == "less":
        return int(a[1] < b[0]), int(a[0] < b[1])
    if math.inf in (a[1], b[1]) or -math.inf in (a[0], b[0]):
        return ANY
    if op == "add":
        return a[0] + b[0], a[1] + b[1]
    if op == "sub":
        return a[0] - b[1], a[1] - b[0]
    if op == "neg":
        return -a[1], -a[0]
    if op == "abs":
        ends = (abs(a[0]), abs(a[1]))
        return (0 if a[0] <= 0 <= a[1] else min(ends)), max(ends)
    if op in ("mul", "floordiv", "truediv"):
        if op != "mul" and b[0] <= 0 <= b[1]:
            return ANY
        corners = [PYTHON[op](x, y) for x in a for y in b]
        return min(corners), max(corners)
    if op == "mod":
        if b[0] <= 0:
            return ANY
        return a if a[0] >= 0 and a[1] < b[0] else (0, b[1] if is_float else b[1] - 1)
    if op == "round_to":
        if b[0] != b[1] or c[0] != c[1] or c[0] < 0:
            return ANY
        return PYTHON[op](a[0], b[0], c[0]), PYTHON[op](a[1], b[0], c[0])
    if op == "gcd":
        return 0, max(abs(end) for end in (*a, *b))
    return PYTHON[op](a[0]), PYTHON[op](a[1])


def decided(op: str, a: Interval, b: Interval) -> bool | None:
    """The answer to a question of two intervals, None where it is not the same everywhere."""
    if op == "eq":
        if a[1] < b[0] or b[1] < a[0]:
            return False
        return True if a[0] == a[1] == b[0] == b[1] else None
    if op == "lt":
        return True if a[1] < b[0] else False if a[0] >= b[1] else None
    return True if a[1] <= b[0] else False if a[0] > b[1] else None


def fits(program: Program, known: Mapping[int, Interval], steps: Iterable[int]) -> bool:
    """Whether machine numbers give what Python's do: no integer of 64 bits wraps, and none that
    becomes a double is rounded.
    """
    for k in steps:
        op, args = program.steps[k]
        low, high = known[k]
        if not program.floats[k]:
            if not -(2**63) <= low <= high < 2**63:
                return False
        elif op not in ("const", "var", "neg", "abs"):
            for arg in args:
                whole = not program.floats[arg]
                if whole and not -EXACT <= known[arg][0] <= known[arg][1] <= EXACT:
                    return False
        if op == "round_to" and not -EXACT <= low <= high <= EXACT:
            return False
        if op in ("less", "isqrt", "round_to"):
            for arg in args:
                mixed = op != "less" or any(program.floats[x] for x in args)
                if mixed and not -EXACT <= known[arg][0] <= known[arg][1] <= EXACT:
                    return False
    return True
