"""Tensors without numbers, and what autograd keeps of what is done with them.

The rules are PyTorch's: which views there are (``computeStride`` of ``TensorUtils.cpp``), in which
order the results of elementwise operations lie (``TensorIterator``), which factors of a product are
saved (``derivatives.yaml``), and how ``torch.matmul`` is made of products of batches of matrices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import NamedTuple, TypeAlias

from archcalc.dims import Shape
from archcalc.operators.autograd import (
    FLAG,
    FLOAT32,
    INTEGER,
    Differentiable,
    Saved,
    Stepwise,
    TrainingOnly,
    Untrained,
)
from archcalc.operators.base import Operator
from archcalc.operators.join import broadcast
from archcalc.operators.parametrization import Parametrized
from archcalc.operators.taps import Pointwise

Strides: TypeAlias = tuple[int, ...]
"""How many elements lie between neighbours, for each axis; 0 where an axis repeats."""


@dataclass(eq=False, slots=True)
class Storage:
    """Memory that was allocated once, however many tensors see it."""

    elements: int
    width: int = 0
    """Bytes of an element; 0 where it is a number of the network's dtype."""
    stored: bool = False
    """Whether it is that of a weight or a buffer, which is there anyway."""
    known: int | None = None
    """Bytes of all of it, where its numbers are in another format than the network's dtype."""

    def bytes(self, size: int) -> int:
        """What it takes beside weights and buffers, where a number has ``size`` bytes."""
        if self.stored or self.known is not None:
            return 0 if self.stored else self.known or 0
        return self.elements * (self.width or size)


class Tensor(NamedTuple):
    """Some of a storage's elements, in an order."""

    storage: Storage
    shape: Shape
    strides: Strides
    trained: bool = False
    """Whether a parameter is upstream, so that its gradient is computed."""

    @property
    def in_order(self) -> bool:
        """Whether its elements lie as those of a tensor of its own would (``is_contiguous``)."""
        return _same_order(self.shape, self.strides, in_order(self.shape))


def in_order(shape: Shape) -> Strides:
    """The strides of a tensor whose last axis lies closest."""
    return tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))


def channels_last(shape: Shape) -> Strides:
    """The strides of (N, C, *) whose channels lie closest."""
    channels, inner = shape[1], in_order(shape[2:])
    return (prod(shape[1:]), 1, *(channels * n for n in inner))


def _same_order(shape: Shape, one: Strides, other: Strides) -> bool:
    return all(n == 1 or a == b for n, a, b in zip(shape, one, other, strict=True))


def _dense(x: Tensor) -> bool:
    """Whether it has all elements of its storage once."""
    step = 1
    for stride, n in sorted((s, n) for s, n in zip(x.strides, x.shape, strict=True) if n != 1):
        if stride != step:
            return False
        step *= n
    return True


def viewed(x: Tensor, shape: Shape) -> Strides | None:
    """The strides with which ``x`` has another shape; None where it has to be copied for that."""
    if prod(shape) == 0:
        return in_order(shape)
    # Axes that follow one another without a gap are a chunk, and each makes whole new axes.
    strides: list[int] = []
    target = list(shape)
    chunk, base = 1, x.strides[-1] if x.strides else 1
    for axis in reversed(range(len(x.shape))):
        chunk *= x.shape[axis]
        before = x.strides[axis - 1] if axis else None
        if axis and (x.shape[axis - 1] == 1 or before == chunk * base):
            continue
        found = 1
        while target and (found < chunk or target[-1] == 1):
            strides.append(found * base)
            found *= target.pop()
        if found != chunk:
            return None
        if axis:
            chunk, base = 1, x.strides[axis - 1]
    return tuple(reversed(strides)) if not target else None


def elementwise(shape: Shape, *inputs: Tensor) -> Strides:
    """How the result of an elementwise operation lies: as its inputs do, the first before others.

    Where all lie alike, it does, too. Else two axes come in the order that they have in the first
    input that repeats neither.
    """
    if all(tuple(x.shape) == tuple(shape) for x in inputs):
        if all(x.in_order for x in inputs):
            return in_order(shape)
        if len({x.strides for x in inputs}) == 1 and _dense(inputs[0]):
            return inputs[0].strides
    given = [_broadcast_strides(x, shape) for x in inputs]

    def swapped(inner: int, outer: int) -> int:
        for strides in given:
            a, b = strides[inner], strides[outer]
            if not a or not b or (a == b and shape[inner] <= shape[outer]):
                continue
            return -1 if a < b else 1
        return 0

    # From the closest axis out; what can't be told stays as it is.
    order = list(reversed(range(len(shape))))
    for end in range(1, len(order)):
        at = end
        for before in reversed(range(end)):
            told = swapped(order[before], order[at])
            if told < 0:
                break
            if told > 0:
                order[before], order[at] = order[at], order[before]
                at = before
    found = [0] * len(shape)
    step = 1
    for axis in order:
        found[axis] = step
        step *= shape[axis]
    return tuple(found)


