"""ResNeXt, wide ResNet and the plain network of 34 layers, against what was published of them."""

from __future__ import annotations

from functools import cache

import pytest

import archcalc
from archcalc import Analysis
from archcalc.operators.conv import Conv2d


@cache
def network(name: str) -> Analysis:
    return archcalc.analyze(archcalc.load(name))


# Torchvision's table of pre-trained classification weights: parameters, and "GFLOPS", which are
# multiply-adds there. The multiply-adds to the last digit are torch's own counter's, halved, on
# torchvision's models.
TORCHVISION = {
    "resnext50_32x4d": (25_028_904, 4_230_479_872, "4.23"),
    "resnext101_32x8d": (88_791_336, 16_414_015_488, "16.41"),
    "resnext101_64x4d": (83_455_272, 15_460_270_080, "15.46"),
    "wide_resnet50_2": (68_883_240, 11_398_021_120, "11.40"),
    "wide_resnet101_2": (126_886_696, 22_753_050_624, "22.75"),
}


@pytest.mark.parametrize("name", TORCHVISION)
def test_params_and_macs_are_those_of_torchvision(name: str) -> None:
    params, macs, gflops = TORCHVISION[name]
    assert (network(name).params, network(name).macs) == (params, macs)
    assert f"{macs / 1e9:.2f}" == gflops


# arXiv:1611.05431, table 1, the column of ResNeXt-50 (32x4d): what each unit of a stage is, as
# (kernel, channels, groups) of its convolutions, and how many units there are.
RESNEXT_50 = {
    "layer1": ([(1, 128, 1), (3, 128, 32), (1, 256, 1)], 3),
    "layer2": ([(1, 256, 1), (3, 256, 32), (1, 512, 1)], 4),
    "layer3": ([(1, 512, 1), (3, 512, 32), (1, 1024, 1)], 6),
    "layer4": ([(1, 1024, 1), (3, 1024, 32), (1, 2048, 1)], 3),
}


def convolutions(name: str, stage: str) -> list[tuple[int, int, int]]:
    """Kernel, channels and groups of a stage's convolutions, without those of shortcuts."""
    return [
        (row.node.op.kernel_size[0], row.node.op.out_channels, row.node.op.groups)
        for row in network(name).rows
        if isinstance(row.node.op, Conv2d) and row.stage == stage and "downsample" not in row.name
    ]


@pytest.mark.parametrize("stage", RESNEXT_50)
def test_the_table_of_the_resnext_paper_row_by_row(stage: str) -> None:
    unit, times = RESNEXT_50[stage]
    assert convolutions("resnext50_32x4d", stage) == unit * times


def test_a_wide_resnet_is_a_resnet_with_twice_the_channels_in_its_3x3() -> None:
    for stage, planes in (("layer1", 64), ("layer2", 128), ("layer3", 256), ("layer4", 512)):
        wide, resnet = convolutions("wide_resnet50_2", stage), convolutions("resnet50", stage)
        assert {(k, c) for k, c, _ in wide} == {(1, 2 * planes), (3, 2 * planes), (1, 4 * planes)}
        assert len(wide) == len(resnet)


def test_cardinality_keeps_the_params_of_a_bottleneck() -> None:
    # arXiv:1611.05431, section 3.4: 256*64 + 3*3*64*64 + 64*256 = 70k of ResNet, and
    # C*(256*d + 3*3*d*d + d*256) = 70k where C is 32 and d is 4.
    resnet = 256 * 64 + 3 * 3 * 64 * 64 + 64 * 256
    resnext = 32 * (256 * 4 + 3 * 3 * 4 * 4 + 4 * 256)
    for name, params in (("resnet50", resnet), ("resnext50_32x4d", resnext)):
        rows = [row for row in network(name).rows if row.name.startswith("layer1.1.conv")]
        assert sum(row.params for row in rows) == params


def test_the_plain_network_is_resnet34_without_its_shortcuts() -> None:
    # arXiv:1512.03385, figure 3: 34 weight layers and 3.6 billion multiply-adds, plain or
    # residual. ResNet-34 as it is here has three projections besides, each with normalization.
    plain, residual = network("plain34"), network("resnet34")
    channels = ((64, 128), (128, 256), (256, 512))
    projections = sum(c * out + 2 * out for c, out in channels)
    assert residual.params - plain.params == projections
    # Each projection gives 28, 14 and 7 pixels a side.
    work = sum(c * out * side**2 for (c, out), side in zip(channels, (28, 14, 7), strict=True))
    assert residual.macs - plain.macs == work
    assert not any(row.op == "Add" for row in plain.rows)
