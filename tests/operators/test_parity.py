"""Every operator against PyTorch, on fields and inputs drawn at random.

PyTorch runs at inference, on its meta device, which has shapes and no numbers.
"""

from __future__ import annotations

from math import inf, prod
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from archcalc.dims import Shape
from archcalc.errors import ShapeError
from archcalc.operators import FAMILIES, NAMES, operator
from archcalc.operators.base import Operator
from archcalc.operators.function import ELEMENTS, PAIRS
from archcalc.pytorch import module

Case = tuple[dict[str, Any], tuple[Shape, ...]]
"""Fields and input shapes; many fit, and some are to be refused."""

few = st.integers(1, 4)
extent = st.integers(1, 9)
fraction = st.floats(0, 1)
flag = st.booleans()
computed = st.sampled_from([None, "weight_norm", "spectral_norm"])


def shapes(ranks: tuple[int, int] = (2, 5)) -> st.SearchStrategy[Shape]:
    return st.lists(extent, min_size=ranks[0], max_size=ranks[1]).map(tuple)


def per_axis(draw: st.DrawFn, axes: int, least: int, most: int) -> Any:
    one = st.integers(least, most)
    return draw(one | st.lists(one, min_size=axes, max_size=axes))


def image(draw: st.DrawFn, axes: int, channels: int, least: int = 1) -> Shape:
    spatial = [draw(st.integers(least, 9)) for _ in range(axes)]
    return (draw(few), channels, *spatial)


def channels_of(draw: st.DrawFn, groups: int) -> int:
    surplus = draw(st.sampled_from([0] * 9 + [1]))
    return int(groups * draw(few) + surplus)


def dim_of(draw: st.DrawFn, rank: int) -> int:
    return int(draw(st.integers(-rank, rank - 1)))


def padding(draw: st.DrawFn, axes: int, modes: tuple[str, ...]) -> Any:
    ends = st.integers(0, 2)
    pair = st.lists(ends, min_size=2, max_size=2)
    pairs = st.lists(pair, min_size=axes, max_size=axes)
    return draw(
        ends
        | st.sampled_from(modes)
        | pairs
        | (st.lists(ends, min_size=axes, max_size=axes) if axes > 1 else ends)
    )


@st.composite
def conv(draw: st.DrawFn, axes: int) -> Case:
    groups = draw(st.integers(1, 3))
    fields = {
        "out_channels": channels_of(draw, groups),
        "kernel_size": per_axis(draw, axes, 1, 4),
        "stride": per_axis(draw, axes, 1, 3),
        "dilation": per_axis(draw, axes, 1, 2),
        "padding": padding(draw, axes, ("valid", "same", "same_upper", "same_lower")),
        "groups": groups,
        "bias": draw(flag),
        "padding_mode": draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"])),
    }
    return fields, (image(draw, axes, channels_of(draw, groups)),)


@st.composite
def conv_transpose(draw: st.DrawFn, axes: int) -> Case:
    groups = draw(st.integers(1, 3))
    fields = {
        "out_channels": channels_of(draw, groups),
        "kernel_size": per_axis(draw, axes, 1, 4),
        "stride": per_axis(draw, axes, 1, 3),
        "dilation": per_axis(draw, axes, 1, 2),
        "padding": padding(draw, axes, ("valid", "same_upper", "same_lower")),
        "output_padding": per_axis(draw, axes, 0, 2),
        "groups": groups,
        "bias": draw(flag),
    }
    return fields, (image(draw, axes, channels_of(draw, groups)),)


@st.composite
def pool(draw: st.DrawFn, axes: int, more: dict[str, st.SearchStrategy[Any]]) -> Case:
    fields = {
        "kernel_size": per_axis(draw, axes, 1, 4),
        "stride": per_axis(draw, axes, 1, 4),
        "padding": padding(draw, axes, ("valid", "same_upper", "same_lower")),
        "ceil_mode": draw(st.sampled_from([False, True, "caffe"])),
        **{name: draw(strategy) for name, strategy in more.items()},
    }
    if draw(flag):
        del fields["stride"]
    # avg_pool3d takes no input smaller than the kernel, however far it is padded.
    least = 4 if axes == 3 and "divisor_override" in more else 1
    return fields, (image(draw, axes, draw(few), least),)


@st.composite
def adaptive_pool(draw: st.DrawFn, axes: int) -> Case:
    size = st.lists(st.none() | extent, min_size=axes, max_size=axes) if axes > 1 else extent
    return {"output_size": draw(extent | size)}, (image(draw, axes, draw(few)),)


@st.composite
def max_unpool(draw: st.DrawFn) -> Case:
    fields = {
        "kernel_size": per_axis(draw, 2, 2, 4),
        "stride": per_axis(draw, 2, 1, 3),
        "padding": per_axis(draw, 2, 0, 1),
        "ceil_mode": draw(flag),
    }
    pooled = image(draw, 2, draw(few), least=4)
    return fields, (operator("MaxPool2d")(**fields).infer(pooled), pooled)


