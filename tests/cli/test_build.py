"""The command ``build``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from archcalc.cli.app import application


def run(*args: str) -> Result:
    return CliRunner().invoke(application("build", "list"), ["build", *args])


def test_the_modules_are_printed_as_pytorch_prints_them() -> None:
    said = run("resnet18").stdout

    assert said.startswith("Network(\n  (conv1): Conv2d(3, 64, kernel_size=(7, 7)")
    assert "  (fc): Linear(in_features=512, out_features=1000, bias=True)\n)\n" in said


def test_weights_are_written_for_torch_load(tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        done = run("lenet5", "--output", str(tmp_path / name), "--seed", seed, "--dtype", "float16")
        assert (done.exit_code, done.stdout) == (0, "")
    a, b, c = (torch.load(tmp_path / name) for name in "abc")

    # LeNet-5's tables: 61,706 parameters.
    assert sum(tensor.numel() for tensor in a.values()) == 61_706
    assert {tensor.dtype for tensor in a.values()} == {torch.float16}
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert not all(torch.equal(a[key], c[key]) for key in a)


def test_a_variable_and_the_input_are_set() -> None:
    assert "out_features=7," in run("resnet18", "--set", "classes=7").stdout
    assert "in_features=512, out_features=4096" in run("vgg16", "--input", "32").stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("lenet5", "--dtype", "flot16"), "no dtype 'flot16': did you mean 'float16'?"),
        (("lenet", "--set", "device=3"), "'device' can only be set in the spec"),
        (("lenet55",), "did you mean 'lenet5'?"),
    ],
)
def test_what_makes_no_network_is_refused(args: tuple[str, ...], said: str) -> None:
    done = run(*args)

    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


def test_without_pytorch_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    done = run("lenet5")

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "PyTorch is not installed: pip install 'archcalc[torch]'\n"
