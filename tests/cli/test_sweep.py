"""The command that counts many configurations."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import archcalc
from archcalc.cli.app import application
from archcalc.cli.ranges import parse_values

NET = """\
name: net
input: [3, =side, =side]
vars: {width: 4, side: 8}
layers:
  conv: {op: Conv2d, out_channels: =width, kernel_size: 3, bias: false}
"""


@pytest.fixture
def net(tmp_path: Path) -> str:
    path = tmp_path / "net.yaml"
    path.write_text(NET, encoding="utf-8")
    return str(path)


def run(*args: str) -> Result:
    result = CliRunner().invoke(application("sweep"), ["sweep", *args])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("32:64:8", [32, 40, 48, 56, 64]),
        ("1:3", [1, 2, 3]),
        ("0.25:0.4:0.05", [0.25, 0.3, 0.35, 0.4]),  # decimals, not 0.30000000000000004
        ("5:1:-2", [5, 3, 1]),
        ("16:130:x2", [16, 32, 64, 128]),
        ("a,b", ["a", "b"]),
        ("1,2.5", [1, 2.5]),
        ("[[2, 2], [3, 4]]", [[2, 2], [3, 4]]),
    ],
)
def test_ranges_and_lists(written: str, values: object) -> None:
    assert list(parse_values([f"v={written}"])["v"]) == values


def test_one_value_is_a_value() -> None:
    assert parse_values(["v=7", "w=true"]) == {"v": 7, "w": True}


@pytest.mark.parametrize(
    "written", ["v", "v=", "=3", "v=1:2:3:4", "v=1:2:0", "v=a:b", "v=2:1", "v=1:9:x1", "v=0:9:x2",
                "v=0:1e9:0.001", "v=1:1e40"],
)  # fmt: skip
def test_what_is_no_range_is_refused(written: str) -> None:
    with pytest.raises(archcalc.ArchcalcError, match="--set"):
        parse_values([written])


def test_a_table_has_a_row_for_every_configuration(net: str) -> None:
    result = run(net, "--set", "width=1,2", "--set", "side=8,10")
    lines = [line.split() for line in result.stdout.splitlines()]

    assert result.exit_code == 0
    assert ["width", "side", "params", "MACs", "FLOPs", "activations", "weight", "bytes"] in lines
    # 27 weights at 6x6 and 8x8 positions, of one channel and of two.
    assert [line[3] for line in lines[-4:]] == ["972", "1,728", "1,944", "3,456"]


def test_the_formats_agree(net: str, tmp_path: Path) -> None:
    args = (net, "--set", "width=1,2", "--quantities", "params,macs")
    rows = [{"width": 1, "params": 27, "macs": 972}, {"width": 2, "params": 54, "macs": 1944}]

    assert json.loads(run(*args, "--format", "json").stdout) == rows
    assert run(*args, "-o", str(tmp_path / "t.csv")).exit_code == 0
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert [{k: int(v) for k, v in row.items()} for row in read] == rows
    assert "| 2 | 54 | 1,944 |" in " ".join(run(*args, "--format", "markdown").stdout.split())


def test_rows_are_chosen(net: str) -> None:
    args = (net, "--set", "width=1:9", "--format", "csv", "--quantities", "macs")

    assert run(*args, "--where", "macs > 972 * 7").stdout.split() == [
        "width,macs", "8,7776", "9,8748",
    ]  # fmt: skip
    assert run(*args, "--top", "1", "--by=-macs").stdout.split() == ["width,macs", "1,972"]
    assert len(run(*args, "--pareto=-width,macs").stdout.split()) == 10


def test_what_is_no_network_is_said_on_standard_error(net: str) -> None:
    result = run(net, "--set", "side=1:4", "--format", "csv")

    assert len(result.stdout.splitlines()) == 1 + 2
    assert "2 are no networks and left out, such as side=1: kernel 3 is larger" in result.stderr


def test_a_long_table_says_what_it_does_not_show(net: str) -> None:
    assert "the first 40 of 100 rows" in run(net, "--set", "width=1:100").stdout


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--set", "widht=1,2"], "did you mean 'width'"),
        ([], "nothing is swept"),
        (["--set", "side=1,2"], "kernel 3 is larger than its input 1"),
        (["--set", "width=1,2", "--format", "xml"], "no format 'xml'"),
        (["--set", "width=1,2", "--format", "parquet"], "name a file with --output"),
        (["--set", "width=1,2", "--plot", "a.bmp"], ".svg or .png"),
        (["--set", "width=1,2", "--where", "mac < 1"], "did you mean 'macs'"),
    ],
)
def test_a_mistake_is_explained_and_exits_with_2(
    net: str, args: list[str], message: str, tmp_path: Path
) -> None:
    result = run(net, *args)

    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_pictures(net: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for name, args in {
        "line": ["--set", "width=1:5"],
        "map": ["--set", "width=1:5", "--set", "side=8:12"],
        "front": ["--set", "width=1:5", "--set", "side=8:12", "--pareto=-width,macs"],
    }.items():
        path = tmp_path / f"{name}.svg"
        assert run(net, *args, "--plot", str(path)).exit_code == 0
        assert path.read_text(encoding="utf-8").startswith("<?xml")


def test_the_library_gives_arrays_and_the_rows_of_the_command(net: str) -> None:
    found = archcalc.sweep(archcalc.load(net), width=range(1, 4), quantities=["macs"])

    assert found.columns["macs"].tolist() == [972, 1944, 2916]
    assert len(found) == 3
    assert found[1] == {"width": 2, "macs": 1944}


def test_the_network_of_the_best_row_is_written(net: str, tmp_path: Path) -> None:
    file = tmp_path / "found.yaml"
    done = run(net, "--set", "width=2,4,8", "--top", "1", "--by", "-macs", "--emit", str(file))
    assert done.exit_code == 0
    assert "space" not in (written := archcalc.load(file)).document.data
    assert archcalc.analyze(written).macs == archcalc.analyze(net, width=2).macs
    assert run(net, "--set", "width=2,4", "--emit", str(file)).exit_code == 2
    none = run(net, "--set", "width=2,4", "--where", "macs < 0", "--top", "1", "--emit", "x.yaml")
    assert (none.exit_code, "no row is left" in none.stderr) == (2, True)


def test_what_one_process_does_sooner_is_done_by_one_and_said() -> None:
    alone = run("nasbench201", "--sample", "50", "--top", "1")
    two = run("nasbench201", "--sample", "50", "--top", "1", "--jobs", "2")
    assert alone.stdout == two.stdout
    assert alone.stderr == ""
    assert "done by one process" in two.stderr


def test_what_takes_long_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from archcalc.cli import sweep
    from archcalc.space import search

    monkeypatch.setattr(sweep, "LONG", 0.0)
    monkeypatch.setattr(search, "CHUNK", 20)
    found = run("nasbench201", "--sample", "100", "--top", "1")
    assert "more take about 0 hours of a processor\n  --sample 1e6 looks at some" in found.stderr
    assert found.exit_code == 0
