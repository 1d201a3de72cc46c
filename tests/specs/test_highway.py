"""Highway networks for MNIST, fully connected, against arXiv:1507.06228 and by hand."""

from __future__ import annotations

import pytest
import torch

import archcalc
from archcalc.pytorch.build import build

# Section 3.1: a plain layer and 9, 19, 49 or 99 gated ones, of 50 units; then the softmax layer.
HIGHWAYS = {"highway-10": 9, "highway-20": 19, "highway-50": 49, "highway-100": 99}


@pytest.mark.parametrize("name", HIGHWAYS)
def test_params_by_hand(name: str) -> None:
    plain, gated, softmax = (784 + 1) * 50, 2 * (50 + 1) * 50, (50 + 1) * 10
    params = archcalc.analyze(archcalc.load(name)).params
    assert params == plain + HIGHWAYS[name] * gated + softmax


def test_a_layer_has_as_much_as_a_plain_one_of_71_units() -> None:
    # Section 3.1: 50 blocks or 71 units, "roughly identical numbers", about 5000 a layer.
    rows = archcalc.analyze(archcalc.load("highway-10")).rows
    gated = sum(row.params for row in rows if row.name.startswith("highway.0."))
    assert gated == 2 * (50 + 1) * 50 == 5100
    assert abs(gated - (71 + 1) * 71) < 0.01 * gated


@pytest.mark.parametrize("name", HIGHWAYS)
def test_the_gate_does_not_deepen(name: str) -> None:
    # A gate stands beside its transform: one weight layer a highway layer on any path.
    rows = archcalc.analyze(archcalc.load(name)).rows
    transforms = [row for row in rows if row.name.endswith(".transform")]
    gates = [row for row in rows if row.name.endswith(".gate")]
    assert len(transforms) == len(gates) == HIGHWAYS[name]
    for transform, gate in zip(transforms, gates, strict=True):
        assert transform.node.inputs == gate.node.inputs


def test_a_layer_computes_what_the_paper_says() -> None:
    """Equation 3: y = H(x, W_H) * T(x, W_T) + x * (1 - T(x, W_T))."""
    spec = archcalc.load("highway-10")
    net = build(archcalc.expand(spec, highways=1), dtype=torch.float64).eval()
    x = torch.rand(4, 1, 28, 28, dtype=torch.float64)

    def linear(name: str, v: torch.Tensor) -> torch.Tensor:
        weights = dict(net.named_parameters())
        return v @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    hidden = linear("plain", x.flatten(1)).relu()
    gate = linear("highway.0.gate", hidden).sigmoid()
    gated = linear("highway.0.transform", hidden).relu() * gate + hidden * (1 - gate)
    torch.testing.assert_close(net(x), linear("fc", gated).softmax(1))
