"""ptflops, DeepSpeed and calflops: what patched functions are given.

ptflops counts modules too, so it adds both where a module calls a function that it patches.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from archcalc.analysis.counted import Row
from archcalc.analysis.counters.rules import (
    AVERAGES,
    BATCH_NORMS,
    CELLS,
    CONVS,
    INSTANCE_NORMS,
    POOLS,
    RECURRENT,
    TRANSPOSED,
    Rule,
    as_built,
    attention_biases,
    attention_projected,
    batch_norm,
    bias_adds,
    by_type,
    directions_of,
    each,
    first_times_columns,
    is_module,
    layers_of,
    nothing,
    op_of,
    own_module,
    padded_by_name,
    per_input,
    per_normalized,
    projections,
    sampled,
    steps_of,
    tool,
    unless_computed,
    unless_held,
    whole,
)
from archcalc.dims import Shape, Size, floor, same
from archcalc.errors import ArchcalcError
from archcalc.operators.base import elements


def _biased(row: Row) -> Size:
    """Its multiply-accumulates and the uses of its biases."""
    return row.macs + bias_adds(row)


def _per_pooled(times: int) -> Rule:
    """So many for every element of the tensor that is pooled.

    Of a module of ours that pads it is one for the maximum, whose function is patched, and none
    for the average, which holds its function since before.
    """

    def rule(row: Row) -> Size:
        (x,) = row.node.input_shapes
        call = op_of(row).torch(x)
        if "overhang" not in call.kwargs:
            return (1 if own_module(row) else times) * elements(x)
        if row.op in AVERAGES:
            return 0
        ends = zip(x[2:], call.kwargs["pads"], call.kwargs["overhang"], strict=True)
        padded = [n + before + after + over for n, (before, after), over in ends]
        return elements((*x[:2], *padded))

    return rule


def _response_norm(row: Row) -> Size:
    """Two multiplications and an addition of all elements, and a pooling of padded channels."""
    n, channels, *spatial = row.shape
    padded = (n, channels + op_of(row).size - 1, *spatial)
    return 3 * elements(row.shape) + elements(padded)


def _scaled(factor: float, n: Size) -> Size:
    """``n * factor`` rounded down."""
    return n * int(factor) if factor == int(factor) else floor(n * factor)


def _recurrent(per_mac: int) -> Rule:
    """Twice the forward direction's where there are two, and projections left out."""
    of_unit = {"RNN": 1, "GRU": 7, "LSTM": 10}

    def rule(row: Row) -> Size:
        total = 0
        for layer in range(layers_of(row)):
            of = "" if row.op in CELLS else f"_l{layer}"
            for name in ("weight_ih", "weight_hh"):
                rows, columns = row.weights[name + of]
                total += per_mac * rows * columns - (per_mac - 1) * rows
            total += of_unit[row.op.removesuffix("Cell")] * op_of(row).hidden_size
            total += sum(elements(row.weights.get(f"bias_{s}{of}", (0,))) for s in ("ih", "hh"))
        return total * steps_of(row) * directions_of(row)

    return rule


