"""What can be asked of a network: the quantities that documented numbers are about.

A quantity is a way of names joined by dots. All but the last narrow down what is asked: to a layer
or a block (``inception3a``), to the operators of one kind (``Conv2d``), or to another network
(``alexnet``). The last is a fact of ``FACTS``, a field of operators (``kernel_size``), or a
variable of the spec (``vars.width`` where a fact or a field has the same name).
``alexnet.Conv2d.kernel_size`` are the kernels of AlexNet's convolutions. In an expression names
that are none of Python's stand in quotes: ``'layer1.0'.params``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from archcalc.analysis.analyze import analyze, totals
from archcalc.analysis.bits import bit_operations
from archcalc.analysis.conventions import CONVENTIONS
from archcalc.analysis.counted import Analysis, Row
from archcalc.analysis.depth import is_weight_layer
from archcalc.dims import Shape
from archcalc.errors import ExpressionError, did_you_mean
from archcalc.operators import NAMES
from archcalc.operators.base import Operator, elements
from archcalc.spec import expressions, zoo
from archcalc.spec.bits import BYTES
from archcalc.spec.model import Spec
from archcalc.spec.question import Input
from archcalc.spec.scope import Wrong
from archcalc.values import Remembering, as_lists

if TYPE_CHECKING:
    from archcalc.analysis.receptive_field import Field

VARIABLES = "vars"
"""What stands before a variable's name where a fact or a field has the same."""


class Axes(tuple[Any, ...]):
    """A shape without the batch: channels first, as everywhere here."""

    __slots__ = ()


