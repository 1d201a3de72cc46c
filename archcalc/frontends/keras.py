"""``.keras`` and Keras' config JSON -> Graph, without Keras: layers, calls, nested models.

Keras has channels last, and our operators first. An image is turned at the input, and where a layer
needs the author's order it is turned there by a permutation, which costs nothing.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, TypeGuard

from pydantic import ValidationError

from archcalc.dims import Shape
from archcalc.errors import ArchcalcError, ShapeError
from archcalc.frontends.draft import Draft, as_name, parse_shape
from archcalc.operators import operator
from archcalc.operators.base import LARGEST, Applied
from archcalc.spec.graph import Graph
from archcalc.spec.unknown import UnknownOperator

MOST_BYTES = 2**26
"""The largest config."""
MOST_CALLS = 50_000
"""Calls of layers that a model may have, nested ones written out."""

Config = Mapping[str, Any]


def read(path: str, inputs: Mapping[str, str]) -> Graph:
    """The graph of a model's file, on inputs without the batch by their names.

    Raises :class:`ArchcalcError` for what is no such file, and for calls that can't be followed.
    """
    data = config_of(path)
    return Reader(path, data).graph(inputs)


def config_of(path: str) -> Config:
    """The config in a file. Raises :class:`ArchcalcError`."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive, archive.open("config.json") as file:
                text = file.read(MOST_BYTES + 1)
        else:
            with Path(path).open("rb") as file:
                text = file.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise ArchcalcError(f"{path}: the config has more than {MOST_BYTES:,} bytes")
        data = json.loads(text)
        while isinstance(data, str):  # Keras' to_json, written as JSON once more
            data = json.loads(data)
    except OSError as error:
        raise ArchcalcError(f"{path}: {error.strerror or error}") from error
    except KeyError as error:
        raise ArchcalcError(f"{path}: has no config.json") from error
    except (ValueError, RecursionError, zipfile.BadZipFile, RuntimeError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ArchcalcError(f"{path}: is no config of Keras: {reason}") from error
    if not is_config(data):
        raise ArchcalcError(f"{path}: is no config of a Keras model: it lacks class_name or config")
    return data


def is_config(data: object) -> TypeGuard[Config]:
    """Whether JSON is a model's config."""
    return (
        isinstance(data, dict)
        and isinstance(data.get("class_name"), str)
        and isinstance(data.get("config"), (dict, list))
    )


@dataclass(frozen=True)
class Tensor:
    """What a call gives: a layer, and its shape in the author's order, without the batch."""

    key: int
    shape: Shape
    moved: bool
    """Whether the layer has the channels first where the author has them last."""


@dataclass
class _Place:
    """Where a layer stands, to name what it is made of."""

    name: str
    kind: str
    config: Config


Given = list[Any]


class Reader(Draft):
    """Makes a graph of a config, call by call."""

    def __init__(self, path: str, data: Config) -> None:
        super().__init__()
        self.path = path
        self.data = data
        self.plain = _has_channels_first(data)
        """Whether the author has the channels first, too."""
        self.calls = 0
        self.turned: dict[tuple[int, bool], int] = {}
        self.made: dict[str, list[int]] = {}
        """A layer -> the numbered layers that it is made of, which a second call shares."""
        self.idle: list[int] = []
        """Layers that are owned and that nothing uses."""

    def graph(self, inputs: Mapping[str, str]) -> Graph:
        given = dict(inputs)
        found = self.model(self.data, None, "", given)
        if given:
            known = ", ".join(name for name, _ in self.inputs.values())
            raise ArchcalcError(f"{self.path}: no input '{next(iter(given))}': it has {known}")
        outputs = []
        for tensor in found:
            key = tensor.key
            if key < 0:
                key = self.add("output", "output", self.applied_to("Identity", key), (key,))
            outputs.append(key)
        if not outputs:
            raise ArchcalcError(f"{self.path}: the model has no outputs")
        name = _dict(self.data["config"]).get("name") or Path(self.path).stem
        graph = self.drafted(as_name(str(name), True), outputs, self.idle)
        turned = any(len(shape) > 3 for shape in graph.inputs.values()) and not self.plain
        return replace(graph, edition="channels first, where Keras has them last" if turned else "")

    def fail(self, what: str, message: str) -> ArchcalcError:
        return ArchcalcError(f"{self.path}: layer '{what}': {message}")

    # Models -------------------------------------------------------------------------------------

    def model(
        self, data: Config, inputs: Given | None, prefix: str, given: dict[str, str]
    ) -> list[Tensor]:
        """What a model gives; its inputs are the network's where it is called on none."""
        if prefix.count(".") > 40:
            raise ArchcalcError(f"{self.path}: models are nested too deeply")
        config = data["config"]
        layers = config if isinstance(config, list) else config.get("layers")
        if not isinstance(layers, list) or not layers:
            raise ArchcalcError(f"{self.path}: {data['class_name']} says no layers: it is a class")
        for layer in layers:
            if not is_config(layer) or not isinstance(layer["config"], dict):
                raise ArchcalcError(f"{self.path}: a layer without class_name or config")
        if data["class_name"] == "Sequential":
            return self.sequential(layers, config, inputs, prefix, given)
        return self.functional(layers, config, inputs, prefix, given)

    def sequential(
        self,
        layers: Sequence[Config],
        config: Any,
        inputs: Given | None,
        prefix: str,
        given: dict[str, str],
    ) -> list[Tensor]:
        value: Any = None
        if inputs is not None:
            value = inputs[0]
        for layer in layers:
            if layer["class_name"] == "InputLayer":
                if value is None:
                    value = self.take(layer["config"], given)
                continue
            if value is None:
                said = {**(config if isinstance(config, dict) else {}), **layer["config"]}
                said["name"] = "input"
                if layer["class_name"] == "Embedding" and said.get("input_length"):
                    said.setdefault("batch_shape", [None, said["input_length"]])
                nested = _shape_in(layer)
                if nested is not None:
                    said.setdefault("batch_shape", nested)
                value = self.take(said, given)
            value = self.call(layer, [value], prefix)[0]
        return [value]

    def functional(
        self,
        layers: Sequence[Config],
        config: Any,
        inputs: Given | None,
        prefix: str,
        given: dict[str, str],
    ) -> list[Tensor]:
        values: dict[tuple[str, int, int], Tensor] = {}
        starts = list(_references(config.get("input_layers", [])))
        by_name = {_name(layer): layer for layer in layers}
        if inputs is not None:
            if len(inputs) != len(starts):
                raise ArchcalcError(f"{self.path}: a model of {len(starts)} inputs has other calls")
            values.update(zip(starts, inputs, strict=True))
        pending: list[tuple[str, int, Any]] = []
        for name, layer in by_name.items():
            if layer["class_name"] == "InputLayer":
                if (name, 0, 0) not in values:
                    values[name, 0, 0] = self.take({"name": name, **layer["config"]}, given)
                continue
            nodes = layer.get("inbound_nodes", [])
            if not isinstance(nodes, list):
                raise self.fail(name, "inbound_nodes is no list")
            pending += [(name, k, node) for k, node in enumerate(nodes)]
        while pending:
            left = []
            for name, k, node in pending:
                needed = list(_references(node))
                if not all(reference in values for reference in needed):
                    left.append((name, k, node))
                    continue
                outputs = self.call(by_name[name], _resolved(node, values), prefix)
                for index, output in enumerate(outputs):
                    values[name, k, index] = output
            if len(left) == len(pending):
                name, _, node = left[0]
                lacking = next(r for r in _references(node) if r not in values)
                why = "comes to itself" if lacking[0] in by_name else "is none of the layers"
                raise self.fail(name, f"takes '{lacking[0]}', which {why}")
            pending = left
        ends = list(_references(config.get("output_layers", [])))
        for reference in ends:
            if reference not in values:
                raise ArchcalcError(f"{self.path}: no layer gives the output '{reference[0]}'")
        return [values[reference] for reference in ends]

    def take(self, config: Config, given: dict[str, str]) -> Tensor:
        """An input of the network."""
        name = as_name(str(config.get("name", "input")), True)
        shape = config.get("batch_shape") or config.get("batch_input_shape")
        shape = shape or config.get("build_input_shape")
        if isinstance(shape, dict):
            shape = next(iter(shape.values()), None)
        said = given.pop(name, None) or given.pop("", None)
        sizes: list[Any] = list(shape[1:]) if isinstance(shape, list) else []
        if said is not None:
            sizes = list(parse_shape(said, f"{self.path}: input '{name}'"))
            image = len(sizes) in (3, 4) and not self.plain
            channels = shape[-1] if isinstance(shape, list) and len(shape) > 3 else None
            if image and (channels is None or channels != sizes[-1] or channels == sizes[0]):
                sizes = [*sizes[1:], sizes[0]]  # it is said with the channels first
        elif not isinstance(shape, list) or any(n is None for n in sizes):
            words = ", ".join("?" if n is None else str(n) for n in sizes) or "not said"
            raise ArchcalcError(
                f"{self.path}: how large is the input '{name}'? its shape is ({words})\n"
                "  say it without the batch, channels first: --input 3x224x224"
            )
        if any(type(n) is not int or n < 1 for n in sizes) or prod(sizes) > LARGEST:
            raise ArchcalcError(f"{self.path}: input '{name}' has the shape {sizes}")
        moved = len(sizes) > 2 and not self.plain
        ours = (1, sizes[-1], *sizes[:-1]) if moved else (1, *sizes)
        return Tensor(self.input(name, ours if len(ours) > 1 else (1, 1)), tuple(sizes), moved)

    # Calls ----------------------------------------------------------------------------------------

    def call(self, layer: Config, given: Given, prefix: str) -> list[Tensor]:
        """What a layer gives, called on tensors and numbers."""
        self.calls += 1
        if self.calls > MOST_CALLS:
            raise ArchcalcError(f"{self.path}: has more than {MOST_CALLS:,} calls of layers")
        kind, config = layer["class_name"], layer["config"]
        name = as_name(_name(layer).replace("/", "_"), True)
        path = f"{prefix}{name}"
        inner = _inner(layer)
        if kind in ("Functional", "Model", "Sequential") or (inner and "layers" in config):
            tensors = [value for value in _flat(given) if isinstance(value, Tensor)]
            return self.model(layer, tensors, f"{path}.", {})
        tensors = [value for value in _flat(given) if isinstance(value, Tensor)]
        function = LAYERS.get(kind)
        place = _Place(path, kind, config)
        start = len(self.layers)
        shared = self.made.get(path)
        try:
            if function is None or not tensors:
                raise _Unknown
            found = function(self, place, given if kind in _WITH_NUMBERS else tensors)
        except _Unknown:
            found = self.unknown(place, tensors, layer)
        except (ValidationError, ShapeError, ValueError, TypeError, KeyError, IndexError) as error:
            raise self.fail(name, f"{kind}: {' '.join(str(error).split())}") from error
        mine = [y.key for y in self.layers[start:]]
        if shared is None:
            self.made[path] = mine
        else:
            same = [k for k in mine if self.by_key[k].applied.cost.weights]
            first = [k for k in shared if self.by_key[k].applied.cost.weights]
            for key, owner in zip(same, first, strict=False):
                self.by_key[key].share = owner
        return [found] if isinstance(found, Tensor) else found

    def unknown(self, place: _Place, tensors: Sequence[Tensor], layer: Config) -> Tensor:
        """A layer of which nothing is known: a class of somebody's, or a function."""
        keys = tuple(dict.fromkeys(tensor.key for tensor in tensors)) or (self.batch(),)
        shape = place.config.get("output_shape")
        sizes = tuple(shape) if isinstance(shape, list) and all(map(_is_size, shape)) else None
        if sizes is None:
            sizes = tensors[0].shape if tensors else (1,)
        op = UnknownOperator(name=f"keras.{as_name(place.kind)}", shape=tuple(sizes))
        applied = Applied.to(op, *map(self.shape, keys))
        return Tensor(self.add(place.name, place.kind.lower(), applied, keys), sizes, False)

    def emit(
        self, place: _Place, op: str, tensors: Sequence[Tensor], *, part: str = "", **fields: Any
    ) -> int:
        """Add a layer; parts of one layer of Keras stand under its name."""
        keys = tuple(tensor.key for tensor in tensors)
        applied = Applied.to(operator(op)(**fields), *map(self.shape, keys))
        if applied.shape[0] != 1 or prod(applied.shape) > LARGEST:
            raise ShapeError(f"{op} gives the shape {applied.shape}")
        name = f"{place.name}.{part}" if part else place.name
        self.recent = self.add(name, op.lower(), applied, keys)
        return self.recent

    def result(self, key: int, moved: bool) -> Tensor:
        """A tensor of a layer, whose shape says the author's."""
        shape = tuple(self.shape(key)[1:])
        return Tensor(key, (*shape[1:], shape[0]) if moved and len(shape) > 1 else shape, moved)

    def turn(self, tensor: Tensor, moved: bool) -> Tensor:
        """A tensor in the one order or the other."""
        if tensor.moved == moved or self.plain or len(tensor.shape) < 2:
            return replace(tensor, moved=moved and len(tensor.shape) > 1 and not self.plain)
        rank = len(tensor.shape) + 1
        ours = (tensor.shape[-1], *tensor.shape[:-1]) if moved else tensor.shape
        found = self.turned.get((tensor.key, moved))
        if found is None:
            if prod(tensor.shape[:-1]) == 1:
                applied = self.applied_to("Reshape", tensor.key, shape=list(ours))
            else:
                dims = [0, rank - 1, *range(1, rank - 1)] if moved else [0, *range(2, rank), 1]
                applied = self.applied_to("Permute", tensor.key, dims=dims)
            source = "input" if tensor.key < 0 else self.by_key[tensor.key].wish
            above = source.rpartition(".")[0]
            wish = f"{above}.permute" if above else "permute"
            found = self.add(wish, "permute", applied, (tensor.key,))
            self.turned[tensor.key, moved] = found
        return Tensor(found, tensor.shape, moved)

    def images(self, tensor: Tensor) -> Tensor:
        """A tensor with its channels first."""
        return tensor if self.plain else self.turn(tensor, True)

    def axis(self, tensor: Tensor, axis: int) -> int:
        """An author's axis, the batch's being 0, as the layer has it."""
        rank = len(tensor.shape) + 1
        if not -rank <= axis < rank:
            raise ShapeError(f"axis {axis} of {rank} axes")
        axis %= rank
        if not tensor.moved or axis == 0:
            return axis
        return 1 if axis == rank - 1 else axis + 1

    def activated(self, place: _Place, tensor: Tensor, said: Any) -> Tensor:
        """What a layer's ``activation`` makes of its output."""
        name = said.get("config") if isinstance(said, dict) else said
        if isinstance(said, dict) and isinstance(said.get("config"), dict):
            name = said.get("class_name")
        if name in (None, "linear"):
            return tensor
        found = ACTIVATIONS.get(str(name).lower())
        if found is None:
            op = UnknownOperator(
                name=f"keras.{as_name(str(name))}", shape=self.shape(tensor.key)[1:]
            )
            applied = Applied.to(op, self.shape(tensor.key))
            return replace(tensor, key=self.add(place.name, "act", applied, (tensor.key,)))
        op_name, fields = found
        if place.kind != "Activation":
            place = replace(place, name=f"{place.name}_{op_name.lower()}")
        if op_name in ("Softmax", "LogSoftmax"):
            fields = {"dim": self.axis(tensor, -1)}
        return replace(tensor, key=self.emit(place, op_name, [tensor], **fields))


class _Unknown(Exception):
    """A layer that is not known."""


def _dict(value: Any) -> Config:
    return value if isinstance(value, dict) else {}


def _is_size(value: object) -> bool:
    return type(value) is int and 1 <= value <= LARGEST


def _name(layer: Config) -> str:
    name = layer.get("name") or _dict(layer["config"]).get("name") or layer["class_name"]
    return str(name)


def _inner(layer: Config) -> bool:
    return isinstance(_dict(layer["config"]).get("layers"), list)


def _shape_in(layer: Config) -> Any:
    """The input's shape that a wrapped layer, or the first of a nested model, says."""
    for _ in range(20):
        config = layer["config"]
        built = _dict(layer.get("build_config")).get("input_shape")
        for found in (_dict(config).get("batch_input_shape"), built):
            if isinstance(found, list):
                return found
        layers = config if isinstance(config, list) else config.get("layers")
        inner = layers[0] if isinstance(layers, list) and layers else _dict(config).get("layer")
        if not is_config(inner):
            return _dict(config).get("batch_shape")
        layer = inner
    return None


def _has_channels_first(data: Any) -> bool:
    queue, seen = [data], 0
    while queue and seen < 2_000_000:
        seen += 1
        each = queue.pop()
        if isinstance(each, dict):
            if each.get("data_format") == "channels_first":
                return True
            queue += each.values()
        elif isinstance(each, list):
            queue += each
    return False


def _references(node: Any) -> Iterator[tuple[str, int, int]]:
    """The tensors that a call takes, in any of the three layouts: layer, call, output."""
    if isinstance(node, dict):
        if node.get("class_name") == "__keras_tensor__":
            yield from _references(_dict(node.get("config")).get("keras_history"))
        else:
            for value in node.values():
                yield from _references(value)
    elif isinstance(node, list):
        if _is_reference(node):
            yield node[0], node[1], node[2]
            for value in node[3:]:
                yield from _references(value)
        else:
            for value in node:
                yield from _references(value)


def _is_reference(node: Sequence[Any]) -> bool:
    return (
        len(node) in (3, 4)
        and isinstance(node[0], str)
        and type(node[1]) is int
        and type(node[2]) is int
        and node[0] != "_CONSTANT_VALUE"
    )


def _resolved(node: Any, values: Mapping[tuple[str, int, int], Tensor]) -> Given:
    """What a call takes, tensors in the place of references."""
    if isinstance(node, dict) and node.get("class_name") == "__keras_tensor__":
        return [values[next(_references(node))]]
    if isinstance(node, dict):
        parts = [*node.get("args", []), *_dict(node.get("kwargs")).values()]
        if "args" not in node:
            parts = list(node.values())
        return [x for part in parts for x in _resolved(part, values)]
    if isinstance(node, list):
        if _is_reference(node):
            more = [x for part in node[3:] for x in _resolved(part, values)]
            return [values[node[0], node[1], node[2]], *more]
        if len(node) == 4 and node[0] == "_CONSTANT_VALUE":
            return [node[2]]
        return [x for part in node for x in _resolved(part, values)]
    return [node]


def _flat(given: Any) -> Iterator[Any]:
    for value in given:
        if isinstance(value, (list, tuple)):
            yield from _flat(value)
        else:
            yield value


# Layers -------------------------------------------------------------------------------------------

ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "relu": ("ReLU", {}),
    "relu6": ("ReLU6", {}),
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "softmax": ("Softmax", {}),
    "log_softmax": ("LogSoftmax", {}),
    "elu": ("ELU", {}),
    "selu": ("SELU", {}),
    "celu": ("CELU", {}),
    "gelu": ("GELU", {}),
    "softplus": ("Softplus", {}),
    "swish": ("SiLU", {}),
    "silu": ("SiLU", {}),
    "mish": ("Mish", {}),
    "leaky_relu": ("LeakyReLU", {"negative_slope": 0.2}),
    "hard_sigmoid": ("Hardsigmoid", {}),
    "hard_swish": ("Hardswish", {}),
    "hard_silu": ("Hardswish", {}),
    "log_sigmoid": ("LogSigmoid", {}),
    "exponential": ("Exp", {}),
    "square": ("Square", {}),
    "sqrt": ("Sqrt", {}),
    "abs": ("Abs", {}),
    "absolute": ("Abs", {}),
    "exp": ("Exp", {}),
    "log": ("Log", {}),
    "negative": ("Neg", {}),
}

