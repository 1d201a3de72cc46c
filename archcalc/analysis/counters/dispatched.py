"""PyTorch's FlopCounterMode, and ptflops on ATen: the matrix products and convolutions that run."""

from __future__ import annotations

from collections.abc import Mapping

from archcalc.analysis.analyze import Row
from archcalc.analysis.counters.rules import (
    CONVS,
    TRANSPOSED,
    Rule,
    bias_adds,
    differ,
    each,
    macs,
    projections,
    tool,
)
from archcalc.dims import Size


def _lstm_dispatched(row: Row) -> Size:
    # Without a projection the CPU runs one fused operator, mkldnn_rnn_layer.
    return row.macs if "weight_hr_l0" in row.weights else 0


def _attention_dispatched(row: Row) -> Size:
    # Of equal sizes and without windows, a fused operator of the CPU's; else products of matrices.
    q, _, v, *_ = row.node.input_shapes
    return row.macs if len(q) > 4 else differ(q[-1], v[-1]) * row.macs


_DISPATCHED: Mapping[str, Rule] = {
    **each((*CONVS, *TRANSPOSED, "SubSampling2d", "Linear", "MatMul", "RNN", "GRU"), macs),
    "LSTM": _lstm_dispatched,
    "ScaledDotProductAttention": _attention_dispatched,
    "MultiheadAttention": projections,
}

torch = tool(_DISPATCHED, 2)

_dispatched = tool(_DISPATCHED)


def ptflops_aten(row: Row) -> Size:
    """What ptflops prints with its ``aten`` backend."""
    seen = _dispatched(row)
    return 0 if type(seen) is int and seen == 0 else seen + bias_adds(row)
