"""How fast a shell is given what completes a line: the goal is 150 ms.

    python benchmarks/completion.py --rounds 11

Each line is asked as bash asks it, in a process of its own, as the key is pressed. The median of
the processor's time is held to the goal, since on a busy machine the clock measures the others;
beside it stand the clock's, and a process that only starts Python.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time

COMMAND = [sys.executable, "-c", "from archcalc.cli import main; main()"]

LINES = (
    "archcalc ta",
    "archcalc table resn",
    "archcalc table resnet50 --columns layer,pa",
    "archcalc table resnet50 --convention ",
    "archcalc table resnet50 --set wi",
    "archcalc explain googlenet inception3a.",
    "archcalc explain llama2_7b ",
    "archcalc table resnet152 --frozen layer3.",
    "archcalc sweep mobilenet_v2 --set ",
    "archcalc roofline resnet50 --on h",
    "archcalc memory resnet50 --dtype ",
    "archcalc ops Conv",
)
GOAL = 150.0


def ran(command: list[str], line: str) -> tuple[float, float]:
    """Milliseconds of processor and clock that a process takes to complete a line."""
    words = line.split(" ")
    asked = {
        "_ARCHCALC_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    began = time.perf_counter()
    child = os.posix_spawn(
        command[0],
        command,
        {**os.environ, **asked},
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, used = os.wait4(child, 0)
    clock = time.perf_counter() - began
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{line}: exit code {os.waitstatus_to_exitcode(status)}")
    return 1000 * (used.ru_utime + used.ru_stime), 1000 * clock


def main() -> int:
    """Print the medians, and exit with 1 where one is above the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    contestants = [("python -c pass", [sys.executable, "-c", "pass"])]
    contestants += [(line, COMMAND) for line in LINES]
    found: dict[str, list[tuple[float, float]]] = {line: [] for line, _ in contestants}
    for count in range(rounds + 1):
        for line, command in contestants:
            took = ran(command, line)
            if count:  # the first warms the disk
                found[line].append(took)
    print("| line | processor, ms | clock, ms |\n|---|---|---|")
    slow = False
    for line, times in found.items():
        processor, clock = (statistics.median(each) for each in zip(*times, strict=True))
        slow |= processor > GOAL
        print(f"| `{line}` | {processor:.0f} | {clock:.0f} |")
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
