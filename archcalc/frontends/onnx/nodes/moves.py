"""ONNX's views, and what moves elements about, repeats or picks them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from archcalc.frontends.onnx.nodes.call import TABLE, Call, Made, Same, line, piece
from archcalc.frontends.onnx.values import Value
from archcalc.frontends.table import Moves

# Moving -------------------------------------------------------------------------------------------

for _name in ("Identity", "Cast", "CastLike", "Dropout", "Optional", "OptionalGetElement"):
    TABLE[_name] = lambda call: Same(call.x)


@line("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def _view(call: Call) -> Made | Same:
    """Other axes for the same elements in the same order, in whatever way it is written."""
    if call.x.sizes == call.output:
        return Same(call.x)
    if call.x.rank > 2 == len(call.output) and call.x.sizes[0] == call.output[0]:
        return Made("Flatten", {}, (call.x,))
    return Made("Reshape", {}, (call.x,))


@line("Transpose")
def _transpose(call: Call) -> Made | Same:
    rank = call.x.rank
    order = [int(n) % rank for n in call.get("perm", list(reversed(range(rank))))]
    if order == list(range(rank)):
        return Same(call.x)
    return Made("Permute", {"dims": order}, (call.x,))


@line("Concat", "QLinearConcat")
def _concat(call: Call) -> Made | Same:
    given = call.inputs if call.op == "Concat" else call.inputs[2::3]
    values = [value for value in given if value is not None and 0 not in value.sizes]
    if len(values) == 1:
        return Same(values[0])
    return Made("Concat", {"dim": call.get("axis", 1)}, tuple(values))


@piece("Split", "SplitToSequence")
def _split(call: Call, index: int) -> Made | Same | None:
    axis = call.get("axis", 0) % call.x.rank
    if any(shape is None for shape in call.shapes):
        return None
    sections = [shape[axis] for shape in call.shapes if shape is not None]
    if len(sections) == 1:
        return Same(call.x)
    fields = {"split_size_or_sections": sections, "index": index, "dim": axis}
    return Made("Split", fields, (call.x,))


@line("Slice")
def _slice(call: Call) -> Made | Same | Moves:
    if call.x.sizes == call.output:
        return Same(call.x)
    starts, ends = call.ints("starts", 1), call.ints("ends", 2)
    assert starts is not None
    assert ends is not None
    axes = call.ints("axes", 3) or list(range(len(starts)))
    steps = call.ints("steps", 4) or [1] * len(starts)
    made: Value | Made = call.x
    shape = list(call.x.sizes)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis %= len(shape)
        if step < 0:
            if step == -1 and call.output[axis] == call.x.sizes[axis]:
                made = Made("Flip", {"dims": [axis]}, (made,), shape=tuple(shape))
                continue
            return Moves()
        n = shape[axis]
        first = min(max(start + n if start < 0 else start, 0), n)
        last = min(max(end + n if end < 0 else end, 0), n)
        if (first, last, step) == (0, n, 1):
            continue
        shape[axis] = max(0, -(-(last - first) // step))
        fields = {"dim": axis, "start": first, "end": None if last == n else last, "step": step}
        made = Made("Slice", fields, (made,), shape=tuple(shape))
    return made if isinstance(made, Made) else Same(made)


@line("Pad")
def _pad(call: Call) -> Made | Same | Moves | None:
    ends = call.ints("pads", 1) or call.ints("paddings", 1)
    if ends is None:
        return None
    axes = call.ints("axes", 3) or list(range(call.x.rank))
    pairs = [(0, 0)] * call.x.rank
    for k, axis in enumerate(axes):
        pairs[axis] = ends[k], ends[k + len(axes)]
    if not any(map(any, pairs)):
        return Same(call.x)
    mode = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
    while not any(pairs[0]) and len(pairs) > 1:
        pairs = pairs[1:]
    if min(map(min, pairs)) < 0:
        if max(map(max, pairs)) > 0:
            return Moves()
        made: Value | Made = call.x
        for k, (before, after) in enumerate(pairs):
            dim = call.x.rank - len(pairs) + k
            if before or after:
                size = call.x.sizes[dim]
                cut = {"dim": dim, "start": -before, "end": size + after}
                made = Made("Slice", cut, (made,), shape=None)
        return made if isinstance(made, Made) and made.shape is None else Moves()
    pad = [n for pair in reversed(pairs) for n in pair]
    fields: dict[str, Any] = {"pad": pad}
    if call.get("mode", "constant") != "constant":
        fields["mode"] = mode.get(call.get("mode"), "constant")
    return Made("Pad", fields, (call.x,))


@line("Expand")
def _expand(call: Call) -> Made | Same:
    return Same(call.x) if call.x.sizes == call.output else Made("Expand", {}, (call.x,))


@line("Tile")
def _tile(call: Call) -> Made | Same:
    times = [int(n) for n in call.taken(1).numbers()]
    if all(n == 1 for n in times):
        return Same(call.x)
    return Made("Repeat", {"repeats": times}, (call.x,))


@line("DepthToSpace", "SpaceToDepth")
def _shuffled(call: Call) -> Made | Moves:
    size = call.get("blocksize")
    if call.op == "SpaceToDepth":
        return Made("PixelUnshuffle", {"downscale_factor": size}, (call.x,))
    whole = call.get("mode", "DCR") == "CRD"
    return Made("PixelShuffle", {"upscale_factor": size}, (call.x,)) if whole else Moves()


@line("Resize", "Upsample")
def _resize(call: Call) -> Made | None:
    before, after = call.x.sizes, call.output
    if before[:2] != after[:2] or len(before) not in (3, 4, 5):
        return None
    said = call.get("mode", "nearest")
    modes = {"linear": ("linear", "bilinear", "trilinear"), "cubic": ("", "bicubic", "")}
    mode = modes[said][len(before) - 3] if said in modes else "nearest"
    if not mode:
        return None
    fields: dict[str, Any] = {"size": list(after[2:]), "mode": mode}
    if call.get("antialias") and mode in ("bilinear", "bicubic"):
        fields["antialias"] = True
    if call.get("coordinate_transformation_mode") == "align_corners" and mode != "nearest":
        fields["align_corners"] = True
    return Made("Upsample", fields, (call.x,))


@line("GridSample")
def _grid_sample(call: Call) -> Made:
    modes = {"bilinear": "bilinear", "linear": "bilinear", "bicubic": "bicubic", "cubic": "bicubic"}
    mode = modes.get(call.get("mode", "bilinear"), "nearest")
    return Made("GridSample", {"mode": mode}, (call.x, call.taken(1)))


@line("Gather")
def _gather(call: Call) -> Made:
    table, indices = call.x, call.taken(1)
    axis = call.get("axis", 0) % table.rank
    if table.held and not indices.held and table.rank == 2 and axis == 0 and table.roots:
        rows, columns = table.sizes
        fields = {"num_embeddings": rows, "embedding_dim": columns}
        return Made("Embedding", fields, (indices,), {"weight": table})
    if indices.data is not None:
        index = indices.data.tolist()
        if not isinstance(index, list):
            return Made("Select", {"dim": axis, "index": int(index)}, (table,))
        numbers = [int(n) % table.sizes[axis] for n in indices.numbers()]
        picked = Made("Select", {"dim": axis, "index": numbers}, (table,))
        if indices.rank == 1:
            return picked
        sizes = table.sizes
        flat = (*sizes[:axis], len(picked.fields["index"]), *sizes[axis + 1 :])
        return Made("Reshape", {}, (replace(picked, shape=flat),))
    return Made("Index", {"dim": axis}, (table, indices))


@line("GatherElements")
def _gather_elements(call: Call) -> Made | Moves:
    axis = call.get("axis", 0) % call.x.rank
    return Made("Gather", {"dim": axis}, (call.x, call.taken(1))) if axis else Moves()


@line("OneHot")
def _one_hot(call: Call) -> Made:
    return Made("OneHot", {"num_classes": int(call.taken(1).number())}, (call.x,))


@line(
    "GatherND",
    "ScatterND",
    "ScatterElements",
    "Scatter",
    "TensorScatter",
    "Trilu",
    "ReverseSequence",
    "Compress",
    "Col2Im",
)
def _moves(call: Call) -> Moves:
    return Moves()
