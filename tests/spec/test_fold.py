"""Batch normalization that disappears into the layer before it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from archcalc import analyze, expand, load
from archcalc.pytorch import module
from archcalc.spec.fold import fold_batch_norm
from archcalc.spec.graph import Graph

Layers = dict[str, dict[str, Any]]

CONV: dict[str, Any] = {"op": "Conv2d", "out_channels": 6, "kernel_size": 3, "bias": False}
NORM: dict[str, Any] = {"op": "BatchNorm2d"}


def graph(layers: Layers, *axes: int, **more: Any) -> Graph:
    return expand(load({"name": "net", "input": list(axes), "layers": layers, **more}), batch=2)


def names(graph: Graph) -> list[str]:
    return [node.name for node in graph.nodes]


def test_a_convolution_takes_over_the_shift_as_a_bias() -> None:
    """6 kernels of 2x3x3, without a bias and 2 * 6 numbers after; with 6 biases then."""
    before = graph({"conv": CONV, "bn": NORM, "relu": {"op": "ReLU"}}, 2, 8, 8)
    after = fold_batch_norm(before)

    assert analyze(before).params == 6 * 2 * 9 + 2 * 6
    assert analyze(after).params == 6 * 2 * 9 + 6
    assert analyze(after).buffers == 0
    assert [(node.name, node.inputs) for node in after.nodes] == [
        ("conv", ("input",)),
        ("relu", ("conv",)),
    ]


def test_a_bias_that_is_there_stays_one() -> None:
    after = fold_batch_norm(graph({"conv": {**CONV, "bias": True}, "bn": NORM}, 2, 8, 8))

    assert analyze(after).params == 6 * 2 * 9 + 6


def test_without_affine_there_is_still_a_shift() -> None:
    after = fold_batch_norm(graph({"conv": CONV, "bn": {**NORM, "affine": False}}, 2, 8, 8))

    assert analyze(after).params == 6 * 2 * 9 + 6


def test_consumers_and_outputs_take_the_layers_name() -> None:
    layers: Layers = {
        "conv": CONV,
        "bn": NORM,
        "twice": {"op": "Add", "from": ["bn", "bn"]},
        "head": {"op": "Flatten", "from": "bn"},
    }
    after = fold_batch_norm(
        graph(layers, 2, 8, 8, outputs=["twice", "bn"], training_outputs=["head"])
    )

    assert [node.inputs for node in after.nodes] == [("input",), ("conv", "conv"), ("conv",)]
    assert after.outputs == ("twice", "conv")


@pytest.mark.parametrize(
    ("layers", "axes"),
    [
        ({"conv": {"op": "Conv1d", "out_channels": 3, "kernel_size": 2}}, (2, 9)),
        ({"conv": {"op": "ConvTranspose1d", "out_channels": 3, "kernel_size": 2}}, (2, 9)),
        ({"fc": {"op": "Linear", "out_features": 3}}, (5,)),
    ],
)
def test_transposed_convolutions_and_linear_layers_fold_too(
    layers: Layers, axes: tuple[int, ...]
) -> None:
    after = fold_batch_norm(graph({**layers, "bn": {"op": "BatchNorm1d"}}, *axes))

    assert names(after) == list(layers)


SHARED: Layers = {
    "a": {**CONV, "out_channels": 2, "padding": 1},
    "bn": NORM,
    "b": {**CONV, "out_channels": 2, "padding": 1, "share": "a"},
    "bn2": NORM,
}


@pytest.mark.parametrize(
    ("layers", "axes", "more"),
    [
        # Something else takes what is not normalized.
        ({"c": CONV, "bn": NORM, "add": {"op": "Add", "from": ["bn", "c"]}}, (2, 8, 8), {}),
        ({"c": CONV, "bn": NORM}, (2, 8, 8), {"outputs": ["bn", "c"]}),
        ({"c": CONV, "bn": NORM, "x": {"op": "ReLU"}}, (2, 8, 8), {"training_outputs": ["c"]}),
        # Statistics of the batch are not known before.
        ({"c": CONV, "bn": {**NORM, "track_running_stats": False}}, (2, 8, 8), {}),
        # Nothing before it multiplies.
        ({"bn": NORM}, (2, 8, 8), {}),
        ({"c": CONV, "relu": {"op": "ReLU"}, "bn": NORM}, (2, 8, 8), {}),
        ({"c": CONV, "norm": {"op": "InstanceNorm2d"}}, (2, 8, 8), {}),
        # The positions are normalized, and not the features.
        ({"fc": {"op": "Linear", "out_features": 4}, "bn": {"op": "BatchNorm1d"}}, (7, 5), {}),
        # Both layers' weights would have to be scaled by two scales.
        (SHARED, (2, 8, 8), {}),
    ],
)
def test_what_can_not_be_folded_is_left_alone(
    layers: Layers, axes: tuple[int, ...], more: dict[str, Any]
) -> None:
    before = graph(layers, *axes, **more)

    assert fold_batch_norm(before) is before


def test_the_edition_says_so() -> None:
    assert fold_batch_norm(expand(load("resnet50"))).edition == (
        "as torchvision has it, the stride in the 3x3, batch normalization folded"
    )
    assert fold_batch_norm(graph({"conv": CONV, "bn": NORM}, 2, 8, 8)).edition == (
        "batch normalization folded"
    )


def test_resnet50_has_a_bias_for_each_normalized_channel() -> None:
    """The stem, 3 + 4 + 6 + 3 blocks of planes, planes and 4 planes, and 4 projections."""
    stages = ((3, 64), (4, 128), (6, 256), (3, 512))
    norms = 1 + 3 * sum(units for units, _ in stages) + len(stages)
    channels = 64 + sum(6 * planes * units + 4 * planes for units, planes in stages)
    before = expand(load("resnet50"))
    after = fold_batch_norm(before)

    assert (norms, channels) == (53, 26_560)
    assert len(before.nodes) - len(after.nodes) == norms
    # 25,557,032 is torchvision's, whose normalizations have a scale and a shift a channel.
    assert analyze(after).params == 25_557_032 - 2 * channels + channels == 25_530_472
    assert analyze(after).macs == analyze(before).macs


def test_equal_layers_stay_one_object() -> None:
    after = fold_batch_norm(expand(load("resnet152")))
    convs = [node.op for node in after.nodes if node.name.endswith("conv1")]

    assert len({id(op) for op in convs}) < len(convs)


@pytest.mark.parametrize(
    ("layer", "axes", "channels"),
    [
        ({"op": "Conv1d", "out_channels": 6, "kernel_size": 3, "groups": 2}, (4, 9), 0),
        ({"op": "ConvTranspose1d", "out_channels": 6, "kernel_size": 3, "stride": 2}, (4, 9), 1),
        ({"op": "Linear", "out_features": 6, "bias": False}, (5,), 0),
    ],
)
def test_the_folded_layer_computes_the_same(
    layer: dict[str, Any], axes: tuple[int, ...], channels: int
) -> None:
    """``weight * scale`` and ``(bias - mean) * scale + shift``, the channels on their axis."""
    before = graph({"layer": layer, "bn": {"op": "BatchNorm1d"}}, *axes)
    after = fold_batch_norm(before)
    torch.manual_seed(0)
    made, norm = (
        module(node.op, *node.input_shapes, dtype=torch.float64).eval() for node in before.nodes
    )
    for tensor in (*norm.parameters(), *norm.buffers()):
        if tensor.is_floating_point():
            tensor.data.uniform_(0.5, 2)
    folded = module(after.nodes[0].op, *after.nodes[0].input_shapes, dtype=torch.float64)
    old, stored = made.state_dict(), norm.state_dict()
    scale = stored["weight"] / (stored["running_var"] + 1e-5).sqrt()
    axis = [1] * old["weight"].dim()
    axis[channels] = -1
    bias = old.get("bias", torch.zeros(6, dtype=torch.float64)) - stored["running_mean"]
    folded.load_state_dict(
        {"weight": old["weight"] * scale.view(axis), "bias": bias * scale + stored["bias"]}
    )
    x = torch.rand(2, *axes, dtype=torch.float64)

    torch.testing.assert_close(folded(x), norm(made(x)))
