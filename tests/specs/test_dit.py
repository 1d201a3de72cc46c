"""Transformers that take noise away, worked from their sizes."""

from __future__ import annotations

import pytest

import archcalc

SIZES = {
    "dit_s_2": (384, 12, 2),
    "dit_b_2": (768, 12, 2),
    "dit_l_2": (1024, 24, 2),
    "dit_xl_2": (1152, 28, 2),
    "dit_xl_8": (1152, 28, 8),
}


@pytest.mark.parametrize("name", SIZES)
def test_params_and_work_from_the_sizes(name: str) -> None:
    d, depth, patch = SIZES[name]
    tokens = (32 // patch) ** 2
    patches, given = patch * patch * 4, patch * patch * 8
    block = 18 * d * d + 15 * d  # attention, an MLP, and what makes six vectors
    ends = patches * d + d + (256 * d + d + d * d + d) + 1001 * d
    last = 2 * d * d + 2 * d + d * given + given
    found = archcalc.analyze(archcalc.load(name))
    assert found.params == ends + depth * block + last
    assert found.buffers == tokens * d
    work = depth * (tokens * 12 * d * d + 2 * tokens * tokens * d + 6 * d * d)
    assert found.macs == work + tokens * (patches + given) * d + 256 * d + d * d + 2 * d * d