def _broadcast_strides(x: Tensor, shape: Shape) -> Strides:
    """Strides with which a tensor has the axes of another shape, 0 where it is repeated."""
    missing = len(shape) - len(x.shape)
    sizes = zip(x.shape, shape[missing:], x.strides, strict=True)
    return (0,) * missing + tuple(0 if n == 1 and m != 1 else stride for n, m, stride in sizes)


_IMAGES = ("BatchNorm", "Adaptive", "Upsample", "Concat", "PixelUnshuffle")
"""How the names of operators begin whose output has channels last where their inputs have."""

_IMAGES_OF_DEVICES = ("GroupNorm", "Pad")
"""The same of what has channels first on PyTorch's device ``meta``."""

_ALIKE = ("Flip", "Sort", "GLU")
"""Operators that move or halve, and whose output lies as their input does."""


LOWERED = frozenset(
    (
        *("Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"),
        *("DeformConv2d", "Linear", "Bilinear", "MatMul", "Einsum", "PReLU"),
        *("MultiheadAttention", "ScaledDotProductAttention", "Attention"),
    )
)
"""Operators that autocast does in 16 bits on a GPU, whose inputs and weights it casts."""

RAISED = frozenset(
    (
        *("LayerNorm", "GroupNorm", "Softmax", "LogSoftmax", "Softplus", "Norm", "Sum", "Prod"),
        *("CumSum", "CumProd", "Exp", "Log", "Pow", "Reciprocal", "Tan", "Acos", "Asin", "Cosh"),
        *("Sinh", "CrossEntropyLoss", "NLLLoss", "MSELoss", "L1Loss", "SmoothL1Loss", "KLDivLoss"),
    )
)
"""Operators that it does in float32, casting what is smaller: the list in PyTorch's page on
``torch.amp``. All others work in what they are given, and in float32 if that is among it."""


def _counted(x: Tensor) -> Tensor:
    """What says where to look, in 64 bits: a copy where it was computed as other numbers."""
    if x.storage.width == INTEGER:
        return x
    return x._replace(storage=Storage(prod(x.shape), INTEGER))


