"""C3D, against its paper, its prototxt and other implementations."""

from __future__ import annotations

from functools import cache

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
    [("c3d", 79_991_015), ("c3d-ucf101", 78_409_573)],
)
def test_params_are_those_of_other_implementations(name: str, params: int) -> None:
    assert network(name).params == params


def test_no_frame_is_merged_before_the_second_pooling() -> None:
    # arXiv:1412.0767, section 3.1: 16, 16, 8, 4, 2 and 1 frames after the poolings.
    frames = [row.shape[2] for row in network("c3d").rows if row.op == "MaxPool3d"]
    assert frames == [16, 8, 4, 2, 1]
