"""Keras' attention, and products of two tensors."""

from __future__ import annotations

from string import ascii_letters
from typing import Any

from archcalc.dims import Shape
from archcalc.errors import ShapeError
from archcalc.frontends.keras.layers import Layers, Place, Tensor, Unknown, layer
from archcalc.frontends.table import spelled


def _part(r: Layers, place: Place, part: str, op: str, *tensors: Tensor, **fields: Any) -> Tensor:
    return r.give(place, op, tensors, part=part, **fields)


@layer("MultiHeadAttention")
def _multi_head(r: Layers, place: Place, given: list[Tensor]) -> list[Tensor]:
    c = place.config
    q = given[0]
    value = given[1] if len(given) > 1 else q
    key = given[2] if len(given) > 2 else value
    out = c.get("output_shape")
    if isinstance(out, list) and len(out) == 1:
        out = out[0]
    if len(q.shape) != 2 or isinstance(out, list) or c.get("attention_axes") not in (None, [1]):
        raise Unknown
    bias = c.get("use_bias", True)
    fields = {"num_heads": c["num_heads"], "head_dim": c["key_dim"]}
    fields |= dict.fromkeys(("q_bias", "k_bias", "v_bias", "out_bias"), bias)
    if c.get("value_dim") not in (None, c["key_dim"]):
        fields["value_dim"] = c["value_dim"]
    if out is not None:
        fields["out_features"] = out
    taken = [q] if q == value == key else [q, key, value]
    if not place.kwargs.get("return_attention_scores"):
        return [r.give(place, "Attention", taken, **fields)]
    both = r.give(place, "Attention", taken, part="both", maps=True, **fields)
    size = out or q.shape[-1]
    heads, rows = c["num_heads"], both.shape[0]
    found = _part(r, place, "output", "Slice", both, dim=-1, end=size)
    maps = _part(r, place, "maps", "Slice", both, dim=-1, start=size)
    shape = [rows, heads, value.shape[0]]
    maps = _part(r, place, "reshape", "Reshape", maps, shape=shape)
    return [found, _part(r, place, "permute", "Permute", maps, dims=[0, 2, 1, 3])]


