"""The difference of two networks in its formats."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import Any

import pytest

import archcalc
from archcalc import ArchcalcError
from archcalc.report.layers.diff import render

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


def unbiased() -> dict[str, Any]:
    net = deepcopy(NET)
    net["layers"]["conv1"]["bias"] = False
    return net


# NET has 6,912 + 13,824 + 768 = 21,504 products, gathered into 256 + 384 + 2 sums of one bias each.
# Without that of conv1 its 256 sums have one addition less, and no product is missing.
@pytest.mark.parametrize(
    ("name", "header", "before", "change"),
    [
        ("macs", "MACs", 21_504, 0),
        ("2xmacs", "2 x MACs", 43_008, 0),
        # 2 K - 1 and a bias are 2 K.
        ("textbook", "textbook FLOPs", 43_008, -256),
        # 2 K, a bias, and one for each of the 256 outputs of the ReLU.
        ("all", "FLOPs", 43_008 + 642 + 256, -256),
        ("torch", "FLOPs (torch)", 43_008, 0),
        # A product more for each bias.
        ("torchinfo", "mult-adds (torchinfo)", 21_504 + 256 + 384 + 2, -256),
    ],
)
def test_work_is_counted_and_headed_as_the_convention_says(
    name: str, header: str, before: int, change: int
) -> None:
    found = archcalc.diff(NET, unbiased(), convention=name)
    more = [f"{change:+,}"] if change else []
    lines = [re.split(" {2,}", line.strip()) for line in render(found).splitlines()]
    assert ["layer", "op", "change", "params", header] in lines
    assert ["~", "conv1", "Conv2d", "bias true -> false", "-4", *more] in lines
    assert ["total", "-4", *more] in lines
    (total,) = (line for line in lines if line[0] == header)
    assert total[:3] == [header, f"{before:,}", f"{before + change:,}"]
    data = json.loads(render(found, "json"))
    (conv1,) = data["layers"]
    assert data["convention"] == name
    assert [data[side]["totals"]["macs"] for side in ("before", "after")] == [21_504, 21_504]
    assert [data[side]["totals"]["work"] for side in ("before", "after")] == [
        before,
        before + change,
    ]
    assert [conv1[side]["macs"] for side in ("before", "after")] == [6_912, 6_912]
    assert (conv1["macs"], conv1["work"]) == (0, change)
    assert conv1["after"]["work"] - conv1["before"]["work"] == change


def test_operators_that_a_tool_does_not_see_are_named() -> None:
    net = {"name": "net", "input": [5, 3], "layers": {"rnn": {"op": "LSTM", "hidden_size": 2}}}
    wide = {**net, "layers": {"rnn": {"op": "LSTM", "hidden_size": 3}}}
    assert "\ninput 5x3; unseen by torch: LSTM\n" in render(
        archcalc.diff(net, wide, convention="torch")
    )
    assert "unseen" not in render(archcalc.diff(net, wide))


def test_an_added_layer_has_no_before() -> None:
    layers = {**NET["layers"], "softmax": {"op": "Softmax", "dim": 1}}
    (added,) = json.loads(render(archcalc.diff(NET, {**NET, "layers": layers}), "json"))["layers"]
    assert (added["kind"], added["before"], added["after"]["op"]) == ("added", None, "Softmax")


def test_another_format_is_refused() -> None:
    with pytest.raises(ArchcalcError, match="no format 'xml'"):
        render(archcalc.diff(NET, NET), "xml")
