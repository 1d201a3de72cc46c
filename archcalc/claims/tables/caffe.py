"""What Caffe logs while it sets a network up."""

from __future__ import annotations

import re

from archcalc.claims.tables.lines import MOST_IN_A_CELL, Line, Rows
from archcalc.errors import ArchcalcError

CAFFE = re.compile(r"\] (?:Creating Layer|Top shape:) ")
"""What a line of Caffe's log says of a layer."""
_CREATED = re.compile(r"\] Creating Layer (\S+)\s*$")
_TAKES = re.compile(r"\] (\S+) <- (\S+)\s*$")
_GIVES = re.compile(r"\] Top shape: ([\d ]+?) ?\((\d+)\)\s*$")
_MEMORY = re.compile(r"\] Memory required for data: (\d+)\s*$")
_FIELD = re.compile(r'\s*(type|kernel_size|num_output|stride|pad|group|name): "?([\w.]+)"?\s*$')
_COLUMNS = {
    "operator": "type",
    "filters": "num_output",
    "kernel": "kernel_size",
    "stride": "stride",
    "padding": "pad",
    "groups": "group",
}


def read_caffe(text: str, name: str) -> Rows:
    """Caffe's log: ``Creating Layer conv1``, ``conv1 <- data``, ``Top shape: 1 64 38 38 (92416)``.

    What the prototxt says that it logs first is read with it.
    """
    rows: list[tuple[int, dict[str, str]]] = []
    said: dict[str, dict[str, str]] = {}
    block: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line[:MOST_IN_A_CELL]
        if re.match(r"layers? \{", line):
            block = {}
        elif field := _FIELD.match(line):
            if field[1] == "name":
                said[field[2]] = block
            block.setdefault(field[1], field[2])
        elif created := _CREATED.search(line):
            own = said.get(created[1], {})
            cells = {head: own.get(key, "") for head, key in _COLUMNS.items()}
            if not own and created[1].endswith("_split"):
                cells["operator"] = "Identity"  # Caffe's own, of what several layers take
            rows.append((number, {"layer": created[1], **cells}))
        elif rows and (takes := _TAKES.search(line)) and takes[1] == rows[-1][1]["layer"]:
            before = rows[-1][1].get("from")
            rows[-1][1]["from"] = f"{before}; {takes[2]}" if before else takes[2]
        elif rows and (gives := _GIVES.search(line)):
            sizes = gives[1].split()
            rows[-1][1].setdefault("output", f"[{', '.join(sizes)}]")
            if sizes[0] == "1":  # of one image
                rows[-1][1].setdefault("output elements", gives[2])
        elif rows and (memory := _MEMORY.search(line)):
            rows[-1][1]["memory so far"] = memory[1]
    heads = [
        head
        for head in ("layer", *_COLUMNS, "from", "output", "output elements", "memory so far")
        if any(cells.get(head) for _, cells in rows)
    ]
    if "output" not in heads:
        raise ArchcalcError(f"{name}: has no layers of Caffe's log")
    return tuple(heads), [Line(at, tuple(c.get(h, "") for h in heads)) for at, c in rows]
