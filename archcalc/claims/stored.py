"""What programs say of memory and training below a table, held against a spec that was emitted.

Of a module of which no row is printed, its parameters and what it gives are in the table; that its
layers give as many numbers as those of the block that was taken for it, only the memory says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod

from archcalc.analysis.counted import Row
from archcalc.claims.causes import number
from archcalc.claims.finding import Audit
from archcalc.claims.tables.sheet import Entry, Sheet
from archcalc.claims.tables.taken import MEGABYTES
from archcalc.claims.tables.totals import adds_up

BYTES = (4, 8)
"""Of a number that is taken: 8 of whole ones."""
BARE = ("Parameter", "Constant")
"""What no module gives."""


def memory(
    audit: Audit, rows: Sequence[Row], taken: Sequence[Sequence[int]], guessed: bool
) -> Iterator[tuple[str, bool]]:
    """Sizes below a table that a spec does not have, and whether that refutes what was guessed.

    ``taken`` are the inputs, which are only said: the layers may be right. ``guessed`` says whether
    some layers hang on what no row prints.
    """
    sheet, told = audit.sheet, audit.reading
    assert sheet is not None
    assert told is not None
    below = {e.name.lower().removesuffix(" size (mb)"): e for e in sheet.entries}
    below = {what: entry for what, entry in below.items() if "size" in entry.values}
    numbers = sum(map(prod, taken)) * sheet.batch
    counts = {"input": ([numbers * size for size in BYTES], MEGABYTES)}
    given = [4 * n * sheet.batch for n in _given(rows)]
    counts["forward/backward pass"] = given, MEGABYTES
    for what, (counted, units) in counts.items():
        entry = below.get(what)
        if entry is None or any(_is(entry, n, mb) for n in counted for mb in units):
            continue
        if what != "input" and _is(entry, 8 * sheet.batch * _printed(audit), MEGABYTES[1]):
            continue
        yield _said(entry, counted[0]), guessed and what != "input"


def _given(rows: Sequence[Row]) -> Iterator[int]:
    """Twice what layers with weights give, as torchinfo counts: of the first calls, or of all.

    Attention is a module whose projections are not called, or one of four linear layers; what a
    module has beside its rows it does not count, nor timm's normalizations with an activation.
    """
    for shared, attended, normed in product((True, False), (0, 4), (True, False)):
        yield 2 * sum(
            prod(map(int, row.shape[1:])) * (attended if "Attention" in row.op else 1)
            for row in rows
            if (row.params or (shared and row.node.share))
            and row.op not in BARE
            and not row.name.startswith("assumed")
            and (normed or "BatchNorm" not in row.op)
        )


def _printed(audit: Audit) -> int:
    """What all rows give, as torchsummary counts."""
    assert audit.sheet is not None
    assert audit.reading is not None
    options = audit.reading.found.options
    return sum(o.layer.given or 0 for e in audit.sheet.layers if (o := options[e.index]))


def _is(entry: Entry, size: int, megabyte: int) -> bool:
    printed = entry.printed["size"]
    return abs(printed.value * megabyte - size) <= printed.step * megabyte


def _said(entry: Entry, size: int) -> str:
    return (
        f"{entry.name}: the table prints {entry.printed['size'].text}, "
        f"the network that was found has {size / MEGABYTES[0]:.2f}"
    )


def frozen(sheet: Sheet, params: int, statistics: int) -> Iterator[str]:
    """What is to be said of parameters that do not train, which a spec does not know."""
    whole = sheet.whole
    if whole is None or whole.frozen in (0, statistics) or not whole.frozen:
        return
    if adds_up(sheet, params) or adds_up(sheet, params + statistics):
        yield (
            f"Non-trainable params: the table prints {number(whole.frozen)}, and which layers "
            "those are no row says: in the network that was found all train"
        )
