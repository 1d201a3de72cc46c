"""How fast archcalc answers, as ratios measured side by side in one run.

``python benchmarks/startup.py`` measures
- the command ``archcalc table googlenet``, against a process that only imports the libraries it
  is written with and prints one rich table, and against one that imports torch, builds the
  network on the meta device and prints torchinfo's summary;
- ``analyze`` of ResNet-152 from a loaded spec, against torchinfo's summary of a built module.

The contestants take turns, so that a machine that slows down slows all of them; the ratios are
those of the medians.
"""

from __future__ import annotations

import argparse
import compileall
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent

COMMAND = [sys.executable, "-c", "from archcalc.cli import main; main()", "table", "googlenet"]
LIBRARIES = """
import typer, rich, pydantic, yaml
from rich.console import Console
from rich.table import Table
table = Table("layer", "output", "params")
table.add_row("conv1", "64x112x112", "9,472")
Console().print(table)
"""
TORCHINFO = """
import torch, torchinfo
from networks import googlenet
with torch.device("meta"):
    model = googlenet()
print(torchinfo.summary(model, (1, 3, 224, 224), device="meta", verbose=0))
"""


def process(command: list[str]) -> Callable[[], None]:
    environment = {**os.environ, "PYTHONPATH": str(HERE)}

    def run() -> None:
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)

    return run


def medians(contestants: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each contestant, taking turns, after a round that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for count in range(rounds + 1):
        for name, run in contestants.items():
            began = time.perf_counter()
            run()
            if count:
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds

    import torch
    import torchinfo
    from networks import resnet152

    import archcalc

    # As an installer does; a checkout that runs without writing bytecode would compile every time.
    compileall.compile_dir(Path(archcalc.__file__).parent, quiet=1)
    cold = medians(
        {
            "archcalc table googlenet": process(COMMAND),
            "import its libraries, print a table": process([sys.executable, "-c", LIBRARIES]),
            "torchinfo on the meta device": process([sys.executable, "-c", TORCHINFO]),
        },
        rounds,
    )
    with torch.device("meta"):
        model = resnet152()
    spec = archcalc.load("resnet152")

    def ours() -> tuple[object, object]:
        counted = archcalc.analyze(spec)
        return counted.params, counted.macs

    def theirs() -> object:
        return torchinfo.summary(model, (1, 3, 224, 224), device="meta", verbose=0).total_params

    warm = medians({"archcalc.analyze": ours, "torchinfo.summary": theirs}, rounds)

    libraries = ("typer", "rich", "pydantic", "PyYAML", "torch", "torchinfo")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(", ".join(f"{library} {version(library)}" for library in libraries), end="\n\n")
    for title, times in (("one command", cold), ("ResNet-152, warm", warm)):
        print(title)
        for name, seconds in times.items():
            print(f"  {name:36} {seconds * 1e3:9.2f} ms")
    table, base, torch_process = cold.values()
    analyze, summary = warm.values()
    print()
    print(f"table / libraries:    {table / base:6.2f}  (goal: at most 1.6)")
    print(f"torchinfo / table:    {torch_process / table:6.1f}  (goal: at least 12)")
    print(f"torchinfo / analyze:  {summary / analyze:6.1f}  (goal: at least 60)")


if __name__ == "__main__":
    main()
