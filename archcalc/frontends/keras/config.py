"""Keras' config JSON: reading it, and what its three layouts say in their ways."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from archcalc.errors import ArchcalcError
from archcalc.operators.base import LARGEST

MOST_BYTES = 2**26
"""The largest config."""

Config = Mapping[str, Any]


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
        data = _topology(data)
    except OSError as error:
        raise ArchcalcError(f"{path}: {error.strerror or error}") from error
    except KeyError as error:
        raise ArchcalcError(f"{path}: has no config.json") from error
    except (ValueError, RecursionError, zipfile.BadZipFile, RuntimeError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ArchcalcError(f"{path}: is no config of Keras: {reason}") from error
    if isinstance(data, dict) and isinstance(data.get("node"), list):
        raise ArchcalcError(f"{path}: {GRAPH_MODEL}")
    if not is_config(data):
        raise ArchcalcError(f"{path}: is no config of a Keras model: it lacks class_name or config")
    return data


GRAPH_MODEL = (
    "is a graph of TensorFlow's operations, and no layers of Keras\n"
    "  convert the model to ONNX, or save it as a layers model"
)


def _topology(data: Any) -> Any:
    """The config in what TensorFlow.js saves, beside its weights, or in what Keras' HDF5 has."""
    for name in ("modelTopology", "model_config"):
        inner = as_dict(data).get(name)
        inner = json.loads(inner) if isinstance(inner, str) else inner
        if isinstance(inner, dict):
            version = as_dict(data).get("keras_version")
            data = inner if version is None else {"keras_version": version, **inner}
    return data


def is_config(data: object) -> TypeGuard[Config]:
    """Whether JSON is a model's config."""
    return (
        isinstance(data, dict)
        and isinstance(data.get("class_name"), str)
        and isinstance(data.get("config"), (dict, list))
    )


def as_dict(value: Any) -> Config:
    """What should be an object, and may be anything."""
    return value if isinstance(value, dict) else {}


def is_size(value: object) -> bool:
    """Whether a value is an extent that a tensor can have."""
    return type(value) is int and 1 <= value <= LARGEST


def name_of(layer: Config) -> str:
    """A layer's name."""
    name = layer.get("name") or as_dict(layer["config"]).get("name") or layer["class_name"]
    return str(name)


def numbered(layers: Sequence[Config]) -> list[Config]:
    """Layers of which models that the file gives no name have one of their own."""
    return [
        {**layer, "name": f"sequential_{k}"}
        if isinstance(layer.get("config"), list) and "name" not in layer
        else layer
        for k, layer in enumerate(layers, 1)
    ]


def has_layers(layer: Config) -> bool:
    """Whether a layer is a model with layers of its own."""
    config = as_dict(layer["config"])
    return isinstance(config.get("layers"), list) and layer["class_name"] != "Merge"


def shape_in(layer: Config) -> Any:
    """The input's shape that a wrapped layer, or the first of a nested model, says."""
    for _ in range(20):
        config = layer["config"]
        built = as_dict(layer.get("build_config")).get("input_shape")
        for found in (as_dict(config).get("batch_input_shape"), built):
            if isinstance(found, list):
                return found
        layers = config if isinstance(config, list) else config.get("layers")
        inner = layers[0] if isinstance(layers, list) and layers else as_dict(config).get("layer")
        if not is_config(inner):
            return as_dict(config).get("batch_shape")
        layer = inner
    return None


def has_channels_first(data: Any) -> bool:
    """Whether any layer says that the author has the channels first."""
    queue, seen = [data], 0
    while queue and seen < 2_000_000:
        seen += 1
        each = queue.pop()
        if isinstance(each, dict):
            if each.get("data_format") == "channels_first" or each.get("dim_ordering") == "th":
                return True
            queue += each.values()
        elif isinstance(each, list):
            queue += each
    return False


def references(node: Any) -> Iterator[tuple[str, int, int]]:
    """The tensors that a call takes, in any of the three layouts: layer, call, output."""
    if isinstance(node, dict):
        if node.get("class_name") == "__keras_tensor__":
            yield from references(as_dict(node.get("config")).get("keras_history"))
        else:
            for value in node.values():
                yield from references(value)
    elif isinstance(node, list):
        if _is_reference(node):
            yield node[0], node[1], node[2]
            for value in node[3:]:
                yield from references(value)
        else:
            for value in node:
                yield from references(value)


def _is_reference(node: Sequence[Any]) -> bool:
    return (
        len(node) in (3, 4)
        and isinstance(node[0], str)
        and type(node[1]) is int
        and type(node[2]) is int
        and node[0] != "_CONSTANT_VALUE"
    )


def resolved(
    node: Any, values: Mapping[tuple[str, int, int], Any]
) -> tuple[list[Any], dict[str, Any]]:
    """What a call takes by place and by name, tensors where references stand."""
    if isinstance(node, dict):
        args, kwargs = node.get("args"), as_dict(node.get("kwargs"))
        given = [_filled(part, values) for part in (args if isinstance(args, list) else [])]
        return given, {name: _filled(part, values) for name, part in kwargs.items()}
    found: list[Any] = []
    named: dict[str, Any] = {}
    for part in [node] if isinstance(node, list) and _is_reference(node) else node or []:
        if isinstance(part, list) and _is_reference(part):
            found.append(values[part[0], part[1], part[2]])
            named |= {k: _filled(v, values) for k, v in as_dict(part[3:] and part[3]).items()}
        elif isinstance(part, list) and len(part) == 4 and part[0] == "_CONSTANT_VALUE":
            found.append(part[2])
            named |= {k: _filled(v, values) for k, v in as_dict(part[3]).items()}
        else:
            found.append(_filled(part, values))
    return found, named


def _filled(node: Any, values: Mapping[tuple[str, int, int], Any]) -> Any:
    """A value with tensors where references stand."""
    if isinstance(node, dict) and node.get("class_name") == "__keras_tensor__":
        reference = next(references(node), None)
        if reference is None:
            raise ValueError("a tensor that no call gives")
        return values[reference]
    if isinstance(node, list):
        if _is_reference(node):
            return values[node[0], node[1], node[2]]
        return [_filled(part, values) for part in node]
    return node


def said_shapes(layers: Sequence[Config]) -> dict[tuple[str, int, int], list[Any]]:
    """The shapes, with the batch, that calls of Keras 3 say of what they take."""
    found: dict[tuple[str, int, int], list[Any]] = {}
    queue: list[Any] = [layer.get("inbound_nodes") for layer in layers]
    while queue:
        node = queue.pop()
        if isinstance(node, dict) and node.get("class_name") == "__keras_tensor__":
            shape = as_dict(node.get("config")).get("shape")
            for reference in references(node):
                if isinstance(shape, list):
                    found[reference] = shape
        elif isinstance(node, dict):
            queue += node.values()
        elif isinstance(node, list):
            queue += node
    return found


def flat(given: Any) -> Iterator[Any]:
    """Values in a row, out of the lists and objects that they stand in."""
    for value in given:
        if isinstance(value, (list, tuple)):
            yield from flat(value)
        elif isinstance(value, dict):
            yield from flat(value.values())
        else:
            yield value
