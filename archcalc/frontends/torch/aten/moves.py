"""ATen's views, and what moves elements about, repeats, picks or makes them of nothing."""

from __future__ import annotations

from math import isfinite, prod
from typing import Any

from torch import fx

from archcalc.dims import Shape
from archcalc.frontends.table import Moves
from archcalc.frontends.torch.aten.call import (
    TABLE,
    Call,
    Found,
    Made,
    Same,
    kind_of,
    line,
    name_of,
    number,
    piece,
    plain,
    unless_same,
)

# Moving -----------------------------------------------------------------------------------------

for _name in (
    *("contiguous", "detach", "clone", "alias", "lift_fresh_copy", "lift_fresh", "lift"),
    *("positive", "resolve_conj", "resolve_neg", "requires_grad"),
):
    TABLE[_name] = lambda call: Same(call.x)


@line("to", "type_as", "_to_copy", "float", "half")
def _cast(call: Call) -> Made | Same:
    """Numbers of another kind, unless whoever takes them makes such of them anyway."""
    before, after = kind_of(call.x), kind_of(call.node)
    if before == after or (
        after == "float" and all(_promotes(call.node, u) for u in call.node.users)
    ):
        return Same(call.x)
    return Made("Identity", {}, (call.x,), said=False)


ROUNDING = (
    *("quantize_per_tensor", "quantize_per_channel", "quantize_per_tensor_dynamic", "dequantize"),
    *("fake_quantize_per_tensor_affine", "fake_quantize_per_channel_affine"),
    "fused_moving_avg_obs_fake_quant",
    *(
        f"{home}.{way}quantize_per_{what}"
        for home in ("quantized_decomposed", "torchao")
        for way in ("", "de", "fake_")
        for what in ("tensor", "channel", "token", "channel_group")
    ),
)
"""Calls that round numbers to those of fewer bits, or make usual ones of such again."""


@line(*ROUNDING)
def _rounded(call: Call) -> Made:
    """A cast, of which no more is known than what it is called with."""
    return Made("Identity", {}, (call.x,), said=False)


def is_rounding(node: fx.Node) -> bool:
    """Whether a call is one of these."""
    name = str(node.target).removeprefix("aten.").rpartition(".")[0]
    return name in ROUNDING


def _promotes(cast: fx.Node, user: fx.Node) -> bool:
    """Whether a call computes in floating-point numbers because of what else it takes."""
    if name_of(user) not in ("add", "mul", "div"):
        return False
    others = [each for each in user.args[:2] if each is not cast]
    return any(
        isinstance(each, float) or (isinstance(each, fx.Node) and kind_of(each) == "float")
        for each in others
    )


@line("flatten")
def _flatten(call: Call) -> Made | Same:
    if call.shape(call.x) == call.output:
        return Same(call.x)
    if call["start_dim"] % max(len(call.shape(call.x)), 1) == 0:
        return Made("Reshape", {}, (call.x,))
    return Made("Flatten", {"start_dim": call["start_dim"], "end_dim": call["end_dim"]}, (call.x,))


@line(
    *("view.default", "reshape", "_unsafe_view", "unflatten", "squeeze", "unsqueeze", "view_as"),
    *("reshape_as", "_reshape_alias"),
)
def _view(call: Call) -> Made | Same:
    """Other axes for the same elements in the same order, in whatever way it is written."""
    return unless_same("Reshape", call.x, call.shape(call.x), call.output)


@line("permute", "transpose.int", "t", "numpy_T", "mT", "mH", "adjoint", "movedim", "swapaxes")
def _permute(call: Call) -> Made | Same:
    rank = len(call.shape(call.x))
    order = list(range(rank))
    if "dims" in call:
        order = [dim % rank for dim in call["dims"]]
    elif "dim0" in call or "axis0" in call:
        a, b = (
            call[k] % rank for k in (("dim0", "dim1") if "dim0" in call else ("axis0", "axis1"))
        )
        order[a], order[b] = order[b], order[a]
    elif "source" in call:
        moved, places = (
            [dim % rank for dim in ([said] if isinstance(said, int) else said)]
            for said in (call["source"], call["destination"])
        )
        order = [dim for dim in order if dim not in moved]
        for place, dim in sorted(zip(places, moved, strict=True)):
            order.insert(place, dim)
    elif name_of(call.node) in ("mT", "mH", "adjoint"):
        order[-2:] = reversed(order[-2:])
    else:
        order.reverse()
    if order == list(range(rank)):
        return Same(call.x)
    return Made("Permute", {"dims": order}, (call.x,))


