"""The command that says what a network takes in memory."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import archcalc
from archcalc.cli.app import application


def run(*args: str) -> Result:
    result = CliRunner().invoke(application("memory"), ["memory", *args])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def test_inference_says_what_is_there_at_the_peak() -> None:
    text = run("lenet5").stdout

    # 61,706 parameters as LeCun's table has them with full connections, of 4 bytes each.
    assert "weights  " in text
    assert "246,824" in text
    # Two maps of 6 x 28 x 28: before and after the first activation.
    assert "What is live at tanh1, where most is" in text
    assert text.count("18,816") == 2
    assert "what kernels work in" in text
    assert "optimizer" not in text


def test_json_is_the_librarys() -> None:
    options = ("--training", "--optimizer", "adamw", "--master", "--checkpoint", "4")
    data = json.loads(run("resnet18", *options, "--batch", "3", "--format", "json").stdout)
    found = archcalc.memory(
        archcalc.load("resnet18"),
        "bfloat16",
        training=True,
        optimizer="adamw",
        master=True,
        checkpoint=4,
        batch=3,
    )

    assert (data["total"], data["most"]) == (found.total, found.most)
    assert data["bytes"]["optimizer"] == found.states
    assert sum(t["bytes"] for t in data["tensors"]) + data["bytes"]["again"] == found.activations


def test_csv_is_a_line_a_layer_as_it_runs() -> None:
    rows = [*csv.DictReader(StringIO(run("lenet5", "--training", "--format", "csv").stdout))]
    layers = [row["layer"] for row in rows if row["pass"] == "forward"]

    assert [row["layer"] for row in rows if row["pass"] == "backward"] == layers[::-1]
    assert rows[-1]["gradients"] == "246824"


def test_the_largest_batch_and_what_would_let_more_fit() -> None:
    text = run("resnet50", "--training", "--fits", "8GB").stdout
    spec = archcalc.load("resnet50")
    found = archcalc.largest_batch(spec, 8 * 10**9, training=True)

    assert f"Into 8.00 GB a batch of {found.batch} fits, with " in text
    assert f"{found.batch + 1} need " in text
    assert archcalc.memory(spec, training=True, batch=found.batch).most <= 8 * 10**9
    assert archcalc.memory(spec, training=True, batch=found.batch + 1).most > 8 * 10**9
    assert "--checkpoint blocks" in text


def test_bytes_are_decimal_or_binary() -> None:
    from archcalc.cli.arguments import parse_bytes

    assert parse_bytes("--fits", "24GB") == 24 * 10**9
    assert parse_bytes("--fits", "24GiB") == parse_bytes("--fits", "24 Gi") == 24 * 2**30
    assert parse_bytes("--fits", "1.5kB") == 1500
    assert parse_bytes("--fits", "512") == 512


def test_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    first, second = tmp_path / "first.svg", tmp_path / "second.svg"
    for path in (first, second):
        assert run("lenet5", "--training", "--plot", str(path)).exit_code == 0

    assert first.read_bytes() == second.read_bytes()
    assert b"forwards and then backwards" in first.read_bytes() or b"<path" in first.read_bytes()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--optimizer", "adam"], "--optimizer: is for --training"),
        (["--devices", "2", "--zero", "1"], "--zero: is for --training"),
        (["--training", "--optimizer", "adan"], "did you mean 'adam'"),
        (["--training", "--master", "--dtype", "float32"], "say float16 or bfloat16"),
        (["--training", "--checkpoint", "layer"], "known: stages, blocks"),
        (["--training", "--checkpoint", "99999999"], "is no number of parts"),
        (["--training", "--zero", "1"], "say how many"),
        (["--fits", "24 apples"], "such as 24GB"),
        (["--fits", "24iB"], "such as 24GB"),
        (["--fits", "1GB", "--batch", "2"], "leave out --batch"),
        (["--plot", "x.pdf"], "ends in .svg or .png"),
        (["--dtype", "float31"], "did you mean 'float32'"),
    ],
)
def test_a_mistake_is_explained_and_exits_with_2(args: list[str], message: str) -> None:
    result = run("resnet18", *args)

    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""
