"""The command that says what generating text takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import archcalc
from archcalc.cli.app import application

ASKED = ("--prompt", "100", "--tokens", "20")


def run(*args: str) -> Result:
    result = CliRunner().invoke(application("generate"), ["generate", *args])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def test_a_server_of_text_gets_its_answer_in_one_command() -> None:
    text = run("gpt2", *ASKED, "--batch", "4", "--on", "h100", "--weights", "int8").stdout

    assert "generating text, at the least" in text
    assert "36,864 bytes a token" in text
    assert "of 80 GB: fits" in text
    assert "largest batch  " in text
    assert "from a batch of " in text
    assert "NVIDIA H100 Tensor Core GPU datasheet" in text


def test_json_is_the_librarys() -> None:
    options = ("--weights", "int4:128", "--cache", "float8", "--on", "a100", "--format", "json")
    data = json.loads(run("gpt2", *ASKED, *options).stdout)
    found = archcalc.generate(
        archcalc.load("gpt2"),
        "a100",
        prompt=100,
        tokens=20,
        weights="int4:128",
        cache="float8",
    )

    assert data["least_seconds"] == found.seconds
    assert data["cache_bytes_per_token"] == found.cache_per_token == 36_864 // 2
    assert (data["largest_batch"], data["crossing_batch"]) == (found.largest, found.crossing)


def test_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    first, second = tmp_path / "first.svg", tmp_path / "second.svg"
    for path in (first, second):
        assert run("gpt2", *ASKED, "--plot", str(path)).exit_code == 0
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["resnet18", *ASKED], "no variable 'past'"),
        (["gpt2", *ASKED, "--weights", "int5"], "no format 'int5'"),
        (["gpt2", *ASKED, "--cache", "int4:0"], "write int4:128"),
        (["gpt2", *ASKED, "--on", "h10"], "did you mean 'h100'"),
        (["gpt2", *ASKED, "--set", "prompt=3"], "'prompt' can only be set in the spec"),
        (["gpt2", "--prompt", "9", "--tokens", "1"], "--tokens"),
        (["gpt2", *ASKED, "--plot", "x.pdf"], "ends in .svg or .png"),
    ],
)
def test_a_mistake_is_explained_and_exits_with_2(args: list[str], message: str) -> None:
    result = run(*args)

    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""
