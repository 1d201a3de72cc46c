"""The file that keeps what came of each network of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from archcalc.analysis.measured import Machine, Measurement
from archcalc.errors import ArchcalcError
from archcalc.pytorch.compared import Counts, Difference, NotCounted
from archcalc.pytorch.crosscheck import Crosscheck, Run
from archcalc.report.runs.record import Record, from_data, read

ASKED: dict[str, Any] = {"device": "cuda", "dtype": ("float32", "tf32"), "measure": True}
MACHINE = Machine("cuda", "NVIDIA X", 8, "2.13.0", "13.0")
MEASURED = Measurement(MACHINE, "tf32", 4, 9, 1e-3, 1e-5, 1000, 2000, 1500)
FOUND = Crosscheck(
    "net",
    Counts(2, 30, 4, 1000),
    (
        Run("meta", "float32", 1, ()),
        Run(
            "cuda",
            "tf32",
            4,
            (
                Difference("fc", "Linear", "shape", (1, 2), (1, 3)),
                Difference("fc", "Linear", "weights", {"weight": (2, 3)}, {}),
                Difference("", "", "values", "within 0.01", 0.5),
            ),
            (NotCounted("odd", "MyOp", ("aten.odd",)),),
            ("fc.bias",),
            0.5,
            1e-3,
            0.25,
            MEASURED,
        ),
    ),
    {"cuda bfloat16": "PyTorch: no kernel"},
)


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    Record(path, ASKED).add("a.yaml", FOUND)

    kept = read(path)
    assert kept.found == {"a.yaml": FOUND}
    assert kept.asked == {"device": "cuda", "dtype": ["float32", "tf32"], "measure": True}


def test_a_network_is_a_line_that_is_in_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    record = Record(path, ASKED)
    for number in (1, 2, 3):
        record.add(f"net{number}", FOUND)
        assert len(path.read_text("utf-8").splitlines()) == 1 + number


def test_a_record_is_gone_on_with_where_it_was_torn_off(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    Record(path, ASKED).add("a", FOUND)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"asked": "b", "fou')

    record = Record(path, ASKED, resume=True)
    assert [*record.found] == ["a"]
    record.add("b", FOUND)
    assert path.read_bytes() == whole + whole.splitlines()[1].replace(b'"a"', b'"b"', 1) + b"\n"


def test_a_record_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    Record(path, ASKED)

    with pytest.raises(ArchcalcError, match="is there already\n  --resume goes on with it"):
        Record(path, ASKED)


def test_a_record_of_another_question_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    Record(path, ASKED)

    with pytest.raises(ArchcalcError, match="made with dtype float32, tf32, not float64"):
        Record(path, {**ASKED, "dtype": ("float64",)}, resume=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: no record of crosscheck"),
        ("name: net\n", ":1: no record of crosscheck"),
        ("[1]\n", ":1: no record of crosscheck"),
        ('{"archcalc": 1}\n', ":1: no record of crosscheck"),
        ('{"asked": {}}\nhello\n', ":2: no record of crosscheck"),
        ('{"asked": {}}\n{"asked": "a", "found": {"name": "a"}}\n', ":2: no network"),
        ('{"asked": {}}\n{"asked": "a", "found": 1}\n', ":2: no network"),
    ],
)
def test_another_file_is_refused_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ArchcalcError) as told:
        read(path)
    assert f"{path}{message}" in str(told.value)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchcalcError, match="can't be read: Is a directory"):
        Record(tmp_path, ASKED, resume=True)
    with pytest.raises(ArchcalcError, match="can't be written: No such file"):
        Record(tmp_path / "none" / "run.jsonl", ASKED)


def test_other_data_are_no_network() -> None:
    with pytest.raises(KeyError):
        from_data(json.loads("{}"))
