"""What every operator must say about itself, and the vocabulary it says it in."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, PlainValidator, WithJsonSchema

from archcalc.dims import LARGEST as LARGEST
from archcalc.dims import Shape, Size, holds, is_array, is_recorded, is_symbolic, plain
from archcalc.errors import ShapeError
from archcalc.values import Remembering


@dataclass(frozen=True, slots=True)
class Work:
    """Arithmetic by kind, for one forward pass at inference.

    ``dots`` is no work itself: it says into how many sums the ``macs`` are gathered, which the
    textbook count of a dot product (``2 K - 1`` operations, not ``2 K``) needs.

    ::

        >>> import archcalc
        >>> work = archcalc.analyze("resnet18")["fc"].work
        >>> work.macs, work.adds, work.flops
        (512000, 1000, 1025000)
    """

    macs: Size = 0
    adds: Size = 0
    multiplies: Size = 0
    comparisons: Size = 0
    divisions: Size = 0
    transcendentals: Size = 0
    dots: Size = 0

    def __add__(self, other: "Work") -> "Work":
        return Work(
            self.macs + other.macs,
            self.adds + other.adds,
            self.multiplies + other.multiplies,
            self.comparisons + other.comparisons,
            self.divisions + other.divisions,
            self.transcendentals + other.transcendentals,
            self.dots + other.dots,
        )

    def __mul__(self, times: Size) -> "Work":
        return Work(
            self.macs * times,
            self.adds * times,
            self.multiplies * times,
            self.comparisons * times,
            self.divisions * times,
            self.transcendentals * times,
            self.dots * times,
        )

    @property
    def flops(self) -> Size:
        """``2 * macs`` plus all other arithmetic, each operation counted as one."""
        return (
            2 * self.macs
            + self.adds
            + self.multiplies
            + self.comparisons
            + self.divisions
            + self.transcendentals
        )


KINDS = ("macs", "adds", "multiplies", "comparisons", "divisions", "transcendentals")
"""The kinds of work, in the order they are listed everywhere."""


@dataclass(frozen=True, slots=True)
class Call:
    """How PyTorch spells an operator, as data: the builder performs it, the code writer prints it.

    ``target`` beginning with ``nn.`` is a module made from ``kwargs`` and called on the inputs;
    ``F.`` (``torch.nn.functional``) and ``torch.`` are functions called on the inputs followed by
    ``kwargs``; ``archcalc.`` is one of the small modules in ``archcalc.pytorch.modules``.
    With ``gather`` the inputs are passed as one list (``torch.cat``). ``unpack`` names the item
    taken from a tuple result (``nn.LSTM`` returns its states as well). ``parametrization`` is the
    function of ``torch.nn.utils.parametrizations``, or of ours, that the module is given to, for
    each of its weights where it has ``several``.
    """

    target: str
    kwargs: dict[str, Any] = field(default_factory=dict)
    gather: bool = False
    unpack: int | None = None
    parametrization: str | None = None
    several: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    """Fields and input shapes (batch first) that an operator accepts."""

    fields: dict[str, Any]
    inputs: tuple[Shape, ...]


class Operator(BaseModel):
    """One operator: its fields, named as in PyTorch, and every fact that follows from them.

    Classes below this one are abstract or final, and a method once implemented is not overridden.
    An operator has ``n`` inputs and one output. ``in_channels`` and its like are inferred.

    ::

        >>> import archcalc
        >>> conv = archcalc.expand("resnet18").nodes[0].op
        >>> conv.infer((1, 3, 224, 224))
        (1, 64, 112, 112)
        >>> conv.weights((1, 3, 224, 224))
        {'weight': (64, 3, 7, 7)}
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        defer_build=True,
        arbitrary_types_allowed=True,
    )

    arity: ClassVar[tuple[int, int | None]] = (1, 1)
    """The fewest and the most inputs; ``None`` for any number."""

    takes: ClassVar[tuple[str, ...]] = ()
    """What the inputs are, in their order; nothing where there is one, or all are alike."""

    indices: ClassVar[tuple[int, ...]] = ()
    """Which inputs, from 0, hold indices: 64-bit integers."""

    counted: ClassVar[bool] = True
    """Whether it is known what the operator stores and computes."""

    examples: ClassVar[tuple[Example, ...]]

    @abstractmethod
    def infer(self, *inputs: Shape) -> Shape:
        """The output shape. Raises :class:`ShapeError` where the inputs do not fit."""

    @abstractmethod
    def weights(self, *inputs: Shape) -> dict[str, Shape]:
        """Shapes of the trainable tensors, by the names PyTorch gives them."""

    @abstractmethod
    def buffers(self, *inputs: Shape) -> dict[str, Shape]:
        """Shapes of the tensors that are stored but not trained, by PyTorch's names."""

    @abstractmethod
    def work(self, output: Shape, *inputs: Shape) -> Work:
        """The arithmetic of one forward pass at inference. No default: zero must be said."""

    @abstractmethod
    def torch(self, *inputs: Shape) -> Call:
        """PyTorch's spelling of this operator on inputs of these shapes."""


