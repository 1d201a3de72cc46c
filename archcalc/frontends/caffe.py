"""Caffe's ``.prototxt`` -> Graph, in its three spellings, with Caffe's rounding, at inference."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from archcalc.errors import ArchcalcError, ShapeError
from archcalc.frontends.draft import Draft, as_name, parse_shape
from archcalc.operators import operator
from archcalc.operators.base import LARGEST, Applied
from archcalc.spec.graph import Graph
from archcalc.spec.unknown import UnknownOperator

MOST_BYTES = 2**24
DEEPEST = 50

_TOKEN = re.compile(
    r"""\s+|#[^\n]*|(?P<token>[{}:;,\[\]<>]|"[^"\n]*"|'[^'\n]*'|[^\s{}:;,\[\]<>"'#]+)"""
)


@dataclass
class Message:
    """A group of fields, each of which may be there several times."""

    line: int
    fields: dict[str, list[Any]] = field(default_factory=dict)

    def all(self, name: str) -> list[Any]:
        return self.fields.get(name, [])

    def one(self, name: str, default: Any = None) -> Any:
        return self.fields[name][-1] if name in self.fields else default

    def group(self, *names: str) -> Message:
        for name in names:
            if isinstance(found := self.one(name), Message):
                return found
        return self

    def whole(self, name: str, default: int | None = None) -> int:
        value = self.one(name, default)
        if value is None:
            raise ValueError(f"lacks '{name}'")
        if not re.fullmatch(r"[0-9]{1,13}", str(value)) or int(value) > LARGEST:
            raise ValueError(f"{name}: {value!s:.40} should be a whole number from 0")
        return int(value)

    def true(self, name: str, default: bool) -> bool:
        return str(self.one(name, default)).lower() in ("true", "1")


def read(path: str, inputs: Mapping[str, str]) -> Graph:
    """The graph of a file. Raises :class:`ArchcalcError` with file and line."""
    return Reader(path).graph(inputs)


def _parsed(path: str) -> Message:
    try:
        with Path(path).open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ArchcalcError(f"{path}: {error.strerror or error}") from error
    if len(data) > MOST_BYTES:
        raise ArchcalcError(f"{path}: has more than {MOST_BYTES:,} bytes")
    text = data.decode("utf-8", "replace")

    def tokens() -> Iterator[tuple[str, int]]:
        line, place = 1, 0
        while place < len(text):
            found = _TOKEN.match(text, place)
            if found is None:
                raise ArchcalcError(f"{path}:{line}  a quote without an end")
            if found["token"]:
                yield found["token"], line
            line += found[0].count("\n")
            place = found.end()

    root = Message(1)
    stack, key = [root], ""
    for token, line in tokens():
        top = stack[-1]
        if token in ("{", "<"):
            if not key or len(stack) > DEEPEST:
                raise ArchcalcError(f"{path}:{line}  a '{{' without a name, or nested too deeply")
            stack.append(Message(line))
            top.fields.setdefault(key, []).append(stack[-1])
            key = ""
        elif token in ("}", ">"):
            if len(stack) == 1 or key:
                raise ArchcalcError(f"{path}:{line}  '{token}' ends nothing")
            stack.pop()
        elif token in ":;,[]":
            continue
        elif not key:
            key = token
            if not re.fullmatch(r"[A-Za-z_]\w*", key):
                raise ArchcalcError(f"{path}:{line}  '{token:.40}' is no name of a field")
        else:
            top.fields.setdefault(key, []).append(token.strip("\"'"))
            key = ""
    if len(stack) > 1:
        raise ArchcalcError(f"{path}:{stack[-1].line}  a '{{' without its '}}'")
    return root