@st.composite
def subsampling(draw: st.DrawFn) -> Case:
    fields = {"kernel_size": per_axis(draw, 2, 1, 4), "stride": per_axis(draw, 2, 1, 3)}
    return fields, (image(draw, 2, draw(few)),)


@st.composite
def with_fields(
    draw: st.DrawFn, /, inputs: st.SearchStrategy[Shape], **fields: st.SearchStrategy[Any]
) -> Case:
    return {name: draw(strategy) for name, strategy in fields.items()}, (draw(inputs),)


@st.composite
def bilinear(draw: st.DrawFn) -> Case:
    *outer, in1 = draw(shapes((2, 3)))
    fields = {"out_features": draw(few), "bias": draw(flag)}
    return fields, ((*outer, in1), (*outer, draw(few)))


@st.composite
def channel_norm(draw: st.DrawFn, axes: tuple[int, ...]) -> Case:
    fields = {"affine": draw(flag), "track_running_stats": draw(flag), "eps": 1e-3}
    return fields, (image(draw, draw(st.sampled_from(axes)), draw(few)),)


@st.composite
def trailing_norm(draw: st.DrawFn, /, **fields: st.SearchStrategy[Any]) -> Case:
    shape = draw(shapes())
    trailing = draw(st.integers(1, len(shape) - 1))
    normalized = draw(st.none() | st.just(shape[-trailing:]))
    return {
        "normalized_shape": normalized,
        **{name: draw(strategy) for name, strategy in fields.items()},
    }, (shape,)


@st.composite
def group_norm(draw: st.DrawFn) -> Case:
    groups = draw(few)
    shape = (draw(few), channels_of(draw, groups), 2, *draw(shapes((0, 2))))
    return {"num_groups": groups, "affine": draw(flag)}, (shape,)


@st.composite
def prelu(draw: st.DrawFn) -> Case:
    shape = draw(shapes())
    return {"num_parameters": draw(st.sampled_from([1, shape[1], 7]))}, (shape,)


@st.composite
def along(draw: st.DrawFn) -> Case:
    shape = draw(shapes())
    return {"dim": dim_of(draw, len(shape))}, (shape,)


@st.composite
def flatten(draw: st.DrawFn) -> Case:
    shape = draw(shapes())
    return {"start_dim": dim_of(draw, len(shape)), "end_dim": dim_of(draw, len(shape))}, (shape,)


@st.composite
def reshape(draw: st.DrawFn) -> Case:
    shape = draw(shapes((1, 4)))
    items = list(draw(st.permutations([*shape, draw(st.sampled_from([1, 1, 1, 2]))])))
    if draw(flag):
        items[draw(st.integers(0, len(items) - 1))] = -1
    return {"shape": items}, ((draw(few), *shape),)


@st.composite
def permute(draw: st.DrawFn) -> Case:
    shape = draw(shapes())
    dims = draw(st.permutations(range(len(shape))))
    return {"dims": [dim - len(shape) * draw(st.integers(0, 1)) for dim in dims]}, (shape,)


@st.composite
def pad(draw: st.DrawFn) -> Case:
    axes = draw(st.integers(1, 3))
    mode = draw(st.sampled_from(["constant", "reflect", "replicate", "circular"]))
    ends = draw(st.lists(st.integers(0, 5), min_size=2 * axes, max_size=2 * axes))
    spatial = draw(st.sampled_from([axes] * 5 + [1, 3]))
    return {"pad": ends, "mode": mode}, (image(draw, spatial, draw(few), least=4),)


@st.composite
def crop(draw: st.DrawFn) -> Case:
    axes = draw(st.integers(1, 3))
    x = image(draw, axes, draw(few))
    if draw(flag):
        return {}, (x, image(draw, axes, draw(few)))
    ends = st.integers(0, 3)
    pairs = st.lists(st.tuples(ends, ends), min_size=axes, max_size=axes)
    return {"cropping": draw(ends | pairs)}, (x,)


@st.composite
def slices(draw: st.DrawFn) -> Case:
    shape = draw(shapes())
    end = st.none() | st.integers(-12, 12)
    fields = {"dim": dim_of(draw, len(shape)), "start": draw(end), "end": draw(end)}
    return {**fields, "step": draw(few)}, (shape,)


@st.composite
def split(draw: st.DrawFn) -> Case:
    shape = list(draw(shapes()))
    dim = dim_of(draw, len(shape))
    size = draw(few | st.lists(few, min_size=1, max_size=4))
    if isinstance(size, list):
        shape[dim] = sum(size) + draw(st.sampled_from([0, 0, 0, 1]))
    fields = {"split_size_or_sections": size, "index": draw(st.integers(0, 3)), "dim": dim}
    return fields, (tuple(shape),)


