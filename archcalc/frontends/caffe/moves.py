"""Caffe's layers that move elements about."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import Any

from archcalc.errors import ShapeError
from archcalc.frontends.caffe.layers import Layers, Unknown, layer
from archcalc.frontends.caffe.text import Message


@layer("split", "silence")
def _same(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    return [keys[0]]


@layer("concat")
def _concat(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    p = y.group("concat_param")
    axis = r.axis(keys[0], p.whole("axis", p.whole("concat_dim", 1), -8))
    if axis == 0:
        raise Unknown
    return [keys[0]] if len(keys) == 1 else [r.emit("Concat", *keys, dim=axis)]


@layer("slice")
def _slice(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    """Equal parts, or cut at points."""
    p, x = y.group("slice_param"), keys[0]
    axis = r.axis(x, p.whole("axis", p.whole("slice_dim", 1), -8))
    points = p.wholes("slice_point")
    if axis == 0:
        raise Unknown
    if tops == 1:
        return [x]
    if not points:
        cut = {"chunks": tops, "dim": axis}
        return [r.emit("Chunk", x, part=f"{k}", index=k, **cut) for k in range(tops)]
    ends = [0, *points, r.shape(x)[axis]]
    sizes = [b - a for a, b in pairwise(ends)]
    if len(sizes) != tops or min(sizes) < 1:
        raise ShapeError(f"slice_point {points} cuts {ends[-1]} into no {tops} parts")
    fields: dict[str, Any] = {"split_size_or_sections": sizes, "dim": axis}
    return [r.emit("Split", x, part=f"{k}", index=k, **fields) for k in range(tops)]


@layer("flatten")
def _flatten(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    p, x = y.group("flatten_param"), keys[0]
    start, end = r.axis(x, p.whole("axis", 1, -8)), r.axis(x, p.whole("end_axis", -1, -8))
    if start == 0:
        raise Unknown
    if end == len(r.shape(x)) - 1:
        return [r.emit("Flatten", x, start_dim=start)]
    return [r.emit("Flatten", x, start_dim=start, end_dim=end)]


@layer("reshape")
def _reshape(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    """0 is the axis as it is, -1 what is left."""
    p, x = y.group("reshape_param"), keys[0]
    shape = list(r.shape(x))
    start = r.axis(x, p.whole("axis", 0, -8))
    count = p.whole("num_axes", -1, -1)
    end = len(shape) if count == -1 else start + count
    dims = p.group("shape").wholes("dim", -1)
    sizes = [shape[start + k] if n == 0 else n for k, n in enumerate(dims)]
    sizes = [*shape[:start], *sizes, *shape[end:]]
    whole = r.batch_said * prod(shape) if start == 0 else 0
    for k in range(1, len(sizes) + 1):  # samples in rows: a row, and one of it, is a sample
        if r.batch_said > 1 and prod(sizes[:k]) == r.batch_said and prod(sizes) == whole:
            sizes[:k] = [1] * k
    if start == 0 and shape[0] == 1 and prod(sizes[1:]) == prod(shape) and sizes[0] > 1:
        sizes[0] = 1  # so many samples, of which the input doesn't say
    if sizes.count(-1) == 1:
        rest = -prod(sizes)
        sizes[sizes.index(-1)] = prod(shape) // max(rest, 1)
    if prod(sizes) != prod(shape) or any(n < 1 for n in sizes):
        raise ShapeError(f"makes {sizes} of {shape}")
    if len(sizes) > 1 and sizes[0] == 1:
        return [r.emit("Reshape", x, shape=sizes[1:])]
    if len(sizes) == 1:
        return [r.emit("Flatten", x)]
    found = r.emit("View", x, shape=sizes[1:])
    return [found]


@layer("padding")
def _padding(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    """Of the first spelling: zeros around a map."""
    return [r.emit("Pad", keys[0], pad=[y.whole("pad", 0)] * 4)]


@layer("reverse")
def _reverse(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    """The steps from the last to the first; those of a batch are samples here."""
    axis = r.axis(keys[0], y.group("reverse_param").whole("axis", 0, -8))
    return [r.emit("Flip", keys[0], dims=axis) if axis else keys[0]]


@layer("permute")
def _permute(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    x, dims = keys[0], y.group("permute_param").wholes("order")
    dims += [k for k in range(len(r.shape(x))) if k not in dims]
    if dims[0] != 0:
        raise Unknown
    return [r.emit("Permute", x, dims=dims)]


@layer("crop")
def _crop(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    """To the extents of another blob, from an axis on, behind an offset."""
    p, (x, other) = y.group("crop_param"), keys
    axis = r.axis(x, p.whole("axis", 2, -8))
    offsets = p.wholes("offset") or [0]
    shape, wanted = r.shape(x), r.shape(other)
    for k, dim in enumerate(range(axis, len(shape))):
        start = offsets[min(k, len(offsets) - 1)]
        if dim == 0 or (start == 0 and wanted[dim] == shape[dim]):
            continue
        if start + wanted[dim] > shape[dim]:
            raise ShapeError(f"cuts {wanted[dim]} behind {start} out of {shape[dim]}")
        x = r.emit("Slice", x, part=f"axis_{dim}", dim=dim, start=start, end=start + wanted[dim])
    return [x]


@layer("tile")
def _tile(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    p, x = y.group("tile_param"), keys[0]
    axis, times = r.axis(x, p.whole("axis", 1, -8)), p.whole("tiles", least=1)
    if axis == 0:
        raise Unknown
    repeats = [times if k == axis else 1 for k in range(1, len(r.shape(x)))]
    return [r.emit("Repeat", x, repeats=repeats)]


@layer("shufflechannel", "channelshuffle")
def _shuffle(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    p = y.group("shuffle_channel_param", "channel_shuffle_param")
    return [r.emit("ChannelShuffle", keys[0], groups=p.whole("group", least=1))]


@layer("reorg", "pixelshuffle")
def _reorg(r: Layers, y: Message, keys: list[int], tops: int) -> list[int]:
    p = y.group("reorg_param", "pixel_shuffle_param")
    if str(y.one("type", "")).lower() == "pixelshuffle":
        return [r.emit("PixelShuffle", keys[0], upscale_factor=p.whole("upscale_factor", 2, 1))]
    return [r.emit("PixelUnshuffle", keys[0], downscale_factor=p.whole("stride", 2, 1))]
