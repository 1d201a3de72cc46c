"""Graphs written as specs that a person would have written, and that expand to the same layers."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

import archcalc
from archcalc.frontends.fold import batch_of, folded, readable, same_layers, written
from archcalc.frontends.fold.inline import inlined
from archcalc.operators import operator
from archcalc.operators.base import Applied
from archcalc.spec.graph import Node
from archcalc.spec.zoo import load

DENSE = """
name: dense
input: [3, 16, 16]
blocks:
  unit:
    inputs: [xs.*]
    layers:
      cat: {op: Concat, from: xs}
      conv: {op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}
  part:
    args: {length: }
    layers:
      unit1: {block: unit, from: input}
      unit2: {block: unit, from: [input, unit*]}
      unit3: {block: unit, from: [input, unit*]}
      unit4: {block: unit, from: [input, unit*]}
      unit5: {block: unit, from: [input, unit*], when: =length > 4}
      unit6: {block: unit, from: [input, unit*], when: =length > 4}
      cat: {op: Concat, from: [input, unit*]}
layers:
  part1: {block: part, length: 4}
  pool: {op: MaxPool2d, kernel_size: 2}
  part2: {block: part, length: 6}
"""

WIDE = """
name: wide
input: [8, 16, 16]
blocks:
  unit:
    args: {kernel: , stride: 1}
    layers:
      expand: {op: Conv2d, out_channels: =6 * channels(input), kernel_size: 1}
      depthwise: {op: Conv2d, out_channels: =channels(expand), kernel_size: =kernel,
        stride: =stride, padding: =kernel // 2, groups: =channels(expand)}
      project: {op: Conv2d, out_channels: =2 * channels(input), kernel_size: 1}
  turn:
    layers:
      map: {op: Reshape, shape: ["=size(input, 1)", "=size(input, 2) * size(input, 3)"]}
      back: {op: Reshape, shape: ["=size(input, 1)", "=size(input, 2)", "=size(input, 3)"]}
layers:
  unit1: {block: unit, kernel: 3}
  unit2: {block: unit, kernel: 5, stride: 2}
  unit3: {block: unit, kernel: 3}
  turn1: turn
  unit4: {block: unit, kernel: 3, stride: 2}
  turn2: turn
"""


def again(text: str) -> dict[str, Any]:
    """What is written of the graph of a spec, after it was seen to be that graph."""
    graph = archcalc.expand(load_text(text))
    above = {name for node in graph.nodes for name in _above(node.name)}
    classes = {path: re.sub(r".*\.|\d+$", "", path).title() for path in above}
    graph = replace(graph, modules=classes)
    data = written(graph)
    found = archcalc.expand(archcalc.load(data), batch=batch_of(graph))
    assert same_layers(found, graph)
    return data


def _above(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:k]) for k in range(1, len(parts))]


def load_text(text: str) -> archcalc.Spec:
    import yaml

    return load(yaml.safe_load(text))


def test_layers_that_take_all_before_them_are_one_block() -> None:
    data = again(DENSE)
    part, unit = data["blocks"]["part"], data["blocks"]["unit"]
    assert unit["inputs"] == ["input.*"]
    assert part["args"] == {"units": None}
    assert part["layers"]["unit2"] == {"block": "unit", "from": ["input", "unit*"]}
    assert part["layers"]["unit6"]["when"] == "=units >= 6"
    assert part["layers"]["cat"]["from"] == ["input", "unit*"]
    assert data["layers"]["part2"] == {"block": "part", "units": 6}


def test_sizes_that_follow_from_the_input_are_no_arguments() -> None:
    data = again(WIDE)
    unit = data["blocks"]["unit"]
    assert unit["args"] == {"stride": None, "kernel_size": 3}
    assert unit["layers"]["expand"]["out_channels"] == "=6 * channels(input)"
    assert unit["layers"]["depthwise"]["padding"] == "=kernel_size // 2"
    assert unit["layers"]["project"]["out_channels"] == "=2 * channels(input)"


def test_shapes_are_written_number_by_number() -> None:
    turn = again(WIDE)["blocks"]["turn"]
    assert "args" not in turn
    assert turn["layers"]["map"]["shape"] == [
        "=size(input, 1)",
        "=size(input, 2) * size(input, 3)",
    ]


def test_a_block_that_is_used_once_stands_in_its_place() -> None:
    data = {
        "name": "net",
        "blocks": {
            "inner": {"args": {"n": None, "k": 3}, "layers": {"a": {"op": "X", "n": "=2 * n + k"}}},
            "outer": {"args": {"m": None}, "layers": {"b": {"block": "inner", "n": "=m // 2"}}},
            "twice": {"layers": {"c": {"op": "Y"}}},
        },
        "layers": {
            "d": {"block": "outer", "m": 8, "from": "input", "when": "=yes"},
            "e": {"block": "twice"},
            "f": {"block": "twice"},
        },
    }
    row = {"a": {"op": "X", "n": "=2 * (8 // 2) + 3"}}
    assert inlined(data) == {
        "name": "net",
        "blocks": {"twice": {"layers": {"c": {"op": "Y"}}}},
        "layers": {
            "d": {"layers": {"b": {"layers": row}}, "from": "input", "when": "=yes"},
            "e": {"block": "twice"},
            "f": {"block": "twice"},
        },
    }


@pytest.mark.parametrize(
    "layer",
    [
        {"block": "inner", "repeat": 2, "n": 3},
        {"block": "inner", "n": "=channels(input)"},
        {"block": "inner", "n": 3, "from": ["a", "b"]},
    ],
)
def test_but_not_where_it_would_mean_something_else(layer: dict[str, Any]) -> None:
    inner = {"args": {"n": None}, "layers": {"a": {"op": "X", "n": "=n"}}}
    data = {"blocks": {"inner": inner}, "layers": {"b": layer}}
    assert inlined(data) == data


def test_a_doubling_row_is_an_expression_of_its_number() -> None:
    data = again("""
name: net
input: [4, 64]
blocks:
  unit:
    args: {k: }
    layers:
      conv: {op: Conv1d, out_channels: 4, kernel_size: 3, padding: =3 * k, dilation: =k}
      cut: {op: Slice, dim: 2, end: =-4 * k}
layers:
  row: {block: unit, repeat: 3, k: =2 ** i}
""")
    row = data["layers"]["row"]
    assert (row["padding"], row["end"]) == ("=3 * 2 ** i", "=-4 * 2 ** i")
    (unit,) = data["blocks"].values()
    assert unit["layers"]["conv"]["dilation"] == "=padding // 3"


def test_a_block_has_its_first_name_where_that_is_free_again() -> None:
    once = {"layers": {"a": {"op": "X"}}}
    twice = {"layers": {"unit": {"block": "unit"}}}
    layers = {"b": {"block": "unit_2"}, "c": {"block": "unit_2"}}
    found = inlined({"blocks": {"unit": once, "unit_2": twice}, "layers": layers})
    assert [*found["blocks"]] == ["unit"]
    assert found["layers"] == {"b": {"block": "unit"}, "c": {"block": "unit"}}


def test_names_that_mean_something_in_a_layer_are_no_arguments() -> None:
    data = again("""
name: net
input: [4]
blocks:
  unit:
    args: {there: }
    layers:
      fc: {op: Linear, out_features: 4}
      layers: {op: ReLU, when: =there}
      outputs: {op: Linear, out_features: 4, when: =there}
layers:
  unit1: {block: unit, there: true}
  unit2: {block: unit, there: false}
""")
    assert data["blocks"]["unit"]["args"] == {"layers_layers": None}


@pytest.mark.parametrize(
    "name",
    [
        *("alexnet", "googlenet", "resnet50", "densenet121", "mobilenet_v2", "efficientnet_b0"),
        *("shufflenet_v2_x1_0", "swin_t", "vit_b_16", "convnext_tiny", "inception_v3", "unet"),
        *("squeezenet1_0", "gpt2", "yolov8n"),
    ],
)
def test_the_graph_of_a_network_is_written_and_is_the_same(name: str) -> None:
    graph = archcalc.expand(archcalc.load(name))
    data = written(graph)
    assert not any("_0_" in name for name in data["layers"])
    assert same_layers(archcalc.expand(archcalc.load(data)), graph)


def test_what_a_loop_does_between_members_of_a_list_is_a_part_of_them() -> None:
    linear = {"op": "Linear", "out_features": 6}
    part = {"0": {"op": "Linear", "out_features": 12}, "1": "SiLU", "2": linear}
    layers = {f"part{k}": {"layers": part} for k in range(3)}
    graph = archcalc.expand({"name": "loop", "input": [5, 6], "layers": layers})
    nodes: list[Node] = []
    before = "input"
    for k in range(3):
        taken = before
        for node in graph.nodes[3 * k : 3 * k + 3]:
            here = f"parts.{k}.{node.name[-1]}"
            nodes.append(node._replace(name=here, inputs=(taken,)))
            taken = here
        total = Applied.to(operator("Add")(), (1, 5, 6), (1, 5, 6))
        nodes.append(Node(f"add_{k}", total, (taken, before)))
        before = nodes[-1].name
    data, named = folded(replace(graph, nodes=tuple(nodes), outputs=(before,)))
    ((name, block),) = data["blocks"].items()
    assert data["layers"] == {"parts": {"block": name, "repeat": 3}}
    assert block["layers"]["add"] == {"op": "Add", "from": ["2", "input"]}
    stored = [node.name for node in named.nodes if node.applied.cost.weights]
    assert stored == [f"parts.{k}.{i}" for k in range(3) for i in (0, 2)]


def test_layers_whose_names_begin_alike_are_parts() -> None:
    layers: dict[str, Any] = {"stem": {"op": "Conv2d", "out_channels": 8, "kernel_size": 3}}
    before = "stem"
    for k in range(4):
        block = f"block{k}"
        conv = {"op": "Conv2d", "out_channels": 8, "kernel_size": 3, "padding": 1}
        layers[f"{block}_1_conv"] = {**conv, "from": before}
        layers[f"{block}_1_bn"] = {"op": "BatchNorm2d"}
        layers[f"{block}_2_conv"] = {**conv}
        layers[f"{block}_2_bn"] = {"op": "BatchNorm2d"}
        layers[f"{block}_add"] = {"op": "Add", "from": [before, f"{block}_2_bn"]}
        before = f"{block}_add"
    graph = archcalc.expand({"name": "net", "input": [3, 16, 16], "layers": layers})
    data, named = readable(graph)
    assert [n.name for n in named.nodes][:4] == [
        "stem",
        "block0.1.conv",
        "block0.1.bn",
        "block0.2.conv",
    ]
    assert data["layers"]["block3"] == {"block": data["layers"]["block0"]["block"]}
    assert same_layers(archcalc.expand(archcalc.load(data)), named)
    assert [n.name.replace(".", "_") for n in named.nodes] == [n.name for n in graph.nodes]


def test_names_without_parts_stay_as_they_are() -> None:
    layers = {
        "conv_1": {"op": "Conv2d", "out_channels": 8, "kernel_size": 3},
        "bn_1": "BatchNorm2d",
        "conv_2": {"op": "Conv2d", "out_channels": 8, "kernel_size": 3},
        "bn_2": "BatchNorm2d",
    }
    graph = archcalc.expand({"name": "net", "input": [3, 16, 16], "layers": layers})
    assert [n.name for n in readable(graph)[1].nodes] == [*layers]


DECODER = """
name: decoder
input: [4, 16, 16]
blocks:
  up:
    inputs: [input, skip]
    layers:
      conv: {op: Conv2d, out_channels: 4, kernel_size: 1}
      add: {op: Add, from: [conv, skip]}
layers:
  first: {op: Conv2d, out_channels: 4, kernel_size: 1}
  second: {op: Conv2d, out_channels: 4, kernel_size: 1}
  third: {op: Conv2d, out_channels: 4, kernel_size: 1}
  up: {block: up, repeat: 3, from: [third, "=['second', 'first', 'input'][i]"]}
"""


def test_what_follows_the_turns_of_a_repetition_is_a_list_by_their_number() -> None:
    assert again(DECODER)["layers"]["up"] == {
        "block": "up",
        "from": ["third", "=['second', 'first', 'input'][i]"],
        "repeat": 3,
    }


def test_of_two_lists_in_turn_the_members_stay_whole() -> None:
    # ``for up, layer in zip(ups, layers): x = layer(up(x) + skip)``: only the lists are no blocks.
    turns = [
        line
        for k in range(3)
        for line in (
            f"ups_{k}: [{{op: Conv2d, out_channels: 4, kernel_size: 1}}, BatchNorm2d]",
            f"add_{k}: {{op: Add, from: [ups_{k}, first]}}",
            f"layers_{k}: [{{op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}}, ReLU]",
        )
    ]
    text = "\n  ".join(["name: two\ninput: [4, 16, 16]\nlayers:", "first: ReLU", *turns])
    graph = archcalc.expand(load_text(text))
    names = {n.name: re.sub(r"(ups|layers)_", r"\1.", n.name) for n in graph.nodes}
    graph = graph.renamed({**names, "input": "input"})
    data = written(graph)
    assert [*data["layers"]] == [
        "first",
        *(f"{name}_{k}" for k in range(3) for name in ("ups", "add", "layers")),
    ]
    assert {layer["block"] for name, layer in data["layers"].items() if name[:3] == "ups"} == {
        "ups"
    }


def test_blocks_of_one_class_have_their_function_as_an_argument() -> None:
    text = """
name: functions
input: [4, 16, 16]
blocks:
  unit(act): {conv: {op: Conv2d, out_channels: 4, kernel_size: 1}, act: {op: =act}}
layers:
  unit1: {block: unit, act: ReLU}
  unit2: {block: unit, act: Hardswish}
  unit3: {block: unit, act: ReLU}
"""
    data = again(text)
    assert data["blocks"]["unit"]["layers"]["act"] == {"op": "=activation"}
    assert [layer["activation"] for layer in data["layers"].values()] == [
        *("ReLU", "Hardswish", "ReLU")
    ]


def test_instances_of_which_each_lacks_a_layer_are_one_block() -> None:
    data = again("""
name: net
input: [8, 32, 32]
blocks:
  first:
    layers:
      expand: {op: Conv2d, out_channels: 16, kernel_size: 1}
      pad: {op: Pad, pad: [0, 1, 0, 1]}
      depthwise: {op: Conv2d, out_channels: 16, kernel_size: 3, stride: 2, groups: 16}
      project: {op: Conv2d, out_channels: 8, kernel_size: 1}
  later:
    layers:
      expand: {op: Conv2d, out_channels: 16, kernel_size: 1}
      depthwise: {op: Conv2d, out_channels: 16, kernel_size: 3, padding: 1, groups: 16}
      project: {op: Conv2d, out_channels: 8, kernel_size: 1}
      add: {op: Add, from: [project, input]}
layers:
  unit0: first
  unit1: later
  unit2: later
  unit3: first
""")
    (unit,) = data["blocks"].values()
    assert [*unit["layers"]] == ["expand", "pad", "depthwise", "project", "add"]
    assert unit["layers"]["pad"]["when"] == "=pad"
    assert unit["layers"]["add"] == {"op": "Add", "from": ["project", "input"], "when": "=add"}
    assert "from" not in unit["layers"]["depthwise"]


def test_one_activation_by_default_and_by_its_number_is_one_block() -> None:
    data = again("""
name: net
input: [8, 32, 32]
blocks:
  unit(slope, act=true):
    conv: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}
    act: {op: LeakyReLU, negative_slope: =slope, when: =act}
layers:
  unit0: {block: unit, slope: 0.01}
  unit1: {block: unit, slope: 0.2}
  unit2: {block: unit, slope: 0.3, act: false}
""")
    (unit,) = data["blocks"].values()
    assert unit["layers"]["act"] == {
        "op": "LeakyReLU",
        "negative_slope": "=negative_slope",
        "when": "=act",
    }