@st.composite
def select(draw: st.DrawFn) -> Case:
    shape = draw(shapes())
    dim = dim_of(draw, len(shape))
    index = st.integers(0, shape[dim] - 1)
    return {"index": draw(st.lists(index, min_size=1, max_size=5)), "dim": dim}, (shape,)


@st.composite
def upsample(draw: st.DrawFn) -> Case:
    axes = draw(st.integers(1, 3))
    modes = {1: ["nearest", "linear"], 2: ["nearest", "bilinear", "bicubic"]}
    mode = draw(st.sampled_from(modes.get(axes, ["nearest", "trilinear"])))
    factor = st.floats(0.3, 4) | st.integers(1, 4) | st.sampled_from([1 / 3, 0.57, 1.1])
    name, item = draw(st.sampled_from([("size", extent), ("scale_factor", factor)]))
    fields = {"mode": mode, name: draw(item | st.lists(item, min_size=axes, max_size=axes))}
    if mode != "nearest":
        fields["align_corners"] = draw(flag)
    if axes == 2 and mode != "nearest":
        fields["antialias"] = draw(flag)
    return fields, (image(draw, axes, draw(few)),)


@st.composite
def pixels(draw: st.DrawFn, field: str, unshuffle: bool) -> Case:
    r = draw(st.integers(1, 3))
    n, c, h, w = (draw(few) for _ in range(4))
    surplus = draw(st.sampled_from([0] * 9 + [1]))
    x = (n, c, h * r, w * r + surplus) if unshuffle else (n, c * r * r + surplus, h, w)
    return {field: r}, (x,)


@st.composite
def channel_shuffle(draw: st.DrawFn) -> Case:
    groups = draw(few)
    return {"groups": groups}, (image(draw, draw(st.integers(1, 3)), channels_of(draw, groups)),)


@st.composite
def elementwise(draw: st.DrawFn, most: int = 4, numbers: tuple[str, ...] = ("by",)) -> Case:
    """Samples that broadcast, but for an axis at times, or one and a number."""
    batch, shape = draw(few), draw(shapes((0, 3)))
    if draw(flag) and numbers:
        field: str = draw(st.sampled_from(numbers))
        return {field: draw(st.integers(1, 3))}, ((batch, *shape),)
    stretched = st.tuples(*(st.sampled_from([n, n, n, n, 1]) for n in shape))
    cut = st.integers(0, len(shape))
    inputs = draw(st.lists(st.tuples(stretched, cut), min_size=2, max_size=most))
    odd = draw(st.sampled_from([()] * 5 + [(7,)]))
    return {}, tuple((batch, *axes[start:], *odd) for axes, start in inputs)


@st.composite
def concat(draw: st.DrawFn) -> Case:
    shape = list(draw(shapes()))
    dim = dim_of(draw, len(shape))
    inputs = []
    for n in draw(st.lists(extent, min_size=1, max_size=4)):
        shape[dim] = n
        inputs.append(tuple(shape))
    return {"dim": draw(st.sampled_from([dim] * 5 + [0]))}, tuple(inputs)


@st.composite
def stack(draw: st.DrawFn) -> Case:
    shape = draw(shapes())
    inputs = [shape] * draw(few) + draw(st.sampled_from([[]] * 9 + [[(*shape, 2)]]))
    return {"dim": draw(st.integers(-len(shape) - 1, len(shape)))}, tuple(inputs)


@st.composite
def matmul(draw: st.DrawFn) -> Case:
    _, (a, b) = draw(elementwise(most=2, numbers=()))
    m, k, p = (draw(few) for _ in range(3))
    left: Shape = (*a, m, k) if draw(flag) else (a[0], k)
    rows = draw(st.sampled_from([k] * 9 + [k + 1]))
    right: Shape = (*b, rows, p) if draw(flag) else (b[0], rows)
    return {}, (left, right)


@st.composite
def sdpa(draw: st.DrawFn) -> Case:
    n, heads, times, tq, tk, d, dv = (draw(few) for _ in range(7))
    gqa = draw(flag)
    outer = (n, *draw(shapes((0, 1))))
    queries = heads * times if gqa else heads
    scores = (*outer, queries, tq, tk)
    fit = st.tuples(*(st.sampled_from([m, m, m, 1]) for m in scores))
    bias = draw(st.sampled_from([(), (), (draw(fit),), ((*scores[:-1], tk + 1),)]))
    fields = {"is_causal": not bias and draw(flag), "enable_gqa": gqa}
    return fields, (
        (*outer, queries, tq, d),
        (*outer, heads, tk, d),
        (*outer, heads, tk, dv),
        *bias,
    )


@st.composite
def relative_position_bias(draw: st.DrawFn) -> Case:
    window = draw(st.lists(few, min_size=2, max_size=2))
    positions = window[0] * window[1]
    fields = {"window_size": draw(st.sampled_from([window] * 9 + [[1, 7]]))}
    return fields, ((*draw(shapes((2, 3))), positions, draw(few)),)


