"""PyTorch's FlopCounterMode, and ptflops on ATen: the matrix products and convolutions that run."""

from __future__ import annotations

from collections.abc import Mapping

from archcalc.analysis.counted import Row
from archcalc.analysis.counters.rules import (
    CELLS,
    CONVS,
    TRANSPOSED,
    Rule,
    attention_biases,
    attention_projected,
    bias_adds,
    differ,
    each,
    macs,
    nothing,
    op_of,
    projections,
    tool,
    uncropped,
)
from archcalc.dims import Size, same


def _lstm_dispatched(row: Row) -> Size:
    # Without a projection the CPU runs one fused operator, mkldnn_rnn_layer.
    return row.macs if "weight_hr_l0" in row.weights else 0


def _attention_dispatched(row: Row) -> Size:
    # Of equal sizes and without windows, a fused operator of the CPU's; else products of matrices.
    q, _, v, *_ = row.node.input_shapes
    return row.macs if len(q) > 4 else differ(q[-1], v[-1]) * row.macs


def _own_attention(row: Row) -> Size:
    # Fused between its projections, unless keys and values have other sizes.
    op, projected = op_of(row), attention_projected(row)
    head = op.head_dim or row.node.input_shapes[0][2] // op.num_heads
    fused = op.value_dim is None or same(op.value_dim, head)
    return projected if fused else row.macs


_DISPATCHED: Mapping[str, Rule] = {
    **each((*CONVS, *TRANSPOSED, "SubSampling2d", "Linear", "RNN", "GRU", *CELLS), macs),
    **each(("MatMul", "Einsum"), macs),
    "EmbeddingBag": nothing,
    "LSTM": _lstm_dispatched,
    "ScaledDotProductAttention": _attention_dispatched,
    "MultiheadAttention": projections,
    "Attention": _own_attention,
}

_dispatched = tool(_DISPATCHED)


def _seen(row: Row, learned: frozenset[str]) -> Size:
    # What is added to the scores and takes a gradient is fused with nothing.
    apart = row.op == "ScaledDotProductAttention" and learned.intersection(row.node.inputs[3:])
    return row.macs if apart else _dispatched(row)


def torch(row: Row, learned: frozenset[str] = frozenset()) -> Size:
    """What FlopCounterMode counts; ``learned`` are layers whose outputs take gradients."""
    return 2 * _seen(row, learned)


def ptflops_aten(row: Row, learned: frozenset[str] = frozenset()) -> Size:
    """What ptflops prints with its ``aten`` backend."""
    seen = _seen(row, learned)
    if type(seen) is int and seen == 0:
        return 0
    if row.op == "Attention":
        return seen + attention_biases(row)
    return seen + bias_adds(uncropped(row) if row.op in TRANSPOSED else row)
