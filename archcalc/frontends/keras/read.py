"""``.keras`` and Keras' config JSON -> Graph, without Keras: layers, calls, nested models.

Keras has channels last, and our operators first. An image is turned at the input, and where a layer
needs the author's order it is turned there by a permutation, which costs nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from archcalc.dims import Shape
from archcalc.errors import ArchcalcError, ShapeError
from archcalc.frontends.draft import guessed, reason
from archcalc.frontends.keras.ages import modern, operation
from archcalc.frontends.keras.config import (
    Config,
    as_dict,
    config_of,
    flat,
    has_channels_first,
    has_layers,
    is_config,
    is_size,
    name_of,
    numbered,
    references,
    resolved,
    said_shapes,
    shape_in,
)
from archcalc.frontends.keras.layers import LAYERS, WITH_NUMBERS, Layers, Place, Tensor, Unknown
from archcalc.frontends.words import as_name, parse_shape
from archcalc.operators.base import LARGEST, Applied
from archcalc.spec.graph import Graph

MOST_CALLS = 50_000
"""Calls of layers that a model may have, nested ones written out."""

Given = list[Any]


def read(path: str, inputs: Mapping[str, str]) -> Graph:
    """The graph of a model's file, on inputs without the batch by their names.

    Raises :class:`ArchcalcError` for what is no such file, and for calls that can't be followed.
    """
    data = config_of(path)
    return Reader(path, data).graph(inputs)


class Reader(Layers):
    """Makes a graph of a config, call by call."""

    def __init__(self, path: str, data: Config) -> None:
        super().__init__(has_channels_first(data))
        self.path = path
        self.data = data
        self.calls = 0
        self.old = str(data.get("keras_version", "")).startswith(("1.", "2.0", "2.1", "tfjs"))
        """Whether the file is of a time in which GRU had one bias a gate."""
        self.guesses: list[str] = []
        """Layers of which the file says no shape."""

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
        self.kept |= set(self.idle)
        outputs += [key for key in self.prune(outputs) if key not in self.kept]
        name = as_dict(self.data["config"]).get("name") or Path(self.path).stem
        graph = self.drafted(as_name(str(name), True), outputs, self.idle)
        turned = any(len(shape) > 3 for shape in graph.inputs.values()) and not self.plain
        notes = [
            "channels first, where Keras has them last" if turned else "",
            guessed(self.guesses),
        ]
        return replace(graph, edition=", ".join(filter(None, notes)))

    def fail(self, what: str, message: str) -> ArchcalcError:
        text = f"{self.path}: layer '{what}': {message}"
        if self.guesses:
            text += f"\n  the file does not say which shape '{self.guesses[-1]}' gives"
        return ArchcalcError(text)

    # Models -------------------------------------------------------------------------------------

    def model(
        self, data: Config, inputs: Given | None, prefix: str, given: dict[str, str]
    ) -> list[Tensor]:
        """What a model gives; its inputs are the network's where it is called on none."""
        if prefix.count(".") > 40:
            raise ArchcalcError(f"{self.path}: models are nested too deeply")
        config = data["config"]
        layers = config if isinstance(config, list) else config.get("layers")
        row = data["class_name"] == "Sequential"
        if not isinstance(layers, list) or not layers or (isinstance(config, list) and not row):
            raise ArchcalcError(f"{self.path}: {data['class_name']} says no layers: it is a class")
        for layer in layers:
            listed = is_config(layer) and isinstance(layer["config"], list)
            if not is_config(layer) or (listed and layer["class_name"] != "Sequential"):
                raise ArchcalcError(f"{self.path}: a layer without class_name or config")
        if isinstance(config, list) and data["class_name"] != "Sequential":
            raise ArchcalcError(
                f"{self.path}: {data['class_name']} says its layers alone, as a list"
            )
        if row:
            return self.sequential(layers, config, inputs, prefix, given)
        names = Counter(name_of(layer) for layer in layers if "name" in layer["config"])
        for name, times in names.items():
            if times > 1:
                raise self.fail(name, f"{times} layers of a model have this name")
        return self.functional(layers, config, inputs, prefix, given)

    def sequential(
        self,
        layers: Sequence[Config],
        config: Any,
        inputs: Given | None,
        prefix: str,
        given: dict[str, str],
    ) -> list[Tensor]:
        value: Any = None if inputs is None else inputs[0]
        first = layers[0]
        if first["class_name"] == "Merge" and value is None:
            said = first["config"].get("layers")
            merged = numbered([y for y in said if is_config(y)] if isinstance(said, list) else [])
            ways = [self.model(each, None, f"{prefix}{name_of(each)}.", given) for each in merged]
            value = self.call(first, [way[0] for way in ways], {}, prefix)[0]
            layers = layers[1:]
        layers = numbered(layers)
        for k, layer in enumerate(layers):
            if layer["class_name"] == "InputLayer":
                if value is None:
                    value = self.take(layer["config"], given)
                continue
            if value is None:
                said = {**as_dict(config), **as_dict(layer["config"])}
                # Of several models that are merged each has an input, which Keras names so.
                said["name"] = f"{name_of(layer)}_input" if prefix else "input"
                if layer["class_name"] == "Embedding" and said.get("input_length"):
                    said.setdefault("batch_shape", [None, said["input_length"]])
                nested = shape_in(layer)
                if nested is not None:
                    said.setdefault("batch_shape", nested)
                value = self.take(said, given)
            following = layers[k + 1] if k + 1 < len(layers) else {}
            shape = as_dict(following.get("build_config")).get("input_shape")
            value = self.call(layer, [value], {}, prefix, [shape])[0]
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
        starts = list(references(config.get("input_layers", [])))
        said = said_shapes(layers)
        by_name = {name_of(layer): layer for layer in layers}
        if inputs is not None:
            if len(inputs) != len(starts):
                raise ArchcalcError(f"{self.path}: a model of {len(starts)} inputs has other calls")
            values.update(zip(starts, inputs, strict=True))
        ends = list(references(config.get("output_layers", [])))
        taken = {r for layer in layers for r in references(layer.get("inbound_nodes"))} | set(ends)
        pending: list[tuple[str, int, Any]] = []
        for name, layer in by_name.items():
            if layer["class_name"] == "InputLayer":
                if (name, 0, 0) not in values:
                    values[name, 0, 0] = self.take({"name": name, **layer["config"]}, given)
                continue
            nodes = layer.get("inbound_nodes", [])
            if not isinstance(nodes, list):
                raise self.fail(name, "inbound_nodes is no list")
            calls = [r[1] for r in taken if r[0] == name]
            # A model's first call may be that in which it was made, which is no part of the file.
            start = max(0, max(calls, default=0) + 1 - len(nodes)) if has_layers(layer) else 0
            pending += [(name, start + k, node) for k, node in enumerate(nodes)]
        while pending:
            left = []
            for name, k, node in pending:
                needed = list(references(node))
                if not all(reference in values for reference in needed):
                    left.append((name, k, node))
                    continue
                count = 1 + max((r[2] for r in taken if r[:2] == (name, k)), default=0)
                shapes = [said.get((name, k, index)) for index in range(min(count, 1000))]
                try:
                    args, kwargs = resolved(node, values)
                except (ValueError, TypeError) as error:
                    raise self.fail(name, "a call of it is no list of what it takes") from error
                outputs = self.call(by_name[name], args, kwargs, prefix, shapes)
                for index, output in enumerate(outputs):
                    values[name, k, index] = output
            if len(left) == len(pending):
                name, _, node = left[0]
                lacking = next(r for r in references(node) if r not in values)
                why = "comes to itself" if lacking[0] in by_name else "is none of the layers"
                raise self.fail(name, f"takes '{lacking[0]}', which {why}")
            pending = left
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

    def call(
        self,
        layer: Config,
        args: list[Any],
        kwargs: Config,
        prefix: str,
        shapes: Sequence[Any] = (None,),
    ) -> list[Tensor]:
        """What a layer gives, called on tensors and numbers; its shapes, if the file says them."""
        self.calls += 1
        if self.calls > MOST_CALLS:
            raise ArchcalcError(f"{self.path}: has more than {MOST_CALLS:,} calls of layers")
        kind, config = layer["class_name"], layer["config"]
        if isinstance(config, dict):
            kind, config = modern(kind, config)
        if kind in ("TFOpLambda", "SlicingOpLambda"):
            kind, kwargs = operation(config, kwargs)
        if kind == "GRU" and self.old:
            config.setdefault("reset_after", False)
        name = as_name(name_of(layer).replace("/", "_"), True)
        path = f"{prefix}{name}"
        by_name = [value for key, value in kwargs.items() if key not in _BESIDE]
        given = [*flat(args), *flat(by_name)]
        tensors = [value for value in given if isinstance(value, Tensor)]
        if kind in ("Functional", "Model", "Sequential") or has_layers(layer):
            return self.model(layer, tensors, f"{path}.", {})
        if not tensors and not self.inputs:
            raise self.fail(name, "takes nothing, and nothing is before it")
        function = LAYERS.get(kind)
        wanted = [self.sizes(shape, tensors) for shape in shapes]
        place = Place(path, kind, config, args, kwargs, wanted[0])
        start = len(self.layers)
        try:
            if function is None or not tensors:
                raise Unknown
            found = function(self, place, given if kind in WITH_NUMBERS else tensors)
        except Unknown:
            found = self.unknown(place, tensors, wanted)
        except (ValidationError, ShapeError, *_DAMAGED) as error:
            raise self.fail(name, f"{kind}: {reason(error)}") from error
        for k, made in enumerate(y for y in self.layers[start:] if self.owns(y.applied)):
            self.tensors.setdefault(made.key, (f"{path}.{k}",))
        return [found] if isinstance(found, Tensor) else found

    def owns(self, applied: Applied) -> bool:
        """Whether a layer has tensors, which its next call shares."""
        return applied.op.counted and bool(applied.cost.weights or applied.cost.buffers)

    def inner(self, layer: Any, place: Place, tensor: Tensor, name: str = "") -> Tensor:
        """What a layer that stands in another's config gives."""
        if not is_config(layer) or not isinstance(layer["config"], (dict, list)):
            raise Unknown
        above, _, own = place.name.rpartition(".")
        prefix = f"{above}." if above else ""
        if has_layers(layer) or isinstance(layer["config"], list):
            twin: Config = {**layer, "name": own}
        else:
            config = {**layer["config"], "name": name or own}
            twin = {**layer, "config": config, "name": name or own}
        return self.call(twin, [tensor], {}, prefix)[0]

    def sizes(self, shape: Any, tensors: Sequence[Tensor]) -> Shape | None:
        """The sizes that a file says of a tensor; those that it leaves open are its input's."""
        if not isinstance(shape, list) or not shape:
            return None
        sizes = shape[1:]
        if tensors and len(tensors[0].shape) == len(sizes):
            sizes = [a if b is None else b for a, b in zip(tensors[0].shape, sizes, strict=True)]
        return tuple(sizes) if all(map(is_size, sizes)) else None

    def unknown(
        self, place: Place, tensors: Sequence[Tensor], wanted: Sequence[Shape | None]
    ) -> list[Tensor]:
        """A layer of which nothing is known: a class of somebody's, or a function."""
        keys = tuple(dict.fromkeys(tensor.key for tensor in tensors)) or (self.batch(),)
        shape = place.config.get("output_shape")
        sizes = tuple(shape) if isinstance(shape, list) and all(map(is_size, shape)) else None
        found = []
        for k, said in enumerate(wanted):
            each = said if said is not None else sizes
            if each is None:
                self.guesses.append(place.name)
                each = tensors[0].shape if tensors else (1,)
            name, kind = f"{place.name}_{k}" if k else place.name, f"keras.{as_name(place.kind)}"
            # A picture of a picture: its channels are where those of what it takes are.
            moved = bool(tensors) and tensors[0].moved and len(each) == len(tensors[0].shape)
            ours = (each[-1], *each[:-1]) if moved else each
            found.append(Tensor(self.foreign(name, kind, ours or (1,), keys), each, moved))
        return found


_DAMAGED = (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError)
"""What comes of configs that have other values than Keras writes."""

_BESIDE = ("mask", "training", "attention_mask", "query_mask", "value_mask", "key_mask")
"""Arguments that take no part in what is counted."""