@st.composite
def shifted_window_mask(draw: st.DrawFn) -> Case:
    window = draw(st.lists(few, min_size=2, max_size=2))
    positions = window[0] * window[1]
    fields = {
        "window_size": window,
        "resolution": [m * draw(few) for m in window],
        "shift_size": [draw(st.integers(0, m - 1)) for m in window],
    }
    return fields, ((draw(few), 1, draw(few), positions, positions),)


@st.composite
def rotary(draw: st.DrawFn) -> Case:
    *outer, features = draw(shapes((3, 5)))
    return {"base": draw(st.floats(1, 1e6))}, ((*outer, 2 * features),)


@st.composite
def roll(draw: st.DrawFn) -> Case:
    shape = draw(shapes())
    dim = st.integers(-len(shape), len(shape) - 1)
    if draw(flag):
        return {"shifts": draw(st.integers(-9, 9)), "dims": draw(dim)}, (shape,)
    dims = draw(st.lists(dim, min_size=1, max_size=3))
    return {"shifts": [draw(st.integers(-9, 9)) for _ in dims], "dims": dims}, (shape,)


@st.composite
def mha(draw: st.DrawFn) -> Case:
    heads = draw(few)
    n, tq, tk, kdim, vdim = (draw(few) for _ in range(5))
    e = heads * draw(few) + draw(st.sampled_from([0] * 9 + [1]))
    q = (n, tq, e)
    memory = draw(st.sampled_from([(), ((n, tk, e), (n, tk, e)), ((n, tk, kdim), (n, tk, vdim))]))
    fields = {"num_heads": heads, "bias": draw(flag), "add_bias_kv": draw(flag)}
    return {**fields, "parametrization": draw(computed)}, (q, *memory)


@st.composite
def recurrent(draw: st.DrawFn, /, memories: int = 1, **fields: st.SearchStrategy[Any]) -> Case:
    drawn = {
        "hidden_size": draw(st.integers(3, 6)),
        "num_layers": draw(st.integers(1, 3)),
        "bias": draw(flag),
        "biases": draw(st.sampled_from([1, 2])),
        "bidirectional": draw(flag),
        "parametrization": draw(computed),
        **{name: draw(strategy) for name, strategy in fields.items()},
    }
    x = draw(st.tuples(few, few, few))  # PyTorch runs every step in Python
    if not drawn.get("proj_size"):
        drawn["states"] = draw(flag)
        if draw(flag):
            features = drawn["hidden_size"] * (2 if drawn["bidirectional"] else 1)
            return drawn, (x, (x[0], memories * drawn["num_layers"], features))
    return drawn, (x,)


@st.composite
def cell(draw: st.DrawFn, memories: tuple[int, ...] = ()) -> Case:
    hidden, batch = draw(few), draw(few)
    fields = {"hidden_size": hidden, "bias": draw(flag), "parametrization": draw(computed)}
    return fields, (
        (batch, draw(few)),
        (batch, *memories, hidden),
    )


@st.composite
def loss(draw: st.DrawFn, /, **fields: st.SearchStrategy[Any]) -> Case:
    shape = draw(shapes())
    reduction = draw(st.sampled_from(["mean", "sum", "none"]))
    drawn = {name: draw(strategy) for name, strategy in fields.items()}
    return {"reduction": reduction, **drawn}, (shape, shape)


@st.composite
def cross_entropy(draw: st.DrawFn) -> Case:
    fields, (shape, _) = draw(loss(label_smoothing=fraction))
    return fields, (shape, (shape[0], *shape[2:]))


@st.composite
def regions(draw: st.DrawFn, /, **fields: st.SearchStrategy[Any]) -> Case:
    x = image(draw, 2, draw(few))
    size = {"output_size": per_axis(draw, 2, 1, 4), "rois": draw(few)}
    return {**size, **{name: draw(strategy) for name, strategy in fields.items()}}, (x,)


@st.composite
def meeting(draw: st.DrawFn, /, inputs: int, **fields: st.SearchStrategy[Any]) -> Case:
    """So many samples that broadcast, but for an axis at times."""
    batch, shape = draw(few), draw(shapes((0, 3)))
    odd = draw(st.sampled_from([()] * 5 + [(7,)]))
    drawn = []
    for _ in range(inputs):
        axes = [draw(st.sampled_from([n, n, n, 1])) for n in shape]
        drawn.append((batch, *axes[draw(st.integers(0, len(axes))) :], *odd))
    return {name: draw(strategy) for name, strategy in fields.items()}, tuple(drawn)


@st.composite
def reduction(draw: st.DrawFn, /, **fields: st.SearchStrategy[Any]) -> Case:
    shape = draw(shapes((2, 4)))
    dim = st.integers(1, len(shape) - 1) | st.integers(1 - len(shape), -1)
    dims = st.lists(dim, min_size=1, max_size=3, unique_by=lambda at: at % len(shape))
    drawn = {name: draw(strategy) for name, strategy in fields.items()}
    return {"dim": draw(st.none() | dim | dims), "keepdim": draw(flag), **drawn}, (shape,)


