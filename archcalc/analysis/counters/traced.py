"""fvcore and torchprofile: what a trace of the network holds."""

from __future__ import annotations

from functools import reduce
from math import prod

from archcalc.analysis.analyze import Row
from archcalc.analysis.counters.rules import (
    ADAPTIVE_AVERAGES,
    AVERAGES,
    BATCH_NORMS,
    CONVS,
    INSTANCE_NORMS,
    TRANSPOSED,
    batch_norm,
    differ,
    directions_of,
    each,
    first_times_columns,
    layers_of,
    macs,
    op_of,
    per_input,
    per_normalized,
    per_output,
    projections,
    steps_of,
    tool,
    traced_conv,
)
from archcalc.dims import Size, same
from archcalc.errors import ArchcalcError
from archcalc.operators.base import elements


def _fvcore_upsample(row: Row) -> Size:
    times = {"nearest": 1, "bilinear": 4}.get(op_of(row).mode, 0)
    return times * elements(row.shape) if len(row.shape) == 4 else 0


fvcore = tool(
    {
        **each(CONVS, traced_conv),
        **each((*TRANSPOSED, "SubSampling2d", "Linear"), macs),
        **each(BATCH_NORMS, batch_norm),
        **each((*INSTANCE_NORMS, "LayerNorm", "GroupNorm"), per_normalized(5, 4)),
        "MatMul": first_times_columns,
        "MultiheadAttention": projections,
        "AdaptiveAvgPool2d": per_input(1),
        "Upsample": _fvcore_upsample,
    }
)


def _traced_transposed(row: Row) -> Size:
    channels, groups = row.node.input_shapes[0][1], op_of(row).groups
    if not (type(groups) is int and groups == 1):
        # By its weight alone it is taken for a plain convolution where the channels are as many.
        of_group = row.shape[1] // groups
        channels = of_group + differ(channels, row.shape[1]) * (channels - of_group)
    return elements(row.shape) * channels * prod(op_of(row).kernel_size)


def _traced_attention(row: Row) -> Size:
    q, k, *_ = row.node.input_shapes
    if not same(q[1], k[1]):
        raise ArchcalcError(f"torchprofile fails on '{row.name}': its heads share keys and values")
    return row.macs


def _traced_lstm(row: Row) -> Size:
    """A projected state is taken for the hidden one."""
    directions = directions_of(row)
    state = row.shape[2] // directions
    total, features = 0, row.node.input_shapes[0][2]
    for _ in range(layers_of(row)):
        total += 4 * state * (features + state)
        features = state * directions
    return total * steps_of(row) * directions


def _products(row: Row) -> Size:
    from archcalc.operators.join import broadcast

    first, *others = row.node.input_shapes
    return sum(elements(reduce(broadcast, others[:n], first)) for n in range(1, len(others) + 1))


def _traced_hinge(row: Row) -> Size:
    return per_input(1)(row) + (1 if op_of(row).reduction == "mean" else 0)


torchprofile = tool(
    {
        **each(CONVS, traced_conv),
        **each(TRANSPOSED, _traced_transposed),
        **each(("SubSampling2d", "Linear", "MatMul"), macs),
        **each((*BATCH_NORMS, *INSTANCE_NORMS, "LayerNorm", "GroupNorm"), per_normalized(1, 0)),
        **each((*AVERAGES, *ADAPTIVE_AVERAGES, "GlobalAvgPool", "LeakyReLU"), per_output(1)),
        "Upsample": lambda row: 4 * elements(row.shape) if op_of(row).mode == "bilinear" else 0,
        "LocalResponseNorm": per_output(3),
        "Mul": _products,
        "RotaryEmbedding": per_output(2),
        "HingeLoss": _traced_hinge,
        "ScaledDotProductAttention": _traced_attention,
        # Four products of sizes are traced as multiplications too.
        "MultiheadAttention": lambda row: row.macs + 4,
        "LSTM": _traced_lstm,
    }
)
