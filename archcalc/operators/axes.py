"""Axes that come, go, change places, stretch, and are taken apart: what views are made of.

The batch stays where it is.
"""

import re
from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, final

from pydantic import AfterValidator, Field, StrictInt, field_validator

from archcalc.dims import Shape, Size, divides, holds, same
from archcalc.errors import ShapeError
from archcalc.operators.autograd import Reshaping, Stepwise, Viewing
from archcalc.operators.base import Call, Count, Example, Integer, Moving, Spelled, describe, listed
from archcalc.operators.reduction import sample_axis
from archcalc.operators.shape import extent_or_rest, is_rest
from archcalc.operators.taps import HERE, Scattering, Sources, Traced

if TYPE_CHECKING:
    from archcalc.operators.saving import Autograd, Tensor

Several = StrictInt | Annotated[tuple[StrictInt, ...], Field(min_length=1)]


@final
class Unsqueeze(Moving, Scattering, Reshaping, Spelled):
    """Puts in an axis of extent 1, so that it is axis ``dim``, as ``torch.unsqueeze``."""

    dim: StrictInt
    """Where in the output the new axis is; not in the batch's place."""

    target = "torch.unsqueeze"
    examples = (Example({"dim": 1}, ((2, 8, 5),)), Example({"dim": -1}, ((2, 8),)))

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        axis = sample_axis(self.dim, (*x, 1))
        return (*x[:axis], 1, *x[axis:])


@final
class Squeeze(Moving, Scattering, Reshaping, Spelled):
    """Drops axes of extent 1, as ``torch.squeeze``. Another extent is refused."""

    dim: Several
    """The axis or the axes; not the batch."""

    target = "torch.squeeze"
    examples = (Example({"dim": 1}, ((2, 1, 5),)), Example({"dim": [-1, -2]}, ((2, 8, 1, 1),)))

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        axes = {sample_axis(dim, x) for dim in listed(self.dim)}
        for axis in axes:
            if not same(x[axis], 1):
                raise ShapeError(f"axis {axis} of {describe(x)} has {x[axis]} elements, not 1")
        return tuple(n for axis, n in enumerate(x) if axis not in axes)


