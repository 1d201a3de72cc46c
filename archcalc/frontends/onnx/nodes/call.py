"""A node with its attributes by name, and the table of those that are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from archcalc.dims import Shape
from archcalc.frontends import table
from archcalc.frontends.onnx.values import Value
from archcalc.frontends.table import Moves, Table

if TYPE_CHECKING:
    from onnx import NodeProto


class Made(table.Made[Value]):
    """What a node is in our terms."""


class Same(table.Same[Value]):
    """A node that gives what it is given."""


class Call:
    """A node: its attributes by name, and what it takes and gives."""

    def __init__(
        self,
        node: NodeProto,
        inputs: list[Value | None],
        shapes: list[Shape | None],
        opset: int,
    ) -> None:
        from onnx.helper import get_attribute_value

        self.node = node
        self.inputs = inputs
        self.shapes = shapes
        self.opset = opset
        """The version of the operators of its domain."""
        self.attributes: dict[str, Any] = {}
        for attribute in node.attribute:
            value = get_attribute_value(attribute)
            if isinstance(value, bytes):
                value = value.decode(errors="replace")
            elif isinstance(value, float):
                value = float(f"{value:.7g}")  # 1e-05, where 32 bits hold 9.99999975e-06
            self.attributes[attribute.name] = value

    @property
    def op(self) -> str:
        """The operator's name in ONNX."""
        return str(self.node.op_type)

    @property
    def x(self) -> Value:
        """The first input."""
        return self.taken(0)

    def taken(self, index: int) -> Value:
        """An input that has to be there. Raises :class:`LookupError`."""
        value = self.given(index)
        if value is None:
            raise LookupError(f"has no input number {index + 1}")
        return value

    def given(self, index: int) -> Value | None:
        """An input, if there is one."""
        return self.inputs[index] if index < len(self.inputs) else None

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute."""
        return self.attributes.get(name, default)

    @property
    def output(self) -> Shape:
        """The sizes of what it gives. Raises :class:`LookupError` where they are not known."""
        if self.shapes[0] is None:
            raise LookupError("gives what has no shape before the network runs")
        return self.shapes[0]

    def ints(self, name: str, index: int) -> list[int] | None:
        """Whole numbers that are an attribute in older opsets and an input in newer ones."""
        if name in self.attributes:
            return [int(n) for n in self.attributes[name]]
        value = self.given(index)
        return None if value is None else [int(n) for n in value.numbers()]


Found = Made | Same | Moves | None
"""What a node is; None where it is none that we know."""
Line = Callable[[Call], Found]
"""Raises :class:`LookupError` where something lacks."""
Piece = Callable[[Call, int], Found]

TABLE: Table[Line] = Table()
"""``Conv`` -> what it is; the operators of onnxruntime (``com.microsoft``) are among them."""
line = TABLE.line

PIECES: Table[Piece] = Table()
"""``TopK`` -> what one output is of a node that has several, by its number."""
piece = PIECES.line


def read(call: Call) -> Found:
    """What a node is; None if it is not known. Raises :class:`LookupError`."""
    found = TABLE.get(call.op)
    return None if found is None else found(call)


def piece_of(call: Call, index: int) -> Found:
    """One output of a node that has several; None where it is not known what that is.

    Raises :class:`LookupError`.
    """
    found = PIECES.get(call.op)
    if found is not None:
        return found(call, index)
    return read(call) if index == 0 else None


def stored(value: Value | None) -> Value | None:
    """A tensor if it is there and stored: zeros that an exporter makes are none."""
    return value if value is not None and value.roots else None
