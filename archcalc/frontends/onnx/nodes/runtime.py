"""Operators of onnxruntime's own (``com.microsoft``), into which it joins others."""

from __future__ import annotations

from archcalc.frontends.onnx.nodes.call import Call, Found, Made, line, piece, stored
from archcalc.frontends.onnx.nodes.layers import skip_layer_norm
from archcalc.frontends.onnx.nodes.products import attending, heads, product, together
from archcalc.frontends.onnx.values import Value
from archcalc.frontends.table import Moves, held


@line("FusedMatMul")
def _fused_matmul(call: Call) -> Made:
    """A product of matrices that may be turned first, times a number."""
    a, b = call.x, call.taken(1)
    turned = [bool(call.get("transA", 0)), bool(call.get("transB", 0))]
    if turned == [False, False]:
        return product(a, b)
    if b.held and b.rank == 2 and not a.held and not turned[0]:
        return Made("Linear", {"out_features": b.sizes[0], "bias": False}, (a,), {"weight": b})
    taken: list[Value | Made] = [a, b]
    for k, value in enumerate((a, b)):
        if turned[k]:
            *outer, m, n = value.sizes
            dims = [*range(len(outer)), len(outer) + 1, len(outer)]
            taken[k] = Made("Permute", {"dims": dims}, (value,), shape=(*outer, n, m))
    return Made("MatMul", {}, tuple(taken))


@line("MatMulNBits")
def _matmul_of_bits(call: Call) -> Made:
    """A weight of ``N`` rows of ``K`` numbers, packed in a few bits each."""
    weights = held(weight=call.taken(1), bias=stored(call.given(5)))
    fields = {"out_features": call.get("N"), "bias": "bias" in weights}
    return Made("Linear", fields, (call.x,), weights)


@line("MultiHeadAttention")
def _multi_head(call: Call) -> Made | None:
    """Of queries, keys and values that were projected before."""
    count = call.get("num_heads")
    if call.x.rank != 3 or not count or any(call.given(n) is not None for n in (3, 6, 7)):
        return None
    q, k, v = (heads(call.taken(n), count) for n in range(3))
    return together(attending(q, k, v, None, causal=False))


@piece("SkipLayerNormalization", "SkipSimplifiedLayerNormalization")
def _with_sum(call: Call, index: int) -> Found:
    """The normalized sum, and the sum itself."""
    if index == 0:
        return skip_layer_norm(call)
    return Made("Add", {}, (call.x, call.taken(1))) if index == 3 else Moves()
