"""ATen's functions of elements, of two tensors element by element, and reductions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

from torch import fx

from archcalc.dims import Shape
from archcalc.frontends.torch.aten.call import (
    TABLE,
    Call,
    Found,
    Line,
    Made,
    Same,
    broadcast,
    kind_of,
    line,
    name_of,
    number,
    piece,
    plain,
)

# Functions of elements --------------------------------------------------------------------------


for _op in (
    *("ReLU", "ReLU6", "Tanh", "Sigmoid", "SiLU", "Mish", "SELU", "Hardswish", "Hardsigmoid"),
    *("Neg", "Abs", "Sign", "Exp", "Log", "Log2", "Log10", "Log1p", "Sqrt", "Rsqrt", "Square"),
    *("Reciprocal", "Sin", "Cos", "Tan", "Atan", "Erf", "Floor", "Ceil", "Round", "Trunc"),
):
    TABLE[_op.lower()] = plain(_op)
TABLE["sgn"] = plain("Sign")
TABLE["log_sigmoid"] = plain("LogSigmoid")
TABLE["logical_not"] = plain("LogicalNot")
TABLE["gelu"] = plain("GELU", "approximate")
TABLE["leaky_relu"] = plain("LeakyReLU", "negative_slope")
TABLE["elu"] = plain("ELU", "alpha")
TABLE["celu"] = plain("CELU", "alpha")
TABLE["softplus"] = plain("Softplus", "beta", "threshold")
TABLE["glu"] = plain("GLU", "dim")
TABLE["cumsum"] = plain("CumSum", "dim")


@line("hardtanh")
def _hardtanh(call: Call) -> Made:
    if (call["min_val"], call["max_val"]) == (0, 6):
        return Made("ReLU6", {}, (call.x,))
    return Made("Hardtanh", {"min_val": call["min_val"], "max_val": call["max_val"]}, (call.x,))


@line("softmax.int", "log_softmax.int", "_softmax", "_log_softmax")
def _softmax(call: Call) -> Made:
    name = "LogSoftmax" if "log_softmax" in str(call.node.target) else "Softmax"
    return Made(name, {"dim": call["dim"]}, (call.x,))


@piece("native_dropout")
def _native_dropout(call: Call, index: int) -> Found:
    return _dropout(call) if index == 0 else None


@line("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "native_dropout")
def _dropout(call: Call) -> Made | Same:
    if call["p"] == 0:
        return Same(call.x)
    return Made("Dropout", {"p": call["p"]}, (call.x,))


# Sums and products of elements --------------------------------------------------------------------


def _of_two(op: str, a: Any, b: Any, said: bool = True) -> Made | None:
    """An operator of two tensors, or of one and a number."""
    if isinstance(a, fx.Node | Made) and isinstance(b, fx.Node | Made):
        return Made(op, {}, (a, b), said=said)
    if isinstance(a, fx.Node | Made) and number(b):
        return Made(op, {"by": b}, (a,), said=said)
    if isinstance(b, fx.Node | Made) and number(a):
        return Made(op, {"by" if op in ("Add", "Mul") else "of": a}, (b,), said=said)
    return None


def _pair(op: str) -> Line:
    def made(call: Call) -> Made | None:
        name = name_of(call.node)
        # What is rounded is another number, and so is what is done bit by bit.
        plain = name not in _ROUNDING and call.arguments.get("rounding_mode") is None
        bits = _is_of_bits(name) and kind_of(call.node) != "bool"
        return _of_two(op, call["self"], _times(call), plain and not bits)

    return made


def _times(call: Call) -> Any:
    """The second operand, of which some calls take so many."""
    other, by = call["other"], call.arguments.get("alpha", 1)
    if by == 1 or not number(by):
        return other
    if number(other):
        return by * other
    return Made("Mul", {"by": by}, (other,), shape=call.shape(other))


def _is_of_bits(name: str) -> bool:
    return "bitwise" in name or name in ("__and__", "__or__", "__xor__")


@line("bitwise_not")
def _bitwise_not(call: Call) -> Made:
    return Made("LogicalNot", {}, (call.x,), said=kind_of(call.x) == "bool")


_ROUNDING = ("floor_divide", "remainder", "fmod")

for _names, _op in (
    (("add.Tensor", "add.Scalar", "__add__", "__iadd__"), "Add"),
    (("sub.Tensor", "sub.Scalar", "subtract"), "Sub"),
    (("mul.Tensor", "mul.Scalar", "multiply"), "Mul"),
    (("div.Tensor", "div.Scalar", "div.Tensor_mode", "div.Scalar_mode", "divide"), "Div"),
    (("true_divide", "floor_divide", "remainder", "fmod"), "Div"),
    (("minimum", "min.other", "fmin"), "Minimum"),
    (("maximum", "max.other", "fmax"), "Maximum"),
    (("eq", "__eq__"), "Eq"),
    (("ne", "__ne__"), "Ne"),
    (("lt",), "Lt"),
    (("le",), "Le"),
    (("gt",), "Gt"),
    (("ge",), "Ge"),
    (("logical_and", "__and__", "bitwise_and"), "LogicalAnd"),
    (("logical_or", "__or__", "bitwise_or"), "LogicalOr"),
    (("logical_xor", "__xor__", "bitwise_xor"), "LogicalXor"),
    (("atan2", "arctan2"), "Atan2"),
):
    for _name in _names:
        TABLE[_name] = _pair(_op)


@line("rsub")
def _rsub(call: Call) -> Made | None:
    own, by = call["self"], call["alpha"]
    taken = own if by == 1 else Made("Mul", {"by": by}, (own,), shape=call.shape(own))
    return _of_two("Sub", call["other"], taken)


@line("pow")
def _pow(call: Call) -> Made | None:
    return _of_two("Pow", call["self"], call["exponent"])


@line("clamp.default", "clamp_min.default", "clamp_max.default", "clip.default")
def _clamp(call: Call) -> Made:
    bounds = {k: call[k] for k in ("min", "max") if call.arguments.get(k) is not None}
    return Made("Clamp", bounds, (call.x,))


@line("clamp.Tensor", "clamp_min.Tensor", "clamp_max.Tensor")
def _clamp_tensor(call: Call) -> Made | None:
    made: fx.Node | Made = call.x
    for name, op in (("min", "Maximum"), ("max", "Minimum")):
        bound = call.arguments.get(name)
        if bound is not None:
            made = Made(op, {}, (made, bound), shape=call.output)
    return made if isinstance(made, Made) else None


@line("where.self", "where.ScalarOther", "where.ScalarSelf", "where.Scalar")
def _where(call: Call) -> Made:
    given = (call["condition"], call["self"], call["other"])
    tensors = tuple(
        value
        if isinstance(value, fx.Node)
        else Made("Constant", {"shape": [1], "fill": value}, shape=(1,))
        for value in given
    )
    return Made("Where", {}, tensors)


@line("masked_fill.Scalar", "masked_fill.Tensor")
def _masked_fill(call: Call) -> Made:
    value = call["value"]
    known = number(value)
    fields = {"value": value if known else 0.0}
    return Made("MaskedFill", fields, (call.x, call["mask"]), said=known)


@line("addcmul", "addcdiv")
def _addcmul(call: Call) -> Made:
    op = "Mul" if "addcmul" in str(call.node.target) else "Div"
    a, b = call["tensor1"], call["tensor2"]
    meeting = broadcast(call.shape(a), call.shape(b))
    made = Made(op, {}, (a, b), shape=meeting)
    if call["value"] != 1:
        made = Made("Mul", {"by": call["value"]}, (made,), shape=meeting)
    return Made("Add", {}, (made, call.x))


@line("lerp.Scalar", "lerp.Tensor")
def _lerp(call: Call) -> Made:
    """``a + w (b - a)``."""
    a, b, weight = call["self"], call["end"], call["weight"]
    apart = Made("Sub", {}, (b, a), shape=broadcast(call.shape(a), call.shape(b)))
    by = {"by": weight} if number(weight) else {}
    taken = (apart,) if by else (apart, weight)
    return Made("Add", {}, (Made("Mul", by, taken, shape=call.output), a))


@line("diff")
def _diff(call: Call) -> Made | None:
    """Each element less the one before it."""
    rank = len(call.shape(call.x))
    dim = call["dim"] % rank
    if call["n"] != 1 and call["prepend"] is None and call["append"] is None:
        return _diff_again(call, dim)
    if call["n"] != 1 or call["append"] is not None:
        return None
    whole = list(call.output)
    whole[dim] += 1
    given: fx.Node | Made = call.x
    if call["prepend"] is not None:
        given = Made("Concat", {"dim": dim}, (call["prepend"], call.x), shape=tuple(whole))
    parts = [
        Made("Slice", {"dim": dim, **cut}, (given,), shape=call.output)
        for cut in ({"start": 1}, {"start": 0, "end": whole[dim] - 1})
    ]
    return Made("Sub", {}, tuple(parts))


def _diff_again(call: Call, dim: int) -> Made | None:
    """The differences of differences."""
    found: fx.Node | Made = call.x
    shape = list(call.shape(call.x))
    for _ in range(call["n"]):
        shape[dim] -= 1
        ends = {"start": 1}, {"start": 0, "end": shape[dim]}
        cuts = (Made("Slice", {"dim": dim, **e}, (found,), shape=tuple(shape)) for e in ends)
        found = Made("Sub", {}, tuple(cuts), shape=tuple(shape))
    return found if isinstance(found, Made) else None


@line("cdist", "_euclidean_dist")
def _cdist(call: Call) -> Made | None:
    """The norm of what each of some rows lacks to each of others."""
    order = call.arguments.get("p", 2)
    if order not in (1, 2):
        return None
    a, b = call["x1"], call["x2"]
    (*many, rows, size), others = call.shape(a), call.shape(b)
    one = Made("Reshape", {}, (a,), shape=(*many, rows, 1, size))
    other = Made("Reshape", {}, (b,), shape=(*others[:-2], 1, *others[-2:]))
    apart = Made("Sub", {}, (one, other), shape=(*call.output, size))
    return Made("Norm", {"p": int(order), "dim": -1}, (apart,))


# Reductions ---------------------------------------------------------------------------------------


def _reduced(op: str, **more: Any) -> Callable[[Call], Made]:
    def made(call: Call) -> Made:
        dim = call.arguments.get("dim")
        fields: dict[str, Any] = dict(more)
        if isinstance(dim, int):
            fields["dim"] = dim
        elif dim:
            fields["dim"] = list(dim) if len(dim) > 1 else dim[0]
        else:
            fields["dim"] = list(range(len(call.shape(call.x))))
        if call.arguments.get("keepdim"):
            fields["keepdim"] = True
        if "correction" in call and call["correction"] is not None:
            fields["correction"] = int(call["correction"])
        elif call.arguments.get("unbiased") is False:
            fields["correction"] = 0
        truth = name_of(call.node) in ("any", "all")
        said = not truth or kind_of(call.x) == "bool"
        return Made(op, fields, (call.x,), said=said)

    return made


for _name, _op in {
    "mean": "Mean",
    "sum": "Sum",
    "amax": "Max",
    "amin": "Min",
    "max.default": "Max",
    "min.default": "Min",
    "any": "Max",
    "all": "Min",
    "logsumexp": "LogSumExp",
    "var": "Var",
    "std": "Std",
}.items():
    TABLE[_name] = _reduced(_op)


@line("argmax", "argmin")
def _position(call: Call) -> Made:
    """Along an axis, or among all elements in their order."""
    op = "ArgMax" if name_of(call.node) == "argmax" else "ArgMin"
    keep = {"keepdim": True} if call["keepdim"] else {}
    if call["dim"] is not None:
        return Made(op, {"dim": call["dim"], **keep}, (call.x,))
    size = prod(call.shape(call.x))
    place = Made(op, {"dim": 0}, (Made("Reshape", {}, (call.x,), shape=(size,)),), shape=())
    return Made("Reshape", {}, (place,)) if keep else place


@line("prod.dim_int")
def _product(call: Call) -> Made:
    return _reduced("Prod")(call)


for _name, _op in {
    "cumprod": "CumProd",
    "logcumsumexp": "LogCumSumExp",
}.items():
    TABLE[_name] = plain(_op, "dim")


@piece("cummax", "cummin")
def _extreme_so_far(call: Call, index: int) -> Made:
    op = "CumMax" if name_of(call.node) == "cummax" else "CumMin"
    fields = {"dim": call["dim"], **({"returns": "indices"} if index else {})}
    return Made(op, fields, (call.x,))


@piece("var_mean", "std_mean")
def _with_mean(call: Call, index: int) -> Found:
    op = {"var_mean": "Var", "std_mean": "Std"}[name_of(call.node)]
    return _reduced(op if index == 0 else "Mean")(call)


@piece("max", "min")
def _extreme(call: Call, index: int) -> Made:
    op = {"max": ("Max", "ArgMax"), "min": ("Min", "ArgMin")}[name_of(call.node)][index]
    keep = {"keepdim": True} if call.arguments.get("keepdim") else {}
    return Made(op, {"dim": call.arguments.get("dim", -1), **keep}, (call.x,))


@piece("topk", "sort")
def _ordered(call: Call, index: int) -> Made:
    fields = {"dim": call.arguments.get("dim", -1)}
    if index:
        fields["returns"] = "indices"
    if name_of(call.node) == "sort":
        falling = {"descending": True} if call.arguments.get("descending") else {}
        return Made("Sort", {**fields, **falling}, (call.x,))
    least = {} if call.arguments.get("largest", True) else {"largest": False}
    return Made("TopK", {"k": call["k"], **fields, **least}, (call.x,))


@line("argsort")
def _argsort(call: Call) -> Made:
    falling = {"descending": True} if call.arguments.get("descending") else {}
    dim = call.arguments.get("dim", -1)
    return Made("Sort", {"dim": dim, "returns": "indices", **falling}, (call.x,))


@line("linalg_vector_norm", "norm")
def _norm(call: Call) -> Found:
    order = call.arguments.get("ord", call.arguments.get("p"))
    kinds = {None: 2, 1: 1, 2: 2, float("inf"): "inf"}
    found = _reduced("Norm", p=kinds.get(order, 2))(call)
    if order in kinds:
        return found
    fields = {name: value for name, value in found.fields.items() if name != "p"}
    return _of_order(order, call.x, call.shape(call.x), call.output, fields)


def _of_order(
    order: Any, x: fx.Node | Made, shape: Shape, output: Shape, fields: Mapping[str, Any]
) -> Made | None:
    """A norm by its definition, the root of the powers' sum."""
    if not number(order) or not 0 < order < float("inf"):
        return None
    powers = Made("Pow", {"by": order}, (Made("Abs", {}, (x,), shape=shape),), shape=shape)
    return Made("Pow", {"by": 1 / order}, (Made("Sum", fields, (powers,), shape=output),))


