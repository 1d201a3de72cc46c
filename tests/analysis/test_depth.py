"""Depth is the weight layers on the longest path, as papers count them."""

from __future__ import annotations

import pytest

import archcalc
from archcalc.analysis.depth import is_weight_layer
from archcalc.claims.facts import Scope


@pytest.mark.parametrize(
    ("name", "depth"),
    [
        ("vgg16", 16),
        ("resnet18", 1 + 2 * 8 + 1),
        # The projection of patches, in each of 12 layers attention and two linear layers, and the
        # classifier: no class token and no positions.
        ("vit_b_16", 1 + 12 * 3 + 1),
        # In each of 12 blocks two linear layers around attention and two of an MLP; three mergings.
        ("swin_t", 1 + 12 * 4 + 3 + 1),
    ],
)
def test_depth_counts_what_multiplies_by_weights(name: str, depth: int) -> None:
    assert Scope.of(archcalc.load(name)).depth() == depth


def test_a_tensor_by_itself_is_no_weight_layer() -> None:
    rows = archcalc.analyze(archcalc.load("swin_t")).rows
    kinds = {row.op for row in rows if is_weight_layer(row)}

    assert kinds == {"Conv2d", "Linear"}
