"""The columns of a table: what each says of a line."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from archcalc.analysis.bits import bit_operations, output_format
from archcalc.analysis.conventions import Convention
from archcalc.analysis.counted import Analysis, Row
from archcalc.dims import Shape, Size, holds
from archcalc.document.model import AtLeast, Cell
from archcalc.operators import FAMILIES
from archcalc.operators.autograd import INTEGER, Differentiable, Stepwise, Untrained
from archcalc.operators.base import KINDS, elements
from archcalc.operators.window import Pads
from archcalc.report.choice import choose
from archcalc.report.layers.lines import Line, depth
from archcalc.spec.bits import BITS, BYTES, Format

UNKNOWN = "unknown"
"""What stands where there is no number: of an operator that is not known, 0 would be a lie."""

MOST_SOURCES = 4
"""Of more inputs than this, people are shown the names of the first and the last only."""

MOST_SHAPES = 2
"""The same for their shapes, which stand in the lines of those inputs too."""

LONGEST = 40
"""A list of more than two that is longer than this is shortened too."""


class Frame(NamedTuple):
    """What the cells of a table need to know beside their line."""

    analysis: Analysis
    convention: Convention
    dtype: str
    stages: bool
    """Whether the stage has a column of its own, so that names go without it."""
    brief: bool
    """Whether long lists may be shortened: for people, not for programs."""
    formats: Mapping[str, Format] = {}
    """What tensors between layers are stored in, where it is not the dtype."""


class Column(NamedTuple):
    """A column that says something in words and sizes, or adds something up."""

    name: str
    header: str
    text: Callable[[Line, Frame], Cell] | None = None
    """What a line's cell says; it can't be added up."""
    value: Callable[[Row, Frame], Size | None] | None = None
    """What a layer contributes to a column that adds up; None if that can't be said."""
    share: bool = False
    """Whether the sum is printed as a percentage of the network's."""
    right: bool = False
    named: bool = False
    """Whether it says names of layers, which go without the stage beside the stage's column."""
    own: bool = False
    """Whether it says the same of equal layers wherever they stand, so that one look is enough."""
    of_shape: bool = False
    """Whether the numbers follow from shapes, which are known of unknown operators too."""

    def sum(self, rows: Iterable[Row], frame: Frame) -> Size | str | AtLeast:
        """The column's numbers of some rows, added up."""
        assert self.value is not None
        if not frame.analysis.partial:
            return at_least([self.value(row, frame) for row in rows])
        return at_least(
            [self.value(row, frame) if row.counted or self.of_shape else None for row in rows]
        )

    def cell(self, rows: Sequence[Row], frame: Frame) -> Cell:
        """What the column prints for some rows together."""
        found = self.sum(rows, frame)
        if not self.share:
            return found
        whole = self.sum(frame.analysis.rows, frame)
        if isinstance(whole, (AtLeast, str)) or isinstance(found, (AtLeast, str)):
            return UNKNOWN
        if type(whole) is int:
            return f"{100 * found / whole:.1f}" if whole else ""
        return str(100 * found / whole)


def at_least(sizes: Sequence[Size | None]) -> Size | str | AtLeast:
    """The sum of some sizes, of which None is not known."""
    known = [size for size in sizes if size is not None]
    if len(known) == len(sizes):
        return sum(known)
    return AtLeast(sum(known)) if known else UNKNOWN


LAST_AXIS = frozenset(
    (*FAMILIES["linear"], *FAMILIES["attention"], *FAMILIES["recurrent"], "LayerNorm", "RMSNorm")
)
"""Operators whose features are on the last axis, not on the first after the batch."""

FIRST_AXIS = frozenset(
    (*FAMILIES["conv"], *FAMILIES["pooling"], *FAMILIES["normalization"])
) - frozenset(LAST_AXIS)


