"""Whether tests can fail: one small mistake at a time is put into a room, and its tests are run.

    python benchmarks/mutants.py --sample 200 --seed 1 --kept FOLDER [PATH ...]

In a copy of what git knows, a sample of comparisons, signs, constants and truth values of the
paths, three rooms unless others are named, is changed, one at a time. Which test runs which line is
recorded when it is first needed, a file of tests at a time, with coverage.py, which is none of the
tools of dev. Each mistake is met by the tests of its room that run its line, those of the module's
own file first, then all others together, the fastest first, until one fails: in a fork of a process
that has imported what is large, and nothing of archcalc. A mistake that none notices is printed: it
shows a test that lacks, or that what was changed makes no difference. Annotations, docstrings and
what only type checkers read stay, and examples of operators, which are tests themselves.

What is recorded and judged is kept in the folder, so that what was ended goes on where it was. A
file of tests that has changed is recorded again; after changes of archcalc, name another folder.
"""

from __future__ import annotations

import argparse
import ast
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from operator import itemgetter
from pathlib import Path
from random import Random

import pytest
from coverage import Coverage

ROOT = Path(__file__).resolve().parent.parent
PYTEST = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not every_network"]
LARGE = ("numpy", "pydantic", "yaml", "typer", "rich.table", "sympy", "torch")

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


class Timed:
    """A plugin of pytest: how long each test takes, and which lines it runs."""

    def __init__(self, coverage: Coverage) -> None:
        self.coverage = coverage
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self.coverage.switch_context(item.nodeid)
        began = time.process_time()
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = time.process_time() - began


class Chosen:
    """A plugin of pytest: of what is collected, the tests that are named run, in that order."""

    def __init__(self, seconds: dict[str, float], told: Path) -> None:
        self.seconds = seconds
        self.order = {name: place for place, name in enumerate(seconds)}
        self.told = told

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if item.nodeid in self.order]
        items.sort(key=lambda item: self.order[item.nodeid])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        self.told.write_text(item.nodeid, encoding="utf-8")
        # What takes ten times as long as it did is ended, and has failed.
        signal.setitimer(signal.ITIMER_PROF, 10 + 10 * self.seconds[item.nodeid])


def forked(inside: Callable[[], int]) -> bool:
    """Whether something ends well in a fork of this process, which says nothing."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    status = 1
    try:
        for number in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
        resource.setrlimit(resource.RLIMIT_DATA, (8 << 30, 8 << 30))
        status = inside()
    finally:
        os._exit(status)


class Tests:
    """The tests of a file, how long each takes, and which of them run a line of their room."""

    def __init__(self, file: Path, kept: Path) -> None:
        record = kept / f"{file.stem}-{sha256(file.read_bytes()).hexdigest()[:12]}"
        self.record = Path(record.name)
        if not record.exists() and not forked(lambda: self.cover(file, record)):
            raise SystemExit(f"{file} fails without a mistake")
        self.seconds: dict[str, float]
        self.runs: dict[str, dict[int, list[str]]]
        self.seconds, self.runs = pickle.loads(record.read_bytes())

    @staticmethod
    def cover(file: Path, record: Path) -> int:
        """Keep what is known of a file."""
        root = Path.cwd()
        room = root / "archcalc" / file.parts[1]
        coverage = Coverage(data_file=None, config_file=False, include=[f"{room}/*"])
        timed = Timed(coverage)
        coverage.start()
        status = pytest.main([*PYTEST, str(file)], plugins=[timed])
        coverage.stop()
        data = coverage.get_data()
        runs = {
            str(Path(each).relative_to(root)): data.contexts_by_lineno(each)
            for each in data.measured_files()
        }
        if status in (0, 5):
            record.write_bytes(pickle.dumps((timed.seconds, runs)))
        return status not in (0, 5)

    def meeting(self, mutant: Mutant) -> dict[str, float]:
        """Those that run a mistake's lines, with how long each takes."""
        seen = self.runs.get(str(mutant.file), {})
        met = {name for line in range(mutant.line, mutant.last + 1) for name in seen.get(line, ())}
        # What is run by no test of its own is run as the file is imported.
        chosen = self.seconds if met == {""} else met - {""}
        return {name: self.seconds[name] for name in chosen}


def passes(tests: dict[str, float], told: Path) -> bool:
    """Whether tests pass; the one that doesn't is told, or nothing where none can be collected."""
    told.write_text("")
    files = dict.fromkeys(name.partition("::")[0] for name in tests)
    chosen = Chosen(tests, told)
    return forked(lambda: pytest.main([*PYTEST, *files], plugins=[chosen]))


