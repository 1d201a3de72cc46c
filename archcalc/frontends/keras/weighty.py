"""Keras' other layers that own tensors: products and normalization."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from archcalc.errors import ShapeError
from archcalc.frontends.keras.layers import Layers, Place, Tensor, Unknown, layer


@layer("Dense")
def _dense(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    x = r.turn(given[0], False)
    c = place.config
    found = r.give(place, "Linear", [x], out_features=c["units"], bias=c.get("use_bias", True))
    return r.activated(place, found, c.get("activation"))


@layer("MaxoutDense")
def _maxout(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    """The largest of several products, of Keras 1."""
    c, x = place.config, r.turn(given[0], False)
    many, out = c["nb_feature"], c["output_dim"]
    fields = {"out_features": many * out, "bias": c.get("use_bias", True)}
    x = r.give(place, "Linear", [x], part="fc", **fields)
    x = r.give(place, "Reshape", [x], part="reshape", shape=[many, out])
    return r.give(place, "Max", [x], part="max", dim=1)


@layer("Embedding")
def _embedding(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    c = place.config
    fields = {"num_embeddings": c["input_dim"], "embedding_dim": c["output_dim"]}
    return r.give(place, "Embedding", given[:1], **fields)


def _scaled(r: Layers, place: Place, x: Tensor, size: int, parts: Mapping[str, str]) -> Tensor:
    """Products and sums with tensors of a number a channel."""
    rank = len(r.shape(x.key))
    shape = [size, *[1] * (rank - 2)] if x.moved or r.plain else [size]
    for part, op in parts.items():
        trained = part in ("gamma", "beta")
        other = r.alike(place, "Parameter", [x], part=part, shape=shape, trained=trained)
        x = r.alike(place, op, [x, other], part=op.lower())
    return x


def _affine(r: Layers, place: Place, x: Tensor, op: str, **fields: Any) -> Tensor:
    """A normalization with scale and shift, or with one of them as a layer of its own."""
    c = place.config
    scale, center = c.get("scale", True), c.get("center", True)
    whole = scale == center
    fields |= {"eps": c.get("epsilon", 1e-3), "affine": scale and center}
    found = r.alike(place, op, [x], part="" if whole else "norm", **fields)
    if whole:
        return found
    parts = {"gamma": "Mul"} if scale else {"beta": "Add"}
    return _scaled(r, place, found, r.shape(found.key)[1], parts)


@layer("BatchNormalization", "BatchNormalizationV1", "SyncBatchNormalization")
def _batch_norm(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    c = place.config
    axis = c.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) else axis
    x = given[0] if len(given[0].shape) == 1 else r.images(given[0])
    if r.axis(x, axis) != 1:
        x = r.turn(x, False)
    if r.axis(x, axis) != 1:
        raise Unknown
    return _affine(r, place, x, f"BatchNorm{max(len(x.shape) - 1, 1)}d")


@layer("LayerNormalization")
def _layer_norm(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    c = place.config
    axis = c.get("axis", -1)
    axes = axis if isinstance(axis, list) else [axis]
    x = r.turn(given[0], False)
    rank = len(x.shape) + 1
    if any(not -rank <= n < rank for n in axes):
        raise ShapeError(f"axis {axis} of {rank} axes")
    axes = sorted(n % rank for n in axes)
    if axes != list(range(rank - len(axes), rank)):
        raise Unknown
    scale, center = c.get("scale", True), c.get("center", True)
    shape = list(x.shape[axes[0] - 1 :])
    fields = {
        "normalized_shape": shape,
        "eps": c.get("epsilon", 1e-3),
        "elementwise_affine": scale,
        "bias": scale and center,
    }
    if scale or not center:
        return r.give(place, "LayerNorm", [x], **fields)
    x = r.give(place, "LayerNorm", [x], part="norm", **fields)
    beta = r.give(place, "Parameter", [x], part="beta", shape=shape)
    return r.give(place, "Add", [x, beta], part="add")


@layer("RMSNormalization")
def _rms_norm(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    c, x = place.config, r.turn(given[0], False)
    if c.get("axis", -1) not in (-1, [-1], len(x.shape)):
        raise Unknown
    return r.give(place, "RMSNorm", [x], eps=c.get("epsilon", 1e-6))


@layer("UnitNormalization", "Normalize")
def _unit_norm(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    x, axis = given[0], place.said("axis", 1, -1)
    axes = [r.axis(x, n) for n in (axis if isinstance(axis, list) else [axis])]
    norm = r.alike(place, "Norm", [x], part="norm", dim=sorted(axes), keepdim=True)
    return r.alike(place, "Div", [x, norm], part="div")


@layer("SpectralNormalization")
def _spectral_norm(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    """A layer, and the vector by which its weight's largest singular value is followed."""
    found = r.inner(place.config.get("layer"), place, given[0])
    size = next((y.applied.shape[1] for y in reversed(r.layers) if y.applied.cost.weights), 1)
    key = r.emit(place, "Parameter", [found], part="vector", shape=[size], trained=False)
    r.idle.append(key)
    return found


@layer("GroupNormalization")
def _group_norm(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    c, x = place.config, r.images(given[0])
    if c.get("axis", -1) not in (-1, len(x.shape)):
        raise Unknown
    groups = c["groups"] if c["groups"] != -1 else r.shape(x.key)[1]
    return _affine(r, place, x, "GroupNorm", num_groups=groups)


@layer("Normalization")
def _normalization(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    x, c = given[0], place.config
    if c.get("mean") is not None:
        x = r.alike(place, "Sub", [x], by=1, part="sub")
        return r.alike(place, "Div", [x], by=1, part="div")
    size = r.shape(x.key)[1] if x.moved or r.plain else x.shape[-1]
    size = size if c.get("axis", -1) is not None else 1
    found = _scaled(r, place, x, size, {"mean": "Sub", "variance": "Div"})
    # How many samples they are of: a number that is kept, and used by nothing.
    r.idle.append(r.emit(place, "Parameter", [x], part="count", shape=[1], trained=False))
    return found


@layer("LayerScale")
def _layer_scale(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    """ConvNeXt's, which is a class of Keras' own."""
    x = given[0]
    size = r.shape(x.key)[1] if x.moved or r.plain else x.shape[-1]
    return _scaled(r, place, x, size, {"gamma": "Mul"})


@layer("PReLU")
def _prelu(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    x = r.images(given[0])
    shared = place.config.get("shared_axes") or []
    count = prod(n for k, n in enumerate(given[0].shape, 1) if k not in shared)
    if count in (1, r.shape(x.key)[1]):
        return r.alike(place, "PReLU", [x], num_parameters=count)
    # One slope for each element, or for some axes of them.
    x = r.turn(x, False)
    shape = [1 if k in shared else n for k, n in enumerate(x.shape, 1)]
    slope = r.give(place, "Parameter", [x], part="slope", shape=shape)
    low = r.give(place, "Minimum", [x], part="low", by=0)
    low = r.give(place, "Mul", [low, slope], part="mul")
    high = r.give(place, "ReLU", [x], part="high")
    return r.give(place, "Add", [high, low], part="add")