@st.composite
def searching(draw: st.DrawFn, /, **fields: st.SearchStrategy[Any]) -> Case:
    shape = draw(shapes((2, 4)))
    drawn = {name: draw(strategy) for name, strategy in fields.items()}
    dim = st.integers(1, len(shape) - 1) | st.integers(1 - len(shape), -1)
    return {"dim": draw(dim), **drawn}, (shape,)


@st.composite
def on_axes(draw: st.DrawFn, field: str, more: int = 0) -> Case:
    """One axis, or several of them, of as many axes as there are or ``more``."""
    shape = tuple(draw(st.sampled_from([1, 1, 2, 3])) for _ in range(draw(st.integers(2, 5))))
    rank = len(shape) + more
    dim = st.integers(1, rank - 1) | st.integers(1 - rank, -1)
    dims = st.lists(dim, min_size=1, max_size=3, unique_by=lambda at: at % rank)
    return {field: draw(dim if more else dim | dims)}, (shape,)


@st.composite
def squeeze(draw: st.DrawFn) -> Case:
    """Only axes of 1: of others PyTorch drops nothing, and archcalc refuses them."""
    fields, (x,) = draw(on_axes("dim"))
    dims = fields["dim"] if isinstance(fields["dim"], list) else [fields["dim"]]
    axes = {dim % len(x) for dim in dims}
    return fields, (tuple(1 if axis in axes else n for axis, n in enumerate(x)),)


@st.composite
def transpose(draw: st.DrawFn) -> Case:
    fields, inputs = draw(searching())
    rank = len(inputs[0])
    return {"dim0": fields["dim"], "dim1": draw(st.integers(1, rank - 1))}, inputs


@st.composite
def expand(draw: st.DrawFn) -> Case:
    wanted = draw(shapes((1, 4)))
    have = [draw(st.sampled_from([n, n, 1])) for n in wanted][draw(st.integers(0, 1)) :]
    kept = [draw(st.sampled_from([n, n, -1])) for n in wanted]
    return {"shape": kept}, ((draw(few), *have),)


@st.composite
def view(draw: st.DrawFn) -> Case:
    """Of as many elements as the batch and the axes have, or of others."""
    shape = draw(shapes((1, 4)))
    batch = draw(few)
    kept = list(draw(st.permutations([batch, *shape])))[1:]
    return {"shape": [*kept[1:], kept[0] * draw(st.sampled_from([1, 1, 1, 2]))]}, ((batch, *shape),)


@st.composite
def rearrange(draw: st.DrawFn) -> Case:
    names = list("cdefg")[: draw(st.integers(1, 5))]
    extents = {name: draw(few) for name in names}
    sides = []
    for _ in range(2):
        order = draw(st.permutations(names))
        axes, start = [], 0
        while start < len(order):
            end = start + draw(st.integers(1, 3))
            axes.append(list(order[start:end]))
            start = end
        sides.append(axes)
    text = [" ".join(["b", *(f"({' '.join(axis)})" for axis in side)]) for side in sides]
    shape = tuple(prod(extents[name] for name in axis) for axis in sides[0])
    sizes = {name: extents[name] for axis in sides[0] for name in axis[1:]}
    return {"pattern": " -> ".join(text), "sizes": sizes}, ((draw(few), *shape),)


@st.composite
def repeat(draw: st.DrawFn) -> Case:
    shape = draw(shapes((1, 4)))
    least = max(1, len(shape) - 1)
    return {"repeats": draw(st.lists(few, min_size=least, max_size=least + 1))}, (shape,)


@st.composite
def unfold(draw: st.DrawFn) -> Case:
    fields = {
        "kernel_size": per_axis(draw, 2, 1, 3),
        "stride": per_axis(draw, 2, 1, 3),
        "padding": per_axis(draw, 2, 0, 2),
        "dilation": per_axis(draw, 2, 1, 2),
    }
    return fields, (image(draw, 2, draw(few), least=2),)


@st.composite
def fold(draw: st.DrawFn) -> Case:
    fields, (x,) = draw(unfold())
    try:
        windows = operator("Unfold")(**fields).infer(x)
    except ShapeError:
        assume(False)
    off = draw(st.sampled_from([0] * 9 + [1]))
    return {**fields, "output_size": list(x[2:])}, ((*windows[:2], windows[2] + off),)


@st.composite
def gather(draw: st.DrawFn) -> Case:
    fields, (x,) = draw(searching())
    at = fields["dim"] % len(x)
    index = [n if axis == 0 else draw(st.integers(1, n)) for axis, n in enumerate(x)]
    index[at] = draw(extent)
    return fields, (x, tuple(index))


