"""Whether tests can fail: one small mistake at a time is put into a room, and its tests are run.

    python benchmarks/mutants.py --sample 200 --seed 1 --rooms operators analysis spec

In a copy of what git knows, a sample of comparisons, signs, constants and truth values is changed,
one at a time. The test file that mirrors the module runs first, then all tests of the room, until
one fails. A mistake that none notices is printed: it shows a test that lacks, or that what was
changed makes no difference. Annotations, docstrings and what only type checkers read stay, and
examples of operators, which are tests themselves.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parent.parent

COMPARED: dict[type[ast.cmpop], str] = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.In: "not in",
    ast.NotIn: "in",
    ast.Is: "is not",
    ast.IsNot: "is",
}
REWRITTEN: dict[type[ast.operator], str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "//",
    ast.FloorDiv: "*",
    ast.Mod: "*",
}


@dataclass(frozen=True)
class Mutant:
    """A mistake: what stands between two places of a file is another text."""

    file: Path
    line: int
    start: int
    end: int
    was: str
    now: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}  {self.was}  ->  {self.now}"


def mutants(file: Path) -> Iterator[Mutant]:
    """Every mistake that is made in a module, in the order of its text."""
    source = (ROOT / file).read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def place(line: int, column: int) -> int:
        return starts[line - 1] + column

    for node in _executed(ast.parse(source)):
        begin = place(node.lineno, node.col_offset)
        stop = place(node.end_lineno or 0, node.end_col_offset or 0)
        was = source[begin:stop].decode()

        def between(left: ast.expr, right: ast.expr, sign: str, line: int) -> Mutant:
            a = place(left.end_lineno or 0, left.end_col_offset or 0)
            b = place(right.lineno, right.col_offset)
            gap = source[a:b].decode()
            kept = gap.strip()
            # Brackets around an operand stand in the gap, too.
            before = kept[: len(kept) - len(kept.lstrip(")"))]
            after = kept[len(kept.rstrip("(")) :]
            return Mutant(file, line, a, b, gap.strip(), f"{before} {sign} {after}")

        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            sign = COMPARED[type(node.ops[0])]
            yield between(node.left, node.comparators[0], sign, node.lineno)
        elif isinstance(node, ast.BinOp) and type(node.op) in REWRITTEN:
            if not any(isinstance(each, (ast.List, ast.JoinedStr)) for each in ast.walk(node)):
                yield between(node.left, node.right, REWRITTEN[type(node.op)], node.lineno)
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield Mutant(file, node.lineno, begin, stop, was, str(not node.value))
        elif isinstance(node, ast.Constant) and isinstance(node.value, int):
            yield Mutant(file, node.lineno, begin, stop, was, str(node.value + 1))
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield Mutant(file, node.lineno, begin, stop, was, was.removeprefix("not "))
        elif isinstance(node, ast.BoolOp) and len(node.values) == 2:
            sign = "or" if isinstance(node.op, ast.And) else "and"
            yield between(node.values[0], node.values[1], sign, node.lineno)


def _executed(tree: ast.AST) -> Iterator[ast.expr]:
    """The expressions that run: nothing that only type checkers read, and no examples for tests."""
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST):
                continue
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.Assign) and ast.unparse(child.targets[0]) == "examples":
                continue
            if isinstance(child, ast.expr):
                yield child
            yield from _executed(child)


def tests_of(file: Path, folder: Path) -> Iterator[list[str]]:
    """What is run: the tests of the module alone, and then those of the room."""
    room = file.parts[1]
    own = Path("tests", *file.parts[1:-1], f"test_{file.stem}.py")
    if (folder / own).is_file():
        yield [str(own)]
    yield [f"tests/{room}"]


def noticed(mutant: Mutant, folder: Path, seconds: int) -> bool:
    """Whether a test fails with the mistake in the copy, or runs too long."""
    path = folder / mutant.file
    source = path.read_bytes()
    changed = source[: mutant.start] + mutant.now.encode() + source[mutant.end :]
    path.write_bytes(changed)
    try:
        ast.parse(changed)
        for tests in tests_of(mutant.file, folder):
            command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
            done = subprocess.run(
                command,
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
                capture_output=True,
                timeout=seconds,
                check=False,
            )
            if done.returncode not in (0, 5):
                return True
    except (subprocess.TimeoutExpired, SyntaxError):
        return True
    finally:
        path.write_bytes(source)
    return False


def main() -> None:
    """Print what is noticed and what is not, and how many of how many."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rooms", nargs="+", default=["operators", "analysis", "spec"])
    parser.add_argument("--seconds", type=int, default=900, help="the longest that tests may run")
    asked = parser.parse_args()
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = listed.stdout.split("\n")[:-1]
    modules = [
        Path(name)
        for name in files
        if name.endswith(".py") and Path(name).parts[:1] == ("archcalc",)
        if Path(name).parts[1] in asked.rooms
    ]
    every = [mutant for module in modules for mutant in mutants(module)]
    sample = Random(asked.seed).sample(every, min(asked.sample, len(every)))
    survived = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in files:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
        for number, mutant in enumerate(sample, 1):
            began = time.monotonic()
            if not noticed(mutant, folder, asked.seconds):
                survived += 1
                print(f"not noticed  {mutant}", flush=True)
            took = time.monotonic() - began
            print(
                f"{number} of {len(sample)}: {took:.0f} s, {survived} not noticed", file=sys.stderr
            )
    share = 1 - survived / len(sample)
    print(f"{len(sample) - survived} of {len(sample)} noticed, {share:.0%} ({len(every)} possible)")


if __name__ == "__main__":
    main()
