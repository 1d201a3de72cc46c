"""What a GPU reaches, and what batches and training take on it: lines of JSON, as they come.

    python benchmarks/gpu.py FILE SECONDS

First the machine's own ceilings: bytes that a large copy moves a second (read and written), and
floating-point operations a second of a large product, for each dtype. Then each network of the
zoo, from small to large, until the seconds are over: a batch of 64 at inference in bfloat16, and
the memory of one training step of a batch of 8 in float32, without an optimiser's.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from time import monotonic
from typing import Any

import torch

import archcalc
from archcalc.analysis.memory import memory
from archcalc.pytorch.inputs import draw
from archcalc.pytorch.measure import _events, machine
from archcalc.pytorch.running import precision, seeded
from archcalc.report.runs.measured import as_data

SIDE = 8192
"""Of the matrices that are multiplied."""

COPIED = 2**32
"""Bytes that are copied."""

BATCH, TRAINED = 64, 8
"""Inputs at once at inference, and in training."""

LARGEST = 10**11
"""Multiply-accumulates of one input up to which a network is run."""


def seconds(once: Callable[[], Any], runs: int = 10) -> float:
    """The median time of a run on the GPU."""
    for _ in range(3):
        once()
    return median(_events(once, runs))


def ceilings() -> dict[str, Any]:
    """What the machine reaches at best, on random numbers."""
    source = torch.randint(0, 256, (COPIED,), dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    copied = 2 * COPIED / seconds(lambda: target.copy_(source))
    source = target = torch.empty(0)
    products = {}
    for dtype in ("float32", "tf32", "bfloat16", "float16"):
        stored_as = torch.float32 if dtype == "tf32" else getattr(torch, dtype)
        a, b = (torch.randn(SIDE, SIDE, device="cuda").to(stored_as) for _ in range(2))
        with precision(dtype):
            products[dtype] = 2 * SIDE**3 / seconds(partial(torch.mm, a, b))
    properties = torch.cuda.get_device_properties(0)
    return {
        "machine": machine("cuda")._asdict(),
        "memory_bytes": properties.total_memory,
        "l2_bytes": properties.L2_cache_size,
        "multiprocessors": properties.multi_processor_count,
        "copy_bytes_per_second": copied,
        "product_flops_per_second": products,
    }


def training_peak(spec: archcalc.Spec) -> dict[str, Any]:
    """The memory of a step, as PyTorch's allocator gives it out, and as archcalc predicts it."""
    graph = archcalc.expand(spec, batch=TRAINED)
    predicted = memory(graph, training=True)
    with seeded(0), precision("float32"):
        network = archcalc.build(graph, device="cuda").train()
        inputs = draw(graph, device="cuda")
        held = {id(t): t for t in (*network.parameters(), *network.buffers(), *inputs)}
        stored = sum(t.numel() * t.element_size() for t in held.values())
        for _ in range(2):  # the first one makes what libraries work in
            network.zero_grad(set_to_none=True)
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            outputs = network(*inputs)
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            forward = torch.cuda.memory_allocated() - before
            sum(x.float().square().mean() for x in outputs if x.requires_grad).backward()
            torch.cuda.synchronize()
    return {
        "batch": TRAINED,
        "dtype": "float32",
        "stored_bytes": stored,
        "kept_bytes": forward,
        "predicted_kept_bytes": predicted.activations,
        "peak_bytes": stored + torch.cuda.max_memory_allocated() - before,
        "predicted_bytes": predicted.most,
        "not_counted": list(predicted.not_counted),
    }


def rows(until: float) -> Iterator[dict[str, Any]]:
    """A network each."""
    yield ceilings()
    for network in sorted(archcalc.list(), key=lambda each: each.macs):
        if monotonic() > until or network.macs > LARGEST:
            return
        row: dict[str, Any] = {"name": network.name}
        spec = archcalc.load(network.name)
        try:
            found = archcalc.measure(spec, device="cuda", dtype="bfloat16", batch=BATCH)
            row["inference"] = as_data(found)
        except (RuntimeError, archcalc.ArchcalcError) as error:
            row["failed"] = f"inference: {error}"[:200]
        gc.collect()
        torch.cuda.empty_cache()
        try:
            row["training"] = training_peak(spec)
        except (RuntimeError, archcalc.ArchcalcError) as error:
            row["failed"] = f"training: {error}"[:200]
        gc.collect()
        torch.cuda.empty_cache()
        yield row


if __name__ == "__main__":
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        for row in rows(monotonic() + float(sys.argv[2])):
            file.write(json.dumps(row) + "\n")
            file.flush()
