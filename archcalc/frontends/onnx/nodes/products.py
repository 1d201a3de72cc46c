"""ONNX's products, attention and recurrent layers."""

from __future__ import annotations

from math import prod
from typing import Any

from archcalc.dims import Shape
from archcalc.frontends.onnx.nodes.call import TABLE, Call, Found, Made, line, piece, stored
from archcalc.frontends.onnx.values import Value
from archcalc.frontends.table import Moves, held, spelled

# Products -----------------------------------------------------------------------------------------


def product(a: Value, b: Value) -> Made:
    """A linear layer where the second is held, else a product of two tensors."""
    if b.held and b.rank == 2 and not a.held and a.rank >= 2:
        return Made("Linear", {"out_features": b.sizes[1], "bias": False}, (a,), {"weight": b})
    return Made("MatMul", {}, (a, b))


@line("MatMul", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "QLinearMatMul")
def _matmul(call: Call) -> Made:
    return product(call.x, call.taken(3 if call.op == "QLinearMatMul" else 1))


@line("Gemm", "QGemm")
def _gemm(call: Call) -> Made | None:
    quantised = call.op == "QGemm"
    a, b, c = call.x, call.taken(3 if quantised else 1), call.given(6 if quantised else 2)
    rows, columns = b.sizes
    out = rows if call.get("transB", 0) else columns
    if b.held and not a.held and not call.get("transA", 0):
        if c is None or (c.held and prod(c.sizes) in (out, 1)):
            bias = stored(c) if c and prod(c.sizes) == out else None
            fields = {"out_features": out, "bias": bias is not None}
            return Made("Linear", fields, (a,), held(weight=b, bias=bias))
        fields = {"out_features": out, "bias": False}
        product = Made("Linear", fields, (a,), {"weight": b}, shape=call.output)
        return Made("Add", {}, (product, c))
    taken: list[Value | Made] = [a, b]
    for k, turned in enumerate(("transA", "transB")):
        if call.get(turned, 0):
            m, n = taken[k].shape or (1, 1)
            taken[k] = Made("Permute", {"dims": [1, 0]}, (taken[k],), shape=(n, m))
    product = Made("MatMul", {}, tuple(taken), shape=call.output)
    return product if c is None else Made("Add", {}, (product, c))


@line("Einsum")
def _einsum(call: Call) -> Made:
    inputs = tuple(value for value in call.inputs if value is not None)
    equation = spelled(call.get("equation", ""), [value.rank for value in inputs])
    return Made("Einsum", {"equation": equation}, inputs)


# Attention ----------------------------------------------------------------------------------------


def _joined(call: Call) -> Made | None:
    """The ``Attention`` of onnxruntime: a projection to queries, keys and values, none behind."""
    weight, bias = call.taken(1), stored(call.given(2))
    past = call.given(8 if call.op == "QAttention" else 4)
    if call.get("qkv_hidden_sizes") or not weight.held:
        return None
    if past is not None:
        return _behind_others(call, held(weight=weight, bias=bias), past)
    fields: dict[str, Any] = {"num_heads": call.get("num_heads"), "fused": True, "out_proj": False}
    fields |= dict.fromkeys(("q_bias", "k_bias", "v_bias"), bias is not None)
    return Made("Attention", fields, (call.x,), held(weight=weight, bias=bias))


def _behind_others(call: Call, weights: dict[str, Value], past: Value) -> Made:
    """That of tokens behind others, whose keys and values are given: a projection and products."""
    n, t, width = call.x.sizes
    fields = {"out_features": 3 * width, "bias": "bias" in weights}
    projected = Made("Linear", fields, (call.x,), weights, shape=(n, t, 3 * width))
    macs = 2 * n * t * (past.sizes[3] + t) * width
    return Made("CachedAttention", {"macs": macs}, (projected, past), declared=True)


@line("QAttention")
def _attention_of_ints(call: Call) -> Made | None:
    return _joined(call)


@line("Attention")
def _attention(call: Call) -> Made | None:
    """The operator of opset 23; onnxruntime's own of that name is another."""
    if call.node.domain == "com.microsoft":
        return _joined(call)
    if call.node.domain not in ("", "ai.onnx"):
        return None
    many = call.get("q_num_heads", 0), call.get("kv_num_heads", 0)
    q, k, v = (heads(call.taken(n), many[n > 0]) for n in range(3))
    k, v = behind(call.given(4), k), behind(call.given(5), v)
    if call.get("softcap"):
        if extents(q)[1] != extents(k)[1]:
            return None
        made = _capped(q, k, v, call.given(3), call.get("softcap"))
    else:
        made = attending(q, k, v, call.given(3), bool(call.get("is_causal", 0)))
    return made if call.x.rank == 4 else together(made)