Made = Callable[[Reader, _Place, Any], Any]
LAYERS: dict[str, Made] = {}
_WITH_NUMBERS: set[str] = set()


def layer(*names: str, numbers: bool = False) -> Callable[[Made], Made]:
    """Enter a function in the table; those that take ``numbers`` are given them, too."""

    def enter(function: Made) -> Made:
        for name in names:
            LAYERS[name] = function
            if numbers:
                _WITH_NUMBERS.add(name)
        return function

    return enter


def _pair(value: Any, axes: int) -> list[int]:
    found = [value] * axes if type(value) is int else list(value)
    return found * axes if len(found) == 1 else found


def _axes(kind: str) -> int:
    return next((n for n in (1, 2, 3) if f"{n}D" in kind), 2)


def _padding(said: Any, extents: Sequence[int], k: Any, s: Any, d: Any) -> Any:
    if said in ("valid", None):
        return 0
    if said == "causal":
        return [[d[0] * (k[0] - 1), 0]]
    pads = []
    for n, kernel, stride, dilation in zip(extents, k, s, d, strict=True):
        total = max((-(-n // stride) - 1) * stride + (kernel - 1) * dilation + 1 - n, 0)
        pads.append([total // 2, total - total // 2])
    return [a for a, _ in pads] if all(a == b for a, b in pads) else pads


def _window(r: Reader, x: Tensor, place: _Place, size: str, stride: str) -> dict[str, Any]:
    axes, config = _axes(place.kind), place.config
    kernel = _pair(config[size], axes)
    strides = _pair(
        config.get(stride) or (kernel if "pool" in stride or "Pool" in place.kind else 1), axes
    )
    dilation = _pair(config.get("dilation_rate", 1), axes)
    pads = _padding(config.get("padding"), r.shape(x.key)[2:], kernel, strides, dilation)
    return {"kernel_size": kernel, "stride": strides, "padding": pads, "dilation": dilation}


@layer("Conv1D", "Conv2D", "Conv3D", "Convolution2D")
def _conv(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    x = r.images(given[0])
    c = place.config
    fields = _window(r, x, place, "kernel_size", "strides")
    key = r.emit(
        place,
        f"Conv{_axes(place.kind)}d",
        [x],
        out_channels=c["filters"],
        groups=c.get("groups", 1),
        bias=c.get("use_bias", True),
        **fields,
    )
    return r.activated(place, r.result(key, not r.plain), c.get("activation"))


@layer("DepthwiseConv2D", "DepthwiseConv1D")
def _depthwise(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    x = r.images(given[0])
    c, channels = place.config, r.shape(r.images(given[0]).key)[1]
    fields = _window(r, x, place, "kernel_size", "strides")
    many = channels * c.get("depth_multiplier", 1)
    name, bias = f"Conv{_axes(place.kind)}d", c.get("use_bias", True)
    key = r.emit(place, name, [x], out_channels=many, groups=channels, bias=bias, **fields)
    return r.activated(place, r.result(key, not r.plain), c.get("activation"))


@layer("SeparableConv2D", "SeparableConv1D", "SeparableConvolution2D")
def _separable(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    x = r.images(given[0])
    c, channels = place.config, r.shape(r.images(given[0]).key)[1]
    fields = _window(r, x, place, "kernel_size", "strides")
    many, name = channels * c.get("depth_multiplier", 1), f"Conv{_axes(place.kind)}d"
    key = r.emit(
        place, name, [x], part="depthwise", out_channels=many, groups=channels, bias=False, **fields
    )
    key = r.emit(
        place,
        name,
        [r.result(key, not r.plain)],
        part="pointwise",
        out_channels=c["filters"],
        kernel_size=1,
        bias=c.get("use_bias", True),
    )
    found = r.result(key, not r.plain)
    return r.activated(place, found, c.get("activation"))


@layer("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose", "Deconvolution2D")
def _transposed(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    x = r.images(given[0])
    c, axes = place.config, _axes(place.kind)
    if c.get("output_padding") is not None or c.get("groups", 1) != 1:
        raise _Unknown
    kernel, stride = _pair(c["kernel_size"], axes), _pair(c.get("strides", 1), axes)
    padding: Any = "same_upper" if c.get("padding") == "same" else 0
    extra = [0 if padding else max(s - k, 0) for k, s in zip(kernel, stride, strict=True)]
    key = r.emit(
        place,
        f"ConvTranspose{axes}d",
        [x],
        out_channels=c["filters"],
        kernel_size=kernel,
        stride=stride,
        padding=padding,
        output_padding=extra,
        dilation=_pair(c.get("dilation_rate", 1), axes),
        bias=c.get("use_bias", True),
    )
    return r.activated(place, r.result(key, not r.plain), c.get("activation"))


@layer("Dense")
def _dense(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    x = r.turn(given[0], False)
    c = place.config
    key = r.emit(place, "Linear", [x], out_features=c["units"], bias=c.get("use_bias", True))
    return r.activated(place, r.result(key, False), c.get("activation"))


@layer("Embedding")
def _embedding(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    c = place.config
    fields = {"num_embeddings": c["input_dim"], "embedding_dim": c["output_dim"]}
    return r.result(r.emit(place, "Embedding", given[:1], **fields), False)


def _scaled(r: Reader, place: _Place, x: Tensor, size: int, parts: Mapping[str, str]) -> Tensor:
    """Products and sums with tensors of a number a channel."""
    rank = len(r.shape(x.key))
    shape = [size, *[1] * (rank - 2)] if x.moved or r.plain else [size]
    for part, op in parts.items():
        trained = part in ("gamma", "beta")
        source = [replace(x)]
        key = r.emit(place, "Parameter", source, part=part, shape=shape, trained=trained)
        x = replace(x, key=r.emit(place, op, [x, replace(x, key=key)], part=op.lower()))
    return x


@layer("BatchNormalization", "BatchNormalizationV1", "SyncBatchNormalization")
def _batch_norm(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    c = place.config
    axis = c.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) else axis
    x = given[0] if len(given[0].shape) == 1 else r.images(given[0])
    if r.axis(x, axis) != 1:
        raise _Unknown
    scale, center = c.get("scale", True), c.get("center", True)
    name = f"BatchNorm{max(len(x.shape) - 1, 1)}d"
    both = scale and center
    whole = both or not (scale or center)
    eps = c.get("epsilon", 1e-3)
    key = r.emit(place, name, [x], part="" if whole else "norm", eps=eps, affine=both)
    found = replace(x, key=key)
    if whole:
        return found
    parts = {"gamma": "Mul"} if scale else {"beta": "Add"}
    return _scaled(r, place, found, r.shape(key)[1], parts)


@layer("LayerNormalization")
def _layer_norm(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    c = place.config
    axis = c.get("axis", -1)
    axes = axis if isinstance(axis, list) else [axis]
    x = r.turn(given[0], False)
    rank = len(x.shape) + 1
    axes = sorted(n % rank for n in axes)
    if axes != list(range(rank - len(axes), rank)):
        raise _Unknown
    scale, center = c.get("scale", True), c.get("center", True)
    if center and not scale:
        raise _Unknown
    fields = {
        "normalized_shape": list(x.shape[axes[0] - 1 :]),
        "eps": c.get("epsilon", 1e-3),
        "elementwise_affine": scale,
        "bias": scale and center,
    }
    return r.result(r.emit(place, "LayerNorm", [x], **fields), False)


@layer("GroupNormalization")
def _group_norm(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    c, x = place.config, r.images(given[0])
    if not (c.get("scale", True) and c.get("center", True)):
        raise _Unknown
    groups = c["groups"] if c["groups"] != -1 else r.shape(x.key)[1]
    key = r.emit(place, "GroupNorm", [x], num_groups=groups, eps=c.get("epsilon", 1e-3))
    return replace(x, key=key)


@layer("Normalization")
def _normalization(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    x, c = given[0], place.config
    if c.get("mean") is not None:
        key = r.emit(place, "Sub", [x], by=1, part="sub")
        return replace(x, key=r.emit(place, "Div", [replace(x, key=key)], by=1, part="div"))
    size = r.shape(x.key)[1] if x.moved or r.plain else x.shape[-1]
    size = size if c.get("axis", -1) is not None else 1
    found = _scaled(r, place, x, size, {"mean": "Sub", "variance": "Div"})
    # How many samples they are of: a number that is kept, and used by nothing.
    r.idle.append(r.emit(place, "Parameter", [x], part="count", shape=[1], trained=False))
    return found


@layer("Rescaling")
def _rescaling(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    x, c = given[0], place.config
    for op, said in (("Mul", c.get("scale", 1)), ("Add", c.get("offset", 0))):
        said = said.get("config", {}).get("value", [0, 1]) if isinstance(said, dict) else said
        if isinstance(said, list):
            size = len(said)
            shape = [size, *[1] * (len(x.shape) - 1)] if x.moved or r.plain else [size]
            constant = r.emit(place, "Constant", [x], part="constant", shape=shape)
            key = r.emit(place, op, [x, replace(x, key=constant)], part=op.lower())
            x = replace(x, key=key)
        elif said != (1 if op == "Mul" else 0):
            x = replace(x, key=r.emit(place, op, [x], part=op.lower(), by=said))
    return x


@layer("LayerScale")
def _layer_scale(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    """ConvNeXt's, which is a class of Keras' own."""
    x = given[0]
    size = r.shape(x.key)[1] if x.moved or r.plain else x.shape[-1]
    return _scaled(r, place, x, size, {"gamma": "Mul"})


@layer("CustomScaleLayer")
def _residual(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    """Inception-ResNet's sum, of which the second is scaled: a class of Keras' own."""
    x, y = (r.turn(value, given[0].moved) for value in given)
    scale = place.config.get("scale", 1.0)
    scaled = replace(y, key=r.emit(place, "Mul", [y], part="mul", by=scale))
    return replace(x, key=r.emit(place, "Add", [x, scaled], part="add"))


@layer("StochasticDepth")
def _depth(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    p = place.config.get("drop_path_rate", 0.0)
    return replace(given[0], key=r.emit(place, "StochasticDepth", given[:1], p=p))


@layer("MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "AveragePooling1D", "AveragePooling2D")
@layer("AveragePooling3D", "MaxPool1D", "MaxPool2D", "MaxPool3D", "AvgPool2D")
def _pool(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    x = r.images(given[0])
    fields = _window(r, x, place, "pool_size", "strides")
    fields.pop("dilation")
    name = "Max" if place.kind.startswith("Max") else "Avg"
    if name == "Avg" and fields["padding"] != 0:
        fields["count_include_pad"] = False
    key = r.emit(place, f"{name}Pool{_axes(place.kind)}d", [x], **fields)
    return r.result(key, not r.plain)


@layer(*(f"Global{kind}Pooling{n}D" for kind in ("Average", "Max") for n in (1, 2, 3)))
def _global(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    x = r.images(given[0])
    name = "GlobalAvgPool" if "Average" in place.kind else "GlobalMaxPool"
    keep = bool(place.config.get("keepdims"))
    key = r.emit(place, name, [x], keepdim=keep)
    return r.result(key, keep and not r.plain)


@layer("Flatten")
def _flatten(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    x = given[0]
    if len(x.shape) < 2:
        return x
    return r.result(r.emit(place, "Flatten", [x]), False)


@layer("Reshape")
def _reshape(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    x = given[0]
    shape = [int(n) for n in place.config["target_shape"]]
    if shape.count(-1) == 1:
        rest = -prod(shape)
        shape[shape.index(-1)] = prod(x.shape) // max(rest, 1)
    if any(n < 1 for n in shape) or prod(shape) != prod(x.shape):
        raise ShapeError(f"target_shape {shape} of {list(x.shape)}")
    if x.moved and prod(x.shape[:-1]) != 1:
        x = r.turn(x, False)
    if len(shape) > 2 and not r.plain and prod(shape[:-1]) == 1:
        key = r.emit(place, "Reshape", [x], shape=[shape[-1], *shape[:-1]])
        return Tensor(key, tuple(shape), True)
    key = r.emit(place, "Reshape", [x], shape=shape)
    return Tensor(key, tuple(shape), False)


@layer("Permute")
def _permute(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    x = r.turn(given[0], False)
    return r.result(r.emit(place, "Permute", [x], dims=[0, *place.config["dims"]]), False)


@layer("RepeatVector")
def _repeat(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    n = place.config["n"]
    key = r.emit(place, "Reshape", given[:1], part="reshape", shape=[1, *given[0].shape])
    x = r.result(key, False)
    return r.result(r.emit(place, "Repeat", [x], part="repeat", repeats=[1, n, 1]), False)


@layer("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
def _zero_padding(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    x, axes = r.images(given[0]), _axes(place.kind)
    pairs = [_pair(p, 2) for p in _pair(place.config["padding"], axes)]
    if axes == 1 and type(place.config["padding"]) is not int:
        pairs = [_pair(place.config["padding"], 2)]
    pad = [n for pair in reversed(pairs) for n in pair]
    return r.result(r.emit(place, "Pad", [x], pad=pad), not r.plain)


@layer("Cropping1D", "Cropping2D", "Cropping3D")
def _cropping(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    x, axes = r.images(given[0]), _axes(place.kind)
    pairs = [_pair(p, 2) for p in _pair(place.config["cropping"], axes)]
    if axes == 1 and type(place.config["cropping"]) is not int:
        pairs = [_pair(place.config["cropping"], 2)]
    return r.result(r.emit(place, "Crop", [x], cropping=pairs), not r.plain)


@layer("UpSampling1D", "UpSampling2D", "UpSampling3D")
def _upsampling(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    x, axes = r.images(given[0]), _axes(place.kind)
    times = _pair(place.config.get("size", 2), axes)
    size = [n * k for n, k in zip(r.shape(x.key)[2:], times, strict=True)]
    mode = place.config.get("interpolation", "nearest")
    if mode not in ("nearest", "bilinear", "bicubic"):
        raise _Unknown
    return r.result(r.emit(place, "Upsample", [x], size=size, mode=mode), not r.plain)


@layer("Activation")
def _activation(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    return r.activated(place, given[0], place.config.get("activation"))


@layer("ReLU")
def _relu(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    c = place.config
    top, slope = c.get("max_value"), c.get("negative_slope") or 0
    if c.get("threshold") or (top is not None and slope):
        raise _Unknown
    if slope:
        return replace(given[0], key=r.emit(place, "LeakyReLU", given[:1], negative_slope=slope))
    if top is None:
        return replace(given[0], key=r.emit(place, "ReLU", given[:1]))
    if top == 6:
        return replace(given[0], key=r.emit(place, "ReLU6", given[:1]))
    return replace(given[0], key=r.emit(place, "Clamp", given[:1], min=0, max=top))


@layer("LeakyReLU", "ELU", "Softmax", "Dropout", "SpatialDropout1D", "SpatialDropout2D")
@layer("GaussianNoise", "GaussianDropout", "AlphaDropout", "SpatialDropout3D")
def _simple(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    c, x = place.config, given[0]
    if place.kind == "LeakyReLU":
        slope = c.get("negative_slope", c.get("alpha", 0.3))
        return replace(x, key=r.emit(place, "LeakyReLU", [x], negative_slope=slope))
    if place.kind == "ELU":
        return replace(x, key=r.emit(place, "ELU", [x], alpha=c.get("alpha", 1.0)))
    if place.kind == "Softmax":
        axis = r.axis(x, c.get("axis", -1))
        return replace(x, key=r.emit(place, "Softmax", [x], dim=axis))
    if "rate" not in c and "stddev" not in c:
        raise _Unknown
    return replace(x, key=r.emit(place, "Dropout", [x], p=min(c.get("rate", 0.0), 1.0)))


@layer("PReLU")
def _prelu(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    x = r.images(given[0])
    shared = place.config.get("shared_axes") or []
    count = prod(n for k, n in enumerate(given[0].shape, 1) if k not in shared)
    if count not in (1, r.shape(x.key)[1]):
        raise _Unknown
    return replace(x, key=r.emit(place, "PReLU", [x], num_parameters=count))


_TWO = {
    "Add": "Add",
    "Subtract": "Sub",
    "Multiply": "Mul",
    "Maximum": "Maximum",
    "Minimum": "Minimum",
    "Divide": "Div",
    "TrueDivide": "Div",
    "Power": "Pow",
}


@layer(*_TWO, "Average", numbers=True)
def _merged(r: Reader, place: _Place, given: Given) -> Tensor:
    values = [v for v in _flat(given) if isinstance(v, Tensor)]
    numbers = [v for v in _flat(given) if type(v) in (int, float)]
    op = _TWO.get(place.kind, "Add")
    if len(values) == 1 and numbers:
        side = "by" if isinstance(next(_flat(given)), Tensor) or op in ("Add", "Mul") else "of"
        return replace(values[0], key=r.emit(place, op, values, **{side: numbers[0]}))
    rank = max(len(v.shape) for v in values)
    moved = any(v.moved for v in values if len(v.shape) == rank) and not r.plain
    if all(len(v.shape) == rank for v in values):
        values = [r.turn(v, moved) for v in values]
    else:
        values = [r.turn(v, False) for v in values]
        moved = False
    if op in ("Add", "Mul") and len(values) > 1:
        key = r.emit(place, op, values, part="add" if place.kind == "Average" else "")
    else:
        key = r.emit(place, op, values[:2])
        for value in values[2:]:
            key = r.emit(place, op, [replace(values[0], key=key), value])
    found = r.result(key, moved)
    if place.kind == "Average":
        found = replace(found, key=r.emit(place, "Div", [found], part="div", by=len(values)))
    return found


@layer("Concatenate")
def _concatenate(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    moved = any(v.moved for v in given)
    given = [r.turn(v, moved) for v in given]
    axis = r.axis(given[0], place.config.get("axis", -1))
    return r.result(r.emit(place, "Concat", given, dim=axis), moved)


_RECURRENT = {"LSTM": "LSTM", "GRU": "GRU", "SimpleRNN": "RNN"}


@layer(*_RECURRENT, "CuDNNLSTM", "CuDNNGRU", "Bidirectional")
def _recurrent(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    c, kind, ways = place.config, place.kind, 1
    if kind == "Bidirectional":
        inner = c.get("layer")
        if not is_config(inner) or c.get("merge_mode", "concat") != "concat":
            raise _Unknown
        kind, c, ways = inner["class_name"], inner["config"], 2
    op = _RECURRENT.get(kind.removeprefix("CuDNN"))
    if op is None or c.get("return_state"):
        raise _Unknown
    x = r.turn(given[0], False)
    doubled = kind.startswith("CuDNN") or (op == "GRU" and c.get("reset_after", True))
    fields: dict[str, Any] = {"hidden_size": c["units"], "bias": c.get("use_bias", True)}
    if not doubled or op != "GRU":
        fields["biases"] = 1
    if op == "RNN" and c.get("activation", "tanh") == "relu":
        fields["nonlinearity"] = "relu"
    if ways == 2:
        fields["bidirectional"] = True
    key = r.emit(place, op, [x], **fields)
    if not c.get("return_sequences"):
        key = r.emit(place, "Select", [r.result(key, False)], dim=1, index=-1)
    return r.result(key, False)


@layer("TimeDistributed")
def _distributed(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    inner, x = place.config.get("layer"), given[0]
    if not is_config(inner) or inner["class_name"] not in ("Dense", "Dropout", "Activation"):
        raise _Unknown
    found = LAYERS[inner["class_name"]](
        r, _Place(place.name, inner["class_name"], inner["config"]), [x]
    )
    assert isinstance(found, Tensor)
    return found


@layer("MultiHeadAttention")
def _attention(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    c = place.config
    q = given[0]
    value = given[1] if len(given) > 1 else q
    key = given[2] if len(given) > 2 else value
    if (
        len(q.shape) != 2
        or c.get("output_shape") is not None
        or c.get("attention_axes") not in (None, [1])
    ):
        raise _Unknown
    bias = c.get("use_bias", True)
    fields = {"num_heads": c["num_heads"], "head_dim": c["key_dim"]}
    fields |= dict.fromkeys(("q_bias", "k_bias", "v_bias", "out_bias"), bias)
    if c.get("value_dim") not in (None, c["key_dim"]):
        fields["value_dim"] = c["value_dim"]
    taken = [q] if q == value == key else [q, key, value]
    return r.result(r.emit(place, "Attention", taken, **fields), False)


@layer("Identity", "ActivityRegularization", "Masking", "Cast")
def _same(r: Reader, place: _Place, given: list[Tensor]) -> Tensor:
    return given[0]
