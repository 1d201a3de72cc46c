"""Conventions: what one number of a layer's work is, under a name.

The analysis records kinds of work; a convention is a function of a :class:`Row` that makes one
number of them. All of them add up over layers, so a network's number is the sum of its rows'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from archcalc.analysis.analyze import Analysis, Row
from archcalc.dims import Size
from archcalc.errors import ArchcalcError, did_you_mean


class Convention(NamedTuple):
    """A named way to count."""

    name: str
    header: str
    """What a column of such numbers is headed with."""
    about: str
    """What is counted, in a line."""
    count: Callable[[Row], Size]

    def total(self, analysis: Analysis) -> Size:
        """The number of a whole network."""
        return sum(map(self.count, analysis.rows))


def bias_adds(row: Row) -> Size:
    """Adds of biases in a layer that multiplies and accumulates; none in any other.

    They are what the layer adds more than the same layer without its biases, so the biases of a
    recurrent or an attention layer are told from what else it adds. A bias that is no field's
    choice (``SubSampling2d``) is added once to every output element.
    """
    if type(row.macs) is int and row.macs == 0:
        return 0
    op, node = row.node.op, row.node
    if getattr(op, "bias", None) is True:
        without = op.model_copy(update={"bias": False})
        return row.work.adds - without.work(node.shape, *node.input_shapes).adds
    return row.connections - row.macs


def _textbook(row: Row) -> Size:
    return 2 * row.macs - row.work.dots + bias_adds(row)


_ALL = (
    Convention("macs", "MACs", "multiply-accumulates", lambda row: row.macs),
    Convention("2xmacs", "2 x MACs", "two for every multiply-accumulate", lambda row: 2 * row.macs),
    Convention(
        "all",
        "FLOPs",
        "two for every multiply-accumulate, and one for every other operation",
        lambda row: row.work.flops,
    ),
    Convention(
        "textbook",
        "textbook FLOPs",
        "2 K - 1 for a dot product of K terms, one for every use of a bias, and nothing else",
        _textbook,
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
