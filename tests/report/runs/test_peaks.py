"""Memory at the peak against what is predicted, drawn."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from archcalc import ArchcalcError
from archcalc.analysis.measured import Machine, Measurement
from archcalc.pytorch.compared import Counts
from archcalc.pytorch.crosscheck import Crosscheck, Run
from archcalc.report.runs import peaks
from archcalc.report.runs.peaks import draw

pytest.importorskip("matplotlib")

MACHINE = Machine("cuda", "NVIDIA X", 8, "2.13.0", "13.0")


def found(peak: int | None, predicted: int) -> Crosscheck:
    measured = Measurement(MACHINE, "tf32", 1, 9, 1e-3, 0, 10, peak, predicted)
    run = Run("cuda", "tf32", 1, (), measured=measured)
    return Crosscheck("net", Counts(1, 1, 0, 10), (run,))


def test_dots_are_where_the_numbers_are_in_megabytes() -> None:
    from matplotlib.figure import Figure

    axes: Any = Figure().add_subplot()
    peaks._fill(axes, {"float32": [(2 * 10**6, 3 * 10**6)], "tf32": [(10**6, 10**6)]})
    one, other = axes.collections
    assert one.get_offsets().tolist() == [[2, 3]]
    assert other.get_offsets().tolist() == [[1, 1]]


def test_the_same_measurements_give_the_same_picture() -> None:
    pictures = [draw([found(3 * 10**6, 2 * 10**6)]) for _ in range(2)]

    assert pictures[0] == pictures[1]
    assert ElementTree.fromstring(pictures[0]).tag == "{http://www.w3.org/2000/svg}svg"


def test_without_a_peak_there_is_nothing_to_draw() -> None:
    with pytest.raises(ArchcalcError, match="nothing to draw: no peak of memory was measured"):
        draw([found(None, 1)])