def noticed(mutant: Mutant, tests: dict[str, float], told: Path) -> bool:
    """Whether one of the tests fails with a mistake."""
    source = mutant.file.read_bytes()
    # Lines keep their numbers.
    lost = b"\\\n" * source[mutant.start : mutant.end].count(b"\n")
    changed = source[: mutant.start] + mutant.now.encode() + lost + source[mutant.end :]
    stat = mutant.file.stat()
    mutant.file.write_bytes(changed)
    # Compiled, the other is still there, and found by its time.
    os.utime(mutant.file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**12))
    try:
        return not passes(tests, told)
    finally:
        mutant.file.write_bytes(source)
        os.utime(mutant.file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def turns(tried: list[Mutant]) -> Iterator[tuple[int, Mutant, list[Path]]]:
    """Every mistake, by its number, with files of its room's tests that it meets at once.

    All meet the file of their module's name first; what is left then meets all others.
    """
    rooms = dict.fromkeys(mutant.file.parts[1] for mutant in tried)
    files = {room: sorted(Path("tests", room).rglob("test_*.py")) for room in rooms}
    for own in (True, False):
        for number, mutant in enumerate(tried, 1):
            name = f"test_{mutant.file.stem}.py"
            met = [file for file in files[mutant.file.parts[1]] if (file.name == name) is own]
            if met:
                yield number, mutant, met


def copied(files: list[str], folder: Path) -> None:
    """Make a copy of what git knows, or make it anew where it differs, and work there."""
    for file in files:
        source, target = ROOT / file, folder / file
        if not target.exists() or target.stat().st_mtime != source.stat().st_mtime:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    os.chdir(folder)
    sys.path[:] = [str(folder), *(each for each in sys.path if Path(each).resolve() != ROOT)]
    os.environ |= {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}


def main() -> None:
    """Print what is noticed and what is not, and how many of how many."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("paths", nargs="*", help="files or folders; three rooms unless named")
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kept", type=Path, required=True, help="the folder of what is known")
    asked = parser.parse_args()
    paths = asked.paths or ["archcalc/operators", "archcalc/analysis", "archcalc/spec"]
    kept: Path = asked.kept.resolve()
    kept.mkdir(parents=True, exist_ok=True)
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = listed.stdout.split("\n")[:-1]
    modules = [
        Path(name)
        for name in files
        if name.endswith(".py") and any(Path(name).is_relative_to(path) for path in paths)
    ]
    every = [mutant for module in modules for mutant in mutants(module)]
    tried = Random(asked.seed).sample(every, min(asked.sample, len(every)))
    for name in LARGE:
        import_module(name)
    copied(files, kept / "copy")
    told = kept / "told"
    judged = kept / "judged.pickle"
    known: dict[tuple[Mutant, Path], str] = {}
    if judged.exists():
        known = pickle.loads(judged.read_bytes())
    found: dict[Mutant, str] = {}
    tests: dict[Path, Tests] = {}
    for number, mutant, group in turns(tried):
        if mutant in found:
            continue
        tests |= {file: Tests(file, kept) for file in group if file not in tests}
        keys = {file: (mutant, tests[file].record) for file in group}
        by = next((known[key] for key in keys.values() if known.get(key)), "")
        left = [] if by else [file for file in group if keys[file] not in known]
        met = {name: s for file in left for name, s in tests[file].meeting(mutant).items()}
        if met and noticed(mutant, dict(sorted(met.items(), key=itemgetter(1))), told):
            by = told.read_text() or "what is imported"
            print(f"{number:4} {mutant}  noticed by {by}", flush=True)
            known[keys[Path(by.partition("::")[0]) if "::" in by else left[0]]] = by
        else:
            known |= {keys[file]: "" for file in left}
        judged.write_bytes(pickle.dumps(known))
        if by:
            found[mutant] = by
    # Whether it was the mistake: those that failed pass without one.
    for name in sorted({*found.values()} - {"what is imported"}):
        seconds = tests[Path(name.partition("::")[0])].seconds
        if not passes({name: seconds[name]}, told):
            print(f"{name} fails without a mistake, too")
    unseen = [mutant for mutant in tried if mutant not in found]
    print(*unseen, sep="\n")
    share = 1 - len(unseen) / len(tried)
    print(
        f"{len(tried) - len(unseen)} of {len(tried)} noticed, {share:.1%} ({len(every)} possible)"
    )


if __name__ == "__main__":
    main()
