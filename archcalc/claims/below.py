"""What programs say below a table of memory and of work, held against its layers."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from math import prod

from archcalc.claims.causes import Cause, number, slips
from archcalc.claims.finding import Finding
from archcalc.claims.readings import Reading
from archcalc.claims.sums import right_sum
from archcalc.claims.tables.evidence import Option, known, slip
from archcalc.claims.tables.kinds import WEIGHTED
from archcalc.claims.tables.lines import mult_adds_unit
from archcalc.claims.tables.sheet import Entry, Sheet
from archcalc.claims.tables.totals import adds_up, total_row

PARTS = ("input", "forward/backward pass", "params", "estimated total")
"""What torchsummary and torchinfo say of memory, in MB; the last is the sum of the others."""


def memory_sizes(sheet: Sheet, told: Reading) -> Iterator[Finding]:
    """Sizes below a table that do not add up, and of which the layers say which is wrong.

    Torchsummary counts four bytes a number, twice what every row gives, and MB as 1,048,576;
    torchinfo counts twice what layers with weights give, and MB as 1,000,000.
    """
    entries = {
        e.name.lower().removesuffix(" size (mb)"): e for e in sheet.entries if "size" in e.values
    }
    if set(entries) != set(PARTS):
        return
    sizes = {what: entries[what].printed["size"] for what in PARTS}
    *parts, total = (sizes[what].value for what in PARTS)
    step = sizes["params"].step
    if abs(sum(parts) - total) <= 2 * step:
        return
    counted = {what: _numbers(sheet, told, what) for what in PARTS[:3]}

    def agrees(what: str, value: Fraction) -> bool:
        return any(
            abs(Fraction(n * 4, mb) - value) <= step
            for n in counted.get(what, ())
            for mb in (2**20, 10**6)
        )

    wrong = [
        (what, value - sum(parts) + total)
        for what, value in zip(PARTS, parts, strict=False)
        if not agrees(what, value)
    ]
    mended = [(what, right) for what, right in wrong if agrees(what, right)]
    if not mended:
        mended = [*wrong, (PARTS[-1], sum(parts, Fraction(0)))]
        slips = [(w, r) for w, r in mended if slip(round(sizes[w].value / step), round(r / step))]
        mended = slips or mended
    for what, right in mended:
        entry, column = entries[what], entries[what].columns["size"]
        others = " + ".join(sizes[each].text for each in PARTS[:3])
        yield Finding(
            *(entry.index, column, "size", entry.name, entry.cells[column]),
            *(sizes[what].like(right), f"{others} is not {sizes[PARTS[-1]].text}", ()),
        )


def trained(sheet: Sheet, told: Reading) -> Iterator[Finding]:
    """Parameters that train and that do not, which together are not the total of the rows."""
    parts = [e for e in sheet.entries if {"trainable", "untrainable"} & e.values.keys()]
    total, whole = total_row(sheet), sheet.whole
    if total is None and len(parts) == 1 and "trainable" in parts[0].values:
        yield from _alone(sheet, told, parts[0])
    if len(parts) != 2 or total is None or whole is None or "params" not in total.exact:
        return
    printed = int(total.values["params"])
    off = printed - whole.trained - whole.frozen
    sums = adds_up(sheet, right_sum(sheet, told))
    if off in (0, whole.optimizer) or not (sums or sheet.elided):
        return  # a total that is wrong itself is named as such
    off -= whole.optimizer
    statistics = sum(
        int(e.values["params"]) // 2
        for e in sheet.layers
        if e.kind == "norm" and "params" in e.values
    )
    rated = []
    for entry in parts:
        ((role, value),) = entry.values.items()
        right = int(value) + off
        frozen = right if role == "untrainable" else whole.frozen
        if right >= 0:
            # Of normalizations, where all are printed.
            odd = sums and frozen != statistics
            rated.append((odd, not slip(value, right), entry, role, right))
    if not sums:
        right = whole.trained + whole.frozen
        rated.append((False, not slip(printed, right), total, "params", right))
    rated.sort(key=lambda each: each[:2])
    best = [each for each in rated if each[:2] == rated[0][:2]]
    said = f"{number(whole.trained)} + {number(whole.frozen)} is not {number(printed)}"
    for _, _, entry, role, right in best:
        others = ", ".join(e.name for _, _, e, _, _ in best if e is not entry)
        rule = f"either this is wrong or {others}: {said}" if others else said
        column = entry.columns[role]
        yield Finding(
            *(entry.index, column, role, entry.name, entry.cells[column]),
            *(entry.printed[role].like(right), rule),
            tuple(Cause(2, text) for text in slips(int(entry.values[role]), right)),
        )


def _alone(sheet: Sheet, told: Reading, entry: Entry) -> Iterator[Finding]:
    """A number of what trains where no total is said: the rows have more only if some do not."""
    rows = [e for e in sheet.layers if e.values.get("params")]
    value, summed = int(entry.values["trainable"]), right_sum(sheet, told)
    statistics = sum(int(e.values["params"]) // 2 for e in rows if e.kind == "norm")
    exact = all("params" in e.exact for e in rows) and "trainable" in entry.printed
    near = slip(value, summed) or value > summed
    if len(rows) < 3 or not exact or value in (summed, summed - statistics) or not near:
        return
    column = entry.columns["trainable"]
    yield Finding(
        *(entry.index, column, "trainable", entry.name, entry.cells[column]),
        *(entry.printed["trainable"].like(summed), f"the rows add up to {number(summed)}"),
        tuple(Cause(2, text) for text in slips(value, summed)),
    )


def mult_adds(sheet: Sheet, told: Reading) -> Iterator[Finding]:
    """Torchinfo's total of work, where a slip of digits makes it of what the layers have.

    It multiplies the parameters of convolutions by the positions that they give and counts those of
    other layers once, all times the batch; earlier versions leave out biases, or the batch.
    """
    entry = next((e for e in sheet.entries if "mult_adds" in e.values), None)
    rows = [(e, told.found.options[e.index]) for e in sheet.layers if e.values.get("params")]
    if entry is None or not rows or told.found.sums is False:  # not all rows are there
        return
    exact, unit = entry.printed["mult_adds"], mult_adds_unit(entry.name)
    totals: list[Fraction] = []
    for biases, norms, batch in product((1, 0, -1), (True, False), (sheet.batch, 1)):
        counted = [_multiplied(option, biases, norms) for _, option in rows]
        if None in counted:
            return  # what it is made of is not known
        totals.append(Fraction(sum(n or 0 for n in counted) * batch, unit))
    if any(exact.verdict(total).holds for total in totals):
        return
    for total in totals:
        if _misread(round(exact.value / exact.step), round(total / exact.step)):
            column = entry.columns["mult_adds"]
            yield Finding(
                *(entry.index, column, "mult_adds", entry.name, entry.cells[column]),
                *(exact.like(total), f"the layers have {number(round(total * unit))}", ()),
            )
            return


def _misread(printed: int, right: int) -> bool:
    """Whether digits of a number were misread, in front of it, too: 1.04 for 0.04."""
    width = max(len(str(printed)), len(str(right)), 3)
    p, r = f"{printed:0{width}}", f"{right:0{width}}"
    return slip(printed, right) or sum(a != b for a, b in zip(p, r, strict=True)) == 1


def _multiplied(option: Option | None, biases: int, norms: bool) -> int | None:
    """The multiply-adds that torchinfo counts of a layer, of one sample.

    ``biases`` are counted (1), are not (0), or are not though none are known of (-1): where the
    input isn't printed, another kernel may have as many parameters.
    """
    if option is None or option.layer.kind not in (*WEIGHTED, "norm", "prelu", "embedding"):
        return None
    layer, sizes = option.layer, known(option.out.ext)
    if layer.params is None or (layer.kind != "linear" and sizes is None):
        return None
    if layer.kind == "norm":
        return layer.params * norms
    params = layer.params
    if biases < 1 and layer.kind in WEIGHTED and (layer.bias % 2 or biases < 0):
        params -= layer.cout or 0
    return params * (prod(sizes or ()) if layer.kind not in ("linear", "prelu", "embedding") else 1)


def _numbers(sheet: Sheet, told: Reading, what: str) -> list[int]:
    """How many numbers a size below a table may be of."""
    options = [(e, o) for e in sheet.layers if (o := told.found.options[e.index]) is not None]
    if what == "params":
        return [right_sum(sheet, told), sum(sheet.whole[:2]) if sheet.whole else 0]
    if what == "input":
        taken = next((o.layer.taken for _, o in options if o.layer.taken), None)
        return [] if taken is None else [taken * sheet.batch]
    given = [(e, o.layer.given or 0) for e, o in options]
    owning = sum(n for e, n in given if e.values.get("params"))
    return [2 * sheet.batch * n for n in (sum(n for _, n in given), owning)]
