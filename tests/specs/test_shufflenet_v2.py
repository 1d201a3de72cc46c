"""ShuffleNet V2 against its paper (arXiv:1807.11164) and torchvision."""

from __future__ import annotations

import pytest

import archcalc
from archcalc import Analysis

# Table 5, output channels: Conv1, Stage2, Stage3, Stage4, Conv5.
CHANNELS = {
    "shufflenet_v2_x0_5": (24, 48, 96, 192, 1024),
    "shufflenet_v2_x1_0": (24, 116, 232, 464, 1024),
    "shufflenet_v2_x1_5": (24, 176, 352, 704, 1024),
    "shufflenet_v2_x2_0": (24, 244, 488, 976, 2048),
}
# Table 5: a unit with stride 2 and 3, 7 and 3 with stride 1; the extent after each stage.
STAGES = [(3, 28), (7, 14), (3, 7)]
# torchvision's table of weights and their metadata: parameters, billion operations.
TORCHVISION = {
    "shufflenet_v2_x0_5": (1_366_792, 0.040),
    "shufflenet_v2_x1_0": (2_278_604, 0.145),
    "shufflenet_v2_x1_5": (3_503_624, 0.296),
    "shufflenet_v2_x2_0": (7_393_996, 0.583),
}


def network(name: str) -> Analysis:
    return archcalc.analyze(archcalc.load(name))


@pytest.mark.parametrize("name", CHANNELS)
def test_params_and_macs_worked_from_table_5(name: str) -> None:
    params = macs = 0

    def conv(kernel: int, ins: int, outs: int, extent: int) -> None:
        """A convolution of ``ins`` channels a group, and a normalization."""
        nonlocal params, macs
        params += kernel**2 * ins * outs + 2 * outs
        macs += kernel**2 * ins * outs * extent**2

    first, *stages, last = CHANNELS[name]
    conv(3, 3, first, 112)
    channels = first
    for (repeats, extent), out in zip(STAGES, stages, strict=True):
        half = out // 2
        # Stride 2, figure 3(d): depthwise and 1x1 on the left; 1x1, depthwise, 1x1 on the right.
        conv(3, 1, channels, extent)
        conv(1, channels, half, extent)
        conv(1, channels, half, 2 * extent)
        conv(3, 1, half, extent)
        conv(1, half, half, extent)
        for _ in range(repeats):
            # Stride 1, figure 3(c): 1x1, depthwise, 1x1 on one half.
            conv(1, half, half, extent)
            conv(3, 1, half, extent)
            conv(1, half, half, extent)
        channels = out
    conv(1, channels, last, 7)
    params += (last + 1) * 1000
    macs += last * 1000
    assert network(name).params == params
    assert network(name).macs == macs


@pytest.mark.parametrize("name", TORCHVISION)
def test_totals_are_torchvisions(name: str) -> None:
    params, billions = TORCHVISION[name]
    assert network(name).params == params
    assert round(network(name).macs / 1e9, 3) == billions


def test_half_of_the_channels_pass_through_a_unit_of_stride_1() -> None:
    rows = {row.name: row for row in network("shufflenet_v2_x1_0").rows}
    assert rows["stage2.1.left"].shape == rows["stage2.1.right"].shape == (1, 58, 28, 28)
    assert rows["stage2.1.concat"].node.inputs == ("stage2.1.left", "stage2.1.pointwise2.relu")
    assert rows["stage2.1.shuffle"].shape == (1, 116, 28, 28)