class Reader(Draft):
    """Makes a graph of a file, layer by layer."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self.root = _parsed(path)
        self.blobs: dict[str, int] = {}
        self.used: set[str] = set()
        self.name = ""

    def graph(self, inputs: Mapping[str, str]) -> Graph:
        layers = [y for name in ("layer", "layers") for y in self.root.all(name)]
        if not layers or not all(isinstance(y, Message) for y in layers):
            raise ArchcalcError(f"{self.path}:1  is no network of Caffe: it has no layers")
        given = dict(inputs)
        self.declared(given)
        for layer in layers:
            self.take(layer, given)
        if given:
            raise ArchcalcError(f"{self.path}: no input '{next(iter(given))}'")
        ends = [key for name, key in self.blobs.items() if name not in self.used and key >= 0]
        if not ends:
            raise ArchcalcError(f"{self.path}: has no layers at inference")
        ends += self.prune(ends)
        name = str(self.root.one("name") or Path(self.path).stem)
        return self.drafted(as_name(name, True), list(dict.fromkeys(ends)))

    def enter(self, name: str, sizes: list[int], given: dict[str, str]) -> None:
        said = given.pop(as_name(name, True), None) or given.pop("", None)
        what = f"{self.path}: input '{name}'"
        shape = parse_shape(said, what) if said else tuple(sizes[1:])
        if not shape or any(not 1 <= n <= LARGEST for n in shape):
            raise ArchcalcError(
                f"{self.path}: how large is the input '{name}'? say --input 3x224x224"
            )
        self.blobs[name] = self.input(as_name(name, True), (1, *shape))

    def declared(self, given: dict[str, str]) -> None:
        """The inputs that stand before the layers."""
        names = self.root.all("input")
        try:
            dims = [int(n) for n in self.root.all("input_dim")]
            shapes = [
                [int(n) for n in y.all("dim")]
                for y in self.root.all("input_shape")
                if isinstance(y, Message)
            ] or [dims[k : k + 4] for k in range(0, len(dims), 4)]
        except ValueError as error:
            raise ArchcalcError(f"{self.path}: input_dim should be whole numbers") from error
        for k, name in enumerate(names):
            self.enter(str(name), shapes[k] if k < len(shapes) else [], given)

    def take(self, layer: Message, given: dict[str, str]) -> None:
        """Take in a layer, if it is there at inference."""
        inner = layer.one("layer")
        said = inner if isinstance(inner, Message) else layer  # the first spelling nests it
        phases = [str(y.one("phase")) for y in layer.all("include") if isinstance(y, Message)]
        if any(phase in ("TRAIN", "0") for phase in phases):
            return
        kind = re.sub(r"[^a-z0-9]", "", str(said.one("type", "")).lower())
        self.name = str(said.one("name", kind))
        bottoms = [str(b) for b in layer.all("bottom")]
        tops = [str(t) for t in layer.all("top")]
        try:
            if not bottoms:
                if kind in _DATA:
                    dims = said.group("input_param").group("shape").all("dim")
                    sizes = [int(n) for n in dims]
                    crop = said.group("transform_param").one("crop_size")
                    if not sizes and crop is not None and "" not in given:
                        sizes = [1, 3, int(crop), int(crop)]
                    if tops and tops[0] not in self.blobs:
                        self.enter(tops[0], sizes, given)
                    return
                raise ValueError("takes nothing")
            if kind in _TRAINING or any(b == "label" for b in bottoms):
                if kind != "softmaxwithloss":
                    return
                kind, bottoms = "softmax", bottoms[:1]
            keys = []
            for bottom in bottoms:
                if bottom not in self.blobs:
                    raise ValueError(f"takes '{bottom}', which nothing before it gives")
                keys.append(self.blobs[bottom])
            found = self.layer(kind, said, keys, len(tops))
        except (ValidationError, ShapeError, ValueError, TypeError) as error:
            message = " ".join(str(error).split())
            where = f"{self.path}:{layer.line}  layer '{self.name}'"
            raise ArchcalcError(f"{where}: {message}") from error
        self.used |= {b for b in bottoms if b not in tops}
        for k, top in enumerate(tops or [self.name]):
            self.blobs[top] = found[min(k, len(found) - 1)]
            self.used.discard(top)

    def emit(self, op: str, *keys: int, part: str = "", **fields: Any) -> int:
        applied = Applied.to(operator(op)(**fields), *map(self.shape, keys))
        way = ".".join(as_name(p, not p.isdigit()) for p in self.name.split("/") if p) or "layer"
        name = f"{way}_{part}" if part else way
        self.recent = self.add(name, op.lower(), applied, keys)
        return self.recent

    def layer(self, kind: str, y: Message, keys: list[int], tops: int) -> list[int]:
        """What a layer gives."""
        x = keys[0]
        if kind in ("convolution", "conv", "deconvolution"):
            p = y.group("convolution_param")
            fields: dict[str, Any] = {
                "out_channels": p.whole("num_output"),
                "kernel_size": _pair(p, "kernel", "kernel_size", "kernelsize"),
                "stride": _pair(p, "stride", "stride", default=1),
                "padding": _pair(p, "pad", "pad", default=0),
                "dilation": p.whole("dilation", 1),
                "groups": p.whole("group", 1),
                "bias": p.true("bias_term", p.true("biasterm", True)),
            }
            op = "ConvTranspose2d" if kind == "deconvolution" else "Conv2d"
            return [self.emit(op, key, **fields) for key in keys]
        if kind in ("pooling", "pool"):
            p = y.group("pooling_param")
            how = str(p.one("pool", "MAX")).upper()
            if p.true("global_pooling", False):
                return [self.emit("GlobalAvgPool" if how in ("AVE", "1") else "GlobalMaxPool", x)]
            pool: dict[str, Any] = {
                "kernel_size": _pair(p, "kernel", "kernel_size", "kernelsize"),
                "stride": _pair(p, "stride", "stride", default=1),
                "padding": _pair(p, "pad", "pad", default=0),
                "ceil_mode": "caffe",
            }
            return [self.emit("AvgPool2d" if how in ("AVE", "1") else "MaxPool2d", x, **pool)]
        if kind in ("innerproduct", "ip"):
            p = y.group("inner_product_param")
            if len(self.shape(x)) > 2:
                x = self.emit("Flatten", x, part="flatten")
            bias = p.true("bias_term", p.true("biasterm", True))
            return [self.emit("Linear", x, out_features=p.whole("num_output"), bias=bias)]
        if kind == "lrn":
            p = y.group("lrn_param")
            if "WITHIN" in str(p.one("norm_region", "")):
                return [self.unknown(kind, keys)]
            return [self.emit("LocalResponseNorm", x, size=p.whole("local_size", 5))]
        if kind in ("batchnorm", "bn"):
            return [self.emit("BatchNorm2d", x, affine=kind == "bn")]
        if kind == "scale" and len(keys) == 1:
            return [self.scaled(y, x)]
        if kind == "eltwise":
            how = str(y.group("eltwise_param").one("operation", "SUM")).upper()
            op = {"SUM": "Add", "1": "Add", "PROD": "Mul", "0": "Mul"}.get(how, "Maximum")
            return [self.emit(op, *keys)]
        if kind == "concat":
            p = y.group("concat_param")
            return [self.emit("Concat", *keys, dim=p.whole("axis", p.whole("concat_dim", 1)))]
        if kind in ("split", "silence"):
            return [x]
        if kind == "slice" and tops > 1 and not y.group("slice_param").all("slice_point"):
            axis = y.group("slice_param").whole("axis", 1)
            cut = {"chunks": tops, "dim": axis}
            return [self.emit("Chunk", x, part=f"{k}", index=k, **cut) for k in range(tops)]
        if kind in ("softmax", "softmaxwithloss"):
            return [self.emit("Softmax", x, dim=1)]
        if kind == "flatten":
            return [self.emit("Flatten", x)]
        if kind == "dropout":
            ratio = float(y.group("dropout_param").one("dropout_ratio", 0.5))
            return [self.emit("Dropout", x, p=ratio)]
        if kind == "relu":
            slope = float(y.group("relu_param").one("negative_slope", 0))
            if slope:
                return [self.emit("LeakyReLU", x, negative_slope=slope)]
            return [self.emit("ReLU", x)]
        if kind == "prelu":
            shared = y.group("prelu_param").true("channel_shared", False)
            return [self.emit("PReLU", x, num_parameters=1 if shared else self.shape(x)[1])]
        if kind in _PLAIN:
            return [self.emit(_PLAIN[kind], x)]
        return [self.unknown(kind, keys)]

    def scaled(self, y: Message, x: int) -> int:
        """A factor a channel, and a number to add."""
        shape = [self.shape(x)[1], *[1] * (len(self.shape(x)) - 2)]
        factor = self.emit("Parameter", x, part="weight", shape=shape)
        x = self.emit("Mul", x, factor)
        if y.group("scale_param").true("bias_term", False):
            x = self.emit("Add", x, self.emit("Parameter", x, part="bias", shape=shape), part="add")
        return x

    def unknown(self, kind: str, keys: list[int]) -> int:
        shapes = [self.shape(key) for key in keys]
        op = UnknownOperator(name=f"caffe.{as_name(kind)}", shape=shapes[0][1:])
        way = ".".join(as_name(p, not p.isdigit()) for p in self.name.split("/") if p) or "layer"
        return self.add(way, kind, Applied.to(op, *shapes), tuple(dict.fromkeys(keys)))


def _pair(p: Message, stem: str, *names: str, default: int | None = None) -> list[int]:
    if f"{stem}_h" in p.fields or f"{stem}_w" in p.fields:
        return [p.whole(f"{stem}_h", default), p.whole(f"{stem}_w", default)]
    name = next((name for name in names if name in p.fields), names[0])
    if len(p.all(name)) == 2:
        return [Message(0, {name: [n]}).whole(name) for n in p.all(name)]
    return [p.whole(name, default)] * 2


_DATA = ("input", "data", "imagedata", "memorydata", "hdf5data", "dummydata", "annotateddata")
_TRAINING = ("accuracy", "softmaxwithloss", "softmaxloss", "euclideanloss", "hingeloss")
_PLAIN = {"sigmoid": "Sigmoid", "tanh": "Tanh", "elu": "ELU", "absval": "Abs", "exp": "Exp"}
