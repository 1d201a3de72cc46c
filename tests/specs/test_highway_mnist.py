"""Convolutional highway networks for MNIST, against arXiv:1507.06228 and their authors' code."""

from __future__ import annotations

import pytest

import archcalc


@pytest.mark.parametrize("width", [16, 32])
def test_params_by_hand(width: int) -> None:
    # A 5x5 on one channel; eight pairs of 3x3; 3x3 positions of all channels to 10 classes.
    conv = (25 * 1 + 1) * width
    pair = 2 * (9 * width + 1) * width
    classifier = (9 * width + 1) * 10
    params = archcalc.analyze(archcalc.load(f"highway-mnist-{width}")).params
    assert params == conv + 8 * pair + classifier
    # The paper's table 1: 39K and 151K, cut off.
    assert params // 1000 == {16: 38, 32: 151}[width]
    assert round(params / 1000) == {16: 39, 32: 152}[width]


# The log that their authors published with the code: shapes and trained parameters.
LOG = {
    "conv1": ((32, 24, 24), 832),
    "stage1.0": ((32, 24, 24), 18_496),
    "stage1.1": ((32, 24, 24), 18_496),
    "maxpool1": ((32, 12, 12), 0),
    "stage2.0": ((32, 12, 12), 18_496),
    "stage2.1": ((32, 12, 12), 18_496),
    "stage2.2": ((32, 12, 12), 18_496),
    "maxpool2": ((32, 6, 6), 0),
    "stage3.0": ((32, 6, 6), 18_496),
    "stage3.1": ((32, 6, 6), 18_496),
    "stage3.2": ((32, 6, 6), 18_496),
    "maxpool3": ((32, 3, 3), 0),
    "fc": ((10,), 2_890),
}


@pytest.mark.parametrize("layer", LOG)
def test_the_log_of_the_authors_layer_by_layer(layer: str) -> None:
    rows = [
        row
        for row in archcalc.analyze(archcalc.load("highway-mnist-32")).rows
        if row.name == layer or row.name.startswith(f"{layer}.")
    ]
    assert (rows[-1].shape[1:], sum(row.params for row in rows)) == LOG[layer]


def test_the_log_adds_up_to_its_total() -> None:
    total = archcalc.analyze(archcalc.load("highway-mnist-32")).params
    assert total == sum(params for _, params in LOG.values()) == 151_690
