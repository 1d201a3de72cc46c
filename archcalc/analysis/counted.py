"""What is counted of a network: its rows, and the totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from archcalc.dims import Shape, Size
from archcalc.document.shown import shown
from archcalc.errors import ArchcalcError, LayerError, did_you_mean
from archcalc.operators.base import KINDS, Operator, Work, elements
from archcalc.spec.bits import BYTES
from archcalc.spec.graph import Graph, Node
from archcalc.spec.memory import Piece
from archcalc.spec.patterns import ways
from archcalc.spec.unknown import DeclaredOperator, UnknownOperator
from archcalc.values import Remembering

if TYPE_CHECKING:
    from archcalc.analysis.backward import Backward
    from archcalc.analysis.bits import Stored
    from archcalc.analysis.cache import Cache
    from archcalc.analysis.receptive_field import Field
    from archcalc.spec.bits import Format


T = TypeVar("T")


class _Recalled(cached_property[T]):
    """A cached property; of an analysis that was recalled, from the record and not from rows."""

    if not TYPE_CHECKING:

        def __get__(self, analysis: Any, owner: Any = None) -> Any:
            rest = None if analysis is None else analysis.__dict__.pop("_rest", None)
            if rest is None:
                return super().__get__(analysis, owner)
            analysis.__dict__.update(rest())
            return analysis.__dict__[self.attrname]


FEW = 4
"""Layers that are named where one is asked for that is not there."""


@shown
class Row(NamedTuple):
    """What one operator stores and computes.

    ::

        >>> import archcalc
        >>> row = archcalc.analyze("resnet18")["fc"]
        >>> row.op, row.shape, row.params, row.macs
        ('Linear', (1, 1000), 513000, 512000)
    """

    node: Node
    weights: Mapping[str, Shape]
    """Its trainable tensors by PyTorch's names, those it shares with an earlier layer included."""
    buffer_shapes: Mapping[str, Shape]
    """Its tensors that are stored but not trained."""
    params: Size
    """Elements of its trainable tensors, without those that an earlier layer owns."""
    shared: Size
    """Elements of its trainable tensors that an earlier layer owns."""
    buffers: Size
    """Elements of its buffers, without those that an earlier layer owns."""
    work: Work
    """Arithmetic of one forward pass; none for a layer that is not executed."""
    executed: bool
    """Whether an output is computed from it; auxiliary heads are executed in training only."""
    counted: bool = True
    """Whether its operator is known. Where it is not, the numbers above are 0 and say nothing."""

    @property
    def name(self) -> str:
        """The layer's full name: ``layer1.0.conv1``."""
        return self.node.name

    @property
    def op(self) -> str:
        """The operator's name."""
        op = self.node.op
        if type(op) is DeclaredOperator:
            return f"{op.name} (declared)"
        return op.name if type(op) is UnknownOperator else type(op).__name__

    @property
    def stage(self) -> str:
        """The outermost block it stands in, or ``""``."""
        return self.node.stage

    @property
    def shape(self) -> Shape:
        """The output's shape, batch first."""
        return self.node.shape

    @property
    def trainable(self) -> Size:
        """Elements of the tensors it owns that are trained."""
        return 0 if self.node.frozen else self.params

    @property
    def macs(self) -> Size:
        """Multiply-accumulates."""
        return self.work.macs

    @property
    def connections(self) -> Size:
        """Multiply-accumulates plus one for every use of a bias, as LeCun (1998) counts."""
        multiplies = not (type(self.work.macs) is int and self.work.macs == 0)
        biased = multiplies and "bias" in self.weights
        return self.work.macs + (elements(self.node.shape) if biased else 0)


