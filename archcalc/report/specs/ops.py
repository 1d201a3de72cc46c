"""``ops``: an operator as its class describes it, or all of them in brief."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archcalc.document import Document
from archcalc.document.model import (
    Block,
    Head,
    Heading,
    Marked,
    Prose,
    Table,
    table,
)
from archcalc.operators.base import describe
from archcalc.operators.describe import Description, Summary, Worked, literal
from archcalc.report.rendering import renderer

FORMATS = ("text", "markdown", "html", "latex")
"""The forms of a description."""


def document(described: Sequence[Summary] | Description) -> Document:
    """What :func:`archcalc.ops` says."""
    if isinstance(described, Description):
        return Document.of(Heading(described.name), *described_in(described))
    heads = (
        Head("family", "family"),
        Head("operator", "operator"),
        Head("summary", "what it is", wraps=True),
    )
    rows = [(each.family, Marked(f"`{each.name}`"), Marked(each.summary)) for each in described]
    return Document.of(table(heads, rows, group="family"), wide=True)


def described_in(op: Description) -> Iterator[Block]:
    """An operator, without its name above."""
    first, *others = op.text.split("\n\n")
    yield Prose(Marked(first), "about")
    yield from (Prose(Marked(paragraph)) for paragraph in others)
    if op.counting:
        yield Prose(Marked(f"Counted: {op.counting}"))
    yield Prose(f"Inputs: {op.inputs}.")
    if op.fields:
        yield _fields(op)
    for example in op.examples:
        yield _example(example)


def _fields(op: Description) -> Table:
    heads = [Head(name, name, wraps=True) for name in ("field", "takes", "default", "meaning")]
    rows = [
        (
            Marked(f"`{field.name}`"),
            field.type,
            "required" if field.default is None else Marked(f"`{field.default}`"),
            Marked(field.doc),
        )
        for field in op.fields
    ]
    return table(heads, rows, prose=True)


def _example(example: Worked) -> Table:
    heads = (Head("fact", "example"), Head("value", "", wraps=True))
    return table(heads, [(key, Marked(f"`{value}`")) for key, value in _facts(example)])


def _facts(example: Worked) -> Iterator[tuple[str, str]]:
    fields = ", ".join(f"{key}: {literal(value)}" for key, value in example.fields.items())
    yield "fields", fields or "none"
    yield "input", ", ".join(map(describe, example.inputs))
    yield "output", describe(example.output)
    for key, tensors in (("weights", example.weights), ("buffers", example.buffers)):
        shapes = ", ".join(f"{name} {describe(shape)}" for name, shape in tensors.items())
        yield key, shapes or "none"
    yield "work", ", ".join(f"{amount:,} {kind}" for kind, amount in example.work.items()) or "none"
    yield "PyTorch", example.torch


render = renderer(document, FORMATS)
"""What :func:`archcalc.ops` says, in one of ``FORMATS``."""
