"""MobileNetV3 against its paper (arXiv:1905.02244) and torchvision."""

from __future__ import annotations

from typing import Any

import pytest

import archcalc
from archcalc import Analysis

# Tables 1 and 2: the input's extent, kernel, exp size, #out, SE, NL, stride.
LARGE = [
    (112, 3, 16, 16, False, "RE", 1),
    (112, 3, 64, 24, False, "RE", 2),
    (56, 3, 72, 24, False, "RE", 1),
    (56, 5, 72, 40, True, "RE", 2),
    (28, 5, 120, 40, True, "RE", 1),
    (28, 5, 120, 40, True, "RE", 1),
    (28, 3, 240, 80, False, "HS", 2),
    (14, 3, 200, 80, False, "HS", 1),
    (14, 3, 184, 80, False, "HS", 1),
    (14, 3, 184, 80, False, "HS", 1),
    (14, 3, 480, 112, True, "HS", 1),
    (14, 3, 672, 112, True, "HS", 1),
    (14, 5, 672, 160, True, "HS", 2),
    (7, 5, 960, 160, True, "HS", 1),
    (7, 5, 960, 160, True, "HS", 1),
]
SMALL = [
    (112, 3, 16, 16, True, "RE", 2),
    (56, 3, 72, 24, False, "RE", 2),
    (28, 3, 88, 24, False, "RE", 1),
    (28, 5, 96, 40, True, "HS", 2),
    (14, 5, 240, 40, True, "HS", 1),
    (14, 5, 240, 40, True, "HS", 1),
    (14, 5, 120, 48, True, "HS", 1),
    (14, 5, 144, 48, True, "HS", 1),
    (14, 5, 288, 96, True, "HS", 2),
    (7, 5, 576, 96, True, "HS", 1),
    (7, 5, 576, 96, True, "HS", 1),
]
# Rows, the channels before pooling, and those before the classifier.
TABLES = {
    "mobilenet_v3_large": (LARGE, 960, 1280),
    "mobilenet_v3_small": (SMALL, 576, 1024),
}
# Channels of the squeeze: a quarter of the exp size, to a multiple of 8 not below nine tenths.
SQUEEZED = {16: 8, 72: 24, 96: 24, 120: 32, 144: 40, 240: 64, 288: 72}
SQUEEZED |= {480: 120, 576: 144, 672: 168, 960: 240}


def network(name: str, **variables: Any) -> Analysis:
    return archcalc.analyze(archcalc.load(name), **variables)


@pytest.mark.parametrize("name", TABLES)
def test_params_and_macs_worked_from_the_table(name: str) -> None:
    def conv(weights: int, out: int) -> int:
        return weights + 2 * out  # a scale and a shift of normalization

    rows, last, head = TABLES[name]
    params, macs = conv(9 * 3 * 16, 16), 9 * 3 * 16 * 112**2
    channels = 16
    for extent, kernel, expanded, out, se, _, stride in rows:
        if expanded != channels:
            params += conv(channels * expanded, expanded)
            macs += channels * expanded * extent**2
        params += conv(kernel**2 * expanded, expanded) + conv(expanded * out, out)
        macs += (kernel**2 * expanded + expanded * out) * (extent // stride) ** 2
        if se:
            squeezed = SQUEEZED[expanded]
            params += (expanded + 1) * squeezed + (squeezed + 1) * expanded
            macs += 2 * expanded * squeezed
        channels = out
    params += conv(channels * last, last) + (last + 1) * head + (head + 1) * 1000
    macs += channels * last * 7**2 + last * head + head * 1000
    assert network(name).params == params
    assert network(name).macs == macs


@pytest.mark.parametrize("name", TABLES)
def test_every_row_has_its_nonlinearity_and_extent(name: str) -> None:
    analysis = network(name)
    for number, (extent, _, _, out, se, nl, stride) in enumerate(TABLES[name][0]):
        within = [row for row in analysis.rows if row.name.startswith(f"bneck.{number}.")]
        assert within[0].node.input_shapes[0][2:] == (extent, extent)
        assert within[-1].shape[1:] == (out, extent // stride, extent // stride)
        kinds = {row.op for row in within}
        assert ("Hardswish" in kinds) == (nl == "HS")
        assert ("Hardsigmoid" in kinds) == se


@pytest.mark.parametrize(
    ("name", "params", "billions"),
    # torchvision's table of weights and their metadata.
    [("mobilenet_v3_large", 5_483_032, 0.217), ("mobilenet_v3_small", 2_542_856, 0.057)],
)
def test_totals_are_torchvisions(name: str, params: int, billions: float) -> None:
    assert network(name).params == params
    assert round(network(name).macs / 1e9, 3) == billions


def test_the_first_version_of_the_paper_had_a_wider_head() -> None:
    # arXiv:1905.02244v1, table 2 has 1280 channels before the classifier, and table 3 2.9 million
    # parameters: 1280 - 1024 = 256 columns of 576 weights and a bias, and 256 rows of 1000.
    small, first = network("mobilenet_v3_small"), network("mobilenet_v3_small", head=1280)
    assert first.params - small.params == 256 * (576 + 1) + 256 * 1000
    assert round(first.params / 1e6, 1) == 2.9
