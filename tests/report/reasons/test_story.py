"""What is said of a network as a whole."""

from __future__ import annotations

from typing import Any

import pytest
import sympy

import archcalc
from archcalc.errors import ArchcalcError
from archcalc.report.reasons.story import story


def told(network: Any) -> str:
    return " ".join(story(archcalc.analyze(archcalc.load(network))))


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        # 37,752,832 + 16,781,312 + 4,097,000 = 58,631,144 of 62,378,344
        (
            "alexnet",
            "Of its 62,378,344 parameters, 94.0% in 3 Linear and 6.0% in 5 Conv2d; "
            "fc6 alone has 60.5%.",
        ),
        (
            "alexnet",
            "The extent falls from 227x227 to 55x55 at conv1, 27x27 at maxpool1, "
            "13x13 at maxpool2 and 6x6 at maxpool5.",
        ),
        ("alexnet", "the longest path has 8 weight layers."),
        ("alexnet-2gpu", "It has 3 convolutions in groups: conv2, conv4 and conv5."),
        # the paper: 22 layers deep, 9 modules of four branches, two auxiliary classifiers
        ("googlenet", "the longest path has 22 weight layers."),
        ("googlenet", "It has 9 concatenations of 4 branches each"),
        # 13,378,280 with the heads and 6,998,552 without
        ("googlenet-aux", "aux1 and aux2 run in training only, and own 6,379,728 parameters."),
        # 3 + 4 + 6 + 3 blocks, of which the first of each stage projects
        (
            "resnet50",
            "It has 16 shortcuts that are added: 12 of a tensor as it was "
            "and 4 of what other layers make of it.",
        ),
    ],
)
def test_networks_of_the_zoo(network: str, sentence: str) -> None:
    assert sentence in told(network)


def test_shared_and_depthwise_layers_are_special() -> None:
    conv = {"op": "Conv2d", "out_channels": 4, "kernel_size": 3, "groups": 4, "padding": 1}
    layers = {"a": conv, "b": {**conv, "share": "a"}}
    text = told({"name": "net", "input": [4, 8, 8], "layers": layers})
    assert "It has 2 convolutions in groups, 2 of them depthwise: a and b." in text
    # 3 * 3 * 1 * 4 weights and 4 biases
    assert "It has 1 layer with the tensors of another, which spares 40 parameters: b." in text


def test_nothing_is_said_of_what_a_network_has_not() -> None:
    text = told({"name": "net", "input": [4], "layers": {"relu": "ReLU"}})
    assert "It has no parameters. It has no MACs." in text
    assert "extent" not in text
    assert "shortcut" not in text


def test_features_have_no_receptive_field() -> None:
    layers = {"fc": {"op": "Linear", "out_features": 2}}
    spec = archcalc.load({"name": "net", "input": [10, 64], "layers": layers})
    assert "receptive field" not in archcalc.explain(spec)
    assert "receptive field" not in archcalc.explain(spec, "fc")
    image = archcalc.load({"name": "net", "input": [3, 8, 8], "layers": {"pool": "GlobalAvgPool"}})
    assert "receptive field" in archcalc.explain(image)


def test_shapes_without_numbers_can_not_be_told() -> None:
    width = sympy.Symbol("w", integer=True, positive=True)
    spec = archcalc.load(
        {"name": "n", "input": [4], "layers": {"fc": {"op": "Linear", "out_features": 2}}}
    )
    with pytest.raises(ArchcalcError, match="give every variable and input a value"):
        archcalc.explain(spec, input=[width])
