"""MnasNet-B1 against its authors' code and torchvision."""

from __future__ import annotations

from typing import Any

import pytest

import archcalc
from archcalc import Analysis

# tensorflow/tpu, models/official/mnasnet/mnasnet_models.py, mnasnet_b1, after the separable
# convolution: repetitions, kernel, stride, expansion, channels, and the extent of the input.
BLOCKS = [
    (3, 3, 2, 3, 24, 112),
    (3, 5, 2, 3, 40, 56),
    (3, 5, 2, 6, 80, 28),
    (2, 3, 1, 6, 96, 14),
    (4, 5, 2, 6, 192, 14),
    (1, 3, 1, 6, 320, 7),
]
# torchvision's table of weights and their metadata: parameters, billion operations.
TORCHVISION = {
    "mnasnet0_5": (2_218_512, 0.104),
    "mnasnet0_75": (3_170_208, 0.215),
    "mnasnet1_0": (4_383_312, 0.314),
    "mnasnet1_3": (6_282_256, 0.526),
}


def network(name: str = "mnasnet1_0", **variables: Any) -> Analysis:
    return archcalc.analyze(archcalc.load(name), **variables)


@pytest.mark.parametrize("name", TORCHVISION)
def test_totals_are_torchvisions(name: str) -> None:
    params, billions = TORCHVISION[name]
    assert network(name).params == params
    assert round(network(name).macs / 1e9, 3) == billions


def test_params_and_macs_worked_from_the_authors_blocks() -> None:
    params = macs = 0

    def conv(kernel: int, ins: int, outs: int, extent: int) -> None:
        """A convolution of ``ins`` channels a group, and a normalization."""
        nonlocal params, macs
        params += kernel**2 * ins * outs + 2 * outs
        macs += kernel**2 * ins * outs * extent**2

    conv(3, 3, 32, 112)
    conv(3, 1, 32, 112)
    conv(1, 32, 16, 112)
    channels = 16
    for repeats, kernel, first_stride, expansion, out, extent in BLOCKS:
        for stride in [first_stride] + [1] * (repeats - 1):
            hidden = expansion * channels
            conv(1, channels, hidden, extent)
            extent //= stride
            conv(kernel, 1, hidden, extent)
            conv(1, hidden, out, extent)
            channels = out
    conv(1, 320, 1280, 7)
    params += 1281 * 1000
    macs += 1280 * 1000
    assert network().params == params
    assert network().macs == macs


@pytest.mark.parametrize(
    ("width", "channels"),
    # Multiples of 8, at least nine tenths of what they round; the last is never multiplied.
    # 0.75: 24, 12, 18, 30, 60, 72, 144, 240. 1.3: 41.6, 20.8, 31.2, 52, 104, 124.8, 249.6, 416.
    [
        (0.75, [24, 16, 24, 32, 64, 72, 144, 240, 1280]),
        (1.3, [40, 24, 32, 56, 104, 128, 248, 416, 1280]),
    ],
)
def test_widths_are_rounded_as_torchvision_does(width: float, channels: list[int]) -> None:
    stages = {row.stage: row.shape[1] for row in network(width=width).rows if row.stage}
    assert list(stages.values()) == channels


def test_equal_shapes_are_added_wherever_they_occur() -> None:
    # At 0.25, 80 and 96 channels both become 24, so that the fourth stack begins with an addition.
    adds = {row.name for row in network(width=0.25).rows if row.op == "Add"}
    assert "stack4.unit.0.add" in adds
    assert "stack4.unit.0.add" not in {row.name for row in network().rows}
