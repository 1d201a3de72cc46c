"""The command ``crosscheck``."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner, Result

import archcalc
from archcalc.cli.app import application
from archcalc.operators.base import Work
from archcalc.operators.linear import Linear

NET = """\
name: net
input: [3, 8, 8]
vars: {k: 3}
layers:
  conv: {op: Conv2d, out_channels: 4, kernel_size: =k}
  flatten: Flatten
  fc: {op: Linear, out_features: 2}
"""


def run(*args: str, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(application(), ["crosscheck", *args], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def test_a_network_that_agrees() -> None:
    done = run("lenet5")

    assert (done.exit_code, done.stderr) == (0, "")
    assert "lenet5   meta, c" in done.stdout  # cpu, or cuda
    assert "1 network agrees with PyTorch" in done.stdout


def test_input_batch_variables_and_standard_input() -> None:
    options = ("--set", "k=5", "--input", "9", "--batch", "3", "--device", "meta")
    done = run("-", *options, "--format", "json", stdin=NET)
    (network,) = json.loads(done.stdout)["networks"]

    # 4 filters of 5x5x3 at 5x5 places, and 100 x 2, for 3 inputs.
    assert network["macs"] == 3 * (4 * 75 * 25 + 100 * 2)
    assert network["runs"][0]["batch"] == 3


def test_a_difference_exits_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Linear.work
    monkeypatch.setattr(Linear, "work", lambda self, *x: right(self, *x) + Work(macs=1))
    done = run("-", "--device", "meta", stdin=NET)

    assert done.exit_code == 1
    # 4 x 6 x 6 inputs of 2 features, and one too many.
    assert "net      fc     Linear    MACs  289       288" in done.stdout


def test_a_report_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.xml"
    done = run("lenet5", "--device", "meta", "--format", "junit", "-o", str(path))

    assert (done.exit_code, done.stdout) == (0, "")
    assert '<testsuite name="crosscheck" tests="1"' in path.read_text(encoding="utf-8")


def test_a_page_with_what_was_measured_and_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    page, picture = tmp_path / "page.md", tmp_path / "page.svg"
    options = ("--device", "cpu", "--measure", "--format", "markdown")
    done = run("lenet5", *options, "--plot", str(picture), "-o", str(page))

    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    text = page.read_text(encoding="utf-8")
    assert "| lenet5 | cpu | 13 | 61,706 | 416,520 | agrees |" in text
    assert "**Measured on " in text
    assert "| lenet5 | cpu | float32 | 1 | 416,520 |" in text
    assert text.endswith("![Time against multiply-accumulates](page.svg)\n")
    assert picture.read_bytes().startswith(b"<?xml")


def test_all_networks_are_all_of_the_zoo(monkeypatch: pytest.MonkeyPatch) -> None:
    from archcalc.spec import zoo

    monkeypatch.setattr(zoo, "names", lambda: iter(["lenet5", "alexnet"]))
    done = run("--all", "--device", "meta")

    assert "2 networks agree with PyTorch" in done.stdout


def test_all_networks_go_from_small_to_large() -> None:
    done = run("--all", "--device", "meta", "--limit", "0.001s", "--format", "json")
    left_out = json.loads(done.stdout)["left_out"]

    assert done.exit_code == 0
    # 84,700 multiply-accumulates, and 3.6 million million.
    assert (left_out[0], left_out[-1]) == ("highway-10", "llama3_1_405b")


def test_a_limit_says_what_was_left_out() -> None:
    options = ("lenet5", "mnist-keras", "--device", "meta", "--limit", "0.000001")

    done = run(*options)
    assert done.exit_code == 0
    assert "2 networks left out: lenet5, mnist-keras" in done.stdout
    done = run(*options, "--format", "junit")
    assert '<skipped message="left out"/>' in done.stdout


def test_a_record_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.jsonl"
    options = ("--device", "meta", "--record", str(path))
    assert run("lenet5", *options).exit_code == 0

    ran: list[str] = []
    right = archcalc.crosscheck

    def watched(network: str, **how: Any) -> Any:
        ran.append(network)
        return right(network, **how)

    monkeypatch.setattr(archcalc, "crosscheck", watched)
    done = run("lenet5", "mnist-keras", *options, "--resume")
    assert ran == ["mnist-keras"]
    assert "2 networks agree with PyTorch" in done.stdout
    assert len(path.read_text(encoding="utf-8").splitlines()) == 3


def test_an_interruption_leaves_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.jsonl"
    right = archcalc.crosscheck

    def interrupted(network: str, **how: Any) -> Any:
        if network == "mnist-keras":
            raise KeyboardInterrupt
        return right(network, **how)

    monkeypatch.setattr(archcalc, "crosscheck", interrupted)
    networks = ("lenet5", "mnist-keras", "resnet18")
    done = run(*networks, "--device", "meta", "--record", str(path))
    assert done.exit_code == 130
    assert "2 networks left out: mnist-keras, resnet18" in done.stdout
    monkeypatch.setattr(archcalc, "crosscheck", right)
    done = run(*networks, "--device", "meta", "--record", str(path), "--resume")
    assert (done.exit_code, "3 networks agree" in done.stdout) == (0, True)


def test_processes_say_what_one_says(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(NET)
    options = ("--device", "cpu", "--measure", "--set", "k=5", "--input", "9", "--format", "json")
    command = [sys.executable, "-m", "archcalc", "crosscheck", str(tmp_path / "net.yaml"), *options]
    one, two = (
        subprocess.run([*command, "--jobs", jobs], capture_output=True, text=True, check=True)
        for jobs in ("1", "2")
    )

    assert (one.stderr, two.stderr) == ("", "")
    (here,), (there,) = (json.loads(done.stdout)["networks"] for done in (one, two))
    # 4 filters of 5x5x3 at 5x5 places, and 100 x 2.
    assert here["macs"] == there["macs"] == 4 * 75 * 25 + 100 * 2
    assert there["runs"][0]["measured"]["seconds"] > 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["lenet5", "--resume"], "--resume goes on with a record: --record FILE"),
        (["lenet5", "--limit", "soon"], "--limit soon: is no time\n  write 90s, 8m or 1h"),
        (["lenet5", "--limit", "0"], "--limit 0: is no time"),
        (["lenet5", "--record", "/nowhere/a"], "can't be written: No such file or directory"),
        ([], "name networks, or say --all"),
        (["lenet5", "--all"], "name networks, or say --all"),
        (["lenet55"], "did you mean 'lenet5'?"),
        (["lenet5", "--device", "gpu"], "no device 'gpu'\n  did you mean 'cpu'?"),
        (["lenet5", "--dtype", "float32,float23"], "no dtype 'float23'"),
        (["lenet5", "--format", "csv"], "no format 'csv'"),
        (["lenet5", "--set", "device=1"], "can only be set in the spec"),
        (["lenet5", "--device", "meta", "--measure"], "nothing to measure"),
        (["lenet5", "--plot", "a.svg"], "--plot draws what is measured: --measure"),
        (["lenet5", "--plot", "a.gif", "--measure"], "name a file that ends in .svg or .png"),
    ],
)
def test_what_can_t_be_run_is_told(args: list[str], message: str) -> None:
    done = run(*args)

    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_cuda_is_refused() -> None:
    done = run("lenet5", "--device", "cuda", "--measure")

    assert done.exit_code == 2
    assert "PyTorch finds no CUDA device here" in done.stderr


def test_without_pytorch_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    done = run("lenet5")

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "PyTorch is not installed: pip install 'archcalc[torch]'\n"


def on_a_terminal(*args: str) -> tuple[str, str]:
    """What a command prints where standard error is a terminal: that, and standard output."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-c", "from archcalc.cli import main; main()", *args]
    environment = {**os.environ, "COLUMNS": "80", "TERM": "xterm-256color"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=follower, env=environment, text=True
    )
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
    os.close(leader)
    assert process.stdout is not None
    with process.stdout as stream:
        printed = stream.read()
    assert process.wait(120) == 0
    return shown.decode(), printed


