"""torchinfo and thop: what is known of a module when it is called."""

from __future__ import annotations

from math import prod

from archcalc.analysis.counted import Row
from archcalc.analysis.counters.rules import (
    ADAPTIVE_AVERAGES,
    AVERAGES,
    BATCH_NORMS,
    CELLS,
    CONVS,
    INSTANCE_NORMS,
    RECURRENT,
    TRANSPOSED,
    attention_projected,
    bias_adds,
    by_type,
    directions_of,
    each,
    is_computed,
    is_module,
    layers_of,
    macs,
    nothing,
    op_of,
    per_input,
    per_normalized,
    per_output,
    steps_of,
    tool,
    unless_computed,
)
from archcalc.dims import Size
from archcalc.operators.base import elements


def torchinfo(row: Row) -> Size:
    """What torchinfo prints as mult-adds.

    It takes ``MultiheadAttention`` for a block: its weights stand beside a layer. So it takes what
    has a weight that is computed.
    """
    if row.op == "MultiheadAttention" or is_computed(row) or not row.executed:
        return 0
    origin, kind, alone = row.node.origin, row.op, ""
    if origin is not None:
        if not origin.leaf:
            return 0
        kind = origin.module.rpartition(".")[2]
        alone = row.name.rpartition(".")[2] if row.op == "Parameter" else ""
    out, total = row.shape, 0
    for name, shape in row.weights.items():
        word = alone or name.rpartition(".")[2]
        if word not in ("weight", "bias"):
            if alone and not ("weight" in word or "bias" in word):
                continue
            positions = out[0] * out[1]
        elif "Conv" in kind:
            positions = elements((out[0], *out[2:]))
        else:
            positions = out[0]
        total += positions * elements(shape)
    return total


def _at_outputs(row: Row) -> Size:
    op = op_of(row)
    kernel: Size = prod(op.kernel_size) * (row.node.input_shapes[0][1] // op.groups)
    return elements(row.shape) * kernel


def _thop_softmax(row: Row) -> Size:
    slices, n = op_of(row).slices(row.shape)
    work: Size = slices * (3 * n - 1)
    return work


def _thop_upsample(row: Row) -> Size:
    times = {"nearest": 1, "linear": 5, "bilinear": 11, "bicubic": 259}.get(op_of(row).mode, 0)
    return times * elements(row.shape)


def _thop_old_adaptive(row: Row) -> Size:
    """One for every element of a window as large as all, and one for the division."""
    sizes = zip(row.node.input_shapes[0][2:], row.shape[2:], strict=True)
    window: Size = prod(taken // given for taken, given in sizes)
    return (window + 1) * elements(row.shape)


def _thop_recurrent(row: Row) -> Size:
    gates, of_unit = {"RNN": (1, 0), "GRU": (3, 4), "LSTM": (4, 4)}[row.op.removesuffix("Cell")]
    hidden, directions = op_of(row).hidden_size, directions_of(row)
    total, features = 0, row.node.input_shapes[0][-1]
    for _ in range(layers_of(row)):
        of_gate = features + hidden + (3 if op_of(row).bias else 1)
        total += hidden * (gates * of_gate + of_unit) * directions
        features = hidden * directions
    return total * steps_of(row)


thop = tool(
    {
        **each((*CONVS, "Linear"), by_type(macs)),
        **each(TRANSPOSED, by_type(_at_outputs)),
        **each((*BATCH_NORMS, *INSTANCE_NORMS, "LayerNorm"), per_normalized(4, 2)),
        **each(AVERAGES, by_type(per_output(1))),
        **each(ADAPTIVE_AVERAGES, lambda row: per_input(1)(row) + per_output(1)(row)),
        **each((*RECURRENT, *CELLS), by_type(_thop_recurrent)),
        "Attention": unless_computed(attention_projected),
        "Einsum": nothing,
        "PReLU": per_input(1),
        "Softmax": _thop_softmax,
        "Upsample": _thop_upsample,
    },
    unlike=lambda row: None if is_module(row) else 0,
)

thop_2020 = tool(
    {
        **each(CONVS, by_type(lambda row: row.macs + bias_adds(row))),
        "Linear": by_type(macs),
        **each(TRANSPOSED, by_type(lambda row: _at_outputs(row) + bias_adds(row))),
        **each(BATCH_NORMS, per_input(2)),
        **each(AVERAGES, by_type(per_output(1))),
        **each(ADAPTIVE_AVERAGES, _thop_old_adaptive),
        **each((*RECURRENT, *CELLS), by_type(_thop_recurrent)),
        "Attention": unless_computed(attention_projected),
        "LeakyReLU": per_input(1),
        "Upsample": lambda row: 0 if op_of(row).mode == "nearest" else _thop_upsample(row),
    },
    unlike=lambda row: None if is_module(row) else 0,
)
"""What thop 0.0.31 printed, in 2020 and after: still in most reports. No convention of its own."""