def _ptflops_attention(row: Row) -> Size:
    q, *others = row.node.input_shapes
    k, v = others or (q, q)
    (n, tq, e), tk, tv = q, k[1], v[1]
    heads: Size = op_of(row).num_heads
    of_k, of_v = k[2], v[2]
    total = tq * e + tq * e * e + tk * of_k * of_k + tv * of_v * of_v
    if op_of(row).bias:
        total += (tq + tk + tv) * e
    total += heads * tq * tk * (e // heads + 1 + of_v // heads)
    return n * (total + tq * of_v * (of_v + 1))


def _upsampled(row: Row, rounded: bool = False) -> Size:
    """Elements of the input times the factors of an ``Upsample``, or of its output by ``size``."""
    op, (x,) = op_of(row), row.node.input_shapes
    if op.size is not None:
        return elements(row.shape)
    factors = op.scale_factor
    if isinstance(factors, tuple):
        return _scaled(prod(map(int, factors) if rounded else factors), elements(x))
    return _scaled(factors ** (len(x) - 2), elements(x))


def _ptflops_upsample(row: Row) -> Size:
    # Of several factors the whole part is taken, of a single one all.
    return elements(row.shape) + _upsampled(row, rounded=True)


_TENSOR_OPS = frozenset(
    f"{home}.{name}" for home in ("torch", "Tensor") for name in ("matmul", "mm", "bmm")
)
"""Matrix products that are patched where an author calls them; ``@`` is none of them."""

_ELEMENTWISE = frozenset(
    f"{home}.{name}" for home in ("torch", "Tensor") for name in ("add", "mul")
)


def _of_tensors(row: Row) -> Size | None:
    """Of products and sums of tensors that an author calls by name."""
    origin = row.node.origin
    function = "" if origin is None else origin.function
    if row.op == "MatMul":
        return first_times_columns(row) if function in _TENSOR_OPS else 0
    if row.op in ("Add", "Mul"):
        return elements(row.shape) if function in _ELEMENTWISE else 0
    return None


_OF_REGIONS: Mapping[str, Rule] = {
    "RoIAlign": as_built(sampled),
    "RoIPool": as_built(lambda row: row.shape[0] * elements((row.shape[1], *_region(row)))),
    "SpatialPyramidPooling": lambda row: len(op_of(row).output_sizes) * per_input(1)(row),
}
"""What our modules pool by functions that are patched."""


def _region(row: Row) -> Shape:
    extents: Shape = op_of(row).extents(row.node.input_shapes[0])
    return extents


_PATCHED_BY_PTFLOPS = frozenset(
    (
        *(f"F.{name}" for name in ("relu", "prelu", "elu", "relu6", "gelu", "silu", "softmax")),
        *(f"F.{kind}_pool{n}d" for kind in ("avg", "max") for n in (1, 2, 3)),
        *(f"F.adaptive_{kind}_pool{n}d" for kind in ("avg", "max") for n in (1, 2, 3)),
    )
)


def _ptflops_unlike(row: Row) -> Size | None:
    """What is patched of a layer that is no module: every element of what it is given, once."""
    found = _of_tensors(row)
    if found is not None or is_module(row):
        return found
    origin = row.node.origin
    function = "" if origin is None else origin.function
    if function in ("F.interpolate", "F.upsample") and row.op == "Upsample":
        return _upsampled(row, rounded=True)
    return elements(row.node.input_shapes[0]) if function in _PATCHED_BY_PTFLOPS else 0


ptflops = tool(
    {
        **each((*CONVS, *TRANSPOSED, "Linear"), by_type(_biased)),
        **each(("ReLU", "PReLU", "ELU", "GELU"), per_input(2)),
        **each(("LeakyReLU", "ReLU6", "SiLU", "Softmax", "LayerNorm", "HingeLoss"), per_input(1)),
        **each((*POOLS, "MinPool2d"), _per_pooled(2)),
        **each((*BATCH_NORMS, *INSTANCE_NORMS, "GroupNorm"), per_normalized(2, 1)),
        **each((*RECURRENT, *CELLS), by_type(_recurrent(1))),
        "Attention": unless_computed(lambda row: attention_projected(row) + attention_biases(row)),
        "Einsum": nothing,
        "LocalResponseNorm": _response_norm,
        "MatMul": unless_held(first_times_columns),
        "MultiheadAttention": unless_computed(_ptflops_attention),
        "Upsample": _ptflops_upsample,
        **_OF_REGIONS,
    },
    unlike=_ptflops_unlike,
)


def _patched_positions(row: Row) -> Size:
    if not padded_by_name(row):
        return elements((row.shape[0], *row.shape[2:]))
    # An odd padding is halved downwards, and twice that added.
    sizes = zip(row.shape[2:], op_of(row).kernel_size, op_of(row).dilation, strict=True)
    return elements((row.shape[0], *(n - d * (k - 1) % 2 for n, k, d in sizes)))


def _patched_conv(row: Row) -> Size:
    channels = row.shape[1] if op_of(row).bias else 0
    return _patched_positions(row) * (
        2 * elements(op_of(row).tensors(*row.node.input_shapes)["weight"]) + channels
    )


def _twice_biased(row: Row) -> Size:
    return 2 * row.macs + bias_adds(row)


def _size_or_nominal(row: Row) -> Size:
    size = op_of(row).size
    if size is None:
        return _upsampled(row)
    return elements(size) if isinstance(size, tuple) else size


_PATCHED: Mapping[str, Rule] = {
    **each(CONVS, _patched_conv),
    "SubSampling2d": _twice_biased,
    "Linear": lambda row: 2 * row.macs,
    "MatMul": unless_held(lambda row: 2 * first_times_columns(row)),
    **each(
        ("ReLU", "PReLU", "ELU", "GELU", "LeakyReLU", "SiLU", "Softmax", "HingeLoss"), per_input(1)
    ),
    **each((*POOLS, "MinPool2d"), _per_pooled(1)),
    **each(BATCH_NORMS, batch_norm),
    **each((*INSTANCE_NORMS, "LayerNorm", "GroupNorm"), per_normalized(5, 4)),
    "LocalResponseNorm": _response_norm,
    **each((*RECURRENT, *CELLS), by_type(_recurrent(2))),
    **_OF_REGIONS,
    "DeformConv2d": as_built(_twice_biased),
}
"""What calflops took over from DeepSpeed."""

deepspeed = tool(
    {
        **_PATCHED,
        **each(TRANSPOSED, whole(_twice_biased)),
        **each(("MultiheadAttention", "Attention"), lambda row: 2 * row.macs),
        "Upsample": _size_or_nominal,
    }
)


def _calflops_transposed(row: Row) -> Size:
    """Groups divided by twice; the biases as those of the convolution the other way round."""
    op, (x,) = op_of(row), row.node.input_shapes
    filters: Size = op.out_channels // op.groups
    macs: Size = elements(x) * (filters // op.groups) * prod(op.kernel_size)
    if not op.bias:
        return 2 * macs
    sizes = zip(x[2:], op.kernel_size, op.stride, op.pads(x), op.dilation, strict=True)
    extents = ((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, (p, _), d in sizes)
    return 2 * macs + filters * elements((x[0], *extents))


def _calflops_upsample(row: Row) -> Size:
    op, (x,) = op_of(row), row.node.input_shapes
    if op.size is not None:
        return _size_or_nominal(row)
    # It takes the batch for the number of axes.
    if isinstance(op.scale_factor, tuple) and not same(len(op.scale_factor), x[0]):
        raise ArchcalcError(
            f"calflops fails on '{row.name}': it takes one scale_factor for all axes of Upsample"
        )
    return elements(x)


calflops = tool(
    {
        **_PATCHED,
        **each(TRANSPOSED, whole(_calflops_transposed)),
        "MultiheadAttention": lambda row: 2 * projections(row),
        "Attention": lambda row: 2 * attention_projected(row),
        "Upsample": _calflops_upsample,
    }
)
