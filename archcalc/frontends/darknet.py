"""Darknet's ``.cfg`` -> Graph: sections in a row, each of which may name earlier ones by number."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from archcalc.errors import ArchcalcError, ShapeError, did_you_mean
from archcalc.frontends.draft import Draft, reason
from archcalc.frontends.text import text_of
from archcalc.frontends.words import as_name, parse_shape
from archcalc.operators.base import LARGEST
from archcalc.spec.graph import Graph

MOST_SECTIONS = 20_000

_ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "leaky": ("LeakyReLU", {"negative_slope": 0.1}),
    "relu": ("ReLU", {}),
    "relu6": ("ReLU6", {}),
    "mish": ("Mish", {}),
    "swish": ("SiLU", {}),
    "logistic": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "elu": ("ELU", {}),
    "selu": ("SELU", {}),
    "gelu": ("GELU", {}),
    "relie": ("LeakyReLU", {"negative_slope": 0.01}),
    "hardtan": ("Hardtanh", {}),
}


@dataclass
class _Section:
    kind: str
    line: int
    options: dict[str, str]
    lines: dict[str, int]


def read(path: str, inputs: Mapping[str, str]) -> Graph:
    """The graph of a file, at the size in its ``[net]`` unless an input says another.

    Raises :class:`ArchcalcError` with file and line.
    """
    return Reader(path).graph(inputs)


def _sections(path: str) -> list[_Section]:
    found: list[_Section] = []
    for number, text in enumerate(text_of(path).splitlines(), 1):
        text = text.partition("#")[0].partition(";")[0].strip()
        if not text:
            continue
        if text.startswith("["):
            if not text.endswith("]"):
                raise ArchcalcError(f"{path}:{number}  '{text:.40}' is no [section]")
            found.append(_Section(text[1:-1].strip().lower(), number, {}, {}))
            continue
        key, equals, value = text.partition("=")
        if not equals or not found:
            raise ArchcalcError(f"{path}:{number}  '{text:.40}' is neither [section] nor key=value")
        found[-1].options[key.strip()] = value.strip()
        found[-1].lines[key.strip()] = number
    if not found or found[0].kind not in ("net", "network"):
        raise ArchcalcError(f"{path}:1  is no network of Darknet: the first section is not [net]")
    if len(found) > MOST_SECTIONS:
        raise ArchcalcError(f"{path}: has more than {MOST_SECTIONS:,} sections")
    return found


class Reader(Draft):
    """Makes a graph of a file, section by section."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self.sections = _sections(path)
        self.here = self.sections[0]
        self.outputs: list[int] = []
        """What each section gives, by its number."""
        self.ends: list[int] = []
        self.starts: list[int] = []
        """How many layers stand before each section."""
        self.stem = "layer"

    def graph(self, inputs: Mapping[str, str]) -> Graph:
        net = self.sections[0]
        shape: tuple[int, ...]
        if len(inputs) > 1 or any(name not in ("", "input") for name in inputs):
            raise ArchcalcError(f"{self.path}: has one input, named 'input'")
        if inputs:
            shape = parse_shape(next(iter(inputs.values())), f"{self.path}: input")
        elif "inputs" in net.options:
            shape = (self.whole("inputs"),)
        else:
            if not {"width", "height"} <= net.options.keys():
                raise self.fail("[net] says no width and height: say --input 3x416x416")
            shape = (self.whole("channels", 3), self.whole("height"), self.whole("width"))
        current = self.input("input", (1, *shape))
        if len(self.sections) == 1:
            raise self.fail("has no layers")
        for number, section in enumerate(self.sections[1:]):
            self.here = section
            self.stem = f"{as_name(section.kind)}{number}"
            self.starts.append(len(self.layers))
            reader, before = _READERS.get(section.kind), len(self.layers)
            try:
                if reader is None:
                    current = self.unknown(section.kind, current)
                else:
                    current = reader(self, current)
            except (ValidationError, ShapeError, ValueError) as error:
                raise self.fail(reason(error)) from error
            if len(self.layers) == before + 1:
                self.layers[-1].wish = self.stem  # what does one thing has no parts
            self.outputs.append(current)
        ends = self.ends or [current]
        ends += self.prune(ends)
        return self.drafted(as_name(Path(self.path).stem, True), ends)

    # Options --------------------------------------------------------------------------------------

    def fail(self, message: str, key: str = "") -> ArchcalcError:
        line = self.here.lines.get(key, self.here.line)
        return ArchcalcError(f"{self.path}:{line}  [{self.here.kind}]  {message}")

    def whole(self, key: str, default: int | None = None) -> int:
        """A whole number from 0."""
        text = self.here.options.get(key)
        if text is None:
            if default is None:
                raise self.fail(f"lacks '{key}'")
            return default
        if not re.fullmatch(r"[0-9]{1,13}", text) or int(text) > LARGEST:
            raise self.fail(f"{key}={text:.40} should be a whole number from 0", key)
        return int(text)

    def numbers(self, key: str) -> list[int]:
        """Whole numbers, which may be below 0."""
        texts = [text.strip() for text in self.here.options.get(key, "").split(",")]
        if not all(re.fullmatch(r"-?[0-9]{1,13}", text) for text in texts):
            raise self.fail(f"'{key}' should be whole numbers with commas between", key)
        return [int(text) for text in texts]

    def sections_before(self, key: str) -> list[int]:
        """Sections that an option names: from 0, or back from here."""
        found = []
        for number in self.numbers(key):
            index = number if number >= 0 else len(self.outputs) + number
            if not 0 <= index < len(self.outputs):
                raise self.fail(f"{key}={number} is none of the {len(self.outputs)} before it", key)
            found.append(index)
        return found

    def earlier(self, key: str) -> list[int]:
        """What sections give that an option names."""
        return [self.outputs[index] for index in self.sections_before(key)]

    def shared(self) -> None:
        """Have the tensors of another section, layer by layer, if this one says so."""
        if "share_index" not in self.here.options:
            return
        (index,) = self.sections_before("share_index")
        last = (*self.starts, len(self.layers))[index + 1]
        theirs = [y for y in self.layers[self.starts[index] : last] if y.applied.cost.weights]
        ours = [y for y in self.layers[self.starts[-1] :] if y.applied.cost.weights]
        if [y.applied.cost.weights for y in ours] != [y.applied.cost.weights for y in theirs]:
            raise self.fail(f"section {index} has other weights to share", "share_index")
        for mine, other in zip(ours, theirs, strict=True):
            name = f"section {index}: {other.wish}"
            self.tensors[mine.key] = self.tensors.setdefault(other.key, (name,))

    def strides(self) -> list[int]:
        """Down and across, which are one number unless both are said."""
        found = [self.whole(key, self.whole("stride", 1)) for key in ("stride_y", "stride_x")]
        if min(found) < 1:
            raise self.fail(f"stride should be at least 1, not {min(found)}", "stride")
        return found

    @property
    def normed(self) -> bool:
        """Whether the layer is followed by batch normalization, and has no bias for that."""
        return bool(self.whole("batch_normalize", 0))

    # Layers ---------------------------------------------------------------------------------------

    def emit(self, op: str, *keys: int, part: str = "", **fields: Any) -> int:
        return self.put(f"{self.stem}.{part}" if part else self.stem, op, keys, **fields)

    def unknown(self, kind: str, x: int) -> int:
        return self.foreign(self.stem, f"darknet.{as_name(kind)}", self.shape(x)[1:], (x,))

    def finished(self, x: int, norm: str) -> int:
        """What a layer's normalization and activation make of it."""
        return self.activated(self.emit(norm, x, part="bn") if self.normed else x)

    def activated(self, x: int, default: str = "logistic") -> int:
        name = self.here.options.get("activation", default)
        if name == "linear":
            return x
        if name not in _ACTIVATIONS:
            if name == "ramp":  # 1.1 x above zero and 0.1 x below
                x = self.emit("LeakyReLU", x, part="act", negative_slope=1 / 11)
                return self.emit("Mul", x, part="ramp", by=1.1)
            if name == "loggy":  # a sigmoid from -1 to 1
                x = self.emit("Sigmoid", x, part="act")
                x = self.emit("Mul", x, part="mul", by=2)
                return self.emit("Sub", x, part="sub", by=1)
            if name in ("lhtan", "plse", "stair") or name.startswith("normalize_channels"):
                return self.unknown(name, x)
            hint = did_you_mean(name, [*_ACTIVATIONS, "linear"])
            raise self.fail(f"unknown activation '{name:.40}' {hint or ''}".strip(), "activation")
        op, fields = _ACTIVATIONS[name]
        return self.emit(op, x, part="act", **fields)


