"""An operator as its class describes it, in every format."""

from __future__ import annotations

import pytest

from archcalc.operators import NAMES
from archcalc.operators.describe import ops
from archcalc.report.specs.ops import FORMATS, render


@pytest.mark.parametrize("name", NAMES)
def test_no_markup_is_left_over(name: str) -> None:
    text, markdown = render(ops(name), "text"), render(ops(name), "markdown")

    assert "`" not in text
    assert "``" not in markdown
    assert ":class:" not in markdown
    assert ":func:" not in markdown


def test_text_for_a_terminal() -> None:
    text = render(ops("LogicalAnd"), "text")
    assert text.startswith(
        "LogicalAnd\nWhether both are not 0: 1 comparison. As torch.logical_and."
    )
    assert "\n\nInputs: 2: input, other.\n\nexample\n---" in text
    assert "\nfields   none\n" in text
    listed = render(ops(), "text").splitlines()
    assert listed[2] == "conv"
    assert listed[3].startswith("  Conv1d ")


def test_which_inputs_are_taken_in_which_order() -> None:
    assert ops("Attention").inputs == "1 to 4: query, key, value, attn_mask"
    assert ops("Where").inputs == "3: condition, input, other"
    assert ops("Concat").inputs == "1 or more"
    assert ops("ReLU").inputs == "1"


def test_a_bar_does_not_end_a_cell_of_markdown() -> None:
    listed = render(ops(), "markdown").splitlines()
    (row,) = (line for line in listed if line.startswith("| loss | `L1Loss`"))

    assert row.count("|") == 4
    assert "<code>&#124;x - y&#124;</code>" in row


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_typed_is_marked_as_each_format_marks_it(form: str) -> None:
    marked = {
        "text": "torch.nn.Conv2d",
        "markdown": "`torch.nn.Conv2d`",
        "html": "<code>torch.nn.Conv2d</code>",
        "latex": r"\texttt{torch.nn.Conv2d}",
    }
    assert f"as {marked[form]}." in render(ops("Conv2d"), form)
