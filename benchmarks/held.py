"""What was recorded on a GPU, held against the bounds: shares of time and of memory.

    python benchmarks/held.py > benchmarks/held.csv

Of times the least that archcalc says of an H200 over what was measured; of memory what archcalc
predicts over what PyTorch's allocator gave out at once. A test holds that no share is above 1.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import archcalc
from archcalc.spec.machines import find

RECORD = Path(__file__).resolve().parent.parent / "docs" / "gpu"


def shares() -> Iterator[tuple[tuple[str, str, int], str, float]]:
    """What is compared, in which dtype and at which batch; the network; the share."""
    h200 = find("h200")
    for path in (RECORD / "zoo.jsonl", RECORD / "batches.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            runs = [run.get("measured") for run in (row.get("found") or {}).get("runs", ())]
            name = row.get("name") or row.get("asked")
            for run in filter(None, (*runs, row.get("inference"))):
                spec, dtype, batch = archcalc.load(name), run["dtype"], run["batch"]
                least = archcalc.roofline(spec, h200, dtype=dtype, batch=batch).seconds
                yield ("least time", dtype, batch), name, least / run["seconds"]
                stored_as = "float32" if dtype == "tf32" else dtype
                needed = archcalc.memory(spec, stored_as, batch=batch).most
                yield ("memory at inference", dtype, batch), name, needed / run["peak_bytes"]
            if row.get("training"):
                run = row["training"]
                how = (run["dtype"], run["batch"])
                needed = archcalc.memory(archcalc.load(name), how[0], True, batch=how[1]).most
                yield ("memory of a step", *how), name, needed / run["peak_bytes"]


def main() -> None:
    """A line for what is compared: the lowest share, the median and the highest."""
    found: dict[tuple[str, str, int], list[tuple[float, str]]] = {}
    for key, name, share in shares():
        found.setdefault(key, []).append((share, name))
    lines = csv.writer(sys.stdout, lineterminator="\n")
    lines.writerow(("what", "dtype", "batch", "runs", "lowest share", "median", "highest", "of"))
    for key, each in found.items():
        each.sort()
        middle = median(share for share, _ in each)
        numbers = [f"{share:.4f}" for share in (each[0][0], middle, each[-1][0])]
        lines.writerow((*key, len(each), *numbers, each[-1][1]))


if __name__ == "__main__":
    main()
