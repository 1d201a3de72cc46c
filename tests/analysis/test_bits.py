"""Bytes, bit operations and bounds of networks whose numbers are in different formats."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

import archcalc
from archcalc import Hardware
from archcalc.spec.machines import Stated

NET: dict[str, Any] = {
    "name": "net",
    "input": [4, 8, 8],
    "layers": {
        "a": {"op": "Conv2d", "out_channels": 8, "kernel_size": 3, "padding": 1, "bias": False},
        "bn": "BatchNorm2d",
        "relu": "ReLU",
        "b": {"op": "Conv2d", "out_channels": 16, "kernel_size": 1, "bias": False},
        "pool": {"op": "GlobalAvgPool", "keepdim": False},
        "c": {"op": "Linear", "out_features": 10},
    },
}
A, B, C = 64 * 8 * 4 * 9, 64 * 16 * 8, 160
"""Multiply-accumulates: of 64 positions, and of the classifier."""


def net(**bits: Any) -> archcalc.Spec:
    return archcalc.quantize(archcalc.load(NET), **bits)


def machine(sparse: bool = False) -> Hardware:
    def stated(value: float) -> Stated:
        return Stated(value, str(value), False, "made up", sparse)

    peaks = {"float32": stated(1e12), "int8": stated(4e12)}
    return Hardware(
        "made", "made", None, Stated(0.0, "", False, ""), Stated(1e9, "1", False, ""), peaks
    )


def test_products_of_activations_have_no_bits_of_weights() -> None:
    """5 x 2 numbers and 2 x 3 weights, then 5 x 3 numbers and 3 x 7."""
    layers = {
        "a": {"op": "Linear", "out_features": 3, "bias": False},
        "b": {"op": "MatMul", "from": ["a", "y"]},
    }
    spec = archcalc.load({"name": "n", "input": {"x": [5, 2], "y": [3, 7]}, "layers": layers})
    stored = archcalc.quantize(spec, weights="int4", activations="int8")
    assert archcalc.analyze(stored).bit_operations() == 5 * 2 * 3 * 4 * 8 + 5 * 3 * 7 * 8 * 8


def test_attention_has_products_of_both_kinds() -> None:
    """Four projections of 5 x 4 numbers to 4 features; scores of 5 x 5 and what they weigh."""
    layers = {"attend": {"op": "Attention", "num_heads": 1}}
    spec = archcalc.load({"name": "n", "input": [5, 4], "layers": layers})
    stored = archcalc.quantize(spec, weights="int4", activations="int8")
    found = archcalc.analyze(stored)
    assert found.bit_operations() == 4 * 5 * 4 * 4 * 4 * 8 + 2 * 5 * 5 * 4 * 8 * 8


@pytest.mark.parametrize(
    ("bits", "operations"),
    [
        ({}, (A + B + C) * 32 * 32),
        ({"weights": "int4"}, (A + B + C) * 4 * 32),
        ({"weights": "int4", "activations": "int8"}, (A + B + C) * 4 * 8),
        ({"weights": "binary", "activations": "binary", "exclude": "ends"}, B + (A + C) * 1024),
        ({"weights": "int8", "activations": "int8", "density": "2:4"}, (A + B + C) * 32),
        ({"weights": "int8", "activations": "int8", "density": "0.5"}, (A + B + C) * 64),
    ],
)
def test_bit_operations_are_products_of_bits(bits: Any, operations: int) -> None:
    analysis = archcalc.analyze(net(**bits))
    assert analysis.macs == A + B + C
    assert analysis.bit_operations() == operations
    assert f"{operations:,}" in archcalc.table(analysis, columns="layer,bits,bit_operations")


def test_products_of_activations_have_their_bits_twice() -> None:
    """Two tokens of 8 features, one head: 2 x 2 x 8 for scores, as many for values."""
    spec = archcalc.load(
        {
            "name": "attend",
            "input": [2, 8],
            "layers": {
                "q": {"op": "Linear", "out_features": 8, "bias": False},
                "heads": {"op": "Reshape", "shape": [1, 2, 8]},
                "attend": {"op": "ScaledDotProductAttention", "from": ["heads", "heads", "heads"]},
            },
        }
    )
    found = archcalc.analyze(archcalc.quantize(spec, weights="int4", activations="int8"))
    assert found.bit_operations() == 2 * 8 * 8 * 4 * 8 + 2 * 2 * 2 * 8 * 8 * 8


def test_a_tensor_is_as_wide_as_who_takes_it_needs() -> None:
    """What two layers take, one in eight bits and one in four, has eight; what is given has 32."""
    layers = NET["layers"]
    spec = archcalc.load({**NET, "layers": layers})
    some = archcalc.quantize(spec, activations=["bn=int8", "relu=int8", "b=int4"])
    assert {name: f.name for name, f in archcalc.analyze(some).formats().items()} == {
        "a": "int8",
        "bn": "int8",
        "relu": "int4",
    }
    table = archcalc.table(some, columns="layer,activation_bytes", detail="all", format="csv")
    assert table.splitlines()[1:4] == ["a,512", "bn,512", "relu,256"]
    joined = {**layers, "sum": {"op": "Add", "from": ["c", "c"]}}
    two = archcalc.load({**NET, "layers": joined})
    mixed = archcalc.quantize(two, activations=["int8", "c=int4"])
    assert "sum" not in archcalc.analyze(mixed).formats()


def test_what_shows_a_tensor_asks_for_no_width_of_its_own() -> None:
    layers = {"a": NET["layers"]["a"], "flat": "Flatten", "c": NET["layers"]["c"]}
    some = archcalc.quantize(archcalc.load({**NET, "layers": layers}), activations=["c=int4"])
    formats = archcalc.analyze(some).formats()
    assert {name: each.name for name, each in formats.items()} == {"a": "int4", "flat": "int4"}


def test_memory_follows() -> None:
    """In eight bits: 8 x 64 numbers of a and of its normalization."""
    found = archcalc.memory(net(weights="int8", activations="int8"))
    assert found.weights == 8 * 4 * 9 + 16 * 8 + 160 + 4 * (8 + 8 + 10)
    assert (found.peak, found.activations) == ("b", 8 * 64 + 16 * 64)
    assert archcalc.memory(net(activations="int8")).activations == found.activations
    some = archcalc.memory(net(activations="int8", exclude="Conv2d"))
    assert (some.peak, some.activations) == ("b", 4 * 8 * 64 + 16 * 64)


def test_what_is_trained_is_in_the_dtype() -> None:
    plain, said = archcalc.load(NET), net(weights="int4", activations="int8")
    ours, others = (archcalc.memory(each, training=True) for each in (said, plain))
    assert (ours.parts, ours.moments, ours.bits) == (others.parts, others.moments, ())


def test_products_of_eight_bits_take_the_peak_for_them() -> None:
    plain = archcalc.roofline(net(), machine()).seconds_computing
    weights = archcalc.roofline(net(weights="int8"), machine())
    both = archcalc.roofline(net(weights="int8", activations="int8"), machine())
    assert weights.seconds_computing == plain == pytest.approx(2 * (A + B + C) / 1e12)
    assert both.seconds_computing == pytest.approx(plain / 4)
    assert (weights.computed, both.computed) == (("float32",), ("int8",))
    ends = archcalc.roofline(net(weights="int8", activations="int8", exclude="ends"), machine())
    assert ends.seconds_computing == pytest.approx(2 * (A + C) / 1e12 + 2 * B / 4e12)


@pytest.mark.parametrize(
    ("sparse", "density", "share"), [(False, "2:4", 1), (True, "2:4", 2), (True, "0.5", 1)]
)
def test_zeros_are_skipped_where_a_machine_does_so(sparse: bool, density: str, share: int) -> None:
    dense = archcalc.roofline(net(), machine(sparse))
    found = archcalc.roofline(net(density=density), machine(sparse))
    assert found.seconds_computing == pytest.approx(dense.seconds_computing / share)
    assert found.skips is (share == 2)
    kept = Fraction(1, 2) * (8 * 4 * 9 + 16 * 8 + 160)
    assert sum(k.weights for k in dense.kernels) - sum(k.weights for k in found.kernels) > kept


def test_stored_and_executed_weights_are_told_apart() -> None:
    """576 weights of matrices, and 26 others; a tenth is rounded up in each tensor."""
    columns = "stored_weights,executed_weights"

    def totals(density: str) -> str:
        return archcalc.table(net(density=density), columns=f"layer,{columns}").split("total")[1]

    assert totals("2:4").split()[:2] == ["314", "314"]
    assert totals("0.1").split()[:2] == [f"{29 + 13 + 16 + 26}", "602"]


def test_a_tensor_that_multiplies_somewhere_is_stored_once() -> None:
    """GPT-2's table of 50,257 tokens is its classifier, too."""
    bare, said = (archcalc.memory(archcalc.load("gpt2"), weights=w) for w in (None, "int8"))
    matrices = 12 * 12 * 768**2 + 50_257 * 768
    assert bare.weights - said.weights == 3 * matrices


