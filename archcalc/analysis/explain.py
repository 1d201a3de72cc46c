"""Why a layer's numbers are what they are: the formulas that compute them, with symbols.

The operator's own ``infer``, ``weights``, ``buffers``, ``work`` and ``taps`` are run on numbers
that record what is done with them (``algebra/record.py``). No formula is written here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from archcalc.algebra.forms import AsItReads, Form, Forms, Letter, letter, letters_of
from archcalc.algebra.record import Record, Recorded
from archcalc.analysis.counted import Analysis, Row
from archcalc.analysis.receptive_field import Field, compose
from archcalc.dims import Shape, Size, is_whole
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

_SAID = {
    "proj_size": "units after the projection",
    "normalized_shape": "numbers normalized together",
    "num_parameters": "slopes",
}
"""What a field's letter means where that is not what the letter means elsewhere."""

_NEUTRAL = {"D": 1, "G": 1, "O": 0}
"""Values of fields that change nothing and are not mentioned."""


class Reason(NamedTuple):
    """One number of a layer, and the formula it came from."""

    quantity: str
    """What it is: ``width``, ``params``, ``macs``, ``field_stride``."""
    form: Form
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
    def letters(self) -> tuple[Letter, ...]:
        """What the formulas mention, each once, in the order in which they do."""
        return tuple(letters_of(each.form for each in self.all).values())


def reasons(analysis: Analysis, name: str) -> Reasons:
    """Why the numbers of the layer of this full name are what they are.

    Raises ``KeyError`` for a name that is no layer's, and :class:`ArchcalcError` where a size is
    no plain number.
    """
    row = analysis.row(name)
    layer = _Layer(row.node)
    op, inputs, inferred, output = layer.trace()
    sizes: list[Any] = [size for shape in inputs for size in shape]
    given = {size.node for size in sizes if isinstance(size, Recorded)}
    shape = [
        (_word(axis), size)
        for axis, size in zip(_axes(op, len(inferred)), inferred, strict=True)
        if isinstance(size, Recorded) and size.node not in given
    ]
    work = op.work(output, *inputs)
    kinds = [(kind, count) for kind in KINDS if (count := getattr(work, kind))]
    counts = [("params", _count(op.weights(*inputs))), ("buffers", _count(op.buffers(*inputs)))]
    fields = [
        pair
        for axis in layer.fields(analysis, op, inputs, output)
        for pair in zip(("field", "field_stride", "field_start"), axis, strict=True)
    ]
    found = layer.read([*shape, *counts, *kinds, *fields])
    places = iter(found)
    return Reasons(
        row,
        tuple(islice(places, len(shape))),
        next(places),
        next(places),
        tuple(islice(places, len(kinds))),
        tuple(zip(places, places, places, strict=True)),
    )


def _count(tensors: Mapping[str, Shape]) -> Size:
    return sum(map(elements, tensors.values()))


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


