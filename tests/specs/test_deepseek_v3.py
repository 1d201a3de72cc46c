"""DeepSeek-V3, worked from its sizes."""

from __future__ import annotations

from typing import Any

import archcalc

D, HEADS = 7168, 128
ATTENTION = (
    (D * 1536 + 1536 + 1536 * HEADS * (128 + 64))  # queries, through 1,536 features
    + (D * (512 + 64) + 512 + 512 * HEADS * (128 + 128))  # keys and values, through 512
    + HEADS * 128 * D
)
EXPERT = 3 * D * 2048


def test_params_worked_from_the_sizes() -> None:
    found = archcalc.analyze(archcalc.load("deepseek_v3"), length=8)
    layers = 61 * (ATTENTION + 2 * D) + 3 * 3 * D * 18_432
    ends = 2 * 129_280 * D + D
    for params, experts in ((found.params, 256), (found.executed_params, 8)):
        assert params == ends + layers + 58 * ((experts + 1) * EXPERT + 256 * D)
    assert found.buffers == 58 * 256


def test_a_narrow_vector_and_a_key_are_kept_of_a_token() -> None:
    """512 features and a key of 64 in each of 61 layers: 70,272 bytes a token in 16 bits."""
    spec = archcalc.load("deepseek_v3")
    assert archcalc.analyze(spec, length=8).cache_bytes("bfloat16") == 61 * 576 * 2 == 70_272
    small: dict[str, Any] = {"num_hidden_layers": 4, "n_routed_experts": 8}
    found = archcalc.memory(spec, "bfloat16", input=[1], past=99, **small)
    assert found.cache == 100 * 4 * 576 * 2


def test_keys_and_values_are_made_again_of_what_was_kept() -> None:
    """100 tokens through 512 x 128 x 256 weights, and scores of 192 and 128 features of one."""
    small: dict[str, Any] = {
        "num_hidden_layers": 1,
        "n_routed_experts": 8,
        "past": 99,
        "last": True,
    }
    found = archcalc.analyze(archcalc.load("deepseek_v3"), input=[1], **small)
    assert found.row("layers.0.self_attn.kv_b_proj").macs == 100 * 512 * HEADS * 256
    assert found.row("layers.0.self_attn.sdpa").macs == HEADS * 100 * (192 + 128)


def test_a_server_gets_its_answer() -> None:
    spec = archcalc.load("deepseek_v3")
    small: dict[str, Any] = {"num_hidden_layers": 4, "n_routed_experts": 8}
    found = archcalc.generate(spec, "h200", prompt=100, tokens=3, **small)
    assert found.cache_per_token == 4 * 576 * 2
