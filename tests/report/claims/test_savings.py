"""How savings are printed."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest

import archcalc
from archcalc.claims.savings import examples, savings
from archcalc.report.claims.savings import FORMATS, render

LENET = savings("lenet5", "stack3x3")


def test_the_lines_above_the_total_add_up_to_it() -> None:
    lines = render(LENET).splitlines()
    rules = [k for k, line in enumerate(lines) if line.startswith("---")]

    def numbers(line: str) -> list[int]:
        words = line.replace(",", "").split()
        found = [int(word) for word in words[1:] if word.isdigit()]
        return found[-5:-1] if len(found) > 4 and "other" not in words else found[-4:]

    body = [numbers(line) for line in lines[rules[0] + 1 : rules[1]]]
    assert [sum(column) for column in zip(*body, strict=True)] == numbers(lines[rules[1] + 1])


def test_what_is_repeated_is_said_once() -> None:
    (conv,) = [line for line in render(LENET).splitlines() if line.startswith("c1 ")]

    assert "  2 times 3x3 6  " in conv


def test_a_receptive_field_that_changes_is_shown_twice() -> None:
    changed = LENET.changes[0]._replace(seen_after=(7, 9), kept=False)
    text = render(replace(LENET, changes=(changed, *LENET.changes[1:])))

    assert "5 -> 7x9" in text
    assert "receptive field  changed where two numbers are shown" in text


def test_csv_has_a_row_for_every_convolution() -> None:
    rows = list(csv.DictReader(render(savings("vgg16", "groups:8"), "csv").splitlines()))

    assert len(rows) == 13
    assert rows[0]["becomes"] == "unchanged: 8 does not divide its 3 input channels"
    assert (rows[0]["rewritten"], rows[1]["rewritten"]) == ("false", "true")
    assert (rows[1]["params"], rows[1]["field"], rows[1]["field_kept"]) == ("36928", "5", "true")
    assert rows[1]["becomes"] == "3x3 64 in 8 groups"


def test_json_holds_the_totals_and_the_reasons() -> None:
    data = json.loads(render(savings("vgg16", "stack3x3"), "json"))

    macs = 15_470_264_320
    assert data["convention"] == "macs"
    assert data["before"] == data["after"] == {"params": 138_357_544, "macs": macs, "work": macs}
    assert data["field_kept"] is True
    assert {layer["reason"] for layer in data["layers"]} == {"is 3x3"}


TWICE = savings("lenet5", "separable", convention="2xmacs")
"""C1 is 5x5 of 1 -> 6 at 28x28: 117,600 multiply-accumulates, then 784 * (25 + 6) = 24,304."""


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_the_work_is_headed_as_its_convention(form: str) -> None:
    lines = [line.replace("|", " ").split() for line in render(TWICE, form).splitlines()]
    (head,) = [words for words in lines if words[:1] == ["layer"]]
    (c1,) = [words for words in lines if words[:1] == ["c1"]]

    assert head[2:] == ["params", "after", "2", "x", "MACs", "after", "field"]
    assert c1[-3:] == ["235,200", "48,608", "5"]
    assert " MACs " not in render(TWICE, form).replace("2 x MACs", "")


def test_csv_names_the_work_as_its_convention() -> None:
    rows = list(csv.DictReader(render(TWICE, "csv").splitlines()))

    assert (rows[0]["2xmacs"], rows[0]["2xmacs_after"]) == ("235200", "48608")
    assert not {"macs", "macs_after"} & set(rows[0])


def test_json_holds_the_work_beside_the_macs() -> None:
    data = json.loads(render(TWICE, "json"))

    assert data["convention"] == "2xmacs"
    # 5x5 of 1 -> 6 at 28x28: 156 params; of each channel, then 1x1: 25 + 1 and 6 + 6.
    assert data["layers"][0]["before"] == {"params": 156, "macs": 117_600, "work": 235_200}
    assert data["layers"][0]["after"] == {"params": 38, "macs": 24_304, "work": 48_608}


def test_other_layers_count_under_the_convention_too() -> None:
    # A ReLU compares each of 6 x 10 x 10 elements once, which is no multiply-accumulate.
    conv = {"op": "Conv2d", "out_channels": 6, "kernel_size": 5, "padding": 2}
    spec = archcalc.load(
        {"name": "net", "input": [4, 10, 10], "layers": {"conv": conv, "relu": "ReLU"}}
    )
    for convention, work in (("macs", "0"), ("all", "600")):
        lines = render(savings(spec, "separable", convention=convention)).splitlines()
        (other,) = [line.split() for line in lines if "other layer" in line]
        assert other == ["1", "other", "layer", "0", "0", work, work]


def test_markdown_has_as_many_cells_in_every_row() -> None:
    rows = [line for line in render(LENET, "markdown").splitlines() if line.startswith("|")]

    assert len(rows) == 2 + 3 + 1 + 1
    assert {row.count("|") for row in rows} == {8}


@pytest.mark.parametrize("form", FORMATS)
def test_examples_have_every_form(form: str) -> None:
    text = render(examples(), form)

    assert text.endswith("\n")
    assert "12443648" in text.replace(",", "")


def test_the_examples_say_what_is_saved() -> None:
    text = render(examples())

    for saved in ("28.0% saved", "44.9% saved", "62.8% saved", "9.68 times fewer"):
        assert saved in text