@st.composite
def index(draw: st.DrawFn) -> Case:
    fields, (x,) = draw(searching())
    return fields, (x, (x[0], *draw(shapes((0, 2)))))


@st.composite
def chosen(draw: st.DrawFn) -> Case:
    if draw(flag):
        return draw(select())
    fields, (x,) = draw(searching())
    return {**fields, "index": draw(st.integers(-9, 9))}, (x,)


@st.composite
def einsum(draw: st.DrawFn) -> Case:
    # PyTorch makes no product of matrices where the extent to be summed is 1.
    sizes = {name: draw(st.integers(2, 4)) for name in "nijkl"}
    terms = []
    for _ in range(draw(st.integers(1, 3))):
        letters = draw(st.lists(st.sampled_from("ijkl"), min_size=1, max_size=3, unique=True))
        terms.append(letters)
    known = sorted({letter for term in terms for letter in term})
    output = draw(st.lists(st.sampled_from(known), max_size=3, unique=True))
    batched = draw(st.sampled_from(["all", "none", "first"]))
    begins = ["n" if batched == "all" or (batched == "first" and not k) else "" for k in range(9)]
    equation = ",".join(begins[k] + "".join(term) for k, term in enumerate(terms))
    inputs = tuple((sizes["n"], *(sizes[x] for x in term)) for term in terms)
    return {"equation": f"{equation}->{begins[0]}{''.join(output)}"}, inputs


@st.composite
def glu(draw: st.DrawFn) -> Case:
    fields, (x,) = draw(searching())
    axis = fields["dim"] % len(x)
    return fields, ((*x[:axis], x[axis] * draw(st.sampled_from([2, 2, 2, 1])), *x[axis + 1 :]),)


@st.composite
def grid_sample(draw: st.DrawFn) -> Case:
    x = image(draw, 2, draw(few))
    grid = (x[0], draw(few), draw(few), draw(st.sampled_from([2] * 9 + [3])))
    modes = st.sampled_from(["bilinear", "nearest", "bicubic"])
    paddings = st.sampled_from(["zeros", "border", "reflection"])
    fields = {"mode": draw(modes), "padding_mode": draw(paddings), "align_corners": draw(flag)}
    return fields, (x, grid)


@st.composite
def deform(draw: st.DrawFn) -> Case:
    fields, (x,) = draw(conv(2))
    groups = draw(st.integers(1, 2))
    del fields["padding_mode"]
    fields["padding"] = per_axis(draw, 2, 0, 2)
    x = (x[0], x[1] * groups, *x[2:])
    op = operator("Conv2d")(**fields)
    try:
        output = op.infer(x)
    except ShapeError:
        assume(False)
    height, width = op.kernel_size  # type: ignore[attr-defined]
    window = height * width * groups
    off = draw(st.sampled_from([0] * 9 + [1]))
    offset = (x[0], 2 * window, output[2] + off, output[3])
    mask = ((x[0], window, *output[2:]),) if draw(flag) else ()
    return fields, (x, offset, *mask)


@st.composite
def attention(draw: st.DrawFn) -> Case:
    shared, times = draw(few), draw(st.integers(1, 3))
    heads = shared * times
    n, tq, tk, d, dv, e, kdim, vdim = (draw(few) for _ in range(8))
    fields: dict[str, Any] = {
        "num_heads": heads,
        "head_dim": 2 * d,
        "value_dim": draw(st.none() | st.just(dv)),
        "out_proj": draw(flag),
        "is_causal": False,
        "rotary": draw(st.sampled_from([None, 10000.0])),
        "parametrization": draw(computed),
    }
    if times > 1:
        fields["num_kv_heads"] = shared
    if fields["out_proj"]:
        fields |= {"out_features": draw(st.none() | few), "out_bias": draw(flag)}
    fused = fields["fused"] = draw(flag)
    bias = draw(flag)
    fields |= {name: bias if fused else draw(flag) for name in ("q_bias", "k_bias", "v_bias")}
    q = (n, tq, e)
    if fused:
        kdim = vdim = e
    kind = draw(st.sampled_from(["self", "cross", "three", "mask"]))
    if kind == "self":
        return {**fields, "is_causal": draw(flag)}, (q,)
    if kind == "cross":
        return fields, (q, (n, tk, kdim))
    mask = ((n, draw(st.sampled_from([1, heads])), tq, tk),) if kind == "mask" else ()
    return fields, (q, (n, tk, kdim), (n, tk, vdim), *mask)


any_shape = with_fields(shapes())
average = {"count_include_pad": flag}
divided = {**average, "divisor_override": st.none() | few}