@piece("Attention", "QAttention", "GroupQueryAttention")
def _attention_and_cache(call: Call, index: int) -> Found:
    """What is given, keys and values with the past ones, and scores, which it has worked out."""
    return Moves() if index else TABLE[call.op](call)


Tensor = Value | Made


def extents(value: Tensor) -> Shape:
    """The sizes of what is computed or made on the way."""
    return value.sizes if isinstance(value, Value) else value.shape or ()


def heads(value: Tensor, count: int) -> Tensor:
    """(N, T, E) -> (N, heads, T, E / heads); what has four axes is so already."""
    if len(extents(value)) == 4:
        return value
    n, t, width = extents(value)
    apart = Made("Reshape", {}, (value,), shape=(n, t, count, width // count))
    shape = (n, count, t, width // count)
    return Made("Permute", {"dims": [0, 2, 1, 3]}, (apart,), shape=shape)


def together(made: Made) -> Made:
    """(N, heads, T, d) -> (N, T, heads d)."""
    n, count, t, size = extents(made)
    back = Made("Permute", {"dims": [0, 2, 1, 3]}, (made,), shape=(n, t, count, size))
    return Made("Reshape", {}, (back,))


def behind(past: Value | None, new: Tensor) -> Tensor:
    """Keys or values behind those of earlier tokens."""
    if past is None or 0 in past.sizes:
        return new
    n, count, t, size = extents(new)
    return Made("Concat", {"dim": 2}, (past, new), shape=(n, count, past.sizes[2] + t, size))


def attending(q: Tensor, k: Tensor, v: Tensor, mask: Value | None, causal: bool) -> Made:
    """Attention of heads, some of which may share keys and values."""
    fields: dict[str, Any] = {"enable_gqa": extents(q)[1] != extents(k)[1]}
    masks: tuple[Tensor, ...] = ()
    if mask is not None:
        whole = (*(1,) * (4 - mask.rank), *mask.sizes)
        masks = (mask if mask.rank == 4 else Made("Reshape", {}, (mask,), shape=whole),)
    elif causal:
        fields["is_causal"] = True
    shape = (*extents(q)[:3], extents(v)[3])
    return Made("ScaledDotProductAttention", fields, (q, k, v, *masks), shape=shape)


def _capped(q: Tensor, k: Tensor, v: Tensor, mask: Value | None, cap: float) -> Made:
    """Attention whose scores are ``cap * tanh(score / cap)``: no one operator does that."""
    n, count, t, size = extents(k)
    turned = Made("Permute", {"dims": [0, 1, 3, 2]}, (k,), shape=(n, count, size, t))
    scores = (*extents(q)[:3], t)
    made = Made("MatMul", {}, (q, turned), shape=scores)
    for op, fields in (("Mul", {"by": size**-0.5}), ("Div", {"by": cap}), ("Tanh", {})):
        made = Made(op, fields, (made,), shape=scores)
    made = Made("Mul", {"by": cap}, (made,), shape=scores)
    if mask is not None:
        whole = (*(1,) * (4 - mask.rank), *mask.sizes)
        taken = mask if mask.rank == 4 else Made("Reshape", {}, (mask,), shape=whole)
        made = Made("Add", {}, (made, taken), shape=scores)
    made = Made("Softmax", {"dim": 3}, (made,), shape=scores)
    return Made("MatMul", {}, (made, v), shape=(*scores[:3], extents(v)[3]))


@line("RotaryEmbedding")
def _rotary(call: Call) -> Made | None:
    """Queries or keys, turned: the whole of a head, or so many of its features."""
    table = call.taken(2 if call.node.domain == "com.microsoft" else 1)
    count = call.get("num_heads", 0)
    if call.x.rank == 3 and not count:
        return None
    taken = heads(call.x, count)
    *outer, size = extents(taken)
    part = 2 * table.sizes[-1]
    if part > size:
        return None
    turned = Made("RotaryEmbedding", {}, (taken,), shape=extents(taken))
    if part < size:
        cuts = [
            Made("Slice", {"dim": 3, "start": a, "end": b}, (taken,), shape=(*outer, b - a))
            for a, b in ((0, part), (part, size))
        ]
        first = Made("RotaryEmbedding", {}, (cuts[0],), shape=(*outer, part))
        turned = Made("Concat", {"dim": 3}, (first, cuts[1]), shape=extents(taken))
    return turned if call.x.rank == 4 else together(turned)


@line("GroupQueryAttention")
def _grouped(call: Call) -> Made | None:
    """Of onnxruntime: queries, keys and values apart or in one, turned first if it says so."""
    many = call.get("num_heads", 0), call.get("kv_num_heads", 0)
    taken: list[Tensor] = [call.x]
    if call.given(1) is None:
        n, t, width = call.x.sizes
        size = width // (many[0] + 2 * many[1])
        sections = [many[k > 0] * size for k in range(3)]
        taken = [
            Made(
                "Split",
                {"split_size_or_sections": sections, "index": k, "dim": 2},
                (call.x,),
                shape=(n, t, section),
            )
            for k, section in enumerate(sections)
        ]
    else:
        taken += [call.taken(1), call.taken(2)]
    q, k, v = (heads(each, many[n > 0]) for n, each in enumerate(taken))
    if call.get("do_rotary"):
        q, k = (Made("RotaryEmbedding", {}, (each,), shape=extents(each)) for each in (q, k))
    return together(attending(q, behind(call.given(3), k), behind(call.given(4), v), None, True))


# Recurrent layers ---------------------------------------------------------------------------------

RECURRENT = ("LSTM", "GRU", "RNN", "DynamicQuantizeLSTM")


def recurrent(call: Call, states: bool) -> Made | None:
    """The layer of a recurrent node, batch first, whose last states follow its steps if asked.

    None where it is not known. Raises :class:`LookupError`.
    """
    op = "LSTM" if call.op.endswith("LSTM") else call.op
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
    x, w, r, b = call.x, call.taken(1), call.taken(2), stored(call.given(3))
    ways, size = w.sizes[0], call.get("hidden_size")
    peepholes = call.given(7) if call.op == "LSTM" else None
    if x.rank != 3 or size is None or peepholes is not None or not w.held or x.held:
        return None
    if prod(w.sizes) != ways * gates * size * x.sizes[-1]:
        return None
    fields = {"hidden_size": size, "bias": b is not None, "bidirectional": ways == 2}
    if op == "RNN" and "Relu" in [_text(f) for f in call.get("activations", [])]:
        fields["nonlinearity"] = "relu"
    weights = held(weight_ih_l0=w, weight_hh_l0=r, bias=b)
    batch_first = call.get("layout", 0) == 1
    n, t = x.sizes[:2] if batch_first else (x.sizes[1], x.sizes[0])
    taken: Value | Made = x
    if not batch_first:
        taken = Made("Permute", {"dims": [1, 0, 2]}, (x,), shape=(n, t, x.sizes[2]))
    given: list[Value | Made] = [taken]
    first = _first_state(call, (n, ways, size), batch_first, op == "LSTM")
    if first is not None:
        given.append(first)
    if states:
        fields["states"] = True
        t += 2 if op == "LSTM" else 1
    return Made(op, fields, tuple(given), weights, shape=(n, t, ways * size))


def _first_state(
    call: Call, sizes: tuple[int, int, int], batch_first: bool, is_lstm: bool
) -> Made | None:
    """The state that a recurrent node is given, ``h`` and of an LSTM ``c``, if it is computed."""
    n, ways, size = sizes
    rows: list[Made] = []
    for value in (call.given(5), call.given(6))[: 1 + is_lstm]:
        if value is None or value.held:
            return None
        turned: Value | Made = value
        if not batch_first:
            turned = Made("Permute", {"dims": [1, 0, 2]}, (value,), shape=sizes)
        rows.append(Made("Reshape", {}, (turned,), shape=(n, 1, ways * size)))
    if len(rows) == 1:
        return rows[0]
    return Made("Concat", {"dim": 1}, tuple(rows), shape=(n, 2, ways * size))


def step(call: Call, steps: Value, index: int, states: bool) -> Made:
    """What a recurrent node gives, of its layer's output: all steps, or its last ``h`` or ``c``."""
    n, t, width = steps.sizes
    ways = call.taken(1).sizes[0]
    size, batch_first = width // ways, call.get("layout", 0) == 1
    t -= (2 if call.op.endswith("LSTM") else 1) if states else 0
    made: Value | Made = steps
    if index:  # (N, D H) -> (D, N, H)
        made = Made("Select", {"dim": 1, "index": t + index - 1}, (made,), shape=(n, width))
        made = Made("Reshape", {}, (made,), shape=(n, ways, size))
        return made if batch_first else Made("Permute", {"dims": [1, 0, 2]}, (made,))
    if states:
        made = Made("Slice", {"dim": 1, "start": 0, "end": t}, (made,), shape=(n, t, width))
    # (N, T, D H) -> (T, D, N, H)
    made = Made("Reshape", {}, (made,), shape=(n, t, ways, size))
    return made if batch_first else Made("Permute", {"dims": [1, 2, 0, 3]}, (made,))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
