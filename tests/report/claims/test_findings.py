"""What checking found, in the forms that people, CI and programs read."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest

import archcalc
from archcalc import Problem
from archcalc.report.claims.findings import FORMATS, Checked, render, summary

NET: dict[str, Any] = {
    "name": "net",
    "input": [3, 32, 32],
    "layers": {"conv": {"op": "Conv2d", "out_channels": 8, "kernel_size": 3}},
    "documented": [
        {"id": "C1", "quantity": "params", "value": 224, "source": "a page | of two"},
        {"quantity": "params", "value": 225, "source": "b"},
        {
            "quantity": "params",
            "value": 9,
            "source": "c",
            "erratum": {"value": 224, "mistake": "=3*3", "reason": "<w>"},
        },
    ],
    "facts": [{"quantity": "top5", "value": "84.7%", "source": "d", "reason": "measured"}],
    "budget": [{"quantity": "params", "at_most": 200}],
}
PROBLEM = Problem("bad.yaml", 3, 7, ("layers", "conv"), "bad", "did you mean 'x'?")
CHECKED = [Checked("net.yaml", tuple(archcalc.check(NET))), Checked("bad.yaml", (), (PROBLEM,))]


def test_a_table_has_a_line_for_every_number() -> None:
    assert render(CHECKED).splitlines() == [
        "verdict               quantity      printed  computed",
        "-----------------------------------------------------",
        "net",
        "  exact               params            224       224",
        "  contradicted        params            225       224",
        "    is 224: 1 less than printed",
        "  known mistake       params              9       224",
        "    is 224: <w>",
        "  can't be computed   top5            84.7%",
        "    measured",
        "  exceeds the budget  params    at most 200       224",
        "    224 is 24 over 200",
        "",
        "4 numbers: 1 contradicted, 1 over budget, 1 exact, 1 known to be wrong; "
        "1 that can't be computed; 1 problem",
    ]


def test_what_is_too_long_for_a_line_takes_several() -> None:
    names = [f"layer_with_many_maps_{number}" for number in range(6)]
    many = [*range(1000, 1009)]
    network = {
        "name": "net",
        "input": [1, 4, 4],
        "vars": {"many": many},
        "layers": {
            name: {"op": "Conv2d", "out_channels": number + 1, "kernel_size": 1}
            for number, name in enumerate(names)
        },
        "documented": [
            # 1x1 convolutions with biases: (1 + 1) 1, (1 + 1) 2, (2 + 1) 3, ..., (5 + 1) 6.
            {"quantity": "params", "value": 2 + 4 + 9 + 16 + 25 + 36, "source": "a"},
            {
                "quantity": f"=[{', '.join(f'{name}.channels' for name in names)}]",
                "value": "1, 2, 3, 4, 5, 6",
                "source": "a",
            },
            {"quantity": "many", "value": ", ".join(map(str, many)), "source": "a"},
        ],
    }
    text = render([Checked("net.yaml", tuple(archcalc.check(network)))])
    assert all(len(line) <= 100 for line in text.splitlines())
    for number, name in enumerate(names):
        (line,) = [line for line in text.splitlines() if f"{name}.channels" in line]
        assert line.endswith("6") == (number == 0)


def test_brief_shows_what_is_wrong() -> None:
    shown = render(CHECKED, brief=True)
    assert "225" in shown
    assert "at most 200" in shown
    assert "84.7%" not in shown
    assert "<w>" not in shown


def test_nothing_to_check_is_said() -> None:
    assert summary([Checked("net.yaml", ())]) == "no numbers to check"


def test_markdown_is_a_table_without_markup_in_its_cells() -> None:
    header, marks, first, *_ = render(CHECKED, "markdown").splitlines()
    assert header == "| network | verdict | quantity | printed | computed | source | remark |"
    assert marks.count("|") == 8
    assert first == r"| net | exact | params | 224 | 224 | a page \| of two | |"
    assert r"\<w\>" in render(CHECKED, "markdown")


def test_github_marks_what_is_wrong_and_malformed() -> None:
    lines = render(CHECKED, "github").splitlines()
    assert [line.partition("::")[2].partition(" ")[0] for line in lines[:-1]] == ["error"] * 3
    assert "file=bad.yaml,line=3,col=7" in lines[2]


def test_json_has_everything() -> None:
    data = json.loads(render(CHECKED, "json"))
    assert data["ok"] is False
    net, bad = data["files"]
    assert [finding["verdict"] for finding in net["findings"]] == [
        "exact",
        "contradicted",
        "erratum",
        "fact",
        "exceeded",
    ]
    assert net["findings"][0]["ids"] == ["C1"]
    assert net["findings"][0]["computed"] == 224
    assert bad["problems"][0]["line"] == 3
    assert bad["ok"] is False


@pytest.mark.parametrize("name", ["resnet50", "stacks"])
def test_json_holds_lists_and_ratios(name: str) -> None:
    record = {"quantity": "=[conv.kernel_size, 1 / 3]", "value": "3, 0.3", "source": "x"}
    findings = archcalc.check({**NET, "documented": [record], "budget": []})
    (shown, _) = json.loads(render([Checked(name, tuple(findings))], "json"))["files"][0][
        "findings"
    ]
    assert shown["computed"] == [[3, 3], 1 / 3]


def test_junit_has_a_case_for_every_number() -> None:
    suites = ElementTree.fromstring(render(CHECKED, "junit"))
    net, bad = suites
    assert net.attrib == {
        "name": "net.yaml",
        "tests": "5",
        "failures": "2",
        "errors": "0",
        "skipped": "1",
    }
    inside = [[child.tag for child in case] for case in net]
    assert inside == [[], ["failure"], [], ["skipped"], ["failure"]]
    assert [child.tag for child in bad[0]] == ["error"]
    assert net[1][0].attrib["message"] == "contradicted: is 224: 1 less than printed"


def test_there_are_five_forms() -> None:
    assert FORMATS == ("table", "json", "junit", "github", "markdown")
