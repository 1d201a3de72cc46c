"""Two networks layer by layer."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

import archcalc
from archcalc import ArchcalcError
from archcalc.analysis.diff import Diff, diff

NET: dict[str, Any] = {
    "name": "net",
    "input": [3, 8, 8],
    "layers": {
        "conv1": {"op": "Conv2d", "out_channels": 4, "kernel_size": 3, "padding": 1},
        "relu1": {"op": "ReLU"},
        "conv2": {"op": "Conv2d", "out_channels": 6, "kernel_size": 3, "padding": 1},
        "relu2": {"op": "ReLU"},
        "flatten": {"op": "Flatten"},
        "fc": {"op": "Linear", "out_features": 2},
    },
}
"""112 + 222 + 770 = 1,104 parameters: 3*3*3*4 + 4, 3*3*4*6 + 6, 6*8*8*2 + 2."""


def changed(**layers: Any) -> dict[str, Any]:
    """The network with some of its layers' keys replaced."""
    net = deepcopy(NET)
    for name, fields in layers.items():
        net["layers"][name].update(fields)
    return net


def with_layers(*names: str | tuple[str, str, Any]) -> dict[str, Any]:
    """The network with layers in another order, under other names, or new ones."""
    layers: dict[str, Any] = {}
    for item in names:
        if isinstance(item, str):
            layers[item] = NET["layers"][item]
        else:
            new, old, fields = item
            layers[new] = NET["layers"][old] if old else fields
    return {**deepcopy(NET), "layers": layers}


def told(found: Diff) -> list[tuple[str, str]]:
    """What became of each layer that is not the same."""
    return [
        (change.kind, row.name)
        for change in found.changes
        if change.kind != "same" and (row := change.after or change.before)
    ]


def test_a_network_is_no_different_from_itself() -> None:
    found = archcalc.diff(NET, NET)
    assert not found.different
    assert [change.kind for change in found.changes] == ["same"] * 6


def test_texts_and_names_of_networks_make_no_difference() -> None:
    assert not diff(NET, {**NET, "name": "other", "title": "t", "year": 1999}).different


def test_vgg19_is_vgg16_and_three_convolutions() -> None:
    found = diff("vgg16", "vgg19")
    assert told(found) == [
        ("added", f"conv{stage}.3.{part}") for stage in (3, 4, 5) for part in ("conv", "relu")
    ]
    # torchvision: 143,667,240 and 138,357,544 parameters.
    assert sum(change.params for change in found.changes) == 143_667_240 - 138_357_544


def test_a_layer_that_only_has_another_input_follows() -> None:
    found = diff(NET, changed(conv1={"out_channels": 5}))
    assert told(found) == [("changed", "conv1"), ("follows", "relu1"), ("follows", "conv2")]
    (conv1, _, conv2) = (change for change in found.changes if change.kind != "same")
    assert [tuple(edit) for edit in conv1.edits] == [("out_channels", 4, 5)]
    # 28 more weights and biases, at 64 positions 27 more products; then 9 * 6 more weights.
    assert (conv1.params, conv1.macs) == (28, 64 * 27)
    assert (conv2.params, conv2.macs) == (54, 64 * 54)


@pytest.mark.parametrize(
    ("fields", "edit"),
    [
        ({"bias": False}, ("bias", True, False)),
        ({"kernel_size": [1, 3], "padding": [0, 1]}, ("kernel_size", (3, 3), (1, 3))),
        ({"groups": 2}, ("groups", 1, 2)),
    ],
)
def test_fields_that_differ_are_named(fields: dict[str, Any], edit: tuple[Any, ...]) -> None:
    found = diff(NET, changed(conv2=fields))
    (change,) = (change for change in found.changes if change.kind == "changed")
    assert edit in [tuple(each) for each in change.edits]


def test_a_layer_of_another_operator_is_the_same_layer_changed() -> None:
    found = diff(NET, changed(relu1={"op": "Tanh"}))
    assert told(found) == [("changed", "relu1")]
    assert [tuple(edit) for edit in found.changes[1].edits] == [("op", "ReLU", "Tanh")]


def test_what_is_put_between_layers_does_not_change_the_next() -> None:
    more = with_layers("conv1", ("norm", "", {"op": "BatchNorm2d"}), *list(NET["layers"])[1:])
    assert told(diff(NET, more)) == [("added", "norm")]
    assert told(diff(more, NET)) == [("removed", "norm")]


def test_a_whole_residual_block_put_between_does_not_change_the_next() -> None:
    found = told(diff("resnet18", "resnet34"))
    assert {kind for kind, _ in found} == {"added"}
    # 16 units in place of 8, of 7 operators: two convolutions, norms and ReLUs, and a sum.
    assert len(found) == 8 * 7


