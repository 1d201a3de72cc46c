"""The difference of two networks in its formats."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import Any

import pytest

import archcalc
from archcalc import ArchcalcError
from archcalc.report.diff import render

NET: dict[str, Any] = {
    "name": "before",
    "input": [3, 8, 8],
    "layers": {
        "conv1": {"op": "Conv2d", "out_channels": 4, "kernel_size": 3, "padding": 1},
        "relu1": {"op": "ReLU"},
        "conv2": {"op": "Conv2d", "out_channels": 6, "kernel_size": 3, "padding": 1},
        "flatten": {"op": "Flatten"},
        "fc": {"op": "Linear", "out_features": 2},
    },
}
"""112, 222 and 770 parameters; 6,912, 13,824 and 768 products."""


def wider() -> dict[str, Any]:
    net = deepcopy(NET)
    net["name"] = "after"
    net["layers"]["conv1"]["out_channels"] = 5
    net["layers"]["conv1"]["kernel_size"] = [3, 1]
    net["layers"]["conv1"]["padding"] = [1, 0]
    net["layers"]["relu1"]["op"] = "Tanh"
    return net


def test_text_says_what_was_changed_and_what_follows() -> None:
    # conv1: 3 * 3 * 5 + 5 = 50 parameters in place of 112, 64 * 45 products in place of 64 * 108;
    # conv2: 9 * 6 weights more, at 64 positions.
    lines = render(archcalc.diff(NET, wider())).splitlines()
    assert lines[:3] == ["before -> after", "input 3x8x8", ""]
    cells = [re.split(" {2,}", line.strip()) for line in [lines[3], *lines[5:10]]]
    edits = "out_channels 4 -> 5, kernel_size 3 -> 3x1, padding 1 -> 1x0, to 4x8x8 -> 5x8x8"
    assert cells == [
        ["layer", "op", "change", "params", "MACs"],
        ["~", "conv1", "Conv2d", edits, "-62", "-4,032"],
        ["~", "relu1", "ReLU -> Tanh", "to 4x8x8 -> 5x8x8"],
        [">", "conv2", "Conv2d", "+54", "+3,456"],
        ["flatten to fc", "2 layers", "as before"],
        ["total", "-8", "-576"],
    ]


def test_totals_have_their_change_and_percentage() -> None:
    lines = render(archcalc.diff("vgg16", "vgg19")).splitlines()
    # torchvision: 138,357,544 and 143,667,240 parameters, of 4 bytes.
    assert any(
        line.split() == ["params", "138,357,544", "143,667,240", "+5,309,696", "+3.8"]
        for line in lines
    )
    assert any(
        line.split() == ["weight", "bytes", "553.43", "MB", "574.67", "MB", "+21,238,784", "+3.8"]
        for line in lines
    )
    assert any(line.split() == ["depth", "16", "19", "+3", "+18.8"] for line in lines)


def test_what_is_summed_up_has_lines_of_its_own_on_demand() -> None:
    found = archcalc.diff(NET, {**NET, "input": [4, 8, 8]})
    assert "conv1" in render(found)
    assert "relu1 to fc" in render(found)
    lines = render(found, every=True).splitlines()
    assert {"conv1", "relu1", "conv2", "flatten", "fc"} <= {
        word for line in lines for word in line.split()
    }


def test_an_input_that_differs_is_told() -> None:
    shown = render(archcalc.diff(NET, {**NET, "input": [3, 9, 9]}))
    assert "input 3x8x8 -> 3x9x9" in shown


def test_no_difference_is_a_sentence() -> None:
    found = archcalc.diff(NET, NET)
    assert render(found) == "before -> before\nno differences in 5 layers; input 3x8x8\n"
    assert render(found, "markdown") == (
        "**before -\\> before**\n\nno differences in 5 layers; input 3x8x8\n"
    )


def test_a_renamed_layer_has_both_names() -> None:
    layers = {"stem" if name == "conv1" else name: each for name, each in NET["layers"].items()}
    assert "~  conv1 -> stem" in render(archcalc.diff(NET, {**NET, "layers": layers}))


def test_markdown_is_two_tables() -> None:
    shown = render(archcalc.diff(NET, wider()), "markdown")
    assert "| ~ | relu1 | ReLU -\\> Tanh | to 4x8x8 -\\> 5x8x8 | | |" in shown
    assert "| params | 1,104 | 1,096 | -8 | -0.7 |" in shown


def test_json_has_what_is_different() -> None:
    data = json.loads(render(archcalc.diff(NET, wider()), "json"))
    assert data["different"] is True
    assert data["before"]["totals"]["params"] == 1_104
    assert data["after"]["totals"]["params"] == 1_096
    conv1, relu1, conv2 = data["layers"]
    assert conv1["kind"] == "changed"
    assert conv1["edits"]["kernel_size"] == [[3, 3], [3, 1]]
    assert (conv1["params"], conv1["macs"]) == (-62, -4_032)
    assert relu1["edits"] == {"op": ["ReLU", "Tanh"]}
    assert conv2["kind"] == "follows"


def test_an_added_layer_has_no_before() -> None:
    layers = {**NET["layers"], "softmax": {"op": "Softmax", "dim": 1}}
    (added,) = json.loads(render(archcalc.diff(NET, {**NET, "layers": layers}), "json"))["layers"]
    assert (added["kind"], added["before"], added["after"]["op"]) == ("added", None, "Softmax")


def test_another_format_is_refused() -> None:
    with pytest.raises(ArchcalcError, match="no format 'xml'"):
        render(archcalc.diff(NET, NET), "xml")
