"""Time against multiply-accumulates, drawn."""

from __future__ import annotations

import sys
from xml.etree import ElementTree

import pytest

from archcalc import ArchcalcError
from archcalc.analysis.analyze import analyze
from archcalc.analysis.measured import Machine, Measurement
from archcalc.pytorch.compared import Counts
from archcalc.pytorch.crosscheck import Crosscheck, Run
from archcalc.report.runs import timing
from archcalc.report.runs.timing import draw
from archcalc.spec.zoo import load

MACHINE = Machine("cuda", "NVIDIA X", 8, "2.13.0", "13.0")
COUNTS = Counts.of(analyze(load("lenet5")))


def found(name: str, macs: int, *times: tuple[str, float]) -> Crosscheck:
    runs = [
        Run("cuda", dtype, 1, (), measured=Measurement(MACHINE, dtype, 1, 9, s, 0, macs, 1, 1))
        for dtype, s in times
    ]
    return Crosscheck(name, COUNTS, tuple(runs))


TWO = [
    found("small", 10**6, ("float32", 1e-4), ("bfloat16", 5e-5)),
    found("large", 10**9, ("float32", 1e-2), ("bfloat16", 2e-3)),
]


@pytest.fixture(autouse=True)
def _needs_matplotlib(request: pytest.FixtureRequest) -> None:
    if "without" not in request.node.name:
        pytest.importorskip("matplotlib")


def test_a_drawing_is_svg_or_png() -> None:
    assert ElementTree.fromstring(draw(TWO, "svg")).tag == "{http://www.w3.org/2000/svg}svg"
    assert draw(TWO, "png").startswith(b"\x89PNG\r\n\x1a\n")
    assert draw(TWO) == draw(TWO)


def test_dots_are_where_the_numbers_are() -> None:
    from typing import Any

    from matplotlib.figure import Figure

    axes: Any = Figure().add_subplot()
    dots = [(each.name, run.measured) for each in TWO for run in each.runs if run.measured]
    timing._fill(axes, dots, named=True)
    single, half = axes.collections
    assert single.get_offsets().tolist() == [[1e6, 1e-4], [1e9, 1e-2]]
    assert half.get_offsets().tolist() == [[1e6, 5e-5], [1e9, 2e-3]]
    # The fastest did 2 x 10^9 operations in 2 ms: a million million a second.
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["small", "large", "1.00 TFLOP/s", "100 GFLOP/s", "10.0 GFLOP/s"]


def test_without_a_measurement_there_is_nothing_to_draw() -> None:
    with pytest.raises(ArchcalcError, match="no network was measured"):
        draw([found("small", 10**6)])


def test_without_matplotlib_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    with pytest.raises(ArchcalcError, match=r"pip install 'archcalc\[plot\]'"):
        draw(TWO)
