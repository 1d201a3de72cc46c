"""T5, worked from its sizes."""

from __future__ import annotations

import pytest

import archcalc

SIZES = {
    "t5_small": (512, 64, 2048, 6, 8),
    "t5_base": (768, 64, 3072, 12, 12),
    "t5_large": (1024, 64, 4096, 24, 16),
    "t5_3b": (1024, 128, 16_384, 24, 32),
    "t5_11b": (1024, 128, 65_536, 24, 128),
}


@pytest.mark.parametrize("name", SIZES)
def test_params_worked_from_the_sizes(name: str) -> None:
    d, head, mlp, layers, heads = SIZES[name]
    attention, ff = 4 * d * heads * head + d, 2 * d * mlp + d
    stacks = layers * (attention + ff) + layers * (2 * attention + ff) + 2 * d
    biases = 2 * 32 * heads  # of the encoder and of the decoder
    assert archcalc.analyze(archcalc.load(name)).params == 32_128 * d + stacks + biases


def test_the_decoder_asks_what_the_encoder_read() -> None:
    """9 tokens read and 4 written, 6 layers, 8 heads of 64 features."""
    shapes = {"input_ids": 9, "decoder_input_ids": 4}
    found = archcalc.analyze(archcalc.load("t5_small"), input=shapes)
    d, mlp = 512, 2 * 512 * 2048
    encoder = 9 * (4 * d * d + mlp) + 2 * 9 * 9 * d
    decoder = 4 * (6 * d * d + mlp) + 9 * 2 * d * d + 2 * 4 * 4 * d + 2 * 4 * 9 * d
    assert found.macs == 6 * (encoder + decoder) + 4 * 32_128 * d


def test_all_layers_share_one_table_of_positions() -> None:
    found = archcalc.analyze(
        archcalc.load("t5_small"), input={"input_ids": 9, "decoder_input_ids": 4}
    )
    takers = [row.name for row in found.rows if "encoder_bias.order" in row.node.inputs]
    assert takers == [f"encoder.{k}.attention.sdpa" for k in range(6)]
