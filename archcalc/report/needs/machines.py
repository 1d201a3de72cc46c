"""Machines with what they are printed to reach, and where."""

from __future__ import annotations

from collections.abc import Sequence

from archcalc.document import Document
from archcalc.document.model import Head, Heading, Items, table
from archcalc.report.rendering import renderer
from archcalc.report.units import print_rate
from archcalc.spec.machines import Hardware

FORMATS = ("table", "markdown", "csv", "latex", "html")
"""The forms that machines are listed in."""


def document(found: Sequence[Hardware]) -> Document:
    """A row a number: its value, without sparsity, as it is printed, and where."""
    heads = (
        Head("machine", "machine"),
        Head("what", "what"),
        Head("value", "value", True),
        Head("printed", "as printed"),
        Head("source", "source"),
    )
    rows, sources = [], dict[str, int]()
    for machine in found:
        stated = {"memory": machine.memory, "bandwidth": machine.bandwidth, "cache": machine.cache}
        for what, each in {**stated, **machine.peaks}.items():
            if each is not None:
                unit = {"bandwidth": "B/s", "int8": "OP/s"}.get(what, "FLOP/s")
                unit = "B" if what in ("memory", "cache") else unit
                how = f"{each.printed}{' with sparsity' if each.sparse else ''}"
                source = sources.setdefault(each.source, len(sources) + 1)
                value = f"{print_rate(each.value)}{unit}"
                rows.append((machine.name, what, value, how, f"[{source}]"))
    notes = [f"{machine.name}: {machine.notes}" for machine in found if machine.notes]
    return Document.of(
        Heading("Machines: peaks are of dense products, two operations a multiply-accumulate"),
        table(heads, rows, group="machine"),
        Items.of([f"[{number}] {source}" for source, number in sources.items()]),
        Items.of(notes),
        name="Machines",
    )


render = renderer(document, FORMATS)
"""Machines in one of ``FORMATS``."""
