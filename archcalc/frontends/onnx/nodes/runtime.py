"""Operators of onnxruntime's own, into which it joins others, and those of ``ai.onnx.ml``."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

from archcalc.frontends.onnx.nodes.call import TABLE, Call, Found, Made, Same, line, piece, stored
from archcalc.frontends.onnx.nodes.layers import activated, skip_layer_norm
from archcalc.frontends.onnx.nodes.products import attending, heads, product, together
from archcalc.frontends.onnx.types import channels_first
from archcalc.frontends.onnx.values import Value
from archcalc.frontends.table import Moves, held


@line("FusedMatMul", "TransposeMatMul")
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


@piece("EmbedLayerNormalization")
def _embedded(call: Call, index: int) -> Found:
    """The normalized sum of a word's vector, its place's and its segment's; which words count."""
    if index == 1:
        return Moves()
    words = call.taken(2)
    shape = (*call.x.sizes, words.sizes[1])

    def looked_up(ids: Value, table: Value) -> Made:
        fields = {"num_embeddings": table.sizes[0], "embedding_dim": table.sizes[1]}
        return Made("Embedding", fields, (ids,), {"weight": table}, shape=shape)

    place, segment, ids = call.taken(3), call.given(4), call.given(8)
    if ids is not None:
        places = looked_up(ids, place)
    else:
        steps = {"dim": 0, "end": shape[1]}
        places = Made("Slice", steps, (place,), shape=(shape[1], shape[2]))
    whole = Made("Add", {}, (looked_up(call.x, words), places), shape=shape)
    kinds = call.given(1)
    if segment is not None and kinds is not None:
        whole = Made("Add", {}, (whole, looked_up(kinds, segment)), shape=shape)
    if index == 2:
        return whole
    bias = stored(call.given(6))
    fields = {"normalized_shape": [shape[2]], "eps": call.get("epsilon", 1e-12)}
    fields["bias"] = bias is not None
    return Made("LayerNorm", fields, (whole,), held(weight=call.taken(5), bias=bias))


@line("Scaler")
def _scaler(call: Call) -> Made:
    """``(x - offset) * scale``, of one number each or one a feature, which are no weights."""
    made: Value | Made = call.x
    for op, name in (("Sub", "offset"), ("Mul", "scale")):
        numbers = call.get(name, [0.0 if op == "Sub" else 1.0])
        if len(numbers) == 1:
            made = Made(op, {"by": numbers[0]}, (made,), shape=call.x.sizes)
        else:
            each: Any = Made("Constant", {"shape": [len(numbers)]}, (), shape=(len(numbers),))
            made = Made(op, {}, (made, each), shape=call.x.sizes)
    assert isinstance(made, Made)
    return made


@line("ZipMap", "CastMap")
def _named(call: Call) -> Same:
    """Numbers by the names of classes."""
    return Same(call.x)


@line("ArrayFeatureExtractor", "LabelEncoder")
def _picked(call: Call) -> Moves:
    return Moves()


@line("FusedGemm")
def _fused_gemm(call: Call) -> Made | None:
    made = TABLE["Gemm"](call)
    return activated(call, made) if isinstance(made, Made) else None


@line("BiasSoftmax")
def _biased_softmax(call: Call) -> Made | None:
    if call.get("axis", 1) % call.x.rank != call.x.rank - 1:
        return None
    joined = Made("Add", {}, (call.x, call.taken(1)), shape=call.x.sizes)
    return Made("Softmax", {"dim": -1}, (joined,))


@line("BiasAdd")
def _biased_sum(call: Call) -> Made:
    joined = Made("Add", {}, (call.x, call.taken(1)), shape=call.x.sizes)
    return Made("Add", {}, (joined, call.taken(2)))


def _first(call: Call) -> Made:
    """The first input with its channels behind the first axis."""
    rank, first = call.x.rank, channels_first(call.x)
    assert first is not None
    dims = [0, rank - 1, *range(1, rank - 1)]
    return Made("Permute", {"dims": dims}, (call.x,), shape=first.shape)


def _last(call: Call, made: Made) -> Made:
    """What is made of it with its channels last again."""
    n, *extents, channels = call.output
    inner = replace(made, shape=(n, channels, *extents))
    return Made("Permute", {"dims": [0, *range(2, call.x.rank), 1]}, (inner,))


@line("GroupNorm")
def _group_norm(call: Call) -> Made | None:
    """Of maps with the channels last, and their gates if it says so."""
    weights = held(weight=call.taken(1), bias=call.taken(2))
    fields = {"num_groups": call.get("groups"), "eps": call.get("epsilon", 1e-5)}
    if not call.get("channels_last", 1):
        return None
    made = Made("GroupNorm", fields, (_first(call),), weights)
    if call.get("activation"):
        made = Made("SiLU", {}, (replace(made, shape=made.inputs[0].shape),))
    return _last(call, made)


@line("NhwcConv", "NhwcFusedConv", "NhwcMaxPool")
def _channels_last(call: Call) -> Made | None:
    """A window on maps with the channels last."""
    first = [channels_first(value) for value in call.inputs[:2]]
    n, *extents, channels = call.output
    kind = "MaxPool" if call.op == "NhwcMaxPool" else "FusedConv"
    twin = copy(call)
    twin.inputs, twin.shapes = [*first, *call.inputs[2:]], [(n, channels, *extents)]
    twin.node = type(call.node)(op_type=kind)
    made = TABLE[kind](twin)
    if not isinstance(made, Made):
        return None
    start, inner = _first(call), made.inputs[0]
    if isinstance(inner, Made):  # what a function is joined to
        start = Made(inner.op, inner.fields, (start,), inner.weights, inner.shape)
    return _last(call, Made(made.op, made.fields, (start,), made.weights))
