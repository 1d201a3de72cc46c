"""A spec beside a module, as it is printed."""

from __future__ import annotations

import json

from archcalc.analysis.analyze import analyze
from archcalc.pytorch.against import Against, Finding
from archcalc.report.runs.against import FORMATS, render, verdict
from archcalc.spec.zoo import load

ANALYSIS = analyze(load("lenet5"))


def found(*findings: Finding, params: int = 61_706, follows: int = 0) -> Against:
    return Against(
        "lenet5",
        "nets:lenet5",
        ANALYSIS,
        "cpu",
        findings,
        follows,
        5,
        (61_706, params),
        (416_520, 416_520),
        ("one thing to remark",),
        None if findings else 1.5e-7,
    )


WRONG = (
    Finding("missing", "c3.conv", "", "layer", "conv2d (16,), (16, 6, 5, 5)", ""),
    Finding("differs", "c5", "6 conv2d", "weights", ((120,), (120, 16, 5, 5)), ((120, 400),)),
    Finding("differs", "c5", "6 conv2d", "macs", 48_000, 48_001),
    Finding("differs", "output", "9 linear", "inputs", ("c5",), ("6 conv2d", "3 conv2d")),
    Finding("extra", "", "7 linear", "layer", "", "linear (5, 5)"),
)


def test_what_agrees_is_told_with_totals_and_remarks() -> None:
    shown = render(found())

    assert "lenet5 against nets:lenet5" in shown
    assert "params   61,706   61,706" in shown
    assert "MACs    416,520  416,520" in shown
    assert "one thing to remark" in shown
    assert "with equal weights the outputs are the same, up to rounding" in shown
    assert shown.endswith("agrees: 5 layers with weights or MACs are the same\n")


def test_every_difference_is_told() -> None:
    shown = " ".join(render(found(*WRONG, follows=2)).split())

    assert "differs: 1 missing in the module, 1 in the module alone, 2 different" in shown
    assert "2 more layers differ because of what comes before" in shown
    assert "missing c3.conv conv2d (16,), (16, 6, 5, 5)" in shown
    assert "differs c5 6 conv2d parameters (120), (120, 16, 5, 5) (120, 400)" in shown
    assert "differs c5 6 conv2d MACs 48,000 48,001" in shown
    assert "differs output 9 linear takes c5 6 conv2d, 3 conv2d" in shown
    assert "extra 7 linear linear (5, 5)" in shown


def test_totals_alone_may_differ() -> None:
    assert verdict(found(params=61_707)).startswith("differs: totals, though no layer does")


def test_json_holds_all_of_it() -> None:
    data = json.loads(render(found(*WRONG), "json"))

    assert (data["ok"], data["matched"], data["device"]) == (False, 5, "cpu")
    assert data["params"] == {"archcalc": 61_706, "pytorch": 61_706}
    assert data["differences"][1] == {
        "kind": "differs",
        "layer": "c5",
        "module": "6 conv2d",
        "what": "weights",
        "archcalc": [[120], [120, 16, 5, 5]],
        "pytorch": [[120, 400]],
    }
    assert json.loads(render(found(), "json"))["ok"]


def test_markdown_has_tables() -> None:
    assert FORMATS == ("table", "markdown", "json")
    assert "| differs | c5 | 6 conv2d | MACs | 48,000 | 48,001 |" in render(
        found(*WRONG), "markdown"
    )
