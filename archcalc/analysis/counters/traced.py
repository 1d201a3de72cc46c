"""fvcore and torchprofile: what a trace of the network holds."""

from __future__ import annotations

from functools import reduce
from math import prod

from archcalc.analysis.counted import Row
from archcalc.analysis.counters.rules import (
    ADAPTIVE_AVERAGES,
    AVERAGES,
    BATCH_NORMS,
    CELLS,
    CONVS,
    INSTANCE_NORMS,
    TRANSPOSED,
    as_built,
    attention_projected,
    batch_norm,
    differ,
    directions_of,
    each,
    first_times_columns,
    is_computed,
    layers_of,
    macs,
    op_of,
    own_module,
    per_input,
    per_normalized,
    per_output,
    projections,
    sampled,
    steps_of,
    tool,
    traced_conv,
    whole,
)
from archcalc.dims import Size, same
from archcalc.errors import ArchcalcError
from archcalc.operators.base import elements


def _fvcore_upsample(row: Row) -> Size:
    times = {"nearest": 1, "bilinear": 4}.get(op_of(row).mode, 0)
    return times * elements(row.shape) if len(row.shape) == 4 else 0


def _fvcore_conv(row: Row) -> Size:
    """A weight that is standardized is normalized as a batch is, by its own statistics."""
    by = op_of(row).parametrization if is_computed(row) else ""
    times = {"weight_standardization": 4, "scaled_weight_standardization": 5}.get(by, 0)
    weight = op_of(row).tensors(*row.node.input_shapes)["weight"]
    return traced_conv(row) + times * elements(weight)


def _pyramid_averaged(row: Row) -> Size:
    op = op_of(row)
    return len(op.output_sizes) * per_input(1)(row) if op.mode == "avg" else 0


fvcore = tool(
    {
        **each(CONVS, _fvcore_conv),
        **each((*TRANSPOSED, "SubSampling2d", "Linear", *CELLS), macs),
        "Attention": attention_projected,
        **each(BATCH_NORMS, batch_norm),
        **each((*INSTANCE_NORMS, "LayerNorm", "GroupNorm"), per_normalized(5, 4)),
        "MatMul": first_times_columns,
        "MultiheadAttention": projections,
        "AdaptiveAvgPool2d": per_input(1),
        "Upsample": _fvcore_upsample,
        "DeformConv2d": as_built(lambda row: row.macs + 4 * sampled(row)),
        "RoIAlign": as_built(lambda row: 4 * sampled(row)),
        "GridSample": per_output(4),
        "SpatialPyramidPooling": _pyramid_averaged,
    }
)


def _traced_transposed(row: Row) -> Size:
    channels, op = row.node.input_shapes[0][1], op_of(row)
    groups: Size = op.groups
    if not (type(groups) is int and groups == 1):
        # By its weight alone it is taken for a plain convolution where the channels are as many.
        of_group = row.shape[1] // groups
        channels = of_group + differ(channels, row.shape[1]) * (channels - of_group)
    window: Size = prod(op.kernel_size)
    return elements(row.shape) * channels * window


def _traced_attention(row: Row) -> Size:
    q, k, *_ = row.node.input_shapes
    if not same(q[1], k[1]):
        raise ArchcalcError(f"torchprofile fails on '{row.name}': its heads share keys and values")
    return row.macs


def _traced_own_attention(row: Row) -> Size:
    op = op_of(row)
    if not same(op.num_kv_heads or op.num_heads, op.num_heads):
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


def _averaged(row: Row) -> Size:
    """The output; where our module pads, it divides by shares that are averages, or multiplies."""
    out = per_output(1)(row)
    if not own_module(row):
        return out
    divided = getattr(op_of(row), "divisor_override", None) is None
    return out + (elements(row.shape[2:]) if divided else out)


def _products(row: Row) -> Size:
    from archcalc.operators.join import broadcast

    first, *others = row.node.input_shapes
    if not others:
        return elements(first)
    return sum(elements(reduce(broadcast, others[:n], first)) for n in range(1, len(others) + 1))


def _traced_hinge(row: Row) -> Size:
    return per_input(1)(row) + (1 if op_of(row).reduction == "mean" else 0)


def _traced_samples(row: Row) -> Size:
    return {"bilinear": 4, "bicubic": 16}.get(op_of(row).mode, 0) * elements(row.shape)


def _traced_deformed(row: Row) -> Size:
    """The places are products too: of taps, of steps, of what offsets make of them, of sizes."""
    op, (_, offset, *masks) = op_of(row), row.node.input_shapes
    places: Size = sum(op.kernel_size) + sum(offset[2:]) + elements(offset) + 4
    return row.macs + places + (4 + len(masks)) * sampled(row)


torchprofile = tool(
    {
        **each(CONVS, traced_conv),
        **each(TRANSPOSED, whole(_traced_transposed)),
        **each(("SubSampling2d", "Linear", "MatMul"), macs),
        **each((*BATCH_NORMS, *INSTANCE_NORMS, "LayerNorm", "GroupNorm"), per_normalized(1, 0)),
        **each(AVERAGES, _averaged),
        **each((*ADAPTIVE_AVERAGES, "GlobalAvgPool", "Mean", "LeakyReLU"), per_output(1)),
        "Upsample": lambda row: 4 * elements(row.shape) if op_of(row).mode == "bilinear" else 0,
        "GridSample": _traced_samples,
        "RoIAlign": as_built(lambda row: 4 * sampled(row) + per_output(1)(row)),
        "DeformConv2d": as_built(_traced_deformed),
        "SpatialPyramidPooling": lambda row: per_output(1)(row) if op_of(row).mode == "avg" else 0,
        "FrozenBatchNorm2d": lambda row: per_output(1)(row) + 2 * row.shape[1],
        # The mean of the norms, and two products.
        "GlobalResponseNorm": lambda row: 2 * elements(row.shape) + row.shape[0],
        "LocalResponseNorm": per_output(3),
        "Mul": _products,
        "RotaryEmbedding": per_output(2),
        "HingeLoss": _traced_hinge,
        "Div": lambda row: per_output(1)(row) if op_of(row).of is not None else 0,
        "ScaledDotProductAttention": _traced_attention,
        # Four products of sizes are traced as multiplications too.
        "MultiheadAttention": lambda row: row.macs + 4,
        "LSTM": _traced_lstm,
        "RNNCell": macs,
        "LSTMCell": lambda row: row.macs + 3 * steps_of(row) * op_of(row).hidden_size,
        "GRUCell": lambda row: row.macs + 2 * steps_of(row) * op_of(row).hidden_size,
        "Attention": _traced_own_attention,
    }
)
