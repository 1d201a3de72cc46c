"""The command that holds documented numbers and budgets against what is computed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from archcalc.cli.app import application
from archcalc.spec import zoo

NET = """\
name: net
input: [3, 32, 32]
layers:
  conv: {op: Conv2d, out_channels: 8, kernel_size: 3}
documented:
  - {quantity: params, value: VALUE, source: a page}
"""


def run(*args: str, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(application(), ["check", *args], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


@pytest.mark.parametrize(
    ("value", "code"), [("224", 0), ("0.2K", 0), ("225", 1), ("many", 2), ("[1]", 2)]
)
def test_exit_codes(tmp_path: Path, value: str, code: int) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(NET.replace("VALUE", value))
    result = run(str(path))
    assert result.exit_code == code
    assert bool(result.stderr) is (code == 2)


def test_everything_that_is_shipped_holds() -> None:
    result = run("--format", "json")
    assert result.exit_code == 0
    files = [file["file"] for file in json.loads(result.stdout)["files"]]
    assert files == [str(path) for path in (*zoo.families(), *zoo.examples())]


def test_what_is_malformed_hides_nothing_of_the_rest(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(NET.replace("VALUE", "225"))
    bad.write_text("name: bad\n")
    result = run(str(bad), str(good))
    assert result.exit_code == 2
    assert "1 contradicted" in result.stdout
    assert "bad.yaml" in result.stderr


@pytest.mark.parametrize("form", ["table", "json", "junit", "github", "markdown"])
def test_every_form_can_be_written_to_a_file(tmp_path: Path, form: str) -> None:
    target = tmp_path / "report"
    assert run("mnist-keras", "--format", form, "-o", str(target)).exit_code == 0
    assert target.read_text() == run("mnist-keras", "--format", form).stdout


def test_standard_input_is_checked() -> None:
    assert run("-", stdin=NET.replace("VALUE", "224")).exit_code == 0
    assert run("-", stdin=NET.replace("VALUE", "225")).exit_code == 1


def test_quiet_shows_only_what_is_wrong() -> None:
    assert run("lenet", "--quiet").stdout.count("\n") == 1


def test_an_unknown_form_and_an_unknown_network_are_refused() -> None:
    assert run("lenet", "--format", "xml").exit_code == 2
    result = run("lenett")
    assert result.exit_code == 2
    assert "lenet" in result.stderr


def test_help_has_examples() -> None:
    assert "archcalc check vgg16" in run("--help").stdout
