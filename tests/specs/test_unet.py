"""U-Net, against figure 1 of arXiv:1505.04597 and by hand."""

from __future__ import annotations

from functools import cache

import pytest

import archcalc
from archcalc import Analysis


@cache
def network() -> Analysis:
    return archcalc.analyze(archcalc.load("unet"))


def shape(layer: str) -> tuple[int, ...]:
    (row,) = [row for row in network().rows if row.name == layer]
    return tuple(row.shape[1:])


# The figure: what comes in, and the channels and sides after the two convolutions of a level.
CONTRACTING = {
    "left1": (572, 64, 570, 568),
    "left2": (284, 128, 282, 280),
    "left3": (140, 256, 138, 136),
    "left4": (68, 512, 66, 64),
    "bottom": (32, 1024, 30, 28),
}
EXPANDING = {
    "right4": (56, 512, 54, 52),
    "right3": (104, 256, 102, 100),
    "right2": (200, 128, 198, 196),
    "right1": (392, 64, 390, 388),
}


@pytest.mark.parametrize("level", CONTRACTING)
def test_the_contracting_path_of_the_figure(level: str) -> None:
    side, channels, first, second = CONTRACTING[level]
    (row,) = [row for row in network().rows if row.name == f"{level}.conv1"]
    assert row.node.input_shapes[0][2:] == (side, side)
    assert shape(f"{level}.conv1") == (channels, first, first)
    assert shape(f"{level}.conv2") == (channels, second, second)


@pytest.mark.parametrize("level", EXPANDING)
def test_the_expanding_path_of_the_figure(level: str) -> None:
    side, channels, first, second = EXPANDING[level]
    assert shape(f"{level}.up") == shape(f"{level}.crop") == (channels, side, side)
    assert shape(f"{level}.concat") == (2 * channels, side, side)
    assert shape(f"{level}.conv.conv1") == (channels, first, first)
    assert shape(f"{level}.conv.conv2") == (channels, second, second)


def test_params_by_hand() -> None:
    params = 0
    before = 1
    for channels in (64, 128, 256, 512, 1024):  # two 3x3 convolutions, on the way down
        params += (9 * before + 1) * channels + (9 * channels + 1) * channels
        before = channels
    for channels in (512, 256, 128, 64):  # a 2x2 convolution up, then on twice the channels
        params += (4 * 2 * channels + 1) * channels
        params += (9 * 2 * channels + 1) * channels + (9 * channels + 1) * channels
    params += (64 + 1) * 2
    # The sum that Keras and torchsummary print of implementations of the figure.
    assert network().params == params == 31_030_658


def test_what_is_cut_off_comes_from_the_same_level_on_the_left() -> None:
    for level in (1, 2, 3, 4):
        (row,) = [row for row in network().rows if row.name == f"right{level}.crop"]
        assert row.node.inputs == (f"left{level}.relu2", f"right{level}.up")


def test_macs_of_an_up_convolution_are_counted_where_it_reads() -> None:
    # 1024 channels of 28x28 pixels, each spread over 2x2 pixels of 512 channels.
    (row,) = [row for row in network().rows if row.name == "right4.up"]
    assert row.macs == 28 * 28 * 1024 * 512 * 2 * 2


def test_every_side_loses_184_pixels() -> None:
    # 2 pixels for each of two 3x3 on each level, in pixels of the image: 4, 8, 16 and 32 on the
    # way down, 64 at the bottom, 32, 16, 8 and 4 on the way up.
    lost = 4 + 8 + 16 + 32 + 64 + 32 + 16 + 8 + 4
    assert lost == 572 - 388 == 184
    other = archcalc.analyze(archcalc.load("unet"), input=(1, 188 + 16, 188))
    assert other.rows[-1].shape == (1, 2, 188 + 16 - lost, 188 - lost)


def test_the_receptive_field_by_hand() -> None:
    # On the way down: two 3x3 on five levels, whose pixels are 1, 2, 4, 8 and 16 of the image, and
    # four 2x2 between them.
    bottom = 1 + 2 * 2 * (1 + 2 + 4 + 8 + 16) + (1 + 2 + 4 + 8)
    # On the way up pixel k of a level sees k // 2 to (k + 4) // 2 of the one below; so k of the
    # last sees k // 16 to (k + 4 + 8 + 16 + 32) // 16 of the bottom: 5 of its pixels at most.
    top = bottom + (60 + 15) // 16 * 16
    fields = archcalc.receptive_field(network().graph)
    for layer, size in (("bottom.conv2", bottom), ("conv", top)):
        found = fields[layer]
        assert found is not None
        assert [axis.size for axis in found] == [size, size]
    assert (bottom, top) == (140, 204)
