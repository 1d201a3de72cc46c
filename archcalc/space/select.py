"""Which rows of a sweep are kept: those that fulfil a condition, the first few, a Pareto front."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

from archcalc.errors import ArchcalcError, ExpressionError, unknown
from archcalc.space.trace import listed
from archcalc.spec.expressions import Expression, parse

if TYPE_CHECKING:
    import numpy as np

Columns: TypeAlias = "dict[str, np.ndarray[Any, Any]]"
"""Arrays of one length by name: the variables', then the quantities'."""


def asked_for(
    where: str | None, by: str | None, pareto: Sequence[str] | str | None, known: Iterable[str]
) -> list[str]:
    """The columns that a selection asks for. Raises :class:`ArchcalcError` for one that is none."""
    names = list(condition(where).names) if where is not None else []
    names += [key for key, _ in keys(by)] + [key for key, _ in keys(pareto)]
    known = list(known)
    for name in names:
        if name not in known:
            raise unknown("column", name, known)
    return names


TIMES = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9}
"""Units of time, in nanoseconds."""

UNITS = {
    "k": 10**3,
    "K": 10**3,
    "M": 10**6,
    "G": 10**9,
    "B": 10**9,
    "T": 10**12,
    "KB": 10**3,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    **TIMES,
}
"""What may stand behind a number of a condition; times are in nanoseconds."""

_NUMBER = re.compile(rf"(?<![\w.])(\d{{1,18}}(?:\.\d{{1,12}})?)({'|'.join(UNITS)})(?![\w.])")
_TIMED = re.compile(r"\btime\(\s*['\"]?([\w.-]+)['\"]?\s*\)")


def timed(where: str | None, on: str | None) -> tuple[str | None, str | None]:
    """A condition, and the machine on which a time in it is: ``time(h100) < 2ms``, or ``on``.

    Raises :class:`ArchcalcError` for times on several.
    """
    if where is None:
        return None, on
    named = dict.fromkeys([*([on] if on is not None else []), *_TIMED.findall(where)])
    if len(named) > 1:
        raise ArchcalcError(f"a time is one on a machine, and here are {', '.join(named)}")
    return _TIMED.sub("time", where), next(iter(named), None)


def condition(where: str) -> Expression:
    """What ``where`` spells, in the language of specs' expressions, with ``UNITS``.

    Raises :class:`ArchcalcError` for what can't be understood.
    """

    def number(found: re.Match[str]) -> str:
        value = Fraction(found[1]) * UNITS[found[2]]
        return str(int(value) if value.denominator == 1 else float(value))

    try:
        found = parse(_NUMBER.sub(number, where))
    except ExpressionError as error:
        at = f" (column {error.column})" if error.column else ""
        raise ArchcalcError(f"the condition {where!r}{at}: {error}") from None
    if found.references:
        raise ArchcalcError(f"the condition {where!r} asks for layers, of which nothing is known")
    return found


def keys(names: Sequence[str] | str | None) -> list[tuple[str, int]]:
    """``-macs`` is ("macs", -1): the larger the better."""
    return [
        (name.removeprefix("-"), -1 if name.startswith("-") else 1) for name in listed(names or ())
    ]


def selection(
    first: str,
    where: str | None,
    top: int | None,
    by: str | None,
    pareto: Sequence[str] | str | None,
) -> Selection:
    """A selection to be given chunks; ``first`` is what the top rows have the most of, unless said.

    Raises :class:`ArchcalcError` for what does not go.
    """
    if top is not None and pareto is not None:
        raise ArchcalcError("either the top rows or the Pareto front: not both")
    if by is not None and top is None:
        raise ArchcalcError(f"by '{by}' says what the top rows are: say how many")
    if top is not None and top < 1:
        raise ArchcalcError(f"the top {top}: say at least 1")
    if pareto is not None and len(keys(pareto)) < 2:
        raise ArchcalcError("a Pareto front takes two keys at least, such as -width,macs")
    order = keys(by if by is not None else first)[:1] if top is not None else []
    return Selection(condition(where) if where else None, top, order, keys(pareto))


@dataclass
class Selection:
    """What has been kept so far."""

    where: Expression | None
    top: int | None
    order: list[tuple[str, int]]
    pareto: list[tuple[str, int]]
    most: int | None = None
    """The most rows that are kept where all fulfil; what is beyond them is counted."""
    count: int = 0
    """How many rows there are, the best of ``top`` and ``pareto`` being all that they are."""
    best: Columns = field(default_factory=dict)
    empty: Columns = field(default_factory=dict)

    def add(self, chunk: Columns) -> Columns | None:
        """Take a chunk: the rows that are kept for certain, None while that is not known."""
        if not self.empty:
            self.empty = {name: values[:0] for name, values in chunk.items()}
        if self.where is not None:
            kept = _fulfilled(self.where, chunk)
            chunk = {name: values[kept] for name, values in chunk.items()}
        if self.top is None and not self.pareto:
            left = None if self.most is None else max(self.most - self.count, 0)
            self.count += len(next(iter(chunk.values())))
            # A copy, so that what is beyond the first rows is let go.
            return (
                chunk if left is None else {n: values[:left].copy() for n, values in chunk.items()}
            )
        if not len(next(iter(chunk.values()))):
            return None
        if self.top is not None:
            self.best = _first(_joined([self.best, chunk]), self.order[0], self.top)
        else:
            front = _front(chunk, self.pareto)
            self.best = _front(_joined([self.best, front]), self.pareto)
        return None

    def finish(self, rows: Sequence[Columns]) -> Columns:
        """All that is kept, ``rows`` being what :meth:`add` gave."""
        if self.top is None and not self.pareto:
            return _joined(rows) or self.empty
        if self.pareto and self.best:
            import numpy as np

            key, sign = self.pareto[-1]
            order = np.argsort(sign * self.best[key], kind="stable")
            return {name: values[order] for name, values in self.best.items()}
        return self.best or self.empty


def _joined(rows: Sequence[Columns]) -> Columns:
    import numpy as np

    rows = [some for some in rows if some]
    if not rows:
        return {}
    return {name: np.concatenate([some[name] for some in rows]) for name in rows[0]}


def _fulfilled(where: Expression, chunk: Columns) -> Any:
    """A mask of the rows that fulfil a condition."""
    import numpy as np

    count = len(next(iter(chunk.values())))
    if not count:
        return np.zeros(0, bool)
    named = {name: chunk[name] for name in where.names}
    try:
        if any(values.dtype == object for values in named.values()):
            # Text, lists, and numbers that 64 bits can't hold: row by row.
            rows = (
                {name: unwrapped(values[k]) for name, values in named.items()} for k in range(count)
            )
            return np.array([_truth(where(row)) for row in rows], bool)
        answer = where(named)
    except ExpressionError as error:
        raise ArchcalcError(f"the condition: {error}") from None
    if getattr(answer, "ndim", 0):
        return answer if answer.dtype == bool else _truth(answer[0].item())
    return np.full(count, _truth(answer))


def impossible(where: Expression, known: Mapping[str, tuple[float, float]]) -> bool:
    """Whether a condition can't be true wherever quantities are between two numbers each."""

    def ends(node: ast.expr) -> tuple[float, float] | None:
        if isinstance(node, ast.Name):
            return known.get(node.id)
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            return (node.value, node.value)
        return None

    def never(node: ast.expr) -> bool:
        if isinstance(node, ast.BoolOp):
            found = map(never, node.values)
            return any(found) if isinstance(node.op, ast.And) else all(found)
        if isinstance(node, ast.Compare):
            sides = [ends(side) for side in (node.left, *node.comparators)]
            return any(
                a is not None and b is not None and _never(type(op), a, b)
                for op, a, b in zip(node.ops, sides, sides[1:], strict=False)
            )
        return False

    return never(ast.parse(where.text, mode="eval").body)


