"""The command that says what a cheaper design saves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import archcalc
from archcalc.cli.app import application


def run(*args: str) -> Result:
    result = CliRunner().invoke(application(), ["savings", *args])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def test_without_a_network_the_examples_are_shown() -> None:
    result = run()
    assert result.exit_code == 0
    assert "12,443,648" in result.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["vgg16"], "--rewrite says"),
        (["--rewrite", "separable"], "name the network"),
        (["vgg16", "--rewrite", "botleneck:4"], "did you mean 'bottleneck'"),
        (["vgg16", "--rewrite", "bottleneck:0"], "from 2"),
        (["vgg16", "--rewrite", "groups:7"], "groups:7 fits no convolution"),
        (["vgg16", "--rewrite", "separable", "--convention", "fvcor"], "did you mean 'fvcore'"),
        (
            ["vgg16", "--rewrite", "separable", "--set", "convention=1"],
            "can only be set in the spec",
        ),
        (["--convention", "fvcor"], "did you mean 'fvcore'"),
        (["--convention", "torch"], "--convention is for a network"),
        (["vgg61", "--rewrite", "separable"], "no network of this name"),
        (["vgg16", "--rewrite", "separable", "--emit", "-"], "name a file"),
        (["vgg16", "--rewrite", "separable", "--format", "xml"], "no format 'xml'"),
        (["vgg16", "--rewrite", "separable", "--input", "many"], "is no shape"),
        (["vgg16", "--rewrite", "separable", "--set", "sied=9"], "did you mean 'side'"),
    ],
)
def test_bad_input_is_refused(args: list[str], said: str) -> None:
    result = run(*args)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not result.stdout


def test_the_convention_of_the_examples_is_that_of_their_sources() -> None:
    assert run("--convention", "MACs").stdout == run().stdout


def test_the_convention_counts_the_work() -> None:
    # 5x5 of 1 -> 6 at 28x28: 784 * 6 * 25 multiply-accumulates, two each; then 784 * (25 + 6).
    result = run("lenet5", "--rewrite", "separable", "--convention", "torch", "--format", "csv")
    header, c1, *_ = result.stdout.splitlines()

    assert "params_after,torch,torch_after," in header
    assert ",156,38,235200,48608," in c1


@pytest.mark.parametrize("name", ["net.yaml", "net.json"])
def test_the_emitted_spec_is_valid_and_gives_the_printed_numbers(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    args = ["resnet18", "--rewrite", "lowrank:32", "--input", "160", "--set", "classes=10"]
    result = run(*args, "--emit", str(path), "--format", "json")
    assert result.exit_code == 0
    assert archcalc.validate(path) == []

    analysis = archcalc.analyze(archcalc.load(path))
    after = json.loads(result.stdout)["after"]
    macs = analysis.macs
    assert after == {"params": analysis.params, "macs": macs, "work": macs}
    assert analysis.rows[-1].shape == (1, 10)
    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_a_file_that_is_there_is_replaced_by_force_only(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text("mine")
    args = ["lenet5", "--rewrite", "separable", "--emit", str(path)]

    assert run(*args).exit_code == 2
    assert path.read_text() == "mine"
    assert run(*args, "--force").exit_code == 0
    assert archcalc.load(path).name == "lenet5-separable"


def test_the_output_can_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "savings.md"
    args = ["lenet5", "--rewrite", "separable", "--format", "markdown"]
    assert run(*args, "-o", str(path)).exit_code == 0
    assert path.read_text() == run(*args).stdout
