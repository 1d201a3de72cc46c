"""Mixtral against its paper and transformers' implementation."""

from __future__ import annotations

from typing import Any

import pytest

import archcalc
from archcalc import Analysis

# Features, features of an expert, layers, heads, heads of keys and values, tokens known.
SIZES = {
    "mixtral_8x7b": (4096, 14336, 32, 32, 8, 32000),
    "mixtral_8x22b": (6144, 16384, 56, 48, 8, 32000),
}

names = pytest.mark.parametrize("name", SIZES)


def network(name: str, **variables: Any) -> Analysis:
    return archcalc.analyze(archcalc.load(name), **variables)


def attention(name: str) -> int:
    d, _, _, heads, shared, _ = SIZES[name]
    return 2 * d * d + 2 * d * shared * (d // heads)


@names
def test_all_experts_own_parameters_and_two_work(name: str) -> None:
    d, mlp, layers, _, _, vocabulary = SIZES[name]
    rest = 2 * vocabulary * d + d + layers * (attention(name) + 2 * d + 8 * d)
    found = network(name, length=64)

    assert found.params == rest + layers * 8 * 3 * d * mlp
    assert found.executed_params == rest + layers * 2 * 3 * d * mlp


def test_params_are_those_of_transformers() -> None:
    """transformers 5.24, MixtralForCausalLM with the published configurations."""
    assert network("mixtral_8x7b", length=8).params == 46_702_792_704
    assert network("mixtral_8x22b", length=8).params == 140_620_634_112


@names
def test_macs_worked_from_the_sizes(name: str) -> None:
    """A token goes through the router, two experts, and what weighs them; no mask halves scores."""
    d, mlp, layers, _, _, vocabulary = SIZES[name]
    tokens = 48
    layer = attention(name) + 2 * tokens * d + 8 * d + 2 * 3 * d * mlp + 2 * d

    assert network(name, length=tokens).macs == tokens * (layers * layer + vocabulary * d)


def test_a_token_keeps_131_072_bytes_in_16_bits() -> None:
    """Keys and values of 32 layers, of 8 heads of 128 features."""
    found = archcalc.memory(archcalc.load("mixtral_8x7b"), "bfloat16", input=[1], past=99)
    assert found.cache == 100 * 131_072
