"""What is counted, once and where: owned, executed and shared; per layer and in total."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archcalc
import archcalc.analysis
from archcalc import Analysis
from archcalc.operators.base import KINDS
from tests.kinds import changeable


def analysis(
    layers: dict[str, Any], *, batch: int = 1, training: bool = False, **rest: Any
) -> Analysis:
    spec = archcalc.load({"name": "net", "input": [8, 10, 10], "layers": layers, **rest})
    return archcalc.analyze(spec, batch=batch, training=training)


def conv(channels: int, kernel: int = 3, **rest: Any) -> dict[str, Any]:
    return {
        "op": "Conv2d",
        "out_channels": channels,
        "kernel_size": kernel,
        "padding": kernel // 2,
        **rest,
    }


# Totals -----------------------------------------------------------------------------------------


def test_the_first_layer_of_alexnet_by_hand() -> None:
    row = archcalc.analyze(archcalc.load("alexnet")).row("conv1")
    assert row.shape == (1, 96, (227 - 11 + 2 * 0) // 4 + 1, 55)
    assert row.params == (11 * 11 * 3 + 1) * 96 == 34_944
    assert row.macs == 55 * 55 * 96 * 11 * 11 * 3
    assert row.work.adds == 55 * 55 * 96  # one for each use of a bias
    assert row.connections == row.macs + row.work.adds


def test_flops_are_twice_the_macs_and_all_other_arithmetic() -> None:
    counted = analysis({"conv": conv(4), "relu": "ReLU"})
    macs, outputs = 100 * 4 * 9 * 8, 100 * 4
    assert counted.macs == macs
    assert counted.flops == 2 * macs + outputs + outputs  # a bias and a comparison an element


def test_params_buffers_and_bytes() -> None:
    counted = analysis({"conv": conv(4, bias=False), "bn": "BatchNorm2d"})
    assert counted.params == 4 * 8 * 9 + 2 * 4
    assert counted.buffers == 2 * 4 + 1  # running mean and variance, and the number of batches
    assert counted.weight_bytes() == 4 * counted.params
    assert counted.weight_bytes("float16") == 2 * counted.params


def test_the_first_bottleneck_saving_of_the_seed_documents() -> None:
    # 5x5 on 192 -> 32 at 28x28: 120,422,400; through 16 channels: 2,408,448 + 10,035,200.
    direct = analysis({"conv": conv(32, 5)}, input=[192, 28, 28])
    bottleneck = analysis({"reduce": conv(16, 1), "conv": conv(32, 5)}, input=[192, 28, 28])
    assert direct.macs == 120_422_400
    assert [row.macs for row in bottleneck.rows] == [2_408_448, 10_035_200]
    assert bottleneck.macs == 12_443_648


@pytest.mark.parametrize("name", ["lenet5-1998", "alexnet", "googlenet-aux", "resnet18", "vgg11"])
def test_totals_are_the_sums_of_their_rows(name: str) -> None:
    counted = archcalc.analyze(archcalc.load(name))
    assert counted.params == sum(row.params for row in counted.rows)
    assert counted.buffers == sum(row.buffers for row in counted.rows)
    for kind in KINDS:
        assert getattr(counted.work, kind) == sum(getattr(row.work, kind) for row in counted.rows)


@given(batch=st.integers(1, 1000))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_work_scales_with_the_batch_and_params_do_not(batch: int) -> None:
    # No network of these normalizes by per-channel constants, which are made once a batch.
    for name in ("alexnet", "googlenet", "resnet18-cheatsheet"):
        network = archcalc.load(name)
        one, many = archcalc.analyze(network), archcalc.analyze(network, batch=batch)
        assert many.params == one.params
        assert many.macs == batch * one.macs
        assert many.flops == batch * one.flops


def test_a_linear_layer_works_at_every_position() -> None:
    counted = analysis({"fc": {"op": "Linear", "out_features": 5}}, input=[7, 3], batch=2)
    assert counted.macs == 2 * 7 * 3 * 5
    assert counted.params == 3 * 5 + 5


def test_analyzing_twice_gives_the_same() -> None:
    network = archcalc.load("googlenet")
    assert archcalc.analyze(network) == archcalc.analyze(network)


def test_no_number_overflows_or_is_rounded() -> None:
    # 1.6e9 MACs an image: 32 bits would have overflowed at the second.
    one = archcalc.analyze(archcalc.load("googlenet"))
    assert archcalc.analyze(archcalc.load("googlenet"), batch=2**34).macs == one.macs * 2**34


def test_a_graph_is_analyzed_as_it_is() -> None:
    network = archcalc.load("lenet5")
    graph = archcalc.expand(network, batch=3)
    assert archcalc.analyze(graph) == archcalc.analyze(network, batch=3)
    with pytest.raises(TypeError, match="a graph has its shapes"):
        archcalc.analyze(graph, batch=2)


# Owned, executed, shared --------------------------------------------------------------------------

WEIGHTS = 8 * 8 * 9 + 8  # of a 3x3 convolution from 8 to 8 channels


def test_a_layer_that_is_called_twice_owns_its_params_once_and_works_twice() -> None:
    counted = analysis({"a": conv(8), "b": conv(8, share="a")})
    assert (counted.params, counted.executed_params, counted.shared_params) == (WEIGHTS,) * 3
    assert [row.params for row in counted.rows] == [WEIGHTS, 0]
    assert [row.shared for row in counted.rows] == [0, WEIGHTS]
    assert counted.macs == 2 * 100 * 8 * 8 * 9


def test_a_linear_layer_within_two_blocks_is_owned_once() -> None:
    layers: dict[str, Any] = {"left": "head", "right": {"block": "head", "share": "left"}}
    blocks = {"head": {"layers": {"fc": {"op": "Linear", "out_features": 10}, "relu": "ReLU"}}}
    counted = analysis(layers, blocks=blocks)
    assert counted.params == counted.shared_params == 10 * 10 + 10


def test_a_tied_weight_is_owned_once_and_the_bias_beside_it_is_not_shared() -> None:
    layers: dict[str, Any] = {
        "embed": {"op": "Embedding", "num_embeddings": 50, "embedding_dim": 6},
        "head": {"op": "Linear", "out_features": 50, "share": "embed"},
    }
    counted = analysis(layers, input=[7])
    assert counted.params == 50 * 6 + 50
    assert counted.shared_params == 50 * 6
    assert counted.macs == 7 * 50 * 6  # looking up is no arithmetic


def test_tensors_shared_by_three_are_shared_once() -> None:
    counted = analysis({"a": conv(8), "b": conv(8, share="a"), "c": conv(8, share="b")})
    assert counted.shared_params == counted.params == WEIGHTS


def test_shared_buffers_are_owned_once() -> None:
    counted = analysis({"a": "BatchNorm2d", "b": {"op": "BatchNorm2d", "share": "a"}})
    assert counted.buffers == 2 * 8 + 1


def test_a_branch_that_is_never_executed_is_owned_only() -> None:
    layers: dict[str, Any] = {"a": conv(8), "aux": conv(8)}
    rest: dict[str, Any] = {"outputs": "a", "training_outputs": "aux"}
    counted = analysis(layers, **rest)
    assert (counted.params, counted.executed_params) == (2 * WEIGHTS, WEIGHTS)
    assert [row.executed for row in counted.rows] == [True, False]
    assert counted.row("aux").macs == 0
    assert counted.activations == 8 * 100
    assert analysis(layers, training=True, **rest).executed_params == 2 * WEIGHTS


def test_params_lent_by_a_layer_that_is_not_executed_are_executed_by_the_borrower() -> None:
    layers: dict[str, Any] = {"aux": conv(8), "main": {**conv(8, share="aux"), "from": "input"}}
    counted = analysis(layers, outputs="main", training_outputs="aux")
    assert counted.executed_params == WEIGHTS


def test_what_is_found_of_a_network_does_not_change() -> None:
    assert changeable(archcalc.analysis) == set()
