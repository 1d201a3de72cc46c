"""What is swept: every combination of the values of some variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, ClassVar

from archcalc.algebra.arrays import import_numpy
from archcalc.errors import ArchcalcError, did_you_mean
from archcalc.space.select import asked_for, unwrapped
from archcalc.space.trace import (
    ALONE,
    QUANTITIES,
    USUAL,
    free,
    is_listed,
    is_number,
    listed,
    require_free,
    require_quantities,
)
from archcalc.spec.arithmetic import LARGEST
from archcalc.spec.bits import BYTES
from archcalc.spec.machines import Hardware
from archcalc.spec.model import Spec
from archcalc.values import Remembering


@dataclass(frozen=True)
class Axis(Remembering):
    """Variables that change together, and their values."""

    values: Mapping[str, Any]
    """By variable, arrays of one length: int64, float64, or objects where they are no numbers."""
    length: int

    @cached_property
    def numbers(self) -> Mapping[str, Any]:
        """What programs take of them: arrays of numbers, of lists one for every place in them.

        What a list has no place for is 0, and never asked for.
        """
        import numpy as np

        found: dict[str, Any] = {}
        for name, values in self.values.items():
            if values.dtype != object:
                found[name] = values
                continue
            listed = self._lists[name]
            rows = [v if is_list else [] for v, is_list in zip(values, listed, strict=True)]
            most = max(map(len, rows))
            padded = [row if len(row) == most else [*row, *[0] * (most - len(row))] for row in rows]
            columns = np.array(padded, np.int64).T
            found.update((f"{name}[{k}]", np.array(column)) for k, column in enumerate(columns))
        return found

    @cached_property
    def _lists(self) -> dict[str, list[bool]]:
        """Of variables that are no numbers: which of their values are lists of them."""
        objects = {name: v for name, v in self.values.items() if v.dtype == object}
        return {name: [is_listed(value) for value in values] for name, values in objects.items()}

    @cached_property
    def kinds(self) -> list[Any]:
        """At each place, what is no number: each such makes graphs of its own."""
        kinds = [
            [
                len(v) if is_list else repr(v)
                for v, is_list in zip(self.values[n], lists, strict=True)
            ]
            for n, lists in self._lists.items()
        ]
        return list(zip(*kinds, strict=True))


@dataclass(frozen=True)
class Grid:
    """What is to be swept: every combination of the places of some axes, the last one fastest."""

    spec: Spec
    axes: tuple[Axis, ...]
    quantities: tuple[str, ...]
    fixed: Mapping[str, Any]
    dtype: str = "float32"
    on: Hardware | None = None
    """The machine on which a time is."""
    left: ClassVar[float] = 0.0
    """Seconds that the rest takes, where that is known."""
    others: ClassVar[bool] = False
    """Whether other processes are given something to do."""

    @property
    def size(self) -> int:
        """How many configurations there are."""
        return prod(axis.length for axis in self.axes)

    @property
    def names(self) -> list[str]:
        """The variables in the order of their columns."""
        return [name for axis in self.axes for name in axis.values]

    def at(self, place: Sequence[int]) -> dict[str, Any]:
        """The configuration at a place on every axis, in Python's own values."""
        return {
            name: unwrapped(values[k])
            for axis, k in zip(self.axes, place, strict=True)
            for name, values in axis.values.items()
        }


def plan(
    spec: Spec,
    variables: Mapping[str, Any],
    quantities: Sequence[str] | str | None = None,
    zip: Sequence[Sequence[str]] | str = (),
    where: str | None = None,
    by: str | None = None,
    pareto: Sequence[str] | str | None = None,
    dtype: str = "float32",
    on: Hardware | None = None,
) -> Grid:
    """The grid that some values of variables span, checked. Raises :class:`ArchcalcError`."""
    import_numpy()
    require_free(spec, variables)
    swept: dict[str, Any] = {}
    fixed: dict[str, Any] = {}
    for name, value in variables.items():
        if isinstance(value, (list, tuple, range)) or hasattr(value, "__array__"):
            swept[name] = _values(name, value)
        else:
            fixed[name] = value
    if not swept:
        raise ArchcalcError(
            "nothing is swept: give a variable several values, such as N=1,8,64\n"
            f"  variables: {', '.join(free(spec))}"
        )
    groups = [listed(group) for group in ([zip] if isinstance(zip, str) else zip)]
    together = {name: tuple(group) for group in groups for name in group}
    for name in together:
        if name not in swept:
            raise ArchcalcError(f"'{name}' can't go with others: it has no several values")
    axes, seen = [], set[str]()
    for name in swept:
        if name in seen:
            continue
        group = together.get(name, (name,))
        seen.update(group)
        lengths = {len(swept[other]) for other in group}
        if len(lengths) > 1:
            counted = ", ".join(f"{other} has {len(swept[other])} values" for other in group)
            raise ArchcalcError(f"variables that go together need as many values each: {counted}")
        axes.append(Axis({other: swept[other] for other in group}, lengths.pop()))
    wanted = computed(quantities, swept, where, by, pareto, dtype, on)
    return Grid(spec, tuple(axes), wanted, fixed, dtype, on)


def computed(
    quantities: Sequence[str] | str | None,
    variables: Iterable[str],
    where: str | None,
    by: str | None,
    pareto: Sequence[str] | str | None,
    dtype: str,
    on: Hardware | None,
) -> tuple[str, ...]:
    """The quantities that are named, and what a selection asks for beside them and ``variables``.

    Raises :class:`ArchcalcError` for what is none, or can't be computed so.
    """
    asked = listed(quantities) if quantities is not None else list(USUAL)
    require_quantities(asked)
    known = (*QUANTITIES, *ALONE)
    others = [name for name in asked_for(where, by, pareto, [*variables, *known]) if name in known]
    if on is not None and quantities is None:
        asked.append("time")
    found = tuple(dict.fromkeys([*asked, *others]))
    require_machine(found, dtype, on)
    return found


def require_machine(quantities: Sequence[str], dtype: str, on: Hardware | None) -> None:
    """Raise :class:`ArchcalcError` for a time on no machine, and for what is no dtype of one."""
    if dtype not in BYTES:
        raise ArchcalcError(f"no dtype '{dtype}'\n  {did_you_mean(dtype, BYTES)}")
    if "time" in quantities and on is None:
        raise ArchcalcError("a time is one on a machine: say which, such as --on h100")
    if on is not None:
        on.peak(dtype)


def _values(name: str, given: Any) -> Any:
    """An axis' values as an array: of int64, of doubles where any is a fraction, or of objects."""
    import numpy as np

    if isinstance(given, range):
        listed: Any = np.arange(given.start, given.stop, given.step, dtype=np.int64)
    elif hasattr(given, "dtype") and given.dtype.kind in "iuf" and given.ndim == 1:
        listed = given.astype(np.float64 if given.dtype.kind == "f" else np.int64)
    else:
        items = [unwrapped(item) for item in given]
        if items and all(is_number(item) for item in items):
            if any(abs(item) > LARGEST for item in items):
                raise ArchcalcError(f"'{name}': a number may not exceed 2^62")
            whole = all(type(item) is int for item in items)
            listed = np.array(items, np.int64 if whole else np.float64)
        else:
            listed = np.empty(len(items), object)
            for k, item in enumerate(items):
                listed[k] = list(item) if isinstance(item, tuple) else item
    if not len(listed):
        raise ArchcalcError(f"'{name}': no value is given")
    if listed.dtype.kind == "f" and not np.isfinite(listed).all():
        raise ArchcalcError(f"'{name}': a value should be a number")
    return listed
