"""What the costliest specs within the limits take: processor seconds and memory of a command.

``python benchmarks/limits.py`` writes each of ``SPECS`` to a file, none larger than the limits of
``docs/spec.md`` allow, and runs ``archcalc validate`` and ``archcalc table`` on it, in a process of
its own. What is refused has to be refused as fast. The goal is that no command takes 3 s on one
core, nor 400 MB. Beside the seconds stands how many times as long it took as to say ``archcalc list
lenet``, which hardly does more than start.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

Spec = dict[str, Any]

COMMAND = [sys.executable, "-c", "from archcalc.cli import main; main()"]
MOST_SECONDS, MOST_MEGABYTES = 3, 400
CONV = {"op": "Conv2d", "kernel_size": 1, "out_channels": 3}
PAIR = {"b": {"layers": {"x": CONV, "y": CONV}}}
EITHER = {
    "b": {
        "args": {"k": None},
        "layers": {"c": {**CONV, "padding": "same", "kernel_size": "=2 * k + 1"}},
    }
}
LONG = {
    **{f"b{k}": {"layers": {"x" * 50: {"block": f"b{k + 1}"}}} for k in range(3)},
    "b3": {"layers": {"x": CONV, "y": CONV}},
}


def net(layers: Spec, **more: Any) -> Spec:
    return {"name": "net", "input": [3, 8, 8], "layers": layers, **more}


def many(count: int, layer: Callable[[int], Any]) -> Spec:
    return {f"a{k}": layer(k) for k in range(count)}


# Each as large as it may be, or larger: then it is refused.
SPECS: dict[str, Callable[[], Spec]] = {
    "equal layers": lambda: net({"c": {**CONV, "repeat": 100_000}}),
    "equal layers without weights": lambda: net({"r": {"op": "ReLU", "repeat": 100_000}}),
    "layers of two kinds in turn": lambda: net(
        {"c": {**CONV, "padding": "same", "kernel_size": "=2 * (i % 2) + 1", "repeat": 90_000}}
    ),
    "blocks of two kinds in turn": lambda: net(
        {"b": {"block": "b", "k": "=i % 2", "repeat": 100_000}}, blocks=EITHER
    ),
    "unequal layers": lambda: net({"c": {**CONV, "out_channels": "=i + 1", "repeat": 30_000}}),
    "layers that share tensors": lambda: net(
        {"c": CONV, "d": {**CONV, "share": "c", "repeat": 70_000}}
    ),
    "names as long as they may be": lambda: net(
        {
            "one": {"block": "b0"},
            "c": {**CONV, "padding": "same", "kernel_size": "=2 * (i % 2) + 1", "repeat": 90_000},
        },
        blocks=LONG,
    ),
    "written layers": lambda: net(many(15_000, lambda k: {**CONV, "out_channels": k % 9 + 1})),
    "written layers of one word": lambda: net(many(55_000, lambda k: "ReLU")),
    "written blocks": lambda: net(many(30_000, lambda k: {"block": "b"}), blocks=PAIR),
    "written repetitions": lambda: net(many(26_000, lambda k: {"op": "ReLU", "repeat": 1})),
    "expressions": lambda: net(many(28_000, lambda k: {"op": "Dropout", "p": "=0"})),
    "variables": lambda: net({"r": "ReLU"}, vars=many(75_000, lambda k: "=1")),
    "inputs": lambda: {
        **net(many(16_000, lambda k: {"op": "ReLU", "from": f"x{k}"})),
        "input": {f"x{k}": [3] for k in range(16_000)},
        "outputs": [f"a{k}" for k in range(16_000)],
    },
    "blocks and variables": lambda: net(
        many(9_000, lambda k: {"block": f"b{k}"}),
        vars={f"v{k}": 1 for k in range(20_000)},
        blocks={f"b{k}": {"layers": {"x": "ReLU"}} for k in range(9_000)},
    ),
    "blocks of many arguments": lambda: net(
        many(18_000, lambda k: {"block": "b", "k0": "=1"}),
        blocks={"b": {"args": many(20_000, lambda k: "=1"), "layers": {"x": "ReLU"}}},
    ),
    "variants": lambda: net(
        {"c": {**CONV, "out_channels": "=w"}},
        vars={"w": 1},
        variants={f"v{k}": {"w": k + 1} for k in range(12_000)},
    ),
    "variants and variables": lambda: net(
        {"r": "ReLU"},
        vars={f"v{k}": 1 for k in range(40_000)},
        variants={f"n{k}": {} for k in range(40_000)},
    ),
    "variants and wrong budgets": lambda: net(
        {"r": "ReLU"},
        variants={f"n{k}": {} for k in range(20_000)},
        budget=[{"quantity": "params", "at_most": 0, "variant": "x"}] * 14_000,
    ),
    "wrong variables": lambda: net(
        {"r": "ReLU"},
        vars={f"v{k}": 1 for k in range(33_000)},
        variants={f"n{k}": {"w": 1} for k in range(30_000)},
    ),
    "wrong references": lambda: net(many(22_000, lambda k: {"op": "ReLU", "from": f"b{k}"})),
}


def cost(command: list[str]) -> tuple[float, float]:
    """Processor seconds and megabytes at most of a command."""
    found = subprocess.Popen(
        [*COMMAND, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, _, used = os.wait4(found.pid, 0)
    scale = 2**20 if sys.platform == "darwin" else 2**10
    return used.ru_utime + used.ru_stime, used.ru_maxrss / scale


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help="only specs with one of these in their names")
    words = parser.parse_args().words
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))  # of each process
    start, _ = cost(["list", "lenet"])
    over = 0
    print(f"{'':32}{'validate':>22}{'table':>24}")
    for name, spec in SPECS.items():
        if words and not any(word in name for word in words):
            continue
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "net.json"
            file.write_text(json.dumps(spec(), separators=(",", ":")), encoding="utf-8")
            size = file.stat().st_size
            assert size <= 2**20, f"{name}: {size} bytes"
            cells = []
            for command in ("validate", "table"):
                seconds, megabytes = cost([command, str(file)])
                cells.append(f"{seconds:6.2f} s {seconds / start:5.1f}x {megabytes:4.0f} MB")
                over += seconds > MOST_SECONDS or megabytes > MOST_MEGABYTES
        print(f"{name:32}{cells[0]:>22}  {cells[1]:>22}", flush=True)
    print(f"\n{over} over {MOST_SECONDS} s or {MOST_MEGABYTES} MB")


if __name__ == "__main__":
    main()
