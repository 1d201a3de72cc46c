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


def has_layers(layer: Config) -> bool:
    """Whether a layer is a model with layers of its own."""
    return isinstance(as_dict(layer["config"]).get("layers"), list)


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
            if each.get("data_format") == "channels_first":
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


def resolved(node: Any, values: Mapping[tuple[str, int, int], Any]) -> list[Any]:
    """What a call takes, tensors in the place of references."""
    if isinstance(node, dict) and node.get("class_name") == "__keras_tensor__":
        return [values[next(references(node))]]
    if isinstance(node, dict):
        parts = [*node.get("args", []), *as_dict(node.get("kwargs")).values()]
        if "args" not in node:
            parts = list(node.values())
        return [x for part in parts for x in resolved(part, values)]
    if isinstance(node, list):
        if _is_reference(node):
            more = [x for part in node[3:] for x in resolved(part, values)]
            return [values[node[0], node[1], node[2]], *more]
        if len(node) == 4 and node[0] == "_CONSTANT_VALUE":
            return [node[2]]
        return [x for part in node for x in resolved(part, values)]
    return [node]


def flat(given: Any) -> Iterator[Any]:
    """Values in a row, out of the lists that they stand in."""
    for value in given:
        if isinstance(value, (list, tuple)):
            yield from flat(value)
        else:
            yield value
