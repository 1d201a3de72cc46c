"""Graph -> which part of an input each output is computed from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from math import gcd, lcm
from typing import NamedTuple, TypeAlias

from archcalc.dims import Shape, Size, holds, maximum, minimum, settle
from archcalc.frontends.network import NetworkLike, graph_of
from archcalc.operators.taps import HERE, MOST_PHASES, Sources, Span, Taps, Traced
from archcalc.spec.graph import Node

Stride: TypeAlias = Size | Fraction | None
"""Pixels from one position's field to the next one's, a fraction after upsampling; 0 where all
positions see the same, None where the distance is not the same everywhere."""

Path: TypeAlias = tuple[str, Stride]
"""An input of a join and its stride."""


@dataclass(frozen=True, slots=True)
class Field:
    """What the positions of an output see of one axis of the input.

    Pixel ``i`` of the input reaches from ``i`` to ``i + 1``; what is before 0 or beyond the
    extent is padding, which a field larger than its input contains. All between the first and
    the last pixel that is seen belongs to the field, whether a stride or a dilation skips it or
    not. The borders of the layers between are taken to be as far away as those of the input.

    ::

        >>> import archcalc
        >>> height, width = archcalc.receptive_field("resnet18")["maxpool"]
        >>> height.size, height.stride
        (11, 4)
    """

    taps: Taps
    """The first and the last pixel that each position sees."""
    positions: Size
    """How many positions there are."""
    extent: Size
    """How many pixels there are."""
    paths: tuple[Path, ...] = ()
    """Where paths of different strides were joined: the inputs of the first such join."""

    def at(self, position: Size) -> Span:
        """Where the field of a position begins and ends."""
        first, last = self.taps.at(position)
        return first, last + 1

    @property
    def size(self) -> Size:
        """Pixels of the largest field of all positions, which differ after upsampling."""
        sizes = [last - first + 1 for first, last in self.taps.spans]
        return sizes[0] if len(sizes) == 1 else max(sizes)

    @property
    def stride(self) -> Stride:
        """From one position's field to the next one's."""
        return _stride(self.taps)

    @property
    def start(self) -> Size:
        """Where the field of the first position begins: minus the padding of all layers."""
        return self.at(0)[0]

    @property
    def centre(self) -> Fraction:
        """The middle of the field of the first position, which unequal padding moves."""
        start, end = self.at(0)
        return Fraction(start + end, 2)

    @property
    def whole(self) -> bool:
        """Whether every position sees the whole input."""
        (last_start, _), (_, first_end) = self.at(self.positions - 1), self.at(0)
        return holds(last_start <= 0) and holds(first_end >= self.extent)

    @property
    def aligned(self) -> bool:
        """Whether all paths from the input have the same stride."""
        return not self.paths


def _stride(taps: Taps) -> Stride:
    if taps.advance is None or len(taps.spans) == 1:
        return taps.advance
    stride = Fraction(settle(taps.advance), len(taps.spans))
    return stride.numerator if stride.denominator == 1 else stride


class _Axis(NamedTuple):
    """What is seen of one axis of the input."""

    taps: Taps
    paths: tuple[Path, ...] = ()

    def all(self, positions: Size) -> _Axis:
        """What so many positions see together, as what each of them sees."""
        together = (self.taps.at(0)[0], self.taps.at(positions - 1)[1])
        return self._replace(taps=Taps((together,), 0))


class _Seen(NamedTuple):
    """What an output sees of the input."""

    axes: tuple[_Axis, ...]
    scattered: bool = False
    """Whether it is not known which position sees what; ``axes`` is what they see together."""

    @property
    def constant(self) -> bool:
        """Whether all positions are said to see the same."""
        return all(axis.taps.advance == 0 for axis in self.axes)

    def all(self, shape: Shape) -> tuple[_Axis, ...] | None:
        """What all positions of an output of ``shape`` see together."""
        if self.constant:
            return self.axes
        if len(shape) - 2 != len(self.axes):
            return None
        return tuple(axis.all(n) for axis, n in zip(self.axes, shape[2:], strict=True))


def receptive_field(
    network: NetworkLike, input: str | None = None
) -> dict[str, tuple[Field, ...] | None]:
    """What each layer's output sees of the named input (the first by default), axis by axis.

    The axes are those of the input after the batch and the channels. A layer is left out if it
    is not computed from that input, and None if what one of its positions sees can't be said:
    when elements are rearranged, or by an operator that does not say where it computes from.
    Raises ``KeyError`` for an input that the graph has not.

    A convolution or pooling widens the field by ``d (k - 1)`` strides and multiplies the stride
    by its own; a join sees all that its inputs see. Araujo, Norris and Sim, Computing receptive
    fields of convolutional neural networks, Distill, 2019.

    ::

        >>> import archcalc
        >>> [field.size for field in archcalc.receptive_field("resnet18")["conv1"]]
        [7, 7]
    """
    graph = graph_of(network)
    name = next(iter(graph.inputs)) if input is None else input
    extents = graph.inputs[name][2:]
    seen: dict[str, _Seen | None] = {name: _Seen((_Axis(HERE),) * len(extents))}
    fields: dict[str, tuple[Field, ...] | None] = {}
    for node in graph.nodes:
        if any(source in seen for source in _computed_from(node)):
            seen[node.name] = found = _see(node, seen, extents)
            fields[node.name] = None if found is None else _fields(found, node.shape, extents)
    return fields


def _computed_from(node: Node) -> tuple[str, ...]:
    """The inputs of a node, but those of which nothing but the shape matters."""
    if not isinstance(node.op, Traced):
        return node.inputs
    return node.inputs[: len(node.op.taps(node.shape, *node.input_shapes))]


def _fields(seen: _Seen, shape: Shape, extents: Shape) -> tuple[Field, ...] | None:
    if seen.scattered:
        return None
    positions = (1,) * len(extents) if seen.constant else shape[2:]
    return tuple(
        Field(axis.taps, n, extent, axis.paths)
        for axis, n, extent in zip(seen.axes, positions, extents, strict=True)
    )


def _see(node: Node, seen: Mapping[str, _Seen | None], extents: Shape) -> _Seen | None:
    """What a node sees; None if it can't be said."""
    known: list[tuple[str, Shape, int, _Seen]] = []
    for number, (source, shape) in enumerate(zip(node.inputs, node.input_shapes, strict=True)):
        if source in seen:
            found = seen[source]
            if found is None:
                return None
            known.append((source, shape, number, found))
    if all(each.constant and not each.scattered for *_, each in known):
        return _join(node, [(source, each) for source, _, _, each in known], extents)
    if not isinstance(node.op, Traced):
        return None
    taps = node.op.taps(node.shape, *node.input_shapes)
    parts = []
    for source, shape, number, each in known:
        if number < len(taps):
            through = _through(each, taps[number], shape, node.shape)
            if through is None:
                return None
            parts.append((source, through))
    return _join(node, parts, extents)


