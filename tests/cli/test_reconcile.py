"""The command that finds which way of counting made a number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from archcalc.cli.app import application


def run(*args: str, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(application(), ["reconcile", *args], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("138M", "vgg16"), 0),
        (("533MB", "vgg16"), 1),
        (("many", "vgg16"), 2),
        (("138M", "vgg16", "--quantity", "weights"), 2),
        (("138M", "vgg16", "--layer", "fc9"), 2),
        (("138M", "vgg16", "--format", "yaml"), 2),
        (("12x", "vgg16"), 2),
        (("138M", "nothing"), 2),
    ],
)
def test_exit_codes(args: tuple[str, ...], code: int) -> None:
    result = run(*args)
    assert result.exit_code == code
    assert bool(result.stderr) is (code == 2)
    assert bool(result.stdout) is (code < 2)


def test_a_table_says_what_was_tried_and_what_makes_no_difference() -> None:
    # 138,357,544 parameters of 4 bytes, and 10^6 or 2^20 bytes a MB: 527.8 MiB.
    lines = run("528MB", "vgg16").stdout.splitlines()
    assert lines[0] == "528MB, vgg16, taken as bytes"
    assert lines[5] == "553,430,176  rounds to it  1 MB as 1,048,576 bytes"
    assert any(line.startswith("No difference here: ") for line in lines)


def test_a_limit_says_how_many_it_hides() -> None:
    def matches(limit: int) -> int:
        result = run("2B", "resnet18", "--limit", str(limit), "--format", "json")
        return len(json.loads(result.stdout)["matches"])

    assert matches(2) == 2
    hidden = matches(999) - 2
    assert (
        f"\n{hidden} more that are less natural.\n" in run("2B", "resnet18", "--limit", "2").stdout
    )


def test_json_names_every_departure() -> None:
    data = json.loads(run("19.6B", "vgg16", "--format", "json").stdout)
    assert data["ok"] is True
    assert (data["network"], data["quantities"], data["nearest"]) == ("vgg16", ["macs"], [])
    first = data["matches"][0]
    assert first["number"] == 19_632_062_464  # of VGG-19, by 3x3 convolutions and three linear ones
    assert first["verdict"] == "rounds"
    assert first["departures"] == [{"axis": "edition", "choice": "vgg19", "words": "of vgg19"}]


def test_json_of_what_nothing_explains_has_what_is_near() -> None:
    data = json.loads(run("533MB", "vgg16", "--format", "json").stdout)
    assert (data["ok"], data["matches"]) == (False, [])
    plain = next(each for each in data["nearest"] if not each["departures"])
    assert plain["number"] == 553_430_176
    assert plain["off"] == pytest.approx(0.03833, abs=1e-5)  # 20.43 MB of 533
    assert "should be 553MB" in data["known_mistakes"][0]


def test_markdown_is_a_table() -> None:
    lines = run("19.6B", "vgg16", "--format", "markdown").stdout.splitlines()
    assert "| 19,632,062,464 | rounds to it | of vgg19; or of vgg19_bn |" in lines


def test_layers_and_other_networks_are_options() -> None:
    assert "a depthwise convolution" in run("34M", "googlenet", "--layer", "conv1").stdout
    assert "8.91304  rounds to it" in run("8.9x", "googlenet", "--against", "alexnet").stdout


def test_a_spec_is_read_from_standard_input_and_written_to_a_file(tmp_path: Path) -> None:
    spec = "name: net\ninput: [3]\nlayers:\n  fc: {op: Linear, out_features: 2}\n"
    path = tmp_path / "found.json"
    result = run("8", "-", "--quantity", "params", "--format", "json", "-o", str(path), stdin=spec)
    assert (result.exit_code, result.stdout) == (0, "")
    assert json.loads(path.read_text())["matches"][0]["number"] == 3 * 2 + 2