def test_progress_is_for_terminals_and_the_table_for_standard_output() -> None:
    shown, printed = on_a_terminal("crosscheck", "lenet5", "mnist-keras", "--device", "meta")

    assert "2/2" in shown
    assert "mnist-keras" in shown
    assert "agrees" not in shown
    assert "2 networks agree with PyTorch" in printed
    assert "\x1b" not in printed


THEIRS = """\
from torch import nn

def right():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))

def wrong():
    return nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.Flatten(), nn.Linear(144, 2))
"""


def test_a_spec_against_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.yaml").write_text(NET)
    (tmp_path / "theirs_of_a_test.py").write_text(THEIRS)
    monkeypatch.chdir(tmp_path)

    done = run("net.yaml", "--against", "theirs_of_a_test:right")
    assert done.exit_code == 0
    assert "agrees: 2 layers with weights or MACs are the same" in done.stdout
    # The module has an activation that the spec lacks, which changes nothing that is counted.
    assert "fc is the first to compute other values" in done.stdout
    done = run("net.yaml", "--against", "theirs_of_a_test.py:wrong", "--format", "json")
    assert done.exit_code == 1
    (difference,) = json.loads(done.stdout)["differences"]
    assert (difference["layer"], difference["what"]) == ("conv", "weights")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["lenet5", "--against", "nowhere"], "write package.module:factory, or file.py:factory"),
        (["lenet5", "--against", "no_such_module:f"], "can't be imported"),
        (["lenet5", "alexnet", "--against", "a:b"], "--against compares one network"),
        (["--all", "--against", "a:b"], "--against compares one network"),
        (["lenet5", "--against", "a:b", "--measure"], "measures nothing"),
        (["lenet5", "--against", "a:b", "--format", "junit"], "no format with --against 'junit'"),
    ],
)
def test_what_can_t_be_compared_is_told(args: list[str], message: str) -> None:
    done = run(*args)

    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr


def test_layers_frozen_from_outside_have_no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("-", "--frozen", "conv", stdin=NET)
    assert (done.exit_code, done.stderr) == (0, "")

    # A module that trains them all the same is found out.
    monkeypatch.setattr(torch.nn.Module, "requires_grad_", lambda self, _: self)
    done = run("-", "--frozen", "conv", "--device", "meta", stdin=NET)
    assert done.exit_code == 1
    assert "frozen in torch.float32" in done.stdout
    assert "requires_grad=True" in done.stdout

    done = run("-", "--frozen", "fcc", stdin=NET)
    assert done.exit_code == 2
    assert "no layer is called 'fcc'" in done.stderr
    done = run("lenet5", "--frozen", "c1", "--against", "torch.nn:Linear")
    assert (done.exit_code, "leave --frozen out" in done.stderr) == (2, True)
