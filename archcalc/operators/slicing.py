"""Parts of a tensor along one axis."""

from typing import TYPE_CHECKING, Annotated, final

from pydantic import Field, StrictInt

from archcalc.dims import Shape, Size, ceil_div, holds, maximum, minimum, same
from archcalc.errors import ShapeError
from archcalc.operators.autograd import INTEGER, Stepwise, Viewing
from archcalc.operators.base import (
    Call,
    Count,
    Example,
    Integer,
    Moving,
    Natural,
    axis_of,
    describe,
    require,
)
from archcalc.operators.taps import HERE, Sources, Taps, Traced, moved, on_axis

if TYPE_CHECKING:
    from archcalc.operators.saving import Autograd, Tensor


@final
class Slice(Moving, Traced, Viewing):
    """``x[start:end:step]`` on the axis ``dim``, as Python slices: negative numbers count from
    the end, and numbers beyond an end stop there.
    """

    dim: StrictInt = 1
    """The axis that is cut."""
    start: Integer | None = None
    """The first index that is kept."""
    end: Integer | None = None
    """The index before which it ends."""
    step: Count = 1
    """Every how many elements one is kept."""

    examples = (
        Example({"start": 1}, ((2, 197, 768),)),
        Example({"dim": -1, "start": -5, "end": 100, "step": 2}, ((2, 3, 8, 8),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        axis = axis_of(self.dim, x)
        n = x[axis]
        start = 0 if self.start is None else _position(self.start, n)
        end = n if self.end is None else _position(self.end, n)
        written = ":".join("" if end is None else str(end) for end in (self.start, self.end))
        require(
            end > start, f"slice {written} takes nothing of {n} on axis {axis} of {describe(x)}"
        )
        return (*x[:axis], ceil_div(end - start, self.step), *x[axis + 1 :])

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        (x,) = inputs
        start = 0 if self.start is None else _position(self.start, x[axis_of(self.dim, x)])
        return (_cut(x, self.dim, moved(start, self.step)),)

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        (x,) = inputs
        axis = axis_of(self.dim, x.shape)
        strides = tuple(s * (self.step if i == axis else 1) for i, s in enumerate(x.strides))
        return x._replace(shape=self.infer(x.shape), strides=strides)

    def torch(self, *inputs: Shape) -> Call:
        fields = {"dim": self.dim, "start": self.start, "end": self.end, "step": self.step}
        return Call("archcalc.Slice", fields)


def _cut(x: Shape, dim: int, taps: Taps) -> Sources:
    return on_axis(taps, axis_of(dim, x), len(x))


def _position(at: Size, n: Size) -> Size:
    if holds(at >= 0):
        return minimum(at, n)
    if holds(at < 0):
        return maximum(n + at, 0)
    raise ShapeError(f"a slice can't count from the start and from the end at once: {at}")


@final
class Split(Moving, Traced, Viewing):
    """The piece number ``index`` (from 0) of ``torch.split`` on the axis ``dim``.

    ``split_size_or_sections`` is the extent of every piece, of which the last may be smaller, or
    a list of all their extents.
    """

    split_size_or_sections: Count | Annotated[tuple[Count, ...], Field(min_length=1)]
    """The extent of every piece, or a list of them all."""
    index: Natural
    """Which piece, from 0."""
    dim: StrictInt = 1
    """The axis that is cut."""

    examples = (
        Example({"split_size_or_sections": 29, "index": 1}, ((2, 58, 28, 28),)),
        Example({"split_size_or_sections": 4, "index": 2}, ((2, 10, 8),)),
        Example({"split_size_or_sections": [3, 7], "index": 0, "dim": -1}, ((2, 8, 10),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        axis = axis_of(self.dim, x)
        n, sections = x[axis], self.split_size_or_sections
        if isinstance(sections, tuple):
            if not same(sum(sections), n):
                raise ShapeError(
                    f"sections {describe(sections)} add up to {sum(sections)}, "
                    f"but axis {axis} of {describe(x)} has {n}"
                )
            if not 0 <= self.index < len(sections):
                raise ShapeError(f"index={self.index} is none of {len(sections)} pieces")
            piece = sections[self.index]
        else:
            piece = minimum(sections, n - self.index * sections)
            pieces = ceil_div(n, sections)
            require(piece >= 1, f"index={self.index} is none of {pieces} pieces of {describe(x)}")
        return (*x[:axis], piece, *x[axis + 1 :])

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        sections, k = self.split_size_or_sections, self.index
        start = sum(sections[:k]) if isinstance(sections, tuple) else k * sections
        return (_cut(inputs[0], self.dim, moved(start)),)

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        return inputs[0]._replace(shape=self.infer(inputs[0].shape))

    def torch(self, *inputs: Shape) -> Call:
        fields = {"split_size_or_sections": self.split_size_or_sections, "dim": self.dim}
        return Call("torch.split", fields, unpack=self.index)


@final
class Chunk(Moving, Traced, Viewing):
    """The piece number ``index`` (from 0) of ``torch.chunk`` on the axis ``dim``.

    There are ``chunks`` pieces of one extent, rounded up; the last may be smaller, and pieces that
    would be empty are not there.
    """

    chunks: Count
    """How many pieces."""
    index: Natural
    """Which piece, from 0."""
    dim: StrictInt = 1
    """The axis that is cut."""

    examples = (
        Example({"chunks": 2, "index": 1}, ((2, 58, 28, 28),)),
        Example({"chunks": 3, "index": 2, "dim": -1}, ((2, 5, 8),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        axis = axis_of(self.dim, x)
        extent = ceil_div(x[axis], self.chunks)
        piece = minimum(extent, x[axis] - self.index * extent)
        pieces = ceil_div(x[axis], extent)
        require(piece >= 1, f"index={self.index} is none of {pieces} pieces of {describe(x)}")
        return (*x[:axis], piece, *x[axis + 1 :])

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        (x,) = inputs
        extent = ceil_div(x[axis_of(self.dim, x)], self.chunks)
        return (_cut(x, self.dim, moved(self.index * extent)),)

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        return inputs[0]._replace(shape=self.infer(inputs[0].shape))

    def torch(self, *inputs: Shape) -> Call:
        return Call("torch.chunk", {"chunks": self.chunks, "dim": self.dim}, unpack=self.index)


@final
class Select(Moving, Traced, Stepwise):
    """The elements at the indices ``index`` of the axis ``dim``, as ``torch.index_select``.

    LeNet-5's table of connections picks the maps that a feature sees this way. One number instead
    of a list drops the axis, as ``torch.select``: ``x[:, 0]``; a negative one counts from the end.
    """

    index: Integer | Annotated[tuple[Natural, ...], Field(min_length=1)]
    """The indices that are kept, from 0, in this order; or the one that is taken out."""
    dim: StrictInt = 1
    """The axis they are on."""

    examples = (
        Example({"index": [0, 4, 5]}, ((2, 6, 14, 14),)),
        Example({"index": [1, 1], "dim": -1}, ((2, 8, 10),)),
        Example({"index": 0}, ((2, 197, 768),)),
    )

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        axis = axis_of(self.dim, x)
        kept = (len(self.index),) if isinstance(self.index, tuple) else ()
        if not kept and axis == 0:
            raise ShapeError(f"dim={self.dim} is the batch, which no index takes out")
        for i in self.index if isinstance(self.index, tuple) else (self.index,):
            fits = i < x[axis] if holds(i >= 0) else -i <= x[axis]
            require(fits, f"index {i} is beyond the {x[axis]} of axis {axis} {describe(x)}")
        return (*x[:axis], *kept, *x[axis + 1 :])

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        (x,) = inputs
        listed = isinstance(self.index, tuple)
        return ((HERE,) * len(x[2:]) if listed and axis_of(self.dim, x) < 2 else "anywhere",)

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        """A copy that keeps the indices, or a view of what is at one."""
        (x,) = inputs
        shape, axis = self.infer(x.shape), axis_of(self.dim, x.shape)
        if not isinstance(self.index, tuple):
            strides = (*x.strides[:axis], *x.strides[axis + 1 :])
            return x._replace(shape=shape, strides=strides)
        if x.trained:
            autograd.keep_more(len(self.index), INTEGER)
        return autograd.new(shape, x)

    def torch(self, *inputs: Shape) -> Call:
        if isinstance(self.index, tuple):
            return Call("archcalc.Select", {"dim": self.dim, "index": self.index})
        return Call("torch.select", {"dim": self.dim, "index": self.index})
