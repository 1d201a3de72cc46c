"""An analysis as JSON: a contract with other programs.

``FORMAT`` counts its versions: a key is never removed or changes its meaning without a new one.
Shapes are batch first (N, C, H, W).
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from archcalc.analysis.counted import Analysis
from archcalc.dims import holds, is_array
from archcalc.document.data import FORMAT, dumps
from archcalc.operators.base import KINDS
from archcalc.report.layers.lines import Line, lines, running


def contract(analysis: Analysis, *, detail: str = "all", dtype: str = "float32") -> dict[str, Any]:
    """The data of an analysis, as the JSON output holds it.

    ``name`` is the family's and ``variant`` the variant's, null without one. ``input`` is a shape,
    or an object of shapes by name where there are several. ``kernel``, ``stride`` and ``padding``
    (before and after on every axis) are null for a layer without a window, and for an adaptive
    pooling whose windows differ. ``work`` counts every kind of operation. With ``detail="stage"`` a
    block is one layer, whose ``op`` is null and whose weights have their names within it. The
    totals are those of the whole network, where some parameters do no work (of experts, of heads
    for training) with those that do, ``active`` or ``executed``, in training with the
    multiply-accumulates of the backward pass, and of a decoder with the bytes of keys and values
    that it keeps a token, ``cache_bytes``. With layers that are not ``counted`` the analysis is
    ``partial`` and the totals are lower bounds; what is not known of a layer is null. Raises
    :class:`ArchcalcError`.
    """
    graph = analysis.graph
    shown, _ = lines(analysis, detail)
    shapes = {name: list(shape) for name, shape in graph.inputs.items()}
    first = next(iter(shapes.values()))
    backward = {"backward_macs": analysis.backward.macs} if analysis.training else {}
    return {
        "archcalc": FORMAT,
        "name": graph.family,
        "variant": graph.variant,
        "input": first if len(shapes) == 1 else shapes,
        "batch": first[0],
        "totals": {
            "params": analysis.params,
            **_used(analysis),
            "trainable": analysis.trainable,
            "buffers": analysis.buffers,
            "macs": analysis.macs,
            "flops": analysis.flops,
            "weight_bytes": analysis.weight_bytes(dtype),
            **backward,
            **_cache(analysis, dtype),
        },
        "partial": analysis.partial,
        "not_counted": list(analysis.not_counted),
        "layers": [_layer(line) for line in shown],
    }


def _layer(line: Line) -> dict[str, Any]:
    row, slid = line.row, line.window
    known = slid is not None and slid.kernel is not None
    sources = line.sources if row is None else row.node.inputs
    inputs = zip(sources, line.input_shapes, strict=True)
    counted = any(row.counted for row in line.rows)
    partial = counted and not all(row.counted for row in line.rows)
    return {
        "name": line.name,
        "op": None if row is None else row.op,
        "stage": line.name if row is None else row.stage,
        "inputs": [{"from": name, "shape": list(shape)} for name, shape in inputs],
        "output": list(line.shape),
        "kernel": list(slid.kernel or ()) if slid and known else None,
        "stride": list(slid.stride or ()) if slid and known else None,
        "padding": [list(pad) for pad in slid.padding or ()] if slid and known else None,
        "params": line.sum(lambda row: row.params) if counted else None,
        "trainable": line.sum(lambda row: row.trainable) if counted else None,
        "buffers": line.sum(lambda row: row.buffers) if counted else None,
        "weights": _weights(line) if counted else None,
        "macs": line.sum(lambda row: row.macs) if counted else None,
        "work": {kind: line.sum(attrgetter(f"work.{kind}")) if counted else None for kind in KINDS},
        **({"partial": True} if partial else {}),
    }


def _used(analysis: Analysis) -> dict[str, Any]:
    """Where all parameters are there is no such key."""
    used = analysis.executed_params
    return {} if holds(used == analysis.params) else {running(analysis): used}


def _cache(analysis: Analysis, dtype: str) -> dict[str, Any]:
    """Of a decoder; of others there is no such key."""
    cache = analysis.cache
    if not any(numbers is not None and holds(numbers >= 1) for numbers in cache.layers.values()):
        return {}
    return {"cache_bytes": None if cache.not_counted else analysis.cache_bytes(dtype)}


def _weights(line: Line) -> dict[str, list[Any]]:
    """Of a block by their names within it."""
    within = f"{line.name}." if line.row is None else ""
    return {
        f"{row.name.removeprefix(within)}.{name}" if within else name: list(shape)
        for row in line.rows
        for name, shape in row.weights.items()
    }


def render(analysis: Analysis, *, detail: str = "all", dtype: str = "float32") -> str:
    """The contract as text: a layer a line, so that two outputs can be compared by line."""
    data = contract(analysis, detail=detail, dtype=dtype)
    layers = ",\n".join(f"  {dumps(layer, default=_plain)}" for layer in data.pop("layers"))
    entries = [f' "{key}": {dumps(value, default=_plain)}' for key, value in data.items()]
    entries.append(f' "layers": [\n{layers}\n ]')
    return "{\n" + ",\n".join(entries) + "\n}\n"


def _plain(size: Any) -> Any:
    """Arrays as lists and symbols as text: JSON has only numbers."""
    return size.tolist() if is_array(size) else str(size)
