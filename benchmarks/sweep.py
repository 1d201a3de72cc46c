"""How fast many configurations are counted, and what limits it.

``python benchmarks/sweep.py`` measures, in one run,
- the time and the memory of 1 to 10^8 configurations of ResNet-50, width by side, streamed;
- the same where width and side change together, so that nothing is computed once for many;
- one quantity and all of them;
- how near that is to the memory's bandwidth, measured by copying an array;
- the time of a single analysis against the number of layers, 10 to 100,000, with Python's garbage
  collector and without;
- the time of a closed form.

Every size runs in a process of its own, so that memory is that of this size.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version

SIZES = (1, 10**2, 10**4, 10**6, 10**7, 10**8)
LAYERS = (10, 100, 1_000, 10_000, 100_000)

ONE_SWEEP = """
import resource, sys, time
import archcalc
from archcalc.space.grid import plan
from archcalc.space.chunks import Refused, chunks
import numpy as np
count, shape, quantities = int(sys.argv[1]), sys.argv[2], sys.argv[3] or None
spec = archcalc.load("resnet50")
wide = max(1, round(count ** 0.5))
deep = -(-count // wide)
if shape == "grid":
    values, groups = {"width": range(16, 16 + wide), "side": range(64, 64 + deep)}, []
else:
    places = np.arange(count)
    values = {"width": 16 + places % wide, "side": 64 + places // wide}
    groups = [("width", "side")]
began = time.perf_counter()
if shape == "arrays":
    values = {"width": range(16, 16 + wide), "side": range(64, 64 + deep)}
    rows = len(archcalc.sweep(spec, quantities=quantities, **values))
else:
    rows = 0
    for chunk in chunks(plan(spec, values, quantities, groups), Refused()):
        rows += len(next(iter(chunk.values())))
seconds = time.perf_counter() - began
assert rows >= count
print(rows, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def sweep(count: int, shape: str, quantities: str = "") -> tuple[int, float, int]:
    """Rows, seconds and the most bytes of memory of a sweep in a process of its own."""
    command = [sys.executable, "-c", ONE_SWEEP, str(count), shape, quantities]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows, seconds, memory = done.stdout.split()
    return int(rows), float(seconds), int(memory)


def bandwidth() -> float:
    """Bytes a second that one core writes while copying an array that fits no cache."""
    import numpy as np

    source = np.ones(2**25)
    target = np.empty_like(source)
    best = 0.0
    for _ in range(5):
        began = time.perf_counter()
        np.copyto(target, source)
        best = max(best, source.nbytes / (time.perf_counter() - began))
    return best


def layers(count: int, collecting: bool) -> float:
    """Seconds of an analysis of a chain of so many layers, the best of some.

    Each is of another batch, so that none finds the graph of the one before.
    """
    import gc
    import itertools

    import archcalc

    spec = archcalc.load(
        {
            "name": "chain",
            "input": [8, 32, 32],
            "layers": {
                "conv": {"op": "Conv2d", "out_channels": 8, "kernel_size": 3, "padding": 1,
                         "repeat": count}
            },
        }
    )  # fmt: skip
    best, spent, batches = float("inf"), 0.0, itertools.count(1)
    (gc.enable if collecting else gc.disable)()
    while spent < 1:
        began = time.perf_counter()
        found = archcalc.analyze(spec, batch=next(batches))
        assert found.params == count * (8 * 8 * 9 + 8)
        took = time.perf_counter() - began
        best, spent = min(best, took), spent + took
    gc.enable()
    return best


def closed(name: str) -> float:
    """Seconds of a closed form in the side, the best of some, sympy being loaded already."""
    import archcalc

    spec = archcalc.load(name)
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        assert archcalc.formula(spec).to_sympy()
        best = min(best, time.perf_counter() - began)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=float, default=1e8, help="the most configurations")
    most = int(parser.parse_args().most)

    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "pydantic"))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(libraries, end="\n\n")

    print("ResNet-50, width by side, five quantities")
    print(f"{'configurations':>14}  {'how':22}  {'seconds':>8}  {'a second':>11}  {'memory':>8}")
    rate = 0.0
    for shape, how in (
        ("grid", "grid, streamed"),
        ("zipped", "together, streamed"),
        ("arrays", "grid, as arrays"),
    ):
        for size in (size for size in SIZES if size <= most):
            if shape != "grid" and (size > 10**7 or size < 10**4):
                continue
            rows, seconds, memory = sweep(size, shape)
            print(
                f"{rows:>14,}  {how:22}  {seconds:8.3f}  {rows / seconds:11,.0f}  "
                f"{memory / 1e6:5.0f} MB"
            )
            if shape == "grid":
                rate = rows / seconds
    rows, seconds, memory = sweep(min(10**7, most), "grid", "macs")
    print(
        f"{rows:>14,}  {'grid, MACs only':22}  {seconds:8.3f}  {rows / seconds:11,.0f}  "
        f"{memory / 1e6:5.0f} MB"
    )
    print()
    # Seven columns of 8 bytes are written for every configuration: two variables, five totals.
    copied = bandwidth()
    written = rate * 56
    print(f"copying an array writes {copied / 1e9:.1f} GB/s, the streamed grid of most results")
    print(f"{written / 1e9:.2f} GB/s: {100 * written / copied:.0f}% of it")
    print()

    print("one analysis of a chain of convolutions, the garbage collector off in the last column")
    for count in LAYERS:
        seconds = layers(count, collecting=True)
        alone = layers(count, collecting=False)
        each, alone = (taken / count * 1e6 for taken in (seconds, alone))
        print(f"{count:>14,} layers  {seconds * 1e3:9.2f} ms  {each:6.2f} us each  {alone:6.2f} us")
    print()

    print(f"closed form of ResNet-152 in its side: {closed('resnet152') * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
