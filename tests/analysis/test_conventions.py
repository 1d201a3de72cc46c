"""Conventions: one number of a layer's work."""

from __future__ import annotations

from typing import Any

import pytest

import archcalc
from archcalc import ArchcalcError
from archcalc.analysis.conventions import CONVENTIONS, convention

OURS = [name for name, each in CONVENTIONS.items() if not each.tool]


def total(name: str, op: dict[str, Any], *shape: int) -> int:
    spec = archcalc.load({"name": "one", "input": list(shape), "layers": {"layer": op}})
    count: int = convention(name).total(archcalc.analyze(spec))
    return count


# Worked by hand from the definition: 2 K - 1 for each dot product of K terms, and 1 a bias.
TEXTBOOK: list[tuple[dict[str, Any], tuple[int, ...], int]] = [
    # 2 dot products of 3 terms
    ({"op": "Linear", "out_features": 2, "bias": False}, (3,), 2 * 5),
    ({"op": "Linear", "out_features": 2}, (3,), 2 * 5 + 2),
    # 3x3 positions of 9 terms each
    ({"op": "Conv2d", "out_channels": 1, "kernel_size": 3, "bias": False}, (1, 5, 5), 9 * 17),
    ({"op": "Conv2d", "out_channels": 1, "kernel_size": 3}, (1, 5, 5), 9 * 17 + 9),
    # 2x2 positions of 4 terms, each with the channel's bias
    ({"op": "SubSampling2d"}, (1, 4, 4), 4 * 7 + 4),
    # 4 projections of 3x4 elements, 4 terms and a bias each; 2x3x3 scores of 2 terms; 3x4 values
    # of 3 terms. Neither the scale nor the softmax.
    ({"op": "MultiheadAttention", "num_heads": 2}, (3, 4), 4 * 12 * (7 + 1) + 18 * 3 + 12 * 5),
    # 4 gates of 2 units: of 3 terms from the input, of 2 from the state, 2 biases; not their sum
    ({"op": "LSTM", "hidden_size": 2}, (1, 3), 8 * 5 + 8 * 3 + 2 * 8),
    ({"op": "LSTM", "hidden_size": 2, "bias": False}, (1, 3), 8 * 5 + 8 * 3),
]


@pytest.mark.parametrize(("op", "shape", "expected"), TEXTBOOK)
def test_textbook_counts_dot_products_and_uses_of_biases_alone(
    op: dict[str, Any], shape: tuple[int, ...], expected: int
) -> None:
    assert total("textbook", op, *shape) == expected


@pytest.mark.parametrize("op", [{"op": "LayerNorm"}, {"op": "ReLU"}, {"op": "PReLU"}])
def test_layers_without_multiply_accumulates_count_under_all_only(op: dict[str, Any]) -> None:
    counted = {name: total(name, op, 4, 4) for name in OURS}
    assert counted.pop("all") > 0
    assert set(counted.values()) == {0}


def test_alexnets_first_convolution_by_each_convention() -> None:
    # 55 x 55 x 96 outputs of 11 x 11 x 3 = 363 terms and a bias.
    op = {"op": "Conv2d", "out_channels": 96, "kernel_size": 11, "stride": 4}
    outputs, terms = 55 * 55 * 96, 363
    assert {name: total(name, op, 3, 227, 227) for name in OURS} == {
        "macs": outputs * terms,
        "2xmacs": outputs * 2 * terms,
        "all": outputs * (2 * terms + 1),
        "textbook": outputs * (2 * terms - 1 + 1),
    }


def test_what_is_not_executed_counts_nothing() -> None:
    rows = archcalc.analyze(archcalc.load("googlenet-aux")).rows
    idle = [row for row in rows if not row.executed]
    assert any("bias" in row.weights for row in idle)
    assert {each.count(row) for each in CONVENTIONS.values() for row in idle} == {0}


def test_an_unknown_convention_is_named_with_the_nearest() -> None:
    with pytest.raises(ArchcalcError, match=r"no convention 'mac'\n  did you mean 'macs'\?"):
        convention("mac")