def test_another_source_is_a_change() -> None:
    def joined(*sources: str) -> dict[str, Any]:
        return with_layers(
            *("conv1", "relu1"),
            ("add", "", {"op": "Add", "from": list(sources)}),
            *("conv2", "relu2", "flatten", "fc"),
        )

    found = diff(joined("relu1", "conv1"), joined("conv1", "relu1"))
    (change,) = (each for each in found.changes if each.kind != "same")
    assert [tuple(edit) for edit in change.edits] == [
        ("from", ("relu1", "conv1"), ("conv1", "relu1"))
    ]


def test_layers_numbered_anew_are_renamed_and_not_changed_one_by_one() -> None:
    new = {"op": "Conv2d", "out_channels": 4, "kernel_size": 1}
    found = diff(
        NET,
        with_layers(
            *("conv1", "relu1"),
            ("conv2", "", new),
            ("conv3", "conv2", None),
            ("relu3", "relu2", None),
            *("flatten", "fc"),
        ),
    )
    assert told(found) == [("added", "conv2"), ("changed", "conv3"), ("changed", "relu3")]
    names = [tuple(edit) for change in found.changes for edit in change.edits]
    assert names == [("name", "conv2", "conv3"), ("name", "relu2", "relu3")]


@pytest.mark.parametrize("most", [4, 3])
def test_layers_are_paired_by_their_looks_up_to_so_many_pairs(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def net(*names: str) -> dict[str, Any]:
        return {"name": "net", "input": [3, 8, 8], "layers": dict.fromkeys(names, "ReLU")}

    monkeypatch.setattr("archcalc.analysis.diff.MOST_PAIRS", most)
    found = diff(net("a", "b"), net("c", "d"))  # 2 * 2 pairs
    assert len(told(found)) == (2 if most == 4 else 4)


def test_renamed_sources_are_the_same_sources() -> None:
    found = diff(NET, with_layers(("stem", "conv1", None), *list(NET["layers"])[1:]))
    assert told(found) == [("changed", "stem")]


def test_another_input_and_another_output_are_differences() -> None:
    assert diff(NET, {**NET, "input": [3, 9, 9]}).different
    found = diff(NET, {**NET, "outputs": ["fc", "relu2"]})
    assert found.different
    assert told(found) == []


def test_input_and_variables_are_of_both() -> None:
    assert not diff("vgg16", "vgg16", side=64).different
    found = diff("vgg16", "vgg19", input=[3, 64, 64], classes=10)
    assert {analysis.graph.inputs["input"] for analysis in (found.before, found.after)} == {
        (1, 3, 64, 64)
    }
    assert found.after.rows[-1].shape == (1, 10)


def test_a_layer_of_which_only_the_convention_counts_more_follows() -> None:
    net = {
        "name": "net",
        "input": [1, 8, 8],
        "layers": {"pool": {"op": "MaxPool2d", "kernel_size": 2}},
    }
    larger = {**net, "input": [1, 9, 9]}
    # Both are pooled to 4x4; ptflops counts what the pooling is given, twice.
    found = diff(net, larger, convention="ptflops")
    assert told(found) == [("follows", "pool")]
    assert found.work(found.changes[0]) == 2 * (81 - 64)
    assert told(diff(net, larger)) == []


def test_an_added_layer_counts_in_full_and_a_removed_one_against() -> None:
    more = with_layers(*NET["layers"], ("fc2", "", {"op": "Linear", "out_features": 5}))
    # 5 dot products of 2 terms, 3 operations each, and a bias.
    for pair, work in (((NET, more), 20), ((more, NET), -20)):
        found = diff(*pair, convention="textbook")
        assert [found.work(each) for each in found.changes if each.kind != "same"] == [work]


def test_an_unknown_convention_is_refused_with_the_nearest() -> None:
    with pytest.raises(ArchcalcError, match="no convention 'textbok'\n  did you mean 'textbook'"):
        diff(NET, NET, convention="textbok")


def test_a_layer_on_which_the_tool_fails_is_named() -> None:
    up = {"op": "Upsample", "scale_factor": [2, 3]}
    net = {"name": "net", "input": [1, 4, 4], "layers": {"up": up}}
    with pytest.raises(ArchcalcError, match="calflops fails on 'up'"):
        diff(net, net, convention="calflops")


def test_graphs_and_analyses_are_taken_as_they_are() -> None:
    graph = archcalc.expand(archcalc.load("lenet5"))
    assert not diff(graph, archcalc.analyze(graph)).different


def test_long_networks_are_no_matter() -> None:
    def long(count: int) -> dict[str, Any]:
        conv = {"op": "Conv2d", "out_channels": 3, "kernel_size": 1}
        return {**NET, "layers": {"a": {**conv, "repeat": count}}}

    found = diff(long(3000), long(3001))
    assert told(found) == [("added", "a.3000")]
