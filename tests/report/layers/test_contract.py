"""JSON: a contract with other programs."""

from __future__ import annotations

import json
from typing import Any

import numpy
import pytest

import archcalc
from archcalc.document.data import FORMAT
from archcalc.spec.zoo import names


def read(network: Any, **options: Any) -> Any:
    return json.loads(archcalc.table(network, format="json", **options))


def test_the_format_is_version_1() -> None:
    assert FORMAT == 1


def test_alexnet_as_json() -> None:
    data = read(archcalc.load("alexnet"), batch=2)
    layers = data.pop("layers")
    analysis = archcalc.analyze(archcalc.load("alexnet"), batch=2)
    assert data == {
        "archcalc": 1,
        "name": "alexnet",
        "variant": "alexnet",
        "input": [2, 3, 227, 227],
        "batch": 2,
        "totals": {
            "params": 62_378_344,
            "trainable": 62_378_344,
            "buffers": 0,
            "macs": analysis.macs,
            "flops": analysis.flops,
            "weight_bytes": 4 * 62_378_344,
        },
        "partial": False,
        "not_counted": [],
    }
    outputs = 2 * 55 * 55 * 96
    assert layers[0] == {
        "name": "conv1",
        "op": "Conv2d",
        "stage": "",
        "inputs": [{"from": "input", "shape": [2, 3, 227, 227]}],
        "output": [2, 96, 55, 55],
        "kernel": [11, 11],
        "stride": [4, 4],
        "padding": [[0, 0], [0, 0]],
        "params": 34_944,
        "trainable": 34_944,
        "buffers": 0,
        "weights": {"weight": [96, 3, 11, 11], "bias": [96]},
        "macs": outputs * 363,
        "work": {
            "macs": outputs * 363,
            "adds": outputs,
            "multiplies": 0,
            "comparisons": 0,
            "divisions": 0,
            "transcendentals": 0,
        },
    }


@pytest.mark.every_network
@pytest.mark.parametrize("name", [*names()])
def test_layers_add_up_to_the_totals_and_follow_one_another(name: str) -> None:
    data = read(archcalc.load(name), detail="all")
    layers, totals = data["layers"], data["totals"]
    for key in ("params", "buffers", "macs"):
        assert sum(layer[key] for layer in layers) == totals[key]
    work = [layer["work"] for layer in layers]
    assert sum(sum(kinds.values()) + kinds["macs"] for kinds in work) == totals["flops"]
    # Of several inputs each has its name.
    outputs = data["input"] if isinstance(data["input"], dict) else {"input": data["input"]}
    for layer in layers:
        for given in layer["inputs"]:
            assert given["shape"] == outputs[given["from"]]
        outputs[layer["name"]] = layer["output"]


def test_a_family_without_variants_has_none() -> None:
    assert read(archcalc.load("mnist-keras"))["variant"] is None
    assert read(archcalc.load("resnet50"))["name"] == "resnet"


def test_a_layer_without_a_window_has_null() -> None:
    pool = {"op": "AdaptiveAvgPool1d", "output_size": 5}
    spec = {"name": "one", "input": [3, 7], "layers": {"relu": "ReLU", "pool": pool}}
    for layer in read(archcalc.load(spec), detail="all")["layers"]:
        assert layer["kernel"] is layer["stride"] is layer["padding"] is None


def test_one_sided_padding_keeps_its_side() -> None:
    conv = {"op": "Conv2d", "out_channels": 2, "kernel_size": 2, "padding": [[0, 1]]}
    spec = {"name": "one", "input": [3, 7, 7], "layers": {"conv": conv}}
    assert read(archcalc.load(spec))["layers"][0]["padding"] == [[0, 1], [0, 1]]


def test_several_inputs_are_an_object() -> None:
    spec = {
        "name": "two",
        "input": {"a": [3, 7], "b": [3, 7]},
        "layers": {"add": {"op": "Add", "from": ["a", "b"]}},
    }
    data = read(archcalc.load(spec), batch=2)
    assert data["input"] == {"a": [2, 3, 7], "b": [2, 3, 7]}
    assert data["layers"][0]["inputs"][1] == {"from": "b", "shape": [2, 3, 7]}


def test_detail_chooses_layers_but_totals_stay() -> None:
    shown, everything = (read(archcalc.load("vgg16"), detail=d) for d in ("layer", "all"))
    assert {layer["op"] for layer in shown["layers"]} == {"Conv2d", "MaxPool2d", "Linear"}
    assert len(everything["layers"]) > len(shown["layers"])
    assert shown["totals"] == everything["totals"]


def test_arrays_become_lists() -> None:
    batch: Any = numpy.array([1, 2])
    data = read(archcalc.expand(archcalc.load("lenet5"), batch=batch))
    assert data["batch"] == [1, 2]
    assert data["totals"]["macs"][1] == 2 * data["totals"]["macs"][0]


def test_a_block_is_one_layer_with_detail_stage() -> None:
    layers = read(archcalc.load("googlenet"), detail="stage")["layers"]
    (inception,) = [layer for layer in layers if layer["name"] == "inception3a"]
    assert (inception["op"], inception["stage"]) == (None, "inception3a")
    assert inception["inputs"] == [{"from": "maxpool2", "shape": [1, 192, 28, 28]}]
    assert inception["output"] == [1, 256, 28, 28]
    assert inception["weights"]["reduce3x3.conv.weight"] == [96, 192, 1, 1]
    # 1x1 of 64, 3x3 reduce of 96 and 5x5 reduce of 16, 3x3 of 128, 5x5 of 32, projection of 32.
    assert (
        inception["params"] == 193 * (64 + 96 + 16 + 32) + (96 * 9 + 1) * 128 + (16 * 25 + 1) * 32
    )
    assert sum(layer["params"] for layer in layers) == 6_998_552


def test_parameters_of_experts_that_are_not_taken_are_told_from_those_that_are() -> None:
    expert = {"op": "Linear", "out_features": 6, "from": "input", "parallel": 4, "active": 2}
    layers = {"experts": expert, "sum": {"op": "Add", "from": "experts.*"}}
    totals = read({"name": "n", "input": [5], "layers": layers})["totals"]
    assert (totals["params"], totals["active"], totals["macs"]) == (4 * 36, 2 * 36, 2 * 30)


def test_without_such_there_is_one_number_of_parameters() -> None:
    assert "active" not in read("lenet5")["totals"]
    heads = read("googlenet-aux")["totals"]
    assert heads["executed"] == read("googlenet")["totals"]["params"]
