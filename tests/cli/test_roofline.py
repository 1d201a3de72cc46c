"""The command that says the least time on a machine."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import archcalc
from archcalc.cli.app import application

MINE = """\
name: mine
bandwidth: {printed: 10 GB/s, source: by me}
peaks:
  float32: {printed: 100 GFLOP/s, source: by me}
"""


def run(*args: str) -> Result:
    result = CliRunner().invoke(application("roofline"), ["roofline", *args])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def test_without_a_network_the_machines_are_listed_with_their_sources() -> None:
    text = run().stdout

    for machine in archcalc.machines():
        assert f"\n{machine.name}\n" in text
    assert "1,979 TFLOP/s with sparsity" in text
    assert "Coral USB Accelerator datasheet" in text


def test_a_bound_says_what_binds_where_its_numbers_are_from_and_whether_it_fits() -> None:
    text = run("resnet50", "--on", "h100", "--dtype", "bfloat16", "--batch", "8").stdout

    assert "the least time, which no run is below" in text
    assert "least time  " in text
    assert "latency" not in text
    assert "half of 1,979 TFLOP/s with sparsity" in text
    assert "of 80 GB: fits" in text
    assert "NVIDIA H100 Tensor Core GPU datasheet" in text


def test_json_and_csv_add_up_to_the_librarys_time(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(MINE)
    options = ("--on", str(tmp_path / "mine.yaml"), "--batch", "2", "--fusion", "none")
    data = json.loads(run("resnet18", *options, "--format", "json").stdout)
    rows = [*csv.DictReader(StringIO(run("resnet18", *options, "--format", "csv").stdout))]
    bound = archcalc.roofline(
        archcalc.load("resnet18"), str(tmp_path / "mine.yaml"), batch=2, fusion="none"
    )

    assert data["least_seconds"] == bound.seconds
    assert sum(int(row["bytes"]) for row in rows) == bound.bytes
    assert len(rows) == len(data["kernels"]) == len(bound.kernels)


def test_here_is_measured_once_and_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    from archcalc.pytorch import here

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(here, "COPIED", 2**22)
    monkeypatch.setattr(here, "SIDES", {"cpu": (64,), "cuda": (256,)})
    monkeypatch.setattr(here, "SECONDS", 0.01)
    first = run("lenet5", "--on", "here", "--measured", "--format", "json")
    file = tmp_path / "archcalc" / "machines" / "here.yaml"
    kept = file.read_bytes()
    second = run("lenet5", "--on", "here", "--format", "json")

    one, other = json.loads(first.stdout), json.loads(second.stdout)
    assert one["machine"] == other["machine"]
    assert one["measured_seconds"] > 0
    assert file.read_bytes() == kept
    # Measured anew, what was faster before counts.
    fast = kept.replace(b"bandwidth:\n  printed: ", b"bandwidth:\n  printed: 1")
    file.write_bytes(fast)
    third = json.loads(run("lenet5", "--on", "here", "--again", "--format", "json").stdout)
    assert third["machine"]["bandwidth"]["printed"].startswith("1")
    assert third["machine"]["bandwidth"]["value"] > one["machine"]["bandwidth"]["value"]
    assert third["machine"]["peak"]["value"] >= one["machine"]["peak"]["value"]


def test_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    first, second = tmp_path / "first.svg", tmp_path / "second.svg"
    for path in (first, second):
        assert run("resnet18", "--plot", str(path)).exit_code == 0
    assert first.read_bytes() == second.read_bytes()

    refused = run("lenet5", "--on", "coral", "--dtype", "int8", "--plot", str(first))
    assert refused.exit_code == 2
    assert "the bandwidth of coral-edge-tpu is not known" in refused.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--on", "h10"], "did you mean 'h100'"),
        (["--on", "none.yaml"], "none.yaml"),
        (["--dtype", "float8", "--on", "a100"], "its peaks are of"),
        (["--dtype", "bfloat16", "--on", "m2"], "float32; ask in float32: --dtype float32"),
        (["--fusion", "some"], "none, elementwise, all"),
        (["--again"], "--on here"),
        (["--measured"], "--on here"),
        (["--plot", "x.pdf"], "ends in .svg or .png"),
        (["--detail", "all"], "layer, stage"),
    ],
)
def test_a_mistake_is_explained_and_exits_with_2(args: list[str], message: str) -> None:
    result = run("resnet18", *args)

    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""
