"""A graph in the making out of Caffe's layers, and the table of those that are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archcalc.errors import ShapeError
from archcalc.frontends.caffe.text import Message
from archcalc.frontends.draft import Draft
from archcalc.frontends.table import Table
from archcalc.frontends.words import as_name


class Unknown(Exception):
    """A layer that is not known, with the sizes of what it gives if these are, and its rows."""


class Layers(Draft):
    """Layers by the name of that which is being read."""

    def __init__(self) -> None:
        super().__init__()
        self.name = ""
        self.shared: list[str] = []
        """Those of its weights: layers whose weights have one name share them."""
        self.rows: dict[int, int] = {}
        """An input or layer -> the extent of its first axis: how many regions there are."""
        self.batch_said = 0
        """How many samples the first input has at once, as the file says."""
        self.guesses: list[str] = []
        """Layers that are taken to keep the sizes of what they take."""
        self.doubtful: set[int] = set()
        """Layers whose sizes are not known, as they rest on one that is not."""
        self.zoomed = self.by_factors = False
        """Whether a map is resized by a factor, and whether to so many times it: Caffes differ."""

    def way(self, part: str = "") -> str:
        """The name of the layer that is read, or of a part: beside it, or in it (``.add``)."""
        words = [as_name(p, not p.isdigit()) for p in self.name.split("/") if p]
        name = ".".join(words) or "layer"
        return name + part if part.startswith(".") or not part else f"{name}_{part}"

    def emit(self, op: str, *keys: int, part: str = "", **fields: Any) -> int:
        key = self.put(self.way(part), op, keys, **fields)
        if any(self.shared) and self.by_key[key].applied.cost.weights:
            self.tensors[key] = tuple(f"{part}:{name}" for name in self.shared if name)
        return key

    def axis(self, key: int, axis: int) -> int:
        """An axis from 0, the batch's. Raises :class:`ShapeError`."""
        rank = len(self.shape(key))
        if not -rank <= axis < rank:
            raise ShapeError(f"axis {axis} of {rank} axes")
        return axis % rank


Line = Callable[[Layers, Message, list[int], int], list[int]]
LAYERS: Table[Line] = Table()
"""``convolution``, in small letters without ``_`` -> what it gives, of its fields, of what it takes
and how many it gives."""
layer = LAYERS.line


def listed(p: Message, stem: str, axes: int, *names: str, default: int | None = None) -> list[int]:
    """A number for each axis: said once for all, for each, or for ``_h`` and ``_w``."""
    if f"{stem}_h" in p.fields or f"{stem}_w" in p.fields:
        return [p.whole(f"{stem}_h", default), p.whole(f"{stem}_w", default)]
    name = next((name for name in names if name in p.fields), names[0])
    found = p.wholes(name) or [p.whole(name, default)]
    if len(found) not in (1, axes):
        raise ValueError(f"{name}: {len(found)} numbers for {axes} axes")
    return found * axes if len(found) == 1 else found
