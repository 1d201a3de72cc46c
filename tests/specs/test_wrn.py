"""Wide residual networks, against the tables of arXiv:1605.07146 and by hand."""

from __future__ import annotations

from functools import cache

import pytest

import archcalc
from archcalc import Analysis


@cache
def network(name: str) -> Analysis:
    return archcalc.analyze(archcalc.load(name))


# The paper's table 4: depth, k and the millions of parameters as printed.
TABLE_4 = {
    (40, 1): "0.6",
    (40, 2): "2.2",
    (40, 4): "8.9",
    (40, 8): "35.7",
    (28, 10): "36.5",
    (28, 12): "52.5",
    (22, 8): "17.2",
    (22, 10): "26.8",
    (16, 8): "11.0",
    (16, 10): "17.1",
}


def params_by_hand(depth: int, k: int) -> int:
    n = (depth - 4) // 6
    convolutions, normalized, before = 27 * 16, 0, 16
    for planes in (16 * k, 32 * k, 64 * k):
        convolutions += 9 * before * planes + (2 * n - 1) * 9 * planes**2
        convolutions += before * planes if before != planes else 0  # the shortcut's
        normalized += before + (2 * n - 1) * planes
        before = planes
    return convolutions + 2 * (normalized + before) + (before + 1) * 10


@pytest.mark.parametrize(("depth", "k"), TABLE_4)
def test_the_table_of_the_paper_row_by_row(depth: int, k: int) -> None:
    params = network(f"wrn-{depth}-{k}").params
    assert f"{params / 1e6:.1f}" == TABLE_4[depth, k]
    assert params == params_by_hand(depth, k)


# pytorchcv, pytorchcv/models/wrn_cifar.py; the work is torch's own counter's on it, halved.
PYTORCHCV = {
    "wrn-16-10": (17_116_634, 2_412_173_568),
    "wrn-28-10": (36_479_194, 5_243_328_768),
    "wrn-40-8": (35_748_314, 5_172_024_320),
}


@pytest.mark.parametrize("name", PYTORCHCV)
def test_params_and_macs_are_those_of_another_implementation(name: str) -> None:
    assert (network(name).params, network(name).macs) == PYTORCHCV[name]


# The paper's table 1: the output's side and the channels, which are k times these.
@pytest.mark.parametrize(
    ("group", "side", "channels"), [("conv2", 32, 16), ("conv3", 16, 32), ("conv4", 8, 64)]
)
def test_the_structure_of_the_paper(group: str, side: int, channels: int) -> None:
    k, n = 10, 4
    rows = [row for row in network("wrn-28-10").rows if row.stage == group and row.op == "Conv2d"]
    assert {row.shape for row in rows} == {(1, channels * k, side, side)}
    assert sum("shortcut" not in row.name for row in rows) == 2 * n


def test_depth_and_width_are_variables() -> None:
    # Section 3: WRN-40-10 has 56 million parameters.
    wrn = archcalc.load("wrn-40-4")
    params = archcalc.analyze(archcalc.expand(wrn, k=10)).params
    assert params == params_by_hand(40, 10)
    assert round(params / 1e6) == 56


def test_dropout_stands_between_the_convolutions_of_a_unit() -> None:
    rows = archcalc.analyze(archcalc.expand(archcalc.load("wrn-28-10"), dropout=0.3)).rows
    nodes = {row.name: row.node for row in rows}
    assert nodes["conv2.1.dropout"].inputs == ("conv2.1.preact2.relu",)
    assert nodes["conv2.1.conv2"].inputs == ("conv2.1.dropout",)
    assert sum(row.op == "Dropout" for row in rows) == 3 * 4
