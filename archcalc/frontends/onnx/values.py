"""What stands for a tensor of an ONNX file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archcalc.dims import Shape

if TYPE_CHECKING:
    import numpy


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
    def uniform(self) -> bool:
        """Whether its elements are known, and all equal."""
        return (
            self.data is not None
            and self.data.size > 0
            and bool((self.data == self.data.flat[0]).all())
        )

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
