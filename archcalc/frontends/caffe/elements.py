"""Caffe's functions of elements, of several blobs element by element, and reductions."""

from __future__ import annotations

from typing import Any

from archcalc.frontends.caffe.layers import LAYERS, Layers, Line, Unknown, layer
from archcalc.frontends.caffe.text import Message


def _plain(op: str) -> Line:
    return lambda r, y, keys, tops: [r.emit(op, keys[0])]


for _name, _op in {
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "absval": "Abs",
    "exp": "Exp",
    "log": "Log",
    "bnll": "Softplus",
    "relu6": "ReLU6",
    "swish": "SiLU",
    "mish": "Mish",
    "hardswish": "Hardswish",
    "hardsigmoid": "Hardsigmoid",
    "gelu": "GELU",
    "selu": "SELU",
}.items():
    LAYERS[_name] = _plain(_op)


def _with(op: str, field: str, group: str, name: str, default: float) -> Line:
    """A function with a number."""

    def made(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
        fields: dict[str, Any] = {field: y.group(group).number(name, default)}
        return [r.emit(op, keys[0], **fields)]

    return made


LAYERS["elu"] = _with("ELU", "alpha", "elu_param", "alpha", 1)
LAYERS["threshold"] = _with("Gt", "by", "threshold_param", "threshold", 0)
LAYERS["dropout"] = _with("Dropout", "p", "dropout_param", "dropout_ratio", 0.5)


@layer("relu")
def _relu(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    slope = y.group("relu_param").number("negative_slope", 0)
    if slope:
        return [r.emit("LeakyReLU", keys[0], negative_slope=slope)]
    return [r.emit("ReLU", keys[0])]


@layer("clip")
def _clip(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    p = y.group("clip_param")
    return [r.emit("Clamp", keys[0], min=p.number("min", 0), max=p.number("max", 1))]


@layer("power")
def _power(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    """``(shift + scale x) ** power``."""
    p, x = y.group("power_param"), keys[0]
    steps = [
        ("Mul", p.number("scale", 1), 1),
        ("Add", p.number("shift", 0), 0),
        ("Pow", p.number("power", 1), 1),
    ]
    needed = [(op, by) for op, by, same in steps if by != same]
    for k, (op, by) in enumerate(needed):
        last = k == len(needed) - 1
        x = r.emit(op, x, part="" if last else op.lower(), by=by)
    return [x]


@layer("softmax")
def _softmax(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    axis = r.axis(keys[0], y.group("softmax_param").whole("axis", 1, -8))
    return [r.emit("Softmax", keys[0], dim=axis)]


@layer("eltwise")
def _eltwise(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    p = y.group("eltwise_param")
    how = p.word("operation", "SUM")
    op = {"SUM": "Add", "1": "Add", "PROD": "Mul", "0": "Mul"}.get(how, "Maximum")
    factors = [float(text) for text in p.all("coeff")]
    if op == "Add" and len(keys) == 2 and factors == [1, -1]:
        return [r.emit("Sub", *keys)]
    if op == "Add" and len(factors) == len(keys):
        keys = [
            key if by == 1 else r.emit("Mul", key, part=f"mul_{k}", by=by)
            for k, (key, by) in enumerate(zip(keys, factors, strict=True))
        ]
    if op == "Maximum" and len(keys) > 2:
        made = keys[0]
        for k, key in enumerate(keys[1:], 2):
            made = r.emit(op, made, key, part="" if k == len(keys) else f"{k}")
        return [made]
    return [r.emit(op, *keys)]


@layer("reduction")
def _reduction(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    p, x = y.group("reduction_param"), keys[0]
    start = r.axis(x, p.whole("axis", 0, -8))
    if start == 0:
        raise Unknown
    dims = list(range(start, len(r.shape(x))))
    how = p.word("operation", "SUM")
    if how in ("ASUM", "2"):
        return [r.emit("Norm", x, dim=dims, p=1)]
    if how in ("SUMSQ", "3"):
        x = r.emit("Square", x, part="square")
    return [r.emit("Mean" if how in ("MEAN", "4") else "Sum", x, dim=dims)]


@layer("argmax")
def _argmax(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    p, x = y.group("argmax_param"), keys[0]
    many = p.whole("top_k", 1, 1)
    if "axis" in p.fields:
        axis = r.axis(x, p.whole("axis", least=-8))
        if many == 1:
            return [r.emit("ArgMax", x, dim=axis, keepdim=True)]
        return [r.emit("TopK", x, k=many, dim=axis, returns="indices")]
    if len(r.shape(x)) > 2:
        x = r.emit("Flatten", x, part="flatten")
    return [r.emit("TopK", x, k=many, dim=1, returns="indices")]
