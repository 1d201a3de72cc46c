"""Whether tests can fail: one small mistake at a time is put into a room, and its tests are run.

    python benchmarks/mutants.py --sample 200 --seed 1 --rooms operators analysis spec

In a copy of what git knows, a sample of comparisons, signs, constants and truth values is changed,
one at a time. A room's tests are collected once and run once, with coverage.py, which is none of
the tools of dev; after that a mistake in a function is made in a fork of the process that has
collected them, and is met by the tests that run its line: those of the module's own file first, and
the fastest first, until one fails. What runs while a module is imported is met in a new process. A
mistake that none notices is printed: it shows a test that lacks, or that what was changed makes no
difference. Annotations, docstrings and what only type checkers read stay, and examples of
operators, which are tests themselves.
"""

from __future__ import annotations

import argparse
import ast
import gc
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from inspect import CO_NEWLOCALS, CO_OPTIMIZED
from itertools import accumulate, chain
from multiprocessing import get_context
from pathlib import Path
from random import Random
from types import CodeType, FunctionType

import pytest
from coverage import Coverage

ROOT = Path(__file__).resolve().parent.parent
PYTEST = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist"]

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
    last: int
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
        last = node.end_lineno or node.lineno

        def between(left: ast.expr, right: ast.expr, sign: str, node: ast.expr) -> Mutant:
            a = place(left.end_lineno or 0, left.end_col_offset or 0)
            b = place(right.lineno, right.col_offset)
            gap = source[a:b].decode()
            kept = gap.strip()
            # Brackets around an operand stand in the gap, too.
            before = kept[: len(kept) - len(kept.lstrip(")"))]
            after = kept[len(kept.rstrip("(")) :]
            return Mutant(
                file,
                node.lineno,
                node.end_lineno or 0,
                a,
                b,
                gap.strip(),
                f"{before} {sign} {after}",
            )

        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            sign = COMPARED[type(node.ops[0])]
            yield between(node.left, node.comparators[0], sign, node)
        elif isinstance(node, ast.BinOp) and type(node.op) in REWRITTEN:
            if not any(isinstance(each, (ast.List, ast.JoinedStr)) for each in ast.walk(node)):
                yield between(node.left, node.right, REWRITTEN[type(node.op)], node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield Mutant(file, node.lineno, last, begin, stop, was, str(not node.value))
        elif isinstance(node, ast.Constant) and isinstance(node.value, int):
            yield Mutant(file, node.lineno, last, begin, stop, was, str(node.value + 1))
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield Mutant(file, node.lineno, last, begin, stop, was, was.removeprefix("not "))
        elif isinstance(node, ast.BoolOp) and len(node.values) == 2:
            sign = "or" if isinstance(node.op, ast.And) else "and"
            yield between(node.values[0], node.values[1], sign, node)


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


Bodies = list[tuple[CodeType, CodeType]]


def bodies(was: CodeType, now: CodeType) -> Bodies | None:
    """The functions that differ; None where something differs that an import runs."""
    if was == now:
        return []
    inner = [
        (one, other)
        for one, other in zip(was.co_consts, now.co_consts, strict=False)
        if isinstance(one, CodeType) and isinstance(other, CodeType)
    ]
    found = [bodies(one, other) for one, other in inner]
    if was.co_flags & CO_NEWLOCALS and was.co_flags & CO_OPTIMIZED:
        return [(was, now), *chain.from_iterable(each or [] for each in found)]
    if was.replace(co_consts=()) != now.replace(co_consts=()) or any(
        one != other
        for one, other in zip(was.co_consts, now.co_consts, strict=False)
        if not isinstance(one, CodeType)
    ):
        return None
    return None if None in found else [pair for each in found for pair in each or []]


def put(pairs: Bodies, file: Path) -> None:
    """Give all functions of a file that have the one body the other."""
    import_module(".".join(file.with_suffix("").parts).removesuffix(".__init__"))
    by = {(was.co_qualname, was.co_firstlineno, was.co_filename): now for was, now in pairs}
    for each in gc.get_objects():
        if type(each) is FunctionType:
            code = each.__code__
            now = by.get((code.co_qualname, code.co_firstlineno, code.co_filename))
            if now is not None and now.co_freevars == code.co_freevars:
                each.__code__ = now


class Room:
    """A plugin of pytest that has collected a room's tests, and tries mistakes on them."""

    def __init__(self, name: str, tried: list[tuple[int, Mutant]], most: float, kept: Path) -> None:
        self.name = name
        self.tried = tried
        self.most = most
        self.kept = kept / f"{name}.pickle"
        self.told = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
        self.items: dict[str, pytest.Item] = {}
        self.seconds: dict[str, float] = {}
        self.runs: dict[str, dict[int, list[str]]] = {}
        self.failed: list[str] = []
        self.survived = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.items = {item.nodeid: item for item in session.items}
        if not self.kept.is_file() and self.forked(self.cover):
            raise pytest.UsageError(f"the tests of {self.name} fail without a mistake")
        self.seconds, self.runs = pickle.loads(self.kept.read_bytes())
        spent = sum(self.seconds.values())
        self.told.write(f"{self.name}: {len(self.seconds)} tests, {spent:.0f} s\n")
        for number, mutant in self.tried:
            began = time.monotonic()
            met, noticed = self.meet(mutant)
            self.survived += not noticed
            said = "noticed" if noticed else "NOT NOTICED"
            took = time.monotonic() - began
            self.told.write(f"{number:4} {said}  {mutant}  ({met} tests, {took:.0f} s)\n")
        return True

    def forked(self, inside: Callable[[], bool]) -> bool:
        """Whether something is so, or ends badly, in a fork of the process."""
        child = os.fork()
        if child:
            return os.waitpid(child, 0)[1] != 0
        wrong = True
        try:
            for number in (1, 2):
                os.dup2(os.open(os.devnull, os.O_WRONLY), number)
            resource.setrlimit(resource.RLIMIT_DATA, (8 << 30, 8 << 30))
            wrong = inside()
        finally:
            os._exit(wrong)

    def run(self, name: str, following: str | None) -> None:
        item = self.items[name]
        after = self.items[following] if following else None
        item.ihook.pytest_runtest_protocol(item=item, nextitem=after)

    def cover(self) -> bool:
        """Keep how long each test takes, and which run a line of a file."""
        root = Path.cwd()
        coverage = Coverage(
            data_file=None, config_file=False, include=[str(root / "archcalc" / self.name / "*")]
        )
        coverage.start()
        names = [*self.items, None]
        for name, following in zip(self.items, names[1:], strict=True):
            coverage.switch_context(name)
            began = time.process_time()
            self.run(name, following)
            self.seconds[name] = time.process_time() - began
        coverage.stop()
        data = coverage.get_data()
        runs = {
            str(Path(file).relative_to(root)): data.contexts_by_lineno(file)
            for file in data.measured_files()
        }
        self.kept.write_bytes(pickle.dumps((self.seconds, runs)))
        return bool(self.failed)

    def meet(self, mutant: Mutant) -> tuple[int, bool]:
        """How many tests a mistake is met by, and whether one fails."""
        path = Path.cwd() / mutant.file
        source = path.read_bytes()
        # Lines keep their numbers.
        lost = b"\\\n" * source[mutant.start : mutant.end].count(b"\n")
        changed = source[: mutant.start] + mutant.now.encode() + lost + source[mutant.end :]
        try:
            pairs = bodies(compile(source, path, "exec"), compile(changed, path, "exec"))
        except SyntaxError:
            return 0, True
        own = str(Path("tests", *mutant.file.parts[1:-1], f"test_{mutant.file.stem}.py"))
        if pairs is None:
            return self.imported(path, source, changed, own)
        seen = self.runs.get(str(mutant.file), {})
        met = {name for line in range(mutant.line, mutant.last + 1) for name in seen.get(line, ())}
        order = sorted(
            met & self.items.keys(), key=lambda name: (not name.startswith(own), self.seconds[name])
        )
        spent = accumulate(self.seconds[name] for name in order)
        order = [name for name, so_far in zip(order, spent, strict=True) if so_far <= self.most]

        def inside() -> bool:
            put(pairs, mutant.file)
            for name, following in zip(order, [*order[1:], None], strict=True):
                # What takes ten times as long as it did has failed.
                signal.setitimer(signal.ITIMER_PROF, 20 + 10 * self.seconds[name])
                self.run(name, following)
                if self.failed:
                    return True
            return False

        return len(order), bool(order) and self.forked(inside)

    def imported(self, path: Path, source: bytes, changed: bytes, own: str) -> tuple[int, bool]:
        """The same of what runs while a module is imported: files of tests, the fastest first."""
        took = Counter[str]()
        for name, seconds in self.seconds.items():
            took[name.partition("::")[0]] += seconds  # type: ignore[assignment]  # of floats, too
        files = sorted(took, key=lambda file: (file != own, took[file]))
        spent = accumulate(took[file] for file in files)
        files = [file for file, so_far in zip(files, spent, strict=True) if so_far <= self.most]
        stat = path.stat()
        path.write_bytes(changed)
        try:
            for some in (files[:1], files[1:]):
                command = [sys.executable, "-m", "pytest", *PYTEST, *some]
                done = subprocess.run(command, capture_output=True, check=False)
                if done.returncode not in (0, 5):
                    return len(files), True
            return len(files), False
        finally:
            path.write_bytes(source)
            # Compiled, it is still there, and found by its time.
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def survivors(
    name: str, tried: list[tuple[int, Mutant]], files: list[str], most: float, kept: Path
) -> int:
    """How many of the mistakes in a room are not noticed."""
    with tempfile.TemporaryDirectory() as temporary:
        for file in files:
            target = Path(temporary, file)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, target)
        os.chdir(temporary)
        sys.path.insert(0, temporary)
        os.environ["PYTHONPATH"] = temporary
        room = Room(name, tried, most, kept)
        for number in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
        status = pytest.main([*PYTEST, f"tests/{name}"], plugins=[room])
        if status:
            raise RuntimeError(f"the tests of {name} can't be run: {status!r}")
        return room.survived


def main() -> None:
    """Print what is noticed and what is not, and how many of how many."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rooms", nargs="+", default=["operators", "analysis", "spec"])
    parser.add_argument("--only", nargs="+", type=int, help="those of these numbers again")
    parser.add_argument("--most", type=float, default=300, help="seconds of tests a mistake meets")
    parser.add_argument("--kept", type=Path, help="the folder that keeps which test runs what")
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
    tried = [pair for pair in enumerate(sample, 1) if not asked.only or pair[0] in asked.only]
    groups = {
        room: [pair for pair in tried if pair[1].file.parts[1] == room] for room in asked.rooms
    }
    with tempfile.TemporaryDirectory() as temporary:
        kept = (asked.kept or Path(temporary)).resolve()
        with ProcessPoolExecutor(len(groups), get_context("fork")) as pool:
            running = [
                pool.submit(survivors, room, group, files, asked.most, kept)
                for room, group in groups.items()
                if group
            ]
            survived = sum(each.result() for each in running)
    share = 1 - survived / len(tried)
    print(f"{len(tried) - survived} of {len(tried)} noticed, {share:.1%} ({len(every)} possible)")


if __name__ == "__main__":
    main()
