"""What stands for a tensor of an ONNX file, and a node with its attributes by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archcalc.dims import Shape
from archcalc.frontends import table

if TYPE_CHECKING:
    import numpy
    from onnx import NodeProto

DEFAULT_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")


@dataclass(eq=False)
class Value:
    """A tensor: computed by a layer, or held by the file."""

    name: str
    shape: Shape | None
    """Its sizes; None where they depend on the numbers in tensors."""
    dtype: int = 1
    """ONNX's number for the type of its elements."""
    key: int | None = None
    """The layer or input that gives it; None for what the file holds, or what is made of that."""
    data: numpy.ndarray[Any, Any] | None = None
    """Its elements, if they are few and known."""
    roots: tuple[str, ...] = ()
    """The stored tensors that it is made of."""
    items: tuple[Value, ...] | None = None
    """Of a sequence: the tensors in it."""

    @property
    def held(self) -> bool:
        """Whether no input of the network is in it."""
        return self.key is None

    @property
    def rank(self) -> int:
        """How many axes it has. Raises :class:`LookupError` where that is not known."""
        return len(self.sizes)

    @property
    def sizes(self) -> Shape:
        """Its shape. Raises :class:`LookupError` where it is not known."""
        if self.shape is None:
            raise LookupError(f"the shape of '{self.name}' depends on what the network is given")
        return self.shape

    def numbers(self) -> list[Any]:
        """Its elements in a row. Raises :class:`LookupError` where they are not known."""
        if self.data is None:
            raise LookupError(f"'{self.name}' is not known before the network runs")
        return self.data.reshape(-1).tolist()

    def number(self) -> Any:
        """Its single element. Raises :class:`LookupError` where it is not known, or not single."""
        found = self.numbers()
        if len(found) != 1:
            raise LookupError(f"'{self.name}' is not a single number")
        return found[0]


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
