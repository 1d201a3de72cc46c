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
    assert len(files) == len({*files})
    # anynet_x is a space of a network that stands in a file of its own, and is checked there.
    apart = {"anynet_x.yaml", "llama_grid.yaml"}
    every = (*zoo.families(), *zoo.examples(), *zoo.spaces())
    assert files == [str(path) for path in every if path.name not in apart]


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


def test_a_folder_is_all_specs_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nets" / "small").mkdir(parents=True)
    (tmp_path / "nets" / "b.yaml").write_text(NET.replace("VALUE", "224"))
    (tmp_path / "nets" / "small" / "a.yml").write_text(NET.replace("VALUE", "225"))
    (tmp_path / "nets" / "other.yaml").write_text("on: [push]\n")
    (tmp_path / "nets" / "schema.json").write_text('{"properties": {"layers": {}}}')
    (tmp_path / "nets" / "notes.txt").write_text("layers: none")
    (tmp_path / "nets" / ".hidden.yaml").write_text("layers: [")
    monkeypatch.chdir(tmp_path)
    result = run("nets", "--format", "json")
    assert result.exit_code == 1
    files = [file["file"] for file in json.loads(result.stdout)["files"]]
    assert files == ["nets/b.yaml", "nets/small/a.yml"]
    (tmp_path / "nets" / "wrong.yaml").write_text("layers: [")
    assert "nets/wrong.yaml:1:10" in run("nets").stderr


def test_a_folder_in_which_nothing_is_documented_says_so_and_expands_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.yaml").write_text(NET.partition("documented")[0])

    def expand(*_: object) -> None:
        raise AssertionError("expanded for nothing")

    monkeypatch.setattr("archcalc.claims.facts.Scope.of", expand)
    result = run(str(tmp_path))
    assert (result.exit_code, result.stdout) == (0, "no numbers to check in 3 specs\n")


def test_a_folder_without_specs_is_said(tmp_path: Path) -> None:
    result = run(str(tmp_path))
    assert result.exit_code == 2
    assert result.stderr == f"{tmp_path}\n  is a folder without a spec\n"


def test_a_network_is_meant_where_a_folder_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lenet5").mkdir()
    monkeypatch.chdir(tmp_path)
    assert run("lenet5", "--quiet").exit_code == 0


def test_numbers_are_recorded_and_then_held_to(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(NET.replace("VALUE", "224"))
    recorded = run(str(path), "--record")
    assert (recorded.exit_code, recorded.stdout) == (0, "")
    assert recorded.stderr == f"{path}: 2 numbers recorded\n"
    path.write_text(path.read_text().replace("out_channels: 8", "out_channels: 9"))
    assert run(str(path)).exit_code == 1


def test_who_may_read_a_file_that_is_recorded_in_stays(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(NET.replace("VALUE", "224"))
    path.chmod(0o600)
    run(str(path), "--record")

    assert "recorded" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_all_files_are_recorded_in_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    for path in (first, second):
        path.write_text(NET.replace("VALUE", "224"))
    # As for one who is not the system's administrator, whom nothing is refused.
    monkeypatch.setattr("os.access", lambda path, mode: Path(path).name != "second.yaml")
    refused = run(str(first), str(second), "--record")

    assert refused.exit_code == 2
    assert "second.yaml: can't be written: it is read-only" in refused.stderr
    assert first.read_text() == second.read_text() == NET.replace("VALUE", "224")


def test_what_is_recorded_is_changed_only_where_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(NET.replace("VALUE", "0.2K"))
    run(str(path), "--record")
    path.write_text(path.read_text().replace("out_channels: 8", "out_channels: 7"))
    before = path.read_text()
    for words in (["--record"], ["--update"]):
        refused = run(str(path), *words)
        assert (refused.exit_code, path.read_text()) == (1, before)
        assert "net: params was recorded as 224, and is 196" in refused.stderr
        assert "nothing is written" in refused.stderr
    assert run(str(path), "--update", "--yes").exit_code == 0
    assert run(str(path)).exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--record"], "name one"),
        (["lenet5", "--record"], "'lenet5' is shipped"),
        (["lenet5", "--layers"], "with --record"),
    ],
)
def test_what_can_not_be_recorded_is_told(words: list[str], said: str) -> None:
    result = run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
