"""The command that says why a number is what it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import archcalc
from archcalc.cli.app import application

NET = """\
name: net
input: [3, 9, 9]
vars: {width: 4}
layers:
  conv: {op: Conv2d, out_channels: =width, kernel_size: 3}
"""


def run(*args: str, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(application(), ["explain", *args], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


@pytest.mark.parametrize("layer", [None, "conv1", "layer1", "layer1.0.conv1"])
@pytest.mark.parametrize("form", ["text", "markdown", "latex"])
def test_it_prints_what_the_library_says(layer: str | None, form: str) -> None:
    result = run("resnet18", *([layer] if layer else []), "--format", form)
    assert result.exit_code == 0
    assert result.stdout == archcalc.explain(archcalc.load("resnet18"), layer, format=form)


def test_inputs_batches_and_variables(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(NET)
    result = run(str(path), "conv", "--input", "11", "--batch", "2", "--set", "width=5")
    # (3 * 3 * 3 + 1) * 5; 27 multiplications for 5 channels of 2 pictures of 9 x 9
    assert "(3*3*3 + 1)*5 = 140" in result.stdout
    assert "3*3*3*5*2*9*9 = 21,870" in result.stdout


def test_standard_input() -> None:
    assert "(3*3*3 + 1)*4 = 112" in run("-", "conv", stdin=NET).stdout


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("alexnet", "conv11"), "no layer 'conv11' in alexnet\n  did you mean 'conv1'?"),
        (("alexnet", "conv1", "--format", "html"), "no format 'html'"),
        (("alexnett",), "did you mean"),
        (("alexnet", "--set", "layer=3"), "'layer' can only be set in the spec"),
    ],
)
def test_mistakes_are_named(args: tuple[str, ...], message: str) -> None:
    result = run(*args)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not result.stdout


def test_a_file_is_written(tmp_path: Path) -> None:
    target = tmp_path / "conv1.tex"
    assert run("alexnet", "conv1", "--format", "latex", "-o", str(target)).stdout == ""
    assert "34{,}944" in target.read_text()
