"""What a network takes in memory, in any format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from operator import itemgetter
from typing import Any

from archcalc.analysis.batches import Fits
from archcalc.analysis.liveness import Held
from archcalc.analysis.memory import Memory
from archcalc.analysis.training import Training
from archcalc.document import Document
from archcalc.document.model import (
    Block,
    Cell,
    Head,
    Heading,
    Item,
    Items,
    Label,
    Prose,
    Row,
    number,
    table,
)
from archcalc.report.layers.columns import print_shape
from archcalc.report.needs.bits import rules
from archcalc.report.rendering import renderer
from archcalc.report.units import print_bytes
from archcalc.spec.bits import described

FORMATS = ("table", "markdown", "csv", "json", "latex", "siunitx", "html")
"""The forms that memory is printed in."""

SHOWN = 10
"""Of more tensors than this the largest are shown, and how many there are."""

NOT_COUNTED = (
    "what kernels work in (of convolutions, of products of matrices, of fused attention)",
    "what the allocator rounds up to and can't use for its gaps",
    "what CUDA and PyTorch take before the first tensor",
    "data that is loaded before it is needed",
)
"""What is in no number, and is there nevertheless."""

NOT_IN_TRAINING = (
    "what an optimizer's step has for a moment: as much as the weights where it takes all at once",
    "the loss, what it keeps, and gradients on their way to other devices",
)
"""What is not counted of training besides."""

Asked = Memory | Fits
"""What a network takes, or the largest batch that fits."""


def document(found: Asked) -> Document:
    """Bytes by what they are for, the tensors at the peak, and what is not counted."""
    memory = _of(found)
    blocks: list[Block] = [Heading(title(memory)), Prose(_about(memory), "about")]
    if isinstance(found, Fits):
        blocks += _largest(found)
    blocks += [_parts(memory), Heading(_where(memory), 2), _tensors(memory), _said(memory)]
    return Document.of(*blocks, name="Memory")


def _of(found: Asked) -> Memory:
    """What is shown in detail: the batch that fits, or the one that does not."""
    return (found.memory or found.beyond) if isinstance(found, Fits) else found


def title(memory: Memory) -> str:
    """A network and what is done with it."""
    return (
        f"{memory.network}: memory {'at inference' if memory.training is None else 'in training'}"
    )


def _about(memory: Memory) -> str:
    parts = [f"batch {memory.batch:,}", memory.dtype]
    if memory.bits:
        parts.append(described(memory.bits))
    if memory.kept is not None:
        parts.append(f"what is kept in {memory.kept}")
    return ", ".join((*parts, *(_trained(memory.training) if memory.training else ())))


def _trained(training: Training) -> Iterator[str]:
    yield training.optimizer
    if training.master:
        yield "float32 master weights"
    if training.autocast:
        yield "autocast to 16 bits"
    if training.fused:
        yield "fused attention"
    if training.checkpoint is not None:
        parts = training.checkpoint
        yield f"{parts} parts checkpointed" if type(parts) is int else f"{parts} checkpointed"
    if training.micro_batches > 1:
        yield f"{training.micro_batches} micro-batches"
    if training.zero:
        yield f"ZeRO {training.zero} over {training.devices} devices, each of which has"


_SIZES = (Head("bytes", "bytes", True), Head("size", "", True))


def _sizes(size: Any) -> tuple[Cell, Cell]:
    return size, print_bytes(size) if size >= 1000 else ""


def _parts(memory: Memory) -> Block:
    rows = [(name, *_sizes(size)) for name, size in memory.parts.items()]
    sums = [Row((Label("total"), *_sizes(memory.total)), "sums")]
    if memory.training is not None:
        sums.append(Row((Label("at the peak"), *_sizes(memory.most)), "sums"))
    return table((Head("part", "memory"), *_SIZES), rows, sums=tuple(sums))


def _where(memory: Memory) -> str:
    if memory.training is None:
        return f"What is live at {memory.peak or 'the inputs'}, where most is"
    return "What is kept for the backward pass"


def _tensors(memory: Memory) -> Block:
    width = memory.width
    held = sorted(memory.held, key=lambda each: -each.storage.bytes(width))
    rows: list[tuple[Cell, ...]] = [_tensor(each, width) for each in held[:SHOWN]]
    if len(held) > SHOWN:
        rest = sum(each.storage.bytes(width) for each in held[SHOWN:])
        rows.append((f"{len(held) - SHOWN:,} more", "", *_sizes(rest)))
    if memory.again:
        rows.append(("the part that runs again and takes most", "", *_sizes(memory.again)))
    return table((Head("tensor", "tensor of"), Head("shape", "shape"), *_SIZES), rows)


def _tensor(each: Held, width: int) -> tuple[Cell, ...]:
    shape = "kept besides" if each.shape is None else print_shape(each.shape)
    return (each.name, shape, *_sizes(each.storage.bytes(width)))


def _said(memory: Memory) -> Items:
    items = []
    if memory.training is not None:
        items.append(
            Item(
                f"the peak is at {memory.peak}, in its backward pass: gradients come while "
                "activations go, and what passes backwards between layers is no part of the total"
            )
        )
        if memory.recomputed:
            items.append(Item(f"{number(memory.recomputed)} MACs run a second time"))
    if memory.not_counted:
        names = ", ".join(memory.not_counted)
        items.append(Item(f"not known is what these take, so that there is more: {names}"))
    missing = NOT_COUNTED if memory.training is None else (*NOT_COUNTED, *NOT_IN_TRAINING)
    items.append(Item("not counted:", missing))
    return Items(tuple(items))


def _largest(found: Fits) -> Iterator[Block]:
    budget = print_bytes(found.budget)
    beyond = f"{found.beyond.batch:,} need {print_bytes(found.missing)} more than there is"
    if found.memory is None:
        yield Prose(f"Into {budget} not one batch fits: {beyond}.", "summary")
    else:
        share = 100 * found.memory.most / found.budget
        yield Prose(
            f"Into {budget} a batch of {found.batch:,} fits, with {share:.1f}% of it; {beyond}.",
            "summary",
        )
    if found.changes:
        yield table(
            (Head("change", "with"), Head("batch", "the largest batch is", True)),
            sorted(found.changes.items(), key=itemgetter(1)),
        )
    else:
        yield Prose("No single change of those that are known here lets more fit.")


def _timeline(memory: Memory) -> Block:
    heads = (
        Head("layer", "layer"),
        Head("pass", "pass"),
        Head("activations", "activations", True),
        Head("gradients", "gradients", True),
    )
    return table(
        heads,
        [
            (m.layer, "backward" if m.backward else "forward", m.activations, m.gradients)
            for m in memory.moments
        ],
    )


def as_data(found: Asked) -> dict[str, Any]:
    """All of it as JSON holds it, in bytes."""
    memory = _of(found)
    data: dict[str, Any] = {
        "name": memory.network,
        "batch": memory.batch,
        "dtype": memory.dtype,
        "bits": rules(memory.bits),
        "kept": memory.kept,
        "training": None if memory.training is None else asdict(memory.training),
        "bytes": {
            "weights": memory.weights,
            "buffers": memory.buffers,
            "gradients": memory.gradients,
            "optimizer": dict(memory.states),
            "copies": memory.copies,
            "gathered": memory.gathered,
            "activations": memory.activations,
            "again": memory.again,
        },
        "total": memory.total,
        "most": memory.most,
        "peak": memory.peak,
        "recomputed_macs": memory.recomputed,
        "tensors": [
            {
                "of": each.name,
                "shape": None if each.shape is None else list(each.shape),
                "bytes": each.storage.bytes(memory.width),
            }
            for each in memory.held
        ],
        "not_counted": list(memory.not_counted),
    }
    if isinstance(found, Fits):
        data["fits"] = {
            "budget": found.budget,
            "batch": found.batch,
            "next": found.beyond.batch,
            "missing": found.missing,
            "changes": dict(found.changes),
        }
    return data


render = renderer(
    document, FORMATS, csv=lambda found: Document.of(_timeline(_of(found))), json=as_data
)
"""Memory in one of ``FORMATS``: in CSV a line a layer as it runs."""
