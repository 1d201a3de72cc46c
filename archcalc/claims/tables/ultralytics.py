"""Ultralytics' listing of a model, and what its modules are made of.

A row is an index, where its input comes from, repeats, parameters, a class and its arguments: for
most classes the channels that it takes and gives, and how many units there are inside it. Their
convolutions have a normalization and no bias: ``k * k * in / groups * out + 2 * out`` parameters.
The makes are those of github.com/ultralytics/yolov5 (``models/common.py``) and
github.com/ultralytics/ultralytics (``nn/modules``).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping

from archcalc.claims.tables.evidence import (
    UNKNOWN,
    Hints,
    Manner,
    Option,
    State,
    as_int,
    one_option,
)
from archcalc.claims.tables.lines import Line, Rows
from archcalc.claims.tables.sheet import Entry
from archcalc.claims.tables.work import Layer
from archcalc.errors import ArchcalcError

WIDEST = 10_000
"""Channels that a module gives at most."""
YOLO = re.compile(
    r"\s*(\d+)\s+(-?\d+|\[[-\d, ]+\])\s+(\d+)\s+(\d+)\s+"
    r"((?:models|ultralytics|torch)\.[\w.]+)\s+\[(.*)\]"
)
_HEADERS = (
    *("layer", "from", "n", "params", "operator", "in", "out", "kernel", "stride", "inside"),
    "arguments",
)


def read_ultralytics(text: str, name: str) -> Rows:
    """Ultralytics' listing: index, where from, repeats, parameters, class, arguments."""
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        found = YOLO.match(line)
        if found:
            at, source, times, params, module, arguments = found.groups()
            sources = "; ".join(re.findall(r"-?\d+", source))
            said = _arguments(own := module.rpartition(".")[2], arguments)
            rows.append(
                Line(number, (f"{at} {own}", sources, times, params, module, *said, arguments))
            )
    if not rows:
        raise ArchcalcError(f"{name}: has no layers of Ultralytics")
    return _HEADERS, rows


def _arguments(module: str, arguments: str) -> tuple[str, str, str, str, str]:
    """What a module takes, gives, its kernel, its stride, and how many units are inside it."""
    numbers = re.match(r"(?:\d+(?:, |$))*", arguments.strip() + ", ")
    plain = re.findall(r"\d+", numbers[0]) if numbers else []
    if module in _CONVS and len(plain) > 2:
        return plain[0], plain[1], plain[2], plain[3] if len(plain) > 3 else "1", ""
    if module in _MADE and len(plain) > 1:
        return plain[0], plain[1], "", "", plain[2] if len(plain) > 2 else ""
    return "", "", "", "", ""


