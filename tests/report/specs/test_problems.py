"""The outcome of validation, for CI and for programs."""

from __future__ import annotations

import json

import pytest

from archcalc import Problem
from archcalc.report.specs.problems import Outcome, annotation, as_json

PROBLEM = Problem("a.yaml", 3, 7, ("layers", "conv"), "bad: 50%,\nworse", "did you mean 'x'?")


def test_an_annotation_escapes_what_github_would_read_as_its_own() -> None:
    assert annotation(PROBLEM) == (
        "::error file=a.yaml,line=3,col=7,title=layers > conv"
        "::bad: 50%25,%0Aworse%0Adid you mean 'x'?"
    )
    odd = Problem("c:\\a,b%\r.yaml", 0, 0, (), "m")
    assert annotation(odd) == "::error file=c%3A\\a%2Cb%25%0D.yaml,title=archcalc::m"


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (Outcome("a.yaml", 0, ()), "a.yaml: ok"),
        (Outcome("a.yaml", 1, ()), "a.yaml: ok (1 variant)"),
        (Outcome("a.yaml", 14, ()), "a.yaml: ok (14 variants)"),
        (Outcome("a.yaml", 0, (PROBLEM,)), "a.yaml: 1 problem"),
    ],
)
def test_a_verdict_is_a_line(outcome: Outcome, verdict: str) -> None:
    assert outcome.verdict == verdict


def test_json_has_every_place() -> None:
    data = json.loads(as_json([Outcome("a.yaml", 0, (PROBLEM,)), Outcome("b.yaml", 2, ())]))
    assert data["ok"] is False
    assert [file["ok"] for file in data["files"]] == [False, True]
    assert data["files"][0]["problems"] == [
        {
            "file": "a.yaml",
            "line": 3,
            "column": 7,
            "path": ["layers", "conv"],
            "message": "bad: 50%,\nworse",
            "hint": "did you mean 'x'?",
        }
    ]
