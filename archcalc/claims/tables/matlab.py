"""MATLAB's listing of a network: ``2  'conv1'  2-D Convolution  64 3×3×3 convolutions``."""

from __future__ import annotations

import re

from archcalc.claims.tables.lines import MOST_IN_A_CELL, Line, Rows
from archcalc.errors import ArchcalcError

LAYER = re.compile(r"\s*(\d+)\s+'([^']*)'\s+(\S.*?)\s{2,}(\S.*?)\s*$")
"""A layer's number, name, type, and a sentence about it."""

_WINDOW = re.compile(
    r"(?:(?P<groups>\d+) groups? of )?(?:(?P<filters>\d+) )?(?P<kernel>\d+(?:[x×]\d+)*)"
    r"(?: [a-z]+)* (?:convolutions?|pooling)\b"
)
_SAID = {
    "output": re.compile(r"^(\d+(?:[x×]\d+)*) (?:images|features|sequences?)\b"),
    "filters": re.compile(
        r"^(\d+) fully connected|\bwith (\d+) hidden units"
        r"|\bnormalization with (\d+) channels(?! per)"
    ),
    "stride": re.compile(r"\bstride \[?([\d ]+)"),
    "padding": re.compile(r"\b(?:padding|cropping) (?:\[([\d ]+)\]|'(\w+)')"),
    "dilation": re.compile(r"\bdilation factor \[?([\d ]+)"),
}
_HEADERS = (
    *("layer", "operator", "output", "kernel", "filters", "groups"),
    *("stride", "padding", "dilation"),
)


def read_matlab(text: str, name: str) -> Rows:
    """The layers of ``net.Layers``, with what the sentence beside each says of it.

    A kernel's last number is of what each filter takes. Raises :class:`ArchcalcError` where no
    line is a layer.
    """
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        found = LAYER.match(line[:MOST_IN_A_CELL])
        if not found:
            continue
        label, operator, sentence = found[2] or f"layer {found[1]}", found[3], found[4]
        cells = {"layer": label, "operator": operator, **_said(sentence)}
        rows.append((number, cells))
    headers = tuple(h for h in _HEADERS if any(cells.get(h) for _, cells in rows))
    if len(rows) < 2 or len(headers) < 3:
        raise ArchcalcError(f"{name}: has no layers of MATLAB")
    return headers, [Line(at, tuple(cells.get(h, "") for h in headers)) for at, cells in rows]


def _said(sentence: str) -> dict[str, str]:
    cells = {}
    for role, pattern in _SAID.items():
        if match := pattern.search(sentence):
            cells[role] = " ".join(next(filter(None, match.groups())).split())
    for role in ("stride", "dilation"):
        if role in cells:
            cells[role] = cells[role].replace(" ", "x")
    if " " in cells.get("padding", ""):
        cells["padding"] = f"[{cells['padding']}]"
    if window := _WINDOW.match(sentence):
        cells |= {role: text for role, text in window.groupdict().items() if text}
        if window["groups"] and window["filters"]:
            cells["filters"] = str(int(window["groups"]) * int(window["filters"]))
    return cells
