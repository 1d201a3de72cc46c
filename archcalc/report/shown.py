"""What every result shows of itself: a line, and its report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from archcalc.document import Document
from archcalc.document.model import Cell, Head, Pairs, Prose, number, table
from archcalc.report.units import print_bytes, print_rate, print_time


def line(result: Any) -> str:
    """What tells it from others of its kind."""
    return _LINES[type(result).__name__](result)


def document(result: Any) -> Document:
    """Its report."""
    name = type(result).__name__
    if name in _REPORTS:
        return _reported(_REPORTS[name], result)
    if name in _LISTS:
        return _reported(_LISTS[name], [result])
    return _DOCUMENTS[name](result)


def _reported(module: str, result: Any) -> Document:
    found: Document = import_module(f"archcalc.report.{module}").document(result)
    return found


def svg(network: Any) -> str:
    """Its diagram."""
    from archcalc.report.diagrams.diagram import diagram

    return diagram(network, "svg")


def _analysis(network: Any) -> Any:
    from archcalc.analysis.analyze import analyze
    from archcalc.analysis.counted import Analysis

    if isinstance(network, Analysis):
        return network
    return analyze(network, allow_unknown=True)


def _table(network: Any) -> Document:
    from archcalc.report.layers.layout import Request, lay_out

    return lay_out(_analysis(network), Request.of("layer", None, "float32", "macs"))


def _counts(network: Any) -> str:
    found = _analysis(network)
    least = "≥" * found.partial
    numbers = f"{least}{number(found.params)} params, {least}{number(found.macs)} MACs"
    return f"{found.graph.name}: {numbers}, {len(found.rows)} layers"


def _spec(spec: Any) -> str:
    if spec.variants and spec.variant is None:
        return f"{spec.name}: {len(spec.variants)} variants"
    return f"{spec.label}: {' '.join(spec.title.split())}" if spec.title else str(spec.label)


def _graph(graph: Any) -> str:
    from archcalc.report.layers.columns import print_shape

    given = ", ".join(map(print_shape, graph.inputs.values()))
    return f"{graph.name}: {len(graph.nodes)} layers, input {given}"


def _row(row: Any) -> str:
    from archcalc.report.layers.columns import print_shape

    counts = f"{number(row.params)} params, {number(row.macs)} MACs"
    return f"{row.name}: {row.op}, {print_shape(row.shape)}, {counts}"


def _memory(memory: Any) -> str:
    what = "in training" if memory.training else "at inference"
    return f"{memory.network}: {print_bytes(memory.most)} {what}, most at {memory.peak}"


def _fits(found: Any) -> str:
    return f"{found.beyond.network}: a batch of {found.batch} in {print_bytes(found.budget)}"


def _roofline(found: Any) -> str:
    least = print_time(found.seconds)
    return f"{found.network} on {found.machine.name}: {found.dtype}, {least} at least"


def _generation(found: Any) -> str:
    rate = print_rate(found.rate)
    return f"{found.network} on {found.machine.name}: {rate} tokens a second at most"


def _by_layer(name: str, header: str, layers: Mapping[str, Any], total: Any) -> Document:
    """A number of each layer, or that it is not known, and their sum."""
    rows: list[tuple[Cell, Cell]] = [
        (layer, "unknown" if size is None else size) for layer, size in layers.items()
    ]
    found = table((Head("layer", "layer"), Head(name, header, True)), rows)
    return Document.of(found, Pairs((("total", number(total)),)))


def _backward(found: Any) -> Document:
    return _by_layer("macs", "backward MACs", found.layers, found.macs)


def _cache(found: Any) -> Document:
    return _by_layer("cache", "numbers a token", found.layers, found.numbers)


def _diff(diff: Any) -> str:
    what = sum(change.kind != "same" for change in diff.changes)
    return f"{' -> '.join(diff.names)}: {what} of {len(diff.changes)} layers differ"


def _finding(finding: Any) -> str:
    from archcalc.claims.check import VERDICTS
    from archcalc.claims.judged import show

    said = f"{finding.network} {finding.quantity}: {finding.printed} printed"
    return f"{said}, {show(finding.computed)} computed, {VERDICTS[finding.verdict]}"


def _finding_table(finding: Any) -> Document:
    from archcalc.report.claims.findings import Checked
    from archcalc.report.claims.findings import document as of

    return of([Checked("", (finding,))])


def _explanation(explanation: Any) -> str:
    from archcalc.claims.judged import show

    return f"{show(explanation.number)} {explanation.quantity}: {explanation.words}"


def _crosscheck(found: Any) -> str:
    from archcalc.report.runs.crosscheck import verdict

    return f"{found.name}: {verdict(found)}"


def _against(found: Any) -> str:
    from archcalc.report.runs.against import verdict

    return f"{found.name}, {found.module}: {verdict(found)}"


def _measurement(found: Any) -> str:
    from archcalc.report.runs.measured import COLUMNS

    latency, many = (COLUMNS[name].show(found) for name in ("latency", "throughput"))
    return f"{found.dtype}, batch {found.batch}: {latency}, {many} inputs/s on {found.machine}"


def _savings(found: Any) -> str:
    name = found.before.graph.name
    params = f"{number(found.before.params)} -> {number(found.after.params)} params"
    return (
        f"{name}, {found.rewrite}: {params}, {number(found.number)} -> {number(found.number_after)}"
    )


def _formula(found: Any) -> str:
    names = ", ".join(symbol.name for symbol in found.symbols)
    return f"{found.network} in {names}: {', '.join(found.total)}"


def _network(network: Any) -> str:
    return f"{network.name}: {number(network.params)} params, {number(network.macs)} MACs"


def _values(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in values.items())


def _sentence(result: Any) -> Document:
    return Document.of(Prose(line(result)))


def _description(op: Any) -> str:
    summary = op.text.partition("\n")[0].replace("`", "")
    return f"{op.name}: {summary}"


_LINES: Mapping[str, Callable[[Any], str]] = {
    "Spec": _spec,
    "Graph": _graph,
    "Analysis": _counts,
    "Row": _row,
    "Node": lambda node: f"{node.name}: {type(node.op).__name__}, {node.shape}",
    "Memory": _memory,
    "Fits": _fits,
    "Roofline": _roofline,
    "Generation": _generation,
    "Hardware": lambda machine: f"{machine.name}: {machine.title}",
    "Backward": lambda found: f"{number(found.macs)} MACs in {len(found.layers)} layers",
    "Cache": lambda found: f"{number(found.numbers)} numbers a token",
    "Diff": _diff,
    "Comparison": lambda found: ", ".join(entry.name for entry in found.entries),
    "Audit": lambda found: f"{found.name}: {len(found.findings)} cells contradict others",
    "Finding": _finding,
    "Explanation": _explanation,
    "Space": lambda found: f"{found.network.label}: {found.size:,} configurations",
    "Sweep": lambda found: f"{found.network}: {len(found):,} of {found.configurations:,} rows",
    "Fit": lambda found: f"{found.network}: {_values(found.values)}",
    "Formula": _formula,
    "Crosscheck": _crosscheck,
    "Against": _against,
    "Measurement": _measurement,
    "Savings": _savings,
    "Network": _network,
    "Description": _description,
}

_REPORTS: Mapping[str, str] = {
    "Diff": "layers.diff",
    "Memory": "needs.memory",
    "Fits": "needs.memory",
    "Roofline": "needs.roofline",
    "Generation": "needs.generation",
    "Comparison": "claims.compare",
    "Audit": "claims.audits",
    "Savings": "claims.savings",
    "Space": "families.space",
    "Sweep": "families.sweep",
    "Fit": "families.fit",
    "Formula": "families.closed",
    "Against": "runs.against",
    "Description": "specs.ops",
}
"""Result -> the module whose ``document`` is of it."""

_LISTS: Mapping[str, str] = {
    "Hardware": "needs.machines",
    "Crosscheck": "runs.crosscheck",
    "Network": "specs.zoo",
}
"""Result -> the module whose ``document`` is of several."""

_DOCUMENTS: Mapping[str, Callable[[Any], Document]] = {
    "Spec": _table,
    "Graph": _table,
    "Analysis": _table,
    "Row": _sentence,
    "Node": _sentence,
    "Backward": _backward,
    "Cache": _cache,
    "Finding": _finding_table,
    "Explanation": _sentence,
    "Measurement": _sentence,
}
