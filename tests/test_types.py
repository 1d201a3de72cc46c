"""What a type checker knows of the library in somebody's program: sizes and counts are ints."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
from typing import assert_type

import archcalc

network = archcalc.load("resnet50")
analysis = archcalc.analyze(network, batch=2, input=(3, 160, 160), width=32)
assert_type(analysis.params + analysis.macs + analysis.flops + analysis.work.adds, int)
assert_type([row.params for row in analysis.rows], list[int])
assert_type(analysis.row("fc").shape, tuple[int, ...])
assert_type(archcalc.memory(network).total, int)
share: dict[str, float] = {row.name: row.macs / analysis.macs for row in analysis.rows}
print(max(share, key=lambda name: share[name]), f"{analysis.params:,}")
"""

# What the library only reads of others would take most of the time.
CONFIG = """
[mypy]
strict = true
[mypy-torch.*,numpy.*,sympy.*,rich.*,matplotlib.*,typer.*]
follow_imports = skip
"""


def checked(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / "user.py"
    file.write_text(script, encoding="utf-8")
    config, cache = folder / "mypy.ini", folder / "cache"
    config.write_text(CONFIG, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", f"--config-file={config}", f"--cache-dir={cache}"]
    root = Path(__file__).parent.parent
    return subprocess.run(
        [*command, str(file)], cwd=root, capture_output=True, text=True, check=False
    )


def test_numbers_are_ints_to_a_type_checker(tmp_path: Path) -> None:
    found = checked(SCRIPT, tmp_path)
    assert found.returncode == 0, found.stdout
    wrong = checked(SCRIPT.replace("list[int]", "list[str]"), tmp_path)
    assert "list[int]" in wrong.stdout
    assert wrong.returncode == 1


def test_the_script_runs() -> None:
    exec(compile(SCRIPT, "user.py", "exec"), {})
