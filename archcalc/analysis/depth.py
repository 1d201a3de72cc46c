"""How deep a network is, as papers count it."""

from __future__ import annotations

from archcalc.analysis.counted import Row
from archcalc.operators import FAMILIES

UNWEIGHTED = frozenset(
    (
        *FAMILIES["normalization"],
        *FAMILIES["activation"],
        *FAMILIES["parameter"],
        "RelativePositionBias",
    )
)
"""Operators that are no weight layers, whatever they store: depth is counted without them. A tensor
that stands by itself is added to what a layer computes, or scales it."""


def is_weight_layer(row: Row) -> bool:
    """Whether a layer stores trainable tensors and is none of ``UNWEIGHTED``."""
    return bool(row.weights) and row.op not in UNWEIGHTED
