"""Layers as people write them in code: ``self.conv1 = nn.Conv2d(3, 6, 5)  # 6 x 28 x 28``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from archcalc.claims.tables.cells import worked_out
from archcalc.claims.tables.kinds import kind_of
from archcalc.claims.tables.lines import MOST_IN_A_CELL, Line, Rows
from archcalc.errors import ArchcalcError

CALL = re.compile(
    r"\s*(?:\(?(?P<label>(?:self\.)?[A-Za-z][\w ]{0,40}?|\d{1,3})\)?\s*[:=]\s*)?"
    r"(?:model\.add\()?(?:(?:nn|layers|tf\.keras\.layers|keras\.layers|L|torch\.nn)\.)?"
    r"(?P<op>[A-Z]\w*)\((?P<rest>.*)$"
)
"""A line that calls a layer."""

_SIZE = r"[\[(]?\s*(?:(?:-1|None|N|B|batch)\s*,\s*)?\d+(?:\s*[x×,*]\s*\d+)*\s*[\])]?"
_AFTER = re.compile(
    rf"(->|=>|→|#|//|out(?:put)?\w*\s*[:=])\s*(?:->|out(?:put)?\w*\s*[:=])?\s*({_SIZE})"
)

_PYTORCH: Mapping[str, tuple[str, ...]] = {
    "ConvTranspose": ("in", "out", "kernel", "stride", "padding"),
    "Conv": ("in", "out", "kernel", "stride", "padding", "dilation", "groups"),
    "MaxPool": ("kernel", "stride", "padding"),
    "AvgPool": ("kernel", "stride", "padding"),
    "Linear": ("in", "out"),
    "BatchNorm": ("in",),
}
_KERAS: Mapping[str, tuple[str, ...]] = {
    "Conv": ("out", "kernel", "stride", "padding"),
    "MaxPool": ("kernel", "stride", "padding"),
    "AveragePool": ("kernel", "stride", "padding"),
    "Dense": ("out",),
}
_KEYWORDS = {
    **dict.fromkeys(("in_channels", "in_features", "num_features"), "in"),
    **dict.fromkeys(("out_channels", "out_features", "filters", "units"), "out"),
    **dict.fromkeys(("kernel_size", "pool_size"), "kernel"),
    **dict.fromkeys(("stride", "strides"), "stride"),
    **{name: name for name in ("padding", "dilation", "groups")},
    "dilation_rate": "dilation",
}
_HEADERS = (
    *("layer", "operator", "in", "out", "kernel", "stride", "padding", "dilation", "groups"),
    *("output", "params"),
)
_FLUX = re.compile(r"#\s*(?:Total: \d+ arrays, )?([\d_]+) parameters")
"""What Flux says behind a layer, and behind all of them."""


def read_calls(text: str, name: str) -> Rows:
    """Layers that are called one a line, with their arguments, and what is said of their output."""
    found: list[tuple[int, dict[str, str]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        match = called(line)
        if match is None:
            if (total := _FLUX.search(line[:MOST_IN_A_CELL])) and "Total" in total[0]:
                found.append((number, {"layer": "Total", "params": total[1].replace("_", "")}))
            continue
        inside, after = _split(match["rest"])
        cells = {"layer": match["label"] or match["op"], "operator": match["op"]}
        cells["layer"] = re.sub(r"^self\.", "", cells["layer"]).strip()
        cells |= dict(_arguments(match["op"], inside))
        size = _AFTER.search(after[after.rfind("->") :] if "->" in after else after)
        counted = size is not None and len(re.findall(r"\d+", size[2])) > 1
        if params := _FLUX.search(after):
            cells["params"] = params[1].replace("_", "")
        elif size and (counted or size[1] not in ("#", "//") or "->" in after):
            cells["output"] = size[2].strip()
        found.append((number, cells))
    headers = tuple(h for h in _HEADERS if any(cells.get(h) for _, cells in found))
    if len(found) < 2 or len(headers) < 3:
        raise ArchcalcError(f"{name}: has no layers that are called")
    return headers, [Line(at, tuple(cells.get(h, "") for h in headers)) for at, cells in found]


def called(line: str) -> re.Match[str] | None:
    """The call of a layer that a line is, if it is one."""
    match = CALL.match(line[:MOST_IN_A_CELL])
    return match if match and kind_of(match["op"]).kind not in ("", "total", "module") else None


def _split(rest: str) -> tuple[str, str]:
    """What stands in the brackets of a call, and what stands behind them."""
    depth = 1
    for at, mark in enumerate(rest):
        depth += (mark == "(") - (mark == ")")
        if not depth:
            return rest[:at], rest[at + 1 :]
    return rest, ""


def _arguments(op: str, inside: str) -> Iterator[tuple[str, str]]:
    """The arguments of a call, by what they are of."""
    keras = bool(re.search(r"\dD", op)) or op == "Dense"
    places = next(
        (roles for start, roles in (_KERAS if keras else _PYTORCH).items() if op.startswith(start)),
        (),
    )
    parts = [p.strip() for p in re.split(r",(?![^(\[]*[)\]])", inside) if p.strip()]
    known: dict[str, str] = {}
    for at, part in enumerate(parts):
        if flux := re.fullmatch(r"(\d+) *=> *(\d+)", part):
            known |= {"in": flux[1], "out": flux[2]}
            known |= {"kernel": parts[0]} if at and parts[0].startswith("(") else {}
            continue
        keyword = re.fullmatch(r"(\w+)\s*=\s*(.+)", part)
        role = _KEYWORDS.get(keyword[1], "") if keyword else places[at] if at < len(places) else ""
        value = (keyword[2] if keyword else part).strip("'\"")
        if role and re.match(r"[\d(\[]|same|valid", value):
            worked = worked_out(value) if role in ("in", "out") else None
            known[role] = value if worked is None else str(worked)
    if re.match("(Max|Avg|Average)Pool", op) and "kernel" in known:
        known.setdefault("stride", known["kernel"])  # windows side by side
        known.setdefault("padding", "valid" if keras else "0")
    if op.startswith("Conv") and "kernel" in known:
        known.setdefault("stride", "1")
        known.setdefault("padding", "valid" if keras else "0")
    yield from known.items()