def _convolutional(r: Reader, x: int) -> int:
    size = r.whole("size", 1)
    padding = size // 2 if r.whole("pad", 0) else r.whole("padding", 0)
    fields = {"out_channels": r.whole("filters", 1), "kernel_size": size, "bias": not r.normed}
    if r.here.kind.startswith("deconv"):
        fields |= {"stride": r.whole("stride", 1), "padding": padding}
        return r.finished(r.emit("ConvTranspose2d", x, part="conv", **fields), "BatchNorm2d")
    dilation = r.whole("dilation", 1)
    fields |= {"padding": padding * max(dilation, 1), "dilation": dilation}
    groups = r.whole("groups", 1)
    softened = size > 1 and r.whole("antialiasing", 0)
    strides = [1, 1] if softened else r.strides()
    x = r.emit("Conv2d", x, part="conv", stride=strides, groups=groups, **fields)
    x = r.finished(x, "BatchNorm2d")
    r.shared()
    return _softened(r, x) if softened else x


def _softened(r: Reader, x: int) -> int:
    """A mean of neighbours with fixed weights, which does the steps in place of the window."""
    size = 2 if r.whole("antialiasing") == 2 else 3
    _, channels, *extents = r.shape(x)
    strides = zip(extents, r.strides(), strict=True)
    shape = (channels, *((n + size // 2 * (size - 1) - size) // s + 1 for n, s in strides))
    if min(shape) < 1:
        raise ShapeError(f"antialiasing={size} does not fit {extents}")
    macs = prod(shape) * size * size
    return r.foreign(f"{r.stem}.blur", "darknet.blur", shape, (x,), params=0, macs=macs)


def _connected(r: Reader, x: int) -> int:
    if len(r.shape(x)) > 2:
        x = r.emit("Flatten", x, part="flatten")
    x = r.emit("Linear", x, part="fc", out_features=r.whole("output", 1), bias=not r.normed)
    return r.finished(x, "BatchNorm1d")


def _maxpool(r: Reader, x: int) -> int:
    """``padding`` is of both ends together, and by default one less than the window."""
    size, strides = r.whole("size", r.whole("stride", 1)), r.strides()
    softened = size > 1 and r.whole("antialiasing", 0)
    strides = [1, 1] if softened else strides
    total = r.whole("padding", size - 1)
    before = total // 2
    if r.whole("maxpool_depth", 0):
        return r.unknown("maxpool_depth", x)
    pads = []
    for n, s in zip(r.shape(x)[2:], strides, strict=True):
        out = (n + total - size) // s + 1
        after = max((out - 1) * s + size - n - before, 0)
        pads.append([before, after])
    found = r.emit("MaxPool2d", x, kernel_size=size, stride=strides, padding=pads)
    return _softened(r, found) if softened else found


def _local_avgpool(r: Reader, x: int) -> int:
    stride = r.whole("stride", 1)
    size = r.whole("size", stride)
    total = r.whole("padding", size - 1)
    pads = [[total // 2, total - total // 2]] * 2
    return r.emit(
        "AvgPool2d", x, kernel_size=size, stride=stride, padding=pads, count_include_pad=False
    )


def _route(r: Reader, x: int) -> int:
    keys = r.earlier("layers")
    groups, group = r.whole("groups", 1), r.whole("group_id", 0)
    if groups > 1:
        fields = {"chunks": groups, "index": group, "dim": 1}
        parts = [f"chunk_{k}" if k else "chunk" for k in range(len(keys))]
        keys = [r.emit("Chunk", key, part=p, **fields) for key, p in zip(keys, parts, strict=True)]
    if len(keys) == 1:
        return keys[0]
    extents = {r.shape(key)[2:] for key in keys}
    if len(extents) > 1:
        raise ShapeError(f"joins maps of {' and '.join(map(str, sorted(extents)))}")
    return r.emit("Concat", *keys, dim=1)


def _shortcut(r: Reader, x: int) -> int:
    """The sum where both have channels: the layer's own keeps the others as they are."""
    if "weights_type" in r.here.options and r.here.options["weights_type"] != "none":
        return r.unknown("weighted_shortcut", x)
    for k, key in enumerate(r.earlier("from")):
        ours, theirs = r.shape(x), r.shape(key)
        suffix = f"_{k}" if k else ""
        if ours == theirs:
            x = r.emit("Add", x, key, part=f"add{suffix}")
            continue
        if ours[2:] != theirs[2:]:
            return r.unknown("shortcut", x)
        shared = min(ours[1], theirs[1])
        mine = x
        if ours[1] > shared:
            mine = r.emit("Slice", x, part=f"own{suffix}", end=shared)
        if theirs[1] > shared:
            key = r.emit("Slice", key, part=f"other{suffix}", end=shared)
        added = r.emit("Add", mine, key, part=f"add{suffix}")
        if ours[1] > shared:
            rest = r.emit("Slice", x, part=f"rest{suffix}", start=shared)
            added = r.emit("Concat", added, rest, part=f"concat{suffix}", dim=1)
        x = added
    return r.activated(x, "linear")


def _scale_channels(r: Reader, x: int) -> int:
    (other,) = r.earlier("from")
    ours, theirs = r.shape(x), r.shape(other)
    if ours[2:] != (1, 1) and theirs[2:] != (1, 1):
        return r.unknown("scale_channels", x)
    return r.activated(r.emit("Mul", other, x, part="mul"), "linear")


def _sam(r: Reader, x: int) -> int:
    (other,) = r.earlier("from")
    return r.activated(r.emit("Mul", x, other, part="mul"), "linear")


def _reorg(r: Reader, x: int) -> int:
    if r.whole("reverse", 0):
        return r.emit("PixelShuffle", x, upscale_factor=r.whole("stride", 1))
    return r.emit("PixelUnshuffle", x, downscale_factor=r.whole("stride", 1))


def _softmax(r: Reader, x: int) -> int:
    groups, elements = r.whole("groups", 1), prod(r.shape(x))
    if "tree" in r.here.options:
        return r.unknown("softmax_tree", x)
    if groups != 1:
        if groups < 1 or elements % groups:
            raise ShapeError(f"groups={groups} do not divide {elements}")
        x = r.emit("Reshape", x, part="groups", shape=[groups, elements // groups])
        x = r.emit("Softmax", x, part="softmax", dim=2)
        return r.emit("Flatten", x, part="flatten")
    if len(r.shape(x)) > 2:
        x = r.emit("Flatten", x, part="flatten")
        return r.emit("Softmax", x, part="softmax", dim=1)
    return r.emit("Softmax", x, dim=1)


def _crop(r: Reader, x: int) -> int:
    """The middle at inference."""
    pairs = []
    for key, n in zip(("crop_height", "crop_width"), r.shape(x)[2:], strict=True):
        less = n - r.whole(key, n)
        if less < 0:
            raise ShapeError(f"{key}={n - less} is more than {n}")
        pairs.append([less // 2, less - less // 2])
    return r.emit("Crop", x, cropping=pairs) if any(map(any, pairs)) else x


def _local(r: Reader, x: int) -> int:
    """A convolution with a kernel, and a bias, of its own in each place."""
    _, channels, *extents = r.shape(x)
    size, stride, out = r.whole("size", 1), r.whole("stride", 1), r.whole("filters", 1)
    less = 1 if r.whole("pad", 0) else size
    if stride < 1 or min(extents) < less:
        raise ShapeError(f"size={size}, stride={stride} do not fit {extents}")
    shape = (out, *((n - less) // stride + 1 for n in extents))
    macs = prod(shape) * size * size * channels
    params = macs + prod(shape)
    return r.activated(r.foreign(r.stem, "darknet.local", shape, (x,), params=params, macs=macs))


def _recurrent(r: Reader, x: int) -> int:
    """A step: products of the input and of the last state, each with a bias, or normalized."""
    kind = r.here.kind
    if len(r.shape(x)) > 2 and kind in ("rnn", "gru", "lstm"):
        x = r.emit("Flatten", x, part="flatten")
    given, sizes = r.shape(x)[1], r.shape(x)[2:]
    out = r.whole("output", 1)
    if min(out, r.whole("hidden", 1)) < 1:
        raise ShapeError("'output' and 'hidden' should be at least 1")
    if kind in ("rnn", "crnn"):
        hidden = r.whole("hidden", 1)
        products = [(given, hidden), (hidden, hidden), (hidden, out)]
    else:
        products = (3 if kind == "gru" else 4) * [(given, out), (out, out)]
    window = r.whole("size", 3) ** 2 if kind in ("crnn", "conv_lstm") else 1
    if r.whole("peephole", 0):
        products += 3 * [(out, out)]
    if r.whole("bottleneck", 0) or r.whole("stride", 1) != 1 or r.whole("groups", 1) != 1:
        return r.unknown(kind, x)
    weights = window * sum(a * b for a, b in products)
    params = weights + (2 if r.normed else 1) * sum(b for _, b in products)
    macs = weights * prod(sizes)
    return r.foreign(r.stem, f"darknet.{kind}", (out, *sizes), (x,), params=params, macs=macs)


def _l2norm(r: Reader, x: int) -> int:
    """A place's channels by their norm."""
    return r.emit("Div", x, r.emit("Norm", x, part="norm", dim=1, keepdim=True), part="div")


def _detection(r: Reader, x: int) -> int:
    """What takes boxes out of a map: an end of the network, of no work that is counted."""
    r.ends.append(x)
    return x


_READERS: dict[str, Callable[[Reader, int], int]] = {
    **dict.fromkeys(("convolutional", "conv", "deconvolutional", "deconv"), _convolutional),
    **dict.fromkeys(("connected", "conn"), _connected),
    **dict.fromkeys(("maxpool", "max"), _maxpool),
    **dict.fromkeys(("avgpool", "avg"), lambda r, x: r.emit("GlobalAvgPool", x)),
    "local_avgpool": _local_avgpool,
    "route": _route,
    "shortcut": _shortcut,
    "scale_channels": _scale_channels,
    "sam": _sam,
    **dict.fromkeys(("reorg", "reorg3d"), _reorg),
    "upsample": lambda r, x: r.emit("Upsample", x, scale_factor=r.whole("stride", 2)),
    "dropout": lambda r, x: r.emit("Dropout", x),
    **dict.fromkeys(("softmax", "soft"), _softmax),
    "crop": _crop,
    **dict.fromkeys(
        ("normalization", "lrn"),
        lambda r, x: r.emit("LocalResponseNorm", x, size=r.whole("size", 5)),
    ),
    "batchnorm": lambda r, x: r.emit(f"BatchNorm{max(len(r.shape(x)) - 2, 1)}d", x),
    **dict.fromkeys(("activation", "activ"), lambda r, x: r.activated(x, "linear")),
    "logistic": lambda r, x: r.emit("Sigmoid", x),
    "l2norm": _l2norm,
    "local": _local,
    **dict.fromkeys(("rnn", "gru", "lstm", "crnn", "conv_lstm"), _recurrent),
    **dict.fromkeys(("yolo", "gaussian_yolo", "region", "detection", "iseg"), _detection),
    **dict.fromkeys(("cost", "empty", "silence"), lambda r, x: x),
}