def _conv(cin: int, cout: int, side: int = 1, groups: int = 1) -> int:
    """Parameters of a convolution and its normalization."""
    return side * side * (cin // groups) * cout + 2 * cout


def _pair(c: int, first: int = 3, within: int = 0) -> int:
    """Those of two convolutions one after the other, of other channels between them."""
    within = within or c
    return _conv(c, within, first) + _conv(within, c, 3)


def _c3(cin: int, cout: int, n: int, first: int = 1) -> int:
    half = cout // 2
    return 2 * _conv(cin, half) + _conv(2 * half, cout) + n * _pair(half, first)


def _csp(cin: int, cout: int, n: int, _: str) -> int:
    half = cout // 2
    plain = cin * half + half * half
    return _conv(cin, half) + plain + _conv(2 * half, cout) + 4 * half + n * _pair(half, 1)


def _c2f(cin: int, cout: int, n: int, _: str) -> int:
    half = cout // 2
    return _conv(cin, 2 * half) + _conv((2 + n) * half, cout) + n * _pair(half)


def _c3k2(cin: int, cout: int, n: int, arguments: str) -> int:
    part = re.search(r"\b0\.\d+", arguments)
    c = int(cout * float(part[0])) if part else cout // 2
    nested = re.match(r"\d+, \d+, \d+, True", arguments.strip())
    unit = _c3(c, c, 2, 3) if nested else _pair(c, within=c // 2)
    return _conv(cin, 2 * c) + _conv((2 + n) * c, cout) + n * unit


def _c2psa(cin: int, cout: int, n: int, _: str) -> int:
    c = cin // 2
    heads = max(1, c // 64)
    asked = c + 2 * (c // heads // 2) * heads
    widened = _conv(c, 2 * c) + _conv(2 * c, c)
    attention = _conv(c, asked) + _conv(c, c) + _conv(c, c, 3, c)
    return _conv(cin, 2 * c) + _conv(2 * c, cin) + n * (attention + widened)


def _spp(cin: int, cout: int, _: int, arguments: str) -> int:
    half = cin // 2
    pools = re.search(r"\[([\d, ]+)\]", arguments)
    return _conv(cin, half) + _conv((1 + len(pools[1].split(",")) if pools else 4) * half, cout)


_MADE: Mapping[str, Callable[[int, int, int, str], int]] = {
    "C3": lambda cin, cout, n, _: _c3(cin, cout, n),
    "BottleneckCSP": _csp,
    "C2f": _c2f,
    "C3k2": _c3k2,
    "C2PSA": _c2psa,
    "SPP": _spp,
    "SPPF": _spp,
}
"""The parameters of modules by their channels in and out, their units, and all their arguments."""

_CONVS: Mapping[str, Callable[[int, int, int], int]] = {
    "Conv": _conv,
    "DWConv": _conv,
    "Focus": lambda cin, cout, side: _conv(4 * cin, cout, side),
    "GhostConv": lambda cin, cout, side: (
        _conv(cin, cout // 2, side) + _conv(cout // 2, cout // 2, 5, cout // 2)
    ),
}
"""The same of those whose third argument is a kernel."""


def _heads(arguments: str) -> list[int]:
    """The parameters that ``Detect`` may have: with anchors, without them, and with depthwise
    convolutions in its second branch, as from YOLO11 on.
    """
    classes, maps = re.match(r"\d+", arguments), re.search(r"\[([\d, ]+)\]\s*$", arguments)
    if classes is None or maps is None:
        return []
    kinds, taken = int(classes[0]), [int(n) for n in re.findall(r"\d+", maps[1])]
    anchors = re.search(r"\[\[([\d, ]+)\]", arguments)
    if anchors:
        each = len(anchors[1].split(",")) // 2 * (kinds + 5)
        return [sum(c + 1 for c in taken) * each]
    boxes, named = max(16, taken[0] // 4, 64), max(taken[0], min(kinds, 100))
    sides = sum(_conv(c, boxes, 3) + _conv(boxes, boxes, 3) + (boxes + 1) * 64 for c in taken) + 16
    last = (named + 1) * kinds
    plain = sum(_conv(c, named, 3) + _conv(named, named, 3) + last for c in taken)
    apart = sum(
        _conv(c, c, 3, c) + _conv(c, named) + _conv(named, named, 3, named) + _conv(named, named)
        + last
        for c in taken
    )  # fmt: skip
    return [sides + plain, sides + apart]


def known_module(entry: Entry) -> str:
    """The class of a row of the listing whose parameters are known, or ``""``."""
    own = re.search(r"^(?:models|ultralytics)\.[\w.]*?(\w+)$", entry.what.word)
    if own is None:
        return ""
    if own[1] == "Detect":
        return own[1] if _heads(entry.cells[-1]) else ""
    listed = {"channels_in", "channels_out"} <= entry.values.keys()
    return own[1] if listed and (own[1] in _MADE or own[1] in _CONVS) else ""


def read_known(entry: Entry, state: State, manner: Manner, hints: Hints) -> Iterator[Option]:
    """The readings of a module of Ultralytics' whose make is known."""
    module, values = known_module(entry), entry.values
    if module == "Detect":
        for total in _heads(entry.cells[-1]):
            layer = Layer("module", params=total)
            yield one_option(entry, state, UNKNOWN, 0.0, layer, params=total)
        return
    cin = int(values["channels_in"]) if state.c is None else state.c
    said = as_int(values.get("kernel_h" if module in _CONVS else "inside")) or 1

    def params(cout: int, units: int = said) -> int:
        if module in _CONVS:
            return _CONVS[module](cin, cout, units)
        return _MADE[module](cin, cout, units, entry.cells[-1])

    printed = int(values.get("params", 0))
    fits = 2 * bisect_left(range(0, WIDEST, 2), printed, key=params)
    couts = [int(values["channels_out"]), fits if params(fits) == printed else 0]
    for cout in filter(None, dict.fromkeys((*couts, hints.after.c))):
        for units in dict.fromkeys((said, 1, 2, 3)):
            if units != said and params(cout, units) != printed:
                continue
            inside = ("kernel_h", "kernel_w") if module in _CONVS else ("inside",)
            layer = Layer("module", cin, cout, params=params(cout, units))
            shown, given = State(cin, state.ext), State(cout, None)
            expected = dict.fromkeys(inside, units)
            if values.get("repeats", 1) != 1:
                expected["repeats"] = units  # the same is printed beside it
            yield one_option(entry, shown, given, 0.0, layer, params=layer.params, **expected)
