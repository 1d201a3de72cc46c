"""How long the commands take that look at the whole zoo, in processor seconds of a process each.

``python benchmarks/commands.py`` runs them in turns, beside a table of one network and a process
that only imports what the command line is written with. The smallest of each is given, which is
what other programs on the machine disturb least. The goals were set on a machine on which a table
took 0.14 seconds: what each would take there is given, too.
"""

from __future__ import annotations

import argparse
import compileall
import os
import subprocess
import sys
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import archcalc

CALL = "import sys; sys.argv[0] = 'archcalc'; from archcalc.cli import main; main()"
COMMANDS = {
    "import typer, pydantic, yaml": None,
    "table googlenet": None,
    "list": 0.15,
    "schema": 0.25,
    "check": 1.0,
}
"""Each with its goal in seconds, on the machine where a table took ``TABLE``."""

TABLE = 0.14


def seconds(command: str) -> float:
    code = [command] if command.startswith("import") else [CALL, *command.split()]
    before = getrusage(RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", *code], stdout=subprocess.DEVNULL, check=True)
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    # As an installer does; a checkout that runs without writing bytecode would compile every time.
    compileall.compile_dir(Path(archcalc.__file__).parent, quiet=1)
    least = {
        command: min(found)
        for command, found in zip(
            COMMANDS,
            zip(*[[seconds(c) for c in COMMANDS] for _ in range(rounds)], strict=True),
            strict=True,
        )
    }
    table = least["table googlenet"]
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} processors\n")
    print(f"| | processor seconds | against a table | where that takes {TABLE:g} | goal |")
    print("|---|---|---|---|---|")
    for command, goal in COMMANDS.items():
        aim = "" if goal is None else f"{goal:g}"
        ratio = least[command] / table
        there = f"{ratio:.2f}x | {ratio * TABLE:.2f}"
        print(f"| `{command}` | {least[command]:.3f} | {there} | {aim} |")


if __name__ == "__main__":
    main()
