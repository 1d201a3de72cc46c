"""What a decoder keeps of each token."""

from __future__ import annotations

import json
from typing import Any

import pytest

import archcalc


def network(layers: dict[str, Any], input: Any) -> archcalc.Spec:
    return archcalc.load({"name": "net", "input": input, "layers": layers})


@pytest.mark.parametrize(
    ("name", "dtype", "size"),
    [
        # Keys and values of 32 layers, of 32 heads of 128 features and of 8.
        ("llama2_7b", "float16", 2 * 32 * 32 * 128 * 2),
        ("llama3_8b", "bfloat16", 2 * 32 * 8 * 128 * 2),
        ("gpt2", "float32", 2 * 12 * 768 * 4),
    ],
)
def test_a_decoder_keeps_the_keys_and_values_of_each_token(
    name: str, dtype: str, size: int
) -> None:
    spec = archcalc.load(name)
    assert archcalc.analyze(spec).cache_bytes(dtype) == size
    assert archcalc.analyze(spec, input=[64], batch=3).cache_bytes(dtype) == size
    assert f"{size:,} bytes a token in {dtype}" in archcalc.table(spec, dtype=dtype)
    totals = json.loads(archcalc.table(spec, format="json", dtype=dtype))["totals"]
    assert totals["cache_bytes"] == size


@pytest.mark.parametrize("name", ["vit_b_16", "resnet18"])
def test_where_a_token_sees_later_ones_nothing_is_kept(name: str) -> None:
    spec = archcalc.load(name)
    assert archcalc.analyze(spec).cache.numbers == 0
    assert archcalc.analyze(spec).cache.not_counted == ()
    assert "a token" not in archcalc.table(spec)


def test_projected_keys_may_have_fewer_heads_and_values_a_width_of_their_own() -> None:
    attention = {"op": "Attention", "num_heads": 4, "num_kv_heads": 2, "value_dim": 5}
    spec = network({"attend": {**attention, "is_causal": True}}, [10, 64])
    assert archcalc.analyze(spec).cache.layers == {"attend": 2 * (16 + 5)}


def test_keys_that_two_layers_attend_to_are_kept_once() -> None:
    attend = {"op": "ScaledDotProductAttention", "is_causal": True}
    spec = network(
        {
            "one": {**attend, "from": ["q", "k", "v"]},
            "other": {**attend, "from": ["one", "k", "v"]},
        },
        {"q": [4, 10, 16], "k": [4, 10, 16], "v": [4, 10, 16]},
    )
    assert archcalc.analyze(spec).cache.layers == {"one": 2 * 4 * 16, "other": 0}


def test_keys_that_are_joined_to_an_input_are_a_cache() -> None:
    spec = network(
        {
            "k": {"op": "Concat", "from": ["past_k", "x"], "dim": 2},
            "v": {"op": "Concat", "from": ["past_v", "x"], "dim": 2},
            "attend": {
                "op": "ScaledDotProductAttention",
                "from": ["x", "k", "v"],
            },
        },
        {"x": [4, 1, 16], "past_k": [4, 9, 16], "past_v": [4, 9, 16]},
    )
    assert archcalc.analyze(spec).cache_bytes("float16") == 2 * 4 * 16 * 2


def test_of_a_mask_it_is_not_said_what_it_hides() -> None:
    masked = {"op": "ScaledDotProductAttention", "from": ["x", "x", "x", "mask"]}
    causal = {"op": "ScaledDotProductAttention", "from": ["m", "m", "m"], "is_causal": True}
    spec = network({"m": masked, "c": causal}, {"x": [4, 9, 16], "mask": [1, 9, 9]})
    analysis = archcalc.analyze(spec)
    assert analysis.cache.layers == {"m": None, "c": 4 * 16}  # keys and values are one tensor
    assert analysis.cache.not_counted == ("m",)
    assert "≥256 bytes a token in float32" in archcalc.table(analysis)
    totals = json.loads(archcalc.table(analysis, format="json"))["totals"]
    assert totals["cache_bytes"] is None


def test_the_column_adds_up() -> None:
    printed = archcalc.table(
        archcalc.load("gpt2"), columns="layer,cache", format="csv", detail="all"
    )
    rows = [line.split(",") for line in printed.splitlines()[1:]]
    assert sum(int(row[-1]) for row in rows) == 2 * 12 * 768 * 4


def test_attention_that_works_in_training_only_keeps_nothing() -> None:
    attention = {"op": "Attention", "num_heads": 2, "is_causal": True}
    layers = {"head": attention, "attend": {**attention, "from": "input"}}
    spec = {"name": "net", "input": [10, 8], "layers": layers}
    spec |= {"outputs": ["attend"], "training_outputs": ["head"]}
    assert archcalc.analyze(archcalc.load(spec)).cache.layers == {"attend": 16}