@layer("GroupQueryAttention", "GroupedQueryAttention")
def _grouped(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    c, q = place.config, given[0]
    value = given[1] if len(given) > 1 else q
    key = given[2] if len(given) > 2 else value
    if place.kwargs.get("return_attention_scores") or len(q.shape) != 2:
        raise Unknown
    fields = {
        "num_heads": c["num_query_heads"],
        "num_kv_heads": c["num_key_value_heads"],
        "head_dim": c["head_dim"],
    }
    fields |= dict.fromkeys(("q_bias", "k_bias", "v_bias", "out_bias"), c.get("use_bias", True))
    taken = [q] if q == value == key else [q, key, value]
    return r.give(place, "Attention", taken, **fields)


@layer("Attention", "AdditiveAttention")
def _attention(r: Layers, place: Place, given: list[Tensor]) -> list[Tensor]:
    """Scores of a query and keys, and the values weighted by them: query, value, key."""
    c = place.config
    given = [r.turn(x, False) for x in given]
    if len(given) < 2 or any(len(x.shape) != 2 for x in given):
        raise Unknown
    query, value = given[:2]
    key = given[2] if len(given) > 2 else value
    additive = place.kind == "AdditiveAttention"
    scaled = c.get("use_scale", additive)
    if additive:
        (rows, width), columns = query.shape, key.shape[0]
        a = _part(r, place, "query", "Reshape", query, shape=[rows, 1, width])
        b = _part(r, place, "key", "Reshape", key, shape=[1, columns, width])
        scores = _part(r, place, "tanh", "Tanh", _part(r, place, "sum", "Add", a, b))
        if scaled:
            scale = _part(r, place, "scale", "Parameter", query, shape=[width])
            scores = _part(r, place, "mul", "Mul", scores, scale)
        scores = _part(r, place, "scores", "Sum", scores, dim=-1)
    elif c.get("score_mode", "dot") == "dot":
        turned = _part(r, place, "permute", "Permute", key, dims=[0, 2, 1])
        scores = _part(r, place, "scores", "MatMul", query, turned)
        if scaled:
            scale = _part(r, place, "scale", "Parameter", query, shape=[1])
            scores = _part(r, place, "mul", "Mul", scores, scale)
    else:
        raise Unknown
    weights = _part(r, place, "softmax", "Softmax", scores, dim=-1)
    found = _part(r, place, "output", "MatMul", weights, value)
    return [found, weights] if place.kwargs.get("return_attention_scores") else [found]


@layer("Dot")
def _dot(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    """Products of vectors along an axis of each; what is left of the first, then of the second."""
    a, b = (r.turn(x, False) for x in given)
    said = place.config["axes"]
    axes = [said, said] if isinstance(said, int) else list(said)
    letters = iter(ascii_letters[2:])
    terms: list[list[str]] = []
    for x, axis in zip((a, b), axes, strict=True):
        rank = len(x.shape) + 1
        if not -rank <= axis < rank or axis % rank == 0:
            raise ShapeError(f"axis {axis} of {rank} axes")
        terms.append(["a", *(next(letters) for _ in x.shape)])
        terms[-1][axis % rank] = "b"
    if place.config.get("normalize"):
        both = []
        for name, x, axis in zip("ab", (a, b), axes, strict=True):
            norm = _part(r, place, f"norm_{name}", "Norm", x, dim=axis, keepdim=True)
            both.append(_part(r, place, f"div_{name}", "Div", x, norm))
        a, b = both
    out = ["a", *(x for term in terms for x in term if x not in "ab")]
    equation = f"{''.join(terms[0])},{''.join(terms[1])}->{''.join(out)}"
    if len(out) > 1:
        return r.give(place, "Einsum", [a, b], equation=equation)
    found = _part(r, place, "dot", "Einsum", a, b, equation=equation)
    return _part(r, place, "unsqueeze", "Unsqueeze", found, dim=1)


@layer("EinsumDense")
def _einsum_dense(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    """A product with a weight of the axes that the equation says, of the sizes of the output."""
    c, x = place.config, r.turn(given[0], False)
    left, _, out = c["equation"].replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != 2 or not out:
        raise Unknown
    weight = terms[1]
    equation = spelled(f"{terms[0]},{weight}->{out}", [len(x.shape) + 1, len(weight)])
    (first, _), result = equation.partition("->")[0].split(","), equation.partition("->")[2]
    sizes = dict(zip(first, (0, *x.shape), strict=True))
    said = c["output_shape"]
    said = [said] if isinstance(said, int) else list(said)
    for letter, size in zip(reversed(result), reversed(said), strict=False):
        if size is not None:
            sizes.setdefault(letter, size)
    batch = first[0]
    if batch in weight or batch != result[0] or any(y not in sizes for y in weight + result):
        raise Unknown
    extents = [sizes[y] for y in weight]
    axes = c.get("bias_axes")
    plain = (
        len(weight) == 2
        and first[-1] == weight[0]
        and result == first[:-1] + weight[1]
        and axes in (None, weight[1])
    )
    if plain:
        fields: dict[str, Any] = {"out_features": sizes[weight[1]], "bias": axes is not None}
        found = r.give(place, "Linear", [x], **fields)
        return r.activated(place, found, c.get("activation"))
    kernel = _part(r, place, "kernel", "Parameter", x, shape=extents)
    full = f"{first},{batch}{weight}->{result}"
    found = _part(r, place, "einsum", "Einsum", x, kernel, equation=full)
    if axes:
        bias: Shape = tuple(sizes[y] if y in axes else 1 for y in result[1:])
        while len(bias) > 1 and bias[0] == 1:
            bias = bias[1:]
        added = _part(r, place, "bias", "Parameter", x, shape=list(bias))
        found = _part(r, place, "add", "Add", found, added)
    return r.activated(place, found, c.get("activation"))
