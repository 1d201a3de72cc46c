"""Vision Transformer against its paper (arXiv:2010.11929) and torchvision."""

from __future__ import annotations

import pytest

import archcalc
from archcalc import Analysis
from archcalc.analysis.conventions import convention

# Table 1: layers, hidden size D, MLP size, heads; and the side of a patch.
TABLE1 = {
    "vit_b_16": (12, 768, 3072, 12, 16),
    "vit_b_32": (12, 768, 3072, 12, 32),
    "vit_l_16": (24, 1024, 4096, 16, 16),
    "vit_l_32": (24, 1024, 4096, 16, 32),
    "vit_h_14": (32, 1280, 5120, 16, 14),
}

# torchvision, table of pre-trained classification weights.
TORCHVISION = {
    "vit_b_16": 86_567_656,
    "vit_b_32": 88_224_232,
    "vit_l_16": 304_326_632,
    "vit_l_32": 306_535_400,
    "vit_h_14": 632_045_800,
}

names = pytest.mark.parametrize("name", list(TABLE1))


def network(name: str) -> Analysis:
    return archcalc.analyze(archcalc.load(name))


@names
def test_params_worked_from_table_1(name: str) -> None:
    layers, d, mlp, _, patch = TABLE1[name]
    attention = 4 * (d * d + d)
    layer = attention + (d * mlp + mlp) + (mlp * d + d) + 2 * (2 * d)
    tokens = (224 // patch) ** 2 + 1
    embedding = 3 * patch**2 * d + d + d + tokens * d  # patches, class token, positions
    params = embedding + layers * layer + 2 * d + 1000 * d + 1000

    assert network(name).params == params == TORCHVISION[name]


@names
def test_macs_worked_from_table_1(name: str) -> None:
    layers, d, mlp, _, patch = TABLE1[name]
    tokens = (224 // patch) ** 2 + 1
    products = 2 * tokens * tokens * d
    layer = tokens * (4 * d * d + 2 * d * mlp) + products

    assert network(name).macs == (tokens - 1) * 3 * patch**2 * d + layers * layer + 1000 * d


def test_a_counter_that_misses_attention_finds_16_8_billion() -> None:
    # 12 layers multiply 197 x 197 scores twice by 768 features in all heads.
    products = 12 * 2 * 197 * 197 * 768

    assert network("vit_b_16").macs == 17_563_828_224
    assert convention("torch").total(network("vit_b_16")) == 2 * (17_563_828_224 - products)


@names
def test_heads_share_the_features(name: str) -> None:
    _, d, _, heads, _ = TABLE1[name]
    attentions = [row.node.op for row in network(name).rows if row.op == "MultiheadAttention"]

    assert {attention.num_heads for attention in attentions} == {heads}  # type: ignore[attr-defined]
    assert d // heads == (80 if name == "vit_h_14" else 64)


def test_the_classifier_takes_the_state_of_the_class_token() -> None:
    analysis = network("vit_b_16")

    assert analysis.row("tokens").node.inputs == ("class_token", "patches.permute")
    assert analysis.row("class").shape == (1, 1, 768)
    assert analysis.row("head").node.input_shapes == ((1, 768),)


def test_positions_follow_the_image_and_the_classifier_does_not() -> None:
    large = archcalc.analyze(archcalc.load("vit_b_16"), image_size=384)

    # torchvision's weights for 384 x 384: 24 x 24 patches and the class token.
    assert large.row("encoder.pos_embedding").params == 577 * 768
    assert large.params == 86_859_496
