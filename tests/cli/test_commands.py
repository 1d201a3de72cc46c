"""The commands, in one process."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import archcalc
from archcalc.cli.app import COMMANDS, application
from archcalc.cli.completion import networks
from archcalc.operators import NAMES

BROKEN = """\
name: broken
input: [3, 8, 8]
layers:
  conv: {op: Con2d, out_channels: 4, kernel_size: 3}
  pool: {op: MaxPool2d, kernel_size: 3, strid: 2}
"""


def run(*args: str, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(application(), args, input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def refused(*args: str, stdin: str | None = None) -> str:
    """What is said on standard error, nothing being said on standard output."""
    result = run(*args, stdin=stdin)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    return result.stderr


def test_without_a_command_there_is_help() -> None:
    assert "Commands:" in run().output
    assert run("--help").exit_code == 0


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_80_columns_with_whole_sentences(command: str) -> None:
    text = (
        CliRunner()
        .invoke(application(), [*command.split(), "--help"], env={"COLUMNS": "80"})
        .stdout
    )
    assert max(map(len, text.splitlines())) <= 80
    if not command:
        listed = text.partition("Commands:\n")[2].splitlines()
        assert [line.split()[0] for line in listed] == list(COMMANDS)
        assert [line for line in listed if not line.endswith(".") or line.endswith("...")] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["googlnet"], "did you mean 'archcalc table googlenet'?"),
        (["vgg-16"], "did you mean 'archcalc table vgg16'?"),
        (["tabel"], "Did you mean 'table'?"),
        (["ops", "GRN"], "it is 'GlobalResponseNorm'"),
        (["ops", "Dense"], "it is 'Linear', with 'out_features' for units"),
        (["ops", "Lineer"], "did you mean 'Linear'?"),
    ],
)
def test_a_word_that_is_none_is_told_which_is_meant(words: list[str], said: str) -> None:
    assert said in refused(*words)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("model.py", "torch:model.py:FACTORY@3x224x224"),
        ("model.pt", "torch:FILE.py:FACTORY@3x224x224"),
        ("model.h5", "take a .keras file"),
    ],
)
def test_a_model_of_a_program_is_told_how_it_gets_in_whether_it_is_there_or_not(
    name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refused("table", name)
    Path(name).write_bytes(b"import torch\nmodel: x = {\x80}")
    assert said in refused("table", name)


@pytest.mark.parametrize("command", ["list", "table", "validate", "schema", "new", "ops"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    text = run(command, "--help").stdout
    assert f"archcalc {command} " in text.partition("Example")[2]


def test_the_examples_of_the_help_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-net.yaml").write_text(archcalc.new("my-net"))
    for command in ("list", "table", "validate", "schema", "new", "ops"):
        examples = run(command, "--help").stdout.partition("Example")[2].partition("\n\n")[0]
        for line in examples.splitlines()[1:]:
            assert run(*line.split()[1:]).exit_code == 0, line


def test_the_version_is_the_packages() -> None:
    assert run("--version").stdout == f"archcalc {archcalc.__version__}\n"


def test_a_table_is_the_librarys() -> None:
    spec = archcalc.load("lenet5")
    assert run("table", "lenet5").stdout == archcalc.table(spec)
    options = ("--detail", "all", "--columns", "layer,macs", "--dtype", "int8", "--training")
    more = ("--convention", "all", "--batch", "2", "--set", "classes=7", "--format", "markdown")
    assert run("table", "lenet5", *options, *more).stdout == archcalc.table(
        spec,
        detail="all",
        columns="layer,macs",
        dtype="int8",
        training=True,
        convention="all",
        batch=2,
        classes=7,
        format="markdown",
    )


def test_a_file_one_of_its_variants_and_standard_input_are_networks_too(tmp_path: Path) -> None:
    text = archcalc.new("mine")
    (tmp_path / "mine.yaml").write_text(text)
    printed = run("table", str(tmp_path / "mine.yaml")).stdout
    assert printed.startswith("mine: ")
    assert run("table", "-", stdin=text).stdout == printed
    family = tmp_path / "family.yaml"
    family.write_text("name: f\ninput: [4]\nvariants: {a: {}, b: {}}\nlayers: {l: ReLU}\n")
    assert run("table", f"{family}::b").stdout.startswith("b\n")


@pytest.mark.parametrize(
    ("option", "shape"),
    [
        ("160", "3x160x160"),
        ("3x160x128", "3x160x128"),
        ("1,160,128", "1x160x128"),
        ("input=160", "3x160x160"),
    ],
)
def test_an_input_is_an_extent_or_a_shape(option: str, shape: str) -> None:
    assert f"input {shape}, batch 1" in run("table", "resnet18", "--input", option).stdout


def test_an_extent_is_that_of_what_is_square(tmp_path: Path) -> None:
    # A video keeps its frames; a cube has three equal extents.
    assert "input 3x16x64x64, batch 1" in run("table", "c3d", "--input", "64").stdout
    cube = tmp_path / "cube.yaml"
    cube.write_text("name: cube\ninput: [1, 9, 9, 9]\nlayers: {relu: ReLU}\n")
    assert "input 1x8x8x8, batch 1" in run("table", str(cube), "--input", "8").stdout


@pytest.mark.parametrize(
    ("option", "advice"),
    [
        ("224x200x3", "channels come first: write 3x224x200"),
        ("1x3x224x200", "the batch is left out: write 3x224x200"),
        ("224x200", "channels come first: write 3x224x200"),
        ("3", "the nearest that fits is 3x4x4"),
    ],
)
def test_an_input_that_a_network_does_not_take_is_told_what_it_does(
    option: str, advice: str, tmp_path: Path
) -> None:
    spec = tmp_path / "net.yaml"
    conv = "conv: {op: Conv2d, out_channels: 8, kernel_size: 4}"
    spec.write_text(f"name: net\ninput: [3, 32, 32]\nlayers:\n  {conv}\n")

    done = run("table", str(spec), "--input", option)

    assert (done.exit_code, done.stdout) == (2, "")
    assert advice in done.stderr


def test_several_inputs_are_given_by_name(tmp_path: Path) -> None:
    file = tmp_path / "two.yaml"
    layers = "layers: {add: {op: Add, from: [a, b]}}"
    file.write_text(f"name: two\ninput: {{a: [3, 8], b: [3, 8]}}\n{layers}\n")
    printed = run("table", str(file), "--input", "a=5", "--input", "b=3x5").stdout
    assert "inputs a 3x5, b 3x5, batch 1" in printed
    assert "name one of the inputs a, b: NAME=5" in refused("table", str(file), "--input", "5")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("classes=7", "7"),
        ("depths=[1, 1, 1, 1]", "[1, 1, 1, 1]"),
        ("small_stem=true", "true"),
        ("shortcut=zero_padded", "zero_padded"),
        ("width==2 * 16", "=2 * 16"),
    ],
)
def test_a_variable_is_written_as_in_a_spec(text: str, value: str) -> None:
    printed = run("table", "resnet18", "--set", text).stdout
    assert f"; with {text.partition('=')[0]} = {value};" in printed.splitlines()[1]


REFUSED = [
    ("gogglenet", "did you mean 'googlenet'?"),
    ("googlenet --detail layr", "no detail 'layr'\n  did you mean 'layer'?"),
    ("googlenet --columns layer,parms", "no column 'parms'\n  did you mean 'params'?"),
    ("googlenet --dtype float31", "no dtype 'float31'\n  did you mean 'float32'?"),
    ("googlenet --convention macc", "no convention 'macc'\n  did you mean 'macs'?"),
    ("googlenet --format jsn", "no format 'jsn'\n  did you mean 'json'?"),
    ("googlenet --batch 0", "'--batch'"),
    ("googlenet --batch -1", "'--batch'"),
    ("googlenet --batch 1e30", "'--batch'"),
    ("googlenet --batch 9999999999999999", "'--batch'"),
    ("googlenet --input 0", "--input 0: an extent should be from 1 to"),
    ("googlenet --input 1e30", "--input 1e30: is no shape"),
    (f"googlenet --input {'9' * 10_000}", "an extent should be from 1 to"),
    ("googlenet --input 3xx4", "is no shape"),
    ("googlenet --input 9 --input 8", "'input' is given twice"),
    ("googlenet --input inptu=9", "no input 'inptu'"),
    ("googlenet --input 3x224", "its own is 3x224x224, without the batch"),
    ("googlenet --input 224x224", "write 3x224x224"),
    ("googlenet --input 224x224x3", "write 3x224x224"),
    ("googlenet --input 1x3x224x224", "write 3x224x224"),
    ("googlenet --input input=3x224", "(N, C, H, W)"),
    ("googlenet --input 8", "larger than its input"),
    ("googlenet --set clases=1", "no variable 'clases'\n  did you mean 'classes'?"),
    ("googlenet --set classes", "--set classes: write VAR=VALUE"),
    ("googlenet --set classes=", "is no single value"),
    ("googlenet --set classes=[1", "not valid YAML"),
    ("googlenet --set classes=1 --set classes=2", "'classes' is set twice"),
    ("googlenet --set format=1", "'format' can only be set in the spec"),
    ("googlenet --set classes=0", "at least 1"),
    ("googlenet --format json --columns layer", "fixed keys"),
    ("nowhere/net.yaml", "no such file"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED, ids=[a[:40] for a, _ in REFUSED])
def test_bad_usage_is_said_on_standard_error_with_2(arguments: str, message: str) -> None:
    said = refused("table", *arguments.split())
    assert message in said
    assert "Traceback" not in said


def test_a_command_misspelt_is_guessed() -> None:
    assert "Did you mean 'table'?" in refused("tabel")


def test_the_list_is_filtered_by_a_word() -> None:
    assert "googlenet" in run("list").stdout
    lines = run("list", "2GPU").stdout.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["alexnet-2gpu"]
    assert [
        n["name"] for n in json.loads(run("list", "LENET5-", "--format", "json").stdout)["networks"]
    ] == ["lenet5-1998"]
    assert "known: csv, json, markdown, table" in refused("list", "--format", "toml")


def test_a_word_that_nothing_matches_is_1() -> None:
    result = run("list", "googlenot")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "nothing matches 'googlenot': did you mean 'googlenet'?\n"


def test_validate_says_what_is_well_on_output_and_what_is_not_on_error(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("name: g\ninput: [4]\nvariants: {a: {}, b: {}}\nlayers: {l: ReLU}\n")
    bad.write_text(BROKEN)
    result = run("validate", str(good), str(bad), "lenet5")
    assert result.exit_code == 2
    assert result.stdout == f"{good}: ok (2 variants)\nlenet5: ok\n"
    assert "did you mean 'Conv2d'?" in result.stderr
    assert "did you mean 'stride'?" in result.stderr  # all problems in one go
    assert run("validate", str(good)).exit_code == 0
    assert run("validate", "-", stdin=archcalc.new("mine")).exit_code == 0


def test_validate_annotates_for_github(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(BROKEN)
    result = run("validate", str(bad), "--format", "github")
    lines = result.stdout.splitlines()
    assert result.exit_code == 2
    assert lines[0].startswith(f"::error file={bad},line=4,col=")
    assert len(lines) == len(archcalc.validate(bad)) == 2


def test_validate_as_json_is_one_document(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(BROKEN)
    result = run("validate", "lenet5", str(bad), "--format", "json")
    assert result.exit_code == 2
    assert [file["ok"] for file in json.loads(result.stdout)["files"]] == [True, False]


def test_schema_new_and_ops_print_what_the_library_says(tmp_path: Path) -> None:
    assert json.loads(run("schema").stdout) == json.loads(json.dumps(archcalc.schema()))
    assert run("new", "mine").stdout == archcalc.new("mine")
    listed = run("ops").stdout
    assert all(f" {name} " in listed for name in NAMES)
    assert run("ops", "Conv2d").stdout.startswith("Conv2d\n")
    assert run("ops", "Conv2d", "--format", "markdown").stdout.startswith("**Conv2d**\n")
    assert "did you mean 'Conv2d'?" in refused("ops", "Con2d")


def test_a_file_is_written_whole_with_usual_permissions(tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    file.write_text("old")
    result = run("table", "lenet5", "--format", "csv", "-o", str(file))
    assert (result.exit_code, result.stdout) == (0, "")
    assert file.read_text() == archcalc.table(archcalc.load("lenet5"), format="csv")
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~umask


def test_a_file_stays_as_it_was_when_something_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    file.write_text("old")
    refused("table", "lenet5", "--set", "classes=0", "-o", str(file))
    assert file.read_text() == "old"
    assert "is a directory" in refused("table", "lenet5", "-o", str(tmp_path))
    assert "No such file or directory" in refused(
        "table", "lenet5", "-o", str(tmp_path / "a" / "b")
    )
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real").write_text("old")
    assert run("new", "mine", "-o", str(tmp_path / "link")).exit_code == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == archcalc.new("mine")


def test_names_and_files_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vggish.yaml").touch()
    assert networks("vgg1") == [f"vgg{n}{norm}" for n in (11, 13, 16, 19) for norm in ("", "_bn")]
    assert networks("vggi") == ["vggish.yaml"]
    (tmp_path / "vggish.yaml").unlink()
    assert set(networks("")) == {network.name for network in archcalc.list()}
