"""Spec -> Program: what a network costs as arithmetic on what was left free."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from math import ceil
from typing import Any

from archcalc.algebra.program import Number, Program
from archcalc.algebra.record import Record
from archcalc.analysis.analyze import analyze, answer
from archcalc.analysis.counted import Analysis, Row
from archcalc.analysis.memory import memory
from archcalc.analysis.roofline import seconds
from archcalc.errors import ArchcalcError, SpecError, did_you_mean
from archcalc.operators import FAMILIES
from archcalc.operators.base import elements
from archcalc.spec.arithmetic import LARGEST
from archcalc.spec.bits import BYTES
from archcalc.spec.expand import folded, settled
from archcalc.spec.machines import Hardware
from archcalc.spec.model import OVERRIDABLE, Spec
from archcalc.spec.question import NoVariable, Question
from archcalc.spec.space import BATCH, EXTENTS, extents

QUANTITIES = ("params", "macs", "flops", "activations", "weight_bytes", "buffers", "connections")
"""The totals that can be asked for: :class:`archcalc.Analysis` says what each is."""

ALONE = ("time", "memory")
"""What is found of each configuration for itself: the least time on a machine in nanoseconds,
rounded up, and the bytes that inference needs."""

USUAL = QUANTITIES[:5]
"""Those that are given where none are named."""


def free(spec: Spec) -> list[str]:
    """What can be varied of a spec: its variables, the extents of its input, and the batch."""
    return [
        *spec.vars,
        *(name for name in (*extents(spec.inputs), *BATCH) if name not in spec.vars),
    ]


def require_free(spec: Spec, names: Iterable[str]) -> None:
    """Raise :class:`ArchcalcError` for what can't be varied."""
    known, names = free(spec), list(names)
    for name in names:
        if name not in known:
            raise NoVariable(spec.document.file, spec.label, name, known)
    for one, other in (("side", "H"), ("side", "W"), ("N", "batch")):
        if one in names and other in names and not {one, other} <= set(spec.vars):
            raise ArchcalcError(
                f"'{one}' and '{other}' can't be varied at once: one sets the other"
            )


def asked(spec: Spec, values: Mapping[str, Any]) -> Question:
    """What is asked of the network for values of some :func:`free` names."""
    variables = {name: value for name, value in values.items() if name in spec.vars}
    others = {name: value for name, value in values.items() if name not in spec.vars}
    batch = next((others[name] for name in reversed(BATCH) if name in others), 1)
    input: list[Any] | None = None
    if any(name in others for name in EXTENTS):
        ((_, axes),) = spec.inputs.items()
        input = list(axes)
        for name in EXTENTS:  # the side of all first, and then those of one axis
            for place in places(spec, name) if name in others else ():
                input[place] = others[name]
    return Question(input, batch, variables)


def places(spec: Spec, extent: str) -> tuple[int, ...]:
    """Which axes of the only input an extent is, counted without the batch.

    A volume's side are all three if it is a cube, of others (a video) the last two. The length of
    (T, C) is the first axis, and the last of (C, L), which convolutions and pooling take.
    """
    ((name, axes),) = spec.inputs.items()
    if extent == "length":
        graph = settled(spec, Question())
        windows = {*FAMILIES["conv"], *FAMILIES["pooling"], "BatchNorm1d"}
        first = {type(node.op).__name__ for node in graph.nodes if name in node.inputs}
        return (len(axes) - 1 if first & windows else 0,)
    if extent == "side":
        cube = len({str(axis) for axis in axes[1:]}) == 1
        return tuple(range(1 if cube else len(axes) - 2, len(axes)))
    return (len(axes) - 1 - "WHD".index(extent),)


