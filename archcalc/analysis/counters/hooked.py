"""torchinfo and thop: what is known of a module when it is called."""

from __future__ import annotations

from math import prod

from archcalc.analysis.analyze import Row
from archcalc.analysis.counters.rules import (
    ADAPTIVE_AVERAGES,
    AVERAGES,
    BATCH_NORMS,
    CONVS,
    INSTANCE_NORMS,
    RECURRENT,
    TRANSPOSED,
    directions_of,
    each,
    layers_of,
    macs,
    op_of,
    per_input,
    per_normalized,
    per_output,
    steps_of,
    tool,
    uncropped,
)
from archcalc.dims import Size
from archcalc.operators.base import elements

_TAKEN_FOR_BLOCKS = ("MultiheadAttention", "Parameter", "RelativePositionBias")
"""Their weights stand beside layers."""


def torchinfo(row: Row) -> Size:
    """What torchinfo prints as mult-adds."""
    if row.op in _TAKEN_FOR_BLOCKS or not row.executed:
        return 0
    out, total = (uncropped(row) if row.op in TRANSPOSED else row).shape, 0
    for name, shape in row.weights.items():
        if name not in ("weight", "bias"):
            positions = out[0] * out[1]
        elif "Conv" in row.op:
            positions = elements((out[0], *out[2:]))
        else:
            positions = out[0]
        total += positions * elements(shape)
    return total


def _at_outputs(row: Row) -> Size:
    groups, kernel = op_of(row).groups, prod(op_of(row).kernel_size)
    return elements(row.shape) * (row.node.input_shapes[0][1] // groups) * kernel


def _thop_softmax(row: Row) -> Size:
    slices, n = op_of(row).slices(row.shape)
    return slices * (3 * n - 1)


def _thop_upsample(row: Row) -> Size:
    times = {"nearest": 1, "linear": 5, "bilinear": 11, "bicubic": 259}.get(op_of(row).mode, 0)
    return times * elements(row.shape)


def _thop_recurrent(row: Row) -> Size:
    gates, of_unit = {"RNN": (1, 0), "GRU": (3, 4), "LSTM": (4, 4)}[row.op]
    hidden, directions = op_of(row).hidden_size, directions_of(row)
    total, features = 0, row.node.input_shapes[0][2]
    for _ in range(layers_of(row)):
        of_gate = features + hidden + (3 if op_of(row).bias else 1)
        total += hidden * (gates * of_gate + of_unit) * directions
        features = hidden * directions
    return total * steps_of(row)


thop = tool(
    {
        **each((*CONVS, "Linear"), macs),
        **each(TRANSPOSED, _at_outputs),
        **each((*BATCH_NORMS, *INSTANCE_NORMS, "LayerNorm"), per_normalized(4, 2)),
        **each(AVERAGES, per_output(1)),
        **each(ADAPTIVE_AVERAGES, lambda row: per_input(1)(row) + per_output(1)(row)),
        **each(RECURRENT, _thop_recurrent),
        "PReLU": per_input(1),
        "Softmax": _thop_softmax,
        "Upsample": _thop_upsample,
    }
)
