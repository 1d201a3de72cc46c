"""BERT, worked from its sizes."""

from __future__ import annotations

import pytest

import archcalc


@pytest.mark.parametrize(
    ("name", "d", "layers"), [("bert_base", 768, 12), ("bert_large", 1024, 24)]
)
def test_params_worked_from_the_sizes(name: str, d: int, layers: int) -> None:
    found = archcalc.analyze(archcalc.load(name))
    embeddings = (30_522 + 512 + 2) * d + 2 * d
    layer = 12 * d * d + 13 * d  # four projections, two of an MLP, two normalizations
    heads = (d * d + d + 2 * d) + 30_522 + (d * d + d) + (2 * d + 2)
    assert found.params == embeddings + layers * layer + heads


def test_work_is_that_of_matrices_and_of_scores() -> None:
    found = archcalc.analyze(
        archcalc.load("bert_base"), input={"input_ids": 9, "token_type_ids": 9}
    )
    d = 768
    layer = 9 * 12 * d * d + 2 * 9 * 9 * d
    assert found.macs == 12 * layer + 9 * (d * d + 30_522 * d) + d * d + 2 * d


def test_each_token_sees_all_so_nothing_is_kept() -> None:
    assert archcalc.analyze(archcalc.load("bert_base")).cache.numbers == 0
