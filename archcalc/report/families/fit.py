"""The network that fits a budget, as text and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from archcalc.document import Document
from archcalc.document.model import Head, Heading, Item, Items, Prose, table
from archcalc.report.rendering import renderer
from archcalc.space.fit import Fit, Over

NAMES = {
    "macs": "MACs",
    "flops": "FLOPs",
    "weight_bytes": "weight bytes",
    "memory": "bytes of memory",
    "time": "ns at least",
}


FORMATS = ("text", "json")
"""The forms of a fit."""


def document(found: Fit) -> Document:
    """The largest network, and what one step up would take."""
    budget = ", ".join(f"{NAMES.get(n, n)} {limit:,}" for n, limit in found.at_most.items())
    phi = f"phi = {found.phi:g}: " if found.phi is not None else ""
    rows = []
    for name, total in found.totals.items():
        limit = found.at_most.get(name)
        share = f"{100 * total / limit:.2f}%" if limit else ""
        rows.append((NAMES.get(name, name), total, share))
    largest = "the largest" if found.proven else "the best found"
    heads = (Head("what", ""), Head("total", "total", True), Head("share", "of the budget", True))
    return Document.of(
        Heading(f"{found.network}: {largest} of {found.looked_at:,} with at most {budget}"),
        Prose(f"{phi}{_values(found.values)}"),
        table(heads, rows),
        None if found.proven else Prose(_unproven(found)),
        Items((Item("one step up:", tuple(_over(found, over) for over in found.beyond)),))
        if found.beyond
        else None,
    )


_ENDED = {"": "", "time": " until the time was over", "interrupted": " until it was interrupted"}


def _unproven(found: Fit) -> str:
    return (
        f"the best that was found{_ENDED[found.ended]}: the bounds of what was not looked at allow "
        f"{found.at_most_more:.4g} times as much of the budget"
    )


def _values(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} = {value:.10g}" if isinstance(value, float) else f"{name} = {value}"
        for name, value in values.items()
    )


def _over(found: Fit, over: Over) -> str:
    changed = {name: v for name, v in over.values.items() if v != found.values[name]}
    told = _values(changed)
    if over.reason:
        return f"{told}: no network: {over.reason}"
    exceeded = ", ".join(f"{over.totals[n]:,} {NAMES.get(n, n)}" for n in over.exceeded)
    return f"{told}: {exceeded}"


def as_data(found: Fit) -> dict[str, Any]:
    """Everything but the spec."""
    return {
        "network": found.network,
        "values": dict(found.values),
        "phi": found.phi,
        "totals": dict(found.totals),
        "at_most": dict(found.at_most),
        "proven": found.proven,
        "at_most_more": found.at_most_more,
        "ended": found.ended,
        "beyond": list(map(asdict, found.beyond)),
    }


render = renderer(document, FORMATS, json=as_data)
"""A fit in one of ``FORMATS``."""
