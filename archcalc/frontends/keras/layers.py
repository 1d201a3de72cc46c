"""A graph in the making out of Keras' layers, and the table of those that are known."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from archcalc.dims import Shape
from archcalc.errors import ShapeError
from archcalc.frontends.draft import Draft
from archcalc.frontends.keras.config import Config
from archcalc.frontends.words import as_name


@dataclass(frozen=True)
class Tensor:
    """What a call gives: a layer, and its shape in the author's order, without the batch."""

    key: int
    shape: Shape
    moved: bool
    """Whether the layer has the channels first where the author has them last."""


@dataclass
class Place:
    """Where a layer stands, to name what it is made of."""

    name: str
    kind: str
    config: Config
    args: list[Any] = field(default_factory=list)
    """What the call takes by place: tensors, numbers, lists of them."""
    kwargs: Config = field(default_factory=dict)
    """What it takes by name."""
    shape: Shape | None = None
    """The sizes that the file says of what it gives, in the author's order."""

    def said(self, name: str, place: int, default: Any = None) -> Any:
        """An argument of an operation: of its config, by name or by place."""
        for found in (self.config, self.kwargs):
            if found.get(name) is not None:
                return found[name]
        return self.args[place] if place < len(self.args) else default

    def part(self, name: str) -> Place:
        """Where what follows on a layer stands: beside it, not in it."""
        return replace(self, name=f"{self.name}_{name}")


class Unknown(Exception):
    """A layer that is not known."""


class Layers(Draft):
    """Layers, and their tensors in the author's order or with the channels first."""

    def __init__(self, plain: bool) -> None:
        super().__init__()
        self.plain = plain
        """Whether the author has the channels first, too."""
        self.turned: dict[tuple[int, bool], int] = {}
        self.idle: list[int] = []
        """Layers that are owned and that nothing uses."""
        self.folded: dict[int, Tensor] = {}
        """A layer that gives steps -> the tensor of which the steps are samples."""
        self.samples = 1
        """How many samples a layer has of each of the network's: in a layer for each step, more."""

    def emit(
        self, place: Place, op: str, tensors: Sequence[Tensor], *, part: str = "", **fields: Any
    ) -> int:
        """Add a layer; parts of one layer of Keras stand under its name."""
        name = f"{place.name}.{part}" if part else place.name
        key = self.put(name, op, [tensor.key for tensor in tensors], **fields)
        if self.shape(key)[0] != self.samples:
            raise ShapeError(f"{op} gives the shape {self.shape(key)}")
        return key

    def give(
        self, place: Place, op: str, tensors: Sequence[Tensor], moved: Any = False, **fields: Any
    ) -> Tensor:
        """What a layer gives that is added."""
        return self.result(self.emit(place, op, tensors, **fields), moved)

    def alike(self, place: Place, op: str, tensors: Sequence[Tensor], **fields: Any) -> Tensor:
        """The same of a layer whose output has its first input's shape."""
        return replace(tensors[0], key=self.emit(place, op, tensors, **fields))

    @abstractmethod
    def inner(self, layer: Any, place: Place, tensor: Tensor, name: str = "") -> Tensor:
        """What a layer that stands in another's config gives. Raises :class:`Unknown`."""

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

    def resized(self, place: Place, x: Tensor, size: list[int], mode: str, **fields: Any) -> Tensor:
        """An image of another size. Raises :class:`Unknown`."""
        if mode not in ("nearest", "bilinear", "bicubic") or len(x.shape) != len(size) + 1:
            raise Unknown
        return self.give(place, "Upsample", [x], not self.plain, size=size, mode=mode, **fields)

    def axis(self, tensor: Tensor, axis: int) -> int:
        """An author's axis, the batch's being 0, as the layer has it."""
        rank = len(tensor.shape) + 1
        if not -rank <= axis < rank:
            raise ShapeError(f"axis {axis} of {rank} axes")
        axis %= rank
        if not tensor.moved or axis == 0:
            return axis
        return 1 if axis == rank - 1 else axis + 1

    def activated(self, place: Place, tensor: Tensor, said: Any) -> Tensor:
        """What a layer's ``activation`` makes of its output."""
        name = said.get("config") if isinstance(said, dict) else said
        if isinstance(said, dict) and isinstance(said.get("config"), dict):
            name = said.get("class_name")
        if name in (None, "linear"):
            return tensor
        found = ACTIVATIONS.get(str(name).lower())
        if found is None:
            strange, shape = f"keras.{as_name(str(name))}", self.shape(tensor.key)[1:]
            return replace(tensor, key=self.foreign(place.name, strange, shape, (tensor.key,)))
        op_name, fields = found
        if place.kind != "Activation":
            place = replace(place, name=f"{place.name}_{op_name.lower()}")
        if op_name in ("Softmax", "LogSoftmax"):
            fields = {"dim": self.axis(tensor, -1)}
        return self.alike(place, op_name, [tensor], **fields)


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

Made = Callable[[Layers, Place, Any], Any]
LAYERS: dict[str, Made] = {}
WITH_NUMBERS: set[str] = set()


def layer(*names: str, numbers: bool = False) -> Callable[[Made], Made]:
    """Enter a function in the table; those that take ``numbers`` are given them, too."""

    def enter(function: Made) -> Made:
        for name in names:
            LAYERS[name] = function
            if numbers:
                WITH_NUMBERS.add(name)
        return function

    return enter
