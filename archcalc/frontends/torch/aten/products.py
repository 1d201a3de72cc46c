"""ATen's products: with a layer's weight, and of two tensors."""

from __future__ import annotations

from math import prod

from torch import fx

from archcalc.frontends.table import held, spelled
from archcalc.frontends.torch.aten.call import Call, Made, line, name_of


@line("linear")
def _linear(call: Call) -> Made:
    weight = call.shape(call["weight"])
    if len(weight) == 1:  # a single unit without an axis of its own
        return Made("Linear", {"out_features": 1, "bias": False}, (call.x,), {})
    return Made(
        "Linear",
        {"out_features": weight[0], "bias": call["bias"] is not None},
        (call.x,),
        held(weight=call["weight"], bias=call["bias"]),
    )


@line("bilinear")
def _bilinear(call: Call) -> Made:
    weight = call.shape(call["weight"])
    return Made(
        "Bilinear",
        {"out_features": weight[0], "bias": call["bias"] is not None},
        (call["input1"], call["input2"]),
        held(weight=call["weight"], bias=call["bias"]),
    )


@line("matmul", "mm", "bmm")
def _matmul(call: Call) -> Made | None:
    other = call["mat2"] if "mat2" in call else call["other"]
    return Made("MatMul", {}, (call.x, other))


@line("mv")
def _mv(call: Call) -> Made:
    """A matrix times a vector."""
    rows, columns = call.shape(call.x)
    column = Made("Reshape", {}, (call["vec"],), shape=(columns, 1))
    product = Made("MatMul", {}, (call.x, column), shape=(rows, 1))
    return Made("Reshape", {}, (product,))


@line("affine_grid_generator")
def _affine_grid(call: Call) -> Made:
    """Every place times the matrix of its sample."""
    theta = call["theta"]
    return Made(
        "affine_grid",
        {"macs": prod(call.output) * call.shape(theta)[-1]},
        (theta,),
        {},
        declared=True,
    )


@line("scaled_dot_product_attention")
def _attention(call: Call) -> Made:
    q, k, v, mask = call["query"], call["key"], call["value"], call["attn_mask"]
    masked: tuple[fx.Node | Made, ...] = ()
    if mask is not None:
        missing = len(call.shape(q)) - len(call.shape(mask))
        whole = (*(1,) * missing, *call.shape(mask))
        masked = (Made("Reshape", {}, (mask,), shape=whole) if missing else mask,)
    heads = [call.shape(x)[-3] if len(call.shape(x)) > 2 else 1 for x in (q, k)]
    return Made(
        "ScaledDotProductAttention",
        {"is_causal": bool(call["is_causal"]), "enable_gqa": heads[0] != heads[1]},
        (q, k, v, *masked),
    )


@line("addmm", "baddbmm", "addbmm")
def _addmm(call: Call) -> Made:
    a, b = (call["mat1"], call["mat2"]) if "mat1" in call else (call["batch1"], call["batch2"])
    shape = (*call.shape(a)[:-1], call.shape(b)[-1])
    product = Made("MatMul", {}, (a, b), shape=shape)
    if name_of(call.node) == "addbmm":
        product = Made("Sum", {"dim": 0}, (product,), shape=call.output)
    other: fx.Node | Made = call["self"]
    if call["alpha"] != 1:
        product = Made("Mul", {"by": call["alpha"]}, (product,), shape=call.output)
    if call["beta"] == 0:
        return product
    if call["beta"] != 1:
        other = Made("Mul", {"by": call["beta"]}, (other,), shape=call.shape(other))
    return Made("Add", {}, (product, other))


@line("einsum")
def _einsum(call: Call) -> Made:
    tensors = call["tensors"]
    equation = spelled(call["equation"], [len(call.shape(x)) for x in tensors])
    return Made("Einsum", {"equation": equation}, tuple(tensors))


@line("transformers.grouped_mm_fallback", "_grouped_mm")
def _grouped(call: Call) -> Made:
    """Rows of experts, each times its own expert's matrix."""
    x, matrices = call.node.args[:2]
    assert isinstance(x, fx.Node)
    assert isinstance(matrices, fx.Node)
    sources = tuple(each for each in call.node.args if isinstance(each, fx.Node))
    macs = prod(call.shape(x)) * call.shape(matrices)[-1]
    return Made("grouped_mm", {"macs": macs}, sources, declared=True)


@line("outer", "ger")
def _outer(call: Call) -> Made:
    return Made("Einsum", {"equation": "i,j->ij"}, (call.x, call["vec2"]))


@line("dot", "vdot")
def _dot(call: Call) -> Made:
    return Made(
        "Einsum", {"equation": "i,i->"}, (call.x, call["tensor" if "tensor" in call else "other"])
    )
