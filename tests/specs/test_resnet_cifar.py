"""The residual networks for CIFAR-10, against table 6 of arXiv:1512.03385 and by hand."""

from __future__ import annotations

from functools import cache

import pytest

import archcalc
from archcalc import Analysis


@cache
def network(name: str) -> Analysis:
    return archcalc.analyze(archcalc.load(name))


# The paper's table 6: the layers, and the millions of parameters as printed.
TABLE_6 = {20: "0.27", 32: "0.46", 44: "0.66", 56: "0.85", 110: "1.7", 1202: "19.4"}


def params_by_hand(n: int) -> int:
    """Parameters of the network of 6n + 2 layers: no shortcut has any."""
    stages = ((16, 16), (16, 32), (32, 64))
    convolutions = 27 * 16  # 3x3 on three colours
    normalized = 16
    for before, planes in stages:
        convolutions += 9 * before * planes + (2 * n - 1) * 9 * planes * planes
        normalized += 2 * n * planes
    return convolutions + 2 * normalized + 65 * 10


@pytest.mark.parametrize("depth", TABLE_6)
def test_the_table_of_the_paper_row_by_row(depth: int) -> None:
    params = network(f"resnet{depth}").params
    digits = len(TABLE_6[depth].partition(".")[2])
    assert f"{params / 1e6:.{digits}f}" == TABLE_6[depth]
    assert params == params_by_hand(n=(depth - 2) // 6)


# pytorchcv, pytorchcv/models/resnet_cifar.py, whose shortcuts of stages 2 and 3 are projections
# with normalization: 16*32 + 2*32 and 32*64 + 2*64 parameters.
WITH_PROJECTIONS = {20: 272_474, 56: 855_770, 110: 1_730_714, 1202: 19_424_026}


@pytest.mark.parametrize("depth", WITH_PROJECTIONS)
def test_projections_would_be_all_the_difference_to_another_implementation(depth: int) -> None:
    projections = (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64)
    assert network(f"resnet{depth}").params + projections == WITH_PROJECTIONS[depth]


@pytest.mark.parametrize("depth", TABLE_6)
def test_there_are_6n_plus_2_weight_layers_and_3n_shortcuts(depth: int) -> None:
    n = (depth - 2) // 6
    rows = network(f"resnet{depth}").rows
    assert sum(row.op in ("Conv2d", "Linear") for row in rows) == 6 * n + 2
    assert sum(row.op == "Add" for row in rows) == 3 * n


# Section 4.2: the output's side, how many layers, and how many filters, of each of the stages.
@pytest.mark.parametrize(
    ("stage", "side", "filters"), [("layer1", 32, 16), ("layer2", 16, 32), ("layer3", 8, 64)]
)
def test_the_table_of_the_stages(stage: str, side: int, filters: int) -> None:
    n = 3
    rows = [row for row in network("resnet20").rows if row.stage == stage]
    assert sum(row.op == "Conv2d" for row in rows) == 2 * n
    assert {row.shape for row in rows if row.op == "Conv2d"} == {(1, filters, side, side)}


def test_macs_of_the_smallest_by_hand() -> None:
    # Every stage has half the side and twice the channels, so every 3x3 between equal channels
    # costs 9 * 16 * 16 * 32 * 32; the two that widen cost half of that.
    unit = 9 * 16 * 16 * 32 * 32
    stem, classifier = 27 * 16 * 32 * 32, 64 * 10
    assert network("resnet20").macs == stem + 16 * unit + 2 * unit // 2 + classifier


def test_a_depth_that_is_not_6n_plus_2_is_refused() -> None:
    with pytest.raises(archcalc.SpecError, match="repeat"):
        archcalc.expand(archcalc.load("resnet20"), depth=21)
