"""The pre-commit hooks and the GitHub Action that the repository defines."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import sysconfig
from os import environ, pathsep
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
NET = """\
name: net
input: [3, 32, 32]
layers:
  conv: {op: Conv2d, out_channels: 8, kernel_size: 3}
documented:
  - {quantity: params, value: VALUE, source: a page}
"""
PATH = pathsep.join((sysconfig.get_path("scripts"), environ["PATH"]))


def definition(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


HOOKS = {hook["id"]: hook for hook in definition(".pre-commit-hooks.yaml")}


def test_pre_commit_takes_the_hooks() -> None:
    program = "import sys; from pre_commit.clientlib import load_manifest as f; f(sys.argv[1])"
    path = str(ROOT / ".pre-commit-hooks.yaml")
    subprocess.run([sys.executable, "-c", program, path], check=True)


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize(("value", "holds"), [("224", True), ("225", False)])
def test_a_hook_fails_where_a_number_does_not_hold(
    tmp_path: Path, hook: str, value: str, holds: bool
) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(NET.replace("VALUE", value))
    command = [*shlex.split(HOOKS[hook]["entry"]), str(path)]
    done = subprocess.run(command, env={**environ, "PATH": PATH}, check=False, capture_output=True)
    assert (done.returncode == 0) is (holds or hook != "archcalc-check")


def test_hooks_are_for_specs() -> None:
    for hook in HOOKS.values():
        for path in ("specs/vgg.yaml", "nets/specs/a.yml", "specs/examples/stacks.yaml"):
            assert re.search(hook["files"], path)
        for path in ("specs/spec.schema.json", "mkdocs.yml", "myspecs/a.yaml"):
            assert not re.search(hook["files"], path)


ACTION = definition("action.yml")


def test_the_action_is_composed_of_steps_with_a_shell() -> None:
    assert ACTION["runs"]["using"] == "composite"
    for step in ACTION["runs"]["steps"]:
        assert ("uses" in step) != ("run" in step and step["shell"] == "bash")
    assert set(ACTION["inputs"]) == {"specs", "python-version", "run-code", "install"}


@pytest.mark.parametrize(("value", "code"), [("224", 0), ("225", 1), ("many", 2)])
def test_the_step_of_the_action_marks_what_is_wrong(tmp_path: Path, value: str, code: int) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(NET.replace("VALUE", value))
    (step,) = (step for step in ACTION["runs"]["steps"] if step.get("name") == "Check")
    inputs = {"SPECS": "specs", "RUN_CODE": "run-code"}
    assert step["env"] == {word: f"${{{{ inputs.{name} }}}}" for word, name in inputs.items()}
    script = tmp_path / "step.sh"
    script.write_text(step["run"])
    summary = tmp_path / "summary.md"
    done = subprocess.run(
        # As GitHub runs a step whose shell is bash.
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
        env={**environ, "PATH": PATH, "SPECS": "*.yaml", "GITHUB_STEP_SUMMARY": str(summary)},
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == code
    assert done.stdout.count("::error file=") == (0 if code == 0 else 2)
    assert ("2 numbers" in summary.read_text()) is (code < 2)


def test_the_action_runs_code_where_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from torch import nn\nbuild = lambda: nn.Linear(3, 4)\n")
    (tmp_path / "net.yaml").write_text(
        "network: torch:mine.py:build\ninput: '3'\nbudget: [{quantity: params, at_most: 16}]\n"
    )
    (step,) = (step for step in ACTION["runs"]["steps"] if step.get("name") == "Check")
    given = {"PATH": PATH, "SPECS": "net.yaml", "GITHUB_STEP_SUMMARY": str(tmp_path / "s.md")}
    for said, code in (("false", 2), ("true", 0)):
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            env={**environ, **given, "RUN_CODE": said},
            cwd=tmp_path,
            check=False,
            capture_output=True,
        )
        assert done.returncode == code