@shown
@dataclass(frozen=True)
class Analysis(Remembering):
    """A network's layers with their numbers, and the totals.

    Of a ``partial`` analysis, which has layers of unknown operators, all totals but that of the
    activations are lower bounds.

    ::

        >>> import archcalc
        >>> analysis = archcalc.analyze("resnet18")
        >>> analysis.params, analysis.macs
        (11689512, 1814073344)
        >>> analysis["conv1"].params
        9408
    """

    graph: Graph
    rows: tuple[Row, ...]
    training: bool = False
    """Whether what exists in training only is counted as executed."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """The graph and the rows of an analysis that was recalled, when they are asked for."""
            later = self.__dict__.get("_later") if name in ("graph", "rows") else None
            if later is None:
                raise AttributeError(f"'Analysis' object has no attribute '{name}'")
            graph, rows = later()
            self.__dict__.update(graph=graph, rows=rows)
            return self.__dict__[name]

    def __getstate__(self) -> dict[str, Any]:
        """The fields, which are worked out first where this was recalled."""
        return {"graph": self.graph, "rows": self.rows, "training": self.training}

    @cached_property
    def variables(self) -> Mapping[str, object]:
        """The values of the spec's variables."""
        return self.graph.variables

    @cached_property
    def kinds(self) -> frozenset[type[Operator]]:
        """The classes of the operators in it."""
        pieces: Sequence[Piece] | None = self.__dict__.get("_pieces")
        if pieces is None:
            return frozenset([type(row.node.op) for row in self.rows])
        return frozenset([type(applied.op) for each in pieces for applied in each.applied])

    @cached_property
    def not_counted(self) -> tuple[str, ...]:
        """The layers whose operators are unknown, so that nothing of them is in the totals."""
        return tuple(row.name for row in self.rows if not row.counted)

    @property
    def partial(self) -> bool:
        """Whether the totals are lower bounds: some layer is not counted."""
        return bool(self.not_counted)

    @cached_property
    def params(self) -> Size:
        """Trainable parameters the network owns, shared ones once: what PyTorch's would sum to."""
        return sum(row.params for row in self.rows)

    @cached_property
    def trainable(self) -> Size:
        """Those of the parameters that are not frozen."""
        return sum(row.trainable for row in self.rows)

    @cached_property
    def executed_params(self) -> Size:
        """Parameters that an executed layer uses, shared ones once."""
        executed = [row for row in self.rows if row.executed]
        if len(executed) == len(self.rows):
            return self.params
        return sum(self._used(executed).values())

    @cached_property
    def shared_params(self) -> Size:
        """Parameters that more than one layer uses, each once."""
        borrowing = (row for row in self.rows if row.node.share is not None)
        return sum(self._used(borrowing, borrowed=True).values())

    def _used(self, rows: Iterable[Row], borrowed: bool = False) -> dict[tuple[str, str], Size]:
        """Elements by (owner, tensor) of what rows use, or only of what they borrow."""
        weights = {row.name: row.weights for row in self.rows} if self._ties else {}
        used: dict[tuple[str, str], Size] = {}
        for row in rows:
            owner = row.node.share
            for name, shape in row.weights.items():
                tied = owner is not None and name in weights[owner]
                if tied or not borrowed:
                    used[owner if tied and owner else row.name, name] = elements(shape)
        return used

    @cached_property
    def _ties(self) -> bool:
        return any(row.node.share is not None for row in self.rows)

    @cached_property
    def buffers(self) -> Size:
        """Numbers that are stored but not trained, shared ones once."""
        return sum(row.buffers for row in self.rows)

    @cached_property
    def _works(self) -> list[tuple[Work, int]]:
        """The works of the layers, and of how many layers each is."""
        # Copies of a block share one Work, so a repeat of n equal blocks is n times one.
        times = Counter([id(row.work) for row in self.rows])
        works = {id(row.work): row.work for row in self.rows}
        return [(work, times[key]) for key, work in works.items()]

    @_Recalled
    def work(self) -> Work:
        """Arithmetic of one forward pass over the whole batch, by kind."""
        return Work(
            *[
                sum([getattr(work, kind) * times for work, times in self._works])
                for kind in (*KINDS, "dots")
            ]
        )

    @cached_property
    def macs(self) -> Size:
        """Multiply-accumulates of one forward pass over the whole batch."""
        return sum([work.macs * times for work, times in self._works])

    @property
    def flops(self) -> Size:
        """``2 * macs`` plus all other arithmetic."""
        return self.work.flops

    @_Recalled
    def connections(self) -> Size:
        """Multiply-accumulates plus uses of biases."""
        return sum(row.connections for row in self.rows)

    @_Recalled
    def activations(self) -> Size:
        """Elements of all executed layers' outputs over the whole batch."""
        return sum(elements(row.shape) for row in self.rows if row.executed)

    @cached_property
    def receptive_fields(self) -> Mapping[str, tuple[Field, ...] | None]:
        """What the layers' outputs see of the input: :func:`archcalc.receptive_field`."""
        from archcalc.analysis.receptive_field import receptive_field

        return receptive_field(self.graph)

    @cached_property
    def backward(self) -> Backward:
        """The multiply-accumulates of the backward pass, by layer."""
        from archcalc.analysis.backward import gradients

        return gradients(self)

    def live(self, dtype: str = "float32") -> Mapping[str, int]:
        """Bytes of the tensors that are there while each layer runs at inference, by layer."""
        key = ("live", dtype)
        if key not in self._bytes:
            from archcalc.analysis.liveness import inference

            found = inference(self)
            sums = found.sums(BYTES[dtype])
            self._bytes[key] = dict(zip(found.layers, sums, strict=True))
        return self._bytes[key]

    def kept(self, dtype: str = "float32") -> Mapping[str, int]:
        """Bytes kept for the backward pass, each tensor once, at the layer that needs it first."""
        key = ("kept", dtype)
        if key not in self._bytes:
            from archcalc.analysis.liveness import step

            found = step(self)
            kept = dict.fromkeys(found.layers, 0)
            for each in found.kept:
                kept[found.layers[each.last]] += each.storage.bytes(BYTES[dtype])
            self._bytes[key] = kept
        return self._bytes[key]

    @cached_property
    def _bytes(self) -> dict[tuple[str, str], Mapping[str, int]]:
        return {}

    @cached_property
    def cache(self) -> Cache:
        """Numbers of keys and values that a decoder keeps of each token, by layer."""
        from archcalc.analysis.cache import cache

        return cache(self)

    def frame(self, library: str = "") -> Any:
        """The rows as a data frame of ``pandas`` or ``polars``: whichever is installed, by default.

        A column for the name, the stage, the operator, the shapes, what is stored and every kind
        of work; of layers that are not counted nothing stands where a number would. Raises
        :class:`ArchcalcError` where neither library is installed.
        """
        columns: dict[str, list[Any]] = {
            "layer": [row.name for row in self.rows],
            "stage": [row.stage for row in self.rows],
            "op": [row.op for row in self.rows],
            "inputs": [", ".join(row.node.inputs) for row in self.rows],
            "output": ["x".join(map(str, row.shape)) for row in self.rows],
            "executed": [row.executed for row in self.rows],
        }
        for name in ("params", "trainable", "shared", "buffers", "macs", "connections"):
            columns[name] = [getattr(row, name) if row.counted else None for row in self.rows]
        for name in ("flops", *KINDS[1:]):
            columns[name] = [getattr(row.work, name) if row.counted else None for row in self.rows]
        known = ("pandas", "polars")
        if library and library not in known:
            raise ArchcalcError(f"no library '{library}'\n  known: {', '.join(known)}")
        for name in (library,) if library else known:
            with suppress(ImportError):
                return import_module(name).DataFrame(columns)
        raise ArchcalcError(f"a frame needs {library or 'pandas or polars'}: pip install it")

    @property
    def quantized(self) -> bool:
        """Whether something is said of what numbers are stored in."""
        graph = self.__dict__.get("graph")  # one that was recalled is of a spec that says nothing
        return bool(graph is not None and graph.bits)

    @cached_property
    def stored(self) -> Mapping[str, Stored]:
        """What the numbers of each layer are stored in, by its name: ``bits`` of a spec."""
        from archcalc.analysis.bits import stored

        return stored(self)

    def weight_bytes(self, dtype: str = "float32") -> Size:
        """Bytes of the parameters, of ``dtype`` unless ``bits`` say otherwise.

        Raises ``KeyError`` for a dtype that is not in ``BYTES``.
        """
        if not self.quantized:
            return self.params * BYTES[dtype]
        return sum(self.row_bytes(row, dtype) for row in self.rows)

    def row_bytes(self, row: Row, dtype: str = "float32") -> Size:
        """The same of a layer, without what an earlier one owns."""
        if not self.quantized:
            return row.params * BYTES[dtype]
        owned = self.row(row.node.share).weights if row.node.share is not None else {}
        said = self.stored[row.name]
        return sum(
            said.bytes(row, name, shape, BYTES[dtype])
            for name, shape in row.weights.items()
            if name not in owned
        )

    def weights_of(self, row: Row, *, stored: bool) -> Size:
        """Parameters that a layer owns which are ``stored``, or those that it multiplies with.

        Zeros are not stored, and those of a 2:4 pattern not multiplied.
        """
        density = self.stored[row.name].density if self.quantized else None
        if density is None or row.node.share is not None:
            return row.params
        share = density.kept if stored else density.executed
        return sum(
            elements(shape)
            if len(shape) < 2
            else -(-elements(shape) * share.numerator // share.denominator)
            for shape in row.weights.values()
        )

    def bit_operations(self, dtype: str = "float32") -> Size:
        """Multiply-accumulates times the bits of both factors: :mod:`archcalc.analysis.bits`."""
        from archcalc.analysis.bits import bit_operations

        return sum(bit_operations(row, self.stored[row.name], dtype) for row in self.rows)

    def formats(self) -> Mapping[str, Format]:
        """The formats of inputs and layers' outputs that are stored in another one than the dtype.

        That is the widest of those in which layers take a tensor, where all of them say so. A view
        is its input's memory, and what writes to its input stands for it.
        """
        return self._formats

    @cached_property
    def _formats(self) -> Mapping[str, Format]:
        if not self.quantized:
            return {}
        from archcalc.analysis.liveness import stored_between

        return stored_between(self)

    @cached_property
    def _makers(self) -> Mapping[str, str]:
        from archcalc.analysis.liveness import makers

        return makers(self)

    def cache_bytes(self, dtype: str = "float32") -> Size:
        """Bytes a token of the :attr:`cache`. Raises as :meth:`weight_bytes` does."""
        return self.cache.numbers * BYTES[dtype]

    def __getitem__(self, name: str) -> Row:
        """The row of a layer by its full name. Raises :class:`LayerError`, a ``KeyError`` too."""
        found = self.under(name)
        for row in found:
            if row.name == name:
                return row
        if found:
            hint = f"under('{name}') has the rows of its {len(found)} layers"
            raise LayerError(f"'{name}' in {self.graph.name} is a block\n  {hint}")
        raise self.missing(name)

    def row(self, name: str) -> Row:
        """The same as ``analysis[name]``."""
        return self[name]

    def under(self, name: str) -> tuple[Row, ...]:
        """The rows of a layer or block, with all that is in it; none where there is no such."""
        outer, _, last = name.rpartition(".")
        if outer not in self._inside:
            # Only where somebody looks: what is in the other blocks need not be told apart.
            parts: dict[str, list[Row]] = {}
            start = len(outer) + 1 if outer else 0
            for row in self.under(outer) if outer else self.rows:
                parts.setdefault(row.node.name[start:].partition(".")[0], []).append(row)
            self._inside[outer] = {part: tuple(rows) for part, rows in parts.items() if part}
        return self._inside[outer].get(last, ())

    def missing(self, name: str) -> LayerError:
        """The error that there is no layer or block of this name, with the nearest that there is.

        Where none is near, the first few: they may be called in quite another way elsewhere.
        """
        network = self.graph.name
        hint = did_you_mean(name, {way for row in self.rows for way in ways(row.name)})
        if not hint:
            few = ", ".join([row.name for row in self.rows[:FEW]])
            hint = f"it begins with {few}; 'archcalc table {network} --detail all' lists all"
        return LayerError(f"no layer '{name}' in {network}\n  {hint}")

    @cached_property
    def _inside(self) -> dict[str, dict[str, tuple[Row, ...]]]:
        """The rows of what stands in a block, by the block's name and its own."""
        return {}
