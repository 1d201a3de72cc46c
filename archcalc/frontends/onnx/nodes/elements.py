"""ONNX's functions of elements, of two tensors element by element, and reductions."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

from archcalc.frontends.onnx.nodes.call import TABLE, Call, Found, Line, Made, Same, line, piece
from archcalc.frontends.onnx.values import Value

# Functions of elements ----------------------------------------------------------------------------


def _plain(op: str, **fields: Any) -> Line:
    return lambda call: Made(op, fields, (call.x,))


def _with_alpha(op: str, field: str, default: float) -> Line:
    return lambda call: Made(op, {field: call.get("alpha", default)}, (call.x,))


_ALIKE = (
    *("Tanh", "Sigmoid", "Softplus", "Mish", "Neg", "Abs", "Sign", "Exp", "Log", "Sqrt"),
    *("Reciprocal", "Sin", "Cos", "Tan", "Atan", "Erf", "Floor", "Ceil", "Round"),
)
"""Operators of ONNX that have the same name here."""

for _name, _op in {
    **dict(zip(_ALIKE, _ALIKE, strict=True)),
    "Relu": "ReLU",
    "QLinearSigmoid": "Sigmoid",
    "Selu": "SELU",
    "HardSwish": "Hardswish",
    "Not": "LogicalNot",
}.items():
    TABLE[_name] = _plain(_op)
TABLE["LeakyRelu"] = TABLE["QLinearLeakyRelu"] = _with_alpha("LeakyReLU", "negative_slope", 0.01)
TABLE["Elu"] = _with_alpha("ELU", "alpha", 1.0)
TABLE["Celu"] = _with_alpha("CELU", "alpha", 1.0)
TABLE["IsNaN"] = TABLE["IsInf"] = _plain("Ne", by=0)
TABLE["DequantizeLinear"] = _plain("Mul", by=1)


@line("Swish", "SwiGLU")
def _swish(call: Call) -> Made:
    """``x * sigmoid(alpha x)``, as a gate times the second input if there is one."""
    x, factor = call.x, call.get("alpha", 1.0)
    if factor == 1:
        swish = Made("SiLU", {}, (x,), shape=x.sizes)
    else:
        scaled = Made("Mul", {"by": factor}, (x,), shape=x.sizes)
        swish = Made("Mul", {}, (x, Made("Sigmoid", {}, (scaled,), shape=x.sizes)), shape=x.sizes)
    return Made("Mul", {}, (swish, call.taken(1))) if call.op == "SwiGLU" else swish


@line("Softsign")
def _softsign(call: Call) -> Made:
    """``x / (1 + |x|)``."""
    size = Made("Abs", {}, (call.x,), shape=call.x.sizes)
    return Made("Div", {}, (call.x, Made("Add", {"by": 1}, (size,), shape=call.x.sizes)))


@line("Gelu", "FastGelu", "BiasGelu", "QuickGelu")
def _gelu(call: Call) -> Made:
    if call.op == "QuickGelu":
        by = {"by": call.get("alpha", 1.702)}
        scaled = Made("Mul", by, (call.x,), shape=call.x.sizes)
        gate = Made("Sigmoid", {}, (scaled,), shape=call.x.sizes)
        return Made("Mul", {}, (call.x, gate))
    approximate = call.get("approximate", "tanh" if call.op == "FastGelu" else "none")
    taken: Value | Made = call.x
    bias = call.given(1)
    if bias is not None:
        taken = Made("Add", {}, (call.x, bias), shape=call.x.sizes)
    return Made("GELU", {"approximate": approximate}, (taken,))


@line("HardSigmoid")
def _hard_sigmoid(call: Call) -> Made:
    if abs(call.get("alpha", 0.2) - 1 / 6) < 1e-4:
        return Made("Hardsigmoid", {}, (call.x,))
    scaled = Made("Mul", {"by": call.get("alpha", 0.2)}, (call.x,), shape=call.x.sizes)
    shifted = Made("Add", {"by": call.get("beta", 0.5)}, (scaled,), shape=call.x.sizes)
    return Made("Clamp", {"min": 0, "max": 1}, (shifted,))


@line("PRelu")
def _prelu(call: Call) -> Made | None:
    slope = call.taken(1)
    count = prod(slope.sizes)
    if slope.held and count in (1, call.x.sizes[1] if call.x.rank > 1 else 1):
        return Made("PReLU", {"num_parameters": count}, (call.x,), {"weight": slope})
    zero = Made("Minimum", {"by": 0}, (call.x,), shape=call.x.sizes)
    scaled = Made("Mul", {}, (zero, slope), shape=call.x.sizes)
    return Made("Add", {}, (Made("ReLU", {}, (call.x,), shape=call.x.sizes), scaled))


@line("Softmax", "LogSoftmax", "QLinearSoftmax")
def _softmax(call: Call) -> Made:
    name = "LogSoftmax" if call.op == "LogSoftmax" else "Softmax"
    axis = call.get("axis", 1 if call.opset < 13 else -1)
    rank = call.x.rank
    axis %= rank
    if call.opset < 13 and axis < rank - 1:
        # Of all elements from that axis on, as one row; of axes with one element each, of one.
        many = [k for k in range(axis, rank) if call.x.sizes[k] > 1]
        if len(many) > 1:
            rows, columns = prod(call.x.sizes[:axis]), prod(call.x.sizes[axis:])
            flat = Made("Reshape", {}, (call.x,), shape=(rows, columns))
            made = Made(name, {"dim": 1}, (flat,), shape=(rows, columns))
            return Made("Reshape", {}, (made,))
        axis = many[0] if many else axis
    return Made(name, {"dim": axis}, (call.x,))


@line("Clip")
def _clip(call: Call) -> Made | Same:
    bounds: dict[str, Any] = {}
    for k, name in enumerate(("min", "max")):
        bound = call.get(name)
        value = call.given(k + 1)
        if bound is None and value is not None:
            bound = value.number()
        if bound is not None and abs(bound) < 3.4e38:
            bounds[name] = bound
    if not bounds:
        return Same(call.x)
    if bounds.get("min") == 0 and bounds.get("max") == 6:
        return Made("ReLU6", {}, (call.x,))
    return Made("Clamp", bounds, (call.x,))


@line("ThresholdedRelu")
def _thresholded(call: Call) -> Made:
    passed = Made("Gt", {"by": call.get("alpha", 1.0)}, (call.x,), shape=call.x.sizes)
    return Made("Mul", {}, (call.x, passed))


def _of_two(op: str, a: Value, b: Value) -> Made:
    """An operator of two tensors, or of one and a number."""
    turned = "by" if op in _EITHER or op in _TURNED else "of"
    for x, other, key in ((a, b, "by"), (b, a, turned)):
        single = other.held and other.data is not None and prod(other.sizes) == 1
        if single and not x.held and other.rank <= x.rank:
            if key == "of" and op not in ("Sub", "Div", "Pow"):
                continue
            number = other.number()
            number = int(number) if isinstance(number, bool) else number
            if isinstance(number, (int, float)) and abs(number) < 1e30:
                said = _TURNED.get(op, op) if x is b else op
                return Made(said, {key: number}, (x,))
    return Made(op, {}, (a, b))


_EITHER = ("Add", "Mul", "Minimum", "Maximum", "Eq", "Ne")
_TURNED = {"Lt": "Gt", "Gt": "Lt", "Le": "Ge", "Ge": "Le"}
"""What is asked of the second, where the first is the number."""


def _pair(op: str) -> Line:
    return lambda call: _of_two(op, call.x, call.taken(1))


for _name, _op in {
    "Add": "Add",
    "Sub": "Sub",
    "Mul": "Mul",
    "Div": "Div",
    "Mod": "Div",
    "Pow": "Pow",
    "Equal": "Eq",
    "Less": "Lt",
    "LessOrEqual": "Le",
    "Greater": "Gt",
    "GreaterOrEqual": "Ge",
    "And": "LogicalAnd",
    "Or": "LogicalOr",
    "Xor": "LogicalXor",
}.items():
    TABLE[_name] = _pair(_op)


@line("QLinearAdd", "QLinearMul")
def _qlinear_pair(call: Call) -> Made:
    return _of_two(call.op.removeprefix("QLinear"), call.x, call.taken(3))


@line("Sum", "Max", "Min", "Mean")
def _several(call: Call) -> Made | Same:
    values = [value for value in call.inputs if value is not None]
    if len(values) == 1:
        return Same(values[0])
    if call.op == "Sum":
        return Made("Add", {}, tuple(values))
    op = {"Max": "Maximum", "Min": "Minimum", "Mean": "Add"}[call.op]
    if len(values) == 2 and call.op != "Mean":
        return _of_two(op, *values)
    made: Value | Made = values[0]
    for value in values[1:]:
        made = Made(op, {}, (made, value), shape=call.output)
    if call.op == "Mean":
        made = Made("Div", {"by": len(values)}, (made,))
    assert isinstance(made, Made)
    return made


@line("Where")
def _where(call: Call) -> Made:
    return Made("Where", {}, (call.x, call.taken(1), call.taken(2)))


# Rounding -----------------------------------------------------------------------------------------


@line("QuantizeLinear")
def _quantize(call: Call) -> Made:
    """``clamp(round(x / scale) + zero)``."""
    shape = call.x.sizes
    scaled = Made("Div", {"by": 1}, (call.x,), shape=shape)
    rounded = Made("Round", {}, (scaled,), shape=shape)
    return Made("Clamp", {"min": -128, "max": 255}, (rounded,))


@piece("DynamicQuantizeLinear")
def _quantize_by_range(call: Call, index: int) -> Found:
    if index == 0:
        return _quantize(call)
    dims = list(range(call.x.rank))
    return Made("Max" if index == 1 else "Min", {"dim": dims}, (call.x,))


# Reductions ---------------------------------------------------------------------------------------


def _reduced(op: str, **more: Any) -> Line:
    def made(call: Call) -> Made | Same:
        axes = call.ints("axes", 1)
        if not axes:
            if call.get("noop_with_empty_axes"):
                return Same(call.x)
            axes = list(range(call.x.rank))
        axes = sorted(axis % call.x.rank for axis in axes)
        fields: dict[str, Any] = {"dim": axes if len(axes) > 1 else axes[0], **more}
        if call.get("keepdims", 1):
            fields["keepdim"] = True
        given: Value | Made = call.x
        if call.op == "ReduceSumSquare":
            given = Made("Square", {}, (call.x,), shape=call.x.sizes)
        return Made(op, fields, (given,))

    return made


for _name, _op in {
    "ReduceMean": "Mean",
    "ReduceSum": "Sum",
    "ReduceSumSquare": "Sum",
    "ReduceMax": "Max",
    "ReduceMin": "Min",
    "ReduceL2": "Norm",
    "ReduceLogSumExp": "LogSumExp",
}.items():
    TABLE[_name] = _reduced(_op)
TABLE["ReduceL1"] = _reduced("Norm", p=1)


@line("ReduceLogSum")
def _log_sum(call: Call) -> Made:
    total = _reduced("Sum")(call)
    return Made(
        "Log", {}, (replace(total, shape=call.output),) if isinstance(total, Made) else (call.x,)
    )


@line("Hardmax")
def _hardmax(call: Call) -> Made:
    """1 where the largest element of an axis is, and 0 elsewhere."""
    axis = call.get("axis", -1 if call.opset >= 13 else 1) % call.x.rank
    shape = tuple(1 if k == axis else n for k, n in enumerate(call.x.sizes))
    largest = Made("Max", {"dim": axis, "keepdim": True}, (call.x,), shape=shape)
    return Made("Eq", {}, (call.x, largest))


@line("ArgMax", "ArgMin")
def _extreme(call: Call) -> Made:
    keep = {"keepdim": True} if call.get("keepdims", 1) else {}
    return Made(call.op, {"dim": call.get("axis", 0), **keep}, (call.x,))


@piece("TopK")
def _top(call: Call, index: int) -> Made:
    k = call.get("k") or int(call.taken(1).number())
    returns = {"returns": "indices"} if index else {}
    return Made("TopK", {"k": k, "dim": call.get("axis", -1), **returns}, (call.x,))


@line("CumSum")
def _cumsum(call: Call) -> Made:
    return Made("CumSum", {"dim": int(call.taken(1).number())}, (call.x,))


@line("LpNormalization")
def _lp(call: Call) -> Made:
    shape = list(call.x.sizes)
    axis = call.get("axis", -1) % len(shape)
    shape[axis] = 1
    fields = {"dim": axis, "keepdim": True, "p": call.get("p", 2)}
    return Made("Div", {}, (call.x, Made("Norm", fields, (call.x,), shape=tuple(shape))))
