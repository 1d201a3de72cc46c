"""Several tables in one text: each is audited by itself, and nothing of any is lost."""

from __future__ import annotations

import json

import pytest

import archcalc
from archcalc.claims.audit import audit
from archcalc.report.claims.audits import render

GENERATOR = """\
Layer (type)               Output Shape         Param #
================================================================
Linear-1                 [-1, 1, 128]          12,928
LeakyReLU-2              [-1, 1, 128]               0
Linear-3                 [-1, 1, 784]         101,136
================================================================
Total params: 114,064
"""
"""(100 + 1) * 128, (128 + 1) * 784."""
DISCRIMINATOR = """\
Layer (type)               Output Shape         Param #
================================================================
Linear-1                 [-1, 1, 128]         100,480
LeakyReLU-2              [-1, 1, 128]               0
Linear-3                   [-1, 1, 1]             129
================================================================
Total params: 100,609
"""
"""(784 + 1) * 128, 128 + 1."""
CONVOLUTIONS = """\
| Layer | Kernel | Stride | Output | Params |
|---|---|---|---|---|
| conv1 | 5x5 | 1 | 28x28x6 | 156 |
| pool1 | 2x2 | 2 | 14x14x6 | 0 |
| conv2 | 5x5 | 1 | 10x10x16 | 2416 |
"""
"""(5 * 5 * 1 + 1) * 6, (5 * 5 * 6 + 1) * 16."""
LINEAR = """\
| Layer | In | Out | Params |
|---|---|---|---|
| fc1 | 400 | 120 | 48120 |
| fc2 | 120 | 84 | 10164 |
"""
"""(400 + 1) * 120, (120 + 1) * 84."""
RESULTS = """\
| Model | Accuracy | Seconds |
|---|---|---|
| LeNet-5 | 98.9 | 12 |
| ours | 99.2 | 31 |
"""
NOTEBOOK = "\nEpoch 1/2: loss 0.69\nNone\n\nModel: {}\n"


def found(text: str) -> set[tuple[int, int, str]]:
    result = audit(text)
    return {(f.table, f.row + 1, result.headers[f.column]) for f in result.findings}


TEXTS = (
    GENERATOR + NOTEBOOK + DISCRIMINATOR,
    "# GAN\n\n```\n" + GENERATOR + "```\n\nDiscriminator:\n\n```\n" + DISCRIMINATOR + "```\n",
    "# Net\n\n" + CONVOLUTIONS + "\n## Head\n\n" + LINEAR,
    CONVOLUTIONS + "\nResults:\n\n" + RESULTS + "\nHead:\n\n" + LINEAR,
    CONVOLUTIONS + "\nThe generator:\n\n" + GENERATOR,
)


@pytest.mark.parametrize("text", TEXTS)
def test_each_is_audited_by_itself(text: str) -> None:
    result = audit(text)
    assert len(result.tables) == 2
    assert result.findings == ()
    assert (result.unreadable, result.unmapped) == ((), ())
    assert sum(result.checked.values()) == sum(
        count for each in result.tables for count in each.checked.values()
    )


@pytest.mark.parametrize(
    ("text", "was", "now", "at"),
    [
        (TEXTS[0], "101,136", "101,163", (1, 3, "Param #")),
        (TEXTS[0], "100,480", "104,080", (2, 5, "Param #")),
        (TEXTS[0], "Total params: 100,609", "Total params: 106,009", (2, 8, "Param #")),
        (TEXTS[1], "114,064", "114,046", (1, 4, "Param #")),
        (TEXTS[2], "14x14x6", "14x14x9", (1, 2, "Output")),
        (TEXTS[2], "48120", "48210", (2, 4, "Params")),
        (TEXTS[3], "10164", "10146", (2, 5, "Params")),
        (TEXTS[4], "12,928", "12,982", (2, 4, "Param #")),
    ],
)
def test_a_finding_says_in_which_table_it_stands(
    text: str, was: str, now: str, at: tuple[int, int, str]
) -> None:
    assert at in found(text.replace(was, now))


def test_a_table_is_named_by_what_stands_above_it() -> None:
    shown = render(audit(TEXTS[0].format("critic")), "table")
    assert "table 2: critic" in shown


def test_what_is_no_table_of_layers_is_said() -> None:
    alone = audit(CONVOLUTIONS + "\nResults:\n\n" + RESULTS)
    assert alone.tables == ()
    assert any(note.startswith("table 2: Results") for note in alone.notes)


def test_a_table_of_layers_is_found_behind_another() -> None:
    behind = audit("Results:\n\n" + RESULTS + "\nLayers:\n\n" + CONVOLUTIONS.replace("156", "165"))
    assert [each.printed for each in behind.findings] == ["165"]


def test_findings_in_json_have_the_table_and_the_row_in_all_rows() -> None:
    text = TEXTS[0].replace("100,480", "104,080")
    data = json.loads(render(audit(text), "json"))
    assert data["findings"][0]["table"] == 2
    assert data["rows"][data["findings"][0]["row"] - 1][0].strip() == "Linear-1"
    assert len(data["tables"]) == 2
    assert data["tables"][1]["findings"][0]["row"] == 1


def test_trees_that_a_program_printed_one_after_the_other() -> None:
    tree = "{0}:\nSequential(\n  (0): Linear(in_features={1}, out_features=8, bias=True)\n)\n"
    two = "\n".join([tree.format("encoder", 16), tree.format("decoder", 4)])
    result = archcalc.audit(two)
    assert [each.name for each in result.tables] == ["table 1: encoder", "table 2: decoder"]
