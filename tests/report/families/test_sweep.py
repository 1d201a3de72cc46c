"""A sweep as data frames, Parquet and pictures, which are read back."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pandas
import polars
import pytest
from pyarrow import parquet

import archcalc
from archcalc import ArchcalcError
from archcalc.report.families import sweep as report
from archcalc.space.chunks import Refused, chunks
from archcalc.space.grid import plan
from archcalc.space.sweep import Sweep

# 27 w weights, used at (side - 2)^2 positions.
NET = {
    "name": "net",
    "input": [3, "=side", "=side"],
    "vars": {"width": 4, "side": 8, "act": "ReLU"},
    "layers": {
        "conv": {"op": "Conv2d", "out_channels": "=width", "kernel_size": 3, "bias": False},
        "act": {"op": "=act"},
    },
}


def net() -> archcalc.Spec:
    return archcalc.load(NET)


def swept() -> Sweep:
    return archcalc.sweep(net(), width=[1, 2], side=[3, 4], quantities="params,macs")


ROWS = [
    {"width": 1, "side": 3, "params": 27, "macs": 27},
    {"width": 1, "side": 4, "params": 27, "macs": 108},
    {"width": 2, "side": 3, "params": 54, "macs": 54},
    {"width": 2, "side": 4, "params": 54, "macs": 216},
]


def test_a_frame_is_one_of_pandas() -> None:
    frame = swept().frame

    assert isinstance(frame, pandas.DataFrame)
    assert frame.to_dict("records") == ROWS


def test_without_pandas_a_frame_is_one_of_polars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    frame = swept().frame

    assert isinstance(frame, polars.DataFrame)
    assert frame.to_dicts() == ROWS


def test_without_either_what_is_needed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "polars", None)

    with pytest.raises(ArchcalcError, match="pip install pandas"):
        _ = swept().frame


def test_parquet_is_written_chunk_by_chunk(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    grid = plan(net(), {"width": range(1, 11), "side": [3, 4]}, "params,macs")
    report.write_parquet(chunks(grid, Refused(), size=8), path)
    read = parquet.ParquetFile(path)

    assert read.num_row_groups > 1
    rows = read.read().to_pylist()
    assert rows[:2] + rows[2:4] == ROWS
    assert [row["macs"] for row in rows] == [27 * w * n for w in range(1, 11) for n in (1, 4)]
    assert {str(kind) for kind in read.schema_arrow.types} == {"int64"}


def test_parquet_holds_fractions_text_and_lists(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    found = archcalc.sweep(
        archcalc.load("mobilenet_v2"), width=[0.5, 1.0], quantities="params"
    ).columns
    report.write_parquet([found], path)
    rows = parquet.read_table(path).to_pylist()
    # torchvision's table of weights
    assert rows[1] == {"width": 1.0, "params": 3_504_872}

    resnet = archcalc.sweep(
        archcalc.load("resnet50"), depths=[[3, 4, 6, 3], [3, 4, 23, 3]], quantities="params"
    )
    report.write_parquet([resnet.columns], path)
    assert parquet.read_table(path).to_pylist() == [
        {"depths": [3, 4, 6, 3], "params": 25_557_032},
        {"depths": [3, 4, 23, 3], "params": 44_549_160},
    ]

    acts = archcalc.sweep(net(), act=["ReLU", "Sigmoid"], quantities="params")
    report.write_parquet([acts.columns], path)
    assert [row["act"] for row in parquet.read_table(path).to_pylist()] == ["ReLU", "Sigmoid"]


def test_parquet_refuses_what_64_bits_cannot_hold(tmp_path: Path) -> None:
    found = archcalc.sweep(net(), N=[1, 2**62], quantities="macs")

    with pytest.raises(ArchcalcError, match="Parquet can't hold these columns"):
        report.write_parquet([found.columns], tmp_path / "t.parquet")


def test_parquet_without_its_library_says_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(ArchcalcError, match="pip install pyarrow"):
        report.write_parquet([], tmp_path / "t.parquet")


def labels(svg: bytes) -> set[str]:
    """The comments of a picture of matplotlib, which say the texts it draws as paths."""
    return set(re.findall("<!-- (.*?) -->", svg.decode()))


@pytest.mark.parametrize(
    ("found", "axes"),
    [
        (swept(), {"width", "side", "MACs"}),
        (archcalc.sweep(net(), side=range(3, 9), quantities="params,macs"), {"side", "MACs"}),
        (archcalc.sweep(net(), side=range(3, 9), quantities="flops"), {"side", "FLOPs"}),
    ],
    ids=["of two variables", "of one", "of another quantity"],
)
def test_a_picture_names_its_axes(found: Sweep, axes: set[str]) -> None:
    assert axes | {"net"} <= labels(report.draw(found))
    assert report.draw(found, "png").startswith(b"\x89PNG")


def test_a_front_is_drawn_of_its_keys() -> None:
    found = archcalc.sweep(net(), width=[1, 2, 3], side=[3, 4], pareto="params,macs")

    assert {"params", "MACs"} <= labels(report.draw(found, "svg", [("params", 1), ("macs", 1)]))


def test_a_picture_of_three_variables_is_refused() -> None:
    found = archcalc.sweep(net(), width=[1, 2], side=[3, 4], N=[1, 2])

    with pytest.raises(ArchcalcError, match="of one or two variables of numbers"):
        report.draw(found)


def test_json_is_one_array_however_many_chunks_there_are() -> None:
    columns = {"a": np.array([1, 2]), "b": np.array([0.5, 1.5])}

    assert "".join(report.as_json([columns, columns])) == (
        '[\n{"a": 1, "b": 0.5},\n{"a": 2, "b": 1.5},\n{"a": 1, "b": 0.5},\n{"a": 2, "b": 1.5}\n]\n'
    )
    assert "".join(report.as_json([])) == "[]\n"


def test_no_cell_of_a_stream_is_obeyed() -> None:
    column = np.array(["@SUM(1)", "-cmd|x", "##[error]"], dtype=object)

    assert "".join(report.csv([{"a": column}])).splitlines()[1:3] == ["'@SUM(1)", "'-cmd|x"]
    for text in ("".join(report.csv([{"a": column}])), "".join(report.as_json([{"a": column}]))):
        assert "##[" not in text


def test_a_picture_has_ticks_where_the_data_are_and_a_line_where_the_bound_is() -> None:
    found = archcalc.sweep(archcalc.load("resnet50"), width=[16, 32, 64], where="macs < 6e9")
    figure = pytest.importorskip("matplotlib.figure").Figure()
    axes = figure.add_subplot()

    report._fill(axes, found, [], "macs < 6e9")

    assert list(axes.get_xticks()) == [16, 32, 64]
    assert [line.get_label() for line in axes.get_lines()][1:] == ["6G"]
    assert [note.get_text() for note in axes.texts] == ["6G"]


def test_the_cells_of_a_small_heat_map_say_their_numbers() -> None:
    network = {"name": "n", "vars": {"w": 1, "v": 1}, "input": ["=v"], "layers": {}}
    network["layers"] = {"a": {"op": "Linear", "out_features": "=w", "bias": False}}
    found = archcalc.sweep(archcalc.load(network), w=[1000, 2000], v=[3, 5])
    axes = pytest.importorskip("matplotlib.figure").Figure().add_subplot()

    report._fill(axes, found, [], "")

    # w * v multiply-accumulates.
    assert [note.get_text() for note in axes.texts] == ["3k", "5k", "6k", "10k"]
