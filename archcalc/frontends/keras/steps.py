"""Keras' layers over steps in time: recurrent ones, of cells, both ways; others for each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

from archcalc.dims import Shape
from archcalc.frontends.keras.config import Config, as_dict, is_config
from archcalc.frontends.keras.layers import Layers, Place, Tensor, Unknown, layer

MOST_CELLS = 1000
"""Cells that a layer may have in a row."""

_RECURRENT = {"LSTM": "LSTM", "GRU": "GRU", "SimpleRNN": "RNN"}


def _kind(name: str) -> str:
    """``LSTM`` of ``CuDNNLSTM`` and ``LSTMCell``. Raises :class:`Unknown`."""
    found = name.removeprefix("CuDNN").removesuffix("Cell").removesuffix("V2").removesuffix("V1")
    if found not in _RECURRENT:
        raise Unknown
    return found


def _fields(kind: str, c: Config) -> dict[str, Any]:
    """Those of a recurrent operator, with as many biases as Keras has."""
    op = _RECURRENT[_kind(kind)]
    doubled = op == "GRU" and (kind.startswith("CuDNN") or c.get("reset_after", True))
    fields: dict[str, Any] = {"hidden_size": c["units"], "bias": c.get("use_bias", True)}
    if not doubled:
        fields["biases"] = 1
    if op == "RNN" and c.get("activation", "tanh") == "relu":
        fields["nonlinearity"] = "relu"
    return fields


class _Steps:
    """A recurrent layer in the making, and what it gives."""

    def __init__(self, r: Layers, place: Place, c: Config) -> None:
        self.r, self.place = r, place
        self.sequences = bool(c.get("return_sequences"))
        self.states = bool(c.get("return_state"))

    def emit(self, op: str, *tensors: Tensor, part: str = "", **fields: Any) -> Tensor:
        place = self.place.part(part) if part else self.place
        return self.r.give(place, op, tensors, **fields)

    def first_state(self, given: Sequence[Tensor], ways: int) -> tuple[Tensor, ...]:
        """The state that a call is given, as one tensor: those of an LSTM are two each way."""
        if not given:
            return ()
        each = len(given) // ways
        rows = []
        for k in range(each):
            both = given[k::each][:ways]
            rows.append(
                both[0] if ways == 1 else self.emit("Concat", *both, part=f"state_{k}", dim=-1)
            )
        if len(rows) == 1:
            return (self.emit("Unsqueeze", rows[0], part="state", dim=1),)
        return (self.emit("Stack", *rows, part="state", dim=1),)

    def run(
        self, op: str, x: Tensor, first: tuple[Tensor, ...], fields: Config, part: str = ""
    ) -> tuple[Tensor, list[Tensor]]:
        """The steps of an operator and its last states, a tensor each."""
        more = {"states": True} if self.states else {}
        found = self.emit(op, x, *first, part=part, **fields, **more)
        if not self.states:
            return found, []
        steps, above = x.shape[0], f"{part}_" if part else ""
        rows = range(steps, found.shape[0])
        names = [f"{above}{name}" for name in ("h", "c")]
        last = [
            self.emit("Select", found, part=name, dim=1, index=k)
            for k, name in zip(rows, names, strict=False)
        ]
        return self.emit("Slice", found, part=f"{above}steps", dim=1, end=steps), last

    def end(self, steps: Tensor, states: Sequence[Tensor]) -> list[Tensor]:
        """What the layer gives of its steps and states."""
        if not self.sequences:
            steps = self.emit("Select", steps, part="last", dim=1, index=-1)
        return [steps, *states]


@layer(*_RECURRENT, "CuDNNLSTM", "CuDNNGRU", "LSTMV2", "GRUV2", "LSTMV1", "GRUV1")
def _recurrent(r: Layers, place: Place, given: list[Tensor]) -> list[Tensor]:
    c, made = place.config, _Steps(r, place, place.config)
    x = r.turn(given[0], False)
    if c.get("go_backwards"):
        x = made.emit("Flip", x, part="reversed", dims=1)
    first = made.first_state(given[1:], 1)
    op = _RECURRENT[_kind(place.kind)]
    return made.end(*made.run(op, x, first, _fields(place.kind, c)))


@layer("Bidirectional")
def _both_ways(r: Layers, place: Place, given: list[Tensor]) -> list[Tensor]:
    one = place.config.get("layer")
    other = place.config.get("backward_layer") or one
    if not is_config(one) or not is_config(other):
        raise Unknown
    made = _Steps(r, place, one["config"])
    x, how = r.turn(given[0], False), place.config.get("merge_mode", "concat")
    if _said(one) == _said(other):
        op, fields = _said(one)
        first = made.first_state(given[1:], 2)
        steps, states = made.run(op, x, first, {**fields, "bidirectional": True})
        joined = made.end(steps, ())[0]
        size = fields["hidden_size"]
        ends = {"forward": {"end": size}, "backward": {"start": size}}
        found = [made.emit("Slice", joined, part=name, dim=-1, **cut) for name, cut in ends.items()]
        last = [
            made.emit("Slice", state, part=f"{name}_{row}", dim=-1, **cut)
            for name, cut in ends.items()
            for row, state in zip("hc", states, strict=False)
        ]
        if how == "concat":
            return [joined, *last]
    elif given[1:]:
        raise Unknown
    else:
        found, last = _unlike(made, x, _said(one), _said(other))
    if how is None:
        return [*found, *last]
    if how == "concat":
        return [made.emit("Concat", *found, part="concat", dim=-1), *last]
    if how not in ("sum", "ave", "mul"):
        raise Unknown
    whole = made.emit("Mul" if how == "mul" else "Add", *found, part="merge")
    if how == "ave":
        whole = made.emit("Div", whole, part="ave", by=2)
    return [whole, *last]


def _said(data: Config) -> tuple[str, dict[str, Any]]:
    kind = data["class_name"]
    return _RECURRENT[_kind(kind)], _fields(kind, data["config"])


def _unlike(
    made: _Steps, x: Tensor, one: tuple[str, dict[str, Any]], other: tuple[str, dict[str, Any]]
) -> tuple[list[Tensor], list[Tensor]]:
    """Steps and states of two layers that differ, of which the other reads from the end."""
    steps, last = made.run(one[0], x, (), one[1], "forward")
    turned = made.emit("Flip", x, part="reversed", dims=1)
    back, more = made.run(other[0], turned, (), other[1], "backward")
    if made.sequences:
        return [steps, made.emit("Flip", back, part="turned", dims=1)], [*last, *more]
    found = [
        made.emit("Select", each, part=f"{name}_last", dim=1, index=-1)
        for name, each in (("forward", steps), ("backward", back))
    ]
    return found, [*last, *more]


@layer("RNN")
def _of_cells(r: Layers, place: Place, given: list[Tensor]) -> list[Tensor]:
    """One or several cells, each over all steps: which comes to the same."""
    cell = place.config.get("cell")
    made = _Steps(r, place, place.config)
    cells = cell if isinstance(cell, list) else [cell]
    if is_config(cell) and cell["class_name"] == "StackedRNNCells":
        cells = as_dict(cell["config"]).get("cells", [])
    if not cells or not all(map(is_config, cells)) or len(given) > 1:
        raise Unknown
    if len(cells) > MOST_CELLS:
        raise ValueError(f"has {len(cells):,} cells: the limit is {MOST_CELLS:,}")
    x = r.turn(given[0], False)
    if place.config.get("go_backwards"):
        x = made.emit("Flip", x, part="reversed", dims=1)
    states: list[Tensor] = []
    for k, (op, fields) in enumerate([_said(each) for each in cells if is_config(each)]):
        x, last = made.run(op, x, (), fields, f"cell_{k}" if len(cells) > 1 else "")
        states += last
    return made.end(x, states)


# Another layer, for each step ---------------------------------------------------------------------

_SAME = ("Dense", "Dropout", "Activation", "ReLU", "LeakyReLU", "Identity", "Embedding")
"""Layers that do the same to steps as to samples."""


@layer("TimeDistributed")
def _for_each_step(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    """A layer on steps, which become samples, and steps again."""
    one, x = place.config.get("layer"), given[0]
    if not is_config(one) or not x.shape:
        raise Unknown
    if one["class_name"] in _SAME:
        return r.inner(one, place, x)
    steps = x.shape[0]
    inside = r.folded.get(x.key)
    if inside is None:
        order = list(range(len(x.shape) + 1))
        image = len(x.shape) > 2 and not r.plain
        if x.moved:  # (C, T, ...) -> (T, C, ...)
            order[1:3] = [2, 1]
        elif image:  # (T, ..., C) -> (T, C, ...)
            order[2:] = [order[-1], *order[2:-1]]
        key = x.key
        if order != sorted(order):
            key = r.emit(place.part("permute"), "Permute", [x], dims=order)
        sizes = list(r.shape(key)[2:])
        before, r.samples = r.samples, r.samples * steps
        if not sizes:
            raise Unknown
        key = r.emit(place.part("steps"), "View", [replace(x, key=key)], shape=sizes)
        inside = Tensor(key, x.shape[1:], image and len(sizes) > 1)
    else:
        before, r.samples = r.samples, r.samples * steps
    try:
        found = r.inner(one, place, inside)
    finally:
        r.samples = before
    shape = r.shape(found.key)[1:]
    key = r.emit(place.part("joined"), "View", [found], shape=[steps, *shape])
    whole = Tensor(key, (steps, *found.shape), False)
    if found.moved and len(shape) > 1:
        rank = len(shape) + 2
        dims = [0, 1, *range(3, rank), 2]
        turned = r.emit(place.part("turned"), "Permute", [replace(whole)], dims=dims)
        whole = replace(whole, key=turned)
    r.folded[whole.key] = found
    return whole


# Convolutions in time -----------------------------------------------------------------------------


@layer("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
def _conv_lstm(r: Layers, place: Place, given: list[Tensor]) -> list[Tensor]:
    """Of a step and of the last state a convolution each, into four gates."""
    c, x = place.config, r.turn(given[0], False)
    axes = int(place.kind[-2])
    filters, kernel = c["filters"], _listed(c["kernel_size"], axes)
    if r.plain or len(given) > 1 or len(x.shape) != axes + 2:
        raise Unknown
    strides, dilation = _listed(c.get("strides", 1), axes), _listed(c.get("dilation_rate", 1), axes)
    sizes = [
        -(-n // s) if c.get("padding") == "same" else (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(x.shape[1:-1], kernel, strides, dilation, strict=True)
    ]
    rows = 4 * filters
    params = rows * prod(kernel) * (x.shape[-1] + filters) + rows * c.get("use_bias", True)
    macs = x.shape[0] * prod(sizes) * rows * prod(kernel) * (x.shape[-1] + filters)
    shape: Shape = (*sizes, filters)
    if c.get("return_sequences"):
        shape = (x.shape[0], *shape)
    name = f"keras.{place.kind}"
    key = r.foreign(place.name, name, shape, (x.key,), params=params, macs=macs)
    found = [r.result(key, False)]
    for y in "hc" if c.get("return_state") else "":
        state = r.foreign(f"{place.name}_{y}", name, (*sizes, filters), (key,), params=0, macs=0)
        found.append(r.result(state, False))
    return found


def _listed(value: Any, axes: int) -> list[int]:
    return [value] * axes if type(value) is int else list(value)