STRATEGIES: dict[str, st.SearchStrategy[Case]] = {
    **{f"Conv{axes}d": conv(axes) for axes in (1, 2, 3)},
    **{f"ConvTranspose{axes}d": conv_transpose(axes) for axes in (1, 2, 3)},
    **{f"MaxPool{n}d": pool(n, {"dilation": st.integers(1, 2)}) for n in (1, 2, 3)},
    **{f"AvgPool{n}d": pool(n, average if n == 1 else divided) for n in (1, 2, 3)},
    **{f"AdaptiveAvgPool{axes}d": adaptive_pool(axes) for axes in (1, 2, 3)},
    **{f"AdaptiveMaxPool{axes}d": adaptive_pool(axes) for axes in (1, 2, 3)},
    "GlobalAvgPool": with_fields(shapes((3, 5)), keepdim=flag),
    "GlobalMaxPool": with_fields(shapes((3, 5)), keepdim=flag),
    "MaxUnpool2d": max_unpool(),
    "SubSampling2d": subsampling(),
    "MinPool2d": pool(2, {"dilation": st.integers(1, 2)}),
    "SpatialPyramidPooling": with_fields(
        shapes((4, 4)),
        output_sizes=st.lists(few, min_size=1, max_size=3),
        mode=st.sampled_from(["max", "avg"]),
    ),
    "GridSample": grid_sample(),
    "DeformConv2d": deform(),
    "GlobalResponseNorm": with_fields(shapes((4, 4)), channels_last=flag),
    "Linear": with_fields(shapes(), out_features=few, bias=flag),
    "Bilinear": bilinear(),
    "Embedding": with_fields(shapes((1, 3)), num_embeddings=few, embedding_dim=few),
    "EuclideanRBF": with_fields(shapes(), out_features=few),
    "Parameter": with_fields(shapes((1, 5)), shape=shapes((1, 4)), trained=flag),
    "Constant": with_fields(
        shapes((1, 5)),
        shape=shapes((2, 4)),
        fill=st.sampled_from([0, 1.5, "arange", "eye", "tril", "sinusoidal"]),
    ),
    "Cache": with_fields(shapes((3, 4)), length=few, dim=st.sampled_from([1, 2])),
    "BatchNorm1d": channel_norm((0, 1)),
    "BatchNorm2d": channel_norm((2,)),
    "BatchNorm3d": channel_norm((3,)),
    "LayerNorm": trailing_norm(elementwise_affine=flag, bias=flag),
    "GroupNorm": group_norm(),
    "InstanceNorm1d": channel_norm((1,)),
    "InstanceNorm2d": channel_norm((2,)),
    "InstanceNorm3d": channel_norm((3,)),
    "RMSNorm": trailing_norm(elementwise_affine=flag),
    "LocalResponseNorm": with_fields(shapes((3, 5)), size=few),
    **dict.fromkeys(FAMILIES["activation"], any_shape),
    "GELU": with_fields(shapes(), approximate=st.sampled_from(["none", "tanh"])),
    "PReLU": prelu(),
    **dict.fromkeys(ELEMENTS, any_shape),
    **dict.fromkeys((name for name in PAIRS if PAIRS[name].with_number is None), meeting(2)),
    **dict.fromkeys((name for name in PAIRS if PAIRS[name].with_number), elementwise(most=2)),
    **dict.fromkeys(("Div", "Pow"), elementwise(most=2, numbers=("by", "of"))),
    "Clamp": with_fields(shapes(), min=st.just(0), max=st.none() | few),
    "Where": meeting(3),
    "MaskedFill": meeting(2, value=st.sampled_from([0, -1e9, -inf])),
    **dict.fromkeys(("Sum", "Mean", "Max", "Min", "LogSumExp"), reduction()),
    "Norm": reduction(p=st.sampled_from([1, 2, "inf"])),
    "Var": reduction(correction=st.just(0)),
    "Std": reduction(correction=st.just(0)),
    "ArgMax": searching(keepdim=flag),
    "ArgMin": searching(keepdim=flag),
    "Prod": searching(keepdim=flag),
    "CumSum": searching(),
    "CumProd": searching(),
    "LogCumSumExp": searching(),
    "CumMax": searching(returns=st.sampled_from(["values", "indices"])),
    "CumMin": searching(returns=st.sampled_from(["values", "indices"])),
    "TopK": searching(k=few, returns=st.sampled_from(["values", "indices"])),
    "Sort": searching(descending=flag, returns=st.sampled_from(["values", "indices"])),
    "Softmax": along(),
    "LogSoftmax": along(),
    "Dropout": with_fields(shapes(), p=fraction),
    "StochasticDepth": with_fields(shapes(), p=fraction, mode=st.sampled_from(["row", "batch"])),
    "Flatten": flatten(),
    "Reshape": reshape(),
    "Permute": permute(),
    "Roll": roll(),
    "Pad": pad(),
    "Crop": crop(),
    "Slice": slices(),
    "Split": split(),
    "Select": chosen(),
    "Chunk": searching(chunks=few, index=st.integers(0, 3)),
    "Unsqueeze": on_axes("dim", more=1),
    "Squeeze": squeeze(),
    "Transpose": transpose(),
    "Expand": expand(),
    "View": view(),
    "Rearrange": rearrange(),
    "Flip": on_axes("dims"),
    "Repeat": repeat(),
    "RepeatInterleave": searching(repeats=few),
    "Unfold": unfold(),
    "Fold": fold(),
    "Gather": gather(),
    "Index": index(),
    "OneHot": with_fields(shapes((1, 3)), num_classes=few),
    "Einsum": einsum(),
    "EmbeddingBag": with_fields(
        shapes((2, 2)),
        num_embeddings=few,
        embedding_dim=few,
        mode=st.sampled_from(["sum", "mean", "max"]),
        parametrization=computed,
    ),
    "GLU": glu(),
    "Upsample": upsample(),
    "PixelShuffle": pixels("upscale_factor", unshuffle=False),
    "PixelUnshuffle": pixels("downscale_factor", unshuffle=True),
    "ChannelShuffle": channel_shuffle(),
    "Add": elementwise(),
    "Sub": elementwise(most=2, numbers=("by", "of")),
    "Mul": elementwise(),
    "Concat": concat(),
    "Stack": stack(),
    "MatMul": matmul(),
    "ScaledDotProductAttention": sdpa(),
    "MultiheadAttention": mha(),
    "Attention": attention(),
    "RelativePositionBias": relative_position_bias(),
    "ShiftedWindowMask": shifted_window_mask(),
    "RotaryEmbedding": rotary(),
    "RNN": recurrent(nonlinearity=st.sampled_from(["tanh", "relu"])),
    "LSTM": recurrent(memories=2, proj_size=st.integers(0, 2)),
    "GRU": recurrent(),
    "RNNCell": cell(),
    "LSTMCell": cell((2,)),
    "GRUCell": cell(),
    "RoIAlign": regions(sampling_ratio=st.integers(1, 3)),
    "RoIPool": regions(region=st.none() | st.integers(1, 5)),
    "FrozenBatchNorm2d": with_fields(shapes((4, 4)), eps=st.floats(1e-6, 1e-2)),
    "L1Loss": loss(),
    "MSELoss": loss(),
    "HuberLoss": loss(delta=st.floats(0.1, 2)),
    "CrossEntropyLoss": cross_entropy(),
    "HingeLoss": loss(),
}

