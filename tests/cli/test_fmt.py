"""``fmt``: files in the one form of specs."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from archcalc.cli.app import application

MESSY = "layers: {a: {out_features: 2, op: 'Linear'}}  # one\nname: net\ninput: [3]\n"
NEAT = "name: net\ninput: [3]\nlayers:  # one\n  a: {op: Linear, out_features: 2}\n"


def run(*args: str, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(application("fmt", "table"), ["fmt", *args], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def test_a_file_is_written_anew_once(tmp_path: Path) -> None:
    file = tmp_path / "net.yaml"
    file.write_text(MESSY)
    first, second = run(str(file)), run(str(file))

    assert file.read_text() == NEAT
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert first.stdout == second.stdout == second.stderr == ""
    assert first.stderr == f"{file}: written anew\n"


def test_checking_shows_what_would_change_and_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "net.yaml"
    file.write_text(MESSY)
    (tmp_path / "neat.yaml").write_text(NEAT)
    result = run("--check", str(tmp_path))

    assert file.read_text() == MESSY
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"--- {file}" in result.stderr
    assert "+layers:  # one\n" in result.stderr
    assert "1 of 2 are not in their one form" in result.stderr
    assert run("--check", str(tmp_path / "neat.yaml")).exit_code == 0


def test_standard_input_goes_to_standard_output() -> None:
    assert run("-", stdin=MESSY).stdout == NEAT
    checked = run("-", "--check", stdin=MESSY)
    assert (checked.exit_code, checked.stdout) == (1, "")


@pytest.mark.parametrize("text", ["a: [", "a: 1\na: 2\n", "", "\x00"])
def test_what_is_no_spec_is_refused_and_left_as_it_is(tmp_path: Path, text: str) -> None:
    bad, good = tmp_path / "bad.yaml", tmp_path / "good.yaml"
    bad.write_text(text)
    good.write_text(MESSY)
    result = run(str(bad), str(good))

    assert result.exit_code == 2
    assert str(bad) in result.stderr
    assert bad.read_text() == text
    assert good.read_text() == NEAT


def test_a_folder_has_its_specs_and_records_written_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "net.yaml").write_text(MESSY)
    records = tmp_path / "records" / "net.yaml"
    records.write_text("documented:\n- quantity: params\n  value: 8\n  source: 'me'\n")
    other = tmp_path / "mkdocs.yml"
    other.write_text("site_name:   Other\n")
    run(str(tmp_path))

    assert records.read_text() == "documented:\n  - {quantity: params, value: 8, source: me}\n"
    assert other.read_text() == "site_name:   Other\n"


def test_a_name_that_is_no_file_is_an_error() -> None:
    result = run("resnet50")

    assert result.exit_code == 2
    assert "no such file" in result.stderr
