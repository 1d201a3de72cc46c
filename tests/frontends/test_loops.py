"""Loops that were unrolled are written as repetitions again, with what a turn hands to the next."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

import archcalc
from archcalc.frontends.fold import batch_of, readable, same_layers
from archcalc.frontends.fold.loops import looped
from archcalc.spec.form import as_yaml
from archcalc.spec.graph import Graph


def graph_of(layers: dict[str, Any], **more: Any) -> Graph:
    """The graph of a network that takes a row of 8 numbers at each of 12 steps."""
    return archcalc.expand(
        archcalc.load({"name": "net", "input": [12, 8], "layers": layers} | more)
    )


def again(graph: Graph) -> dict[str, Any]:
    """What is written of a graph, after it was seen to be that graph."""
    data, same = readable(graph)
    assert same_layers(archcalc.expand(archcalc.load(data), batch=batch_of(graph)), same)
    assert archcalc.analyze(archcalc.load(data)).params == archcalc.analyze(graph).params
    return data


def numbered(name: str, turn: int, times: int = 1, which: int = 0) -> str:
    """What a call is named that comes again at each turn: ``add``, ``add_1``, ``add_2``."""
    number = turn * times + which
    return f"{name}_{number}" if number else name


def recurrence(turns: int, last: str = "h") -> dict[str, Any]:
    """A recurrence with two states by hand: c = c s(a) + a, h = s(c), where a = W x + U h."""
    layers: dict[str, Any] = {
        "h0": {"op": "Constant", "shape": [4]},
        "c0": {"op": "Constant", "from": "input", "shape": [4]},
    }
    h, c = "h0", "c0"
    for t in range(turns):
        x, w, u, a, s, m, n, g = (
            numbered(*each)
            for each in (
                *(("select", t), ("w", t), ("u", t), ("add", t, 2), ("sigmoid", t, 2)),
                *(("mul", t), ("add", t, 2, 1), ("sigmoid", t, 2, 1)),
            )
        )
        shared = ({"share": "w"}, {"share": "u"}) if t else ({}, {})
        layers |= {
            x: {"op": "Select", "from": "input", "index": t},
            w: {"op": "Linear", "out_features": 4, **shared[0]},
            u: {"op": "Linear", "from": h, "out_features": 4, **shared[1]},
            a: {"op": "Add", "from": [w, u]},
            s: "Sigmoid",
            m: {"op": "Mul", "from": [s, c]},
            n: {"op": "Add", "from": [m, a]},
            g: "Sigmoid",
        }
        h, c = g, n
    gives = {"h": [h], "all": [numbered("sigmoid", t, 2, 1) for t in range(turns)]}[last]
    end = {"op": "Stack", "from": gives} if last == "all" else {"op": "Identity", "from": h}
    return {**layers, "end": end}


def test_states_are_handed_from_turn_to_turn() -> None:
    data = again(graph_of(recurrence(12)))
    step = data["blocks"]["step"]
    assert step["inputs"] == ["input", "input2", "input3"]
    assert step["outputs"] == ["sigmoid_1", "add_1"]
    assert step["layers"]["select"] == {"op": "Select", "from": "input3", "index": "=index"}
    assert step["layers"]["u"] == {"op": "Linear", "from": "input", "out_features": 4}
    assert step["layers"]["mul"] == {"op": "Mul", "from": ["sigmoid", "input2"]}
    assert data["layers"]["step"] == {
        "block": "step",
        "from": ["h0", "c0", "input"],
        "repeat": 12,
        "index": "=i",
        "share": "step",
    }
    assert data["layers"]["end"] == {"op": "Identity", "from": "step.11.sigmoid_1"}


def test_what_all_turns_give_is_said_with_a_star() -> None:
    data = again(graph_of(recurrence(12, "all")))
    assert data["layers"]["end"] == {"op": "Stack", "from": "step.*.sigmoid_1"}


def test_a_loop_of_few_lines_is_left_as_it_is() -> None:
    assert "blocks" not in again(graph_of(recurrence(2)))


def test_states_that_begin_as_one_tensor_are_told_apart() -> None:
    layers = recurrence(12)
    del layers["c0"]
    layers["mul"]["from"] = ["sigmoid", "h0"]
    data = again(graph_of(layers))
    assert data["layers"]["step"]["from"] == ["h0", "h0", "input"]
    assert data["blocks"]["step"]["outputs"] == ["sigmoid_1", "add_1"]


def test_what_is_another_thing_at_each_turn_goes_by_its_number() -> None:
    first = {f"x_{t}": {"op": "Select", "from": "input", "index": 11 - t} for t in range(12)}
    layers = recurrence(12)
    for t in range(12):
        del layers[numbered("select", t)]
        layers[numbered("w", t)]["from"] = f"x_{11 - t}"
    data = again(graph_of({**first, **layers}))
    assert data["layers"]["step"]["from"][-1] == "x_{11 - i}"


def test_a_loop_in_a_loop() -> None:
    layers: dict[str, Any] = {}
    x = "input"
    for t in range(6):
        for k in range(8):
            number = t * 8 + k
            fc, act, scale = (numbered(name, number) for name in ("fc", "relu", "scale"))
            shared = {"share": "fc"} if number else {}
            layers[fc] = {"op": "Linear", "from": x, "out_features": 8, **shared}
            layers[act] = "ReLU"
            layers[scale] = {"op": "Mul", "by": 0.5}
            x = scale
        norm, drop = numbered("norm", t), numbered("drop", t)
        layers[norm] = {"op": "LayerNorm", **({"share": "norm"} if t else {})}
        layers[drop] = {"op": "Dropout"}
        x = drop
    data = again(graph_of(layers))
    assert data["layers"] == {"step": {"block": "step_2", "repeat": 6, "share": "step"}}
    inner = data["blocks"]["step_2"]["layers"]["step"]
    assert inner == {"block": "step", "repeat": 8, "share": "step"}
    assert [*data["blocks"]["step"]["layers"]] == ["fc", "relu", "scale"]


def test_turns_without_a_state_stand_side_by_side() -> None:
    layers: dict[str, Any] = {}
    for t in range(6):
        shared = {"share": "a"} if t else {}
        layers |= {
            numbered("select", t): {"op": "Select", "from": "input", "index": t},
            numbered("a", t): {"op": "Linear", "out_features": 4, **shared},
            numbered("relu", t): "ReLU",
        }
    layers["end"] = {"op": "Stack", "from": [numbered("relu", t) for t in range(6)]}
    data = again(graph_of(layers))
    assert data["layers"]["step"] == {
        "block": "step",
        "parallel": 6,
        "index": "=i",
        "share": "step",
    }
    assert data["layers"]["end"] == {"op": "Stack", "from": "step.*"}


@pytest.mark.parametrize("back", [2, 3])
def test_what_is_handed_on_further_than_to_the_next_is_no_loop(back: int) -> None:
    layers = recurrence(12)
    for t in range(back, 12):
        layers[numbered("mul", t)]["from"][1] = numbered("add", t - back, 2, 1)
    assert looped(graph_of(layers))[1] == ()


def test_a_long_row_is_looked_through_in_seconds() -> None:
    graph = graph_of(recurrence(700), input=[700, 8])
    assert len(graph.nodes) > 5000
    start = time.perf_counter()
    _, loops = looped(graph)
    assert time.perf_counter() - start < 10
    assert [len(loop.taken) for loop in loops] == [700]


def test_numbers_that_are_no_progression_are_a_list() -> None:
    layers = recurrence(6)
    order = [3, 1, 4, 0, 5, 9]
    for t, index in enumerate(order):
        layers[numbered("select", t)]["index"] = index
    data = again(graph_of(layers))
    assert data["layers"]["step"]["index"] == f"={order}[i]"
    assert len(as_yaml(data).splitlines()) < 24


def test_a_last_turn_lacks_what_only_a_next_one_would_take() -> None:
    layers = recurrence(12)
    layers["end"] = {"op": "Linear", "from": "sigmoid_22", "out_features": 2}
    del layers["add_23"], layers["sigmoid_23"], layers["mul_11"]
    data = again(graph_of(layers))
    step = data["blocks"]["step"]
    assert step["args"] == {"index": None, "again": True}
    assert [name for name, layer in step["layers"].items() if "when" in layer] == [
        *("mul", "add_1", "sigmoid_1")
    ]
    assert data["layers"]["step"]["repeat"] == 12
    assert data["layers"]["step"]["again"] == "=i < 11"
    assert data["layers"]["end"]["from"] == "step.11.sigmoid"


def test_a_first_turn_that_is_another_owns_what_all_use() -> None:
    layers = recurrence(8)
    found: dict[str, Any] = {}
    for name, layer in layers.items():
        found[name] = layer
        if name == "u":
            found["double"] = {"op": "Mul", "by": 2}
    found["add"]["from"] = ["w", "double"]
    data = again(graph_of(found))
    assert data["layers"]["start"]["block"] == "start"
    assert [*data["blocks"]["start"]["layers"]] == ["w", "u", "double"]
    assert data["layers"]["step"]["repeat"] == 8
    assert data["layers"]["step"]["share"] == "start"
    assert [*data["blocks"]["step"]["layers"]] == [
        *("add", "sigmoid", "mul", "add_1", "sigmoid_1", "select", "w", "u")
    ]


def lists(turns: int, **more: Any) -> dict[str, Any]:
    """``x = x + b[t](a[t](x).relu())`` for each turn, with layers of its own."""
    layers: dict[str, Any] = {}
    x = "input"
    for t in range(turns):
        layers[f"a.{t}"] = {"op": "Linear", "from": x, "out_features": 2 ** (t + 4)}
        layers[numbered("relu", t)] = "ReLU"
        layers[f"b.{t}"] = {"op": "Linear", "out_features": 8}
        layers[numbered("tanh", t)] = "Tanh"
        layers[numbered("add", t)] = {"op": "Add", "from": [numbered("tanh", t), x]}
        x = numbered("add", t)
    return layers


def listed(layers: Mapping[str, Any]) -> Graph:
    """A network whose layers stand in lists, which text has as ``a_0``."""
    graph = graph_of({name.replace(".", "__"): layer for name, layer in layers.items()})
    return graph.renamed({node.name: node.name.replace("__", ".") for node in graph.nodes})


def test_layers_of_several_lists_by_a_number_are_a_loop() -> None:
    data = again(listed(lists(6)))
    assert data["layers"] == {
        "step": {"block": "step", "repeat": 6, "out_features": "=16 * 2 ** i"}
    }
    assert list(data["blocks"]["step"]["layers"]) == ["a", "relu", "b", "tanh", "add"]


def test_what_a_loop_leaves_of_a_list_is_called_as_the_list() -> None:
    layers = {**lists(6), "b.6": {"op": "Linear", "out_features": 3}}
    assert list(again(listed(layers))["layers"]) == ["step", "b"]


def test_one_list_alone_is_no_loop() -> None:
    layers: dict[str, Any] = {}
    for t in range(6):
        layers[f"a.{3 * t}"] = {"op": "Linear", "out_features": 8}
        layers[f"a.{3 * t + 1}"] = "LayerNorm"
        layers[f"a.{3 * t + 2}"] = "ReLU"
    assert "step" not in again(listed(layers))["layers"]


def test_few_turns_that_hand_on_several_are_a_repetition() -> None:
    layers: dict[str, Any] = {"first": {"op": "Linear", "out_features": 16}}
    x, kept = "first", "input"
    for t in range(3):
        layers[f"a.{t}"] = {"op": "Linear", "from": x, "out_features": (24, 40, 56)[t]}
        layers[numbered("relu", t)] = "ReLU"
        layers[numbered("clip", t)] = {"op": "Dropout", "p": (0.1, 0.3, 0.2)[t]}
        layers[f"b.{t}"] = {"op": "Linear", "out_features": 16}
        layers[numbered("drop", t)] = {"op": "Dropout", "p": (0.5, 0.2, 0.4)[t]}
        layers[f"c.{t}"] = {"op": "Linear", "out_features": 8}
        layers[numbered("add", t)] = {"op": "Add", "from": [f"c__{t}", kept]}
        x, kept = numbered("drop", t), numbered("add", t)
    layers["end"] = {"op": "Concat", "from": [x, kept], "dim": -1}
    assert again(listed(layers))["layers"]["step"]["repeat"] == 3
