"""How fast archcalc looks through design spaces, and in how much memory.

    python benchmarks/spaces.py [--long]

Each shipped space is sampled, and held against a loop in which PyTorch builds each network on the
meta device and torchinfo counts it. Seconds are those of processors, of all processes together, so
that what else a machine does changes little; seconds of a clock stand beside them where processes
are compared. Memory is the most that a process of its own takes, as Linux counts it, while samples
of several sizes are looked through; with --long the largest has 10^8 configurations.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import archcalc
from archcalc.space.workers import processes
from archcalc.spec import zoo

BUILT = 4


class Took(NamedTuple):
    """Seconds."""

    processors: float
    clock: float


def took(work: Callable[..., object], *given: object) -> Took:
    """The seconds of this process and of those that it has waited for, and those of a clock."""
    before, began = os.times(), time.perf_counter()
    work(*given)
    after, ended = os.times(), time.perf_counter()
    return Took(sum(after[:4]) - sum(before[:4]), ended - began)


def sample(space: archcalc.Space, count: int, jobs: int = 1) -> None:
    """So many configurations, reduced to a front."""
    how = {"quantities": "params,macs", "pareto": "-params,macs", "replace": True}
    if jobs == 1:
        archcalc.sweep(space, sample=count, **how)  # type: ignore[arg-type]
        return
    with processes(jobs) as executor:
        archcalc.sweep(space, sample=count, executor=executor, **how)  # type: ignore[arg-type]


def peer(space: archcalc.Space) -> float:
    """Networks a second of a loop that builds each on the meta device."""
    import torch
    from torchinfo import summary

    points = list(space.sample(BUILT + 1, seed=1))

    def build(*points: dict[str, Any]) -> None:
        for point in points:
            count(point)

    def count(point: dict[str, Any]) -> None:
        known = {name: value for name, value in point.items() if name in space.network.vars}
        (shape,) = archcalc.expand(space.network, **known).inputs.values()
        with torch.device("meta"):
            network = archcalc.build(space.network, **known)
        kind = torch.long if len(shape) == 2 else torch.float32  # tokens, or images
        summary(network, input_size=shape, dtypes=[kind], device="meta", verbose=0)

    build(points[0])  # which loads what is loaded once
    return BUILT / took(build, *points[1:]).processors


def memory(name: str, count: int) -> int:
    """The most bytes of a process that samples so many."""
    code = (
        "import archcalc, re\n"
        f"found = archcalc.sweep({name!r}, sample={count}, replace=True, "
        "quantities='params,macs', top=5, by='macs')\n"
        "status = open('/proc/self/status').read()\n"
        "print(1024 * int(re.search(r'VmHWM:\\s+(\\d+)', status)[1]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout)


def main() -> None:
    count = 100_000
    print(f"configurations a second of a processor, {count:,} of them; a loop that builds each")
    for path in map(Path, zoo.spaces()):
        space = archcalc.Space(path.stem)
        rate, loop = count / took(sample, space, count).processors, peer(space)
        print(f"  {path.stem:20} {rate:10,.0f} {loop:8.1f} {rate / loop:10,.0f}x", flush=True)
    count, space = 3_000_000, archcalc.Space("ofa_mobilenet_v3")
    print(f"{count:,} of ofa_mobilenet_v3: seconds of processors, and of a clock")
    for jobs in (1, 2):
        found = took(sample, space, count, jobs)
        print(f"  {jobs} processes {found.processors:10.1f} {found.clock:10.1f}", flush=True)
    found = took(archcalc.sweep, "nasbench201")
    print(f"NAS-Bench-201 whole: {found.processors:.2f} s of a processor, {found.clock:.2f} s")
    print("memory while a sample of llama_grid is looked through for the largest")
    for power in (4, 5, 6, *((7, 8) if "--long" in sys.argv else ())):
        print(f"  10^{power}: {memory('llama_grid', 10**power) / 1e6:,.0f} MB", flush=True)


if __name__ == "__main__":
    main()
