"""Spec -> Program: what a network costs as arithmetic on what was left free."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from archcalc.analysis.analyze import Analysis, analyze
from archcalc.analysis.tape import ASK, PYTHON, Number, Program, Tape
from archcalc.errors import ArchcalcError, SpecError, did_you_mean
from archcalc.spec.model import Spec

QUANTITIES = ("params", "macs", "flops", "activations", "weight_bytes", "buffers", "connections")
"""The totals that can be asked for: :class:`archcalc.Analysis` says what each is."""

USUAL = QUANTITIES[:5]
"""Those that are given where none are named."""

INPUT = ("side", "H", "W")
"""What may be free of any network with images for input: both extents at once, or each."""

BATCH = ("N", "batch")

Interval: TypeAlias = tuple[Any, Any]
"""The least and the greatest value a step can have."""

ANY: Interval = (-math.inf, math.inf)

EXACT = 2**53
"""Up to here every whole number is a double."""


def free(spec: Spec) -> list[str]:
    """What can be varied of a spec: its variables, the extents of its input, and the batch."""
    return [*spec.vars, *(name for name in (*_extents(spec), *BATCH) if name not in spec.vars)]


def _extents(spec: Spec) -> tuple[str, ...]:
    images = [axes for axes in spec.inputs.values() if len(axes) == 3]
    return INPUT if len(images) == len(spec.inputs) == 1 else ()


def require_free(spec: Spec, names: Iterable[str]) -> None:
    """Raise :class:`ArchcalcError` for what can't be varied."""
    known, names = free(spec), list(names)
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            raise ArchcalcError(
                f"'{spec.label}' has no variable '{name}'" + (f"\n  {hint}" if hint else "")
            )
    for one, other in (("side", "H"), ("side", "W"), ("N", "batch")):
        if one in names and other in names and not {one, other} <= set(spec.vars):
            raise ArchcalcError(
                f"'{one}' and '{other}' can't be varied at once: one sets the other"
            )


def settings(spec: Spec, values: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of :func:`analyze` for values of some :func:`free` names."""
    variables = {name: value for name, value in values.items() if name in spec.vars}
    found: dict[str, Any] = dict(variables)
    for name in BATCH:
        if name in values and name not in spec.vars:
            found["batch"] = values[name]
    extents = {name: values[name] for name in INPUT if name in values and name not in spec.vars}
    if extents:
        ((_, (channels, height, width)),) = spec.inputs.items()
        side = extents.get("side")
        found["input"] = [
            channels,
            extents.get("H", height if side is None else side),
            extents.get("W", width if side is None else side),
        ]
    return found


def total(analysis: Analysis, quantity: str, dtype: str = "float32") -> Any:
    """One of ``QUANTITIES`` of an analysis."""
    if quantity == "weight_bytes":
        return analysis.weight_bytes(dtype)
    return getattr(analysis, quantity)


def is_number(value: Any) -> bool:
    """Whether a value of a variable is a number, which may be free; others make a graph each."""
    return type(value) in (int, float)


def trace(
    spec: Spec,
    point: Mapping[str, Any],
    quantities: Sequence[str] = USUAL,
    *,
    fixed: Mapping[str, Any] | None = None,
    dtype: str = "float32",
    measure: Callable[[Analysis], Mapping[str, Any]] | None = None,
) -> Program:
    """The program that computes ``quantities`` at a ``point``, and wherever else it may.

    Numbers of the point are free; ``fixed`` are further values that are not. ``measure`` says
    what else than totals of the network is computed of its analysis, by name. Where there is no
    network at that point, the program has the :class:`SpecError` instead of outputs.
    """
    measured = measure or (lambda found: {name: total(found, name, dtype) for name in quantities})
    tape = Tape()
    values = {
        name: tape.variable(name, value) if is_number(value) else value
        for name, value in point.items()
    }
    given = {**(fixed or {}), **values}
    try:
        analysis = analyze(spec, **settings(spec, given))
        return tape.finish(measured(analysis), None)
    except Exception as error:
        # Where there is no network the engine says so for plain numbers too, and in their words.
        # Anything else is a formula that takes no number but a plain one.
        failed = error
    plain = {**(fixed or {}), **point}
    try:
        analysis = analyze(spec, **settings(spec, plain))
    except SpecError as error:
        if isinstance(failed, SpecError):
            return tape.finish({}, error)
        return _pinned(point, {}, error)
    return _pinned(point, measured(analysis), None)


def _pinned(
    point: Mapping[str, Any], outputs: Mapping[str, Number], error: ArchcalcError | None
) -> Program:
    """A program that holds at one point only."""
    tape = Tape()
    for name, value in point.items():
        if is_number(value):
            tape.variable(name, value).settled()
    return tape.finish(outputs, error)


def holds_at(program: Program, point: Mapping[str, Any]) -> bool:
    """Whether all guards of a program hold at a point. They are asked in their order."""
    values: dict[int, Any] = {}
    for op, a, b, answer in program.guards:
        x, y = (_value(program, step, point, values) for step in (a, b))
        if bool(ASK[op](x, y)) is not answer:
            return False
    return True


def run(program: Program, point: Mapping[str, Any]) -> dict[str, Number]:
    """The outputs at one point where the guards hold, in Python's own numbers."""
    values: dict[int, Any] = {}
    return {name: _value(program, node, point, values) for name, node in program.outputs.items()}


def _value(program: Program, step: int, point: Mapping[str, Any], values: dict[int, Any]) -> Any:
    for k in needed(program, [step], values):
        op, args = program.steps[k]
        if op == "const":
            values[k] = args[0]
        elif op == "var":
            values[k] = point[args[0]]
        else:
            values[k] = PYTHON[op](*[values[arg] for arg in args])
    return values[step]


def needed(program: Program, wanted: Iterable[int], known: Mapping[int, Any]) -> list[int]:
    """The steps that lead to the ``wanted`` ones and are not known, in order."""
    found: set[int] = set()
    pending = [step for step in wanted if step not in known]
    while pending:
        step = pending.pop()
        if step in found:
            continue
        found.add(step)
        op, args = program.steps[step]
        if op not in ("const", "var"):
            pending += [arg for arg in args if arg not in known and arg not in found]
    return sorted(found)


def intervals(
    program: Program, variables: Mapping[str, Interval], steps: Iterable[int]
) -> dict[int, Interval]:
    """Between which values the given steps are, for variables between theirs."""
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
