"""Adding to the borders of a tensor, and taking from them."""

from typing import TYPE_CHECKING, Annotated, Literal, Self, final

from pydantic import Field, FiniteFloat, model_validator

from archcalc.dims import Shape, Size
from archcalc.errors import ShapeError
from archcalc.operators.autograd import Differentiable, Saved, Viewing
from archcalc.operators.base import Call, Example, Moving, Natural, describe, require, require_rank
from archcalc.operators.shape import SPATIAL
from archcalc.operators.taps import Sources, Traced, moved
from archcalc.operators.window import require_source

if TYPE_CHECKING:
    from archcalc.operators.saving import Autograd, Tensor


@final
class Pad(Moving, Traced, Differentiable):
    """Pads a tensor, as ``torch.nn.functional.pad``.

    ``pad`` is in PyTorch's order: (before, after) of the last axis, then of the one before it,
    and so on. Modes other than ``constant`` pad the last one to three axes of an input with one
    or two axes more than that.
    """

    pad: Annotated[tuple[Natural, ...], Field(min_length=2)]
    """Before and after, of the last axis first."""
    mode: Literal["constant", "reflect", "replicate", "circular"] = "constant"
    """What the padding holds."""
    value: FiniteFloat = 0.0
    """The number that constant padding holds."""

    examples = (
        Example({"pad": [1, 2, 3, 4]}, ((2, 3, 8, 6),)),
        Example({"pad": [2, 0], "mode": "reflect"}, ((2, 3, 8),)),
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len(self.pad) % 2:
            raise ValueError(f"pad should be pairs (before, after), not {len(self.pad)} numbers")
        if self.value and self.mode != "constant":
            raise ValueError(f"value={self.value} needs mode 'constant', not {self.mode!r}")
        return self

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        pairs = list(zip(self.pad[::2], self.pad[1::2], strict=True))
        if len(pairs) > len(x):
            raise ShapeError(f"pads {len(pairs)} axes, but {describe(x)} has {len(x)}")
        if self.mode != "constant" and (len(pairs) > 3 or len(x) - len(pairs) not in (1, 2)):
            raise ShapeError(
                f"mode {self.mode!r} can't pad {len(pairs)} axes of {describe(x)}: "
                "it pads the last one to three, and all but one or two"
            )
        extents = []
        for n, (before, after) in zip(reversed(x), pairs, strict=False):
            require_source(self.mode, n, (before, after))
            extents.append(n + before + after)
        return (*x[: len(x) - len(pairs)], *reversed(extents))

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        """The input, where it is mirrored or repeated at an end."""
        return Saved(inputs=(0,) if self.mode in ("reflect", "replicate") else ())

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        last_first = (*self.pad[::2], *(0 for _ in output))
        return (tuple(moved(-before) for before in reversed(last_first[: len(output) - 2])),)

    def torch(self, *inputs: Shape) -> Call:
        value = {"value": self.value} if self.mode == "constant" else {}
        return Call("F.pad", {"pad": self.pad, "mode": self.mode, **value})


@final
class Crop(Moving, Traced, Viewing):
    """Drops elements at the ends of the spatial axes.

    With one input ``cropping`` says how many: a number for every end, or ``[before, after]`` for
    each spatial axis. With two inputs the first is cropped to the spatial extents of the second,
    centred, as U-Net crops a skip connection; ``before`` is the smaller half of an odd surplus.
    """

    arity = (1, 2)
    takes = ("input", "what it is cropped to")

    cropping: Natural | tuple[tuple[Natural, Natural], ...] | None = None
    """What is dropped at the ends; left out where a second input says it."""

    examples = (
        Example({"cropping": [[4, 4], [3, 5]]}, ((2, 64, 64, 72),)),
        Example({"cropping": 1}, ((2, 64, 10),)),
        Example({}, ((2, 64, 64, 64), (2, 128, 56, 56))),
    )

    def infer(self, *inputs: Shape) -> Shape:
        x = inputs[0]
        require_rank(x, (3, 4, 5), SPATIAL)
        return (*x[:2], *(n - a - b for n, (a, b) in zip(x[2:], self._ends(*inputs), strict=True)))

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        return (tuple(moved(before) for before, _ in self._ends(*inputs)),)

    def _ends(self, *inputs: Shape) -> tuple[tuple[Size, Size], ...]:
        x, *like = inputs
        if like:
            if self.cropping is not None:
                raise ShapeError("a second input says how much to crop: leave out 'cropping'")
            if len(like[0]) != len(x):
                raise ShapeError(f"{describe(x)} can't be cropped to {describe(like[0])}")
            surplus = [n - m for n, m in zip(x[2:], like[0][2:], strict=True)]
            _require_natural(surplus, f"{describe(x)} is smaller than {describe(like[0])}")
            return tuple((extra // 2, extra - extra // 2) for extra in surplus)
        if self.cropping is None:
            raise ShapeError("one input alone needs 'cropping'")
        ends = self.cropping
        if not isinstance(ends, tuple):
            ends = ((ends, ends),) * (len(x) - 2)
        if len(ends) != len(x) - 2:
            raise ShapeError(f"crops {len(ends)} axes, but {describe(x)} has {len(x) - 2}")
        left = [n - before - after - 1 for n, (before, after) in zip(x[2:], ends, strict=True)]
        _require_natural(left, f"cropping {self.cropping} leaves nothing of {describe(x)}")
        return ends

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        return inputs[0]._replace(shape=self.infer(*(x.shape for x in inputs)))

    def torch(self, *inputs: Shape) -> Call:
        return Call("archcalc.Crop", {} if len(inputs) == 2 else {"cropping": self._ends(*inputs)})


def _require_natural(numbers: list[Size], message: str) -> None:
    """Raise :class:`ShapeError` with ``message`` if any of ``numbers`` is negative."""
    for number in numbers:
        require(number >= 0, message)