# Functions in steps -------------------------------------------------------------------------------


def _step(op: str, call: Call, *taken: fx.Node | Made, **fields: Any) -> Made:
    """One operator on elements, of tensors of the extents that the call gives."""
    return Made(op, fields, taken, shape=call.output)


@line("isnan")
def _isnan(call: Call) -> Made:
    return _step("Ne", call, call.x, call.x)  # nothing else differs from itself


@line("exp2", "special_exp2")
def _exp2(call: Call) -> Made:
    return _step("Pow", call, call.x, of=2)


@line("expm1", "special_expm1")
def _expm1(call: Call) -> Made:
    return _step("Sub", call, _step("Exp", call, call.x), by=1)


@line("erfc", "special_erfc")
def _erfc(call: Call) -> Made:
    return _step("Sub", call, _step("Erf", call, call.x), of=1)


@line("sinh", "cosh")
def _hyperbolic(call: Call) -> Made:
    """``(exp x - exp -x) / 2``, or the sum of the two."""
    other = _step("Exp", call, _step("Neg", call, call.x))
    joined = "Sub" if name_of(call.node) == "sinh" else "Add"
    return _step("Div", call, _step(joined, call, _step("Exp", call, call.x), other), by=2)


@line("atanh")
def _atanh(call: Call) -> Made:
    """``(log(1 + x) - log(1 - x)) / 2``."""
    other = _step("Log1p", call, _step("Neg", call, call.x))
    return _step("Div", call, _step("Sub", call, _step("Log1p", call, call.x), other), by=2)


