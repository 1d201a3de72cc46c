"""BASIC-L against what its paper (arXiv:2111.10050) and that of CoAtNet-7 say of it."""

from __future__ import annotations

import archcalc
from archcalc import Analysis


def network() -> Analysis:
    return archcalc.analyze(archcalc.load("basic-l"))


def params(stage: str) -> int:
    return sum(row.params for row in network().rows if row.stage == stage)


def test_it_has_the_three_billion_parameters_of_the_abstract() -> None:
    assert round(network().params / 1e9) == 3


def test_the_image_tower_is_the_largest_coatnet_without_its_classifier() -> None:
    # Two layers: 3072 -> 3072 -> 1000, with biases.
    classifier = (3072 * 3072 + 3072) + (3072 * 1000 + 1000)
    coatnet = archcalc.analyze(archcalc.load("coatnet_7"))

    assert params("image_tower") == coatnet.params - classifier
    tower = sum(row.macs for row in network().rows if row.stage == "image_tower")
    assert tower == coatnet.macs - 3072 * 3072 - 3072 * 1000


def test_the_text_tower_worked_by_hand() -> None:
    # 12 layers of 12 d^2 weights, their biases and two normalizations; 32,000 tokens.
    d = 2048
    layer = 4 * (d * d + d) + (4 * d * d + 4 * d) + (4 * d * d + d) + 2 * 2 * d

    assert params("text_embedding") == 32_000 * d + 12 * layer + 2 * d
    assert round(params("text_embedding") / 1e6) == 670


def test_both_towers_end_in_as_many_features() -> None:
    graph = network().graph
    outputs = [node.shape for node in graph.nodes if node.name in graph.outputs]

    assert list(graph.inputs) == ["image", "text"]
    assert outputs == [(1, 2048), (1, 2048)]


def test_heads_have_128_features() -> None:
    rows = [row for row in network().rows if row.op == "ScaledDotProductAttention"]

    assert [row.shape[1:] for row in rows] == [(16, 196, 128)] * 42 + [(24, 49, 128)] * 2
