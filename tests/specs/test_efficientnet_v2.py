"""EfficientNetV2 against its paper (arXiv:2104.00298), torchvision and Keras."""

from __future__ import annotations

from typing import Any

import pytest

import archcalc
from archcalc import Analysis

# Table 4, EfficientNetV2-S: fused or not, expansion, stride, channels, layers. Kernels are 3x3.
TABLE4 = [
    (True, 1, 1, 24, 2),
    (True, 4, 2, 48, 4),
    (True, 4, 2, 64, 4),
    (False, 4, 2, 128, 6),
    (False, 6, 1, 160, 9),
    (False, 6, 2, 256, 15),
]
# torchvision's table of weights and their metadata: parameters, billion operations.
TORCHVISION = {
    "efficientnet_v2_s": (21_458_488, 8.366),
    "efficientnet_v2_m": (54_139_356, 24.582),
    "efficientnet_v2_l": (118_515_272, 56.080),
}


def network(name: str = "efficientnet_v2_s", **variables: Any) -> Analysis:
    return archcalc.analyze(archcalc.load(name), **variables)


@pytest.mark.parametrize("name", TORCHVISION)
def test_totals_are_torchvisions(name: str) -> None:
    params, billions = TORCHVISION[name]
    analysis = network(name)
    assert analysis.params == params
    assert round(analysis.macs / 1e9, 3) == billions


def test_params_and_macs_worked_from_table_4() -> None:
    params = macs = 0

    def conv(kernel: int, ins: int, outs: int, extent: int) -> None:
        """A convolution of ``ins`` channels a group, and a normalization."""
        nonlocal params, macs
        params += kernel**2 * ins * outs + 2 * outs
        macs += kernel**2 * ins * outs * extent**2

    extent, channels = 384 // 2, 24
    conv(3, 3, channels, extent)
    for fused, expansion, first_stride, out, layers in TABLE4:
        for stride in [first_stride] + [1] * (layers - 1):
            hidden, squeezed = expansion * channels, channels // 4
            if fused:
                extent //= stride
                conv(3, channels, hidden, extent)
                if expansion > 1:
                    conv(1, hidden, out, extent)
            else:
                conv(1, channels, hidden, extent)
                extent //= stride
                conv(3, 1, hidden, extent)
                # Squeeze and excitation: two convolutions with biases on one position.
                params += (hidden + 1) * squeezed + (squeezed + 1) * hidden
                macs += 2 * hidden * squeezed
                conv(1, hidden, out, extent)
            channels = out
    conv(1, channels, 1280, extent)
    params += 1281 * 1000
    macs += 1280 * 1000
    assert network().params == params
    assert network().macs == macs


@pytest.mark.parametrize(
    ("name", "million"),
    # Keras, table of its applications; running means and variances are counted.
    [("efficientnet_v2_s", 21.6), ("efficientnet_v2_m", 54.4), ("efficientnet_v2_l", 119.0)],
)
def test_keras_counts_the_running_statistics_too(name: str, million: float) -> None:
    analysis = network(name)
    assert round((analysis.params + analysis.buffers) / 1e6, 1) == million


def test_the_first_stage_adds_from_its_first_unit_on() -> None:
    # 24 channels from 24 at stride 1; every other stage changes its channels first.
    adds = [row.name for row in network().rows if row.op == "Add" and ".unit.0." in row.name]
    assert adds == ["stage1.unit.0.add"]


def test_only_the_larger_networks_have_a_seventh_stage() -> None:
    stages = {
        name: {row.stage for row in network(name).rows if row.stage.startswith("stage")}
        for name in TORCHVISION
    }
    assert {name: len(found) for name, found in stages.items()} == {
        "efficientnet_v2_s": 7,
        "efficientnet_v2_m": 8,
        "efficientnet_v2_l": 8,
    }
