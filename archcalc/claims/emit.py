"""The network that was found in a printed table, as a spec: to explain, count, draw and build.

What the table does not say stands as a comment beside what was taken for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from archcalc.claims.blocks import SAID
from archcalc.claims.emitted import Emitted, hold
from archcalc.claims.finding import Audit
from archcalc.claims.spelling import FITS, FITS_TOO
from archcalc.claims.wiring import Wiring
from archcalc.claims.writer import LEFT, SUMMED, Writer
from archcalc.errors import ArchcalcError
from archcalc.spec.form import as_yaml
from archcalc.spec.form.tree import Node

BRANCH = 8
"""Rows of a branch before which nothing is summed, where taking back one sum makes another."""
OWN = frozenset(("CNBlock", "ConvNeXtBlock", "LayerScale"))
"""Modules of torchvision and timm that scale what they give, by numbers that no summary of weights
and biases counts."""
TRIES = 40
"""Sums that are taken back to see whether the rest costs less."""


def emit(audit: Audit) -> str:
    """The spec of the network that was found, as YAML.

    Raises :class:`ArchcalcError` where the table does not determine one: a row whose operator has
    no equal here, an input that nothing says, a row that takes what nothing before it makes, or a
    row that prints something else than its layers have.
    """
    return emitted(audit).text


def emitted(audit: Audit) -> Emitted:
    """The spec of the network that was found, held against the table, and what is to be said of it.

    Raises :class:`ArchcalcError` as :func:`emit` does.
    """
    if several := audit.tables or audit.networks:
        first, rest = emitted(several[0]), len(several) - 1
        others = "the other" if rest == 1 else f"the {rest} others"
        said = f"{several[0].name} is written, and not {others}"
        return first._replace(said=(said, *first.said))
    if audit.reading is None or audit.sheet is None:
        raise ArchcalcError(f"{audit.name}: no network was searched in it")
    try:
        return _spec(_cheapest(audit))
    except ArchcalcError as error:
        if str(error).startswith(audit.name):
            raise
        raise ArchcalcError(f"{audit.name}: {error}") from None


def _cheapest(audit: Audit) -> Writer:
    """The wiring that costs least: sums are taken back one by one where what follows misses them.

    Branches that are of one size are summed by some networks and joined further down by others.
    """
    best = Writer(audit)
    best.write()
    if best.cost <= SUMMED * len(best.sums) + LEFT / 4:
        return best
    # Where normalizations follow convolutions no sum stands between any, or there is none at all.
    rows = range(len(best.sheet.entries))
    norms = frozenset(row for row in rows if best.sheet.entries[row].kind == "norm")
    for apart in (norms, frozenset(rows)):
        # Not for the price of the sums alone, each of which may be meant.
        best = _cheaper(best, Writer(audit, apart), SUMMED * len(best.sums))
    for row in best.sums[:TRIES]:
        before = best
        best = _cheaper(best, Writer(audit, best.apart | {row}))
        if best is before and row in best.sums:
            # A branch's end that is not summed at one row is not to be at the next.
            best = _cheaper(best, Writer(audit, best.apart | set(range(row, row + BRANCH))))
    return best


def _cheaper(best: Writer, other: Writer, by: float = 0.0) -> Writer:
    """What is written now if it is cheaper by so much, otherwise what was written."""
    other.write()
    return other if other.cost + by < best.cost else best


def _spec(written: Writer) -> Emitted:
    """What was written as a spec, held against the table."""
    if written.failed is not None:
        raise written.failed
    net = written.net
    said = written.said
    name = re.sub(r"[^a-z0-9_-]+", "-", written.audit.name.lower().rpartition("/")[2])
    name = name.split(".")[0].strip("-") or "table"
    several = len(net.inputs) > 1
    data: dict[str, Any] = {
        "name": name if name[0].isalpha() else f"table-{name}",
        "input": net.inputs if several else next(iter(net.inputs.values())),
        **({"blocks": net.blocks} if net.blocks else {}),
        "layers": net.written,
    }
    if len(net.open) > 1:
        data["outputs"] = list(net.open)
    tree = Node.of(data)
    tree.entry("input").beside = said
    if len(net.open) > 1:
        tree.entry("outputs").beside = "# all that no row takes"
    for head in net.blocks:
        tree.entry("blocks", head).beside = f"# {SAID}"
    for layer, comment in net.beside.items():
        tree.entry("layers", layer).beside = f"# {comment}"
    differs = hold(written.audit, data, written.layers_of, bool(net.blocks or net.beside))
    bare = list(_uncounted(written))
    tree.head = [f"# {each}" for each in (*differs, *bare)]
    return Emitted(as_yaml(tree), (*differs, *bare, *_unsaid(net, said)))


def _uncounted(written: Writer) -> Iterator[str]:
    """What torchsummary may have left out: it counts what is called weight or bias alone."""
    names = [name for name in written.modules.closed if re.search(r"-\d+$", name)]
    those = list(dict.fromkeys(re.sub(r"-\d+$", "", name) for name in names))
    scaled = [each for each in those if each in OWN] if written.sheet.program == "pytorch" else []
    if scaled:
        raise ArchcalcError(
            f"{written.audit.name}: {scaled[0]}: it has numbers of its own that the table does not "
            "count, which are called neither weight nor bias: no spec is written"
        )
    if those and written.sheet.program == "pytorch":
        yield (
            f"{', '.join(those)}: what these modules have beside their rows is not in the table, "
            "which counts only what is called weight or bias"
        )


def _unsaid(net: Wiring, said: str) -> Iterator[str]:
    """How much of the spec no cell says."""
    if said:
        yield f"the input's size is not in the table: {said.rpartition(': ')[2]}"
    if net.blocks:
        n = len(net.blocks)
        yield f"{'a block stands' if n == 1 else f'{n} blocks stand'} for modules: {SAID}"
    for layer, comment in net.beside.items():
        if comment.endswith((FITS, FITS_TOO)):
            yield f"{layer}: {comment}"
    if net.beside:
        those = "a layer has" if len(net.beside) == 1 else f"{len(net.beside)} layers have"
        yield f"{those} a comment: what it says is not in the table, but taken for granted"
    if not net.sheet.has("source"):
        yield "no column says what each row takes: sums that no row prints may be missing"
