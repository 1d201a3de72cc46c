"""The picture of memory over the layers."""

import pytest

import archcalc
from archcalc.report.needs import timeline


@pytest.mark.parametrize("budget", [None, 2_000_000])
def test_the_budget_is_a_line_and_no_part_of_the_legend(budget: int | None) -> None:
    memory = archcalc.memory(archcalc.load("lenet5"))
    axes = pytest.importorskip("matplotlib.figure").Figure().add_subplot()

    timeline._fill(axes, memory, budget)

    # In MB, since all is less than 10 GB.
    drawn = [line.get_ydata()[0] for line in axes.get_lines() if line.get_linestyle() == "--"]
    assert drawn == ([] if budget is None else [2.0])
    assert {text.get_text() for text in axes.get_legend().get_texts()} == {
        *("weights", "activations")
    }
    assert axes.get_ylim()[1] > (2.0 if budget else 0)
