"""How fast archcalc looks through design spaces, and in how much memory.

    python benchmarks/spaces.py [--long]

Each shipped space is sampled on one process and on two, and held against a loop in which PyTorch
builds each network on the meta device and torchinfo counts it; ratios are of one run. Memory is the
most that a process of its own takes, as Linux counts it, while samples of several sizes are looked
through; with --long the largest has 10^8 configurations.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import archcalc
from archcalc.space.workers import processes
from archcalc.spec import zoo

BUILT = 4


def rate(space: archcalc.Space, count: int, jobs: int) -> float:
    """Configurations a second, those of a first chunk that make ready left out."""
    how = {"quantities": "params,macs", "pareto": "-params,macs", "replace": True}
    if jobs == 1:
        began = time.perf_counter()
        archcalc.sweep(space, sample=count, **how)  # type: ignore[arg-type]
        return count / (time.perf_counter() - began)
    with processes(jobs) as executor:
        began = time.perf_counter()
        archcalc.sweep(space, sample=count, executor=executor, **how)  # type: ignore[arg-type]
        return count / (time.perf_counter() - began)


def peer(space: archcalc.Space) -> float:
    """The same of a loop that builds each on the meta device."""
    import torch
    from torchinfo import summary

    points = list(space.sample(BUILT + 1, seed=1))
    began = 0.0
    for k, point in enumerate(points):
        if k == 1:  # the first loads what is loaded once
            began = time.perf_counter()
        known = {name: value for name, value in point.items() if name in space.network.vars}
        (shape,) = archcalc.expand(space.network, **known).inputs.values()
        with torch.device("meta"):
            network = archcalc.build(space.network, **known)
        summary(network, input_size=shape, device="meta", verbose=0)
    return BUILT / (time.perf_counter() - began)


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
    print("configurations a second: one process, two, a loop that builds each; one / loop")
    for path in map(Path, zoo.spaces()):
        space = archcalc.Space(path.stem)
        one, two, loop = rate(space, count, 1), rate(space, count, 2), peer(space)
        print(f"  {path.stem:20} {one:10,.0f} {two:10,.0f} {loop:8.1f} {one / loop:10,.0f}x")
    began = time.perf_counter()
    whole = archcalc.sweep("nasbench201")
    print(f"NAS-Bench-201, all {len(whole):,}: {time.perf_counter() - began:.2f} s")
    print("memory while a sample of llama_grid is looked through for the largest")
    for power in (4, 5, 6, *((7, 8) if "--long" in sys.argv else ())):
        print(f"  10^{power}: {memory('llama_grid', 10**power) / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()