@line("asinh", "acosh")
def _area(call: Call) -> Made:
    """``log(x + sqrt(x^2 + 1))``, or ``- 1``."""
    sign = "Add" if name_of(call.node) == "asinh" else "Sub"
    root = _step("Sqrt", call, _step(sign, call, _step("Square", call, call.x), by=1))
    return _step("Log", call, _step("Add", call, call.x, root))


@line("asin", "acos")
def _angle(call: Call) -> Made:
    """The angle of a point on the circle."""
    rest = _step("Sub", call, _step("Square", call, call.x), of=1)
    point = (call.x, _step("Sqrt", call, rest))
    return _step("Atan2", call, *(point if name_of(call.node) == "asin" else point[::-1]))


@line("hypot")
def _hypot(call: Call) -> Made:
    squares = (Made("Square", {}, (x,), shape=call.shape(x)) for x in (call["self"], call["other"]))
    return _step("Sqrt", call, _step("Add", call, *squares))


@piece("aminmax")
def _extremes(call: Call, index: int) -> Made:
    dim = call["dim"]
    axes = list(range(len(call.shape(call.x)))) if dim is None else dim
    fields = {"dim": axes, **({"keepdim": True} if call["keepdim"] else {})}
    return Made(("Min", "Max")[index], fields, (call.x,))


@piece("median", "nanmedian", "kthvalue")
def _in_order(call: Call, index: int) -> Found:
    """The middle one, or the ``k``-th, of sorted elements."""
    dim, shape = call.arguments.get("dim"), call.shape(call.x)
    if not isinstance(dim, int) or call["keepdim"]:
        return None
    place = call["k"] - 1 if "k" in call else (shape[dim] - 1) // 2
    fields = {"dim": dim, **({"returns": "indices"} if index else {})}
    return Made(
        "Select", {"dim": dim, "index": place}, (Made("Sort", fields, (call.x,), shape=shape),)
    )
