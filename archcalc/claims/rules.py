"""Why a cell should be what it should be: the rule, with its numbers."""

from __future__ import annotations

import re
from math import prod

from archcalc.claims.causes import WORDS, label, number
from archcalc.claims.readings import Place, Reading
from archcalc.claims.tables.evidence import Option
from archcalc.claims.tables.sheet import Entry, Number, Sheet
from archcalc.claims.tables.work import Layer


def printed_like(entry: Entry, role: str, right: Number) -> str:
    """A number as the table would print it."""
    if role in entry.printed:
        text = entry.printed[role].like(right)
        if right and not re.search(r"[1-9]", text):
            return number(right)  # too little to be seen in the column's unit
        # A unit that stands in the header is not written again.
        plain = not any(mark.isalpha() for mark in entry.cells[entry.columns[role]])
        return text.rstrip("KMGBTkmgbt ") if plain else text
    return number(right).replace(",", "")


def rule(sheet: Sheet, reading: Reading, place: Place, right: Number) -> str:
    """Why a cell should be what it should be."""
    row, role = place
    entry, option = sheet.entries[row], reading.found.options[row]
    if option is None:
        return ""
    if role == "params":
        return _params(entry, option, right)
    if role == "frozen":
        return "a normalization has as many that are not trained" if right else "all are trained"
    if role.startswith("mem"):
        return str(reading.found.manner.memory[role])
    if role.startswith("ops"):
        way = reading.found.manner.work.get(role, {}).get(option.layer.kind, "")
        layer = option.layer
        if layer.macs is not None and "multiply" in way:
            return f"{way}: of {number(layer.macs)} multiply-accumulates, {number(right)}"
        return f"{way}: {number(right)}" if way else number(right)
    if place in reading.choices:
        return "all else that the table says of this layer follows from it"
    if role.startswith(("in_", "channels_in", "kernel_in")):
        given = reading.sources[row]
        if not given:
            return f"its {WORDS['channels_in']} and its input are one number"
        shapes = [f"{label(sheet.entries[at])} gives {_given(reading, at)}" for at in given[:4]]
        return "; ".join([", ".join(shapes), *option.notes])
    return _out(sheet, entry, reading, option, role, right)


def _given(reading: Reading, row: int) -> str:
    option = reading.found.options[row]
    if option is None or option.out.ext is None:
        return size(reading.outs[row])
    return size((*option.out.ext, option.out.c)) if option.out.ext else size(reading.outs[row])


def _out(
    sheet: Sheet, entry: Entry, reading: Reading, option: Option, role: str, right: Number
) -> str:
    """Why an output is as large as it is."""
    layer, axis = option.layer, role[-1]
    values = {**entry.values, **option.expected}
    n, s = values.get(f"in_{axis}"), layer.stride
    given = reading.sources[entry.index] or ()
    if n is None and given and axis in "dhw":
        before = reading.found.options[given[0]]
        ext = before.out.ext if before else None
        if ext and layer.kernel and len(ext) == len(layer.kernel):
            n = dict(zip("dhw"[-len(ext) :] if len(ext) > 1 else "h", ext, strict=False)).get(axis)
    if role in ("out_c", "channels_out"):
        if entry.kind in ("concat", "merge") and len(given) > 1:
            widths = [number(reading.outs[at][2] or 0) for at in given]
            return f"{' + '.join(widths)} = {number(right)}"
        if entry.kind in ("pool", "same", "norm", "add", "prelu"):
            what = "pooling" if entry.kind == "pool" else "it"
            return f"{what} gives as many channels as it takes"
        return f"its out is {number(right)}"
    if layer.kernel and layer.pads and n is not None and axis in "dhw":
        axes = "dhw"[-len(layer.kernel) :] if len(layer.kernel) > 1 else "h"
        at = axes.index(axis) if axis in axes else 0
        k = layer.dilation * (layer.kernel[at] - 1) + 1
        pads = layer.pads[at]
        if layer.kind == "deconv":
            shown = f" - {pads}" if pads else ""
            return f"({number(n)} - 1) * {s} + {k}{shown} = {number(right)}"
        padded = f" + 2 * {pads // 2}" if pads and pads % 2 == 0 else f" + {pads}" if pads else ""
        inner = f"({number(n)}{padded} - {k}) / {s}"
        if (n + pads - k) % s:
            inner = f"{'ceil' if layer.ceil else 'floor'}({inner})"
        return f"{inner} + 1 = {number(right)}"
    if entry.kind in ("same", "norm", "prelu", "add", "concat", "merge"):
        return f"its input is {number(right)}"
    if given:
        return f"{label(sheet.entries[given[0]])} gives {_given(reading, given[0])}"
    return f"its input is {number(right)}"


def _params(entry: Entry, option: Option, right: Number) -> str:
    layer = option.layer
    if not right:
        kind = {"pool": "pooling", "gpool": "pooling", "concat": "concatenation"}
        return f"{kind.get(entry.kind, 'such a layer')} has no parameters"
    if entry.pattern is not None:
        return f"the layers of {entry.pattern.name} have {number(right)} together"
    if entry.kind == "norm" and option.out.c:
        times = {2: "two", 4: "four", 1: "one", 3: "three"}.get(int(right) // option.out.c, "some")
        return f"{times} for each channel"
    if layer.params is None:
        return f"with {number(right)} the rows add up to the total"
    return formula(layer) or number(right)


def formula(layer: Layer) -> str:
    """How a layer's parameters come about: ``(3 * 3 * 64 + 1) * 128 = 73,856``."""
    if layer.cin is None or layer.cout is None or layer.params is None:
        return ""
    sides = layer.kernel if layer.kernel and prod(layer.kernel) != 1 else ()
    terms = [number(side) for side in sides]
    bias = f" + {layer.bias}" if layer.bias else ""
    result = number(layer.params)
    if layer.kind == "separable":
        depth = " * ".join([*terms, number(layer.cin)])
        return f"{depth} + ({number(layer.cin)}{bias}) * {number(layer.cout)} = {result}"
    if layer.kind == "depthwise":
        inner = " * ".join(terms) or "1"
    else:
        inner = " * ".join([*terms, number(layer.cin)])
        if layer.groups > 1:
            inner += f" / {layer.groups}"
    shown = f"({inner}{bias})" if bias else inner
    plain = (prod(layer.kernel or (1,)) * layer.cin // layer.groups + layer.bias) * layer.cout
    if layer.kind in ("conv", "linear", "deconv") and plain and layer.params % plain == 0:
        times = layer.params // plain
        return f"{shown} * {number(layer.cout)}{f' * {times}' if times > 1 else ''} = {result}"
    return f"{shown} * {number(layer.cout)} = {result}" if layer.kind == "depthwise" else result


def size(out: tuple[Number | None, ...]) -> str:
    """``56x56x64``, with ``?`` for what nothing says."""
    return "x".join("?" if size is None else str(size) for size in out)
