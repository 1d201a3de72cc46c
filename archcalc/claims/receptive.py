"""Receptive fields, and how far apart two outputs look, that a table prints of its layers.

A window of k over positions that are j apart sees (k - 1) * j more; a stride of s leaves them s * j
apart (Araujo, Norris and Sim, 10.23915/distill.00021).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from archcalc.claims.causes import number
from archcalc.claims.finding import Finding
from archcalc.claims.readings import Reading
from archcalc.claims.tables.evidence import Option
from archcalc.claims.tables.kinds import SLIDING
from archcalc.claims.tables.sheet import Entry, Sheet

FEW = 3
"""Cells that must agree before one that does not is wrong."""


class _Field(NamedTuple):
    """What a row should print, and how that follows."""

    entry: Entry
    right: int
    rule: str
    kernel: int = 0
    """The side that a window would have for the printed number; 0 where sizes say its side, and
    less than 0 the stride that it would have."""
    followed: bool = False
    """Whether the row below follows from the printed number."""


def receptive(sheet: Sheet, told: Reading) -> Iterator[Finding]:
    """Receptive fields that do not follow from those above them and from their layers.

    Where more than one in five does not, they are counted in another way, and none is checked.
    """
    yield from _worked(sheet)
    early = {late: list(_fields(sheet, told, "jump", late)) for late in (False, True)}
    missed = {
        late: sum(f.right != f.entry.values["jump"] for f in way) for late, way in early.items()
    }
    taken = missed[True] < missed[False]  # of what a row takes: they say nothing of its stride
    for role in ("rf", "jump", "rf_in", "jump_in"):
        if not sheet.has(role):
            continue
        sides = (True,) if role.endswith("_in") else (False, True)[: 1 + (role == "jump")]
        ways = [list(_fields(sheet, told, role, late, taken)) for late in sides]
        best = min(ways, key=lambda way: sum(f.right != f.entry.values[role] for f in way))
        wrong = [each for each in best if each.right != each.entry.values[role]]
        if len(best) - len(wrong) < FEW or 5 * len(wrong) > max(5, len(best)):
            continue
        for each in best:
            option = told.found.options[each.entry.index]
            if option is not None:
                option.expected[role] = each.right
        head = sheet.headers[sheet.columns[role]]
        for each in best:
            if each.kernel < 0:
                said = f"{head}: {each.right} here, and below, follows from it"
                yield Finding.of(sheet, each.entry, "stride", str(-each.kernel), said)
        for entry, right, rule, kernel, followed in wrong:
            text = entry.cells[sheet.columns[role]]
            shown = text.replace(str(entry.values[role]), str(right))
            if kernel > 0 and followed and "out_h" in entry.values:
                said = f"{head}: {text} here, and below, follows from it"
                shown = re.sub(r"\d+", str(kernel), entry.cells[sheet.columns["kernel_h"]])
                yield Finding.of(sheet, entry, "kernel_h", shown, said)
                continue
            if kernel > 0:
                rule = f"either this or the kernel is wrong: {rule}"
                yield Finding.of(sheet, entry, "kernel_h", str(kernel), rule)
            yield Finding.of(sheet, entry, role, shown, rule)


def _worked(sheet: Sheet) -> Iterator[Finding]:
    """Receptive fields that are not what is printed of how they come about."""
    rows = [entry for entry in sheet.layers if {"worked", "rf"} <= entry.values.keys()]
    wrong = [entry for entry in rows if entry.values["worked"] != entry.values["rf"]]
    if sheet.has("params") or len(rows) - len(wrong) < FEW or 5 * len(wrong) > max(5, len(rows)):
        return
    column = sheet.columns["worked"]
    for entry, after in zip(rows, [*rows[1:], None], strict=True):
        worked, text = int(entry.values["worked"]), entry.cells[sheet.columns["rf"]]
        if worked == entry.values["rf"]:
            continue
        begun = re.match(r"\d+", after.cells[column]) if after else None
        if begun and int(begun[0]) == entry.values["rf"]:
            rule = f"it comes to {number(worked)}, not to {text}"
            yield Finding.of(sheet, entry, "worked", "", rule)
        else:
            rule = f"{entry.cells[column]} = {number(worked)}"
            yield Finding.of(sheet, entry, "rf", str(worked), rule)


def _fields(
    sheet: Sheet, told: Reading, role: str, late: bool, taken: bool = False
) -> Iterator[_Field]:
    """What each row should print of a role; ``late`` prints what the row takes.

    ``taken`` says that jumps are of what a row takes.
    """
    field = jump = 1
    rows = sheet.layers
    for at, entry in enumerate(rows):
        k, s = _window(entry, told.found.options[entry.index])
        before, seen = jump, field
        apart = int(entry.values.get("jump", 0))
        if (
            role in ("rf", "jump")
            and apart not in (0, jump * s)
            and not (late or taken)
            and at + 1 < len(rows)
        ):
            # What the rows below follow from is right.
            _, step = _window(rows[at + 1], told.found.options[rows[at + 1].index])
            if rows[at + 1].values.get("jump") == apart * step and not apart % jump:
                s = apart // jump
                if role == "jump" and "stride" in entry.values:
                    yield _Field(entry, apart, f"jump {apart}", -s)
                    jump = apart
                    continue
        rule = f"{number(field)} + ({k} - 1) * {number(jump)} = {number(field + (k - 1) * jump)}"
        field += (k - 1) * jump
        jump *= s
        far = role.startswith("jump")
        shown = (before if far else seen) if late else jump if far else field
        if far:
            rule = f"{number(before)} * {s} = {number(jump)}"
        follows = False
        if role == "rf" and entry.values.get(role, shown) != shown and at + 1 < len(rows):
            # What follows from a wrong number is wrong as well, and not accused.
            wide, _ = _window(rows[at + 1], told.found.options[rows[at + 1].index])
            printed, after = int(entry.values[role]), rows[at + 1].values.get(role)
            follows = after == printed + (wide - 1) * jump
            field = printed if follows else field
        if role in entry.values:
            wide, left = divmod(int(entry.values[role]) - seen, before)
            free = role == "rf" and "kernel_h" in entry.values and not left
            free = free and ("out_h" not in entry.values or (follows and "pad" not in entry.values))
            yield _Field(entry, shown, rule, wide + 1 if free else 0, follows)


def _window(entry: Entry, option: Option | None) -> tuple[int, int]:
    """The side and the stride of a row's window; 1 and 1 for what slides none."""
    values = entry.values
    kernel, stride = values.get("kernel_h", values.get("kernel_w")), values.get("stride")
    if option is not None and (entry.kind in SLIDING or entry.kind == "layer"):
        if option.layer.kernel:
            kernel, stride = option.layer.kernel[0], stride or option.layer.stride
        kernel = option.expected.get("kernel_h", kernel)
        stride = option.expected.get("stride", stride)
    wide = int(values.get("dilation", 1)) * (int(kernel or 1) - 1) + 1
    return wide, int(stride or 1)
