"""How long the whole zoo takes on the meta device, and how much memory.

``python benchmarks/crosscheck.py`` runs ``archcalc crosscheck --all --device meta`` in a process of
its own. The promise is a few minutes on two cores and less than 4 GB.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

COMMAND = [sys.executable, "-c", "from archcalc.cli import main; main()", "crosscheck"]


def main() -> int:
    start = time.perf_counter()
    options = ["--all", "--device", "meta", "--format", "json"]
    done = subprocess.run([*COMMAND, *options], stdout=subprocess.PIPE, check=False)
    seconds = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    networks = json.loads(done.stdout)["networks"]
    agreeing = sum(network["ok"] for network in networks)
    # Linux counts in KiB, macOS in bytes.
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(f"{agreeing} of {len(networks)} networks agree with PyTorch")
    print(f"{seconds:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of processors")
    print(f"{peak / 1e9:.2f} GB at the peak")
    slowest = sorted(networks, key=lambda n: -sum(run["seconds"] for run in n["runs"]))[:5]
    for network in slowest:
        print(f"  {network['name']}: {sum(run['seconds'] for run in network['runs']):.1f} s")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