def print_shape(shape: Shape) -> str:
    """``(1, 3, 224, 224)`` as ``3x224x224``; a batch other than 1 stays in front."""
    whole = len(shape) < 2 or not (type(shape[0]) is int and shape[0] == 1)
    return "x".join(map(str, shape if whole else shape[1:]))


def print_inputs(inputs: Mapping[str, Shape]) -> str:
    """``3x224x224``; of several, each behind its name."""
    if len(inputs) == 1:
        return print_shape(next(iter(inputs.values())))
    return ", ".join(f"{name} {print_shape(shape)}" for name, shape in inputs.items())


def print_per_axis(sizes: Iterable[Size | str]) -> str:
    """``(2, 2)`` as ``2``, and ``(2, 1)`` as ``2x1``."""
    texts = list(map(str, sizes))
    return texts[0] if len(set(texts)) == 1 else "x".join(texts)


def print_padding(pads: Pads) -> str:
    """``2``; ``0+1`` for none before and one after; ``2x0`` or ``0x0+1`` where axes differ."""
    ends = [(str(before), str(after)) for before, after in pads]
    return print_per_axis(tuple(a if a == b else f"{a}+{b}" for a, b in ends))


def print_weights(row: Row) -> str:
    """``weight 64x3x7x7, bias 64``."""
    return ", ".join(f"{name} {'x'.join(map(str, s))}" for name, s in row.weights.items())


def _listed(items: Sequence[str], most: int, frame: Frame) -> str:
    text = ", ".join(items)
    if frame.brief and (len(items) > most or (len(items) > 2 and len(text) > LONGEST)):
        return f"{items[0]}, ..., {items[-1]} ({len(items)})"
    return text


def _within(name: str, line: Line, frame: Frame) -> str:
    if frame.stages and line.stage:
        return name.removeprefix(f"{line.stage}.")
    return name


def _layer(line: Line, frame: Frame) -> str:
    name = _within(line.name, line, frame)
    if not frame.brief:
        return name
    borrowing = [row for row in line.rows if row.node.share is not None and row.weights]
    owning = [row for row in line.rows if row.weights and row.node.share is None]
    held = bool(owning) and all(row.node.frozen for row in owning)
    if not borrowing and not held and line.rows[0].executed:  # most
        return name
    if borrowing:
        weighted = sum(1 for row in line.rows if row.weights)
        name += " (shared)" if len(borrowing) == weighted else " (partly shared)"
    if held:
        name += " (frozen)"
    if line.executed:
        return name
    spare = all(row.node.spare for row in line.rows)
    if all(row.node.idle for row in line.rows):
        return f"{name} (not used)"
    return f"{name} (not taken)" if spare else f"{name} (training only)"


def _from(line: Line, frame: Frame) -> str:
    names = [_within(name, line, frame) for name in line.sources]
    if frame.brief and len(line.rows) > 1:
        names = [*dict.fromkeys(names)]  # several outputs of one stage
    return _listed(names, MOST_SOURCES, frame)


def _input(line: Line, frame: Frame) -> str:
    shapes = list(map(print_shape, line.input_shapes))
    return _listed(shapes, MOST_SHAPES, frame)


def _kernel(line: Line, frame: Frame) -> str:
    if line.window is None:
        return ""
    kernel = line.window.kernel
    return "adaptive" if kernel is None else "x".join(map(str, kernel))


def _stride(line: Line, frame: Frame) -> str:
    if line.window is None:
        return ""
    stride = line.window.stride
    return "adaptive" if stride is None else print_per_axis(stride)


def _padding(line: Line, frame: Frame) -> str:
    if line.window is None or line.window.padding is None:
        return ""
    return print_padding(line.window.padding)


def _receptive_field(line: Line, frame: Frame) -> str:
    """Of a block, that of its last layer; ``""`` of what is not computed from the first input."""
    fields = frame.analysis.receptive_fields.get(line.rows[-1].name, ())
    if fields is None:
        return "unknown"
    return (
        "whole"
        if all(field.whole for field in fields)
        else "x".join(str(field.size) for field in fields)
    )


