"""PyTorch's FlopCounterMode, and ptflops on ATen: the matrix products and convolutions that run."""

from __future__ import annotations

from collections.abc import Mapping

from archcalc.analysis.counted import Row
from archcalc.analysis.counters.rules import (
    CELLS,
    CONVS,
    RECURRENT,
    TRANSPOSED,
    Rule,
    as_built,
    attention_biases,
    attention_projected,
    bias_adds,
    differ,
    each,
    macs,
    op_of,
    projections,
    tool,
    uncropped,
)
from archcalc.dims import Size, same
from archcalc.operators.base import elements


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
    "DeformConv2d": as_built(macs),
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


PROJECTING = ("Linear", "MultiheadAttention", "Attention", *RECURRENT)
"""Operators that multiply what they are given, (N, T, features), by a trained matrix."""


def ptflops_aten(
    row: Row, learned: frozenset[str] = frozenset(), scattered: frozenset[int] = frozenset()
) -> Size:
    """What ptflops prints with its ``aten`` backend; inputs ``scattered`` are not contiguous."""
    seen = _seen(row, learned)
    if type(seen) is int and seen == 0:
        return 0
    if row.op == "Attention":
        added = attention_biases(row)
    else:
        added = bias_adds(uncropped(row) if row.op in TRANSPOSED else row)
    return seen + added - _added_apart(row, scattered)


def _added_apart(row: Row, scattered: frozenset[int]) -> Size:
    """Uses of biases that are no part of a product: the tool sees none.

    ``torch.nn.functional.linear`` multiplies and adds at once what has two axes or is contiguous,
    and adds afterwards to any other.
    """
    if row.op not in PROJECTING:
        return 0
    shapes = row.node.input_shapes
    return sum(
        elements(shapes[number][:-1]) * _biases_of(row, number)
        for number in scattered
        if len(shapes[number]) > 2
    )


def _biases_of(row: Row, number: int) -> Size:
    """Elements of the biases that are added to an input's projections at one position."""
    op, given = op_of(row), len(row.node.input_shapes)
    if row.op in RECURRENT:
        names: tuple[str, ...] = ("bias_ih_l0", "bias_ih_l0_reverse")
    elif row.op == "Linear":
        names = ("bias",)
    else:
        ours = [n for n in range(3) if min(n, given - 1) == number]
        if row.op == "MultiheadAttention":
            return len(ours) * row.node.input_shapes[0][2] if op.bias else 0
        op = op.model_copy(update={"fused": False})
        names = tuple(f"{'qkv'[n]}_proj.bias" for n in ours)
    weights = op.weights(*row.node.input_shapes)
    return sum(elements(weights[name]) for name in names if name in weights)