def _through(seen: _Seen, sources: Sources, shape: Shape, output: Shape) -> _Seen | None:
    """What is seen through an operator whose input of this ``shape`` sees ``seen``."""
    if sources == "everywhere":
        axes = seen.all(shape)
        return None if axes is None else _Seen(axes)
    if seen.constant:
        return seen
    if sources == "anywhere":
        axes = seen.all(shape)
        return None if axes is None else _Seen(axes, scattered=True)
    if not len(sources) == len(seen.axes) == len(output) - 2:
        return None
    through = []
    for axis, taps, n in zip(seen.axes, sources, output[2:], strict=True):
        composed = compose(axis.taps, taps, n)
        if composed is None:
            return None
        through.append(axis._replace(taps=composed))
    return _Seen(tuple(through))


def compose(inner: Taps, outer: Taps, positions: Size) -> Taps | None:
    """The taps of ``outer`` on an axis with the taps of ``inner``, for so many positions.

    Spans move on with their positions, so the first of a span sees the first pixel. None if
    their period can't be listed.
    """
    if outer == HERE:
        return inner
    listed: Size
    advance: Size | None
    if inner.advance is None or outer.advance is None:
        listed, advance = positions, None
    elif len(inner.spans) == 1:
        listed, advance = len(outer.spans), inner.advance * outer.advance
    else:
        times = len(inner.spans) // gcd(len(inner.spans), outer.advance)
        listed = len(outer.spans) * times
        advance = outer.advance * times // len(inner.spans) * inner.advance
    if type(listed) is not int or listed > MOST_PHASES:
        return None
    outers = (outer.at(position) for position in range(listed))
    return Taps(tuple((inner.at(first)[0], inner.at(last)[1]) for first, last in outers), advance)


def _join(node: Node, parts: Sequence[tuple[str, _Seen]], extents: Shape) -> _Seen | None:
    """What inputs see together."""
    if any(each.scattered for _, each in parts):
        scattered = [(source, each.all(node.shape)) for source, each in parts]
        together = [(source, _Seen(axes)) for source, axes in scattered if axes is not None]
        if len(together) < len(parts):
            return None
        joined = _join(node, together, extents)
        return None if joined is None else joined._replace(scattered=True)
    spatial = node.shape[2:]
    axes = []
    for number, extent in enumerate(extents):
        n = spatial[number] if len(spatial) == len(extents) else 1
        axis = _together([(source, each.axes[number]) for source, each in parts], n, extent)
        if axis is None:
            return None
        axes.append(axis)
    return _Seen(tuple(axes))


def _together(parts: Sequence[tuple[str, _Axis]], positions: Size, extent: Size) -> _Axis | None:
    """What inputs see together of an axis of this extent of the input.

    Beside one that sees the whole input, or as much as the others, these add nothing, whatever
    their stride. None if the fields of all positions differ and can't be listed.
    """
    axes = [axis for _, axis in parts]
    paths = next((axis.paths for axis in axes if axis.paths), ())
    if all(axis.taps == axes[0].taps for axis in axes):
        return axes[0]._replace(paths=paths)
    all_see = _union([axis.all(positions).taps.spans[0] for axis in axes])
    for axis in axes:
        ((first, last), *_) = axis.taps.spans
        if axis.taps.advance == 0 and (
            (first, last) == all_see or (holds(first <= 0) and holds(last >= extent - 1))
        ):
            return _Axis(Taps((all_see,), 0), paths)
    aligned = all(_stride(axis.taps) == _stride(axes[0].taps) for axis in axes)
    listed: Size
    advance: Size | None
    if aligned and axes[0].taps.advance is not None:
        listed = lcm(*(len(axis.taps.spans) for axis in axes))
        advance = listed // len(axes[0].taps.spans) * axes[0].taps.advance
    else:
        listed, advance = positions, None
        paths = paths or tuple((source, _stride(axis.taps)) for source, axis in parts)
    if type(listed) is not int or listed > MOST_PHASES:
        return None
    spans = (_union([axis.taps.at(position) for axis in axes]) for position in range(listed))
    return _Axis(Taps(tuple(spans), advance), paths)


def _union(spans: Iterable[Span]) -> Span:
    return reduce(lambda a, b: (minimum(a[0], b[0]), maximum(a[1], b[1])), spans)
