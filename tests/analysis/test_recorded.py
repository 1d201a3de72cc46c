"""What was recorded on a GPU and a CPU, held against what is said of it."""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import archcalc

RECORD = Path(__file__).resolve().parents[2] / "docs" / "gpu"


@cache
def recorded() -> dict[str, list[dict[str, Any]]]:
    """Runs at inference and steps of training, by network."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in (RECORD / "zoo.jsonl", RECORD / "batches.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            runs = [run.get("measured") for run in (row.get("found") or {}).get("runs", ())]
            kept = [run for run in (*runs, row.get("inference"), row.get("training")) if run]
            if kept:
                found.setdefault(row.get("name") or row["asked"], []).extend(kept)
    return found


@pytest.mark.every_network
@pytest.mark.parametrize("name", recorded())
def test_no_run_is_below_the_least_time_nor_the_memory_above_what_it_took(name: str) -> None:
    spec = archcalc.load(name)
    for run in recorded()[name]:
        dtype, batch = run["dtype"], run["batch"]
        stored_as = "float32" if dtype == "tf32" else dtype
        training = "seconds" not in run
        assert archcalc.memory(spec, stored_as, training, batch=batch).most <= run["peak_bytes"]
        if not training:
            bound = archcalc.roofline(spec, "h200", dtype=dtype, batch=batch)
            assert bound.seconds <= bound.through_memory < run["seconds"]


def test_no_run_on_a_cpu_was_below_the_least_time() -> None:
    path = RECORD.parents[1] / "benchmarks" / "cpu.csv"
    *runs, machine = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    assert "GFLOP/s in float32" in machine["network"]
    assert len(runs) > 100
    assert all(float(run["least ms"]) < float(run["measured ms"]) for run in runs)
    macs = {run["network"]: int(run["MACs"]) for run in runs}
    assert macs["resnet18"] == 1_814_073_344