def _never(op: type[ast.cmpop], a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Whether a comparison of a number from each of two ranges is never true."""
    if op is ast.Lt:
        return a[0] >= b[1]
    if op is ast.LtE:
        return a[0] > b[1]
    if op is ast.Gt:
        return a[1] <= b[0]
    if op is ast.GtE:
        return a[1] < b[0]
    return op is ast.Eq and (a[0] > b[1] or b[0] > a[1])


def _truth(answer: Any) -> bool:
    if answer is True or answer is False:
        return bool(answer)
    raise ArchcalcError(f"the condition gives {answer!r:.40}, which is neither true nor false")


def unwrapped(value: Any) -> Any:
    """A number of numpy as one of Python's own; all else as it is."""
    return value.item() if hasattr(value, "item") else value


def _first(rows: Columns, order: tuple[str, int], count: int) -> Columns:
    """So many rows with the largest values, the largest first; equals as they come."""
    import numpy as np

    key, sign = order
    place = np.argsort(-sign * rows[key], kind="stable")[:count]
    return {name: values[place] for name, values in rows.items()}


def _front(rows: Columns, by: Sequence[tuple[str, int]]) -> Columns:
    """The rows that no other is at least as good as in every key, and better in one."""
    import numpy as np

    costs = np.stack([sign * rows[key] for key, sign in by], axis=1)
    order = np.lexsort(costs.T[::-1])
    sorted_costs = costs[order]
    if len(by) == 2:
        # In the order of the first cost, a row is good if its second is less than all before.
        least = np.minimum.accumulate(sorted_costs[:, 1])
        before = np.concatenate([[least[0] + 1], least[:-1]])
        equal = np.concatenate([[False], (sorted_costs[1:] == sorted_costs[:-1]).all(axis=1)])
        good = sorted_costs[:, 1] < before
        for k in np.flatnonzero(equal).tolist():
            good[k] = good[k - 1]
        return {name: values[np.sort(order[good])] for name, values in rows.items()}
    kept: list[int] = []
    alive = np.ones(len(costs), bool)
    for k in range(len(costs)):
        if not alive[k]:
            continue
        kept.append(k)
        # Nothing later in the order is better than this row; what it beats is out.
        worse = (sorted_costs >= sorted_costs[k]).all(axis=1)
        worse &= (sorted_costs > sorted_costs[k]).any(axis=1)
        alive &= ~worse
    return {name: values[np.sort(order[kept])] for name, values in rows.items()}
