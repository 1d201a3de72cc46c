"""ZFNet, against figure 3 of arXiv:1311.2901 and by hand."""

from __future__ import annotations

import pytest

import archcalc

ZFNET = archcalc.analyze(archcalc.load("zfnet"))
ROWS = {row.name: row for row in ZFNET.rows}

# Figure 3: channels and side; params worked from kernel, channels before and biases.
FIGURE_3 = {
    "conv1": (96, 110, (7 * 7 * 3 + 1) * 96),
    "maxpool1": (96, 55, 0),
    "conv2": (256, 26, (5 * 5 * 96 + 1) * 256),
    "maxpool2": (256, 13, 0),
    "conv3": (384, 13, (3 * 3 * 256 + 1) * 384),
    "conv4": (384, 13, (3 * 3 * 384 + 1) * 384),
    "conv5": (256, 13, (3 * 3 * 384 + 1) * 256),
    "maxpool5": (256, 6, 0),
}


@pytest.mark.parametrize("layer", FIGURE_3)
def test_figure_3_layer_by_layer(layer: str) -> None:
    channels, side, params = FIGURE_3[layer]
    assert ROWS[layer].shape == (1, channels, side, side)
    assert ROWS[layer].params == params


@pytest.mark.parametrize(
    ("layer", "before", "after"),
    [("fc6", 6 * 6 * 256, 4096), ("fc7", 4096, 4096), ("fc8", 4096, 1000)],
)
def test_fully_connected_layers(layer: str, before: int, after: int) -> None:
    assert ROWS[layer].params == (before + 1) * after


def test_params() -> None:
    # pytorchcv's table of models on ImageNet-1K: 62,357,608.
    assert ZFNET.params == 62_357_608


def test_params_of_the_wider_network() -> None:
    # pytorchcv's ZFNet-b; 512, 1024 and 512 maps instead of 384, 384 and 256.
    wider = archcalc.analyze(archcalc.load("zfnet-b"))
    convolutions = (9 * 256 + 1) * 512 + (9 * 512 + 1) * 1024 + (9 * 1024 + 1) * 512
    narrow = sum(FIGURE_3[name][2] for name in ("conv3", "conv4", "conv5"))
    assert wider.params == 62_357_608 - narrow + convolutions + 36 * 256 * 4096
    assert wider.params == 107_627_624


def test_macs_by_hand() -> None:
    taps = {name: params - channels for name, (channels, _, params) in FIGURE_3.items() if params}
    convolutions = sum(taps[name] * FIGURE_3[name][1] ** 2 for name in taps)
    classifier = 9216 * 4096 + 4096 * 4096 + 4096 * 1000
    assert ZFNET.macs == convolutions + classifier


def test_its_first_convolution_alone_makes_the_difference_of_params_to_alexnet() -> None:
    # The single-tower AlexNet: 11x11 instead of 7x7, else the same kernels and channels.
    alexnet = archcalc.analyze(archcalc.load("alexnet"))
    assert alexnet.params - ZFNET.params == (11 * 11 - 7 * 7) * 3 * 96
