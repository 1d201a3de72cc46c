"""What networks take in memory, as archcalc says and as PyTorch's allocator gives it out on a CPU.

    python benchmarks/memory.py [NAME...] >> benchmarks/memory.csv

A line a network and pass: at inference, and in a step of training with SGD whose gradients were
freed before it, once it was warmed up. ``allocated`` are bytes that were given out at once, with
weights, buffers and inputs; ``predicted`` is ``archcalc.memory(...).most``. Without names: the
first network of each family that takes at most MACS multiply-accumulates.
"""

from __future__ import annotations

import csv
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import torch

import archcalc
from archcalc.pytorch.inputs import draw
from archcalc.pytorch.measure import _cpu_peak
from archcalc.spec import zoo

MACS = 6 * 10**9
"""More would take a CPU too long."""

BATCH = 2


def main() -> None:
    """Print the lines."""
    lines = csv.writer(sys.stdout, lineterminator="\n")
    for name in sys.argv[1:] or chosen():
        for training in (False, True):
            lines.writerow(line(name, training))
            sys.stdout.flush()


def chosen() -> Iterator[str]:
    """The first network of each family that is not too large."""
    for path in zoo.families():
        family = archcalc.load(path)
        for name in list(family.variants) or [family.name]:
            spec = archcalc.load(name)
            if archcalc.analyze(spec, batch=BATCH).macs <= MACS:
                yield name
                break


def line(name: str, training: bool) -> tuple[Any, ...]:
    """Network, pass, batch, predicted bytes, allocated bytes, their share."""
    graph = archcalc.expand(archcalc.load(name), batch=BATCH)
    predicted = archcalc.memory(graph, training=training).most
    net = archcalc.build(graph).train(training)
    inputs = draw(graph)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)

    def once() -> None:
        if not training:
            with torch.inference_mode():
                net(*inputs)
            return
        found = net(*inputs)
        outputs = found if isinstance(found, tuple) else (found,)
        torch.autograd.backward([x.sum() for x in outputs if x.requires_grad])
        del found, outputs
        optimizer.step()
        optimizer.zero_grad()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        once()
        worked = _cpu_peak(once)
    assert worked is not None
    held = {id(t): t for t in (*net.parameters(), *net.buffers(), *inputs)}
    seen = worked + sum(t.numel() * t.element_size() for t in held.values())
    how = "training" if training else "inference"
    return name, how, BATCH, predicted, seen, f"{predicted / seen:.3f}"


if __name__ == "__main__":
    main()
