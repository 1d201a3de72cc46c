"""A network's loops as the tools read them that map loops to machines: Timeloop and ZigZag.

The formats are those of ``problem-shapes/`` of NVlabs/timeloop and of ``zigzag/inputs/workload/``
of KULeuven-MICAS/zigzag.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archcalc.analysis.analyze import analyze
from archcalc.analysis.counted import Analysis
from archcalc.analysis.nests import Nest, Nests, nests
from archcalc.spec.graph import Graph

FORMS = ("timeloop", "zigzag")

_WINDOW = ("Wstride", "Hstride", "Wdilation", "Hdilation")

_SHAPES: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "conv": (
        "CNN_Layer",
        "R S P Q C K N",
        {"Weights": "C K R S", "Inputs": "N C RP SQ", "Outputs": "N K Q P"},
    ),
    "grouped": (
        "CNN_Layer_Grouped",
        "R S P Q C K N G",
        {"Weights": "G C K R S", "Inputs": "N G C RP SQ", "Outputs": "N G K Q P"},
    ),
    "depthwise": (
        "CNN_Layer_Depthwise",
        "R S P Q C N",
        {"Weights": "C R S", "Inputs": "N C RP SQ", "Outputs": "N C Q P"},
    ),
    "gemm": ("CNN_Layer", "R S P Q C K N", {}),
    "batched": (
        "Batched_GEMM",
        "G M N K",
        {"A": "G M K", "B": "G N K", "Z": "G M N"},
    ),
}
"""A shape's name, its dimensions, and what each tensor is indexed with; the last is written."""

_EQUATIONS = {
    "conv": ("Conv", "O[b][k][oy][ox]+=W[k][c][fy][fx]*I[b][c][iy][ix]"),
    "grouped": ("Conv", "O[b][g][k][oy][ox]+=W[g][k][c][fy][fx]*I[b][g][c][iy][ix]"),
    "depthwise": ("Conv", "O[b][g][oy][ox]+=W[g][fy][fx]*I[b][g][iy][ix]"),
    "gemm": ("Gemm", "O[b][k]+=I[b][c]*W[c][k]"),
    "batched": ("Gemm", "O[g][b][k]+=I[g][b][c]*W[g][c][k]"),
    "pool": ("Pooling", "O[b][g][oy][ox]+=W[fx][fy]*I[b][g][iy][ix]"),
    "add": ("Add", "O[b][g][oy][ox]=W[b][g][oy][ox]+I[b][g][oy][ox]"),
}
_LOOPS = {
    "conv": {"N": "B", "K": "K", "C": "C", "Q": "OY", "P": "OX", "S": "FY", "R": "FX"},
    "grouped": {
        "N": "B",
        "G": "G",
        "K": "K",
        "C": "C",
        "Q": "OY",
        "P": "OX",
        "S": "FY",
        "R": "FX",
    },
    "depthwise": {"N": "B", "C": "G", "Q": "OY", "P": "OX", "S": "FY", "R": "FX"},
    "gemm": {"N": "B", "C": "C", "K": "K"},
    "batched": {"G": "G", "M": "B", "C": "C", "K": "K"},
    "pool": {"N": "B", "C": "G", "Q": "OY", "P": "OX", "R": "FX", "S": "FY"},
    "add": {"N": "B", "C": "G", "Q": "OY", "P": "OX"},
}
"""What our loops are called in ZigZag."""

_PADDING = "padding is not said: tools take inputs to be as large as the loops reach"
_POINTWISE = "what works element by element (activations, normalization, softmax) is passed over"


def hardware(graph: Graph, form: str) -> tuple[str, tuple[str, ...]]:
    """A network's loops in one of ``FORMS``, and what the form can't say of it, a line each.

    The text says the latter in comments, too.
    """
    analysis = analyze(graph)
    found = nests(analysis)
    missing = (*_missing(found, form), _POINTWISE, _PADDING)
    head = [
        f"# {graph.name}: loops for {'Timeloop' if form == 'timeloop' else 'ZigZag'}",
        *(f"# {line}" for line in missing),
    ]
    body = _timeloop(found) if form == "timeloop" else _zigzag(found, analysis)
    return "\n".join([*head, *body]) + "\n", missing


