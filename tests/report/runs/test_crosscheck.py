"""What came of running networks in PyTorch, as it is printed."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from archcalc.analysis.analyze import analyze
from archcalc.analysis.measured import Machine, Measurement
from archcalc.pytorch.compared import Counts, Difference, NotCounted
from archcalc.pytorch.crosscheck import Crosscheck, Run
from archcalc.report.runs.crosscheck import FORMATS, render, summary
from archcalc.spec.zoo import load

MACHINE = Machine("cuda", "NVIDIA X", 8, "2.13.0", "13.0")
MEASURED = Measurement(MACHINE, "tf32", 4, 100, 0.0123, 0.0004, 416_520 * 4, 2_500_000, 2_000_000)
WRONG = (
    Difference("conv1", "Conv2d", "shape", (1, 6, 28, 28), (1, 6, 27, 27)),
    Difference("fc", "Linear", "weights", {"weight": (3, 2), "bias": (3,)}, {"weight": (3, 2)}),
    Difference("fc", "Linear", "macs", 1200, 1199),
)


COUNTS = Counts.of(analyze(load("lenet5")))


def lenet5(*runs: Run) -> Crosscheck:
    return Crosscheck("lenet5", COUNTS, runs)


RIGHT = Run("meta", "float32", 1, ())


def test_a_network_is_a_line() -> None:
    lines = render([lenet5(RIGHT, Run("cpu", "bfloat16", 1, (), error=0.01))]).splitlines()

    assert lines[2].split() == ["network", "device", "layers", "params", "MACs", "verdict"]
    # LeNet-5's tables: 61,706 parameters and 416,520 multiply-accumulates.
    assert " ".join(lines[4].split()) == ("lenet5 meta, cpu bfloat16 13 61,706 416,520 agrees")
    assert lines[-1] == "1 network agrees with PyTorch"


def test_every_difference_is_printed() -> None:
    shown = render([replace(lenet5(RIGHT), runs=(replace(RIGHT, differences=WRONG),))])

    assert "416,520  differs" in shown
    assert "0 networks agree with PyTorch; 1 network differs" in shown
    assert "lenet5   conv1  Conv2d    output shape  (1, 6, 28, 28)" in shown
    assert "weight (3, 2), bias (3)  weight (3, 2)" in shown
    assert "MACs          1,200                    1,199" in shown


def test_what_was_not_run_or_not_counted_is_said() -> None:
    run = replace(
        RIGHT,
        not_counted=(NotCounted("x", "Distance", ("aten._cdist_forward",)),),
        without_gradient=("y.weight",),
    )
    found = replace(lenet5(run), skipped={"cpu": "38.2 G multiply-accumulates, more than 5 G"})
    shown = " ".join(render([found]).split())

    assert "not run on cpu: lenet5 (38.2 G multiply-accumulates, more than 5 G)" in shown
    assert "MACs not counted by PyTorch, in x (aten._cdist_forward)" in shown
    assert "no gradient reaches y.weight, as the graph says" in shown


def test_what_was_run_nowhere_is_no_agreement() -> None:
    assert summary([lenet5()]) == "0 networks agree with PyTorch; 1 network not run"


def test_measurements_are_a_table_of_their_own() -> None:
    shown = render([lenet5(Run("cuda", "tf32", 4, (), error=3e-4, measured=MEASURED))])

    assert "Measured on NVIDIA X, CUDA 13.0, PyTorch 2.13.0" in shown
    # 4 inputs in 12.3 ms, and 2 operations for each of 1,666,080 multiply-accumulates.
    assert "1,666,080  12.3 ms  400 µs       325   271 M  2.50 MB    2.00 MB   3.0e-04" in shown


def test_json_holds_all_of_it() -> None:
    run = Run("cuda", "tf32", 4, WRONG, error=3e-4, measured=MEASURED)
    data = json.loads(render([lenet5(RIGHT, run)], "json"))

    assert (data["archcalc"], data["ok"]) == (1, False)
    (network,) = data["networks"]
    assert (network["params"], network["macs"], network["layers"]) == (61_706, 416_520, 13)
    right, wrong = network["runs"]
    assert right["differences"] == []
    assert wrong["differences"][1] == {
        "layer": "fc",
        "op": "Linear",
        "what": "weights",
        "archcalc": {"weight": [3, 2], "bias": [3]},
        "pytorch": {"weight": [3, 2]},
    }
    assert wrong["measured"]["machine"]["name"] == "NVIDIA X"
    assert wrong["measured"]["throughput"] == pytest.approx(4 / 0.0123)


def test_junit_has_a_case_for_every_run() -> None:
    found = [replace(lenet5(RIGHT, Run("cpu", "float32", 1, WRONG)), skipped={"cuda": "too large"})]
    (suite,) = ElementTree.fromstring(render(found, "junit"))

    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    right, wrong, passed = suite
    assert (right.get("name"), len(right)) == ("lenet5 on meta in float32", 0)
    assert "conv1: output shape (1, 6, 28, 28), and (1, 6, 27, 27) in PyTorch" in str(
        wrong[0].get("message")
    )
    assert passed[0].tag == "skipped"


def test_markdown_has_tables() -> None:
    shown = render([lenet5(Run("cuda", "tf32", 4, (), measured=MEASURED))], "markdown")

    assert "| lenet5 | cuda tf32 | 13 | 61,706 | 416,520 | agrees |" in shown
    assert "**Measured on NVIDIA X, CUDA 13.0, PyTorch 2.13.0**" in shown


def test_every_format_renders() -> None:
    assert FORMATS == ("table", "markdown", "json", "junit")
