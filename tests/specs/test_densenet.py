"""DenseNets for ImageNet, against arXiv:1608.06993, torchvision and by hand."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import pytest

import archcalc
from archcalc import Analysis


@cache
def network(name: str) -> Analysis:
    return archcalc.analyze(archcalc.load(name))


# torchvision's table of weights; torch's own counter on its models, halved.
TORCHVISION = {
    "densenet121": (7_978_856, 2_834_161_664),
    "densenet161": (28_681_000, 7_727_907_072),
    "densenet169": (14_149_480, 3_359_843_328),
    "densenet201": (20_013_928, 4_291_365_888),
}


@pytest.mark.parametrize("name", TORCHVISION)
def test_params_and_macs_are_torchvisions(name: str) -> None:
    assert (network(name).params, network(name).macs) == TORCHVISION[name]


# The paper's table 1: layers of the four dense blocks.
BLOCKS = {
    "densenet121": (6, 12, 24, 16),
    "densenet169": (6, 12, 32, 32),
    "densenet201": (6, 12, 48, 32),
    "densenet264": (6, 12, 64, 48),
}


def params_by_hand(blocks: tuple[int, ...], k: int = 32) -> int:
    channels = 2 * k
    params = 49 * 3 * channels + 2 * channels
    for number, layers in enumerate(blocks):
        for _ in range(layers):
            params += 2 * channels + channels * 4 * k + 2 * 4 * k + 9 * 4 * k * k
            channels += k
        if number < len(blocks) - 1:
            params += 2 * channels + channels * (channels // 2)
            channels //= 2
    return params + 2 * channels + (channels + 1) * 1000


@pytest.mark.parametrize("name", BLOCKS)
def test_params_by_hand(name: str) -> None:
    assert network(name).params == params_by_hand(BLOCKS[name])


@pytest.mark.parametrize("name", BLOCKS)
def test_a_dense_block_widens_by_the_growth_rate_with_every_layer(name: str) -> None:
    rows = network(name).rows
    for number, layers in enumerate(BLOCKS[name], start=1):
        widths = [
            row.shape[1]
            for row in rows
            if row.op == "Concat" and row.stage == f"denseblock{number}"
        ]
        assert len(widths) == layers
        assert {after - before for before, after in pairwise(widths)} == {32}


# The paper's table 1: the output's side.
@pytest.mark.parametrize(
    ("stage", "side"),
    [
        *(("denseblock1", 56), ("transition1", 28)),
        *(("denseblock2", 28), ("transition2", 14)),
        *(("denseblock3", 14), ("transition3", 7)),
        ("denseblock4", 7),
    ],
)
def test_output_sizes_of_the_paper(stage: str, side: int) -> None:
    last = [row for row in network("densenet121").rows if row.stage == stage][-1]
    assert last.shape[2:] == (side, side)


@pytest.mark.parametrize("name", BLOCKS)
def test_the_name_is_the_depth_but_for_the_deepest(name: str) -> None:
    # Two convolutions a layer, one a transition, the first and the classifier.
    depth = 2 * sum(BLOCKS[name]) + 3 + 1 + 1
    assert sum(row.op in ("Conv2d", "Linear") for row in network(name).rows) == depth
    named = int(name.removeprefix("densenet"))
    assert depth == (265 if named == 264 else named)