class _Layer:
    """A layer in letters, and the record of what is done with them."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.record = Record()
        self.letters: dict[str, Letter] = {}
        fields = type(node.op).__pydantic_fields__
        self.said = _MEANINGS | {_FIELDS[name]: _SAID[name] for name in fields if name in _SAID}

    def trace(self) -> tuple[Operator, tuple[Shape, ...], Shape, Shape]:
        """The operator, its inputs, its output as it computes it, and the same as letters of its
        own, for what is computed from the output.

        Raises :class:`ArchcalcError` where a size has no value.
        """
        node = self.node
        sizes = [*node.shape, *(size for shape in node.input_shapes for size in shape)]
        if not all(type(size) is int for size in sizes):
            raise ArchcalcError("explains numbers: give every variable and input a value")
        fields = type(node.op).__pydantic_fields__
        inputs = self._inputs("_in" if {"out_channels", "out_features"} & set(fields) else "")
        axes = _axes(node.op, len(node.input_shapes[0]))
        update = {
            name: self._field(_FIELDS[name], getattr(node.op, name), axes[2:])
            for name in fields
            if name in _FIELDS
        }
        if isinstance(update.get("padding"), str):  # a mode: what it comes to here
            pads: Any = getattr(node.op, "pads", None)
            update["padding"] = self._field("P", pads(*node.input_shapes), axes[2:])
        op = node.op.model_copy(update=update)
        inferred = op.infer(*inputs)
        return op, inputs, inferred, tuple(self._outputs(inferred))

    def read(self, numbers: Sequence[tuple[str, Size]]) -> list[Reason]:
        """Quantities with the formulas they came from. Nothing can be recorded after that."""
        program = self.record.finish({str(k): size for k, (_, size) in enumerate(numbers)})
        letters = {name: letter(known) for name, known in self.letters.items()}
        forms = Forms(program, letters, AsItReads())
        return [
            Reason(
                quantity,
                forms.form(step),
                size.value if isinstance(size, Recorded) else int(size),
            )
            for (quantity, size), step in zip(numbers, program.outputs.values(), strict=True)
        ]

    def _letter(self, name: str, value: int, meaning: str = "", of: int | None = None) -> Size:
        """A number by its letter; ``of`` tells those of different axes apart."""
        whole, _, end = name.partition("_")
        first = whole[0]
        order = _ORDER.index(first) if first in _ORDER else len(_ORDER) + "HWarj".find(first) + 1
        order = 2 * order + (end == "out" or end.startswith("after"))
        extent = first in "CLZHWTXNh"
        leads = first in "ar" or (extent and end != "out")
        if not meaning and extent and first != "N":
            number = end.rpartition("_")[2]
            which = "the output" if end == "out" else "the input"
            which = f"input {number}" if number.isdigit() else which
            meaning = f"{_word(whole)} of {which}"
        elif not meaning:
            meaning = self.said[first] + (f", {_word(end)}" if end else "")
        key = name if of is None else f"{name} {of}"
        known = self.letters.setdefault(key, Letter(name, value, meaning, order, leads))
        return self.record.variable(key, value) if known.value == value else value

    def _inputs(self, suffix: str) -> tuple[Shape, ...]:
        """An axis on which all inputs are alike has one letter; a batch of one is not mentioned."""
        node = self.node
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
                sizes.append(self._letter(axis + (suffix if axis == "C" else "") + end, size))
            found.append(tuple(sizes))
        return tuple(found)

    def _outputs(self, inferred: Shape) -> Iterator[Size]:
        for axis, size in zip(_axes(self.node.op, len(inferred)), inferred, strict=True):
            if isinstance(size, Recorded):
                # A batch that is made of the inputs' is said by theirs.
                named = axis == "N" or size.is_variable
                yield size if named else self._letter(f"{axis}_out", int(size.value))
            else:
                yield size if size == 1 else self._letter(f"{axis}_out", size)

    def _field(self, name: str, value: Any, axes: Sequence[str]) -> Any:
        """A field's value in letters: one for all axes where they agree, else one for each."""
        if type(value) is int:
            return value if _NEUTRAL.get(name) == value else self._letter(name, value)
        if not isinstance(value, tuple) or not value:
            return value
        ends = [axis.partition("_")[0] for axis in axes]
        if len(ends) != len(value) and name == "out" and len(value) <= 3:
            ends = list("ZHW"[-len(value) :])  # of a map that is made of what is none
        elif len(ends) != len(value):
            ends = [str(k) for k in range(1, len(value) + 1)]
        if name == "out":
            return tuple(
                self._letter(f"{end}_out", n) if type(n) is int else n
                for end, n in zip(ends, value, strict=True)
            )
        agree = all(each == value[0] for each in value)
        names = [name if agree else f"{name}_{end}" for end in ends]
        return tuple(
            self._pair(name, each) if isinstance(each, tuple) else self._field(name, each, ())
            for name, each in zip(names, value, strict=True)
        )

    def _pair(self, name: str, pair: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(pair) != 2 or not all(type(end) is int for end in pair):
            return pair
        if pair[0] == pair[1]:
            return (self._letter(name, pair[0]),) * 2
        first, _, axis = name.partition("_")
        of = f"_{axis}" if axis else ""
        words = f", {_word(axis)}" if axis else ""
        return tuple(
            self._letter(f"{first}_{end}{of}", n, f"{_MEANINGS[f'{first}_{end}']}{words}")
            for end, n in zip(("before", "after"), pair, strict=True)
        )

    def fields(
        self, analysis: Analysis, op: Operator, inputs: tuple[Shape, ...], output: Shape
    ) -> list[tuple[Any, Any, Size]]:
        """Size, stride and start of the receptive field on each axis, by those of the only input;
        none unless each axis has one window.
        """
        node = self.node
        found = analysis.receptive_fields.get(node.name)
        before = _seen_before(analysis, node)
        if found is None or before is None or len(before) != len(found):
            return []
        if not isinstance(op, Traced):
            return []
        (taps, *_) = op.taps(output, *inputs)
        if isinstance(taps, str):  # not in letters: what is listed phase by phase needs numbers
            assert isinstance(node.op, Traced)
            (taps, *_) = node.op.taps(node.shape, *node.input_shapes)
        if isinstance(taps, str) or len(taps) != len(found):
            return []
        numbers: list[tuple[Any, Any, Size]] = []
        for k, (seen, axis, own) in enumerate(zip(before, taps, found, strict=True)):
            if len(seen.taps.spans) != 1 or not isinstance(seen.taps.advance, int):
                return []
            start = self._letter("a", seen.start, "start of the first field of its input", k)
            size = self._letter("r", seen.size, "receptive field of its input", k)
            stride = self._letter("j", seen.taps.advance, "stride of the fields of its input", k)
            composed = compose(Taps(((start, start + size - 1),), stride), axis, own.positions)
            if composed is None:
                return []
            field = Field(composed, own.positions, own.extent)
            if (field.size, field.stride, field.start) != (own.size, own.stride, own.start):
                return []
            if not is_whole(field.stride):
                return []
            numbers.append((field.size, field.stride, field.start))
        return numbers


def _seen_before(analysis: Analysis, node: Node) -> tuple[Field, ...] | None:
    if len(node.inputs) != 1:
        return None
    (source,) = node.inputs
    first = next(iter(analysis.graph.inputs))
    if source == first:
        extents = analysis.graph.inputs[first][2:]
        return tuple(Field(HERE, extent, extent) for extent in extents)
    return analysis.receptive_fields.get(source)
