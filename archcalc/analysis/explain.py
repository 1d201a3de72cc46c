"""Why a layer's numbers are what they are: the formulas that compute them, with symbols.

The operator's own ``infer``, ``weights``, ``buffers``, ``work`` and ``taps`` are run on numbers
that record how they are computed (:class:`archcalc.algebra.expression.Recorded`). No formula is
written here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from archcalc.algebra.expression import Expression, Recorded, Symbol, atom, expression
from archcalc.analysis.analyze import Analysis, Row
from archcalc.analysis.receptive_field import Field, compose
from archcalc.dims import Shape, Size
from archcalc.errors import ArchcalcError
from archcalc.operators import FAMILIES
from archcalc.operators.base import KINDS, Operator, elements
from archcalc.operators.taps import HERE, Taps, Traced
from archcalc.spec.graph import Node

_LAST_AXIS = frozenset(
    (*FAMILIES["linear"], *FAMILIES["attention"], *FAMILIES["recurrent"], "LayerNorm", "RMSNorm")
)
_HEADS = frozenset(FAMILIES["attention"]) - {"MultiheadAttention"}
_FIRST_AXIS = frozenset((*FAMILIES["conv"], *FAMILIES["pooling"], *FAMILIES["normalization"]))

_MEANINGS = {
    "N": "inputs at once",
    "C": "channels",
    "L": "length",
    "Z": "depth",
    "H": "height",
    "W": "width",
    "T": "positions",
    "F": "kernel",
    "S": "stride",
    "D": "dilation",
    "P": "padding at both ends",
    "P_before": "padding before",
    "P_after": "padding after",
    "G": "groups",
    "O": "output padding",
    "K": "size",
    "M": "factor of the extent",
    "V": "rows of the table",
    "U": "units",
    "h": "heads",
    "R": "regions of an image",
}

_ORDER = ("F", "D", "P", "O", "S", "C", "G", "K", "V", "U", "h", "M", "R", "N", "T", "X", "L", "Z")
"""Letters as they stand in a product; height and width come last."""

_FIELDS = {
    "kernel_size": "F",
    "stride": "S",
    "dilation": "D",
    "padding": "P",
    "output_padding": "O",
    "groups": "G",
    "num_groups": "G",
    "out_channels": "C_out",
    "out_features": "C_out",
    "embedding_dim": "C_out",
    "num_embeddings": "V",
    "normalized_shape": "K",
    "size": "K",
    "num_parameters": "K",
    "hidden_size": "U",
    "proj_size": "O",
    "num_heads": "h",
    "upscale_factor": "M",
    "downscale_factor": "M",
    "output_size": "out",
    "rois": "R",
}
"""The letters of fields. A field without one stays the number it is."""

_NEUTRAL = {"D": 1, "G": 1, "O": 0}
"""Values of fields that change nothing and are not mentioned."""


class Reason(NamedTuple):
    """One number of a layer, and the formula it came from."""

    quantity: str
    """What it is: ``width``, ``params``, ``macs``, ``field_stride``."""
    expression: Expression
    value: Size


class Reasons(NamedTuple):
    """All numbers of a layer."""

    row: Row
    shape: tuple[Reason, ...]
    """The output's extents that are not simply those of the input."""
    params: Reason
    buffers: Reason
    work: tuple[Reason, ...]
    """By kind, without those that are 0."""
    field: tuple[tuple[Reason, Reason, Reason], ...]
    """Size, stride and start of the receptive field on each axis, where a formula gives them."""

    @property
    def all(self) -> Iterator[Reason]:
        """Every reason there is."""
        yield from (*self.shape, self.params, self.buffers, *self.work)
        for axis in self.field:
            yield from axis

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        """What the formulas mention, each once, in the order in which they do."""
        found = {s.name: s for each in self.all for s in each.expression.symbols()}
        return tuple(found.values())


