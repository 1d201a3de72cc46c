"""Swin Transformer against its paper (arXiv:2103.14030) and torchvision."""

from __future__ import annotations

from typing import Any

import pytest

import archcalc
from archcalc import Analysis

# Table 7: features of the first stage, blocks and heads of the four; windows are 7 x 7.
TABLE7 = {
    "swin_t": (96, (2, 2, 6, 2), (3, 6, 12, 24)),
    "swin_s": (96, (2, 2, 18, 2), (3, 6, 12, 24)),
    "swin_b": (128, (2, 2, 18, 2), (4, 8, 16, 32)),
    "swin_l": (192, (2, 2, 18, 2), (6, 12, 24, 48)),
}

# torchvision, table of pre-trained classification weights.
TORCHVISION = {"swin_t": 28_288_354, "swin_s": 49_606_258, "swin_b": 87_768_224}

names = pytest.mark.parametrize("name", list(TABLE7))


def network(name: str, **variables: Any) -> Analysis:
    return archcalc.analyze(archcalc.load(name), **variables)


@names
def test_params_worked_from_table_7(name: str) -> None:
    c, depths, heads = TABLE7[name]
    params = (3 * 4 * 4 * c + c) + 2 * c  # the patches, and a normalization
    for stage, (depth, h) in enumerate(zip(depths, heads, strict=True)):
        attention = (c * 3 * c + 3 * c) + (c * c + c) + 13 * 13 * h
        mlp = (c * 4 * c + 4 * c) + (4 * c * c + c)
        params += depth * (attention + mlp + 2 * 2 * c)
        if stage < 3:
            params += 2 * 4 * c + 4 * c * 2 * c
            c *= 2
    params += 2 * c + 1000 * c + 1000

    assert network(name).params == params == TORCHVISION.get(name, params)


@names
def test_macs_are_those_of_equation_2(name: str) -> None:
    """A map of h w positions costs 4 h w C^2 + 2 M^2 h w C in attention within windows of M x M."""
    c, depths, _ = TABLE7[name]
    positions = 56 * 56
    macs = positions * 3 * 4 * 4 * c
    for stage, depth in enumerate(depths):
        attention = 4 * positions * c * c + 2 * 7**2 * positions * c
        macs += depth * (attention + 2 * positions * c * 4 * c)
        if stage < 3:
            positions //= 4
            macs += positions * 4 * c * 2 * c
            c *= 2
    macs += 1000 * c

    assert network(name).macs == macs


@names
def test_every_second_block_is_shifted_but_where_a_window_is_the_whole_map(name: str) -> None:
    _, depths, _ = TABLE7[name]
    rows = network(name).rows
    shifted = [row.name for row in rows if row.op == "ShiftedWindowMask"]

    assert shifted == [
        f"stage{stage + 1}.blocks.{block}.attn.mask"
        for stage, depth in enumerate(depths[:3])
        for block in range(1, depth, 2)
    ]
    assert sum(row.op == "Roll" for row in rows) == 2 * len(shifted)


def test_indices_of_biases_are_stored_beside_every_table() -> None:
    assert network("swin_t").buffers == 12 * 49 * 49


def test_heads_have_32_features() -> None:
    rows = network("swin_b").rows
    features = [row.shape[-1] for row in rows if row.op == "ScaledDotProductAttention"]

    assert features == [32] * 24


def test_windows_of_12_at_384_pixels_are_published_too() -> None:
    # microsoft/Swin-Transformer, README.md: 47.1G of Swin-B and 103.9G of Swin-L.
    assert round(network("swin_b", image_size=384, window=12).macs / 1e8) == 471
    assert round(network("swin_l", image_size=384, window=12).macs / 1e8) == 1039
