"""ConvNeXt against its paper (arXiv:2201.03545), its authors' table and torchvision."""

from __future__ import annotations

from typing import Any

import pytest

import archcalc
from archcalc import Analysis

# Section 3: channels and blocks of the four stages.
SIZES = {
    "convnext_tiny": ((96, 192, 384, 768), (3, 3, 9, 3)),
    "convnext_small": ((96, 192, 384, 768), (3, 3, 27, 3)),
    "convnext_base": ((128, 256, 512, 1024), (3, 3, 27, 3)),
    "convnext_large": ((192, 384, 768, 1536), (3, 3, 27, 3)),
    "convnext_xlarge": ((256, 512, 1024, 2048), (3, 3, 27, 3)),
}
# torchvision's table of weights and their metadata: parameters, billion operations.
TORCHVISION = {
    "convnext_tiny": (28_589_128, 4.456),
    "convnext_small": (50_223_688, 8.684),
    "convnext_base": (88_591_464, 15.355),
    "convnext_large": (197_767_336, 34.361),
}


def network(name: str = "convnext_tiny", **variables: Any) -> Analysis:
    return archcalc.analyze(archcalc.load(name), **variables)


@pytest.mark.parametrize("name", TORCHVISION)
def test_totals_are_torchvisions(name: str) -> None:
    params, billions = TORCHVISION[name]
    analysis = network(name)
    assert analysis.params == params
    assert round(analysis.macs / 1e9, 3) == billions


@pytest.mark.parametrize("name", SIZES)
def test_params_and_macs_worked_from_widths_and_depths(name: str) -> None:
    widths, depths = SIZES[name]
    # A 4x4 patch of 3 channels, a bias, and a scale and a shift of normalization.
    params, macs = (16 * 3 + 3) * widths[0], 16 * 3 * widths[0] * 56**2
    before = 0
    for width, depth, extent in zip(widths, depths, (56, 28, 14, 7), strict=True):
        if before:
            params += 2 * before + (4 * before + 1) * width
            macs += 4 * before * width * extent**2
        # 7x7 depthwise, normalization, 4 times the channels and back, all with biases; gamma.
        block = (49 + 1) + 2 + 4 * (width + 1) + (4 * width + 1) + 1
        params += depth * block * width
        macs += depth * (49 + 4 * width + 4 * width) * width * extent**2
        before = width
    params += 2 * before + (before + 1) * 1000
    macs += before * 1000
    assert network(name).params == params
    assert network(name).macs == macs


@pytest.mark.parametrize(
    ("name", "side", "billions"),
    # facebookresearch/ConvNeXt, README.md, "FLOPs". The larger ones are printed 45.0 and 101.0
    # and 179.0, which are whole numbers.
    [
        ("convnext_tiny", 224, "4.5"),
        ("convnext_tiny", 384, "13.1"),
        ("convnext_small", 384, "25.5"),
        ("convnext_base", 384, "45"),
        ("convnext_large", 384, "101"),
        ("convnext_xlarge", 224, "60.9"),
        ("convnext_xlarge", 384, "179"),
    ],
)
def test_macs_are_those_of_the_authors_table(name: str, side: int, billions: str) -> None:
    digits = len(billions.partition(".")[2])
    assert f"{network(name, side=side).macs / 1e9:.{digits}f}" == billions


def test_the_layer_scale_is_a_number_for_every_channel() -> None:
    row = network().row("stage1.0.gamma")
    assert dict(row.weights) == {"weight": (96, 1, 1)}
    assert (row.params, row.macs) == (96, 0)
    assert network().row("stage1.0.layer_scale").shape == (1, 96, 56, 56)