@line("slice.Tensor")
def _slice(call: Call) -> Made | Same:
    if call.shape(call.x) == call.output:
        return Same(call.x)
    dim = call["dim"] % len(call.shape(call.x))
    end = call["end"]
    fields = {
        "dim": dim,
        "start": call["start"] or 0,
        "end": None if end is None or end >= 2**31 else end,
        "step": call["step"],
    }
    return Made("Slice", fields, (call.x,))


@line("narrow")
def _narrow(call: Call) -> Made:
    start = call["start"]
    return Made(
        "Slice", {"dim": call["dim"], "start": start, "end": start + call["length"]}, (call.x,)
    )


@line("roll")
def _roll(call: Call) -> Made | None:
    if not call["dims"]:  # the elements in their order, whatever axes they have
        size = prod(call.shape(call.x))
        row = Made("Reshape", {}, (call.x,), shape=(size,))
        fields = {"shifts": list(call["shifts"]), "dims": [0]}
        return Made("Reshape", {}, (Made("Roll", fields, (row,), shape=(size,)),))
    return Made("Roll", {"shifts": list(call["shifts"]), "dims": list(call["dims"])}, (call.x,))


@line("cat", "concat", "concatenate")
def _cat(call: Call) -> Made | Same:
    tensors = [tensor for tensor in call["tensors"] if 0 not in call.shape(tensor)]
    if len(tensors) == 1:
        return Same(tensors[0])
    return Made("Concat", {"dim": call["dim"]}, tuple(tensors))


@line("stack")
def _stack(call: Call) -> Made:
    """Of one tensor too, which only gets an axis."""
    return Made("Stack", {"dim": call["dim"]}, tuple(call["tensors"]))


@line("pad", "constant_pad_nd")
def _pad(call: Call) -> Made | Same:
    """A padding below zero takes away from that end."""
    pads = list(call["pad"])
    shape = list(call.shape(call.x))
    source: fx.Node | Made = call.x
    for k in range(0, len(pads), 2):
        dim = len(shape) - 1 - k // 2
        before, after = (max(-n, 0) for n in pads[k : k + 2])
        if before or after:
            end = shape[dim] - after if after else None
            shape[dim] -= before + after
            fields = {"dim": dim, "start": before, "end": end}
            source = Made("Slice", fields, (source,), shape=tuple(shape))
    pads = [max(n, 0) for n in pads]
    if not any(pads):
        return source if isinstance(source, Made) else Same(source)
    mode = call.arguments.get("mode", "constant")
    fields = {"pad": pads, "mode": mode}
    value = call["value"] if mode == "constant" else None
    known = not value or isfinite(value)
    if value and known:
        fields["value"] = value
    return Made("Pad", fields, (source,), said=known)


@line(*(f"{kind}_pad{axes}d" for kind in ("reflection", "replication") for axes in (1, 2, 3)))
def _mirror(call: Call) -> Made:
    mode = "reflect" if "reflection" in str(call.node.target) else "replicate"
    return Made("Pad", {"pad": list(call["padding"]), "mode": mode}, (call.x,))


TABLE["pixel_shuffle"] = plain("PixelShuffle", "upscale_factor")
TABLE["pixel_unshuffle"] = plain("PixelUnshuffle", "downscale_factor")
TABLE["channel_shuffle"] = plain("ChannelShuffle", "groups")


_RESIZED = {
    "nearest1d": "nearest",
    "nearest2d": "nearest",
    "nearest3d": "nearest",
    "linear1d": "linear",
    "bilinear2d": "bilinear",
    "bicubic2d": "bicubic",
    "trilinear3d": "trilinear",
}


@line(
    *(f"upsample_{name}" for name in _RESIZED),
    *(f"_upsample_{name}_aa" for name in ("bilinear2d", "bicubic2d")),
)
def _upsample(call: Call) -> Made:
    mode = next(m for name, m in _RESIZED.items() if f"upsample_{name}" in str(call.node.target))
    fields: dict[str, Any] = {"mode": mode}
    if call.arguments.get("align_corners") and mode != "nearest":
        fields["align_corners"] = True
    if "_aa" in str(call.node.target):
        fields["antialias"] = True
    fields["size"] = list(call.output[2:])
    # By a factor that gives no whole number of rows, each lies elsewhere than by their number.
    sizes = call.shape(call.x)[2:]
    names = ("scale_factors", "scales", "scales_d", "scales_h", "scales_w")
    told = [call.arguments[name] for name in names if name in call]
    factors = next((each for each in told if isinstance(each, list)), told)
    whole = all(
        factor is None or size * factor == found
        for size, factor, found in zip(sizes, factors, fields["size"], strict=False)
    )
    return Made("Upsample", fields, (call.x,), said=whole or bool(fields.get("align_corners")))


