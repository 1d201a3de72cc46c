"""Graph -> loop nests: what hardware multiplies, as the tools say it that map loops to machines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal, NamedTuple

from archcalc.analysis.counted import Analysis, Row
from archcalc.dims import Shape
from archcalc.operators import FAMILIES
from archcalc.operators.attention import MultiheadAttention, ScaledDotProductAttention
from archcalc.operators.autograd import Stored
from archcalc.operators.conv import Conv1d, Conv2d
from archcalc.operators.join import Add, MatMul
from archcalc.operators.linear import Linear
from archcalc.operators.projected_attention import Attention

Kind = Literal["conv", "depthwise", "grouped", "gemm", "batched", "pool", "add"]


OUTSIDE = ("Constant", "Cache")
"""Operators beside parameters whose output comes from outside."""


class Nest(NamedTuple):
    """Loops of a layer, or of one of its products."""

    layer: str
    kind: Kind
    """``conv`` of N K C P Q R S; ``grouped`` of G, too; ``depthwise`` of N C P Q R S; ``gemm`` of
    N K C; ``batched`` of G M K C, both factors being activations; ``pool`` of N C P Q R S; ``add``
    of N C P Q."""
    sizes: Mapping[str, int]
    """How often each loop runs: P and R are the width of output and kernel, Q and S the height; C
    and K the channels of input and output, of each group G."""
    inputs: tuple[str, ...]
    """What it takes: layers, inputs of the network, and products of the same layer before it,
    which are called ``layer:scores``."""
    name: str = ""
    """Of one of a layer's products, ``scores``; ``""`` where it is all of it."""
    strides: tuple[int, int] = (1, 1)
    """Of the width, and of the height."""
    dilations: tuple[int, int] = (1, 1)

    @property
    def title(self) -> str:
        """``layer``, or ``layer:scores``."""
        return f"{self.layer}:{self.name}" if self.name else self.layer

    @property
    def macs(self) -> int:
        """Multiply-accumulates: all loops; none of pooling and adding."""
        return 0 if self.kind in ("pool", "add") else prod(self.sizes.values())


@dataclass(frozen=True)
class Nests:
    """The loops of a network, and what can't be said so."""

    network: str
    nests: tuple[Nest, ...]
    outputs: Mapping[str, str]
    """What stands for a layer's output, by its name: the last of its nests, or for a layer that
    has none what it takes."""
    unsaid: Mapping[str, str]
    """Layers that multiply, join or change tensors and are in no nest, and why."""


def nests(analysis: Analysis) -> Nests:
    """The loops of all layers that multiply, pool or add, in the order in which they run.

    Layers that work element by element, and views, are passed over: what takes them takes what they
    take. Sizes are numbers.
    """
    found: list[Nest] = []
    unsaid: dict[str, str] = {}
    stands: dict[str, str] = {name: name for name in analysis.graph.inputs}
    for row in analysis.rows:
        if not row.executed:
            continue
        given = tuple(stands[name] for name in row.node.inputs)
        made, why = _nests(row, given)
        found += made
        if why:
            unsaid[row.name] = f"{row.op}: {why}"
        outside = isinstance(row.node.op, Stored) or type(row.node.op).__name__ in OUTSIDE
        stands[row.name] = made[-1].title if made else row.name if outside else given[0]
    return Nests(analysis.graph.name, tuple(found), stands, unsaid)


def _nests(row: Row, given: tuple[str, ...]) -> tuple[list[Nest], str]:
    """A layer's loops, and why there are none where there should be."""
    op = row.node.op
    if isinstance(op, Conv1d | Conv2d):
        return [_conv(row, given)], ""
    if isinstance(op, Linear):
        x = row.node.input_shapes[0]
        sizes = {"N": prod(x[:-1]), "K": row.shape[-1], "C": x[-1]}
        return [Nest(row.name, "gemm", sizes, given)], ""
    if isinstance(op, ScaledDotProductAttention):
        return [*_attention(row.name, row.node.input_shapes[:3], given[:3])], ""
    if isinstance(op, MatMul):
        return _matmul(row, given)
    if isinstance(op, MultiheadAttention | Attention):
        return [*_projected(row, given)], ""
    if row.macs:
        return [], "its products are no such loops"
    if type(op).__name__ in FAMILIES["pooling"]:
        return _pool(row, given)
    if isinstance(op, Add) and len(given) > 1:
        return _add(row, given)
    if len(set(given)) > 1:
        return [], "what takes it is said to take the first of its inputs"
    return [], ""


def _plane(sizes: Sequence[int]) -> tuple[int, int]:
    """The width and the height of what has one axis or two."""
    return (sizes[-1], sizes[-2] if len(sizes) > 1 else 1)


