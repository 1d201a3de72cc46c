"""PyramidNets, against what their authors and others published of them."""

from __future__ import annotations

from functools import cache

import pytest

import archcalc
from archcalc import Analysis


@cache
def network(name: str) -> Analysis:
    return archcalc.analyze(archcalc.load(name))


def without_normalization(name: str) -> int:
    rows = network(name).rows
    return sum(row.params for row in rows if row.op != "BatchNorm2d")


# jhkim89/PyramidNet, README.md: millions of parameters and "output feat. dimension". The numbers
# of parameters are those of the convolutions and the classifier, rounded or cut off.
AUTHORS = {
    "pyramidnet110_mul4_75": ("1.7", 76),
    "pyramidnet110_a48": ("1.7", 64),
    "pyramidnet110_mul8": ("3.8", 128),
    "pyramidnet110_a84": ("3.8", 100),
    "pyramidnet110_mul27": ("28.3", 432),
    "pyramidnet164_a48": ("1.7", 256),
    "pyramidnet164_a270": ("27.0", 1144),
    "pyramidnet200_a240": ("26.6", 1024),
    "pyramidnet236_a220": ("26.8", 944),
    "pyramidnet272_a200": ("26.0", 864),
    "pyramidnet200_a300": ("62.1", 1456),
    "pyramidnet200_a450": ("116.4", 2056),
}


@pytest.mark.parametrize("name", AUTHORS)
def test_the_table_of_the_authors_row_by_row(name: str) -> None:
    printed, channels = AUTHORS[name]
    params = without_normalization(name)
    cut_off = f"{params // 100_000 / 10:.1f}"
    assert printed in (f"{params / 1e6:.1f}", cut_off)
    (final,) = [row for row in network(name).rows if row.name == "relu_final"]
    assert final.shape[1] == channels


def test_two_rows_of_the_table_are_copies() -> None:
    # Printed 28.3M and 3.8M, as in the rows before.
    assert f"{without_normalization('pyramidnet110_a270') / 1e6:.1f}" == "28.4"
    assert f"{without_normalization('pyramidnet164_a84') / 1e6:.1f}" == "3.7"


# pytorchcv, pytorchcv/models/pyramidnet_cifar.py, with normalization.
PARAMS = {
    "pyramidnet110_a48": 1_772_706,
    "pyramidnet110_a84": 3_904_446,
    "pyramidnet110_a270": 28_485_477,
    "pyramidnet164_a270": 27_216_021,
    "pyramidnet200_a240": 26_752_702,
    "pyramidnet236_a220": 26_969_046,
    "pyramidnet272_a200": 26_210_842,
}


@pytest.mark.parametrize("name", PARAMS)
def test_params_are_those_of_another_implementation(name: str) -> None:
    assert network(name).params == PARAMS[name]


@pytest.mark.parametrize("name", [*AUTHORS, "pyramidnet110_a270", "pyramidnet164_a84"])
def test_depth_is_that_of_the_name(name: str) -> None:
    depth = int(name.removeprefix("pyramidnet").partition("_")[0])
    assert sum(row.op in ("Conv2d", "Linear") for row in network(name).rows) == depth


def widths(name: str) -> list[int]:
    """Channels of the first convolutions of the units, in order."""
    return [row.shape[1] for row in network(name).rows if row.name.endswith(".conv1")]


def test_channels_are_added_in_every_unit() -> None:
    # arXiv:1610.02915, section 2.1: 16 and alpha / N more in each of the N units. 270 / 54 is 5,
    # so that nothing is rounded.
    assert widths("pyramidnet110_a270") == [16 + 5 * unit for unit in range(1, 55)]


def test_channels_are_multiplied_in_every_unit() -> None:
    # 27 ** (1 / 3) is 3, so that each of the three stages ends three times as wide as it begins.
    channels = widths("pyramidnet110_mul27")
    assert channels[17::18] == [48, 144, 432]
    assert channels == sorted(channels)


def test_what_a_shortcut_adds_is_channels_of_zeros() -> None:
    nodes = {row.name: row.node for row in network("pyramidnet110_a270").rows}
    inside, first = nodes["layer2.1.shortcut.pad"], nodes["layer2.0.shortcut.avgpool"]
    assert inside.inputs == ("layer2.0.add",)
    assert (inside.input_shapes[0][1], inside.shape[1]) == (111, 116)
    assert (first.input_shapes[0], first.shape) == ((1, 106, 32, 32), (1, 106, 16, 16))


def test_macs_of_additions_by_hand() -> None:
    # Two 3x3 convolutions in a unit of 16 + 5j channels, 18 units a side of 32, 16 and 8 pixels;
    # where the side is halved, the first convolution does so.
    channels = [16 + 5 * unit for unit in range(55)]
    macs = 27 * 16 * 32 * 32 + 286 * 10
    for unit in range(1, 55):
        side = 32 >> (unit - 1) // 18
        macs += 9 * side**2 * channels[unit] * (channels[unit - 1] + channels[unit])
    assert network("pyramidnet110_a270").macs == macs
