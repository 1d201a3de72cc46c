"""The difference of two networks, as one wants to read it in a pull request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from archcalc.analysis.conventions import Convention
from archcalc.analysis.counted import Analysis
from archcalc.analysis.diff import Change, Diff, Edit, Kind
from archcalc.document import Document
from archcalc.document.model import Head, Heading, Prose, Row, many, number, table
from archcalc.report.layers.columns import (
    print_inputs,
    print_padding,
    print_per_axis,
    print_shape,
)
from archcalc.report.layers.lines import depth_of
from archcalc.report.rendering import renderer
from archcalc.report.units import print_bytes

FORMATS = ("text", "markdown", "json")
"""The forms a difference takes."""

MARKS: Mapping[Kind, str] = {
    "added": "+",
    "removed": "-",
    "changed": "~",
    "follows": ">",
    "same": "",
}
"""What stands before a layer."""

LOOKS: Mapping[Kind, str] = {
    "added": "good",
    "removed": "bad",
    "changed": "changed",
    "follows": "dim",
    "same": "",
}


def document(found: Diff, every: bool = False) -> Document:
    """The layers that differ and the totals; without layers only a few words."""
    one, other = (print_inputs(each.graph.inputs) for each in (found.before, found.after))
    about = f"input {one}" if one == other else f"input {one} -> {other}"
    title = Heading(" -> ".join(found.names))
    if not found.different:
        said = f"no differences in {len(found.changes):,} layers; {about}"
        return Document.of(title, Prose(said, "about"))
    unseen = _unseen(found)
    if unseen:
        about += f"; unseen by {found.convention.name}: {', '.join(unseen)}"
    heads = (
        Head("mark", ""),
        Head("layer", "layer"),
        Head("op", "op"),
        Head("change", "change", wraps=True),
        Head("params", "params", True),
        Head("macs", found.convention.header, True),
    )
    rows = [_row(line, found) for line in _lines(found.changes, every)]
    rows.append(_row(_Line("same", "total", "", "", found.changes), found))
    totals = (
        Head("total", "total"),
        Head("before", "before", True),
        Head("after", "after", True),
        Head("change", "change", True),
        Head("percent", "%", True),
    )
    return Document.of(
        title,
        Prose(about, "about"),
        table(heads, rows),
        table(totals, _totals(found)),
        wide=True,
    )


class _Line(NamedTuple):
    kind: Kind
    layer: str
    op: str
    text: str
    changes: Sequence[Change]


def _lines(changes: Sequence[Change], every: bool) -> Iterator[_Line]:
    for kind, grouped in groupby(changes, key=lambda change: change.kind):
        group = list(grouped)
        if not every and (kind == "same" or (kind == "follows" and len(group) > 1)):
            rows = [row for row in (change.after for change in group) if row is not None]
            ends = rows[0].name if len(rows) == 1 else f"{rows[0].name} to {rows[-1].name}"
            count = many(len(rows), "layer")
            yield _Line(kind, ends, count, "as before" if kind == "same" else "", group)
            continue
        for change in group:
            yield _line(change)


def _line(change: Change) -> _Line:
    before, after = change.before, change.after
    row = after or before
    assert row is not None
    layer, op = row.name, row.op
    parts = [_edit(edit) for edit in change.edits if edit.what not in ("name", "op")]
    if before is None or after is None:
        parts = [f"to {print_shape(row.shape)}"]
    else:
        if before.name != layer:
            layer = f"{before.name} -> {layer}"
        if before.op != op:
            op = f"{before.op} -> {op}"
        if before.shape != after.shape:
            parts.append(f"to {print_shape(before.shape)} -> {print_shape(after.shape)}")
        if before.executed != after.executed:
            parts.append("executed" if after.executed else "not executed")
    return _Line(change.kind, layer, op, ", ".join(parts), [change])


def _row(line: _Line, found: Diff) -> Row:
    params = sum(change.params for change in line.changes)
    work = sum(map(found.work, line.changes))
    cells = (MARKS[line.kind], line.layer, line.op, line.text, _more(params), _more(work))
    return Row(cells, LOOKS[line.kind])


def _unseen(found: Diff) -> list[str]:
    counted = found.convention
    if not counted.tool:
        return []
    return sorted({*counted.blind(found.before), *counted.blind(found.after)})


def _edit(edit: Edit) -> str:
    return f"{edit.what} {_value(edit.before)} -> {_value(edit.after)}"


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, tuple) and value and all(isinstance(item, tuple) for item in value):
        return print_padding(value)
    if isinstance(value, tuple) and all(isinstance(item, str) for item in value):
        return " and ".join(value)
    return print_per_axis(value) if isinstance(value, tuple) and value else str(value)


def _more(size: Any) -> str:
    if type(size) is int:
        return f"{size:+,}" if size else ""
    return str(size)


_TOTALS: Mapping[str, tuple[str, Callable[[Analysis], Any]]] = {
    "params": ("params", lambda analysis: analysis.params),
    "buffers": ("buffers", lambda analysis: analysis.buffers),
    "macs": ("MACs", lambda analysis: analysis.macs),
    "flops": ("FLOPs", lambda analysis: analysis.flops),
    "weight_bytes": ("weight bytes", lambda analysis: analysis.weight_bytes()),
    "activations": ("activations", lambda analysis: analysis.activations),
    "layers": ("layers", lambda analysis: len(analysis.rows)),
    "depth": ("depth", depth_of),
}


def _totals(found: Diff) -> Iterator[tuple[str, ...]]:
    counted = found.convention
    totals = {**_TOTALS, "macs": (counted.header, counted.total)}
    if counted.name == "all":
        del totals["flops"]
    for name, (header, total) in totals.items():
        before, after = total(found.before), total(found.after)
        shown = print_bytes if name == "weight_bytes" else number
        change = after - before
        percent = (
            f"{100 * change / before:+.1f}" if type(change) is int and change and before else ""
        )
        yield header, shown(before), shown(after), _more(change), percent


def _data(found: Diff, every: bool = False) -> dict[str, Any]:
    return {
        "convention": found.convention.name,
        "different": found.different,
        "before": _network(found.names[0], found.before, found.convention),
        "after": _network(found.names[1], found.after, found.convention),
        "layers": [_layer(change, found) for change in found.changes if change.kind != "same"],
    }


def _network(name: str, analysis: Analysis, counted: Convention) -> dict[str, Any]:
    totals = {key: total(analysis) for key, (_, total) in _TOTALS.items()}
    return {
        "name": name,
        "inputs": {key: list(shape) for key, shape in analysis.graph.inputs.items()},
        "totals": {**totals, "work": counted.total(analysis)},
    }


def _layer(change: Change, found: Diff) -> dict[str, Any]:
    sides = [
        None
        if row is None
        else {
            "name": row.name,
            "op": row.op,
            "inputs": list(row.node.inputs),
            "output": list(row.shape),
            "params": row.params,
            "macs": row.macs,
            "work": found.convention.count(row),
        }
        for row in (change.before, change.after)
    ]
    return {
        "kind": change.kind,
        "before": sides[0],
        "after": sides[1],
        "edits": {edit.what: [edit.before, edit.after] for edit in change.edits},
        "params": change.params,
        "macs": change.macs,
        "work": found.work(change),
    }


render = renderer(document, FORMATS, json=_data)
"""A difference in one of ``FORMATS``.

Layers that are the same, or only follow from others, are summed up where several stand
together; with ``every`` each has its line.
"""