def reasons(analysis: Analysis, name: str) -> Reasons:
    """Why the numbers of the layer of this full name are what they are.

    Raises ``KeyError`` for a name that is no layer's, and :class:`ArchcalcError` where a size is
    no plain number.
    """
    row = analysis.row(name)
    node = row.node
    traced = trace(node)
    op, inputs, inferred, output = traced
    axes = _axes(node.op, len(node.shape))
    taken = {size.expression.symbol for x in inputs for size in x if isinstance(size, Recorded)}
    shape = [
        Reason(_word(axis), expression(size), int(size))
        for axis, size in zip(axes, inferred, strict=True)
        if isinstance(size, Recorded) and size.expression.symbol not in taken
    ]
    work = op.work(output, *inputs)
    return Reasons(
        row,
        tuple(shape),
        _counted("params", op.weights(*inputs)),
        _counted("buffers", op.buffers(*inputs)),
        tuple(
            Reason(kind, expression(count), int(count))
            for kind in KINDS
            if (count := getattr(work, kind))
        ),
        tuple(_fields(analysis, node, traced)),
    )


def _counted(quantity: str, tensors: Mapping[str, Shape]) -> Reason:
    count = sum(map(elements, tensors.values()))
    return Reason(quantity, expression(count), int(count))


class Trace(NamedTuple):
    """An operator and its shapes in numbers that record what is done with them."""

    op: Operator
    inputs: tuple[Shape, ...]
    inferred: Shape
    """The output's shape as the operator computes it."""
    output: Shape
    """The same as symbols of its own, for what is computed from the output."""


def trace(node: Node) -> Trace:
    """The node's operator on symbols. Raises :class:`ArchcalcError` where a size has no value."""
    sizes = [*node.shape, *(size for shape in node.input_shapes for size in shape)]
    if not all(type(size) is int for size in sizes):
        raise ArchcalcError("explains numbers: give every variable and input a value")
    fields = type(node.op).__pydantic_fields__
    inputs = _inputs(node, "_in" if {"out_channels", "out_features"} & set(fields) else "")
    axes = _axes(node.op, len(node.input_shapes[0]))
    update = {
        name: _field(_FIELDS[name], getattr(node.op, name), axes[2:])
        for name in fields
        if name in _FIELDS
    }
    if isinstance(update.get("padding"), str):  # a mode: what it comes to here
        pads: Any = getattr(node.op, "pads", None)
        update["padding"] = _field("P", pads(*node.input_shapes), axes[2:])
    op = node.op.model_copy(update=update)
    inferred = op.infer(*inputs)
    return Trace(op, inputs, inferred, tuple(_outputs(node, inferred)))


def _axes(op: Operator, rank: int) -> tuple[str, ...]:
    """The letters of a tensor's axes, which mean something else to each kind of operator."""
    name = type(op).__name__
    between = tuple(f"X{k}" for k in range(1, rank))
    if name in _HEADS and rank > 3:
        features = "T" if name == "ShiftedWindowMask" else "C"
        return ("N", *between[: rank - 4], "h", "T", features)
    if rank > 3 and name in _LAST_AXIS:
        return ("N", *between[:-1], "C")
    if rank == 3 and name in _LAST_AXIS:
        return tuple("NTC")
    if rank == 3 and name in _FIRST_AXIS:
        return tuple("NCL")
    known = {0: "", 1: "N", 2: "NC", 4: "NCHW", 5: "NCZHW"}
    if rank in known:
        return tuple(known[rank])
    return ("N", *between)


def _word(axis: str) -> str:
    letter = axis.partition("_")[0]
    if letter.isdigit() or letter[0] == "X":
        return f"axis {letter.lstrip('X')}"
    return "batch" if letter == "N" else _MEANINGS[letter]


def _symbol(name: str, value: int, meaning: str = "") -> Recorded:
    whole, _, end = name.partition("_")
    letter = whole[0]
    order = _ORDER.index(letter) if letter in _ORDER else len(_ORDER) + "HWarj".find(letter) + 1
    order = 2 * order + (end == "out" or end.startswith("after"))
    extent = letter in "CLZHWTXNh"
    leads = letter in "ar" or (extent and end != "out")
    if not meaning and extent and letter != "N":
        which = f"input {end}" if end.isdigit() else "the output" if end == "out" else "the input"
        meaning = f"{_word(whole)} of {which}"
    elif not meaning:
        meaning = _MEANINGS[letter] + (f", {_word(end)}" if end else "")
    return Recorded(atom(Symbol(name, value, meaning, order, leads)))


