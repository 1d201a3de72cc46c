"""C3D, against its paper, its prototxt and other implementations."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import pytest

import archcalc
from archcalc import Analysis


@cache
def network(name: str) -> Analysis:
    return archcalc.analyze(archcalc.load(name))


# Kernels of 3x3x3 on the channels before, with biases, and the shapes after every pooling: the
# clip of 16 frames is halved after the second stage and later, its 112 pixels after every one.
CONVOLUTIONS = {
    "conv1a": (3, 64, (16, 112, 112)),
    "conv2a": (64, 128, (16, 56, 56)),
    "conv3a": (128, 256, (8, 28, 28)),
    "conv3b": (256, 256, (8, 28, 28)),
    "conv4a": (256, 512, (4, 14, 14)),
    "conv4b": (512, 512, (4, 14, 14)),
    "conv5a": (512, 512, (2, 7, 7)),
    "conv5b": (512, 512, (2, 7, 7)),
}


@pytest.mark.parametrize("layer", CONVOLUTIONS)
def test_every_convolution_by_hand(layer: str) -> None:
    before, channels, (frames, height, width) = CONVOLUTIONS[layer]
    (row,) = [row for row in network("c3d").rows if row.name == f"{layer}.conv"]
    assert row.shape == (1, channels, frames, height, width)
    assert row.params == (27 * before + 1) * channels
    assert row.macs == 27 * before * channels * frames * height * width


def test_the_last_pooling_keeps_a_window_that_does_not_fit_whole() -> None:
    # open-mmlab/mmaction2, mmaction/models/backbones/c3d.py: fc6 takes 8,192 = 512 * 1 * 4 * 4.
    shapes = {row.name: row.shape for row in network("c3d").rows}
    assert shapes["pool5"] == (1, 512, 1, 4, 4)
    assert shapes["flatten"] == (1, 8192)


@pytest.mark.parametrize(
    # The sums of the layers as Keras and torchsummary print them: 487 and 101 classes.
    ("name", "params"),
    [("c3d", 79_991_015), ("c3d_ucf101", 78_409_573)],
)
def test_params_are_those_of_other_implementations(name: str, params: int) -> None:
    assert network(name).params == params


def test_no_frame_is_merged_before_the_second_pooling() -> None:
    # arXiv:1412.0767, section 3.1: 16, 16, 8, 4, 2 and 1 frames after the poolings.
    frames = [row.shape[2] for row in network("c3d").rows if row.op == "MaxPool3d"]
    assert frames == [16, 8, 4, 2, 1]


# arXiv:1412.0767, section 3.1: five convolutions of 64, 128, 256, 256 and 256 channels, whose
# kernels see 1, 3, 5 or 7 frames; two layers of 2,048 and 101 classes.
@pytest.mark.parametrize("depth", [1, 3, 5, 7])
def test_the_networks_of_the_search_by_hand(depth: int) -> None:
    channels = [3, 64, 128, 256, 256, 256]
    params = sum((9 * depth * before + 1) * out for before, out in pairwise(channels))
    # The last pooling leaves one frame of 4x4 pixels.
    params += (256 * 4 * 4 + 1) * 2048 + (2048 + 1) * 2048 + (2048 + 1) * 101
    assert network(f"c3d_depth{depth}").params == params


def test_the_search_compares_networks_of_14_to_24_million_params() -> None:
    # The paper says that they have 17.5 million each, and that two neighbours differ by 17K, the
    # first and the last by 51K: 9 taps, 2 or 6 frames, 960 channels, but what these see left out.
    millions = [network(f"c3d_depth{d}").params / 1e6 for d in (1, 3, 5, 7)]
    assert [f"{number:.1f}" for number in millions] == ["14.3", "17.4", "20.5", "23.6"]
    said = 9 * 2 * (64 + 128 + 256 + 256 + 256)
    assert (said // 1000, 3 * said // 1000) == (17, 51)
    seen = 3 * 64 + 64 * 128 + 128 * 256 + 256 * 256 + 256 * 256
    assert network("c3d_depth3").params - network("c3d_depth1").params == 9 * 2 * seen
