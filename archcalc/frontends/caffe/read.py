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
from archcalc.frontends.draft import guessed, reason
from archcalc.frontends.words import as_name, parse_shape
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
            found = other.graph(inputs)
            note = "Interp by whole factors"
            return replace(found, edition=f"{note}, {found.edition}" if found.edition else note)
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
        """Blobs of data that no input is made of, labels, and what is made of them alone."""
        self.takers: dict[str, list[tuple[str, int, list[str]]]] = {}
        """A blob -> the layers that take it: their kinds, as which of theirs, what they give."""

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
        layers = [layer for layer in layers if _is_there(layer, "deploy" in stages)]
        for layer in layers:
            tops = [str(top) for top in layer.all("top")]
            for k, bottom in enumerate(layer.all("bottom")):
                self.takers.setdefault(str(bottom), []).append((_kind(_said(layer)), k, tops))
        self.declared(given)
        for layer in layers:
            self.take(layer, given)
        if given:
            known = ", ".join(name for name, _ in self.inputs.values())
            raise ArchcalcError(f"{self.path}: no input '{next(iter(given))}': it has {known}")
        ends = [key for name, key in self.blobs.items() if name not in self.used and key >= 0]
        if not ends:
            raise ArchcalcError(f"{self.path}: has no layers at inference")
        ends += self.prune(ends)
        name = str(self.root.one("name") or Path(self.path).stem)
        found = self.drafted(as_name(name, True), list(dict.fromkeys(ends)))
        return replace(found, edition=guessed(self.guesses))

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
        self.batch_said = self.batch_said or self.rows[key]

    def declared(self, given: dict[str, str]) -> None:
        """The inputs that stand before the layers."""
        names = self.root.all("input")
        line, shapes = 1, []
        try:
            dims = self.root.wholes("input_dim")
            for said in self.root.groups("input_shape"):
                line = said.line
                shapes.append(said.wholes("dim"))
        except ValueError as error:
            raise ArchcalcError(f"{self.path}:{line}  {error}") from error
        shapes = shapes or [dims[k : k + 4] for k in range(0, len(dims), 4)]
        for k, name in enumerate(names):
            self.enter(str(name), shapes[k] if k < len(shapes) else [], given)

    def data(self, said: Message, tops: Sequence[str], given: dict[str, str]) -> None:
        """A layer that takes nothing: the first that it gives is an input, and what has a size.

        So is what comes to weights; labels come to losses, and marks of where sequences go on to
        recurrent layers.
        """
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
            if k == 0 or k < len(shapes) or self.weighed(top):
                self.enter(top, shapes[min(k, len(shapes) - 1)] if shapes else [], given)
            else:
                self.beside.add(top)

    # Layers ---------------------------------------------------------------------------------------

    def take(self, layer: Message, given: dict[str, str]) -> None:
        """Take in a layer."""
        said = _said(layer)
        kind = _kind(said)
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
            if _judges(kind):
                if kind not in _ACTIVE_LOSSES:
                    return self.beside.update(tops)
                kind, bottoms = _ACTIVE_LOSSES[kind], bottoms[:1]
            elif not self.beside.isdisjoint(bottoms):
                bottoms = [b for b in bottoms if b not in self.beside]
                if kind not in LAYERS:  # it may make what should come out, of labels
                    self.beside.update(filter(self.judged, tops))
                    tops = [t for t in tops if t not in self.beside]
                bottoms = bottoms if tops else []
            if not bottoms or not self.beside.isdisjoint(bottoms):
                return self.beside.update(tops)
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

    def judged(self, blob: str) -> bool:
        """Whether nothing but losses takes a blob."""
        takers = self.takers.get(blob, [])
        return bool(takers) and all(_judges(kind) for kind, _, _ in takers)

    def weighed(self, blob: str) -> bool:
        """Whether a blob comes to a layer with weights, as what these are for."""
        queue, seen = [blob], {blob}
        while queue:
            for kind, place, tops in self.takers.get(queue.pop(), ()):
                if kind in _WEIGHTY:
                    if place != 1 or kind.startswith(("conv", "deconv")):
                        return True
                elif kind in LAYERS and not _judges(kind):
                    queue += [top for top in tops if top not in seen]
                    seen.update(tops)
        return False

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
                self.guesses.append(self.name)
            return [found]


def _said(layer: Message) -> Message:
    """What a layer says; the first spelling nests it."""
    inner = layer.one("layer")
    return inner if isinstance(inner, Message) else layer


def _kind(said: Message) -> str:
    return re.sub(r"[^a-z0-9]", "", str(said.one("type", "")).lower())


def _judges(kind: str) -> bool:
    """Whether a layer compares with what should come out."""
    return kind.endswith("loss") or kind in _JUDGING


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
_WEIGHTY = (
    *("convolution", "conv", "deconvolution", "convolution3d", "convolutiondepthwise"),
    *("depthwiseconvolution", "innerproduct", "ip", "margininnerproduct", "embed", "lstm", "rnn"),
)
_ACTIVE_LOSSES = {
    "softmaxwithloss": "softmax",
    "softmaxloss": "softmax",
    "sigmoidcrossentropyloss": "sigmoid",
}
_DETECTING = ("detectionoutput", "yolov3detectionoutput", "yolodetectionoutput")
"""What takes boxes out of maps: an end of the network, of no work that is counted."""
