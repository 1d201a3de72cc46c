"""MobileNetV2 against its paper (arXiv:1801.04381), its authors' table and torchvision."""

from __future__ import annotations

from typing import Any

import pytest

import archcalc
from archcalc import Analysis

# Table 2: expansion t, channels c, repetitions n, stride s, and the extent of the input.
TABLE2 = [
    (1, 16, 1, 1, 112),
    (6, 24, 2, 2, 112),
    (6, 32, 3, 2, 56),
    (6, 64, 4, 2, 28),
    (6, 96, 3, 1, 14),
    (6, 160, 3, 2, 14),
    (6, 320, 1, 1, 7),
]


def network(**variables: Any) -> Analysis:
    return archcalc.analyze(archcalc.load("mobilenet_v2"), **variables)


def test_params_and_macs_worked_from_table_2() -> None:
    def conv(weights: int, out: int) -> int:
        return weights + 2 * out  # a scale and a shift of normalization

    params, macs = conv(9 * 3 * 32, 32), 9 * 3 * 32 * 112**2
    channels = 32
    for t, c, n, s, extent in TABLE2:
        for stride in [s] + [1] * (n - 1):
            hidden = t * channels
            if t > 1:
                params += conv(channels * hidden, hidden)
                macs += channels * hidden * extent**2
            extent //= stride
            params += conv(9 * hidden, hidden) + conv(hidden * c, c)
            macs += (9 * hidden + hidden * c) * extent**2
            channels = c
    params += conv(320 * 1280, 1280) + 1280 * 1000 + 1000
    macs += 320 * 1280 * 7**2 + 1280 * 1000
    assert network().params == params == 3_504_872  # torchvision's mobilenet_v2
    assert network().macs == macs


@pytest.mark.parametrize("row", range(len(TABLE2)))
def test_a_unit_is_added_to_its_input_but_for_the_first_of_a_row(row: int) -> None:
    adds = [
        layer.name
        for layer in network().rows
        if layer.op == "Add" and layer.stage == f"stage{row + 1}"
    ]
    assert adds == [f"stage{row + 1}.unit.{unit}.add" for unit in range(1, TABLE2[row][2])]


def test_a_width_at_which_a_row_begins_with_equal_shapes_is_added_too() -> None:
    # torchvision adds wherever it can: at width 0.25 the stem has round(8) = 8 channels and row 1
    # round(4) = 8, at stride 1.
    adds = {row.name for row in network(width=0.25).rows if row.op == "Add"}
    assert "stage1.unit.0.add" in adds


# tensorflow/models, research/slim/nets/mobilenet/README.md: width, side, million multiply-adds,
# million parameters. The multiply-adds are cut off; normalization's parameters are not counted.
SLIM = [
    (1.4, 224, 582, 6.06),
    (1.3, 224, 509, 5.34),
    (1, 224, 300, 3.47),
    (1, 192, 221, 3.47),
    (1, 160, 154, 3.47),
    (1, 128, 99, 3.47),
    (1, 96, 56, 3.47),
    (0.75, 224, 209, 2.61),
    (0.75, 192, 153, 2.61),
    (0.75, 160, 107, 2.61),
    (0.75, 128, 69, 2.61),
    (0.75, 96, 39, 2.61),
    (0.5, 224, 97, 1.95),
    (0.5, 192, 71, 1.95),
    (0.5, 160, 50, 1.95),
    (0.5, 128, 32, 1.95),
    (0.5, 96, 18, 1.95),
    (0.35, 224, 59, 1.66),
    (0.35, 192, 43, 1.66),
    (0.35, 160, 30, 1.66),
    (0.35, 128, 20, 1.66),
    (0.35, 96, 11, 1.66),
]


@pytest.mark.parametrize(("width", "side", "mult_adds", "params"), SLIM)
def test_all_22_checkpoints_of_the_authors_come_out(
    width: float, side: int, mult_adds: int, params: float
) -> None:
    analysis = network(width=width, side=side)
    normalization = sum(row.params for row in analysis.rows if row.op == "BatchNorm2d")
    assert int(analysis.macs / 1e6) == mult_adds
    assert round((analysis.params - normalization) / 1e6, 2) == params


@pytest.mark.parametrize(
    ("width", "channels"),
    # Multiples of 8, at least nine tenths of what they round; the last is not made thinner.
    # 0.35: 11.2 -> 8 is below 10.08, so 16. 1.4: 44.8 -> 48, 22.4 -> 24, 33.6 -> 32, ...
    [
        (0.35, [16, 8, 8, 16, 24, 32, 56, 112, 1280]),
        (1.4, [48, 24, 32, 48, 88, 136, 224, 448, 1792]),
    ],
)
def test_widths_are_rounded_as_published(width: float, channels: list[int]) -> None:
    stages = {row.stage: row.shape[1] for row in network(width=width).rows if row.stage}
    assert list(stages.values()) == channels
