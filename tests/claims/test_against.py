"""A printed table held against a network: rows found by what flows into them."""

from __future__ import annotations

from pathlib import Path

import pytest

from archcalc.analysis.analyze import analyze
from archcalc.claims.audit import audit
from archcalc.spec.zoo import load
from tests.claims.printers import keras

BRANCHED = """
name: branched
input: [3, 32, 32]
layers:
  stem: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}
  left: {op: Conv2d, out_channels: 4, kernel_size: 1, from: stem}
  right: {op: Conv2d, out_channels: 6, kernel_size: 3, padding: 1, from: stem}
  deep: {op: Conv2d, out_channels: 6, kernel_size: 3, padding: 1}
  both: {op: Concat, from: [left, deep]}
  head: {op: Conv2d, out_channels: 5, kernel_size: 1}
"""
# 224 = (9 * 3 + 1) * 8; 438 = (9 * 8 + 1) * 6; 330 = (9 * 6 + 1) * 6; 36 = (8 + 1) * 4.
OTHER_ORDER = """Layer,Output Shape,Param #,Connected to
a (Conv2D),32x32x8,224,input
b (Conv2D),32x32x6,438,a
c (Conv2D),32x32x6,330,b
d (Conv2D),32x32x4,{},a
e (Concatenate),32x32x10,0,d; c
f (Conv2D),32x32x5,55,e
"""


@pytest.fixture
def branched(tmp_path: Path) -> Path:
    path = tmp_path / "branched.yaml"
    path.write_text(BRANCHED, encoding="utf-8")
    return path


def test_branches_are_found_in_whichever_order_they_are_printed(branched: Path) -> None:
    assert audit(OTHER_ORDER.format(36), against=str(branched)).differences == ()


def test_what_differs_is_named_by_the_network_s_layer(branched: Path) -> None:
    (difference,) = audit(OTHER_ORDER.format(63), against=str(branched)).differences
    assert (difference.row, difference.layer, difference.computed) == (3, "left", "36")


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "densenet121"])
def test_what_keras_prints_of_a_network_differs_nowhere(name: str) -> None:
    # Its names are others, and its normalizations' statistics are counted.
    printed = keras(analyze(load(name))).csv()
    assert audit(printed, against=name).differences == ()


PRINTED = {
    "torchinfo_mobilenet_v3_small": "mobilenet_v3_small",
    "torchsummary_resnet18": "resnet18",
    "torchinfo_efficientnet_b0": "efficientnet_b0",
    "torchinfo_shufflenet_v2": "shufflenet_v2_x1_0",
    "torchinfo_regnet_y_400mf": "regnet_y_400mf",
}
"""What programs print of torchvision's, with work in a way of their own and rows for modules."""


@pytest.mark.parametrize("name", PRINTED)
def test_what_programs_print_of_torchvision_s_differs_nowhere(name: str) -> None:
    path = Path(__file__).parent / "rebuilt" / f"{name}.txt"
    assert audit(path, against=PRINTED[name]).differences == ()


def test_one_altered_row_is_named() -> None:
    path = Path(__file__).parent / "rebuilt" / "torchsummary_resnet18.txt"
    text = path.read_text(encoding="utf-8")
    assert text.count("32,768") == 1
    (difference,) = audit(text.replace("32,768", "32,678"), against="resnet18").differences
    assert (difference.layer, difference.computed) == ("layer3.0.downsample.conv", "32,768")


def test_a_module_is_the_layers_that_have_its_parameters() -> None:
    # Of EfficientNet-B0's first block: 32 * 9 + 64, 8 + 32 * 8 + 32 + 256, 512 + 32.
    path = Path(__file__).parent / "rebuilt" / "torchinfo_efficientnet_b0.txt"
    text = path.read_text(encoding="utf-8")
    assert text.count(" 1,448") == 1
    found = audit(text.replace(" 1,448", " 1,484"), against="efficientnet_b0").differences
    (module, *layers) = [each for each in found if each.effect]
    assert (module.layer, module.effect) == ("MBConv: 3-4", -1484)
    assert sum(each.effect for each in layers) == 1448


BRANCH_FIRST = """Layer,Output Shape,Param #
a (Conv2d),8x32x32,224
b (Conv2d),6x32x32,330
c (Conv2d),4x32x32,36
d (Conv2d),6x32x32,438
"""


def test_rows_that_are_alike_in_every_number_may_stand_elsewhere(branched: Path) -> None:
    found = audit(BRANCH_FIRST, against=str(branched)).differences
    assert [each.layer for each in found] == ["head"]


# Keras counts a depthwise convolution and the 1x1 over it as one: 9 * 8 + 8 * 16 = 200.
SEPARABLE = """Layer,Output Shape,Param #,Connected to
image (InputLayer),"(None, 32, 32, 8)",0,-
pad (ZeroPadding2D),"(None, 34, 34, 8)",0,image[0][0]
one (SeparableConv2D),"(None, 32, 32, 16)",{},pad[0][0]
"""


def test_a_separable_convolution_is_two_layers_of_a_network() -> None:
    conv = {"op": "Conv2d", "bias": False}
    layers = {
        "deep": {**conv, "out_channels": 8, "kernel_size": 3, "padding": 1, "groups": 8},
        "point": {**conv, "out_channels": 16, "kernel_size": 1},
    }
    network = {"name": "net", "input": [8, 32, 32], "layers": layers}
    assert audit(SEPARABLE.format(200), against=network).differences == ()
    (difference,) = audit(SEPARABLE.format(210), against=network).differences
    assert (difference.layer, difference.computed) == ("point", "200")