def _missing(found: Nests, form: str) -> Iterator[str]:
    for layer, why in found.unsaid.items():
        yield f"{layer} is left out: {why}"
    if form == "timeloop":
        passed = [nest.layer for nest in found.nests if nest.kind in ("pool", "add")]
        if passed:
            yield f"poolings and sums are left out: {len(passed)} layers that multiply nothing"


def _timeloop(found: Nests) -> Iterator[str]:
    for nest in found.nests:
        if nest.kind not in _SHAPES:
            continue
        name, dimensions, spaces = _SHAPES[nest.kind]
        if nest.kind == "gemm":
            spaces = _SHAPES["conv"][2]
        yield "---"
        yield f"# {nest.title}"
        yield "problem:"
        yield "  shape:"
        yield f"    name: {name}"
        yield f"    dimensions: [{', '.join(dimensions.split())}]"
        windowed = nest.kind != "batched"
        if windowed:
            yield "    coefficients:"
            for each in _WINDOW:
                yield f"      - {{name: {each}, default: 1}}"
        yield "    data_spaces:"
        last = list(spaces)[-1]
        for space, indices in spaces.items():
            yield f"      - name: {space}"
            yield "        projection:"
            for index in indices.split():
                yield f"          - {_projection(index)}"
            if space == last:
                yield "        read_write: true"
        yield "  instance:"
        for key, size in _instance(nest, windowed).items():
            yield f"    {key}: {size}"


def _projection(index: str) -> str:
    """``RP`` is where a kernel's window reaches: ``R * Wdilation + P * Wstride``."""
    if len(index) == 1:
        return f"[[{index}]]"
    kernel, output = index[0], index[1]
    axis = "W" if kernel == "R" else "H"
    return f"[[{kernel}, {axis}dilation], [{output}, {axis}stride]]"


def _instance(nest: Nest, windowed: bool) -> dict[str, int]:
    if nest.kind == "batched":
        s = nest.sizes
        return {"G": s["G"], "M": s["M"], "N": s["K"], "K": s["C"]}
    sizes = dict(nest.sizes)
    if nest.kind == "gemm":
        sizes = {"R": 1, "S": 1, "P": 1, "Q": 1, **sizes}
    window = (*nest.strides, *nest.dilations)
    return {**sizes, **dict(zip(_WINDOW, window, strict=True))} if windowed else sizes


def _zigzag(found: Nests, analysis: Analysis) -> Iterator[str]:
    numbers = {nest.title: number for number, nest in enumerate(found.nests)}
    for number, nest in enumerate(found.nests):
        operator, equation = _EQUATIONS[nest.kind]
        loops = {theirs: nest.sizes[ours] for ours, theirs in _LOOPS[nest.kind].items()}
        sources = [numbers.get(name, number) for name in nest.inputs]  # its own: from outside
        both = nest.kind in ("batched", "add")
        yield f"- id: {number}"
        yield f"  name: {nest.title.replace(':', '.')}"
        yield f"  operator_type: {operator}"
        yield f"  equation: {equation}"
        if nest.kind in ("conv", "grouped", "depthwise", "pool"):
            (w, h), (dw, dh) = nest.strides, nest.dilations
            yield f"  dimension_relations: [ix={w}*ox+{dw}*fx, iy={h}*oy+{dh}*fy]"
        elif nest.kind != "add":
            yield "  dimension_relations: []"
        yield f"  loop_dims: [{', '.join(loops)}]"
        yield f"  loop_sizes: [{', '.join(map(str, loops.values()))}]"
        weight, active = _bits(nest, analysis)
        yield "  operand_precision:"
        yield f"    W: {weight}"
        yield f"    I: {active}"
        yield f"    O: {2 * active}"
        yield f"    O_final: {active}"
        yield "  operand_source:"
        yield f"    I: {sources[0]}"
        yield f"    W: {sources[1] if both else number}"


def _bits(nest: Nest, analysis: Analysis) -> tuple[int, int]:
    """Of a weight and of an activation: 8, as in ZigZag's own workloads, unless it is said."""
    said = analysis.stored[nest.layer]
    active = said.activations.bits if said.activations else 8
    if nest.kind in ("batched", "add"):
        return active, active
    if nest.kind == "pool":
        return 0, active
    return (said.weights.bits if said.weights else 8), active