def _channels(shape: Shape, op: str) -> Cell:
    """A tensor's channels, or ``""`` where nothing says which axis holds them."""
    if op in LAST_AXIS:
        return shape[-1]
    if len(shape) in (2, 4, 5) or (len(shape) == 3 and op in FIRST_AXIS):
        return shape[1]
    return ""


def _in(line: Line, frame: Frame) -> Cell:
    op = line.row.op if line.row else ""
    if op == "Embedding" and line.row:
        return getattr(line.row.node.op, "num_embeddings", "")
    channels: list[Any] = [_channels(shape, op) for shape in line.input_shapes]
    if op == "Concat" and not any(isinstance(number, str) for number in channels):
        joined: Size = sum(channels)
        return joined if holds(line.shape[1] == joined) else channels[0]
    return channels[0]


def _out(line: Line, frame: Frame) -> Cell:
    return _channels(line.shape, line.row.op if line.row else "")


def _field(line: Line, name: str) -> Cell:
    """A field of the operator that has a window; methods of the same name are none."""
    if line.row is None or name not in type(line.row.node.op).__pydantic_fields__:
        return ""
    found = getattr(line.row.node.op, name)
    return print_per_axis(found) if isinstance(found, tuple) else found


def _depth(line: Line, frame: Frame) -> Cell:
    longest = depth(line.rows)
    if all(row.counted for row in line.rows):
        return longest
    return AtLeast(longest) if line.row is None else UNKNOWN


def _weights(line: Line, frame: Frame) -> str:
    if line.row is None:
        return ""
    return print_weights(line.row) if line.row.counted else UNKNOWN


def _backward(row: Row, frame: Frame) -> Size | None:
    return frame.analysis.backward.layers[row.name]


def _live(line: Line, frame: Frame) -> Cell:
    """Of a block the most that is live in it; nothing of what does not run."""
    live = frame.analysis.live(frame.dtype)
    return max((live[row.name] for row in line.rows if row.name in live), default="")


def _kept(row: Row, frame: Frame) -> Size | None:
    if row.executed and not isinstance(row.node.op, Differentiable | Stepwise):
        return None
    return frame.analysis.kept(frame.dtype).get(row.name, 0)


def _cache(row: Row, frame: Frame) -> Size | None:
    found = frame.analysis.cache.layers.get(row.name, 0)
    return None if found is None else found * BYTES[frame.dtype]


def _bits(line: Line, frame: Frame) -> str:
    """``4 x 8``: of a weight and of an activation of a layer that multiplies."""
    if line.row is None or not line.row.counted or holds(line.row.macs == 0):
        return ""
    said, usual = frame.analysis.stored[line.row.name], BITS[frame.dtype]
    active = said.activations.bits if said.activations else usual
    weight = said.weights.bits if said.weights else usual
    return f"{weight if line.row.weights else active} x {active}"


def _bit_operations(row: Row, frame: Frame) -> Size:
    return bit_operations(row, frame.analysis.stored[row.name], frame.dtype)


def _stored_weights(row: Row, frame: Frame) -> Size:
    return frame.analysis.weights_of(row, stored=True)


def _executed_weights(row: Row, frame: Frame) -> Size:
    return frame.analysis.weights_of(row, stored=False) if row.executed else 0


def _activation_bytes(row: Row, frame: Frame) -> Size:
    format = output_format(row, frame.formats)
    if not row.executed or format is None:
        whole = isinstance(row.node.op, Untrained)
        size = INTEGER if whole else BYTES[frame.dtype]
        return elements(row.shape) * size if row.executed else 0
    return format.bytes(row.shape)


def _activations(row: Row, frame: Frame) -> Size:
    return elements(row.shape) if row.executed else 0


def _params(row: Row, frame: Frame) -> Size:
    return row.params


