"""An operator as a layer of a spec says it: its name, and its fields as briefly as may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archcalc.errors import ArchcalcError
from archcalc.operators import NAMES
from archcalc.operators.base import Operator
from archcalc.spec.unknown import DeclaredOperator, UnknownOperator


def name_of(op: Operator) -> str:
    """What a layer calls its operator."""
    if isinstance(op, DeclaredOperator | UnknownOperator):
        return op.name
    return type(op).__name__


def fields_of(op: Operator) -> dict[str, Any]:
    """The fields of an operator that are not what they are anyway, as briefly as they can be.

    Raises :class:`ArchcalcError` for an operator that no spec can name, and for sizes that are
    arrays or symbols.
    """
    kind = type(op)
    if isinstance(op, DeclaredOperator):
        return {"shape": _plain(op.shape), "params": _plain(op.params), "macs": _plain(op.macs)}
    if isinstance(op, UnknownOperator):
        return {"shape": _plain(op.shape)}
    if kind.__name__ not in NAMES:
        raise ArchcalcError(f"a spec can't name the operator {kind.__name__}")
    written = {name: getattr(op, name) for name in kind.__pydantic_fields__}
    for name, field in kind.__pydantic_fields__.items():
        value = written[name]
        if not field.is_required():
            others = {key: other for key, other in written.items() if key != name}
            if _is(kind, others, op):
                written = others
                continue
        while isinstance(value, (tuple, list)) and len(set(value)) == 1:
            value = value[0]
            if _is(kind, {**written, name: value}, op):
                written = {**written, name: value}
    return {name: _plain(value) for name, value in written.items()}


def _is(kind: type[Operator], fields: Mapping[str, Any], op: Operator) -> bool:
    from pydantic import ValidationError

    try:
        return kind(**fields) == op
    except ValidationError:
        return False


_LONG = 10**15


def _plain(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < _LONG:
        return int(value)
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    raise ArchcalcError("a graph is written as a spec for numbers: neither arrays nor symbols")
