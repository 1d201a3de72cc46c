"""Conventions: what one number of a layer's work is, under a name.

The analysis records kinds of work; a convention is a function of a :class:`Row` that makes one
number of them. All of them add up over layers, so a network's number is the sum of its rows'.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from archcalc.dims import Size, holds
from archcalc.errors import ArchcalcError, did_you_mean

if TYPE_CHECKING:  # completing a word asks for names alone
    from archcalc.analysis.counted import Analysis, Row


class Convention(NamedTuple):
    """A named way to count."""

    name: str
    header: str
    """What a column of such numbers is headed with."""
    about: str
    """What is counted, in a line."""
    count: Callable[..., Size]
    """Of a row. Raises :class:`ArchcalcError` for a layer on which the tool fails."""
    per_mac: int = 1
    """How many a multiply-accumulate is meant to count."""
    tool: str = ""
    """The tool whose number it is, with the version it was held against; ``""`` for our own."""

    def __reduce__(self) -> tuple[Any, ...]:
        # By its name, because a rule is a function without one.
        known = CONVENTIONS.get(self.name) is self
        return (convention, (self.name,)) if known else (Convention, tuple(self))

    def total(self, analysis: Analysis) -> Size:
        """The number of a whole network. Raises :class:`ArchcalcError` where the tool fails."""
        return sum(map(self.within(analysis).count, analysis.rows))

    def within(self, analysis: Analysis) -> Convention:
        """The same of a network's rows, where what a tool sees of one depends on the others.

        A trace drops what leads to no output.
        """
        from archcalc.analysis.backward import needed, reached

        if self.name in ("fvcore", "torchprofile"):
            traced = reached(analysis)
            return self._replace(count=lambda row: self.count(row) if row.name in traced else 0)
        if self.name not in ("torch", "ptflops-aten"):
            return self
        biased = any(
            row.op == "ScaledDotProductAttention" and len(row.node.inputs) == 4
            for row in analysis.rows
        )
        learned = frozenset(needed(analysis) if biased else ())
        if self.name == "torch":
            return self._replace(count=lambda row: self.count(row, learned))
        apart = _scattered(analysis)
        return self._replace(
            count=lambda row: self.count(row, learned, apart.get(row.name, frozenset()))
        )

    def blind(self, analysis: Analysis) -> tuple[str, ...]:
        """Operators that multiply and accumulate and are counted as nothing, by name.

        Of one that is counted as less than its products, or in some layers only, it says so:
        ``Linear (in part)``. What is counted instead, :func:`differences` says.
        """
        states: dict[str, set[str]] = defaultdict(set)
        count_of = self.within(analysis).count
        for row in analysis.rows:
            if not row.executed or holds(row.macs == 0):
                continue
            count = count_of(row)
            less = " (in part)" if holds(count < self.per_mac * row.macs) else "seen"
            states[row.op].add("" if holds(count == 0) else less)
        return tuple(
            sorted(
                f"{op}{'' if found == {''} else ' (in part)'}"
                for op, found in states.items()
                if found != {"seen"}
            )
        )


def _scattered(analysis: Analysis) -> Mapping[str, frozenset[int]]:
    """Inputs that are not contiguous, where a layer counts otherwise for that."""
    from archcalc.analysis.counters.dispatched import PROJECTING
    from archcalc.analysis.liveness import scattered

    asked = any(
        row.op in PROJECTING and len(shape) > 2
        for row in analysis.rows
        for shape in row.node.input_shapes
    )
    # How arrays and symbols lie isn't asked.
    shapes = (shape for row in analysis.rows for shape in (row.node.shape, *row.node.input_shapes))
    known = asked and all(type(n) is int for shape in shapes for n in shape)
    return scattered(analysis) if known else {}


@cache
def _rule(name: str) -> Callable[..., Size]:
    rule: Callable[..., Size] = getattr(import_module("archcalc.analysis.counters"), name)
    return rule


def _counter(name: str) -> Callable[..., Size]:
    # Imported when it first counts: most tables need no other tool's number.
    def count(row: Row, *more: frozenset[Any]) -> Size:
        return _rule(name)(row, *more)

    return count


def _textbook(row: Row) -> Size:
    return 2 * row.macs - row.work.dots + _rule("bias_adds")(row)


_ALL = (
    Convention("macs", "MACs", "multiply-accumulates", lambda row: row.macs),
    Convention(
        "2xmacs", "2 x MACs", "two for every multiply-accumulate", lambda row: 2 * row.macs, 2
    ),
    Convention(
        "all",
        "FLOPs",
        "two for every multiply-accumulate, and one for every other operation",
        lambda row: row.work.flops,
        2,
    ),
    Convention(
        "textbook",
        "textbook FLOPs",
        "2 K - 1 for a dot product of K terms, one for every use of a bias, and nothing else",
        _textbook,
        2,
    ),
    Convention(
        "torch",
        "FLOPs (torch)",
        "two for every multiply-accumulate of a convolution or a matrix product; blind to what "
        "the CPU fuses: an LSTM, and attention between its projections",
        _counter("torch"),
        2,
        "torch.utils.flop_counter of torch 2.13.0",
    ),
    Convention(
        "torchinfo",
        "mult-adds (torchinfo)",
        "parameters times positions of the output, biases and normalizations included; too many "
        "for a transposed convolution, and too few for a linear layer on (N, T, C), which it "
        "takes for one position; blind to what has no parameters, and to MultiheadAttention",
        _counter("torchinfo"),
        1,
        "torchinfo 1.8.0",
    ),
    Convention(
        "fvcore",
        "flops (fvcore)",
        "multiply-accumulates, named flops, and some operations of normalizations, upsampling "
        "and adaptive pooling; blind to recurrent layers, to attention between its projections "
        "and to convolutions with padding='same'",
        _counter("fvcore"),
        1,
        "fvcore 0.1.5.post20221221",
    ),
    Convention(
        "ptflops",
        "MACs (ptflops)",
        "multiply-accumulates, biases, and elements of what normalizations, activations and "
        "poolings are given, most of them twice: once for the module and once for its function; "
        "of a batch of 1, times the batch",
        _counter("ptflops"),
        1,
        "ptflops 0.7.5, backend pytorch",
    ),
    Convention(
        "ptflops-aten",
        "MACs (ptflops, aten)",
        "multiply-accumulates of convolutions and matrix products, and biases; blind to what the "
        "CPU fuses: an LSTM, and attention between its projections, and to biases of linear "
        "layers that are given a view that is not contiguous; of a batch of 1",
        _counter("ptflops_aten"),
        1,
        "ptflops 0.7.5, backend aten",
    ),
    Convention(
        "thop",
        "MACs (thop)",
        "multiply-accumulates, four or two for every normalized element, and some operations of "
        "average pooling, softmax and upsampling; a transposed convolution as if at every "
        "position of its output; blind to attention and matrix products",
        _counter("thop"),
        1,
        "thop 0.1.1.post2209072238",
    ),
    Convention(
        "torchprofile",
        "MACs (torchprofile)",
        "multiply-accumulates, and one for every element that is normalized with weights, "
        "averaged or multiplied; a transposed convolution as if at every position of its output; "
        "blind to RNN, GRU and convolutions with padding='same'",
        _counter("torchprofile"),
        1,
        "torchprofile 0.1.0",
    ),
    Convention(
        "deepspeed",
        "FLOPs (DeepSpeed)",
        "two for every multiply-accumulate, biases of convolutions but not of linear layers, and "
        "elements of what normalizations, some activations and poolings are given; sums of "
        "tensors are none",
        _counter("deepspeed"),
        2,
        "deepspeed 0.19.8",
    ),
    Convention(
        "calflops",
        "FLOPs (calflops)",
        "as DeepSpeed, but too few for a transposed convolution with groups or a bias, and for "
        "upsampling; blind to attention between its projections",
        _counter("calflops"),
        2,
        "calflops 0.3.2",
    ),
)

CONVENTIONS: Mapping[str, Convention] = {convention.name: convention for convention in _ALL}
"""Every convention by its name."""


def convention(name: str) -> Convention:
    """The convention of this name, in any case. Raises :class:`ArchcalcError` if there is none."""
    found = CONVENTIONS.get(name.strip().lower())
    if found is None:
        hint = did_you_mean(name, CONVENTIONS)
        raise ArchcalcError(f"no convention '{name}'\n  {hint}")
    return found


class Difference(NamedTuple):
    """How a convention's number of a network comes from its multiply-accumulates."""

    convention: Convention
    number: Size | None
    """The network's number; None where the tool fails, for the reason in ``failure``."""
    amounts: Mapping[str, Size]
    """Operator -> what the number holds of it more than ``per_mac`` times its multiply-accumulates,
    or less where it is below 0: ``number`` is ``per_mac * macs`` and all of these."""
    blind: tuple[str, ...]
    """Operators that multiply and accumulate and are counted as nothing, or as less."""
    failure: str = ""


def differences(analysis: Analysis) -> tuple[Difference, ...]:
    """One network under every convention, and what each adds and leaves out, by operator."""
    return tuple(_difference(analysis, convention) for convention in _ALL)


def _difference(analysis: Analysis, convention: Convention) -> Difference:
    amounts: dict[str, Size] = defaultdict(int)
    try:
        count = convention.within(analysis).count
        for row in analysis.rows:
            amounts[row.op] += count(row) - convention.per_mac * row.macs
        blind = convention.blind(analysis)
    except ArchcalcError as error:
        return Difference(convention, None, {}, (), str(error))
    number = convention.per_mac * analysis.macs + sum(amounts.values())
    told = {op: amount for op, amount in amounts.items() if not holds(amount == 0)}
    return Difference(convention, number, told, blind)
