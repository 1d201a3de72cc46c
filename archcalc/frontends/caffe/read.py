"""``.prototxt`` -> Graph: layers in a row, each of which takes blobs by name and gives others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from archcalc.dims import Shape
from archcalc.errors import ArchcalcError, ShapeError
from archcalc.frontends.caffe import elements, moves, windows  # they fill the table
from archcalc.frontends.caffe.layers import LAYERS, Layers, Unknown
from archcalc.frontends.caffe.text import Message, parsed
from archcalc.frontends.draft import as_name, parse_shape, reason
from archcalc.operators.base import LARGEST
from archcalc.spec.graph import Graph

__all__ = ["Reader", "elements", "moves", "read", "windows"]


def read(path: str, inputs: Mapping[str, str]) -> Graph:
    """The graph of a file. Raises :class:`ArchcalcError` with file and line."""
    reader = Reader(path)
    try:
        return reader.graph(inputs)
    except ArchcalcError:
        if not reader.zoomed:
            raise
        other = Reader(path)
        other.by_factors = True
        try:
            return replace(other.graph(inputs), edition="Interp by whole factors")
        except ArchcalcError:
            pass
        raise


class Reader(Layers):
    """Makes a graph of a file, layer by layer."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self.root = parsed(path)
        self.blobs: dict[str, int] = {}
        self.used: set[str] = set()
        self.beside: set[str] = set()
        """Blobs of data that no input is made of: labels."""

    def graph(self, inputs: Mapping[str, str]) -> Graph:
        layers = [y for name in ("layer", "layers") for y in self.root.all(name)]
        if not layers or not all(isinstance(y, Message) for y in layers):
            raise ArchcalcError(f"{self.path}:1  is no network of Caffe: it has no layers")
        given = dict(inputs)
        stages = {
            str(stage)
            for y in layers
            for rule in (*y.groups("include"), *y.groups("exclude"))
            for stage in rule.all("stage")
        }
        self.declared(given)
        for layer in layers:
            if _is_there(layer, "deploy" in stages):
                self.take(layer, given)
        if given:
            known = ", ".join(name for name, _ in self.inputs.values())
            raise ArchcalcError(f"{self.path}: no input '{next(iter(given))}': it has {known}")
        ends = [key for name, key in self.blobs.items() if name not in self.used and key >= 0]
        if not ends:
            raise ArchcalcError(f"{self.path}: has no layers at inference")
        ends += self.prune(ends)
        name = str(self.root.one("name") or Path(self.path).stem)
        return self.drafted(as_name(name, True), list(dict.fromkeys(ends)))

    # Inputs ---------------------------------------------------------------------------------------

    def enter(self, name: str, sizes: Sequence[int], given: dict[str, str]) -> None:
        said = given.pop(as_name(name, True), None) or given.pop("", None)
        what = f"{self.path}: input '{name}'"
        shape: Shape = tuple(sizes[1:]) or (1,) * len(sizes)
        if said:
            shape = parse_shape(said, what)
        if not shape or any(not 1 <= n <= LARGEST for n in shape):
            raise ArchcalcError(
                f"{self.path}: how large is the input '{name}'? say --input 3x224x224"
            )
        key = self.input(as_name(name, True), (1, *shape))
        self.blobs[name] = key
        self.rows[key] = sizes[0] if sizes else 1

    def declared(self, given: dict[str, str]) -> None:
        """The inputs that stand before the layers."""
        names = self.root.all("input")
        try:
            dims = self.root.wholes("input_dim")
            shapes = [y.wholes("dim") for y in self.root.groups("input_shape")]
        except ValueError as error:
            raise ArchcalcError(f"{self.path}: {error}") from error
        shapes = shapes or [dims[k : k + 4] for k in range(0, len(dims), 4)]
        for k, name in enumerate(names):
            self.enter(str(name), shapes[k] if k < len(shapes) else [], given)

    def data(self, said: Message, tops: Sequence[str], given: dict[str, str]) -> None:
        """A layer that takes nothing: the first that it gives is an input, and what has a size."""
        groups = [said.group("input_param"), said.group("dummy_data_param")]
        shapes = [
            y.wholes("dim") for group in groups if group is not said for y in group.groups("shape")
        ]
        memory = said.group("memory_data_param")
        if memory is not said:
            names = ("batch_size", "channels", "height", "width")
            shapes = [[memory.whole(name) for name in names]]
        crop = said.group("transform_param").one("crop_size", said.one("cropsize"))
        if not shapes and crop is not None and "" not in given:
            gray = said.group("transform_param").true("force_gray", False)
            shapes = [[1, 1 if gray else 3, int(crop), int(crop)]]
        for k, top in enumerate(tops):
            if top in self.blobs:
                continue
            if k == 0 or k < len(shapes):
                self.enter(top, shapes[min(k, len(shapes) - 1)] if shapes else [], given)
            else:
                self.beside.add(top)

    # Layers ---------------------------------------------------------------------------------------

    def take(self, layer: Message, given: dict[str, str]) -> None:
        """Take in a layer."""
        inner = layer.one("layer")
        said = inner if isinstance(inner, Message) else layer  # the first spelling nests it
        kind = re.sub(r"[^a-z0-9]", "", str(said.one("type", "")).lower())
        self.name = str(said.one("name", kind))
        self.shared = [str(y.one("name", "")) for y in layer.groups("param")]
        self.shared = self.shared or [str(y) for y in layer.all("param") if isinstance(y, str)]
        bottoms = [str(b) for b in layer.all("bottom")]
        tops = [str(t) for t in layer.all("top")]
        try:
            if not bottoms:
                if not tops:
                    raise ValueError("takes nothing and gives nothing")
                return self.data(said, tops, given)
            if kind.endswith("loss") or kind in _JUDGING or any(b in self.beside for b in bottoms):
                if kind not in _ACTIVE_LOSSES:
                    return None
                kind, bottoms = _ACTIVE_LOSSES[kind], bottoms[:1]
            keys = []
            for bottom in bottoms:
                if bottom not in self.blobs:
                    raise ValueError(f"takes '{bottom}', which nothing before it gives")
                keys.append(self.blobs[bottom])
            if kind in _DETECTING:
                return None
            found = self.layer(kind, said, keys, len(tops))
            if not self.doubtful.isdisjoint(keys):
                self.doubtful.update(found)
        except (ValidationError, ShapeError, ValueError, TypeError, IndexError) as error:
            where = f"{self.path}:{layer.line}  layer '{self.name}'"
            raise ArchcalcError(f"{where}: {reason(error)}") from error
        self.used |= {b for b in bottoms if b not in tops}
        for k, top in enumerate(tops or [self.name]):
            self.blobs[top] = found[min(k, len(found) - 1)]
            self.used.discard(top)
        return None

    def layer(self, kind: str, y: Message, keys: list[int], tops: int) -> list[int]:
        """What a layer gives."""
        function = LAYERS.get(kind)
        try:
            if function is None:
                raise Unknown
            return function(self, y, keys, tops)
        except (Unknown, ShapeError) as error:
            if isinstance(error, ShapeError) and self.doubtful.isdisjoint(keys):
                raise
            said = error.args if isinstance(error, Unknown) else ()
            shape = said[0] if said else self.shape(keys[0])[1:]
            found = self.foreign(self.way(), f"caffe.{as_name(kind)}", shape, keys)
            self.kept.add(found)
            self.rows[found] = said[1] if len(said) > 1 else 1
            if not said:
                self.doubtful.add(found)
            return [found]


def _is_there(layer: Message, deployed: bool) -> bool:
    """Whether a layer is there at inference, in the stage ``deploy`` where a file has one."""

    def holds(rule: Message) -> bool:
        if str(rule.one("phase", "TEST")) not in ("TEST", "1"):
            return False
        stages, without = rule.all("stage"), rule.all("not_stage")
        if not deployed:
            return True
        return (not stages or "deploy" in stages) and "deploy" not in without

    included, excluded = layer.groups("include"), layer.groups("exclude")
    if str(layer.one("phase", "TEST")) in ("TRAIN", "0"):
        return False
    if included:
        return any(map(holds, included))
    return not any(holds(rule) for rule in excluded if deployed or "phase" in rule.fields)


_JUDGING = ("accuracy", "detectionevaluate", "silence")
_ACTIVE_LOSSES = {
    "softmaxwithloss": "softmax",
    "softmaxloss": "softmax",
    "sigmoidcrossentropyloss": "sigmoid",
}
_DETECTING = ("detectionoutput", "yolov3detectionoutput", "yolodetectionoutput")
"""What takes boxes out of maps: an end of the network, of no work that is counted."""
