"""ONNX's operators as ours: one table, a line each.

A line is given the node, and says which operator it is, with which fields, what it takes, and which
of the file's tensors are its own. What is not in the table is not counted, and named.
"""

from __future__ import annotations

from archcalc.frontends.onnx.nodes import (  # which fill the tables
    elements,
    layers,
    moves,
    products,
    runtime,
)
from archcalc.frontends.onnx.nodes.call import PIECES, TABLE, Call, Found
from archcalc.frontends.onnx.nodes.products import RECURRENT, recurrent, step

__all__ = [
    "RECURRENT",
    "elements",
    "layers",
    "moves",
    "piece",
    "products",
    "read",
    "recurrent",
    "runtime",
    "step",
]


def read(call: Call) -> Found:
    """What a node is; None if it is not known. Raises :class:`LookupError`."""
    found = TABLE.get(call.op)
    return None if found is None else found(call)


def piece(call: Call, index: int) -> Found:
    """One output of a node that has several; None where it is not known what that is.

    Raises :class:`LookupError`.
    """
    found = PIECES.get(call.op)
    if found is not None:
        return found(call, index)
    return read(call) if index == 0 else None