def how_many(least: int, most: int | None) -> str:
    """A number of inputs in words."""
    if most is None:
        return f"{least} or more"
    return str(least) if least == most else f"{least} to {most}"


class Weightless(Operator):
    """An operator with nothing stored: no trainable tensors and no buffers."""

    def weights(self, *inputs: Shape) -> dict[str, Shape]:
        return {}

    def buffers(self, *inputs: Shape) -> dict[str, Shape]:
        return {}


class Trained(Operator):
    """An operator that stores trainable tensors only."""

    def buffers(self, *inputs: Shape) -> dict[str, Shape]:
        return {}


class Moving(Weightless):
    """An operator that moves elements and computes nothing."""

    def work(self, output: Shape, *inputs: Shape) -> Work:
        """Nothing: elements are moved, not computed."""
        return Work()


class Keeping(Operator):
    """An operator whose output has the shape of its only input, whatever that is."""

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return x


class PerElement(Operator):
    """An operator that does the same for every element of its output."""

    per_element: ClassVar[Work]

    def work(self, output: Shape, *inputs: Shape) -> Work:
        work: Work = self.per_element * elements(output)
        return work


class Spelled(Operator):
    """An operator whose fields are all that PyTorch, or a module of ours, is told of it."""

    target: ClassVar[str] = ""
    """The target of its :class:`Call`; the module of its name in ``torch.nn`` by default."""

    gather: ClassVar[bool] = False

    def torch(self, *inputs: Shape) -> Call:
        return Call(self.target or f"nn.{type(self).__name__}", dict(self), self.gather)


def elements(shape: Shape) -> Size:
    """How many numbers a tensor of this shape holds."""
    return prod(shape)


class Cost(NamedTuple):
    """What an operator stores and computes on inputs of given shapes; nothing if not counted."""

    weights: dict[str, Shape]
    buffers: dict[str, Shape]
    params: Size
    """Elements of the weights."""
    stored: Size
    """Elements of the buffers."""
    work: Work


@dataclass(frozen=True)
class Applied(Remembering):
    """An operator on inputs of given shapes: equal layers are one of these in many places."""

    op: Operator
    input_shapes: tuple[Shape, ...]
    shape: Shape
    """The output's, batch first."""

    @classmethod
    def to(cls, op: Operator, *inputs: Shape) -> "Applied":
        """The operator on these inputs. Raises :class:`ShapeError` where they do not fit."""
        return cls(op, inputs, tuple(map(plain, op.infer(*inputs))))

    @cached_property
    def cost(self) -> Cost:
        """Worked out when it is first asked for, once for all places."""
        op, inputs = self.op, self.input_shapes
        if not op.counted:
            return Cost({}, {}, 0, 0, Work())
        weights, buffers = op.weights(*inputs), op.buffers(*inputs)
        return Cost(
            weights,
            buffers,
            sum(map(elements, weights.values())),
            sum(map(elements, buffers.values())),
            op.work(self.shape, *inputs),
        )


def describe(shape: Shape) -> str:
    """A shape as it is printed in messages: ``(1, 64, 56, 56)``."""
    return f"({', '.join(map(str, shape))})"


def require(answer: Any, message: str) -> None:
    """Raise :class:`ShapeError` with ``message`` unless ``answer`` holds at every point."""
    if not holds(answer):
        raise ShapeError(message)


def require_rank(shape: Shape, rank: int | tuple[int, ...], axes: str) -> None:
    """Raise unless ``shape`` has ``rank`` axes, which ``axes`` names: ``"(N, C, H, W)"``."""
    ranks = (rank,) if isinstance(rank, int) else rank
    if len(shape) not in ranks:
        raise ShapeError(f"takes an input {axes}, not one of {len(shape)} axes {describe(shape)}")


