"""Modules of a user's own notation: read from a small file, and audited as what they stand for."""

from __future__ import annotations

from pathlib import Path

import pytest

from archcalc.claims.audit import audit
from archcalc.claims.finding import Audit
from archcalc.claims.tables.notations import read_patterns
from archcalc.errors import SpecError

BOTTLENECK = """
bottleneck:
  columns: {t: t, c: c, n: n}
  layers:
    - [1, in, t*in]
    - [3, t*in, t*in, t*in]
    - [1, t*in, c]
  out: [c]
  times: n
"""
"""MobileNetV2's (arXiv:1801.04381, table 1)."""

TABLE = """Input,Operator,t,c,n,s,Params
224x224x3,conv2d,-,16,1,2,464
112x112x16,bottleneck,6,24,2,2,{}
56x56x24,bottleneck,6,32,3,2,{}
"""
FIRST = 5136 + 8832
"""From 16 channels 16 * 96 + 9 * 96 + 96 * 24 weights and two for each of 216 channels; then from
24: 24 * 144 + 9 * 144 + 144 * 24 and two for each of 312."""
SECOND = 10_000 + 2 * 14_848
"""24 * 144 + 9 * 144 + 144 * 32 and 2 * 320; twice 32 * 192 + 9 * 192 + 192 * 32 and 2 * 416."""


@pytest.fixture
def notations(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(BOTTLENECK, encoding="utf-8")
    return path


def found(table: str, notations: Path) -> Audit:
    return audit(table, patterns=notations)


def test_rows_stand_for_what_the_notation_says(notations: Path) -> None:
    result = found(TABLE.format(FIRST, SECOND), notations)
    assert result.ok
    assert result.checked["params"] == 3


@pytest.mark.parametrize(("params", "row"), [((FIRST + 90, SECOND), 1), ((FIRST, SECOND - 9), 2)])
def test_a_number_that_does_not_follow_is_found(
    notations: Path, params: tuple[int, int], row: int
) -> None:
    result = found(TABLE.format(*params), notations)
    (finding,) = [f for f in result.findings if f.role == "params"]
    assert (finding.row, finding.right) == (row, f"{(0, FIRST, SECOND)[row]:,}")


def test_without_it_such_a_row_may_have_any_number() -> None:
    assert audit(TABLE.format(FIRST + 90, SECOND)).findings == ()


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("t*in]", "tt*in]", "'tt*in' is no number and no width"),
        ("times: n", "time: n", "unknown key 'time'"),
        ("times: n", "times: k", "should be one of its widths"),
        ("  out: [c]\n", "", "lacks 'out'"),
        ("[1, t*in, c]", "[1, c]", "should be kernel, channels in and out"),
        ("{t: t, c: c, n: n}", "[t, c]", "should be headers by their widths"),
        ("[1, in, t*in]", "[0, in, t*in]", "'0' is no number and no width"),
    ],
)
def test_what_can_not_be_meant_is_said(tmp_path: Path, was: str, now: str, said: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(BOTTLENECK.replace(was, now, 1), encoding="utf-8")
    with pytest.raises(SpecError, match=r"mine\.yaml:") as raised:
        read_patterns(path)
    assert said in str(raised.value)
