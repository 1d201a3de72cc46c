"""Mamba, worked from its sizes."""

from __future__ import annotations

import pytest

import archcalc


@pytest.mark.parametrize(
    ("name", "d", "layers"), [("mamba_130m", 768, 24), ("mamba_370m", 1024, 48)]
)
def test_params_worked_from_the_sizes(name: str, d: int, layers: int) -> None:
    inner, rank, state = 2 * d, d // 16, 16
    mixer = d * 2 * inner + 4 * inner + inner + inner * (rank + 2 * state)
    mixer += rank * inner + inner + inner * state + inner + inner * d
    found = archcalc.analyze(archcalc.load(name), length=2)
    assert found.params == 50_280 * d + layers * (mixer + d) + d


def test_work_grows_with_the_tokens_and_not_with_their_pairs() -> None:
    one, two, four = (
        archcalc.analyze(archcalc.load("mamba_130m"), length=n, num_hidden_layers=1).macs
        for n in (1, 2, 4)
    )
    assert four - two == 2 * (two - one)
