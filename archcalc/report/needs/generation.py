"""What generating text takes, in any format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from archcalc.analysis.generate import Generation
from archcalc.analysis.roofline import Roofline
from archcalc.document import Document
from archcalc.document.model import (
    Cell,
    Head,
    Heading,
    Item,
    Items,
    Label,
    Pairs,
    Prose,
    Row,
    table,
)
from archcalc.report.needs.bits import rules
from archcalc.report.needs.roofline import NOT_COUNTED
from archcalc.report.rendering import renderer
from archcalc.report.units import print_bytes, print_rate, print_time
from archcalc.spec.bits import described

FORMATS = ("table", "markdown", "csv", "json", "latex", "siunitx", "html")
"""The forms that it is printed in."""


def document(found: Generation) -> Document:
    """The prompt, the tokens after it, memory, and how many texts go at once."""
    heads = (
        Head("step", "step"),
        Head("macs", "MACs", True),
        Head("bytes", "bytes", True),
        Head("intensity", "FLOP/byte", True),
        Head("binds", "mostly bound by"),
        Head("seconds", "least time", True),
    )
    rows = [
        ("prompt and token 1", *_cells(found.reading)),
        ("token 2", *_cells(found.first)),
        (f"token {found.tokens:,}", *_cells(found.last)),
    ]
    total = print_time(found.seconds)
    macs = found.reading.macs + found.macs_writing
    sums = Row((Label(f"all {found.tokens:,} tokens"), macs, "", "", "", total), "sums")
    return Document.of(
        Heading(f"{found.network} on {found.machine.name}: generating text, at the least"),
        Prose(_about(found), "about"),
        table(heads, rows, sums=(sums,), narrow=("intensity", "bytes")),
        Pairs(tuple(_summary(found))),
        Items(tuple(_said(found))),
        name="Generation",
    )


def _about(found: Generation) -> str:
    formats = f", {described(found.bits)}" if found.bits else ""
    texts = "a text" if found.batch == 1 else f"{found.batch:,} texts at once"
    return (
        f"{found.machine.title}; {texts}, {found.prompt:,} tokens read, {found.tokens:,} written; "
        f"{found.dtype}{formats}, keys and values in {found.kept}"
    )


def _cells(bound: Roofline) -> tuple[Cell, ...]:
    intensity = f"{2 * bound.macs / bound.bytes:,.1f}" if bound.bytes else ""
    return bound.macs, bound.bytes, intensity, bound.binds, print_time(bound.seconds)


def _summary(found: Generation) -> Iterator[tuple[str, str]]:
    yield "first token after", f"{print_time(found.reading.seconds)} at least"
    yield "tokens", f"{print_rate(found.rate)} a second at most, in all texts"
    if found.batch > 1:
        yield "of each text", f"{print_rate(found.rate / found.batch)} a second at most"
    yield (
        "cache",
        f"{found.cache_per_token:,} bytes a token, {_size(found.stored.cache)} at the end",
    )
    yield "weights", _size(found.stored.weights + found.stored.buffers)
    room = found.machine.memory
    there = "" if room is None else f" of {room.printed}"
    fits = "" if room is None else ": fits" if found.needed <= room.value else ": does not fit"
    yield "memory", f"{_size(found.needed)}{there}{fits}"
    if found.largest is not None:
        yield "largest batch", f"{found.largest:,}" if found.largest else "none fits"
    yield (
        "crossing",
        "weights bind at every batch"
        if found.crossing is None
        else f"from a batch of {found.crossing:,} on work binds products with weights, not memory",
    )


def _size(size: Any) -> str:
    return print_bytes(int(size))


def _said(found: Generation) -> Iterator[Item]:
    yield Item(
        "each token reads the weights once for all texts, and what is kept of each text for "
        "itself, which a larger batch does not share"
    )
    if found.machine.notes:
        yield Item(found.machine.notes)
    peaks = [found.machine.peak(dtype) for dtype in found.reading.computed]
    used = (*peaks, found.machine.bandwidth, found.machine.memory)
    yield Item("sources:", tuple(dict.fromkeys(s.source for s in used if s is not None)))
    yield Item(
        "not counted:", (*NOT_COUNTED, "choosing tokens, and turning formats into one another")
    )


def as_data(found: Generation) -> dict[str, Any]:
    """All of it as JSON holds it: seconds, bytes."""

    def step(bound: Roofline) -> dict[str, Any]:
        return {
            "macs": bound.macs,
            "bytes": bound.bytes,
            "binds": bound.binds,
            "least_seconds": bound.seconds,
        }

    return {
        "name": found.network,
        "machine": found.machine.name,
        "dtype": found.dtype,
        "bits": rules(found.bits),
        "kept": found.kept,
        "batch": found.batch,
        "prompt": found.prompt,
        "tokens": found.tokens,
        "reading": step(found.reading),
        "first": step(found.first),
        "last": step(found.last),
        "writing": {"macs": found.macs_writing, "least_seconds": found.seconds_writing},
        "least_seconds": found.seconds,
        "tokens_per_second": found.rate,
        "cache_bytes_per_token": found.cache_per_token,
        "cache_bytes": int(found.stored.cache),
        "weight_bytes": int(found.stored.weights),
        "needed_bytes": found.needed,
        "largest_batch": found.largest,
        "crossing_batch": found.crossing,
    }


render = renderer(document, FORMATS, json=as_data)
"""What generating takes in one of ``FORMATS``."""
