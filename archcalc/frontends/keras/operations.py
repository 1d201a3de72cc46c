"""Keras' operations (``keras.ops``, ``tf``) that are called on a model's tensors, as layers."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import prod
from typing import Any

from archcalc.errors import ShapeError
from archcalc.frontends.keras.config import as_dict
from archcalc.frontends.keras.layers import LAYERS, Layers, Place, Tensor, Unknown, layer
from archcalc.frontends.table import spelled

_ALIKE = (
    *("Sigmoid", "Tanh", "Softplus", "LogSigmoid", "Exp", "Log", "Sqrt", "Rsqrt", "Square"),
    *("Abs", "Reciprocal", "Sin", "Cos", "Sign", "Floor", "Ceil", "Round", "Erf", "LogicalNot"),
)
"""Functions of Keras that have the same name here."""

_FUNCTIONS = {
    **dict(zip(_ALIKE, _ALIKE, strict=True)),
    "Relu": "ReLU",
    "Relu6": "ReLU6",
    "Silu": "SiLU",
    "Elu": "ELU",
    "Selu": "SELU",
    "Gelu": "GELU",
    "HardSigmoid": "Hardsigmoid",
    "HardSilu": "Hardswish",
    "LeakyRelu": "LeakyReLU",
    "Absolute": "Abs",
    "Negative": "Neg",
}


@layer(*_FUNCTIONS)
def _function(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    return r.alike(place, _FUNCTIONS[place.kind], given[:1])


@layer("Clip")
def _clip(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    bounds = {"min": place.said("x_min", 1), "max": place.said("x_max", 2)}
    known = {name: n for name, n in bounds.items() if type(n) in (int, float)}
    return r.alike(place, "Clamp", given[:1], **(known or {"min": 0}))


_COMPARED = {
    "Greater": "Gt",
    "GreaterEqual": "Ge",
    "Less": "Lt",
    "LessEqual": "Le",
    "Equal": "Eq",
    "NotEqual": "Ne",
    "LogicalAnd": "LogicalAnd",
    "LogicalOr": "LogicalOr",
}


@layer(*_COMPARED, numbers=True)
def _compared(r: Layers, place: Place, given: list[Any]) -> Tensor:
    values = [r.turn(v, False) for v in given if isinstance(v, Tensor)]
    op = _COMPARED[place.kind]
    if len(values) > 1:
        return r.give(place, op, values[:2])
    number = next((float(v) for v in given if type(v) in (int, float)), 0.0)
    return r.give(place, op, values, by=number)


@layer("Where")
def _where(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    if len(given) != 3:
        raise Unknown
    return r.give(place, "Where", [r.turn(v, False) for v in given])


# Reductions ---------------------------------------------------------------------------------------

_REDUCED = {
    "Mean": "Mean",
    "Sum": "Sum",
    "Max": "Max",
    "Min": "Min",
    "Amax": "Max",
    "Amin": "Min",
    "Var": "Var",
    "Std": "Std",
    "Norm": "Norm",
    "Logsumexp": "LogSumExp",
    "Any": "Max",
    "All": "Min",
    "Argmax": "ArgMax",
    "Argmin": "ArgMin",
}


@layer(*_REDUCED)
def _reduced(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    x, axis = given[0], place.said("axis", 1)
    axes = range(1, len(x.shape) + 1) if axis is None else axis
    axes = [axes] if isinstance(axes, int) else list(axes)
    keep = bool(place.said("keepdims", 2))
    if not keep:
        x = r.turn(x, False)
    dims = sorted({r.axis(x, n) for n in axes} - {0})
    if not dims:
        raise Unknown
    fields: dict[str, Any] = {"dim": dims if len(dims) > 1 else dims[0]}
    if keep:
        fields["keepdim"] = True
    return r.give(place, _REDUCED[place.kind], [x], x.moved and keep, **fields)


# Products -----------------------------------------------------------------------------------------


@layer("Matmul")
def _matmul(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    if len(given) != 2:
        raise Unknown
    values = [r.turn(v, False) for v in given]
    for k, side in enumerate("ab"):
        if place.said(f"transpose_{side}", 9) or place.said(f"adjoint_{side}", 9):
            rank = len(values[k].shape) + 1
            dims = [*range(rank - 2), rank - 1, rank - 2]
            values[k] = r.give(place, "Permute", [values[k]], part=f"permute_{side}", dims=dims)
    return r.give(place, "MatMul", values)


@layer("Einsum")
def _einsum(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    equation = place.said("subscripts", 0)
    values = [r.turn(v, False) for v in given]
    equation = spelled(str(equation), [len(v.shape) + 1 for v in values])
    return r.give(place, "Einsum", values, equation=equation)


# Moving -------------------------------------------------------------------------------------------


@layer("Transpose")
def _transpose(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    x, dims = r.turn(given[0], False), place.said("axes", 1)
    rank = len(x.shape) + 1
    dims = [int(n) % rank for n in dims] if dims else list(reversed(range(rank)))
    if dims[0] != 0:
        raise Unknown
    return r.give(place, "Permute", [x], dims=dims)


@layer("Swapaxes", "Moveaxis")
def _swapped(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    x = r.turn(given[0], False)
    rank = len(x.shape) + 1
    names = ("axis1", "axis2") if place.kind == "Swapaxes" else ("source", "destination")
    said = [place.said(name, k) for k, name in enumerate(names, 1)]
    said = [n[0] if isinstance(n, list) and len(n) == 1 else n for n in said]
    if not all(isinstance(n, int) for n in said):
        raise Unknown
    a, b = (n % rank for n in said)
    dims = list(range(rank))
    if place.kind == "Swapaxes":
        dims[a], dims[b] = dims[b], dims[a]
    else:
        dims.remove(a)
        dims.insert(b, a)
    if dims[0] != 0:
        raise Unknown
    return r.give(place, "Permute", [x], dims=dims)


@layer("ExpandDims", "Squeeze", "Tile", "BroadcastTo", "Ravel")
def _viewed(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    """Of what the file itself says the shape, or the call an axis."""
    x, shape = r.turn(given[0], False), place.shape
    axis = place.said("axis", 1)
    if place.kind in ("Tile", "BroadcastTo"):
        times = place.said("repeats", 1)
        if times is None and shape is not None and len(shape) == len(x.shape):
            times = [1, *(m // n for m, n in zip(shape, x.shape, strict=True))]
        if not isinstance(times, list) or len(times) != len(x.shape) + 1 or times[0] != 1:
            raise Unknown
        return r.give(place, "Repeat", [x], repeats=times[1:])
    if isinstance(axis, int):
        rank = len(x.shape) + (2 if place.kind == "ExpandDims" else 1)
        axis %= rank
        if axis == 0:
            raise Unknown
        op = "Unsqueeze" if place.kind == "ExpandDims" else "Squeeze"
        return r.give(place, op, [x], dim=axis)
    if place.kind == "Squeeze" and axis is None:
        shape = tuple(n for n in x.shape if n != 1)
    if shape is None or prod(shape) != prod(x.shape):
        raise Unknown
    return r.give(place, "Reshape", [x], shape=list(shape) or [1])


@layer("Repeat")
def _repeated(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    x, axis = given[0], place.said("axis", 2)
    times = place.said("repeats", 1)
    if times is None and place.shape is not None and isinstance(axis, int):
        times = prod(place.shape) // prod(x.shape)
    if not isinstance(times, int) or not isinstance(axis, int):
        raise Unknown
    dim = r.axis(x, axis)
    return r.give(place, "RepeatInterleave", [x], x.moved, repeats=times, dim=dim)


@layer("Stack")
def _stack(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    values = [r.turn(v, False) for v in given]
    axis = place.said("axis", 1, 0) % (len(values[0].shape) + 2)
    if axis == 0:
        raise Unknown
    return r.give(place, "Stack", values, dim=axis)


@layer("Split")
def _split(r: Layers, place: Place, given: list[Tensor]) -> list[Tensor]:
    x, said = given[0], place.said("indices_or_sections", 1)
    axis = r.axis(x, place.said("axis", 2, 0))
    size = r.shape(x.key)[axis]
    if isinstance(said, int):
        if said < 1 or size % said or said > 10_000:
            raise ShapeError(f"{said} equal parts of {size}")
        ends = [k * (size // said) for k in range(said + 1)]
    else:
        ends = [0, *said, size]
    parts = [b - a for a, b in pairwise(ends)]
    fields = {"split_size_or_sections": parts, "dim": axis}
    return [
        r.give(place, "Split", [x], x.moved, part=f"{k}", index=k, **fields)
        for k in range(len(parts))
    ]


@layer("Pad")
def _pad(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    x, pairs = r.turn(given[0], False), place.said("pad_width", 1)
    if not isinstance(pairs, list) or len(pairs) != len(x.shape) + 1 or any(pairs[0]):
        raise Unknown
    pad = [n for pair in reversed(pairs[1:]) for n in pair]
    return r.give(place, "Pad", [x], pad=pad)


@layer("GetItem")
def _item(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    """``x[:, 1:3]``, ``x[..., 0]``: an index for each of the author's axes."""
    x = r.turn(given[0], False)
    said = place.said("key", 1)
    index = list(said) if isinstance(said, list) else [said]
    kinds = [as_dict(each).get("class_name") for each in index]
    if "__ellipsis__" in kinds:
        at = kinds.index("__ellipsis__")
        taken = sum(each is not None for each in index) - 1
        whole: Any = {"class_name": "__slice__", "config": {}}
        index[at : at + 1] = [whole] * (len(x.shape) + 1 - taken)
    axis, cut = 0, False
    for each in index:
        bounds = as_dict(as_dict(each).get("config", each))
        start, stop, step = (bounds.get(name) for name in ("start", "stop", "step"))
        part = f"axis_{axis}"
        if each is None:
            if axis == 0:
                raise Unknown
            x = r.give(place, "Unsqueeze", [x], part=part, dim=axis)
            axis += 1
            cut = True
        elif type(each) is int:
            if axis == 0:
                raise Unknown
            x = r.give(place, "Select", [x], part=part, dim=axis, index=each)
            cut = True
        elif isinstance(each, dict):
            if (start, stop, step) != (None, None, None) and axis == 0:
                raise Unknown
            if step == -1 and start is None and stop is None:
                x = r.give(place, "Flip", [x], part=part, dims=axis)
            elif (start, stop, step) != (None, None, None):
                fields = {"start": start, "end": stop, "step": step or 1}
                x = r.give(place, "Slice", [x], part=part, dim=axis, **fields)
                cut = True
            axis += 1
        else:
            raise Unknown
    return x if cut or index else given[0]


@layer("DepthToSpace", "SpaceToDepth")
def _shuffled(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    x, size = r.images(given[0]), place.said("block_size", 1)
    if place.kind == "SpaceToDepth":
        return r.give(place, "PixelUnshuffle", [x], not r.plain, downscale_factor=size)
    return r.give(place, "PixelShuffle", [x], not r.plain, upscale_factor=size)


@layer("Resize")
def _resize(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    x, mode = r.images(given[0]), place.said("interpolation", 2, "bilinear")
    return r.resized(place, x, list(place.said("size", 1)), mode)


@layer("MaxPool", "AveragePool")
def _pool(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    """As the layers of these names with the axes in theirs."""
    axes = len(given[0].shape) - 1
    kind = f"{'Max' if place.kind == 'MaxPool' else 'Average'}Pooling{axes}D"
    if kind not in LAYERS:
        raise Unknown
    names = {"pool_size": "ksize", "strides": "strides", "padding": "padding"}
    config = {ours: place.said(ours, 9, place.said(tf, 9)) for ours, tf in names.items()}
    config["padding"] = str(config["padding"] or "valid").lower()
    found = LAYERS[kind](r, replace(place, kind=kind, config=config), given)
    assert isinstance(found, Tensor)
    return found
