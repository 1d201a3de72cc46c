"""SqueezeNet against its paper (arXiv:1602.07360), its authors' Caffe models and torchvision."""

from __future__ import annotations

import pytest

import archcalc
from archcalc import Analysis

# Table 1, before pruning: the output's extent and channels, and the parameters.
TABLE1 = {
    "conv1": (111, 96, 14_208),
    "maxpool1": (55, 96, 0),
    "fire2": (55, 128, 11_920),
    "fire3": (55, 128, 12_432),
    "fire4": (55, 256, 45_344),
    "maxpool4": (27, 256, 0),
    "fire5": (27, 256, 49_440),
    "fire6": (27, 384, 104_880),
    "fire7": (27, 384, 111_024),
    "fire8": (27, 512, 188_992),
    "maxpool8": (13, 512, 0),
    "fire9": (13, 512, 197_184),
    "conv10": (13, 1000, 513_000),
    "avgpool10": (1, 1000, 0),
}


def network(name: str) -> Analysis:
    return archcalc.analyze(archcalc.load(name))


@pytest.mark.parametrize("layer", TABLE1)
def test_the_papers_table_row_by_row(layer: str) -> None:
    extent, channels, params = TABLE1[layer]
    rows = [row for row in network("squeezenet1_0-paper").rows if row.name.split(".")[0] == layer]
    assert rows[-1].shape[1:] == (channels, extent, extent)
    assert sum(row.params for row in rows) == params


def test_the_papers_table_adds_up() -> None:
    assert sum(params for _, _, params in TABLE1.values()) == 1_248_424
    assert network("squeezenet1_0-paper").params == 1_248_424


def test_a_fire_module_by_hand() -> None:
    # fire2: 96 channels, squeezed to 16, expanded to 64 by 1x1 and 64 by 3x3; all with biases.
    squeeze, expand1x1, expand3x3 = 96 * 16 + 16, 16 * 64 + 64, 9 * 16 * 64 + 64
    assert squeeze + expand1x1 + expand3x3 == TABLE1["fire2"][2]


@pytest.mark.parametrize(
    ("name", "params", "billions"),
    # torchvision's table of weights and their metadata.
    [("squeezenet1_0", 1_248_424, 0.819), ("squeezenet1_1", 1_235_496, 0.349)],
)
def test_totals_are_torchvisions(name: str, params: int, billions: float) -> None:
    assert network(name).params == params
    assert round(network(name).macs / 1e9, 3) == billions


def test_a_padded_1x1_convolution_computes_a_border_of_biases() -> None:
    # conv10 in Caffe has padding 1 around 13x13: 15x15 positions of 512 x 1000 weights.
    row = network("squeezenet1_0-caffe").row("conv10")
    assert row.macs == 15**2 * 512 * 1000
    # forresti/SqueezeNet: 1.72 GFLOPS an image.
    assert round(2 * network("squeezenet1_0-caffe").macs / 1e9, 2) == 1.72
