"""Qwen3 against its model cards and transformers' implementation."""

from __future__ import annotations

from typing import Any

import pytest

import archcalc
from archcalc import Analysis

# Features, features of an MLP or an expert, experts, layers, heads, of keys and values, tied.
SIZES = {
    "qwen3_0_6b": (1024, 3072, 0, 28, 16, 8, True),
    "qwen3_1_7b": (2048, 6144, 0, 28, 16, 8, True),
    "qwen3_4b": (2560, 9728, 0, 36, 32, 8, True),
    "qwen3_8b": (4096, 12288, 0, 36, 32, 8, False),
    "qwen3_14b": (5120, 17408, 0, 40, 40, 8, False),
    "qwen3_32b": (5120, 25600, 0, 64, 64, 8, False),
    "qwen3_30b_a3b": (2048, 768, 128, 48, 32, 4, False),
    "qwen3_235b_a22b": (4096, 1536, 128, 94, 64, 4, False),
}
VOCABULARY, HEAD = 151_936, 128

# transformers 5.24, Qwen3ForCausalLM and Qwen3MoeForCausalLM with the published configurations.
TRANSFORMERS = {
    "qwen3_0_6b": 596_049_920,
    "qwen3_1_7b": 1_720_574_976,
    "qwen3_4b": 4_022_468_096,
    "qwen3_8b": 8_190_735_360,
    "qwen3_14b": 14_768_307_200,
    "qwen3_32b": 32_762_123_264,
    "qwen3_30b_a3b": 30_532_122_624,
    "qwen3_235b_a22b": 235_093_634_560,
}


def network(name: str, **variables: Any) -> Analysis:
    return archcalc.analyze(archcalc.load(name), length=32, **variables)


@pytest.mark.parametrize("name", SIZES)
def test_params_worked_from_the_sizes(name: str) -> None:
    d, mlp, experts, layers, heads, shared, tied = SIZES[name]
    attention = 2 * d * heads * HEAD + 2 * d * shared * HEAD + 2 * HEAD
    ends = VOCABULARY * d * (1 if tied else 2) + d
    found = network(name)

    for params, taken in ((found.params, experts), (found.executed_params, 8)):
        inside = taken * 3 * d * mlp + experts * d if experts else 3 * d * mlp
        assert params == ends + layers * (attention + 2 * d + inside)


def test_params_are_those_of_transformers() -> None:
    for name, params in TRANSFORMERS.items():
        assert network(name).params == params


def test_queries_and_keys_are_normalized_head_by_head() -> None:
    found = network("qwen3_8b")
    row = found.row("layers.0.self_attn.q_norm")
    assert (row.params, row.shape) == (HEAD, (1, 32, 32, HEAD))
    assert not found.under("layers.0.self_attn.v_norm")