_WINDOW = ("kernel_size", "dilation", "padding", "stride")

# Picking, repeating -------------------------------------------------------------------------------


TABLE["select.int"] = plain("Select", "dim", "index")
TABLE["index_select"] = plain("Index", "dim", beside="index")
TABLE["gather"] = plain("Gather", "dim", beside="index")
TABLE["flip"] = plain("Flip", "dims")
TABLE["im2col"] = plain("Unfold", *_WINDOW)
TABLE["col2im"] = plain("Fold", "output_size", *_WINDOW)


@line("index.Tensor")
def _index(call: Call) -> Made | Moves:
    places = [k for k, index in enumerate(call["indices"]) if index is not None]
    # A mask picks as many as it has true elements, which is no place of any.
    if len(places) == 1 and kind_of(call["indices"][places[0]]) != "bool":
        return Made("Index", {"dim": places[0]}, (call.x, call["indices"][places[0]]))
    return Moves()


@line("one_hot")
def _one_hot(call: Call) -> Made:
    return Made("OneHot", {"num_classes": call.output[-1]}, (call.x,))


@line("expand", "expand_as", "broadcast_to")
def _expand(call: Call) -> Made | Same:
    return unless_same("Expand", call.x, call.shape(call.x), call.output)


@line("repeat", "tile")
def _repeat(call: Call) -> Made | Same:
    times = list(call["repeats"] if "repeats" in call else call["dims"])
    times = [1] * (len(call.output) - len(times)) + times
    if all(n == 1 for n in times):
        return unless_same("Reshape", call.x, call.shape(call.x), call.output)
    return Made("Repeat", {"repeats": times}, (call.x,))


@line("repeat_interleave.self_int")
def _repeat_interleave(call: Call) -> Made | None:
    if call["dim"] is None:
        return None
    return Made("RepeatInterleave", {"repeats": call["repeats"], "dim": call["dim"]}, (call.x,))


@line("grid_sampler", "grid_sampler_2d", "grid_sampler_3d")
def _grid_sample(call: Call) -> Made:
    beyond = ("zeros", "border", "reflection")[call["padding_mode"]]
    fields = {
        "mode": ("bilinear", "nearest", "bicubic")[call["interpolation_mode"]],
        **({"padding_mode": beyond} if beyond != "zeros" else {}),
        **({"align_corners": True} if call["align_corners"] else {}),
    }
    return Made("GridSample", fields, (call.x, call["grid"]))


@line("fill", "zero")
def _filled(call: Call) -> Made:
    value = call.arguments.get("value", 0)
    if number(value):
        return Made("Constant", {"shape": list(_of_each(call.output)), "fill": value})
    return Made("Expand", {}, (value,))


def _of_each(shape: Shape) -> Shape:
    """The sizes of what is the same for every sample, without an axis in the batch's place."""
    return (shape[1:] if shape[:1] == (1,) and len(shape) > 1 else shape) or (1,)


@line("copy")
def _copy(call: Call) -> Made | Same:
    """Another tensor in the place of one."""
    return unless_same("Expand", call["src"], call.shape(call["src"]), call.output)


@line("slice_scatter", "select_scatter")
def _scatter(call: Call) -> Made | Same | Moves:
    """A tensor with another in the place of a part: that is, what lies before and behind it."""
    whole, rank = call.output, len(call.output)
    dim = call["dim"] % rank
    part: fx.Node | Made = call["src"]
    if "index" in call:
        start = call["index"] % whole[dim]
        end, step = start + 1, 1
        shape = (*whole[:dim], 1, *whole[dim + 1 :])
        part = Made("Reshape", {}, (part,), shape=shape)
    else:
        n, step = whole[dim], call["step"]
        ends = (call["start"] or 0, n if call["end"] is None else call["end"])
        start, end = (min(max(at + n if at < 0 else at, 0), n) for at in ends)
        shape = (*whole[:dim], end - start, *whole[dim + 1 :])
        if call.shape(call["src"]) != shape:
            part = Made("Expand", {}, (part,), shape=shape)
    if (dim == 0 and whole[0] > 1) or step != 1:
        return Moves()
    parts: list[fx.Node | Made] = [part]
    for first, last in ((0, start), (end, whole[dim])):
        if first < last:
            fields = {"dim": dim, "start": first, "end": None if last == whole[dim] else last}
            kept = (*whole[:dim], last - first, *whole[dim + 1 :])
            beside = Made("Slice", fields, (call.x,), shape=kept)
            parts.insert(0 if first < start else len(parts), beside)
    if len(parts) > 1:
        return Made("Concat", {"dim": dim}, tuple(parts))
    return part if isinstance(part, Made) else Same(part)


