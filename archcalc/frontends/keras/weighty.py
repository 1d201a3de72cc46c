"""Keras' other layers that own tensors: products, normalization, recurrent ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Any

from archcalc.frontends.keras.config import is_config
from archcalc.frontends.keras.layers import LAYERS, Layers, Place, Tensor, Unknown, layer


@layer("Dense")
def _dense(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    x = r.turn(given[0], False)
    c = place.config
    key = r.emit(place, "Linear", [x], out_features=c["units"], bias=c.get("use_bias", True))
    return r.activated(place, r.result(key, False), c.get("activation"))


@layer("Embedding")
def _embedding(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    c = place.config
    fields = {"num_embeddings": c["input_dim"], "embedding_dim": c["output_dim"]}
    return r.result(r.emit(place, "Embedding", given[:1], **fields), False)


@layer("MultiHeadAttention")
def _attention(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    c = place.config
    q = given[0]
    value = given[1] if len(given) > 1 else q
    key = given[2] if len(given) > 2 else value
    if (
        len(q.shape) != 2
        or c.get("output_shape") is not None
        or c.get("attention_axes") not in (None, [1])
    ):
        raise Unknown
    bias = c.get("use_bias", True)
    fields = {"num_heads": c["num_heads"], "head_dim": c["key_dim"]}
    fields |= dict.fromkeys(("q_bias", "k_bias", "v_bias", "out_bias"), bias)
    if c.get("value_dim") not in (None, c["key_dim"]):
        fields["value_dim"] = c["value_dim"]
    taken = [q] if q == value == key else [q, key, value]
    return r.result(r.emit(place, "Attention", taken, **fields), False)


_RECURRENT = {"LSTM": "LSTM", "GRU": "GRU", "SimpleRNN": "RNN"}


@layer(*_RECURRENT, "CuDNNLSTM", "CuDNNGRU", "Bidirectional")
def _recurrent(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    c, kind, ways = place.config, place.kind, 1
    if kind == "Bidirectional":
        inner = c.get("layer")
        if not is_config(inner) or c.get("merge_mode", "concat") != "concat":
            raise Unknown
        kind, c, ways = inner["class_name"], inner["config"], 2
    op = _RECURRENT.get(kind.removeprefix("CuDNN"))
    if op is None or c.get("return_state"):
        raise Unknown
    x = r.turn(given[0], False)
    doubled = kind.startswith("CuDNN") or (op == "GRU" and c.get("reset_after", True))
    fields: dict[str, Any] = {"hidden_size": c["units"], "bias": c.get("use_bias", True)}
    if not doubled or op != "GRU":
        fields["biases"] = 1
    if op == "RNN" and c.get("activation", "tanh") == "relu":
        fields["nonlinearity"] = "relu"
    if ways == 2:
        fields["bidirectional"] = True
    key = r.emit(place, op, [x], **fields)
    if not c.get("return_sequences"):
        key = r.emit(place, "Select", [r.result(key, False)], dim=1, index=-1)
    return r.result(key, False)


@layer("TimeDistributed")
def _distributed(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    inner, x = place.config.get("layer"), given[0]
    if not is_config(inner) or inner["class_name"] not in ("Dense", "Dropout", "Activation"):
        raise Unknown
    found = LAYERS[inner["class_name"]](
        r, Place(place.name, inner["class_name"], inner["config"]), [x]
    )
    assert isinstance(found, Tensor)
    return found


def _scaled(r: Layers, place: Place, x: Tensor, size: int, parts: Mapping[str, str]) -> Tensor:
    """Products and sums with tensors of a number a channel."""
    rank = len(r.shape(x.key))
    shape = [size, *[1] * (rank - 2)] if x.moved or r.plain else [size]
    for part, op in parts.items():
        trained = part in ("gamma", "beta")
        source = [replace(x)]
        key = r.emit(place, "Parameter", source, part=part, shape=shape, trained=trained)
        x = replace(x, key=r.emit(place, op, [x, replace(x, key=key)], part=op.lower()))
    return x


@layer("BatchNormalization", "BatchNormalizationV1", "SyncBatchNormalization")
def _batch_norm(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    c = place.config
    axis = c.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) else axis
    x = given[0] if len(given[0].shape) == 1 else r.images(given[0])
    if r.axis(x, axis) != 1:
        raise Unknown
    scale, center = c.get("scale", True), c.get("center", True)
    name = f"BatchNorm{max(len(x.shape) - 1, 1)}d"
    both = scale and center
    whole = both or not (scale or center)
    eps = c.get("epsilon", 1e-3)
    key = r.emit(place, name, [x], part="" if whole else "norm", eps=eps, affine=both)
    found = replace(x, key=key)
    if whole:
        return found
    parts = {"gamma": "Mul"} if scale else {"beta": "Add"}
    return _scaled(r, place, found, r.shape(key)[1], parts)


@layer("LayerNormalization")
def _layer_norm(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    c = place.config
    axis = c.get("axis", -1)
    axes = axis if isinstance(axis, list) else [axis]
    x = r.turn(given[0], False)
    rank = len(x.shape) + 1
    axes = sorted(n % rank for n in axes)
    if axes != list(range(rank - len(axes), rank)):
        raise Unknown
    scale, center = c.get("scale", True), c.get("center", True)
    if center and not scale:
        raise Unknown
    fields = {
        "normalized_shape": list(x.shape[axes[0] - 1 :]),
        "eps": c.get("epsilon", 1e-3),
        "elementwise_affine": scale,
        "bias": scale and center,
    }
    return r.result(r.emit(place, "LayerNorm", [x], **fields), False)


@layer("GroupNormalization")
def _group_norm(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    c, x = place.config, r.images(given[0])
    if not (c.get("scale", True) and c.get("center", True)):
        raise Unknown
    groups = c["groups"] if c["groups"] != -1 else r.shape(x.key)[1]
    key = r.emit(place, "GroupNorm", [x], num_groups=groups, eps=c.get("epsilon", 1e-3))
    return replace(x, key=key)


@layer("Normalization")
def _normalization(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    x, c = given[0], place.config
    if c.get("mean") is not None:
        key = r.emit(place, "Sub", [x], by=1, part="sub")
        return replace(x, key=r.emit(place, "Div", [replace(x, key=key)], by=1, part="div"))
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
    if count not in (1, r.shape(x.key)[1]):
        raise Unknown
    return replace(x, key=r.emit(place, "PReLU", [x], num_parameters=count))
