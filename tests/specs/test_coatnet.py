"""CoAtNet against its paper (arXiv:2106.04803) and timm."""

from __future__ import annotations

from typing import Any

import pytest

import archcalc
from archcalc import Analysis

# Table 3: channels of the stem and of the four stages, and blocks of these.
TABLE3 = {
    "coatnet_0": (64, (96, 192, 384, 768), (2, 3, 5, 2)),
    "coatnet_1": (64, (96, 192, 384, 768), (2, 6, 14, 2)),
    "coatnet_2": (128, (128, 256, 512, 1024), (2, 6, 14, 2)),
    "coatnet_3": (192, (192, 384, 768, 1536), (2, 6, 14, 2)),
    "coatnet_4": (192, (192, 384, 768, 1536), (2, 12, 28, 2)),
    "coatnet_5": (192, (256, 512, 1280, 2048), (2, 12, 28, 2)),
}

# timm, coatnet_0_224 to coatnet_5_224: parameters, and half of what FlopCounterMode counts.
TIMM = {
    "coatnet_0": (25_036_820, 4_546_507_776),
    "coatnet_1": (42_225_776, 8_643_499_008),
    "coatnet_2": (74_684_744, 16_427_134_976),
    "coatnet_3": (166_966_264, 36_453_156_864),
    "coatnet_4": (275_425_288, 62_316_840_960),
    "coatnet_5": (687_472_008, 145_264_287_744),
}

names = pytest.mark.parametrize("name", list(TABLE3))


def network(name: str, **variables: Any) -> Analysis:
    return archcalc.analyze(archcalc.load(name), **variables)


def worked(name: str) -> tuple[int, int]:
    """Parameters and multiply-accumulates from table 3, at 224 pixels."""
    stem, widths, depths = TABLE3[name]
    params = 9 * 3 * stem + 2 * stem + 9 * stem * stem
    macs = (9 * 3 * stem + 9 * stem * stem) * 112**2
    channels, side = stem, 112
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        for block in range(depth):
            first = block == 0
            before, side = side, side // 2 if first else side
            if first and width != channels:  # the shortcut
                params += channels * width + width
                macs += channels * width * side**2
            if stage < 2:
                hidden, squeezed = 4 * width, width // 4
                params += 2 * channels + channels * hidden + 2 * hidden + 9 * hidden + 2 * hidden
                params += 2 * hidden * squeezed + squeezed + hidden + hidden * width + width
                macs += channels * hidden * before**2 + (9 * hidden + hidden * width) * side**2
                macs += 2 * hidden * squeezed
            else:
                positions, heads = side**2, width // 32
                params += 2 * channels + channels * 3 * width + 3 * width + width * width + width
                params += (2 * side - 1) ** 2 * heads
                params += 2 * width + 8 * width * width + 4 * width + width
                macs += positions * (3 * channels * width + width * width + 8 * width * width)
                macs += 2 * positions**2 * width
            channels = width
    params += 2 * channels + channels * channels + channels + 1000 * channels + 1000
    return params, macs + channels * channels + 1000 * channels


@names
def test_params_and_macs_worked_from_table_3(name: str) -> None:
    analysis = network(name)

    assert (analysis.params, analysis.macs) == worked(name) == TIMM[name]


def test_with_the_stride_of_equation_5_the_widest_products_are_on_smaller_maps() -> None:
    # The first blocks of S1 and S2 expand 64 -> 384 and 96 -> 768 channels on a fourth of a map.
    saved = (64 * 384 * 112**2 + 96 * 768 * 56**2) * 3 // 4

    assert network("coatnet_0").macs - network("coatnet_0", stride_in_1x1=True).macs == saved


def test_the_largest_convolves_before_it_attends_on_maps_of_14() -> None:
    rows = network("coatnet_7").rows
    stages = {row.stage for row in rows}
    attentions = [row.shape for row in rows if row.op == "ScaledDotProductAttention"]

    assert {"s3_conv", "s3"} <= stages
    assert [shape[1:] for shape in attentions] == [(16, 14**2, 128)] * 42 + [(24, 7**2, 128)] * 2


def test_the_largest_has_its_published_size() -> None:
    # Table 5 of the paper: 2.44B; and BASIC calls it 2.4B.
    assert round(network("coatnet_7").params / 1e7) == 244


def test_another_image_has_other_distances() -> None:
    # 24 x 24 positions for 14 x 14 in five blocks of 12 heads, 12 x 12 for 7 x 7 in two of 24.
    more = 5 * 12 * (47**2 - 27**2) + 2 * 24 * (23**2 - 13**2)

    assert network("coatnet_0", image_size=384).params - network("coatnet_0").params == more
