"""Inputs of an ONNX file that are one value each: a truth that an ``If`` asks, a sampling rate."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING

from archcalc.errors import ArchcalcError
from archcalc.frontends.onnx.layers import Layers
from archcalc.frontends.onnx.values import Value
from archcalc.frontends.words import as_name

if TYPE_CHECKING:
    import onnx

_BOOL = 9
"""ONNX's number for the type of truth values."""
_WHOLE = (2, 3, 4, 5, 6, 7, 12, 13)
"""And those for types of whole numbers."""

WORDS = {"true": True, "false": False}
"""What may be said of a truth."""


def is_one(info: onnx.ValueInfoProto) -> bool:
    """Whether an input is one value: a truth, a whole number, or any number without an axis."""
    tensor = info.type.tensor_type
    one = tensor.HasField("shape") and all(dim.dim_value == 1 for dim in tensor.shape.dim)
    return one and (tensor.elem_type in (_BOOL, *_WHOLE) or not tensor.shape.dim)


def value(path: str, info: onnx.ValueInfoProto, text: str) -> Value:
    """The value that is said, which all that rests on it is worked out with.

    Raises :class:`ArchcalcError` for what is none of its type.
    """
    import numpy
    from onnx.helper import tensor_dtype_to_np_dtype

    dtype = info.type.tensor_type.elem_type
    shape = tuple(1 for _ in info.type.tensor_type.shape.dim)
    name = as_name(info.name, True)
    if dtype == _BOOL:
        if text not in WORDS:
            said = f"{path}: input '{name}' is one truth value, and '{text}' is none"
            raise ArchcalcError(f"{said}\n  write --input {name}=true, or --input {name}=false")
        return Value(info.name, shape, dtype, data=numpy.full(shape, WORDS[text]))
    try:
        number = int(text) if dtype in _WHOLE else float(text)
        data = numpy.full(shape, number, tensor_dtype_to_np_dtype(dtype))
    except (ValueError, OverflowError):
        kind = "whole number" if dtype in _WHOLE else "number"
        said = f"{path}: input '{name}' is one {kind}, and '{text:.40}' is none of its type"
        raise ArchcalcError(f"{said}\n  write --input {name}=1") from None
    return Value(info.name, shape, dtype, data=data)


def ask(at: str, layers: Layers, condition: Value | None, ones: Mapping[str, int]) -> None:
    """Raise :class:`ArchcalcError` where nothing but inputs of one value decides.

    ``ones`` are those that were not said, with their types.
    """
    queue = [] if condition is None or condition.key is None else [condition.key]
    deciding: dict[str, None] = {}
    while queue:
        key = queue.pop()
        if key >= 0:
            queue += layers.by_key[key].inputs
            continue
        name, shape = layers.inputs[key]
        if prod(shape) != 1 or name not in ones:
            return
        deciding[name] = None
    if deciding:
        truths = all(ones[name] == _BOOL for name in deciding)
        say = " ".join(f"--input {n}={'true' if ones[n] == _BOOL else '1'}" for n in deciding)
        raise ArchcalcError(
            f"{at} goes one of two ways, and {', '.join(deciding)} says which\n"
            f"  write {say}, or {'false' if truths else 'another value'}"
        )
