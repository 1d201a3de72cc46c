"""A call of an ATen operator, and the table of those that are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from archcalc.dims import Shape
from archcalc.frontends import table
from archcalc.frontends.table import Beside, Moves, Table
from archcalc.frontends.torch.captured import dtype_of


class Made(table.Made[fx.Node]):
    """What a call is."""


class Same(table.Same[fx.Node]):
    """A call that gives what it is given."""


class Arguments(dict[str, Any]):
    """The arguments of a call by name, which know of which of them was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.asked.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """An argument; what is said besides where there is none."""
        self.asked.add(name)
        return super().get(name, default)


_NOT_OF_NUMBERS = frozenset(
    (
        *("device", "layout", "pin_memory", "memory_format", "generator", "dtype", "out"),
        *("non_blocking", "copy", "implicit", "inplace", "sorted", "stable", "cudnn_enabled"),
        *("cudnn_enable", "output_size", "num_classes"),  # of which the sizes of what it gives tell
        # What learning needs, and what is done in training alone.
        *("momentum", "padding_idx", "scale_grad_by_freq", "sparse", "training", "train"),
        *("use_input_stats", "dropout_p", "benchmark", "deterministic", "allow_tf32"),
        *("include_last_offset", "compute_mode", "pad_mode", "output_mask"),
    )
)
"""Arguments that change no number of what is given at inference."""


class Call:
    """A call of an ATen operator, its arguments by name."""

    def __init__(self, node: fx.Node, shape_of: Callable[[fx.Node], Any]) -> None:
        self.node = node
        self.shape_of = shape_of
        schema = getattr(node.target, "_schema", None)
        self.arguments = Arguments()
        self.defaults: dict[str, Any] = {}
        if schema is not None:
            for k, argument in enumerate(schema.arguments):
                if k < len(node.args):
                    value = node.args[k]
                elif argument.name in node.kwargs:
                    value = node.kwargs[argument.name]
                else:
                    value = argument.default_value
                self.arguments[argument.name] = value
                self.defaults[argument.name] = argument.default_value

    @property
    def passed_over(self) -> bool:
        """Whether an argument that changes the numbers was not asked for: nobody knows of it."""
        rest = self.arguments.keys() - self.arguments.asked - _NOT_OF_NUMBERS
        return any(dict.get(self.arguments, name) != self.defaults[name] for name in rest)

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def __contains__(self, name: str) -> bool:
        return name in self.arguments

    @property
    def x(self) -> fx.Node:
        """The first input."""
        node = self.arguments.get("input", self.arguments.get("self"))
        assert isinstance(node, fx.Node)
        return node

    def shape(self, node: Any) -> Shape:
        """A tensor's sizes."""
        found: Shape = self.shape_of(node)
        return found

    @property
    def output(self) -> Shape:
        """The sizes of what it gives."""
        return self.shape(self.node)


Found = Made | Same | Moves | Beside | None
"""What a call is; None where it is none that we know."""
Line = Callable[[Call], Found]
Piece = Callable[[Call, int], Found]

TABLE: Table[Line] = Table()
"""``conv2d.default`` -> what it is. A name without an overload stands for all of its overloads."""
line = TABLE.line

PIECES: Table[Piece] = Table()
"""``topk`` -> what one output is of a call that has several, by its number."""
piece = PIECES.line


def plain(op: str, *names: str, beside: str = "") -> Line:
    """An operator with these fields, named as PyTorch's arguments, of one input or of two."""

    def made(call: Call) -> Made:
        given = {name: call[name] for name in names}
        fields = {k: list(v) if isinstance(v, (list, tuple)) else v for k, v in given.items()}
        return Made(op, fields, (call.x, call[beside]) if beside else (call.x,))

    return made


def unless_same(op: str, given: Any, shape: Shape, wanted: Shape) -> Made | Same:
    """What an operator makes of a tensor that has not yet the shape that is wanted."""
    return Same(given) if shape == wanted else Made(op, {}, (given,))


def name_of(node: fx.Node) -> str:
    """What an operator is called, without where it comes from: ``conv2d``, ``roi_align``."""
    parts = str(node.target).split(".")
    return parts[1] if len(parts) > 2 else parts[0]


def kind_of(node: fx.Node) -> str:
    """What the numbers of a tensor are: ``bool``, ``int``, ``float``, ``complex``; ``""`` if that
    isn't known.
    """
    dtype = dtype_of(node)
    if dtype is None or dtype.is_complex:
        return "" if dtype is None else "complex"
    return "float" if dtype.is_floating_point else "bool" if dtype == torch.bool else "int"


def number(value: Any) -> bool:
    """Whether an argument is a number, and no tensor."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def broadcast(a: Shape, b: Shape) -> Shape:
    """The shape of what is worked out element by element."""
    rank = max(len(a), len(b))
    long = ((1,) * (rank - len(a)) + tuple(a), (1,) * (rank - len(b)) + tuple(b))
    return tuple(max(m, n) for m, n in zip(*long, strict=True))
