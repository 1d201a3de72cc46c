"""RegNet against its paper (arXiv:2003.13678), its authors' model zoo and torchvision."""

from __future__ import annotations

import math

import pytest

import archcalc
from archcalc import Analysis

# The line of section 3.3 (figures 16 and 17): depth, w_0, w_a, w_m, and the group's width.
LINES = {
    "regnet_x_400mf": (22, 24, 24.48, 2.54, 16),
    "regnet_x_800mf": (16, 56, 35.73, 2.28, 16),
    "regnet_x_1_6gf": (18, 80, 34.01, 2.25, 24),
    "regnet_x_3_2gf": (25, 88, 26.31, 2.25, 48),
    "regnet_x_8gf": (23, 80, 49.56, 2.88, 120),
    "regnet_x_16gf": (22, 216, 55.59, 2.1, 128),
    "regnet_x_32gf": (23, 320, 69.86, 2.0, 168),
    "regnet_y_400mf": (16, 48, 27.89, 2.09, 8),
    "regnet_y_800mf": (14, 56, 38.84, 2.4, 16),
    "regnet_y_1_6gf": (27, 48, 20.71, 2.65, 24),
    "regnet_y_3_2gf": (21, 80, 42.63, 2.66, 24),
    "regnet_y_8gf": (17, 192, 76.82, 2.19, 56),
    "regnet_y_16gf": (18, 200, 106.23, 2.48, 112),
    "regnet_y_32gf": (20, 232, 115.89, 2.53, 232),
}
# Where its authors' rounding gives other widths than torchvision's.
PAPERS = ("regnet_x_400mf", "regnet_y_800mf", "regnet_y_8gf")
# torchvision's table of weights and their metadata: parameters, billion operations.
TORCHVISION = {
    "regnet_x_400mf": (5_495_976, 0.414),
    "regnet_x_800mf": (7_259_656, 0.800),
    "regnet_x_1_6gf": (9_190_136, 1.603),
    "regnet_x_3_2gf": (15_296_552, 3.177),
    "regnet_x_8gf": (39_572_648, 7.995),
    "regnet_x_16gf": (54_278_536, 15.941),
    "regnet_x_32gf": (107_811_560, 31.736),
    "regnet_y_400mf": (4_344_144, 0.402),
    "regnet_y_800mf": (6_432_512, 0.834),
    "regnet_y_1_6gf": (11_202_430, 1.612),
    "regnet_y_3_2gf": (19_436_338, 3.176),
    "regnet_y_8gf": (39_381_472, 8.473),
    "regnet_y_16gf": (83_590_140, 15.912),
    "regnet_y_32gf": (145_046_770, 32.280),
}


def network(name: str) -> Analysis:
    return archcalc.analyze(archcalc.load(name))


def line(name: str, nearest: bool) -> tuple[list[int], list[int]]:
    """Depths and widths of the stages, by equations 2 to 4 of the paper."""
    depth, w_0, w_a, w_m, group = LINES[name.removesuffix("-paper")]
    widths: list[int] = []
    for block in range(depth):
        linear = w_0 + w_a * block
        step = round(math.log(linear / w_0) / math.log(w_m))
        widths.append(8 * round(w_0 * w_m**step / 8))
    stages = sorted(set(widths))
    rounded = []  # to the group's width
    for width in stages:
        to = min(group, width)
        fitting = to * round(width / to) if nearest else to * ((width + to // 2) // to)
        if not nearest and fitting < 0.9 * width:
            fitting += to
        rounded.append(fitting)
    return [widths.count(stage) for stage in stages], rounded


@pytest.mark.parametrize("name", [*LINES, *(f"{name}-paper" for name in PAPERS)])
def test_depths_and_widths_are_those_of_the_quantized_line(name: str) -> None:
    variables = network(name).graph.variables
    depths, widths = line(name, nearest=name.endswith("-paper"))
    assert list(variables["depths"]) == depths  # type: ignore[call-overload]
    assert list(variables["widths"]) == widths  # type: ignore[call-overload]


@pytest.mark.parametrize("name", TORCHVISION)
def test_totals_are_torchvisions(name: str) -> None:
    params, billions = TORCHVISION[name]
    assert network(name).params == params
    assert round(network(name).macs / 1e9, 3) == billions


def test_params_and_macs_of_a_stage_by_hand() -> None:
    # The first stage of RegNetY-400MF: one unit, 32 to 48 channels, 112x112 to 56x56, 6 groups of
    # 8 channels, squeezed to 32 / 4 = 8. Every convolution is normalized: 2 numbers a channel.
    rows = [row for row in network("regnet_y_400mf").rows if row.stage == "block1"]
    params = [
        32 * 48 + 2 * 48,
        9 * 8 * 48 + 2 * 48,
        (48 + 1) * 8 + (8 + 1) * 48,
        48 * 48 + 2 * 48,
        32 * 48 + 2 * 48,
    ]
    macs = [
        32 * 48 * 112**2,
        9 * 8 * 48 * 56**2,
        2 * 8 * 48,
        48 * 48 * 56**2,
        32 * 48 * 56**2,
    ]
    assert sum(row.params for row in rows) == sum(params)
    assert sum(row.macs for row in rows) == sum(macs)


def test_a_group_is_no_wider_than_its_stage() -> None:
    # RegNetX-8.0GF: groups of 120 channels, but the first stage has 80 channels in all.
    analysis = network("regnet_x_8gf")
    weights = [analysis.row(f"block{stage}.0.b.conv").weights["weight"] for stage in (1, 2)]
    assert weights == [(80, 80, 3, 3), (240, 120, 3, 3)]
