"""DenseNets for CIFAR-10, against arXiv:1608.06993 and by hand."""

from __future__ import annotations

from functools import cache

import pytest

import archcalc
from archcalc import Analysis


@cache
def network(name: str) -> Analysis:
    return archcalc.analyze(archcalc.load(name))


# The paper's table 2: depth, growth rate, bottlenecks and compression; the millions of parameters.
TABLE_2 = {
    "densenet-40-12": (40, 12, False, "1.0"),
    "densenet-100-12": (100, 12, False, "7.0"),
    "densenet-100-24": (100, 24, False, "27.2"),
    "densenet-bc-100-12": (100, 12, True, "0.8"),
    "densenet-bc-250-24": (250, 24, True, "15.3"),
    "densenet-bc-190-40": (190, 40, True, "25.6"),
}


def params_by_hand(depth: int, k: int, bc: bool) -> int:
    channels = 2 * k if bc else 16
    params = 9 * 3 * channels
    for block in range(3):
        for _ in range((depth - 4) // (6 if bc else 3)):
            if bc:
                params += 2 * channels + channels * 4 * k + 2 * 4 * k + 9 * 4 * k * k
            else:
                params += 2 * channels + 9 * channels * k
            channels += k
        if block < 2:
            kept = channels // 2 if bc else channels
            params += 2 * channels + channels * kept
            channels = kept
    return params + 2 * channels + (channels + 1) * 10


@pytest.mark.parametrize("name", TABLE_2)
def test_the_table_of_the_paper_row_by_row(name: str) -> None:
    depth, k, bc, millions = TABLE_2[name]
    assert network(name).params == params_by_hand(depth, k, bc)
    assert f"{network(name).params / 1e6:.1f}" == millions
    assert sum(row.op in ("Conv2d", "Linear") for row in network(name).rows) == depth


# pytorchcv's table of models on CIFAR-10; EvadeML-Zoo's README for the first.
@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("densenet-40-12", 1_019_722),
        ("densenet-bc-100-12", 769_162),
        ("densenet-bc-250-24", 15_324_406),
        ("densenet-bc-190-40", 25_624_430),
    ],
)
def test_params_are_those_of_other_implementations(name: str, params: int) -> None:
    assert network(name).params == params


@pytest.mark.parametrize("name", TABLE_2)
def test_blocks_have_the_sides_of_the_paper(name: str) -> None:
    # Section 3: 32x32, 16x16 and 8x8.
    for block, side in (("denseblock1", 32), ("denseblock2", 16), ("denseblock3", 8)):
        rows = [row for row in network(name).rows if row.stage == block]
        assert {row.shape[2:] for row in rows} == {(side, side)}


def test_only_compression_halves_the_channels() -> None:
    # 16 + 12 * 12 and 24 + 16 * 12 channels leave the first block.
    def channels(name: str) -> tuple[int, int]:
        (row,) = [row for row in network(name).rows if row.name == "transition1.conv.conv"]
        return row.node.input_shapes[0][1], row.shape[1]

    assert channels("densenet-40-12") == (160, 160)
    assert channels("densenet-bc-100-12") == (216, 108)
