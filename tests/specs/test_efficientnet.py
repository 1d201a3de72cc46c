"""EfficientNet B0 to B7 against its paper (arXiv:1905.11946), torchvision and Keras."""

from __future__ import annotations

from typing import Any

import pytest

import archcalc
from archcalc import Analysis

# Table 1: expansion, kernel, stride, channels, layers, and the extent of the input.
TABLE1 = [
    (1, 3, 1, 16, 1, 112),
    (6, 3, 2, 24, 2, 112),
    (6, 5, 2, 40, 2, 56),
    (6, 3, 2, 80, 3, 28),
    (6, 5, 1, 112, 3, 14),
    (6, 5, 2, 192, 4, 14),
    (6, 3, 1, 320, 1, 7),
]
# torchvision's table of weights and their metadata: side, parameters, billion operations.
TORCHVISION = {
    "efficientnet_b0": (224, 5_288_548, 0.386),
    "efficientnet_b1": (240, 7_794_184, 0.687),
    "efficientnet_b2": (288, 9_109_994, 1.088),
    "efficientnet_b3": (300, 12_233_232, 1.827),
    "efficientnet_b4": (380, 19_341_616, 4.394),
    "efficientnet_b5": (456, 30_389_784, 10.266),
    "efficientnet_b6": (528, 43_040_704, 19.068),
    "efficientnet_b7": (600, 66_347_960, 37.746),
}


def network(name: str = "efficientnet_b0", **variables: Any) -> Analysis:
    return archcalc.analyze(archcalc.load(name), **variables)


@pytest.mark.parametrize("name", TORCHVISION)
def test_totals_are_torchvisions(name: str) -> None:
    side, params, billions = TORCHVISION[name]
    analysis = network(name, side=side)
    assert analysis.params == params
    assert round(analysis.macs / 1e9, 3) == billions


def test_params_and_macs_worked_from_table_1() -> None:
    def conv(weights: int, out: int) -> int:
        return weights + 2 * out  # a scale and a shift of normalization

    params, macs = conv(9 * 3 * 32, 32), 9 * 3 * 32 * 112**2
    channels = 32
    for expansion, kernel, first_stride, out, layers, extent in TABLE1:
        for stride in [first_stride] + [1] * (layers - 1):
            hidden, squeezed = expansion * channels, channels // 4
            if expansion > 1:
                params += conv(channels * hidden, hidden)
                macs += channels * hidden * extent**2
            extent //= stride
            params += conv(kernel**2 * hidden, hidden)
            # Squeeze and excitation: two convolutions with biases on one position.
            params += (hidden + 1) * squeezed + (squeezed + 1) * hidden
            params += conv(hidden * out, out)
            macs += (kernel**2 * hidden + hidden * out) * extent**2 + 2 * hidden * squeezed
            channels = out
    params += conv(320 * 1280, 1280) + 1280 * 1000 + 1000
    macs += 320 * 1280 * 7**2 + 1280 * 1000
    assert network().params == params
    assert network().macs == macs


@pytest.mark.parametrize(
    ("name", "million"),
    # Keras, table of its applications; running means and variances are counted.
    [
        ("efficientnet_b0", 5.3),
        ("efficientnet_b1", 7.9),
        ("efficientnet_b2", 9.2),
        ("efficientnet_b3", 12.3),
        ("efficientnet_b4", 19.5),
        ("efficientnet_b5", 30.6),
        ("efficientnet_b6", 43.3),
        ("efficientnet_b7", 66.7),
    ],
)
def test_keras_counts_the_running_statistics_too(name: str, million: float) -> None:
    analysis = network(name)
    assert round((analysis.params + analysis.buffers) / 1e6, 1) == million


@pytest.mark.parametrize(
    ("name", "repeats"),
    # Layers of table 1, 1 2 2 3 3 4 1, times 1, 1.1, ... and rounded up.
    [
        ("efficientnet_b0", [1, 2, 2, 3, 3, 4, 1]),
        ("efficientnet_b1", [2, 3, 3, 4, 4, 5, 2]),
        ("efficientnet_b4", [2, 4, 4, 6, 6, 8, 2]),
        ("efficientnet_b7", [4, 7, 7, 10, 10, 13, 4]),
    ],
)
def test_depths_are_rounded_up(name: str, repeats: list[int]) -> None:
    rows = network(name).rows
    ours = [
        sum(row.name.endswith("project.conv") for row in rows if row.stage == f"stage{stage}")
        for stage in range(2, 9)
    ]
    assert ours == repeats


@pytest.mark.parametrize(
    ("name", "channels"),
    # Channels of table 1 times the width, to the nearest multiple of 8 that leaves nine tenths.
    # 1.4: 44.8, 22.4, 33.6, 56, 112, 156.8, 268.8, 448, 1792.
    # 2: each is a multiple of 8 already.
    [
        ("efficientnet_b1", [32, 16, 24, 40, 80, 112, 192, 320, 1280]),
        ("efficientnet_b4", [48, 24, 32, 56, 112, 160, 272, 448, 1792]),
        ("efficientnet_b7", [64, 32, 48, 80, 160, 224, 384, 640, 2560]),
    ],
)
def test_widths_are_rounded_to_multiples_of_8(name: str, channels: list[int]) -> None:
    stages = {row.stage: row.shape[1] for row in network(name).rows if row.stage}
    assert list(stages.values()) == channels


def test_every_unit_but_the_first_of_a_stage_is_added_to_its_input() -> None:
    adds = [row.name for row in network().rows if row.op == "Add"]
    # 16 units in 7 stages.
    assert len(adds) == 16 - 7
    assert not any(".mbconv.0." in name for name in adds)
