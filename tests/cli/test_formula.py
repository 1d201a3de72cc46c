"""The command that prints closed forms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from archcalc.cli.app import application


def run(*args: str) -> Result:
    result = CliRunner().invoke(application("formula"), ["formula", *args])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def test_the_default_is_a_multiple_of_the_total_stride() -> None:
    shown = run("resnet152").stdout

    assert "side = 32 k, k >= 1 (224 is k = 7)" in shown
    assert "MACs         234,930,176 k^2 + 2,048,000\n" in shown


def test_python_that_is_printed_runs() -> None:
    names: dict[str, object] = {}
    exec(run("resnet50", "--in", "N,side", "--format", "python").stdout, names)
    resnet50 = names["resnet50"]

    assert callable(resnet50)
    # torchvision's 25,557,032 parameters and 4,089,184,256 multiply-accumulates, of four images.
    assert resnet50(4, 224)["params"] == 25_557_032
    assert resnet50(4, 224)["macs"] == 4 * 4_089_184_256
    with pytest.raises(ValueError, match="side=225"):
        resnet50(4, 225)


def test_json_has_the_forms_of_every_stage() -> None:
    data = json.loads(run("vgg16", "--detail", "stage", "--format", "json").stdout)

    # Two 3x3 convolutions with biases: 3 to 64 channels, and 64 to 64.
    assert data["lines"][0]["name"] == "conv1"
    assert data["lines"][0]["params"] == str(9 * 3 * 64 + 64 + 9 * 64 * 64 + 64)
    assert data["lines"][-1]["name"] == ""


def test_a_file_is_written(tmp_path: Path) -> None:
    path = tmp_path / "forms.tex"

    assert run("resnet18", "--format", "latex", "-o", str(path)).exit_code == 0
    assert r"\begin{align*}" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--in", "sid"], "did you mean 'side'"),
        (["--layer", "conv9"], "no layer 'conv9'"),
        (["--format", "pdf"], "no format 'pdf'"),
        (["--set", "width=0"], "should be at least 1"),
    ],
)
def test_a_mistake_is_explained_and_exits_with_2(args: list[str], message: str) -> None:
    result = run("resnet50", *args)

    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""
