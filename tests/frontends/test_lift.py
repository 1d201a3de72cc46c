"""Numbers of an imported spec as variables: width, depth, classes, or one by its value."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import archcalc
from archcalc import ArchcalcError
from archcalc.frontends.fold import same_layers, written
from archcalc.frontends.lift import lifted


def lift(name: str, *names: str) -> tuple[archcalc.Graph, dict[str, Any]]:
    graph = archcalc.expand(archcalc.load(name))
    parts = [node.name.split(".") for node in graph.nodes]
    above = {".".join(each[:k]) for each in parts for k in range(1, len(each))}
    units = {path: "Unit" for path in above if path.rpartition(".")[2].isdigit()}
    graph = replace(graph, modules=units)  # as those that are captured have classes
    return graph, lifted(written(graph), graph, names).data


@pytest.mark.parametrize(
    ("name", "names", "values"),
    [
        ("resnet50", ["width", "depth", "classes"], [64, [3, 4, 6, 3], 1000]),
        ("resnet18-cifar", ["width", "depth"], [64, [2, 2, 2, 2]]),
        ("mobilenet_v2", ["width", "classes"], [32, 1000]),
        ("vgg16", ["width"], [64]),
        ("gpt2", ["width", "depth"], [768, 12]),
        ("vit_b_16", ["width", "depth", "classes"], [768, 12, 1000]),
        ("densenet121", ["growth=32", "depth"], [32, [6, 12, 24, 16]]),
    ],
)
def test_at_its_values_it_is_the_same_network(
    name: str, names: list[str], values: list[Any]
) -> None:
    graph, data = lift(name, *names)
    assert [*data["vars"].values()] == values
    spec = archcalc.load(data)
    assert same_layers(archcalc.expand(spec), graph)


def test_width_is_in_all_that_is_in_proportion_to_it() -> None:
    # Of ResNet-50 twice as wide all but the first convolution's input and the classes are twice as
    # wide: conv1 has 2 x 9,408 parameters, batch norms twice, fc 2,000 more rows of 2,048 inputs,
    # and every other convolution four times as many.
    graph, data = lift("resnet50", "width")
    wide = archcalc.analyze(archcalc.load(data), width=128)
    plain = archcalc.analyze(graph)
    by_name = {row.name: row.params for row in plain.rows}
    expected = 0
    for name, params in by_name.items():
        kind = type(plain.row(name).node.op).__name__
        factor = 2 if kind == "BatchNorm2d" or name == "conv1" else 4
        expected += 2 * 2048 * 1000 + 1000 if name == "fc" else factor * params
    assert wide.params == expected


def test_depth_is_how_often_is_repeated_what_is() -> None:
    _, data = lift("resnet50", "depth")
    spec = archcalc.load(data)
    assert (
        archcalc.analyze(spec, depth=[3, 4, 23, 3]).params == 44_549_160
    )  # torchvision's resnet101


def test_classes_are_what_the_last_layer_gives() -> None:
    _, data = lift("resnet50", "classes")
    assert data["layers"]["fc"]["out_features"] == "=classes"
    assert archcalc.analyze(archcalc.load(data), classes=10).params == 25_557_032 - 990 * 2049


@pytest.mark.parametrize(
    ("name", "lifts", "said"),
    [
        ("alexnet", ["depth"], "nothing is repeated in a row"),
        ("resnet50", ["height"], "which number\\? known are width, depth, classes, or say it"),
        ("resnet50", ["growth=x"], "write a number behind the sign"),
        ("resnet50", ["growth=37"], "no layer has 37 channels or features"),
        ("resnet50", ["input"], "is no name of a variable"),
        ("resnet50", ["a-b=64"], "is no name of a variable"),
        ("resnet50", ["width", "width"], "is named twice"),
        ("resnet50", ["stride=64"], "'.*' has an argument of this name"),
    ],
)
def test_what_can_t_be_lifted_is_told_in_words(name: str, lifts: list[str], said: str) -> None:
    with pytest.raises(ArchcalcError, match=said):
        lift(name, *lifts)


def test_a_number_that_fits_at_no_other_value_is_left() -> None:
    # 12 channels in three axes, of which none is the width.
    data = {
        "name": "net",
        "input": [3, 32, 32],
        "layers": {
            "conv": {"op": "Conv2d", "out_channels": 12, "kernel_size": 1},
            "view": {"op": "Reshape", "shape": [1024, 2, 2, 3]},
            "fc": {"op": "Linear", "out_features": 4},
        },
    }
    graph = archcalc.expand(archcalc.load(data))
    with pytest.raises(ArchcalcError, match="with width = 24 there is no such network: view: "):
        lifted(data, graph, ["width"])


def test_what_cuts_the_input_in_patches_knows_nothing_of_the_width() -> None:
    graph = archcalc.expand(
        archcalc.load(
            {
                "name": "patches",
                "input": [3, 32, 32],
                "layers": {
                    "cut": {"op": "Reshape", "shape": [3, 4, 8, 4, 8]},
                    "turn": {"op": "Permute", "dims": [0, 2, 4, 3, 5, 1]},
                    "join": {"op": "Reshape", "shape": [16, 192]},
                    "embed": {"op": "Linear", "out_features": 64},
                    "norm": "LayerNorm",
                    "head": {"op": "Linear", "out_features": 10},
                },
            }
        )
    )
    data = lifted(written(graph), graph, ["width"]).data
    assert data["vars"] == {"width": 64}
    assert data["layers"]["cut"]["shape"] == [3, 4, 8, 4, 8]
    assert data["layers"]["join"]["shape"] == [16, 192]
    wide = archcalc.analyze(archcalc.load(data), width=128)
    assert wide.params == (192 + 1) * 128 + 2 * 128 + (128 + 1) * 10


def test_a_mask_of_positions_has_no_width() -> None:
    graph = archcalc.expand(
        archcalc.load(
            {
                "name": "masked",
                "input": [16, 16],
                "layers": {
                    "embed": {"op": "Linear", "out_features": 32},
                    "turned": {"op": "Permute", "dims": [0, 2, 1]},
                    "scores": {"op": "MatMul", "from": ["embed", "turned"]},
                    "mask": {"op": "triu", "shape": [16, 16], "params": 0, "macs": 0},
                    "filled": {"op": "MaskedFill", "from": ["scores", "mask"], "value": -1},
                    "mixed": {"op": "MatMul", "from": ["filled", "embed"]},
                    "head": {"op": "Linear", "out_features": 10},
                },
            },
            allow_unknown=True,
        ),
        allow_unknown=True,
    )
    data = lifted(written(graph), graph, ["width"]).data
    assert data["vars"] == {"width": 32}
    assert data["layers"]["mask"]["shape"] == [16, 16]


def test_numbers_that_only_look_like_a_part_of_the_width_are_kept() -> None:
    # 80 classes are five times 16 channels, and so are the 80 columns of positions that are added.
    data = {
        "name": "looks",
        "input": [3, 80, 80],
        "layers": {
            "conv": {"op": "Conv2d", "out_channels": 16, "kernel_size": 3, "padding": 1},
            "depth": {"op": "Conv2d", "out_channels": 32, "kernel_size": 1, "groups": 16},
            "apart": {"op": "Conv2d", "out_channels": 32, "kernel_size": 3, "padding": 1}
            | {"groups": 32},
            "turns": {"op": "Conv2d", "repeat": 2, "out_channels": 32, "kernel_size": 1}
            | {"groups": "=32 if i == 0 else 1"},
            "head": {"op": "Conv2d", "out_channels": 80, "kernel_size": 1},
            "rows": {"op": "Reshape", "shape": [80, 6400]},
            "places": {"op": "Constant", "shape": [80, 80]},
            "row": {"op": "Reshape", "shape": [1, 6400]},
            "add": {"op": "Add", "from": ["rows", "row"]},
        },
    }
    graph = archcalc.expand(archcalc.load(data))
    found = lifted(data, graph, ["width"])
    layers = found.data["layers"]
    assert [layers[name]["shape"] for name in ("rows", "places", "row")] == [
        *([80, 6400], [80, 80], [1, 6400])
    ]
    assert layers["depth"]["out_channels"] == "=2 * width"
    assert layers["apart"]["groups"] == "=2 * width"
    assert found.notes == (
        "width is 16, in 6 places",
        *(f"kept: {name}, which fits no other width" for name in ("rows", "row", "places")),
    )
    wide = archcalc.analyze(archcalc.load(found.data), width=48)
    # 3x3 kernels of 3 channels, 1x1 of 3 in each of 16 groups; a row of depthwise layers, of which
    # the last sees all 96 channels, as the head does.
    expected = 48 * (27 + 1) + 96 * (3 + 1) + 96 * (9 + 1) + 96 * (1 + 1) + (96 + 80) * (96 + 1)
    assert wide.params == expected
