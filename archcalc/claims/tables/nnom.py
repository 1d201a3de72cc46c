"""What NNoM prints as it compiles a network for a microcontroller: a layer a line, in integers."""

from __future__ import annotations

import re

from archcalc.claims.tables.lines import MOST_IN_A_CELL, Line, Rows
from archcalc.errors import ArchcalcError

NNOM = re.compile(
    r"\s*(?:#\d+\s+)?(?P<layer>[A-Za-z]\w*)\s+-\s*(?P<act>\w*)\s*-\s*"
    r"\((?P<out>\s*\d+(?:,\s*\d+)*),?\s*\)\s*(?P<ops>[\d.]+[kMG]?)?\s*"
    r"\(\s*(?P<taken>\d+),\s*(?P<given>\d+),\s*(?P<buffer>\d+)\).*"
)
"""``#2 Conv2D - ReLU - ( 28, 28, 12) 84k ( 784, 9408, 36) 1 1 1 -``."""


def read_nnom(text: str, name: str) -> Rows:
    """Layers with what each gives, its work, and how many bytes it takes, gives and works in."""
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if found := NNOM.fullmatch(line[:MOST_IN_A_CELL]):
            sides = re.findall(r"\d+", found["out"])
            while len(sides) > 1 and sides[-1] == "1" and found["layer"] != "Input":
                sides.pop()  # a vector, its ones behind it
            ops = (found["ops"] or "").replace("k", "K")
            cells = (found["layer"], found["act"], f"({', '.join(sides)})", ops)
            rows.append(Line(number, (*cells, found["given"], found["buffer"])))
    if not rows:
        raise ArchcalcError(f"{name}: has no layers of NNoM")
    return (*("layer", "activation", "output shape", "MACs", "output elements"), "note"), rows
