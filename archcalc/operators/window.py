"""The window formula: how a kernel that slides over an axis determines the output's extent.

Every convolution and every pooling goes through :func:`slide`; nothing else computes an extent.
The rule is ``(W - F + 2P) / S + 1`` with the rounding that is asked for, as in PyTorch's
documentation of ``Conv2d`` and ``MaxPool2d``; ``F`` is the dilated kernel ``d * (k - 1) + 1``.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import WithJsonSchema, field_validator

from archcalc.dims import Shape, Size, ceil_div, holds, is_symbolic, maximum, minimum
from archcalc.errors import ShapeError
from archcalc.operators.base import Operator, PerAxis, per_axis, per_axis_natural, require
from archcalc.operators.taps import Window, Windowed

Pads: TypeAlias = tuple[tuple[Size, Size], ...]
"""Padding before and after, for each axis."""

Rounding: TypeAlias = Literal["floor", "ceil", "caffe"]
"""How a window that does not fit a whole number of times is treated.

``floor`` drops it. ``ceil`` keeps it unless it would start in the padding at the end, as PyTorch
and ONNX do. ``caffe`` keeps it too, and drops such a window only where some padding is not zero.
"""

AXES = {1: "(N, C, L)", 2: "(N, C, H, W)", 3: "(N, C, D, H, W)"}

MODES = ("valid", "same", "same_upper", "same_lower")


def parse_padding(value: Any, axes: int) -> str | Pads:
    """A ``padding`` field in its one stored form: a mode's name, or (before, after) for each axis.

    ``1`` pads every axis by one at both ends; ``[0, 1]`` the first axis by none and the second by
    one, as in PyTorch; ``[[0, 1]]`` every axis by none before and one after; and
    ``[[0, 1], [2, 3]]`` does so for each axis. Raises ``ValueError`` for anything else.
    """
    if isinstance(value, str):
        if value not in MODES:
            raise ValueError(
                f"should be a number, a list or one of {', '.join(MODES)}, not {value!r}"
            )
        return "valid" if value == "valid" else value
    if isinstance(value, Sequence) and value and all(_is_list(item) for item in value):
        pairs = list(value) * axes if len(value) == 1 else list(value)
        if len(pairs) != axes or any(len(pair) != 2 for pair in pairs):
            raise ValueError(
                f"should be [[before, after]] or a pair for each of {axes} axes, not {value}"
            )
        return tuple((before, after) for before, after in (per_axis_natural(p, 2) for p in pairs))
    if isinstance(value, Sequence) and axes == 1 and len(value) == 2:
        raise ValueError(f"has one axis: for unequal ends write [[{value[0]}, {value[1]}]]")
    return tuple((p, p) for p in per_axis_natural(value, axes))


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _written(*modes: str) -> WithJsonSchema:
    end = {"type": "integer", "minimum": 0}
    pair = {"type": "array", "items": end, "minItems": 2, "maxItems": 2}
    several = {"type": "array", "minItems": 1, "maxItems": 3, "items": {"anyOf": [end, pair]}}
    return WithJsonSchema({"anyOf": [end, {"enum": list(modes)}, several]})


# Stored as a mode's name or as Pads; a default may be written as one number.
Padding = Annotated[Any, _written(*MODES)]
"""Padding of a window; :func:`parse_padding` says what may be written."""

Cutting = Annotated[Any, _written("valid", "same_upper", "same_lower")]
"""What is cut off an output instead, written alike; PyTorch has no ``same`` for it."""


def resolve_padding(
    padding: str,
    extents: Sequence[Size],
    kernel: Sequence[Size],
    stride: Sequence[Size],
    dilation: Sequence[Size],
) -> Pads:
    """The (before, after) padding of every axis that a mode comes to.

    ``same`` is PyTorch's: ``d * (k - 1)`` in all whatever the input, so the output is as large as
    the input at stride 1; raises :class:`ShapeError` at any other stride, as PyTorch does.
    ``same_upper`` is TensorFlow's SAME and ONNX's SAME_UPPER: as much as makes the output
    ``ceil(n / s)``, the odd element at the end; ``same_lower`` puts it at the beginning.
    """
    if padding == "valid":
        return ((0, 0),) * len(extents)
    pads = []
    for n, k, s, d in zip(extents, kernel, stride, dilation, strict=True):
        if padding == "same":
            if not holds(s == 1):
                raise ShapeError(
                    f"padding 'same' needs stride 1, as in PyTorch, not {s}; "
                    "TensorFlow's SAME is 'same_upper'"
                )
            total = d * (k - 1)
        else:
            total = maximum(0, (ceil_div(n, s) - 1) * s + d * (k - 1) + 1 - n)
        less = total // 2
        pads.append((total - less, less) if padding == "same_lower" else (less, total - less))
    return tuple(pads)


def require_source(mode: str, n: Size, pad: tuple[Size, Size]) -> None:
    """Raise where an axis of ``n`` has too little to fill its padding from, as PyTorch does.

    ``reflect`` mirrors all but the element at the end, and ``circular`` repeats all, once.
    """
    if mode in ("reflect", "circular"):
        for end in pad:
            require(
                end <= (n - 1 if mode == "reflect" else n),
                f"mode {mode!r} can't pad {n} elements by {end}",
            )


def slide(
    n: Size,
    kernel: Size,
    stride: Size,
    dilation: Size,
    pad: tuple[Size, Size],
    rounding: Rounding = "floor",
    clip: bool = True,
) -> Size:
    """How many positions a window takes on an axis of ``n`` elements.

    ``clip`` drops a last window that would start beyond the input and the padding before it (it
    can only exist when rounding up). Raises :class:`ShapeError` when the window is larger than
    the padded input and so takes no position.
    """
    before, after = pad
    room = n + before + after - dilation * (kernel - 1) - 1
    # Rounded up, a window that overhangs by less than a stride is one position.
    if not holds(room >= (0 if rounding == "floor" else 1 - stride)):
        dilated = "" if holds(dilation == 1) else f" dilated by {dilation}"
        padded = "" if holds(before + after == 0) else f" padded by {before}+{after}"
        raise ShapeError(f"kernel {kernel}{dilated} is larger than its input {n}{padded}")
    if rounding == "floor":
        return room // stride + 1
    positions = ceil_div(room, stride) + 1
    # The last window may start at n + before - 1 at the latest. Rounding up overshoots by at most
    # one window, so the smaller of the two counts is PyTorch's `if (o-1)*s >= n+p: o -= 1`.
    return minimum(positions, (n + before - 1) // stride + 1) if clip else positions


def has_padding(pads: Pads) -> bool:
    """Whether any axis is padded at any end; a symbolic padding counts as padding."""
    return any(is_symbolic(p) or not holds(p == 0) for pair in pads for p in pair)


class Sized(Operator):
    """An operator of so many axes, with a number for each in fields of these names, if any."""

    axes: ClassVar[int]

    @field_validator("kernel_size", "dilation", mode="plain", check_fields=False)
    @classmethod
    def _per_axis(cls, value: Any) -> tuple[Size, ...]:
        return per_axis(value, cls.axes)


class Sliding(Sized, Windowed):
    """An operator whose window slides over its input and the padding around it."""

    if TYPE_CHECKING:  # fields of the operators, in an order of their own
        kernel_size: PerAxis
        stride: Any
        padding: Padding

    @field_validator("padding", mode="plain", check_fields=False)
    @classmethod
    def _padding(cls, value: Any) -> str | Pads:
        return parse_padding(value, cls.axes)

    @property
    @abstractmethod
    def dilations(self) -> tuple[Size, ...]:
        """Dilation of every axis."""

    def pads(self, *inputs: Shape) -> Pads:
        """Padding before and after on every axis, for these inputs."""
        padding: str | Pads = self.padding
        if not isinstance(padding, str):
            return padding
        return resolve_padding(
            padding, inputs[0][2:], self.kernel_size, self.stride, self.dilations
        )

    def window(self, *inputs: Shape) -> Window:
        return Window(self.kernel_size, self.stride, self.dilations, self.pads(*inputs))

    def slid(self, x: Shape, pads: Pads, rounding: Rounding = "floor", clip: bool = True) -> Shape:
        """How many positions the window takes on each axis: :func:`slide`."""
        axes = zip(x[2:], self.kernel_size, self.stride, self.dilations, pads, strict=True)
        return tuple(slide(n, k, s, d, p, rounding, clip) for n, k, s, d, p in axes)


class Dilated(Sliding):
    """One whose field says how far the elements of the window are apart."""

    if TYPE_CHECKING:
        dilation: PerAxis

    @property
    def dilations(self) -> tuple[Size, ...]:
        found: tuple[Size, ...] = self.dilation
        return found