COUNTED = (
    *FAMILIES["conv"],
    "Linear",
    "MatMul",
    "Einsum",
    "DeformConv2d",
    "ScaledDotProductAttention",
    "MultiheadAttention",
    "Attention",
)
"""Operators whose products PyTorch's own counter sees."""

INDICES = {
    "Embedding": 0,
    "EmbeddingBag": 0,
    "CrossEntropyLoss": 1,
    "Gather": 1,
    "Index": 1,
    "OneHot": 0,
}
"""Operators of which one input holds indices, and which input."""

stable = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def run(
    op: Operator, inputs: tuple[Shape, ...], device: str = "meta"
) -> tuple[torch.nn.Module, torch.Tensor]:
    made = module(op, *inputs, device=device).eval()
    indices = INDICES.get(type(op).__name__)
    tensors = [
        torch.zeros(shape, device=device, dtype=torch.long if i == indices else torch.float)
        for i, shape in enumerate(inputs)
    ]
    return made, made(*tensors)


def test_every_operator_has_a_strategy() -> None:
    assert set(STRATEGIES) == set(NAMES)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name", NAMES)
def test_shapes_are_pytorchs(name: str) -> None:
    """Of the output, of every trained tensor and of every buffer; and so are refusals."""

    @stable
    @given(STRATEGIES[name])
    def agree(case: Case) -> None:
        fields, inputs = case
        op = operator(name)(**fields)
        try:
            output = op.infer(*inputs)
        except ShapeError:
            assert refused(op, inputs)
            return
        made, result = run(op, inputs)
        assert tuple(result.shape) == output
        assert {k: tuple(v.shape) for k, v in made.named_parameters()} == op.weights(*inputs)
        assert {k: tuple(v.shape) for k, v in made.named_buffers()} == op.buffers(*inputs)

    agree()


def refused(op: Operator, inputs: tuple[Shape, ...]) -> bool:
    """Whether PyTorch raises, or gives nothing: on the CPU, which checks what meta does not."""
    try:
        _, result = run(op, inputs, device="cpu")
    except (RuntimeError, ValueError, IndexError, AssertionError):
        return True
    return result.numel() == 0


@pytest.mark.parametrize("name", COUNTED)
def test_macs_are_half_of_what_pytorch_counts(name: str) -> None:
    @stable
    @given(STRATEGIES[name])
    def agree(case: Case) -> None:
        fields, inputs = case
        op = operator(name)(**fields)
        try:
            output = op.infer(*inputs)
        except ShapeError:
            assume(False)
        with FlopCounterMode(display=False) as counter:
            run(op, inputs)
        assert counter.get_total_flops() == 2 * op.work(output, *inputs).macs

    agree()
