"""An operator that a spec names and that archcalc does not know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, final

from archcalc.dims import Shape, holds, is_size
from archcalc.errors import ArchcalcError
from archcalc.operators import NAMES
from archcalc.operators.base import Call, Natural, Operator, Weightless, Work
from archcalc.operators.words import operator_hint
from archcalc.spec.scope import Wrong


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


@final
class DeclaredOperator(Weightless):
    """Of which a spec says all that is asked: its output's shape, its parameters and its work.

    It is counted as declared. Nothing else is known of it, so that it can't be built.
    """

    arity = (1, None)

    name: str
    """The operator's name, as written."""
    shape: tuple[Any, ...]
    """The shape of its output, without the batch."""
    params: Natural
    """Its trained numbers."""
    macs: Natural
    """Its multiply-accumulates, of one sample."""

    def infer(self, *inputs: Shape) -> Shape:
        return (inputs[0][0], *self.shape)

    def weights(self, *inputs: Shape) -> dict[str, Shape]:
        return {} if type(self.params) is int and self.params == 0 else {"params": (self.params,)}

    def work(self, output: Shape, *inputs: Shape) -> Work:
        return Work(macs=inputs[0][0] * self.macs, dots=0)

    def torch(self, *inputs: Shape) -> Call:
        raise ArchcalcError(f"unknown operator '{self.name}': what is declared can't be built")


DECLARED = ("shape", "params", "macs")
"""What a layer of an unknown operator says to be counted."""


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


def known_by(fields: Mapping[str, Any], allowed: bool) -> bool:
    """Whether enough is declared of an unknown operator: all, or where ``allowed`` its shape."""
    needed = ("shape",) if allowed else DECLARED
    return all(fields.get(name) is not None for name in needed)


def declared(name: str, said: Mapping[str, Any]) -> UnknownOperator | DeclaredOperator:
    """The operator of a layer that says this. Raises :class:`Wrong` for what can't be."""
    shape = said["shape"]
    if not isinstance(shape, tuple) or not shape:
        raise Wrong("should be a list of extents, without the batch", at=("shape",))
    for size in shape:
        if not is_size(size) or not holds(size >= 1):
            message = f"an extent should be a whole number from 1, not {size!r}"
            raise Wrong(message, at=("shape",))
    if any(said.get(key) is None for key in DECLARED):
        return UnknownOperator(name=name, shape=shape)
    for key in DECLARED[1:]:
        if not is_size(said[key]) or not holds(said[key] >= 0):
            raise Wrong(f"should be a whole number from 0, not {said[key]!r}", at=(key,))
    return DeclaredOperator(name=name, shape=shape, params=said["params"], macs=said["macs"])