def written(spec: Spec, values: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a spec with values chosen of some :func:`free` names: of its variants only the
    one that is meant, and without what is said of others.
    """
    data: dict[str, Any] = deepcopy(dict(spec.document.data))
    chosen = (spec.variants.get(spec.variant) if spec.variant else None) or {}
    for key in ("variants", "space", "documented", "facts", "budget"):
        data.pop(key, None)
    data.update({key: chosen[key] for key in OVERRIDABLE if key in chosen})
    variables = {key: value for key, value in chosen.items() if key not in OVERRIDABLE}
    set_ = {name: value for name, value in values.items() if name in spec.vars}
    if spec.vars:
        data["vars"] = {**data.get("vars", {}), **variables, **set_}
    extents = asked(spec, values).input
    if extents is not None:
        data["input"] = extents
    return data


def total(
    analysis: Analysis, quantity: str, dtype: str = "float32", on: Hardware | None = None
) -> Any:
    """One of ``QUANTITIES`` of an analysis, or of ``ALONE``: the time ``on`` a machine."""
    if quantity == "weight_bytes":
        return analysis.weight_bytes(dtype)
    if quantity == "memory":
        return memory(analysis.graph, dtype).most
    if quantity == "time":
        if on is None:
            raise ArchcalcError("a time is one on a machine: say which")
        return ceil(seconds(analysis, on, dtype) * 10**9)
    return getattr(analysis, quantity)


def of_row(row: Row, quantity: str) -> Any:
    """What a layer adds to one of ``QUANTITIES`` but the bytes."""
    if quantity == "activations":
        return elements(row.shape) if row.executed else 0
    return row.work.flops if quantity == "flops" else getattr(row, quantity)


def own_numbers(
    spec: Spec, names: Iterable[str], variables: Mapping[str, Any] | None = None, batch: int = 1
) -> dict[str, Any]:
    """The values of some :func:`free` names in the network itself; floats where a variant has a
    fraction. Raises :class:`ArchcalcError` for what is no number.
    """
    graph = settled(spec, asked(spec, variables or {}))
    (first, *_) = graph.inputs.values()
    found: dict[str, Any] = {}
    for name in names:
        if name not in spec.vars:
            found[name] = batch if name in BATCH else first[1 + places(spec, name)[0]]
            continue
        value: Any = graph.variables[name]
        if not is_number(value):
            known = [n for n in free(spec) if is_number(graph.variables.get(n, 0))]
            raise ArchcalcError(
                f"'{name}' is {value!r:.60}, no number: it has no place here\n"
                f"  free: {', '.join(known)}"
            )
        fraction = any(type((v or {}).get(name)) is float for v in spec.variants.values())
        found[name] = float(value) if fraction else value
    return found


def listed(names: Iterable[str] | str) -> list[str]:
    """Names, which may be given as words with commas between them."""
    return [name.strip() for name in (names.split(",") if isinstance(names, str) else names)]


def require_quantities(names: Iterable[str]) -> None:
    """Raise :class:`ArchcalcError` for what is no quantity."""
    known = (*QUANTITIES, *ALONE)
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or f"known: {', '.join(known)}"
            raise ArchcalcError(f"no quantity '{name}'\n  {hint}")


def is_number(value: Any) -> bool:
    """Whether a value of a variable is a number, which may be free; others make a graph each."""
    return type(value) in (int, float)


def is_listed(value: Any) -> bool:
    """Whether a value is a list of whole numbers, each of which may be free."""
    if type(value) not in (list, tuple) or not value or set(map(type, value)) != {int}:
        return False
    return bool(max(map(abs, value)) < LARGEST)


def numbers(point: Mapping[str, Any]) -> dict[str, Number]:
    """What is free of a point, as programs call it: numbers, and those in lists by their place."""
    found: dict[str, Number] = {}
    for name, value in point.items():
        if is_number(value):
            found[name] = value
        elif is_listed(value):
            found.update((f"{name}[{k}]", number) for k, number in enumerate(value))
    return found


def trace(
    spec: Spec,
    point: Mapping[str, Any],
    quantities: Sequence[str] = USUAL,
    *,
    fixed: Mapping[str, Any] | None = None,
    dtype: str = "float32",
    measure: Callable[[Analysis], Mapping[str, Any]] | None = None,
    bounded: bool = True,
) -> Program:
    """The program that computes ``quantities`` at a ``point``, and wherever else it may.

    Numbers of the point are free; ``fixed`` are further values that are not. ``measure`` says
    what else than totals of the network is computed of its analysis, by name. ``bounded`` asks how
    many layers there may be, which is a limit of specs and not of a network. Where there is no
    network at that point, the program has the :class:`SpecError` instead of outputs.
    """
    measured = measure or (lambda found: {name: total(found, name, dtype) for name in quantities})
    if measure is None:
        with suppress(Exception):
            return _folded(spec, point, quantities, fixed or {}, dtype, bounded)

    def made(record: Record, values: Mapping[str, Any]) -> Program:
        analysis = answer(spec, asked(spec, {**(fixed or {}), **values}))
        return record.finish(measured(analysis), None)

    record, values = _recorded(point)
    try:
        return made(record, values)
    except Exception as error:
        # Where there is no network the engine says so for plain numbers too, and in their words.
        # Anything else is a formula that takes no number but a plain one.
        failed = error
    plain = {**(fixed or {}), **point}
    try:
        analysis = answer(spec, asked(spec, plain))
    except SpecError as error:
        if isinstance(failed, SpecError):
            return record.finish({}, error)
        return _pinned(point, {}, error)
    alone = set()
    for name in point if len(point) > 1 else ():
        try:
            made(*_recorded(point, {*point} - {name}))
        except Exception:
            alone.add(name)
    with suppress(Exception):
        return made(*_recorded(point, alone or {*point}))
    return _pinned(point, measured(analysis), None)


def _recorded(
    point: Mapping[str, Any], plain: Collection[str] = ()
) -> tuple[Record, dict[str, Any]]:
    """A point with its numbers recorded; ``plain`` ones hold at their values alone."""
    record = Record()
    known: dict[str, Any] = {
        name: record.variable(name, number) for name, number in numbers(point).items()
    }
    for name in known:
        if name.partition("[")[0] in plain:
            known[name].settled()
            known[name] = numbers(point)[name]
    return record, {
        name: [known[f"{name}[{k}]"] for k in range(len(value))]
        if is_listed(value)
        else known.get(name, value)
        for name, value in point.items()
    }


def _folded(
    spec: Spec,
    point: Mapping[str, Any],
    quantities: Sequence[str],
    fixed: Mapping[str, Any],
    dtype: str,
    bounded: bool,
) -> Program:
    """The program in which copies of a layer are counted and not made: totals are sums over
    layers, each as often as it is there. Raises whatever is in the way of it.
    """
    if spec.bits and "weight_bytes" in quantities:
        raise ArchcalcError("bytes are of tensors then, and no multiple of the parameters")
    record, values = _recorded(point)
    graph, times = folded(spec, asked(spec, {**fixed, **values}), bounded)
    rows = analyze(graph).rows
    sums: dict[str, Any] = {}
    for quantity in quantities:
        each = "params" if quantity == "weight_bytes" else quantity
        found = [of_row(row, each) * n for row, n in zip(rows, times, strict=True)]
        sums[quantity] = sum(found) * (BYTES[dtype] if quantity == "weight_bytes" else 1)
    return record.finish(sums)


def _pinned(
    point: Mapping[str, Any], outputs: Mapping[str, Number], error: ArchcalcError | None
) -> Program:
    """A program that holds at one point only."""
    record = Record()
    for name, value in numbers(point).items():
        record.variable(name, value).settled()
    return record.finish(outputs, error)
