"""ONNX's products, attention and recurrent layers."""

from __future__ import annotations

from math import prod
from typing import Any

from archcalc.frontends.onnx.nodes.call import Call, Made, is_stored, line
from archcalc.frontends.onnx.values import Value
from archcalc.frontends.table import held, spelled

# Products -----------------------------------------------------------------------------------------


def product(a: Value, b: Value) -> Made:
    """A linear layer where the second is held, else a product of two tensors."""
    if b.held and b.rank == 2 and not a.held and a.rank >= 2:
        return Made("Linear", {"out_features": b.sizes[1], "bias": False}, (a,), {"weight": b})
    return Made("MatMul", {}, (a, b))


@line("MatMul", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul")
def _matmul(call: Call) -> Made:
    return product(call.x, call.taken(1))


@line("QLinearMatMul")
def _qlinear_matmul(call: Call) -> Made:
    return product(call.x, call.taken(3))


@line("Gemm", "QGemm")
def _gemm(call: Call) -> Made | None:
    quantised = call.op == "QGemm"
    a, b, c = call.x, call.taken(3 if quantised else 1), call.given(6 if quantised else 2)
    rows, columns = b.sizes
    out = rows if call.get("transB", 0) else columns
    if b.held and not a.held and not call.get("transA", 0):
        if c is None or (c.held and prod(c.sizes) in (out, 1)):
            bias = c if c and is_stored(c) and prod(c.sizes) == out else None
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
    weight, bias = call.taken(1), call.given(2)
    if call.get("qkv_hidden_sizes") or call.given(4) is not None or not weight.held:
        return None
    fields: dict[str, Any] = {"num_heads": call.get("num_heads"), "fused": True, "out_proj": False}
    fields |= dict.fromkeys(("q_bias", "k_bias", "v_bias"), is_stored(bias))
    weights = held(weight=weight, bias=bias if is_stored(bias) else None)
    return Made("Attention", fields, (call.x,), weights)


@line("Attention")
def _attention(call: Call) -> Made | None:
    """The operator of opset 23 on four axes; onnxruntime's own of that name is another."""
    if call.node.domain == "com.microsoft":
        return _joined(call)
    if call.node.domain not in ("", "ai.onnx") or call.x.rank != 4:
        return None
    q, k, v, mask = call.x, call.taken(1), call.taken(2), call.given(3)
    if call.given(4) is not None:
        return None
    fields = {"is_causal": bool(call.get("is_causal", 0)), "enable_gqa": q.sizes[1] != k.sizes[1]}
    return Made("ScaledDotProductAttention", fields, (q, k, v, *((mask,) if mask else ())))


# Recurrent layers ---------------------------------------------------------------------------------

RECURRENT = ("LSTM", "GRU", "RNN", "DynamicQuantizeLSTM")


def recurrent(call: Call, states: bool) -> Made | None:
    """The layer of a recurrent node, batch first, whose last states follow its steps if asked.

    None where it is not known. Raises :class:`LookupError`.
    """
    op = "LSTM" if call.op.endswith("LSTM") else call.op
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
    w, r, b = call.taken(1), call.taken(2), call.given(3)
    x = call.x
    ways, size = w.sizes[0], call.get("hidden_size")
    peepholes = call.given(7) if call.op == "LSTM" else None
    if x.rank != 3 or size is None or peepholes is not None or not w.held or x.held:
        return None
    if prod(w.sizes) != ways * gates * size * x.sizes[-1]:
        return None
    fields = {"hidden_size": size, "bias": is_stored(b), "bidirectional": ways == 2}
    if op == "RNN" and "Relu" in [_text(f) for f in call.get("activations", [])]:
        fields["nonlinearity"] = "relu"
    weights = held(weight_ih_l0=w, weight_hh_l0=r, bias=b if is_stored(b) else None)
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
