"""An operator that a spec names and that archcalc does not know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, final

from archcalc.dims import Shape, holds, is_size
from archcalc.errors import ArchcalcError
from archcalc.operators import NAMES
from archcalc.operators.base import Call, Operator, Work
from archcalc.spec.scope import Wrong
from archcalc.spec.words import operator_hint


@final
class UnknownOperator(Operator):
    """Of which nothing is known but the shape of its output, which the spec declares.

    It can be asked for nothing else: what is not known is not 0.
    """

    arity = (1, None)
    counted = False

    name: str
    """The operator's name, as written."""
    shape: tuple[Any, ...]
    """The shape of its output, without the batch."""

    def infer(self, *inputs: Shape) -> Shape:
        return (inputs[0][0], *self.shape)

    def refuse(self) -> NoReturn:
        """Raise :class:`ArchcalcError`: there is no number."""
        raise ArchcalcError(f"unknown operator '{self.name}': what it costs can't be said")

    def weights(self, *inputs: Shape) -> dict[str, Shape]:
        self.refuse()

    def buffers(self, *inputs: Shape) -> dict[str, Shape]:
        self.refuse()

    def work(self, output: Shape, *inputs: Shape) -> Work:
        self.refuse()

    def torch(self, *inputs: Shape) -> Call:
        self.refuse()


def unknown(name: object, fields: Mapping[str, Any], allowed: bool = False) -> Wrong:
    """What is wrong with a layer of an unknown operator, whether such are ``allowed`` or not."""
    more = ""
    if allowed:
        more = "say the 'shape' of its output, without the batch: it can't be inferred"
    elif fields.get("shape") is not None:
        more = "'archcalc table --allow-unknown' counts all but such layers"

    def hint() -> str:
        return "\n".join(filter(None, [operator_hint(str(name), NAMES), more]))

    return Wrong(f"unknown operator {name!r}", hint, ("op",))


def declared(name: str, shape: Any) -> UnknownOperator:
    """The operator of a layer with this ``shape``. Raises :class:`Wrong` for what is none."""
    if not isinstance(shape, tuple) or not shape:
        raise Wrong("should be a list of extents, without the batch", at=("shape",))
    for size in shape:
        if not is_size(size) or not holds(size >= 1):
            message = f"an extent should be a whole number from 1, not {size!r}"
            raise Wrong(message, at=("shape",))
    return UnknownOperator(name=name, shape=shape)
