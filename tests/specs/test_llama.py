"""Llama 2 and 3 against their papers and transformers' implementation."""

from __future__ import annotations

from typing import Any

import pytest

import archcalc
from archcalc import Analysis

# Features, features of an MLP, layers, heads, heads of keys and values, tokens known, tied.
SIZES = {
    "llama2_7b": (4096, 11008, 32, 32, 32, 32000, False),
    "llama2_13b": (5120, 13824, 40, 40, 40, 32000, False),
    "llama2_70b": (8192, 28672, 80, 64, 8, 32000, False),
    "llama3_8b": (4096, 14336, 32, 32, 8, 128256, False),
    "llama3_70b": (8192, 28672, 80, 64, 8, 128256, False),
    "llama3_1_405b": (16384, 53248, 126, 128, 8, 128256, False),
    "llama3_2_1b": (2048, 8192, 16, 32, 8, 128256, True),
    "llama3_2_3b": (3072, 8192, 28, 24, 8, 128256, True),
}

# transformers, LlamaForCausalLM with the configurations of meta-llama.
TRANSFORMERS = {
    "llama2_7b": 6_738_415_616,
    "llama2_13b": 13_015_864_320,
    "llama2_70b": 68_976_648_192,
    "llama3_8b": 8_030_261_248,
    "llama3_70b": 70_553_706_496,
    "llama3_1_405b": 405_853_388_800,
    "llama3_2_1b": 1_235_814_400,
    "llama3_2_3b": 3_212_749_824,
}

names = pytest.mark.parametrize("name", list(SIZES))


def network(name: str, **variables: Any) -> Analysis:
    return archcalc.analyze(archcalc.load(name), **variables)


@names
def test_params_worked_from_the_sizes(name: str) -> None:
    d, mlp, layers, heads, shared, vocabulary, tied = SIZES[name]
    keys = shared * (d // heads)
    layer = 2 * d * d + 2 * d * keys + 3 * d * mlp + 2 * d
    ends = vocabulary * d * (1 if tied else 2)

    assert network(name).params == ends + layers * layer + d == TRANSFORMERS[name]


@names
def test_macs_worked_from_the_sizes(name: str) -> None:
    """Shared keys are projected once a group and multiplied by every head; no mask halves that."""
    d, mlp, layers, heads, shared, vocabulary, _ = SIZES[name]
    keys = shared * (d // heads)
    for tokens in (1, 2048):
        layer = 2 * d * d + 2 * d * keys + 3 * d * mlp + 2 * tokens * d
        macs = tokens * (layers * layer + vocabulary * d)
        assert network(name, length=tokens).macs == macs


def test_a_tied_classifier_owns_nothing() -> None:
    row = network("llama3_2_1b").row("tied_lm_head")

    assert row.node.share == "embed_tokens"
    assert row.params == 0
    assert network("llama3_8b").row("lm_head").params == 128256 * 4096


def test_queries_and_keys_are_turned_and_values_are_not() -> None:
    analysis = network("llama3_8b", length=16)
    attention = analysis.row("layers.0.self_attn.sdpa").node

    assert [name.rpartition(".")[2] for name in attention.inputs] == [
        "q_rotary",
        "k_rotary",
        "order",
    ]
    assert attention.input_shapes == ((1, 32, 16, 128), (1, 8, 16, 128), (1, 8, 16, 128))


@names
def test_nothing_but_parameters_is_stored(name: str) -> None:
    assert network(name).buffers == 0