def _inputs(node: Node, suffix: str) -> tuple[Shape, ...]:
    """An axis on which all inputs are alike has one symbol; a batch of one is not mentioned."""
    alike = len({len(shape) for shape in node.input_shapes}) == 1
    found = []
    for number, shape in enumerate(node.input_shapes, 1):
        sizes: list[Size] = []
        for k, (axis, size) in enumerate(zip(_axes(node.op, len(shape)), shape, strict=True)):
            if axis == "N" and size == 1:
                sizes.append(size)
                continue
            same = (alike or k == 0) and all(other[k] == size for other in node.input_shapes)
            end = "" if same else f"_{number}"
            sizes.append(_symbol(axis + (suffix if axis == "C" else "") + end, size))
        found.append(tuple(sizes))
    return tuple(found)


def _outputs(node: Node, inferred: Shape) -> Iterator[Size]:
    for axis, size in zip(_axes(node.op, len(inferred)), inferred, strict=True):
        recorded = isinstance(size, Recorded)
        named = size.expression.symbol is not None if recorded else size == 1
        # A batch that is made of the inputs' is said by theirs.
        yield size if named or (axis == "N" and recorded) else _symbol(f"{axis}_out", int(size))


def _field(letter: str, value: Any, axes: Sequence[str]) -> Any:
    """A field's value in symbols: one for all axes where they agree, else one for each."""
    if type(value) is int:
        return value if _NEUTRAL.get(letter) == value else _symbol(letter, value)
    if not isinstance(value, tuple) or not value:
        return value
    ends = [axis.partition("_")[0] for axis in axes]
    if len(ends) != len(value):
        ends = [str(k) for k in range(1, len(value) + 1)]
    if letter == "out":
        names = [f"{end}_out" for end in ends]
        return tuple(
            _symbol(name, n) if type(n) is int else n for name, n in zip(names, value, strict=True)
        )
    agree = all(each == value[0] for each in value)
    names = [letter if agree else f"{letter}_{end}" for end in ends]
    return tuple(
        _pair(name, each) if isinstance(each, tuple) else _field(name, each, ())
        for name, each in zip(names, value, strict=True)
    )


def _pair(name: str, pair: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(pair) != 2 or not all(type(end) is int for end in pair):
        return pair
    if pair[0] == pair[1]:
        return (_symbol(name, pair[0]),) * 2
    letter, _, axis = name.partition("_")
    of = f"_{axis}" if axis else ""
    words = f", {_word(axis)}" if axis else ""
    return tuple(
        _symbol(f"{letter}_{end}{of}", n, f"{_MEANINGS[f'{letter}_{end}']}{words}")
        for end, n in zip(("before", "after"), pair, strict=True)
    )


def _fields(
    analysis: Analysis, node: Node, traced: Trace
) -> Iterator[tuple[Reason, Reason, Reason]]:
    """The receptive field by that of the only input, where each axis has one window."""
    found = analysis.receptive_fields.get(node.name)
    before = _seen_before(analysis, node)
    op, inputs, _, output = traced
    if found is None or before is None or len(before) != len(found) or not isinstance(op, Traced):
        return
    (taps, *_) = op.taps(output, *inputs)
    if isinstance(taps, str):  # not in symbols: what is listed phase by phase needs numbers
        assert isinstance(node.op, Traced)
        (taps, *_) = node.op.taps(node.shape, *node.input_shapes)
    if isinstance(taps, str) or len(taps) != len(found):
        return
    reasons = []
    for seen, axis, own in zip(before, taps, found, strict=True):
        if len(seen.taps.spans) != 1 or not isinstance(seen.taps.advance, int):
            return
        start = _symbol("a", seen.start, "start of the first field of its input")
        size = _symbol("r", seen.size, "receptive field of its input")
        stride = _symbol("j", seen.taps.advance, "stride of the fields of its input")
        composed = compose(Taps(((start, start + size - 1),), stride), axis, own.positions)
        if composed is None:
            return
        field = Field(composed, own.positions, own.extent)
        if (field.size, field.stride, field.start) != (own.size, own.stride, own.start):
            return
        if not isinstance(field.stride, int):
            return
        reasons.append(
            (
                Reason("field", expression(field.size), own.size),
                Reason("field_stride", expression(field.stride), own.stride),
                Reason("field_start", expression(field.start), own.start),
            )
        )
    yield from reasons


def _seen_before(analysis: Analysis, node: Node) -> tuple[Field, ...] | None:
    if len(node.inputs) != 1:
        return None
    (source,) = node.inputs
    first = next(iter(analysis.graph.inputs))
    if source == first:
        extents = analysis.graph.inputs[first][2:]
        return tuple(Field(HERE, extent, extent) for extent in extents)
    return analysis.receptive_fields.get(source)
