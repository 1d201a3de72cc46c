"""Gemma, worked from its sizes."""

from __future__ import annotations

import pytest

import archcalc

SIZES = {"gemma_2b": (2048, 16_384, 18, 8, 1), "gemma_7b": (3072, 24_576, 28, 16, 16)}


@pytest.mark.parametrize("name", SIZES)
def test_params_worked_from_the_sizes(name: str) -> None:
    d, mlp, layers, heads, shared = SIZES[name]
    layer = 2 * d * heads * 256 + 2 * d * shared * 256 + 3 * d * mlp + 2 * d
    found = archcalc.analyze(archcalc.load(name), length=16)
    assert found.params == 256_000 * d + layers * layer + d


def test_one_head_is_kept_of_a_token() -> None:
    """18 layers of a key and a value of 256 features."""
    spec = archcalc.load("gemma_2b")
    assert archcalc.analyze(spec, length=16).cache.numbers == 18 * 2 * 256
    found = archcalc.memory(spec, "bfloat16", input=[1], past=999)
    assert found.cache == 1000 * 18 * 2 * 256 * 2
