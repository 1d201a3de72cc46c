"""Why a cell should be what it should be: the rule, with its numbers."""

from __future__ import annotations

from collections.abc import Mapping

from archcalc.claims.causes import WORDS, label, number
from archcalc.claims.chain import Reading
from archcalc.claims.step import Place
from archcalc.claims.tables import Entry, Number, Sheet


def printed_like(entry: Entry, role: str, right: Number) -> str:
    """A number as the table would print it."""
    if role in entry.printed:
        return entry.printed[role].like(right)
    return number(right).replace(",", "")


def rule(sheet: Sheet, reading: Reading, place: Place, right: Number) -> str:
    """Why a cell should be what it should be."""
    row, role = place
    entry, expected = sheet.entries[row], reading.expected[row]
    values = {**entry.values, **expected}
    given = reading.sources[row]
    if place in reading.choices:
        return "all else that the table says of this layer follows from it"
    if role.startswith(("in_", "channels_in")):
        if not given:
            return f"its {WORDS['channels_in']} and its input are one number"
        shapes = [f"{label(sheet.entries[at])} gives {size(reading.outs[at])}" for at in given[:4]]
        return ", ".join(shapes)
    if role in ("out_h", "out_w"):
        axis = role[-1]
        n, k, s, pad = (values.get(x) for x in (f"in_{axis}", f"kernel_{axis}", "stride", "pad"))
        if entry.kind in ("conv", "pool", "layer") and None not in (n, k, s):
            if right == 0:
                return f"a kernel of {number(k or 0)} does not fit into {number(n or 0)}"
            padded = f" + 2 * {number(pad)}" if pad else ""
            if pad is None:
                return (
                    f"no padding of a kernel of {number(k or 0)} gives another size than about it"
                )
            inner = f"({number(n or 0)}{padded} - {number(k or 0)}) / {number(s or 0)}"
            steps = n + 2 * pad - k  # type: ignore[operator]
            if steps % s:  # type: ignore[operator]
                inner = f"{reading.counting.rounding if entry.kind == 'pool' else 'floor'}({inner})"
            return f"{inner} + 1 = {number(right)}"
        return f"its input is {number(right)}"
    if role in ("out_c", "channels_out"):
        if entry.kind == "concat" and given:
            widths = [number(reading.outs[at][2] or 0) for at in given]
            return f"{' + '.join(widths)} = {number(right)}"
        if entry.kind in ("pool", "same", "norm", "add"):
            what = "pooling" if entry.kind == "pool" else "it"
            return f"{what} gives as many channels as it takes"
        return f"its out is {number(right)}"
    if role == "params":
        return _params_rule(entry, reading, values, right)
    if role == "ops":
        return f"{reading.counting.ops} of its weights at every output position"
    return ""


def _params_rule(
    entry: Entry, reading: Reading, values: Mapping[str, Number], right: Number
) -> str:
    if not entry.weighted:
        kind = {"pool": "pooling", "concat": "concatenation"}.get(entry.kind, "such a layer")
        return f"{kind} has no parameters" if not right else "two for each channel"
    flat = entry.kind == "linear"
    sides = () if flat else (values.get("kernel_h", 1), values.get("kernel_w", 1))
    kernel = [number(side) for side in sides if any(each != 1 for each in sides)]
    terms = " * ".join([*kernel, number(values["channels_in"])])
    extra = reading.counting.extra("linear" if flat else "conv")
    shown = f"({terms} + {extra})" if extra else terms
    return f"{shown} * {number(values['channels_out'])} = {number(right)}"


def size(out: tuple[Number | None, ...]) -> str:
    """``56x56x64``, with ``?`` for what nothing says."""
    return "x".join("?" if size is None else str(size) for size in out)