def _counted(row: Row, frame: Frame) -> Size:
    return frame.convention.count(row)


def _kind(kind: str) -> Column:
    return Column(kind, kind, value=lambda row, _: getattr(row.work, kind), right=True)


_ALL = (
    Column("stage", "stage", lambda line, _: line.stage),
    Column("layer", "layer", _layer, named=True),
    Column("from", "from", _from, named=True),
    Column("op", "op", lambda line, _: line.row.op if line.row else "", own=True),
    Column("input", "input", _input, own=True),
    Column("output", "output", lambda line, _: print_shape(line.shape), own=True),
    Column("kernel", "kernel", _kernel, own=True),
    Column("stride", "stride", _stride, own=True),
    Column("padding", "padding", _padding, own=True),
    Column("receptive_field", "receptive field", _receptive_field),
    Column("groups", "groups", lambda line, _: _field(line, "groups"), right=True, own=True),
    Column("dilation", "dilation", lambda line, _: _field(line, "dilation"), own=True),
    Column("in", "in", _in, right=True, own=True),
    Column("out", "out", _out, right=True, own=True),
    Column("depth", "depth", _depth, right=True),
    Column("weights", "weights", _weights),
    Column("params", "params", value=_params, right=True, own=True),
    Column("trainable", "trainable", value=lambda row, _: row.trainable, right=True, own=True),
    Column("params%", "params %", value=_params, share=True, right=True, own=True),
    Column("shared", "shared", value=lambda row, _: row.shared, right=True),
    Column("buffers", "buffers", value=lambda row, _: row.buffers, right=True, own=True),
    Column(
        "weight_bytes",
        "weight bytes",
        value=lambda row, frame: frame.analysis.row_bytes(row, frame.dtype),
        right=True,
    ),
    Column("stored_weights", "stored weights", value=_stored_weights, right=True, own=True),
    Column("executed_weights", "executed weights", value=_executed_weights, right=True, own=True),
    Column("cache", "cache bytes a token", value=_cache, right=True),
    Column("activations", "activations", value=_activations, right=True, of_shape=True),
    Column("activation_bytes", "activation bytes", value=_activation_bytes, right=True),
    Column("live", "live bytes", _live, right=True),
    Column("kept", "kept bytes", value=_kept, right=True),
    Column("macs", "MACs", value=_counted, right=True, own=True),
    Column("macs%", "MACs %", value=_counted, share=True, right=True, own=True),
    Column("bits", "bits", _bits),
    Column("bit_operations", "bit operations", value=_bit_operations, right=True),
    Column("backward", "backward MACs", value=_backward, right=True),
    Column("flops", "FLOPs", value=lambda row, _: row.work.flops, right=True, own=True),
    *(_kind(kind) for kind in KINDS[1:]),
    Column("connections", "connections", value=lambda row, _: row.connections, right=True),
)

COLUMNS = {column.name: column for column in _ALL}
"""Every column by its name, in the order of a table."""

BY_LAYER = (
    "stage",
    "layer",
    "from",
    "input",
    "output",
    "kernel",
    "stride",
    "padding",
    "in",
    "out",
    "params",
    "macs",
)
"""The columns of a table of layers."""

BY_STAGE = (*BY_LAYER[1:-2], "depth", *BY_LAYER[-2:])
"""The columns of a table of blocks."""


def columns(names: Collection[str], convention: Convention) -> list[Column]:
    """Columns by name, the MACs headed as the convention is.

    Raises :class:`ArchcalcError` for an unknown name.
    """
    chosen = [COLUMNS[choose("column", name, COLUMNS)] for name in names]
    if convention.name == "macs":
        return chosen
    headed = {"macs": (convention.name, convention.header)}
    headed["macs%"] = (f"{convention.name}%", f"{convention.header} %")
    return [
        column._replace(name=headed[column.name][0], header=headed[column.name][1])
        if column.name in headed
        else column
        for column in chosen
    ]
