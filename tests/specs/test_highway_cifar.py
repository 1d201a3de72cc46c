"""Highway B for CIFAR, against arXiv:1507.06228 and its authors' code."""

from __future__ import annotations

import pytest

import archcalc

# The log that their authors published with the code: shapes and trained parameters.
LOG = {
    "stage1.conv": ((32, 32, 32), 896),
    **{f"stage1.highway.{i}": ((32, 32, 32), 18_496) for i in range(4)},
    "maxpool1": ((32, 16, 16), 0),
    "stage2.conv": ((80, 16, 16), 23_120),
    **{f"stage2.highway.{i}": ((80, 16, 16), 115_360) for i in range(5)},
    "maxpool2": ((80, 8, 8), 0),
    "stage3.conv": ((128, 8, 8), 92_288),
    **{f"stage3.highway.{i}": ((128, 8, 8), 295_168) for i in range(5)},
    "conv": ((100, 8, 8), 12_900),
    "avgpool": ((100, 1, 1), 0),
    "fc": ((100,), 10_100),
}


@pytest.mark.parametrize("layer", LOG)
def test_the_log_of_the_authors_layer_by_layer(layer: str) -> None:
    rows = [
        row
        for row in archcalc.analyze(archcalc.load("highway-cifar100")).rows
        if row.name == layer or row.name.startswith(f"{layer}.")
    ]
    assert (rows[-1].shape[1:], sum(row.params for row in rows)) == LOG[layer]


def test_the_log_adds_up_to_its_total() -> None:
    total = archcalc.analyze(archcalc.load("highway-cifar100")).params
    assert total == sum(params for _, params in LOG.values()) == 2_265_928


def test_with_10_classes_it_has_the_params_of_the_paper() -> None:
    # Table 2: about 2.3M. The classifier's 100 inputs and a bias for 90 outputs less.
    params = archcalc.analyze(archcalc.load("highway-cifar10")).params
    assert params == 2_265_928 - (100 + 1) * 90
    assert f"{params / 1e6:.1f}" == "2.3"


def test_it_has_19_layers_a_gate_beside_its_transform() -> None:
    rows = archcalc.analyze(archcalc.load("highway-cifar10")).rows
    weighted = [row.name for row in rows if row.weights and not row.name.endswith(".gate")]
    assert len(weighted) == 19