@final
class Transpose(Moving, Traced, Viewing, Spelled):
    """Swaps two axes, as ``torch.transpose``."""

    dim0: StrictInt
    """One of them; not the batch."""
    dim1: StrictInt
    """The other one."""

    target = "torch.transpose"
    examples = (
        Example({"dim0": 1, "dim1": 2}, ((2, 768, 196),)),
        Example({"dim0": -1, "dim1": -2}, ((2, 4, 10, 16),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        first, second = sample_axis(self.dim0, x), sample_axis(self.dim1, x)
        swapped = list(x)
        swapped[first], swapped[second] = x[second], x[first]
        return tuple(swapped)

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        (x,) = inputs
        still = sample_axis(self.dim0, x) == sample_axis(self.dim1, x)
        return ((HERE,) * len(x[2:]) if still else "anywhere",)

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        (x,) = inputs
        axes = list(range(len(x.shape)))
        axes[self.dim0], axes[self.dim1] = axes[self.dim1], axes[self.dim0]
        return autograd.permute(x, axes)


@final
class Expand(Moving, Scattering, Viewing, Spelled):
    """Stretches axes of extent 1 to ``shape``, as ``torch.Tensor.expand``.

    ``shape`` leaves out the batch; -1 keeps an axis as it is. It may name more axes than there
    are, which come after the batch.
    """

    shape: Annotated[
        tuple[Annotated[Integer, AfterValidator(extent_or_rest)], ...], Field(min_length=1)
    ]
    """The new sizes without the batch; -1 for what stays."""

    target = "archcalc.Expand"
    examples = (
        Example({"shape": [77, 512]}, ((2, 1, 512),)),
        Example({"shape": [8, -1, 16]}, ((2, 4, 1),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        missing = len(self.shape) - len(x[1:])
        if missing < 0:
            raise ShapeError(f"shape {describe(self.shape)} has fewer axes than {describe(x)}")
        met = []
        for have, wanted in zip((None,) * missing + tuple(x[1:]), self.shape, strict=True):
            if have is None and is_rest(wanted):
                raise ShapeError("-1 keeps an axis, and a new one has no extent to keep")
            if have is None or holds(have == 1):
                met.append(1 if is_rest(wanted) else wanted)
            elif is_rest(wanted) or same(have, wanted):
                met.append(have)
            else:
                raise ShapeError(
                    f"{describe(x)} does not stretch to {describe(self.shape)}: {have} and {wanted}"
                )
        return (x[0], *met)

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        (x,) = inputs
        missing = len(self.shape) + 1 - len(x.shape)
        apart = autograd.reshape(x, (x.shape[0], *(1,) * missing, *x.shape[1:]))
        return autograd.expand(apart, self.infer(x.shape))


_TOKEN = re.compile(r"[A-Za-z_]\w*|1|[()]|\.\.\.")

Side = tuple[tuple[str, ...], ...]
"""The axes of one side of a pattern, each of the names that make it up."""


REST = "..."
"""Any number of axes in a pattern."""


def parse_pattern(pattern: str) -> tuple[Side, Side]:
    """Both sides of a pattern such as ``b (h d) n -> b h n d``. Raises ``ValueError``."""
    left, arrow, right = pattern.partition("->")
    if not arrow or "->" in right:
        raise ValueError(f"should have one '->', not {pattern!r}")
    sides = _side(left), _side(right)
    names = [[name for axis in side for name in axis] for side in sides]
    for side in names:
        if len(set(side)) < len(side):
            raise ValueError(f"names an axis twice: {pattern!r}")
    if set(names[0]) != set(names[1]):
        odd = ", ".join(sorted(set(names[0]) ^ set(names[1])))
        raise ValueError(f"names {odd} on one side only: {pattern!r}")
    if not (sides[0] and sides[1] and sides[0][0] == sides[1][0] and len(sides[0][0]) == 1):
        raise ValueError(f"should begin with the batch, by itself, on both sides: {pattern!r}")
    if sides[0][0] == (REST,) or any(REST in axis and len(axis) > 1 for axis in sides[0]):
        raise ValueError(f"should have '...' by itself on the left, behind the batch: {pattern!r}")
    return sides


def spread(side: Side, count: int) -> Side:
    """A side with so many axes in the place of ``...``."""
    rest = [f"{REST}{k}" for k in range(count)]
    axes: list[tuple[str, ...]] = []
    for axis in side:
        if axis == (REST,):
            axes += [(name,) for name in rest]
        elif REST in axis:
            at = axis.index(REST)
            axes.append((*axis[:at], *rest, *axis[at + 1 :]))
        else:
            axes.append(axis)
    return tuple(axes)


def _side(text: str) -> Side:
    axes: list[tuple[str, ...]] = []
    group: list[str] | None = None
    if _TOKEN.sub("", text).strip():
        raise ValueError(f"should be of names, 1, ... and ( ), not {text.strip()!r}")
    for token in _TOKEN.findall(text):
        if token == "(":
            if group is not None:
                raise ValueError(f"has ( within ( ): {text.strip()!r}")
            group = []
        elif token == ")":
            if group is None:
                raise ValueError(f"has ) without (: {text.strip()!r}")
            axes.append(tuple(group))
            group = None
        elif token == "1":
            if group is None:
                axes.append(())
        elif group is None:
            axes.append((token,))
        else:
            group.append(token)
    if group is not None:
        raise ValueError(f"has ( without ): {text.strip()!r}")
    return tuple(axes)


@final
class Rearrange(Moving, Scattering, Stepwise):
    """Splits, reorders and joins axes by a pattern, as ``einops.rearrange``.

    ``b (h d) n -> b h n d``: each word is an axis, words in ( ) are one axis, the first of them
    slowest, 1 is an axis of extent 1 and ``...`` stands for any number of axes. The first word is
    the batch. ``sizes`` gives the extents that do not follow from the input: of every ( ) on the
    left all but one.
    """

    pattern: str
    """The axes before and after."""
    sizes: dict[str, Count] = {}
    """Extents of axes by name."""

    examples = (
        Example({"pattern": "b (h d) n -> b h n d", "sizes": {"h": 4}}, ((2, 64, 10),)),
        Example({"pattern": "b c h w -> b (h w) c"}, ((2, 8, 7, 7),)),
        Example({"pattern": "b n -> b n 1"}, ((2, 8),)),
        Example({"pattern": "b c ... -> b (...) c"}, ((2, 8, 7, 6),)),
    )

    @field_validator("pattern")
    @classmethod
    def _reads(cls, value: str) -> str:
        parse_pattern(value)
        return value

    def infer(self, *inputs: Shape) -> Shape:
        _, _, shape = self.steps(*inputs)
        return shape

    def steps(self, *inputs: Shape) -> tuple[Shape, tuple[int, ...], Shape]:
        """The shape with all axes apart, their new order, and the shape of the output."""
        (x,) = inputs
        left, right = parse_pattern(self.pattern)
        if (REST,) in left and len(left) <= len(x) + 1:
            count = len(x) - len(left) + 1
            left, right = spread(left, count), spread(right, count)
        if len(left) != len(x):
            raise ShapeError(f"'{self.pattern}' takes {len(left)} axes, not {describe(x)}")
        extents = dict(self._extents(left, x))
        for name in self.sizes:
            if name not in extents:
                raise ShapeError(f"'{self.pattern}' has no axis '{name}'")
        names = [name for axis in left for name in axis]
        order = tuple(names.index(name) for axis in right for name in axis)
        return (
            tuple(extents[name] for name in names),
            order,
            tuple(prod(extents[name] for name in axis) for axis in right),
        )

    def _extents(self, left: Side, x: Shape) -> Iterator[tuple[str, Size]]:
        for axis, n in zip(left, x, strict=True):
            known = prod(self.sizes[name] for name in axis if name in self.sizes)
            open_names = [name for name in axis if name not in self.sizes]
            if len(open_names) > 1:
                raise ShapeError(f"'{self.pattern}' needs sizes of all but one of {open_names}")
            fits = divides(known, n) if open_names else same(known, n)
            if not fits:
                raise ShapeError(f"axes ({' '.join(axis)}) of {known} do not make up {n}")
            for name in axis:
                yield name, self.sizes[name] if name in self.sizes else n // known

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        (x,) = inputs
        apart, order, shape = self.steps(x.shape)
        return autograd.reshape(autograd.permute(autograd.reshape(x, apart), order), shape)

    def torch(self, *inputs: Shape) -> Call:
        apart, order, shape = self.steps(*inputs)
        return Call(
            "archcalc.Rearrange",
            {"apart": apart[1:], "order": order, "shape": shape[1:]},
        )


@final
class View(Moving, Scattering, Reshaping):
    """Other axes for the elements of all samples, as ``x.view(-1, *shape)``: the batch's, too.

    ``shape`` leaves out the first axis, which takes what is left: the windows of a map, or the
    frames of a video, become samples of their own, and samples again what they were part of.
    """

    shape: Annotated[tuple[Count, ...], Field(min_length=1)]
    """The sizes of all axes but the first."""

    @field_validator("shape", mode="before")
    @classmethod
    def _whole(cls, value: Any) -> Any:
        if isinstance(value, (list, tuple)) and -1 in value:
            raise ValueError("the batch takes what is left, so no other size can be -1: write it")
        return value

    examples = (
        Example({"shape": [49, 96]}, ((2, 64, 49, 96),)),
        Example({"shape": [8, 3, 10, 10]}, ((16, 3, 10, 10),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        have, known = prod(x), prod(self.shape)
        if not divides(known, have):
            raise ShapeError(
                f"shape {describe(self.shape)} needs a multiple of {known} elements, "
                f"but {describe(x)} has {have}"
            )
        return (have // known, *self.shape)

    def torch(self, *inputs: Shape) -> Call:
        return Call("torch.reshape", {"shape": (-1, *self.shape)})