def test_a_sweep_counts_bytes_of_tensors() -> None:
    bits = {"weights": "int4:4", "exclude": "ends"}
    layers = {**NET["layers"], "b": {**NET["layers"]["b"], "out_channels": "=n"}}
    spec = archcalc.load({**NET, "bits": bits, "vars": {"n": 16}, "layers": layers})
    found = archcalc.sweep(spec, quantities="weight_bytes", n=[16, 32])
    # n x 8 in four bits, with two scales of two bytes for the eight weights of a filter.
    sizes = [n * 4 + n * 2 * 2 + 4 * (8 * 4 * 9 + n * 10 + 16 + 10) for n in (16, 32)]
    assert [row["weight_bytes"] for row in found] == sizes


def test_a_filter_is_a_row_whatever_its_extent() -> None:
    """8 filters of 4 x 3 x 3 weights: a scale each, or one for 9 of the 36."""
    conv = 8 * 36
    whole = archcalc.memory(net(weights="a=int8:channel")).weights
    groups = archcalc.memory(net(weights="a=int8:9")).weights
    plain = archcalc.memory(net(weights="a=int8")).weights
    assert (whole - plain, groups - plain) == (8 * 2, 8 * 4 * 2)
    assert archcalc.memory(net()).weights - plain == 3 * conv
