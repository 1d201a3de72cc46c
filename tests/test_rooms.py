"""Imports point one way, and what is heavy is imported only where it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import archcalc

PACKAGE = Path(archcalc.__file__).parent

# Each room may import from itself and from those before it.
ROOMS = [
    ["errors", "dims", "values"],
    ["document"],
    ["algebra"],
    ["operators"],
    ["spec"],
    ["frontends"],
    ["analysis"],
    ["claims", "pytorch", "space"],
    ["report"],
    ["page"],
    ["cli"],
    ["pytest_plugin", "__main__"],
]
LEVEL = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}

MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> list[str]:
    """Full names of the modules, or of what is taken from them, that code imports anywhere."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_from_those_before_it(path: Path) -> None:
    room = room_of(path)
    for name in imported(ast.parse(path.read_text(encoding="utf-8"))):
        parts = name.split(".")
        if parts[0] != "archcalc":
            continue
        # The package's front is above all rooms but the command line.
        other = parts[1] if len(parts) > 1 and parts[1] in LEVEL else "cli"
        below = LEVEL[other] < LEVEL[room]
        assert other == room or below, f"{path} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_what_is_about_pytorch_imports_torch(path: Path) -> None:
    names = imported(ast.parse(path.read_text(encoding="utf-8")))
    at_home = PACKAGE / "frontends" / "torch" in path.parents
    if room_of(path) != "pytorch" and not at_home:
        assert not [name for name in names if name.split(".")[0] == "torch"]


# What is kept between runs, and a stream of many rows, which is no document.
OWN_TEXT = {"report/specs/index.py", "report/runs/record.py", "report/families/sweep.py"}


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if room_of(path) == "report"],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_no_report_prints_a_format_of_its_own(path: Path) -> None:
    names = {name.partition(".")[0] for name in imported(ast.parse(path.read_text("utf-8")))}
    assert not names & {"json", "csv"} or str(path.relative_to(PACKAGE)) in OWN_TEXT


def at_run_time(tree: ast.AST) -> ast.AST:
    """Code without what only type checkers see."""

    class Without(ast.NodeTransformer):
        def visit_If(self, node: ast.If) -> ast.AST | None:
            return None if ast.unparse(node.test) == "TYPE_CHECKING" else node

    return Without().visit(tree)  # type: ignore[no-any-return]


def test_no_module_leads_back_to_itself() -> None:
    names = {
        ".".join(("archcalc", *path.relative_to(PACKAGE).with_suffix("").parts)): path
        for path in MODULES
    }
    modules = {name.removesuffix(".__init__"): path for name, path in names.items()}
    leads: dict[str, set[str]] = {}
    for name, path in modules.items():
        tree = at_run_time(ast.parse(path.read_text(encoding="utf-8")))
        found = {
            other if other in modules else other.rpartition(".")[0] for other in imported(tree)
        }
        leads[name] = {other for other in found if other in modules} - {name}
    while free := {name for name, others in leads.items() if not others & leads.keys()}:
        leads = {name: others for name, others in leads.items() if name not in free}
    # What is left lies on a circle, or leads to one.
    assert not leads


HEAVY = {"torch", "sympy", "numpy", "matplotlib", "pandas"}


def loaded_by(program: str) -> set[str]:
    code = (
        f"import sys\n{program}\nprint(*(m for m in sys.modules if '.' not in m), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_a_table_is_made_without_heavy_libraries() -> None:
    program = "import archcalc; print(archcalc.table(archcalc.load('googlenet')))"
    assert not loaded_by(program) & HEAVY


def test_the_command_makes_a_table_without_heavy_libraries() -> None:
    program = (
        "from archcalc.cli.app import application\n"
        "application('table')(['table', 'googlenet'], standalone_mode=False)"
    )
    assert not loaded_by(program) & {*HEAVY, "rich"}


def test_everything_but_sympy_s_own_expressions_works_without_it() -> None:
    program = """
import sys
sys.modules["sympy"] = None
import archcalc
from archcalc.space.formula import formula
spec = archcalc.load("resnet18")
found = archcalc.formula(spec, "side,N", floors=True)
assert found(side=224, N=3)["params"] == 11689512
archcalc.explain(spec, "conv1"), archcalc.memory(spec), archcalc.sweep(spec, side=[224, 256])
archcalc.check(spec), archcalc.diff(spec, archcalc.load("resnet34"))
archcalc.fit(spec, {"macs": 10**9}, vary="side")
try:
    found.to_sympy()
except archcalc.ArchcalcError as error:
    assert "pip install 'archcalc[sympy]'" in str(error)
else:
    raise AssertionError
"""
    loaded_by(program)


def test_what_is_analyzed_once_is_not_recorded() -> None:
    code = "import sys, archcalc; archcalc.table(archcalc.load('googlenet'))\n"
    code += "print(*(m for m in sys.modules if m.startswith('archcalc.algebra')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not done.stdout.split()
