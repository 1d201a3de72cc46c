"""Inputs of an ONNX file that are one truth value each, such as what an ``If`` asks."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING

from archcalc.errors import ArchcalcError
from archcalc.frontends.draft import as_name
from archcalc.frontends.onnx.layers import Layers
from archcalc.frontends.onnx.values import Value

if TYPE_CHECKING:
    import onnx

_BOOL = 9
"""ONNX's number for the type of truth values."""

WORDS = {"true": True, "false": False}
"""What may be said of one."""


def is_truth(info: onnx.ValueInfoProto) -> bool:
    """Whether an input is one truth value."""
    tensor = info.type.tensor_type
    one = tensor.HasField("shape") and all(dim.dim_value == 1 for dim in tensor.shape.dim)
    return one and tensor.elem_type == _BOOL


def value(path: str, info: onnx.ValueInfoProto, text: str) -> Value:
    """The value that is said, which all that rests on it is worked out with.

    Raises :class:`ArchcalcError` for another word.
    """
    import numpy

    if text not in WORDS:
        name = as_name(info.name, True)
        said = f"{path}: input '{name}' is one truth value, and '{text}' is none"
        raise ArchcalcError(f"{said}\n  write --input {name}=true, or --input {name}=false")
    shape = tuple(1 for _ in info.type.tensor_type.shape.dim)
    return Value(info.name, shape, _BOOL, data=numpy.full(shape, WORDS[text]))


def ask(at: str, layers: Layers, condition: Value | None, truths: Mapping[str, str]) -> None:
    """Raise :class:`ArchcalcError` where nothing but ``truths``, which were not said, decides."""
    queue = [] if condition is None or condition.key is None else [condition.key]
    deciding: dict[str, None] = {}
    while queue:
        key = queue.pop()
        if key >= 0:
            queue += layers.by_key[key].inputs
            continue
        name, shape = layers.inputs[key]
        if prod(shape) != 1 or name not in truths:
            return
        deciding[name] = None
    if deciding:
        say = " ".join(f"--input {name}=true" for name in deciding)
        raise ArchcalcError(
            f"{at} goes one of two ways, and {', '.join(deciding)} says which\n"
            f"  write {say}, or false"
        )