@dataclass(frozen=True)
class Scope(Remembering):
    """A network, or those of its operators that a quantity is narrowed down to."""

    spec: Spec
    """With its variant chosen."""
    analysis: Analysis
    layer: str = ""
    """The layer or block; the whole network where empty."""
    kind: str = ""
    """The operator's name; all of them where empty."""
    networks: dict[str, Scope] = field(default_factory=dict, compare=False, repr=False)
    """Other networks that were asked about, each analyzed once."""

    @classmethod
    def of(
        cls,
        spec: Spec,
        networks: dict[str, Scope] | None = None,
        input: Input = None,
        *,
        whole: bool = False,
    ) -> Scope:
        """The whole of a network, with those of its family that are analyzed already.

        ``input`` is instead of its own. With ``whole`` it is made for questions of ``TOTALS``.
        Raises :class:`SpecError` where it can't be expanded.
        """
        answer = totals if whole else analyze
        found = answer(spec, input=input)
        return cls(spec, found, networks={} if networks is None else networks)

    def network(self, name: str) -> Scope | None:
        """The whole of another network: a variant of this family, or one of the zoo."""
        if name not in self.networks:
            if name in self.spec.variants:
                self.networks[name] = Scope.of(self.spec.choose(name), self.networks)
            elif (file := zoo.find(name)) is not None:
                spec = zoo.load(file)
                self.networks[name] = Scope.of(spec.choose(name) if name in spec.variants else spec)
            else:
                return None
        return self.networks[name]

    @cached_property
    def within(self) -> tuple[Row, ...]:
        """The rows of the layer, of every kind."""
        return self.analysis.under(self.layer) if self.layer else self.analysis.rows

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The rows that are asked about."""
        return (
            tuple(row for row in self.within if row.op == self.kind) if self.kind else self.within
        )

    @cached_property
    def kinds(self) -> frozenset[type[Operator]]:
        """The classes of the operators that are asked about."""
        if not self.layer and not self.kind:
            return self.analysis.kinds
        return frozenset([type(row.node.op) for row in self.rows])

    def narrow(self, name: str) -> Scope:
        """The part of this that a name means. Raises :class:`Wrong` where it means none."""
        below = f"{self.layer}.{name}" if self.layer else name
        if self.analysis.under(below):
            return replace(self, layer=below)
        if name in NAMES:
            return replace(self, kind=name)
        if not self.layer and not self.kind:
            other = self.network(name)
            if other is not None:
                return other
        known = {row.name[len(self.layer) :].strip(".").split(".")[0] for row in self.within}
        where = f"in '{self.layer}'" if self.layer else f"in '{self.spec.label}'"
        raise Wrong(f"no layer '{name}' {where}", did_you_mean(name, known))

    def get(self, path: str) -> Any:
        """The value that a quantity's names lead to. Raises :class:`Wrong`."""
        *names, last = path.split(".")
        if names[-1:] == [VARIABLES]:
            return self.at(names[:-1]).variable(last)
        return self.at(names).fact(last)

    def at(self, names: Sequence[str]) -> Scope:
        """The part of this that is reached by one name after the other. Raises :class:`Wrong`."""
        scope = self
        for name in names:
            scope = scope.narrow(name)
        return scope

    @property
    def variables(self) -> Mapping[str, Any]:
        """The network's variables, lists as lists; a part of it has none."""
        if self.layer or self.kind:
            return {}
        return {name: as_lists(value) for name, value in self.analysis.variables.items()}

    def variable(self, name: str) -> Any:
        """The value of a variable. Raises :class:`Wrong`."""
        if name not in self.variables:
            hint = did_you_mean(name, self.variables)
            raise Wrong(f"no variable '{name}' in '{self.layer or self.spec.label}'", hint)
        return self.variables[name]

    def fact(self, name: str) -> Any:
        """A fact, a field of the operators, or a variable, in this order. Raises :class:`Wrong`.

        What is computed comes first, so that a documented depth is held to the network, and not to
        the variable that says how deep it is to be. A field of several operators is a list with
        the value of each, in their order.
        """
        if name in FACTS:
            try:
                return FACTS[name](self)
            except Wrong as wrong:
                hint = f"the variable is '{VARIABLES}.{name}'" if name in self.variables else ""
                raise Wrong(wrong.message, wrong.hint or hint) from None
        having = {kind for kind in self.kinds if name in kind.__pydantic_fields__}
        if having:
            values = [
                getattr(row.node.op, name) for row in self.rows if type(row.node.op) in having
            ]
            return values[0] if len(values) == 1 else values
        if name in self.variables:
            return self.variables[name]
        if any(f"{row.name}.".startswith(f"{name}.") for row in self.rows) and not self.layer:
            raise Wrong(f"'{name}' is a layer", f"ask for something of it, such as '{name}.params'")
        fields = {field for kind in self.kinds for field in kind.__pydantic_fields__}
        raise Wrong(f"no quantity '{name}'", did_you_mean(name, {*FACTS, *fields, *self.variables}))

    def evaluate(self, quantity: str) -> Any:
        """The value of a quantity, be it names or an expression. Raises :class:`Wrong`."""
        if not expressions.is_expression(quantity):
            return self.get(quantity)
        try:
            return expressions.parse(quantity[1:], facts=True)(_Facts(self), self.shape)
        except ExpressionError as error:
            raise Wrong(str(error)) from None

    def shape(self, layer: str) -> Shape:
        """The shape of a layer's output, or of an input. Raises :class:`Wrong`."""
        inputs = self.analysis.graph.inputs
        return inputs[layer] if layer in inputs else self.at(layer.split(".")).output

    @cached_property
    def last(self) -> str:
        """The operator, or the input, whose output is that of this. Raises :class:`Wrong`."""
        if self.kind:
            given = [row.name for row in self.rows]
        elif len(self.within) == 1:
            given = [self.within[0].name]
        elif self.layer:
            names = {row.name for row in self.within}
            outside = [row for row in self.analysis.rows if row.name not in names]
            taken = {name for row in outside for name in row.node.inputs}
            taken |= {*self.analysis.graph.outputs, *self.analysis.graph.training_outputs}
            given = [row.name for row in self.within if row.name in taken]
        else:
            given = list(self.analysis.graph.outputs)
        if len(given) != 1:
            where = self.kind or self.layer or self.spec.label
            raise Wrong(f"'{where}' has several outputs: name a layer")
        return given[0]

    @property
    def output(self) -> Shape:
        """The shape of what this gives. Raises :class:`Wrong` where it gives several."""
        inputs = self.analysis.graph.inputs
        return inputs[self.last] if self.last in inputs else self.analysis.row(self.last).shape

    @property
    def fields(self) -> tuple[Field, ...]:
        """What the output sees along each axis of the first input. Raises :class:`Wrong`."""
        fields = self.analysis.receptive_fields.get(self.last)
        if not fields:
            raise Wrong(f"the receptive field of '{self.last}' is not known")
        return fields

    def depth(self) -> int:
        """The most weight layers on a way from an input to here; of one kind, if narrowed."""
        depths = dict.fromkeys(self.analysis.graph.inputs, 0)
        for row in self.analysis.rows:
            before = max((depths[name] for name in row.node.inputs), default=0)
            counts = row.op == self.kind if self.kind else is_weight_layer(row)
            depths[row.name] = before + counts
        if self.layer:
            return max(depths[row.name] for row in self.within)
        return max(depths[name] for name in self.analysis.graph.outputs)

    def under(self, convention: str, quantity: str) -> Any:
        """A quantity under a convention of :func:`ways`."""
        *names, last = quantity.split(".")
        return ways(last)[convention](self.at(names))