for _name in (
    *("archcalc.nonzero", "archcalc.nms", "nonzero"),
    *("index_put", "scatter", "masked_scatter", "unfold", "as_strided", "as_strided_scatter"),
    *("triu", "tril", "diagonal", "diag_embed", "masked_select", "histc", "bincount"),
    *("scatter_add", "scatter_reduce", "index_add", "index_copy", "index_fill", "index_reduce"),
    *("take_along_dim", "real", "imag", "view_as_real", "view_as_complex", "complex", "vander"),
    *("diagonal_scatter", "repeat_interleave.Tensor", "repeat_interleave.self_Tensor"),
):
    TABLE[_name] = lambda call: Moves()


# Constants ----------------------------------------------------------------------------------------


@line(
    *("zeros", "ones", "full", "empty", "new_zeros", "new_ones", "new_full", "new_empty"),
    *("zeros_like", "ones_like", "full_like", "empty_like", "scalar_tensor", "linspace", "eye"),
    *("arange", "randn", "rand", "randint", "randn_like", "rand_like", "randperm", "normal"),
    *("logspace", "tril_indices", "triu_indices", "fft_fftfreq", "fft_rfftfreq", "hann_window"),
    *("uniform", "exponential", "random", "geometric", "log_normal", "cauchy"),
    *("hamming_window", "blackman_window", "bartlett_window", "kaiser_window"),
)
def _constant(call: Call) -> Made:
    name = str(call.node.target)
    fields: dict[str, Any] = {"shape": list(_of_each(call.output))}
    said = any(word in name for word in ("zeros", "ones", "empty"))
    if "arange" in name:
        fields["fill"] = "arange"
        said = call.arguments.get("start", 0) == 0 and call.arguments.get("step", 1) == 1
    elif "ones" in name:
        fields["fill"] = 1
    elif number(call.arguments.get("fill_value")):
        fields["fill"] = call["fill_value"]
        said = True
    return Made("Constant", fields, said=said)


@piece("chunk", "split", "split_with_sizes", "tensor_split", "unsafe_chunk", "unsafe_split")
def _split(call: Call, index: int) -> Made | Same:
    dim = call["dim"] % len(call.shape(call.x))
    sections = [shape[dim] for shape in call.shape_of(call.node)]
    if len(sections) == 1:
        return Same(call.x)
    fields = {"split_size_or_sections": sections, "index": index, "dim": dim}
    return Made("Split", fields, (call.x,))


@piece("unbind")
def _unbind(call: Call, index: int) -> Made:
    return Made("Select", {"index": index, "dim": call["dim"]}, (call.x,))


@piece("where", "nonzero_numpy")
def _places(call: Call, index: int) -> Moves:
    return Moves()


@piece("broadcast_tensors")
def _broadcast_tensors(call: Call, index: int) -> Made | Same:
    given = call["tensors"][index]
    return unless_same("Expand", given, call.shape(given), call.shape_of(call.node)[index])


@piece("_pack_padded_sequence", "_pad_packed_sequence")
def _packed(call: Call, index: int) -> Found:
    given = call["input"] if "input" in call else call["data"]
    whole = prod(call.shape(given)) == prod(call.shape_of(call.node)[0])
    return Made("Reshape", {}, (given,)) if index == 0 and whole else Moves()


@piece("meshgrid")
def _meshgrid(call: Call, index: int) -> Made | Same:
    """Of numbers that are made of nothing another such; of others what they are along an axis."""
    output = call.shape_of(call.node)[index]
    given = call["tensors"][index]
    if not _takes_input(call.node):
        return Made("Constant", {"shape": list(output) or [1]}, said=False)
    turned = call.arguments.get("indexing") == "xy" and index < 2
    axis = 1 - index if turned else index
    shape = tuple(n if k == axis else 1 for k, n in enumerate(output))
    line = Made("Reshape", {}, (given,), shape=shape)
    return Made("Expand", {}, (line,)) if shape != output else line


def _takes_input(node: fx.Node) -> bool:
    """Whether a call rests on what a module is given, or holds."""
    queue, seen = [node], set()
    while queue:
        each = queue.pop()
        if each.op in ("placeholder", "get_attr"):
            return True
        if each not in seen:
            seen.add(each)
            queue += each.all_input_nodes
    return False
