"""The command that finds the largest network inside a budget."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import archcalc
from archcalc.cli.app import application


def run(*args: str) -> Result:
    result = CliRunner().invoke(application("fit"), ["fit", *args])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def test_the_answer_and_one_step_up() -> None:
    result = run("mobilenet_v1", "--at-most", "macs=300M", "--vary", "width")

    assert result.exit_code == 0
    assert "\nwidth = 0.7\n" in result.stdout
    assert "one step up:\n  width = 0.75: " in result.stdout


def test_json_and_a_spec(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    result = run(
        *("mobilenet_v2", "--at-most", "macs=150M,params=3.5M", "--vary", "width"),
        *("--vary", "side=96:224:32", "--emit", str(path), "--format", "json"),
    )
    data = json.loads(result.stdout)

    assert data["totals"]["macs"] <= 150_000_000
    assert archcalc.analyze(archcalc.load(path)).macs == data["totals"]["macs"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--at-most", "macs=many", "--vary", "side"], "such as macs=300M"),
        (["--at-most", "macs=1M,macs=2M", "--vary", "side"], "given twice"),
        (["--at-most", "macs=1", "--vary", "width"], "nothing fits"),
        (["--at-most", "macs=1G"], "nothing is varied"),
        (["--at-most", "macs=1G", "--vary", "width", "--format", "csv"], "no format 'csv'"),
    ],
)
def test_a_mistake_is_explained_and_exits_with_2(args: list[str], message: str) -> None:
    result = run("resnet18", *args)

    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""
