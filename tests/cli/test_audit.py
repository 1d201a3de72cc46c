"""The command that audits printed tables, and the forms its outcome takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from archcalc.claims.audit import audit
from archcalc.cli.app import application
from archcalc.report.claims.audits import FORMATS, notes, render

TABLES = Path(__file__).parents[2] / "specs" / "tables"
VGG16 = str(TABLES / "vgg16_structure.csv")
GOOGLENET = str(TABLES / "googlenet_structure.csv")
CLEAN = "layer,in,out,k,params\nconv1,3,4,3,112\n"  # (3 * 3 * 3 + 1) * 4
WRONG = CLEAN.replace("112", "113")


def run(*args: str, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(application(), ["audit", *args], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


@pytest.mark.parametrize(
    ("table", "code"),
    [(CLEAN, 0), (WRONG, 1), (CLEAN.replace("112", "many"), 2), ("a,b\n1,2\n", 2), ("", 2)],
)
def test_exit_codes(table: str, code: int) -> None:
    result = run("-", stdin=table)
    assert result.exit_code == code
    assert bool(result.stderr) is not bool(result.stdout)


@pytest.mark.parametrize("args", [("--map", "x"), ("--map", "params=y"), ("--format", "pdf")])
def test_bad_usage_is_refused(args: tuple[str, ...]) -> None:
    assert run(VGG16, *args).exit_code == 2


def test_wrong_cells_are_marked_in_the_table() -> None:
    lines = run(VGG16).stdout.splitlines()
    (pooling,) = [line for line in lines if line.startswith("  6 ")]
    assert pooling.endswith("65664 [2]")
    assert "[2] maxpool (row 6), params: 65664, should be 0" in lines
    first = next(k for k, line in enumerate(lines) if line.startswith("---")) + 1
    rows = [line.split()[0] for line in lines[first : first + 22]]
    assert rows == [str(row) for row in range(1, 23)]


def test_the_change_of_the_total_is_said() -> None:
    lines = [line.split() for line in run(GOOGLENET, "--quiet").stdout.splitlines()]
    assert ["printed", "total", "6,414,360"] in lines
    assert ["effect", "of", "13", "rows", "+584,192"] in lines
    assert ["right", "total", "6,998,552"] in lines


def test_quiet_shows_only_rows_with_something_wrong() -> None:
    assert "conv3-128" not in run(VGG16, "--quiet").stdout
    assert "65664 [2]" in run(VGG16, "--quiet").stdout


def test_the_effects_of_the_footnotes_add_up_to_the_difference_of_the_totals() -> None:
    found = audit(GOOGLENET)
    assert sum(note.effect for note in notes(found)) == 6_998_552 - 6_414_360


def test_json_holds_every_finding() -> None:
    data = json.loads(run(GOOGLENET, "--format", "json").stdout)
    assert data["ok"] is False
    assert data["totals"] == {
        "printed": 6_414_360,
        "rows_sum": 6_414_360,
        "effects": 584_192,
        "right": 6_998_552,
        "wrong_rows": 13,
    }
    params = [each for each in data["findings"] if each["role"] == "params" and each["effect"]]
    assert sum(each["effect"] for each in params) == 584_192
    assert params[0]["causes"][0]["cell"] == {"row": 32, "role": "channels_in"}


def test_markdown_and_html_mark_the_same_cells() -> None:
    found = audit(VGG16)
    assert "| **65664**<sup>2</sup> |" in render(found, "markdown")
    assert "<mark>65664</mark>" in render(found, "html")


@pytest.mark.parametrize("form", FORMATS)
def test_cells_are_text_in_every_format(form: str) -> None:
    found = audit("layer,in,out,k,params\nconv<b>|`,3,4,3,113\n")
    text = render(found, form)
    assert ("<b>" in text) is (form in ("table", "json"))
    assert ("conv<b>|" in text) is (form in ("table", "json"))


def test_differences_from_a_network_are_listed() -> None:
    result = run(VGG16, "--against", "vgg19", "--quiet")
    assert result.exit_code == 1
    assert "5 differences from vgg19:" in result.stdout
    assert "conv5.3.conv" in result.stdout
    clean = run(str(TABLES / "alexnet_structure.csv"), "--against", "alexnet")
    assert (clean.exit_code, "no cell differs from alexnet" in clean.stdout) == (0, True)


def test_a_column_is_named_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("layer,planes,out,k,params\nconv1,3,4,3,184\n")  # of 5 channels
    assert run(str(path)).exit_code == 2  # a column is not read
    assert run(str(path), "--map", "channels_in=planes").exit_code == 1


def test_the_help_has_an_example() -> None:
    assert "archcalc audit vgg16_structure" in run("--help").stdout


def test_shipped_tables_are_audited_by_name() -> None:
    found = run("vgg16_structure", "--quiet")
    assert found.stdout.splitlines()[0] == "vgg16_structure"
    assert found.stdout.splitlines()[1:] == run(VGG16, "--quiet").stdout.splitlines()[1:]
    assert run("vgg17_structure").exit_code == 2


def test_a_spec_that_is_not_what_the_table_prints_is_not_written(tmp_path: Path) -> None:
    table = Path(__file__).parents[1] / "claims" / "unseen" / "udacity_traffic.txt"
    result = run(str(table), "--emit", str(tmp_path / "net.yaml"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Softmax (row 12)" in result.stderr
    assert not list(tmp_path.iterdir())


def test_what_a_spec_takes_for_granted_goes_to_standard_error() -> None:
    result = run(VGG16, "--emit", "-")
    differs = "maxpool (row 6), params: the table prints 65664"
    assert result.stdout.startswith(f"# {differs}")
    assert "\nname: " in result.stdout
    assert differs in result.stderr