def require_rank_from(shape: Shape, least: int, axes: str) -> None:
    """Raise unless ``shape`` has at least ``least`` axes, which ``axes`` names: ``"(N, C, *)"``."""
    if len(shape) < least:
        raise ShapeError(
            f"takes an input {axes} of at least {least} axes, "
            f"not one of {len(shape)} {describe(shape)}"
        )


def axis_of(dim: int, shape: Shape) -> int:
    """``dim`` as an index from 0; raises where ``shape`` has no such axis."""
    rank = len(shape)
    if not -rank <= dim < rank:
        raise ShapeError(f"dim={dim} is no axis of a tensor of {rank} axes {describe(shape)}")
    return dim % rank


def listed(dims: Any) -> tuple[Any, ...]:
    """One number or several, as several."""
    return dims if isinstance(dims, tuple) else (dims,)


def _integer(value: Any) -> Any:
    if type(value) is int:
        number = value
    elif is_array(value) or is_symbolic(value):
        return value
    elif is_recorded(value) and value.is_integer():
        number = value.truncated()
    elif isinstance(value, float) and value.is_integer():
        number = int(value)
    else:
        raise ValueError(f"should be a whole number, not {value!r}")
    if abs(number) > LARGEST:
        raise ValueError(f"{number} is too large: the limit is {LARGEST:,}")
    return number


def _from(least: int) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        number = _integer(value)
        if not holds(number >= least):
            raise ValueError(f"should be at least {least}, not {value}")
        return number

    return check


_count, _natural = _from(1), _from(0)


Integer = Annotated[Size, PlainValidator(_integer), WithJsonSchema({"type": "integer"})]
"""A whole number, negative ones included."""

Count = Annotated[Size, PlainValidator(_count), WithJsonSchema({"type": "integer", "minimum": 1})]
"""A whole number from 1: channels, features, groups."""

Natural = Annotated[
    Size, PlainValidator(_natural), WithJsonSchema({"type": "integer", "minimum": 0})
]
"""A whole number from 0."""


def per_axis(value: Any, axes: int, check: Any = _count) -> tuple[Size, ...]:
    """One number for every axis: ``3`` is ``(3, 3)`` on two axes, and ``[3, 5]`` is itself.

    Raises ``ValueError`` when a list has neither one item nor one for each axis.
    """
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) == 1 < axes:
            value = [value[0]] * axes
        if len(value) != axes:
            raise ValueError(f"should be a number or a list of {axes}, not {list(value)}")
        return tuple(check(item) for item in value)
    return (check(value),) * axes


def per_axis_natural(value: Any, axes: int) -> tuple[Size, ...]:
    """:func:`per_axis` for numbers from 0."""
    return per_axis(value, axes, _natural)


def one_or_several(
    one: dict[str, Any], *others: dict[str, Any], each: Any = None
) -> WithJsonSchema:
    """The schema of one value, of one to three in a list, or of something else."""
    several = {"type": "array", "items": each or one, "minItems": 1, "maxItems": 3}
    return WithJsonSchema({"anyOf": [one, several, *others]})


FROM_0 = {"type": "integer", "minimum": 0}
FROM_1 = {"type": "integer", "minimum": 1}
NULL = {"type": "null"}

PerAxis = Annotated[Any, one_or_several(FROM_1)]  # stored as sizes; a default may be one number
"""A number from 1 for every spatial axis, or one for all of them."""

PerAxisNatural = Annotated[Any, one_or_several(FROM_0)]
"""A number from 0 for every spatial axis, or one for all of them."""

PerAxisOrNone = Annotated[Any, one_or_several(FROM_1, NULL)]
"""A number from 1 for every spatial axis, one for all of them, or null for what stands instead."""

OfImage = Annotated[Any, PlainValidator(lambda value: per_axis(value, 2)), one_or_several(FROM_1)]
"""A number from 1 for height and width each, or one for both; stored as two."""

OfImageNatural = Annotated[
    Any, PlainValidator(lambda value: per_axis_natural(value, 2)), one_or_several(FROM_0)
]
"""A number from 0 for height and width each, or one for both; stored as two."""