class _Facts(dict[str, Any]):
    """What an expression's names stand for, worked out when they are asked for."""

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self.scope = scope

    def __missing__(self, path: str) -> Any:
        self[path] = self.scope.get(path)
        return self[path]


def _input(scope: Scope) -> Axes:
    if scope.layer or scope.kind:
        (shape, *_) = scope.rows[0].node.input_shapes or ((),)
    else:
        shape, *others = scope.analysis.graph.inputs.values()
        if others:
            raise Wrong(f"'{scope.spec.label}' has several inputs: name a layer")
    return Axes(shape[1:])


def _inputs(scope: Scope) -> int:
    if len(scope.rows) != 1:
        raise Wrong("'inputs' is a fact of one operator", f"here are {len(scope.rows)}")
    return len(scope.rows[0].node.inputs)


def _extent(name: str, place: int, rank: int) -> Callable[[Scope], Any]:
    def extent(scope: Scope) -> Any:
        if len(scope.output) < rank:
            raise Wrong(f"the output has no {name}")
        return scope.output[place]

    return extent


def _strides(scope: Scope) -> tuple[Any, ...]:
    strides = tuple(field.stride for field in scope.fields)
    if None in strides:
        raise Wrong(f"the receptive fields of '{scope.last}' are not equally far apart")
    return strides


def _sum(count: Callable[[Row], Any]) -> Callable[[Scope], Any]:
    return lambda scope: sum(map(count, scope.rows))


def _total(name: str, count: Callable[[Row], Any] | None = None) -> Callable[[Scope], Any]:
    """What a whole analysis knows by a name, and its rows by the same or as they are counted."""
    of_row = count or attrgetter(name)

    def total(scope: Scope) -> Any:
        if scope.layer or scope.kind:
            return sum(map(of_row, scope.rows))
        return getattr(scope.analysis, name)

    return total


_active = _total("executed_params", lambda row: row.params if row.executed else 0)


def _bytes(dtype: str) -> Callable[[Scope], Any]:
    return lambda scope: sum(scope.analysis.row_bytes(row, dtype) for row in scope.rows)


def _bit_operations(dtype: str) -> Callable[[Scope], Any]:
    return lambda scope: sum(
        bit_operations(row, scope.analysis.stored[row.name], dtype) for row in scope.rows
    )


FACTS: Mapping[str, Callable[[Scope], Any]] = {
    "params": _total("params"),
    "active_params": _active,
    "buffers": _total("buffers"),
    "macs": _total("macs"),
    "flops": _total("flops", lambda row: row.work.flops),
    "connections": _total("connections"),
    "weight_bytes": _bytes("float32"),
    "bit_operations": _bit_operations("float32"),
    "activations": _sum(lambda row: elements(row.shape)),
    "layers": lambda scope: len(scope.rows),
    "depth": Scope.depth,
    "inputs": _inputs,
    "input": _input,
    "output": lambda scope: Axes(scope.output[1:]),
    "channels": _extent("channels", 1, 2),
    "height": _extent("height", -2, 4),
    "width": _extent("width", -1, 4),
    "extents": lambda scope: tuple(scope.output[2:]),
    "receptive_field": lambda scope: tuple(field.size for field in scope.fields),
    "effective_stride": _strides,
    "effective_padding": lambda scope: tuple(-field.start for field in scope.fields),
    "year": lambda scope: scope.spec.year,
}
"""What can be asked, and how it is worked out. Totals are of the operators asked about; ``layers``
counts them; ``inputs`` is how many outputs one operator takes; sizes are without the batch. Of the
receptive field, which has one number an axis, stride and padding are called as by Araujo, Norris
and Sim, Computing receptive fields of convolutional neural networks, Distill 2019."""


TOTALS = frozenset({"params", "active_params", "buffers", "macs", "flops", "connections"})
"""What is asked of a whole network without a look at its layers."""


def ways(fact: str) -> Mapping[str, Callable[[Scope], Any]]:
    """Other ways of counting what a fact counts, by the convention's name."""
    if fact in ("macs", "flops"):
        return {name: _sum(way.count) for name, way in CONVENTIONS.items()}
    if fact == "params":
        return {
            "buffers": _sum(lambda row: row.params + row.buffers),
            "executed": _active,
        }
    if fact == "weight_bytes":
        return {dtype: _bytes(dtype) for dtype in BYTES}
    if fact == "bit_operations":
        return {dtype: _bit_operations(dtype) for dtype in BYTES}
    return {}