def _conv(row: Row, given: tuple[str, ...]) -> Nest:
    op: Any = row.node.op
    x, y = row.node.input_shapes[0], row.shape
    (p, q), (r, s) = _plane(y[2:]), _plane(op.kernel_size)
    groups, c, k = op.groups, x[1] // op.groups, y[1] // op.groups
    window = {"P": p, "Q": q, "R": r, "S": s}
    kind: Kind = "conv"
    sizes = {"N": x[0], "K": k, "C": c, **window}
    if groups > 1 and c == k == 1:
        kind, sizes = "depthwise", {"N": x[0], "C": groups, **window}
    elif groups > 1:
        kind, sizes = "grouped", {"N": x[0], "G": groups, "K": k, "C": c, **window}
    strides, dilations = _plane(op.stride), _plane(op.dilation)
    return Nest(row.name, kind, sizes, given, strides=strides, dilations=dilations)


def _attention(layer: str, shapes: Sequence[Shape], given: Sequence[str]) -> Iterator[Nest]:
    """Scores, and what they weigh: heads that share keys have their queries one below the other."""
    q, k, v = shapes
    groups = prod(k[:-2])
    rows = prod(q[:-1]) // groups
    scores = {"G": groups, "M": rows, "K": k[-2], "C": q[-1]}
    yield Nest(layer, "batched", scores, (given[0], given[1]), "scores")
    weighed = {"G": groups, "M": rows, "K": v[-1], "C": k[-2]}
    yield Nest(layer, "batched", weighed, (f"{layer}:scores", given[2]), "values")


def _matmul(row: Row, given: tuple[str, ...]) -> tuple[list[Nest], str]:
    a, b = row.node.input_shapes
    if len(row.shape) < 2:
        return [], "it is of vectors"
    m, c, k = a[-2], a[-1], b[-1]
    groups, rest = divmod(prod(row.shape), m * k)
    if rest or groups * m * k * c != row.macs:
        return [], "its axes stretch"
    return [Nest(row.name, "batched", {"G": groups, "M": m, "K": k, "C": c}, given)], ""


def _projected(row: Row, given: tuple[str, ...]) -> Iterator[Nest]:
    op, layer = row.node.op, row.name
    shapes: list[Shape]
    if isinstance(op, Attention):
        shapes = [*op._split(*row.node.input_shapes)]
        given_as = [(x, features) for _, x, features, _ in op._projections(*row.node.input_shapes)]
    else:
        assert isinstance(op, MultiheadAttention)
        e, more = row.shape[-1], int(op.add_bias_kv)
        inputs = op._inputs(*row.node.input_shapes)
        given_as = [(x, e) for x in inputs]
        shapes = [
            (x[0], op.num_heads, x[1] + (more if which else 0), e // op.num_heads)
            for which, x in enumerate(inputs)
        ]
    sources = [given[0], given[min(1, len(given) - 1)], given[min(2, len(given) - 1)]]
    if len(given) < 3:
        sources[2] = sources[1]
    for name, (x, features), source in zip("qkv", given_as, sources, strict=True):
        sizes = {"N": prod(x[:-1]), "K": features, "C": x[-1]}
        yield Nest(layer, "gemm", sizes, (source,), name)
    yield from _attention(layer, shapes, [f"{layer}:{name}" for name in "qkv"])
    if getattr(op, "out_proj", True):
        q, v = shapes[0], shapes[2]
        sizes = {"N": q[0] * q[2], "K": row.shape[-1], "C": q[1] * v[3]}
        yield Nest(layer, "gemm", sizes, (f"{layer}:values",), "out")


def _pool(row: Row, given: tuple[str, ...]) -> tuple[list[Nest], str]:
    op: Any = row.node.op
    x, y = row.node.input_shapes[0], row.shape
    extents = x[2:]
    if not 1 <= len(extents) <= 2:
        return [], "it has more than two axes"
    output = y[2:] or (1,) * len(extents)
    kernel: Any = getattr(op, "kernel_size", None)
    stride: Any = getattr(op, "stride", kernel)
    if kernel is None:
        whole = type(op).__name__.startswith(("Global", "Adaptive"))
        if not whole or any(n % o for n, o in zip(extents, output, strict=True)):
            return [], "its windows differ"
        kernel = stride = tuple(n // o for n, o in zip(extents, output, strict=True))
    (p, q), (r, s) = _plane(output), _plane(kernel)
    sizes = {"N": x[0], "C": x[1], "P": p, "Q": q, "R": r, "S": s}
    return [Nest(row.name, "pool", sizes, given[:1], strides=_plane(stride))], ""


def _add(row: Row, given: tuple[str, ...]) -> tuple[list[Nest], str]:
    if any(shape != row.shape for shape in row.node.input_shapes):
        return [], "its axes stretch"
    n, c, *rest = (*row.shape, 1, 1)
    sizes = {"N": n, "C": c, "P": prod(rest[1:]), "Q": rest[0]}
    made: list[Nest] = []
    before = given[0]
    for number, other in enumerate(given[1:]):
        last = number == len(given) - 2
        made.append(Nest(row.name, "add", sizes, (before, other), "" if last else f"{number}"))
        before = made[-1].title
    return made, ""
