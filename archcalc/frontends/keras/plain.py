"""Keras' layers that own nothing: functions of elements, sums, views."""

from __future__ import annotations

from math import prod
from typing import Any

from archcalc.errors import ShapeError
from archcalc.frontends.keras.config import flat
from archcalc.frontends.keras.layers import Layers, Place, Tensor, Unknown, layer


@layer("Activation")
def _activation(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    return r.activated(place, given[0], place.config.get("activation"))


@layer("ReLU")
def _relu(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    c = place.config
    top, slope = c.get("max_value"), c.get("negative_slope") or 0
    if c.get("threshold") or (top is not None and slope):
        return _bent(r, place, given[0], c.get("threshold") or 0.0, slope, top)
    if slope:
        return r.alike(place, "LeakyReLU", given[:1], negative_slope=slope)
    if top is None:
        return r.alike(place, "ReLU", given[:1])
    if top == 6:
        return r.alike(place, "ReLU6", given[:1])
    return r.alike(place, "Clamp", given[:1], min=0, max=top)


def _bent(
    r: Layers, place: Place, x: Tensor, threshold: float, slope: float, top: float | None
) -> Tensor:
    """A line from a threshold on, up to a top, and a slope below."""
    above = r.alike(place, "Gt", [x], part="above", by=threshold)
    below = r.alike(place, "Sub", [x], part="below", by=threshold)
    below = r.alike(place, "Mul", [below], part="slope", by=slope)
    found = r.alike(place, "Where", [above, x, below], part="where")
    return found if top is None else r.alike(place, "Minimum", [found], part="top", by=top)


@layer("LeakyReLU", "ELU", "Softmax", "Dropout", "SpatialDropout1D", "SpatialDropout2D")
@layer("GaussianNoise", "GaussianDropout", "AlphaDropout", "SpatialDropout3D")
def _simple(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    c, x = place.config, given[0]
    if place.kind == "LeakyReLU":
        slope = c.get("negative_slope", c.get("alpha", 0.3))
        return r.alike(place, "LeakyReLU", [x], negative_slope=slope)
    if place.kind == "ELU":
        return r.alike(place, "ELU", [x], alpha=c.get("alpha", 1.0))
    if place.kind == "Softmax":
        said = place.said("axis", 1, -1)
        return r.alike(place, "Softmax", [x], dim=r.axis(x, said if type(said) is int else -1))
    if "rate" not in c and "stddev" not in c:
        raise Unknown
    return r.alike(place, "Dropout", [x], p=min(c.get("rate", 0.0), 1.0))


@layer("Rescaling")
def _rescaling(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    x, c = given[0], place.config
    for op, said in (("Mul", c.get("scale", 1)), ("Add", c.get("offset", 0))):
        said = said.get("config", {}).get("value", [0, 1]) if isinstance(said, dict) else said
        if isinstance(said, list):
            size = len(said)
            shape = [size, *[1] * (len(x.shape) - 1)] if x.moved or r.plain else [size]
            constant = r.alike(place, "Constant", [x], part="constant", shape=shape)
            x = r.alike(place, op, [x, constant], part=op.lower())
        elif said != (1 if op == "Mul" else 0):
            x = r.alike(place, op, [x], part=op.lower(), by=said)
    return x


@layer("CustomScaleLayer")
def _residual(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    """Inception-ResNet's sum, of which the second is scaled: a class of Keras' own."""
    x, y = (r.turn(value, given[0].moved) for value in given)
    scaled = r.alike(place, "Mul", [y], part="mul", by=place.config.get("scale", 1.0))
    return r.alike(place, "Add", [x, scaled], part="add")


@layer("StochasticDepth")
def _depth(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    p = place.config.get("drop_path_rate", 0.0)
    return r.alike(place, "StochasticDepth", given[:1], p=p)


_TWO = {
    "Add": "Add",
    "Subtract": "Sub",
    "Multiply": "Mul",
    "Maximum": "Maximum",
    "Minimum": "Minimum",
    "Divide": "Div",
    "TrueDivide": "Div",
    "Power": "Pow",
}


@layer(*_TWO, "Average", numbers=True)
def _merged(r: Layers, place: Place, given: list[Any]) -> Tensor:
    values = [v for v in flat(given) if isinstance(v, Tensor)]
    numbers = [v for v in flat(given) if type(v) in (int, float)]
    op = _TWO.get(place.kind, "Add")
    if len(values) == 1 and numbers:
        side = "by" if isinstance(next(flat(given)), Tensor) or op in ("Add", "Mul") else "of"
        return r.alike(place, op, values, **{side: numbers[0]})
    rank = max(len(v.shape) for v in values)
    moved = any(v.moved for v in values if len(v.shape) == rank) and not r.plain
    moved = moved and all(len(v.shape) == rank for v in values)
    values = [r.turn(v, moved) for v in values]
    if op in ("Add", "Mul") and len(values) > 1:
        found = r.give(place, op, values, moved, part="add" if place.kind == "Average" else "")
    else:
        found = r.give(place, op, values[:2], moved)
        for value in values[2:]:
            found = r.give(place, op, [found, value], moved)
    if place.kind == "Average":
        found = r.alike(place, "Div", [found], part="div", by=len(values))
    return found


@layer("Concatenate")
def _concatenate(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    moved = any(v.moved for v in given)
    given = [r.turn(v, moved) for v in given]
    axis = r.axis(given[0], place.said("axis", 1, -1))
    return r.give(place, "Concat", given, dim=axis, moved=moved)


@layer("Flatten")
def _flatten(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    return r.give(place, "Flatten", given[:1]) if len(given[0].shape) > 1 else given[0]


@layer("Reshape")
def _reshape(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    x = given[0]
    said = place.config.get("target_shape")
    if said is None:  # the operation says the batch, too
        said = place.said("newshape", 1)
        if not isinstance(said, list) or not all(type(n) is int for n in said):
            raise Unknown
        said = list(said[1:]) if said[0] in (-1, 1) else said
        if place.shape is not None and prod(place.shape) == prod(x.shape):
            said = list(place.shape)
    shape = [int(n) for n in said] or [1]
    if shape.count(-1) == 1:
        rest = -prod(shape)
        shape[shape.index(-1)] = prod(x.shape) // max(rest, 1)
    if any(n < 1 for n in shape) or prod(shape) != prod(x.shape):
        raise ShapeError(f"target_shape {shape} of {list(x.shape)}")
    if x.moved and prod(x.shape[:-1]) != 1:
        x = r.turn(x, False)
    if len(shape) > 2 and not r.plain and prod(shape[:-1]) == 1:
        return r.give(place, "Reshape", [x], True, shape=[shape[-1], *shape[:-1]])
    return r.give(place, "Reshape", [x], shape=shape)


@layer("Permute")
def _permute(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    x = r.turn(given[0], False)
    return r.give(place, "Permute", [x], dims=[0, *place.config["dims"]])


@layer("RepeatVector")
def _repeat(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    n = place.config["n"]
    x = r.give(place, "Reshape", given[:1], part="reshape", shape=[1, *given[0].shape])
    return r.give(place, "Repeat", [x], part="repeat", repeats=[1, n, 1])


@layer("Identity", "ActivityRegularization", "Masking", "Cast")
def _same(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    return given[0]
