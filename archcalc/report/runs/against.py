"""A spec beside somebody's PyTorch module, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from archcalc.document import Document
from archcalc.document.model import Cell, Head, Heading, Items, Prose, number, table
from archcalc.pytorch.against import Against, Finding
from archcalc.report.rendering import renderer

FORMATS = ("table", "markdown", "json")
"""The forms the outcome takes."""

ROUNDING = 1e-5
"""How far outputs in float32 may be apart to be called the same."""

WHAT = {
    "layer": "",
    "weights": "parameters",
    "buffers": "buffers",
    "params": "own parameters",
    "shape": "output shape",
    "macs": "MACs",
    "inputs": "takes",
}
"""What differs, as it is printed."""

_HEADS = (
    Head("kind", ""),
    Head("layer", "layer of the spec"),
    Head("module", "of the module"),
    Head("what", "what"),
    Head("archcalc", "spec", wraps=True),
    Head("pytorch", "module", wraps=True),
)


def verdict(found: Against) -> str:
    """``agrees with the module``, or what does not, in a line."""
    layers = f"{found.matched} layers with weights or MACs"
    if found.ok:
        return f"agrees: {layers} are the same"
    counts = dict.fromkeys(("missing", "extra", "differs"), 0)
    for finding in found.findings:
        counts[finding.kind] += 1
    places = {finding.layer for finding in found.findings if finding.kind == "differs"}
    parts = [
        f"{count} {word}"
        for count, word in (
            (counts["missing"], "missing in the module"),
            (counts["extra"], "in the module alone"),
            (len(places), "different"),
        )
        if count
    ]
    if not parts:
        parts = ["totals, though no layer does"]
    return f"differs: {', '.join(parts)}; {found.matched} layers with weights or MACs in both"


def document(found: Against) -> Document:
    """The totals, and below them every difference."""
    heads = (Head("what", ""), Head("archcalc", "spec", True), Head("pytorch", "module", True))
    rows = [("params", *found.params), ("MACs", *found.macs)]
    different = table(_HEADS, map(_row, found.findings), narrow=("kind",))
    return Document.of(
        Heading(f"{found.name} against {found.module}"),
        table(heads, rows),
        Items.of(_notes(found)),
        Prose(verdict(found), "good" if found.ok else "bad"),
        Heading("Differences" if found.findings else ""),
        different if found.findings else None,
    )


def _row(finding: Finding) -> tuple[Cell, ...]:
    return (
        finding.kind,
        finding.layer,
        finding.module,
        WHAT[finding.what],
        said(finding.ours),
        said(finding.theirs),
    )


def said(value: Any) -> str:
    """Shapes, names, a number or text, as they are printed beside others."""
    if isinstance(value, tuple):
        if all(isinstance(item, int) for item in value) and value:
            return f"({', '.join(map(str, value))})"
        return ", ".join(map(said, value)) or "none"
    return number(value)


def _notes(found: Against) -> Iterator[str]:
    if found.follows:
        layers = "layer differs" if found.follows == 1 else "layers differ"
        yield f"{found.follows} more {layers} because of what comes before"
    yield from found.remarks
    if found.distance is not None:
        apart = f"{found.distance:.1e} of their norm apart"
        same = found.distance < ROUNDING
        yield f"with equal weights the outputs are {'the same, up to rounding' if same else apart}"


def as_data(found: Against) -> dict[str, Any]:
    """The outcome as JSON holds it."""
    return {
        "name": found.name,
        "module": found.module,
        "ok": found.ok,
        "device": found.device,
        "matched": found.matched,
        "follows": found.follows,
        "params": dict(zip(("archcalc", "pytorch"), found.params, strict=True)),
        "macs": dict(zip(("archcalc", "pytorch"), found.macs, strict=True)),
        "differences": [
            {
                "kind": each.kind,
                "layer": each.layer or None,
                "module": each.module or None,
                "what": each.what,
                "archcalc": each.ours,
                "pytorch": each.theirs,
            }
            for each in found.findings
        ],
        "remarks": list(found.remarks),
        "distance": found.distance,
    }


render = renderer(document, FORMATS, json=as_data)
"""The outcome in one of ``FORMATS``."""
