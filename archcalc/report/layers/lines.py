"""What stands in a line of a table: a layer, or a block as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from archcalc.analysis.counted import Analysis, Row
from archcalc.analysis.depth import is_weight_layer
from archcalc.dims import Shape, Size, same
from archcalc.operators.base import elements
from archcalc.report.choice import choose
from archcalc.report.layers.windows import Window, window

DETAILS = ("stage", "layer", "all")
"""How much a table shows: a line for every outermost block, for every layer that matters to
shapes and sizes, or for every layer."""


class Line(NamedTuple):
    """One layer, or all layers of a block."""

    name: str
    """The full name of the layer, or the block's."""
    stage: str
    """The outermost block that the layer stands in, or ``""``."""
    rows: tuple[Row, ...]
    sources: tuple[str, ...]
    """Where its inputs come from: names of lines, or of the network's inputs."""
    input_shapes: tuple[Shape, ...]
    shape: Shape
    window: Window | None

    @property
    def row(self) -> Row | None:
        """The layer; None for a block of several."""
        return self.rows[0] if len(self.rows) == 1 else None

    @property
    def executed(self) -> bool:
        """Whether any of it is."""
        return any(row.executed for row in self.rows)

    def sum(self, value: Callable[[Row], Size]) -> Size:
        """A number of its rows, added up."""
        return total(self.rows, value)


def total(rows: Iterable[Row], value: Callable[[Row], Size]) -> Size:
    """A number of some rows, added up."""
    return sum(map(value, rows))


def matters(row: Row) -> bool:
    """Whether a layer stores something, slides a window, changes the number of elements or joins.

    One of an unknown operator may do any of it.

    The others (activations, normalization without weights, dropout, reshaping) leave no trace in
    the shapes and sizes that tables are about.
    """
    node = row.node
    return bool(
        not row.counted
        or row.weights
        or row.buffer_shapes
        or len(node.inputs) > 1
        or window(node) is not None
        or not same(elements(node.shape), elements(node.input_shapes[0]))
    )


def lines(analysis: Analysis, detail: str) -> tuple[list[Line], list[Row]]:
    """The lines of a table at a level of detail, and the rows that none of them shows."""
    detail = choose("detail", detail, DETAILS)
    groups: dict[str, list[Row]] = {}
    for row in analysis.rows:
        key = row.stage if detail == "stage" and row.stage else row.name
        groups.setdefault(key, []).append(row)
    stands_for = {name: name for name in analysis.graph.inputs}
    looked_at: dict[int, tuple[bool, Window | None]] = {}  # by what the analysis keeps alive
    taken = _taken_elsewhere(analysis) if detail == "stage" else frozenset()
    shown, hidden = [], []
    for key, rows in groups.items():
        first = rows[0]
        if key != first.name:
            shown.append(_line(key, rows, stands_for, taken))
            stands_for.update({row.name: key for row in rows})
            continue
        node = first.node
        found = looked_at.get(id(node.applied))
        if found is None:
            found = looked_at[id(node.applied)] = matters(first), window(node)
        if detail == "all" or found[0]:
            sources = tuple([stands_for[name] for name in node.inputs])
            inputs, shape = node.applied.input_shapes, node.applied.shape
            shown.append(Line(key, node.stage, (first,), sources, inputs, shape, found[1]))
            stands_for[key] = key
        else:
            hidden.append(first)
            stands_for[key] = stands_for[node.inputs[0]]
    return shown, hidden


def _line(
    key: str, rows: Sequence[Row], stands_for: Mapping[str, str], taken: frozenset[str]
) -> Line:
    """The line of a block."""
    within = {row.name for row in rows}
    outside = {
        name: shape
        for row in rows
        for name, shape in zip(row.node.inputs, row.node.input_shapes, strict=True)
        if name not in within
    }
    output = next((row for row in reversed(rows) if row.name in taken), rows[-1])
    windows = [found for row in rows if (found := window(row.node)) is not None]
    return Line(
        key,
        "",
        tuple(rows),
        tuple([stands_for[name] for name in outside]),
        tuple(outside.values()),
        output.shape,
        windows[0] if len(windows) == 1 else None,
    )


def _taken_elsewhere(analysis: Analysis) -> frozenset[str]:
    """The layers whose outputs leave their block."""
    graph = analysis.graph
    stages = {row.name: row.stage for row in analysis.rows}
    taken = {*graph.outputs, *graph.training_outputs}
    for row in analysis.rows:
        taken.update(name for name in row.node.inputs if stages.get(name, "") != row.stage)
    return frozenset(taken)


def depth(rows: Iterable[Row]) -> int:
    """Weight layers on the longest path through some rows, as papers count a network's layers.

    A weight layer stores trainable tensors; normalization and activations are none, even where
    they do.
    """
    longest: dict[str, int] = {}
    for row in rows:
        own = is_weight_layer(row)
        longest[row.name] = own + max((longest.get(name, 0) for name in row.node.inputs), default=0)
    return max(longest.values(), default=0)


def depth_of(analysis: Analysis) -> int:
    """The same of all layers that are executed."""
    return depth(row for row in analysis.rows if row.executed)


def running(analysis: Analysis) -> str:
    """What parameters are called that are used, where some are not: of experts they are active."""
    return "active" if any(node.spare for node in analysis.graph.nodes) else "executed"
