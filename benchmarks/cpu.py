"""Networks that were run on this CPU, held against the least time that they can take on it.

    python benchmarks/cpu.py [SECONDS] > benchmarks/cpu.csv

A line a network of at most MACS multiply-accumulates and PARAMS parameters, from the smallest on,
in float32 at a batch of 1, for so many seconds at most: the least time, the fastest of its runs,
and the share of the one in the other. The machine is measured before, between and after them, and
what was fastest counts, for other things may be running. Before each run other memory is read, so
that no weights are left in the caches. The last line is the machine.
"""

from __future__ import annotations

import csv
import sys
import time
import warnings
from collections.abc import Iterator

import torch

import archcalc
from archcalc.pytorch.inputs import draw
from archcalc.spec import zoo

MACS, PARAMS = 2 * 10**9, 70 * 10**6
"""More would take a CPU too long, or too much of its memory."""

RUNS = 7
"""Of which the fastest counts."""

OTHER = 2**28
"""Bytes that are read and written between runs, more than any cache holds."""

EVERY = 60.0
"""Seconds after which the machine is measured anew."""


def main() -> None:
    """Print the lines, once everything was measured."""
    budget = float(sys.argv[1]) if len(sys.argv) > 1 else 480.0
    end = time.monotonic() + budget
    measured = 0.0
    found: list[tuple[str, float]] = []
    for _, name in sorted(chosen()):
        if time.monotonic() > end:
            break
        if time.monotonic() > measured + EVERY:
            archcalc.here(again=True)
            measured = time.monotonic()
        found.append((name, fastest(name)))
    here = archcalc.here(again=True)
    lines = csv.writer(sys.stdout, lineterminator="\n")
    lines.writerow(("network", "MACs", "least ms", "measured ms", "share"))
    for name, seconds in found:
        bound = archcalc.roofline(archcalc.load(name), here)
        share = bound.seconds / seconds
        times = f"{bound.seconds * 1e3:.3f}", f"{seconds * 1e3:.3f}"
        lines.writerow((name, bound.macs, *times, f"{share:.3f}"))
    peak, bandwidth = here.peak("float32").value / 1e9, here.bandwidth
    assert bandwidth is not None
    about = f"{here.title}: {peak:.1f} GFLOP/s in float32, {bandwidth.value / 1e9:.1f} GB/s"
    lines.writerow((about, "", "", "", ""))


def chosen() -> Iterator[tuple[int, str]]:
    """Networks that are not too large, with their multiply-accumulates."""
    for path in zoo.families():
        family = archcalc.load(path)
        for name in list(family.variants) or [family.name]:
            analysis = archcalc.analyze(archcalc.load(name))
            if analysis.macs <= MACS and analysis.params <= PARAMS:
                yield int(analysis.macs), name


def fastest(name: str) -> float:
    """Seconds of the fastest of some runs, after one that is not counted."""
    graph = archcalc.expand(archcalc.load(name))
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore", UserWarning)
        net = archcalc.build(graph).eval()
        inputs = draw(graph)
        net(*inputs)
        times = []
        other = torch.ones(OTHER // 4)
        for _ in range(RUNS):
            other.add_(1)
            begin = time.perf_counter()
            net(*inputs)
            times.append(time.perf_counter() - begin)
    return min(times)


if __name__ == "__main__":
    main()