@dataclass(slots=True)
class Autograd:
    """Does what PyTorch does with tensors that are trained, and remembers what is kept."""

    kept: dict[Storage, None] = field(default_factory=dict)
    """Storages that the backward pass needs, in the order in which they were met."""
    trainable: bool = True
    """Whether the weights of the layer that is done are trained."""
    fused: bool = False
    """Whether attention keeps what fused kernels do, and not its scores."""

    autocast: bool = False
    """Whether numbers are of 16 bits where autocast makes them so, and of float32 elsewhere."""

    on_device: bool = False
    """Whether convolutions give channels last where they are given them, as a CPU's and a GPU's
    do. On PyTorch's device ``meta`` none does."""

    def fresh(self) -> Autograd:
        """One that works alike and has kept nothing yet."""
        return replace(self, kept={})

    def within(self, *inputs: Tensor) -> tuple[Autograd, tuple[Tensor, ...]]:
        """What is done inside of one of PyTorch's operators, whose steps autocast does not see."""
        if not self.autocast:
            return self, inputs
        return replace(self, autocast=False), tuple(map(self.lowered, inputs))

    def keep(self, *tensors: Tensor) -> None:
        """Keep tensors for the backward pass."""
        self.kept.update((x.storage, None) for x in tensors if not x.storage.stored)

    def keep_more(self, elements: int, width: int = 0) -> None:
        """Keep what is no input and no output."""
        if elements:
            self.kept[Storage(elements, width)] = None

    def apply(self, op: Operator, *inputs: Tensor, training: bool = True) -> Tensor:
        """What an operator makes of its inputs.

        Nothing is kept of one that doesn't say what: neither ``Stepwise`` nor ``Differentiable``.
        """
        shapes = [x.shape for x in inputs]
        numbers = [x for n, x in enumerate(inputs) if n not in op.indices]
        trained = any(x.trained for x in numbers) or bool(self.trainable and op.weights(*shapes))
        # What needs no gradient leaves nothing behind.
        autograd = self if trained else replace(self, kept={}, trainable=False)
        if self.autocast:
            inputs = tuple(self._cast(op, n, x) for n, x in enumerate(inputs))
        if op.indices:
            inputs = tuple(_counted(x) if n in op.indices else x for n, x in enumerate(inputs))
        if isinstance(op, Stepwise):
            return op.record(autograd, *inputs)
        shape, name = op.infer(*shapes), type(op).__name__
        if getattr(op, "inplace", False) or (isinstance(op, TrainingOnly) and not training):
            output = inputs[0]
        elif isinstance(op, Pointwise) or name in _ALIKE:
            output = self.new(shape, strides=elementwise(shape, *inputs))
        elif name.startswith(_IMAGES) or (self.on_device and name.startswith(_IMAGES_OF_DEVICES)):
            output = self.image(shape, *inputs)
        else:
            output = self.new(shape)
        own = all(output.storage is not x.storage for x in inputs)
        if self.autocast and own:
            output.storage.width = self._width_of(op, inputs)
        if trained and isinstance(op, Differentiable):
            saved: Saved = op.saved(shape, *shapes)
            self.keep(*(inputs[number] for number in saved.inputs))
            if saved.output:
                self.keep(output)
            statistics = self.autocast and "Norm" in name
            self.keep_more(saved.elements, FLOAT32 if statistics else 0)
            self.keep_more(saved.indices, INTEGER)
            self.keep_more(saved.flags, FLAG)
        return output._replace(trained=trained and not isinstance(op, Untrained))

    def _cast(self, op: Operator, number: int, x: Tensor) -> Tensor:
        """An input as autocast gives it to an operator."""
        name = type(op).__name__
        if number in op.indices:
            return x
        if name in LOWERED:
            return self.lowered(x)
        if name in RAISED and not x.storage.width:
            storage = Storage(x.storage.elements, FLOAT32)
            return x._replace(storage=storage)
        return x

    def _width_of(self, op: Operator, inputs: Sequence[Tensor]) -> int:
        """Bytes of what an operator computes, 0 for 16 bits."""
        name = type(op).__name__
        if name in LOWERED:
            return 0
        whole = [x for n, x in enumerate(inputs) if n not in op.indices]
        looked_up = bool(op.indices) and not whole
        raised = name in RAISED or looked_up
        return FLOAT32 if raised or any(x.storage.width == FLOAT32 for x in whole) else 0

    def lowered(self, x: Tensor) -> Tensor:
        """A copy of 16 bits, where autocast makes one."""
        if not self.autocast or x.storage.width != FLOAT32:
            return x
        return x._replace(storage=Storage(prod(x.shape)))

    def weight(self, shape: Shape) -> Tensor:
        """A trained tensor of the layer."""
        stored = Storage(prod(shape), FLOAT32 if self.autocast else 0, stored=True)
        return Tensor(stored, shape, in_order(shape), self.trainable)

    def new(self, shape: Shape, *sources: Tensor, strides: Strides | None = None) -> Tensor:
        """A tensor of its own memory that is computed from others."""
        strides = in_order(shape) if strides is None else strides
        mixed = self.autocast and any(x.storage.width == FLOAT32 for x in sources)
        storage = Storage(prod(shape), FLOAT32 if mixed else 0)
        return Tensor(storage, shape, strides, any(x.trained for x in sources))

    def image(self, shape: Shape, *sources: Tensor) -> Tensor:
        """:meth:`new` of (N, C, *), whose channels lie closest where those of all sources do."""
        last = len(shape) > 3 and all(
            len(x.shape) == len(shape)
            and _same_order(x.shape, x.strides, channels_last(x.shape))
            and not x.in_order
            for x in sources
        )
        return self.new(shape, *sources, strides=channels_last(shape) if last else None)

    def weighted(self, shape: Shape, *sources: Tensor) -> Tensor:
        """:meth:`new` of what is computed with weights of the layer, an image on a device."""
        output = (self.image if self.on_device else self.new)(shape, *sources)
        return output._replace(trained=output.trained or self.trainable)

    def keep_weights(self, op: Parametrized, *inputs: Shape, needed: bool = True) -> None:
        """:meth:`keep_weight` of all that a layer has."""
        for kernel in op.kernels(*inputs).values():
            self.keep_weight(op, kernel, needed)

    def keep_weight(self, op: Parametrized, kernel: Shape, needed: bool) -> None:
        """Keep what a weight is computed with, and it itself where a gradient needs it."""
        if op.parametrization is None:
            return
        if self.trainable:
            for each in op.kept_of(kernel):
                self.keep_more(each)
        if needed:
            self.keep_more(prod(kernel))

    def padded(self, x: Tensor, pads: Sequence[tuple[int, int]]) -> Tensor:
        """A copy of (N, C, *) with so many more before and after on each axis."""
        extents = (n + before + after for n, (before, after) in zip(x.shape[2:], pads, strict=True))
        return self.image((*x.shape[:2], *extents), x)

    def elementwise(self, *inputs: Tensor) -> Tensor:
        """What is computed of inputs element by element, and keeps nothing."""
        shape = inputs[0].shape
        for x in inputs[1:]:
            shape = broadcast(shape, x.shape)
        return self.new(shape, *inputs, strides=elementwise(shape, *inputs))

    def product(self, a: Tensor, b: Tensor) -> None:
        """Keep each of two factors that the gradient of the other needs."""
        if b.trained:
            self.keep(a)
        if a.trained:
            self.keep(b)

    def reshape(self, x: Tensor, shape: Shape) -> Tensor:
        """``torch.reshape``: a view where that can be."""
        strides = viewed(x, shape)
        return self.new(shape, x) if strides is None else x._replace(shape=shape, strides=strides)

    def permute(self, x: Tensor, dims: Sequence[int]) -> Tensor:
        """``torch.permute``."""
        shape, strides = (tuple(each[dim] for dim in dims) for each in (x.shape, x.strides))
        return x._replace(shape=shape, strides=strides)

    def unsqueeze(self, x: Tensor, axis: int) -> Tensor:
        """``torch.unsqueeze``."""
        return self.reshape(x, (*x.shape[:axis], 1, *x.shape[axis:]))

    def aligned(self, *inputs: Tensor) -> list[Tensor]:
        """Inputs of as many axes each: those that lack some get them after the batch."""
        rank = max(len(x.shape) for x in inputs)
        more = [(1,) * (rank - len(x.shape)) for x in inputs]
        return [
            self.reshape(x, (x.shape[0], *axes, *x.shape[1:]))
            for x, axes in zip(inputs, more, strict=True)
        ]

    def transpose(self, x: Tensor) -> Tensor:
        """The last two axes exchanged."""
        axes = list(range(len(x.shape)))
        return self.permute(x, (*axes[:-2], axes[-1], axes[-2]))

    def expand(self, x: Tensor, shape: Shape) -> Tensor:
        """``Tensor.expand``: extents of 1, and those that are missing in front, repeat."""
        missing = len(shape) - len(x.shape)
        had = zip(x.shape, x.strides, strict=True)
        ends = zip(had, shape[missing:], strict=True)
        strides = tuple(0 if n != m else stride for (n, stride), m in ends)
        return x._replace(shape=shape, strides=(0,) * missing + strides)

    def contiguous(self, x: Tensor) -> Tensor:
        """``Tensor.contiguous``: a copy where it is not in order."""
        return x if x.in_order else self.new(x.shape, x)

    def linear(self, x: Tensor, features: int) -> Tensor:
        """A product with a trained matrix, which sees the axes before the last as one."""
        rows = self.reshape(self.lowered(x), (prod(x.shape[:-1]), x.shape[-1]))
        self.product(rows, self.weight((x.shape[-1], features)))
        return self.new((*x.shape[:-1], features), rows)._replace(
            trained=x.trained or self.trainable
        )

    def matmul(self, a: Tensor, b: Tensor) -> Tensor:
        """``torch.matmul`` of tensors of as many axes, three and more."""
        a, b = self.lowered(a), self.lowered(b)
        batch = broadcast(a.shape[:-2], b.shape[:-2])
        self.product(*(self._batched(x, batch) for x in (a, b)))
        return self.new((*batch, a.shape[-2], b.shape[-1]), a, b)

    def _batched(self, x: Tensor, batch: Shape) -> Tensor:
        matrix = x.shape[-2:]
        return self.reshape(self.expand(x, (*batch, *matrix)), (prod(batch), *matrix))

    def softmax(self, x: Tensor) -> Tensor:
        """``torch.softmax``, of which the output is kept."""
        output = self.new(x.shape, x)
        if self.autocast:
            output.storage.width = FLOAT32
        if x.trained:
            self.keep(output)
        return output
