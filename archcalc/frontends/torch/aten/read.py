"""ATen's operators as ours: one table, in which each line is the inverse of an operator's spelling.

A line is a function that is given the call, with its arguments by the names that PyTorch's schema
has for them, and says which operator it is, with which fields, what it takes, and which of the
module's tensors are its own. What is not in the table is not counted, and named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import fx

from archcalc.frontends.draft import is_beyond
from archcalc.frontends.torch.aten import (  # which fill the tables
    elements,
    layers,
    losses,
    moves,
    products,
    recurrent,
)
from archcalc.frontends.torch.aten.call import PIECES, TABLE, Call, Found, Line, Made, name_of

__all__ = ["elements", "layers", "losses", "moves", "piece", "products", "read", "recurrent"]


def read(node: fx.Node, shape_of: Callable[[fx.Node], Any]) -> Found:
    """What a call is; None if it is not known."""
    found = _line(node)
    call = Call(node, shape_of)
    return None if found is None else _as_said(found(call), call)


def is_known(node: fx.Node) -> bool:
    """Whether the tables have a call's operator."""
    return _line(node) is not None or name_of(node) in PIECES


def _line(node: fx.Node) -> Line | None:
    name = str(node.target).removeprefix("aten.")
    found = TABLE.get(name) or TABLE.get(name.rpartition(".")[0])
    in_place = name.rpartition(".")[0]
    if found is None and in_place.endswith("_") and not in_place.startswith("_"):
        # An operator that writes into its input computes what its twin does.
        found = TABLE.get(in_place[:-1] + "." + name.rpartition(".")[2]) or TABLE.get(in_place[:-1])
    return found


def piece(node: fx.Node, index: int, shape_of: Callable[[fx.Node], Any]) -> Found:
    """One output of a call that has several; None where it is not known what that is."""
    found = PIECES.get(name_of(node))
    call = Call(node, shape_of)
    return None if found is None else _as_said(found(call, index), call)


def _as_said(found: Found, call: Call) -> Found:
    """What a call is; where an argument is none of our fields, other numbers than the call's.

    Of ``sub(x, y, alpha=2)`` the shapes would be right, and all that is computed wrong.
    """
    if not isinstance(found, Made) or not found.said:
        return found
    other = call.passed_over and found.op not in _OF_SHAPES
    return replace(found, said=False) if other or _is_bounded(found) else found


_OF_SHAPES = ("Reshape", "Expand", "Constant", "Split")
"""Operators that are told by what they give, whatever the call is told."""


def _is_bounded(made: Made) -> bool:
    """Whether a field has a number that a spec can't have, such as the infinite ones of masks."""
    return any(is_beyond(value) for value in made.fields.values()) or any(
        isinstance(source, Made) and _is_bounded(source) for source in made.inputs
    )
