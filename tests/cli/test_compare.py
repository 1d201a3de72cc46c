"""The commands that hold networks against each other."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from archcalc.cli.app import application
from archcalc.report.claims.columns import COLUMNS
from archcalc.report.layers.diff import MARKS

NET = """\
name: net
input: [3, 8, 8]
vars: {k: 3}
layers:
  conv: {op: Conv2d, out_channels: 4, kernel_size: =k}
"""


def run(*args: str, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(application(), args, input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def on_a_terminal(*args: str, columns: int) -> str:
    """What a command prints on a terminal of so many columns."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-c", "from archcalc.cli import main; main()", *args]
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(command, stdout=follower, stderr=follower, env=environment)
    os.close(follower)
    shown = b""
    while True:
        try:
            chunk = os.read(leader, 65536)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    assert process.wait(60) == 0
    os.close(leader)
    return shown.decode()


def test_without_names_the_usual_four_are_compared() -> None:
    shown = run("compare").stdout
    assert all(name in shown for name in ("alexnet", "vgg16", "googlenet", "resnet152"))


def test_input_and_variables_are_of_all(tmp_path: Path) -> None:
    data = json.loads(
        run("compare", "vgg16", "alexnet", "--input", "256", "--format", "json").stdout
    )
    assert [network["inputs"]["input"] for network in data["networks"]] == [[1, 3, 256, 256]] * 2
    path = tmp_path / "net.yaml"
    path.write_text(NET)
    data = json.loads(run("compare", str(path), "--set", "k=5", "--format", "json").stdout)
    assert data["networks"][0]["params"] == 5 * 5 * 3 * 4 + 4


def test_standard_input_is_compared() -> None:
    assert "112" in run("compare", "-", "vgg16", stdin=NET).stdout


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_picture_is_written_beside_the_table(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / f"chart.{suffix}"
    result = run("compare", "vgg16", "lenet5", "--plot", str(path))
    assert result.exit_code == 0
    assert path.stat().st_size > 5_000
    assert "vgg16" in result.stdout
    assert "not drawn, without a top-5 accuracy: lenet5" in result.stderr
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["vgg61"], "did you mean 'vgg1"),
        (["--convention", "flop"], "no convention"),
        (["--sort", "weight"], "can't sort by"),
        (["--columns", "parms"], "did you mean 'params'"),
        (["--bars", "year"], "no bars of 'year'"),
        (["--bars", "params", "--format", "csv"], "--format table"),
        (["--plot", "chart.gif"], ".svg or .png"),
        (["--set", "convention=1"], "can only be set in the spec"),
        (["--input", "x"], "is no shape"),
        (["--format", "xml"], "no format"),
    ],
)
def test_what_compare_can_t_use_is_told(args: list[str], message: str) -> None:
    result = run("compare", *args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_a_terminal_gets_the_columns_that_fit() -> None:
    shown = on_a_terminal("compare", "--bars", "params", columns=80)
    assert "\x1b[1;36m" in shown
    assert "columns left out to fit 80 characters: salient feature" in shown
    rule = next(line for line in shown.splitlines() if "-----" in line)
    assert rule.count("-") <= 80


def test_a_terminal_gets_a_difference_in_colours() -> None:
    shown = on_a_terminal("diff", "alexnet", "alexnet-2gpu", columns=100)
    line = next(line for line in shown.splitlines() if "groups 1 -> 2" in line)
    assert line.startswith("\x1b[33m~")


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["vgg16", "vgg19"], 0),
        (["vgg16", "vgg19", "--exit-code"], 1),
        (["vgg16", "vgg16", "--exit-code"], 0),
        (["vgg16", "vgg61"], 2),
        (["-", "-"], 2),
        (["vgg16", "vgg19", "--format", "xml"], 2),
        (["vgg16", "vgg19", "--set", "depth=1"], 2),
    ],
)
def test_exit_codes_of_diff(args: list[str], code: int) -> None:
    result = run("diff", *args)
    assert result.exit_code == code
    assert bool(result.stderr) is (code == 2)


def test_two_versions_of_one_file_are_compared(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(NET)
    before = NET.replace("k: 3", "k: 1")
    shown = run("diff", "-", str(path), stdin=before).stdout
    assert "kernel_size 1 -> 3" in shown
    assert shown.startswith(f"- -> {path}")


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_a_difference_can_be_written_to_a_file(tmp_path: Path, form: str) -> None:
    target = tmp_path / "diff"
    assert run("diff", "vgg16", "vgg19", "--format", form, "-o", str(target)).exit_code == 0
    assert target.read_text() == run("diff", "vgg16", "vgg19", "--format", form).stdout


@pytest.mark.parametrize("command", ["compare", "diff"])
def test_help_has_examples(command: str) -> None:
    assert f"archcalc {command} " in run(command, "--help").stdout


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_is_named_in_the_help_and_on_the_page(column: str) -> None:
    page = Path(__file__).parents[2] / "docs" / "comparing.md"
    assert f"`{column}`" in page.read_text(encoding="utf-8")
    words = run("compare", "--help").stdout.replace("\n", " ").split()
    assert column in [word.strip(",.") for word in words]


@pytest.mark.parametrize("mark", [mark for mark in MARKS.values() if mark])
def test_every_mark_is_explained(mark: str) -> None:
    page = Path(__file__).parents[2] / "docs" / "comparing.md"
    assert f"\n| `{mark}` |" in page.read_text(encoding="utf-8")


def test_networks_are_measured() -> None:
    done = run("compare", "lenet5", "--measure", "--format", "json")
    (network,) = json.loads(done.stdout)["networks"]

    assert network["measured"]["batch"] == 1
    assert 0 < network["measured"]["seconds"] < 10


def test_without_pytorch_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    done = run("compare", "lenet5", "--measure")

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "PyTorch is not installed: pip install 'archcalc[torch]'\n"
